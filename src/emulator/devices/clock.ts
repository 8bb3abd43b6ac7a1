// Clocks of devices out of virtual time, by exact integer arithmetic: a clock of `hz` has made floor(units * hz / units per second)
// ticks. Rates and units per second are below 2^32, so the products of remainders fit in 64 bits.
import { SETTINGS_TSC_HZ, TSC_HZ } from '../core/generated/devices';

/** "No deadline". */
@inline export const NEVER: u64 = u64.MAX_VALUE;

/** Units of virtual time in a second. */
@inline export function unitsPerSecond(): u64 {
  const set = load<u64>(SETTINGS_TSC_HZ);
  return set ? set : TSC_HZ;
}

/** Ticks that a clock of `hz` has made at time `units`. */
export function ticksAt(units: u64, hz: u64): u64 {
  const second = unitsPerSecond();
  return units / second * hz + units % second * hz / second;
}

/** The first time in units at which a clock of `hz` has made `ticks` ticks. */
export function timeOfTick(ticks: u64, hz: u64): u64 {
  const second = unitsPerSecond();
  return ticks / hz * second + (ticks % hz * second + hz - 1) / hz;
}
