// Near control flow of 64-bit mode; relative jumps in all modes (the others: segmented.ts). Far transfers, IRET, SYSCALL and such are procedures (system.ts).
import type { InstructionTable } from '../codegen/definitions';
import { RCX, type InstructionContext } from '../codegen/instruction-context';
import type { Value } from '../codegen/wasm-emitter';

const ends = { endsBlock: true };

export function defineControlFlow(t: InstructionTable): void {
  t.define('Jcc', ['70 Js ;cc f64', '0F 80 Jz ;cc f64'], i => i.jumpRelativeIf(i.condition()), ends);
  // the count register is RCX, or ECX with an address-size prefix: the operand size of these rows is the address size
  const count = (i: InstructionContext): Value => i.readRegister(RCX, i.size);
  const loop = (name: string, opcode: string, condition?: 4 | 5): void => t.define(name, [`${opcode} Js ;count o64`], i => {
    const left = i.sub(count(i), i.constant(1));
    i.writeRegister(RCX, left, i.size);
    const more = i.notZero(left);
    i.jumpRelativeIf(condition === undefined ? more : i.both(more, i.conditionCode(condition)));
  }, ends);
  loop('LOOPNE', 'E0', 5);
  loop('LOOPE', 'E1', 4);
  loop('LOOP', 'E2');
  t.define('JRCXZ', ['E3 Js ;count o64'], i => i.jumpRelativeIf(i.isZero(count(i))), ends);
  t.define('JMPrel', ['EB Js ;f64', 'E9 Jz ;f64'], i => i.jumpRelative(), ends);
  t.define('JMP', ['FF/4 Ev ;f64 o64'], i => {
    const target = i.read(i.dst);
    i.mustBeCanonical(target);
    i.jump(target);
  }, ends);
  t.define('CALLrel', ['E8 Jz ;f64 o64'], i => { i.push(i.nextRip()); i.jumpRelative(); }, ends);
  t.define('CALL', ['FF/2 Ev ;f64 o64'], i => {
    const target = i.read(i.dst);
    i.mustBeCanonical(target);
    i.push(i.nextRip());
    i.jump(target);
  }, ends);
  t.define('RET', ['C3 ;f64 o64'], i => {
    const target = i.peek();
    i.mustBeCanonical(target);
    i.popped();
    i.jump(target);
  }, ends);
  t.define('RETimm', ['C2 Iw ;f64 o64'], i => {
    const target = i.peek();
    i.mustBeCanonical(target);
    i.popped(i.immediate(1));
    i.jump(target);
  }, ends);
  /** Ends a block where the decoder stopped: at a page end, after a long run. */
  t.pseudo('END', [3], i => i.fallThrough(), ends);
  /** Stands in the place of the first record of a block that the translator has compiled. */
  t.pseudo('TRANSLATED', [3], i => i.enterTranslation(), ends);
  /** Computes the linear address of an operand with a segment base (`dst` is the base's slot) or a short address size into the slot `src`. */
  t.pseudo('ADDRESS', [1, 2, 3], i => i.write(i.src, i.add64(i.truncate(i.address()), i.read(i.dst, 3)), 3));
  /** The same for a 64-bit absolute address (MOV with moffs). */
  t.pseudo('ABSOLUTE', [3], i => i.write(i.src, i.add64(i.immediate(3), i.read(i.dst, 3)), 3));
  /** Outside 64-bit mode: the checked linear address of an operand in a segment that is not flat, into the slot `ea`. */
  t.pseudo('SEGMENTED', [3], i => i.segmentedAddress());
  t.pseudoProcedure('HOOK', 'codeHook');
  t.pseudoProcedure('UD', 'undefinedOpcode');
}
