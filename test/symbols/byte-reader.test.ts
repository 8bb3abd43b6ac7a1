import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader } from '../../src/symbols/byte-reader';
import { SymbolError } from '../../src/symbols/symbol-error';

function reader(...bytes: number[]): ByteReader {
  return new ByteReader(Uint8Array.from(bytes), 'test');
}

function uleb(value: bigint): number[] {
  const bytes: number[] = [];
  do {
    bytes.push(Number(value & 0x7fn) | (value > 0x7fn ? 0x80 : 0));
    value >>= 7n;
  } while (value > 0n);
  return bytes;
}

function sleb(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const isLast = (value === 0n && !(low & 0x40)) || (value === -1n && (low & 0x40) !== 0);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}

test('unsigned LEB128 round trips over 64 bits', () => {
  fc.assert(fc.property(fc.bigInt(0n, 0xffff_ffff_ffff_ffffn), value => {
    expect(reader(...uleb(value)).ulebBig()).toBe(value);
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) expect(reader(...uleb(value)).uleb()).toBe(Number(value));
    else expect(() => reader(...uleb(value)).uleb()).toThrow(SymbolError);
  }));
});

test('signed LEB128 round trips over 64 bits', () => {
  fc.assert(fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), value => {
    expect(reader(...sleb(value)).slebBig()).toBe(value);
    if (value >= -(2n ** 53n) + 1n && value < 2n ** 53n) expect(reader(...sleb(value)).sleb()).toBe(Number(value));
  }));
});

test('padded LEB128 numbers mean the same', () => {
  expect(reader(0x81, 0x80, 0x80, 0x00).uleb()).toBe(1);
  expect(reader(0xff, 0xff, 0xff, 0x7f).sleb()).toBe(-1);
  expect(reader(...Array(30).fill(0x80), 0).uleb()).toBe(0);
});

test('every read is checked against the end', () => {
  const reads: ((r: ByteReader) => unknown)[] = [
    r => r.u8(), r => r.u16(), r => r.u24(), r => r.u32(), r => r.u64(), r => r.i64(), r => r.uleb(), r => r.slebBig(), r => r.cstring(), r => r.block(1), r => r.skip(1), r => r.initialLength(),
  ];
  for (const read of reads) expect(() => read(reader())).toThrow(SymbolError);
  expect(() => reader(1, 2, 3).window(0, 4)).toThrow(SymbolError);
  expect(() => reader(0x41, 0x42).cstring()).toThrow('a string has no end (test+0x0)');
  expect(() => new ByteReader(new Uint8Array(4), 'test', 5)).toThrow(SymbolError);
  expect(() => new ByteReader(new Uint8Array(4), 'test', -1)).toThrow(SymbolError);
  expect(() => new ByteReader(new Uint8Array(4), 'test', NaN)).toThrow(SymbolError);
});

test('initial lengths of both DWARF formats', () => {
  expect(reader(0x10, 0, 0, 0).initialLength()).toEqual({ length: 16, offsetSize: 4 });
  expect(reader(0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 0, 0).initialLength()).toEqual({ length: 5, offsetSize: 8 });
  expect(() => reader(0xf5, 0xff, 0xff, 0xff).initialLength()).toThrow('a reserved unit length');
});

test('text is UTF-8', () => {
  const text = new ByteReader(new TextEncoder().encode('größe ✓\0next\0'), 'test');
  expect([text.cstring(), text.cstring(), text.remaining]).toEqual(['größe ✓', 'next', 0]);
});
