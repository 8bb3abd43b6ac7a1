// Decoded code: blocks of records in the code heap, found by (RAM page, mode, offset in the page). A descriptor per page and mode holds
// 4,096 block addresses; blocks link to each other only inside their page, so that dropping a page drops both ends of every link.
// Granules of 64 bytes that hold code make stores to them run alone and drop the page's blocks (self-modifying code).
import {
  BLOCK_HEADER, CPU_CPL, CPU_MODE, CPU_PAGE_BASE, CPU_RIP, CPU_SEG_BASE, CPU_TLB_BASE, CPU_TLB_GENERATION, D_DROPS, D_GRANULES, D_MODE, D_NEXT, D_TRANSLATED,
  DESCRIPTOR_HEADER, M_HEAP_TOP, M_HOOK_COUNT, M_HOOK_OFFSETS, RAM_BASE,
  M_RAM_SIZE, REC_CASE_ID, REC_ORDINAL, REC_PAGE_OFFSET, RECORD_BYTES, REGION_CODE_HEAP, REGION_CODE_HEAP_SIZE, REGION_PAGE_CODE, REGION_SCRATCH,
} from './generated/layout';
import { CASE_END, CASE_HOOK, TLB_EXECUTE, TLB_INDEX_MASK } from './generated/decoder';
import { decode, decodedEndsBlock, decodedRecords } from './decode';
import { hostOf } from './memory';
import { EXECUTE, walk, walkedPhysical } from './paging';
import { segmentLimit } from './segments';
import { CS, GP, raiseError } from './state';
import { ASIDE, setAsideExecutes, setAsideWrites } from './tlb';
import { dropAllTranslations, dropTranslationsOf } from './translations';
import { LINEAR_FETCH, isApicAccess, linearApicAccess } from './vmx/apic-access';

// descriptor: header, then 4,096 block addresses (u32, by offset); TLB entries point at the addresses
@inline const DESCRIPTOR_BYTES: usize = DESCRIPTOR_HEADER + 0x4000;

/** Longest block, in instructions. */
@inline const LONGEST_BLOCK: u32 = 64;
@inline const LONGEST_BLOCK_BYTES: u32 = LONGEST_BLOCK * 15;
/** An instruction has one or two, and there is one for the end. */
@inline const MOST_RECORDS: u32 = LONGEST_BLOCK * 2 + 1;
@inline const FETCH_BUFFER: usize = REGION_SCRATCH + 0x100;
/** Blocks of one run: instructions that run alone, blocks cut short by the budget. */
@inline const TRANSIENT_BLOCK: usize = REGION_SCRATCH + 0x200;

export function resetBlocks(): void {
  dropAllTranslations();
  store<u32>(M_HEAP_TOP, <u32>REGION_CODE_HEAP);
  memory.fill(REGION_PAGE_CODE, 0, <usize>(load<u32>(M_RAM_SIZE) >> 12) << 2);
}

/** Drops all decoded code when the heap is nearly full. Only between blocks. */
export function dropAllCode(): void {
  resetBlocks();
  setAsideExecutes();
}
export function heapIsNearlyFull(): bool { return <usize>load<u32>(M_HEAP_TOP) + 0x40000 > REGION_CODE_HEAP + REGION_CODE_HEAP_SIZE; }

/** Room in the code heap, until all code is dropped. */
export function allocate(bytes: usize): usize {
  const at = <usize>load<u32>(M_HEAP_TOP);
  store<u32>(M_HEAP_TOP, <u32>((at + bytes + 31) & ~31));
  return at;
}

/** The descriptor of a RAM page for the present mode, made when missing. */
function descriptorOf(page: u32): usize {
  const slot = REGION_PAGE_CODE + (<usize>page << 2), mode = load<u32>(CPU_MODE), first = <usize>load<u32>(slot);
  for (let d = first; d != 0; d = <usize>load<u32>(d + D_NEXT)) if (load<u32>(d + D_MODE) == mode) return d;
  const d = allocate(DESCRIPTOR_BYTES);
  memory.fill(d, 0, DESCRIPTOR_BYTES);
  store<u32>(d + D_NEXT, <u32>first);
  store<u32>(d + D_MODE, mode);
  if (first) store<u64>(d + D_GRANULES, load<u64>(first + D_GRANULES));
  store<u32>(slot, <u32>d);
  if (!first) setAsideWrites(RAM_BASE + (<usize>page << 12));
  return d;
}

/** Marks the granules of a byte range of a page as holding code. The first descriptor of a page holds the page's granules. */
function markGranules(page: u32, from: u32, to: u32): void {
  const d = <usize>load<u32>(REGION_PAGE_CODE + (<usize>page << 2));
  let bits: u64 = 0;
  for (let g = from >> 6; g <= (to - 1) >> 6; g++) bits |= <u64>1 << g;
  store<u64>(d + D_GRANULES, load<u64>(d + D_GRANULES) | bits);
}

/** True when a store to RAM (WASM address, within one page) touches a granule with code. */
export function storeTouchesCode(host: usize, bytes: u32): bool {
  const page = <u32>((host - RAM_BASE) >> 12), d = <usize>load<u32>(REGION_PAGE_CODE + (<usize>page << 2));
  if (!d) return false;
  const from = <u32>(host & 0xfff), granules = load<u64>(d + D_GRANULES);
  return (granules >> (from >> 6) & 1) != 0 || (granules >> ((from + bytes - 1) >> 6) & 1) != 0;
}

/** Drops the blocks of a RAM page, whatever their mode: its code has changed. */
export function invalidateCode(page: u32): void { dropBlocks(page, 1); }

/** `drops`: how much that counts against translating the page once more. */
function dropBlocks(page: u32, drops: u32): void {
  let translated = false;
  for (let d = <usize>load<u32>(REGION_PAGE_CODE + (<usize>page << 2)); d != 0; d = <usize>load<u32>(d + D_NEXT)) {
    memory.fill(d + DESCRIPTOR_HEADER, 0, 0x4000);
    store<u64>(d + D_GRANULES, 0);
    if (load<u32>(d + D_TRANSLATED) == 0) continue;
    store<u32>(d + D_TRANSLATED, 0);
    store<u32>(d + D_DROPS, load<u32>(d + D_DROPS) + drops);
    translated = true;
  }
  if (translated) dropTranslationsOf(page);
}

/** Hooks at that page offset have come or gone: drops the pages that have an instruction there. Only between runs. */
export function dropCodeAt(offset: u32): void {
  for (let page: u32 = 0, pages = load<u32>(M_RAM_SIZE) >> 12; page < pages; page++) {
    for (let d = <usize>load<u32>(REGION_PAGE_CODE + (<usize>page << 2)); d != 0; d = <usize>load<u32>(d + D_NEXT)) {
      if (hasInstructionAt(d, offset)) { dropBlocks(page, 0); break; }
    }
  }
}
/** Whether a block of that descriptor has a record at the offset. Blocks do not tell where they end: after the last record the offsets do not rise on. */
function hasInstructionAt(descriptor: usize, offset: u32): bool {
  for (let start = offset > LONGEST_BLOCK_BYTES ? offset - LONGEST_BLOCK_BYTES : 0; start <= offset; start++) {
    const block = <usize>load<u32>(descriptor + DESCRIPTOR_HEADER + (<usize>start << 2));
    if (!block) continue;
    let at = start, record = block + BLOCK_HEADER;
    for (let left = MOST_RECORDS; left != 0; left--, record += RECORD_BYTES) {
      const next: u32 = load<u16>(record + REC_PAGE_OFFSET);
      if (next == offset) return true;
      if (next < at || next > offset) break;
      at = next;
    }
  }
  return false;
}

/** WASM address of the descriptor's block table for a linear page, filling the execute TLB; 0 with an abort recorded. */
function executePage(linear: u64): usize {
  const entry = <usize>load<u32>(CPU_TLB_BASE) + (<usize>(linear >> 8) & TLB_INDEX_MASK) + TLB_EXECUTE;
  const page = linear & ~0xfff, tag = page | load<u64>(CPU_TLB_GENERATION);
  if (load<u64>(entry) == tag) return <usize>load<u32>(entry, 12);
  let host: usize;
  if (load<u64>(entry) == (tag | ASIDE)) host = <usize>(<u32>page + load<u32>(entry, 8));
  else {
    if (!walk(linear, EXECUTE, load<u32>(CPU_CPL) == 3, false)) return 0;
    if (isApicAccess(walkedPhysical)) { linearApicAccess(walkedPhysical, LINEAR_FETCH); return 0; }
    host = hostOf(walkedPhysical & ~0xfff, 0x1000);
    if (!host) { raiseError(GP, 0); return 0; }                                   // code outside RAM: nothing to fetch
  }
  const table = descriptorOf(<u32>((host - RAM_BASE) >> 12)) + DESCRIPTOR_HEADER;
  store<u64>(entry, tag);
  store<u32>(entry, <u32>host - <u32>page, 8);
  store<u32>(entry, <u32>table, 12);
  return table;
}
@inline function hostOfExecute(linear: u64): usize {
  const entry = <usize>load<u32>(CPU_TLB_BASE) + (<usize>(linear >> 8) & TLB_INDEX_MASK) + TLB_EXECUTE;
  return <usize>(<u32>linear + load<u32>(entry, 8));
}

/** WASM address of the code at a linear address; 0 with an abort recorded. */
export function executableHost(linear: u64): usize { return executePage(linear) ? hostOfExecute(linear) : 0; }

/** Linear address of RIP (CS base 0 in 64-bit mode). */
@inline export function linearRip(): u64 {
  const linear = load<u64>(CPU_RIP) + load<u64>(CPU_SEG_BASE + (CS << 3));
  return (load<u32>(CPU_MODE) & 3) == 2 ? linear : linear & 0xffffffff;
}

/** The block at RIP, built when missing; 0 with an abort recorded. Sets the page base. */
export function findBlock(): u32 {
  const linear = linearRip();
  if (nearLimit(linear)) { crossesPage = true; return transientBlock(1, true); }
  const table = executePage(linear);
  if (!table) return 0;
  store<u64>(CPU_PAGE_BASE, linear & ~0xfff);
  const slot = table + (<usize>(linear & 0xfff) << 2), block = load<u32>(slot);
  crossesPage = false;
  if (block) return block;
  const heap = <usize>load<u32>(M_HEAP_TOP);
  const end = build(linear, heap, LONGEST_BLOCK, true);
  if (!end) return 0;
  if (crossesPage) return <u32>TRANSIENT_BLOCK;
  allocate(end - heap);
  store<u32>(slot, <u32>heap);
  return <u32>heap;
}

/** A block of at most `most` instructions at RIP for one use. `hooks`: stop at hooked addresses. */
export function transientBlock(most: u32, hooks: bool): u32 {
  const linear = linearRip(), limited = nearLimit(linear), rip = load<u64>(CPU_RIP);
  if (limited && rip > <u64>segmentLimit(CS)) { raiseError(GP, 0); return 0; }
  if (!executePage(linear)) return 0;
  store<u64>(CPU_PAGE_BASE, linear & ~0xfff);
  if (!build(linear, TRANSIENT_BLOCK, limited ? 1 : most < LONGEST_BLOCK ? most : LONGEST_BLOCK, hooks)) return 0;
  if (limited && rip + lastLength - 1 > <u64>segmentLimit(CS)) { raiseError(GP, 0); return 0; }
  return <u32>TRANSIENT_BLOCK;
}

/** Whether instructions from here to the end of the page could pass the limit of CS: then each is checked by itself and nothing is cached. */
@inline function nearLimit(linear: u64): bool {
  const mode = load<u32>(CPU_MODE);
  return (mode & 3) != 2 && (mode & 8) == 0 && load<u64>(CPU_RIP) + (0x1000 - (linear & 0xfff)) + 14 > <u64>segmentLimit(CS);
}
/** Length of the instruction decoded last. */
export let lastLength: u32 = 1;

/** Decodes from a linear address to the end of the block into `block`; returns the end of its records, 0 with an abort recorded. */
function build(linear: u64, block: usize, most: u32, hooks: bool): usize {
  const host = hostOfExecute(linear), page = <u32>((host - RAM_BASE) >> 12), start = <u32>(linear & 0xfff);
  let offset = start, count: u32 = 0, record = block + BLOCK_HEADER, ended = false;
  const anyHooks = hooks && load<u32>(M_HOOK_COUNT) != 0;
  while (count < most && offset < 0x1000) {
    if (anyHooks && load<u8>(M_HOOK_OFFSETS + offset) != 0) {
      putRecord(record, CASE_HOOK, offset, count);
      record += RECORD_BYTES; count++; ended = true;
      break;
    }
    let bytes = RAM_BASE + (<usize>page << 12) + offset;
    const available: u32 = 0x1000 - offset;
    if (available < 16) {
      // the instruction may reach into the next page: fetch both parts; a fault of the second belongs to this instruction
      memory.fill(FETCH_BUFFER, 0, 32);
      memory.copy(FETCH_BUFFER, bytes, available);
      const length: u32 = decode(FETCH_BUFFER, record, offset, count);
      if (length > available) {
        if (count > 0) break;                                                     // a block of its own, so that the fault comes at its start
        return buildCrossing(linear, available);
      }
      bytes = FETCH_BUFFER;
    }
    const length = decode(bytes, record, offset, count);
    lastLength = length;
    record += <usize>decodedRecords * RECORD_BYTES;
    offset += length; count++;
    if (decodedEndsBlock) { ended = true; break; }
  }
  if (!ended) { putRecord(record, CASE_END, offset, count); record += RECORD_BYTES; }
  markGranules(page, start, offset > start ? (offset < 0x1000 ? offset : 0x1000) : start + 1);
  finishHeader(block, count);
  return record;
}
/** The block at RIP that a record of the running block may link to: same page, cached. Otherwise 0 in `linkable`. */
export let linkable: bool = false;
export function findLinkable(target: u64): u32 {
  const page = load<u64>(CPU_PAGE_BASE);
  const block = findBlock();
  linkable = block != 0 && !crossesPage && load<u64>(CPU_PAGE_BASE) == page && (target & ~0xfff) == page;
  return block;
}
/** Set by `build` for an instruction that crosses into the next page: its block is the transient one. */
let crossesPage: bool = false;

/**
 * The block of one instruction that crosses into the next page; its first `available` bytes are in the fetch buffer. It is never cached: the
 * second page's code, or its mapping, can change without this page's knowing. (Not in the heap: the second page may need a descriptor there.)
 */
function buildCrossing(linear: u64, available: u32): usize {
  let next = (linear & ~0xfff) + 0x1000;
  if ((load<u32>(CPU_MODE) & 3) != 2) next &= 0xffffffff;
  if (!executePage(next)) return 0;
  const second = hostOfExecute(next);
  memory.copy(FETCH_BUFFER + available, second, 16);
  markGranules(<u32>((second - RAM_BASE) >> 12), 0, 16);
  const length = decode(FETCH_BUFFER, TRANSIENT_BLOCK + BLOCK_HEADER, <u32>linear & 0xfff, 0);
  lastLength = length;
  let record = TRANSIENT_BLOCK + BLOCK_HEADER + <usize>decodedRecords * RECORD_BYTES;
  if (!decodedEndsBlock) { putRecord(record, CASE_END, (<u32>linear & 0xfff) + length, 1); record += RECORD_BYTES; }
  finishHeader(TRANSIENT_BLOCK, 1);
  crossesPage = true;
  return record;
}

function putRecord(record: usize, caseId: u32, offset: u32, ordinal: u32): void {
  memory.fill(record, 0, RECORD_BYTES);
  store<u16>(record + REC_CASE_ID, <u16>caseId);
  store<u8>(record + REC_ORDINAL, <u8>ordinal);
  store<u16>(record + REC_PAGE_OFFSET, <u16>offset);
}
function finishHeader(block: usize, count: u32): void {
  store<u32>(block, count);
  store<u32>(block, 0, 4);
  store<u64>(block, 0, 8);
}
