// The stack of the running code in every mode: SS base and limit, a stack pointer of 16, 32 or 64 bits (SDM 1 6.2 'Stacks'). Nothing moves the
// stack pointer but `setStackPointer`: a procedure loads and stores by offsets first and commits when nothing can fault any more.
import { CPU_CPL, CPU_GPR } from './generated/layout';
import { loadData, probeStore, storeData } from './memory';
import { linearAddress } from './operands';
import { RIGHTS_DB, segmentRights } from './segments';
import { ABORT, aborted, in64BitMode, NEXT, reg, RSP, setReg, SS_REG } from './state';

/** Bits of RSP that are the stack pointer: the address size of the stack. */
export function stackMask(): u64 { return in64BitMode() ? u64.MAX_VALUE : (segmentRights(SS_REG) & RIGHTS_DB) != 0 ? 0xffffffff : 0xffff; }
@inline export function stackPointer(): u64 { return reg(RSP) & stackMask(); }
/** Sets the stack pointer: 16 bits keep the rest of RSP, 32 bits clear its upper half. */
export function setStackPointer(value: u64): void { setMaskedStackPointer(value, stackMask()); }
export function setMaskedStackPointer(value: u64, mask: u64): void {
  if (mask == 0xffff) store<u16>(CPU_GPR + (<usize>RSP << 3), <u16>value); else setReg(RSP, value & mask);
}
/** Value at an offset of the stack segment; check `aborted()`. */
export function stackLoad(offset: u64, bytes: u32): u64 {
  const linear = linearAddress(SS_REG, offset & stackMask(), bytes);
  return aborted() ? 0 : loadData(linear, bytes);
}
export function stackStore(offset: u64, value: u64, bytes: u32): i32 {
  const linear = linearAddress(SS_REG, offset & stackMask(), bytes, true);
  return aborted() ? ABORT : storeData(linear, value, bytes);
}
/** Checks that a store there could complete: before the first of several. */
export function stackProbe(offset: u64, bytes: u32): i32 {
  const linear = linearAddress(SS_REG, offset & stackMask(), bytes, true);
  return aborted() ? ABORT : probeStore(linear, bytes, load<u32>(CPU_CPL) == 3);
}
export function push(value: u64, bytes: u32): i32 {
  const top = stackPointer() - bytes;
  if (stackStore(top, value, bytes)) return ABORT;
  setStackPointer(top);
  return NEXT;
}
/** Bytes of a push or pop with an operand size (log2), which 64-bit mode has in 2 and 8 only. */
export function stackBytes(size: u32): u32 { return size == 1 ? 2 : in64BitMode() ? 8 : 4; }
