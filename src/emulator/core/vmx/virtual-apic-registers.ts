// CR8 and the x2APIC MSRs on the virtual-APIC page: SDM 3C 30.3 'Virtualizing CR8-Based TPR Accesses', 30.5 'Virtualizing MSR-Based APIC Accesses'.
// Exits for these instructions (CR8-load and CR8-store exiting, MSR bitmaps) come before.
import { readPhysical64, writePhysical64 } from '../memory';
import { GP, NEXT, raiseError } from '../state';
import { apicRegisterVirtualization, useTprShadow, virtualInterruptDelivery, virtualizeX2apicMode } from './controls';
import { VTPR, pendApicWriteExit, setVirtualRegister, virtualApicPage, virtualRegister, virtualizeEoi, virtualizeSelfIpi, virtualizeTpr } from './virtual-apic';

@inline const TPR_MSR: u32 = 0x808;
@inline const EOI_MSR: u32 = 0x80b;
@inline const SELF_IPI_MSR: u32 = 0x83f;
@inline const SELF_IPI: u32 = 0x3f0;

/** Whether CR8 is the task priority of the virtual-APIC page. False in root operation. */
export function cr8IsVirtual(): bool { return useTprShadow(); }
export function readVirtualCr8(): u64 { return virtualRegister(VTPR) >> 4 & 15; }
/** `value`: 0 to 15. */
export function writeVirtualCr8(value: u32): void {
  setVirtualRegister(VTPR, value << 4);
  virtualizeTpr();
}

@inline function isX2apic(index: u32): bool { return index >> 8 == 8; }
@inline function placeOf(index: u32): u64 { return virtualApicPage() + ((index & 0xff) << 4); }

/** Whether RDMSR of `index` reads the virtual-APIC page; it does so in every mode of the local APIC. */
export function msrReadIsVirtual(index: u32): bool { return isX2apic(index) && virtualizeX2apicMode() && (index == TPR_MSR || apicRegisterVirtualization()); }
/** The eight bytes of the register. */
export function readVirtualMsr(index: u32): u64 { return readPhysical64(placeOf(index)); }

export function msrWriteIsVirtual(index: u32): bool {
  if (!isX2apic(index) || !virtualizeX2apicMode()) return false;
  return index == TPR_MSR || ((index == EOI_MSR || index == SELF_IPI_MSR) && virtualInterruptDelivery());
}
/** WRMSR of such an MSR: reserved bits fault, then the eight bytes are written and virtualized. */
export function writeVirtualMsr(index: u32, value: u64): i32 {
  if (index == EOI_MSR ? value != 0 : value >> 8 != 0) return raiseError(GP, 0);
  writePhysical64(placeOf(index), value);
  if (index == TPR_MSR) virtualizeTpr();
  else if (index == EOI_MSR) virtualizeEoi();
  else if ((value & 0xf0) != 0) virtualizeSelfIpi(<u32>value);
  else pendApicWriteExit(SELF_IPI);
  return NEXT;
}
