// Several vCPUs on one engine: the active one lives at the fixed addresses of the region `cpu`, the others are parked. They take turns in the order
// of their numbers, each for a quantum of units; a vCPU that waits (HLT, shutdown, wait for SIPI) lets its turn pass. Time goes on over all
// of them, so that no clock ever runs backwards for anybody, and it jumps to the next event when all wait. Whose turn it is depends on time and
// machine state alone, never on where `run` was asked to stop.
import {
  CPU_ACTIVITY, CPU_ID, CPU_NON_ROOT, CPU_PROC2_CONTROLS, CPU_STATE_BYTES, CPU_VMX_BOUNDARY, CPU_WAKE_TIME, EVENT_VCPU_SWITCH, M_BUDGET, M_DEADLINE, M_QUANTUM_END, M_RUN_END,
  M_VCPU_COUNT, REGION_CPU, REGION_CPU_SIZE, REGION_PARKED_CPUS, STOP_IDLE,
} from './generated/layout';
import { SECONDARY_PAUSE_LOOP_EXITING } from './generated/vmx';
import { nextDeviceDeadline, vcpuAttention, vcpuLooked } from '../devices/bus';
import { countersAreInUse, recount, skipCounting } from './performance-counters';
import { plainEvent } from './ring';
import { attend, interruptShadow, time } from './state';
import { requestStop } from './stop';
import { selectTlb } from './tlb';
import { nextVmxDeadline } from './vmx/boundary';
import { BOUNDARY_MTF } from './vmx/entry';

@inline const NEVER: u64 = 0xffffffffffffffff;
/** Units of one turn. A turn costs a fraction of a microsecond beside its instructions. */
@inline export const QUANTUM: u64 = 5000;

@inline function parkedAt(vcpu: u32): usize { return REGION_PARKED_CPUS + <usize>vcpu * REGION_CPU_SIZE; }
/** Address of a cell of that vCPU's state, active or parked. */
@inline function cellOf(vcpu: u32, cell: usize): usize { return vcpu == load<u32>(CPU_ID) ? cell : parkedAt(vcpu) + (cell - REGION_CPU); }

/** Copies the active vCPU to where it is parked. */
export function park(): void { memory.copy(parkedAt(load<u32>(CPU_ID)), REGION_CPU, CPU_STATE_BYTES); }

/** Makes a vCPU the active one, without its turn having come. */
export function exchange(vcpu: u32): void {
  if (vcpu == load<u32>(CPU_ID)) return;
  if (countersAreInUse()) recount();
  park();
  memory.copy(REGION_CPU, parkedAt(vcpu), CPU_STATE_BYTES);
  if (countersAreInUse()) skipCounting();
  // contexts may have been emptied or given away meanwhile
  selectTlb();
}

/** Whether a vCPU runs, or has to look at what has arrived. */
function isReady(vcpu: u32, now: u64): bool {
  return load<u32>(cellOf(vcpu, CPU_ACTIVITY)) == 0 || vcpuAttention(vcpu) || load<u64>(cellOf(vcpu, CPU_WAKE_TIME)) <= now;
}

/** The turn does not end between STI or MOV SS and the next instruction, nor before the instruction after which the monitor trap flag is due. */
function isHeld(): bool { return interruptShadow() != 0 || (load<u32>(CPU_VMX_BOUNDARY) & BOUNDARY_MTF) != 0; }

/** Between two instructions of a machine with several vCPUs: the next one takes over when the turn is up or the active one waits. */
export function schedule(): void {
  const now = time(), active = load<u32>(CPU_ID), count = load<u32>(M_VCPU_COUNT), ready = isReady(active, now);
  if (ready && (now < load<u64>(M_QUANTUM_END) || isHeld())) return;
  for (let k: u32 = 1; k < count; k++) {
    const vcpu = (active + k) % count;
    if (!isReady(vcpu, now)) continue;
    exchange(vcpu);
    store<u64>(M_QUANTUM_END, now + QUANTUM);
    plainEvent(EVENT_VCPU_SWITCH, active);
    return;
  }
  if (ready) store<u64>(M_QUANTUM_END, now + QUANTUM);
}

/** The active vCPU goes on running: before it waits again, it looks at its events once more. */
@inline export function keepAwake(): void { store<u64>(CPU_WAKE_TIME, 0); }

/** The active vCPU waits and has found nothing to wake for: another takes its turn; when all wait, time passes to the next event. */
export function rest(): void {
  const now = time(), active = load<u32>(CPU_ID), count = load<u32>(M_VCPU_COUNT);
  vcpuLooked(active);
  store<u64>(CPU_WAKE_TIME, load<u32>(CPU_NON_ROOT) != 0 ? max<u64>(nextVmxDeadline(), now + 1) : NEVER);
  let next = nextDeviceDeadline();
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (vcpu != active && isReady(vcpu, now)) { passTo(now); return; }
    next = min<u64>(next, load<u64>(cellOf(vcpu, CPU_WAKE_TIME)));
  }
  if (next == NEVER) requestStop(STOP_IDLE, 0, 0);
  else passTo(max<u64>(min<u64>(next, load<u64>(M_RUN_END)), now + 1));
}

@inline function passTo(instant: u64): void {
  store<u64>(M_DEADLINE, instant);
  store<i32>(M_BUDGET, 0);
}

/** PAUSE and MWAIT: whoever spins waits for another vCPU, if one is ready. The intervals that PAUSE-loop exiting measures stay as they are. */
export function yieldTurn(): void {
  const count = load<u32>(M_VCPU_COUNT);
  if (count == 1 || (load<u32>(CPU_PROC2_CONTROLS) & SECONDARY_PAUSE_LOOP_EXITING) != 0) return;
  const now = time(), active = load<u32>(CPU_ID);
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (vcpu == active || !isReady(vcpu, now)) continue;
    store<u64>(M_QUANTUM_END, now);
    attend();
    return;
  }
}
