// The text of the memory editor: what it shows, and what a change of it means.
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { memoryChanges, memoryText, splitReference, type MemoryBlock } from '../../src/extension/memory-text';

const block = (bytes: number[], count = bytes.length, address = 0x1000n): MemoryBlock => ({ prefix: 'L2:', address, bytes: Uint8Array.from(bytes), count });

it('shows addresses, bytes, characters, and what is not mapped', () => {
  expect(memoryText(block([0x48, 0x69, 0x7c, 0], 20)).split('\n').slice(1, 3)).toEqual([
    'L2:0x0000000000001000  48 69 7c 00 ?? ?? ?? ??  ?? ?? ?? ?? ?? ?? ?? ??  |Hi|.|', `L2:0x0000000000001010  ${'?? ?? ?? ??'.padEnd(48)}  ||`,
  ]);
});

it('unchanged text changes nothing, whatever is shown', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(40), (bytes, address, more) => {
    const shown: MemoryBlock = { prefix: 'phys:', address, bytes, count: bytes.length + more };
    expect(memoryChanges(memoryText(shown), shown)).toEqual([]);
  }), { seed: 1 });
});

it('bytes that differ become runs at their addresses', () => {
  const shown = block(Array.from({ length: 40 }, (_, n) => n)), text = memoryText(shown).replace('01 02', 'ff FE').replace(' 11 12', ' 11 aa');
  expect(memoryChanges(text, shown)).toEqual([{ address: 0x1001n, bytes: Uint8Array.of(0xff, 0xfe) }, { address: 0x1012n, bytes: Uint8Array.of(0xaa) }]);
});

describe('mistakes name their line', () => {
  const shown = block([1, 2, 3]);
  it.each([['L2:0x1000  0g', /Line 1: '0g'/], ['# text\nwhat', /Line 2 does not begin with an address/], ['L2:0x2000 01', /Line 1 lies outside/], ['L2:0x1000 1', /'1' is not a byte/]])('%s', (text, message) => {
    expect(() => memoryChanges(text, shown)).toThrow(message);
  });
});

it.each([
  ['L2:0x1000', 'L2:', 0x1000n], ['gpa1:0xff', 'gpa1:', 0xffn], ['phys:0x0', 'phys:', 0n], ['0x10', 'L0:', 0x10n], ['L2.1:0x10', 'L2.1:', 0x10n],
] as const)('%s is a reference', (text, prefix, address) => { expect(splitReference(text)).toEqual({ prefix, address }); });
it.each(['rsp', 'L2:', 'L2:rsp', 'vmcs@0x1000'])('%s is none', (text) => { expect(splitReference(text)).toBeUndefined(); });
