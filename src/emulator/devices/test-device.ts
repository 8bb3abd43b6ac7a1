// What test programs for emulators expect of their machine: an exit code at F4h, consoles at E9h and 402h (see the bus), four bytes of
// storage at E0h to E3h, and interrupt lines under software's control at 2000h + line.
import { IO_APIC_PINS, TEST_DEVICE_DATA } from '../core/generated/devices';
import { M_DEBUG_EXIT_CODE, STOP_DEBUG_EXIT } from '../core/generated/layout';
import { requestStop } from '../core/stop';
import { setIrqLine } from './irq-router';

@inline export const EXIT_PORT: u32 = 0xf4;
@inline export const STORAGE_PORT: u32 = 0xe0;
@inline export const LINE_PORTS: u32 = 0x2000;

/** The program ends; the machine stops with its code. */
export function debugExit(value: u32): void {
  store<u32>(M_DEBUG_EXIT_CODE, value);
  requestStop(STOP_DEBUG_EXIT, value, value);
}

@inline function mask(bytes: u32): u32 { return bytes == 4 ? u32.MAX_VALUE : (1 << (bytes << 3)) - 1; }
export function storageRead(offset: u32, bytes: u32): u32 { return load<u32>(TEST_DEVICE_DATA) >> (offset << 3) & mask(bytes); }
export function storageWrite(offset: u32, bytes: u32, value: u32): void {
  const written = mask(bytes) << (offset << 3);
  store<u32>(TEST_DEVICE_DATA, load<u32>(TEST_DEVICE_DATA) & ~written | value << (offset << 3) & written);
}

export function lineWrite(irq: u32, value: u32): void { if (irq < IO_APIC_PINS) setIrqLine(irq, value != 0); }
