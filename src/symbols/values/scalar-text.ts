// Scalars as text and back: integers, characters, booleans, floating-point numbers, enumerations and pointers, as C programmers write
// them. Reading accepts what writing produces, and every usual C spelling.

import { fromFloat, toFloat, toLittleEndian } from '../dwarf/expression-values';
import { sizeOf, strip, type BaseCType, type CType, type EnumerationCType } from '../types/c-type';
import { failure, success, type Outcome } from './object-place';

/** How integers are shown. Pointers are hexadecimal in any case. */
export interface TextOptions {
  readonly hexadecimal?: boolean;
}

const escapes: Readonly<Record<number, string>> = { 0: '\\0', 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r', 92: '\\\\' };

/** A scalar's bits as text. `bitSize` is smaller than the type for bit fields. */
export function scalarText(type: CType, bits: bigint, bitSize: number, options: TextOptions = {}): string {
  const base = strip(type);
  switch (base.kind) {
    case 'base': return baseText(base, bits, bitSize, options);
    case 'pointer': return `0x${bits.toString(16)}`;
    case 'enumeration': return enumerationText(base, base.isSigned ? BigInt.asIntN(bitSize, bits) : bits);
    default: return integerText(bits, bitSize, options);
  }
}

function baseText(type: BaseCType, bits: bigint, bitSize: number, options: TextOptions): string {
  const signed = type.encoding === 'signed' || type.encoding === 'signedChar' ? BigInt.asIntN(bitSize, bits) : bits;
  switch (type.encoding) {
    case 'boolean': return bits === 0n ? 'false' : bits === 1n ? 'true' : `true (${bits})`;
    case 'float': return floatText(bits, type.size);
    case 'complex': {
      const half = type.size / 2;
      return `${floatText(BigInt.asUintN(half * 8, bits), half)} + ${floatText(bits >> BigInt(half * 8), half)}i`;
    }
    case 'signedChar': case 'unsignedChar': case 'utf': return `${options.hexadecimal ? integerText(bits, bitSize, options) : signed} ${characterText(Number(bits))}`;
    case 'address': return `0x${bits.toString(16)}`;
    default: return options.hexadecimal ? integerText(bits, bitSize, options) : `${signed}`;
  }
}

function integerText(bits: bigint, bitSize: number, options: TextOptions): string {
  return options.hexadecimal ? `0x${bits.toString(16).padStart(Math.ceil(bitSize / 4), '0')}` : `${bits}`;
}

function floatText(bits: bigint, size: number): string {
  if (size === 4) return shortest(toFloat(bits, 4), value => Math.fround(value));
  if (size === 8) return shortest(toFloat(bits, 8), value => value);
  if (size === 10 || size === 12 || size === 16) return extendedText(bits);
  return `0x${bits.toString(16)}`;
}

function shortest(value: number, round: (value: number) => number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0';
  for (let digits = 1; digits < 17; digits++) {
    const text = Number(value.toPrecision(digits));
    if (round(text) === value) return `${text}`;
  }
  return `${value}`;
}

/** x87 double extended precision: 64-bit significand with an explicit integer bit, 15-bit exponent. Shown to double precision. */
function extendedText(bits: bigint): string {
  const significand = BigInt.asUintN(64, bits);
  const exponent = Number((bits >> 64n) & 0x7fffn);
  const sign = (bits >> 79n) & 1n ? -1 : 1;
  if (exponent === 0x7fff) return BigInt.asUintN(63, significand) === 0n ? (sign < 0 ? '-inf' : 'inf') : 'nan';
  const value = sign * (Number(significand) / 2 ** 63) * 2 ** (Math.max(exponent, 1) - 16383);
  return Number.isFinite(value) ? shortest(value, each => each) : `${sign < 0 ? '-' : ''}2^${exponent - 16383}`;
}

/** A character as C writes it, quoted. */
export function characterText(code: number): string {
  if (code === 39) return "'\\''";
  return `'${escaped(code)}'`;
}

/** A character inside quotes. */
export function escaped(code: number): string {
  if (escapes[code] !== undefined) return escapes[code]!;
  if (code >= 32 && code < 127) return String.fromCharCode(code);
  if (code > 255 && code <= 0x10ffff) return String.fromCodePoint(code);
  return `\\${code.toString(8).padStart(3, '0')}`;
}

/** The enumerator's name; where none fits but single bits do, their names joined; else the number. */
function enumerationText(type: EnumerationCType, value: bigint): string {
  const exact = type.enumerators.find(each => each.value === value);
  if (exact) return `${exact.name} (${value})`;
  const flags: string[] = [];
  let rest = value;
  if (value > 0n && type.enumerators.every(each => each.value >= 0n)) {
    for (const each of type.enumerators) {
      if (each.value > 0n && (each.value & (each.value - 1n)) === 0n && (rest & each.value) === each.value) {
        flags.push(each.name);
        rest &= ~each.value;
      }
    }
  }
  return flags.length > 0 && rest === 0n ? `${flags.join(' | ')} (${value})` : `${value}`;
}

/** The bits that a text means for a scalar type of `bitSize` bits. Fails with a sentence for the user. */
export function parseScalar(type: CType, text: string, bitSize: number): Outcome<bigint> {
  const base = strip(type);
  const trimmed = text.trim();
  switch (base.kind) {
    case 'enumeration': return parseEnumeration(base, trimmed, bitSize);
    case 'pointer': {
      if (/^(NULL|nullptr)$/.test(trimmed)) return success(0n);
      const value = parseInteger(trimmed);
      return value === undefined ? failure(`'${trimmed}' is not an address`) : fit(value, bitSize, false);
    }
    case 'base': break;
    default: return failure('only numbers, pointers and enumerations can be written');
  }
  if (base.encoding === 'boolean' && /^(true|false)$/.test(trimmed)) return success(trimmed === 'true' ? 1n : 0n);
  if (base.encoding === 'float') {
    const value = parseFloatingPoint(trimmed);
    if (value === undefined) return failure(`'${trimmed}' is not a number`);
    if (base.size !== 4 && base.size !== 8) return failure(`floating-point values of ${base.size} bytes cannot be written`);
    return success(fromFloat(value, base.size));
  }
  if (base.encoding === 'complex') return failure('complex numbers cannot be written');
  const value = parseInteger(trimmed) ?? parseCharacter(trimmed);
  if (value === undefined) return failure(`'${trimmed}' is not an integer`);
  if (base.encoding === 'boolean' && value !== 0n && value !== 1n) return failure('a boolean is true or false');
  return fit(value, bitSize, base.encoding === 'signed' || base.encoding === 'signedChar');
}

/** The bytes, little-endian, that a text means for a scalar type. Fails with a sentence for the user. */
export function encodeValue(type: CType, text: string): Outcome<Uint8Array> {
  const size = sizeOf(type);
  if (size === undefined) return failure('the type has no size');
  const bits = parseScalar(type, text, size * 8);
  return bits.ok ? success(toLittleEndian(bits.value, size)) : bits;
}

/** Decimal numbers must fit the type; other bases are bit patterns and may use all bits of a signed type. */
function fit(value: bigint, bitSize: number, isSigned: boolean): Outcome<bigint> {
  const low = isSigned || value < 0n ? -(1n << BigInt(bitSize - 1)) : 0n;
  const high = (1n << BigInt(bitSize)) - 1n;
  if (value < low || value > high) return failure(`${value} does not fit ${bitSize} bits`);
  return success(BigInt.asUintN(bitSize, value));
}

/** An integer in any of C's spellings: 12, -0x1f, 017, 0b101, with suffixes and digit separators. */
export function parseInteger(text: string): bigint | undefined {
  const match = /^([+-]?)\s*(0[xX][0-9a-fA-F'_]+|0[bB][01'_]+|[0-9][0-9'_]*)([uUlL]{0,3})$/.exec(text);
  if (!match) return undefined;
  const digits = match[2]!.replace(/['_]/g, '');
  if (/^0[0-9]+$/.test(digits) && !/^0[0-7]+$/.test(digits)) return undefined;
  if (/^0[xXbB]$/.test(digits)) return undefined;
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return match[1] === '-' ? -value : value;
}

function parseCharacter(text: string): bigint | undefined {
  const match = /^(?:-?\d+\s+)?'(\\?[\s\S]|\\[0-7]{1,3}|\\x[0-9a-fA-F]{1,2})'$/u.exec(text);
  if (!match) return undefined;
  const inner = match[1]!;
  if (!inner.startsWith('\\') || inner === '\\') return BigInt(inner.codePointAt(0)!);
  if (/^\\[0-7]/.test(inner)) return BigInt(parseInt(inner.slice(1), 8));
  if (inner.startsWith('\\x')) return BigInt(parseInt(inner.slice(2), 16));
  const named = Object.entries(escapes).find(([, escape]) => escape === inner);
  return BigInt(named ? Number(named[0]) : inner.charCodeAt(1));
}

function parseFloatingPoint(text: string): number | undefined {
  if (/^[+-]?(inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(text)) return NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFlL]?$/.test(text)) {
    const integer = parseInteger(text);
    return integer === undefined ? undefined : Number(integer);
  }
  return Number(text.replace(/[fFlL]$/, ''));
}

function parseEnumeration(type: EnumerationCType, text: string, bitSize: number): Outcome<bigint> {
  let value = 0n;
  for (const part of text.replace(/\s*\(-?\d+\)$/, '').split('|').map(each => each.trim())) {
    const named = type.enumerators.find(each => each.name === part)?.value ?? parseInteger(part);
    if (named === undefined) return failure(`'${part}' is not an enumerator of ${type.name ? `enum ${type.name}` : 'the enumeration'}`);
    value |= named;
  }
  return fit(value, bitSize, type.isSigned);
}
