import { describe, expect, test } from 'vitest';
import type { BaseEncoding, CType } from '../../../src/symbols/types/c-type';
import { encodeValue, parseScalar, scalarText } from '../../../src/symbols/values/scalar-text';

function base(encoding: BaseEncoding, size: number): CType {
  return { kind: 'base', name: encoding, size, encoding };
}

const color: CType = { kind: 'enumeration', name: 'color', size: 4, isSigned: false, enumerators: [{ name: 'RED', value: 1n }, { name: 'GREEN', value: 2n }, { name: 'BLUE', value: 4n }] };
const level: CType = { kind: 'enumeration', name: undefined, size: 4, isSigned: true, enumerators: [{ name: 'LOW', value: -1n }, { name: 'HIGH', value: 1n }] };
const pointer: CType = { kind: 'pointer', size: 8, symbol: '*', target: { kind: 'void' } };
const constInt: CType = { kind: 'qualified', qualifier: 'const', target: { kind: 'typedef', name: 'i32', target: base('signed', 4) } };

describe('text', () => {
  test.each<[CType, bigint, number, string, string]>([
    [base('signed', 4), 0xffff_ffffn, 32, '-1', '0xffffffff'],
    [base('unsigned', 4), 0xffff_ffffn, 32, '4294967295', '0xffffffff'],
    [constInt, 0x8000_0000n, 32, '-2147483648', '0x80000000'],
    [base('signed', 4), 5n, 3, '-3', '0x5'],
    [base('boolean', 1), 1n, 8, 'true', 'true'], [base('boolean', 1), 0n, 8, 'false', 'false'], [base('boolean', 1), 2n, 8, 'true (2)', 'true (2)'],
    [base('signedChar', 1), 0x7an, 8, "122 'z'", "0x7a 'z'"], [base('signedChar', 1), 0xffn, 8, "-1 '\\377'", "0xff '\\377'"],
    [base('unsignedChar', 1), 10n, 8, "10 '\\n'", "0x0a '\\n'"], [base('unsignedChar', 1), 39n, 8, "39 '\\''", "0x27 '\\''"],
    [base('utf', 4), 0x1f600n, 32, "128512 '😀'", "0x0001f600 '😀'"],
    [base('float', 4), 0x3fc0_0000n, 32, '1.5', '1.5'], [base('float', 4), 0x3dcc_cccdn, 32, '0.1', '0.1'],
    [base('float', 8), 0xbfb9_9999_9999_999an, 64, '-0.1', '-0.1'], [base('float', 8), 0x7ff0_0000_0000_0000n, 64, 'inf', 'inf'],
    [base('float', 8), 0xfff0_0000_0000_0000n, 64, '-inf', '-inf'], [base('float', 8), 0x7ff8_0000_0000_0000n, 64, 'nan', 'nan'],
    [base('float', 8), 0x8000_0000_0000_0000n, 64, '-0', '-0'], [base('float', 16), (0x4000n << 64n) | 0xd000_0000_0000_0000n, 128, '3.25', '3.25'],
    [base('float', 16), 0n, 128, '0', '0'], [base('float', 16), (0x7fffn << 64n) | (1n << 63n), 128, 'inf', 'inf'],
    [base('complex', 8), (0x4000_0000n << 32n) | 0x3f80_0000n, 64, '1 + 2i', '1 + 2i'],
    [base('address', 8), 0x1234n, 64, '0x1234', '0x1234'],
    [pointer, 0xffff_8000_0000_0000n, 64, '0xffff800000000000', '0xffff800000000000'],
    [color, 2n, 32, 'GREEN (2)', 'GREEN (2)'], [color, 5n, 32, 'RED | BLUE (5)', 'RED | BLUE (5)'], [color, 9n, 32, '9', '9'], [color, 0n, 32, '0', '0'],
    [level, 0xffff_ffffn, 32, 'LOW (-1)', 'LOW (-1)'],
  ])('%#', (type, bits, bitSize, decimal, hexadecimal) => {
    expect([scalarText(type, bits, bitSize), scalarText(type, bits, bitSize, { hexadecimal: true })]).toEqual([decimal, hexadecimal]);
    if (decimal !== 'true (2)' && !(type.kind === 'base' && (type.encoding === 'complex' || type.size === 16)) && decimal !== 'nan') {
      for (const text of [decimal, hexadecimal]) expect(parseScalar(type, text.replace(/^(0x[0-9a-f]+) '.*'$/, '$1'), bitSize), text).toEqual({ ok: true, value: bits });
    }
  });
});

describe('reading', () => {
  test.each<[CType, string, bigint | string]>([
    [base('signed', 4), ' 12 ', 12n], [base('signed', 4), '-0x10', 0xffff_fff0n], [base('unsigned', 2), '017', 15n], [base('unsigned', 2), '0b101', 5n],
    [base('unsigned', 8), "1'000'000ULL", 1_000_000n], [base('unsigned', 1), '256', '256 does not fit 8 bits'], [base('unsigned', 1), '-1', 255n],
    [base('signed', 1), '-129', '-129 does not fit 8 bits'], [base('signed', 1), '0xff', 255n], [base('signed', 4), 'twelve', "'twelve' is not an integer"],
    [base('signed', 4), '', "'' is not an integer"], [base('signed', 4), '09', "'09' is not an integer"], [base('signed', 4), '0x', "'0x' is not an integer"],
    [base('signedChar', 1), "'a'", 97n], [base('signedChar', 1), "'\\n'", 10n], [base('signedChar', 1), "'\\''", 39n], [base('signedChar', 1), "'\\x41'", 65n], [base('signedChar', 1), "'\\101'", 65n],
    [base('boolean', 1), 'true', 1n], [base('boolean', 1), '0', 0n], [base('boolean', 1), '2', 'a boolean is true or false'],
    [base('float', 4), '1.5f', 0x3fc0_0000n], [base('float', 8), '-1e3', 0xc08f_4000_0000_0000n], [base('float', 8), '-inf', 0xfff0_0000_0000_0000n],
    [base('float', 8), '12', 0x4028_0000_0000_0000n], [base('float', 8), 'x', "'x' is not a number"], [base('float', 16), '1', 'floating-point values of 16 bytes cannot be written'],
    [base('complex', 8), '1', 'complex numbers cannot be written'],
    [pointer, 'NULL', 0n], [pointer, '0xffff800000000000', 0xffff_8000_0000_0000n], [pointer, 'p', "'p' is not an address"],
    [color, 'RED | BLUE', 5n], [color, 'GREEN', 2n], [color, '7', 7n], [color, 'PINK', "'PINK' is not an enumerator of enum color"], [level, 'LOW', 0xffff_ffffn],
    [{ kind: 'void' }, '1', 'only numbers, pointers and enumerations can be written'],
  ])('%#', (type, text, expected) => {
    const size = 'size' in type ? type.size : 4;
    expect(parseScalar(type, text, size * 8)).toEqual(typeof expected === 'bigint' ? { ok: true, value: expected } : { ok: false, reason: expected });
  });

  test('encodeValue gives little-endian bytes', () => {
    expect(encodeValue(base('signed', 4), '-2')).toEqual({ ok: true, value: Uint8Array.of(0xfe, 0xff, 0xff, 0xff) });
    expect(encodeValue({ kind: 'void' }, '1')).toEqual({ ok: false, reason: 'the type has no size' });
  });
});
