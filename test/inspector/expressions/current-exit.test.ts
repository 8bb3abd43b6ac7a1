import { expect, it } from 'vitest';
import { compileCondition } from '../../../src/inspector/expressions/compile';
import { CurrentExit } from '../../../src/inspector/expressions/current-exit';
import type { ExpressionScope } from '../../../src/inspector/expressions/scope';
import { VmcsSpace } from '../../../src/inspector/levels/believed-vmcs';
import { Context } from '../../../src/inspector/levels/context';
import { word } from '../../../src/inspector/levels/event-words';

/** A context of level 2 whose last exit has these words. */
function exited(words: Partial<Record<keyof typeof word, number>>, gpr: Record<number, number> = {}): Context {
  const context = new Context(1, 0, 2, undefined, 0, new VmcsSpace(), 0);
  context.switches = 1;
  for (const [name, value] of Object.entries(words)) context.last.words[word[name as keyof typeof word]] = value;
  for (const [n, value] of Object.entries(gpr)) context.last.words[word.gpr + 2 * Number(n)] = value;
  return context;
}

const exit = new CurrentExit();
const scope: ExpressionScope = { exit, level: 0, vcpu: 0, register: () => undefined, vmcs: () => undefined, symbol: () => undefined, read: () => undefined };

it.each<[string, Context, boolean]>([
  ['leaf == 0xd && subleaf == 1 && level == 2', exited({ aux: 10 }, { 0: 0xd, 1: 1 }), true],
  ['leaf == 0', exited({ aux: 12 }), false],
  ['msr == 0xc0000080', exited({ aux: 31 }, { 1: 0xc000_0080 }), true],
  ['msr == 0xc0000080 && reason == wrmsr', exited({ aux: 32 }, { 1: 0xc000_0080 }), true],
  ['port in 0x3f8..0x3ff', exited({ aux: 30, a: 0x3fd_0008 }), true],
  ['port == 0', exited({ aux: 10 }), false],
  ["vector == '#PF'", exited({ aux: 0, interruptionInfo: 0x8000_0b0e }), true],
  ['vector == 0x21 && reason == 1', exited({ aux: 1, interruptionInfo: 0x8000_0021 }), true],
  ['vector == 14', exited({ aux: 0, interruptionInfo: 0x0000_0b0e }), false],
  ["reason == 'ept-violation' && gpa == 0xfee00020", exited({ aux: 48, c: 0xfee0_0020, a: 2 }), true],
  ['gla == 0x1234', exited({ aux: 48, a: 0x82, d: 0x1234 }), true],
  ['gla == 0x1234', exited({ aux: 48, a: 2, d: 0x1234 }), false],
  ['gpa == 0', exited({ aux: 10 }), false],
  ['qualification == 0x82', exited({ aux: 48, a: 0x82 }), true],
  ['length == 3 && to == 0 && from == 2', exited({ aux: 10, instructionLength: 3 }), true],
])('%s', (text, context, expected) => {
  exit.of(context);
  expect(compileCondition(text, { isExit: true })(scope)).toBe(expected);
});
