// An immutable map from address ranges to small integers (indices of units, functions, frame descriptions): sorted arrays with
// binary search. Ranges may nest or overlap; the one that starts last wins, which is the innermost when they nest.

/** A half-open range of link-time addresses. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** Lookups go back over at most this many ranges that begin before the address but do not contain it (damaged files overlap wildly). */
const LOOK_BACK_LIMIT = 4096;

export class RangeMap {
  private readonly starts: BigUint64Array;
  private readonly ends: BigUint64Array;
  private readonly furthestEnds: BigUint64Array;
  private readonly values: Int32Array;

  /** Empty ranges are dropped; of two equal ranges the one given later wins. */
  constructor(entries: readonly (AddressRange & { readonly value: number })[]) {
    const kept = entries.filter(entry => entry.end > entry.start);
    kept.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.end > b.end ? -1 : a.end < b.end ? 1 : 0));
    this.starts = new BigUint64Array(kept.length);
    this.ends = new BigUint64Array(kept.length);
    this.furthestEnds = new BigUint64Array(kept.length);
    this.values = new Int32Array(kept.length);
    let furthest = 0n;
    kept.forEach((entry, i) => {
      if (entry.end > furthest) furthest = entry.end;
      this.starts[i] = entry.start;
      this.ends[i] = entry.end;
      this.furthestEnds[i] = furthest;
      this.values[i] = entry.value;
    });
  }

  get size(): number {
    return this.values.length;
  }

  /** The range at a position in address order. */
  at(index: number): AddressRange & { value: number } {
    return { start: this.starts[index]!, end: this.ends[index]!, value: this.values[index]! };
  }

  /** The innermost range that contains `address`. */
  find(address: bigint): (AddressRange & { value: number }) | undefined {
    let i = upperBound(this.starts, address) - 1;
    for (let steps = 0; i >= 0 && steps < LOOK_BACK_LIMIT; i--, steps++) {
      if (this.furthestEnds[i]! <= address) return undefined;
      if (this.ends[i]! > address) return this.at(i);
    }
    return undefined;
  }
}

/** The number of elements of a sorted array that are at most `key`. */
export function upperBound<T extends number | bigint>(sorted: { readonly length: number; readonly [index: number]: T }, key: T): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
