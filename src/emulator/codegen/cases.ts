// The cases of the interpreter: one per definition, operand form and size (and condition code of a jump). A case number is what a
// decoded record holds. Hot cases come first: they are inlined in the run loop; the others are functions called through a table.
import type { Definition, Encoding, OperandCode } from './definitions';
import type { Operand, Size } from './instruction-context';

/** Shape of the operands, as the body sees them: first letter dst, second src. `A` is an address record. */
export type Form = '' | 'R' | 'M' | 'I' | 'RR' | 'RM' | 'MR' | 'RI' | 'MI' | 'X' | 'XX' | 'XM' | 'MX' | 'XR' | 'RX' | 'XI';

export interface Case {
  readonly id: number;
  readonly definition: Definition;
  readonly form: Form;
  readonly size: Size;
  /** Condition code, for jumps only. */
  readonly code?: number;
  readonly hot: boolean;
  /** Export of the core that carries it out; such a case ends its block. */
  readonly procedure?: string;
  /** Its body stores to the memory operand; found while the body is emitted. */
  writesMemory?: boolean;
  /** Its body moves the address of the memory operand by a register bit offset; found likewise. */
  movesAddress?: boolean;
}

const letterOf = (o: OperandCode, memory: boolean): 'R' | 'M' | 'I' | 'X' | '' => {
  switch (o.letter) {
    case 'E': return memory ? 'M' : 'R';
    case 'W': return memory ? 'M' : 'X';
    case 'M': case 'O': return 'M';
    case 'G': case 'Z': case 'R': case 'fixed': case 'S': case 'C': case 'D': return 'R';
    case 'V': case 'U': return 'X';
    case 'I': case 'one': return 'I';
    default: return '';
  }
};

/** The operand form of an encoding with a register or a memory operand in r/m. A third operand is an immediate, CL or the register in VEX.vvvv. */
export function formOf(encoding: Encoding, memory: boolean): Form {
  return encoding.operands.slice(0, 2).map(o => letterOf(o, memory)).join('') as Form;
}

export const formOperands = (form: Form): { dst: Operand; src: Operand } => {
  const kinds = { R: 'register', M: 'memory', I: 'immediate', X: 'vector' } as const;
  const letters = form === '' ? ['R', 'R'] : form.length === 1 ? [form, form] : [form[0], form[1]];
  return { dst: { kind: kinds[letters[0] as 'R'], field: 'dst' }, src: { kind: kinds[letters[1] as 'R'], field: 'src' } };
};

/** Sizes (log2 bytes) that an encoding can have; index = what the decoder selects: 0 byte, 1 word, 2 doubleword, 3 quadword. */
export function sizesOf(encoding: Encoding): Size[] {
  const sized = encoding.operands.find(o => o.size !== '' && !(o.letter === 'I' || o.letter === 'one' || o.letter === 'J')) ?? encoding.operands.find(o => o.size !== '');
  if (encoding.options.has('count')) return [1, 2, 3];
  if (encoding.options.has('d64')) return [1, 3];
  if (encoding.options.has('f64')) return [3];
  switch (sized?.size) {
    case 'b': return [0];
    case 'w': return [1];
    case 'd': return [2];
    case 'q': return [3];
    case 'x': return [3];
    case 'y': return [2, 3];
    case undefined: return encoding.options.has('v') ? [1, 2, 3] : [3];
    default: return [1, 2, 3];
  }
}

export const isVectorForm = (form: Form): boolean => form.includes('X');

/** Names (definition, or definition:form) of the cases that the run loop inlines, hottest families first. Data; measured. */
export const hotList: readonly string[] = [
  'MOV', 'ADD:RR', 'ADD:RI', 'ADD:RM', 'SUB:RR', 'SUB:RI', 'SUB:RM', 'AND:RR', 'AND:RI', 'OR:RR', 'XOR:RR', 'XOR:RI', 'CMP:RR', 'CMP:RI', 'CMP:RM', 'CMP:MI', 'CMP:MR', 'TEST:RR', 'TEST:RI',
  'LEA', 'INC:R', 'DEC:R', 'SHL:RI', 'SHR:RI', 'SAR:RI', 'IMUL2:RR', 'MOVZX8', 'MOVZX16', 'MOVSXD', 'PUSH:R', 'POP:R', 'Jcc', 'JMPrel', 'JMP', 'CALLrel', 'CALL', 'RET', 'END', 'TRANSLATED', 'ADD:MR', 'NEG:R', 'NOP',
];

export function enumerateCases(definitions: readonly Definition[]): Case[] {
  const found = new Map<string, Omit<Case, 'id'>>();
  for (const definition of definitions) {
    for (const size of definition.pseudoSizes ?? []) {
      found.set(caseKey(definition, '', size), { definition, form: '', size, hot: isHot(definition, '', size), procedure: definition.procedure });
    }
    for (const encoding of definition.encodings) {
      for (const memory of [false, true]) {
        if (encoding.form && (encoding.form === 'memory') !== memory) continue;
        const procedure = procedureOf(definition, memory), form = procedure ? '' : formOf(encoding, memory);
        if (memory && !procedure && !form.includes('M')) continue;
        for (const size of procedure ? [3 as Size] : sizesOf(encoding)) {
          const codes = definition.name === 'Jcc' ? Array.from({ length: 16 }, (_, i) => i) : [undefined];
          for (const code of codes) {
            const key = caseKey(definition, form, size, code);
            const hot = isHot(definition, form, size);
            if (!found.has(key)) found.set(key, { definition, form, size, code, hot, procedure });
          }
        }
      }
    }
  }
  const all = [...found.values()];
  return [...all.filter(c => c.hot), ...all.filter(c => !c.hot && !c.procedure), ...all.filter(c => c.procedure)].map((c, id) => ({ ...c, id }));
}

/** What carries an encoding out with a register or a memory operand in r/m, if it is a procedure. */
export const procedureOf = ({ body, procedure }: Definition, memory: boolean): string | undefined => (body && !memory ? undefined : procedure);

/** What ends a block must be inlined: only the run loop can go to another one. */
const isHot = ({ name, endsBlock, procedure }: Definition, form: Form, size: Size): boolean => !procedure && (endsBlock ||
  (hotList.includes(name) || hotList.includes(`${name}:${form}`)) && (size !== 1 || name === 'Jcc') && (size !== 0 || name === 'MOV' || name.startsWith('MOVZX') || name === 'CMP' || name === 'TEST'));

export const caseKey = (definition: Definition, form: Form, size: number, code?: number): string => `${definition.name}|${form}|${size}|${code ?? ''}`;
