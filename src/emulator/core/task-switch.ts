// Task switches through TSSs of 32 and 16 bits (SDM 3A 7.3 'Task Switching'): by CALL, JMP, IRET and task gates. Checks of the new TSS come before
// any change and belong to the old task; what is wrong with the state that the new TSS holds is a fault in the new task.
import { CPU_CPL, CPU_CR0, CPU_CR3, CPU_GDTR_BASE, CPU_PENDING_DEBUG, CPU_RFLAGS_SYSTEM, CPU_RIP } from './generated/layout';
import { loadPdptes } from './control-registers';
import { beginFrame, commitStack, frame, keepStack, writeFrame } from './inner-stack';
import { loadSystem, probeSystemStore, storeSystem } from './memory';
import {
  descriptor, descriptorAddress, descriptorBase, descriptorDpl, descriptorLimit, descriptorPresent, descriptorRights, descriptorType, loadCodeSegment,
  markAccessed, readDescriptor, RIGHTS_UNUSABLE, segmentBase, segmentLimit, segmentRights, segmentSelector, setCpl, setFromDescriptor, setParagraph, setSegment,
  updateMode,
} from './segments';
import {
  ABORT, aborted, CR0_PG, CR0_TS, CR4_PAE, cr0, cr4, CS, DS, ES, FS, GP, GS, JUMPED, LDTR, NEXT, NP, NT, raiseError, reg, rflags, setReg, setRflags, SS, SS_REG,
  TR, TS, VM,
} from './state';
import { flushCurrent } from './tlb';
import { interceptTaskSwitch } from './vmx/event-intercepts';

/** What causes a switch, as the VM exit's qualification numbers it. */
@inline export const TASK_CALL: u32 = 0; @inline export const TASK_IRET: u32 = 1; @inline export const TASK_JMP: u32 = 2; @inline export const TASK_GATE: u32 = 3;
@inline const BT: u64 = 0x8000;

// the state read out of the new TSS before anything changes
const GENERAL = memory.data(8 * 8);
const SELECTORS = memory.data(8 * 4);

/** Switches to the task of `selector`. `returnRip` and `flagsToSet` go into the old TSS; an error code onto the new task's stack. */
export function switchTask(selector: u32, source: u32, returnRip: u64, flagsToSet: u64, external: u32, hasError: bool, error: u32): i32 {
  const vector = source == TASK_IRET ? TS : GP, code = selector & 0xfffc | external;
  // 1. the new TSS: in the GDT, available (busy for IRET), present, long enough
  if ((selector & 4) != 0 || (selector & 0xfffc) == 0) return raiseError(source == TASK_IRET ? TS : GP, code);
  if (readDescriptor(selector, vector, external, false)) return ABORT;
  const type = descriptorType(descriptor), wide = (type & 8) != 0;
  if ((type & 0x17) != (source == TASK_IRET ? 3 : 1)) return raiseError(vector, code);
  if (!descriptorPresent(descriptor)) return raiseError(NP, code);
  const newLimit = descriptorLimit(descriptor), newBase = descriptorBase(descriptor), newRights = descriptorRights(descriptor), newAt = descriptorAddress;
  const least: u32 = wide ? 0x67 : 0x2b;
  if (least > newLimit) return raiseError(TS, code);
  if (interceptTaskSwitch(selector, source)) return ABORT;
  // 2. everything of both TSSs that will be touched can be
  const oldWide = (segmentRights(TR) & 8) != 0, oldBase = segmentBase(TR), oldSelector = segmentSelector(TR), bytes: u32 = wide ? 4 : 2, oldBytes: u32 = oldWide ? 4 : 2;
  const oldAt = load<u64>(CPU_GDTR_BASE) + (oldSelector & 0xfff8);
  const oldFirst: u64 = oldWide ? 0x20 : 0x0e, oldLast: u64 = oldWide ? 0x5e : 0x28;
  if (probeSystemStore(oldBase + oldFirst, 2) || probeSystemStore(oldBase + oldLast, 2) || probeSystemStore(oldAt + 5, 1) || probeSystemStore(newAt + 5, 1)) return ABORT;
  if ((source == TASK_CALL || source == TASK_GATE) && probeSystemStore(newBase, 2)) return ABORT;
  // 3. the new state
  const newCr3 = wide ? loadSystem(newBase + 0x1c, 4) : 0; if (aborted()) return ABORT;
  let at = newBase + (wide ? 0x20 : 0x0e);
  const newRip = loadSystem(at, bytes); if (aborted()) return ABORT;
  let newFlags = loadSystem(at + bytes, bytes); if (aborted()) return ABORT;
  at += 2 * bytes;
  for (let n: u32 = 0; n < 8; n++, at += bytes) { store<u64>(GENERAL + (<usize>n << 3), loadSystem(at, bytes)); if (aborted()) return ABORT; }
  const segments: u32 = wide ? 6 : 4;
  for (let n: u32 = 0; n < segments; n++, at += bytes) { store<u32>(SELECTORS + (<usize>n << 2), <u32>loadSystem(at, 2)); if (aborted()) return ABORT; }
  if (!wide) { store<u32>(SELECTORS + 16, 0); store<u32>(SELECTORS + 20, 0); }
  const newLdt = <u32>loadSystem(at, 2); if (aborted()) return ABORT;
  const trap = wide ? loadSystem(newBase + 0x64, 2) & 1 : 0; if (aborted()) return ABORT;
  // 4. the old state is saved, busy marks and the link are set: from here on nothing fails
  const savedFlags = (rflags() | flagsToSet) & ~(source == TASK_IRET ? NT : 0);
  at = oldBase + oldFirst;
  storeSystem(at, returnRip, oldBytes);
  storeSystem(at + oldBytes, savedFlags, oldBytes);
  at += 2 * oldBytes;
  for (let n: u32 = 0; n < 8; n++, at += oldBytes) storeSystem(at, reg(n), oldBytes);
  const oldSegments: u32 = oldWide ? 6 : 4;
  for (let n: u32 = 0; n < oldSegments; n++, at += oldBytes) storeSystem(at, segmentSelector(n), 2);
  if (source == TASK_IRET || source == TASK_JMP) storeSystem(oldAt + 5, loadSystem(oldAt + 5, 1) & ~2, 1);
  if (source == TASK_CALL || source == TASK_GATE) { storeSystem(newBase, oldSelector, 2); newFlags |= NT; }
  if (source != TASK_IRET) storeSystem(newAt + 5, loadSystem(newAt + 5, 1) | 2, 1);
  // 5. the new task's registers
  setSegment(TR, selector, newBase, newLimit, newRights | 2);
  store<u64>(CPU_CR0, cr0() | CR0_TS);
  if (wide && (cr0() & CR0_PG) != 0 && newCr3 != load<u64>(CPU_CR3)) {
    if ((cr4() & CR4_PAE) != 0 && loadPdptes(newCr3)) return aborted() ? ABORT : raiseError(TS, selector & 0xfffc);
    store<u64>(CPU_CR3, newCr3);
  }
  flushCurrent();
  store<u64>(CPU_RIP, wide ? newRip : newRip & 0xffff);
  setRflags(wide ? newFlags : newFlags & 0xffff);
  for (let n: u32 = 0; n < 8; n++) setReg(n, wide ? load<u64>(GENERAL + (<usize>n << 3)) : 0xffff0000 | load<u64>(GENERAL + (<usize>n << 3)));
  if (trap != 0) store<u64>(CPU_PENDING_DEBUG, load<u64>(CPU_PENDING_DEBUG) | BT);
  // 6. its segments: all selectors first, unusable until their descriptors are checked
  for (let n: u32 = 0; n < 6; n++) setSegment(n, load<u32>(SELECTORS + (<usize>n << 2)), 0, 0, RIGHTS_UNUSABLE);
  setSegment(LDTR, newLdt, 0, 0, RIGHTS_UNUSABLE);
  const virtual = (load<u64>(CPU_RFLAGS_SYSTEM) & VM) != 0;
  setCpl(virtual ? 3 : segmentSelector(CS) & 3);
  if (virtual) for (let n: u32 = 0; n < 6; n++) setParagraph(n, load<u32>(SELECTORS + (<usize>n << 2)), true);
  updateMode();
  if (loadLdt(newLdt, external)) return ABORT;
  if (!virtual) {
    const failed = loadSegments(external);
    updateMode();
    if (failed) return ABORT;
  }
  // 7. the error code of the event, the first instruction's offset
  if (hasError) {
    keepStack(); beginFrame(); frame(error);
    if (writeFrame(bytes, external)) return ABORT;
    commitStack();
  }
  return load<u64>(CPU_RIP) > <u64>segmentLimit(CS) ? raiseError(GP, external) : JUMPED;
}

function loadLdt(selector: u32, external: u32): i32 {
  if ((selector & 0xfffc) == 0) return NEXT;
  if ((selector & 4) != 0) return raiseError(TS, selector & 0xfffc | external);
  if (readDescriptor(selector, TS, external, false)) return ABORT;
  if (descriptorType(descriptor) != 2 || !descriptorPresent(descriptor)) return raiseError(TS, selector & 0xfffc | external);
  setFromDescriptor(LDTR, selector, descriptor);
  return NEXT;
}

/** CS, SS and the data segments of the new task, with #TS where the level or the type does not fit. */
function loadSegments(external: u32): i32 {
  const level = load<u32>(CPU_CPL), code = segmentSelector(CS), codeError = code & 0xfffc | external, stack = segmentSelector(SS_REG), stackError = stack & 0xfffc | external;
  if ((code & 0xfffc) == 0) return raiseError(TS, external);
  if (readDescriptor(code, TS, external, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor);
  if ((type & 0x18) != 0x18 || ((type & 4) != 0 ? dpl > level : dpl != level)) return raiseError(TS, codeError);
  if (!descriptorPresent(descriptor)) return raiseError(NP, codeError);
  if (markAccessed()) return ABORT;
  loadCodeSegment(code, level);
  if ((stack & 0xfffc) == 0) return raiseError(TS, external);
  if (readDescriptor(stack, TS, external, false)) return ABORT;
  if ((stack & 3) != level || (descriptorType(descriptor) & 0x1a) != 0x12 || descriptorDpl(descriptor) != level) return raiseError(TS, stackError);
  if (!descriptorPresent(descriptor)) return raiseError(SS, stackError);
  if (markAccessed()) return ABORT;
  setFromDescriptor(SS_REG, stack, descriptor);
  return loadData(ES, external) || loadData(DS, external) || loadData(FS, external) || loadData(GS, external) ? ABORT : NEXT;
}
function loadData(i: u32, external: u32): i32 {
  const selector = segmentSelector(i), error = selector & 0xfffc | external, level = load<u32>(CPU_CPL);
  if ((selector & 0xfffc) == 0) return NEXT;
  if (readDescriptor(selector, TS, external, false)) return ABORT;
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor), code = (type & 0x18) == 0x18;
  if (type < 0x10 || (code && (type & 2) == 0)) return raiseError(TS, error);
  if (!(code && (type & 4) != 0) && (dpl < level || dpl < (selector & 3))) return raiseError(TS, error);
  if (!descriptorPresent(descriptor)) return raiseError(NP, error);
  if (markAccessed()) return ABORT;
  setFromDescriptor(i, selector, descriptor);
  return NEXT;
}
