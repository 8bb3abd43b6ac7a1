// States that a processor starts from: RESET, INIT and start-up IPI (SDM 3A 'IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT',
// 'Multiple-Processor (MP) Initialization'). The machine comes up as firmware leaves it: the bootstrap processor is for the loader to set up,
// the others wait for a SIPI.
import {
  CPU_ACTIVITY, CPU_APIC_BASE, CPU_CR0, CPU_CR2, CPU_CR3, CPU_CR4, CPU_CURRENT_VMCS, CPU_DR, CPU_EFER, CPU_FEATURE_CONTROL, CPU_GDTR_BASE, CPU_GDTR_LIMIT, CPU_GPR, CPU_HOOK_SKIP, CPU_ID,
  CPU_IDTR_BASE, CPU_IDTR_LIMIT, CPU_INIT_PENDING, CPU_MISC_ENABLE, CPU_MTRR_DEF_TYPE, CPU_MXCSR, CPU_NMI_BLOCKED, CPU_NMI_PENDING, CPU_PAT, CPU_PENDING_DEBUG, CPU_PREEMPTION_DEADLINE,
  CPU_RFLAGS_SYSTEM, CPU_RIP, CPU_SHADOW_UNTIL, CPU_WAKE_TIME, CPU_XCR0, EVENT_RESET, M_QUANTUM_END, M_VCPU_COUNT, P_FEATURE_CONTROL, REGION_CPU, REGION_CPU_SIZE,
} from './generated/layout';
import { firmwareVirtualWire, initializeLocalApic, resetDevices } from '../devices/bus';
import { NO_TSC_DEADLINE, NO_X2APIC, SETTINGS_ABSENT_FEATURES, SYSTEM_RESET_REQUESTED } from './generated/devices';
import { resetBlocks } from './blocks';
import { cpuidLeaf, leafA, leafC } from './cpuid';
import { plainEvent } from './ring';
import { QUANTUM, exchange, park } from './scheduler';
import { setSegment, updateMode } from './segments';
import { CS, LDTR, RDX, setArithmeticFlags, setReg, time, TR } from './state';
import { resetTlbs } from './tlb';
import { ACTIVITY_ACTIVE, ACTIVITY_WAIT_FOR_SIPI } from './vmx/non-register-state';

@inline const BSP: u64 = 0x100;
@inline const CR0_ET: u64 = 0x10;
/** CD and NW, which INIT leaves as they are. */
@inline const CR0_CACHING: u64 = 0x60000000;

/** RESET of the whole machine. */
export function reset(): void {
  const count = load<u32>(M_VCPU_COUNT);
  resetTlbs();
  resetBlocks();
  for (let vcpu: u32 = count; vcpu-- != 0;) {
    powerUp(vcpu);
    if (vcpu != 0) park();
  }
  // the local APICs have what the processor model has; the firmware has put the first one into virtual-wire mode
  cpuidLeaf(1, 0);
  store<u32>(SETTINGS_ABSENT_FEATURES, (leafC >> 21 & 1 ? 0 : NO_X2APIC) | (leafC >> 24 & 1 ? 0 : NO_TSC_DEADLINE));
  resetDevices();
  firmwareVirtualWire();
  store<u64>(M_QUANTUM_END, count > 1 ? time() + QUANTUM : u64.MAX_VALUE);
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    exchange(vcpu);
    plainEvent(EVENT_RESET, 0);
  }
  exchange(0);
}

/** The active place holds that vCPU as after power-up. */
function powerUp(vcpu: u32): void {
  memory.fill(REGION_CPU, 0, REGION_CPU_SIZE);
  store<u32>(CPU_ID, vcpu);
  store<u64>(CPU_CR0, CR0_CACHING);
  store<u64>(CPU_PAT, 0x0007040600070406);
  store<u64>(CPU_MTRR_DEF_TYPE, 0xc06);
  store<u64>(CPU_MISC_ENABLE, 0x1);
  store<u64>(CPU_FEATURE_CONTROL, load<u32>(P_FEATURE_CONTROL));
  store<u64>(CPU_APIC_BASE, 0xfee00800 | (vcpu == 0 ? BSP : 0));
  store<u32>(CPU_MXCSR, 0x1f80);
  store<u32>(CPU_XCR0, 1);
  store<u64>(CPU_CURRENT_VMCS, u64.MAX_VALUE);
  store<u64>(CPU_PREEMPTION_DEADLINE, u64.MAX_VALUE);
  store<u64>(CPU_HOOK_SKIP, u64.MAX_VALUE);
  store<u64>(CPU_WAKE_TIME, u64.MAX_VALUE);
  initialState();
  store<u32>(CPU_ACTIVITY, vcpu == 0 ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_FOR_SIPI);
}

/** What RESET and INIT have in common. MSRs, MTRRs, the time-stamp counter and SSE state survive an INIT, and so do CR0.CD and CR0.NW. */
function initialState(): void {
  memory.fill(CPU_GPR, 0, 16 << 3);
  cpuidLeaf(1, 0);
  setReg(RDX, leafA);
  store<u64>(CPU_RFLAGS_SYSTEM, 2);
  setArithmeticFlags(0);
  store<u64>(CPU_RIP, 0);
  store<u64>(CPU_CR0, load<u64>(CPU_CR0) & CR0_CACHING | CR0_ET);
  store<u64>(CPU_CR2, 0);
  store<u64>(CPU_CR3, 0);
  store<u64>(CPU_CR4, 0);
  store<u64>(CPU_EFER, 0);
  for (let i: u32 = 0; i < 6; i++) setSegment(i, 0, 0, 0xffff, i == CS ? 0x9b : 0x93);
  setSegment(LDTR, 0, 0, 0xffff, 0x82);
  setSegment(TR, 0, 0, 0xffff, 0x8b);
  store<u64>(CPU_GDTR_BASE, 0);
  store<u64>(CPU_IDTR_BASE, 0);
  store<u32>(CPU_GDTR_LIMIT, 0xffff);
  store<u32>(CPU_IDTR_LIMIT, 0xffff);
  memory.fill(CPU_DR, 0, 8 << 3);
  store<u64>(CPU_DR + 48, 0xffff0ff0);
  store<u64>(CPU_DR + 56, 0x400);
  store<u64>(CPU_SHADOW_UNTIL, 0);
  store<u64>(CPU_PENDING_DEBUG, 0);
  store<u32>(CPU_NMI_BLOCKED, 0);
  store<u32>(CPU_NMI_PENDING, 0);
  updateMode();
}

/**
 * The active vCPU performs an INIT: an application processor then waits for a SIPI. The bootstrap processor would go on in firmware, of which there
 * is none: that is a reset of the machine, which software cannot take back.
 */
export function performInit(): void {
  store<u32>(CPU_INIT_PENDING, 0);
  const vcpu = load<u32>(CPU_ID);
  initialState();
  initializeLocalApic(vcpu);
  if (load<u64>(CPU_APIC_BASE) & BSP) store<u32>(SYSTEM_RESET_REQUESTED, 1);
  else store<u32>(CPU_ACTIVITY, ACTIVITY_WAIT_FOR_SIPI);
}

/** A start-up IPI ends the wait: real-address mode at page `vector`. */
export function startUp(vector: u32): void {
  setSegment(CS, vector << 8, <u64>vector << 12, 0xffff, 0x9b);
  store<u64>(CPU_RIP, 0);
  store<u32>(CPU_ACTIVITY, ACTIVITY_ACTIVE);
  updateMode();
}
