// How a VMX instruction ends: SDM 3C 31.2 'Conventions' (VMsucceed, VMfailInvalid, VMfailValid), a fault, or a VM exit; and the one event that
// each attempt leaves in the ring. Invariant: every path out of a VMX instruction goes through one of these functions, except a stop before it and
// an operand access that is repeated later, which are no attempts yet.
import {
  CPU_ABORT_KIND, CPU_CURRENT_VMCS, CPU_NON_ROOT, CPU_VMX_ON, EVENT_VMREAD, EVENT_VMX_INSTRUCTION, EV_A, EV_AUX, EV_B, EV_C, M_STOP_ON_ENTRY_FAILURE, M_STOP_ON_VMFAIL, M_STOP_ON_VMX,
  OUTCOME_EXITED, OUTCOME_FAIL_INVALID, OUTCOME_FAIL_VALID, OUTCOME_FAULT, OUTCOME_SUCCESS, STOP_ENTRY_FAILURE, STOP_VMFAIL, STOP_VMX_INSTRUCTION, VMX_VMREAD,
} from '../generated/layout';
import { VMCS_VM_INSTRUCTION_ERROR } from '../generated/vmx';
import { eventSlot } from '../ring';
import { ABORT, ABORT_EXCEPTION, CF, GP, NEXT, UD, ZF, in64BitMode, longModeActive, raise, raiseError, realMode, setArithmeticFlags, virtual8086 } from '../state';
import { requestStop, stopBefore } from '../stop';
import { NO_VMCS, currentVmcs, markVmcsWritten, setField } from './vmcs';

/** `register` of an event whose operand is in memory, or that has none. */
@inline export const NO_REGISTER: u32 = 0xff;

// VM-instruction errors: SDM 3C 31.4 'VM Instruction Error Numbers'
@inline export const ERROR_VMCALL_IN_ROOT: u32 = 1;
@inline export const ERROR_VMCLEAR_INVALID_ADDRESS: u32 = 2;
@inline export const ERROR_VMCLEAR_VMXON_POINTER: u32 = 3;
@inline export const ERROR_VMLAUNCH_NON_CLEAR: u32 = 4;
@inline export const ERROR_VMRESUME_NON_LAUNCHED: u32 = 5;
@inline export const ERROR_ENTRY_INVALID_CONTROLS: u32 = 7;
@inline export const ERROR_ENTRY_INVALID_HOST_STATE: u32 = 8;
@inline export const ERROR_VMPTRLD_INVALID_ADDRESS: u32 = 9;
@inline export const ERROR_VMPTRLD_VMXON_POINTER: u32 = 10;
@inline export const ERROR_VMPTRLD_WRONG_REVISION: u32 = 11;
@inline export const ERROR_UNSUPPORTED_COMPONENT: u32 = 12;
@inline export const ERROR_VMWRITE_READ_ONLY: u32 = 13;
@inline export const ERROR_VMXON_IN_ROOT: u32 = 15;
@inline export const ERROR_ENTRY_MOV_SS_BLOCKING: u32 = 26;
@inline export const ERROR_INVALID_INVEPT_INVVPID_OPERAND: u32 = 28;

/** Whether the run stops before this VMX instruction, as run control asked. */
@inline export function stopsBefore(id: u32): bool {
  return (load<u32>(M_STOP_ON_VMX) >> id & 1) != 0 && stopBefore(STOP_VMX_INSTRUCTION, id, 1);
}

/** The first check of every VMX instruction but VMXON, VMCALL and VMFUNC: not in VMX operation, or in a mode without VMX instructions. */
@inline export function undefinedHere(): bool { return load<u32>(CPU_VMX_ON) == 0 || modeWithoutVmx(); }
/** Real, virtual-8086 or compatibility mode. */
export function modeWithoutVmx(): bool { return realMode() || virtual8086() || (longModeActive() && !in64BitMode()); }

/** The current-VMCS pointer that an event may tell: in non-root operation only software below knows it. */
@inline function knownVmcs(): u64 { return load<u32>(CPU_NON_ROOT) != 0 ? NO_VMCS : load<u64>(CPU_CURRENT_VMCS); }

function record(aux: u32, a: u64, b: u64, c: u64): void { recordAs(EVENT_VMX_INSTRUCTION, aux, a, b, c); }
function recordAs(kind: u32, aux: u32, a: u64, b: u64, c: u64): void {
  const at = eventSlot(kind, 1);
  if (at == 0) return;
  store<u32>(at + EV_AUX, aux);
  store<u64>(at + EV_A, a);
  store<u64>(at + EV_B, b);
  store<u64>(at + EV_C, c);
}

/** Records a success without touching RFLAGS: VM entry, VMFUNC. */
export function recordSuccess(id: u32, a: u64, b: u64): void { record(id | OUTCOME_SUCCESS << 8 | NO_REGISTER << 24, a, b, knownVmcs()); }

/** VMsucceed. `a`, `b`: operands as the event tells them. */
export function vmSucceed(id: u32, a: u64, b: u64): i32 { return accessSucceed(id, a, b, NO_REGISTER, knownVmcs()); }
/** Records a field access on the VMCS at `pointer` that succeeds; emitted code sets RFLAGS itself. */
@inline export function recordAccess(id: u32, a: u64, b: u64, register: u32, pointer: u64): void {
  recordAs(id == VMX_VMREAD ? kindOfRead() : EVENT_VMX_INSTRUCTION, id | OUTCOME_SUCCESS << 8 | register << 24, a, b, pointer);
}
/** Kind of the event of a VMREAD that succeeds. */
@inline export function kindOfRead(): u32 { return load<u32>(CPU_NON_ROOT) != 0 ? EVENT_VMX_INSTRUCTION : EVENT_VMREAD; }
/** VMsucceed of a field access on the VMCS at `pointer`. */
export function accessSucceed(id: u32, a: u64, b: u64, register: u32, pointer: u64): i32 {
  recordAccess(id, a, b, register, pointer);
  setArithmeticFlags(0);
  return NEXT;
}

/** VMfailInvalid: CF. */
export function vmFailInvalid(id: u32, a: u64, b: u64): i32 { return accessFailInvalid(id, a, b, NO_REGISTER, knownVmcs()); }
export function accessFailInvalid(id: u32, a: u64, b: u64, register: u32, pointer: u64): i32 {
  record(id | OUTCOME_FAIL_INVALID << 8 | register << 24, a, b, pointer);
  setArithmeticFlags(CF);
  if (load<u32>(M_STOP_ON_VMFAIL) != 0) requestStop(STOP_VMFAIL, 0, a);
  return NEXT;
}

/** VMfailValid: ZF, and the error number in the current VMCS (also for accesses to a shadow VMCS: the VMCS that controls the guest). */
export function vmFailValid(id: u32, error: u32, a: u64, b: u64): i32 { return accessFailValid(id, error, a, b, NO_REGISTER, knownVmcs()); }
export function accessFailValid(id: u32, error: u32, a: u64, b: u64, register: u32, pointer: u64): i32 {
  record(id | OUTCOME_FAIL_VALID << 8 | error << 16 | register << 24, a, b, pointer);
  const vmcs = currentVmcs();
  setField(vmcs, VMCS_VM_INSTRUCTION_ERROR, error);
  markVmcsWritten(vmcs);
  setArithmeticFlags(ZF);
  if (load<u32>(M_STOP_ON_VMFAIL) != 0) requestStop(STOP_VMFAIL, error, a);
  else if (load<u32>(M_STOP_ON_ENTRY_FAILURE) != 0 && (error == ERROR_ENTRY_INVALID_CONTROLS || error == ERROR_ENTRY_INVALID_HOST_STATE)) requestStop(STOP_ENTRY_FAILURE, error, a);
  return NEXT;
}

/** VMfail: VMfailValid where there is a current VMCS. */
export function vmFail(id: u32, error: u32, a: u64, b: u64): i32 {
  return currentVmcs() != 0 ? vmFailValid(id, error, a, b) : vmFailInvalid(id, a, b);
}

/** Records that the instruction is about to cause a VM exit. */
export function recordExited(id: u32, a: u64, b: u64, register: u32): void { record(id | OUTCOME_EXITED << 8 | register << 24, a, b, knownVmcs()); }

/** #UD. */
export function undefinedOpcode(id: u32): i32 {
  record(id | OUTCOME_FAULT << 8 | NO_REGISTER << 24, 0, 0, knownVmcs());
  return raise(UD);
}
/** #GP(0). */
export function protection(id: u32): i32 {
  record(id | OUTCOME_FAULT << 8 | NO_REGISTER << 24, 0, 0, knownVmcs());
  return raiseError(GP, 0);
}
/** The memory operand's access was abandoned. Only a fault ends the attempt; after a second try alone or a VM exit of the access it is made anew. */
export function operandAborted(id: u32, a: u64): i32 {
  if (load<u32>(CPU_ABORT_KIND) == ABORT_EXCEPTION) record(id | OUTCOME_FAULT << 8 | NO_REGISTER << 24, a, 0, knownVmcs());
  return ABORT;
}
