// Guest non-register state: activity, interruptibility, pending debug exceptions. SDM 3C 25.4.2 'Guest Non-Register State'.
// Invariant: blocking by STI or MOV SS is kept as the time at which it ends, so that no instruction has to clear it.
import { CPU_ACTIVITY, CPU_NMI_BLOCKED, CPU_PENDING_DEBUG, CPU_SHADOW_BITS, CPU_SHADOW_UNTIL } from '../generated/layout';
import { VMCS_GUEST_ACTIVITY_STATE, VMCS_GUEST_INTERRUPTIBILITY_STATE, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS } from '../generated/vmx';
import { time } from '../state';
import { field, field32, setField } from './vmcs';

@inline export const BLOCKING_BY_STI: u32 = 1;
@inline export const BLOCKING_BY_MOV_SS: u32 = 2;
@inline export const BLOCKING_BY_NMI: u32 = 8;

@inline export const ACTIVITY_ACTIVE: u32 = 0;
@inline export const ACTIVITY_HLT: u32 = 1;
@inline export const ACTIVITY_SHUTDOWN: u32 = 2;
@inline export const ACTIVITY_WAIT_FOR_SIPI: u32 = 3;

// interruption types, in the interruption-information formats
@inline export const TYPE_EXTERNAL_INTERRUPT: u32 = 0;
@inline export const TYPE_NMI: u32 = 2;
@inline export const TYPE_HARDWARE_EXCEPTION: u32 = 3;
@inline export const TYPE_SOFTWARE_INTERRUPT: u32 = 4;
@inline export const TYPE_PRIVILEGED_SOFTWARE_EXCEPTION: u32 = 5;
@inline export const TYPE_SOFTWARE_EXCEPTION: u32 = 6;
@inline export const TYPE_OTHER_EVENT: u32 = 7;
@inline export const INFORMATION_VALID: u32 = 0x80000000;
@inline export const INFORMATION_ERROR_CODE: u32 = 0x800;
@inline export function interruptionType(information: u32): u32 { return information >> 8 & 7; }
/** Whether the event was raised by an instruction whose length the processor keeps: types 4, 5 and 6. */
@inline export function isSoftwareEvent(information: u32): bool { return interruptionType(information) - TYPE_SOFTWARE_INTERRUPT <= 2; }

// pending debug exceptions
@inline const PENDING_BREAKPOINT: u64 = 0x1000;
@inline const PENDING_SINGLE_STEP: u64 = 0x4000;
@inline const PENDING_BUS_LOCK: u64 = 0x800;
@inline const PENDING_RTM: u64 = 0x10000;

/** STI and MOV SS blocking as it was when the instruction that runs now began (it is counted in the time already). */
@inline export function blockingDuringInstruction(): u32 { return time() - 1 < load<u64>(CPU_SHADOW_UNTIL) ? load<u32>(CPU_SHADOW_BITS) : 0; }

/** Sets interruptibility and pending debug exceptions from the guest-state area: SDM 3C 27.7 'Special Features of VM Entry'. */
export function loadNonRegisterState(vmcs: usize, injected: u32): void {
  const interruptibility = field32(vmcs, VMCS_GUEST_INTERRUPTIBILITY_STATE), activity = field32(vmcs, VMCS_GUEST_ACTIVITY_STATE);
  const vectoring = (injected & INFORMATION_VALID) != 0 && interruptionType(injected) != TYPE_OTHER_EVENT;
  // Blocking lasts for one instruction, and not at all when an event is delivered first.
  const blocking = interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
  store<u32>(CPU_SHADOW_BITS, blocking);
  store<u64>(CPU_SHADOW_UNTIL, blocking != 0 && !vectoring ? time() + 1 : 0);
  store<u32>(CPU_NMI_BLOCKED, (interruptibility & BLOCKING_BY_NMI) != 0 ? 1 : 0);
  store<u32>(CPU_ACTIVITY, vectoring ? ACTIVITY_ACTIVE : activity);
  const pending = field(vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS);
  store<u64>(CPU_PENDING_DEBUG, pending != 0 && debugExceptionsRemain(pending, injected, vectoring, interruptibility, activity) ? pending : 0);
}

/** SDM 3C 27.7.3 'Delivery of Pending Debug Exceptions after VM Entry'. */
function debugExceptionsRemain(pending: u64, injected: u32, vectoring: bool, interruptibility: u32, activity: u32): bool {
  const type = interruptionType(injected);
  if (vectoring && type != TYPE_SOFTWARE_INTERRUPT && type != TYPE_SOFTWARE_EXCEPTION) return false;
  if (vectoring && (interruptibility & BLOCKING_BY_MOV_SS) == 0) return false;
  if (!vectoring && activity >= ACTIVITY_SHUTDOWN) return false;
  return (pending & (PENDING_BREAKPOINT | PENDING_SINGLE_STEP | PENDING_BUS_LOCK | PENDING_RTM)) != 0;
}

/** Saves the state at a VM exit: SDM 3C 28.3.4 'Saving Non-Register State'. `blocking`: STI and MOV SS bits as before the exit. */
@inline export function saveNonRegisterState(vmcs: usize, blocking: u32, keepsPendingDebug: bool): void {
  setField(vmcs, VMCS_GUEST_ACTIVITY_STATE, load<u32>(CPU_ACTIVITY));
  setField(vmcs, VMCS_GUEST_INTERRUPTIBILITY_STATE, blocking | (load<u32>(CPU_NMI_BLOCKED) != 0 ? BLOCKING_BY_NMI : 0));
  setField(vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, keepsPendingDebug ? load<u64>(CPU_PENDING_DEBUG) : 0);
}
