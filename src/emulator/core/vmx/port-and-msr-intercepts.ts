// I/O and MSR accesses in VMX non-root operation: SDM 3C 25.6.4 'I/O-Bitmap Addresses', 25.6.9 'MSR-Bitmap Address', 26.1.3 'Instructions That
// Cause VM Exits Conditionally'. The bitmaps lie in host-physical memory.
import { EXIT_IO_INSTRUCTION, EXIT_RDMSR, EXIT_WRMSR, VMCS_IO_BITMAP_A_ADDRESS, VMCS_IO_BITMAP_B_ADDRESS, VMCS_MSR_BITMAPS_ADDRESS } from '../generated/vmx';
import { readPhysical8 } from '../memory';
import { nonRoot } from '../state';
import { unconditionalIoExiting, useIoBitmaps, useMsrBitmaps } from './controls';
import { exitWithLinearAddress, vmExit } from './exit';
import { stringPortInformation } from './instruction-information';
import { currentVmcs, field } from './vmcs';

// bits of the I/O qualification
@inline const IN: u32 = 1 << 3;
@inline const STRING: u32 = 1 << 4;
@inline const REP: u32 = 1 << 5;
@inline const IMMEDIATE: u32 = 1 << 6;

// the four parts of the MSR bitmaps
@inline const READ_LOW: u64 = 0;
@inline const WRITE: u64 = 0x800;
@inline const HIGH: u64 = 0x400;
@inline const HIGH_RANGE: u32 = 0xc0000000;
@inline const RANGE_SIZE: u32 = 0x2000;

@inline function bitIsSet(bitmap: u64, bit: u32): bool { return (readPhysical8(bitmap + (bit >> 3)) >> (bit & 7) & 1) != 0; }

/** Whether an access of `bytes` ports from `port` exits. The I/O bitmaps override unconditional exiting; an access past port FFFFH always exits. */
function portExits(port: u32, bytes: u32): bool {
  if (!useIoBitmaps()) return unconditionalIoExiting();
  if (port + bytes > 0x10000) return true;
  const vmcs = currentVmcs();
  for (let p = port; p < port + bytes; p++) {
    const bitmap = p < 0x8000 ? field(vmcs, VMCS_IO_BITMAP_A_ADDRESS) : field(vmcs, VMCS_IO_BITMAP_B_ADDRESS);
    if (bitIsSet(bitmap, p & 0x7fff)) return true;
  }
  return false;
}

/**
 * IN, OUT, INS, OUTS on `bytes` (1, 2, 4) at `port`, after the I/O permission check and before any access to a memory operand. For string forms: linear
 * address of the operand, address size (0 16-bit, 1 32-bit, 2 64-bit) and, for OUTS, the segment register.
 */
export function interceptPort(port: u32, bytes: u32, isIn: bool, isString: bool, isRep: bool, isImmediate: bool, linear: u64, addressSize: u32, segment: u32): bool {
  if (!nonRoot() || !portExits(port, bytes)) return false;
  const qualification = (bytes - 1) | (isIn ? IN : 0) | (isString ? STRING : 0) | (isRep ? REP : 0) | (isImmediate ? IMMEDIATE : 0) | port << 16;
  if (isString) exitWithLinearAddress(EXIT_IO_INSTRUCTION, qualification, stringPortInformation(addressSize, segment), linear);
  else vmExit(EXIT_IO_INSTRUCTION, qualification);
  return true;
}

/** Whether an access to MSR `index` exits; `part`: READ_LOW or WRITE. Without bitmaps, and outside their two ranges, all do. */
function msrExits(index: u32, part: u64): bool {
  if (!useMsrBitmaps()) return true;
  const bitmaps = field(currentVmcs(), VMCS_MSR_BITMAPS_ADDRESS) + part;
  if (index < RANGE_SIZE) return bitIsSet(bitmaps, index);
  return index - HIGH_RANGE < RANGE_SIZE ? bitIsSet(bitmaps + HIGH, index - HIGH_RANGE) : true;
}

/** RDMSR, after the CPL check and before the check of the index. */
export function interceptMsrRead(index: u32): bool {
  if (!nonRoot() || !msrExits(index, READ_LOW)) return false;
  vmExit(EXIT_RDMSR, 0);
  return true;
}

/** WRMSR, likewise. */
export function interceptMsrWrite(index: u32): bool {
  if (!nonRoot() || !msrExits(index, WRITE)) return false;
  vmExit(EXIT_WRMSR, 0);
  return true;
}
