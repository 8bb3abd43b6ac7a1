// Segment registers, descriptors and modes (SDM 3A chapters 3 and 5).
import { CPU_CPL, CPU_GDTR_BASE, CPU_GDTR_LIMIT, CPU_MODE, CPU_SEG_BASE, CPU_SEG_LIMIT, CPU_SEG_RIGHTS, CPU_SEG_SELECTOR } from './generated/layout';
import { loadSystem, storeSystem } from './memory';
import { countersAreInUse, recount } from './performance-counters';
import { ABORT, aborted, CS, DS, efer, EFER_LMA, ES, GP, LDTR, NEXT, NP, raiseError, realMode, SS, SS_REG, virtual8086 } from './state';
import { selectTlb } from './tlb';

@inline export const RIGHTS_UNUSABLE: u32 = 0x10000;
@inline export const RIGHTS_P: u32 = 0x80;
@inline export const RIGHTS_L: u32 = 0x2000;
@inline export const RIGHTS_DB: u32 = 0x4000;

@inline export function segmentBase(i: u32): u64 { return load<u64>(CPU_SEG_BASE + (<usize>i << 3)); }
@inline export function segmentSelector(i: u32): u32 { return load<u32>(CPU_SEG_SELECTOR + (<usize>i << 2)); }
@inline export function segmentLimit(i: u32): u32 { return load<u32>(CPU_SEG_LIMIT + (<usize>i << 2)); }
@inline export function segmentRights(i: u32): u32 { return load<u32>(CPU_SEG_RIGHTS + (<usize>i << 2)); }
@inline export function setSegmentBase(i: u32, base: u64): void { store<u64>(CPU_SEG_BASE + (<usize>i << 3), base); }

/** Loads a segment register's visible and hidden parts: limit in bytes, rights in the VMCS format. */
export function setSegment(i: u32, selector: u32, base: u64, limit: u32, rights: u32): void {
  store<u32>(CPU_SEG_SELECTOR + (<usize>i << 2), selector & 0xffff);
  store<u64>(CPU_SEG_BASE + (<usize>i << 3), base);
  store<u32>(CPU_SEG_LIMIT + (<usize>i << 2), limit);
  store<u32>(CPU_SEG_RIGHTS + (<usize>i << 2), rights);
}

/** The key of decoded code and the rights of the TLB follow from CS, SS, CPL, CR0 and EFER: call after any of them changed. */
export function updateMode(): void {
  const rights = segmentRights(CS);
  let size: u32;
  if (realMode() || virtual8086()) size = 0;
  else if ((efer() & EFER_LMA) != 0 && (rights & RIGHTS_L) != 0) size = 2;
  else size = (rights & RIGHTS_DB) != 0 ? 1 : 0;
  if (size != 2) {
    if ((segmentRights(SS_REG) & RIGHTS_DB) != 0) size |= 4;
    if (isFlat(CS) && isFlat(SS_REG) && isFlat(DS) && isFlat(ES)) size |= 8;
  }
  store<u32>(CPU_MODE, size);
  if (countersAreInUse()) recount();
  selectTlb();
}
/** Usable, from 0 to 4 GiB, growing upward, writable or code: accesses need no check (but writes to code, which go through CS). */
function isFlat(i: u32): bool {
  const rights = segmentRights(i);
  if (segmentBase(i) != 0 || segmentLimit(i) != 0xffffffff || (rights & RIGHTS_UNUSABLE) != 0) return false;
  return i == CS ? (rights & 0x1a) == 0x1a : (rights & 0x1e) == 0x12;
}
/** After a data segment register or SS was loaded outside 64-bit mode. */
export function segmentChanged(): void { if ((load<u32>(CPU_MODE) & 3) != 2) updateMode(); }
export function setCpl(level: u32): void { store<u32>(CPU_CPL, level); }

// ---- descriptors

/** The descriptor last read by `readDescriptor`. */
export let descriptor: u64 = 0;
export let descriptorHigh: u64 = 0;
export let descriptorAddress: u64 = 0;

@inline export function descriptorBase(d: u64): u64 { return d >> 16 & 0xffffff | d >> 32 & 0xff000000; }
@inline export function descriptorLimit(d: u64): u32 {
  const raw = <u32>(d & 0xffff | d >> 32 & 0xf0000);
  return (d >> 55 & 1) != 0 ? raw << 12 | 0xfff : raw;
}
/** Type, S, DPL, P, AVL, L, D/B, G as in the VMCS. */
@inline export function descriptorRights(d: u64): u32 { return <u32>(d >> 40 & 0xf0ff); }
@inline export function descriptorDpl(d: u64): u32 { return <u32>(d >> 45 & 3); }
@inline export function descriptorPresent(d: u64): bool { return (d >> 47 & 1) != 0; }
/** Type with the S bit: 0x10 and above are code and data. */
@inline export function descriptorType(d: u64): u32 { return <u32>(d >> 40 & 0x1f); }

/** Reads the descriptor of a selector (16 bytes for system descriptors when `wide`). Outside its table: #`vector`(selector). */
export function readDescriptor(selector: u32, vector: u32, external: u32, wide: bool): i32 {
  const local = (selector & 4) != 0, offset = selector & 0xfff8;
  const tableBase = local ? segmentBase(LDTR) : load<u64>(CPU_GDTR_BASE), limit = local ? segmentLimit(LDTR) : load<u32>(CPU_GDTR_LIMIT);
  const bytes: u32 = wide ? 16 : 8;
  if ((local && (segmentRights(LDTR) & RIGHTS_UNUSABLE) != 0) || offset + bytes - 1 > limit) return raiseError(vector, selector & 0xfffc | external);
  descriptorAddress = tableBase + offset;
  descriptor = loadSystem(descriptorAddress, 8);
  if (aborted()) return ABORT;
  if (wide) { descriptorHigh = loadSystem(descriptorAddress + 8, 8); if (aborted()) return ABORT; }
  return NEXT;
}
export function restoreDescriptor(d: u64): void { descriptor = d; }
/** Sets the accessed bit of a code or data descriptor. */
export function markAccessed(): i32 {
  if (descriptor >> 40 & 1) return NEXT;
  descriptor |= <u64>1 << 40;
  return storeSystem(descriptorAddress + 5, descriptor >> 40 & 0xff, 1);
}

/** Loads a data segment register or SS from a selector in protected mode (SDM 3A 5.6 'Privilege Level Checking When Accessing Data Segments'). */
export function loadDataSegment(i: u32, selector: u32): i32 {
  if (realMode() || virtual8086()) { setParagraph(i, selector, virtual8086()); segmentChanged(); return NEXT; }
  const level = load<u32>(CPU_CPL), requested = selector & 3;
  if ((selector & 0xfffc) == 0) {
    if (i == SS_REG && ((load<u32>(CPU_MODE) & 3) != 2 || level == 3 || requested != level)) return raiseError(GP, 0);
    setSegment(i, selector, 0, 0, RIGHTS_UNUSABLE | (i == SS_REG ? level << 5 : 0));
    segmentChanged();
    return NEXT;
  }
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor);
  if (i == SS_REG) {
    // writable data, RPL = DPL = CPL
    if ((type & 0x1a) != 0x12 || requested != level || dpl != level) return raiseError(GP, selector & 0xfffc);
    if (!descriptorPresent(descriptor)) return raiseError(SS, selector & 0xfffc);
  } else {
    const code = (type & 0x18) == 0x18, conforming = code && (type & 4) != 0;
    if (type < 0x10 || (code && (type & 2) == 0)) return raiseError(GP, selector & 0xfffc);
    if (!conforming && (dpl < level || dpl < requested)) return raiseError(GP, selector & 0xfffc);
    if (!descriptorPresent(descriptor)) return raiseError(NP, selector & 0xfffc);
  }
  if (markAccessed()) return ABORT;
  setFromDescriptor(i, selector, descriptor);
  segmentChanged();
  return NEXT;
}

/** Loads a segment register's hidden part from a descriptor that passed its checks. */
export function setFromDescriptor(i: u32, selector: u32, d: u64): void { setSegment(i, selector, descriptorBase(d), descriptorLimit(d), descriptorRights(d)); }
/** A data segment register without a segment. */
export function setNull(i: u32): void { setSegment(i, 0, 0, 0, RIGHTS_UNUSABLE); }
/** A segment register of real-address mode, which keeps limit and rights, or of virtual-8086 mode, which has fixed ones. */
export function setParagraph(i: u32, selector: u32, virtual: bool): void {
  setSegment(i, selector, <u64>(selector & 0xffff) << 4, virtual ? 0xffff : segmentLimit(i), virtual ? 0xf3 : segmentRights(i) & ~RIGHTS_UNUSABLE);
}

/** Sets CS from the descriptor last read, at a privilege level. */
export function loadCodeSegment(selector: u32, level: u32): void {
  setSegment(CS, selector & 0xfffc | level, descriptorBase(descriptor), descriptorLimit(descriptor), descriptorRights(descriptor) | 1);
  setCpl(level);
}
/** A flat SS of 64-bit mode with a null selector. */
export function nullStackSegment(level: u32): void { setSegment(SS_REG, level, 0, 0, RIGHTS_UNUSABLE | level << 5); }

