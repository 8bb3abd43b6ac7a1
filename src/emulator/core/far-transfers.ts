// Far JMP, CALL and RET in every mode: code segments, call gates with a change of stack, task gates and TSSs (SDM 2 under each name; SDM 3A 5.8
// 'Privilege Level Checking When Transferring Program Control Between Code Segments'). Everything is checked before anything is committed.
import { CPU_CPL, CPU_RIP } from './generated/layout';
import { beginFrame, commitStack, frame, givenStack, innerStack, keepStack, newTop, writeFrame } from './inner-stack';
import { loadData, loadSystem, probeStore, storeSupervisor } from './memory';
import { immediate, isMemory, linearAddress, operandOffset, operandSize, recordOpcode, recordSegment } from './operands';
import { outsideCode } from './segmented-code';
import {
  descriptor, descriptorDpl, descriptorHigh, descriptorLimit, descriptorPresent, descriptorType, loadCodeSegment, markAccessed, nullStackSegment,
  readDescriptor, restoreDescriptor, segmentBase, segmentLimit, segmentSelector, setParagraph, updateMode,
} from './segments';
import { setStackPointer, stackLoad, stackPointer, stackProbe, stackStore } from './stack';
import { ABORT, aborted, CS, GP, JUMPED, longModeActive, nextRip, NP, raiseError, realMode, reg, RSP, setReg, SS, SS_REG, TR, TS, virtual8086 } from './state';
import { switchTask, TASK_CALL, TASK_JMP } from './task-switch';
import { dropInnerSegments } from './transfers';

@inline function canonical(v: u64): bool { return <u64>(<i64>(v << 16) >> 16) == v; }
@inline function paragraphMode(): bool { return realMode() || virtual8086(); }

/** Selector and offset of a far pointer in the instruction or in memory. */
let farSelector: u32 = 0;
let farOffset: u64 = 0;
function farPointer(pc: usize): i32 {
  const size = operandSize(pc), bytes: u32 = 1 << size;
  if (!isMemory(pc)) {
    const pointer = immediate(pc);
    farOffset = size == 1 ? pointer & 0xffff : pointer & 0xffffffff;
    farSelector = <u32>(size == 1 ? pointer >> 16 : pointer >> 32) & 0xffff;
    return 0;
  }
  const address = linearAddress(recordSegment(pc), operandOffset(pc), bytes + 2);
  if (aborted()) return ABORT;
  farOffset = loadData(address, bytes); if (aborted()) return ABORT;
  farSelector = <u32>loadData(address + bytes, 2);
  return aborted() ? ABORT : 0;
}
/** The descriptor last read is a code segment that code may go to at `offset`: 64-bit ones need a canonical offset, others one within the limit. */
function offsetFits(offset: u64): bool {
  if (longModeActive() && (descriptor >> 53 & 1) != 0 ? canonical(offset) : offset <= <u64>descriptorLimit(descriptor)) return true;
  raiseError(GP, 0);
  return false;
}
/** A direct transfer stays at the level: conforming code of an outer or equal level, other code of the same. */
function directTarget(selector: u32): i32 {
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor), level = load<u32>(CPU_CPL), code = selector & 0xfffc;
  if ((type & 4) != 0 ? dpl > level : dpl != level || (selector & 3) > level) return raiseError(GP, code);
  if (!descriptorPresent(descriptor)) return raiseError(NP, code);
  if (longModeActive() && (descriptor >> 53 & 3) == 3) return raiseError(GP, code);
  return 0;
}
/** DPL and presence of a gate or TSS descriptor against CPL and RPL. */
function gateIsOpen(selector: u32): i32 {
  const dpl = descriptorDpl(descriptor), code = selector & 0xfffc;
  if (dpl < load<u32>(CPU_CPL) || dpl < (selector & 3)) return raiseError(GP, code);
  return descriptorPresent(descriptor) ? 0 : raiseError(NP, code);
}
/** Follows a system descriptor that is a task gate or a TSS: a task switch. */
function toTask(selector: u32, source: u32): i32 {
  const type = descriptorType(descriptor);
  if (longModeActive() || (type != 5 && (type & 0x17) != 1)) return raiseError(GP, selector & 0xfffc);
  if (gateIsOpen(selector)) return ABORT;
  return switchTask(type == 5 ? <u32>(descriptor >> 16) & 0xffff : selector, source, nextRip(), 0, 0, false, 0);
}

// the call gate last read
let gateOffset: u64 = 0;
let gateParameters: u32 = 0;
let gateBytes: u32 = 0;
let gateSelector: u32 = 0;
@inline function isCallGate(type: u32): bool { return longModeActive() ? type == 12 : (type & 0x17) == 4; }
/** Reads a call gate and the descriptor of its target, checked but for the level of non-conforming code. */
function openGate(selector: u32): i32 {
  if (gateIsOpen(selector)) return ABORT;
  const long = longModeActive();
  if (long) {
    // 16 bytes, the upper type field 0
    if (readDescriptor(selector, GP, 0, true)) return ABORT;
    if ((descriptorHigh >> 40 & 0x1f) != 0) return raiseError(GP, selector & 0xfffc);
  }
  const gate = descriptor, wide = (gate >> 43 & 1) != 0;
  gateSelector = <u32>(gate >> 16) & 0xffff;
  gateOffset = gate & 0xffff | (wide ? gate >> 32 & 0xffff0000 : 0) | (long ? descriptorHigh << 32 : 0);
  gateParameters = long ? 0 : <u32>(gate >> 32) & 31;
  gateBytes = long ? 8 : wide ? 4 : 2;
  if ((gateSelector & 0xfffc) == 0) return raiseError(GP, 0);
  if (readDescriptor(gateSelector, GP, 0, false)) return ABORT;
  if ((descriptorType(descriptor) & 0x18) != 0x18 || descriptorDpl(descriptor) > load<u32>(CPU_CPL) || (long && (descriptor >> 53 & 3) != 1)) return raiseError(GP, gateSelector & 0xfffc);
  return descriptorPresent(descriptor) ? 0 : raiseError(NP, gateSelector & 0xfffc);
}

function enterCode(selector: u32, level: u32, target: u64, offset: u64): i32 {
  restoreDescriptor(target);
  loadCodeSegment(selector, level);
  store<u64>(CPU_RIP, offset);
  updateMode();
  return JUMPED;
}

export function jmpFar(pc: usize): i32 {
  if (farPointer(pc)) return ABORT;
  const selector = farSelector, offset = farOffset;
  if (paragraphMode()) {
    if (outsideCode(offset)) return ABORT;
    setParagraph(CS, selector, virtual8086());
    store<u64>(CPU_RIP, offset);
    updateMode();
    return JUMPED;
  }
  if ((selector & 0xfffc) == 0) return raiseError(GP, 0);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), level = load<u32>(CPU_CPL);
  if ((type & 0x18) == 0x18) {
    if (directTarget(selector) || !offsetFits(offset) || markAccessed()) return ABORT;
    return enterCode(selector, level, descriptor, offset);
  }
  if (!isCallGate(type)) return toTask(selector, TASK_JMP);
  if (openGate(selector)) return ABORT;
  if ((descriptorType(descriptor) & 4) == 0 && descriptorDpl(descriptor) != level) return raiseError(GP, gateSelector & 0xfffc);
  if (!offsetFits(gateOffset) || markAccessed()) return ABORT;
  return enterCode(gateSelector, level, descriptor, gateOffset);
}

/** Pushes CS and the return offset on the present stack; the stack pointer is committed by the caller. Returns the new top in `pushedTop`. */
let pushedTop: u64 = 0;
function pushReturn(bytes: u32): i32 {
  const top = stackPointer();
  if (stackProbe(top - 2 * bytes, bytes) || stackStore(top - bytes, segmentSelector(CS), bytes) || stackStore(top - 2 * bytes, nextRip(), bytes)) return ABORT;
  pushedTop = top - 2 * bytes;
  return 0;
}

export function callFar(pc: usize): i32 {
  if (farPointer(pc)) return ABORT;
  const selector = farSelector, offset = farOffset, bytes: u32 = 1 << operandSize(pc), level = load<u32>(CPU_CPL);
  if (paragraphMode()) {
    if (outsideCode(offset) || pushReturn(bytes)) return ABORT;
    setStackPointer(pushedTop);
    setParagraph(CS, selector, virtual8086());
    store<u64>(CPU_RIP, offset);
    updateMode();
    return JUMPED;
  }
  if ((selector & 0xfffc) == 0) return raiseError(GP, 0);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor);
  if ((type & 0x18) == 0x18) {
    if (directTarget(selector) || !offsetFits(offset) || markAccessed()) return ABORT;
    const target = descriptor;
    if (pushReturn(bytes)) return ABORT;
    setStackPointer(pushedTop);
    return enterCode(selector, level, target, offset);
  }
  if (!isCallGate(type)) return toTask(selector, TASK_CALL);
  if (openGate(selector)) return ABORT;
  if (!offsetFits(gateOffset) || markAccessed()) return ABORT;
  const target = descriptor, dpl = descriptorDpl(target), inner = (descriptorType(target) & 4) == 0 && dpl < level;
  return longModeActive() ? callLong(target, inner, dpl) : callProtected(target, inner, dpl);
}

/** Through a call gate of 32 or 16 bits; an inner level gets its stack from the TSS and the parameters copied. */
function callProtected(target: u64, inner: bool, dpl: u32): i32 {
  const level = load<u32>(CPU_CPL), bytes = gateBytes, returns = nextRip(), selector = gateSelector, offset = gateOffset;
  if (inner) { if (innerStack(dpl, 0)) return ABORT; } else keepStack();
  beginFrame();
  if (inner) {
    frame(segmentSelector(SS_REG)); frame(reg(RSP));
    for (let n = gateParameters; n > 0; n--) { frame(stackLoad(stackPointer() + (n - 1) * bytes, bytes)); if (aborted()) return ABORT; }
  }
  frame(segmentSelector(CS)); frame(returns);
  if (writeFrame(bytes, 0)) return ABORT;
  restoreDescriptor(target);
  loadCodeSegment(selector, inner ? dpl : level);
  commitStack();
  store<u64>(CPU_RIP, offset);
  updateMode();
  return JUMPED;
}
/** Through a call gate of 64 bits: the stack of an inner level is RSPn of the TSS, with a null SS. */
function callLong(target: u64, inner: bool, dpl: u32): i32 {
  const level = load<u32>(CPU_CPL), returns = nextRip(), selector = gateSelector, offset = gateOffset;
  let top = inner ? 0 : stackPointer();
  if (inner) {
    const at: u32 = 4 + (dpl << 3);
    if (at + 7 > segmentLimit(TR)) return raiseError(TS, segmentSelector(TR) & 0xfffc);
    top = loadSystem(segmentBase(TR) + at, 8); if (aborted()) return ABORT;
    if (!canonical(top)) return raiseError(SS, 0);
  }
  const user = (inner ? dpl : level) == 3, bytes: u64 = inner ? 32 : 16, bottom = top - bytes;
  if (probeStore(bottom, 8, user) || probeStore(top - 8, 8, user)) return ABORT;
  storeSupervisor(bottom, returns, 8);
  storeSupervisor(bottom + 8, segmentSelector(CS), 8);
  if (inner) { storeSupervisor(bottom + 16, reg(RSP), 8); storeSupervisor(bottom + 24, segmentSelector(SS_REG), 8); nullStackSegment(dpl); }
  setReg(RSP, bottom);
  return enterCode(selector, inner ? dpl : level, target, offset);
}

/** RETF and RETF imm16 (CA). */
export function retFar(pc: usize): i32 {
  const bytes: u32 = 1 << operandSize(pc), top = stackPointer(), level = load<u32>(CPU_CPL), extra = (recordOpcode(pc) & 0xff) == 0xca ? immediate(pc) & 0xffff : 0;
  const offset = stackLoad(top, bytes); if (aborted()) return ABORT;
  const selector = <u32>stackLoad(top + bytes, bytes) & 0xffff; if (aborted()) return ABORT;
  if (paragraphMode()) {
    if (outsideCode(offset)) return ABORT;
    setStackPointer(top + 2 * bytes + extra);
    setParagraph(CS, selector, virtual8086());
    store<u64>(CPU_RIP, offset);
    updateMode();
    return JUMPED;
  }
  const newLevel = selector & 3, code = selector & 0xfffc;
  if (code == 0) return raiseError(GP, 0);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor);
  if (newLevel < level || (type & 0x18) != 0x18 || ((type & 4) != 0 ? dpl > newLevel : dpl != newLevel)) return raiseError(GP, code);
  if (!descriptorPresent(descriptor)) return raiseError(NP, code);
  if (!offsetFits(offset) || markAccessed()) return ABORT;
  const target = descriptor, to64 = longModeActive() && (target >> 53 & 1) != 0;
  if (newLevel == level) {
    setStackPointer(top + 2 * bytes + extra);
    return enterCode(selector, level, target, offset);
  }
  const outer = top + 2 * bytes + extra;
  const outerSp = stackLoad(outer, bytes); if (aborted()) return ABORT;
  const outerSs = <u32>stackLoad(outer + bytes, bytes) & 0xffff; if (aborted()) return ABORT;
  if ((outerSs & 0xfffc) == 0 && to64 && newLevel != 3) {
    nullStackSegment(newLevel);
    setReg(RSP, outerSp + extra);
    restoreDescriptor(target);
    loadCodeSegment(selector, newLevel);
  } else {
    if (givenStack(outerSs, outerSp, newLevel, GP)) return ABORT;
    restoreDescriptor(target);
    loadCodeSegment(selector, newLevel);
    updateMode();
    commitStack();
    if (to64) setReg(RSP, outerSp + extra); else setStackPointer(newTop + extra);
  }
  store<u64>(CPU_RIP, offset);
  dropInnerSegments(newLevel);
  updateMode();
  return JUMPED;
}
