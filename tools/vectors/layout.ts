// State before a recorded instruction: where its memory lies and what its registers hold. Only a seed and a few named values are kept in
// a vector; everything else follows from the seed, so that the recorder (native.c) and the tests start from the same state.

/** Linear addresses, the same on the real processor and in the machine. native.c repeats them. */
export const place = { codePage: 0x2000_0000, code: 0x2000_0800, dataPage: 0x1000_0000, dataBytes: 0x2000, window: 0x1000_0f00, windowBytes: 512, gsBase: 0x1000_0000 } as const;

/** What random operands look like: integers, or patterns of floating-point numbers. */
export const kinds = ['integer', 'single', 'double'] as const;
export type Kind = (typeof kinds)[number];

/** A named value of the initial state: `where` is a general register (0 to 15) or 16 + a quadword of the window. */
export interface Override { readonly where: number; readonly value: bigint }

export interface State {
  readonly gpr: BigUint64Array;
  rflags: number;
  readonly xmm: BigUint64Array;
  readonly window: BigUint64Array;
}
export const emptyState = (): State => ({ gpr: new BigUint64Array(16), rflags: 0, xmm: new BigUint64Array(32), window: new BigUint64Array(place.windowBytes / 8) });

/** A 32-bit generator with a period long enough for one state (mulberry32). */
export function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ a >>> 15, 1 | a);
    t = (t + Math.imul(t ^ t >>> 7, 61 | t)) ^ t;
    return (t ^ t >>> 14) >>> 0;
  };
}

const corners = [0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_fffen, 0xaaaa_aaaa_aaaa_aaaan, 0x0123_4567_89ab_cdefn, 0xffff_ffff_8000_0000n, 0xffff_ffff_0000_0000n].map(v => [Number(v & 0xffff_ffffn), Number(v >> 32n)] as const);
const singles = [0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x3fc0_0000, 0x4049_0fdb, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0001, 0x7f80_0001, 0xffa0_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000,
  0x7f7f_ffff, 0xff7f_ffff, 0x4f00_0000, 0xcf00_0000, 0x4eff_ffff, 0x3f00_0000, 0x4020_0000, 0x4120_0000];
const doubles = [0n, 1n << 63n, 0x3ff0n << 48n, 0xbff0n << 48n, 0x3ff8n << 48n, 0x4009_21fb_5444_2d18n, 0x7ff0n << 48n, 0xfff0n << 48n, 0x7ff8n << 48n, 0xfff8_0000_0000_0001n, 0x7ff0_0000_0000_0001n,
  0xfff4n << 48n, 1n, 0x8000_0000_0000_0001n, 0x000f_ffff_ffff_ffffn, 0x0010n << 48n, 0x7fef_ffff_ffff_ffffn, 0xffef_ffff_ffff_ffffn, 0x41e0n << 48n, 0xc1e0n << 48n, 0x41df_ffff_ffc0_0000n,
  0x3fe0n << 48n, 0x4004n << 48n, 0x47ef_ffff_f000_0000n, 0x3810n << 48n, 0x36a0n << 48n].map(v => [Number(v & 0xffff_ffffn), Number(v >> 32n)] as const);

const scratch = new BigUint64Array(1), halves = new Uint32Array(scratch.buffer);
/** One random quadword of a kind. */
export function randomWord(next: () => number, kind: Kind): bigint {
  const choice = next();
  if (kind === 'integer') {
    if ((choice & 3) === 0) { const c = corners[(choice >>> 8) % corners.length]; halves[0] = c[0]; halves[1] = c[1]; }
    else if ((choice & 3) === 1) { const small = (choice >>> 8) & 0x7f; halves[0] = choice & 4 ? -small : small; halves[1] = choice & 4 && small ? -1 : 0; }
    else { halves[0] = next(); halves[1] = next(); }
  } else if (kind === 'single') {
    for (let n = 0; n < 2; n++) {
      const c = n === 0 ? choice : next();
      // near 1, so that sums cancel and products round; or any pattern
      halves[n] = (c & 3) === 0 ? singles[(c >>> 8) % singles.length] : (c & 3) === 3 ? next() : (next() & 0x807f_ffff) | ((0x70 + (c >>> 8) % 0x20) << 23);
    }
  } else if ((choice & 3) === 0) { const c = doubles[(choice >>> 8) % doubles.length]; halves[0] = c[0]; halves[1] = c[1]; }
  else { halves[0] = next(); halves[1] = next(); if ((choice & 3) !== 3) halves[1] = (halves[1] & 0x800f_ffff) | ((0x3e0 + (choice >>> 8) % 0x40) << 20); }
  return scratch[0];
}

/** Fills `state` from a seed: registers, arithmetic flags and DF, XMM registers, memory. RSP lies inside the window, aligned to 8. */
export function fillState(state: State, seed: number, kind: Kind, overrides: readonly Override[]): void {
  const next = generator(seed);
  for (let n = 0; n < 16; n++) state.gpr[n] = randomWord(next, 'integer');
  state.gpr[4] = BigInt(place.window + 0x100 + (next() & 0x78));
  const f = next();
  state.rflags = 0x202 | (f & 0x8d5) | (f >>> 20 & 7 ? 0 : 0x400);
  for (let n = 0; n < 32; n++) state.xmm[n] = randomWord(next, kind);
  for (let n = 0; n < state.window.length; n++) state.window[n] = randomWord(next, kind);
  for (const { where, value } of overrides) if (where < 16) state.gpr[where] = value; else state.window[where - 16] = value;
}
