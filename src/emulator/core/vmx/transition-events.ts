// The ring's records of VM exits and VM entries, four slots each with the guest's registers. What the fields mean: EventReader in
// emulator/event-ring.ts. Both are written while the guest's registers are in the processor.
import {
  CPU_CURRENT_VMCS, CPU_EPTP, CPU_FAILED_CHECK, CPU_VPID, EVENT_VM_ENTRY, EVENT_VM_EXIT, EV_A, EV_AUX, EV_B, EV_C, EV_D, EV_E, EV_FAILED_CHECK, EV_INSTRUCTION_INFO,
  EV_INSTRUCTION_LENGTH, EV_INTERRUPTION_ERROR, EV_INTERRUPTION_INFO, EV_VECTORING_ERROR, EV_VECTORING_INFO,
} from '../generated/layout';
import {
  VMCS_EXIT_QUALIFICATION, VMCS_GUEST_LINEAR_ADDRESS, VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_HOST_CR3, VMCS_HOST_RIP, VMCS_IDT_VECTORING_ERROR_CODE, VMCS_IDT_VECTORING_INFO,
  VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE, VMCS_VM_EXIT_INSTRUCTION_INFO, VMCS_VM_EXIT_INSTRUCTION_LENGTH, VMCS_VM_EXIT_INTERRUPTION_ERROR_CODE, VMCS_VM_EXIT_INTERRUPTION_INFO,
} from '../generated/vmx';
import { eventRegisters, eventSlot } from '../ring';
import { field, field32 } from './vmcs';

@inline const SLOTS: u32 = 4;

/** Records a VM exit, or a failed entry (bit 31 of `reason`), whose information fields are in the VMCS. */
export function recordExit(vmcs: usize, reason: u32): void {
  const at = eventSlot(EVENT_VM_EXIT, SLOTS);
  if (at == 0) return;
  eventRegisters(at);
  store<u32>(at + EV_AUX, reason);
  store<u64>(at + EV_A, field(vmcs, VMCS_EXIT_QUALIFICATION));
  store<u64>(at + EV_B, load<u64>(CPU_CURRENT_VMCS));
  const failedEntry = reason >> 31 != 0;
  store<u64>(at + EV_C, failedEntry ? 0 : field(vmcs, VMCS_GUEST_PHYSICAL_ADDRESS));
  store<u64>(at + EV_D, failedEntry ? 0 : field(vmcs, VMCS_GUEST_LINEAR_ADDRESS));
  store<u64>(at + EV_E, 0);
  store<u32>(at + EV_INSTRUCTION_LENGTH, failedEntry ? 0 : field32(vmcs, VMCS_VM_EXIT_INSTRUCTION_LENGTH));
  store<u32>(at + EV_INTERRUPTION_INFO, failedEntry ? 0 : field32(vmcs, VMCS_VM_EXIT_INTERRUPTION_INFO));
  store<u32>(at + EV_INTERRUPTION_ERROR, failedEntry ? 0 : field32(vmcs, VMCS_VM_EXIT_INTERRUPTION_ERROR_CODE));
  store<u32>(at + EV_VECTORING_INFO, failedEntry ? 0 : field32(vmcs, VMCS_IDT_VECTORING_INFO));
  store<u32>(at + EV_VECTORING_ERROR, failedEntry ? 0 : field32(vmcs, VMCS_IDT_VECTORING_ERROR_CODE));
  store<u32>(at + EV_INSTRUCTION_INFO, failedEntry ? 0 : field32(vmcs, VMCS_VM_EXIT_INSTRUCTION_INFO));
  store<u32>(at + EV_FAILED_CHECK, load<u32>(CPU_FAILED_CHECK));
}

/** Records a VM entry; `injected` is the VM-entry interruption information. */
export function recordEntry(vmcs: usize, resume: bool, injected: u32): void {
  const at = eventSlot(EVENT_VM_ENTRY, SLOTS);
  if (at == 0) return;
  eventRegisters(at);
  store<u32>(at + EV_AUX, resume ? 1 : 0);
  store<u64>(at + EV_A, load<u64>(CPU_CURRENT_VMCS));
  store<u64>(at + EV_B, load<u64>(CPU_EPTP));
  store<u64>(at + EV_C, load<u32>(CPU_VPID));
  store<u64>(at + EV_D, field(vmcs, VMCS_HOST_RIP));
  store<u64>(at + EV_E, field(vmcs, VMCS_HOST_CR3));
  store<u32>(at + EV_INSTRUCTION_LENGTH, 0);
  store<u32>(at + EV_INTERRUPTION_INFO, injected);
  store<u32>(at + EV_INTERRUPTION_ERROR, field32(vmcs, VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE));
  store<u32>(at + EV_VECTORING_INFO, 0);
  store<u32>(at + EV_VECTORING_ERROR, 0);
  store<u32>(at + EV_INSTRUCTION_INFO, 0);
  store<u32>(at + EV_FAILED_CHECK, 0);
}
