// Architectural performance monitoring, version 2: four programmable and three fixed counters of 48 bits (SDM 3B 'Architectural Performance Monitoring').
// The events that exist here are instructions retired, core cycles and reference cycles, and each of them is a unit of time in which this
// processor is not halted. Counters are brought up to date when something about them changes; none is looked at while nothing counts.
import {
  CPU_ACTIVITY, CPU_COUNTED_UNTIL, CPU_COUNTER_OVERFLOW, CPU_COUNTERS_IN_USE, CPU_CPL, CPU_FIXED_COUNTER_CONTROL, CPU_PERF_COUNTERS, CPU_PERF_EVENT_SELECT, CPU_PERF_GLOBAL_CTRL,
  CPU_PERF_GLOBAL_STATUS,
} from './generated/layout';
import { performanceInterrupt } from '../devices/bus';
import { attend, time } from './state';

@inline const PROGRAMMABLE: u32 = 4;
@inline const COUNTERS: u32 = 7;
@inline const COUNTER_MASK: u64 = 0xffff_ffff_ffff;
/** Bits of IA32_PERF_GLOBAL_CTRL and of the status that stand for counters. */
@inline export const GLOBAL_BITS: u64 = 0x7_0000_000f;

// event select
@inline const SELECT_USER: u64 = 1 << 16;
@inline const SELECT_SYSTEM: u64 = 1 << 17;
@inline const SELECT_INTERRUPT: u64 = 1 << 20;
@inline const SELECT_ENABLE: u64 = 1 << 22;
/** Edge detection, inversion, and thresholds above 1: with at most one event a unit nothing is left to count. */
@inline const SELECT_NEVER: u64 = 0xfe84_0000;
@inline const SELECT_RESERVED: u64 = 0xffff_ffff_0020_0000;
@inline const CORE_CYCLES: u64 = 0x003c;
@inline const REFERENCE_CYCLES: u64 = 0x013c;
@inline const INSTRUCTIONS_RETIRED: u64 = 0x00c0;
/** Fixed counters: enabled in rings 0 and above, interrupt on overflow. */
@inline const FIXED_RESERVED: u64 = ~(<u64>0xbbb);

// MSRs
@inline const PMC0: u32 = 0xc1;
@inline const PERFEVTSEL0: u32 = 0x186;
@inline const FIXED_CTR0: u32 = 0x309;
@inline const FIXED_CTR_CTRL: u32 = 0x38d;
@inline const GLOBAL_STATUS: u32 = 0x38e;
@inline const GLOBAL_CTRL: u32 = 0x38f;
@inline const GLOBAL_OVF_CTRL: u32 = 0x390;
/** Buffer overflow and changed conditions, which never are set. */
@inline const OVERFLOW_CONTROL_BITS: u64 = GLOBAL_BITS | 0xc000_0000_0000_0000;

@inline function counter(n: u32): usize { return CPU_PERF_COUNTERS + (<usize>n << 3); }
@inline function globalBit(n: u32): u64 { return n < PROGRAMMABLE ? <u64>1 << n : <u64>1 << (32 + n - PROGRAMMABLE); }
@inline function eventSelect(n: u32): u64 { return load<u64>(CPU_PERF_EVENT_SELECT + (<usize>n << 3)); }
@inline function fixedControl(n: u32): u64 { return load<u64>(CPU_FIXED_COUNTER_CONTROL) >> ((n - PROGRAMMABLE) << 2) & 15; }

/** Whether counter `n` counts at that privilege. */
function counts(n: u32, user: bool): bool {
  if ((load<u64>(CPU_PERF_GLOBAL_CTRL) & globalBit(n)) == 0) return false;
  if (n >= PROGRAMMABLE) return (fixedControl(n) & (user ? 2 : 1)) != 0;
  const select = eventSelect(n), event = select & 0xffff;
  if ((select & SELECT_ENABLE) == 0 || (select & SELECT_NEVER) != 0 || (select & (user ? SELECT_USER : SELECT_SYSTEM)) == 0) return false;
  return event == CORE_CYCLES || event == REFERENCE_CYCLES || event == INSTRUCTIONS_RETIRED;
}
@inline function interrupts(n: u32): bool { return n < PROGRAMMABLE ? (eventSelect(n) & SELECT_INTERRUPT) != 0 : (fixedControl(n) & 8) != 0; }

/** Counters that count now: bits 6:0; bit 31: some would at another privilege. */
@inline function counting(): u32 { return load<u32>(CPU_COUNTERS_IN_USE) & 0x7f; }

/** Brings the counters up to the present time. Overflows are noted, and interrupt where that is asked for. */
function settle(): void {
  const now = time(), passed = now - load<u64>(CPU_COUNTED_UNTIL);
  store<u64>(CPU_COUNTED_UNTIL, now);
  let interrupt = false;
  for (let left = counting(); left != 0; left &= left - 1) {
    const n = <u32>ctz<u32>(left), value = load<u64>(counter(n)) + passed;
    store<u64>(counter(n), value & COUNTER_MASK);
    if (value <= COUNTER_MASK) continue;
    store<u64>(CPU_PERF_GLOBAL_STATUS, load<u64>(CPU_PERF_GLOBAL_STATUS) | globalBit(n));
    if (interrupts(n)) interrupt = true;
  }
  if (interrupt) performanceInterrupt();
}

/** Finds out what counts from now on, and when the first of them overflows. */
function choose(): void {
  const user = load<u32>(CPU_CPL) == 3, before = load<u64>(CPU_COUNTER_OVERFLOW);
  let now: u32 = 0, any = false, soonest = COUNTER_MASK;
  for (let n: u32 = 0; n < COUNTERS; n++) {
    if (counts(n, user)) {
      now |= 1 << n;
      soonest = min<u64>(soonest, COUNTER_MASK - load<u64>(counter(n)));
    } else if (counts(n, !user)) any = true;
  }
  store<u32>(CPU_COUNTERS_IN_USE, now | (any ? 0x80000000 : 0));
  store<u64>(CPU_COUNTED_UNTIL, time());
  const overflow = now != 0 ? time() + soonest + 1 : 0;
  store<u64>(CPU_COUNTER_OVERFLOW, overflow);
  if (overflow != 0 && (before == 0 || overflow < before)) attend();
}

@inline export function countersAreInUse(): bool { return load<u32>(CPU_COUNTERS_IN_USE) != 0; }
/** The privilege level, or the processor on this engine, changes or has changed; call only while counters are in use. */
export function recount(): void { settle(); choose(); }
/** The time since the counters were settled does not count: the processor was halted, or another one ran. */
export function skipCounting(): void { choose(); }
/** An instruction boundary at `now`, with counters in use. */
export function countersAtBoundary(now: u64): void {
  if (load<u32>(CPU_ACTIVITY) != 0) { skipCounting(); return; }
  const overflow = load<u64>(CPU_COUNTER_OVERFLOW);
  if (overflow != 0 && overflow <= now) recount();
}
/** Time of the next overflow, all ones = never. */
export function nextOverflow(): u64 {
  const overflow = load<u64>(CPU_COUNTER_OVERFLOW);
  return overflow != 0 ? overflow : u64.MAX_VALUE;
}

/** IA32_PERF_GLOBAL_CTRL by WRMSR, VM entry or VM exit; the value is valid. */
export function setPerfGlobalCtrl(value: u64): void {
  settle();
  store<u64>(CPU_PERF_GLOBAL_CTRL, value);
  choose();
}

/** Number of the counter that MSR `index` is, 7 if it is none. */
function counterOfMsr(index: u32): u32 {
  return index - PMC0 < PROGRAMMABLE ? index - PMC0 : index - FIXED_CTR0 < COUNTERS - PROGRAMMABLE ? PROGRAMMABLE + index - FIXED_CTR0 : COUNTERS;
}
export function isPerformanceMsr(index: u32): bool {
  return counterOfMsr(index) != COUNTERS || index - PERFEVTSEL0 < PROGRAMMABLE || (index >= FIXED_CTR_CTRL && index <= GLOBAL_OVF_CTRL);
}
export function readPerformanceMsr(index: u32): u64 {
  const n = counterOfMsr(index);
  if (n != COUNTERS) return readCounter(n);
  if (index - PERFEVTSEL0 < PROGRAMMABLE) return eventSelect(index - PERFEVTSEL0);
  settle();
  return index == FIXED_CTR_CTRL ? load<u64>(CPU_FIXED_COUNTER_CONTROL) : index == GLOBAL_STATUS ? load<u64>(CPU_PERF_GLOBAL_STATUS) : index == GLOBAL_CTRL ? load<u64>(CPU_PERF_GLOBAL_CTRL) : 0;
}
/** False: general protection. */
export function writePerformanceMsr(index: u32, value: u64): bool {
  const n = counterOfMsr(index);
  if (n >= PROGRAMMABLE && n != COUNTERS && value > COUNTER_MASK) return false;
  settle();
  if (n < PROGRAMMABLE) store<u64>(counter(n), <u64><i64><i32>value & COUNTER_MASK);             // bit 31 is extended
  else if (n != COUNTERS) store<u64>(counter(n), value);
  else if (index - PERFEVTSEL0 < PROGRAMMABLE) {
    if ((value & SELECT_RESERVED) != 0) return false;
    store<u64>(CPU_PERF_EVENT_SELECT + (<usize>(index - PERFEVTSEL0) << 3), value);
  } else if (index == FIXED_CTR_CTRL) {
    if ((value & FIXED_RESERVED) != 0) return false;
    store<u64>(CPU_FIXED_COUNTER_CONTROL, value);
  } else if (index == GLOBAL_CTRL) {
    if ((value & ~GLOBAL_BITS) != 0) return false;
    store<u64>(CPU_PERF_GLOBAL_CTRL, value);
  } else if (index == GLOBAL_OVF_CTRL) {
    if ((value & ~OVERFLOW_CONTROL_BITS) != 0) return false;
    store<u64>(CPU_PERF_GLOBAL_STATUS, load<u64>(CPU_PERF_GLOBAL_STATUS) & ~value);
  } else return false;                                                                          // the status is read-only
  choose();
  return true;
}

function readCounter(n: u32): u64 {
  settle();
  return load<u64>(counter(n));
}
/** What RDPMC reads for ECX, all ones = #GP(0). */
export function rdpmcValue(selector: u32): u64 {
  const n = selector < PROGRAMMABLE ? selector : selector - 0x4000_0000 < COUNTERS - PROGRAMMABLE ? PROGRAMMABLE + selector - 0x4000_0000 : COUNTERS;
  return n == COUNTERS ? u64.MAX_VALUE : readCounter(n);
}
