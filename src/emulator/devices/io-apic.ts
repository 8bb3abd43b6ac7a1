// The I/O APIC at FEC00000h: 24 pins, version 20h (with the EOI register). Lines are assertions: polarity bits are kept, not applied.
// An edge on a masked pin is lost; a level waits until the pin is unmasked and its remote IRR clear. (82093AA data sheet.)
import { IO_APIC_PINS, IOAPIC_ID, IOAPIC_LINES, IOAPIC_REDIRECTION, IOAPIC_SELECT } from '../core/generated/devices';
import { M_VCPU_COUNT } from '../core/generated/layout';
import { deliverMessage, messageReaches, MODE_EXTINT } from './interrupt-messages';
import { arrived } from './local-apic';

@inline export const IO_APIC_PAGE: u64 = 0xfec00000;
// redirection entry
@inline const LOGICAL: u64 = 0x800;
@inline const DELIVERY_STATUS: u64 = 0x1000;
@inline const REMOTE_IRR: u64 = 0x4000;
@inline const LEVEL: u64 = 0x8000;
@inline const MASKED: u64 = 0x10000;
@inline const WRITABLE: u64 = 0xff0000000001afff;
/** The pin that a board ties to INTR of the 8259 pair. */
@inline const PIC_PIN: u32 = 0;

@inline function entryAt(pin: u32): usize { return IOAPIC_REDIRECTION + (<usize>pin << 3); }
@inline function modeOf(entry: u64): u32 { return <u32>(entry >> 8) & 7; }
@inline function destinationOf(entry: u64): u32 { return <u32>(entry >> 56); }

export function resetIoApic(): void {
  for (let pin: u32 = 0; pin < IO_APIC_PINS; pin++) store<u64>(entryAt(pin), MASKED);
}

/** Sends the pin's message; true: some local APIC took it. */
function send(entry: u64): bool {
  if (modeOf(entry) == MODE_EXTINT) return false;   // the processor fetches that vector from the 8259 pair
  return deliverMessage(modeOf(entry), <u32>entry & 0xff, destinationOf(entry), (entry & LOGICAL) != 0, 0xff, (entry & LEVEL) != 0);
}

/** A level-triggered pin that is asserted, unmasked and not awaiting an EOI sends its message. */
function serviceLevel(pin: u32): void {
  const entry = load<u64>(entryAt(pin));
  if ((entry & (MASKED | REMOTE_IRR | LEVEL)) != LEVEL || (load<u32>(IOAPIC_LINES) & (1 << pin)) == 0) return;
  if (send(entry)) store<u64>(entryAt(pin), entry | REMOTE_IRR);
}

export function setIoApicPin(pin: u32, level: bool): void {
  const bit: u32 = 1 << pin, before = load<u32>(IOAPIC_LINES);
  store<u32>(IOAPIC_LINES, level ? before | bit : before & ~bit);
  const entry = load<u64>(entryAt(pin));
  if (entry & LEVEL) serviceLevel(pin);
  else if (level && (before & bit) == 0 && (entry & MASKED) == 0) send(entry);
}

/** A local APIC broadcasts the EOI of a level-triggered vector. */
export function ioApicEndOfInterrupt(vector: u32): void {
  for (let pin: u32 = 0; pin < IO_APIC_PINS; pin++) {
    const entry = load<u64>(entryAt(pin));
    if ((entry & (LEVEL | REMOTE_IRR)) != (LEVEL | REMOTE_IRR) || (<u32>entry & 0xff) != vector) continue;
    store<u64>(entryAt(pin), entry & ~REMOTE_IRR);
    serviceLevel(pin);
  }
}

/** INTR of the 8259 pair reaches a vCPU through the I/O APIC's pin 0 in delivery mode ExtINT. */
export function ioApicPassesPic(vcpu: u32): bool {
  const entry = load<u64>(entryAt(PIC_PIN));
  return modeOf(entry) == MODE_EXTINT && (entry & MASKED) == 0 && messageReaches(vcpu, destinationOf(entry), (entry & LOGICAL) != 0, 0xff);
}

// ---- registers

function readSelected(): u32 {
  const index = load<u32>(IOAPIC_SELECT);
  if (index == 0 || index == 2) return load<u32>(IOAPIC_ID);
  if (index == 1) return (IO_APIC_PINS - 1) << 16 | 0x20;
  const pin = (index - 0x10) >> 1;
  return index >= 0x10 && pin < IO_APIC_PINS ? load<u32>(entryAt(pin) + ((index & 1) << 2)) : 0;
}

function writeSelected(value: u32): void {
  const index = load<u32>(IOAPIC_SELECT), pin = (index - 0x10) >> 1;
  if (index == 0) store<u32>(IOAPIC_ID, value & 0x0f000000);
  if (index < 0x10 || pin >= IO_APIC_PINS) return;
  const before = load<u64>(entryAt(pin));
  const written = (index & 1) != 0 ? (before & 0xffffffff) | <u64>value << 32 : (before & ~0xffffffff) | <u64>value;
  let entry = (written & WRITABLE) | (before & (DELIVERY_STATUS | REMOTE_IRR));
  if ((entry & LEVEL) == 0) entry &= ~REMOTE_IRR;
  store<u64>(entryAt(pin), entry);
  serviceLevel(pin);
  // the 8259 pair may reach a waiting vCPU now
  const count = load<u32>(M_VCPU_COUNT);
  if (pin == PIC_PIN) for (let vcpu: u32 = 0; vcpu < count; vcpu++) arrived(vcpu);
}

export function ioApicRead(offset: u32): u32 {
  return offset == 0 ? load<u32>(IOAPIC_SELECT) : offset == 0x10 ? readSelected() : 0;
}
export function ioApicWrite(offset: u32, value: u32): void {
  if (offset == 0) store<u32>(IOAPIC_SELECT, value & 0xff);
  else if (offset == 0x10) writeSelected(value);
  else if (offset == 0x40) ioApicEndOfInterrupt(value & 0xff);
}
