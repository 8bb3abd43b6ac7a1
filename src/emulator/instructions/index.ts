// The instruction table: every definition, from the family files.
import { InstructionTable } from '../codegen/definitions';
import { defineArithmetic } from './arithmetic';
import { defineBitManipulation } from './bit-manipulation';
import { defineFloatingPoint } from './floating-point';
import { defineVectors } from './vectors';
import { defineControlFlow } from './control-flow';
import { defineMoves } from './moves';
import { defineShifts } from './shifts';
import { defineSegmented } from './segmented';
import { defineSystem, defineVmx } from './system';

export const instructions = new InstructionTable();
defineMoves(instructions);
defineArithmetic(instructions);
defineShifts(instructions);
defineBitManipulation(instructions);
defineVectors(instructions);
defineFloatingPoint(instructions);
defineControlFlow(instructions);
defineSegmented(instructions);
defineSystem(instructions);
defineVmx(instructions);

/** Mnemonics as a programmer writes them, for syntax and hovers. */
export function mnemonics(): string[] {
  const conditions = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G', 'C', 'NC', 'Z', 'NZ', 'NAE', 'NB', 'NA', 'NBE', 'PE', 'PO', 'NGE', 'NL', 'NG', 'NLE'];
  const names = instructions.definitions.filter(d => d.encodings.length > 0).flatMap(d => {
    const name = d.name.replace(/(Segmented|segmented|immediate|oldSreg)$/, '').replace(/(rel|far|imm|cl|toSreg|fromSreg|toCR|fromCR|toDR|fromDR|sreg|store|byte|8|16|(?<!CRC3)2|3)$/, '');
    return name.endsWith('cc') ? conditions.map(c => name.slice(0, -2) + c) : [name];
  });
  const written: Record<string, string[]> = { MOVZX: ['MOVZX'], LDS: ['LES', 'LDS'], PUSHA: ['PUSHA', 'PUSHAD'], POPA: ['POPA', 'POPAD'],
    FENCE: ['LFENCE', 'MFENCE', 'SFENCE'], LSS: ['LSS', 'LFS', 'LGS'], CBW: ['CBW', 'CWDE', 'CDQE'], CWD: ['CWD', 'CDQ', 'CQO'],
    RDFSBASE: ['RDFSBASE', 'RDGSBASE', 'WRFSBASE', 'WRGSBASE'], CMPXCHG8B: ['CMPXCHG8B', 'CMPXCHG16B'], IRET: ['IRET', 'IRETD', 'IRETQ'],
    XLAT: ['XLAT', 'XLATB'], JRCXZ: ['JCXZ', 'JECXZ', 'JRCXZ'], LOOPE: ['LOOPE', 'LOOPZ'], LOOPNE: ['LOOPNE', 'LOOPNZ'], WAIT: ['WAIT', 'FWAIT'], SHL: ['SHL', 'SAL'], MOVLPS: ['MOVLPS', 'MOVHLPS'],
    MOVHPS: ['MOVHPS', 'MOVLHPS'], NOP: ['NOP', 'ENDBR64', 'ENDBR32', 'PREFETCHNTA', 'PREFETCHT0', 'PREFETCHT1', 'PREFETCHT2', 'PREFETCHW'] };
  for (const s of ['MOVS', 'CMPS', 'STOS', 'LODS', 'SCAS', 'INS', 'OUTS']) written[s] = ['B', 'W', 'D', 'Q'].map(x => s + x);
  return [...new Set(names.flatMap(n => written[n] ?? [n]))].sort();
}
