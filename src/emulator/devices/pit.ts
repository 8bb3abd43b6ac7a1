// The 8254 interval timer at 40h to 43h: three counters, all six modes. Nothing counts: each counter keeps the tick of its clock at
// which it was loaded, and count and OUT are functions of the present tick, so reads are exact at any time. OUT of channel 0 is
// interrupt line 0; channel 1 is the refresh request; channel 2 has its gate and OUT at port 61h. (Intel 8254 data sheet: 'Mode Definitions'.)
import {
  PIT_ACCESS, PIT_BCD, PIT_BYTES, PIT_COUNT, PIT_GATE, PIT_HZ, PIT_LATCH, PIT_LATCH_BYTES, PIT_LOAD_TICK, PIT_MODE, PIT_NEXT_COUNT, PIT_OUT_BEFORE, PIT_PAUSED_AT, PIT_READ_SECOND,
  PIT_STATE, PIT_STATUS, PIT_SWITCH_TICK, PIT_TIMER_DEADLINE, PIT_TIMER_TICK, PIT_WRITE_SECOND,
} from '../core/generated/devices';
import { time } from '../core/state';
import { NEVER, ticksAt, timeOfTick } from './clock';
import { deadlinesChanged } from './deadlines';
import { IRQ_TIMER, setIrqLine } from './irq-router';

// values of PIT_STATE
@inline const IDLE: u32 = 0;
@inline const ARMED: u32 = 1;
@inline const COUNTING: u32 = 2;
/** As firmware leaves it: a refresh request every 18 ticks (15 microseconds). */
@inline const REFRESH_COUNT: u32 = 18;

@inline function cell(channel: u32, at: usize): usize { return at + <usize>channel * PIT_BYTES; }
@inline function get(channel: u32, at: usize): u32 { return load<u32>(cell(channel, at)); }
@inline function set(channel: u32, at: usize, value: u32): void { store<u32>(cell(channel, at), value); }
@inline function now(): u64 { return ticksAt(time(), PIT_HZ); }
@inline function triggered(mode: u32): bool { return mode == 1 || mode == 5; }
@inline function periodic(mode: u32): bool { return mode == 2 || mode == 3; }

/** Counters without a count: OUT is high and nothing happens until software programs one; only the refresh runs. */
export function resetPit(): void {
  for (let channel: u32 = 0; channel < 3; channel++) {
    set(channel, PIT_MODE, 3);
    set(channel, PIT_ACCESS, 3);
    set(channel, PIT_COUNT, 0x10000);
    set(channel, PIT_OUT_BEFORE, 1);
    set(channel, PIT_GATE, channel == 2 ? 0 : 1);
  }
  set(1, PIT_MODE, 2);
  set(1, PIT_COUNT, REFRESH_COUNT);
  set(1, PIT_STATE, COUNTING);
  store<u64>(cell(1, PIT_LOAD_TICK), now());
  store<u64>(PIT_TIMER_DEADLINE, NEVER);
  setIrqLine(IRQ_TIMER, true);
}

/** The tick that the counter has come to: time stands for it while its gate is low, in the modes where the gate does not trigger. */
@inline function reached(channel: u32, tick: u64): u64 {
  return get(channel, PIT_GATE) != 0 || triggered(get(channel, PIT_MODE)) ? tick : min(tick, load<u64>(cell(channel, PIT_PAUSED_AT)));
}

/** Lets a count that was waiting for the end of the period (mode 2) or half period (mode 3) take over if that has come. */
function settle(channel: u32, tick: u64): void {
  const next = get(channel, PIT_NEXT_COUNT), at = load<u64>(cell(channel, PIT_SWITCH_TICK));
  if (next == 0 || reached(channel, tick) < at) return;
  // in mode 3 the half that follows keeps its level: when it is the low one, the period counts as begun a high half earlier
  const lowHalf = get(channel, PIT_MODE) == 3 && (at - load<u64>(cell(channel, PIT_LOAD_TICK))) % get(channel, PIT_COUNT) != 0;
  store<u64>(cell(channel, PIT_LOAD_TICK), lowHalf ? at - ((next + 1) >> 1) : at);
  set(channel, PIT_COUNT, next);
  set(channel, PIT_NEXT_COUNT, 0);
}

/** OUT at a tick (0 or 1). */
function output(channel: u32, tick: u64): u32 {
  settle(channel, tick);
  const mode = get(channel, PIT_MODE), state = get(channel, PIT_STATE);
  if (state == IDLE) return get(channel, PIT_OUT_BEFORE);
  if (state == ARMED) return 1;
  if (periodic(mode) && get(channel, PIT_GATE) == 0) return 1;
  const at = reached(channel, tick), from = load<u64>(cell(channel, PIT_LOAD_TICK)), count: u64 = get(channel, PIT_COUNT);
  if (at < from) return get(channel, PIT_OUT_BEFORE);
  const done = at - from;
  switch (mode) {
    case 0: case 1: return done >= count ? 1 : 0;
    case 2: return done % count != count - 1 ? 1 : 0;
    case 3: return done % count < (count + 1) >> 1 ? 1 : 0;
    default: return done != count ? 1 : 0;
  }
}

/** The counting element at a tick, in binary, 16 bits. */
function countAt(channel: u32, tick: u64): u32 {
  settle(channel, tick);
  const count: u64 = get(channel, PIT_COUNT), at = reached(channel, tick), from = load<u64>(cell(channel, PIT_LOAD_TICK));
  if (get(channel, PIT_STATE) != COUNTING || at < from) return <u32>count & 0xffff;
  const done = at - from;
  switch (get(channel, PIT_MODE)) {
    case 2: return <u32>(count - done % count) & 0xffff;
    case 3: {
      const half = (count + 1) >> 1, phase = done % count;
      return <u32>((count & ~1) - ((phase < half ? phase : phase - half) << 1)) & 0xffff;
    }
    default: {
      const modulus: u64 = get(channel, PIT_BCD) ? 10000 : 0x10000;
      return <u32>((count + modulus - done % modulus) % modulus);
    }
  }
}

/** The first tick after `tick` at which OUT of a counter with its gate high may change; NEVER. */
function nextTransition(channel: u32, tick: u64): u64 {
  if (get(channel, PIT_STATE) != COUNTING) return NEVER;
  const from = load<u64>(cell(channel, PIT_LOAD_TICK)), count: u64 = get(channel, PIT_COUNT);
  if (tick < from) return from;
  const done = tick - from;
  switch (get(channel, PIT_MODE)) {
    case 0: case 1: return done < count ? from + count : NEVER;
    case 2: {
      const phase = done % count;
      if (count == 1) return get(channel, PIT_NEXT_COUNT) ? load<u64>(cell(channel, PIT_SWITCH_TICK)) : NEVER;
      return phase < count - 1 ? tick + (count - 1 - phase) : tick + 1;
    }
    case 3: {
      const phase = done % count, half = (count + 1) >> 1;
      if (count == 1) return get(channel, PIT_NEXT_COUNT) ? load<u64>(cell(channel, PIT_SWITCH_TICK)) : NEVER;
      return phase < half ? tick + (half - phase) : tick + (count - phase);
    }
    default: return done < count ? from + count : done == count ? tick + 1 : NEVER;
  }
}

/** Drives line 0 as OUT of channel 0 is at `tick` and arranges for its next change. */
function driveLine(tick: u64): void {
  setIrqLine(IRQ_TIMER, output(0, tick) != 0);
  const next = nextTransition(0, tick);
  store<u64>(PIT_TIMER_TICK, next);
  store<u64>(PIT_TIMER_DEADLINE, next == NEVER ? NEVER : timeOfTick(next, PIT_HZ));
  deadlinesChanged();
}
/** The deadline of channel 0 has come. */
export function pitTransition(): void { driveLine(load<u64>(PIT_TIMER_TICK)); }

// ---- counts

function fromBcd(v: u32): u32 { return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000; }
function toBcd(v: u32): u32 { return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12; }

/** A whole count was written: it is loaded with the next pulse of the clock, or at the end of a period, or with a trigger. */
function newCount(channel: u32, written: u32, tick: u64): void {
  settle(channel, tick);
  const bcd = get(channel, PIT_BCD) != 0, mode = get(channel, PIT_MODE), state = get(channel, PIT_STATE);
  const count: u32 = written == 0 ? (bcd ? 10000 : 0x10000) : bcd ? fromBcd(written) : written;
  if (triggered(mode)) {
    // a one-shot that runs keeps the count that it started with; the next trigger loads the new one
    if (state == COUNTING && tick >= load<u64>(cell(channel, PIT_LOAD_TICK))) { set(channel, PIT_NEXT_COUNT, count); store<u64>(cell(channel, PIT_SWITCH_TICK), NEVER); return; }
    set(channel, PIT_COUNT, count);
    if (state == IDLE) set(channel, PIT_STATE, ARMED);
    return;
  }
  const from = load<u64>(cell(channel, PIT_LOAD_TICK)), at = reached(channel, tick);
  if (periodic(mode) && state == COUNTING && at >= from) {
    const current: u64 = get(channel, PIT_COUNT), done = at - from, phase = done % current, half = (current + 1) >> 1;
    const left = mode == 3 && phase < half ? half - phase : current - phase;
    set(channel, PIT_NEXT_COUNT, count);
    store<u64>(cell(channel, PIT_SWITCH_TICK), at + left);
    return;
  }
  set(channel, PIT_OUT_BEFORE, mode == 0 ? 0 : 1);
  set(channel, PIT_COUNT, count);
  set(channel, PIT_NEXT_COUNT, 0);
  set(channel, PIT_STATE, COUNTING);
  store<u64>(cell(channel, PIT_LOAD_TICK), tick + 1);
  if (get(channel, PIT_GATE) == 0) store<u64>(cell(channel, PIT_PAUSED_AT), tick + 1);
}

/** Ports 40h to 42h. */
export function pitCounterWrite(channel: u32, value: u32): void {
  const tick = now(), access = get(channel, PIT_ACCESS), low = get(channel, PIT_WRITE_SECOND);
  if (access == 1) newCount(channel, value, tick);
  else if (access == 2) newCount(channel, value << 8, tick);
  else if (low & 0x100) {
    set(channel, PIT_WRITE_SECOND, 0);
    newCount(channel, value << 8 | (low & 0xff), tick);
  } else {
    set(channel, PIT_WRITE_SECOND, 0x100 | value);
    if (get(channel, PIT_MODE) == 0) { set(channel, PIT_STATE, IDLE); set(channel, PIT_OUT_BEFORE, 0); }   // the first byte stops mode 0
  }
  if (channel == 0) driveLine(tick);
}

export function pitCounterRead(channel: u32): u32 {
  const status = get(channel, PIT_STATUS);
  if (status) { set(channel, PIT_STATUS, 0); return status & 0xff; }
  const access = get(channel, PIT_ACCESS), latched = get(channel, PIT_LATCH_BYTES);
  if (latched) {
    const latch = get(channel, PIT_LATCH);
    set(channel, PIT_LATCH_BYTES, latched - 1);
    return access == 2 || (access == 3 && latched == 1) ? latch >> 8 : latch & 0xff;
  }
  const count = shownCount(channel), second = access == 3 ? get(channel, PIT_READ_SECOND) : 0;
  if (access == 3) set(channel, PIT_READ_SECOND, second ^ 1);
  return access == 2 || second ? count >> 8 : count & 0xff;
}

function shownCount(channel: u32): u32 {
  const count = countAt(channel, now());
  return get(channel, PIT_BCD) ? toBcd(count) : count;
}
function latchCount(channel: u32): void {
  if (get(channel, PIT_LATCH_BYTES)) return;   // a latched count stays until it is read
  set(channel, PIT_LATCH, shownCount(channel));
  set(channel, PIT_LATCH_BYTES, get(channel, PIT_ACCESS) == 3 ? 2 : 1);
}
function latchStatus(channel: u32, tick: u64): void {
  if (get(channel, PIT_STATUS)) return;
  const out = output(channel, tick);
  const loaded = get(channel, PIT_STATE) == COUNTING && get(channel, PIT_NEXT_COUNT) == 0 && tick >= load<u64>(cell(channel, PIT_LOAD_TICK));
  set(channel, PIT_STATUS, 0x100 | out << 7 | (loaded ? 0 : 0x40) | get(channel, PIT_ACCESS) << 4 | get(channel, PIT_MODE) << 1 | get(channel, PIT_BCD));
}

/** Port 43h: control word, counter latch or read-back. */
export function pitControlWrite(value: u32): void {
  const tick = now(), channel = value >> 6;
  if (channel == 3) {
    for (let c: u32 = 0; c < 3; c++) {
      if ((value & (2 << c)) == 0) continue;
      if ((value & 0x20) == 0) latchCount(c);
      if ((value & 0x10) == 0) latchStatus(c, tick);
    }
    return;
  }
  if ((value & 0x30) == 0) { latchCount(channel); return; }
  const field = value >> 1 & 7, mode = field > 5 ? field - 4 : field;
  set(channel, PIT_ACCESS, value >> 4 & 3);
  set(channel, PIT_MODE, mode);
  set(channel, PIT_BCD, value & 1);
  set(channel, PIT_STATE, IDLE);
  set(channel, PIT_NEXT_COUNT, 0);
  set(channel, PIT_OUT_BEFORE, mode == 0 ? 0 : 1);
  set(channel, PIT_LATCH_BYTES, 0);
  set(channel, PIT_STATUS, 0);
  set(channel, PIT_READ_SECOND, 0);
  set(channel, PIT_WRITE_SECOND, 0);
  if (channel == 0) driveLine(tick);
}

// ---- gate and outputs (port 61h)

/** GATE of a counter: low stops the counting of modes 0, 2, 3 and 4; a rising edge triggers modes 1 and 5 and restarts 2 and 3. */
export function setPitGate(channel: u32, level: u32): void {
  if (get(channel, PIT_GATE) == level) return;
  const tick = now(), mode = get(channel, PIT_MODE), state = get(channel, PIT_STATE);
  settle(channel, tick);
  const out = output(channel, tick), from = load<u64>(cell(channel, PIT_LOAD_TICK));
  set(channel, PIT_GATE, level);
  if (triggered(mode)) {
    if (level && state != IDLE) reload(channel, tick, mode == 1 ? out : 1);
    return;
  }
  if (!level) { store<u64>(cell(channel, PIT_PAUSED_AT), tick); return; }
  if (state != COUNTING) return;
  if (periodic(mode)) { reload(channel, tick, 1); return; }
  const paused = load<u64>(cell(channel, PIT_PAUSED_AT)), done = paused > from ? paused - from : 0;
  store<u64>(cell(channel, PIT_LOAD_TICK), max(from, tick - done));
}

/** The count (a waiting one first) is loaded with the next pulse. */
function reload(channel: u32, tick: u64, outBefore: u32): void {
  const next = get(channel, PIT_NEXT_COUNT);
  if (next) { set(channel, PIT_COUNT, next); set(channel, PIT_NEXT_COUNT, 0); }
  set(channel, PIT_OUT_BEFORE, outBefore);
  set(channel, PIT_STATE, COUNTING);
  store<u64>(cell(channel, PIT_LOAD_TICK), tick + 1);
}

/** OUT of a counter now. */
export function pitOutput(channel: u32): u32 { return output(channel, now()); }

/** The refresh-detect bit: it toggles with every refresh request. */
export function refreshToggle(): u32 {
  const from = load<u64>(cell(1, PIT_LOAD_TICK)), tick = now();
  return tick < from || get(1, PIT_STATE) != COUNTING ? 0 : <u32>((tick - from) / get(1, PIT_COUNT)) & 1;
}
