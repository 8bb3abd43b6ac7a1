// Exceptions and interrupts: from an abandoned instruction or a pending event to a handler's first instruction (SDM 3A chapter 6
// 'Interrupt and Exception Handling'; double faults: 6.15 'Exception and Interrupt Reference', interrupt 8), with the VM exits they cause.
import {
  CPU_ABORT_KIND, CPU_ALONE, CPU_CPL, CPU_CR2, CPU_DR, CPU_EVENT_INSTRUCTION_LENGTH, CPU_EVENT_VECTORING, CPU_EVENT_VECTORING_ERROR, CPU_FAULT_ADDRESS,
  CPU_FAULT_ERROR, CPU_FAULT_HAS_ERROR, CPU_FAULT_VECTOR, CPU_GPR, CPU_IDTR_BASE, CPU_IDTR_LIMIT, CPU_NMI_BLOCKED, CPU_NMI_UNBLOCKED, CPU_NON_ROOT, CPU_PENDING_DEBUG, CPU_RFLAGS_SYSTEM, CPU_RIP, CPU_ACTIVITY, EV_A,
  EV_AUX, EV_B, EVENT_EXCEPTION, EVENT_INTERRUPT, EVENT_TRIPLE_FAULT, M_STOP_ON_EXCEPTION, M_STOP_ON_TRIPLE_FAULT, STOP_EXCEPTION,
  STOP_TRIPLE_FAULT,
} from './generated/layout';
import { frameToWrite, loadSystem, probeStore, storeSupervisor, systemBytes } from './memory';
import { eventSlot, plainEvent } from './ring';
import {
  descriptor, descriptorDpl, descriptorPresent, descriptorType, loadCodeSegment, nullStackSegment, readDescriptor, segmentBase, segmentLimit, segmentSelector,
  updateMode,
} from './segments';
import {
  ABORT, ABORT_EXCEPTION, ABORT_EXITED, aborted, CS, DB, DE, DF_VECTOR, giveBackUnit, GP, IF, JUMPED, longModeActive, NP, NT, PF_VECTOR, raiseError, realMode, reg, RF, rflags, RSP, SS,
  SS_REG, takeUnit, TF, TR, TS, VE, VM,
} from './state';
import { requestStop, shutDown, stopBefore } from './stop';
import { tripleFaultExit } from './vmx/exit';
import { interceptException } from './vmx/intercepts';
import { deliverLegacy } from './events-legacy';
import { forgetStep } from './run';

// event types of the interruption-information format (SDM 3C 25.8.3)
@inline export const EXTERNAL_INTERRUPT: u32 = 0; @inline export const NMI_EVENT: u32 = 2; @inline export const HARDWARE_EXCEPTION: u32 = 3; @inline export const SOFTWARE_INTERRUPT: u32 = 4;
@inline export const PRIVILEGED_SOFTWARE_EXCEPTION: u32 = 5; @inline export const SOFTWARE_EXCEPTION: u32 = 6;

@inline function contributory(vector: u32): bool { return vector == DE || (vector >= TS && vector <= GP) || vector == 21; }
@inline export function information(vector: u32, type: u32, hasError: bool): u32 { return 0x80000000 | (hasError ? 0x800 : 0) | type << 8 | vector; }

/** What the exception recorded in CPU_FAULT_* leads to: a VM exit, a handler, a double fault, or shutdown. */
export function deliverRecordedException(): void {
  let vector = load<u32>(CPU_FAULT_VECTOR), hasError = load<u32>(CPU_FAULT_HAS_ERROR) != 0, error = load<u32>(CPU_FAULT_ERROR);
  let address = load<u64>(CPU_FAULT_ADDRESS);
  while (true) {
    const first = load<u32>(CPU_EVENT_VECTORING), delivering = (first >> 31) != 0;
    // 1. the exception bitmap looks at the exception itself, before it combines with the event under delivery
    if (load<u32>(CPU_NON_ROOT) && interceptException(vector, hasError, error, address)) { takeUnit(); settle(); return; }
    // 2. an exception while an exception is delivered may be a double fault; while a double fault is: shutdown
    if (delivering && (first >> 8 & 7) == HARDWARE_EXCEPTION) {
      const before = first & 0xff;
      if (before == DF_VECTOR) { tripleFault(); return; }
      const double = (contributory(before) && contributory(vector)) || ((before == PF_VECTOR || before == VE) && (vector == PF_VECTOR || vector == VE || contributory(vector)));
      if (double) {
        vector = DF_VECTOR; hasError = true; error = 0;
        if (load<u32>(CPU_NON_ROOT) && interceptException(vector, true, 0, 0)) { takeUnit(); settle(); return; }
      }
    }
    if (load<u32>(M_STOP_ON_EXCEPTION) >> vector & 1 && !delivering && stopBefore(STOP_EXCEPTION, vector, 0)) { settle(); return; }
    const at = eventSlot(EVENT_EXCEPTION, 1);
    if (at) { store<u32>(at + EV_AUX, vector | (hasError ? 0x100 : 0)); store<u64>(at + EV_A, error); store<u64>(at + EV_B, address); }
    if (vector == PF_VECTOR) store<u64>(CPU_CR2, address);
    if (vector == DB) {
      store<u64>(CPU_PENDING_DEBUG, 0);                                          // traps that MOV SS has held back are lost with it
      store<u64>(CPU_DR + 48, load<u64>(CPU_DR + 48) & ~0xf | address | 0xffff0ff0);
      store<u64>(CPU_DR + 56, load<u64>(CPU_DR + 56) & ~0x2000);
    }
    store<u32>(CPU_EVENT_INSTRUCTION_LENGTH, 0);
    if (deliver(vector, HARDWARE_EXCEPTION, hasError, error) != ABORT) return;
    // 3. delivery failed: with another exception the loop goes on; anything else is handled by the caller
    if (load<u32>(CPU_ABORT_KIND) != ABORT_EXCEPTION) return;
    store<u32>(CPU_ABORT_KIND, 0);
    vector = load<u32>(CPU_FAULT_VECTOR); hasError = load<u32>(CPU_FAULT_HAS_ERROR) != 0; error = load<u32>(CPU_FAULT_ERROR);
    address = load<u64>(CPU_FAULT_ADDRESS);
  }
}
/** A VM exit or a stop ended the delivery. */
function settle(): void {
  store<u32>(CPU_ABORT_KIND, 0);
  store<u32>(CPU_EVENT_VECTORING, 0);
  // only a stop leaves it: the IRET will be executed anew
  if (load<u32>(CPU_NMI_UNBLOCKED) != 0) { store<u32>(CPU_NMI_UNBLOCKED, 0); store<u32>(CPU_NMI_BLOCKED, 1); }
}

/** Delivers an event given in interruption-information format (VM entry injection). Returns JUMPED, or ABORT when a VM exit or shutdown ended it. */
export function deliverVectored(info: u32, error: u32, instructionLength: u32): i32 {
  store<u32>(CPU_EVENT_INSTRUCTION_LENGTH, instructionLength);
  return deliverOrFault(info & 0xff, info >> 8 & 7, (info & 0x800) != 0, error);
}
/** Delivers an interrupt, NMI or software interrupt; exceptions on the way are delivered in their turn. */
export function deliverOrFault(vector: u32, type: u32, hasError: bool, error: u32): i32 {
  if (type == EXTERNAL_INTERRUPT || type == NMI_EVENT) plainEvent(EVENT_INTERRUPT, vector);
  if (deliver(vector, type, hasError, error) != ABORT) return JUMPED;
  if (load<u32>(CPU_ABORT_KIND) != ABORT_EXCEPTION) return ABORT;
  store<u32>(CPU_ABORT_KIND, 0);
  deliverRecordedException();
  return aborted() ? ABORT : JUMPED;
}

/** INT n, INT3, INTO, INT1: a trap whose return address is the next instruction. */
export function softwareInterrupt(vector: u32, type: u32, length: u32): i32 {
  store<u32>(CPU_EVENT_INSTRUCTION_LENGTH, length);
  const result = deliver(vector, type, false, 0);
  if (result != ABORT || load<u32>(CPU_ABORT_KIND) == ABORT_EXITED) giveBackUnit();   // an aborted instruction gives its own back
  if (result == ABORT) return ABORT;
  // TF is clear before the instruction ends: there is no single step over it
  forgetStep();
  if (type == PRIVILEGED_SOFTWARE_EXCEPTION) store<u64>(CPU_PENDING_DEBUG, 0);                  // INT1 takes along what MOV SS has held back; INT 1 does not
  return JUMPED;
}

/** Shutdown (SDM 3A 6.15): a VM exit in non-root operation. */
export function tripleFault(): void {
  const at = eventSlot(EVENT_TRIPLE_FAULT, 1);
  if (at) store<u32>(at + EV_AUX, load<u32>(CPU_EVENT_VECTORING));
  if (load<u32>(M_STOP_ON_TRIPLE_FAULT)) requestStop(STOP_TRIPLE_FAULT, 0, load<u64>(CPU_RIP));
  store<u32>(CPU_EVENT_VECTORING, 0);
  if (load<u32>(CPU_NON_ROOT)) { tripleFaultExit(); takeUnit(); store<u32>(CPU_ABORT_KIND, 0); return; }
  shutDown(0);
}

@inline function errorOf(vector: u32, external: u32): u32 { return vector << 3 | 2 | external; }

/** One delivery through the IDT. On success RIP is the handler's; on ABORT an abort is recorded and CPU_EVENT_VECTORING names the event. */
function deliver(vector: u32, type: u32, hasError: bool, error: u32): i32 {
  if (realMode()) hasError = false;                                              // real-address mode has no error codes
  store<u32>(CPU_EVENT_VECTORING, information(vector, type, hasError));
  store<u32>(CPU_NMI_UNBLOCKED, 0);
  store<u32>(CPU_EVENT_VECTORING_ERROR, error);
  takeUnit();                                                                    // a delivery is a unit: a fault loop cannot stop time
  // accesses that want the instruction alone in its block are made at once: an event cannot be tried again
  const alone = load<u32>(CPU_ALONE);
  store<u32>(CPU_ALONE, 1);
  const result = longModeActive() ? deliverLong(vector, type, hasError, error) : deliverLegacy(vector, type, hasError, error);
  store<u32>(CPU_ALONE, alone);
  if (result != ABORT) store<u32>(CPU_EVENT_VECTORING, 0);
  else if (load<u32>(CPU_ABORT_KIND) != ABORT_EXITED) giveBackUnit();             // what comes of it is one
  return result;
}

/** SDM 3A 6.14 'Exception and Interrupt Handling in 64-bit Mode'. */
function deliverLong(vector: u32, type: u32, hasError: bool, error: u32): i32 {
  const software = type >= SOFTWARE_INTERRUPT, checksDpl = type == SOFTWARE_INTERRUPT || type == SOFTWARE_EXCEPTION, external: u32 = software ? 0 : 1;
  // 1. the gate
  if ((vector << 4) + 15 > load<u32>(CPU_IDTR_LIMIT)) return raiseError(GP, errorOf(vector, external));
  const gateAddress = load<u64>(CPU_IDTR_BASE) + (<u64>vector << 4), gateBytes = systemBytes(gateAddress, 16);
  const gate = gateBytes != 0 ? load<u64>(gateBytes) : loadSystem(gateAddress, 8);
  if (aborted()) return ABORT;
  const gateHigh = gateBytes != 0 ? load<u64>(gateBytes, 8) : loadSystem(gateAddress + 8, 8);
  if (aborted()) return ABORT;
  const kind = <u32>(gate >> 40 & 0x1f);
  if ((kind != 0xe && kind != 0xf) || (gateHigh >> 40 & 0x1f) != 0) return raiseError(GP, errorOf(vector, external));
  if (checksDpl && <u32>(gate >> 45 & 3) < load<u32>(CPU_CPL)) return raiseError(GP, errorOf(vector, 0));
  if ((gate >> 47 & 1) == 0) return raiseError(NP, errorOf(vector, external));
  // 2. the code segment: 64-bit, at the same or an inner level
  const selector = <u32>(gate >> 16 & 0xffff);
  if ((selector & 0xfffc) == 0) return raiseError(GP, external);
  if (readDescriptor(selector, GP, external, false)) return ABORT;
  const type5 = descriptorType(descriptor), level = load<u32>(CPU_CPL);
  if ((type5 & 0x18) != 0x18 || descriptorDpl(descriptor) > level || (descriptor >> 53 & 3) != 1) return raiseError(GP, selector & 0xfffc | external);
  if (!descriptorPresent(descriptor)) return raiseError(NP, selector & 0xfffc | external);
  const newLevel = (type5 & 4) != 0 ? level : descriptorDpl(descriptor);
  // 3. the stack: IST, or the TSS's RSP of the inner level, or the present one; aligned to 16 bytes
  const ist = <u32>(gate >> 32 & 7);
  let sp = reg(RSP);
  if (ist != 0 || newLevel < level) {
    const offset: u32 = ist != 0 ? 28 + (ist << 3) : 4 + (newLevel << 3);
    if (offset + 7 > segmentLimit(TR)) return raiseError(TS, segmentSelector(TR) & 0xfffc | external);
    sp = loadSystem(segmentBase(TR) + offset, 8);
    if (aborted()) return ABORT;
  }
  if (<i64>(sp << 16) >> 16 != <i64>sp) return raiseError(SS, external);
  sp &= ~0xf;
  const bytes: u32 = hasError ? 48 : 40, bottom = sp - bytes;
  // 4. the frame: probed whole, then written
  const savedLevel = load<u32>(CPU_CPL);
  const frame = frameToWrite(bottom, bytes, newLevel == 3);
  if (frame == 0) {
    if (probeStore(bottom, 8, newLevel == 3)) return ABORT;
    if (probeStore(sp - 8, 8, newLevel == 3)) return ABORT;
  }
  const flags = rflags(), faultRf = type == HARDWARE_EXCEPTION && vector != DB ? RF : 0;
  const returnRip = load<u64>(CPU_RIP) + (software ? load<u32>(CPU_EVENT_INSTRUCTION_LENGTH) : 0);
  const saved = flags | faultRf, rest = bottom + (bytes - 40);
  if (frame != 0) {
    const at = frame + (bytes - 40);
    if (hasError) store<u64>(frame, error);
    store<u64>(at, returnRip);
    store<u64>(at, segmentSelector(CS), 8);
    store<u64>(at, saved, 16);
    store<u64>(at, reg(RSP), 24);
    store<u64>(at, segmentSelector(SS_REG), 32);
  } else {
    if (hasError) storeSupervisor(bottom, error, 8);
    storeSupervisor(rest, returnRip, 8);
    storeSupervisor(rest + 8, segmentSelector(CS), 8);
    storeSupervisor(rest + 16, saved, 8);
    storeSupervisor(rest + 24, reg(RSP), 8);
    storeSupervisor(rest + 32, segmentSelector(SS_REG), 8);
    if (aborted()) return ABORT;
  }
  // 5. the handler's state
  const target = gate & 0xffff | gate >> 32 & 0xffff0000 | gateHigh << 32;
  if (<i64>(target << 16) >> 16 != <i64>target) return raiseError(GP, external);
  loadCodeSegment(selector, newLevel);
  if (newLevel != savedLevel) nullStackSegment(newLevel);
  store<u64>(CPU_GPR + (<usize>RSP << 3), bottom);
  store<u64>(CPU_RIP, target);
  let system = load<u64>(CPU_RFLAGS_SYSTEM) & ~(TF | NT | RF | VM);
  if (kind == 0xe) system &= ~IF;
  store<u64>(CPU_RFLAGS_SYSTEM, system);
  updateMode();
  return JUMPED;
}
