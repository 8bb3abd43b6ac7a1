// Memory as instructions and procedures see it: the slow paths of emitted loads and stores, linear accesses of procedures, physical
// accesses. An access that cannot complete records an abort and changes nothing. Accesses that need the exact time or the
// instruction by itself (MMIO, stores to code, watched pages) are done only when the instruction runs alone in its block.
import { CPU_ALONE, CPU_CR0, CPU_CR4, CPU_RFLAGS_SYSTEM, CPU_TLB_BASE, CPU_TLB_GENERATION, M_RAM_SIZE, RAM_BASE, REGION_PAGE_CODE, REGION_SCRATCH } from './generated/layout';
import { TLB_INDEX_MASK, TLB_READ, TLB_WRITE } from './generated/decoder';
import { invalidateCode, storeTouchesCode } from './blocks';
import { breakpointsEnabled, noteDataBreakpoints, pageHasBreakpoint } from './breakpoints';
import { markDirty } from './dirty';
import { mmioRead, mmioWrite } from '../devices/bus';
import { READ, recallWalk, userAccess, walk, walkedGuestPhysical, walkedPhysical, walkedWritable, WRITE } from './paging';
import { isApicAccess, readApicAccessPage, writeApicAccessPage } from './vmx/apic-access';
import { ABORT, AC, AC_VECTOR, abandon, ABORT_ALONE, aborted, CR0_AM, raiseError, CR4_SMAP, NEXT } from './state';
import { ASIDE } from './tlb';
import { joinBytes, memoryIsWatched, noteMemory, noteProcessorWrite, pageIsWatched, processorWriteIsWatched, READS, WRITES } from './watch';

/** Where slowLoadVector leaves bytes that are not in one TLB page. */
@inline const VECTOR_SCRATCH: usize = REGION_SCRATCH;

/** WASM address of RAM at a host-physical address, 0 if any byte is outside RAM. */
@inline export function hostOf(physical: u64, bytes: u32): usize {
  return physical + bytes <= <u64>load<u32>(M_RAM_SIZE) ? RAM_BASE + <usize>physical : 0;
}

@inline function loadBytes(host: usize, bytes: u32): u64 {
  return bytes == 8 ? load<u64>(host) : bytes == 4 ? load<u32>(host) : bytes == 2 ? load<u16>(host) : load<u8>(host);
}
@inline function storeBytes(host: usize, value: u64, bytes: u32): void {
  if (bytes == 8) store<u64>(host, value); else if (bytes == 4) store<u32>(host, <u32>value); else if (bytes == 2) store<u16>(host, <u16>value); else store<u8>(host, <u8>value);
}

// ---- physical

export function readPhysical64(physical: u64): u64 { const h = hostOf(physical, 8); return h ? load<u64>(h) : u64.MAX_VALUE; }
export function readPhysical32(physical: u64): u32 { const h = hostOf(physical, 4); return h ? load<u32>(h) : u32.MAX_VALUE; }
export function readPhysical8(physical: u64): u32 { const h = hostOf(physical, 1); return h ? load<u8>(h) : 0xff; }
export function writePhysical64(physical: u64, value: u64): void { writePhysical(physical, value, 8); }
export function writePhysical32(physical: u64, value: u32): void { writePhysical(physical, value, 4); }
export function writePhysical8(physical: u64, value: u32): void { writePhysical(physical, value, 1); }
export function readPhysical(physical: u64, bytes: u32): u64 { const h = hostOf(physical, bytes); return h ? loadBytes(h, bytes) : u64.MAX_VALUE; }
export function writePhysical(physical: u64, value: u64, bytes: u32): void {
  const h = hostOf(physical, bytes);
  if (!h) return;
  if (memoryIsWatched() && processorWriteIsWatched(u64.MAX_VALUE, physical, bytes)) noteProcessorWrite(u64.MAX_VALUE, physical, bytes, loadBytes(h, bytes), value);
  markDirty(h);
  storeBytes(h, value, bytes);
  invalidateCode(<u32>(physical >> 12));
}

// ---- linear, within one page

@inline function entryOf(linear: u64, table: usize): usize { return <usize>load<u32>(CPU_TLB_BASE) + (<usize>(linear >> 8) & TLB_INDEX_MASK) + table; }
@inline function tagOf(linear: u64): u64 { return (linear & ~0xfff) | load<u64>(CPU_TLB_GENERATION); }
/** Fills the read or write table for a page of RAM, set aside; MMIO stays out. */
function fill(linear: u64, table: usize, host: usize): void {
  if (walkedGuestPhysical >> 44 != 0) return;
  const entry = entryOf(linear, table);
  store<u64>(entry, tagOf(linear) | ASIDE);
  store<u32>(entry, <u32>(host & ~0xfff) - <u32>(linear & ~0xfff), 8);
  store<u32>(entry, <u32>(walkedGuestPhysical >> 12), 12);
}
/** Gives emitted code an entry that was set aside. */
@inline function permit(linear: u64, table: usize): void {
  const entry = entryOf(linear, table), tag = tagOf(linear);
  if (load<u64>(entry) == (tag | ASIDE)) store<u64>(entry, tag);
}
/**
 * Whether an access must be aligned (SDM 3A 'Interrupt 17—Alignment Check Exception (#AC)'). The TLB context that is in use then gets no entries for data, so that
 * every access comes here.
 */
@inline function checksAlignment(user: bool): bool {
  return user && (load<u64>(CPU_RFLAGS_SYSTEM) & AC) != 0 && (load<u64>(CPU_CR0) & CR0_AM) != 0 && userAccess();
}
@inline function isMisaligned(linear: u64, bytes: u32, user: bool): bool { return (linear & (bytes - 1)) != 0 && checksAlignment(user); }
/** Whether an access has the rights for which the TLB context in use was chosen, so that the TLB may answer it and keep its translation. */
@inline function usesTlb(user: bool, implicit: bool): bool {
  return user == userAccess() && !checksAlignment(user) && (!implicit || (load<u64>(CPU_CR4) & CR4_SMAP) == 0 || (load<u64>(CPU_RFLAGS_SYSTEM) & AC) == 0);
}
/** WASM address by a table of the TLB as emitted code sees it, 0 = not there. */
@inline function translated(linear: u64, table: usize): usize {
  const entry = entryOf(linear, table);
  return load<u64>(entry) == tagOf(linear) ? <usize>(<u32>linear + load<u32>(entry, 8)) : 0;
}
/** The same with entries that are set aside, and as if it had been walked. */
function cached(linear: u64, table: usize): usize {
  const entry = entryOf(linear, table);
  if ((load<u64>(entry) | ASIDE) != (tagOf(linear) | ASIDE)) return 0;
  const host = <usize>(<u32>linear + load<u32>(entry, 8));
  recallWalk(host - RAM_BASE, <u64>load<u32>(entry, 12) << 12 | linear & 0xfff);
  return host;
}
@inline function pageOf(host: usize): u32 { return <u32>((host - RAM_BASE) >> 12); }

/** Reads up to a page end. `user`, `implicit`: as in paging.walk. Sets an abort on failure. */
function readWithin(linear: u64, bytes: u32, user: bool, implicit: bool, forWrite: bool, cache: bool): u64 {
  let host: usize = cache ? cached(linear, forWrite ? TLB_WRITE : TLB_READ) : 0;
  if (host == 0) {
    if (!walk(linear, forWrite ? WRITE : READ, user, implicit)) return 0;
    if (isApicAccess(walkedPhysical)) return readApicAccess(linear, bytes, forWrite);
    host = hostOf(walkedPhysical, bytes);
    if (host == 0) {
      if (!load<u32>(CPU_ALONE)) { abandon(ABORT_ALONE); return 0; }
      if (probing) return 0;
      const value = mmioRead(walkedPhysical, bytes);
      if (memoryIsWatched()) noteMemory(READS, linear, bytes, value, value);
      return value;
    }
    if (cache) {
      fill(linear, TLB_READ, host);
      if (forWrite && walkedWritable) fill(linear, TLB_WRITE, host);
    }
  }
  if (memoryIsWatched() && pageIsWatched(linear)) {
    if (!load<u32>(CPU_ALONE)) { abandon(ABORT_ALONE); return 0; }
    if (!probing) noteMemory(READS, linear, bytes, loadBytes(host, bytes), loadBytes(host, bytes));
  } else if (isGuarded(linear, implicit)) {
    if (!load<u32>(CPU_ALONE)) { abandon(ABORT_ALONE); return 0; }
  } else {
    if (forWrite && !load<u32>(CPU_ALONE) && storeTouchesCode(host, bytes)) { abandon(ABORT_ALONE); return 0; }
    if (cache) permit(linear, TLB_READ);
  }
  if (!probing && isGuarded(linear, implicit)) noteDataBreakpoints(linear, bytes, false);
  return loadBytes(host, bytes);
}
/** Whether a breakpoint of the debug registers may watch the bytes. */
@inline function isGuarded(linear: u64, implicit: bool): bool { return breakpointsEnabled() && !implicit && pageHasBreakpoint(linear); }

/** Accesses to the APIC-access page run alone, since most exit and a write has more to do. */
function readApicAccess(linear: u64, bytes: u32, forWrite: bool): u64 {
  if (!load<u32>(CPU_ALONE)) { abandon(ABORT_ALONE); return 0; }
  const value = readApicAccessPage(walkedPhysical, bytes, !probing, forWrite);
  if (memoryIsWatched() && !probing && !aborted()) noteMemory(READS, linear, bytes, value, value);
  return value;
}
function writeApicAccess(linear: u64, value: u64, bytes: u32): i32 {
  if (!load<u32>(CPU_ALONE)) return abandon(ABORT_ALONE);
  if (memoryIsWatched()) noteMemory(WRITES, linear, bytes, 0, value);
  return writeApicAccessPage(walkedPhysical, value, bytes);
}

/** Stores up to a page end; returns ABORT with an abort recorded, or NEXT. */
function writeWithin(linear: u64, value: u64, bytes: u32, user: bool, implicit: bool, cache: bool): i32 {
  let host: usize = cache ? cached(linear, TLB_WRITE) : 0;
  if (host == 0) {
    if (!walk(linear, WRITE, user, implicit)) return ABORT;
    if (isApicAccess(walkedPhysical)) return writeApicAccess(linear, value, bytes);
    host = hostOf(walkedPhysical, bytes);
    if (host == 0) {
      if (!load<u32>(CPU_ALONE)) return abandon(ABORT_ALONE);
      if (memoryIsWatched()) noteMemory(WRITES, linear, bytes, 0, value);
      mmioWrite(walkedPhysical, value, bytes);
      return NEXT;
    }
    if (cache && walkedWritable) fill(linear, TLB_WRITE, host);
  }
  const page = pageOf(host), watched = memoryIsWatched() && pageIsWatched(linear), guarded = isGuarded(linear, implicit);
  if (guarded) {
    if (!load<u32>(CPU_ALONE)) return abandon(ABORT_ALONE);
    noteDataBreakpoints(linear, bytes, true);
  }
  if (watched) {
    if (!load<u32>(CPU_ALONE)) return abandon(ABORT_ALONE);
    noteMemory(WRITES, linear, bytes, loadBytes(host, bytes), bytes == 8 ? value : value & ((<u64>1 << (bytes << 3)) - 1));
  }
  markDirty(host);
  if (load<u32>(REGION_PAGE_CODE + (<usize>page << 2)) != 0) {
    // the page holds decoded code: only a store to a granule with code must run alone and drop it
    if (storeTouchesCode(host, bytes)) {
      if (!load<u32>(CPU_ALONE)) return abandon(ABORT_ALONE);
      storeBytes(host, value, bytes);
      invalidateCode(page);
      return NEXT;
    }
  } else if (!watched && !guarded && cache) permit(linear, TLB_WRITE);
  storeBytes(host, value, bytes);
  return NEXT;
}

/** A load that may cross a page: both pages are checked before any byte of MMIO is read. */
function readAcross(linear: u64, bytes: u32, user: bool, implicit: bool, forWrite: bool): u64 {
  if (isMisaligned(linear, bytes, user)) { raiseError(AC_VECTOR, 0); return 0; }
  const first: u32 = 0x1000 - (<u32>linear & 0xfff);
  if (first >= bytes) {
    const cache = usesTlb(user, implicit), host = cache ? translated(linear, forWrite ? TLB_WRITE : TLB_READ) : 0;
    return host != 0 ? loadBytes(host, bytes) : readWithin(linear, bytes, user, implicit, forWrite, cache);
  }
  let value: u64 = 0;
  joinBytes(false);
  for (let n: u32 = 0; n < bytes; n++) {
    const b = readWithin(linear + n, 1, user, implicit, forWrite, false);
    if (aborted()) { joinBytes(false); return 0; }
    value |= b << (n << 3);
    joinBytes(true);
  }
  joinBytes(false);
  return value;
}
/** A read that is none: it asks whether a store would fault. Devices and watches do not see it. */
let probing: bool = false;
function probeAcross(linear: u64, bytes: u32, user: bool, implicit: bool): i32 {
  probing = true;
  readAcross(linear, bytes, user, implicit, true);
  probing = false;
  return aborted() ? ABORT : NEXT;
}
/** A store that may cross a page: both pages are probed for writing before the first byte is stored. */
function writeAcross(linear: u64, value: u64, bytes: u32, user: bool, implicit: bool): i32 {
  if (isMisaligned(linear, bytes, user)) return raiseError(AC_VECTOR, 0);
  const first: u32 = 0x1000 - (<u32>linear & 0xfff);
  if (first >= bytes) {
    const cache = usesTlb(user, implicit), host = cache ? translated(linear, TLB_WRITE) : 0;
    if (host == 0) return writeWithin(linear, value, bytes, user, implicit, cache);
    storeBytes(host, value, bytes);
    return NEXT;
  }
  if (probeAcross(linear, bytes, user, implicit)) return ABORT;
  joinBytes(false);
  for (let n: u32 = 0; n < bytes; n++) {
    if (writeWithin(linear + n, value >> (n << 3) & 0xff, 1, user, implicit, false)) { joinBytes(false); return ABORT; }
    joinBytes(true);
  }
  joinBytes(false);
  return NEXT;
}

// ---- the slow paths of emitted code

export function slowLoad(linear: u64, bytes: u32): u64 { return readAcross(linear, bytes, userAccess(), false, false); }
export function slowLoadForUpdate(linear: u64, bytes: u32): u64 { return readAcross(linear, bytes, userAccess(), false, true); }
export function slowStore(linear: u64, value: u64, bytes: u32): i32 { return writeAcross(linear, value, bytes, userAccess(), false); }
/** WASM address of 16 bytes; 0 with an abort recorded. */
export function slowLoadVector(linear: u64): u32 {
  if (isMisaligned(linear, 16, userAccess())) { raiseError(AC_VECTOR, 0); return 0; }
  const low = readAcross(linear, 8, userAccess(), false, false);
  if (aborted()) return 0;
  const high = readAcross(linear + 8, 8, userAccess(), false, false);
  if (aborted()) return 0;
  store<u64>(VECTOR_SCRATCH, low);
  store<u64>(VECTOR_SCRATCH, high, 8);
  return <u32>VECTOR_SCRATCH;
}
export function slowStoreVector(linear: u64, low: u64, high: u64): i32 {
  if (isMisaligned(linear, 16, userAccess())) return raiseError(AC_VECTOR, 0);
  if (probeAcross(linear, 8, userAccess(), false)) return ABORT;
  if (probeAcross(linear + 8, 8, userAccess(), false)) return ABORT;
  if (writeAcross(linear, low, 8, userAccess(), false)) return ABORT;
  return writeAcross(linear + 8, high, 8, userAccess(), false);
}

// ---- linear accesses of procedures

/** Whether the running code could store there; nothing is accessed. */
export function probeData(linear: u64, bytes: u32): i32 { return probeAcross(linear, bytes, userAccess(), false); }
/** With the rights of the running code; check `aborted()`. */
export function loadData(linear: u64, bytes: u32): u64 { return readAcross(linear, bytes, userAccess(), false, false); }
export function storeData(linear: u64, value: u64, bytes: u32): i32 { return writeAcross(linear, value, bytes, userAccess(), false); }
/** Supervisor accesses that the processor makes of itself: descriptor tables, TSS, event delivery. */
export function loadSystem(linear: u64, bytes: u32): u64 { return readAcross(linear, bytes, false, true, false); }
export function storeSystem(linear: u64, value: u64, bytes: u32): i32 { return writeAcross(linear, value, bytes, false, true); }
/** Checks that bytes could be stored with supervisor or user rights (probe before a procedure that commits in steps). */
export function probeStore(linear: u64, bytes: u32, user: bool): i32 { return probeAcross(linear, bytes, user, !user); }
export function probeSystemStore(linear: u64, bytes: u32): i32 { return probeAcross(linear, bytes, false, true); }
/** Supervisor store that is not a system access: event frames onto a stack of CPL < 3. */
export function storeSupervisor(linear: u64, value: u64, bytes: u32): i32 { return writeAcross(linear, value, bytes, false, false); }

/**
 * WASM address of bytes in one page whose translation the TLB has as emitted code sees it: several accesses of the processor's own with one look. 0: each goes
 * its own way.
 */
@inline function together(linear: u64, bytes: u32, user: bool, implicit: bool, table: usize): usize {
  return (<u32>linear & 0xfff) + bytes <= 0x1000 && usesTlb(user, implicit) ? translated(linear, table) : 0;
}
export function systemBytes(linear: u64, bytes: u32): usize { return together(linear, bytes, false, true, TLB_READ); }
/** A frame that `storeSupervisor` would write, or a user's if the stack is one. */
export function frameToWrite(linear: u64, bytes: u32, user: bool): usize { return together(linear, bytes, user, !user, TLB_WRITE); }
/** A frame that the running code reads. */
export function frameToRead(linear: u64, bytes: u32): usize { return together(linear, bytes, userAccess(), false, TLB_READ); }

/** WASM address of a run of RAM bytes at a linear address for reading or writing, and how many follow in the page; 0 = use the byte-wise way. */
export let directBytes: u32 = 0;
export function direct(linear: u64, write: bool): usize {
  const table: usize = write ? TLB_WRITE : TLB_READ;
  directBytes = 0x1000 - (<u32>linear & 0xfff);
  return translated(linear, table);
}
