// SSE and SSE2 moves, logic and integer arithmetic on XMM registers (SDM 1 10.4 'SSE Instruction Set', 11.4 'SSE2 Instruction Set').
// The lanes are WebAssembly's: most instructions are one SIMD operation, named here by its opcode.
import type { InstructionTable } from '../codegen/definitions';
import type { InstructionContext } from '../codegen/instruction-context';
import { RDI } from '../codegen/instruction-context';
import type { Value } from '../codegen/wasm-emitter';

export const defineSse = (t: InstructionTable, name: string, encodings: string[], body: (i: InstructionContext) => void, options: { feature?: string; floating?: 'single' | 'double' } = {}): void =>
  t.define(name, encodings, i => { i.sseIsOn(); body(i); }, { feature: 'sse2', ...options });

const sequence = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n);
const lowHalf = sequence(0, 8), highHalf = sequence(8, 8);

export function defineVectors(t: InstructionTable): void {
  const sse = (name: string, encodings: string[], body: (i: InstructionContext) => void): void => defineSse(t, name, encodings, body);
  defineMoves(sse);
  defineLogicAndLanes(sse);
  defineShuffles(sse);
  defineShifts(sse);
}

type Define = (name: string, encodings: string[], body: (i: InstructionContext) => void) => void;

function defineMoves(sse: Define): void {
  const whole = (name: string, load: string, store: string, aligned: boolean): void => sse(name, [`${load} V Wx`, `${store} Wx V`], i => i.writeWide(i.dst, i.readWide(i.src, aligned), aligned));
  whole('MOVUPS', 'NP 0F 10', 'NP 0F 11', false);
  whole('MOVUPD', '66 0F 10', '66 0F 11', false);
  whole('MOVAPS', 'NP 0F 28', 'NP 0F 29', true);
  whole('MOVAPD', '66 0F 28', '66 0F 29', true);
  whole('MOVDQA', '66 0F 6F', '66 0F 7F', true);
  whole('MOVDQU', 'F3 0F 6F', 'F3 0F 7F', false);
  const streaming = (name: string, encoding: string): void => sse(name, [`${encoding} Mx V`], i => i.writeWide(i.dst, i.readWide(i.src)));
  streaming('MOVNTPS', 'NP 0F 2B');
  streaming('MOVNTPD', '66 0F 2B');
  streaming('MOVNTDQ', '66 0F E7');
  /** From memory the rest of the register becomes 0, between registers it stays. */
  const scalar = (name: string, prefix: string, letter: string, size: 2 | 3): void => sse(name, [`${prefix} 0F 10 V W${letter}`, `${prefix} 0F 11 W${letter} V`], i => {
    const value = i.readLow(i.src, size);
    if (i.src.kind === 'memory') i.writeVector(i.dst, i.vectorOf(value, i.constant(0))); else i.writeLow(i.dst, value, size);
  });
  scalar('MOVSS', 'F3', 'd', 2);
  scalar('MOVSD', 'F2', 'q', 3);
  /** The general register or memory operand to the bottom, zeros above; and back. */
  sse('MOVD', ['66 0F 6E V Ey'], i => i.writeVector(i.dst, i.vectorOf(i.read(i.src), i.constant(0))));
  sse('MOVDstore', ['66 0F 7E Ey V'], i => i.write(i.dst, i.readLow(i.src, i.size === 3 ? 3 : 2)));
  sse('MOVQ', ['F3 0F 7E V Wq', '66 0F D6 Wq V'], i => {
    const value = i.readLow(i.src, 3);
    if (i.dst.kind === 'memory') i.store(i.effective(), value, 3); else i.writeVector(i.dst, i.vectorOf(value, i.constant(0)));
  });
  // halves: with two registers these are MOVHLPS and MOVLHPS
  const high = (i: InstructionContext, v: Value): Value => i.quad(v, 1);
  sse('MOVLPS', ['NP 0F 12 V Wq'], i => i.writeLow(i.dst, i.src.kind === 'memory' ? i.read(i.src, 3) : high(i, i.readVector(i.src)), 3));
  sse('MOVLPD', ['66 0F 12 V Mq'], i => i.writeLow(i.dst, i.read(i.src, 3), 3));
  sse('MOVLPSstore', ['NP 0F 13 Mq V', '66 0F 13 Mq V'], i => i.store(i.effective(), i.readLow(i.src, 3), 3));
  sse('MOVHPS', ['NP 0F 16 V Wq'], i => { const value = i.readLow(i.src, 3); i.writeVector(i.dst, i.vectorOf(i.readLow(i.dst, 3), value)); });
  sse('MOVHPD', ['66 0F 16 V Mq'], i => { const value = i.read(i.src, 3); i.writeVector(i.dst, i.vectorOf(i.readLow(i.dst, 3), value)); });
  sse('MOVHPSstore', ['NP 0F 17 Mq V', '66 0F 17 Mq V'], i => i.store(i.effective(), high(i, i.readVector(i.src)), 3));
  const mask = (name: string, encoding: string, opcode: number): void => sse(name, [`${encoding} Gd U`], i => i.write(i.dst, i.simdMask(opcode, i.readVector(i.src)), 2));
  mask('PMOVMSKB', '66 0F D7', 0x64);
  mask('MOVMSKPS', 'NP 0F 50', 0xa4);
  mask('MOVMSKPD', '66 0F 50', 0xc4);
  sse('PEXTRW', ['66 0F C5 Gd U Ib'], i => {
    const v = i.readVector(i.src), lane = i.immediate(0), half = i.select(i.notZero(i.bit(lane, i.constant(2))), i.quad(v, 1), i.quad(v, 0));
    i.write(i.dst, i.truncate(i.shr64(half, i.shl64(i.and64(lane, i.constant(3)), i.constant(4))), 1), 2);
  });
  sse('PINSRW', ['66 0F C4 V Ed Ib'], i => {
    const word = i.src.kind === 'memory' ? i.read(i.src, 1) : i.truncate(i.read(i.src, 2), 1), v = i.readVector(i.dst), lane = i.immediate(0);
    const place = i.shl64(i.and64(lane, i.constant(3)), i.constant(4)), hole = i.shl64(i.constant(0xffff), place), value = i.shl64(word, place);
    const put = (half: Value): Value => i.or64(i.and64(half, i.xor64(hole, i.constant(-1))), value);
    const upper = i.notZero(i.bit(lane, i.constant(2))), low = i.quad(v, 0), above = i.quad(v, 1);
    i.writeVector(i.dst, i.vectorOf(i.select(upper, low, put(low)), i.select(upper, put(above), above)));
  });
  void RDI;
}

function defineLogicAndLanes(sse: Define): void {
  const binary = (name: string, encodings: string[], operate: (i: InstructionContext, a: Value, b: Value) => Value): void => sse(name, encodings.map(e => `${e} V Wx`), i => {
    const b = i.readWide(i.src), a = i.readVector(i.dst);
    i.writeVector(i.dst, operate(i, a, b));
  });
  /** One WebAssembly operation on first and second operand. */
  const plain = (name: string, opcode: string, simd: number): void => binary(name, [opcode.startsWith('NP') ? opcode : `66 0F ${opcode}`], (i, a, b) => i.simdBinary(simd, a, b));
  for (const [suffix, prefix] of [['PS', 'NP'], ['PD', '66']]) {
    binary(`AND${suffix}`, [`${prefix} 0F 54`], (i, a, b) => i.simdBinary(0x4e, a, b));
    binary(`ANDN${suffix}`, [`${prefix} 0F 55`], (i, a, b) => i.simdBinary(0x4f, b, a));
    binary(`OR${suffix}`, [`${prefix} 0F 56`], (i, a, b) => i.simdBinary(0x50, a, b));
    binary(`XOR${suffix}`, [`${prefix} 0F 57`], (i, a, b) => i.simdBinary(0x51, a, b));
  }
  binary('PANDN', ['66 0F DF'], (i, a, b) => i.simdBinary(0x4f, b, a));
  const rows: readonly (readonly [name: string, opcode: string, simd: number])[] = [
    ['PAND', 'DB', 0x4e], ['POR', 'EB', 0x50], ['PXOR', 'EF', 0x51],
    ['PADDB', 'FC', 0x6e], ['PADDW', 'FD', 0x8e], ['PADDD', 'FE', 0xae], ['PADDQ', 'D4', 0xce],
    ['PSUBB', 'F8', 0x71], ['PSUBW', 'F9', 0x91], ['PSUBD', 'FA', 0xb1], ['PSUBQ', 'FB', 0xd1],
    ['PADDSB', 'EC', 0x6f], ['PADDSW', 'ED', 0x8f], ['PADDUSB', 'DC', 0x70], ['PADDUSW', 'DD', 0x90],
    ['PSUBSB', 'E8', 0x72], ['PSUBSW', 'E9', 0x92], ['PSUBUSB', 'D8', 0x73], ['PSUBUSW', 'D9', 0x93],
    ['PMINUB', 'DA', 0x77], ['PMAXUB', 'DE', 0x79], ['PMINSW', 'EA', 0x96], ['PMAXSW', 'EE', 0x98],
    ['PAVGB', 'E0', 0x7b], ['PAVGW', 'E3', 0x9b], ['PMULLW', 'D5', 0x95], ['PMADDWD', 'F5', 0xba],
    ['PCMPEQB', '74', 0x23], ['PCMPEQW', '75', 0x2d], ['PCMPEQD', '76', 0x37], ['PCMPGTB', '64', 0x27], ['PCMPGTW', '65', 0x31], ['PCMPGTD', '66', 0x3b],
    ['PACKSSWB', '63', 0x65], ['PACKUSWB', '67', 0x66], ['PACKSSDW', '6B', 0x85],
  ];
  for (const [name, opcode, simd] of rows) plain(name, opcode, simd);
  const upperWords = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
  const highProducts = (low: number, high: number) => (i: InstructionContext, a: Value, b: Value): Value => i.shuffle(i.simdBinary(low, a, b), i.simdBinary(high, a, b), upperWords);
  binary('PMULHW', ['66 0F E5'], highProducts(0xbc, 0xbd));
  binary('PMULHUW', ['66 0F E4'], highProducts(0xbe, 0xbf));
  binary('PMULUDQ', ['66 0F F4'], (i, a, b) => {
    const even = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];
    return i.simdBinary(0xde, i.shuffle(a, a, even), i.shuffle(b, b, even));
  });
  binary('PSADBW', ['66 0F F6'], (i, a, b) => {
    const distance = i.simdBinary(0x50, i.simdBinary(0x73, a, b), i.simdBinary(0x73, b, a)), fours = i.simdUnary(0x7f, i.simdUnary(0x7d, distance));
    const sum = i.simdBinary(0xce, fours, i.simdShift(0xcd, fours, i.constant(32)));
    return i.simdBinary(0x4e, sum, i.splat64(i.constant(0xffff)));
  });
}

function defineShuffles(sse: Define): void {
  const interleave = (name: string, encoding: string, bytes: number, from: number): void => sse(name, [`${encoding} V Wx`], i => {
    const b = i.readWide(i.src), a = i.readVector(i.dst), lanes: number[] = [];
    for (let n = from; n < from + 8; n += bytes) lanes.push(...sequence(n, bytes), ...sequence(16 + n, bytes));
    i.writeVector(i.dst, i.shuffle(a, b, lanes));
  });
  const rows: readonly (readonly [name: string, encoding: string, bytes: number, from: number])[] = [
    ['PUNPCKLBW', '66 0F 60', 1, 0], ['PUNPCKLWD', '66 0F 61', 2, 0], ['PUNPCKLDQ', '66 0F 62', 4, 0], ['PUNPCKLQDQ', '66 0F 6C', 8, 0],
    ['PUNPCKHBW', '66 0F 68', 1, 8], ['PUNPCKHWD', '66 0F 69', 2, 8], ['PUNPCKHDQ', '66 0F 6A', 4, 8], ['PUNPCKHQDQ', '66 0F 6D', 8, 8],
    ['UNPCKLPS', 'NP 0F 14', 4, 0], ['UNPCKHPS', 'NP 0F 15', 4, 8], ['UNPCKLPD', '66 0F 14', 8, 0], ['UNPCKHPD', '66 0F 15', 8, 8],
  ];
  for (const row of rows) interleave(...row);
  /** Lane numbers for i8x16.swizzle of `count` lanes of `bytes` bytes each, chosen by two bits of the immediate apiece. */
  const chosen = (i: InstructionContext, bytes: 2 | 4, first: number, count: number, byteBase: number): Value => {
    const step = bytes === 4 ? 0x0404_0404n : 0x0202n, origin = bytes === 4 ? 0x0302_0100n : 0x0100n, each = BigInt(byteBase) * (bytes === 4 ? 0x0101_0101n : 0x0101n);
    let quad: Value = i.constant(0);
    for (let n = 0; n < count; n++) {
      const select = i.and64(i.shr64(i.immediate(0), i.constant(2 * (first + n))), i.constant(3));
      quad = i.or64(quad, i.shl64(i.add64(i.binary('i64_mul', select, i.constant(step)), i.constant(origin + each)), i.constant(8 * bytes * n)));
    }
    return quad;
  };
  sse('PSHUFD', ['66 0F 70 V Wx Ib'], i => {
    const v = i.readWide(i.src);
    i.writeVector(i.dst, i.simdBinary(0x0e, v, i.vectorOf(chosen(i, 4, 0, 2, 0), chosen(i, 4, 2, 2, 0))));
  });
  sse('PSHUFLW', ['F2 0F 70 V Wx Ib'], i => {
    const v = i.readWide(i.src);
    i.writeVector(i.dst, i.simdBinary(0x0e, v, i.vectorOf(chosen(i, 2, 0, 4, 0), i.constant(0x0f0e_0d0c_0b0a_0908n))));
  });
  sse('PSHUFHW', ['F3 0F 70 V Wx Ib'], i => {
    const v = i.readWide(i.src);
    i.writeVector(i.dst, i.simdBinary(0x0e, v, i.vectorOf(i.constant(0x0706_0504_0302_0100n), chosen(i, 2, 0, 4, 8))));
  });
  sse('SHUFPS', ['NP 0F C6 V Wx Ib'], i => {
    const b = i.readWide(i.src), a = i.readVector(i.dst), lanes = i.vectorOf(chosen(i, 4, 0, 2, 0), chosen(i, 4, 2, 2, 0));
    i.writeVector(i.dst, i.shuffle(i.simdBinary(0x0e, a, lanes), i.simdBinary(0x0e, b, lanes), [...lowHalf, ...highHalf.map(n => n + 16)]));
  });
  sse('SHUFPD', ['66 0F C6 V Wx Ib'], i => {
    const b = i.readWide(i.src), a = i.readVector(i.dst), control = i.immediate(0);
    const half = (v: Value, bit: number): Value => i.select(i.notZero(i.bit(control, i.constant(bit))), i.quad(v, 1), i.quad(v, 0));
    i.writeVector(i.dst, i.vectorOf(half(a, 0), half(b, 1)));
  });
}

function defineShifts(sse: Define): void {
  /** Counts beyond the lane give zeros, or the sign in every bit. */
  const shifted = (i: InstructionContext, simd: number, bits: number, arithmetic: boolean, a: Value, count: Value): Value => {
    const inside = i.below(count, i.constant(bits));
    if (arithmetic) return i.simdShift(simd, a, i.select(inside, count, i.constant(bits - 1)));
    return i.simdBinary(0x4e, i.simdShift(simd, a, count), i.splat64(i.select(inside, i.constant(-1), i.constant(0))));
  };
  const rows: readonly (readonly [name: string, opcode: string, group: string, simd: number, bits: number])[] = [
    ['PSRLW', 'D1', '71/2r', 0x8d, 16], ['PSRLD', 'D2', '72/2r', 0xad, 32], ['PSRLQ', 'D3', '73/2r', 0xcd, 64], ['PSRAW', 'E1', '71/4r', 0x8c, 16], ['PSRAD', 'E2', '72/4r', 0xac, 32],
    ['PSLLW', 'F1', '71/6r', 0x8b, 16], ['PSLLD', 'F2', '72/6r', 0xab, 32], ['PSLLQ', 'F3', '73/6r', 0xcb, 64],
  ];
  for (const [name, opcode, group, simd, bits] of rows) {
    sse(name, [`66 0F ${opcode} V Wx`, `66 0F ${group} U Ib`], i => {
      const count = i.src.kind === 'immediate' ? i.immediate(0) : i.quad(i.readWide(i.src), 0), a = i.readVector(i.dst);
      i.writeVector(i.dst, shifted(i, simd, bits, name.startsWith('PSRA'), a, count));
    });
  }
  /** Whole register by bytes: lanes out of range select 0. */
  const bytes = (name: string, digit: number, simd: number): void => sse(name, [`66 0F 73/${digit}r U Ib`], i => {
    const n = i.immediate(0), count = i.select(i.above(n, i.constant(16)), i.constant(16), n);
    const iota = i.vectorOf(i.constant(0x0706_0504_0302_0100n), i.constant(0x0f0e_0d0c_0b0a_0908n)), distance = i.splat64(i.binary('i64_mul', count, i.constant(0x0101_0101_0101_0101n)));
    i.writeVector(i.dst, i.simdBinary(0x0e, i.readVector(i.dst), i.simdBinary(simd, iota, distance)));
  });
  bytes('PSLLDQ', 7, 0x71);
  bytes('PSRLDQ', 3, 0x6e);
}
