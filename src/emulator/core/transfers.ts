// Control transfers that change privilege, segments or flags: INT n and its kind, IRET, SYSCALL, SYSRET, SYSENTER, SYSEXIT, far JMP, CALL
// and RET, in IA-32e mode (SDM 2 under each instruction's name; SDM 3A 5.8 'Privilege Level Checking When Transferring Program Control').
import {
  CPU_CPL, CPU_EVENT_VECTORING, CPU_FMASK, CPU_INSTRUCTION_LENGTH, CPU_LSTAR, CPU_MODE, CPU_NMI_BLOCKED, CPU_RFLAGS_SYSTEM, CPU_RIP, CPU_STAR, CPU_SYSENTER_CS,
  CPU_SYSENTER_EIP, CPU_SYSENTER_ESP, STOP_UNIMPLEMENTED,
} from './generated/layout';
import { PRIVILEGED_SOFTWARE_EXCEPTION, SOFTWARE_EXCEPTION, SOFTWARE_INTERRUPT, softwareInterrupt } from './events';
import { changeableFlags, changeFlags } from './flag-instructions';
import { loadData, storeData } from './memory';
import { followingRip, immediate, operandAddress, operandSize, rexW } from './operands';
import {
  descriptor, descriptorBase, descriptorDpl, descriptorLimit, descriptorPresent, descriptorRights, descriptorType, loadCodeSegment, markAccessed, nullStackSegment,
  readDescriptor, restoreDescriptor, RIGHTS_UNUSABLE, segmentRights, segmentSelector, setCpl, setSegment, updateMode,
} from './segments';
import {
  ABORT, aborted, arithmeticFlags, attend, BP, CS, DB, DS, EFER_SCE, efer, ES, FS, GP, GS, IF, JUMPED, longModeActive, NP, NT, OF, OVERFLOW, raise, raiseError, RCX, RDX,
  realMode, reg, RF, rflags, RSP, SS, SS_REG, setReg, setRflags, UD, VIF, VIP, VM,
} from './state';
import { requestStop } from './stop';
import { interceptException, interceptInt1, iretEndsNmiBlocking } from './vmx/event-intercepts';

@inline function length(): u32 { return load<u32>(CPU_INSTRUCTION_LENGTH); }
@inline function canonical(v: u64): bool { return <u64>(<i64>(v << 16) >> 16) == v; }

export function int3(_pc: usize): i32 { return interceptException(BP, false, 0, 0) ? ABORT : softwareInterrupt(BP, SOFTWARE_EXCEPTION, length()); }
export function into(_pc: usize): i32 {
  if ((arithmeticFlags() & OF) == 0) return 0;
  return interceptException(OVERFLOW, false, 0, 0) ? ABORT : softwareInterrupt(OVERFLOW, SOFTWARE_EXCEPTION, length());
}
export function int1(_pc: usize): i32 { return interceptInt1() ? ABORT : softwareInterrupt(DB, PRIVILEGED_SOFTWARE_EXCEPTION, length()); }
export function intn(pc: usize): i32 { return softwareInterrupt(<u32>immediate(pc) & 0xff, SOFTWARE_INTERRUPT, length()); }

/** A form that the machine does not have outside IA-32e mode yet: the run stops and names it. */
function notYet(): i32 { requestStop(STOP_UNIMPLEMENTED, 0, load<u64>(CPU_RIP)); return raise(UD); }

/** IRET in IA-32e mode (SDM 2A 'IRET/IRETD/IRETQ'). */
export function iret(pc: usize): i32 {
  if (!longModeActive() || realMode()) return notYet();
  if ((load<u64>(CPU_RFLAGS_SYSTEM) & NT) != 0) return raiseError(GP, 0);
  const size = operandSize(pc), bytes: u32 = 1 << size, level = load<u32>(CPU_CPL);
  // 1. the frame; 64-bit mode always pops SS:RSP
  let at = reg(RSP);
  const newRip = loadData(at, bytes); if (aborted()) return ABORT;
  const selector = <u32>loadData(at + bytes, bytes) & 0xffff; if (aborted()) return ABORT;
  const flags = loadData(at + 2 * bytes, bytes); if (aborted()) return ABORT;
  const wide = (load<u32>(CPU_MODE) & 3) == 2, newLevel = selector & 3;
  let newSp: u64 = 0, newSs: u32 = 0;
  const popsStack = wide || newLevel > level;
  if (popsStack) {
    newSp = loadData(at + 3 * bytes, bytes); if (aborted()) return ABORT;
    newSs = <u32>loadData(at + 4 * bytes, bytes) & 0xffff; if (aborted()) return ABORT;
  }
  // 2. the code segment
  if ((selector & 0xfffc) == 0) return raiseError(GP, 0);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor), conforming = (type & 4) != 0;
  if ((type & 0x18) != 0x18 || newLevel < level || (conforming ? dpl > newLevel : dpl != newLevel)) return raiseError(GP, selector & 0xfffc);
  if (!descriptorPresent(descriptor)) return raiseError(NP, selector & 0xfffc);
  const to64 = (descriptor >> 53 & 1) != 0;
  if (to64 ? !canonical(newRip) : false) return raiseError(GP, 0);
  if (markAccessed()) return ABORT;
  const codeDescriptor = descriptor;
  // 3. the stack segment
  let stackDescriptor: u64 = 0;
  if (popsStack && (newSs & 0xfffc) == 0) {
    if (!to64 || newLevel == 3 || (newSs & 3) != newLevel) return raiseError(GP, 0);
  } else if (popsStack) {
    if (readDescriptor(newSs, GP, 0, false)) return ABORT;
    if ((newSs & 3) != newLevel || (descriptorType(descriptor) & 0x1a) != 0x12 || descriptorDpl(descriptor) != newLevel) return raiseError(GP, newSs & 0xfffc);
    if (!descriptorPresent(descriptor)) return raiseError(SS, newSs & 0xfffc);
    if (markAccessed()) return ABORT;
    stackDescriptor = descriptor;
  }
  // 4. everything is checked: commit
  let mask = changeableFlags() | RF;
  if (level == 0) mask |= VIF | VIP;
  if (bytes == 2) mask &= 0xffff;
  changeFlags(flags, mask);
  restoreDescriptor(codeDescriptor);
  loadCodeSegment(selector, newLevel);
  if (popsStack) {
    if (stackDescriptor == 0) nullStackSegment(newLevel);
    else { restoreDescriptor(stackDescriptor); setFromDescriptor(SS_REG, newSs, stackDescriptor); }
    setReg(RSP, to64 ? newSp : newSp & 0xffffffff);
  } else setReg(RSP, at + 3 * bytes);
  store<u64>(CPU_RIP, to64 ? newRip : newRip & 0xffffffff);
  if (newLevel > level) dropInnerSegments(newLevel);
  if (iretEndsNmiBlocking()) store<u32>(CPU_NMI_BLOCKED, 0);
  store<u32>(CPU_EVENT_VECTORING, 0);
  updateMode();
  attend();
  return JUMPED;
}

function setFromDescriptor(i: u32, selector: u32, d: u64): void { setSegment(i, selector, descriptorBase(d), descriptorLimit(d), descriptorRights(d)); }

/** A return to an outer level clears data segments that it may not use (SDM 2A 'IRET', RETURN-TO-OUTER-PRIVILEGE-LEVEL). */
function dropInnerSegments(level: u32): void {
  dropInner(ES, level); dropInner(DS, level); dropInner(FS, level); dropInner(GS, level);
}
function dropInner(i: u32, level: u32): void {
  const rights = segmentRights(i);
  if ((rights & RIGHTS_UNUSABLE) != 0 || (rights >> 5 & 3) >= level || (rights & 0x1c) == 0x1c) return;
  setSegment(i, 0, 0, 0, RIGHTS_UNUSABLE);
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

// ---- far JMP, CALL, RET without gates or privilege change (gates come with the protected modes)

/** Checks a code segment for a far transfer at the same level; on success CS is loaded by the caller from the descriptor. */
function farTarget(selector: u32, offset: u64): i32 {
  if ((selector & 0xfffc) == 0) return raiseError(GP, 0);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor), level = load<u32>(CPU_CPL);
  if (type < 0x10) { requestStop(STOP_UNIMPLEMENTED, type, load<u64>(CPU_RIP)); return raiseError(GP, selector & 0xfffc); }
  if ((type & 0x18) != 0x18 || ((type & 4) != 0 ? dpl > level : dpl != level || (selector & 3) > level)) return raiseError(GP, selector & 0xfffc);
  if (!descriptorPresent(descriptor)) return raiseError(NP, selector & 0xfffc);
  if ((descriptor >> 53 & 3) == 3) return raiseError(GP, selector & 0xfffc);
  if ((descriptor >> 53 & 1) != 0 && !canonical(offset)) return raiseError(GP, 0);
  return markAccessed();
}
/** Far pointer m16:16, m16:32 or m16:64. */
let farSelector: u32 = 0;
function farPointer(pc: usize): u64 {
  const size = operandSize(pc), bytes: u32 = 1 << size, address = operandAddress(pc);
  if (aborted()) return 0;
  const offset = loadData(address, bytes); if (aborted()) return 0;
  farSelector = <u32>loadData(address + bytes, 2);
  return offset;
}
export function jmpFar(pc: usize): i32 {
  if (!longModeActive()) return notYet();
  const offset = farPointer(pc);
  if (aborted() || farTarget(farSelector, offset)) return ABORT;
  loadCodeSegment(farSelector, load<u32>(CPU_CPL));
  store<u64>(CPU_RIP, offset);
  updateMode();
  return JUMPED;
}
export function callFar(pc: usize): i32 {
  if (!longModeActive()) return notYet();
  const offset = farPointer(pc), bytes: u32 = 1 << operandSize(pc), selector = farSelector;
  if (aborted() || farTarget(selector, offset)) return ABORT;
  const top = reg(RSP) - 2 * bytes, target = descriptor;
  if (storeData(top, followingRip(), bytes) || storeData(top + bytes, segmentSelector(CS), bytes)) return ABORT;
  restoreDescriptor(target);
  setReg(RSP, top);
  loadCodeSegment(selector, load<u32>(CPU_CPL));
  store<u64>(CPU_RIP, offset);
  updateMode();
  return JUMPED;
}
export function retFar(pc: usize): i32 {
  if (!longModeActive()) return notYet();
  const bytes: u32 = 1 << operandSize(pc), sp = reg(RSP), level = load<u32>(CPU_CPL);
  const offset = loadData(sp, bytes); if (aborted()) return ABORT;
  const selector = <u32>loadData(sp + bytes, bytes) & 0xffff; if (aborted()) return ABORT;
  const newLevel = selector & 3, extra = immediate(pc) & 0xffff;
  if ((selector & 0xfffc) == 0 || newLevel < level) return raiseError(GP, selector & 0xfffc);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor);
  if ((type & 0x18) != 0x18 || ((type & 4) != 0 ? dpl > newLevel : dpl != newLevel)) return raiseError(GP, selector & 0xfffc);
  if (!descriptorPresent(descriptor)) return raiseError(NP, selector & 0xfffc);
  const to64 = (descriptor >> 53 & 1) != 0;
  if (to64 && !canonical(offset)) return raiseError(GP, 0);
  if (markAccessed()) return ABORT;
  const code = descriptor;
  let newSp = sp + 2 * bytes + extra;
  if (newLevel > level) {
    const outerSp = loadData(newSp, bytes); if (aborted()) return ABORT;
    const outerSs = <u32>loadData(newSp + bytes, bytes) & 0xffff; if (aborted()) return ABORT;
    if ((outerSs & 0xfffc) == 0) { if (!to64 || newLevel == 3) return raiseError(GP, 0); nullStackSegment(newLevel); }
    else {
      if (readDescriptor(outerSs, GP, 0, false)) return ABORT;
      if ((outerSs & 3) != newLevel || (descriptorType(descriptor) & 0x1a) != 0x12 || descriptorDpl(descriptor) != newLevel) return raiseError(GP, outerSs & 0xfffc);
      if (!descriptorPresent(descriptor)) return raiseError(SS, outerSs & 0xfffc);
      if (markAccessed()) return ABORT;
      setFromDescriptor(SS_REG, outerSs, descriptor);
    }
    newSp = outerSp + extra;
  }
  restoreDescriptor(code);
  loadCodeSegment(selector, newLevel);
  setReg(RSP, newSp);
  store<u64>(CPU_RIP, offset);
  if (newLevel > level) dropInnerSegments(newLevel);
  updateMode();
  return JUMPED;
}
