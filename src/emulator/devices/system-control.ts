// Small control ports of the board: 61h (timer gate, speaker, refresh), 92h (A20, fast reset), CF9h (reset control), and what software
// asks of the machine as a whole: a reset or power off, left in cells for the machine to see.
import { SYSTEM_FAST_A20, SYSTEM_PORT_B, SYSTEM_POWER_OFF_REQUESTED, SYSTEM_RESET_CONTROL, SYSTEM_RESET_REQUESTED } from '../core/generated/devices';
import { attend } from '../core/state';
import { pitOutput, refreshToggle, setPitGate } from './pit';

@inline const SPEAKER_CHANNEL: u32 = 2;
@inline const A20: u32 = 2;
@inline const FAST_RESET: u32 = 1;
@inline const RESET_CPU: u32 = 4;

export function resetSystemControl(): void {
  store<u32>(SYSTEM_FAST_A20, A20);
}

export function requestReset(): void { store<u32>(SYSTEM_RESET_REQUESTED, 1); attend(); }
export function requestPowerOff(): void { store<u32>(SYSTEM_POWER_OFF_REQUESTED, 1); attend(); }

/** Port 61h: bits 3:0 as written (timer 2 gate, speaker, two check enables), 4 toggles with refresh, 5 OUT of timer 2. */
export function portBRead(): u32 { return load<u32>(SYSTEM_PORT_B) | refreshToggle() << 4 | pitOutput(SPEAKER_CHANNEL) << 5; }
export function portBWrite(value: u32): void {
  store<u32>(SYSTEM_PORT_B, value & 15);
  setPitGate(SPEAKER_CHANNEL, value & 1);
}

/** Port 92h. A20 is kept, not applied: addresses do not wrap. */
export function fastA20Read(): u32 { return load<u32>(SYSTEM_FAST_A20); }
export function fastA20Write(value: u32): void {
  const rising = value & ~load<u32>(SYSTEM_FAST_A20) & FAST_RESET;
  store<u32>(SYSTEM_FAST_A20, value & (A20 | FAST_RESET));
  if (rising) requestReset();
}

/** Port CF9h: bit 2 rising resets. */
export function resetControlRead(): u32 { return load<u32>(SYSTEM_RESET_CONTROL); }
export function resetControlWrite(value: u32): void {
  const rising = value & ~load<u32>(SYSTEM_RESET_CONTROL) & RESET_CPU;
  store<u32>(SYSTEM_RESET_CONTROL, value & 0xe);
  if (rising) requestReset();
}
