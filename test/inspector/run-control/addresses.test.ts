// References to memory and numbers as users write them.
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/inspector/target/addresses';
import { parseInteger, VariableTree, type VariableNode } from '../../../src/inspector/target/variable-tree';
import { TargetError } from '../../../src/inspector/target-types';

describe('addresses', () => {
  it.each([
    ['0x1000', { space: 'linear', level: 0, vcpu: 0, value: 0x1000n }],
    ['4096', { space: 'linear', level: 0, vcpu: 0, value: 0x1000n }],
    ['L2:0xffffffff80000000', { space: 'linear', level: 2, vcpu: 0, value: 0xffff_ffff_8000_0000n }],
    ['L3.1:0x10', { space: 'linear', level: 3, vcpu: 1, value: 16n }],
    ['gpa1:0x20', { space: 'guestPhysical', level: 1, vcpu: 0, value: 32n }],
    ['phys:0x30', { space: 'physical', level: 0, vcpu: 0, value: 48n }],
  ])('%s', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected);
    expect(parseAddress(formatAddress(parseAddress(text)))).toEqual(expected);
  });
  it.each(['', 'x', '0x', 'L:', 'L2:', 'phys2:0x1', 'gpa:x', '0x11112222333344445', '-1', 'L2:0x1:0x2'])('refuses %j', text => expect(() => parseAddress(text)).toThrow(TargetError));
  it('moves by an offset and wraps at 64 bits', () => expect(parseAddress('0x0', -1).value).toBe(0xffff_ffff_ffff_ffffn));
});

describe('integers', () => {
  const good = [['10', 16, 10n], ['0x10', 16, 16n], [' 0b101 ', 8, 5n], ['-1', 16, 0xffffn], ['-0x80', 8, 0x80n], ["0xffff'0000", 32, 0xffff0000n], ['1_000', 16, 1000n]] as const;
  it.each(good)('%s in %i bits', (text, bits, value) => {
    expect(parseInteger(text, 'x', bits)).toBe(value);
  });
  it.each([['', 8], ['x', 8], ['256', 8], ['-129', 8], ['1.5', 8], ['0x', 8], ['--1', 8]])('refuses %j in %i bits', (text, bits) => expect(() => parseInteger(text, 'x', bits)).toThrow(TargetError));
});

describe('the tree of variables', () => {
  const values = new Map([['a', 1n]]);
  const leaf = (name: string): VariableNode => ({ name, value: String(values.get(name)), set: text => { values.set(name, parseInteger(text, name, 8)); } });
  const root: VariableNode = { name: 'root', value: '', children: () => [leaf('a'), { name: 'b', value: '2', fixed: 'it was recorded' }] };
  it('lists, sets and forgets', () => {
    const tree = new VariableTree(), reference = tree.reference(root);
    expect(tree.children(reference)).toEqual([{ name: 'a', value: '1', reference: 0 }, { name: 'b', value: '2', reference: 0, readOnly: true }]);
    expect(tree.set(reference, 'a', '0x7')).toMatchObject({ value: '7' });
    expect(() => tree.set(reference, 'a', '300')).toThrow(TargetError);
    expect(() => tree.set(reference, 'b', '1')).toThrow('readOnly');
    expect(() => tree.set(reference, 'c', '1')).toThrow('unknownVariable');
    tree.clear();
    expect(() => tree.children(reference)).toThrow('unknownVariables');
  });
});
