// The real-time clock and its 128 bytes of CMOS at 70h and 71h, on line 8. The date is that of the first second (data of the board) plus
// virtual time; flags of register C are brought up to date when someone looks or an enabled interrupt is due. (Motorola MC146818A data sheet.)
import {
  FIRST_SECOND, RTC_DEADLINE, RTC_FIRST_SECOND, RTC_FROZEN, RTC_FROZEN_SECOND, RTC_HZ, RTC_INDEX, RTC_RAM, RTC_SEEN_PERIOD, RTC_SEEN_SECOND,
} from '../core/generated/devices';
import { M_RAM_SIZE, M_VCPU_COUNT } from '../core/generated/layout';
import { time } from '../core/state';
import { NEVER, ticksAt, timeOfTick, unitsPerSecond } from './clock';
import { deadlinesChanged } from './deadlines';
import { IRQ_RTC, setIrqLine } from './irq-router';

// registers
@inline const SECONDS: u32 = 0;
@inline const SECONDS_ALARM: u32 = 1;
@inline const MINUTES: u32 = 2;
@inline const MINUTES_ALARM: u32 = 3;
@inline const HOURS: u32 = 4;
@inline const HOURS_ALARM: u32 = 5;
@inline const WEEKDAY: u32 = 6;
@inline const DAY: u32 = 7;
@inline const MONTH: u32 = 8;
@inline const YEAR: u32 = 9;
@inline const A: u32 = 10;
@inline const B: u32 = 11;
@inline const C: u32 = 12;
@inline const D: u32 = 13;
@inline const CENTURY: u32 = 0x32;
// register B
@inline const INHIBIT: u32 = 0x80;
@inline const BINARY: u32 = 4;
@inline const HOURS_24: u32 = 2;
// flags of C and their enables in B
@inline const PERIODIC: u32 = 0x40;
@inline const ALARM: u32 = 0x20;
@inline const UPDATED: u32 = 0x10;

@inline function ram(register: u32): u32 { return load<u8>(RTC_RAM + register); }
@inline function setRam(register: u32, value: u32): void { store<u8>(RTC_RAM + register, <u8>value); }
@inline function inhibited(): bool { return (ram(B) & INHIBIT) != 0; }
@inline function elapsedSeconds(): u64 { return time() / unitsPerSecond(); }

export function resetRtc(): void {
  store<u64>(RTC_FIRST_SECOND, FIRST_SECOND);
  store<u64>(RTC_DEADLINE, NEVER);
  store<u64>(RTC_SEEN_SECOND, elapsedSeconds());
  setRam(A, 0x26);
  setRam(B, HOURS_24);
  setRam(D, 0x80);
  // what firmware leaves for operating systems: sizes of memory in KiB (15h, 17h, 30h) and in 64 KiB above 16 MiB (34h), processors (5Fh)
  const kib = load<u32>(M_RAM_SIZE) >> 10, extended = kib > 1024 ? min<u32>(kib - 1024, 0xffff) : 0, high = kib > 0x4000 ? min<u32>((kib - 0x4000) >> 6, 0xffff) : 0;
  setWord(0x15, 640);
  setWord(0x17, extended);
  setWord(0x30, extended);
  setWord(0x34, high);
  setRam(0x5f, load<u32>(M_VCPU_COUNT) - 1);
}
function setWord(register: u32, value: u32): void { setRam(register, value & 0xff); setRam(register + 1, value >> 8); }

// ---- dates (proleptic Gregorian; days since 1 March of year 0, so that leap days come last)

/** Days since 1 January 1970. */
function daysOf(year: u32, month: u32, day: u32): u64 {
  const y: u64 = month <= 2 ? year - 1 : year, m: u64 = month <= 2 ? month + 9 : month - 3;
  return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

/** One field of a date given in seconds since 1970, in binary; YEAR is the whole year. */
function field(second: u64, register: u32): u32 {
  const day = second / 86400, inDay = <u32>(second % 86400);
  switch (register) {
    case SECONDS: return inDay % 60;
    case MINUTES: return inDay / 60 % 60;
    case HOURS: return inDay / 3600;
    case WEEKDAY: return <u32>((day + 4) % 7) + 1;   // 1 January 1970 was a Thursday; Sunday is 1
    default: break;
  }
  const shifted = day + 719468, era = shifted / 146097, inEra = shifted % 146097;
  const yearOfEra = (inEra - inEra / 1460 + inEra / 36524 - inEra / 146096) / 365;
  const inYear = inEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100), shiftedMonth = (5 * inYear + 2) / 153;
  const month = <u32>(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9);
  if (register == DAY) return <u32>(inYear - (153 * shiftedMonth + 2) / 5) + 1;
  return register == MONTH ? month : <u32>(yearOfEra + era * 400) + (month <= 2 ? 1 : 0);
}

/** A field in the format of register B (BCD or binary, 12 or 24 hours). */
function encode(register: u32, value: u32): u32 {
  let v = value, evening: u32 = 0;
  if (register == YEAR) v %= 100;
  if (register == HOURS && (ram(B) & HOURS_24) == 0) {
    evening = v >= 12 ? 0x80 : 0;
    v = v % 12 == 0 ? 12 : v % 12;
  }
  return ((ram(B) & BINARY) != 0 ? v : v / 10 << 4 | v % 10) | evening;
}
function decode(register: u32, value: u32): u32 {
  const twelve = register == HOURS && (ram(B) & HOURS_24) == 0, raw = twelve ? value & 0x7f : value;
  const v = (ram(B) & BINARY) != 0 ? raw : (raw >> 4) * 10 + (raw & 15);
  return twelve ? v % 12 + (value & 0x80 ? 12 : 0) : v;
}

@inline function isDate(register: u32): bool { return register <= YEAR && register != SECONDS_ALARM && register != MINUTES_ALARM && register != HOURS_ALARM || register == CENTURY; }
/** Place of a date register in the frozen copy. */
@inline function frozenAt(register: u32): usize { return RTC_FROZEN + (register == CENTURY ? A : register); }
@inline function now(): u64 { return load<u64>(RTC_FIRST_SECOND) + elapsedSeconds(); }

function readDate(register: u32): u32 {
  if (inhibited()) return load<u8>(frozenAt(register));
  return register == CENTURY ? encodeCentury(field(now(), YEAR) / 100) : encode(register, field(now(), register));
}
@inline function encodeCentury(century: u32): u32 { return (ram(B) & BINARY) != 0 ? century : century / 10 << 4 | century % 10; }

/** The copy that software sees and changes while updates are inhibited. */
function freeze(): void {
  const second = now();
  store<u64>(RTC_FROZEN_SECOND, second);
  for (let register = SECONDS; register <= YEAR; register++) if (isDate(register)) store<u8>(frozenAt(register), <u8>encode(register, field(second, register)));
  store<u8>(frozenAt(CENTURY), <u8>encodeCentury(field(second, YEAR) / 100));
}
/** The clock goes on from the copy. */
function thaw(): void {
  const year = decode(YEAR, load<u8>(frozenAt(YEAR))) + decode(CENTURY, load<u8>(frozenAt(CENTURY))) * 100;
  const day = daysOf(year, decode(MONTH, load<u8>(frozenAt(MONTH))), decode(DAY, load<u8>(frozenAt(DAY))));
  const inDay = decode(HOURS, load<u8>(frozenAt(HOURS))) * 3600 + decode(MINUTES, load<u8>(frozenAt(MINUTES))) * 60 + decode(SECONDS, load<u8>(frozenAt(SECONDS)));
  store<u64>(RTC_FIRST_SECOND, day * 86400 + inDay - elapsedSeconds());
}

// ---- flags and interrupts

/** Ticks of 32768 Hz in a period of the periodic interrupt, 0 = off. */
function periodTicks(): u32 {
  const rate = ram(A) & 15;
  return rate == 0 ? 0 : 1 << (rate < 3 ? rate + 6 : rate - 1);
}
/** An alarm register agrees; values from C0h on agree with everything. */
@inline function agrees(register: u32, alarm: u32, second: u64): bool { return ram(alarm) >= 0xc0 || ram(alarm) == encode(register, field(second, register)); }
function alarmAt(second: u64): bool { return agrees(SECONDS, SECONDS_ALARM, second) && agrees(MINUTES, MINUTES_ALARM, second) && agrees(HOURS, HOURS_ALARM, second); }

/** Sets the flags of what has happened since the last look. */
function catchUp(): void {
  const ticks = periodTicks(), second = elapsedSeconds(), seen = load<u64>(RTC_SEEN_SECOND);
  let flags = ram(C);
  if (ticks) {
    const period = ticksAt(time(), RTC_HZ) / ticks;
    if (period != load<u64>(RTC_SEEN_PERIOD)) flags |= PERIODIC;
    store<u64>(RTC_SEEN_PERIOD, period);
  }
  if (second != seen && !inhibited()) {
    flags |= UPDATED;
    // an alarm recurs daily: longer gaps hold it whatever they are
    for (let s = second - min<u64>(second - seen, 86400) + 1; s <= second; s++) if (alarmAt(load<u64>(RTC_FIRST_SECOND) + s)) { flags |= ALARM; break; }
  }
  store<u64>(RTC_SEEN_SECOND, second);
  setRam(C, flags);
}

/** Drives line 8 and finds the time at which it would rise next. */
function drive(): void {
  const enabled = ram(B) & (PERIODIC | ALARM | UPDATED), asserted = (ram(C) & enabled) != 0, ticks = periodTicks();
  let deadline = NEVER;
  if (!asserted) {   // an asserted line stays until register C is read
    if ((enabled & PERIODIC) != 0 && ticks != 0) deadline = timeOfTick((ticksAt(time(), RTC_HZ) / ticks + 1) * ticks, RTC_HZ);
    if ((enabled & (ALARM | UPDATED)) != 0 && !inhibited()) deadline = min(deadline, (elapsedSeconds() + 1) * unitsPerSecond());
  }
  store<u64>(RTC_DEADLINE, deadline);
  setIrqLine(IRQ_RTC, asserted);
  deadlinesChanged();
}

/** The deadline has come. */
export function clockEvent(): void { catchUp(); drive(); }

// ---- ports

export function cmosIndexWrite(value: u32): void { store<u32>(RTC_INDEX, value & 0x7f); }

export function cmosRead(): u32 {
  const register = load<u32>(RTC_INDEX);
  if (isDate(register)) return readDate(register);
  if (register == A) return ram(A) | (updating() ? 0x80 : 0);
  if (register != C) return ram(register);
  catchUp();
  const flags = ram(C), line: u32 = (flags & ram(B) & (PERIODIC | ALARM | UPDATED)) != 0 ? 0x80 : 0;
  setRam(C, 0);
  drive();
  return flags | line;
}

/** Update in progress: from 244 microseconds before the second changes. */
function updating(): bool { return !inhibited() && unitsPerSecond() - time() % unitsPerSecond() <= unitsPerSecond() / 1000000 * 244; }

export function cmosWrite(value: u32): void {
  const register = load<u32>(RTC_INDEX);
  if (isDate(register)) {
    const running = !inhibited();
    if (running) freeze();
    store<u8>(frozenAt(register), <u8>value);
    if (running) thaw();
    return;
  }
  if (register == C || register == D) return;
  if (register == A || register == B) catchUp();
  const before = ram(B);
  if (register == B && (value & ~before & INHIBIT) != 0) freeze();
  setRam(register, register == A ? value & 0x7f : value);
  if (register == B) {
    if ((value & INHIBIT) != 0) setRam(B, value & ~UPDATED);   // inhibiting clears the update interrupt's enable
    else if ((before & INHIBIT) != 0) thaw();
  }
  if (register == A && periodTicks() != 0) store<u64>(RTC_SEEN_PERIOD, ticksAt(time(), RTC_HZ) / periodTicks());
  if (register <= B) drive();
}
