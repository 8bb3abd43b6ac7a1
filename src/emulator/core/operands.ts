// Operands of procedures, out of the decoded record: registers, memory addresses with segment and address size, immediates.
import {
  CPU_GPR, CPU_MODE, REC_AUX, REC_BASE, REC_DISPLACEMENT, REC_DST, REC_IMMEDIATE, REC_INDEX, REC_LINK0, REC_LINK1, REC_SCALE, REC_SRC, SLOT_EA, SLOT_PAGE_BASE,
} from './generated/layout';
import { loadData, storeData } from './memory';
import { segmentBase, segmentLimit, segmentRights, RIGHTS_UNUSABLE } from './segments';
import { ABORT, aborted, GP, NEXT, nextRip, raiseError, realMode, SS, SS_REG, virtual8086 } from './state';

@inline export function isMemory(pc: usize): bool { return (load<u8>(pc + REC_AUX) & 0x80) != 0; }
/** 0 none, 1 REP (F3), 2 REPNE (F2). */
@inline export function repeat(pc: usize): u32 { return load<u8>(pc + REC_AUX) & 3; }
@inline export function recordSegment(pc: usize): u32 { return load<u8>(pc + REC_AUX) >> 4 & 7; }
@inline export function recordScale(pc: usize): u32 { return load<u8>(pc + REC_SCALE) & 3; }
/** 0: 16, 1: 32, 2: 64 bits. */
@inline export function recordAddressSize(pc: usize): u32 { return load<u8>(pc + REC_SCALE) >> 2 & 3; }
/** log2 bytes. */
@inline export function operandSize(pc: usize): u32 { return load<u8>(pc + REC_SCALE) >> 4 & 3; }
@inline export function destinationRegister(pc: usize): u32 { return load<u8>(pc + REC_DST) >> 3; }
@inline export function sourceRegister(pc: usize): u32 { return load<u8>(pc + REC_SRC) >> 3; }
/** Register number, 16 = none, 17 = RIP-relative. */
@inline export function recordBase(pc: usize): u32 { return load<u8>(pc + REC_BASE) >> 3; }
@inline export function recordIndex(pc: usize): u32 { return load<u8>(pc + REC_INDEX) >> 3; }
/** Displacement; for a RIP-relative operand the linear address itself (SDM 3C 28.2.1: displacement plus next RIP). */
export function recordDisplacement(pc: usize): u64 {
  const d = <u64>(<i64>load<i32>(pc + REC_DISPLACEMENT));
  return recordBase(pc) == 17 ? load<u64>(CPU_GPR + SLOT_PAGE_BASE) + d : d;
}
@inline export function immediate(pc: usize): u64 { return load<u64>(pc + REC_IMMEDIATE); }
/** Opcode byte, map << 8, ModRM << 16, LOCK << 24, REX << 25. */
@inline export function recordOpcode(pc: usize): u32 { return load<u32>(pc + REC_LINK0); }
@inline export function rexW(pc: usize): bool { return (load<u32>(pc + REC_LINK0) >> 25 & 8) != 0; }

/** Offset of the memory operand in its segment, truncated to the address size. */
export function operandOffset(pc: usize): u64 {
  const base = load<u64>(CPU_GPR + <usize>load<u8>(pc + REC_BASE)), index = load<u64>(CPU_GPR + <usize>load<u8>(pc + REC_INDEX));
  const offset = base + (index << recordScale(pc)) + <u64>(<i64>load<i32>(pc + REC_DISPLACEMENT));
  const size = recordAddressSize(pc);
  return size == 2 ? offset : size == 1 ? offset & 0xffffffff : offset & 0xffff;
}

/** Linear address of an offset in a segment, with the checks of the mode for `bytes` bytes; check `aborted()`. */
export function linearAddress(segment: u32, offset: u64, bytes: u32, write: bool = false): u64 {
  if ((load<u32>(CPU_MODE) & 3) == 2) {
    const linear = segment >= 4 ? offset + segmentBase(segment) : offset, last = linear + bytes - 1;
    if (<i64>(linear << 16) >> 16 != <i64>linear || <i64>(last << 16) >> 16 != <i64>last) { raiseError(segment == SS_REG ? SS : GP, 0); return 0; }
    return linear;
  }
  const rights = segmentRights(segment);
  // code is not writable, and readable only with its bit; virtual-8086 and real-address mode have data rights everywhere but in CS
  const forbidden = (rights & 8) != 0 ? (write && !realMode() && !virtual8086()) || (!write && (rights & 2) == 0) : write && (rights & 2) == 0;
  if ((rights & RIGHTS_UNUSABLE) != 0 || forbidden || outsideLimit(rights, segmentLimit(segment), offset, bytes)) { raiseError(segment == SS_REG ? SS : GP, 0); return 0; }
  return (offset + segmentBase(segment)) & 0xffffffff;
}
/** Whether bytes at an offset lie outside a segment; an expand-down one reaches from above its limit to the top that its B flag gives. */
export function outsideLimit(rights: u32, limit: u32, offset: u64, bytes: u32): bool {
  const last = offset + bytes - 1;
  if ((rights & 0x1c) != 0x14) return last > <u64>limit;
  return offset <= <u64>limit || last > <u64>((rights & 0x4000) != 0 ? 0xffffffff : 0xffff);
}
/** The record SEGMENTED before an instruction with a memory operand outside 64-bit mode: checks it and leaves the linear address in the slot `ea`. */
export function segmentedAddress(pc: usize): i32 {
  const facts = load<u32>(pc + REC_LINK0), bits = load<u32>(pc + REC_LINK1), mask: u64 = (facts >> 8 & 3) == 1 ? 0xffffffff : 0xffff;
  const base = load<u64>(CPU_GPR + <usize>load<u8>(pc + REC_BASE)), index = load<u64>(CPU_GPR + <usize>load<u8>(pc + REC_INDEX));
  let offset = base + (index << load<u8>(pc + REC_SCALE)) + <u64>(<i64>load<i32>(pc + REC_DISPLACEMENT)), distance: u64 = 0;
  if (bits != 0) {
    // the body adds the distance of a bit string's operand itself: what is checked is the place that it comes to
    const size = bits >> 9 & 3, at = CPU_GPR + <usize>(bits & 0xff);
    const bit: i64 = size == 1 ? <i64>load<i16>(at) : <i64>load<i32>(at);
    distance = <u64>(bit >> (3 + size) << size);
  }
  const linear = linearAddress(load<u8>(pc + REC_AUX), (offset + distance) & mask, facts & 0xff, (facts >> 10 & 1) != 0);
  if (aborted()) return ABORT;
  store<u64>(CPU_GPR + SLOT_EA, linear - distance);
  return NEXT;
}
/** Linear address of the memory operand for an access of the operand's size; check `aborted()`. */
export function operandAddress(pc: usize): u64 { return linearAddress(recordSegment(pc), operandOffset(pc), 1 << operandSize(pc)); }

@inline function sizeMask(size: u32): u64 { return size == 3 ? u64.MAX_VALUE : (<u64>1 << (8 << size)) - 1; }
/** Value of r/m as destination or source, `size` log2 bytes; check `aborted()`. */
export function readOperand(pc: usize, field: usize, size: u32): u64 {
  if (!isMemory(pc)) return load<u64>(CPU_GPR + <usize>load<u8>(pc + field)) & sizeMask(size);
  const address = linearAddress(recordSegment(pc), operandOffset(pc), 1 << size);
  return aborted() ? 0 : loadData(address, 1 << size);
}
export function writeOperand(pc: usize, field: usize, size: u32, value: u64): i32 {
  if (isMemory(pc)) {
    const address = linearAddress(recordSegment(pc), operandOffset(pc), 1 << size, true);
    return aborted() ? ABORT : storeData(address, value, 1 << size);
  }
  const at = CPU_GPR + <usize>load<u8>(pc + field);
  if (size == 0) store<u8>(at, <u8>value); else if (size == 1) store<u16>(at, <u16>value); else store<u64>(at, size == 2 ? value & 0xffffffff : value);
  return NEXT;
}
/** Writes RAX, RCX ... by operand size: a 32-bit result clears the upper half. */
export function writeSized(register: u32, size: u32, value: u64): void {
  const at = CPU_GPR + (<usize>register << 3);
  if (size == 0) store<u8>(at, <u8>value); else if (size == 1) store<u16>(at, <u16>value); else store<u64>(at, size == 2 ? value & 0xffffffff : value);
}
export { REC_DST, REC_SRC };
/** RIP of the next instruction, for a procedure that jumps relative to it. */
export function followingRip(): u64 { return nextRip(); }
