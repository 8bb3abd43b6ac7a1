// Posted interrupts: SDM 3C 30.6 'Posted-Interrupt Processing'. The descriptor has 256 posted-interrupt requests (PIR) and, at bit 256, the
// outstanding-notification bit (ON).
import { CPU_PIN_CONTROLS } from '../generated/layout';
import { PIN_PROCESS_POSTED_INTERRUPTS, VMCS_POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, VMCS_POSTED_INTERRUPT_NOTIFICATION_VECTOR } from '../generated/vmx';
import { endActiveInterrupt } from '../../devices/bus';
import { readPhysical32, readPhysical64, writePhysical32, writePhysical64 } from '../memory';
import { VIRR, requestVirtualInterrupt, setVirtualRegister, virtualRegister } from './virtual-apic';
import { currentVmcs, field, field32 } from './vmcs';

@inline const NOTIFICATION: u64 = 32;
@inline const OUTSTANDING: u64 = 1;

/** Whether an acknowledged external interrupt starts posted-interrupt processing instead of a VM exit. */
export function isPostedInterruptNotification(vector: u32): bool {
  return (load<u32>(CPU_PIN_CONTROLS) & PIN_PROCESS_POSTED_INTERRUPTS) != 0 && vector == field32(currentVmcs(), VMCS_POSTED_INTERRUPT_NOTIFICATION_VECTOR);
}

/** The steps after the acknowledgement, which nothing interrupts. */
export function processPostedInterrupts(): void {
  const descriptor = field(currentVmcs(), VMCS_POSTED_INTERRUPT_DESCRIPTOR_ADDRESS);
  // 1. ON is cleared. 2. The local APIC's interrupt ends.
  writePhysical64(descriptor + NOTIFICATION, readPhysical64(descriptor + NOTIFICATION) & ~OUTSTANDING);
  endActiveInterrupt();
  // 3. PIR joins VIRR and is cleared. 4. RVI becomes at least the highest posted vector.
  let highest: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    const posted = readPhysical32(descriptor + (n << 2));
    if (posted == 0) continue;
    writePhysical32(descriptor + (n << 2), 0);
    setVirtualRegister(VIRR + (n << 4), virtualRegister(VIRR + (n << 4)) | posted);
    highest = (n << 5) + 31 - <u32>clz<u32>(posted);
  }
  // 5. Evaluation.
  requestVirtualInterrupt(highest);
}
