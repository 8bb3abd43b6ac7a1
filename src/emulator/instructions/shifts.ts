// Shifts, rotates, double shifts, bit tests and scans.
import type { InstructionContext } from '../codegen/instruction-context';
import type { InstructionTable } from '../codegen/definitions';
import type { Value } from '../codegen/wasm-emitter';

const shiftEncodings = (digit: number): string[] => [`C0/${digit} Eb Ib`, `C1/${digit} Ev Ib`, `D0/${digit} Eb 1`, `D1/${digit} Ev 1`, `D2/${digit} Eb CL`, `D3/${digit} Ev CL`];

/** The count, masked to 5 or 6 bits (SDM 2B 'SAL/SAR/SHL/SHR'). */
const countOf = (i: InstructionContext): Value => i.and64(i.read(i.src, 0), i.constant(i.size === 3 ? 63 : 31));

export function defineShifts(t: InstructionTable): void {
  const shift = (name: string, kind: 'shl' | 'shr' | 'sar', digits: number[]): void => t.define(name, digits.flatMap(shiftEncodings), i => {
    const a = i.readForUpdate(i.dst), n = countOf(i), result = i[kind](a, n);
    i.write(i.dst, result);
    i.when(i.notZero(n), () => i.flags(kind, result, a, n));               // a zero count leaves the flags alone
  });
  shift('SHL', 'shl', [4, 6]);
  shift('SHR', 'shr', [5]);
  shift('SAR', 'sar', [7]);

  const rotate = (name: string, digit: number, left: boolean): void => t.define(name, shiftEncodings(digit), i => {
    const bits = 8 << i.size, a = i.readForUpdate(i.dst), n = countOf(i), turn = i.and64(n, i.constant(bits - 1));
    const back = i.and64(i.sub64(i.constant(bits), turn), i.constant(bits - 1));
    const result = i.size === 3 ? i.binary(left ? 'i64_rotl' : 'i64_rotr', a, n)
      : i.truncate(i.or64(i.shl64(a, left ? turn : back), i.shr64(a, left ? back : turn)));
    i.write(i.dst, result);
    i.when(i.notZero(n), () => {
      const top = i.bit(result, i.constant(bits - 1));
      if (left) { const carry = i.bit(result, i.constant(0)); i.setCarryOverflow(carry, i.xor64(carry, top)); }
      else i.setCarryOverflow(top, i.xor64(top, i.bit(result, i.constant(bits - 2))));
    });
  });
  rotate('ROL', 0, true);
  rotate('ROR', 1, false);

  // rotate through carry: a (bits + 1)-bit rotation; done by two shifts of the value and the carry placed between them
  const throughCarry = (name: string, digit: number, left: boolean): void => t.define(name, shiftEncodings(digit), i => {
    const bits = 8 << i.size, a = i.readForUpdate(i.dst), masked = countOf(i), carry = i.carryFlag();
    const n = i.size >= 2 ? masked : i.binary('i64_rem_u', masked, i.constant(bits + 1));
    const one = i.constant(1), down = i.sub64(i.constant(bits + 1), n), nLess = i.sub64(n, one);
    // WebAssembly takes counts modulo 64: a shift by 64 must give 0
    const far = left ? i.shr64(a, down) : i.shl64(a, down);
    const farSafe = i.select(i.above(down, i.constant(63)), i.constant(0), far);
    const near = left ? i.shl64(a, n) : i.shr64(a, n);
    const placed = left ? i.shl64(carry, nLess) : i.shl64(carry, i.sub64(i.constant(bits), n));
    const turned = i.truncate(i.or64(i.or64(near, farSafe), placed));
    const result = i.select(i.notZero(n), turned, a);
    const out = left ? i.bit(a, i.sub64(i.constant(bits), n)) : i.bit(a, nLess);
    i.write(i.dst, result);
    i.when(i.notZero(n), () => {
      const top = i.bit(result, i.constant(bits - 1));
      i.setCarryOverflow(out, left ? i.xor64(out, top) : i.xor64(top, i.bit(result, i.constant(bits - 2))));
    });
  });
  throughCarry('RCL', 2, true);
  throughCarry('RCR', 3, false);

  const double = (name: string, encodings: string[], left: boolean, count: (i: InstructionContext) => Value): void => t.define(name, encodings, i => {
    const bits = 8 << i.size, a = i.readForUpdate(i.dst), b = i.read(i.src), n = i.and64(count(i), i.constant(i.size === 3 ? 63 : 31));
    const back = i.sub64(i.constant(bits), n);
    // beyond 16 bits of a 16-bit operand the result is undefined; processors turn the first operand in again behind the second
    const row = i.size === 1 ? i.or64(i.or64(i.shl64(a, i.constant(32)), i.shl64(b, i.constant(16))), a) : a;
    const turned = i.size === 1 ? (left ? i.shr64(i.shl64(row, n), i.constant(32)) : i.shr64(row, n))
      : left ? i.or64(i.shl64(a, n), i.shr64(b, back)) : i.or64(i.shr64(a, n), i.shl64(b, back));
    const result = i.select(i.notZero(n), i.truncate(turned), a);
    i.write(i.dst, result);
    i.when(i.notZero(n), () => {
      const carry = left ? i.bit(a, back) : i.bit(a, i.sub64(n, i.constant(1)));
      const overflow = i.bit(i.xor64(result, a), i.constant(bits - 1));
      i.flags('carryOverflow', result, carry, overflow);
    });
  });
  double('SHLDimm', ['0F A4 Ev Gv Ib'], true, i => i.immediate(0));
  double('SHLDcl', ['0F A5 Ev Gv CL'], true, i => i.readRegister(1, 0));
  double('SHRDimm', ['0F AC Ev Gv Ib'], false, i => i.immediate(0));
  double('SHRDcl', ['0F AD Ev Gv CL'], false, i => i.readRegister(1, 0));

  defineBits(t);
}

function defineBits(t: InstructionTable): void {
  // a register bit offset on a memory operand reaches outside it: the address moves by whole operands
  const bitTest = (name: string, opcode: string, digit: number, change?: (i: InstructionContext, a: Value, mask: Value) => Value): void => {
    const lock = change ? ' ;lock' : '';
    t.define(name, [`0F ${opcode} Ev Gv${lock}`, `0F BA/${digit} Ev Ib${lock}`], i => {
      const offset = i.src.kind === 'immediate' ? i.immediate(0) : i.signExtend(i.read(i.src), i.size);
      if (i.dst.kind === 'memory' && i.src.kind === 'register') {
        const whole = i.sar64(offset, i.constant(3 + i.size));
        i.moveEffective(i.shl64(whole, i.constant(i.size)));
      }
      const a = change ? i.readForUpdate(i.dst) : i.read(i.dst), n = i.and64(offset, i.constant((8 << i.size) - 1));
      const carry = i.bit(a, n);
      if (change) i.write(i.dst, i.truncate(change(i, a, i.shl64(i.constant(1), n))));
      i.setCarry(carry);
    });
  };
  bitTest('BT', 'A3', 4);
  bitTest('BTS', 'AB', 5, (i, a, mask) => i.or64(a, mask));
  bitTest('BTR', 'B3', 6, (i, a, mask) => i.and64(a, i.binary('i64_xor', mask, i.constant(-1))));
  bitTest('BTC', 'BB', 7, (i, a, mask) => i.xor64(a, mask));

  // BSF, BSR: ZF from the source; a zero source leaves the destination (as every processor does)
  const scan = (name: string, opcode: string, find: (i: InstructionContext, a: Value) => Value): void => t.define(name, [`0F ${opcode} Gv Ev`], i => {
    const a = i.read(i.src), found = find(i, a);
    i.when(i.notZero(a), () => i.write(i.dst, found));
    i.flags('logic', a);
  });
  scan('BSF', 'BC', (i, a) => i.unary('i64_ctz', a));
  scan('BSR', 'BD', (i, a) => i.xor64(i.unary('i64_clz', a), i.constant(63)));
  t.define('TZCNT', ['F3 0F BC Gv Ev'], i => {
    const a = i.read(i.src), count = i.unary('i64_ctz', i.size === 3 ? a : i.or64(a, i.constant(1n << BigInt(8 << i.size))));
    i.write(i.dst, count);
    i.flags('bit', count, i.widen(i.isZero(a)));
  }, { feature: 'bmi1', otherwise: 'BSF' });
  t.define('LZCNT', ['F3 0F BD Gv Ev'], i => {
    const a = i.read(i.src), count = i.sub64(i.unary('i64_clz', a), i.constant(64 - (8 << i.size)));
    i.write(i.dst, count);
    i.flags('bit', count, i.widen(i.isZero(a)));
  }, { feature: 'lzcnt', otherwise: 'BSR' });
  t.define('POPCNT', ['F3 0F B8 Gv Ev'], i => {
    const a = i.read(i.src), count = i.unary('i64_popcnt', a);
    i.write(i.dst, count);
    i.flags('zero', count);
  }, { feature: 'popcnt' });
}
