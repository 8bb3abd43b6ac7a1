// The watches as the core wants them: for each space a sorted table of segments that do not overlap, each with the union of what is watched there.
// When a table is full, neighbours are joined: more stops than asked for, which the host sorts out, never fewer.
import { region, watchHitBytes, watchHitFields as H, watchMask, watchSegmentBytes, watchSpaces, type WatchSpace } from './codegen/state-layout';
import type { Watch, WatchHit } from './machine';

export interface Segment { readonly first: bigint; readonly last: bigint; readonly mask: number }

const table = region('watches'), hits = region('watchHits');
const tableBytes = table.size / watchSpaces.length;
export const mostSegments = Math.floor(tableBytes / watchSegmentBytes);
const noAddress = 0xffff_ffff_ffff_ffffn;

function maskOf({ read, write, operation }: Watch): number {
  const access = (read ? watchMask.read : 0) | (write ? watchMask.write : 0);
  return (operation === 'nonRoot' ? 0 : access) | (operation === 'root' ? 0 : access << 2);
}

/** Segments of the watches of one space, at most `most`. */
export function segmentsOf(watches: readonly Watch[], most = mostSegments): Segment[] {
  // Where something begins, or has ended: between two such places the mask is the same.
  const edges = [...new Set(watches.flatMap(({ first, last }) => [first, last + 1n]))].sort((a, b) => a < b ? -1 : 1), opening = [...watches].sort((a, b) => a.first < b.first ? -1 : 1);
  const segments: Segment[] = [];
  let open: Watch[] = [], next = 0;
  for (const [n, first] of edges.entries()) {
    while (next < opening.length && opening[next].first === first) open.push(opening[next++]);
    open = open.filter(({ last }) => last >= first);
    if (open.length > 0) segments.push({ first, last: edges[n + 1] - 1n, mask: open.reduce((mask, each) => mask | maskOf(each), 0) });
  }
  while (segments.length > most) {
    for (let n = 0; n + 1 < segments.length && segments.length > most; n++) {
      segments.splice(n, 2, { first: segments[n].first, last: segments[n + 1].last, mask: segments[n].mask | segments[n + 1].mask });
    }
  }
  return segments;
}

/** Writes the tables; returns how many segments each space has. */
export function writeWatches(view: DataView, watches: readonly Watch[]): number[] {
  return watchSpaces.map((space, n) => {
    const segments = segmentsOf(watches.filter(each => each.space === space && each.first <= each.last));
    segments.forEach(({ first, last, mask }, i) => {
      const at = table.base + n * tableBytes + i * watchSegmentBytes;
      view.setBigUint64(at, first, true);
      view.setBigUint64(at + 8, last, true);
      view.setUint32(at + 16, mask, true);
    });
    return segments.length;
  });
}

export function readHits(view: DataView, count: number): WatchHit[] {
  return Array.from({ length: count }, (_, n): WatchHit => {
    const at = hits.base + n * watchHitBytes, u32 = (offset: number): number => view.getUint32(at + offset, true), u64 = (offset: number): bigint => view.getBigUint64(at + offset, true);
    const space: WatchSpace = watchSpaces[u32(H.space)], flags = u32(H.flags), known = (name: 'guestPhysical' | 'physical' | 'pointer'): object => u64(H[name]) === noAddress ? {} : { [name]: u64(H[name]) };
    return {
      space: space === 'vmcsField' || space === 'msr' || space === 'port' ? space : 'memory', access: u32(H.access) === watchMask.read ? 'read' : 'write', bytes: u32(H.bytes),
      nonRoot: (flags & 1) !== 0, exited: (flags & 2) !== 0, byProcessor: (flags & 4) !== 0, address: u64(H.address), ...known('guestPhysical'), ...known('physical'), ...known('pointer'),
      before: u64(H.before), value: u64(H.value), rip: u64(H.rip), time: u64(H.time),
    };
  });
}
