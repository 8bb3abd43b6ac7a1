// ACPI fixed hardware at 600h: PM1 event (600h status, 602h enable), PM1 control (604h), PM timer (608h, 24 bits). ACPI mode is always
// on (SCI_EN reads 1): there is no system-management mode to switch it. The timer's carry is the only event; its interrupt is line 9.
// (ACPI specification, 'PM1 Event Grouping', 'PM1 Control Grouping', 'Power Management Timer'.)
import { PM_TIMER_HZ, POWER_CONTROL, POWER_DEADLINE, POWER_ENABLE, POWER_SEEN_CARRIES, POWER_STATUS } from '../core/generated/devices';
import { time } from '../core/state';
import { NEVER, ticksAt, timeOfTick } from './clock';
import { deadlinesChanged } from './deadlines';
import { IRQ_SCI, setIrqLine } from './irq-router';
import { requestPowerOff } from './system-control';

@inline export const POWER_PORTS: u32 = 0x600;
@inline export const POWER_PORTS_END: u32 = 0x60c;
@inline const TIMER_STATUS: u32 = 1;
@inline const SCI_ENABLED: u32 = 1;
@inline const SLEEP_ENABLE: u32 = 0x2000;
@inline const SLEEP_TYPE: u32 = 0x1c00;
/** The timer carries when its bit 23 changes. */
@inline const CARRY_BIT: u32 = 23;
@inline const WRITABLE_ENABLE: u32 = 0x0721;

export function resetPower(): void {
  store<u64>(POWER_DEADLINE, NEVER);
  store<u64>(POWER_SEEN_CARRIES, carries());
}

@inline function ticks(): u64 { return ticksAt(time(), PM_TIMER_HZ); }
@inline function carries(): u64 { return ticks() >> CARRY_BIT; }

function catchUp(): void {
  if (carries() == load<u64>(POWER_SEEN_CARRIES)) return;
  store<u64>(POWER_SEEN_CARRIES, carries());
  store<u32>(POWER_STATUS, load<u32>(POWER_STATUS) | TIMER_STATUS);
}

function drive(): void {
  const asserted = (load<u32>(POWER_STATUS) & load<u32>(POWER_ENABLE)) != 0;
  const waits = !asserted && (load<u32>(POWER_ENABLE) & TIMER_STATUS) != 0;
  store<u64>(POWER_DEADLINE, waits ? timeOfTick((carries() + 1) << CARRY_BIT, PM_TIMER_HZ) : NEVER);
  setIrqLine(IRQ_SCI, asserted);
  deadlinesChanged();
}

/** The deadline has come. */
export function pmTimerCarry(): void { catchUp(); drive(); }

/** The block's registers as one little-endian image of twelve bytes; 16 bits at an even offset. */
function word(offset: u32): u32 {
  switch (offset) {
    case 0: catchUp(); return load<u32>(POWER_STATUS);
    case 2: return load<u32>(POWER_ENABLE);
    case 4: return load<u32>(POWER_CONTROL) | SCI_ENABLED;
    case 8: return <u32>ticks() & 0xffff;
    case 10: return <u32>(ticks() >> 16) & 0xff;
    default: return 0;
  }
}

export function powerRead(offset: u32, bytes: u32): u32 {
  const aligned = offset & ~1, low = word(aligned), value = bytes == 4 ? low | word(aligned + 2) << 16 : low >> ((offset & 1) << 3);
  return bytes == 1 ? value & 0xff : value;
}

/** Writes bits `mask` of the 16-bit register at `offset`. */
function writeWord(offset: u32, value: u32, mask: u32): void {
  if (offset == 0) {
    catchUp();
    store<u32>(POWER_STATUS, load<u32>(POWER_STATUS) & ~(value & mask));
    drive();
  } else if (offset == 2) {
    catchUp();
    store<u32>(POWER_ENABLE, (load<u32>(POWER_ENABLE) & ~mask | value & mask) & WRITABLE_ENABLE);
    drive();
  } else if (offset == 4) {
    const control = load<u32>(POWER_CONTROL) & ~mask | value & mask;
    store<u32>(POWER_CONTROL, control & SLEEP_TYPE);
    // sleep type 0 is S5 on this board; no other sleeping state exists
    if ((control & SLEEP_ENABLE) != 0 && (control & SLEEP_TYPE) == 0) requestPowerOff();
  }
}

export function powerWrite(offset: u32, bytes: u32, value: u32): void {
  if (bytes == 1) writeWord(offset & ~1, value << ((offset & 1) << 3), 0xff << ((offset & 1) << 3));
  else {
    writeWord(offset, value & 0xffff, 0xffff);
    if (bytes == 4) writeWord(offset + 2, value >> 16, 0xffff);
  }
}
