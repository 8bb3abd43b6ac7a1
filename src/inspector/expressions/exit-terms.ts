// What must hold of an exit for a condition to be true, as far as the machine can tell by itself: the comparisons with numbers among the terms that
// `&&` joins. Necessary, not sufficient: the condition itself is asked where they hold.
import type { ExitTerm } from '../../emulator/machine';
import { exitReasonById } from '../../spec/exit-reasons';
import { layoutField } from '../../spec/bit-layouts';
import { generalNames } from '../registers/register-table';
import { exitFieldNames, numberOfName } from './names';
import { parseExpression, type Node } from './syntax';

type Relation = ExitTerm['relation'];
const mirrored: Readonly<Record<Relation, Relation>> = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };
const isRelation = (operator: string): operator is Relation => Object.hasOwn(mirrored, operator);

const word = 0xffff_ffffn, all = 0xffff_ffff_ffff_ffffn;
const reasonIs = (first: Parameters<typeof exitReasonById>[0], last = first): ExitTerm[] => first === last ? [{ value: 'reason', relation: '==', operand: BigInt(exitReasonById(first).number) }] : [
  { value: 'reason', relation: '>=', operand: BigInt(exitReasonById(first).number) }, { value: 'reason', relation: '<=', operand: BigInt(exitReasonById(last).number) },
];
const [portLow] = [layoutField('qualificationIoInstruction', 'port').bits[1]];
/** A value of an exit: where the core has it, and what its having a value at all needs. */
interface Known { readonly value: ExitTerm['value']; readonly mask?: bigint; readonly shift?: bigint; readonly needs?: readonly ExitTerm[] }
const known: Readonly<Record<string, Known>> = {
  reason: { value: 'reason' }, qualification: { value: 'qualification' }, gpa: { value: 'guestPhysical' },
  leaf: { value: 0, mask: word, needs: reasonIs('CPUID') }, subleaf: { value: 1, mask: word, needs: reasonIs('CPUID') }, msr: { value: 1, mask: word, needs: reasonIs('RDMSR', 'WRMSR') },
  port: { value: 'qualification', mask: 0xffffn << BigInt(portLow), shift: BigInt(portLow), needs: reasonIs('IO_INSTRUCTION') },
};

/** The terms of a condition on exits; none when nothing can be told. Throws ExpressionError when the text has a mistake. */
export function exitTerms(text: string): ExitTerm[] { return [...termsOf(parseExpression(text))]; }

function* termsOf(node: Node): Generator<ExitTerm> {
  if (node.kind === 'in') {
    const [range, ...more] = node.ranges;
    if (more.length > 0) return;
    yield* comparison(node.operand, range.last ? '>=' : '==', range.first);
    if (range.last) yield* comparison(node.operand, '<=', range.last);
    return;
  }
  if (node.kind !== 'binary') return;
  const { operator, left, right } = node;
  if (operator === '&&') {
    yield* termsOf(left);
    yield* termsOf(right);
  } else if (isRelation(operator)) {
    yield* comparison(left, operator, right);
    yield* comparison(right, mirrored[operator], left);
  }
}

function* comparison(left: Node, relation: Relation, right: Node): Generator<ExitTerm> {
  const field = left.kind === 'name' && left.level === undefined && left.parts.length === 1 ? left.parts[0].toLowerCase() : '';
  const register = generalNames.findIndex(name => name === field), found: Known | undefined = known[exitFieldNames[field] ?? ''] ?? (register >= 0 && field !== 'rsp' ? { value: register } : undefined);
  const operand = right.kind === 'number' ? right.value : found?.value === 'reason' ? nameOf(right) : undefined;
  // beyond 2^53 conditions compare otherwise, and negative numbers are no unsigned ones
  if (!found || operand === undefined || operand < 0n || operand > all || found.mask !== undefined && operand > word) return;
  yield* found.needs ?? [];
  yield { value: found.value, relation, operand: operand << (found.shift ?? 0n), ...found.mask !== undefined && { mask: found.mask } };
}

/** A name beside `reason`. */
function nameOf(node: Node): bigint | undefined {
  const text = node.kind === 'string' ? node.text : node.kind === 'name' && node.level === undefined && node.parts.length === 1 ? node.parts[0] : undefined;
  const number = text === undefined ? undefined : numberOfName('reason', text);
  return number === undefined ? undefined : BigInt(number);
}
