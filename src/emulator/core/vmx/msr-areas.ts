// The MSR areas of VM entry and VM exit: SDM 3C 27.4 'Loading MSRs', 28.4 'Saving MSRs', 28.6 'Loading MSRs'.
// An entry is 16 bytes: index, reserved dword (0), value.
import { CPU_ABORT_KIND } from '../generated/layout';
import { readPhysical32, readPhysical64, writePhysical64 } from '../memory';
import { NEXT, aborted } from '../state';
import { readMsr, tscValue, writeMsr } from '../msrs';

@inline const ENTRY_BYTES: u64 = 16;
/** What bits 27:25 of IA32_VMX_MISC, which are 0, recommend at most. Of a longer area the manual defines nothing: its first entry too many cannot be used. */
@inline const MOST_ENTRIES: u32 = 512;
@inline const IA32_TIME_STAMP_COUNTER: u32 = 0x10;
@inline const IA32_BIOS_UPDT_TRIG: u32 = 0x79;
@inline const IA32_BIOS_SIGN_ID: u32 = 0x8b;
@inline const IA32_SMM_MONITOR_CTL: u32 = 0x9b;
@inline const IA32_SMBASE: u32 = 0x9e;
@inline const IA32_FS_BASE: u32 = 0xc0000100;
@inline const IA32_GS_BASE: u32 = 0xc0000101;
@inline function isX2apic(index: u32): bool { return index >> 8 == 8; }

/** MSRs that no area may load: FS and GS bases, the x2APIC, those of SMM, and (of this model) microcode update. */
function loadable(index: u32): bool {
  return index != IA32_FS_BASE && index != IA32_GS_BASE && !isX2apic(index) && index != IA32_SMM_MONITOR_CTL && index != IA32_BIOS_UPDT_TRIG && index != IA32_BIOS_SIGN_ID;
}

/** Loads `count` MSRs from the area at a physical address. Returns 0, or the 1-based number of the first entry that cannot be loaded. */
export function loadMsrArea(address: u64, count: u32): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const at = address + ENTRY_BYTES * i, index = readPhysical32(at);
    if (i >= MOST_ENTRIES || readPhysical32(at + 4) != 0 || !loadable(index)) return i + 1;
    if (writeMsr(index, readPhysical64(at + 8)) != NEXT) {
      store<u32>(CPU_ABORT_KIND, 0);
      return i + 1;
    }
  }
  return 0;
}

/** Stores `count` MSRs to the area at a physical address. Returns 0, or the 1-based number of the first entry that cannot be stored. */
export function storeMsrArea(address: u64, count: u32): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const at = address + ENTRY_BYTES * i, index = readPhysical32(at);
    if (i >= MOST_ENTRIES || readPhysical32(at + 4) != 0 || isX2apic(index) || index == IA32_SMBASE) return i + 1;
    // The time-stamp counter is stored as it is, without TSC offsetting.
    store<u32>(CPU_ABORT_KIND, 0);
    const value = index == IA32_TIME_STAMP_COUNTER ? tscValue() : readMsr(index);
    if (aborted()) return i + 1;
    writePhysical64(at + 8, value);
  }
  return 0;
}
