// VM entry after the basic checks: SDM 3C chapter 27 'VM Entries'. Checks on controls and host state fail the instruction (errors 7 and 8);
// checks on guest state and the MSR-load area fail the entry (exit reasons 33 and 34), with host state loaded. The checks themselves are
// generated from spec/entry-checks; CPU_FAILED_CHECK keeps 1 + the number of the row that refused.
import {
  CPU_ABORT_KIND, CPU_ALONE, CPU_CURRENT_VMCS, CPU_EXIT_QUALIFICATION, CPU_EXIT_REASON, CPU_FAILED_CHECK, CPU_MTF_PENDING, CPU_NMI_BLOCKED, CPU_NON_ROOT,
  CPU_SHADOW_UNTIL, CPU_VMX_BOUNDARY,
  CPU_VPID, M_ENTRIES, M_STOP_ON_ENTRY, M_STOP_ON_ENTRY_FAILURE, STOP_ENTRY_FAILURE, STOP_VM_ENTRY, VMX_VMLAUNCH, VMX_VMRESUME,
} from '../generated/layout';
import { checkControls, checkGuestState, checkHostState, guestStateQualification, recheckControls, recheckGuestState } from '../generated/entry-checks';
import {
  EXIT_ENTRY_FAIL_GUEST_STATE, EXIT_ENTRY_FAIL_MSR_LOADING, EXIT_VMLAUNCH, EXIT_VMRESUME,
  VMCS_EXIT_QUALIFICATION, VMCS_EXIT_REASON, VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE, VMCS_VM_ENTRY_INSTRUCTION_LENGTH,
  VMCS_VM_ENTRY_INTERRUPTION_INFO, VMCS_VM_ENTRY_MSR_LOAD_ADDRESS, VMCS_VM_ENTRY_MSR_LOAD_COUNT,
} from '../generated/vmx';
import { deliverVectored } from '../events';
import { updateMode } from '../segments';
import { ABORT, ABORT_EXITED, CF, JUMPED, ZF, arithmeticFlags, attend, giveBackUnit, time } from '../state';
import { requestStop } from '../stop';
import { flushVpid0 } from '../tlb';
import { activateControls, interruptWindowExiting, monitorTrapFlag, nmiWindowExiting, useTprShadow } from './controls';
import { loadHost } from './exit';
import { loadGuestRegisters } from './guest-state';
import { loadMsrArea } from './msr-areas';
import { INFORMATION_ERROR_CODE, INFORMATION_VALID, TYPE_NMI, TYPE_OTHER_EVENT, interruptionType, isSoftwareEvent, loadNonRegisterState } from './non-register-state';
import { ERROR_ENTRY_INVALID_CONTROLS, ERROR_ENTRY_INVALID_HOST_STATE, recordSuccess, vmFailValid } from './outcome';
import { forgetPauseLoop } from './pause-loop';
import { startPreemptionTimer } from './preemption-timer';
import { recordEntry, recordExit } from './transition-events';
import { enterVirtualApic } from './virtual-apic';
import { LAUNCH_LAUNCHED, field, field32, isChecked, markChecked, markVmcsWritten, setField, setLaunchState } from './vmcs';

@inline const ENTRY_FAILURE: u32 = 0x80000000;

// reasons to look at the instruction boundary, in CPU_VMX_BOUNDARY
@inline export const BOUNDARY_MTF: u32 = 1;
@inline export const BOUNDARY_INTERRUPT_WINDOW: u32 = 2;
@inline export const BOUNDARY_NMI_WINDOW: u32 = 4;
/** CPU_MTF_PENDING: an exit is due now; otherwise bits 31:1 keep the time of entry, and one is due as soon as time has moved on. */
@inline export const MTF_DUE: u32 = 1;
@inline export function mtfClock(): u32 { return <u32>time() << 1; }

/** Enters the guest of the current VMCS `vmcs`, by the instruction `id`. Returns JUMPED, NEXT (VMfail) or ABORT. */
export function enterGuest(id: u32, vmcs: usize): i32 {
  // 1. Checks on VMX controls and the host-state area (27.2). What the last entry with this VMCS has passed is not looked at again: an exit
  // saves a state that can be entered.
  const checked = isChecked(vmcs);
  let failed = checked ? recheckControls(vmcs) : checkControls(vmcs);
  if (failed != 0) return refuse(id, ERROR_ENTRY_INVALID_CONTROLS, failed);
  if (!checked) failed = checkHostState(vmcs);
  if (failed != 0) return refuse(id, ERROR_ENTRY_INVALID_HOST_STATE, failed);
  recordSuccess(id, load<u64>(CPU_CURRENT_VMCS), 0);
  // 2. Checks on the guest-state area, loading guest state (27.3).
  failed = checked ? recheckGuestState(vmcs) : checkGuestState(vmcs);
  store<u32>(CPU_FAILED_CHECK, failed);
  if (failed != 0) return failEntry(vmcs, EXIT_ENTRY_FAIL_GUEST_STATE, guestStateQualification(failed));
  loadGuestRegisters(vmcs);
  // 3. MSRs (27.4). WRMSR rules look at the guest's control registers, hence after them.
  const msrs = field32(vmcs, VMCS_VM_ENTRY_MSR_LOAD_COUNT);
  if (msrs != 0) {
    const entry = loadMsrArea(field(vmcs, VMCS_VM_ENTRY_MSR_LOAD_ADDRESS), msrs);
    if (entry != 0) return failEntry(vmcs, EXIT_ENTRY_FAIL_MSR_LOADING, entry);
  }
  if (!checked) markChecked(vmcs);
  // 4. The guest runs from here on.
  if (id == VMX_VMLAUNCH) setLaunchState(vmcs, LAUNCH_LAUNCHED);
  markVmcsWritten(vmcs);
  activateControls(vmcs);
  store<u32>(CPU_NON_ROOT, 1);
  if (load<u32>(CPU_VPID) == 0) flushVpid0();
  updateMode();
  const injected = field32(vmcs, VMCS_VM_ENTRY_INTERRUPTION_INFO), valid = (injected & INFORMATION_VALID) != 0;
  loadNonRegisterState(vmcs, injected);
  startPreemptionTimer(vmcs);
  if (useTprShadow()) enterVirtualApic();
  forgetPauseLoop();
  armBoundary(valid, injected);
  recordEntry(vmcs, id == VMX_VMRESUME, valid ? injected : 0);
  store<u64>(M_ENTRIES, load<u64>(M_ENTRIES) + 1);
  const stops = load<u32>(M_STOP_ON_ENTRY);
  if (stops != 0 && ((stops & STOP_ON_EVERY_ENTRY) != 0 || mayTellOfFailure())) requestStop(STOP_VM_ENTRY, id == VMX_VMRESUME ? 1 : 0, load<u64>(CPU_CURRENT_VMCS));
  // 5. Event injection (27.6).
  const result = valid && interruptionType(injected) != TYPE_OTHER_EVENT ? inject(vmcs, injected) : JUMPED;
  // Whatever waits for an instruction boundary (windows, timer, debug exceptions, interrupts) is looked at before the first instruction.
  attend();
  return result;
}

// bits of M_STOP_ON_ENTRY; the other asks for entries that may tell a guest that its VMX instruction or VM entry has failed
@inline const STOP_ON_EVERY_ENTRY: u32 = 1;
/**
 * Whether software may be telling the guest of a failure: it answers a VMLAUNCH or VMRESUME (perhaps in the handler of a VM exit), the processor has just
 * refused an entry, or RFLAGS say VMfail, with exactly CF or exactly ZF among the arithmetic flags. The host looks closer.
 */
function mayTellOfFailure(): bool {
  const reason = load<u32>(CPU_EXIT_REASON), flags = arithmeticFlags();
  return reason == EXIT_VMLAUNCH || reason == EXIT_VMRESUME || (reason & ENTRY_FAILURE) != 0 || flags == CF || flags == ZF;
}

/** The instruction fails: nothing is loaded. The event's second operand is the failed check. */
function refuse(id: u32, error: u32, failed: u32): i32 {
  store<u32>(CPU_FAILED_CHECK, failed);
  return vmFailValid(id, error, load<u64>(CPU_CURRENT_VMCS), failed);
}

/** SDM 3C 27.8 'VM-Entry Failures During or After Loading Guest State': of the VMCS only reason and qualification are written. */
function failEntry(vmcs: usize, reason: u32, qualification: u64): i32 {
  store<u32>(CPU_EXIT_REASON, reason | ENTRY_FAILURE);
  store<u64>(CPU_EXIT_QUALIFICATION, qualification);
  setField(vmcs, VMCS_EXIT_REASON, reason | ENTRY_FAILURE);
  setField(vmcs, VMCS_EXIT_QUALIFICATION, qualification);
  markVmcsWritten(vmcs);
  recordExit(vmcs, reason | ENTRY_FAILURE);
  if (loadHost(vmcs) == 0 && load<u32>(M_STOP_ON_ENTRY_FAILURE) != 0) requestStop(STOP_ENTRY_FAILURE, reason, qualification);
  return ABORT;
}

/** Notes what the boundary check has to look for: SDM 3C 26.5.2 'Monitor Trap Flag', 27.7.8 'VM Exits Induced by the Monitor Trap Flag'. */
@inline function armBoundary(valid: bool, injected: u32): void {
  const pendingMtf = valid && interruptionType(injected) == TYPE_OTHER_EVENT, mtf = monitorTrapFlag();
  // An injected MTF is due now; with the control on, one is due after a vectored injection, or after the first instruction: when time has moved on.
  store<u32>(CPU_MTF_PENDING, pendingMtf ? MTF_DUE : mtfClock());
  store<u32>(CPU_VMX_BOUNDARY, (pendingMtf || mtf ? BOUNDARY_MTF : 0) | (interruptWindowExiting() ? BOUNDARY_INTERRUPT_WINDOW : 0) | (nmiWindowExiting() ? BOUNDARY_NMI_WINDOW : 0));
}

/** Delivers the injected event through the guest's IDT. The exception bitmap does not apply to it, only to faults met on the way. */
function inject(vmcs: usize, injected: u32): i32 {
  if (interruptionType(injected) == TYPE_NMI) store<u32>(CPU_NMI_BLOCKED, 1);
  const error = (injected & INFORMATION_ERROR_CODE) != 0 ? field32(vmcs, VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE) : 0;
  const length = isSoftwareEvent(injected) ? field32(vmcs, VMCS_VM_ENTRY_INSTRUCTION_LENGTH) : 0;
  // The entry cannot be tried again: accesses that want the instruction alone in its block are made at once.
  const alone = load<u32>(CPU_ALONE);
  store<u32>(CPU_ALONE, 1);
  const result = deliverVectored(injected, error, length);
  store<u32>(CPU_ALONE, alone);
  // Entry and delivery are one unit: an aborted instruction gives its own back.
  if (result != ABORT || load<u32>(CPU_ABORT_KIND) == ABORT_EXITED) giveBackUnit();
  if (result == ABORT) return ABORT;
  store<u64>(CPU_SHADOW_UNTIL, 0);                                                         // blocking ends with the delivery
  // After a VM exit on the way, no control is in force any more.
  if (monitorTrapFlag()) store<u32>(CPU_MTF_PENDING, MTF_DUE);
  return JUMPED;
}
