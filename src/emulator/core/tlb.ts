// TLB contexts: each has a read, a write and an execute table of 1,024 entries (16 bytes: u64 tag, i32 addend to the WASM address, u32
// code descriptor). A tag is the linear page with the context's generation in its low 12 bits; raising the generation empties the
// context in constant time. Contexts are chosen by (vCPU, EPTP, VPID, PCID, paging configuration and rights) from a bounded pool, so that a
// world switch with VPIDs changes a base and flushes nothing (SDM 3C 29.4 'Caching Translation Information'). What a vCPU invalidates, it
// invalidates for itself: other vCPUs keep their translations, as the manual has it.
// Flushing more than the manual demands is allowed here; flushing less is a bug. What the tables hold decides what a guest sees that changes
// its paging structures without invalidating, so it is part of the state and depends on nothing but what the guest did: a page that emitted
// code must not reach for a reason of ours (it holds decoded code, is watched, is unchanged since the last snapshot) keeps its entry, set aside
// by a bit of its tag; the slow path finds it there and walks nothing.
import {
  CPU_CPL, CPU_CR0, CPU_CR3, CPU_CR4, CPU_EFER, CPU_EPTP, CPU_ID, CPU_MODE, CPU_NON_ROOT, CPU_RFLAGS_SYSTEM, CPU_TLB_BASE, CPU_TLB_GENERATION, CPU_VPID, M_VCPU_COUNT,
  REGION_CPU, REGION_CPU_SIZE, REGION_PARKED_CPUS, REGION_SNAPSHOT_BUFFER, REGION_TLB_CONTEXTS, REGION_TLB_POOL, CPU_APIC_ACCESS_END,
} from './generated/layout';
import { TLB_CONTEXT_BYTES, TLB_EXECUTE, TLB_INDEX_MASK, TLB_READ, TLB_WRITE } from './generated/decoder';
import { MAXIMUM_VCPUS } from './generated/devices';
import { breakpointsEnabled } from './breakpoints';
import { clearPageCache } from './paging';
import { modeBasedExecuteControl } from './vmx/controls';
import { AC, CR0_AM, CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, CR4_PCIDE, CR4_PKE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE } from './state';

@inline const CONTEXTS: u32 = 32;
@inline const CONTEXT_BYTES: usize = 64;
// a context's record
@inline const KEY_EPTP: usize = 0;          // EPTP in force, 0 = none
@inline const KEY_REST: usize = 8;          // vCPU (63:48), VPID (47:32), PCID (31:16), configuration; all ones = free
@inline const GENERATION: usize = 16;
@inline const LAST_USE: usize = 24;
@inline const MODE: usize = 32;             // mode of the code whose descriptors the execute table names
@inline const LAST_GENERATION: u64 = 0x7fe;  // 0xfff marks invalid entries
/** Bit of a tag: the entry is set aside. */
@inline export const ASIDE: u64 = 0x800;

/** A word for each vCPU after the records: bit per context whose VPID is 0. With VPIDs off each world switch empties these, and only these are looked at. */
@inline const OF_VPID0: usize = REGION_TLB_CONTEXTS + <usize>CONTEXTS * CONTEXT_BYTES;
@inline function ofVpid0(vcpu: u32): usize { return OF_VPID0 + (<usize>vcpu << 2); }
@inline function vcpuOf(rest: u64): u32 { return <u32>(rest >> 48); }
@inline function vpidOf(rest: u64): u32 { return <u32>(rest >> 32) & 0xffff; }
/** A word: bit per context whose tables may have changed since the last checkpoint. */
@inline const TOUCHED: usize = OF_VPID0 + <usize>MAXIMUM_VCPUS * 4;
/** u64: contexts chosen ever, the clock of LAST_USE. */
@inline const USES: usize = TOUCHED + 8;

@inline function contextAt(n: u32): usize { return REGION_TLB_CONTEXTS + <usize>n * CONTEXT_BYTES; }
@inline function touch(n: u32): void { store<u32>(TOUCHED, load<u32>(TOUCHED) | 1 << n); }
@inline function tablesAt(n: u32): usize { return REGION_TLB_POOL + <usize>n * TLB_CONTEXT_BYTES; }

function clearTables(n: u32): void {
  memory.fill(tablesAt(n), 0xff, TLB_CONTEXT_BYTES);
  touch(n);
  clearPageCache();
}

export function resetTlbs(): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    store<u64>(contextAt(n) + KEY_REST, u64.MAX_VALUE);
    store<u64>(contextAt(n) + GENERATION, 0);
    clearTables(n);
  }
  for (let vcpu: u32 = 0; vcpu < MAXIMUM_VCPUS; vcpu++) store<u32>(ofVpid0(vcpu), 0);
}

function raiseGeneration(n: u32): void {
  const at = contextAt(n);
  let generation = load<u64>(at + GENERATION) + 1;
  if (generation > LAST_GENERATION) { generation = 0; clearTables(n); }
  store<u64>(at + GENERATION, generation);
}

@inline function pcid(): u64 { return (load<u64>(CPU_CR4) & CR4_PCIDE) != 0 ? load<u64>(CPU_CR3) & 0xfff : 0; }

/** Everything but VPID and PCID that decides what a translation gives: paging mode, protections, user or supervisor. */
function configuration(): u64 {
  const cr0 = load<u64>(CPU_CR0), cr4 = load<u64>(CPU_CR4), efer = load<u64>(CPU_EFER), user = load<u32>(CPU_CPL) == 3;
  let bits: u64 = user ? 1 : 0;
  if (!user && (cr4 & CR4_SMAP) != 0 && (load<u64>(CPU_RFLAGS_SYSTEM) & AC) == 0) bits |= 2;
  if (user && (cr0 & CR0_AM) != 0 && (load<u64>(CPU_RFLAGS_SYSTEM) & AC) != 0) bits |= 2;   // alignment is checked
  if (cr0 & CR0_PG) bits |= 4;
  if (cr0 & CR0_WP) bits |= 8;
  if (cr4 & CR4_PAE) bits |= 16;
  if (cr4 & CR4_PSE) bits |= 32;
  if (cr4 & CR4_SMEP) bits |= 64;
  if (efer & EFER_LMA) bits |= 128;
  if (efer & EFER_NXE) bits |= 256;
  if (cr4 & CR4_LA57) bits |= 512;
  if (load<u32>(CPU_NON_ROOT)) bits |= 1024;
  if (cr4 & CR4_PKE) bits |= 0x4000;
  if (modeBasedExecuteControl()) bits |= 2048;
  if (load<u64>(CPU_APIC_ACCESS_END)) bits |= 4096;
  if (breakpointsEnabled()) bits |= 8192;
  return bits;
}

/** Chooses the context of the vCPU's present paging state. Call after every change of CR0, CR3, CR4, EFER, CPL, AC, EPTP, VPID or root operation. */
export function selectTlb(): void {
  const eptp = load<u64>(CPU_EPTP), rest = <u64>load<u32>(CPU_ID) << 48 | <u64>load<u32>(CPU_VPID) << 32 | pcid() << 16 | configuration();
  const first = <u32>((rest ^ rest >> 46 ^ rest >> 32 ^ rest >> 17 ^ eptp >> 12) & (CONTEXTS - 1));
  let oldest: u32 = first, oldestUse = u64.MAX_VALUE;
  for (let k: u32 = 0; k < CONTEXTS; k++) {
    const n = (first + k) & (CONTEXTS - 1), at = contextAt(n);
    if (load<u64>(at + KEY_REST) == rest && load<u64>(at + KEY_EPTP) == eptp) { use(n); return; }
    const last = load<u64>(at + KEY_REST) == u64.MAX_VALUE ? 0 : load<u64>(at + LAST_USE) + 1;
    if (last < oldestUse) { oldestUse = last; oldest = n; }
  }
  const before = load<u64>(contextAt(oldest) + KEY_REST), bit: u32 = 1 << oldest;
  if (before != u64.MAX_VALUE) store<u32>(ofVpid0(vcpuOf(before)), load<u32>(ofVpid0(vcpuOf(before))) & ~bit);
  store<u64>(contextAt(oldest) + KEY_EPTP, eptp);
  store<u64>(contextAt(oldest) + KEY_REST, rest);
  if (vpidOf(rest) == 0) store<u32>(ofVpid0(vcpuOf(rest)), load<u32>(ofVpid0(vcpuOf(rest))) | bit);
  raiseGeneration(oldest);
  use(oldest);
}

function use(n: u32): void {
  const uses = load<u64>(USES) + 1;
  store<u64>(USES, uses);
  store<u64>(contextAt(n) + LAST_USE, uses);
  touch(n);
  if (load<u32>(contextAt(n) + MODE) != load<u32>(CPU_MODE)) {
    store<u32>(contextAt(n) + MODE, load<u32>(CPU_MODE));
    setAsideTable(tablesAt(n) + TLB_EXECUTE);
  }
  store<u32>(CPU_TLB_BASE, <u32>tablesAt(n));
  store<u64>(CPU_TLB_GENERATION, load<u64>(contextAt(n) + GENERATION));
}

/** Empties contexts of the active vCPU whose VPID or EPTP match; the one in use is chosen anew. */
function invalidateWhere(anyVpid: bool, vpid: u32, onlyEptp: bool, eptp: u64): void {
  const active = load<u32>(CPU_ID);
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    const at = contextAt(n), rest = load<u64>(at + KEY_REST);
    if (vcpuOf(rest) != active) continue;
    if (!anyVpid && vpidOf(rest) != vpid) continue;
    // the EP4TA alone identifies guest-physical mappings (SDM 3C 29.4.1)
    if (onlyEptp && (load<u64>(at + KEY_EPTP) == 0 || ((load<u64>(at + KEY_EPTP) ^ eptp) & 0xffffffffff000) != 0)) continue;
    raiseGeneration(n);
  }
  selectTlb();
}

export function invalidateVpid(vpid: u32): void { invalidateWhere(false, vpid, false, 0); }
export function invalidateAllVpids(): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    const rest = load<u64>(contextAt(n) + KEY_REST);
    if (vcpuOf(rest) == load<u32>(CPU_ID) && vpidOf(rest) != 0) raiseGeneration(n);
  }
  selectTlb();
}
/** INVEPT single-context: guest-physical and combined mappings of one EP4TA, for all VPIDs and PCIDs. */
export function invalidateEptp(eptp: u64): void { invalidateWhere(true, 0, true, eptp); }
export function invalidateAllEpt(): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    if (vcpuOf(load<u64>(contextAt(n) + KEY_REST)) == load<u32>(CPU_ID) && load<u64>(contextAt(n) + KEY_EPTP) != 0) raiseGeneration(n);
  }
  selectTlb();
}
/** What VM entries and exits do with VPID off (SDM 3C 29.4.3.1 'Operations that Invalidate Cached Mappings'). The caller selects the context afterwards. */
export function flushVpid0(): void {
  for (let left = load<u32>(ofVpid0(load<u32>(CPU_ID))); left != 0; left &= left - 1) raiseGeneration(ctz<u32>(left));
}
/** Everything of the current VPID: MOV to CR3 or CR4, INVPCID. */
export function flushCurrent(): void { invalidateVpid(load<u32>(CPU_VPID)); }
/** Every context of every vCPU: RAM or code descriptors changed under it. */
export function flushEverything(): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) if (load<u64>(contextAt(n) + KEY_REST) != u64.MAX_VALUE) raiseGeneration(n);
  selectTlb();
}

/** One linear address in every context of a VPID (INVLPG, INVVPID individual-address); large pages may be cached as several entries: all go. */
export function invalidateAddress(vpid: u32, linear: u64): void {
  const index = <usize>(linear >> 8) & TLB_INDEX_MASK;
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    const rest = load<u64>(contextAt(n) + KEY_REST);
    if (vcpuOf(rest) != load<u32>(CPU_ID) || vpidOf(rest) != vpid) continue;
    const tables = tablesAt(n) + index;
    touch(n);
    store<u64>(tables + TLB_READ, u64.MAX_VALUE);
    store<u64>(tables + TLB_WRITE, u64.MAX_VALUE);
    store<u64>(tables + TLB_EXECUTE, u64.MAX_VALUE);
  }
}

// ---- entries set aside

/** Sets aside every entry of a RAM page in the write table (it now holds code, is watched), in all contexts. `host`: WASM address of the page. */
export function setAsideWrites(host: usize): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    if (load<u64>(contextAt(n) + KEY_REST) == u64.MAX_VALUE) continue;
    const end = tablesAt(n) + TLB_WRITE + TABLE_BYTES;
    for (let e = tablesAt(n) + TLB_WRITE; e < end; e += 16) {
      const tag = load<u64>(e);
      if (tag != u64.MAX_VALUE && <u32>(tag & ~0xfff) + load<u32>(e, 8) == <u32>host) store<u64>(e, tag | ASIDE);
    }
  }
}
@inline const TABLE_BYTES: usize = TLB_INDEX_MASK + 16;
/** Sets a whole table aside; invalid entries stay invalid. */
function setAsideTable(table: usize): void {
  const bit = i64x2.splat(0), mask = i64x2.replace_lane(bit, 0, ASIDE);
  for (let e = table; e < table + TABLE_BYTES; e += 16) v128.store(e, v128.or(v128.load(e), mask));
}
/** The code descriptors that the execute tables name are gone: each is found anew at the next use of its entry. */
export function setAsideExecutes(): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) if (load<u64>(contextAt(n) + KEY_REST) != u64.MAX_VALUE) setAsideTable(tablesAt(n) + TLB_EXECUTE);
}
/** Every access to data goes the slow way once, which looks at what is watched. */
export function setAsideData(): void {
  for (let n: u32 = 0; n < CONTEXTS; n++) {
    if (load<u64>(contextAt(n) + KEY_REST) == u64.MAX_VALUE) continue;
    setAsideTable(tablesAt(n) + TLB_READ);
    setAsideTable(tablesAt(n) + TLB_WRITE);
  }
}

// ---- snapshots

@inline function contextOf(base: u32): u32 { return <u32>((<usize>base - REGION_TLB_POOL) / TLB_CONTEXT_BYTES); }
/** The contexts in use, whose tables change without being chosen. */
function contextsInUse(): u32 {
  let bits: u32 = 1 << contextOf(load<u32>(CPU_TLB_BASE));
  for (let n: u32 = 0, count = load<u32>(M_VCPU_COUNT); count > 1 && n < count; n++) {
    const base = load<u32>(REGION_PARKED_CPUS + <usize>n * REGION_CPU_SIZE + (CPU_TLB_BASE - REGION_CPU));
    if (base) bits |= 1 << contextOf(base);
  }
  return bits;
}
/**
 * A snapshot is about to be taken: from here on the first store to each page takes the slow path, which marks it. Returns a bit per context
 * whose tables may have changed since the last call.
 */
export function checkpoint(): u32 {
  const inUse = contextsInUse(), touched = load<u32>(TOUCHED) | inUse;
  for (let left = touched; left != 0; left &= left - 1) setAsideTable(tablesAt(ctz<u32>(left)) + TLB_WRITE);
  store<u32>(TOUCHED, inUse);                                                             // they go on changing, and may be left before the next call
  return touched;
}
/**
 * Copies the valid entries of a context to the buffer of the region `snapshotBuffer`: u64 tag, u32 addend with the number of the table in its low bits, u32
 * guest-physical page. Returns bytes.
 */
export function packTlb(n: u32): u32 {
  const generation = load<u64>(contextAt(n) + GENERATION), tables = tablesAt(n);
  let to: usize = REGION_SNAPSHOT_BUFFER;
  if (load<u64>(contextAt(n) + KEY_REST) == u64.MAX_VALUE) return 0;
  for (let offset: usize = 0; offset < TLB_CONTEXT_BYTES; offset += 16) {
    const tag = load<u64>(tables + offset);
    if ((tag & 0x7ff) != generation) continue;
    store<u64>(to, tag | ASIDE);
    store<u32>(to, load<u32>(tables + offset, 8) | <u32>(offset / TABLE_BYTES), 8);
    store<u32>(to, load<u32>(tables + offset, 12), 12);
    to += 16;
  }
  return <u32>(to - REGION_SNAPSHOT_BUFFER);
}
/** The reverse, for a context whose record is in place. Every entry is set aside: descriptors and marks of pages are not those of that time. */
export function unpackTlb(n: u32, bytes: u32): void {
  const tables = tablesAt(n), end = REGION_SNAPSHOT_BUFFER + <usize>bytes;
  memory.fill(tables, 0xff, TLB_CONTEXT_BYTES);
  for (let from: usize = REGION_SNAPSHOT_BUFFER; from < end; from += 16) {
    const tag = load<u64>(from), addend = load<u32>(from, 8);
    const entry = tables + <usize>(addend & 3) * TABLE_BYTES + (<usize>(tag >> 8) & TLB_INDEX_MASK);
    store<u64>(entry, tag);
    store<u32>(entry, addend & ~3, 8);
    store<u32>(entry, load<u32>(from, 12), 12);
  }
}
