// Where a recorded outcome is not what the machine does, and why. The vectors come from an AMD processor under a monitor; the machine is
// Intel's, and where vendors differ Intel's manual decides. Each row must have vectors that need it (the test counts them).
import type { Vector } from './vector-file';

export interface Difference { readonly names: string; readonly when: (v: Vector) => boolean; readonly why: string }

/** Prefix bytes before the opcode, and where it is. */
function opcodeAt(v: Vector): { prefixes: number[]; at: number; rex: number } {
  const prefixes: number[] = [];
  let at = 0, rex = 0;
  for (; ; at++) {
    const b = v.code[at];
    if ((b & 0xf0) === 0x40) rex = b;
    else if ([0x66, 0x67, 0x64, 0x65, 0xf0, 0xf2, 0xf3].includes(b)) prefixes.push(b);
    else return { prefixes, at, rex };
  }
}
const has = (v: Vector, prefix: number): boolean => opcodeAt(v).prefixes.includes(prefix);

export const vendorDifferences: readonly Difference[] = [
  { names: 'NOP', when: v => { const { at } = opcodeAt(v); return v.code[at] === 0x0f && v.code[at + 1] === 0x0d && v.code[at + 2] >= 0xc0; },
    why: '0F 0D with a register: #UD on AMD, a reserved NOP on Intel.' },
  { names: 'PAUSE', when: v => (opcodeAt(v).rex & 1) !== 0, why: 'F3 90 with REX.B: XCHG with R8 on AMD, PAUSE on Intel.' },
  { names: 'LOOP LOOPE LOOPNE JRCXZ', when: v => has(v, 0x66), why: 'In 64-bit mode AMD cuts the target to 16 bits by the operand-size prefix, Intel ignores the prefix (SDM 2A "LOOP").' },
  { names: 'INS OUTS', when: v => has(v, 0xf2) || has(v, 0xf3), why: 'With a count of 0 AMD still checks the I/O permission; the repeat loop of the manual is not entered (SDM 2B "REP").' },
  { names: 'SHLDimm SHLDcl SHRDimm SHRDcl', when: v => has(v, 0x66) && !(opcodeAt(v).rex & 8), why: 'A 16-bit operand and a count above 16: the result is undefined, AMD turns in other bits than Intel.' },
  { names: 'LDMXCSR', when: v => v.after.exception === 255 && (v.after.mxcsr & 0x2_0000) !== 0, why: 'Bit 17 of MXCSR is reserved on Intel, the mask of misaligned accesses on AMD.' },
  { names: 'CLFLUSH CLFLUSHOPT', when: v => v.after.exception === 13, why: 'The monitor under which the vectors were recorded reports some page faults of CLFLUSH as #GP.' },
];

/** Rows that speak of a vector, by index. */
export const differencesOf = (v: Vector): number[] => vendorDifferences.flatMap((row, n) => row.names.split(' ').includes(v.name) && row.when(v) ? [n] : []);
