// `diff`: the fields in which two VMCSs differ: of two levels, the controlling and a believed one, or one now and at the stop before.
import { diffVmcs, type FieldDifference } from '../vmcs/vmcs-view';
import type { VariableNode } from '../target/variable-tree';
import { columns, hex, levelNames, type ConsoleCommand, type ConsoleScope } from './command';
import { designatorWords, vmcsNamed, type NamedVmcs } from './vmcs-designator';

export const diff: ConsoleCommand = {
  name: 'diff', usage: 'diff A B', sentence: 'The fields in which two VMCSs differ: diff 12 02, diff L2 current L1, diff now last, diff L1 L1@last.',
  run(argument, scope) {
    const pair = pairNamed(argument, scope);
    if (!pair) return undefined;
    const [{ source: left }, { source: right }] = pair, all = diffVmcs(left, right, scope.session.machine.processor);
    const both = all.filter(each => each.left.value !== undefined && each.right.value !== undefined);
    const onlyLeft = all.filter(each => each.right.value === undefined), onlyRight = all.filter(each => each.left.value === undefined);
    const head = `${left.title} | ${right.title}`;
    const lines = [
      head, ...both.length === 0 ? ['  no field that both hold differs'] : [columns(both.map(row), '  ')],
      ...onlyLeft.length > 0 ? [`  known only of the first: ${onlyLeft.length} fields`] : [], ...onlyRight.length > 0 ? [`  known only of the second: ${onlyRight.length} fields`] : [],
    ];
    return { text: lines.join('\n'), ...all.length > 0 && { children: () => all.map(node) } };
  },
  complete: scope => [...designatorWords, ...levelNames(scope)],
};

/** The two names, wherever the line can be cut so that both sides are names. */
function pairNamed(argument: string, scope: ConsoleScope): readonly [NamedVmcs, NamedVmcs] | undefined {
  const words = argument.split(/[\s|]+/).filter(word => word !== '');
  for (let cut = words.length - 1; cut > 0; cut--) {
    const left = vmcsNamed(words.slice(0, cut).join(' '), scope), right = left && vmcsNamed(words.slice(cut).join(' '), scope);
    if (left && right) return [left, right];
  }
  return undefined;
}

/** Addresses inside a field say nothing that the whole does not. */
const isSmall = ({ left, right }: FieldDifference['bits'][number]): boolean => left < 0x100n && right < 0x100n;

const row = ({ id, left, right, bits }: FieldDifference): string[] =>
  [id, hex(left.value!), '|', `${hex(right.value!)}${bits.every(bit => !isSmall(bit)) ? '' : `  ${bits.filter(isSmall).map(bit => `${bit.name}: ${hex(bit.left)} | ${hex(bit.right)}`).join(', ')}`}`];

const side = (value: bigint | undefined): string => value === undefined ? 'unknown' : hex(value);
const node = ({ id, name, left, right, bits }: FieldDifference): VariableNode => ({
  name: id, type: name, value: `${side(left.value)} | ${side(right.value)}`, fixed: 'set it in one of the two',
  ...bits.length > 0 && { children: () => bits.map(bit => ({ name: bit.name, value: `${hex(bit.left)} | ${hex(bit.right)}`, fixed: 'set the whole field instead' })) },
});
