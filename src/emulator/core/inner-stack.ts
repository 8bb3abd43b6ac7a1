// The stack of an inner privilege level, out of the TSS, for events and call gates outside IA-32e mode (SDM 3A 5.8.5 'Stack Switching'): checked
// and written before anything is committed.
import { CPU_CPL } from './generated/layout';
import { loadSystem, probeStore, storeSupervisor } from './memory';
import { outsideLimit } from './operands';
import {
  descriptor, descriptorBase, descriptorDpl, descriptorLimit, descriptorPresent, descriptorRights, descriptorType, markAccessed, readDescriptor, RIGHTS_DB,
  segmentBase, segmentLimit, segmentRights, segmentSelector, setFromDescriptor,
} from './segments';
import { setStackPointer } from './stack';
import { ABORT, aborted, NEXT, raiseError, SS, SS_REG, stackPointerOf, TR, TS } from './state';

/** A stack that is about to be used: its segment and the offset of its top. `newSelector` 0xffffffff: the present SS. */
export let newSelector: u32 = 0;
let newDescriptor: u64 = 0; let newBase: u64 = 0; let newLimit: u32 = 0; let newRights: u32 = 0;
export let newTop: u64 = 0;
let newLevel: u32 = 0;

@inline export const PRESENT_STACK: u32 = 0xffffffff;
@inline function mask(): u64 { return (newRights & RIGHTS_DB) != 0 ? 0xffffffff : 0xffff; }

/** The stack as it is, for a transfer within the level. */
export function keepStack(): void {
  newSelector = PRESENT_STACK;
  newBase = segmentBase(SS_REG); newLimit = segmentLimit(SS_REG); newRights = segmentRights(SS_REG); newLevel = load<u32>(CPU_CPL);
  newTop = stackPointerOf(mask());
}
/** The stack of `level` in the present TSS. `external`: 1 when an event outside the program causes it. */
export function innerStack(level: u32, external: u32): i32 {
  const wide = (segmentRights(TR) & 8) != 0, at: u32 = wide ? 4 + (level << 3) : 2 + (level << 2), end: u32 = at + (wide ? 5 : 3);
  if (end > segmentLimit(TR)) return raiseError(TS, segmentSelector(TR) & 0xfffc | external);
  newTop = loadSystem(segmentBase(TR) + at, wide ? 4 : 2); if (aborted()) return ABORT;
  newSelector = <u32>loadSystem(segmentBase(TR) + at + (wide ? 4 : 2), 2); if (aborted()) return ABORT;
  return checkStack(level, TS, external);
}
/** A stack given by selector and top (an outer one that a return goes to): checks its segment; a wrong one is #`vector`. */
export function givenStack(selector: u32, top: u64, level: u32, vector: u32): i32 {
  newSelector = selector; newTop = top;
  return checkStack(level, vector, 0);
}
function checkStack(level: u32, vector: u32, external: u32): i32 {
  const code = newSelector & 0xfffc | external;
  if ((newSelector & 0xfffc) == 0) return raiseError(vector, external);
  if (readDescriptor(newSelector, vector, external, false)) return ABORT;
  if ((newSelector & 3) != level || (descriptorType(descriptor) & 0x1a) != 0x12 || descriptorDpl(descriptor) != level) return raiseError(vector, code);
  if (!descriptorPresent(descriptor)) return raiseError(SS, code);
  if (markAccessed()) return ABORT;
  newDescriptor = descriptor; newBase = descriptorBase(descriptor); newLimit = descriptorLimit(descriptor); newRights = descriptorRights(descriptor); newLevel = level;
  newTop &= mask();
  return NEXT;
}

// the frame under construction, in the order of pushing
const FRAME = memory.data(64 * 8);
let frameCount: u32 = 0;
export function beginFrame(): void { frameCount = 0; }
export function frame(value: u64): void { store<u64>(FRAME + (<usize>frameCount << 3), value); frameCount++; }

/** Pushes the frame in elements of `bytes`: all places are checked first. Outside the stack's limit: #SS. On success `commitStack` makes it the stack. */
export function writeFrame(bytes: u32, external: u32): i32 {
  for (let n: u32 = 1; n <= frameCount; n++) {
    const offset = (newTop - n * bytes) & mask();
    if (outsideLimit(newRights, newLimit, offset, bytes)) return raiseError(SS, newSelector == PRESENT_STACK ? external : newSelector & 0xfffc | external);
    if (probeStore((newBase + offset) & 0xffffffff, bytes, newLevel == 3)) return ABORT;
  }
  for (let n: u32 = 1; n <= frameCount; n++) {
    const offset = (newTop - n * bytes) & mask();
    if (storeSupervisor((newBase + offset) & 0xffffffff, load<u64>(FRAME + (<usize>(n - 1) << 3)), bytes)) return ABORT;
  }
  newTop = (newTop - frameCount * bytes) & mask();
  return NEXT;
}
/** Loads SS (when it is another) and the stack pointer. */
export function commitStack(): void {
  if (newSelector != PRESENT_STACK) setFromDescriptor(SS_REG, newSelector, newDescriptor);
  setStackPointer(newTop);
}
