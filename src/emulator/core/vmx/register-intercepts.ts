// Control and debug registers and the time-stamp counter in VMX non-root operation: SDM 3C 26.1.3 'Instructions That Cause VM Exits
// Conditionally', 26.3 'Changes to Instruction Behavior in VMX Non-Root Operation'. Bits that a guest/host mask selects belong to the host: the
// guest reads them from the read shadow, and a write that differs from the shadow exits. In root operation the masks are 0.
import { CPU_CR0_MASK, CPU_CR0_SHADOW, CPU_CR4_MASK, CPU_CR4_SHADOW, CPU_TSC_OFFSET } from '../generated/layout';
import {
  EXIT_CR_ACCESS, EXIT_MOV_DR, VMCS_CR3_TARGET_COUNT, VMCS_CR3_TARGET_VALUE_0, VMCS_CR3_TARGET_VALUE_1, VMCS_CR3_TARGET_VALUE_2, VMCS_CR3_TARGET_VALUE_3, VMCS_TSC_MULTIPLIER,
} from '../generated/vmx';
import { CR0_EM, CR0_MP, CR0_PE, CR0_TS, cr0, cr4 } from '../state';
import { cr3LoadExiting, cr3StoreExiting, cr8LoadExiting, cr8StoreExiting, movDrExiting, useTscOffsetting, useTscScaling } from './controls';
import { exitWithLinearAddress, vmExit } from './exit';
import { currentVmcs, field, field32 } from './vmcs';

// access types of the control-register qualification
@inline const MOV_FROM_CR: u32 = 1 << 4;
@inline const CLTS: u32 = 2 << 4;
@inline const LMSW: u32 = 3 << 4;
@inline const LMSW_MEMORY: u32 = 1 << 6;
@inline const MOV_FROM_DR: u32 = 1 << 4;

@inline function crExit(qualification: u32): u32 {
  vmExit(EXIT_CR_ACCESS, qualification);
  return 1;
}

/** MOV to CR0, CR3, CR4 or CR8 of `value` from general register `register`. 0: go on, writing cr0WriteValue or cr4WriteValue; 1: exited. */
export function interceptMovToCr(cr: u32, value: u64, register: u32): u32 {
  const qualification = cr | register << 8;
  if (cr == 0) return ((value ^ load<u64>(CPU_CR0_SHADOW)) & load<u64>(CPU_CR0_MASK)) != 0 ? crExit(qualification) : 0;
  if (cr == 3) return cr3LoadExiting() && !isCr3Target(value) ? crExit(qualification) : 0;
  if (cr == 4) return ((value ^ load<u64>(CPU_CR4_SHADOW)) & load<u64>(CPU_CR4_MASK)) != 0 ? crExit(qualification) : 0;
  return cr == 8 && cr8LoadExiting() ? crExit(qualification) : 0;
}

/** MOV from CR3 or CR8 (CR0 and CR4 never exit: see cr0ReadValue). */
export function interceptMovFromCr(cr: u32, register: u32): u32 {
  const exits = (cr == 3 && cr3StoreExiting()) || (cr == 8 && cr8StoreExiting());
  return exits ? crExit(cr | MOV_FROM_CR | register << 8) : 0;
}

/** Whether `value` is one of the first CR3-target-count CR3-target values. */
function isCr3Target(value: u64): bool {
  const vmcs = currentVmcs(), count = field32(vmcs, VMCS_CR3_TARGET_COUNT);
  return (count > 0 && value == field(vmcs, VMCS_CR3_TARGET_VALUE_0)) || (count > 1 && value == field(vmcs, VMCS_CR3_TARGET_VALUE_1))
    || (count > 2 && value == field(vmcs, VMCS_CR3_TARGET_VALUE_2)) || (count > 3 && value == field(vmcs, VMCS_CR3_TARGET_VALUE_3));
}

/** CLTS. It then writes cr0WriteValue(CR0 without TS), which leaves a host-owned TS as it is. */
export function interceptClts(): bool {
  if ((load<u64>(CPU_CR0_MASK) & load<u64>(CPU_CR0_SHADOW) & CR0_TS) == 0) return false;
  crExit(CLTS);
  return true;
}

/** LMSW of `source`; `linear`: address of a memory operand. It can set PE but not clear it. */
export function interceptLmsw(source: u32, linear: u64, isMemory: bool): bool {
  const mask = load<u64>(CPU_CR0_MASK), shadow = load<u64>(CPU_CR0_SHADOW);
  const differs = ((source ^ shadow) & mask & (CR0_TS | CR0_EM | CR0_MP)) != 0, setsPe = (source & mask & ~shadow & CR0_PE) != 0;
  if (!differs && !setsPe) return false;
  const qualification = LMSW | (source & 0xffff) << 16;
  if (isMemory) exitWithLinearAddress(EXIT_CR_ACCESS, qualification | LMSW_MEMORY, 0, linear);
  else vmExit(EXIT_CR_ACCESS, qualification);
  return true;
}

/** What the guest reads from CR0 (MOV, SMSW) and CR4. */
export function cr0ReadValue(): u64 { return (cr0() & ~load<u64>(CPU_CR0_MASK)) | (load<u64>(CPU_CR0_SHADOW) & load<u64>(CPU_CR0_MASK)); }
export function cr4ReadValue(): u64 { return (cr4() & ~load<u64>(CPU_CR4_MASK)) | (load<u64>(CPU_CR4_SHADOW) & load<u64>(CPU_CR4_MASK)); }
/** What a write of `value` puts into the register: host-owned bits stay. */
export function cr0WriteValue(value: u64): u64 { return (value & ~load<u64>(CPU_CR0_MASK)) | (cr0() & load<u64>(CPU_CR0_MASK)); }
export function cr4WriteValue(value: u64): u64 { return (value & ~load<u64>(CPU_CR4_MASK)) | (cr4() & load<u64>(CPU_CR4_MASK)); }

/** MOV to or from debug register `dr`. This exit ranks above the CPL check, #UD of CR4.DE and #DB of DR7.GD. */
export function interceptMovDr(dr: u32, isRead: bool, register: u32): bool {
  if (!movDrExiting()) return false;
  vmExit(EXIT_MOV_DR, dr | (isRead ? MOV_FROM_DR : 0) | register << 8);
  return true;
}

/**
 * The time-stamp counter as RDTSC, RDTSCP and RDMSR of it deliver it: SDM 3C 26.3. With TSC scaling, which counts with offsetting only, the product of counter and multiplier counts
 * without its low 48 bits; the offset is added after that.
 */
export function tscOffsetApplied(tsc: u64): u64 {
  if (!useTscOffsetting()) return tsc;
  const scaled = useTscScaling() ? scaledBy(tsc, field(currentVmcs(), VMCS_TSC_MULTIPLIER)) : tsc;
  return scaled + load<u64>(CPU_TSC_OFFSET);
}

/** Bits 111:48 of the 128-bit product. */
function scaledBy(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff, aHigh = a >> 32, bLow = b & 0xffffffff, bHigh = b >> 32;
  const low = aLow * bLow, cross = aHigh * bLow + (low >> 32), middle = aLow * bHigh + (cross & 0xffffffff);
  const productHigh = aHigh * bHigh + (cross >> 32) + (middle >> 32), productLow = middle << 32 | (low & 0xffffffff);
  return productHigh << 16 | productLow >> 48;
}
