// Virtualization exceptions: SDM 3C 'Virtualization Exceptions'. EPT violations that the hypervisor does not suppress become #VE in the
// guest, told in an information area, whose second dword the guest clears when it has read it.
import { CPU_CR0, CPU_EVENT_VECTORING, CPU_EXIT_QUALIFICATION, CPU_FAULT_ADDRESS, CPU_GUEST_PHYSICAL_FAULT, CPU_SUPPRESS_VE } from '../generated/layout';
import { EXIT_EPT_VIOLATION, VMCS_EPTP_INDEX, VMCS_VE_INFORMATION_ADDRESS } from '../generated/vmx';
import { readPhysical32, writePhysical32, writePhysical64, writePhysical8 } from '../memory';
import { CR0_PE, VE, raise } from '../state';
import { eptViolationVe } from './controls';
import { currentVmcs, field } from './vmcs';

// the information area
@inline const BUSY: u64 = 4;
@inline const QUALIFICATION: u64 = 8;
@inline const LINEAR_ADDRESS: u64 = 16;
@inline const GUEST_PHYSICAL_ADDRESS: u64 = 24;
@inline const EPTP_INDEX: u64 = 32;

/** Whether the EPT violation just recorded becomes #VE; then its information is written and the exception raised. Never during event delivery. */
export function violationBecomesVe(): bool {
  if (!eptViolationVe() || load<u32>(CPU_SUPPRESS_VE) != 0 || (load<u64>(CPU_CR0) & CR0_PE) == 0 || load<u32>(CPU_EVENT_VECTORING) != 0) return false;
  const vmcs = currentVmcs(), area = field(vmcs, VMCS_VE_INFORMATION_ADDRESS);
  if (readPhysical32(area + BUSY) != 0) return false;
  writePhysical32(area, EXIT_EPT_VIOLATION);
  writePhysical32(area + BUSY, 0xffffffff);
  writePhysical64(area + QUALIFICATION, load<u64>(CPU_EXIT_QUALIFICATION));
  writePhysical64(area + LINEAR_ADDRESS, load<u64>(CPU_FAULT_ADDRESS));
  writePhysical64(area + GUEST_PHYSICAL_ADDRESS, load<u64>(CPU_GUEST_PHYSICAL_FAULT));
  const index = <u32>field(vmcs, VMCS_EPTP_INDEX);
  writePhysical8(area + EPTP_INDEX, index & 0xff);
  writePhysical8(area + EPTP_INDEX + 1, index >> 8 & 0xff);
  raise(VE);
  return true;
}
/** The run stops before the exception is delivered: it will come again. */
export function withdrawVe(): void { writePhysical32(field(currentVmcs(), VMCS_VE_INFORMATION_ADDRESS) + BUSY, 0); }
