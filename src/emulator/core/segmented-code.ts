// Outside 64-bit mode: stack instructions, near transfers to an offset that CS limits, loops, BOUND and ARPL (SDM 2 under each name).
import { CPU_RIP } from './generated/layout';
import { loadData } from './memory';
import {
  destinationRegister, immediate, isMemory, linearAddress, operandOffset, operandSize, readOperand, REC_DST, recordAddressSize, recordOpcode, recordSegment,
  sourceRegister, writeOperand, writeSized,
} from './operands';
import { segmentLimit } from './segments';
import { push, setStackPointer, stackLoad, stackMask, stackPointer, stackProbe, stackStore } from './stack';
import {
  ABORT, aborted, arithmeticFlags, BR, CS, GP, JUMPED, NEXT, nextRip, raise, raiseError, RAX, RBX, RCX, realMode, reg, rflags, setArithmeticFlags, UD,
  virtual8086, ZF,
} from './state';

@inline const RBP: u32 = 5;
@inline function bytesOf(pc: usize): u32 { return 1 << operandSize(pc); }
@inline function sized(value: u64, size: u32): u64 { return size == 1 ? value & 0xffff : value & 0xffffffff; }

export function pushSegmented(pc: usize): i32 {
  const value = readOperand(pc, REC_DST, operandSize(pc));
  return aborted() ? ABORT : push(value, bytesOf(pc));
}
export function pushImmediate(pc: usize): i32 { return push(immediate(pc), bytesOf(pc)); }
export function popSegmented(pc: usize): i32 {
  const bytes = bytesOf(pc), top = stackPointer(), value = stackLoad(top, bytes);
  if (aborted()) return ABORT;
  // a register that is the stack pointer itself gets the value; the address of a memory operand is computed with the pointer moved
  if (isMemory(pc)) { if (writeOperand(pc, REC_DST, operandSize(pc), value)) return ABORT; setStackPointer(top + bytes); return NEXT; }
  setStackPointer(top + bytes);
  return writeOperand(pc, REC_DST, operandSize(pc), value);
}
export function pusha(pc: usize): i32 {
  const bytes = bytesOf(pc), top = stackPointer();
  for (let n: u32 = 1; n <= 8; n++) if (stackProbe(top - n * bytes, bytes)) return ABORT;
  for (let n: u32 = 0; n < 8; n++) if (stackStore(top - (n + 1) * bytes, reg(n), bytes)) return ABORT;
  setStackPointer(top - 8 * bytes);
  return NEXT;
}
export function popa(pc: usize): i32 {
  const bytes = bytesOf(pc), size = operandSize(pc), top = stackPointer();
  for (let n: u32 = 0; n < 8; n++) { stackLoad(top + n * bytes, bytes); if (aborted()) return ABORT; }
  for (let n: u32 = 0; n < 8; n++) if (n != 3) writeSized(7 - n, size, stackLoad(top + n * bytes, bytes));   // the stack pointer's place is skipped
  setStackPointer(top + 8 * bytes);
  return NEXT;
}
export function leave(pc: usize): i32 {
  const bytes = bytesOf(pc), frame = reg(RBP) & stackMask(), value = stackLoad(frame, bytes);
  if (aborted()) return ABORT;
  setStackPointer(frame + bytes);
  writeSized(RBP, operandSize(pc), value);
  return NEXT;
}
/** ENTER (SDM 2A 'ENTER'). */
export function enterSegmented(pc: usize): i32 {
  const bytes = bytesOf(pc), frameBytes = immediate(pc) & 0xffff, nesting = <u32>(immediate(pc) >> 16) & 31;
  const frame = stackPointer() - bytes;
  // everything is probed before the first store, also the place to which the stack pointer comes
  for (let n: u32 = 0; n <= nesting; n++) if (stackProbe(frame - n * bytes, bytes)) return ABORT;
  if (stackProbe(frame - nesting * bytes - frameBytes, 1)) return ABORT;
  for (let n: u32 = 1; n < nesting; n++) { stackLoad(reg(RBP) - n * bytes, bytes); if (aborted()) return ABORT; }
  if (stackStore(frame, reg(RBP), bytes)) return ABORT;
  for (let n: u32 = 1; n < nesting; n++) if (stackStore(frame - n * bytes, stackLoad(reg(RBP) - n * bytes, bytes), bytes)) return ABORT;
  if (nesting > 0 && stackStore(frame - nesting * bytes, frame, bytes)) return ABORT;
  writeSized(RBP, operandSize(pc), frame);
  setStackPointer(frame - nesting * bytes - frameBytes);
  return NEXT;
}

/** Whether an offset lies beyond CS; #GP(0). */
export function outsideCode(offset: u64): bool {
  if (offset <= <u64>segmentLimit(CS)) return false;
  raiseError(GP, 0);
  return true;
}
function jumpTo(offset: u64): i32 {
  if (outsideCode(offset)) return ABORT;
  store<u64>(CPU_RIP, offset);
  return JUMPED;
}
export function jumpSegmented(pc: usize): i32 {
  const target = readOperand(pc, REC_DST, operandSize(pc));
  return aborted() ? ABORT : jumpTo(target);
}
function callTo(target: u64, bytes: u32): i32 {
  if (outsideCode(target) || push(nextRip(), bytes)) return ABORT;
  store<u64>(CPU_RIP, target);
  return JUMPED;
}
export function callRelative(pc: usize): i32 { return callTo(sized(nextRip() + immediate(pc), operandSize(pc)), bytesOf(pc)); }
export function callSegmented(pc: usize): i32 {
  const target = readOperand(pc, REC_DST, operandSize(pc));
  return aborted() ? ABORT : callTo(target, bytesOf(pc));
}
/** RET and RET imm16 (C2). */
export function returnSegmented(pc: usize): i32 {
  const bytes = bytesOf(pc), top = stackPointer(), target = stackLoad(top, bytes);
  if (aborted() || outsideCode(target)) return ABORT;
  setStackPointer(top + bytes + ((recordOpcode(pc) & 0xff) == 0xc2 ? immediate(pc) & 0xffff : 0));
  store<u64>(CPU_RIP, target);
  return JUMPED;
}
/** LOOPNE, LOOPE, LOOP, JCXZ (E0 to E3): the counter has the address size. */
export function loopSegmented(pc: usize): i32 {
  const kind = recordOpcode(pc) & 3, mask: u64 = recordAddressSize(pc) == 1 ? 0xffffffff : 0xffff, zero = (arithmeticFlags() & ZF) != 0;
  const count = kind == 3 ? reg(RCX) & mask : (reg(RCX) - 1) & mask;
  const taken = kind == 3 ? count == 0 : count != 0 && (kind == 2 || zero == (kind == 1)), target = sized(nextRip() + immediate(pc), operandSize(pc));
  if (taken && outsideCode(target)) return ABORT;
  if (kind != 3) writeSized(RCX, mask == 0xffff ? 1 : 2, count);
  if (!taken) return NEXT;
  store<u64>(CPU_RIP, target);
  return JUMPED;
}

/** BOUND: a signed index against a pair of signed bounds in memory; #BR. */
export function bound(pc: usize): i32 {
  const bytes = bytesOf(pc), address = linearAddress(recordSegment(pc), operandOffset(pc), 2 * bytes);
  if (aborted()) return ABORT;
  const low = loadData(address, bytes); if (aborted()) return ABORT;
  const high = loadData(address + bytes, bytes); if (aborted()) return ABORT;
  const shift = 64 - (<u64>bytes << 3), index = <i64>(reg(destinationRegister(pc)) << shift);
  return index < <i64>(low << shift) || index > <i64>(high << shift) ? raise(BR) : NEXT;
}
/** ARPL: raises the RPL of a selector to that of another. */
export function arpl(pc: usize): i32 {
  if (realMode() || virtual8086()) return raise(UD);
  const value = readOperand(pc, REC_DST, 1), level = reg(sourceRegister(pc)) & 3;
  if (aborted()) return ABORT;
  const raised = (value & 3) < level;
  if (raised && writeOperand(pc, REC_DST, 1, value & ~3 | level)) return ABORT;
  setArithmeticFlags(raised ? rflags() | ZF : rflags() & ~ZF);
  return NEXT;
}
/** XLAT: the byte of the table at rBX that AL counts; the sum wraps at the address size. */
export function xlat(pc: usize): i32 {
  const mask: u64 = recordAddressSize(pc) == 1 ? 0xffffffff : 0xffff, address = linearAddress(recordSegment(pc), (reg(RBX) + (reg(RAX) & 0xff)) & mask, 1);
  if (aborted()) return ABORT;
  const value = loadData(address, 1);
  if (aborted()) return ABORT;
  writeSized(RAX, 0, value);
  return NEXT;
}
