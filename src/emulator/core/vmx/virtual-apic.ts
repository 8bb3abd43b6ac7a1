// The virtual-APIC page and what the processor does with it: SDM 3C 30.1 'Virtual APIC State', 30.2 'Evaluation and Delivery of Virtual Interrupts'.
// The page lies in host-physical memory; RVI and SVI are the two bytes of the guest interrupt status, a field of the current VMCS.
// Invariant: a virtual interrupt is recognized (CPU_VIRTUAL_INTERRUPT) only by an evaluation, and an exit that an operation on the page causes
// is trap-like: it waits in CPU_APIC_EXIT for the end of the instruction.
import { CPU_APIC_EXIT, CPU_VIRTUAL_INTERRUPT } from '../generated/layout';
import {
  EXIT_APIC_WRITE, EXIT_TPR_BELOW_THRESHOLD, EXIT_VIRTUALIZED_EOI, VMCS_EOI_EXIT_BITMAP_0, VMCS_GUEST_INTERRUPT_STATUS, VMCS_TPR_THRESHOLD, VMCS_VIRTUAL_APIC_ADDRESS,
} from '../generated/vmx';
import { readPhysical32, writePhysical32 } from '../memory';
import { attend } from '../state';
import { interruptWindowExiting, useTprShadow, virtualInterruptDelivery, virtualizeApicAccesses } from './controls';
import { boundaryExitKeepingDebug } from './exit';
import { currentVmcs, field, field32, markVmcsWritten, setField } from './vmcs';

// offsets in the page
@inline export const VTPR: u32 = 0x80;
@inline const VPPR: u32 = 0xa0;
@inline export const VEOI: u32 = 0xb0;
@inline const VISR: u32 = 0x100;
@inline export const VIRR: u32 = 0x200;

@inline const CLASS: u32 = 0xf0;

/** Host-physical address of the page. */
@inline export function virtualApicPage(): u64 { return field(currentVmcs(), VMCS_VIRTUAL_APIC_ADDRESS); }
@inline export function virtualRegister(offset: u32): u32 { return readPhysical32(virtualApicPage() + offset); }
@inline export function setVirtualRegister(offset: u32, value: u32): void { writePhysical32(virtualApicPage() + offset, value); }

// ---- sets of 256 vectors: 32 bits in each sixteen bytes

@inline function registerOf(set: u32, vector: u32): u32 { return set + (vector >> 5 << 4); }
@inline function setVector(set: u32, vector: u32): void { setVirtualRegister(registerOf(set, vector), virtualRegister(registerOf(set, vector)) | 1 << (vector & 31)); }
@inline function clearVector(set: u32, vector: u32): void { setVirtualRegister(registerOf(set, vector), virtualRegister(registerOf(set, vector)) & ~(1 << (vector & 31))); }
/** The highest vector of a set, 0 if it is empty. */
function highestVector(set: u32): u32 {
  for (let n: i32 = 7; n >= 0; n--) {
    const bits = virtualRegister(set + (<u32>n << 4));
    if (bits != 0) return (<u32>n << 5) + 31 - <u32>clz<u32>(bits);
  }
  return 0;
}

@inline function requested(): u32 { return field32(currentVmcs(), VMCS_GUEST_INTERRUPT_STATUS) & 0xff; }
@inline function inService(): u32 { return field32(currentVmcs(), VMCS_GUEST_INTERRUPT_STATUS) >> 8 & 0xff; }
@inline function setStatus(rvi: u32, svi: u32): void { setField(currentVmcs(), VMCS_GUEST_INTERRUPT_STATUS, rvi | svi << 8); markVmcsWritten(currentVmcs()); }

// ---- exits after the instruction

@inline function pendExit(reason: u32, qualification: u32): void {
  store<u32>(CPU_APIC_EXIT, reason | qualification << 16);
  attend();
}
/** A write to the page needs software: SDM 3C 30.4.3.3 'APIC-Write VM Exits'. */
export function pendApicWriteExit(offset: u32): void { pendExit(EXIT_APIC_WRITE, offset); }

/** Takes the exit that waits; call between two instructions. */
export function takeApicExit(): void {
  const pending = load<u32>(CPU_APIC_EXIT);
  store<u32>(CPU_APIC_EXIT, 0);
  boundaryExitKeepingDebug(pending & 0xffff, pending >> 16);
}

// ---- 30.1 and 30.2.1

/** SDM 3C 30.1.2 'TPR Virtualization'. */
export function virtualizeTpr(): void {
  if (virtualInterruptDelivery()) {
    virtualizePpr();
    evaluate();
  } else if (belowThreshold()) pendExit(EXIT_TPR_BELOW_THRESHOLD, 0);
}
@inline function belowThreshold(): bool { return (virtualRegister(VTPR) >> 4 & 15) < (field32(currentVmcs(), VMCS_TPR_THRESHOLD) & 15); }

/** SDM 3C 30.1.3 'PPR Virtualization'. */
function virtualizePpr(): void {
  const task = virtualRegister(VTPR) & 0xff, service = inService();
  setVirtualRegister(VPPR, task >> 4 >= service >> 4 ? task : service & CLASS);
}

/** SDM 3C 30.1.4 'EOI Virtualization'. */
export function virtualizeEoi(): void {
  const vector = inService();
  clearVector(VISR, vector);
  setStatus(requested(), highestVector(VISR));
  virtualizePpr();
  const bitmap = field(currentVmcs(), VMCS_EOI_EXIT_BITMAP_0 + (<usize>(vector >> 6) << 3));
  if ((bitmap >> (vector & 63) & 1) != 0) pendExit(EXIT_VIRTUALIZED_EOI, vector);
  else evaluate();
}

/** SDM 3C 30.1.5 'Self-IPI Virtualization'. */
export function virtualizeSelfIpi(vector: u32): void {
  setVector(VIRR, vector);
  requestVirtualInterrupt(vector);
}

/** RVI becomes at least `vector`, whose request is in VIRR already; then evaluation. */
export function requestVirtualInterrupt(vector: u32): void {
  setStatus(max<u32>(requested(), vector), inService());
  evaluate();
}

/** SDM 3C 30.2.1 'Evaluation of Pending Virtual Interrupts'. */
function evaluate(): void {
  const recognized = !interruptWindowExiting() && requested() >> 4 > (virtualRegister(VPPR) >> 4 & 15);
  store<u32>(CPU_VIRTUAL_INTERRUPT, recognized ? 1 : 0);
  if (recognized) attend();
}

// ---- 30.2.2

/**
 * SDM 3C 30.2.2 'Virtual-Interrupt Delivery', up to the delivery through the IDT: returns the vector. Call it when a virtual interrupt is recognized and
 * nothing blocks interrupts.
 */
export function takeVirtualInterrupt(): u32 {
  const vector = requested();
  setVector(VISR, vector);
  setVirtualRegister(VPPR, vector & CLASS);
  clearVector(VIRR, vector);
  setStatus(highestVector(VIRR), vector);
  store<u32>(CPU_VIRTUAL_INTERRUPT, 0);
  return vector;
}

/**
 * What a VM entry does: PPR virtualization and evaluation with virtual-interrupt delivery; without it, and with virtualized APIC accesses, SDM 3C 27.7.7
 * 'VM Exits Induced by the TPR Threshold'.
 */
export function enterVirtualApic(): void {
  if (virtualInterruptDelivery()) {
    virtualizePpr();
    evaluate();
  } else if (useTprShadow() && virtualizeApicAccesses() && belowThreshold()) pendExit(EXIT_TPR_BELOW_THRESHOLD, 0);
}
