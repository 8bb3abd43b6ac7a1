// The run-time translator: compiles regions of hot code into WebAssembly modules of their own and puts them behind the entry blocks, so that
// the run loop of the interpreter calls them. What a region does is what its instructions' definitions emit against a TranslatorContext.
// Works between two stretches of one run: the core leaves with a request, and goes on when the region is in place.
import { instructions } from '../instructions';
import { enumerateCases, type Case } from './cases';
import { memoryPages } from './interpreter-builder';
import {
  blockFields, blockHeaderBytes, cpuCell, descriptorFields, entryFields, eventKinds, machineCell, type EventKind, recordFields, region as memoryRegion, translationEntryBytes, translationFields,
  translationMember, translationRefused, translationSlotBytes, translationSlots,
} from './state-layout';
import { BlockReader, successorsOf, type Region, type RegionPage } from './translator-blocks';
import { TranslatorContext, type DecodedRecord, type FlagUse } from './translator-context';
import { flowOf } from './translator-flow';
import { type EmittedRegion, missedTargets, RegionEmitter, regionType, type RegionEntry } from './translator-region';
import { assembleModule, TypeSection } from './wasm-emitter';

/** Exports of the core that the translator calls; regions import others by name. */
export interface TranslatorCore extends Record<string, unknown> {
  allocate(bytes: number): number;
  dropTranslation(slot: number): void;
  releaseEntry(block: number): void;
  dropCode(): void;
}
export interface TranslatorStatistics { regions: number; blocks: number; bytes: number; readonly failures: string[] }

/** Regions at one time: each holds a module of some ten kilobytes. */
const mostRegions = 512;
/** The compiler takes some 2 microseconds for a byte of a module: so many units must have run for another one, beyond what is given in advance. */
const unitsForByte = 500, mostCredit = 0x3_0000;
/** Blocks in a region: what V8's optimising compiler takes in reasonable time; more where runs through it stay short, fewer where everything is translated. */
const mostBlocks = 48, mostBlocksOfShortRuns = 128, mostBlocksOfTests = 16;
/** Blocks that are tried as heads of a loop. */
const mostHeaders = 24;
/** How often a region is replaced by one that has more. */
const mostGrowths = 6;
/** A page whose translated code was dropped so often is left to the interpreter. */
const mostDrops = 8;
/** A region without a loop that is shorter is not worth the call. */
const shortestRegion = 10;
const free = 0, live = 1, dead = 2;

/** A region, by its slot: its blocks, where the targets stand that it has missed, and how often it has grown. */
interface MadeRegion { readonly blocks: number; readonly missed: number; readonly times: number }

/** The cases of the interpreter, made when the first machine translates. */
let allCases: readonly Case[] | undefined;

export class Translator {
  readonly statistics: TranslatorStatistics = { regions: 0, blocks: 0, bytes: 0, failures: [] };
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly cases: readonly Case[];
  private readonly translatedCase: number;
  private readonly context = new TranslatorContext();
  private readonly dry = new TranslatorContext();
  private readonly reader: BlockReader;
  private readonly uses = new Map<string, FlagUse | undefined>();
  private readonly imports: WebAssembly.Imports;
  /** By the code descriptor of the page that a region grew from, for the last one: its slot, entries there, blocks and where they lead, and how often it grew. */
  private readonly grown = new Map<number, { slot: number; roots: number[]; reach: ReadonlySet<number>; times: number }>();

  /** Bytes of modules that may be made now, as of a time of the machine. */
  private credit = mostCredit;
  private creditTime = 0n;
  private readonly made = new Map<number, MadeRegion>();

  constructor(memory: WebAssembly.Memory, private readonly core: TranslatorCore, private readonly table: WebAssembly.Table, private readonly always: boolean) {
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.cases = allCases ??= enumerateCases(instructions.definitions);
    this.translatedCase = this.cases.find(c => c.definition.name === 'TRANSLATED')!.id;
    this.imports = { core: { ...core, memory } as Record<string, WebAssembly.ImportValue> };
    this.reader = new BlockReader(this.view, this.cases, records => this.useOf(records));
    const nothing = (): void => {};
    this.dry.ends = { relative: nothing, relativeIf: nothing, indirect: nothing, fallThrough: nothing };
  }

  private u32(address: number): number { return this.view.getUint32(address, true); }
  private put(address: number, value: number): void { this.view.setUint32(address, value >>> 0, true); }

  /** Serves the request that the core has left with. */
  serve(): void {
    const cell = machineCell('translationRequest').address, block = this.u32(cell);
    this.put(cell, 0);
    if (block === 0) return;
    if (!this.always && !this.canAfford()) {
      this.put(block + blockFields.samples, this.u32(block + blockFields.samples) & translationMember);
      return;
    }
    let done = false;
    try { done = this.translate(block); } catch (error) { this.statistics.failures.push(error instanceof Error ? error.message : String(error)); }
    if (!done) this.put(block + blockFields.samples, translationRefused);
  }

  /** Whether the work of WebAssembly's compiler on the regions made so far is in proportion to what has run. */
  private canAfford(): boolean {
    const now = this.view.getBigUint64(machineCell('deadline').address, true) - BigInt(this.view.getInt32(machineCell('budget').address, true));
    if (now > this.creditTime) this.credit = Math.min(this.credit + Number(now - this.creditTime) / unitsForByte, mostCredit);
    this.creditTime = now; // which also goes back, when a snapshot is restored
    return this.credit > 0;
  }
  private translate(block: number): boolean {
    const mode = this.u32(cpuCell('mode').address), offset = this.view.getUint16(block + blockHeaderBytes + recordFields.pageOffset, true);
    if ((mode & 3) === 0 || ((mode & 3) === 1 && !(mode & 8))) return false;
    const page = this.reader.page(this.view.getBigUint64(cpuCell('pageBase').address, true), 0, 0);
    if (!page || this.reader.blockAt(page, offset) !== block || (this.reader.drops(page) >= mostDrops && !this.always)) return false;
    this.sweep();
    const entered = this.isEntry(block) ? this.made.get(this.u32(block + blockFields.slot)) : undefined;
    const grown: Region & { replaces?: boolean } = this.always ? this.reader.grow(page, [offset], mode, mostBlocksOfTests)
      : entered ? this.reader.grow(page, [offset, ...this.missedBy(block, entered)], mode, mostBlocksOfShortRuns, true) : this.grow(page, offset, mode);
    if (!grown.blocks.has(offset) || (entered && (grown.blocks.size * 4 < entered.blocks * 5 || entered.times === mostGrowths))) return false;
    const slot = this.takeSlot();
    if (slot === 0) return false;
    const table = [...grown.blocks.values()].some(b => b.ending === 'indirectJump' || b.ending === 'indirectCall' || b.ending === 'return') ? this.core.allocate(4096) >>> 0 : 0;
    const list = this.core.allocate(grown.blocks.size * translationEntryBytes) >>> 0;
    const missed = this.core.allocate(4 * missedTargets) >>> 0;
    this.bytes.fill(0, missed, missed + 4 * missedTargets);
    const records = (kind: EventKind): boolean => (this.u32(machineCell('eventMask').address) >> eventKinds.indexOf(kind) & 1) !== 0, vmxInstruction = records('vmxInstruction');
    this.context.recording = { vmxInstruction, vmread: this.u32(cpuCell('nonRoot').address) !== 0 ? vmxInstruction : records('vmread') };
    const emitted = new RegionEmitter(this.context, grown, table, list, missed, bytes => this.core.allocate(bytes) >>> 0).emit();
    if (!grown.blocks.has(offset) || (!this.always && (emitted.entries.every(e => !e.loops && e.units < shortestRegion) || (!entered && this.gainsNothing(block, emitted.entries))))) return false;
    const bytes = this.moduleOf(emitted), instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), this.imports);
    if (table !== 0) {
      this.bytes.fill(0, table, table + 4096);
      emitted.entries.forEach(({ block: { at }, readsFlags }, n) => { if (at >= 0 && at < 4096 && n < 255 && !readsFlags) this.bytes[table + at] = n + 1; });
    }
    emitted.index.numbers.forEach((number, n) => this.view.setUint16(emitted.index.at + 2 * n, number, true));
    this.table.set(slot, instance.exports.region as () => void);
    const before = this.grown.get(page.table), roots = [...grown.roots].filter(at => at >= 0 && at < 4096);
    if (grown.replaces && before && this.stateOf(before.slot) === live) { this.core.dropTranslation(before.slot); this.release(before.slot); }
    this.install(slot, list, grown, emitted.entries);
    for (const { address } of grown.blocks.values()) {
      if (!this.isRefused(address) && !emitted.entries.some(e => e.block.address === address)) this.put(address + blockFields.samples, translationMember);
    }
    this.grown.set(page.table, { slot, roots, reach: reachOf(grown), times: grown.replaces && before ? before.times + 1 : 1 });
    this.made.set(slot, { blocks: grown.blocks.size, missed, times: entered ? entered.times + 1 : 0 });
    this.credit -= bytes.length;
    this.statistics.regions++;
    this.statistics.blocks += grown.blocks.size;
    this.statistics.bytes += bytes.length;
    return true;
  }
  private isRefused(block: number): boolean { return (this.u32(block + blockFields.samples) & translationRefused) !== 0; }
  private isEntry(block: number): boolean { return this.view.getUint16(block + blockHeaderBytes + recordFields.caseId, true) === this.translatedCase; }
  /** A block that is hot though a region has it: another one is of no use where each entry has one already, or was found not worth while. */
  private gainsNothing(block: number, entries: readonly RegionEntry[]): boolean {
    if ((this.u32(block + blockFields.samples) & translationMember) === 0) return false;
    return entries.every(({ block: { address } }) => this.isRefused(address) || this.isEntry(address));
  }
  /** Distances, from the page of a block that enters a region, of the targets that the region has missed. */
  private missedBy(block: number, { missed }: MadeRegion): number[] {
    const page = this.view.getInt8(block + blockFields.entry + 2) << 12;
    return Array.from({ length: missedTargets }, (_, n) => this.view.getInt32(missed + 4 * n, true)).filter(distance => distance !== 0).map(distance => distance - page);
  }
  /** The region of a hot block: by itself, or in the place of the one that its page has, if code goes from one to the other and both fit. */
  private grow(page: RegionPage, offset: number, mode: number): Region & { replaces?: boolean } {
    const found = this.reader.grow(page, [offset], mode, mostBlocks), root = headerFor(found, offset), before = this.grown.get(page.table);
    if (root === undefined) return found;
    const alone = root === offset ? found : this.reader.grow(page, [root], mode, mostBlocks);
    const related = before && this.stateOf(before.slot) === live && before.times < mostGrowths && [...alone.blocks.keys()].some(at => before.reach.has(at));
    let roots = related ? [root, ...before.roots] : [root];
    let grown = related ? this.reader.grow(page, roots, mode, mostBlocks) : alone;
    const replaces = related && grown.blocks.size < mostBlocks;
    if (!replaces) { roots = [root]; grown = alone; }
    // what is not reached from here: other blocks of the page that were seen running, and all of them if jumps go through a table
    const jumpsAnywhere = [...grown.blocks.values()].find(b => b.ending === 'indirectJump' && b.page === page)?.at;
    const others = this.otherBlocks(page, jumpsAnywhere).filter(o => !grown.blocks.has(o));
    return { ...(others.length > 0 ? this.reader.grow(page, [...roots, ...others], mode, mostBlocks) : grown), replaces };
  }
  /** Blocks of a page that samples were taken of; with `near` all blocks, the nearest first. */
  private otherBlocks(page: RegionPage, near: number | undefined): number[] {
    const found: number[] = [];
    for (let offset = 0; offset < 4096; offset++) {
      const block = this.reader.blockAt(page, offset);
      if (block === 0) continue;
      const samples = this.u32(block + blockFields.samples), taken = samples > 0 && samples < translationMember;
      if (near !== undefined ? samples < translationRefused : taken) found.push(offset);
    }
    return near === undefined ? found : found.sort((a, b) => Math.abs(a - near) - Math.abs(b - near));
  }
  private moduleOf({ code, hints }: EmittedRegion): Uint8Array {
    const { imports, locals } = this.context;
    return assembleModule({ importModule: 'core', imports: [...imports], memoryPages, functions: [{ type: regionType, locals, code, hints, exportName: 'region' }] }, new TypeSection());
  }

  // ---- slots
  private slotAt(slot: number): number { return memoryRegion('translations').base + slot * translationSlotBytes; }
  private stateOf(slot: number): number { return this.u32(this.slotAt(slot) + translationFields.state); }
  private release(slot: number): void { this.table.set(slot, null); this.put(this.slotAt(slot) + translationFields.state, free); }
  /** Lets go of the modules of regions that the core has dropped. */
  private sweep(): void { for (let slot = 1; slot < translationSlots; slot++) if (this.stateOf(slot) === dead) this.release(slot); }
  /** A free slot, 0 if all code had to go to make room. */
  private takeSlot(): number {
    const most = this.always ? translationSlots - 1 : mostRegions;
    for (let slot = 1; slot <= most; slot++) if (this.stateOf(slot) === free) return slot;
    this.core.dropCode();
    this.sweep();
    this.grown.clear();
    return 0;
  }
  /** Makes the entry blocks enter the region, also those that have entered another, older one. */
  private install(slot: number, list: number, { pages }: Region, entries: readonly RegionEntry[]): void {
    const place = this.slotAt(slot);
    entries.forEach(({ block: { address, at, page }, word, units }, n) => {
      const saved = list + n * translationEntryBytes, firstRecord = address + blockHeaderBytes;
      if (this.isEntry(address)) this.core.releaseEntry(address);
      this.put(saved + entryFields.block, address);
      this.put(saved + entryFields.runs, 0);
      this.put(saved + entryFields.retired, 0);
      this.put(saved + entryFields.ahead, units);
      this.view.setBigInt64(saved + entryFields.distance, BigInt(at), true);
      this.put(saved + entryFields.page, 1 << page.number);
      this.put(saved + entryFields.blocks, page.table);
      this.put(saved + entryFields.units, this.u32(address + blockFields.units));
      this.put(saved + entryFields.caseId, this.view.getUint16(firstRecord + recordFields.caseId, true));
      this.put(address + blockFields.units, units);
      this.put(address + blockFields.slot, slot);
      this.put(address + blockFields.entry, word);
      this.view.setUint16(firstRecord + recordFields.caseId, this.translatedCase, true);
    });
    this.put(place + translationFields.entryCount, entries.length);
    this.put(place + translationFields.entries, list);
    this.put(place + translationFields.pageCount, pages.length);
    pages.forEach((p, n) => {
      this.put(place + translationFields.pages + 4 * n, p.ramPage);
      this.put(BlockReader.descriptor(p) + descriptorFields.translated, 1);
    });
    this.put(place + translationFields.state, live);
  }

  /** What an instruction does to the flags; undefined when only the interpreter can run it. */
  private useOf(records: readonly DecodedRecord[]): FlagUse | undefined {
    // a definition looks at constants only to fold counts of shifts
    const key = records.map(r => `${r.case.id}:${r.immediate & 63n}`).join();
    if (this.uses.has(key)) return this.uses.get(key);
    let use: FlagUse | undefined;
    if (records.every(r => r.case.definition.body && !r.case.procedure)) { try { use = this.dry.useOf(records); } catch { use = undefined; } }
    this.uses.set(key, use);
    return use;
  }
}

/**
 * Where a region is best entered that grew from a hot block: there, or at a block of the same loop (on the same page) from which all flow is
 * reducible: the loop's head. undefined: the hot block is none.
 */
function headerFor(region: Region, hot: number): number | undefined {
  const { blocks } = region, next = (at: number): number[] => successorsOf(blocks.get(at)!, blocks);
  if (!blocks.has(hot)) return undefined;
  const clumsiness = (at: number): number => flowOf([at], next).irreducible.size;
  const reaches = (at: number): boolean => {
    const seen = new Set<number>(), stack = [at];
    while (stack.length > 0) for (const s of next(stack.pop()!)) { if (s === hot) return true; if (!seen.has(s)) { seen.add(s); stack.push(s); } }
    return false;
  };
  let best = hot, least = clumsiness(hot);
  if (least === 0) return hot;
  for (const at of [...flowOf([hot], next).order].filter(at => at >= 0 && at < 4096 && at !== hot).slice(0, mostHeaders)) {
    if (!reaches(at)) continue;
    const found = clumsiness(at);
    if (found < least) { best = at; least = found; }
    if (least === 0) break;
  }
  return best;
}
/** The blocks of a region and the places to which it is left. */
function reachOf({ blocks }: Region): Set<number> {
  const reach = new Set(blocks.keys());
  for (const b of blocks.values()) { if (b.ending !== 'indirectJump' && b.ending !== 'return') { reach.add(b.target); reach.add(b.next); } }
  return reach;
}
