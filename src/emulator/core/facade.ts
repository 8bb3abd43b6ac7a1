// What the façade (emulator/machine.ts) needs of the core beside running: translation without side effects, and keeping caches
// coherent when the host changes registers or memory.
import { CPU_ABORT_KIND, CPU_ID, M_RAM_SIZE, RAM_BASE, REC_CASE_ID, RECORD_BYTES, REGION_SCRATCH } from './generated/layout';
import { readTpr, vcpuArrival, writeTpr } from '../devices/bus';
import { dropAllCode, invalidateCode } from './blocks';
import { decode, decodedRecords } from './decode';
import { readMsr, writeMsr } from './msrs';
import { updateMode } from './segments';
import { CR0_PG, CR4_PAE, CR4_PSE, EFER_LMA, rflags, setRflags, time } from './state';
import { flushEverything, selectTlb, setAsideData } from './tlb';
import { currentVmcs, forgetChecks } from './vmx/vmcs';

/** Two records that nothing runs, behind the one-instruction blocks of core/blocks.ts. */
@inline const INSPECTION_RECORD: usize = REGION_SCRATCH + 0x8000;

/** After the host changed registers: modes, rights and translations follow, and an exit may save a state that cannot be entered. */
export function refresh(): void {
  updateMode();
  flushEverything();
  if (currentVmcs() != 0) forgetChecks(currentVmcs());
  vcpuArrival(load<u32>(CPU_ID));
}
/** After the host wrote RAM: code decoded from those pages goes, and what was found of a VMCS there. */
export function invalidateRange(physical: u32, bytes: u32): void {
  for (let page = physical >> 12; page <= (physical + bytes - 1) >> 12; page++) {
    invalidateCode(page);
    forgetChecks(RAM_BASE + (<usize>page << 12));
  }
}
/** After watches changed: which pages emitted code may reach by itself is decided anew. */
export function watchesChanged(): void { setAsideData(); }
/** Decoded blocks are made anew. */
export function dropCode(): void { dropAllCode(); }
/** CR8: the task priority of the local APIC, 0 to 15. */
export function taskPriority(): u32 { return readTpr(); }
export function setTaskPriority(priority: u32): void { writeTpr(priority); }
export function timeNow(): u64 { return time(); }
export function rflagsImage(): u64 { return rflags(); }
export function setRflagsImage(v: u64): void { setRflags(v); selectTlb(); }
/** Value of an MSR; 0 for one that does not exist. */
export function readMsrForDebugger(index: u32): u64 { const v = readMsr(index); store<u32>(CPU_ABORT_KIND, 0); return v; }
export function writeMsrForDebugger(index: u32, value: u64): i32 { const r = writeMsr(index, value); store<u32>(CPU_ABORT_KIND, 0); return r; }

// ---- translation without side effects

export let translatedPhysical: u64 = 0;
export let translatedGuestPhysical: u64 = 0;

function physicalEntry(address: u64): u64 { return address + 8 <= <u64>load<u32>(M_RAM_SIZE) ? load<u64>(RAM_BASE + <usize>address) : 0; }

/** Guest-physical to host-physical through an EPT; false when an entry is not present. */
function throughEpt(eptp: u64, guestPhysical: u64): bool {
  if (eptp == 0) { translatedPhysical = guestPhysical; return true; }
  let table = eptp & 0x000ffffffffff000;
  let level: u32 = 4;
  while (true) {
    const shift = 12 + 9 * (<u64>level - 1), entry = physicalEntry(table + ((guestPhysical >> shift & 511) << 3));
    if ((entry & 7) == 0) return false;
    if (level == 1 || (level < 4 && (entry & 0x80) != 0)) {
      const mask = (<u64>1 << shift) - 1;
      translatedPhysical = entry & 0x000ffffffffff000 & ~mask | guestPhysical & mask;
      return true;
    }
    table = entry & 0x000ffffffffff000;
    level--;
  }
}
/**
 * Translates a linear address under the given paging state. Returns the page size in bytes, 0 when it is not mapped: translatedPhysical then
 * holds the level (1 to 4) of the entry that is not present, or 0x100 | level of EPT.
 */
export function inspectTranslation(linear: u64, cr0: u64, cr3: u64, cr4: u64, efer: u64, eptp: u64): u32 {
  let guest = linear, bytes: u64 = 0x1000;
  if (cr0 & CR0_PG) {
    const wide = (efer & EFER_LMA) != 0, pae = (cr4 & CR4_PAE) != 0;
    if (wide || pae) {
      const top: u32 = wide ? 4 : 3;
      let table = cr3 & (wide ? 0x000ffffffffff000 : 0xffffffe0), level = top;
      while (true) {
        const shift = 12 + 9 * (<u64>level - 1), index = level == 3 && !wide ? linear >> 30 & 3 : linear >> shift & 511;
        if (!throughEpt(eptp, table + (index << 3))) { translatedPhysical = 0x100 | level; return 0; }
        const entry = physicalEntry(translatedPhysical);
        if ((entry & 1) == 0) { translatedPhysical = level; return 0; }
        if (level == 1 || (level < top && (entry & 0x80) != 0)) {
          const mask = (<u64>1 << shift) - 1;
          guest = entry & 0x000ffffffffff000 & ~mask | linear & mask;
          bytes = mask + 1;
          break;
        }
        table = entry & 0x000ffffffffff000;
        level--;
      }
    } else {
      if (!throughEpt(eptp, (cr3 & 0xfffff000) + ((linear >> 22 & 1023) << 2))) { translatedPhysical = 0x102; return 0; }
      const pde: u64 = physicalEntry(translatedPhysical & ~7) >> ((translatedPhysical & 4) << 3) & 0xffffffff;
      if ((pde & 1) == 0) { translatedPhysical = 2; return 0; }
      if ((pde & 0x80) != 0 && (cr4 & CR4_PSE) != 0) { guest = pde & 0xffc00000 | linear & 0x3fffff; bytes = 0x400000; }
      else {
        if (!throughEpt(eptp, (pde & 0xfffff000) + ((linear >> 12 & 1023) << 2))) { translatedPhysical = 0x101; return 0; }
        const pte: u64 = physicalEntry(translatedPhysical & ~7) >> ((translatedPhysical & 4) << 3) & 0xffffffff;
        if ((pte & 1) == 0) { translatedPhysical = 1; return 0; }
        guest = pte & 0xfffff000 | linear & 0xfff;
      }
    }
  }
  translatedGuestPhysical = guest;
  if (!throughEpt(eptp, guest)) { translatedPhysical = 0x100; return 0; }
  return <u32>bytes;
}

// ---- decoding without running

/**
 * Decodes the bytes at `bytes` (WASM address; 16 readable bytes) in the mode of the active vCPU. Returns length | case << 8 of the instruction's
 * last record; an undefined instruction has the case of #UD. Nothing of the state changes.
 */
export function decodeForInspection(bytes: usize): u32 {
  const length = decode(bytes, INSPECTION_RECORD, 0, 0), last = INSPECTION_RECORD + <usize>(decodedRecords - 1) * RECORD_BYTES;
  return length | <u32>load<u16>(last + REC_CASE_ID) << 8;
}
