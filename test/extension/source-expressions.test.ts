// What hovers and inline values take from source text.
import { describe, expect, it } from 'vitest';
import { cExpressionAt, functionStart, registerAt, registersIn, variablesIn } from '../../src/extension/source-expressions';
import { designatorOf, threadNumber } from '../../src/extension/variable-names';

describe('C under the pointer', () => {
  /** `|` marks the pointer. */
  it.each([
    ['x = ex|it->info.length;', 'exit'], ['x = exit->in|fo.length;', 'exit->info'], ['x = exit->info.len|gth;', 'exit->info.length'], ['a[|i] = b', 'i'], ['table[3].ne|xt', 'table[3].next'], ['p -> q|;', 'p->q'],
    ['// comm|ent', undefined], ['"te|xt"', undefined], ['ret|urn x', undefined], ['a + | b', undefined],
  ])('%s is %s', (marked, expected) => { expect(cExpressionAt(marked.replace('|', ''), marked.indexOf('|'))?.text).toBe(expected); });
});

describe('registers of assembly', () => {
  it.each([
    ['mov %rax, 8(%rsp)', ['rax', 'rsp']], ['mov rbx, [r8d + 4]', ['rbx', 'r8d']], ['mov %al, %cl # and %rdx', ['al', 'cl']], ['movq %cr0, %rax', ['cr0', 'rax']], ['call handle_exit', []], ['.globl start', []],
  ])('%s has %j', (line, expected) => { expect(registersIn(line).map(({ text }) => text)).toEqual(expected); });
  it('under the pointer, with or without %', () => {
    expect(registerAt('mov %rax, %rbx', 5)).toEqual({ text: 'rax', start: 4, end: 8 });
    expect(registerAt('mov %rax, %rbx', 2)).toBeUndefined();
  });
});

it.each([
  ['u64 value = vmread(field) + exit->reason;', ['value', 'field', 'exit']], ['if (a && !a) f(b); // c', ['a', 'b']], ['#define X y', []], ['printf("%d text", count);', ['count']],
])('%s shows %j', (line, expected) => { expect(variablesIn(line).map(({ text }) => text)).toEqual(expected); });

it('a function begins after the brace that ends the one before', () => {
  const lines = ['int a(void)', '{', '}', '', 'int b(void)', '{', '  x();'];
  expect(functionStart((n) => lines[n], 6)).toBe(3);
  expect(functionStart((n) => lines[n], 1)).toBe(0);
});

it.each([
  ['vmcs@0x2bc000.GUEST_RIP', '0x2bc000'], ['L1.vmcs@0x68d000.GUEST_CR0', 'L1:0x68d000'], ['L3.vmcs.GUEST_RIP', 'L3'], ['vmcs@0x1000', '0x1000'], ['L2.rax', undefined], ['exit->reason', undefined],
])('%s belongs to the VMCS %s', (name, expected) => { expect(designatorOf(name)).toBe(expected); });

it.each([['thread:6f2c-11:7', 7], [3, 3], [undefined, undefined], ['thread', undefined]])('the thread %s is %s', (id, expected) => { expect(threadNumber(id)).toBe(expected); });
