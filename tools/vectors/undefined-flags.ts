// Flags that Intel's manual leaves undefined after an instruction (SDM 2 'Flags Affected' of each), as masks that a comparison ignores.
import type { Vector } from './vector-file';

const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;
const all = CF | PF | AF | ZF | SF | OF;

type When = (v: Vector) => boolean;
/** Count of a shift, masked: the immediate is the last byte, CL and 1 by opcode; `bits` of the operand. */
const operand = (v: Vector): { count: number; bits: number } => {
  let n = 0, operand16 = false, rex = 0;
  for (; ; n++) {
    const b = v.code[n];
    if (b === 0x66) operand16 = true;
    else if ((b & 0xf0) === 0x40) rex = b;
    else if (b !== 0x67 && b !== 0x65 && b !== 0xf0 && b !== 0xf2 && b !== 0xf3) break;
  }
  const twoByte = v.code[n] === 0x0f, opcode = v.code[twoByte ? n + 1 : n];
  const byte = !twoByte && !(opcode & 1), bits = byte ? 8 : rex & 8 ? 64 : operand16 ? 16 : 32;
  const raw = twoByte ? (opcode & 1 ? Number(v.before.gpr[1] & 255n) : v.code[v.code.length - 1]) : opcode >= 0xd2 ? Number(v.before.gpr[1] & 255n) : opcode >= 0xd0 ? 1 : v.code[v.code.length - 1];
  return { count: raw & (bits === 64 ? 63 : 31), bits };
};
const shifted: When = v => operand(v).count !== 0;
const byMore: When = v => operand(v).count > 1;
const byAllBits: When = v => operand(v).count >= operand(v).bits;

/** Instruction, undefined flags, and when (always if absent). */
const rows: readonly (readonly [names: string, mask: number, when?: When])[] = [
  ['AND OR XOR TEST ANDN', AF],
  ['MUL IMUL IMUL2 IMUL3', PF | AF | ZF | SF],
  ['DIV IDIV', all],
  ['SHL SHR SAR', AF, shifted],
  ['SHL SHR', OF, byMore],
  ['SHL SHR', CF, byAllBits],
  ['ROL ROR RCL RCR', OF, byMore],
  ['SHLDimm SHLDcl SHRDimm SHRDcl', AF, shifted],
  ['SHLDimm SHLDcl SHRDimm SHRDcl', OF, byMore],
  ['SHLDimm SHLDcl SHRDimm SHRDcl', all, v => operand(v).count > operand(v).bits],
  ['BT BTS BTR BTC', OF | SF | AF | PF],
  ['BSF BSR', OF | SF | AF | PF | CF],
  ['TZCNT LZCNT', OF | SF | PF | AF],
  ['BEXTR', AF | SF | PF],
  ['BZHI BLSR BLSI BLSMSK', AF | PF],
];

/** Mask of the flags that say nothing after this vector. */
export const undefinedFlags = (v: Vector): number => rows.reduce((mask, [names, flags, when]) => names.split(' ').includes(v.name) && (!when || when(v)) ? mask | flags : mask, 0);
