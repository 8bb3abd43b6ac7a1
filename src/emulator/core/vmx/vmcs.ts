// The VMCS as this processor keeps it: SDM 3C 25.2 'Format of the VMCS Region'. Data live in the 4-KByte region in guest RAM, each field
// in a slot of 8 bytes, zero-extended; nothing is cached outside the region but the controls in force (vmx/controls).
// Invariant: CPU_VMCS_HOST is the WASM address of the region that CPU_CURRENT_VMCS names, and 0 when there is no current VMCS.
import { CPU_CURRENT_VMCS, CPU_VMCS_HOST, REGION_VMCS_OFFSETS } from '../generated/layout';
import { markDirty, pageFlags } from '../dirty';
import { hostOf, readPhysical32 } from '../memory';
import { ARITHMETIC, longModeActive } from '../state';
import { vmcsRevision } from './capability';
import { isRechecked } from '../generated/entry-checks';
import { ENC_GUEST_RFLAGS } from '../generated/vmx';
import { physicalBits } from '../processor-facts';

/** A pointer that names no VMCS: the current-VMCS pointer or the link pointer. */
@inline export const NO_VMCS: u64 = 0xffffffffffffffff;

// the region's header
@inline export const REGION_ABORT_INDICATOR: usize = 4;
@inline export const REGION_LAUNCH_STATE: usize = 8;
@inline export const LAUNCH_CLEAR: u32 = 0;
@inline export const LAUNCH_LAUNCHED: u32 = 1;
/** Bit 31 of the first dword: the region is a shadow VMCS. */
@inline const SHADOW_INDICATOR: u32 = 0x80000000;

/** WASM address of the current VMCS, 0 = none. */
@inline export function currentVmcs(): usize { return load<u32>(CPU_VMCS_HOST); }
/** Value of the field at `offset` (a constant VMCS_...) of the VMCS at `vmcs`. */
@inline export function field(vmcs: usize, offset: usize): u64 { return load<u64>(vmcs + offset); }
@inline export function field32(vmcs: usize, offset: usize): u32 { return load<u32>(vmcs + offset); }
/** Sets a field; the value must fit the field's width. */
@inline export function setField(vmcs: usize, offset: usize, value: u64): void { store<u64>(vmcs + offset, value); }

@inline export function isShadowVmcs(vmcs: usize): bool { return (load<u32>(vmcs) & SHADOW_INDICATOR) != 0; }
@inline export function launchState(vmcs: usize): u32 { return load<u32>(vmcs + REGION_LAUNCH_STATE); }
@inline export function setLaunchState(vmcs: usize, state: u32): void { store<u32>(vmcs + REGION_LAUNCH_STATE, state); }

/** Tells the snapshot machinery that the page of that VMCS was written past the ordinary store path. */
@inline export function markVmcsWritten(vmcs: usize): void { markDirty(vmcs); }

/** Bits of the flags of a VMCS's page: it has passed every check of an entry. Some look at the processor's mode, so there is a bit for each. */
@inline const CHECKED: u8 = 2;
@inline const CHECKED_IN_IA32E_MODE: u8 = 4;
@inline function checkedHere(): u8 { return longModeActive() ? CHECKED_IN_IA32E_MODE : CHECKED; }
/** Whether an entry in the present mode has passed every check, and nothing that they look at has changed since but what the rechecks look at. */
@inline export function isChecked(vmcs: usize): bool { return (load<u8>(pageFlags(vmcs)) & checkedHere()) != 0; }
@inline export function markChecked(vmcs: usize): void { const flags = pageFlags(vmcs); store<u8>(flags, load<u8>(flags) | checkedHere()); }
/** The next entry with what lies there runs all checks. */
@inline export function forgetChecks(vmcs: usize): void { const flags = pageFlags(vmcs); store<u8>(flags, load<u8>(flags) & ~(CHECKED | CHECKED_IN_IA32E_MODE)); }

/** Makes the VMCS at physical address `pointer` current; NO_VMCS for none. The region must lie in RAM. */
export function setCurrentVmcs(pointer: u64): void {
  const vmcs = pointer == NO_VMCS ? 0 : hostOf(pointer, 4096);
  store<u64>(CPU_CURRENT_VMCS, pointer);
  store<u32>(CPU_VMCS_HOST, <u32>vmcs);
  if (vmcs != 0 && launchState(vmcs) == LAUNCH_CLEAR) forgetChecks(vmcs);             // while it was clear, software may have made it of anything
}

/** Whether `pointer` can be the address of a VMXON or VMCS region: 4-KByte aligned and inside the physical-address width. */
@inline export function isRegionPointer(pointer: u64): bool {
  return (pointer & 0xfff) == 0 && (pointer >> physicalBits()) == 0;
}

/** Whether the region's first dword holds our revision identifier; bit 31 must be 0 unless `shadowAllowed`. */
export function hasRevision(pointer: u64, shadowAllowed: bool): bool {
  const word = readPhysical32(pointer);
  return (shadowAllowed ? word & ~SHADOW_INDICATOR : word) == vmcsRevision();
}

/**
 * Byte offset of the field that an encoding reaches, 0 if there is none: SDM 3C 25.11.2 'VMREAD, VMWRITE, and Encodings of VMCS Fields'.
 * Only a 64-bit field has a high half (bit 0 of the encoding).
 */
export function fieldOffset(encoding: u64): usize {
  if ((encoding & ~0x6fff) != 0) return 0;
  const e = <u32>encoding, width = (e >> 13) & 3, type = (e >> 10) & 3, index = (e >> 1) & 0x1ff;
  if (index > 127 || ((e & 1) != 0 && width != WIDTH_64)) return 0;
  return load<u16>(REGION_VMCS_OFFSETS + (<usize>(((width << 2 | type) << 7) | index) << 1));
}

@inline const WIDTH_16: u32 = 0;
@inline const WIDTH_64: u32 = 1;
@inline const WIDTH_32: u32 = 2;
@inline const TYPE_READ_ONLY: u32 = 1;

@inline export function isReadOnly(encoding: u64): bool { return ((<u32>encoding >> 10) & 3) == TYPE_READ_ONLY; }

/** What VMREAD delivers for an existing field: the whole field, or the high half of a 64-bit one. */
export function readField(vmcs: usize, offset: usize, encoding: u64): u64 {
  const value = load<u64>(vmcs + offset);
  return (encoding & 1) != 0 ? value >> 32 : value;
}

/** What VMWRITE does to an existing field: bits beyond its width are dropped; a high-half encoding leaves the low half alone. */
export function writeField(vmcs: usize, offset: usize, encoding: u64, value: u64): void {
  const width = (<u32>encoding >> 13) & 3, before = load<u64>(vmcs + offset);
  if ((encoding & 1) != 0) store<u32>(vmcs + offset + 4, <u32>value);
  else if (width == WIDTH_16) store<u64>(vmcs + offset, value & 0xffff);
  else if (width == WIDTH_32) store<u64>(vmcs + offset, value & 0xffffffff);
  else store<u64>(vmcs + offset, value);
  if (!passesStill(encoding, before ^ load<u64>(vmcs + offset))) forgetChecks(vmcs);
  markVmcsWritten(vmcs);
}
/** Whether a VMCS that has passed all checks still does after `changed` bits of a field: no check looks at arithmetic flags. */
@inline function passesStill(encoding: u64, changed: u64): bool {
  return changed == 0 || isRechecked(encoding) || (encoding == ENC_GUEST_RFLAGS && (changed & ~ARITHMETIC) == 0);
}
