// Event delivery outside IA-32e mode: real-address mode through the interrupt vector table (SDM 3B 'Interrupt and Exception Handling'),
// protected and virtual-8086 mode through gates of 8 bytes (SDM 3A 6.12 'Exception and Interrupt Handling', SDM 3B 'Interrupt and Exception
// Handling in Virtual-8086 Mode').
import { CPU_CPL, CPU_EVENT_INSTRUCTION_LENGTH, CPU_IDTR_BASE, CPU_IDTR_LIMIT, CPU_RFLAGS_SYSTEM, CPU_RIP } from './generated/layout';
import { HARDWARE_EXCEPTION, SOFTWARE_EXCEPTION, SOFTWARE_INTERRUPT } from './events';
import { beginFrame, commitStack, frame, innerStack, keepStack, writeFrame } from './inner-stack';
import { loadSystem } from './memory';
import {
  descriptor, descriptorDpl, descriptorLimit, descriptorPresent, descriptorType, loadCodeSegment, markAccessed, readDescriptor, restoreDescriptor, segmentLimit,
  segmentSelector, setNull, setParagraph, updateMode,
} from './segments';
import {
  ABORT, AC, aborted, CS, DB, DS, ES, FS, GP, GS, IF, JUMPED, NP, NT, raiseError, realMode, reg, RF, rflags, RSP, SS_REG, TF, virtual8086, VM,
} from './state';
import { switchTask, TASK_GATE } from './task-switch';

@inline function errorOf(vector: u32, external: u32): u32 { return vector << 3 | 2 | external; }

/** Delivers an event; JUMPED, or ABORT with an abort recorded. */
export function deliverLegacy(vector: u32, type: u32, hasError: bool, error: u32): i32 {
  const software = type >= SOFTWARE_INTERRUPT, external: u32 = software ? 0 : 1;
  const faultRf = type == HARDWARE_EXCEPTION && vector != DB ? RF : 0;
  const returnRip = (load<u64>(CPU_RIP) + (software ? load<u32>(CPU_EVENT_INSTRUCTION_LENGTH) : 0)) & 0xffffffff;
  if (realMode()) return deliverReal(vector, external, returnRip);
  const checksDpl = type == SOFTWARE_INTERRUPT || type == SOFTWARE_EXCEPTION;
  // 1. the gate
  if ((vector << 3) + 7 > load<u32>(CPU_IDTR_LIMIT)) return raiseError(GP, errorOf(vector, external));
  const gate = loadSystem(load<u64>(CPU_IDTR_BASE) + (<u64>vector << 3), 8);
  if (aborted()) return ABORT;
  const kind = <u32>(gate >> 40 & 0x1f);
  if (kind != 5 && (kind & 0x17) != 6 && (kind & 0x17) != 7) return raiseError(GP, errorOf(vector, external));
  if (checksDpl && <u32>(gate >> 45 & 3) < load<u32>(CPU_CPL)) return raiseError(GP, errorOf(vector, 0));
  if ((gate >> 47 & 1) == 0) return raiseError(NP, errorOf(vector, external));
  const selector = <u32>(gate >> 16 & 0xffff);
  if (kind == 5) return switchTask(selector, TASK_GATE, returnRip, faultRf, external, hasError, error);
  // 2. the code segment, at the same or an inner level
  if ((selector & 0xfffc) == 0) return raiseError(GP, external);
  if (readDescriptor(selector, GP, external, false)) return ABORT;
  const code = selector & 0xfffc | external, level = load<u32>(CPU_CPL), dpl = descriptorDpl(descriptor), conforming = (descriptorType(descriptor) & 4) != 0, virtual = virtual8086();
  if ((descriptorType(descriptor) & 0x18) != 0x18 || dpl > level) return raiseError(GP, code);
  if (!descriptorPresent(descriptor)) return raiseError(NP, code);
  const inner = !conforming && dpl < level;
  if (virtual && (!inner || dpl != 0)) return raiseError(GP, code);
  if (markAccessed()) return ABORT;
  const codeDescriptor = descriptor, wide = (kind & 8) != 0, bytes: u32 = wide ? 4 : 2;
  // 3. the stack and its frame
  if (inner) { if (innerStack(dpl, external)) return ABORT; } else keepStack();
  beginFrame();
  if (virtual) { frame(segmentSelector(GS)); frame(segmentSelector(FS)); frame(segmentSelector(DS)); frame(segmentSelector(ES)); }
  if (inner) { frame(segmentSelector(SS_REG)); frame(reg(RSP)); }
  // RF has ended with the instruction before INT n
  frame(software ? rflags() & ~RF : rflags() | faultRf); frame(segmentSelector(CS)); frame(returnRip);
  if (hasError) frame(error);
  const target = gate & 0xffff | (wide ? gate >> 32 & 0xffff0000 : 0);
  if (target > <u64>descriptorLimit(codeDescriptor)) return raiseError(GP, external);
  if (writeFrame(bytes, external)) return ABORT;
  // 4. the handler's state
  restoreDescriptor(codeDescriptor);
  loadCodeSegment(selector, inner ? dpl : level);
  commitStack();
  let system = load<u64>(CPU_RFLAGS_SYSTEM) & ~(TF | NT | RF | VM);
  if ((kind & 1) == 0) system &= ~IF;
  store<u64>(CPU_RFLAGS_SYSTEM, system);
  if (virtual) { setNull(GS); setNull(FS); setNull(DS); setNull(ES); }
  store<u64>(CPU_RIP, target);
  updateMode();
  return JUMPED;
}

/** Through the vector table of 4-byte far pointers: FLAGS, CS and IP on the stack, never an error code. */
function deliverReal(vector: u32, external: u32, returnRip: u64): i32 {
  if ((vector << 2) + 3 > load<u32>(CPU_IDTR_LIMIT)) return raiseError(GP, errorOf(vector, external));
  const entry = loadSystem(load<u64>(CPU_IDTR_BASE) + (<u64>vector << 2), 4);
  if (aborted()) return ABORT;
  if ((entry & 0xffff) > <u64>segmentLimit(CS)) return raiseError(GP, external);
  keepStack();
  beginFrame();
  frame(rflags()); frame(segmentSelector(CS)); frame(returnRip);
  if (writeFrame(2, external)) return ABORT;
  commitStack();
  store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) & ~(IF | TF | AC | RF));
  setParagraph(CS, <u32>(entry >> 16), false);
  store<u64>(CPU_RIP, entry & 0xffff);
  updateMode();
  return JUMPED;
}
