// Page-modification logging: SDM 3C 'Page-Modification Logging'. 512 entries of 8 bytes, filled downward; the index is a guest-state field.
import { VMCS_PML_ADDRESS, VMCS_PML_INDEX } from '../generated/vmx';
import { writePhysical64 } from '../memory';
import { currentVmcs, field, field32, markVmcsWritten, setField } from './vmcs';

@inline const ENTRIES: u32 = 512;

/** Whether the index is inside of the log; otherwise no EPT dirty flag may be set. */
export function logHasRoom(): bool { return field32(currentVmcs(), VMCS_PML_INDEX) < ENTRIES; }

/** Logs the page of a guest-physical address whose EPT dirty flag has been set; there is room. */
export function logModifiedPage(guestPhysical: u64): void {
  const vmcs = currentVmcs(), index = field32(vmcs, VMCS_PML_INDEX);
  writePhysical64(field(vmcs, VMCS_PML_ADDRESS) + (<u64>index << 3), guestPhysical & ~0xfff);
  setField(vmcs, VMCS_PML_INDEX, (index - 1) & 0xffff);
  markVmcsWritten(vmcs);
}
