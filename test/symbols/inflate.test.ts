import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inflate } from '../../src/symbols/inflate';
import { SymbolError } from '../../src/symbols/symbol-error';
import { sampleBytes } from './sample-images';

test('agrees with zlib at every level', () => {
  const bytes = sampleBytes('dwarf5-O2');
  for (const level of [0, 1, 6, 9]) expect(inflate(new Uint8Array(deflateSync(bytes, { level })), bytes.length, 'test')).toEqual(bytes);
});

test('agrees with zlib on anything, with fixed and other codes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(4), fc.integer({ min: 1, max: 300 }), (part, strategy, repeat) => {
    const bytes = new Uint8Array(Math.min(100_000, part.length * repeat)).map((_, i) => part[i % part.length]!);
    expect(inflate(new Uint8Array(deflateSync(bytes, { strategy })), bytes.length, 'test')).toEqual(bytes);
  }), { numRuns: 200 });
});

test('damage is a SymbolError', () => {
  const stream = new Uint8Array(deflateSync(sampleBytes('dwarf4-O0')));
  const size = sampleBytes('dwarf4-O0').length;
  fc.assert(fc.property(fc.nat(stream.length - 1), fc.nat(255), fc.nat(stream.length), (at, value, length) => {
    const damaged = stream.slice(0, length);
    if (at < length) damaged[at] = value;
    try {
      expect(inflate(damaged, size, 'test').length).toBe(size);
    } catch (error) {
      expect(error).toBeInstanceOf(SymbolError);
    }
  }), { numRuns: 500 });
  expect(() => inflate(stream, size + 1, 'test')).toThrow('the compressed data end too early');
  expect(() => inflate(stream, size - 1, 'test')).toThrow('a copy reaches outside the data');
  expect(() => inflate(stream, 2 ** 40, 'test')).toThrow('the compressed data promise more than they can hold');
  expect(() => inflate(Uint8Array.of(1, 2, 3), 10, 'test')).toThrow('this is not a zlib stream');
});
