// Control transfers that change privilege or flags by rules of their own: INT n and its kind, SYSCALL, SYSRET, SYSENTER, SYSEXIT
// (SDM 2 under each instruction's name; SDM 3A 5.8 'Privilege Level Checking When Transferring Program Control').
import {
  CPU_CPL, CPU_FMASK, CPU_INSTRUCTION_LENGTH, CPU_LSTAR, CPU_MODE, CPU_RFLAGS_SYSTEM, CPU_RIP, CPU_STAR, CPU_SYSENTER_CS, CPU_SYSENTER_EIP, CPU_SYSENTER_ESP,
} from './generated/layout';
import { PRIVILEGED_SOFTWARE_EXCEPTION, SOFTWARE_EXCEPTION, SOFTWARE_INTERRUPT, softwareInterrupt } from './events';
import { sensitive } from './flag-instructions';
import { followingRip, immediate, rexW } from './operands';
import { RIGHTS_UNUSABLE, segmentBase, segmentLimit, segmentRights, setCpl, setSegment, updateMode } from './segments';
import {
  ABORT, arithmeticFlags, attend, BP, CS, DB, DS, EFER_SCE, efer, ES, FS, GP, GS, IF, JUMPED, longModeActive, OF, OVERFLOW, raise, raiseError, RCX, RDX,
  realMode, reg, RF, rflags, RSP, SS_REG, setReg, setRflags, UD, VM,
} from './state';
import { interceptException, interceptInt1 } from './vmx/event-intercepts';

@inline function length(): u32 { return load<u32>(CPU_INSTRUCTION_LENGTH); }
@inline function canonical(v: u64): bool { return <u64>(<i64>(v << 16) >> 16) == v; }

export function int3(_pc: usize): i32 { return interceptException(BP, false, 0, 0) ? ABORT : softwareInterrupt(BP, SOFTWARE_EXCEPTION, length()); }
export function into(_pc: usize): i32 {
  if ((arithmeticFlags() & OF) == 0) return 0;
  return interceptException(OVERFLOW, false, 0, 0) ? ABORT : softwareInterrupt(OVERFLOW, SOFTWARE_EXCEPTION, length());
}
export function int1(_pc: usize): i32 { return interceptInt1() ? ABORT : softwareInterrupt(DB, PRIVILEGED_SOFTWARE_EXCEPTION, length()); }
export function intn(pc: usize): i32 { return sensitive() ? ABORT : softwareInterrupt(<u32>immediate(pc) & 0xff, SOFTWARE_INTERRUPT, length()); }

/** A return to an outer level clears data segments that it may not use (SDM 2A 'IRET', RETURN-TO-OUTER-PRIVILEGE-LEVEL). */
export function dropInnerSegments(level: u32): void {
  dropInner(ES, level); dropInner(DS, level); dropInner(FS, level); dropInner(GS, level);
}
function dropInner(i: u32, level: u32): void {
  const rights = segmentRights(i);
  if ((rights & RIGHTS_UNUSABLE) != 0 || (rights >> 5 & 3) >= level || (rights & 0x1c) == 0x1c) return;
  setSegment(i, 0, segmentBase(i), segmentLimit(i), rights | RIGHTS_UNUSABLE);               // the base stays, which counts for FS and GS in 64-bit mode
}

// access rights of the flat segments that fast system calls load
@inline const FLAT_CODE_64: u32 = 0xa09b; @inline const FLAT_CODE_32: u32 = 0xc09b; @inline const FLAT_DATA: u32 = 0xc093;

function loadFlat(selector: u32, level: u32, wide: bool): void {
  setCpl(level);
  setSegment(CS, selector & 0xfffc | level, 0, 0xffffffff, (wide ? FLAT_CODE_64 : FLAT_CODE_32) | level << 5);
  setSegment(SS_REG, (selector + 8) & 0xfffc | level, 0, 0xffffffff, FLAT_DATA | level << 5);
}

export function syscall(_pc: usize): i32 {
  if ((efer() & EFER_SCE) == 0 || (load<u32>(CPU_MODE) & 3) != 2) return raise(UD);
  setReg(RCX, followingRip());
  setReg(11, rflags() & ~RF);
  setRflags(rflags() & ~(load<u64>(CPU_FMASK) | RF));
  const selector = <u32>(load<u64>(CPU_STAR) >> 32) & 0xffff;
  loadFlat(selector & 0xfffc, 0, true);
  store<u64>(CPU_RIP, load<u64>(CPU_LSTAR));
  updateMode();
  return JUMPED;
}
export function sysret(pc: usize): i32 {
  if ((efer() & EFER_SCE) == 0 || (load<u32>(CPU_MODE) & 3) != 2) return raise(UD);
  const wide = rexW(pc), target = reg(RCX);
  if (load<u32>(CPU_CPL) != 0 || (wide && !canonical(target))) return raiseError(GP, 0);
  setRflags(reg(11) & ~(RF | VM) & 0x3c7fd7 | 2);
  const base = <u32>(load<u64>(CPU_STAR) >> 48) & 0xffff;
  setCpl(3);
  setSegment(CS, (base + (wide ? 16 : 0)) | 3, 0, 0xffffffff, (wide ? FLAT_CODE_64 : FLAT_CODE_32) | 0x60);
  setSegment(SS_REG, (base + 8) | 3, 0, 0xffffffff, FLAT_DATA | 0x60);
  store<u64>(CPU_RIP, wide ? target : target & 0xffffffff);
  updateMode();
  attend();
  return JUMPED;
}
export function sysenter(_pc: usize): i32 {
  const selector = <u32>load<u64>(CPU_SYSENTER_CS) & 0xfffc;
  if (realMode() || selector == 0) return raiseError(GP, 0);
  store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) & ~(VM | IF | RF));
  loadFlat(selector, 0, longModeActive());
  setReg(RSP, load<u64>(CPU_SYSENTER_ESP));
  store<u64>(CPU_RIP, load<u64>(CPU_SYSENTER_EIP));
  updateMode();
  return JUMPED;
}
export function sysexit(pc: usize): i32 {
  const selector = <u32>load<u64>(CPU_SYSENTER_CS) & 0xfffc, wide = rexW(pc);
  if (realMode() || selector == 0 || load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (wide && (!canonical(reg(RCX)) || !canonical(reg(RDX)))) return raiseError(GP, 0);
  loadFlat(selector + (wide ? 32 : 16), 3, wide);
  setReg(RSP, wide ? reg(RCX) : reg(RCX) & 0xffffffff);
  store<u64>(CPU_RIP, wide ? reg(RDX) : reg(RDX) & 0xffffffff);
  updateMode();
  return JUMPED;
}
