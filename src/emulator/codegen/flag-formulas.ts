// The arithmetic flags as a pair (R, C). R: the result, sign-extended from the operand size. C: the carry vector of the operation,
// reduced to three places: carry out of the top bit at 63, of the bit below it at 62, of bit 3 at 3; bits 8-16 are set only by whole
// loads of the flags (POPF, SAHF, IRET), to correct PF and SF. Then
//   ZF: R = 0    SF: sign(R) xor C.16    PF: even parity(R xor C.8-15)    CF: C.63    OF: C.63 xor C.62    AF: C.3
// Every combination is representable, bit for bit as the processor has them.
import type { InstructionContext } from './instruction-context';
import { Constant, type Value } from './wasm-emitter';

export const bitsOf = [8, 16, 32, 64] as const;

/** How C follows from operands and result; the kinds with a carry in have the formulas of those without, but do not compare their operands. `a` and `b` are the operands (zero-extended), `r` the result. */
export type FlagKind = 'add' | 'addCarry' | 'sub' | 'subBorrow' | 'logic' | 'inc' | 'dec' | 'shl' | 'shr' | 'sar' | 'overflowed' | 'carryOverflow' | 'bit' | 'zero';

/** Emits the reduced carry vector. `keep`: the old C, for INC and DEC, which keep CF. */
export function carryVector(i: InstructionContext, kind: FlagKind, size: number, r: Value, a: Value, b: Value, keep: Value): Value {
  const top = bitsOf[size] - 1;
  const not = (): void => { i.i64(-1); i.emit('i64_xor'); };
  // raw vector on the stack (bit n = carry out of bit n) -> the three places
  const reduce = (): void => {
    if (size === 3) { i.i64(0xc000000000000008n); i.emit('i64_and'); return; }
    const raw = i.local64();
    i.tee(raw);
    i.i64(63 - top);
    i.emit('i64_shl');
    i.get(raw);
    i.i64(8);
    i.emit('i64_and', 'i64_or');
  };
  switch (kind) {
    case 'addCarry':
    case 'add':                                        // (a & b) | ((a | b) & ~r), also with a carry in
      i.get(a); i.get(b); i.emit('i64_and'); i.get(a); i.get(b); i.emit('i64_or'); i.get(r); not(); i.emit('i64_and', 'i64_or'); reduce();
      break;
    case 'subBorrow':
    case 'sub':                                        // (~a & b) | ((~a | b) & r), also with a borrow in
      i.get(a); not(); i.get(b); i.emit('i64_and'); i.get(a); not(); i.get(b); i.emit('i64_or'); i.get(r); i.emit('i64_and', 'i64_or'); reduce();
      break;
    case 'logic':
      return i.constant(0);
    case 'inc':
    case 'dec': {
      if (kind === 'inc') { i.get(a); i.get(r); not(); } else { i.get(a); not(); i.get(r); }
      i.emit('i64_and');
      reduce();                                        // then the old CF back in, with OF kept: flip 63 and 62 together
      const fresh = i.set64();
      i.get(fresh); i.get(keep); i.emit('i64_xor'); i.i64(1n << 63n); i.emit('i64_and');
      const differs = i.local64();
      i.tee(differs); i.get(differs); i.i64(1); i.emit('i64_shr_u', 'i64_or'); i.get(fresh); i.emit('i64_xor');
      break;
    }
    case 'shl':                                        // CF: last bit out of the top; OF: CF xor top bit of r
      i.get(a); i.i64(bitsOf[size]); i.get(b); i.emit('i64_sub', 'i64_shr_u'); i.i64(63); i.emit('i64_shl');
      i.get(r); i.i64(top); i.emit('i64_shr_u'); i.i64(62); i.emit('i64_shl', 'i64_or');
      break;
    case 'shr': {                                      // CF: last bit out of the bottom; OF: top bit of a
      i.get(a); i.get(b); i.i64(1); i.emit('i64_sub', 'i64_shr_u'); i.i64(63); i.emit('i64_shl');
      const out = i.local64();
      i.tee(out); i.get(out); i.get(a); i.i64(top); i.emit('i64_shr_u'); i.i64(63); i.emit('i64_shl', 'i64_xor'); i.i64(1); i.emit('i64_shr_u', 'i64_or');
      break;
    }
    case 'sar': {                                      // OF: 0
      i.get(a); i.signExtendTop(size); i.get(b); i.i64(1); i.emit('i64_sub', 'i64_shr_s'); i.i64(63); i.emit('i64_shl');
      const out = i.local64();
      i.tee(out); i.get(out); i.i64(1); i.emit('i64_shr_u', 'i64_or');
      break;
    }
    case 'overflowed':                                 // a: 1 when CF = OF = 1 (multiplications)
      i.get(a); i.i64(63); i.emit('i64_shl');
      break;
    case 'carryOverflow':                              // a: CF, b: OF (double shifts)
      i.get(a); i.i64(63); i.emit('i64_shl'); i.get(a); i.get(b); i.emit('i64_xor'); i.i64(62); i.emit('i64_shl', 'i64_or');
      break;
    case 'zero':                                       // ZF alone: PF is corrected to 0 (r is not negative)
      i.get(r); i.emit('i64_popcnt'); i.i64(1); i.emit('i64_and'); i.i64(1); i.emit('i64_xor'); i.i64(8); i.emit('i64_shl');
      break;
    case 'bit':                                        // a: CF alone, OF = 0
      i.get(a); i.i64(63); i.emit('i64_shl'); i.get(a); i.i64(62); i.emit('i64_shl', 'i64_or');
      break;
  }
  return i.set64();
}

/** Emits the truth (i32) of a condition code of Jcc, SETcc, CMOVcc (SDM 1 appendix B) from the pair (R, C). */
export function conditionFromPair(i: InstructionContext, code: number, R: Value, C: Value): Value {
  const negate = (): Value => { if (code & 1) i.emit('i32_eqz'); return i.set32(); };
  const sign = (): void => { i.get(R); i.get(C); i.i64(47); i.emit('i64_shl', 'i64_xor'); };                     // bit 63
  const overflow = (): void => { i.get(C); i.get(C); i.i64(1); i.emit('i64_shl', 'i64_xor'); };                   // bit 63
  const negative = (): void => { i.i64(0); i.emit('i64_lt_s'); };
  switch (code >> 1) {
    case 0: overflow(); negative(); return negate();
    case 1: i.get(C); negative(); return negate();
    case 2: i.get(R); i.emit('i64_eqz'); return negate();
    case 3: i.get(C); negative(); i.get(R); i.emit('i64_eqz', 'i32_or'); return negate();
    case 4: sign(); negative(); return negate();
    case 5: i.get(R); i.get(C); i.i64(8); i.emit('i64_shr_u', 'i64_xor'); i.i64(255); i.emit('i64_and', 'i64_popcnt', 'i32_wrap_i64'); i.i32(1); i.emit('i32_and', 'i32_eqz'); return negate();
    case 6: sign(); overflow(); i.emit('i64_xor'); negative(); return negate();
    default: sign(); overflow(); i.emit('i64_xor'); negative(); i.get(R); i.emit('i64_eqz', 'i32_or'); return negate();
  }
}

/** True for constants: lets formulas fold counts that are known while emitting. */
export const isConstant = (v: Value): v is Constant => v instanceof Constant;
