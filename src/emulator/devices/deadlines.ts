// What the run loop asks of all timers together: when the next one is due, and to handle those that are. A device keeps its own
// deadline in a cell, in units of virtual time, and calls deadlinesChanged after moving it.
import { APIC_BYTES, APIC_TIMER_DEADLINE, PIT_TIMER_DEADLINE, POWER_DEADLINE, RTC_DEADLINE, TIMERS_NEXT_DEADLINE } from '../core/generated/devices';
import { M_VCPU_COUNT } from '../core/generated/layout';
import { attend, time } from '../core/state';
import { apicTimerExpired } from './apic-timer';
import { pitTransition } from './pit';
import { pmTimerCarry } from './power';
import { clockEvent } from './rtc';

/** Recomputes the earliest deadline; the run loop is told when it comes sooner than it knew. */
export function deadlinesChanged(): void {
  let next = min(load<u64>(PIT_TIMER_DEADLINE), min(load<u64>(RTC_DEADLINE), load<u64>(POWER_DEADLINE)));
  const end = APIC_TIMER_DEADLINE + <usize>load<u32>(M_VCPU_COUNT) * APIC_BYTES;
  for (let cell = APIC_TIMER_DEADLINE; cell < end; cell += APIC_BYTES) next = min(next, load<u64>(cell));
  const before = load<u64>(TIMERS_NEXT_DEADLINE);
  store<u64>(TIMERS_NEXT_DEADLINE, next);
  if (next < before) attend();
}

/** Handles every deadline up to now, in order of time; at one instant PIT, RTC, PM timer, then local APICs by number. */
export function runDueTimers(): void {
  for (let due = load<u64>(TIMERS_NEXT_DEADLINE); due <= time(); due = load<u64>(TIMERS_NEXT_DEADLINE)) {
    if (load<u64>(PIT_TIMER_DEADLINE) == due) pitTransition();
    else if (load<u64>(RTC_DEADLINE) == due) clockEvent();
    else if (load<u64>(POWER_DEADLINE) == due) pmTimerCarry();
    else runApicTimer(due);
    deadlinesChanged();
  }
}

function runApicTimer(due: u64): void {
  const count = load<u32>(M_VCPU_COUNT);
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (load<u64>(APIC_TIMER_DEADLINE + <usize>vcpu * APIC_BYTES) == due) { apicTimerExpired(vcpu, due); return; }
  }
}
