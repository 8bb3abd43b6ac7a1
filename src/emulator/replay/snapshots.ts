// Snapshots of a machine's memory: guest RAM as a tree of pages, the processor, the devices and the translations that the processor has
// cached, all else of the memory being the client's (hooks, stop masks, the ring) or made anew (decoded code). Taking one is invisible
// to the guest; afterwards the first store to each page goes the slow way once, which marks the page for the next snapshot.
import { deviceBlocks } from '../codegen/device-layout';
import { cellBytes, cpuCells, machineCells, ramBase, region, type Cell } from '../codegen/state-layout';
import { type Page, PageTree } from './page-tree';

/** What the core does for snapshots. */
export interface SnapshotCore {
  checkpoint(): number;
  packTlb(context: number): number;
  unpackTlb(context: number, bytes: number): void;
  takeDirtyPages(from: number): number;
  readonly scannedPages: WebAssembly.Global;
  invalidateRange(physical: number, bytes: number): void;
  digestBytes(at: number, bytes: number, seed: bigint): bigint;
  timeNow(): bigint;
  rflagsImage(): bigint;
}

/** A machine at one instant. It never changes, and any machine of the same shape can be put into it. */
export interface Snapshot {
  /** Virtual time in units. */
  readonly time: bigint;
  /** What this snapshot keeps for itself alone: pages that changed since the one taken (or restored) before, and state. */
  readonly ownBytes: number;
  /** The same against another snapshot: what would be freed if only that one were kept. */
  bytesBeside(other: Snapshot): number;
}

const pageBytes = 0x1000, tlbContexts = 32;
const tlbRecords = region('tlbContexts'), buffer = region('snapshotBuffer'), cpu = region('cpu'), parked = region('parkedCpus'), model = region('processor');
/** Of the machine's cells these are no state of the guest: they belong to the client, to one run, or to caches, and a restore leaves them alone. */
const notOfTheGuest = new Set(['ramSize', 'vcpuCount', 'physicalWidth', 'runEnd', 'stopKind', 'stopReasonIndex', 'stopAddress', 'eventMask', 'ringHead', 'ringTail', 'stopOnExit',
  'stopOnEntry', 'stopOnVmx', 'stopOnVmfail', 'stopOnEntryFailure', 'stopOnTripleFault', 'stopOnException', 'hookCount', 'hookOffsets', 'heapTop',
  'watchCount', 'watchesMemory', 'watchHits', 'exitTestCount', 'translation', 'translationRequest', 'sliceEnd', 'armedEnd']);
/** Cells of a vCPU that only the instruction under way reads, or that differ with how a run was cut: no part of the digest. */
const passing = new Set(['pageBase', 'eaSlot', 'flagsR', 'flagsC', 'faultVector', 'faultHasError', 'faultError', 'faultAddress', 'alone', 'abortKind', 'eventVectoringError',
  'eventInstructionLength', 'instructionLength', 'block', 'record', 'procedure', 'tlbBase', 'tlbGeneration', 'transferTarget', 'hookSkip', 'hookSkipTime', 'hookSkipKinds']);

interface Range { readonly at: number; readonly bytes: number }
const rangeOf = (c: Cell): Range => ({ at: c.address, bytes: cellBytes[c.type] * c.count });
function joined(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const r of ranges) {
    const last = out.at(-1);
    if (last && r.at === last.at + last.bytes) out[out.length - 1] = { at: last.at, bytes: r.at + r.bytes - last.at };
    else out.push(r);
  }
  return out;
}
const deviceState: Range = { at: deviceBlocks[0]!.base, bytes: Math.max(...deviceBlocks.map(b => b.base + b.stride * b.instances)) - deviceBlocks[0]!.base };
const machineState = joined(machineCells.filter(c => !notOfTheGuest.has(c.name)).map(rangeOf));
/** What a snapshot copies of the memory below RAM, for a number of vCPUs. */
const stateRanges = (vcpus: number): readonly Range[] =>
  [{ at: cpu.base, bytes: cpu.size }, ...machineState, ...(vcpus > 1 ? [{ at: parked.base, bytes: vcpus * cpu.size }] : []), deviceState, { at: tlbRecords.base, bytes: tlbRecords.size }];
const digestOfCpu = joined(cpuCells.filter(c => !passing.has(c.name)).map(rangeOf));
const digestOfMachine = machineCells.filter(c => !notOfTheGuest.has(c.name) && c.name !== 'budget' && c.name !== 'deadline').map(rangeOf);

/** Packed entries of a TLB context. */
type Translations = Uint8Array;

class MemorySnapshot implements Snapshot {
  readonly ownBytes: number;
  constructor(readonly time: bigint, readonly pages: PageTree, readonly state: Uint8Array, readonly tlbs: readonly Translations[], readonly shape: string, before: PageTree, oldTlbs: readonly Translations[]) {
    this.ownBytes = this.bytesFrom(before, oldTlbs);
  }
  private bytesFrom(before: PageTree, tlbs: readonly Translations[]): number {
    return this.pages.ownPages(before) * pageBytes + this.state.length + this.tlbs.reduce((sum, t, n) => sum + (t === tlbs[n] ? 0 : t.length), 0);
  }
  bytesBeside(other: Snapshot): number { return other instanceof MemorySnapshot ? this.bytesFrom(other.pages, other.tlbs) : this.ownBytes; }
}

const nothing: Translations = new Uint8Array(0);

export class Snapshots {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly words: Uint32Array;
  private readonly ranges: readonly Range[];
  /** RAM and translations as of the last snapshot taken or restored. */
  private pages = PageTree.empty;
  private tlbs: readonly Translations[] = new Array<Translations>(tlbContexts).fill(nothing);

  constructor(memory: WebAssembly.Memory, private readonly core: SnapshotCore, private readonly memoryBytes: number, private readonly vcpus: number) {
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer, buffer.base, buffer.size / 4);
    this.ranges = stateRanges(vcpus);
  }

  /** Notes that the client wrote bytes of RAM. */
  written(physical: number, bytes: number): void {
    const flags = region('pageFlags').base;
    for (let page = Math.floor(physical / pageBytes); page * pageBytes < physical + bytes; page++) this.bytes[flags + page] |= 1;
  }

  take(): Snapshot {
    const touched = this.core.checkpoint(), dirty = this.takeDirty();
    const { pages: before, tlbs: oldTlbs } = this;
    this.pages = before.with(dirty, Array.from(dirty, n => this.bytes.slice(ramBase + n * pageBytes, ramBase + (n + 1) * pageBytes)));
    this.tlbs = oldTlbs.map((old, n) => (touched >>> n & 1) === 0 ? old : this.bytes.slice(buffer.base, buffer.base + this.core.packTlb(n)));
    const state = new Uint8Array(this.ranges.reduce((sum, r) => sum + r.bytes, 0));
    let to = 0;
    for (const { at, bytes } of this.ranges) { state.set(this.bytes.subarray(at, at + bytes), to); to += bytes; }
    return new MemorySnapshot(BigInt.asUintN(64, this.core.timeNow()), this.pages, state, this.tlbs, this.shape(), before, oldTlbs);
  }

  /** Puts the machine into a snapshot's state. Throws RangeError for a snapshot of a machine of another shape. */
  restore(snapshot: Snapshot): void {
    if (!(snapshot instanceof MemorySnapshot) || snapshot.shape !== this.shape()) throw new RangeError('the snapshot is of a machine with other memory or processors');
    const changed = new Set<number>(this.takeDirty());
    this.pages.differences(snapshot.pages, n => changed.add(n));
    for (const n of changed) this.put(n, snapshot.pages.page(n));
    for (let n = 0; n < tlbContexts; n++) {
      const entries = snapshot.tlbs[n]!;
      if (!this.inUse(n) && entries.length === 0) continue;
      this.bytes.set(entries, buffer.base);
      this.core.unpackTlb(n, entries.length);
    }
    let from = 0;
    for (const { at, bytes } of this.ranges) { this.bytes.set(snapshot.state.subarray(from, from + bytes), at); from += bytes; }
    this.pages = snapshot.pages;
    this.tlbs = snapshot.tlbs;
  }

  /** A digest of all that the guest could tell apart: RAM, processors, devices, time. */
  digest(): bigint {
    const at = buffer.base;
    let end = at;
    const add = (r: Range): void => { this.bytes.copyWithin(end, r.at, r.at + r.bytes); end += r.bytes; };
    this.bytes.fill(0, at, at + buffer.size);
    for (const r of [...digestOfCpu, ...digestOfMachine, deviceState]) add(r);
    this.view.setBigUint64(end, BigInt.asUintN(64, this.core.timeNow()), true);
    this.view.setBigUint64(end + 8, BigInt.asUintN(64, this.core.rflagsImage()), true);
    end += 16;
    if (this.vcpus > 1) for (let n = 0; n < this.vcpus; n++) for (const r of digestOfCpu) add({ at: r.at - cpu.base + parked.base + n * cpu.size, bytes: r.bytes });
    const state = this.core.digestBytes(at, Math.ceil((end - at) / 32) * 32, 0n);
    return BigInt.asUintN(64, this.core.digestBytes(ramBase, this.memoryBytes, state));
  }

  /** Memory, processors, and what the processor model has. */
  private shape(): string { return `${this.memoryBytes} ${this.vcpus} ${this.core.digestBytes(model.base, model.size, 0n)}`; }
  private inUse(context: number): boolean { return this.view.getBigUint64(tlbRecords.base + context * 64 + 8, true) !== 0xffff_ffff_ffff_ffffn; }
  /** Numbers of the pages marked since the last call, ascending. */
  private takeDirty(): Uint32Array {
    const parts: number[][] = [], pages = this.memoryBytes / pageBytes;
    for (let from = 0; from < pages; from = this.core.scannedPages.value as number) {
      const count = this.core.takeDirtyPages(from);
      if (count === 0 && parts.length === 0 && (this.core.scannedPages.value as number) >= pages) return new Uint32Array(0);
      parts.push(Array.from(this.words.subarray(0, count)));
    }
    return Uint32Array.from(parts.flat());
  }
  private put(n: number, page: Page | undefined): void {
    const at = ramBase + n * pageBytes;
    if (page) this.bytes.set(page, at); else this.bytes.fill(0, at, at + pageBytes);
    this.core.invalidateRange(n * pageBytes, pageBytes);
  }
}
