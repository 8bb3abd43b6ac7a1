// Which image runs in a context, and where it is loaded there. An explicit configuration says so; otherwise the bytes at the context's RIP, read
// through its own paging, are compared with the text of every known image at each place that lies at the same offset in its page: images are
// loaded at whole pages, and relocation changes no byte of position-independent text. Answers are kept per context and checked when used.
import type { SymbolFile } from '../../symbols/symbol-file';
import type { Context } from '../levels/context';
import type { LevelMemory } from '../translation/level-memory';

export interface KnownImage {
  readonly name: string;
  readonly symbols: SymbolFile;
}

/** An image as it is mapped in a context: runtime address = link-time address + bias. */
export interface MappedImage {
  readonly image: KnownImage;
  readonly bias: bigint;
}

/** A level whose image the user named. `loadAddress`: linear address of its first loaded segment; absent = where it is linked. */
export interface ConfiguredLevel {
  readonly level: number;
  readonly image: KnownImage;
  readonly loadAddress?: bigint;
}

const pageBytes = 4096n;
/** Bytes compared first, and at least: fewer prove nothing. */
const windowBytes = 64, leastBytes = 12;
/** Part of a page that must agree where bytes differ (data in text, patched instructions). */
const tolerance = 0.9;

export class ImageMap {
  private readonly mapped = new Map<number, MappedImage[]>();
  private readonly configured: readonly ConfiguredLevel[];
  /** Where nothing was found, by context: no new search while the same bytes are there. */
  private readonly unknown = new Map<number, { readonly address: bigint; readonly bytes: Uint8Array }>();

  constructor(readonly images: readonly KnownImage[], private readonly memory: LevelMemory, configured: readonly ConfiguredLevel[] = []) {
    this.configured = configured;
  }

  /** Forgets what was found (another machine state). */
  clear(): void {
    this.mapped.clear();
    this.unknown.clear();
  }

  /** The image at a linear address of the context, `rip` of the context by default; undefined when no known image is there. */
  at(context: Context, address: bigint): MappedImage | undefined {
    const explicit = this.configuredFor(context.level);
    if (explicit && explicit.image.symbols.isCode(address - explicit.bias)) return explicit;
    const known = this.mapped.get(context.id);
    const kept = known?.find(each => each.image.symbols.isCode(address - each.bias) && this.agrees(context, each, address));
    if (kept) return kept;
    const bytes = this.memory.read(context, 'linear', address, windowBytes), before = this.unknown.get(context.id);
    if (before?.address === address && before.bytes.length === bytes.length && agreement(before.bytes, bytes) === 1) return undefined;
    const found = this.search(context, address);
    if (!found) this.unknown.set(context.id, { address, bytes });
    if (found) this.mapped.set(context.id, [found, ...(known ?? []).filter(each => each.image !== found.image)]);
    return found;
  }

  /** Images found in the context so far, or configured for its level. */
  inContext(context: Context): readonly MappedImage[] {
    const explicit = this.configuredFor(context.level);
    return explicit ? [explicit] : this.mapped.get(context.id) ?? [];
  }

  private configuredFor(level: number): MappedImage | undefined {
    const row = this.configured.find(each => each.level === level);
    if (!row) return undefined;
    const first = row.image.symbols.segments.reduce((low, each) => each.virtualAddress < low ? each.virtualAddress : low, row.image.symbols.segments[0]?.virtualAddress ?? 0n);
    return { image: row.image, bias: row.loadAddress === undefined ? 0n : BigInt.asUintN(64, row.loadAddress - first) };
  }

  /** Whether memory still has the image's text at the address. */
  private agrees(context: Context, { image, bias }: MappedImage, address: bigint): boolean {
    const bytes = this.memory.read(context, 'linear', address, 16), text = image.symbols.textBytes(address - bias, bytes.length);
    // the text may end here: what there is of it decides
    return text.length > 0 && agreement(bytes.subarray(0, text.length), text) >= tolerance;
  }

  private search(context: Context, address: bigint): MappedImage | undefined {
    const offset = address & pageBytes - 1n, page = address - offset;
    const bytes = this.memory.read(context, 'linear', page, Number(pageBytes));
    if (bytes.length < Number(pageBytes)) return undefined;
    let best: { mapped: MappedImage; score: number } | undefined;
    for (const image of this.images) {
      for (const linked of codePages(image.symbols)) {
        // where the text ends soon, what stands before the address says more
        const isLast = image.symbols.textBytes(linked + offset, leastBytes).length < leastBytes, from = isLast && offset >= windowBytes ? Number(offset) - windowBytes : Number(offset);
        const near = bytes.subarray(from, from + windowBytes), text = image.symbols.textBytes(linked + BigInt(from), near.length);
        if (text.length < Math.min(leastBytes, near.length) || agreement(near.subarray(0, text.length), text) < tolerance || !image.symbols.isCode(linked + offset)) continue;
        const score = this.pageScore(image.symbols, linked, bytes);
        if (score < tolerance) continue;
        const bias = BigInt.asUintN(64, page - linked);
        // On equal bytes: where the image is linked, else where another context has it.
        const preference = score + (bias === 0n ? 0.02 : 0) + ([...this.mapped.values()].flat().some(each => each.image === image && each.bias === bias) ? 0.01 : 0);
        if (!best || preference > best.score) best = { mapped: { image, bias }, score: preference };
      }
    }
    return best?.mapped;
  }

  /** Part of the page's code bytes that agree; what the image does not define (the end of text, data) does not count. */
  private pageScore(symbols: SymbolFile, linked: bigint, bytes: Uint8Array): number {
    const chunk = 64;
    let equal = 0, total = 0;
    for (let at = 0; at < bytes.length; at += chunk) {
      const address = linked + BigInt(at);
      if (!symbols.isCode(address) || !symbols.isCode(address + BigInt(chunk - 1))) continue;
      const text = symbols.textBytes(address, chunk);
      equal += agreement(bytes.subarray(at, at + text.length), text) * text.length;
      total += text.length;
    }
    return total === 0 ? 1 : equal / total;
  }
}

/** Link-time addresses of the pages that hold code of an image. */
function* codePages(symbols: SymbolFile): Generator<bigint> {
  for (const segment of symbols.segments) {
    if (!segment.executable) continue;
    const end = segment.virtualAddress + BigInt(segment.fileSize);
    for (let page = segment.virtualAddress & ~(pageBytes - 1n); page < end; page += pageBytes) yield page;
  }
}

/** Part of the bytes that are equal, 0 when the lengths differ. */
function agreement(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length || a.length === 0) return 0;
  let equal = 0;
  for (let n = 0; n < a.length; n++) if (a[n] === b[n]) equal++;
  return equal / a.length;
}
