// What test programs for emulators expect of their machine: an exit code at F4h, consoles at E9h and 402h (see the bus), four bytes of
// storage at E0h to E3h, a page of memory that is reached as a device, and interrupt lines under software's control at 2000h + line.
import { IO_APIC_PINS, TEST_DEVICE_DATA, TEST_DEVICE_MEMORY } from '../core/generated/devices';
import { M_DEBUG_EXIT_CODE, STOP_DEBUG_EXIT } from '../core/generated/layout';
import { requestStop } from '../core/stop';
import { setIrqLine } from './irq-router';

@inline export const EXIT_PORT: u32 = 0xf4;
@inline export const STORAGE_PORT: u32 = 0xe0;
@inline export const LINE_PORTS: u32 = 0x2000;
@inline export const MEMORY_PAGE: u64 = 0xff000000;
@inline export const MEMORY_BYTES: u64 = 0x1000;

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

/** The page of memory: reads and writes of 1, 2, 4 or 8 bytes that lie in it. */
export function memoryRead(offset: u32, bytes: u32): u64 {
  const at = TEST_DEVICE_MEMORY + <usize>offset;
  return bytes == 8 ? load<u64>(at) : bytes == 4 ? load<u32>(at) : bytes == 2 ? load<u16>(at) : load<u8>(at);
}
export function memoryWrite(offset: u32, value: u64, bytes: u32): void {
  const at = TEST_DEVICE_MEMORY + <usize>offset;
  if (bytes == 8) store<u64>(at, value); else if (bytes == 4) store<u32>(at, <u32>value); else if (bytes == 2) store<u16>(at, <u16>value); else store<u8>(at, <u8>value);
}
