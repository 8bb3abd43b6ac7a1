// The stack machine of DWARF expressions and location descriptions (DWARF 5, 2.5 'DWARF Expressions' and 2.6 'Location Descriptions').
// The result says where an object is: in memory, in a register, in pieces, nowhere but with a known value, or not at all with a reason.
// A missing register, unreadable memory and a malformed expression are all such a reason; nothing is thrown, and every loop is bounded.

import { ByteReader } from '../byte-reader';
import { SymbolError, hex } from '../symbol-error';
import { ValueArithmetic, littleEndian, toLittleEndian, type BaseType, type BinaryOperator, type StackValue, type UnaryOperator } from './expression-values';
import { Op } from './operations';

/** Reads target memory at a runtime linear address; undefined when any byte of it cannot be read. */
export type ReadMemory = (address: bigint, length: number) => Uint8Array | undefined;

/** What an expression may ask for. Absent members make the operations that need them unavailable. */
export interface ExpressionContext {
  readonly addressSize: 4 | 8;
  /** Runtime address minus link-time address of the image. */
  readonly bias: bigint;
  /** A register's value by DWARF number in the frame concerned. */
  register(number: number): bigint | undefined;
  readonly readMemory: ReadMemory;
  /** The value of the function's frame base, which DW_OP_fbreg adds to. Throws SymbolError when it has none. */
  frameBase?(): bigint;
  callFrameAddress?(): bigint | undefined;
  /** The value that an expression had on entry to the function. Throws SymbolError when it is not known. */
  entryValue?(expression: Uint8Array): bigint;
  /** The base type described at an offset in the expression's unit; undefined for offset 0, the generic type. */
  baseType?(unitOffset: number): BaseType | undefined;
  /** An address of .debug_addr (link-time) or a constant there. */
  indexedAddress?(index: number): bigint;
  /** The location expression of another entry, for DW_OP_call. `inUnit`: the offset counts from the unit. */
  calledExpression?(offset: number, inUnit: boolean): Uint8Array | undefined;
  readonly offsetSize?: 4 | 8;
  readonly objectAddress?: bigint;
}

export type Location =
  /** A runtime linear address. */
  | { readonly kind: 'memory'; readonly address: bigint }
  | { readonly kind: 'register'; readonly register: number }
  /** The object has no place; these are its bytes. `isStackValue`: they are an integer to be cut to the size of the object. */
  | { readonly kind: 'implicit'; readonly bytes: Uint8Array; readonly isStackValue: boolean }
  /** A pointer to an object that was optimized away; `entryOffset` describes that object. */
  | { readonly kind: 'implicitPointer'; readonly entryOffset: number; readonly byteOffset: number }
  | { readonly kind: 'pieces'; readonly pieces: readonly LocationPiece[] }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly isOptimizedOut: boolean };

/** A part of an object: `bitSize` bits found at bit `bitOffset` of the part's own location. */
export interface LocationPiece {
  readonly location: Location;
  readonly bitOffset: number;
  readonly bitSize: number;
}

const MOST_OPERATIONS = 20_000;
const DEEPEST_STACK = 512;
const DEEPEST_CALL = 8;
const MOST_PIECES = 256;

const optimizedOut: Location = { kind: 'unavailable', reason: 'optimized out', isOptimizedOut: true };

/** Evaluates a location description. An empty one means that the object does not exist here. */
export function evaluateLocation(expression: Uint8Array, context: ExpressionContext): Location {
  if (expression.length === 0) return optimizedOut;
  try {
    const machine = new Machine(context);
    machine.run(expression, 0);
    return machine.result();
  } catch (error) {
    if (!(error instanceof SymbolError)) throw error;
    return { kind: 'unavailable', reason: error.what, isOptimizedOut: false };
  }
}

/** Evaluates an expression to the value on top of its stack, as an integer. Throws SymbolError, with the reason in `what`. */
export function evaluateValue(expression: Uint8Array, context: ExpressionContext, initial: readonly bigint[] = []): bigint {
  const machine = new Machine(context);
  for (const value of initial) machine.push(value);
  machine.run(expression, 0);
  return machine.value();
}

const binaryOperators = new Map<number, BinaryOperator>([
  [Op.and, 'and'], [Op.div, 'div'], [Op.minus, 'minus'], [Op.mod, 'mod'], [Op.mul, 'mul'], [Op.or, 'or'], [Op.plus, 'plus'], [Op.shl, 'shl'],
  [Op.shr, 'shr'], [Op.shra, 'shra'], [Op.xor, 'xor'], [Op.eq, 'eq'], [Op.ge, 'ge'], [Op.gt, 'gt'], [Op.le, 'le'], [Op.lt, 'lt'], [Op.ne, 'ne'],
]);
const unaryOperators = new Map<number, UnaryOperator>([[Op.abs, 'abs'], [Op.neg, 'neg'], [Op.not, 'not']]);

class Machine {
  private readonly context: ExpressionContext;
  private readonly arithmetic: ValueArithmetic;
  private readonly stack: StackValue[] = [];
  private readonly pieces: LocationPiece[] = [];
  /** A complete location description other than a memory address, until a piece operation or the end takes it. */
  private simple: Location | undefined;
  private operationsLeft = MOST_OPERATIONS;
  private isUninitialised = false;

  constructor(context: ExpressionContext) {
    this.context = context;
    this.arithmetic = new ValueArithmetic(context.addressSize);
  }

  push(bits: bigint): void {
    this.pushValue(this.arithmetic.generic(bits));
  }

  private pushValue(value: StackValue): void {
    if (this.stack.length >= DEEPEST_STACK) throw this.failure('the stack of the expression overflows');
    this.stack.push(value);
  }

  private popValue(): StackValue {
    const value = this.stack.pop();
    if (!value) throw this.failure('the stack of the expression is empty');
    return value;
  }

  private failure(what: string): SymbolError {
    return new SymbolError(what, 'DWARF expression');
  }

  value(): bigint {
    if (this.simple?.kind === 'implicit') return littleEndian(this.simple.bytes.subarray(0, 8));
    if (this.simple?.kind === 'register') return this.registerValue(this.simple.register);
    return this.popValue().bits;
  }

  result(): Location {
    if (this.isUninitialised) return { kind: 'unavailable', reason: 'not initialised yet', isOptimizedOut: false };
    if (this.pieces.length > 0) return { kind: 'pieces', pieces: this.pieces };
    return this.simple ?? { kind: 'memory', address: this.popValue().bits };
  }

  private registerValue(register: number): bigint {
    const value = this.context.register(register);
    if (value === undefined) throw this.failure(`register ${register} is not known in this frame`);
    return value;
  }

  private read(address: bigint, size: number): bigint {
    if (size < 1 || size > 16) throw this.failure(`a memory access of ${size} bytes`);
    const bytes = this.context.readMemory(address, size);
    if (!bytes || bytes.length < size) throw this.failure(`memory at ${hex(address)} cannot be read`);
    return littleEndian(bytes.subarray(0, size));
  }

  private addPiece(bitSize: number, bitOffset: number): void {
    if (this.pieces.length >= MOST_PIECES) throw this.failure('a location has too many pieces');
    if (bitSize > 0x100_0000) throw this.failure('a piece of a location is absurdly large');
    const location = this.simple ?? (this.stack.length > 0 ? { kind: 'memory' as const, address: this.popValue().bits } : optimizedOut);
    this.simple = undefined;
    this.pieces.push({ location, bitOffset, bitSize });
  }

  private baseType(unitOffset: number): BaseType | undefined {
    if (unitOffset === 0) return undefined;
    const type = this.context.baseType?.(unitOffset);
    if (!type || type.size < 1 || type.size > 16) throw this.failure('a typed operation names no base type');
    return type;
  }

  run(expression: Uint8Array, depth: number): void {
    if (depth > DEEPEST_CALL) throw this.failure('expressions call each other too deeply');
    const { context, arithmetic } = this;
    const reader = new ByteReader(expression, 'DWARF expression');
    const jump = (distance: number): void => {
      const target = reader.position + distance;
      if (target < 0 || target > expression.length) throw this.failure('a branch leaves the expression');
      reader.position = target;
    };
    const need = <T>(value: T | undefined, what: string): T => {
      if (value === undefined) throw this.failure(what);
      return value;
    };

    while (reader.remaining > 0) {
      if (this.operationsLeft-- <= 0) throw this.failure('the expression runs too long');
      const op = reader.u8();
      if (op >= Op.lit0 && op < Op.lit0 + 32) {
        this.push(BigInt(op - Op.lit0));
        continue;
      }
      if (op >= Op.reg0 && op < Op.reg0 + 32) {
        this.simple = { kind: 'register', register: op - Op.reg0 };
        continue;
      }
      if (op >= Op.breg0 && op < Op.breg0 + 32) {
        this.push(this.registerValue(op - Op.breg0) + reader.slebBig());
        continue;
      }
      const binary = binaryOperators.get(op);
      if (binary) {
        const right = this.popValue();
        this.pushValue(arithmetic.binary(binary, this.popValue(), right));
        continue;
      }
      const unary = unaryOperators.get(op);
      if (unary) {
        this.pushValue(arithmetic.unary(unary, this.popValue()));
        continue;
      }
      switch (op) {
        case Op.addr: this.push(reader.unsigned(context.addressSize) + context.bias); break;
        case Op.addrx: this.push(need(context.indexedAddress?.(reader.uleb()), 'the address table is not at hand') + context.bias); break;
        case Op.constx: this.push(need(context.indexedAddress?.(reader.uleb()), 'the address table is not at hand')); break;
        case Op.const1u: this.push(BigInt(reader.u8())); break;
        case Op.const1s: this.push(BigInt(reader.i8())); break;
        case Op.const2u: this.push(BigInt(reader.u16())); break;
        case Op.const2s: this.push(BigInt(reader.i16())); break;
        case Op.const4u: this.push(BigInt(reader.u32())); break;
        case Op.const4s: this.push(BigInt(reader.i32())); break;
        case Op.const8u: this.push(reader.u64()); break;
        case Op.const8s: this.push(reader.i64()); break;
        case Op.constu: this.push(reader.ulebBig()); break;
        case Op.consts: this.push(reader.slebBig()); break;
        case Op.constType: case Op.gnuConstType: {
          const type = this.baseType(reader.uleb());
          this.pushValue(arithmetic.typed(littleEndian(reader.block(Math.min(reader.u8(), 16))), type));
          break;
        }
        case Op.dup: this.pick(0); break;
        case Op.over: this.pick(1); break;
        case Op.pick: this.pick(reader.u8()); break;
        case Op.drop: this.popValue(); break;
        case Op.swap: this.rotate(2); break;
        case Op.rot: this.rotate(3); break;
        case Op.plusUconst: {
          const value = this.popValue();
          this.pushValue(arithmetic.typed(value.bits + reader.ulebBig(), value.type));
          break;
        }
        case Op.deref: this.push(this.read(this.popValue().bits, context.addressSize)); break;
        case Op.derefSize: this.push(this.read(this.popValue().bits, reader.u8())); break;
        case Op.derefType: case Op.gnuDerefType: {
          const size = reader.u8();
          const type = this.baseType(reader.uleb());
          this.pushValue(arithmetic.typed(this.read(this.popValue().bits, size), type));
          break;
        }
        case Op.regvalType: case Op.gnuRegvalType: {
          const register = reader.uleb();
          this.pushValue(arithmetic.typed(this.registerValue(register), this.baseType(reader.uleb())));
          break;
        }
        case Op.convert: case Op.gnuConvert: this.pushValue(arithmetic.convert(this.popValue(), this.baseType(reader.uleb()))); break;
        case Op.reinterpret: case Op.gnuReinterpret: this.pushValue(arithmetic.reinterpret(this.popValue(), this.baseType(reader.uleb()))); break;
        case Op.bra: {
          const distance = reader.i16();
          if (this.popValue().bits !== 0n) jump(distance);
          break;
        }
        case Op.skip: jump(reader.i16()); break;
        case Op.regx: this.simple = { kind: 'register', register: reader.uleb() }; break;
        case Op.bregx: {
          const register = reader.uleb();
          this.push(this.registerValue(register) + reader.slebBig());
          break;
        }
        case Op.fbreg: {
          const offset = reader.slebBig();
          this.push(need(context.frameBase?.(), 'there is no frame base') + offset);
          break;
        }
        case Op.callFrameCfa: this.push(need(context.callFrameAddress?.(), 'the call frame address is not known')); break;
        case Op.entryValue: case Op.gnuEntryValue: {
          const inner = reader.block(reader.uleb());
          this.push(need(context.entryValue?.(inner), 'the value on entry to the function is not known'));
          break;
        }
        case Op.pushObjectAddress: this.push(need(context.objectAddress, 'no object is concerned')); break;
        case Op.call2: this.call(reader.u16(), true, depth); break;
        case Op.call4: this.call(reader.u32(), true, depth); break;
        case Op.callRef: this.call(reader.offset(context.offsetSize ?? 4), false, depth); break;
        case Op.piece: {
          const bytes = reader.uleb();
          this.addPiece(bytes * 8, 0);
          break;
        }
        case Op.bitPiece: {
          const bitSize = reader.uleb();
          this.addPiece(bitSize, reader.uleb());
          break;
        }
        case Op.implicitValue: this.simple = { kind: 'implicit', bytes: reader.block(reader.uleb()), isStackValue: false }; break;
        case Op.stackValue: {
          const value = this.popValue();
          this.simple = { kind: 'implicit', bytes: toLittleEndian(value.bits, arithmetic.sizeOf(value)), isStackValue: true };
          break;
        }
        case Op.implicitPointer: case Op.gnuImplicitPointer: {
          const entryOffset = reader.offset(context.offsetSize ?? 4);
          this.simple = { kind: 'implicitPointer', entryOffset, byteOffset: reader.sleb() };
          break;
        }
        case Op.gnuUninit: this.isUninitialised = true; break;
        case Op.nop: break;
        case Op.formTlsAddress: case Op.gnuPushTlsAddress: throw this.failure('thread-local storage cannot be located');
        case Op.xderef: case Op.xderefSize: case Op.xderefType: throw this.failure('address spaces are not supported');
        case Op.gnuParameterRef: throw this.failure('the value of the parameter at the call is not known');
        default: throw this.failure(`operation ${hex(op)} is unknown`);
      }
    }
  }

  private pick(depth: number): void {
    const value = this.stack[this.stack.length - 1 - depth];
    if (!value) throw this.failure('the stack of the expression is empty');
    this.pushValue(value);
  }

  /** Moves the top of the stack below the next `count - 1` values. */
  private rotate(count: number): void {
    if (this.stack.length < count) throw this.failure('the stack of the expression is empty');
    this.stack.splice(this.stack.length - count, 0, this.stack.pop()!);
  }

  private call(offset: number, inUnit: boolean, depth: number): void {
    const expression = this.context.calledExpression?.(offset, inUnit);
    if (expression) this.run(expression, depth + 1);
  }
}
