// The board's interrupt lines: 0 to 15 are the ISA lines, wired to the 8259 pair and to the I/O APIC's pin of the same number (line 0,
// the timer, to pin 2, where multiprocessor boards have it); 16 to 23 reach the I/O APIC alone. Level 1 means asserted.
import { IO_APIC_PINS } from '../core/generated/devices';
import { setIoApicPin } from './io-apic';
import { setPicLine } from './pic';

@inline export const IRQ_TIMER: u32 = 0;
@inline export const IRQ_KEYBOARD: u32 = 1;
@inline export const IRQ_SERIAL: u32 = 4;
@inline export const IRQ_RTC: u32 = 8;
@inline export const IRQ_SCI: u32 = 9;

/** A device drives its line. */
export function setIrqLine(irq: u32, level: bool): void {
  if (irq < 16) setPicLine(irq, level);
  if (irq < IO_APIC_PINS) setIoApicPin(irq == IRQ_TIMER ? 2 : irq, level);
}
