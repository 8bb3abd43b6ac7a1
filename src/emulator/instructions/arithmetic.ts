// Integer arithmetic and logic (SDM 1 chapter 7 'Programming With General-Purpose Instructions').
import type { InstructionContext } from '../codegen/instruction-context';
import { RAX, RDX } from '../codegen/instruction-context';
import type { InstructionTable } from '../codegen/definitions';
import type { FlagKind } from '../codegen/flag-formulas';
import type { Value } from '../codegen/wasm-emitter';

/** The eight operations that share one encoding pattern; `base` is the opcode of the r/m8, r8 form. */
function group1(base: number, digit: number, lock: boolean): string[] {
  const hex = (n: number): string => (base + n).toString(16).toUpperCase().padStart(2, '0');
  const l = lock ? ' ;lock' : '';
  return [`${hex(0)} Eb Gb${l}`, `${hex(1)} Ev Gv${l}`, `${hex(2)} Gb Eb`, `${hex(3)} Gv Ev`, `${hex(4)} AL Ib`, `${hex(5)} rAX Iz`,
    `80/${digit} Eb Ib${l}`, `81/${digit} Ev Iz${l}`, `82/${digit} Eb Ib ;i64${lock ? ' lock' : ''}`, `83/${digit} Ev Is${l}`];
}

export function defineArithmetic(t: InstructionTable): void {
  t.define('ADD', group1(0x00, 0, true), i => {
    const a = i.readForUpdate(i.dst), b = i.read(i.src), sum = i.add(a, b);
    i.write(i.dst, sum);
    i.flags('add', sum, a, b);
  });
  t.define('ADC', group1(0x10, 2, true), i => {
    const a = i.readForUpdate(i.dst), b = i.read(i.src), sum = i.add(i.add(a, b), i.carryFlag());
    i.write(i.dst, sum);
    i.flags('addCarry', sum, a, b);                 // the carry vector of a + b + c follows from a, b and the result
  });
  t.define('SUB', group1(0x28, 5, true), i => {
    const a = i.readForUpdate(i.dst), b = i.read(i.src), difference = i.sub(a, b);
    i.write(i.dst, difference);
    i.flags('sub', difference, a, b);
  });
  t.define('SBB', group1(0x18, 3, true), i => {
    const a = i.readForUpdate(i.dst), b = i.read(i.src), difference = i.sub(i.sub(a, b), i.carryFlag());
    i.write(i.dst, difference);
    i.flags('subBorrow', difference, a, b);
  });
  t.define('CMP', group1(0x38, 7, false), i => {
    const a = i.read(i.dst), b = i.read(i.src);
    i.flags('sub', i.sub(a, b), a, b);
  });
  const logic = (name: string, encodings: string[], operate: (i: InstructionContext, a: Value, b: Value) => Value): void => t.define(name, encodings, i => {
    const result = operate(i, i.readForUpdate(i.dst), i.read(i.src));
    i.write(i.dst, result);
    i.flags('logic', result);
  });
  logic('AND', group1(0x20, 4, true), (i, a, b) => i.and(a, b));
  logic('OR', group1(0x08, 1, true), (i, a, b) => i.or(a, b));
  logic('XOR', group1(0x30, 6, true), (i, a, b) => i.xor(a, b));
  t.define('TEST', ['84 Eb Gb', '85 Ev Gv', 'A8 AL Ib', 'A9 rAX Iz', 'F6/0 Eb Ib', 'F6/1 Eb Ib', 'F7/0 Ev Iz', 'F7/1 Ev Iz'], i => {
    i.flags('logic', i.and(i.read(i.dst), i.read(i.src)));
  });

  const unary = (name: string, encodings: string[], operate: (i: InstructionContext, a: Value) => { result: Value; flags?: [FlagKind, Value, Value] }): void =>
    t.define(name, encodings, i => {
      const { result, flags } = operate(i, i.readForUpdate(i.dst));
      i.write(i.dst, result);
      if (flags) i.flags(flags[0], result, flags[1], flags[2]);
    });
  unary('INC', ['FE/0 Eb ;lock', 'FF/0 Ev ;lock', '40+r Zv ;i64'], (i, a) => ({ result: i.add(a, i.constant(1)), flags: ['inc', a, a] }));
  unary('DEC', ['FE/1 Eb ;lock', 'FF/1 Ev ;lock', '48+r Zv ;i64'], (i, a) => ({ result: i.sub(a, i.constant(1)), flags: ['dec', a, a] }));
  unary('NEG', ['F6/3 Eb ;lock', 'F7/3 Ev ;lock'], (i, a) => ({ result: i.sub(i.constant(0), a), flags: ['sub', i.constant(0), a] }));
  unary('NOT', ['F6/2 Eb ;lock', 'F7/2 Ev ;lock'], (i, a) => ({ result: i.not(a) }));

  defineMultiply(t);
  t.define('CBW', ['98 ;v'], i => i.writeRegister(RAX, i.truncate(i.signExtend(i.readRegister(RAX, i.size - 1), i.size - 1)), i.size));
  t.define('CWD', ['99 ;v'], i => {
    const sign = i.sar64(i.signExtend(i.readRegister(RAX, i.size), i.size), i.constant(63));
    i.writeRegister(RDX, i.truncate(sign), i.size);
  });
  t.define('XADD', ['0F C0 Eb Gb ;lock', '0F C1 Ev Gv ;lock'], i => {
    const a = i.readForUpdate(i.dst), b = i.read(i.src), sum = i.add(a, b);
    i.write(i.src, a);
    i.write(i.dst, sum);
    i.flags('add', sum, a, b);
  });
  t.define('CMPXCHG', ['0F B0 Eb Gb ;lock', '0F B1 Ev Gv ;lock'], i => {
    const old = i.readForUpdate(i.dst), accumulator = i.readRegister(RAX, i.size), replacement = i.read(i.src);
    const same = i.equal(old, accumulator);
    // memory is written in either case; of two registers only the one that receives a value changes, upper half included
    if (i.dst.kind === 'memory') {
      i.write(i.dst, i.select(same, replacement, old));
      i.when(same, () => {}, () => i.writeRegister(RAX, old, i.size));
    } else i.when(same, () => i.write(i.dst, replacement), () => i.writeRegister(RAX, old, i.size));
    i.flags('sub', i.sub(accumulator, old), accumulator, old);
  });
}

/** High half of an unsigned 64 x 64 product, by 32-bit halves. */
export function highUnsigned(i: InstructionContext, a: Value, b: Value): Value {
  const low32 = (v: Value): Value => i.and64(v, i.constant(0xffffffffn)), high32 = (v: Value): Value => i.shr64(v, i.constant(32));
  const mul = (x: Value, y: Value): Value => i.binary('i64_mul', x, y);
  const al = low32(a), ah = high32(a), bl = low32(b), bh = high32(b);
  const middle = i.add64(mul(ah, bl), high32(mul(al, bl)));
  const middle2 = i.add64(mul(al, bh), low32(middle));
  return i.add64(i.add64(mul(ah, bh), high32(middle)), high32(middle2));
}
/** High half of a signed 64 x 64 product. */
function highSigned(i: InstructionContext, a: Value, b: Value): Value {
  const correction = (x: Value, y: Value): Value => i.and64(i.sar64(x, i.constant(63)), y);
  return i.sub64(i.sub64(highUnsigned(i, a, b), correction(a, b)), correction(b, a));
}

function defineMultiply(t: InstructionTable): void {
  /** Writes rDX:rAX (AX for bytes) = high:low and CF = OF = `overflow`. */
  const widening = (i: InstructionContext, low: Value, high: Value, overflow: Value): void => {
    if (i.size === 0) i.writeRegister(RAX, i.or64(low, i.shl64(high, i.constant(8))), 1);
    else { i.writeRegister(RAX, low, i.size); i.writeRegister(RDX, high, i.size); }
    i.flags('overflowed', low, i.widen(overflow));
  };
  t.define('MUL', ['F6/4 Eb', 'F7/4 Ev'], i => {
    const a = i.readRegister(RAX, i.size), b = i.read(i.dst);
    if (i.size === 3) { const high = highUnsigned(i, a, b); widening(i, i.mul(a, b), high, i.notZero(high)); return; }
    const product = i.binary('i64_mul', a, b), high = i.truncate(i.shr64(product, i.constant(8 << i.size)));
    widening(i, i.truncate(product), high, i.notZero(high));
  });
  t.define('IMUL', ['F6/5 Eb', 'F7/5 Ev'], i => {
    const a = i.readRegister(RAX, i.size), b = i.read(i.dst);
    if (i.size === 3) {
      const low = i.mul(a, b), high = highSigned(i, a, b);
      widening(i, low, high, i.compare('i64_ne', high, i.sar64(low, i.constant(63))));
      return;
    }
    const product = i.binary('i64_mul', i.signExtend(a, i.size), i.signExtend(b, i.size)), low = i.truncate(product);
    widening(i, low, i.truncate(i.shr64(product, i.constant(8 << i.size))), i.compare('i64_ne', product, i.signExtend(low, i.size)));
  });
  const truncating = (i: InstructionContext, a: Value, b: Value): void => {
    const x = i.signExtend(a, i.size), y = i.signExtend(b, i.size), low = i.mul(a, b);
    const overflow = i.size === 3 ? i.compare('i64_ne', highSigned(i, a, b), i.sar64(low, i.constant(63)))
      : i.compare('i64_ne', i.binary('i64_mul', x, y), i.signExtend(low, i.size));
    i.write(i.dst, low);
    i.flags('overflowed', low, i.widen(overflow));
  };
  t.define('IMUL2', ['0F AF Gv Ev'], i => truncating(i, i.read(i.dst), i.read(i.src)));
  t.define('IMUL3', ['69 Gv Ev Iz', '6B Gv Ev Is'], i => truncating(i, i.read(i.src), i.immediate(i.size)));

  const divide = (name: string, digit: number, signed: boolean): void => t.define(name, [`F6/${digit} Eb`, `F7/${digit} Ev`], i => {
    const divisor = i.read(i.dst);
    i.faultIf(i.isZero(divisor), 'DE');
    if (i.size === 3) { i.divideWide(signed, divisor); return; }
    const bits = i.constant(8 << i.size), size = i.size;
    const raw = size === 0 ? i.readRegister(RAX, 1) : i.or64(i.shl64(i.readRegister(RDX, size), bits), i.readRegister(RAX, size));
    const extendWide = (v: Value): Value => size === 0 ? i.signExtend(v, 1) : size === 1 ? i.signExtend(v, 2) : v;
    const dividend = signed ? extendWide(raw) : raw, by = signed ? i.signExtend(divisor, size) : divisor;
    // the one quotient that does not fit in 64 bits traps in WebAssembly: it is #DE as every quotient out of range
    if (signed && size === 2) i.faultIf(i.both(i.equal(dividend, i.constant(1n << 63n)), i.equal(by, i.constant(-1))), 'DE');
    const quotient = i.binary(signed ? 'i64_div_s' : 'i64_div_u', dividend, by), remainder = i.binary(signed ? 'i64_rem_s' : 'i64_rem_u', dividend, by);
    i.faultIf(signed ? i.compare('i64_ne', quotient, i.signExtend(i.truncate(quotient), size)) : i.compare('i64_ne', quotient, i.truncate(quotient)), 'DE');
    if (size === 0) { i.writeRegister(RAX, i.or64(i.truncate(quotient), i.shl64(i.truncate(remainder), i.constant(8))), 1); return; }
    i.writeRegister(RAX, i.truncate(quotient), size);
    i.writeRegister(RDX, i.truncate(remainder), size);
  });
  divide('DIV', 6, false);
  divide('IDIV', 7, true);
}
