// Which pages of guest RAM changed since the last snapshot. Emitted stores do not mark: the write table holds a page for them only while it is
// marked already (see tlb.checkpoint). Whatever else stores to RAM marks the page here.
import { M_RAM_SIZE, RAM_BASE, REGION_PAGE_FLAGS, REGION_SNAPSHOT_BUFFER, REGION_SNAPSHOT_BUFFER_SIZE } from './generated/layout';

/** Bit of a page's byte in the region `pageFlags`. */
@inline const PAGE_DIRTY: u8 = 1;
/** Address of the byte of the page of RAM at a WASM address. */
@inline export function pageFlags(host: usize): usize { return REGION_PAGE_FLAGS + ((host - RAM_BASE) >> 12); }

/** Marks the page of RAM at a WASM address. */
@inline export function markDirty(host: usize): void {
  const flags = pageFlags(host);
  store<u8>(flags, load<u8>(flags) | PAGE_DIRTY);
}

/**
 * Writes the numbers of marked pages from page `from` on (a multiple of 16) to the region `snapshotBuffer`, as many as it holds, and removes their
 * marks. Returns how many; `scannedPages` is where to go on, the number of pages when all are done.
 */
export function takeDirtyPages(from: u32): u32 {
  const pages = load<u32>(M_RAM_SIZE) >> 12, most = <u32>(REGION_SNAPSHOT_BUFFER_SIZE >> 2) - 16, bit = i8x16.splat(PAGE_DIRTY);
  let count: u32 = 0, page = from;
  for (; page < pages && count <= most; page += 16) {
    const flags = REGION_PAGE_FLAGS + page, marked = v128.and(v128.load(flags), bit);
    if (!v128.any_true(marked)) continue;
    v128.store(flags, v128.andnot(v128.load(flags), bit));
    for (let bits = i8x16.bitmask(i8x16.shl(marked, 7)); bits != 0; bits &= bits - 1) {
      store<u32>(REGION_SNAPSHOT_BUFFER + (<usize>count << 2), page + ctz<u32>(bits));
      count++;
    }
  }
  scannedPages = page;
  return count;
}
export let scannedPages: u32 = 0;

/** A 64-bit digest of bytes of this memory (a multiple of 32), going on from `seed`. */
export function digestBytes(at: usize, bytes: u32, seed: u64): u64 {
  let a = seed ^ 0x9e3779b97f4a7c15, b = seed + 0xc2b2ae3d27d4eb4f, c = seed ^ 0x165667b19e3779f9, d = seed + 0x27d4eb2f165667c5;
  const end = at + <usize>bytes;
  for (; at < end; at += 32) {
    a = rotl<u64>(a ^ load<u64>(at), 29) * 0x9fb21c651e98df25;
    b = rotl<u64>(b ^ load<u64>(at, 8), 31) * 0xd6e8feb86659fd93;
    c = rotl<u64>(c ^ load<u64>(at, 16), 33) * 0xa0761d6478bd642f;
    d = rotl<u64>(d ^ load<u64>(at, 24), 37) * 0xe7037ed1a0b428db;
  }
  a = rotl<u64>(a ^ b, 23) * 0x9fb21c651e98df25;
  c = rotl<u64>(c ^ d, 41) * 0xd6e8feb86659fd93;
  const mixed = a ^ rotl<u64>(c, 17);
  return mixed ^ mixed >> 32;
}
