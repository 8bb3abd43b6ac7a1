// Linear to physical: paging (SDM 3A chapter 4 'Paging') and EPT (SDM 3C 29.3 'The Extended Page Table Mechanism'), with accessed and
// dirty flags, permissions and error codes. A failed walk records an abort (page fault, EPT violation or misconfiguration) that the
// caller of the instruction turns into a fault or a VM exit.
import {
  CPU_ABORT_KIND, CPU_ALONE, CPU_CPL, CPU_CR0, CPU_CR3, CPU_CR4, CPU_EFER, CPU_EPTP, CPU_EXIT_QUALIFICATION, CPU_FAULT_ADDRESS, CPU_GUEST_PHYSICAL_FAULT, CPU_PDPTE,
  CPU_RFLAGS_SYSTEM, CPU_SUPPRESS_VE, CPU_TLB_BASE, CPU_TLB_GENERATION, M_RAM_SIZE, RAM_BASE, REGION_TLB_CONTEXTS,
} from './generated/layout';
import { invalidateCode, storeTouchesCode } from './blocks';
import { markDirty } from './dirty';
import { eptVpidCapPages1G, featurePages1G, featurePse36, physicalBits } from './processor-facts';
import { keyForbids, keysAreOn } from './protection-keys';
import {
  ABORT_ALONE, ABORT_EPT_MISCONFIGURATION, ABORT_EPT_VIOLATION, ABORT_PML_FULL, abandon, AC, CR0_PG, CR0_WP, CR4_PAE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE, GP,
  raiseError, raisePageFault,
} from './state';
import { memoryIsWatched, noteProcessorWrite, processorWriteIsWatched } from './watch';
import { enablePml, modeBasedExecuteControl } from './vmx/controls';
import { logHasRoom, logModifiedPage } from './vmx/page-modification-log';
import { guestPhysicalApicAccess, isApicAccess } from './vmx/apic-access';

@inline export const READ: u32 = 0;
@inline export const WRITE: u32 = 1;
@inline export const EXECUTE: u32 = 2;

/** What a successful walk leaves: host-physical address of the byte, and whether the page is writable at once (dirty flag set, permission). */
export let walkedPhysical: u64 = 0;
export let walkedGuestPhysical: u64 = 0;
export let walkedWritable: bool = false;
/** The addresses of a translation that the TLB has kept. */
export function recallWalk(physical: u64, guestPhysical: u64): void { walkedPhysical = physical; walkedGuestPhysical = guestPhysical; }

let walkAddress: u64 = 0;            // linear address under translation, for EPT violations
let walksLinear: bool = true;        // there is one: false while PDPTEs are loaded

@inline function physicalMask(): u64 { return (<u64>1 << physicalBits()) - 1; }
@inline function entryAddress(entry: u64): u64 { return entry & 0x000ffffffffff000; }

/** What is being translated for: fetches come between instructions, and need not run alone to be exact. */
let walkAccess: u32 = READ;
/**
 * Sets flags in a paging-structure entry at a WASM address. Where that byte is watched or holds code, the instruction must run alone: false with an abort
 * recorded. `guestPhysical`: of the entry, all ones for an EPT entry.
 */
function putEntry(host: usize, guestPhysical: u64, before: u64, value: u64, bytes: u32): bool {
  const physical = <u64>(host - RAM_BASE), isCode = storeTouchesCode(host, bytes), isWatched = memoryIsWatched() && processorWriteIsWatched(guestPhysical, physical, bytes);
  if ((isCode || isWatched) && walkAccess != EXECUTE && load<u32>(CPU_ALONE) == 0) { abandon(ABORT_ALONE); return false; }
  if (isWatched) noteProcessorWrite(guestPhysical, physical, bytes, before, value);
  markDirty(host);
  if (bytes == 8) store<u64>(host, value); else store<u32>(host, <u32>value);
  if (isCode) invalidateCode(<u32>(physical >> 12));
  return true;
}

// ---- EPT

/** Bits 2:0 of an EPT entry, and of the qualification, for a kind of access. */
@inline function eptNeed(access: u32): u64 { return access == WRITE ? 2 : access == EXECUTE ? 4 : 1; }
/** Execution from user-mode linear addresses, with mode-based execute control; bit 2 is then for supervisor-mode ones. */
@inline const EPT_EXECUTE_USER: u64 = 0x400;
@inline const SUPPRESS_VE: u64 = 1 << 63;

/** `entry`: the one that is not present or maps the page. Its bit 63 keeps the violation from becoming #VE. */
function eptViolation(guestPhysical: u64, access: u64, rights: u64, final: bool, entry: u64): bool {
  store<u32>(CPU_ABORT_KIND, ABORT_EPT_VIOLATION);
  store<u64>(CPU_GUEST_PHYSICAL_FAULT, guestPhysical);
  store<u64>(CPU_FAULT_ADDRESS, walkAddress);
  store<u32>(CPU_SUPPRESS_VE, <u32>(entry >> 63));
  // bits 2:0 access, 6:3 rights of all entries together, 7 linear address valid, 8 access to the translation of it
  const userRight: u64 = modeBasedExecuteControl() && (rights & EPT_EXECUTE_USER) != 0 ? 0x40 : 0;
  store<u64>(CPU_EXIT_QUALIFICATION, access | (rights & 7) << 3 | userRight | (walksLinear ? (final ? 0x180 : 0x80) : 0));
  return false;
}
function logIsFull(guestPhysical: u64): bool {
  store<u32>(CPU_ABORT_KIND, ABORT_PML_FULL);
  store<u64>(CPU_GUEST_PHYSICAL_FAULT, guestPhysical);
  return false;
}
function eptMisconfiguration(guestPhysical: u64): bool {
  store<u32>(CPU_ABORT_KIND, ABORT_EPT_MISCONFIGURATION);
  store<u64>(CPU_GUEST_PHYSICAL_FAULT, guestPhysical);
  store<u64>(CPU_FAULT_ADDRESS, walkAddress);
  return false;
}

/** Reserved bits and illegal combinations of a present EPT entry (SDM 3C 29.3.3.1 'EPT Misconfigurations'). */
function eptEntryIsBad(entry: u64, level: u32, leaf: bool): bool {
  if ((entry & 3) == 2) return true;                                            // writable, not readable
  if (entry & ~physicalMask() & 0x000ffffffffff000) return true;
  if (!leaf) return level == 4 ? (entry & 0xf8) != 0 : (entry & 0x78) != 0;
  if (level == 3 && (eptVpidCapPages1G() == 0 || (entry & 0x3ffff000) != 0)) return true;
  if (level == 2 && (entry & 0x1ff000) != 0) return true;
  const type = entry >> 3 & 7;
  return type == 2 || type == 3 || type == 7;
}

/**
 * Guest-physical to host-physical into walkedPhysical. `final`: the access is to the translated address, not to a paging structure;
 * `userAddress`: a user-mode linear address, which mode-based execute control tells from others.
 */
function eptWalk(guestPhysical: u64, access: u32, final: bool, asWrite: bool, userAddress: bool): bool {
  const eptp = load<u64>(CPU_EPTP), flags = (eptp & 0x40) != 0, byMode = modeBasedExecuteControl();
  // with accessed and dirty flags for EPT, accesses to guest paging structures count as writes
  const reported: u64 = asWrite || (flags && walksLinear && !final) ? eptNeed(access) | 2 : eptNeed(access);
  const wanted: u64 = byMode && userAddress && access == EXECUTE ? EPT_EXECUTE_USER : reported, present: u64 = byMode ? EPT_EXECUTE_USER | 7 : 7;
  if (guestPhysical >> 48) return eptViolation(guestPhysical, reported, 0, final, SUPPRESS_VE);
  let table = entryAddress(eptp), rights: u64 = EPT_EXECUTE_USER | 7;
  let level: u32 = 4;
  while (true) {
    const shift = 12 + 9 * (<u64>level - 1), at = table + ((guestPhysical >> shift & 511) << 3);
    if (at + 8 > <u64>load<u32>(M_RAM_SIZE)) return eptViolation(guestPhysical, reported, 0, final, SUPPRESS_VE);
    const host = RAM_BASE + <usize>at;
    let entry = load<u64>(host);
    if ((entry & present) == 0) return eptViolation(guestPhysical, reported, 0, final, entry);
    const leaf = level == 1 || ((entry & 0x80) != 0 && level < 4);
    if (eptEntryIsBad(entry, level, leaf)) return eptMisconfiguration(guestPhysical);
    rights &= entry;
    if (leaf) {
      if ((rights & wanted) != wanted) return eptViolation(guestPhysical, reported, rights, final, entry);
      if (flags) {
        const set: u64 = (wanted & 2) != 0 ? 0x300 : 0x100;
        const logs = (set & ~entry & 0x200) != 0 && enablePml();
        if (logs && !logHasRoom()) return logIsFull(guestPhysical);
        if ((entry & set) != set && !putEntry(host, u64.MAX_VALUE, entry, entry | set, 8)) return false;
        if (logs) logModifiedPage(guestPhysical);
      }
      const mask = (<u64>1 << shift) - 1;
      walkedPhysical = (entryAddress(entry) & ~mask) | (guestPhysical & mask);
      eptWritable = (rights & 2) != 0 && (!flags || (load<u64>(host) & 0x200) != 0);
      return true;
    }
    if (flags && (entry & 0x100) == 0) { if (!putEntry(host, u64.MAX_VALUE, entry, entry | 0x100, 8)) return false; entry |= 0x100; }
    table = entryAddress(entry);
    level--;
  }
}
let eptWritable: bool = true;

/** Translates a guest-physical address; without EPT it is host-physical already. */
@inline function toHost(guestPhysical: u64, access: u32, userAddress: bool): bool {
  if (load<u64>(CPU_EPTP) == 0) { walkedPhysical = guestPhysical; eptWritable = true; return true; }
  return eptWalk(guestPhysical, access, true, false, userAddress);
}

/** Translates the guest-physical address of a PDPTE that is about to be loaded: an EPT violation has no linear address then. */
export function translatePdpte(guestPhysical: u64): bool {
  walkAddress = 0;
  walksLinear = false;
  walkAccess = READ;
  const found = load<u64>(CPU_EPTP) == 0 || eptWalk(guestPhysical, READ, false, false, false);
  walksLinear = true;
  if (load<u64>(CPU_EPTP) == 0) walkedPhysical = guestPhysical;
  return found;
}

// Guest paging structures lie in few pages, which every TLB miss under EPT translates again, level by level. A small cache of these guest-physical
// mappings (SDM 3C 29.4.1 'Information That May Be Cached') hangs on the generation of the TLB context: what empties that empties this.
// An entry: u64 guest-physical page with the generation in its low bits, u64 EPTP, u64 host-physical page, u32 TLB context.
@inline const CACHED_PAGES: u32 = 32;
@inline const CACHED_BYTES: usize = 32;
@inline const PAGE_CACHE: usize = REGION_TLB_CONTEXTS + 0x1000 - <usize>CACHED_PAGES * CACHED_BYTES;

/** Forgets every cached mapping: a generation number is used anew. */
export function clearPageCache(): void { memory.fill(PAGE_CACHE, 0, <usize>CACHED_PAGES * CACHED_BYTES); }

/** Translates the guest-physical address of a paging-structure entry for reading, into walkedPhysical. */
function structureThroughEpt(guestPhysical: u64): bool {
  const slot = PAGE_CACHE + (<usize>(<u32>(guestPhysical >> 12) & (CACHED_PAGES - 1))) * CACHED_BYTES;
  const tag = (guestPhysical & ~0xfff) | load<u64>(CPU_TLB_GENERATION), context = load<u32>(CPU_TLB_BASE), eptp = load<u64>(CPU_EPTP);
  if (load<u64>(slot) == tag && load<u64>(slot, 8) == eptp && load<u32>(slot, 24) == context) {
    walkedPhysical = load<u64>(slot, 16) | (guestPhysical & 0xfff);
    return true;
  }
  if (!eptWalk(guestPhysical, READ, false, false, false)) return false;
  if (isApicAccess(walkedPhysical)) { guestPhysicalApicAccess(); return false; }
  store<u64>(slot, tag);
  store<u64>(slot, eptp, 8);
  store<u64>(slot, walkedPhysical & ~0xfff, 16);
  store<u32>(slot, context, 24);
  return true;
}

/** WASM address of a paging-structure entry, 0 after recording an abort; an entry outside RAM reads as not present through `absent`. */
@inline function entryHost(guestPhysical: u64): usize {
  if (load<u64>(CPU_EPTP) == 0) walkedPhysical = guestPhysical;
  else if (!structureThroughEpt(guestPhysical)) return 0;
  if (walkedPhysical + 8 > <u64>load<u32>(M_RAM_SIZE)) return absent();
  return RAM_BASE + <usize>walkedPhysical;
}
const NOWHERE = memory.data(16);
function absent(): usize { store<u64>(NOWHERE, 0); return NOWHERE; }

// ---- paging

/** Page-fault error code (SDM 3A 4.7 'Page-Fault Exceptions'): P W U RSVD I PK. */
function pageFault(linear: u64, present: bool, access: u32, user: bool, reserved: bool, key: bool = false): bool {
  const fetchFlag = access == EXECUTE && ((load<u64>(CPU_EFER) & EFER_NXE) != 0 || (load<u64>(CPU_CR4) & CR4_SMEP) != 0);
  raisePageFault(linear, (present ? 1 : 0) | (access == WRITE ? 2 : 0) | (user ? 4 : 0) | (reserved ? 8 : 0) | (fetchFlag ? 16 : 0) | (key ? 32 : 0));
  return false;
}

/** Rights of the combined entries against the access (SDM 3A 4.6.1 'Determination of Access Rights'). `combined`: U and W ANDed, NX ORed. */
function permitted(access: u32, user: bool, combined: u64, noExecute: bool): bool {
  const userPage = (combined & 4) != 0, writable = (combined & 2) != 0;
  if (user) {
    if (!userPage) return false;
    if (access == WRITE) return writable;
    return access != EXECUTE || !noExecute;
  }
  const cr4 = load<u64>(CPU_CR4);
  if (access == EXECUTE) return !noExecute && !(userPage && (cr4 & CR4_SMEP) != 0);
  if (userPage && (cr4 & CR4_SMAP) != 0 && !smapLifted) return false;
  return access == READ || writable || (load<u64>(CPU_CR0) & CR0_WP) == 0;
}
let smapLifted: bool = false;

/**
 * Translates a linear address. `user`: the access is made with user rights; `implicit`: a system access (descriptor tables, TSS), which
 * SMAP forbids on user pages whatever AC says. True: walkedPhysical and walkedWritable are set. False: an abort is recorded.
 */
export function walk(linear: u64, access: u32, user: bool, implicit: bool): bool {
  walkAddress = linear;
  walkAccess = access;
  smapLifted = !implicit && (load<u64>(CPU_RFLAGS_SYSTEM) & AC) != 0;
  if ((load<u64>(CPU_CR0) & CR0_PG) == 0) {
    walkedGuestPhysical = linear & 0xffffffff;
    if (!toHost(walkedGuestPhysical, access, true)) return false;                            // without paging every address counts as user-mode
    walkedWritable = eptWritable;
    return true;
  }
  if (load<u64>(CPU_EFER) & EFER_LMA) {
    if (<i64>(linear << 16) >> 16 != <i64>linear) { raiseError(GP, 0); return false; }
    return walkTables(linear, access, user, entryAddress(load<u64>(CPU_CR3)), 4);
  }
  if (load<u64>(CPU_CR4) & CR4_PAE) {
    const pdpte = load<u64>(CPU_PDPTE + (<usize>(linear >> 30 & 3) << 3));
    if ((pdpte & 1) == 0) return pageFault(linear, false, access, user, false);
    return walkTables(linear, access, user, entryAddress(pdpte), 2);
  }
  return walk32(linear, access, user);
}

/** 4-level paging, or PAE paging below its PDPTE. Levels: 4 PML4, 3 PDPT, 2 PD, 1 PT. */
function walkTables(linear: u64, access: u32, user: bool, top: u64, levels: u32): bool {
  let table = top, combined: u64 = 7, noExecute = false;
  // above the physical address 4-level paging ignores bits 62:52, PAE paging reserves them
  const nxe = (load<u64>(CPU_EFER) & EFER_NXE) != 0, reservedHigh = ~physicalMask() & (levels == 2 ? 0x7ffffffffffff000 : 0x000ffffffffff000);
  let level = levels;
  while (true) {
    const shift = 12 + 9 * (<u64>level - 1), at = entryHost(table + ((linear >> shift & 511) << 3));
    if (!at) return false;
    let entry = load<u64>(at);
    if ((entry & 1) == 0) return pageFault(linear, false, access, user, false);
    const large = level > 1 && (entry & 0x80) != 0, leaf = level == 1 || large;
    if ((entry & reservedHigh) != 0 || (!nxe && entry >> 63 != 0) || (large && (level == 4 || (level == 3 && featurePages1G() == 0) || (entry & ((<u64>1 << shift) - 0x2000)) != 0))) {
      return pageFault(linear, true, access, user, true);
    }
    combined &= entry;
    if (entry >> 63) noExecute = true;
    if (!leaf) {
      if ((entry & 0x20) == 0 && !setFlags(table + ((linear >> shift & 511) << 3), at, entry, 0x20)) return false;
      table = entryAddress(entry);
      level--;
      continue;
    }
    const keyed = levels == 4 && keysAreOn(), key = keyed && access != EXECUTE && keyForbids(entry, combined, access == WRITE, user);
    if (key || !permitted(access, user, combined, noExecute)) return pageFault(linear, true, access, user, false, key);
    const want: u64 = access == WRITE ? 0x60 : 0x20;
    if ((entry & want) != want) { if (!setFlags(table + ((linear >> shift & 511) << 3), at, entry, want)) return false; entry |= want; }
    const mask = (<u64>1 << shift) - 1;
    walkedGuestPhysical = (entryAddress(entry) & ~mask) | (linear & mask);
    if (!toHost(walkedGuestPhysical, access, (combined & 4) != 0)) return false;
    walkedWritable = (entry & 0x40) != 0 && eptWritable && permitted(WRITE, user, combined, noExecute) && !(keyed && keyForbids(entry, combined, true, user));
    return true;
  }
}

/** 32-bit paging with 4 MiB pages (CR4.PSE). */
function walk32(linear: u64, access: u32, user: bool): bool {
  const pdeAddress = (load<u64>(CPU_CR3) & 0xfffff000) + ((linear >> 22 & 1023) << 2);
  const pdeHost = entryHost32(pdeAddress);
  if (!pdeHost) return false;
  let pde: u64 = load<u32>(pdeHost);
  if ((pde & 1) == 0) return pageFault(linear, false, access, user, false);
  if ((pde & 0x80) != 0 && (load<u64>(CPU_CR4) & CR4_PSE) != 0) {
    if ((pde & 0x200000) != 0 || (featurePse36() == 0 && (pde & 0x1fe000) != 0)) return pageFault(linear, true, access, user, true);
    if (!permitted(access, user, pde, false)) return pageFault(linear, true, access, user, false);
    const want: u64 = access == WRITE ? 0x60 : 0x20;
    if ((pde & want) != want) { if (!putEntry(pdeHost, pdeAddress, pde, pde | want, 4)) return false; pde |= want; }
    walkedGuestPhysical = (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32 | (linear & 0x3fffff);
    if (!toHost(walkedGuestPhysical, access, (pde & 4) != 0)) return false;
    walkedWritable = (pde & 0x40) != 0 && eptWritable && permitted(WRITE, user, pde, false);
    return true;
  }
  const pteAddress = (pde & 0xfffff000) + ((linear >> 12 & 1023) << 2), pteHost = entryHost32(pteAddress);
  if (!pteHost) return false;
  let pte: u64 = load<u32>(pteHost);
  if ((pte & 1) == 0) return pageFault(linear, false, access, user, false);
  const combined = pde & pte;
  if (!permitted(access, user, combined, false)) return pageFault(linear, true, access, user, false);
  if ((pde & 0x20) == 0 && !putEntry(pdeHost, pdeAddress, pde, pde | 0x20, 4)) return false;
  const want: u64 = access == WRITE ? 0x60 : 0x20;
  if ((pte & want) != want) { if (!putEntry(pteHost, pteAddress, pte, pte | want, 4)) return false; pte |= want; }
  walkedGuestPhysical = (pte & 0xfffff000) | (linear & 0xfff);
  if (!toHost(walkedGuestPhysical, access, (combined & 4) != 0)) return false;
  walkedWritable = (pte & 0x40) != 0 && eptWritable && permitted(WRITE, user, combined, false);
  return true;
}
function entryHost32(guestPhysical: u64): usize {
  const host = entryHost(guestPhysical & ~7);
  return host == 0 || host == NOWHERE ? host : host + <usize>(guestPhysical & 4);
}

/** Sets accessed and dirty flags in an entry; with EPT the structure's page must be writable. */
function setFlags(guestPhysical: u64, host: usize, entry: u64, flags: u64): bool {
  if (host == NOWHERE) return true;
  if (load<u64>(CPU_EPTP) != 0 && !eptWalk(guestPhysical, READ, false, true, false)) return false;
  return putEntry(host, guestPhysical, entry, entry | flags, 8);
}

/** Rights with which data accesses of the running code are made. */
@inline export function userAccess(): bool { return load<u32>(CPU_CPL) == 3; }
