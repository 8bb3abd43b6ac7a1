// IRET in every mode (SDM 2A 'IRET/IRETD/IRETQ'): real-address and virtual-8086 mode, returns to the same or an outer level, to virtual-8086 mode,
// to the task that NT links to, and in IA-32e mode.
import { CPU_ABORT_KIND, CPU_CPL, CPU_EVENT_VECTORING, CPU_NMI_BLOCKED, CPU_NMI_UNBLOCKED, CPU_RFLAGS_SYSTEM, CPU_RIP } from './generated/layout';
import { changeableFlags, changeFlags, sensitive } from './flag-instructions';
import { commitStack, givenStack } from './inner-stack';
import { frameToRead, loadSystem } from './memory';
import { operandSize } from './operands';
import { outsideCode } from './segmented-code';
import {
  descriptor, descriptorDpl, descriptorLimit, descriptorPresent, descriptorType, loadCodeSegment, markAccessed, nullStackSegment, readDescriptor,
  restoreDescriptor, segmentBase, setCpl, setParagraph, updateMode,
} from './segments';
import { setStackPointer, stackLoad, stackPointer } from './stack';
import {
  ABORT, ABORT_ALONE, ABORT_STOP, aborted, attend, CS, DS, ES, FS, GP, GS, in64BitMode, IOPL, JUMPED, longModeActive, nextRip, NP, NT, raiseError, realMode, RF, RSP, setReg, setRflags,
  SS_REG, TR, VIF, VIP, virtual8086, VM,
} from './state';
import { switchTask, TASK_IRET } from './task-switch';
import { dropInnerSegments } from './transfers';
import { iretEndsNmiBlocking } from './vmx/event-intercepts';

@inline function canonical(v: u64): bool { return <u64>(<i64>(v << 16) >> 16) == v; }

/**
 * IRET makes NMIs possible again as soon as it begins, whatever comes of it (SDM 3A 6.7.1 'Handling Multiple NMIs'); a fault tells that it did so
 * (SDM 3C 28.2.3 'Information About NMI Unblocking Due to IRET'). An execution that is abandoned, to be made anew, takes it back.
 */
export function iret(pc: usize): i32 {
  if (sensitive()) return ABORT;
  const unblocks = load<u32>(CPU_NMI_BLOCKED) != 0 && iretEndsNmiBlocking();
  if (unblocks) { store<u32>(CPU_NMI_BLOCKED, 0); store<u32>(CPU_NMI_UNBLOCKED, 1); }
  const result = returnFromInterrupt(pc), kind = load<u32>(CPU_ABORT_KIND);
  if (unblocks && (result != ABORT || kind == ABORT_ALONE || kind == ABORT_STOP)) {
    store<u32>(CPU_NMI_UNBLOCKED, 0);
    if (result == ABORT) store<u32>(CPU_NMI_BLOCKED, 1);
  }
  return result;
}

/** Element `n` of the frame: out of the quadwords at `frame`, if they are in one place. */
@inline function popped(frame: usize, at: u64, n: u32, bytes: u32): u64 { return frame != 0 ? load<u64>(frame + (<usize>n << 3)) : stackLoad(at + n * bytes, bytes); }

function returnFromInterrupt(pc: usize): i32 {
  const size = operandSize(pc), bytes: u32 = 1 << size, level = load<u32>(CPU_CPL), wide = in64BitMode(), long = longModeActive(), paragraphs = realMode() || virtual8086();
  if (!paragraphs && (load<u64>(CPU_RFLAGS_SYSTEM) & NT) != 0) {
    if (long) return raiseError(GP, 0);
    const link = <u32>loadSystem(segmentBase(TR), 2);
    if (aborted()) return ABORT;
    const result = switchTask(link, TASK_IRET, nextRip(), 0, 0, false, 0);
    if (result == JUMPED) finish();
    return result;
  }
  // 1. the frame; 64-bit mode always pops SS:RSP
  const at = stackPointer(), frame = wide && bytes == 8 ? frameToRead(at, 40) : 0;
  const newRip = popped(frame, at, 0, bytes); if (aborted()) return ABORT;
  const selector = <u32>popped(frame, at, 1, bytes) & 0xffff; if (aborted()) return ABORT;
  const flags = popped(frame, at, 2, bytes); if (aborted()) return ABORT;
  let mask = changeableFlags() | RF;
  if (bytes == 2) mask &= 0xffff;
  if (paragraphs) {
    if (outsideCode(newRip)) return ABORT;
    setStackPointer(at + 3 * bytes);
    setParagraph(CS, selector, virtual8086());
    changeFlags(flags, virtual8086() ? mask & ~IOPL : mask);
    store<u64>(CPU_RIP, newRip);
    finish();
    return JUMPED;
  }
  if (!long && level == 0 && bytes == 4 && (flags & VM) != 0) return toVirtual8086(at, newRip, selector, flags);
  const newLevel = selector & 3, code = selector & 0xfffc, popsStack = wide || newLevel > level;
  let newSp: u64 = 0, newSs: u32 = 0;
  if (popsStack) {
    newSp = popped(frame, at, 3, bytes); if (aborted()) return ABORT;
    newSs = <u32>popped(frame, at, 4, bytes) & 0xffff; if (aborted()) return ABORT;
  }
  // 2. the code segment
  if (code == 0) return raiseError(GP, 0);
  if (readDescriptor(selector, GP, 0, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor), conforming = (type & 4) != 0;
  if ((type & 0x18) != 0x18 || newLevel < level || (conforming ? dpl > newLevel : dpl != newLevel)) return raiseError(GP, code);
  if (!descriptorPresent(descriptor)) return raiseError(NP, code);
  const to64 = long && (descriptor >> 53 & 1) != 0;
  if (to64 ? !canonical(newRip) : newRip > <u64>descriptorLimit(descriptor)) return raiseError(GP, 0);
  if (markAccessed()) return ABORT;
  const codeDescriptor = descriptor, nullStack = popsStack && (newSs & 0xfffc) == 0;
  // 3. the stack segment
  if (nullStack) { if (!to64 || newLevel == 3 || (newSs & 3) != newLevel) return raiseError(GP, 0); }
  else if (popsStack && givenStack(newSs, newSp, newLevel, GP)) return ABORT;
  // 4. everything is checked: commit
  if (level == 0 && bytes != 2) mask |= VIF | VIP;
  changeFlags(flags, mask);
  restoreDescriptor(codeDescriptor);
  loadCodeSegment(selector, newLevel);
  if (!popsStack) setStackPointer(at + 3 * bytes);
  else {
    if (nullStack) nullStackSegment(newLevel); else { updateMode(); commitStack(); }
    if (to64) setReg(RSP, newSp);
  }
  store<u64>(CPU_RIP, newRip);
  if (newLevel > level) dropInnerSegments(newLevel);
  finish();
  return JUMPED;
}

/** What every return does at its end: modes follow the segments. */
function finish(): void {
  store<u32>(CPU_EVENT_VECTORING, 0);
  updateMode();
  attend();
}

/** EFLAGS.VM in the frame of level 0: ESP, SS, ES, DS, FS and GS follow, each segment a paragraph number. */
function toVirtual8086(at: u64, newRip: u64, selector: u32, flags: u64): i32 {
  if ((newRip & 0xffffffff) > 0xffff) return raiseError(GP, 0);
  const newSp = stackLoad(at + 12, 4); if (aborted()) return ABORT;
  for (let n: u32 = 4; n < 9; n++) { stackLoad(at + (n << 2), 4); if (aborted()) return ABORT; }
  const ss = <u32>stackLoad(at + 16, 4), es = <u32>stackLoad(at + 20, 4), ds = <u32>stackLoad(at + 24, 4), fs = <u32>stackLoad(at + 28, 4), gs = <u32>stackLoad(at + 32, 4);
  setRflags(flags);
  setParagraph(CS, selector, true); setParagraph(SS_REG, ss, true); setParagraph(ES, es, true); setParagraph(DS, ds, true); setParagraph(FS, fs, true); setParagraph(GS, gs, true);
  setCpl(3);
  setReg(RSP, newSp);
  store<u64>(CPU_RIP, newRip & 0xffff);
  finish();
  return JUMPED;
}
