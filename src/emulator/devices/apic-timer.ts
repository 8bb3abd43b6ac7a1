// The timer of the local APIC: one-shot and periodic on the bus clock with its divider, and TSC-deadline mode. The count is a function of
// the present tick; only the next interrupt is a deadline. SDM 3A 'APIC Timer'.
import {
  APIC_BUS_HZ, APIC_DIVIDE, APIC_INITIAL_COUNT, APIC_TIMER_DEADLINE, APIC_TIMER_START, APIC_TSC_DEADLINE, NO_TSC_DEADLINE, SETTINGS_ABSENT_FEATURES,
} from '../core/generated/devices';
import { CPU_TSC_ADJUST } from '../core/generated/layout';
import { time } from '../core/state';
import { NEVER, ticksAt, timeOfTick } from './clock';
import { deadlinesChanged } from './deadlines';
import { activeVcpu, apicGet, apicGet64, apicSet, apicSet64, localInterrupt, lvt, LVT_MASKED, LVT_TIMER } from './local-apic';

@inline const PERIODIC: u32 = 0x20000;
@inline const TSC_DEADLINE: u32 = 0x40000;
@inline const MODE_BITS: u32 = 0x60000;

@inline function mode(vcpu: u32): u32 { return lvt(vcpu, LVT_TIMER) & MODE_BITS; }
@inline function busTick(): u64 { return ticksAt(time(), APIC_BUS_HZ); }
@inline export function tscDeadlineExists(): bool { return (load<u32>(SETTINGS_ABSENT_FEATURES) & NO_TSC_DEADLINE) == 0; }

/** Log2 of the divider: register bits 3, 1, 0 give 2, 4, ... 128, 1. */
function dividerShift(vcpu: u32): u32 {
  const divide = apicGet(vcpu, APIC_DIVIDE);
  return ((divide & 3 | (divide & 8) >> 1) + 1) & 7;
}
@inline function period(vcpu: u32): u64 { return <u64>apicGet(vcpu, APIC_INITIAL_COUNT) << dividerShift(vcpu); }

/** CCR. A start of NEVER is a one-shot that has ended: it stays at 0 until the initial count is written. */
export function currentCount(vcpu: u32): u32 {
  const initial = apicGet(vcpu, APIC_INITIAL_COUNT), start = apicGet64(vcpu, APIC_TIMER_START);
  if (initial == 0 || start == NEVER || mode(vcpu) == TSC_DEADLINE) return 0;
  let elapsed = busTick() - start;
  if (mode(vcpu) == PERIODIC) elapsed %= period(vcpu);
  else if (elapsed >= period(vcpu)) return 0;
  return initial - <u32>(elapsed >> dividerShift(vcpu));
}

/** Works out the next interrupt after a change of the timer's registers. The TSC of a vCPU is time + TSC_ADJUST. */
function schedule(vcpu: u32): void {
  let deadline = NEVER;
  if (mode(vcpu) == TSC_DEADLINE) {
    const armed = apicGet64(vcpu, APIC_TSC_DEADLINE);
    if (armed) {
      const tsc = time() + load<u64>(CPU_TSC_ADJUST), left = armed > tsc ? armed - tsc : 0;
      deadline = time() + left >= time() ? time() + left : NEVER;
    }
  } else if (apicGet(vcpu, APIC_INITIAL_COUNT) != 0 && apicGet64(vcpu, APIC_TIMER_START) != NEVER && (lvt(vcpu, LVT_TIMER) & LVT_MASKED) == 0) {
    const start = apicGet64(vcpu, APIC_TIMER_START), length = period(vcpu), elapsed = busTick() - start;
    if (mode(vcpu) == PERIODIC) deadline = timeOfTick(start + (elapsed / length + 1) * length, APIC_BUS_HZ);
    else if (elapsed < length) deadline = timeOfTick(start + length, APIC_BUS_HZ);
  }
  apicSet64(vcpu, APIC_TIMER_DEADLINE, deadline);
  deadlinesChanged();
}

export function setInitialCount(vcpu: u32, count: u32): void {
  if (mode(vcpu) == TSC_DEADLINE) return;
  apicSet(vcpu, APIC_INITIAL_COUNT, count);
  apicSet64(vcpu, APIC_TIMER_START, busTick());
  schedule(vcpu);
}

/** A new divider: the count goes on from where it is. */
export function setDivide(vcpu: u32, value: u32): void {
  const count = currentCount(vcpu);
  apicSet(vcpu, APIC_DIVIDE, value & 0xb);
  apicSet64(vcpu, APIC_TIMER_START, count != 0 ? busTick() - (<u64>(apicGet(vcpu, APIC_INITIAL_COUNT) - count) << dividerShift(vcpu)) : NEVER);
  schedule(vcpu);
}

/** LVT timer changed from `before`: going to or from TSC-deadline mode disarms the timer, between the others the count goes on from where it is. */
export function timerEntryChanged(vcpu: u32, before: u32): void {
  const changed = before ^ lvt(vcpu, LVT_TIMER), start = apicGet64(vcpu, APIC_TIMER_START);
  if ((changed & TSC_DEADLINE) != 0) {
    apicSet(vcpu, APIC_INITIAL_COUNT, 0);
    apicSet64(vcpu, APIC_TSC_DEADLINE, 0);
  } else if ((changed & PERIODIC) != 0 && apicGet(vcpu, APIC_INITIAL_COUNT) != 0 && start != NEVER) {
    const elapsed = busTick() - start, length = period(vcpu);
    if ((before & PERIODIC) != 0) apicSet64(vcpu, APIC_TIMER_START, start + elapsed / length * length);
    else if (elapsed >= length) apicSet64(vcpu, APIC_TIMER_START, NEVER);
  }
  schedule(vcpu);
}

/** IA32_TSC_DEADLINE of the active vCPU; reads 0 in the other timer modes, when disarmed and once expired. */
export function readTscDeadline(): u64 { return apicGet64(activeVcpu(), APIC_TSC_DEADLINE); }
export function writeTscDeadline(value: u64): void {
  if (mode(activeVcpu()) != TSC_DEADLINE) return;
  apicSet64(activeVcpu(), APIC_TSC_DEADLINE, value);
  schedule(activeVcpu());
}

/** The active vCPU's TSC_ADJUST changed: its deadline is reached at another time. */
export function rescheduleTscDeadline(): void {
  if (mode(activeVcpu()) == TSC_DEADLINE) schedule(activeVcpu());
}

/** The deadline `due` has come. */
export function apicTimerExpired(vcpu: u32, due: u64): void {
  let next = NEVER;
  if (mode(vcpu) == TSC_DEADLINE) apicSet64(vcpu, APIC_TSC_DEADLINE, 0);
  else if (mode(vcpu) == PERIODIC) {
    const start = apicGet64(vcpu, APIC_TIMER_START), length = period(vcpu);
    const passed = (ticksAt(due, APIC_BUS_HZ) - start) / length * length;
    apicSet64(vcpu, APIC_TIMER_START, start + passed);
    next = timeOfTick(start + passed + length, APIC_BUS_HZ);
  } else apicSet64(vcpu, APIC_TIMER_START, NEVER);
  apicSet64(vcpu, APIC_TIMER_DEADLINE, next);
  localInterrupt(vcpu, LVT_TIMER);
}
