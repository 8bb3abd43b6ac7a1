// The shape of a region's control flow, for structured code: reverse postorder, dominators, which blocks head loops and which are met from
// several sides (after N. Ramsey, 'Beyond Relooper', ICFP 2022). Node 0 is the dispatcher that stands before the entries; edges that no
// structure expresses go over it.

export interface Flow {
  /** Nodes that can be reached, in reverse postorder; place 0 is the dispatcher. All the rest speaks of places. */
  readonly order: readonly number[];
  readonly placeOf: ReadonlyMap<number, number>;
  readonly dominator: readonly number[];
  readonly children: readonly (readonly number[])[];
  readonly headsLoop: readonly boolean[];
  readonly isMerge: readonly boolean[];
  /** Nodes that a retreating edge reaches without their dominating its source: they must be entries. */
  readonly irreducible: ReadonlySet<number>;
}

/** No distance: a block on the last byte of the page before a region's base stands at -1. */
export const dispatcher = -(2 ** 31);

export function flowOf(entries: readonly number[], successors: (node: number) => readonly number[]): Flow {
  const next = (node: number): readonly number[] => node === dispatcher ? entries : successors(node);
  const order: number[] = [], seen = new Set([dispatcher]), stack: [node: number, done: number][] = [[dispatcher, 0]];
  while (stack.length > 0) {
    const top = stack[stack.length - 1], list = next(top[0]);
    if (top[1] === list.length) { order.push(top[0]); stack.pop(); continue; }
    // last successor first, so that the first one comes right behind its source in the order
    const node = list[list.length - 1 - top[1]++];
    if (!seen.has(node)) { seen.add(node); stack.push([node, 0]); }
  }
  order.reverse();
  const placeOf = new Map(order.map((node, place) => [node, place]));
  const sources: number[][] = order.map(() => []);
  order.forEach((node, place) => { for (const s of next(node)) sources[placeOf.get(s)!].push(place); });

  const dominator = order.map(() => -1);
  dominator[0] = 0;
  const meet = (x: number, y: number): number => {
    let a = x, b = y;
    while (a !== b) { while (a > b) a = dominator[a]; while (b > a) b = dominator[b]; }
    return a;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let place = 1; place < order.length; place++) {
      let best = -1;
      for (const s of sources[place]) if (dominator[s] >= 0) best = best < 0 ? s : meet(best, s);
      if (dominator[place] !== best) { dominator[place] = best; changed = true; }
    }
  }
  const dominates = (a: number, b: number): boolean => { let at = b; while (at > a) at = dominator[at]; return at === a; };
  const children: number[][] = order.map(() => []), headsLoop = order.map(() => false), isMerge = order.map(() => false), irreducible = new Set<number>();
  for (let place = 1; place < order.length; place++) {
    children[dominator[place]].push(place);
    let forward = 0;
    for (const s of sources[place]) {
      if (s < place) forward++;
      else if (dominates(place, s)) headsLoop[place] = true;
      else irreducible.add(order[place]);
    }
    isMerge[place] = forward > 1 || dominator[place] === 0;
  }
  return { order, placeOf, dominator, children, headsLoop, isMerge, irreducible };
}
