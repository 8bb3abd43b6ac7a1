// Which code becomes one region: starts from a hot block and takes the decoded blocks that it leads to, on this page and on others that the
// execute TLB knows. What has never run is not decoded and stays outside. Blocks are read from the code heap of the machine's memory.
import type { Case } from './cases';
import { tlbIndexMask, tlbTables } from './instruction-context';
import {
  blockFields, blockHeaderBytes, cpuCell, descriptorFields, descriptorHeaderBytes, entryFields, ramBase, recordBytes, recordFields as field, region, translationEntryBytes,
  translationFields, translationPages, translationSlotBytes,
} from './state-layout';
import type { DecodedRecord, FlagUse } from './translator-context';

/** An instruction: its records (one that computes an address may come first). */
export interface Instruction { readonly records: readonly DecodedRecord[]; readonly offset: number; readonly next: number; readonly use: FlagUse }

/** How a block ends. `leave`: at an instruction that only the interpreter runs. */
export type Ending = 'jump' | 'branch' | 'call' | 'return' | 'indirectJump' | 'indirectCall' | 'fall' | 'leave';

export interface RegionPage { readonly number: number; readonly linear: bigint; readonly distance: number; readonly table: number; readonly ramPage: number }
export interface RegionBlock {
  /** Distance of its first byte from the region's base. */
  readonly at: number;
  readonly address: number;
  readonly page: RegionPage;
  instructions: Instruction[];
  ending: Ending;
  /** Where it goes on by itself (behind a branch, a call, the last instruction), and where its relative jump leads: distances. */
  next: number;
  target: number;
  /** Behind the instruction in front of which it leaves. */
  readonly after?: number;
}
export interface Region { readonly pages: RegionPage[]; readonly blocks: Map<number, RegionBlock>; readonly roots: Set<number>; readonly mode: number }

const conditional = new Set(['Jcc', 'LOOP', 'LOOPE', 'LOOPNE', 'JRCXZ']);

export class BlockReader {
  constructor(private readonly view: DataView, private readonly cases: readonly Case[], private readonly useOf: (records: readonly DecodedRecord[]) => FlagUse | undefined) {}

  private u32(address: number): number { return this.view.getUint32(address, true); }

  /** The page at a linear address, if the execute TLB has it in the present context. */
  page(linear: bigint, distance: number, number: number): RegionPage | undefined {
    const entry = this.u32(cpuCell('tlbBase').address) + (Number(linear >> 8n & 0xffff_ffffn) & tlbIndexMask) + tlbTables.execute;
    if (this.view.getBigUint64(entry, true) !== (linear | this.view.getBigUint64(cpuCell('tlbGeneration').address, true))) return undefined;
    const host = (Number(linear & 0xffff_ffffn) + this.u32(entry + 8)) >>> 0;
    return { number, linear, distance, table: this.u32(entry + 12), ramPage: (host - ramBase) >>> 12 };
  }
  blockAt(page: RegionPage, offset: number): number { return this.u32(page.table + offset * 4); }
  static descriptor(page: RegionPage): number { return page.table - descriptorHeaderBytes; }
  drops(page: RegionPage): number { return this.u32(BlockReader.descriptor(page) + descriptorFields.drops); }

  /** The case that the first record of a block had before the block became an entry. */
  private originalCase(block: number, caseId: number): number {
    if (this.cases[caseId].definition.name !== 'TRANSLATED') return caseId;
    const slot = region('translations').base + this.u32(block + blockFields.slot) * translationSlotBytes;
    const entries = this.u32(slot + translationFields.entries), count = this.u32(slot + translationFields.entryCount);
    for (let at = entries; at < entries + count * translationEntryBytes; at += translationEntryBytes) if (this.u32(at + entryFields.block) === block) return this.u32(at + entryFields.caseId);
    throw new Error('a translated block is not among the entries of its region');
  }
  private record(at: number, caseId: number): DecodedRecord {
    const v = this.view, byte = (offset: number): number => v.getUint8(at + offset);
    return {
      case: this.cases[caseId], length: byte(field.length), ordinal: byte(field.ordinal), pageOffset: v.getUint16(at + field.pageOffset, true),
      dst: byte(field.dst), src: byte(field.src), base: byte(field.base), index: byte(field.index), scale: byte(field.scale), aux: byte(field.aux),
      displacement: v.getInt32(at + field.displacement, true), immediate: v.getBigInt64(at + field.immediate, true), at,
    };
  }
  /** Reads a decoded block; its instructions end where only the interpreter goes on. */
  read(address: number, page: RegionPage, mode: number): RegionBlock {
    const instructions: Instruction[] = [];
    let at = address + blockHeaderBytes, records: DecodedRecord[] = [];
    const start = this.view.getUint16(at + field.pageOffset, true);
    const block = (ending: Ending, next: number, target = -1, after?: number): RegionBlock =>
      ({ at: page.distance + start, address, page, instructions, ending, next: page.distance + next, target: page.distance + target, ...(after !== undefined && { after: page.distance + after }) });
    for (let first = true; ; first = false, at += recordBytes) {
      const raw = this.view.getUint16(at + field.caseId, true), r = this.record(at, first ? this.originalCase(address, raw) : raw), { name, endsBlock } = r.case.definition;
      records.push(r);
      if (name === 'END') return block('fall', r.pageOffset);
      if (r.length === 0 && !endsBlock) {                                                  // an address record; what it serves follows
        if (!this.useOf(records)) return block('leave', r.pageOffset);
        continue;
      }
      const next = r.pageOffset + r.length, use = this.useOf(records);
      // outside 64-bit mode a jump of 16 bits wraps its target
      if (!use || (endsBlock && (mode & 3) !== 2 && r.scale === 1)) return block('leave', r.pageOffset, -1, next);
      instructions.push({ records, offset: r.pageOffset, next, use });
      records = [];
      if (!endsBlock) continue;
      const target = next + Number(r.immediate);
      if (conditional.has(name)) return block('branch', next, target);
      if (name === 'JMPrel') return block('jump', next, target);
      if (name === 'CALLrel') return block('call', next, target);
      return block(name === 'CALL' ? 'indirectCall' : name === 'JMP' ? 'indirectJump' : 'return', next);
    }
  }

  /** The region that grows from blocks at distances from a page, all of which are entries. `goesOn`: also behind instructions in front of which it is left. */
  grow(hot: RegionPage, offsets: readonly number[], mode: number, mostBlocks: number, goesOn = false): Region {
    const pages = [hot], blocks = new Map<number, RegionBlock>(), roots = new Set<number>(), queue: number[] = [];
    const pageAt = (distance: number): RegionPage | undefined => {
      const found = pages.find(p => p.distance === distance);
      if (found || (mode & 3) !== 2 || pages.length === translationPages || Math.abs(distance) > 0x3f_ffff || distance >> 12 < -100 || distance >> 12 > 100) return found;
      const page = this.page(BigInt.asUintN(64, hot.linear + BigInt(distance)), distance, pages.length);
      if (page) pages.push(page);
      return page;
    };
    const take = (at: number): boolean => {
      if (blocks.has(at)) return true;
      if (blocks.size === mostBlocks) return false;
      const page = pageAt(at & ~0xfff), address = page && this.blockAt(page, at & 0xfff);
      if (!page || !address) return false;
      const block = this.read(address, page, mode);
      if (block.instructions.length === 0) return false;
      blocks.set(at, block);
      queue.push(at);
      return true;
    };
    const follow = (b: RegionBlock): void => {
      if (b.ending === 'jump' || b.ending === 'branch' || b.ending === 'call') take(b.target);
      if (b.ending === 'branch' || b.ending === 'fall') take(b.next);
      if ((b.ending === 'call' || b.ending === 'indirectCall') && take(b.next)) roots.add(b.next);
      if (goesOn && b.ending === 'leave' && b.after !== undefined && take(b.after)) roots.add(b.after);
    };
    let done = 0;
    for (const offset of offsets) {
      if (take(offset)) roots.add(offset);
      while (done < queue.length) follow(blocks.get(queue[done++])!);
    }
    for (const b of blocks.values()) truncate(b, blocks);
    return { pages, blocks, roots, mode };
  }
}

/** A block that runs into the start of another one ends there. */
function truncate(b: RegionBlock, blocks: ReadonlyMap<number, RegionBlock>): void {
  const cut = b.instructions.findIndex((i, n) => n > 0 && blocks.has(b.page.distance + i.offset));
  if (cut < 0) return;
  b.next = b.page.distance + b.instructions[cut].offset;
  b.instructions = b.instructions.slice(0, cut);
  b.ending = 'fall';
  b.target = -1;
}

/** Distances to which a block leads inside its region. */
export function successorsOf(b: RegionBlock, blocks: ReadonlyMap<number, RegionBlock>): number[] {
  const out: number[] = [];
  if (b.ending === 'jump' || b.ending === 'branch' || b.ending === 'call') out.push(b.target);
  if (b.ending === 'branch' || b.ending === 'fall') out.push(b.next);
  return out.filter(at => blocks.has(at));
}
