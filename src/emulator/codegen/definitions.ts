// What an instruction definition is: its encodings in the manual's operand codes (SDM 2D appendix A), its legality, and either a body
// that emits WebAssembly through an InstructionContext, or the name of a procedure of the core. Everything else (decoder, cases of the
// interpreter, LOCK legality checks, syntax, hovers) derives from these.
import type { InstructionContext, Size } from './instruction-context';

/**
 * One encoding as text: `[prefix] opcode bytes[/digit] [operands]`, for example
 *   '80/0 Eb Ib'   opcode 80, ModRM.reg = 0        '50+r Zv'      register in the low opcode bits
 *   'F3 0F B8 Gv Ev'  mandatory prefix F3           'NP 0F C7/6 Mq' no prefix 66, F3, F2
 *   '0F 01/C1'     whole ModRM byte C1             '0F C7/6r Rv'  register form only (r), memory form only (m)
 *   'VEX F2 0F 38 F7 Gy Ey By'  VEX.128 encoding (VEX.L = 0); without a prefix the one with VEX.pp = 0. VEX.vvvv must be 1111B unless there is an operand B
 * Operand codes: E r/m, G reg, M memory, R register in r/m, Z register in the opcode, I immediate, J relative, O offset (moffs), S segment register,
 * B the register in VEX.vvvv (written last, whatever its place in the manual), C control register, D debug register, V xmm reg, W xmm r/m,
 * U xmm in r/m; sizes: b w d q v (16/32/64) z (16/32, 32 in 64-bit) y (32/64) s (sign-extended
 * byte), x (16 bytes), p (far pointer), a (pair of bounds); those of W are of its memory form, V and U have none. Fixed: AL CL rAX eAX DX 1.
 * Options after a `;`: `d64` operand size 64 by default in 64-bit mode, `f64` forced, `lock` may take LOCK, `i64` invalid in 64-bit mode, `o64` only in it,
 * `rep` takes a REP prefix, `count` the operand size is the address size (LOOP), `cc` condition in the low opcode bits, `noosz` the 66 prefix does not change the size.
 */
export type EncodingText = string;

export interface Definition {
  readonly name: string;
  readonly encodings: readonly Encoding[];
  /** CPUID feature it needs, an id of spec/cpuid; none = always there. */
  readonly feature?: string;
  /** The definition that the encodings are on processors without the feature; none = #UD. */
  readonly otherwise?: string;
  /** Emits the instruction; absent for procedures. Of a definition with both, the form with a register in r/m, as it usually goes (usually). */
  readonly body?: (i: InstructionContext) => void;
  /** Export of the core that carries it out; then it ends its block. */
  readonly procedure?: string;
  /** Ends its block (jumps and calls). */
  readonly endsBlock: boolean;
  /** A record that the decoder makes of itself, without an encoding: the sizes it exists in. */
  readonly pseudoSizes?: readonly Size[];
  /** Computes with floating-point numbers: recorded vectors use such operands and all rounding modes. */
  readonly floating?: 'single' | 'double';
}

export interface OperandCode { readonly letter: string; readonly size: string; readonly fixed?: number }

export interface Encoding {
  readonly text: EncodingText;
  /** 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A; 4, 5, 6: the last three behind a VEX prefix. */
  readonly map: 0 | 1 | 2 | 3 | 4 | 5 | 6;
  readonly opcode: number;
  readonly prefix?: 'NP' | '66' | 'F3' | 'F2';
  readonly digit?: number;
  readonly form?: 'register' | 'memory';
  /** Exact ModRM byte. */
  readonly modrm?: number;
  readonly registerInOpcode: boolean;
  readonly operands: readonly OperandCode[];
  readonly options: ReadonlySet<string>;
  /** Encoded with a VEX prefix (SDM 2A 2.3 'Intel Advanced Vector Extensions (Intel AVX)'). */
  readonly vex?: true;
}

const fixedOperands: Record<string, OperandCode> = {
  AL: { letter: 'fixed', size: 'b', fixed: 0 }, CL: { letter: 'fixed', size: 'b', fixed: 1 }, rAX: { letter: 'fixed', size: 'v', fixed: 0 }, eAX: { letter: 'fixed', size: 'z', fixed: 0 },
  DX: { letter: 'fixed', size: 'w', fixed: 2 }, '1': { letter: 'one', size: 'b' },
};

export function parseEncoding(text: EncodingText): Encoding {
  const [main, optionText = ''] = text.split(';');
  const words: string[] = main.trim().split(/\s+/);
  const vex = words[0] === 'VEX';
  if (vex) words.shift();
  let prefix: Encoding['prefix'];
  if (/^(NP|66|F3|F2)$/.test(words[0]) && words.length > 1 && /^0F$/.test(words[1])) prefix = words.shift() as Encoding['prefix'];
  else if (/^(NP|F3)$/.test(words[0]) && words.length > 1 && /^[0-9A-F]{2}/.test(words[1])) prefix = words.shift() as Encoding['prefix'];
  let map: Encoding['map'] = 0;
  if (words[0] === '0F' && words.length > 1) {
    words.shift();
    const escape = ['38', '3A'].indexOf(words[0]);
    map = escape < 0 ? 1 : escape === 0 ? 2 : 3;
    if (escape >= 0) words.shift();
  }
  if (vex) { map = map + 3 as Encoding['map']; prefix ??= 'NP'; }
  const match = /^([0-9A-F]{2})(\+r)?(?:\/([0-7])([rm])?|\/([C-F][0-9A-F]))?$/.exec(words.shift() ?? '');
  if (!match) throw new Error(`bad encoding '${text}'`);
  const operands = words.map(word => {
    const fixed = fixedOperands[word];
    if (fixed) return fixed;
    if (!/^[ABEGMRZIJOSCDVWU][bwdqvzysxpa]?$/.test(word)) throw new Error(`bad operand '${word}' in '${text}'`);
    return { letter: word[0], size: word[1] ?? '' };
  });
  // MOV of control and debug registers takes any mod as 3 (SDM 2B 'MOV—Move to/from Control Registers')
  const anyMod = operands.some(o => o.letter === 'C' || o.letter === 'D');
  const memoryOnly = operands.some(o => o.letter === 'M'), registerOnly = !anyMod && operands.some(o => o.letter === 'R' || o.letter === 'U');
  return {
    text, map, opcode: parseInt(match[1], 16), prefix, registerInOpcode: match[2] !== undefined,
    digit: match[3] === undefined ? undefined : Number(match[3]), modrm: match[5] === undefined ? undefined : parseInt(match[5], 16),
    form: match[4] === 'r' || registerOnly ? 'register' : match[4] === 'm' || memoryOnly ? 'memory' : undefined,
    operands, options: new Set(optionText.trim().split(/\s+/).filter(o => o !== '')), ...(vex ? { vex } : {}),
  };
}

export interface DefinitionOptions { readonly feature?: string; readonly otherwise?: string; readonly endsBlock?: boolean; readonly floating?: 'single' | 'double' }

/** All definitions, in the order in which the family files define them. */
export class InstructionTable {
  readonly definitions: Definition[] = [];

  /** An instruction written once, for both back ends. */
  define(name: string, encodings: readonly EncodingText[], body: (i: InstructionContext) => void, options: DefinitionOptions = {}): void {
    this.add({ name, encodings: encodings.map(parseEncoding), body, endsBlock: options.endsBlock ?? false, feature: options.feature, otherwise: options.otherwise, floating: options.floating });
  }
  /** A procedure of the core whose form with a register in r/m has a body for what it usually does. */
  usually(name: string, encodings: readonly EncodingText[], procedure: string, body: (i: InstructionContext) => void, options: DefinitionOptions = {}): void {
    this.add({ name, encodings: encodings.map(parseEncoding), procedure, body, endsBlock: false, feature: options.feature });
  }
  /** An instruction that is a procedure of the core. */
  procedure(name: string, encodings: readonly EncodingText[], procedure: string, options: DefinitionOptions = {}): void {
    this.add({ name, encodings: encodings.map(parseEncoding), procedure, endsBlock: true, feature: options.feature, floating: options.floating });
  }
  /** A record of the decoder's own, without an encoding. */
  pseudo(name: string, sizes: readonly Size[], body: (i: InstructionContext) => void, options: DefinitionOptions = {}): void {
    this.add({ name, encodings: [], body, pseudoSizes: sizes, endsBlock: options.endsBlock ?? false });
  }
  pseudoProcedure(name: string, procedure: string): void { this.add({ name, encodings: [], procedure, pseudoSizes: [3], endsBlock: true }); }
  private add(definition: Definition): void {
    if (this.definitions.some(d => d.name === definition.name)) throw new Error(`${definition.name} is defined twice`);
    this.definitions.push(definition);
  }
}
