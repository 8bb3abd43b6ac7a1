// The tracked form of the vectors: what an instruction changed, one record after the other, gzipped. Reading one back needs the seed's
// state (layout.ts). All numbers little-endian.
//
//   header   u8 length + text (vendor and family of the processor), u16 count of names, each u8 length + text, u32 count of vectors
//   vector   u16 name, u8 length of the code, code, u32 seed, u8 kind, [u32 MXCSR before, not for integers], u8 overrides x (u8 where, u64 value),
//            u8 exception vector (255 none), [#PF: u8 error code, u64 CR2], u16 mask of changed general registers, u64 each,
//            u32 RFLAGS, u8 RIP (0 next, 1 unchanged, 2 other: u64), u32 mask of changed XMM quadwords, u64 each, u8 MXCSR changed, [u32],
//            u8 count of changed runs of the window x (u16 offset, u8 length, bytes)
import { fillState, kinds, place, type Kind, type Override, type State } from './layout';

export const noException = 255;

/** State after an instruction, or after the exception that it raised. */
export interface Outcome {
  readonly exception: number;
  readonly error: number;
  readonly cr2: bigint;
  readonly gpr: BigUint64Array;
  readonly rflags: number;
  readonly rip: bigint;
  readonly xmm: BigUint64Array;
  readonly mxcsr: number;
  readonly window: Uint8Array;
}
export interface Vector {
  readonly name: string;
  readonly code: Uint8Array;
  readonly seed: number;
  readonly kind: Kind;
  readonly mxcsr: number;
  readonly overrides: readonly Override[];
  readonly before: State;
  readonly after: Outcome;
}

export class Writer {
  private bytes = new Uint8Array(1 << 20);
  private view = new DataView(this.bytes.buffer);
  private at = 0;
  private room(n: number): number {
    if (this.at + n > this.bytes.length) { const grown = new Uint8Array(this.bytes.length * 2); grown.set(this.bytes); this.bytes = grown; this.view = new DataView(grown.buffer); }
    this.at += n;
    return this.at - n;
  }
  u8(v: number): void { const at = this.room(1); this.view.setUint8(at, v); }
  u16(v: number): void { const at = this.room(2); this.view.setUint16(at, v, true); }
  u32(v: number): void { const at = this.room(4); this.view.setUint32(at, v, true); }
  u64(v: bigint): void { const at = this.room(8); this.view.setBigUint64(at, v, true); }
  raw(bytes: Uint8Array): void { const at = this.room(bytes.length); this.bytes.set(bytes, at); }
  text(s: string): void { this.u8(s.length); for (let n = 0; n < s.length; n++) this.u8(s.charCodeAt(n)); }
  take(): Uint8Array { return this.bytes.slice(0, this.at); }
}

export function writeHeader(w: Writer, processor: string, names: readonly string[], count: number): void {
  w.text(processor);
  w.u16(names.length);
  for (const name of names) w.text(name);
  w.u32(count);
}

export function writeVector(w: Writer, v: Vector, nameIndex: number): void {
  const { before, after } = v;
  w.u16(nameIndex); w.u8(v.code.length); w.raw(v.code); w.u32(v.seed); w.u8(kinds.indexOf(v.kind));
  if (v.kind !== 'integer') w.u32(v.mxcsr);
  w.u8(v.overrides.length);
  for (const o of v.overrides) { w.u8(o.where); w.u64(o.value); }
  w.u8(after.exception);
  if (after.exception === 14) { w.u8(after.error); w.u64(after.cr2); }
  const changed = (a: BigUint64Array, b: BigUint64Array): number[] => Array.from(a.keys()).filter(n => a[n] !== b[n]);
  const mask = (list: number[]): number => list.reduce((m, n) => m | 1 << n, 0) >>> 0;
  const gpr = changed(before.gpr, after.gpr), xmm = changed(before.xmm, after.xmm);
  w.u16(mask(gpr)); for (const n of gpr) w.u64(after.gpr[n]);
  w.u32(after.rflags);
  const next = BigInt(place.code + v.code.length);
  const where = after.rip === next ? 0 : after.rip === BigInt(place.code) ? 1 : 2;
  w.u8(where); if (where === 2) w.u64(after.rip);
  w.u32(mask(xmm)); for (const n of xmm) w.u64(after.xmm[n]);
  w.u8(after.mxcsr !== v.mxcsr ? 1 : 0); if (after.mxcsr !== v.mxcsr) w.u32(after.mxcsr);
  const old = new Uint8Array(before.window.buffer), runs: [number, number][] = [];
  for (let n = 0; n < old.length; n++) {
    if (old[n] === after.window[n]) continue;
    const last = runs[runs.length - 1];
    if (last && last[0] + last[1] === n && last[1] < 255) last[1]++; else runs.push([n, 1]);
  }
  w.u8(runs.length);
  for (const [offset, length] of runs) { w.u16(offset); w.u8(length); w.raw(after.window.subarray(offset, offset + length)); }
}

/** Calls `visit` for each vector; the object and its arrays are reused. Returns what the header says. */
export function readVectors(bytes: Uint8Array, visit: (v: Vector) => void): { processor: string; count: number; names: string[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const u8 = (): number => bytes[at++], u16 = (): number => { at += 2; return view.getUint16(at - 2, true); }, u32 = (): number => { at += 4; return view.getUint32(at - 4, true); };
  const u64 = (): bigint => { at += 8; return view.getBigUint64(at - 8, true); };
  const text = (): string => { const n = u8(); at += n; return String.fromCharCode(...bytes.subarray(at - n, at)); };
  const processor = text(), names = Array.from({ length: u16() }, text), count = u32();
  const before: State = { gpr: new BigUint64Array(16), rflags: 0, xmm: new BigUint64Array(32), window: new BigUint64Array(place.windowBytes / 8) };
  const gpr = new BigUint64Array(16), xmm = new BigUint64Array(32), window = new Uint8Array(place.windowBytes);
  for (let n = 0; n < count; n++) {
    const name = names[u16()], length = u8();
    at += length;
    const code = bytes.subarray(at - length, at), seed = u32(), kind = kinds[u8()], mxcsr = kind === 'integer' ? 0x1f80 : u32(), overrides: Override[] = [];
    for (let k = u8(); k > 0; k--) overrides.push({ where: u8(), value: u64() });
    fillState(before, seed, kind, overrides);
    const exception = u8(), error = exception === 14 ? u8() : 0, cr2 = exception === 14 ? u64() : 0n;
    gpr.set(before.gpr); xmm.set(before.xmm); window.set(new Uint8Array(before.window.buffer));
    for (let mask = u16(), k = 0; k < 16; k++) if (mask >> k & 1) gpr[k] = u64();
    const rflags = u32(), where = u8(), rip = where === 0 ? BigInt(place.code + length) : where === 1 ? BigInt(place.code) : u64();
    for (let mask = u32(), k = 0; k < 32; k++) if (mask >>> k & 1) xmm[k] = u64();
    const after = u8() ? u32() : mxcsr;
    for (let k = u8(); k > 0; k--) { const offset = u16(), bytesChanged = u8(); at += bytesChanged; window.set(bytes.subarray(at - bytesChanged, at), offset); }
    visit({ name, code, seed, kind, mxcsr, overrides, before, after: { exception, error, cr2, gpr, rflags, rip, xmm, mxcsr: after, window } });
  }
  return { processor, count, names };
}
