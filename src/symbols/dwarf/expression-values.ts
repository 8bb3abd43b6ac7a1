// Values on the stack of a DWARF expression (DWARF 5, 2.5.1 'General Operations'): of the generic type, which is an integer as wide as
// an address and of no sign, or of a base type, which can be an integer of any size or a floating-point number. A value is kept as its
// bits; the operations of 2.5.1.4 and 2.5.1.5 interpret them.

import { SymbolError } from '../symbol-error';
import { Encoding } from './constants';

/** A base type as expressions see it; undefined stands for the generic type. */
export interface BaseType {
  readonly size: number;
  readonly encoding: number;
}

export interface StackValue {
  /** The bits, reduced to the size of the type. */
  readonly bits: bigint;
  readonly type: BaseType | undefined;
}

export type BinaryOperator = 'and' | 'or' | 'xor' | 'plus' | 'minus' | 'mul' | 'div' | 'mod' | 'shl' | 'shr' | 'shra' | 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
export type UnaryOperator = 'abs' | 'neg' | 'not';

const where = 'DWARF expression';

/** The arithmetic of expressions for addresses of 4 or 8 bytes. */
export class ValueArithmetic {
  readonly addressSize: number;

  constructor(addressSize: number) {
    this.addressSize = addressSize;
  }

  /** A value of the generic type. */
  generic(bits: bigint): StackValue {
    return { bits: BigInt.asUintN(this.addressSize * 8, bits), type: undefined };
  }

  typed(bits: bigint, type: BaseType | undefined): StackValue {
    return type ? { bits: BigInt.asUintN(type.size * 8, bits), type } : this.generic(bits);
  }

  sizeOf(value: StackValue): number {
    return value.type?.size ?? this.addressSize;
  }

  /** The bits as an integer with the sign that the type has; the generic type counts as signed, as comparisons and division demand. */
  private integer(value: StackValue): bigint {
    const width = this.sizeOf(value) * 8;
    const unsigned = value.type && (value.type.encoding === Encoding.unsigned || value.type.encoding === Encoding.unsignedChar
      || value.type.encoding === Encoding.boolean || value.type.encoding === Encoding.address);
    return unsigned ? value.bits : BigInt.asIntN(width, value.bits);
  }

  unary(operator: UnaryOperator, value: StackValue): StackValue {
    if (isFloat(value.type)) {
      const number = toFloat(value.bits, value.type.size);
      if (operator === 'not') throw new SymbolError('a bitwise operation on a floating-point value', where);
      return { bits: fromFloat(operator === 'abs' ? Math.abs(number) : -number, value.type.size), type: value.type };
    }
    const number = this.integer(value);
    return this.typed(operator === 'abs' ? (number < 0n ? -number : number) : operator === 'neg' ? -number : ~number, value.type);
  }

  binary(operator: BinaryOperator, left: StackValue, right: StackValue): StackValue {
    if (isFloat(left.type) && isFloat(right.type)) return this.floating(operator, left, left.type, right, right.type);
    if (isFloat(left.type) || isFloat(right.type)) throw new SymbolError('an operation mixes integers and floating-point values', where);
    const a = this.integer(left);
    const b = this.integer(right);
    const type = left.type;
    const width = BigInt(this.sizeOf(left) * 8);
    switch (operator) {
      case 'and': return this.typed(left.bits & right.bits, type);
      case 'or': return this.typed(left.bits | right.bits, type);
      case 'xor': return this.typed(left.bits ^ right.bits, type);
      case 'plus': return this.typed(a + b, type);
      case 'minus': return this.typed(a - b, type);
      case 'mul': return this.typed(a * b, type);
      case 'div':
        if (b === 0n) throw new SymbolError('a division by zero', where);
        return this.typed(a / b, type);
      case 'mod':
        if (b === 0n) throw new SymbolError('a division by zero', where);
        // DW_OP_mod is unsigned for the generic type, in contrast to DW_OP_div.
        return this.typed(type ? a % b : left.bits % right.bits, type);
      case 'shl': return this.typed(right.bits >= width ? 0n : left.bits << right.bits, type);
      case 'shr': return this.typed(right.bits >= width ? 0n : left.bits >> right.bits, type);
      case 'shra': return this.typed(BigInt.asIntN(Number(width), left.bits) >> (right.bits >= width ? width : right.bits), type);
      default: return this.generic(compare(operator, a, b) ? 1n : 0n);
    }
  }

  private floating(operator: BinaryOperator, left: StackValue, leftType: BaseType, right: StackValue, rightType: BaseType): StackValue {
    const a = toFloat(left.bits, leftType.size);
    const b = toFloat(right.bits, rightType.size);
    const result = (value: number): StackValue => ({ bits: fromFloat(value, leftType.size), type: leftType });
    switch (operator) {
      case 'plus': return result(a + b);
      case 'minus': return result(a - b);
      case 'mul': return result(a * b);
      case 'div': return result(a / b);
      case 'eq': case 'ne': case 'lt': case 'le': case 'gt': case 'ge': return this.generic(compare(operator, a, b) ? 1n : 0n);
      default: throw new SymbolError('a bitwise operation on a floating-point value', where);
    }
  }

  /** DW_OP_convert: the same number in another type. */
  convert(value: StackValue, type: BaseType | undefined): StackValue {
    if (isFloat(value.type)) {
      const number = toFloat(value.bits, value.type.size);
      if (isFloat(type)) return { bits: fromFloat(number, type.size), type };
      return this.typed(Number.isFinite(number) ? BigInt(Math.trunc(number)) : 0n, type);
    }
    // The generic type widens without a sign, since what it holds is usually an address or already a result of that width.
    const integer = value.type ? this.integer(value) : value.bits;
    return isFloat(type) ? { bits: fromFloat(Number(integer), type.size), type } : this.typed(integer, type);
  }

  /** DW_OP_reinterpret: the same bits in another type of the same size. */
  reinterpret(value: StackValue, type: BaseType | undefined): StackValue {
    if (this.sizeOf(value) !== (type?.size ?? this.addressSize)) throw new SymbolError('a value is reinterpreted with another size', where);
    return { bits: value.bits, type };
  }
}

function compare<T extends number | bigint>(operator: BinaryOperator, a: T, b: T): boolean {
  switch (operator) {
    case 'eq': return a === b;
    case 'ne': return a !== b;
    case 'lt': return a < b;
    case 'le': return a <= b;
    case 'gt': return a > b;
    default: return a >= b;
  }
}

function isFloat(type: BaseType | undefined): type is BaseType {
  return type?.encoding === Encoding.float;
}

const scratch = new DataView(new ArrayBuffer(8));

/** The number that 4 or 8 bytes of IEEE bits mean. Other sizes throw SymbolError. */
export function toFloat(bits: bigint, size: number): number {
  scratch.setBigUint64(0, bits, true);
  if (size === 4) return scratch.getFloat32(0, true);
  if (size === 8) return scratch.getFloat64(0, true);
  throw new SymbolError(`floating-point values of ${size} bytes are not supported`, where);
}

/** The IEEE bits of a number in 4 or 8 bytes. Other sizes throw SymbolError. */
export function fromFloat(value: number, size: number): bigint {
  if (size === 4) {
    scratch.setFloat32(0, value, true);
    return BigInt(scratch.getUint32(0, true));
  }
  if (size !== 8) throw new SymbolError(`floating-point values of ${size} bytes are not supported`, where);
  scratch.setFloat64(0, value, true);
  return scratch.getBigUint64(0, true);
}

/** Little-endian bytes as an unsigned integer. */
export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

/** The low `size` bytes of an integer, little-endian. */
export function toLittleEndian(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = 0; i < size; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
