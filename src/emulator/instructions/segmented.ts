// Instructions as they are outside 64-bit mode: the stack in a segment of 16 or 32 bits, jumps to an offset in the code segment, and the
// instructions that 64-bit mode does not have. Procedures of the core (core/segmented-stack.ts, core/decimal.ts): exact rather than fast.
import type { InstructionTable } from '../codegen/definitions';

export function defineSegmented(t: InstructionTable): void {
  const p = (name: string, encodings: string[], procedure: string): void => t.procedure(name, encodings.map(e => `${e}${e.includes(';') ? '' : ' ;'} i64`), procedure);
  // stack
  p('PUSHsegmented', ['50+r Zv', 'FF/6 Ev'], 'pushSegmented');
  p('PUSHimmediate', ['68 Iz ;v', '6A Is ;v'], 'pushImmediate');
  p('POPsegmented', ['58+r Zv', '8F/0 Ev ;pop'], 'popSegmented');
  p('PUSHA', ['60 ;v'], 'pusha');
  p('POPA', ['61 ;v'], 'popa');
  p('LEAVEsegmented', ['C9 ;v'], 'leave');
  p('PUSHoldSreg', ['06 ;v', '0E ;v', '16 ;v', '1E ;v'], 'pushSegment');
  p('POPoldSreg', ['07 ;v', '17 ;v', '1F ;v'], 'popSegment');
  // near control flow
  p('JMPsegmented', ['FF/4 Ev'], 'jumpSegmented');
  p('CALLrelSegmented', ['E8 Jz ;v'], 'callRelative');
  p('CALLsegmented', ['FF/2 Ev'], 'callSegmented');
  p('RETsegmented', ['C3 ;v', 'C2 Iw ;v'], 'returnSegmented');
  p('LOOPsegmented', ['E0 Js ;v', 'E1 Js ;v', 'E2 Js ;v', 'E3 Js ;v'], 'loopSegmented');
  // far pointers, checks
  p('LDS', ['C4 Gv Mp', 'C5 Gv Mp'], 'loadFarPointer');
  p('BOUND', ['62 Gv Ma'], 'bound');
  p('ARPL', ['63 Ew Gw'], 'arpl');
  p('XLATsegmented', ['D7'], 'xlat');
  // decimal arithmetic
  p('DAA', ['27'], 'daa');
  p('DAS', ['2F'], 'das');
  p('AAA', ['37'], 'aaa');
  p('AAS', ['3F'], 'aas');
  p('AAM', ['D4 Ib'], 'aam');
  p('AAD', ['D5 Ib'], 'aad');
  p('SALC', ['D6'], 'salc');
}
