// What must hold of an exit for a condition to be true, as far as the machine can tell by itself, or the level tracker from its events: comparisons with numbers
// of what an exit has at hand, joined by `&&`, `||` and `!`, as tests one of which must pass. Necessary, not sufficient: the condition itself is asked where one
// passes.
import type { ExitTerm } from '../../emulator/machine';
import { mostExitTests } from '../../emulator/codegen/state-layout';
import { exitReasonById } from '../../spec/exit-reasons';
import { layoutField, type LayoutName } from '../../spec/bit-layouts';
import { maskOf } from '../../spec/bit-fields';
import { isVmcsFieldId, vmcsFieldById } from '../../spec/vmcs-fields';
import { registerRow } from '../registers/register-table';
import { layoutPart } from './layout-part';
import { exitFieldNames, numberOfName, registerPart } from './names';
import { parseExpression, type Node } from './syntax';

type Relation = ExitTerm['relation'];
/** A term of the machine, or about the level that exited, which the machine does not know. */
export interface ConditionTerm extends Omit<ExitTerm, 'value'> { readonly value: ExitTerm['value'] | 'level' }
export type ConditionTest = readonly ConditionTerm[];

const holds: Readonly<Record<Relation, (value: bigint, operand: bigint) => boolean>> = {
  '==': (a, b) => a === b, '!=': (a, b) => a !== b, '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b,
};
/** `terms`: about the level. */
export const levelPasses = (level: number, terms: ConditionTest): boolean => terms.every(({ relation, operand, mask = all }) => holds[relation](BigInt(level) & mask, operand));

const mirrored: Readonly<Record<Relation, Relation>> = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };
const opposite: Readonly<Record<Relation, Relation>> = { '==': '!=', '!=': '==', '<': '>=', '<=': '>', '>': '<=', '>=': '<' };
const isRelation = (operator: string): operator is Relation => Object.hasOwn(mirrored, operator);

const word = 0xffff_ffffn, all = 0xffff_ffff_ffff_ffffn;
const reasonIs = (first: Parameters<typeof exitReasonById>[0], last = first): ConditionTest => first === last ? [{ value: 'reason', relation: '==', operand: BigInt(exitReasonById(first).number) }] : [
  { value: 'reason', relation: '>=', operand: BigInt(exitReasonById(first).number) }, { value: 'reason', relation: '<=', operand: BigInt(exitReasonById(last).number) },
];

/** A value of an exit: where the core has it, and what its having a value at all needs (undefined: it always has one). */
interface Known { readonly value: ConditionTerm['value']; readonly mask?: bigint; readonly shift?: bigint; readonly needs?: ConditionTest }
const portBits = layoutField('qualificationIoInstruction', 'port'), vectorBits = layoutField('vmExitInterruptionInfo', 'vector');
const known: Readonly<Record<string, Known>> = {
  reason: { value: 'reason' }, vcpu: { value: 'vcpu' }, from: { value: 'level' }, qualification: { value: 'EXIT_QUALIFICATION' }, length: { value: 'VM_EXIT_INSTRUCTION_LENGTH' },
  // not every exit tells them
  gpa: { value: 'GUEST_PHYSICAL_ADDRESS', needs: [] }, gla: { value: 'GUEST_LINEAR_ADDRESS', needs: [] },
  leaf: { value: 0, mask: word, needs: reasonIs('CPUID') }, subleaf: { value: 1, mask: word, needs: reasonIs('CPUID') }, msr: { value: 1, mask: word, needs: reasonIs('RDMSR', 'WRMSR') },
  port: { value: 'EXIT_QUALIFICATION', mask: maskOf(portBits), shift: BigInt(portBits.bits[1]), needs: reasonIs('IO_INSTRUCTION') },
  vector: { value: 'VM_EXIT_INTERRUPTION_INFO', mask: maskOf(vectorBits), needs: reasonIs('EXCEPTION_OR_NMI', 'EXTERNAL_INTERRUPT') },
};

/** No test: any exit may be the one. */
const anything: readonly ConditionTest[] = [[]];

/** The tests of a condition on exits, one of which must pass; an empty one when nothing can be told. Throws ExpressionError when the text has a mistake. */
export function exitTests(text: string): readonly ConditionTest[] { return testsOf(parseExpression(text), true); }

/** What must hold for the node to be true, or with `wanted` false to be not. `negated`: inside of a `!`, where what has no value can make the whole true. */
function testsOf(node: Node, wanted: boolean, negated = false): readonly ConditionTest[] {
  if (node.kind === 'unary' && node.operator === '!') return testsOf(node.operand, !wanted, true);
  if (node.kind === 'in') {
    const inside = node.ranges.map(({ first, last }) => last ? join(true, wanted, comparison(node.operand, '>=', first, wanted, negated), comparison(node.operand, '<=', last, wanted, negated))
      : comparison(node.operand, '==', first, wanted, negated));
    return inside.reduce((joined, each) => join(false, wanted, joined, each));
  }
  if (node.kind === 'binary') {
    const { operator, left, right } = node;
    if (operator === '&&' || operator === '||') return join(operator === '&&', wanted, testsOf(left, wanted, negated), testsOf(right, wanted, negated));
    if (isRelation(operator)) {
      const tests = comparison(left, operator, right, wanted, negated);
      return tests === anything ? comparison(right, mirrored[operator], left, wanted, negated) : tests;
    }
  }
  return compareWith(valueOf(node), '!=', 0n, wanted, negated);
}

/** Both (`and`), or one of them; what is not wanted is joined the other way. */
function join(and: boolean, wanted: boolean, left: readonly ConditionTest[], right: readonly ConditionTest[]): readonly ConditionTest[] {
  if (left === anything || right === anything) return and !== wanted || left === right ? anything : left === anything ? right : left;
  const tests = and === wanted ? left.flatMap(one => right.map(other => [...one, ...other.filter(term => !one.includes(term))])) : [...left, ...right];
  return tests.length <= mostExitTests ? tests : and === wanted ? left : anything;
}

function comparison(left: Node, relation: Relation, right: Node, wanted: boolean, negated: boolean): readonly ConditionTest[] {
  const value = valueOf(left);
  return compareWith(value, relation, right.kind === 'number' ? right.value : nameOf(left, right), wanted, negated);
}

function compareWith(found: Known | undefined, relation: Relation, operand: bigint | undefined, wanted: boolean, negated: boolean): readonly ConditionTest[] {
  // a comparison of what has no value is false
  if (!found || operand === undefined || negated && found.needs) return anything;
  const { value, mask = all, shift = 0n, needs = [] } = found;
  // negative numbers are no unsigned ones
  if (operand < 0n || operand << shift > all) return anything;
  return [[...needs, { value, relation: wanted ? relation : opposite[relation], operand: operand << shift, ...mask !== all && { mask } }]];
}

/** Where the core has the value of a node; undefined where it has not. */
function valueOf(node: Node): Known | undefined {
  if (node.kind === 'binary' && node.operator === '&') return masked(valueOf(node.left), node.right) ?? masked(valueOf(node.right), node.left);
  if (node.kind !== 'name' || node.level !== undefined) return undefined;
  const [first, ...rest] = node.parts, field = exitFieldNames[(first.toLowerCase() === 'exit' ? rest[0] ?? '' : first).toLowerCase()];
  if (field !== undefined && node.parts.length === (first.toLowerCase() === 'exit' ? 2 : 1)) return known[field];
  if (first.toLowerCase() === 'vmcs' && rest.length > 0) return fieldOf(rest);
  const twoParts = rest.length > 0 ? registerPart(`${first}.${rest[0]}`) : undefined, found = twoParts ?? registerPart(first);
  return found ? registerOf(found, node.parts.slice(twoParts ? 2 : 1)) : fieldOf(node.parts);
}

function masked(found: Known | undefined, by: Node): Known | undefined {
  if (!found || by.kind !== 'number' || by.value < 0n) return undefined;
  const { mask = all, shift = 0n } = found;
  return { ...found, mask: mask & by.value << shift };
}

/** A field of the VMCS that controlled the level, which holds the exit and the guest's state by now, or a named part of it. */
function fieldOf([name, ...names]: readonly string[]): Known | undefined {
  const id = name.toUpperCase();
  return isVmcsFieldId(id) ? partOf({ value: id }, vmcsFieldById(id).layout, names) : undefined;
}

/** A general register, or another one that the exit has saved in the VMCS. EFER is not always saved. */
function registerOf({ register, low, bits }: NonNullable<ReturnType<typeof registerPart>>, names: readonly string[]): Known | undefined {
  const row = registerRow(register)!, value = row.general ?? row.guestField;
  if (value === undefined || register === 'efer') return undefined;
  const whole = low === 0 && bits === row.bits;
  return partOf({ value, ...!whole && { mask: (1n << BigInt(bits)) - 1n << BigInt(low), shift: BigInt(low) } }, row.layout, names);
}

function partOf(found: Known, layout: LayoutName | undefined, [name, ...more]: readonly string[]): Known | undefined {
  if (name === undefined) return found;
  const part = layoutPart(layout, name);
  return part && more.length === 0 && found.mask === undefined ? { ...found, mask: maskOf(part), shift: BigInt(part.bits[1]) } : undefined;
}

/** The number of a name beside `reason` or `vector`. */
function nameOf(beside: Node, node: Node): bigint | undefined {
  const field = beside.kind === 'name' && beside.level === undefined && beside.parts.length === 1 ? beside.parts[0].toLowerCase() : '';
  const text = node.kind === 'string' ? node.text : node.kind === 'name' && node.level === undefined && node.parts.length === 1 ? node.parts[0] : undefined;
  const number = text === undefined ? undefined : numberOfName(field, text);
  return number === undefined ? undefined : BigInt(number);
}
