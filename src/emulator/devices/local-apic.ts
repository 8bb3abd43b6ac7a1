// Local APICs, one per vCPU: enabling, priorities, acceptance and acknowledgement of interrupts, local vector table, errors.
// SDM 3A chapter 11 'Advanced Programmable Interrupt Controller (APIC)'. State of parked vCPUs' APICs stays in its block, so messages
// reach them while another vCPU runs.
import {
  APIC_ATTENTION, APIC_BASE, APIC_BYTES, APIC_DFR, APIC_DIVIDE, APIC_ERRORS, APIC_ESR, APIC_ICR_HIGH, APIC_ICR_LOW, APIC_ID, APIC_INITIAL_COUNT, APIC_IRR, APIC_ISR, APIC_LDR, APIC_LVT,
  APIC_PENDING_INIT, APIC_PENDING_NMI, APIC_PENDING_SIPI, APIC_SPURIOUS, APIC_TIMER_DEADLINE, APIC_TIMER_START, APIC_TMR, APIC_TPR, APIC_TSC_DEADLINE, MAXIMUM_VCPUS,
} from '../core/generated/devices';
import { CPU_APIC_BASE, CPU_ID, M_VCPU_COUNT } from '../core/generated/layout';
import { attend } from '../core/state';
import { NEVER } from './clock';
import { deadlinesChanged } from './deadlines';
import { ioApicEndOfInterrupt, ioApicPassesPic } from './io-apic';
import { MODE_EXTINT, MODE_FIXED, MODE_INIT, MODE_NMI } from './interrupt-messages';
import { acknowledgePic, picOutput, picVector } from './pic';

// IA32_APIC_BASE
@inline export const BASE_BSP: u64 = 0x100;
@inline export const BASE_X2APIC: u64 = 0x400;
@inline export const BASE_ENABLED: u64 = 0x800;
@inline const DEFAULT_PAGE: u64 = 0xfee00000;

// entries of the local vector table
@inline export const LVT_TIMER: u32 = 0;
@inline export const LVT_PERFORMANCE: u32 = 2;
@inline export const LVT_LINT0: u32 = 3;
@inline export const LVT_LINT1: u32 = 4;
@inline export const LVT_ERROR: u32 = 5;
@inline export const LVT_ENTRIES: u32 = 6;
@inline export const LVT_MASKED: u32 = 0x10000;

// error status
@inline export const ERROR_SEND_ILLEGAL_VECTOR: u32 = 0x20;
@inline export const ERROR_RECEIVE_ILLEGAL_VECTOR: u32 = 0x40;
@inline export const ERROR_ILLEGAL_REGISTER: u32 = 0x80;

// spurious-interrupt vector register
@inline export const SPURIOUS_ENABLED: u32 = 0x100;
@inline export const SPURIOUS_NO_EOI_BROADCAST: u32 = 0x1000;

@inline export function apicCell(vcpu: u32, cell: usize): usize { return cell + <usize>vcpu * APIC_BYTES; }
@inline export function apicGet(vcpu: u32, cell: usize): u32 { return load<u32>(apicCell(vcpu, cell)); }
@inline export function apicSet(vcpu: u32, cell: usize, value: u32): void { store<u32>(apicCell(vcpu, cell), value); }
@inline export function apicGet64(vcpu: u32, cell: usize): u64 { return load<u64>(apicCell(vcpu, cell)); }
@inline export function apicSet64(vcpu: u32, cell: usize, value: u64): void { store<u64>(apicCell(vcpu, cell), value); }
@inline export function activeVcpu(): u32 { return load<u32>(CPU_ID); }

@inline export function lvt(vcpu: u32, entry: u32): u32 { return load<u32>(apicCell(vcpu, APIC_LVT) + (<usize>entry << 2)); }
@inline export function setLvt(vcpu: u32, entry: u32, value: u32): void { store<u32>(apicCell(vcpu, APIC_LVT) + (<usize>entry << 2), value); }

/** Enabled by IA32_APIC_BASE. */
@inline export function apicEnabled(vcpu: u32): bool { return (apicGet64(vcpu, APIC_BASE) & BASE_ENABLED) != 0; }
@inline export function x2apicMode(vcpu: u32): bool { return (apicGet64(vcpu, APIC_BASE) & BASE_X2APIC) != 0; }
/** Enabled by the spurious-interrupt vector register as well. */
@inline export function softwareEnabled(vcpu: u32): bool { return (apicGet(vcpu, APIC_SPURIOUS) & SPURIOUS_ENABLED) != 0; }

/** Something arrived for that vCPU, which looks at it at its next boundary. */
export function arrived(vcpu: u32): void {
  apicSet(vcpu, APIC_ATTENTION, 1);
  attend();
}

// ---- reset

/** State after power-up or INIT, but for the id and IA32_APIC_BASE. SDM 3A 'Local APIC State'. */
export function initializeApic(vcpu: u32): void {
  memory.fill(apicCell(vcpu, APIC_ISR), 0, 32);
  memory.fill(apicCell(vcpu, APIC_TMR), 0, 32);
  memory.fill(apicCell(vcpu, APIC_IRR), 0, 32);
  for (let entry: u32 = 0; entry < LVT_ENTRIES; entry++) setLvt(vcpu, entry, LVT_MASKED);
  apicSet(vcpu, APIC_TPR, 0);
  apicSet(vcpu, APIC_LDR, 0);
  apicSet(vcpu, APIC_DFR, 0xffffffff);
  apicSet(vcpu, APIC_SPURIOUS, 0xff);
  apicSet(vcpu, APIC_ESR, 0);
  apicSet(vcpu, APIC_ERRORS, 0);
  apicSet(vcpu, APIC_ICR_LOW, 0);
  apicSet(vcpu, APIC_ICR_HIGH, 0);
  apicSet(vcpu, APIC_INITIAL_COUNT, 0);
  apicSet(vcpu, APIC_DIVIDE, 0);
  apicSet64(vcpu, APIC_TIMER_START, 0);
  apicSet64(vcpu, APIC_TSC_DEADLINE, 0);
  apicSet64(vcpu, APIC_TIMER_DEADLINE, NEVER);
}

/** Every local APIC as after power-up. */
export function resetApics(): void {
  for (let vcpu: u32 = 0; vcpu < MAXIMUM_VCPUS; vcpu++) {
    initializeApic(vcpu);
    apicSet(vcpu, APIC_ID, vcpu);
    apicSet64(vcpu, APIC_BASE, DEFAULT_PAGE | BASE_ENABLED | (vcpu == 0 ? BASE_BSP : 0));
  }
  store<u64>(CPU_APIC_BASE, apicGet64(activeVcpu(), APIC_BASE));
}

/** What firmware leaves on the first processor: the APIC enabled, LINT0 passes the 8259 pair, LINT1 is NMI (MP specification 'Virtual Wire Mode'). */
export function enterVirtualWire(): void {
  apicSet(0, APIC_SPURIOUS, SPURIOUS_ENABLED | 0xff);
  setLvt(0, LVT_LINT0, MODE_EXTINT << 8);
  setLvt(0, LVT_LINT1, MODE_NMI << 8);
  attend();
}

// ---- sets of 256 vectors

@inline function setVector(set: usize, vector: u32): void { store<u8>(set + (vector >> 3), load<u8>(set + (vector >> 3)) | <u8>(<u32>1 << (vector & 7))); }
@inline function clearVector(set: usize, vector: u32): void { store<u8>(set + (vector >> 3), load<u8>(set + (vector >> 3)) & ~<u8>(<u32>1 << (vector & 7))); }
@inline function hasVector(set: usize, vector: u32): bool { return (load<u8>(set + (vector >> 3)) & (<u32>1 << (vector & 7))) != 0; }
/** The highest vector of a set, 0 if it is empty (vectors below 16 never enter). */
function highestVector(set: usize): u32 {
  const d = load<u64>(set, 24), c = load<u64>(set, 16);
  if (d) return 255 - <u32>clz(d);
  if (c) return 191 - <u32>clz(c);
  const b = load<u64>(set, 8), a = load<u64>(set);
  return b ? 127 - <u32>clz(b) : a ? 63 - <u32>clz(a) : 0;
}

// ---- priorities

/** PPR. SDM 3A 'Task and Processor Priorities'. */
export function processorPriority(vcpu: u32): u32 {
  const task = apicGet(vcpu, APIC_TPR), inService = highestVector(apicCell(vcpu, APIC_ISR));
  return task >> 4 >= inService >> 4 ? task : inService & 0xf0;
}
/** The highest request above the processor priority, 0 if there is none. */
function deliverableVector(vcpu: u32): u32 {
  const vector = highestVector(apicCell(vcpu, APIC_IRR));
  return vector && vector >> 4 > processorPriority(vcpu) >> 4 ? vector : 0;
}

/** INTR of the 8259 pair goes to that vCPU: its APIC is disabled, LINT0 passes it, or the I/O APIC does. */
function picReaches(vcpu: u32): bool {
  if (!apicEnabled(vcpu)) return vcpu == 0;
  return (lvt(vcpu, LVT_LINT0) & (LVT_MASKED | 0x700)) == MODE_EXTINT << 8 || ioApicPassesPic(vcpu);
}

/** 0, or 100h | the vector that an acknowledgement would give now. */
export function pendingInterrupt(vcpu: u32): u32 {
  if (picOutput() && picReaches(vcpu)) return 0x100 | picVector();
  if (!apicEnabled(vcpu)) return 0;
  const vector = deliverableVector(vcpu);
  return vector ? 0x100 | vector : 0;
}

/** The processor takes an interrupt; returns its vector. The 8259 pair goes first: its INTR is not subject to priorities. */
export function acknowledge(vcpu: u32): u32 {
  if (picOutput() && picReaches(vcpu)) return acknowledgePic();
  const vector = deliverableVector(vcpu);
  // the request has gone since the processor saw it: whoever is asked answers with its spurious vector
  if (vector == 0) return picReaches(vcpu) ? acknowledgePic() : apicGet(vcpu, APIC_SPURIOUS) & 0xff;
  clearVector(apicCell(vcpu, APIC_IRR), vector);
  setVector(apicCell(vcpu, APIC_ISR), vector);
  return vector;
}

/** A fixed interrupt arrives. False: the APIC is disabled and does not accept it. */
export function acceptInterrupt(vcpu: u32, vector: u32, level: bool): bool {
  if (!apicEnabled(vcpu) || !softwareEnabled(vcpu)) return false;
  if (vector < 16) { reportError(vcpu, ERROR_RECEIVE_ILLEGAL_VECTOR); return true; }
  setVector(apicCell(vcpu, APIC_IRR), vector);
  if (level) setVector(apicCell(vcpu, APIC_TMR), vector); else clearVector(apicCell(vcpu, APIC_TMR), vector);
  arrived(vcpu);
  return true;
}

/** EOI register: the highest vector in service ends; a level-triggered one is told to the I/O APIC unless software does that itself. */
export function endOfInterrupt(vcpu: u32): void {
  const vector = highestVector(apicCell(vcpu, APIC_ISR));
  if (vector == 0) return;
  clearVector(apicCell(vcpu, APIC_ISR), vector);
  if (hasVector(apicCell(vcpu, APIC_TMR), vector) && (apicGet(vcpu, APIC_SPURIOUS) & SPURIOUS_NO_EOI_BROADCAST) == 0) ioApicEndOfInterrupt(vector);
  if (deliverableVector(vcpu)) attend();
}

export function setTaskPriority(vcpu: u32, value: u32): void {
  apicSet(vcpu, APIC_TPR, value & 0xff);
  if (deliverableVector(vcpu)) attend();
}

// ---- local interrupts

/** A source of the local vector table fires. SDM 3A 'Local Vector Table'. */
export function localInterrupt(vcpu: u32, entry: u32): void {
  const value = lvt(vcpu, entry), mode = value >> 8 & 7;
  if (!apicEnabled(vcpu) || (value & LVT_MASKED) != 0) return;
  // timer and error have no delivery mode: those bits are 0, which is fixed
  if (mode == MODE_FIXED) acceptInterrupt(vcpu, value & 0xff, false);
  else if (mode == MODE_NMI) { apicSet(vcpu, APIC_PENDING_NMI, 1); arrived(vcpu); }
  else if (mode == MODE_INIT) { apicSet(vcpu, APIC_PENDING_INIT, 1); arrived(vcpu); }
}

/** Accumulates an error; the first of its kind since ESR was written raises the error interrupt. SDM 3A 'Error Handling'. */
export function reportError(vcpu: u32, error: u32): void {
  const errors = apicGet(vcpu, APIC_ERRORS);
  apicSet(vcpu, APIC_ERRORS, errors | error);
  if ((errors & error) == 0) localInterrupt(vcpu, LVT_ERROR);
}

/** INTR of the 8259 pair, wired to LINT0 of every local APIC, changes. */
export function picOutputChanged(level: bool): void {
  if (!level) return;
  const count = load<u32>(M_VCPU_COUNT);
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (picReaches(vcpu)) arrived(vcpu); else localInterrupt(vcpu, LVT_LINT0);
  }
}

/** The NMI input, wired to LINT1 of every local APIC, is pulsed. */
export function pulseNmiLine(): void {
  const count = load<u32>(M_VCPU_COUNT);
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (apicEnabled(vcpu)) localInterrupt(vcpu, LVT_LINT1);
    else if (vcpu == 0) { apicSet(vcpu, APIC_PENDING_NMI, 1); arrived(vcpu); }
  }
}

// ---- INIT, SIPI and NMI for the vCPU scheduler

/** Takes the signal alone: VMX may block it or turn it into an exit. */
export function takePendingInit(vcpu: u32): bool {
  const pending = apicGet(vcpu, APIC_PENDING_INIT) != 0;
  apicSet(vcpu, APIC_PENDING_INIT, 0);
  return pending;
}
/** The processor performs its INIT: its APIC does too. */
export function performInit(vcpu: u32): void {
  initializeApic(vcpu);
  deadlinesChanged();
}
/** 0, or 1 + the vector of the start-up IPI. */
export function takePendingSipi(vcpu: u32): u32 {
  const sipi = apicGet(vcpu, APIC_PENDING_SIPI);
  apicSet(vcpu, APIC_PENDING_SIPI, 0);
  return sipi;
}
export function takePendingNmi(vcpu: u32): bool {
  const pending = apicGet(vcpu, APIC_PENDING_NMI) != 0;
  apicSet(vcpu, APIC_PENDING_NMI, 0);
  return pending;
}
export function hasPendingEvent(vcpu: u32): bool {
  return (apicGet(vcpu, APIC_PENDING_INIT) | apicGet(vcpu, APIC_PENDING_SIPI) | apicGet(vcpu, APIC_PENDING_NMI)) != 0 || pendingInterrupt(vcpu) != 0;
}
