// Watched places: accesses to memory, VMCS fields, MSRs and ports that the run is to stop after. An access is noted while its instruction runs;
// the stop is taken at the boundary after it, and an instruction that is abandoned takes its notes back (run.ts). Pages with a watched byte never
// enter the TLB, so that accesses elsewhere cost nothing. Who accesses is for the host to judge: the machine knows root and non-root operation only.
import {
  CPU_NON_ROOT, CPU_RIP, HIT_ACCESS, HIT_ADDRESS, HIT_BEFORE, HIT_BYTES, HIT_FLAGS, HIT_GUEST_PHYSICAL, HIT_PHYSICAL, HIT_POINTER, HIT_RECORD_BYTES, HIT_RIP, HIT_SPACE, HIT_TIME,
  HIT_VALUE, M_WATCH_COUNT, M_WATCH_HITS, M_WATCHES_MEMORY, MOST_HITS, REGION_WATCHES, REGION_WATCH_HITS, WATCH_GUEST_PHYSICAL, WATCH_LINEAR, WATCH_PHYSICAL, WATCH_SEGMENT_BYTES,
} from './generated/layout';
import { walkedGuestPhysical, walkedPhysical } from './paging';
import { time } from './state';

/** Room of one space: six tables share the region. */
@inline const TABLE_BYTES: usize = 0x8000;
@inline export const READS: u32 = 1;
@inline export const WRITES: u32 = 2;
// bits of a hit's flags
@inline const NON_ROOT: u32 = 1;
@inline export const EXITED: u32 = 2;
@inline export const BY_PROCESSOR: u32 = 4;

/** Union of the masks of the segments of a space that meet [first, last]. */
function maskOf(space: u32, first: u64, last: u64): u32 {
  const table = REGION_WATCHES + <usize>space * TABLE_BYTES, count = load<u32>(M_WATCH_COUNT + (<usize>space << 2));
  let low: u32 = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u64>(table + <usize>middle * WATCH_SEGMENT_BYTES, 8) < first) low = middle + 1; else high = middle;
  }
  let mask: u32 = 0;
  for (; low < count; low++) {
    const at = table + <usize>low * WATCH_SEGMENT_BYTES;
    if (load<u64>(at) > last) break;
    mask |= load<u32>(at, 16);
  }
  return mask;
}

@inline function wanted(mask: u32, access: u32): bool { return (mask & (load<u32>(CPU_NON_ROOT) != 0 ? access << 2 : access)) != 0; }

/** Some memory is watched. */
@inline export function memoryIsWatched(): bool { return load<u32>(M_WATCHES_MEMORY) != 0; }
/** Whether the page that `walk` has just translated holds a watched byte, by any of its three addresses. */
export function pageIsWatched(linear: u64): bool {
  return (maskOf(WATCH_LINEAR, linear & ~0xfff, linear | 0xfff) | maskOf(WATCH_GUEST_PHYSICAL, walkedGuestPhysical & ~0xfff, walkedGuestPhysical | 0xfff)
    | maskOf(WATCH_PHYSICAL, walkedPhysical & ~0xfff, walkedPhysical | 0xfff)) != 0;
}
/** Whether a write to physical memory that the processor makes for itself meets a watched byte; `guestPhysical`: the same place, all ones = none. */
export function processorWriteIsWatched(guestPhysical: u64, physical: u64, bytes: u32): bool {
  const mask = maskOf(WATCH_PHYSICAL, physical, physical + bytes - 1) | (guestPhysical == u64.MAX_VALUE ? 0 : maskOf(WATCH_GUEST_PHYSICAL, guestPhysical, guestPhysical + bytes - 1));
  return wanted(mask, WRITES);
}

/** Adds a record; 0 when there is no room: one instruction shows its first accesses. */
function hit(space: u32, access: u32, bytes: u32, flags: u32, address: u64, before: u64, value: u64): usize {
  const count = load<u32>(M_WATCH_HITS);
  if (count >= MOST_HITS) return 0;
  const at = REGION_WATCH_HITS + <usize>count * HIT_RECORD_BYTES;
  store<u32>(M_WATCH_HITS, count + 1);
  store<u32>(at + HIT_SPACE, space);
  store<u32>(at + HIT_ACCESS, access);
  store<u32>(at + HIT_BYTES, bytes);
  store<u32>(at + HIT_FLAGS, flags | (load<u32>(CPU_NON_ROOT) != 0 ? NON_ROOT : 0));
  store<u64>(at + HIT_ADDRESS, address);
  store<u64>(at + HIT_GUEST_PHYSICAL, u64.MAX_VALUE);
  store<u64>(at + HIT_PHYSICAL, u64.MAX_VALUE);
  store<u64>(at + HIT_BEFORE, before);
  store<u64>(at + HIT_VALUE, value);
  store<u64>(at + HIT_RIP, load<u64>(CPU_RIP));
  store<u64>(at + HIT_TIME, time());
  store<u64>(at + HIT_POINTER, u64.MAX_VALUE);
  return at;
}

/** The bytes of one access that crosses into another page come one by one: those of one page are one hit. */
let joining: bool = false;
export function joinBytes(on: bool): void { joining = on; }

/** Notes an access to memory that `walk` has just translated, when it meets a watched byte. `before`, `value`: of a write; of a read both are what was read. */
export function noteMemory(access: u32, linear: u64, bytes: u32, before: u64, value: u64): void {
  const mask = maskOf(WATCH_LINEAR, linear, linear + bytes - 1) | maskOf(WATCH_GUEST_PHYSICAL, walkedGuestPhysical, walkedGuestPhysical + bytes - 1)
    | maskOf(WATCH_PHYSICAL, walkedPhysical, walkedPhysical + bytes - 1);
  if (!wanted(mask, access)) return;
  const count = load<u32>(M_WATCH_HITS);
  if (joining && count != 0 && (linear & 0xfff) != 0) {
    const last = REGION_WATCH_HITS + <usize>(count - 1) * HIT_RECORD_BYTES, length = load<u32>(last + HIT_BYTES);
    if (load<u32>(last + HIT_ACCESS) == access && load<u64>(last + HIT_ADDRESS) + length == linear && length < 8) {
      store<u32>(last + HIT_BYTES, length + 1);
      store<u64>(last + HIT_BEFORE, load<u64>(last + HIT_BEFORE) | before << (length << 3));
      store<u64>(last + HIT_VALUE, load<u64>(last + HIT_VALUE) | value << (length << 3));
      return;
    }
  }
  const at = hit(WATCH_LINEAR, access, bytes, 0, linear, before, value);
  if (at == 0) return;
  store<u64>(at + HIT_GUEST_PHYSICAL, walkedGuestPhysical);
  store<u64>(at + HIT_PHYSICAL, walkedPhysical);
}

/** Notes a write that the processor makes for itself; call only where `processorWriteIsWatched`. */
export function noteProcessorWrite(guestPhysical: u64, physical: u64, bytes: u32, before: u64, value: u64): void {
  const at = hit(WATCH_PHYSICAL, WRITES, bytes, BY_PROCESSOR, physical, before, value);
  if (at == 0) return;
  store<u64>(at + HIT_GUEST_PHYSICAL, guestPhysical);
  store<u64>(at + HIT_PHYSICAL, physical);
}

/** Whether an access to a numbered place (VMCS field, MSR, ports) is watched. */
@inline export function placeIsWatched(space: u32, first: u64, count: u64, access: u32): bool {
  return load<u32>(M_WATCH_COUNT + (<usize>space << 2)) != 0 && wanted(maskOf(space, first, first + count - 1), access);
}
/** Notes such an access. `flags`: EXITED when a VM exit takes the place of the access. */
export function notePlace(space: u32, access: u32, address: u64, bytes: u32, before: u64, value: u64, flags: u32): void { hit(space, access, bytes, flags, address, before, value); }
/** The same of a VMCS field, with the pointer of its VMCS (all ones: not known here). */
export function noteField(access: u32, space: u32, encoding: u64, before: u64, value: u64, pointer: u64, flags: u32): void {
  const at = hit(space, access, 8, flags, encoding, before, value);
  if (at != 0) store<u64>(at + HIT_POINTER, pointer);
}

/** The instruction was abandoned: its accesses have not taken place, but for flags that the processor has set on the way. */
export function takeBackHits(): void {
  const count = load<u32>(M_WATCH_HITS);
  let kept: u32 = 0;
  for (let n: u32 = 0; n < count; n++) {
    const at = REGION_WATCH_HITS + <usize>n * HIT_RECORD_BYTES;
    if ((load<u32>(at + HIT_FLAGS) & BY_PROCESSOR) == 0) continue;
    if (kept != n) memory.copy(REGION_WATCH_HITS + <usize>kept * HIT_RECORD_BYTES, at, HIT_RECORD_BYTES);
    kept++;
  }
  store<u32>(M_WATCH_HITS, kept);
}
/** Takes back the last note: no VM exit has taken the place of the access. */
export function unnote(): void { store<u32>(M_WATCH_HITS, load<u32>(M_WATCH_HITS) - 1); }
export function forgetHits(): void { store<u32>(M_WATCH_HITS, 0); }
@inline export function hasHits(): bool { return load<u32>(M_WATCH_HITS) != 0; }
