// What vectors of user mode cannot show of SSE: the control bits that switch it off, unmasked exceptions without the system's consent, the FXSAVE
// area, the precision of estimates; and instructions of CPL 0 that user mode only sees fault.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { emptyState, place, type State } from '../../../tools/vectors/layout';
import { BareEngine } from './bare-engine';

const usual = { cr0: 0x8000_0033n, cr4: 0x1_0620n } as const;
const EM = 4n, TS = 8n, OSFXSR = 0x200n, OSXMMEXCPT = 0x400n;
const UD = 6, NM = 7, GP = 13, XM = 19, none = 255;

let engine: BareEngine;
let state: State;
beforeAll(() => { engine = new BareEngine(); });
beforeEach(() => {
  engine.setCell('cr0', usual.cr0); engine.setCell('cr4', usual.cr4); engine.setCell('cpl', 3n);
  state = emptyState();
  state.rflags = 0x202;
  state.gpr[4] = BigInt(place.window + 0x180);
});
const run = (code: string, mxcsr = 0x1f80, area?: Uint8Array): number => {
  engine.prepare(Uint8Array.from(code.split(' ').map(b => parseInt(b, 16))), state, mxcsr);
  if (area) engine.data.set(area, 0x400);
  return engine.step().exception;
};

const sse: [string, string][] = [['MOVAPS', '0f 28 c1'], ['MOVD', '66 0f 6e c0'], ['PADDB', '66 0f fc c1'], ['ADDPS', '0f 58 c1'], ['CVTSI2SD', 'f2 0f 2a c0'], ['UCOMISD', '66 0f 2e c1'], ['LDMXCSR', '0f ae 14 24'],
  ['STMXCSR', '0f ae 1c 24'], ['MASKMOVDQU', '66 0f f7 c1'], ['RCPPS', '0f 53 c1'], ['PSHUFD', '66 0f 70 c1 00'], ['MOVMSKPS', '0f 50 c1']];

describe('the system switches SSE off', () => {
  it.each(sse)('%s', (_, code) => {
    state.gpr[7] = BigInt(place.window);
    expect(run(code), 'on').toBe(none);
    engine.setCell('cr0', usual.cr0 | EM);
    expect(run(code), 'CR0.EM').toBe(UD);
    engine.setCell('cr0', usual.cr0 | EM | TS);
    expect(run(code), 'CR0.EM and CR0.TS').toBe(UD);
    engine.setCell('cr0', usual.cr0 | TS);
    expect(run(code), 'CR0.TS').toBe(NM);
    engine.setCell('cr0', usual.cr0);
    engine.setCell('cr4', usual.cr4 & ~OSFXSR);
    expect(run(code), 'CR4.OSFXSR').toBe(UD);
  });
  it.each([['MOVNTI', '0f c3 04 24'], ['LFENCE', '0f ae e8'], ['PREFETCHT0', '0f 18 0c 24'], ['CRC32', 'f2 0f 38 f1 c1'], ['POPCNT', 'f3 0f b8 c1']])('%s is no part of it', (_, code) => {
    engine.setCell('cr0', usual.cr0 | EM | TS);
    engine.setCell('cr4', usual.cr4 & ~OSFXSR);
    expect(run(code)).toBe(none);
  });
});

describe('floating-point exceptions', () => {
  it('are #XM when the system takes them, #UD when not', () => {
    state.xmm[0] = 0x3ff0n << 48n;                                             // 1.0 / 0.0
    expect(run('f2 0f 5e c1', 0x1d80)).toBe(XM);
    expect(engine.xmm[0]).toBe(0x3ff0n << 48n);
    expect(engine.getCell('mxcsr')).toBe(0x1d84n);
    engine.setCell('cr4', usual.cr4 & ~OSXMMEXCPT);
    expect(run('f2 0f 5e c1', 0x1d80)).toBe(UD);
  });
  it('of masked kinds only leave their flags', () => {
    state.xmm[0] = 0x3ff0n << 48n;
    expect(run('f2 0f 5e c1', 0x1f80)).toBe(none);
    expect([engine.xmm[0], engine.getCell('mxcsr')]).toEqual([0x7ff0n << 48n, 0x1f84n]);
  });
});

describe('FXSAVE and FXRSTOR', () => {
  const at = place.dataPage + 0x400;
  it('bring back XMM registers and MXCSR', () => {
    state.gpr[0] = BigInt(at);
    for (let n = 0; n < 32; n++) state.xmm[n] = BigInt(n + 1) * 0x0101_0101_0101_0101n;
    expect(run('0f ae 00', 0x5fc1)).toBe(none);
    const image = engine.data.slice(0x400, 0x600), area = new DataView(image.buffer);
    expect([area.getUint16(0, true), area.getUint8(4), area.getUint32(24, true), area.getUint32(28, true)]).toEqual([0x37f, 0, 0x5fc1, 0xffff]);
    expect(Array.from({ length: 32 }, (_, n) => area.getBigUint64(160 + 8 * n, true))).toEqual([...state.xmm]);
    const saved = [...state.xmm];
    state.xmm.fill(0n);
    expect(run('0f ae 08', 0x1f80, image)).toBe(none);
    expect([...engine.xmm]).toEqual(saved);
    expect(engine.getCell('mxcsr')).toBe(0x5fc1n);
  });
  it('fault on an area that is not aligned, and on reserved bits of MXCSR', () => {
    state.gpr[0] = BigInt(at + 8);
    expect(run('0f ae 00')).toBe(GP);
    expect(run('0f ae 08')).toBe(GP);
    const reserved = new Uint8Array(512);
    reserved[26] = 1;
    state.gpr[0] = BigInt(at);
    expect(run('0f ae 08', 0x1f80, reserved)).toBe(GP);
    expect(run('0f ae 08', 0x1f80, new Uint8Array(512))).toBe(none);
  });
  it('raise #NM with CR0.TS and #UD with CR0.EM', () => {
    state.gpr[0] = BigInt(at);
    engine.setCell('cr0', usual.cr0 | TS);
    expect([run('0f ae 00'), run('0f ae 08')]).toEqual([NM, NM]);
    engine.setCell('cr0', usual.cr0 | EM);
    expect([run('0f ae 00'), run('0f ae 08')]).toEqual([UD, UD]);
  });
});

describe('estimates', () => {
  const float = new Float32Array(1), bits = new Uint32Array(float.buffer);
  const estimate = (code: string, x: number): number => {
    float[0] = x;
    state.xmm[4] = BigInt(bits[0]);
    expect(run(code)).toBe(none);
    bits[0] = Number(engine.xmm[0] & 0xffff_ffffn);
    return float[0];
  };
  it('are within 1.5 * 2^-12 of the true value (SDM 2B "RCPPS")', () => {
    for (let n = 0; n < 500; n++) {
      const x = Math.fround((1 + n * 0.37) * 2 ** (n % 120 - 60));
      expect(Math.abs(estimate('f3 0f 53 c2', x) * x - 1)).toBeLessThanOrEqual(1.5 * 2 ** -12);
      expect(Math.abs(estimate('f3 0f 52 c2', x) ** 2 * x - 1)).toBeLessThanOrEqual(3.1 * 2 ** -12);
    }
  });
  it('of zeros and infinities are infinities and zeros', () => {
    expect([estimate('f3 0f 53 c2', 0), estimate('f3 0f 53 c2', -0), estimate('f3 0f 53 c2', Infinity), estimate('f3 0f 52 c2', 0), estimate('f3 0f 52 c2', -1)]).toEqual([Infinity, -Infinity, 0, Infinity, NaN]);
    expect(engine.getCell('mxcsr')).toBe(0x1f80n);
  });
});

describe('at CPL 0', () => {
  beforeEach(() => { engine.setCell('cpl', 0n); });
  it('STAC sets RFLAGS.AC and CLAC clears it', () => {
    expect(run('0f 01 cb')).toBe(none);
    expect(engine.core.rflagsImage() & 0x4_0000n).toBe(0x4_0000n);
    state.rflags |= 0x4_0000;
    expect(run('0f 01 ca')).toBe(none);
    expect(engine.core.rflagsImage() & 0x4_0000n).toBe(0n);
  });
  it('RDPID reads IA32_TSC_AUX', () => {
    engine.setCell('tscAux', 0x1234_5678n);
    expect(run('f3 0f c7 f9')).toBe(none);
    expect(engine.gpr[1]).toBe(0x1234_5678n);
  });
});
