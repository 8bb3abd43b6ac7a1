// The APIC-access page: SDM 3C 30.4 'Virtualizing Memory-Mapped APIC Accesses'. An access whose translation lies on the page goes to the virtual-APIC
// page, or causes a VM exit that ranks below the page faults and EPT violations of the access.
// Invariant: no translation to the page enters the TLB while virtualization is on, so that memory and blocks ask here at each access.
import { CPU_APIC_ACCESS_END, CPU_EVENT_VECTORING, CPU_EXIT_QUALIFICATION } from '../generated/layout';
import { readPhysical, writePhysical } from '../memory';
import { ABORT, ABORT_APIC_ACCESS, NEXT, abandon } from '../state';
import { apicRegisterVirtualization, useTprShadow, virtualInterruptDelivery } from './controls';
import { VEOI, VTPR, pendApicWriteExit, setVirtualRegister, virtualApicPage, virtualRegister, virtualizeEoi, virtualizeSelfIpi, virtualizeTpr } from './virtual-apic';

// access types of the qualification
@inline export const LINEAR_READ: u64 = 0;
@inline export const LINEAR_WRITE: u64 = 1;
@inline export const LINEAR_FETCH: u64 = 2;
@inline const LINEAR_IN_DELIVERY: u64 = 3;
@inline const PHYSICAL_IN_DELIVERY: u64 = 10;
@inline const PHYSICAL_IN_INSTRUCTION: u64 = 15;

@inline const ICR_LOW: u32 = 0x300;
@inline const ICR_HIGH: u32 = 0x310;
/** ICR bits that must be 0 in a self-IPI that the processor virtualizes, the shorthand apart: reserved, delivery status, trigger mode, delivery mode. */
@inline const ICR_SELF_IPI_ZERO: u32 = 0xfff3_b700;
@inline const ICR_SELF: u32 = 0x4_0000;
@inline const ICR_SHORTHAND: u32 = 0xc_0000;

/** Whether a host-physical address lies on the APIC-access page in force. */
@inline export function isApicAccess(physical: u64): bool { return (physical | 0xfff) == load<u64>(CPU_APIC_ACCESS_END); }

/** Records the exit for a linear access at `physical`. */
export function linearApicAccess(physical: u64, type: u64): i32 {
  const kind = load<u32>(CPU_EVENT_VECTORING) != 0 ? LINEAR_IN_DELIVERY : type;
  store<u64>(CPU_EXIT_QUALIFICATION, (physical & 0xfff) | kind << 12);
  return abandon(ABORT_APIC_ACCESS);
}
/** Records the exit for an access to a guest paging structure: SDM 3C 30.4.6 'APIC Accesses Not Directly Resulting From Linear Addresses'. */
export function guestPhysicalApicAccess(): i32 {
  store<u64>(CPU_EXIT_QUALIFICATION, (load<u32>(CPU_EVENT_VECTORING) != 0 ? PHYSICAL_IN_DELIVERY : PHYSICAL_IN_INSTRUCTION) << 12);
  return abandon(ABORT_APIC_ACCESS);
}

// ---- which accesses are virtualized

/** Offsets / 16 of the registers that APIC-register virtualization lets the guest read: ID to DFR and SVR; ISR, TMR, IRR; ESR to LVT error, initial count, divide. */
function isReadable(register: u32): bool {
  if (register >= 0x10 && register <= 0x28) return true;
  if (register >= 0x30 && register <= 0x38) return true;
  return register == 2 || register == 3 || register == 8 || register == 0xb || (register >= 0xd && register <= 0xf) || register == 0x3e;
}
function isWritable(register: u32): bool {
  if (register >= 0x30 && register <= 0x38) return true;
  return register == 2 || register == 8 || register == 0xb || (register >= 0xd && register <= 0xf) || register == 0x28 || register == 0x3e;
}

/** At most 32 bits, inside the low four bytes of a naturally aligned sixteen. */
@inline function isRegisterAccess(offset: u32, bytes: u32): bool { return useTprShadow() && (offset & 15) + bytes <= 4; }

/** SDM 3C 30.4.2 'Virtualizing Reads from the APIC-Access Page'. */
function readIsVirtualized(offset: u32, bytes: u32): bool {
  if (!isRegisterAccess(offset, bytes)) return false;
  return apicRegisterVirtualization() ? isReadable(offset >> 4) : offset == VTPR;
}

/** SDM 3C 30.4.3.1 'Determining Whether a Write Access is Virtualized'. */
function writeIsVirtualized(offset: u32, bytes: u32): bool {
  if (!isRegisterAccess(offset, bytes)) return false;
  if (apicRegisterVirtualization()) return isWritable(offset >> 4);
  return offset == VTPR || (virtualInterruptDelivery() && (offset == VEOI || offset == ICR_LOW));
}

// ---- the accesses

/**
 * A linear access of `bytes` at host-physical `physical` on the page, that `reads`, `writes` or does both; what a write stores comes later. Returns the value read.
 * An abort is recorded for an exit.
 */
export function readApicAccessPage(physical: u64, bytes: u32, reads: bool, writes: bool): u64 {
  const offset = <u32>physical & 0xfff;
  if (reads && !readIsVirtualized(offset, bytes)) { linearApicAccess(physical, LINEAR_READ); return 0; }
  if (writes && !writeIsVirtualized(offset, bytes)) { linearApicAccess(physical, LINEAR_WRITE); return 0; }
  return readPhysical(virtualApicPage() + offset, bytes);
}

/** A linear write; it must be the last thing that its instruction does. */
export function writeApicAccessPage(physical: u64, value: u64, bytes: u32): i32 {
  const offset = <u32>physical & 0xfff;
  if (!writeIsVirtualized(offset, bytes)) return linearApicAccess(physical, LINEAR_WRITE);
  writePhysical(virtualApicPage() + offset, value, bytes);
  emulateWrite(offset);
  return NEXT;
}

/** SDM 3C 30.4.3.2 'APIC-Write Emulation'. */
function emulateWrite(offset: u32): void {
  switch (offset & 0xff0) {
    case VTPR:
      setVirtualRegister(VTPR, virtualRegister(VTPR) & 0xff);
      virtualizeTpr();
      return;
    case VEOI:
      if (!virtualInterruptDelivery()) break;
      setVirtualRegister(VEOI, 0);
      virtualizeEoi();
      return;
    case ICR_LOW: {
      const command = virtualRegister(ICR_LOW);
      if (!virtualInterruptDelivery() || (command & ICR_SELF_IPI_ZERO) != 0 || (command & ICR_SHORTHAND) != ICR_SELF || (command & 0xf0) == 0) break;
      virtualizeSelfIpi(command & 0xff);
      return;
    }
    case ICR_HIGH:
      setVirtualRegister(ICR_HIGH, virtualRegister(ICR_HIGH) & 0xff000000);
      return;
    default: break;
  }
  pendApicWriteExit(offset);
}
