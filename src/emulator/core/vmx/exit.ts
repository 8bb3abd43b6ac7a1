// VM exits: SDM 3C chapter 28 'VM Exits'. An exit is described (information fields), the guest is saved, MSRs are stored, host state and
// MSRs are loaded. Each kind of exit has a function here; all return ABORT with CPU_ABORT_KIND = ABORT_EXITED, and the run loop goes on at
// the host's RIP. Invariant: every information field is written at every exit, 0 where it is undefinedOpcode, so that none is left from an earlier one.
import {
  CPU_ABORT_KIND, CPU_EVENT_INSTRUCTION_LENGTH, CPU_EVENT_VECTORING, CPU_EVENT_VECTORING_ERROR, CPU_EXIT_CONTROLS, CPU_EXIT_QUALIFICATION, CPU_EXIT_REASON, CPU_FAILED_CHECK,
  CPU_GUEST_PHYSICAL_FAULT, CPU_INSTRUCTION_LENGTH, CPU_NMI_BLOCKED, CPU_NMI_UNBLOCKED, M_EXITS, M_STOP_ON_EXIT, STOP_VM_EXIT,
} from '../generated/layout';
import {
  EXIT_EPT_MISCONFIGURATION, EXIT_EPT_VIOLATION, EXIT_EXCEPTION_OR_NMI, EXIT_EXTERNAL_INTERRUPT, EXIT_HOST_ADDRESS_SPACE_SIZE, EXIT_PML_FULL, EXIT_TASK_SWITCH,
  EXIT_TRIPLE_FAULT, VMCS_EXIT_QUALIFICATION, VMCS_EXIT_REASON, VMCS_GUEST_LINEAR_ADDRESS, VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_IDT_VECTORING_ERROR_CODE, VMCS_IDT_VECTORING_INFO,
  EXIT_APIC_ACCESS, VMCS_VM_ENTRY_INTERRUPTION_INFO, VMCS_VM_EXIT_INSTRUCTION_INFO, VMCS_VM_EXIT_INSTRUCTION_LENGTH, VMCS_VM_EXIT_INTERRUPTION_ERROR_CODE,
  VMCS_VM_EXIT_INTERRUPTION_INFO, VMCS_VM_EXIT_MSR_LOAD_ADDRESS, VMCS_VM_EXIT_MSR_LOAD_COUNT, VMCS_VM_EXIT_MSR_STORE_ADDRESS, VMCS_VM_EXIT_MSR_STORE_COUNT,
} from '../generated/vmx';
import { ABORT, ABORT_EXITED, BP, DB, DF_VECTOR, OVERFLOW, PF_VECTOR, RF, interruptShadow, longModeActive, realMode, rflags } from '../state';
import { requestStop } from '../stop';
import { virtualNmis } from './controls';
import { saveGuestRegisters } from './guest-state';
import { ABORT_ADDRESS_SPACE, ABORT_LOADING_MSRS, ABORT_SAVING_MSRS, loadHostState } from './host-state';
import { exitPasses } from './exit-tests';
import { loadMsrArea, storeMsrArea } from './msr-areas';
import {
  BLOCKING_BY_MOV_SS, INFORMATION_ERROR_CODE, INFORMATION_VALID, TYPE_EXTERNAL_INTERRUPT, TYPE_HARDWARE_EXCEPTION, TYPE_NMI, TYPE_SOFTWARE_EXCEPTION, blockingDuringInstruction,
  isSoftwareEvent, saveNonRegisterState,
} from './non-register-state';
import { savePreemptionTimer } from './preemption-timer';
import { recordExit } from './transition-events';
import { currentVmcs, field, field32, markVmcsWritten, setField } from './vmcs';
import { vmxAbort } from './vmx-abort';

// qualification bits
@inline const QUALIFICATION_LINEAR_VALID: u64 = 0x80;
@inline const DEBUG_GENERAL_DETECT: u64 = 0x2000;

/** Writes every information field: SDM 3C 28.2 'Recording VM-Exit Information and Updating VM-Entry Control Fields'. */
@inline function describe(vmcs: usize, reason: u32, qualification: u64, length: u32, information: u32): void {
  store<u32>(CPU_EXIT_REASON, reason);
  store<u64>(CPU_EXIT_QUALIFICATION, qualification);
  setField(vmcs, VMCS_EXIT_REASON, reason);
  setField(vmcs, VMCS_EXIT_QUALIFICATION, qualification);
  setField(vmcs, VMCS_GUEST_LINEAR_ADDRESS, 0);
  setField(vmcs, VMCS_GUEST_PHYSICAL_ADDRESS, 0);
  setField(vmcs, VMCS_VM_EXIT_INTERRUPTION_INFO, 0);
  setField(vmcs, VMCS_VM_EXIT_INTERRUPTION_ERROR_CODE, 0);
  const vectoring = load<u32>(CPU_EVENT_VECTORING);
  setField(vmcs, VMCS_IDT_VECTORING_INFO, vectoring);
  setField(vmcs, VMCS_IDT_VECTORING_ERROR_CODE, (vectoring & INFORMATION_ERROR_CODE) != 0 ? load<u32>(CPU_EVENT_VECTORING_ERROR) : 0);
  setField(vmcs, VMCS_VM_EXIT_INSTRUCTION_LENGTH, vectoring != 0 ? (isSoftwareEvent(vectoring) ? load<u32>(CPU_EVENT_INSTRUCTION_LENGTH) : 0) : length);
  setField(vmcs, VMCS_VM_EXIT_INSTRUCTION_INFO, information);
}

/**
 * STI and MOV SS blocking as before an exit that an instruction causes (it is counted in the time already), and as before one between two instructions or
 * by a fault, whose unit has been given back. An event under delivery has ended the blocking.
 */
@inline function blockingAtInstruction(): u32 { return load<u32>(CPU_EVENT_VECTORING) != 0 ? 0 : blockingDuringInstruction(); }
@inline function blockingAtBoundary(): u32 { return load<u32>(CPU_EVENT_VECTORING) != 0 ? 0 : interruptShadow(); }

/** SDM 3C 28.2.3 'Information About NMI Unblocking Due to IRET', as bit 12: a fault of an IRET that had ended NMI blocking. */
export function nmiUnblockingByIret(): u32 { return load<u32>(CPU_NMI_UNBLOCKED) != 0 && load<u32>(CPU_EVENT_VECTORING) == 0 ? 0x1000 : 0; }

/** What follows the description, for every exit. `rflagsImage`: RFLAGS to save; `blocking`: STI and MOV SS bits; `keepsPendingDebug`: see SDM 3C 28.3.4. */
function complete(vmcs: usize, reason: u32, rflagsImage: u64, blocking: u32, keepsPendingDebug: bool): i32 {
  const exitControls = load<u32>(CPU_EXIT_CONTROLS);
  // 1. The injected event is consumed (28.2).
  setField(vmcs, VMCS_VM_ENTRY_INTERRUPTION_INFO, field32(vmcs, VMCS_VM_ENTRY_INTERRUPTION_INFO) & ~INFORMATION_VALID);
  // 2. Guest state (28.3).
  saveGuestRegisters(vmcs, rflagsImage);
  saveNonRegisterState(vmcs, blocking, keepsPendingDebug || (blocking & BLOCKING_BY_MOV_SS) != 0);
  savePreemptionTimer(vmcs, exitControls);
  markVmcsWritten(vmcs);
  store<u32>(CPU_FAILED_CHECK, 0);
  store<u32>(CPU_NMI_UNBLOCKED, 0);
  recordExit(vmcs, reason);
  store<u64>(M_EXITS, load<u64>(M_EXITS) + 1);
  // 3. MSR store area (28.4).
  const storeCount = field32(vmcs, VMCS_VM_EXIT_MSR_STORE_COUNT);
  if (storeCount != 0 && storeMsrArea(field(vmcs, VMCS_VM_EXIT_MSR_STORE_ADDRESS), storeCount) != 0) return vmxAbort(vmcs, ABORT_SAVING_MSRS);
  // 4. Host state (28.5). With virtual NMIs the blocking was virtual: real NMIs were not blocked in the guest.
  if (longModeActive() && (exitControls & EXIT_HOST_ADDRESS_SPACE_SIZE) == 0) return vmxAbort(vmcs, ABORT_ADDRESS_SPACE);
  if (virtualNmis()) store<u32>(CPU_NMI_BLOCKED, 0);
  if (loadHost(vmcs) != 0) return ABORT;
  if ((load<u32>(M_STOP_ON_EXIT + ((reason >> 5) << 2)) >> (reason & 31) & 1) != 0 && exitPasses(vmcs, reason)) requestStop(STOP_VM_EXIT, reason, load<u64>(CPU_EXIT_QUALIFICATION));
  return ABORT;
}

/** Host state and the VM-exit MSR-load area; also the end of a failed VM entry. Returns 0, or the VMX abort that it ended in. */
export function loadHost(vmcs: usize): u32 {
  store<u32>(CPU_ABORT_KIND, ABORT_EXITED);
  let failure = loadHostState(vmcs);
  const loadCount = field32(vmcs, VMCS_VM_EXIT_MSR_LOAD_COUNT);
  if (failure == 0 && loadCount != 0 && loadMsrArea(field(vmcs, VMCS_VM_EXIT_MSR_LOAD_ADDRESS), loadCount) != 0) failure = ABORT_LOADING_MSRS;
  if (failure != 0) vmxAbort(vmcs, failure);
  store<u32>(CPU_ABORT_KIND, ABORT_EXITED);
  return failure;
}

/** An exit that an instruction causes before it has any effect: RIP is at the instruction, its length is reported, RF is saved as 0. */
export function vmExit(reason: u32, qualification: u64): i32 { return exitWithInstructionInformation(reason, qualification, 0); }

/** The same with the instruction-information field. */
export function exitWithInstructionInformation(reason: u32, qualification: u64, information: u32): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, reason, qualification, load<u32>(CPU_INSTRUCTION_LENGTH), information);
  return complete(vmcs, reason, rflags() & ~RF, blockingAtInstruction(), false);
}

/** The same with a guest-linear address as well: INS, OUTS, LMSW from memory. */
export function exitWithLinearAddress(reason: u32, qualification: u64, information: u32, linear: u64): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, reason, qualification, load<u32>(CPU_INSTRUCTION_LENGTH), information);
  setField(vmcs, VMCS_GUEST_LINEAR_ADDRESS, linear);
  return complete(vmcs, reason, rflags() & ~RF, blockingAtInstruction(), false);
}

/** An exit between two instructions: windows, preemption timer, INIT, SIPI; RIP is at the next one. */
export function boundaryExit(reason: u32, qualification: u64): i32 { return exitBetweenInstructions(reason, qualification, false); }
/** The same for exits that save pending debug exceptions: MTF, INIT, and the trap-like exits of APIC virtualization. */
export function boundaryExitKeepingDebug(reason: u32, qualification: u64): i32 { return exitBetweenInstructions(reason, qualification, true); }

function exitBetweenInstructions(reason: u32, qualification: u64, keepsPendingDebug: bool): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, reason, qualification, 0, 0);
  return complete(vmcs, reason, rflags(), blockingAtBoundary(), keepsPendingDebug);
}

/**
 * The guest's exception `vector` exits directly. `qualification`: the linear address of a page fault, the DR6 bits of a debug exception, else 0.
 * Vectors 3 and 4 come from INT3 and INTO; `type` tells INT1 (5) from a debug exception (3).
 */
export function exceptionExit(vector: u32, type: u32, hasError: bool, error: u32, qualification: u64): i32 {
  const vmcs = currentVmcs();
  // A double fault that exits directly is not an exit during the delivery of the first event (28.2.4).
  if (vector == DF_VECTOR) store<u32>(CPU_EVENT_VECTORING, 0);
  const software = type != TYPE_HARDWARE_EXCEPTION, withError = hasError && !realMode();
  describe(vmcs, EXIT_EXCEPTION_OR_NMI, vector == PF_VECTOR || vector == DB ? qualification : 0, software ? load<u32>(CPU_INSTRUCTION_LENGTH) : 0, 0);
  setField(vmcs, VMCS_VM_EXIT_INTERRUPTION_INFO, vector | type << 8 | (withError ? INFORMATION_ERROR_CODE : 0) | (vector != DF_VECTOR ? nmiUnblockingByIret() : 0) | INFORMATION_VALID);
  setField(vmcs, VMCS_VM_EXIT_INTERRUPTION_ERROR_CODE, withError ? error : 0);
  // Faults save RF = 1; traps, software exceptions and debug exceptions (but of general detect) save it as it is.
  const isFault = !software && (vector != DB || (qualification & DEBUG_GENERAL_DETECT) != 0);
  return complete(vmcs, EXIT_EXCEPTION_OR_NMI, isFault ? rflags() | RF : rflags(), software ? blockingAtInstruction() : blockingAtBoundary(), false);
}

/** Type of exception `vector` when it was not raised by INT1: INT3 and INTO give software exceptions. */
@inline export function exceptionType(vector: u32): u32 { return vector == BP || vector == OVERFLOW ? TYPE_SOFTWARE_EXCEPTION : TYPE_HARDWARE_EXCEPTION; }

/** An NMI exits. NMIs are blocked in the host afterwards. */
export function nmiExit(): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_EXCEPTION_OR_NMI, 0, 0, 0);
  setField(vmcs, VMCS_VM_EXIT_INTERRUPTION_INFO, TYPE_NMI | TYPE_NMI << 8 | INFORMATION_VALID);
  const result = complete(vmcs, EXIT_EXCEPTION_OR_NMI, rflags(), blockingAtBoundary(), false);
  store<u32>(CPU_NMI_BLOCKED, 1);
  return result;
}

/** An external interrupt exits; `acknowledged`: its vector was fetched and is reported, otherwise it stays pending. */
export function externalInterruptExit(vector: u32, acknowledged: bool): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_EXTERNAL_INTERRUPT, 0, 0, 0);
  if (acknowledged) setField(vmcs, VMCS_VM_EXIT_INTERRUPTION_INFO, vector | TYPE_EXTERNAL_INTERRUPT << 8 | INFORMATION_VALID);
  return complete(vmcs, EXIT_EXTERNAL_INTERRUPT, rflags(), blockingAtBoundary(), false);
}

/** An exception met while a double fault was being delivered. */
export function tripleFaultExit(): i32 {
  store<u32>(CPU_EVENT_VECTORING, 0);
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_TRIPLE_FAULT, 0, 0, 0);
  return complete(vmcs, EXIT_TRIPLE_FAULT, rflags(), 0, false);
}

/** RFLAGS for exits by a memory access: RF is 1, unless an event was under delivery. */
@inline function memoryRflags(): u64 { return load<u32>(CPU_EVENT_VECTORING) != 0 ? rflags() : rflags() | RF; }

/** EPT violation. `linear` is meaningful when bit 7 of the qualification is 1. */
export function eptViolationExit(guestPhysical: u64, linear: u64, qualification: u64): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_EPT_VIOLATION, qualification, 0, 0);
  if ((qualification & QUALIFICATION_LINEAR_VALID) != 0) setField(vmcs, VMCS_GUEST_LINEAR_ADDRESS, linear);
  setField(vmcs, VMCS_GUEST_PHYSICAL_ADDRESS, guestPhysical);
  store<u64>(CPU_GUEST_PHYSICAL_FAULT, guestPhysical);
  return complete(vmcs, EXIT_EPT_VIOLATION, memoryRflags(), blockingAtInstruction(), false);
}

/** Access to the APIC-access page. The length of the instruction is told as well: the manual leaves it undefined, and processors tell it. */
export function apicAccessExit(qualification: u64): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_APIC_ACCESS, qualification, load<u32>(CPU_INSTRUCTION_LENGTH), 0);
  return complete(vmcs, EXIT_APIC_ACCESS, memoryRflags(), blockingAtInstruction(), false);
}

/** EPT misconfiguration. */
export function eptMisconfigurationExit(guestPhysical: u64): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_EPT_MISCONFIGURATION, 0, 0, 0);
  setField(vmcs, VMCS_GUEST_PHYSICAL_ADDRESS, guestPhysical);
  store<u64>(CPU_GUEST_PHYSICAL_FAULT, guestPhysical);
  return complete(vmcs, EXIT_EPT_MISCONFIGURATION, memoryRflags(), blockingAtInstruction(), false);
}

/** A page was to be logged and the page-modification log was full; the access has not been made. */
export function pmlFullExit(): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_PML_FULL, nmiUnblockingByIret(), 0, 0);
  return complete(vmcs, EXIT_PML_FULL, memoryRflags(), blockingAtInstruction(), false);
}

/** Task switch to `selector` by CALL (0), IRET (1), JMP (2) or a task gate in the IDT (3); with 3 the event is under delivery. */
export function taskSwitchExit(selector: u32, source: u32): i32 {
  const vmcs = currentVmcs();
  describe(vmcs, EXIT_TASK_SWITCH, selector | source << 30, source != 3 ? load<u32>(CPU_INSTRUCTION_LENGTH) : 0, 0);
  return complete(vmcs, EXIT_TASK_SWITCH, rflags() & ~RF, blockingAtInstruction(), false);
}
