// Emits the function of one region. Its parameter says which entry; it returns the next block, 0 (CPU_RIP says where to go on), or 1 when an
// instruction was abandoned. Blocks are nested as their dominators are; what structure does not express (indirect jumps, entries in the
// middle of loops) goes over the dispatcher, a loop around a br_table.
//
// Budget: a block takes its instructions at its start. It is looked at only where something can repeat, on retreating edges and in the
// dispatcher: there it must hold all units up to the next such place, else the region is left in front of the block.
import { tlbIndexMask, tlbTables } from './instruction-context';
import { cpuCell, entryFields, machineCell, translationEntryBytes } from './state-layout';
import { successorsOf, type Region, type RegionBlock, type RegionPage } from './translator-blocks';
import { leave, regionLocals as at, type TranslatorContext } from './translator-context';
import { flowOf, type Flow } from './translator-flow';
import { type BranchHint, Constant, I32, type Value, VOID } from './wasm-emitter';

/** A run of more units counts as one of so many; runs after which an entry is judged. */
const longRun = 0x1_0000, runsToJudge = 1024;
/** How much of the flags a block's start needs: nothing, what a way out can make the pair of, or a form known there. */
type Need = 0 | 1 | 2;
export interface EmittedRegion { readonly code: Uint8Array; readonly hints: readonly BranchHint[]; readonly entries: readonly RegionEntry[]; readonly index: EntryIndex }
/** `word`: what the block's header holds: number, distance of its page in pages (signed byte), number of its page. `units`: see blockFields. */
export interface RegionEntry { readonly block: RegionBlock; readonly word: number; readonly units: number; readonly loops: boolean; readonly readsFlags: boolean }

const cpu = (name: string): number => cpuCell(name).address;
const indirect = '$indirect', dispatch = '$dispatch', unknown = '$unknown';

export class RegionEmitter {
  private flow!: Flow;
  private blocks!: ReadonlyMap<number, RegionBlock>;
  private need!: Map<number, Need>;
  private units!: Map<number, number>;
  private numberOf!: Map<number, number>;
  private anyEntryReadsFlags = false;

  private index!: EntryIndex;

  /** `list`: place of the entries' records. `table`: room for a byte per offset of the page at distance 0, 1 + number of the entry there; 0: no such table.
   * `missed`: where targets of indirect jumps that are no entries leave their distances. */
  constructor(private readonly e: TranslatorContext, private readonly region: Region, private readonly table: number, private readonly list: number, private readonly missed: number,
    private readonly allocate: (bytes: number) => number) {}

  emit(): EmittedRegion {
    const { e } = this;
    this.blocks = this.region.blocks;
    const entries = this.shape();
    this.need = flagNeeds(this.blocks);
    this.units = this.unitsAhead();
    this.numberOf = new Map(entries.map((distance, n) => [distance, n]));
    this.index = indexOf(entries, distance => this.need.get(distance) === 2, this.allocate);
    this.anyEntryReadsFlags = entries.some(distance => this.need.get(distance) === 2);

    e.startRegion((this.region.mode & 3) === 2);
    e.open('block', leave);
    e.open('loop', dispatch);
    e.open('block', indirect);
    e.open('block', unknown);
    this.tree(0);
    e.close();
    e.emit('unreachable');
    e.close();
    this.indirectJump();
    e.close();                                                     // $dispatch
    e.emit('unreachable');
    e.close();                                                     // leave
    this.epilogue();
    const body = e.take(), later = e.branchHints;
    e.restart();
    this.prologue();
    const head = e.take(), code = new Uint8Array(head.length + body.length), hints = later.map(({ at, usual }) => ({ at: head.length + at, usual }));
    code.set(head);
    code.set(body, head.length);
    return { code, hints, index: this.index, entries: entries.map((distance, n) => {
      const block = this.blocks.get(distance)!, place = this.flow.placeOf.get(distance)!;
      return { block, units: this.units.get(distance)!, readsFlags: this.need.get(distance) === 2, loops: this.reachesLoop(place), word: n | (block.page.distance >> 12 & 0xff) << 16 | block.page.number << 24 };
    }) };
  }
  /** Whether something repeats behind this entry. */
  private reachesLoop(place: number): boolean {
    const seen = new Set<number>(), stack = [this.flow.order[place]];
    while (stack.length > 0) {
      const node = stack.pop()!;
      if (seen.has(node)) continue;
      seen.add(node);
      const from = this.flow.placeOf.get(node)!;
      for (const s of successorsOf(this.blocks.get(node)!, this.blocks)) { if (this.flow.placeOf.get(s)! <= from) return true; stack.push(s); }
    }
    return false;
  }

  /** The flow graph, with an entry at each place that only the dispatcher can reach; returns the entries. */
  private shape(): number[] {
    const roots = new Set(this.region.roots);
    for (;;) {
      const entries = [...roots].sort((a, b) => a - b);
      this.flow = flowOf(entries, node => successorsOf(this.blocks.get(node)!, this.blocks));
      const more = [...this.flow.irreducible].filter(node => !roots.has(node));
      if (more.length === 0) return entries;
      for (const node of more) roots.add(node);
    }
  }
  /** Units from the start of a block to where the budget is looked at next, on the longest way. */
  private unitsAhead(): Map<number, number> {
    const { order, placeOf } = this.flow, ahead = new Map<number, number>();
    for (let place = order.length - 1; place > 0; place--) {
      const block = this.blocks.get(order[place])!;
      const further = successorsOf(block, this.blocks).filter(s => placeOf.get(s)! > place).map(s => ahead.get(s)!);
      ahead.set(order[place], block.instructions.length + Math.max(0, ...further));
    }
    return ahead;
  }

  // ---- structure
  private tree(place: number): void {
    const { e, flow } = this, merges = flow.children[place].filter(child => flow.isMerge[child]).sort((a, b) => b - a);
    if (flow.headsLoop[place]) e.open('loop', `loop${place}`);
    this.within(place, merges);
    if (flow.headsLoop[place]) e.close();
  }
  private within(place: number, merges: readonly number[]): void {
    const { e, flow } = this;
    if (merges.length > 0) {
      const [last, ...others] = merges;
      e.open('block', `block${last}`);
      this.within(place, others);
      e.close();
      this.startAt(last);
      this.tree(last);
      return;
    }
    if (place === 0) {
      const labels = [...this.numberOf.keys()].map(distance => `block${flow.placeOf.get(distance)!}`);
      e.get(at.entry); e.branchTable(labels, unknown);
      return;
    }
    this.block(place);
  }
  /** Nothing is known of registers and flags but what all ways to this block have in common. */
  private startAt(place: number): void {
    this.e.pending = this.need.get(this.flow.order[place]) === 2 ? 'pair' : 'dynamic';
    this.e.narrow = 0;
  }

  private block(place: number): void {
    const { e } = this, block = this.blocks.get(this.flow.order[place])!, count = block.instructions.length;
    if (this.flow.headsLoop[place]) this.startAt(place);
    e.get(at.budget); e.i32(count); e.emit('i32_sub'); e.set(at.budget);
    e.pageDistance = block.page.distance;
    e.notRetired = count;
    e.ends = {
      relative: () => this.goTo(place, block.target),
      relativeIf: condition => this.branch(place, condition, block),
      indirect: target => this.indirect(target),
      fallThrough: () => this.goTo(place, block.next),
    };
    for (const i of block.instructions) {
      for (const record of i.records) e.emitRecord(record);
      e.notRetired--;
    }
    if (block.ending === 'fall') this.goTo(place, block.next);
    else if (block.ending === 'leave') this.leaveAt(block.next);
  }
  private branch(place: number, condition: Value, block: RegionBlock): void {
    const { e } = this, { pending, narrow } = e;
    if (condition instanceof Constant) { this.goTo(place, condition.value ? block.target : block.next); return; }
    // what never ran is not in the region
    const jumps = this.blocks.has(block.target), fallsThrough = this.blocks.has(block.next);
    e.get(condition); e.if(VOID, jumps === fallsThrough ? undefined : jumps);
    this.goTo(place, block.target);
    e.else();
    e.pending = pending; e.narrow = narrow;
    this.goTo(place, block.next);
    e.close();
    e.emit('unreachable');
  }
  private goTo(place: number, distance: number): void {
    const { e, flow } = this, block = this.blocks.get(distance), source = this.blocks.get(flow.order[place])!;
    if (!block) { this.leaveAt(distance); return; }
    if (block.page !== source.page) this.enterPage(block);
    const to = flow.placeOf.get(distance)!;
    if (to > place && !flow.isMerge[to] && !flow.headsLoop[to] && flow.dominator[to] === place) { this.tree(to); return; }
    if (to <= place) {
      const units = this.units.get(distance)!;
      e.get(at.budget); e.i32(units); e.emit('i32_lt_s');
      e.if(VOID, false);
      e.get(at.budget); e.callCore('moreBudget'); e.tee(at.budget); e.i32(units); e.emit('i32_lt_s');
      e.if(VOID, false); this.leaveAt(distance); e.close();
      e.close();
    }
    this.settleFlags(this.need.get(distance)!);
    if (to > place && !flow.isMerge[to] && flow.dominator[to] === place) { this.tree(to); return; }
    const label = to > place ? `block${to}` : `loop${to}`;
    if (e.isOpen(label)) { e.branch(label); return; }
    e.i32(this.numberOf.get(distance)!); e.set(at.entry);
    e.branch(dispatch);
  }
  private settleFlags(need: Need): void { if (need === 2) this.e.materialise(); else if (need === 1) this.e.sayPending(); }

  // ---- pages
  /** Before control goes to a page of the region that this run of it has not checked yet: is it still what the execute TLB has there? */
  private enterPage(block: RegionBlock): void {
    const { e } = this, { page } = block;
    e.get(at.mapped); e.i32(1 << page.number); e.emit('i32_and', 'i32_eqz');
    e.if(VOID, false);
    const linear = this.linearOf(page), entry = e.local32();
    this.executeEntry(linear); e.tee(entry); e.memory('i64_load', tlbTables.execute);
    e.get(linear); e.get(at.generation); e.emit('i64_or', 'i64_ne');
    e.get(entry); e.memory('i32_load', tlbTables.execute + 12); e.i32(page.table); e.emit('i32_ne', 'i32_or');
    e.if(VOID, false); this.leaveAt(block.at); e.close();
    e.get(at.mapped); e.i32(1 << page.number); e.emit('i32_or'); e.set(at.mapped);
    e.close();
  }
  private linearOf(page: RegionPage): Value { const { e } = this; e.get(at.base); e.i64(page.distance); e.emit('i64_add'); return e.set64(); }
  /** Leaves the address of the execute entry of a linear address on the stack. */
  private executeEntry(linear: Value): void {
    const { e } = this;
    e.get(linear); e.i64(8); e.emit('i64_shr_u', 'i32_wrap_i64'); e.i32(tlbIndexMask); e.emit('i32_and'); e.get(at.tlb); e.emit('i32_add');
  }

  // ---- ways out and around
  private leaveAt(distance: number): void {
    this.e.sayPending();
    this.e.setRip(distance);
    this.e.branch(leave);
  }
  private indirect(target: Value): void {
    const { e } = this;
    e.sayPending();
    e.get(target); e.set(at.rip);
    e.branch(indirect);
  }
  /** RIP holds the target: an entry of this region, or the way out. */
  private indirectJump(): void {
    const { e } = this;
    e.scratch('indirect jump');
    const entry = e.local32(), block = e.local32();
    if (this.table !== 0) {
      // the usual target: an entry on the page at distance 0. One branch: those before an indirect jump cost its prediction history
      e.get(at.rip); e.i64(-4096); e.emit('i64_and'); e.get(at.base); e.emit('i64_ne');
      e.get(at.rip); e.emit('i32_wrap_i64'); e.i32(4095); e.emit('i32_and'); e.memory('i32_load8_u', this.table); e.tee(block); e.emit('i32_eqz', 'i32_or');
      e.get(at.budget); e.i32(Math.max(...[...this.numberOf.keys()].map(distance => this.units.get(distance)!))); e.emit('i32_lt_s', 'i32_or');
      if (this.region.pages.length > 1) { e.get(at.mapped); e.i32(1); e.emit('i32_and', 'i32_eqz', 'i32_or'); }
      e.emit('i32_eqz');
      e.if(VOID, true);
      e.get(block); e.i32(1); e.emit('i32_sub'); e.set(at.entry);
      e.branch(dispatch);
      e.close();
    }
    // any other: the one entry that the index has for its distance
    const distance = e.local64(), number = e.local32();
    e.get(at.rip); e.get(at.base); e.emit('i64_sub'); e.tee(distance); e.emit('i32_wrap_i64'); e.i32(this.index.factor); e.emit('i32_mul');
    e.i32(this.index.shift); e.emit('i32_shr_u'); e.i32(1); e.emit('i32_shl'); e.memory('i32_load16_u', this.index.at); e.tee(number);
    if (this.anyEntryReadsFlags) { e.i32(readsFlags - 1); e.emit('i32_and'); }
    e.i32(translationEntryBytes); e.emit('i32_mul'); e.i32(this.list); e.emit('i32_add'); e.tee(entry); e.memory('i64_load', entryFields.distance);
    e.get(distance); e.emit('i64_ne');
    e.if(VOID, false);
    e.i32(this.missed); e.get(distance); e.emit('i32_wrap_i64'); e.tee(block); e.i32(0x9e3779b1 | 0); e.emit('i32_mul'); e.i32(32 - missedBits); e.emit('i32_shr_u'); e.i32(2); e.emit('i32_shl', 'i32_add');
    e.get(block); e.memory('i32_store', 0);
    e.branch(leave);
    e.close();
    e.get(at.budget); e.get(entry); e.memory('i32_load', entryFields.ahead); e.emit('i32_lt_s'); e.branchIf(leave);
    if (this.region.pages.length > 1) {
      e.get(at.mapped); e.get(entry); e.memory('i32_load', entryFields.page); e.emit('i32_and', 'i32_eqz');
      e.if();
      this.executeEntry(at.rip); e.tee(block); e.memory('i64_load', tlbTables.execute);
      e.get(at.rip); e.i64(-4096); e.emit('i64_and'); e.get(at.generation); e.emit('i64_or', 'i64_ne');
      e.get(block); e.memory('i32_load', tlbTables.execute + 12); e.get(entry); e.memory('i32_load', entryFields.blocks); e.emit('i32_ne', 'i32_or'); e.branchIf(leave);
      e.get(at.mapped); e.get(entry); e.memory('i32_load', entryFields.page); e.emit('i32_or'); e.set(at.mapped);
      e.close();
    }
    e.get(number); e.i32(readsFlags - 1); e.emit('i32_and'); e.set(at.entry);
    if (this.anyEntryReadsFlags) { e.get(number); e.i32(readsFlags); e.emit('i32_and'); e.if(); e.materialiseDynamic(); e.close(); }
    e.branch(dispatch);
  }
  /** Leaves the block at the offset of RIP on the stack, by the descriptor of its execute entry. */
  private blockOf(entry: Value): void {
    const { e } = this;
    e.get(entry); e.memory('i32_load', tlbTables.execute + 12);
    e.get(at.rip); e.emit('i32_wrap_i64'); e.i32(4095); e.emit('i32_and'); e.i32(2); e.emit('i32_shl', 'i32_add');
    e.memory('i32_load', 0);
  }
  /** Leaves the distance of an entry's page on the stack. */
  private distanceOf(word: Value): void {
    const { e } = this;
    e.get(word); e.i32(8); e.emit('i32_shl'); e.i32(24); e.emit('i32_shr_s'); e.i32(12); e.emit('i32_shl', 'i64_extend_i32_s');
  }
  private prologue(): void {
    const { e } = this, load = (name: string, into: typeof at.base, wide: boolean): void => { e.i32(0); e.memory(wide ? 'i64_load' : 'i32_load', name === 'budget' ? machineCell(name).address : cpu(name)); e.set(into); };
    at.register.forEach((r, n) => { if (e.usedRegisters >> n & 1) { e.i32(0); e.memory('i64_load', cpu('gpr') + 8 * n); e.set(r); } });
    load('flagsR', at.flagsR, true); load('flagsC', at.flagsC, true); load('tlbGeneration', at.generation, true);
    load('budget', at.budget, false); load('tlbBase', at.tlb, false); load('pageBase', at.base, true);
    if (this.region.pages.length > 1) {
      e.get(at.base); this.distanceOf(at.entry); e.emit('i64_sub'); e.set(at.base);
      e.i32(1); e.get(at.entry); e.i32(24); e.emit('i32_shr_u', 'i32_shl'); e.set(at.mapped);
    }
    e.get(at.entry); e.i32(0xffff); e.emit('i32_and'); e.set(at.entry);
    e.get(at.entry); e.i32(translationEntryBytes); e.emit('i32_mul'); e.i32(this.list); e.emit('i32_add'); e.set(at.entered);
    e.get(at.budget); e.set(at.atEntry);
  }
  /** A run from an entry is over: how many units did it retire? (Budget that was added meanwhile makes it look shorter: it is long then anyway.) */
  private countRun(): void {
    const { e } = this;
    e.scratch('end of a run');
    const runs = e.local32(), retired = e.local32();
    e.get(at.atEntry); e.get(at.budget); e.emit('i32_sub'); e.tee(retired); e.i32(longRun); e.get(retired); e.i32(longRun); e.emit('i32_lt_u', 'select'); e.set(retired);
    e.get(at.entered); e.get(at.entered); e.memory('i32_load', entryFields.retired); e.get(retired); e.emit('i32_add'); e.memory('i32_store', entryFields.retired);
    e.get(at.entered); e.get(at.entered); e.memory('i32_load', entryFields.runs); e.i32(1); e.emit('i32_add'); e.tee(runs); e.memory('i32_store', entryFields.runs);
    e.get(runs); e.i32(runsToJudge); e.emit('i32_eq');
    e.if(VOID, false); e.get(at.entered); e.callCore('judgeEntry'); e.close();
  }
  /** Registers, flags, budget and RIP to memory; then the block at RIP, if it is decoded and the TLB knows its page. */
  private epilogue(): void {
    const { e } = this;
    e.materialiseDynamic();
    at.register.forEach((r, n) => { if (e.changedRegisters >> n & 1) { e.i32(0); e.get(r); e.memory('i64_store', cpu('gpr') + 8 * n); } });
    e.i32(0); e.get(at.flagsR); e.memory('i64_store', cpu('flagsR'));
    e.i32(0); e.get(at.flagsC); e.memory('i64_store', cpu('flagsC'));
    e.i32(0); e.get(at.budget); e.memory('i32_store', machineCell('budget').address);
    this.countRun();
    if (!e.in64BitMode) { e.get(at.rip); e.i64(0xffff_ffffn); e.emit('i64_and'); e.set(at.rip); }
    e.i32(0); e.get(at.rip); e.i32(0); e.memory('i64_load', cpu('segBase') + 8); e.emit('i64_sub'); e.memory('i64_store', cpu('rip'));
    e.get(at.ending); e.if(VOID, false); e.get(at.ending); e.emit('return'); e.close();
    e.scratch('next block');
    const entry = e.local32(), page = e.local64(), block = e.local32();
    this.executeEntry(at.rip); e.tee(entry); e.memory('i64_load', tlbTables.execute);
    e.get(at.rip); e.i64(-4096); e.emit('i64_and'); e.tee(page); e.get(at.generation); e.emit('i64_or', 'i64_eq');
    e.if(VOID, true);
    this.blockOf(entry); e.set(block);
    e.get(block);
    e.if(VOID, true); e.i32(0); e.get(page); e.memory('i64_store', cpu('pageBase')); e.get(block); e.emit('return'); e.close();
    e.close();
    e.i32(0);
    e.emit('end');
  }
}

/** Room for targets that were missed: so many places, each used by some of them. */
const missedBits = 4;
export const missedTargets = 1 << missedBits;
/** In `numbers`, beside the number of an entry: it reads flags. */
const readsFlags = 0x8000;
/** Entries by their distances: a table of `numbers` (u16) at `at`, indexed by the upper bits of distance * factor; no two entries share a place. */
export interface EntryIndex { readonly at: number; readonly factor: number; readonly shift: number; readonly numbers: Uint16Array }
function indexOf(distances: readonly number[], reads: (distance: number) => boolean, allocate: (bytes: number) => number): EntryIndex {
  for (let bits = 32 - Math.clz32(distances.length); ; bits++) {
    for (let n = 1, factor = 1; n <= 64; n++) {
      factor = Math.imul(factor, 0x9e3779b1) + 2 * n | 1;
      const shift = 32 - bits, places = distances.map(d => Math.imul(d, factor) >>> shift);
      if (new Set(places).size < places.length) continue;
      const numbers = new Uint16Array(1 << bits);
      places.forEach((place, number) => { numbers[place] = number | (reads(distances[number]) ? readsFlags : 0); });
      return { at: allocate(numbers.byteLength), factor, shift, numbers };
    }
  }
}

/** What each block needs of the flags at its start (a backward problem: 2 > 1 > 0, the larger wins). */
function flagNeeds(blocks: ReadonlyMap<number, RegionBlock>): Map<number, Need> {
  const own = new Map<number, { need: Need; ends: boolean }>(), need = new Map<number, Need>();
  for (const [distance, b] of blocks) {
    let found: Need = 0, ends = false;
    for (const { use } of b.instructions) {
      if (use.reads) { found = 2; ends = true; break; }
      if (use.mayLeave) found = 1;
      if (use.kills) { ends = true; break; }
    }
    own.set(distance, { need: found, ends });
    need.set(distance, found);
  }
  for (let changed = true; changed;) {
    changed = false;
    for (const [distance, b] of blocks) {
      const { need: found, ends } = own.get(distance)!;
      if (ends) continue;
      const after = Math.max(1, ...successorsOf(b, blocks).map(s => need.get(s)!)) as Need;          // any edge may leave: for the budget, for a page
      const now = Math.max(found, after) as Need;
      if (now !== need.get(distance)) { need.set(distance, now); changed = true; }
    }
  }
  return need;
}

/** Type of a region's function. */
export const regionType = { params: [I32], results: [I32] } as const;
