// What the machine can tell of a condition by itself is necessary for it: never is a stop lost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExitTest } from '../../../src/emulator/machine';
import { vmcsFieldById, vmcsFields, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import { compileCondition } from '../../../src/inspector/expressions/compile';
import { CurrentExit } from '../../../src/inspector/expressions/current-exit';
import { type ConditionTerm, type ConditionTest, exitTests } from '../../../src/inspector/expressions/exit-terms';
import type { ExpressionScope } from '../../../src/inspector/expressions/scope';
import { VmcsSpace } from '../../../src/inspector/levels/believed-vmcs';
import { Context } from '../../../src/inspector/levels/context';
import { word } from '../../../src/inspector/levels/event-words';
import { registerRow } from '../../../src/inspector/registers/register-table';
import { cpuid, movImmediate, RAX, RCX, rdmsr, vmcall } from '../../emulator/vmx/machine-code';
import { World } from '../../emulator/vmx/world';

const shown = ({ value, relation, operand, mask }: ConditionTerm): string => `${value} ${relation} ${operand.toString(16)}${mask === undefined ? '' : ` & ${mask.toString(16)}`}`;

describe('tests of a condition on exits', () => {
  it.each<[string, string[][]]>([
    ['leaf == 0xd && level == 2', [['reason == a', '0 == d & ffffffff', 'level == 2']]],
    ['level == 7', [['level == 7']]], ['!(from < 2)', [['level >= 2']]], ['leaf == 1 || level == 3', [['reason == a', '0 == 1 & ffffffff'], ['level == 3']]],
    ['0xd < leaf', [['reason == a', '0 > d & ffffffff']]],
    ['msr == 0xc0000080', [['reason >= 1f', 'reason <= 20', '1 == c0000080 & ffffffff']]],
    ['msr in 0x10..0x20', [['reason >= 1f', 'reason <= 20', '1 >= 10 & ffffffff', '1 <= 20 & ffffffff']]],
    ['port == 0x3f8', [['reason == 1e', 'EXIT_QUALIFICATION == 3f80000 & ffff0000']]],
    ['reason == ept_violation && gpa in 0x1000..0x1fff', [['reason == 30', 'GUEST_PHYSICAL_ADDRESS >= 1000', 'GUEST_PHYSICAL_ADDRESS <= 1fff']]],
    ["vector == '#PF'", [['reason >= 0', 'reason <= 1', 'VM_EXIT_INTERRUPTION_INFO == e & ff']]],
    ['length == 3 && vcpu == 1 && gla != 0', [['VM_EXIT_INSTRUCTION_LENGTH == 3', 'vcpu == 1', 'GUEST_LINEAR_ADDRESS != 0']]],
    ['rdx != 0 && r15 == 3', [['2 != 0', '15 == 3']]], ['eax == 1', [['0 == 1 & ffffffff']]], ['ah == 1', [['0 == 100 & ff00']]], ['al == 0x100', [['0 == 100 & ff']]], ['rip >= 0x1000', [['GUEST_RIP >= 1000']]],
    ['rflags.cf', [['GUEST_RFLAGS != 0 & 1']]], ['!cr0.pg', [['GUEST_CR0 == 0 & 80000000']]], ['(rflags & 0x41) == 0x40', [['GUEST_RFLAGS == 40 & 41']]],
    ['cs == 8', [['GUEST_CS_SELECTOR == 8']]], ['vmcs.GUEST_CR3 == 5', [['GUEST_CR3 == 5']]],
    ['leaf == 1 || msr == 2', [['reason == a', '0 == 1 & ffffffff'], ['reason >= 1f', 'reason <= 20', '1 == 2 & ffffffff']]],
    ['leaf in {1, 2}', [['reason == a', '0 == 1 & ffffffff'], ['reason == a', '0 == 2 & ffffffff']]],
    ['!(reason == cpuid || rax < 3)', [['reason != a', '0 >= 3']]], ['!(reason in 3..7)', [['reason < 3'], ['reason > 7']]],
    ...['L1.rax == 3', 'leaf == -1', '!(leaf == 1)', '!(reason && !leaf)', '!(gpa == 0)', 'vmcs12.GUEST_RIP == 3', 'efer == 3', '[rsp] == 3', 'object == 3', 'to == 1', '1']
      .map((text): [string, string[][]] => [text, [[]]]),
  ])('%s', (text, tests) => expect(exitTests(text).map(test => test.map(shown))).toEqual(tests));

  const recorded = [
    ['a', 'EXIT_QUALIFICATION'], ['c', 'GUEST_PHYSICAL_ADDRESS'], ['d', 'GUEST_LINEAR_ADDRESS'], ['instructionLength', 'VM_EXIT_INSTRUCTION_LENGTH'],
    ['interruptionInfo', 'VM_EXIT_INTERRUPTION_INFO'],
  ] as const;
  const small = fc.constantFrom(0, 1, 2, 3, 5, 10, 14, 30, 31, 32, 48), name = fc.constantFrom('reason', 'leaf', 'subleaf', 'msr', 'port', 'vector', 'length', 'qualification', 'gpa',
    'gla', 'vcpu', 'level', 'rax', 'eax', 'ch', 'r9', 'rsp', 'rip', 'rflags', 'rflags.zf', 'cr0.pe', 'cs', 'cs.base', 'vmcs.GUEST_RIP', 'EXIT_QUALIFICATION', 'efer', 'exit.leaf');
  const { condition } = fc.letrec<{ condition: string }>(tie => ({
    condition: fc.oneof({ maxDepth: 4 },
      fc.tuple(name, fc.constantFrom('==', '!=', '<', '<=', '>', '>='), small).map(([left, relation, right]) => `${left} ${relation} ${right}`),
      fc.tuple(small, fc.constantFrom('==', '<', '>='), name).map(([left, relation, right]) => `${left} ${relation} ${right}`),
      fc.tuple(name, small, small).map(([left, mask, right]) => `(${left} & ${mask}) == ${right}`),
      fc.tuple(name, small, small).map(([left, first, more]) => `${left} in {${first}, ${more}..${more + 3}}`),
      name,
      fc.tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition')).map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
      tie('condition').map(inner => `!(${inner})`)),
  }));
  const numbers = (count: number): fc.Arbitrary<number[]> => fc.array(small, { minLength: count, maxLength: count });
  const state = fc.record({ reason: fc.constantFrom(0, 1, 10, 30, 31, 32, 48), gpr: numbers(16), fields: numbers(8), valid: fc.boolean() });

  it('pass wherever the condition holds', () => {
    let held = 0, refused = 0;
    fc.assert(fc.property(condition, state, (text, { reason, gpr, fields, valid }) => {
      const field = (id: VmcsFieldId): bigint => id === 'VM_EXIT_INTERRUPTION_INFO' ? BigInt(fields[1]) | (valid ? 0x8000_0000n : 0n) : BigInt(fields[vmcsFields.indexOf(vmcsFieldById(id)) % 8]);
      const context = new Context(1, 0, 2, undefined, 0, new VmcsSpace(), 0), { words } = context.last;
      context.switches = 1;
      words[word.aux] = reason;
      for (const [at, id] of recorded) words[word[at]] = Number(field(id));
      for (const [n, value] of gpr.entries()) words[word.gpr + 2 * n] = value;
      const scope: ExpressionScope = {
        exit: new CurrentExit().of(context), level: 2, vcpu: 0, symbol: () => undefined, read: () => undefined, vmcs: id => field(id as VmcsFieldId),
        register(register) {
          const { general, guestField } = registerRow(register)!;
          return general !== undefined ? BigInt(gpr[general]) : guestField && register !== 'efer' ? field(guestField) : 7n;
        },
      };
      const value = ({ value: of }: ConditionTerm): bigint => of === 'level' ? BigInt(context.level) : of === 'reason' ? BigInt(reason) : of === 'vcpu' ? 0n : typeof of === 'number' ? BigInt(gpr[of]) : field(of);
      const passes = (test: ConditionTest): boolean => test.every(term => {
        const left = value(term) & (term.mask ?? ~0n), { operand } = term;
        return { '==': left === operand, '!=': left !== operand, '<': left < operand, '<=': left <= operand, '>': left > operand, '>=': left >= operand }[term.relation];
      });
      const holds = compileCondition(text, { isExit: true })(scope), passed = exitTests(text).some(passes);
      if (holds) held++;
      if (!passed) refused++;
      return passed || !holds;
    }), { numRuns: 3000 });
    // the property says something only where both happen
    expect(Math.min(held, refused)).toBeGreaterThan(300);
  });
});

describe('tests of exits in the machine', () => {
  const guest = [...movImmediate(RAX, 1), ...cpuid, ...movImmediate(RAX, 0xd), ...cpuid, ...movImmediate(RCX, 0x277), ...rdmsr, ...vmcall];
  const handler = [...movImmediate(3, 0x681e), 0x0f, 0x78, 0xd8 | 2, 0x48, 0x83, 0xc2, 2, 0x0f, 0x79, 0xd8 | 2, 0x0f, 0x01, 0xc3]; // GUEST_RIP += 2, VMRESUME
  it.each([
    ['leaf == 0xd', 2, 10], ['msr == 0x277', 3, 31], ['reason == vmcall && rax == 0xd', 4, 18], ['rcx == 0x277', 3, 31], ['leaf == 7 || msr == 0x277', 3, 31], ['length == 3', 4, 18],
    ['!(reason == cpuid)', 3, 31], ['vcpu == 0 && al == 0xd', 2, 10], ['vmcs.GUEST_RIP > 0 && reason in {18, 31}', 3, 31],
  ])('%s stops at exit %i', async (condition, exits, reason) => {
    const world = await World.create({ guest, handler });
    world.machine.setStops({ exits: Array.from({ length: 70 }, (_, n) => n), exitTests: exitTests(condition) as ExitTest[] });
    expect(world.run()).toMatchObject({ kind: 'vmExit', index: reason });
    expect(world.machine.counters().exits).toBe(exits);
  });
});
