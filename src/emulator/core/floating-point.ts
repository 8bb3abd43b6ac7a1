// SSE and SSE2 arithmetic by integers: every rounding mode, denormals, NaNs and exception flags as MXCSR asks for (SDM 1 11.5 'SSE, SSE2, and
// SSE3 Exceptions', SDM 1 4.8 'Real Numbers and Floating-Point Formats'). `wide` is 1 for double, 0 for single precision; values are bit
// patterns, singles in the low half. Flags gather while the lanes of an instruction are computed; `floatsDone` puts them into MXCSR.
import { CPU_CR0, CPU_CR4, CPU_MXCSR } from './generated/layout';
import { ABORT, CR0_EM, CR0_TS, CR4_OSFXSR, CR4_OSXMMEXCPT, NEXT, NM, raise, UD, XM } from './state';

@inline const IE: u32 = 1; @inline const DENORMAL: u32 = 2; @inline const ZE: u32 = 4; @inline const OE: u32 = 8; @inline const UE: u32 = 16; @inline const PE: u32 = 32;
@inline const DAZ: u32 = 0x40; @inline const FTZ: u32 = 0x8000;
@inline const NEAREST: u32 = 0; @inline const DOWN: u32 = 1; @inline const UP: u32 = 2;
@inline const ZERO: u32 = 0; @inline const FINITE: u32 = 1; @inline const INFINITE: u32 = 2; @inline const QUIET: u32 = 3; @inline const SIGNALING: u32 = 4;

/** Exceptions found before computing (IE, DE, ZE) and after it (OE, UE, PE) since the last `floatsDone`. */
let before: u32 = 0;
let after: u32 = 0;

/** #UD or #NM when SSE instructions are not to be executed (SDM 3A 13.1 'Providing Operating System Support for SSE/SSE2/SSE3/SSSE3/SSE4 Extensions'). */
export function vectorsUnavailable(): i32 {
  const cr0 = load<u64>(CPU_CR0);
  if ((cr0 & CR0_EM) != 0 || (load<u64>(CPU_CR4) & CR4_OSFXSR) == 0) return raise(UD);
  return (cr0 & CR0_TS) != 0 ? raise(NM) : NEXT;
}

/** Puts the flags of the instruction into MXCSR; ABORT with #XM (or #UD) recorded when one of them is not masked. */
export function floatsDone(): i32 {
  const mxcsr = load<u32>(CPU_MXCSR), enabled = ~(mxcsr >> 7) & 63;
  const found = (before & enabled) != 0 ? before : before | after;
  before = 0; after = 0;
  store<u32>(CPU_MXCSR, mxcsr | found);
  return (found & enabled) != 0 ? raise((load<u64>(CPU_CR4) & CR4_OSXMMEXCPT) != 0 ? XM : UD) : NEXT;
}

@inline function mode(): u32 { return load<u32>(CPU_MXCSR) >> 13 & 3; }
@inline function masked(flag: u32): bool { return (load<u32>(CPU_MXCSR) >> 7 & flag) != 0; }
@inline function fractionBits(wide: i32): u64 { return wide ? 52 : 23; }
@inline function topExponent(wide: i32): i32 { return wide ? 2047 : 255; }
@inline function bias(wide: i32): i32 { return wide ? 1023 : 127; }
@inline function signBit(wide: i32): u64 { return wide ? 1 << 63 : 1 << 31; }
@inline function infinity(wide: i32): u64 { return wide ? 0x7ff0000000000000 : 0x7f800000; }
@inline function quietBit(wide: i32): u64 { return wide ? 1 << 51 : 1 << 22; }
@inline function defaultNaN(wide: i32): u64 { return wide ? 0xfff8000000000000 : 0xffc00000; }
@inline function isNaN_(wide: i32, v: u64): bool { return (v & ~signBit(wide)) > infinity(wide); }
@inline function isSignaling(wide: i32, v: u64): bool { return isNaN_(wide, v) && (v & quietBit(wide)) == 0; }

// the operand taken apart last: value = significand * 2^(exponent - 62), leading one at bit 62
let sign: bool = false;
let exponent: i32 = 0;
let significand: u64 = 0;
let denormal: bool = false;

function unpack(wide: i32, v: u64): u32 {
  const fraction = v & ((<u64>1 << fractionBits(wide)) - 1), e = <i32>(v >> fractionBits(wide)) & topExponent(wide);
  sign = (v & signBit(wide)) != 0;
  denormal = false;
  if (e == topExponent(wide)) return fraction == 0 ? INFINITE : (v & quietBit(wide)) != 0 ? QUIET : SIGNALING;
  if (e == 0) {
    if (fraction == 0) return ZERO;
    if ((load<u32>(CPU_MXCSR) & DAZ) != 0) return ZERO;
    denormal = true;
    const shift = clz<u64>(fraction) - 1;
    significand = fraction << shift;
    exponent = 1 - bias(wide) + 62 - <i32>fractionBits(wide) - <i32>shift;
    return FINITE;
  }
  significand = (fraction | <u64>1 << fractionBits(wide)) << (62 - fractionBits(wide));
  exponent = e - bias(wide);
  return FINITE;
}

@inline function jam(v: u64, shift: i32): u64 { return shift == 0 ? v : shift > 63 ? (v != 0 ? 1 : 0) : v >> shift | <u64>((v << (64 - shift)) != 0); }
/** Whether a significand whose discarded part is `low` (of `half` weight) rounds away from zero. */
@inline function roundsUp(negative: bool, odd: bool, low: u64, half: u64): bool {
  const m = mode();
  if (m == NEAREST) return low > half || (low == half && odd);
  return low != 0 && (m == UP ? !negative : m == DOWN && negative);
}

/** Rounds and packs; `s` has its leading one at bit 62, its lowest bit gathers what was shifted out. */
function roundPack(wide: i32, negative: bool, e: i32, s: u64): u64 {
  const f = fractionBits(wide), drop = 62 - f, half = <u64>1 << (drop - 1), mask = (<u64>1 << drop) - 1, top: u64 = negative ? signBit(wide) : 0;
  let biased = e + bias(wide), low = s & mask, kept = s >> drop;
  const up = roundsUp(negative, (kept & 1) != 0, low, half);
  if (biased < 1 && !(biased == 0 && up && kept + 1 == <u64>2 << f)) {
    // tiny after rounding
    if (!masked(UE)) { after |= UE | (low != 0 ? PE : 0); return top; }
    if ((load<u32>(CPU_MXCSR) & FTZ) != 0) { after |= UE | PE; return top; }
    const d = jam(s, 1 - biased);
    low = d & mask; kept = d >> drop;
    if (low != 0) after |= UE | PE;
    return top | kept + (roundsUp(negative, (kept & 1) != 0, low, half) ? 1 : 0);                   // a carry makes the smallest normal number
  }
  if (biased < 1) {
    // rounds up to the smallest normal number, seen with unbounded exponent: not tiny, but rounded at the denormal place all the same
    const d = jam(s, 1 - biased);
    low = d & mask; kept = d >> drop;
    if (low != 0) after |= PE;
    return top | kept + (roundsUp(negative, (kept & 1) != 0, low, half) ? 1 : 0);
  }
  if (up) { kept++; if (kept == <u64>2 << f) { kept >>= 1; biased++; } }
  if (biased >= topExponent(wide)) {
    after |= OE | (low != 0 || masked(OE) ? PE : 0);
    const m = mode(), toInfinity = m == NEAREST || (m == UP && !negative) || (m == DOWN && negative);
    return top | (toInfinity ? infinity(wide) : infinity(wide) - 1);
  }
  if (low != 0) after |= PE;
  return top | <u64>biased << f | kept & ((<u64>1 << f) - 1);
}
/** Normalizes a non-zero significand, then rounds and packs; value = s * 2^(e - 62). */
function normalize(wide: i32, negative: bool, e: i32, s: u64): u64 {
  const shift = <i32>clz<u64>(s) - 1;
  return shift < 0 ? roundPack(wide, negative, e + 1, s >> 1 | s & 1) : roundPack(wide, negative, e - shift, s << shift);
}

function invalid(wide: i32): u64 { before |= IE; return defaultNaN(wide); }
/** Result of an operation with a NaN: the first one, made quiet. */
function propagate(wide: i32, a: u64, b: u64): u64 {
  if (isSignaling(wide, a) || isSignaling(wide, b)) before |= IE;
  return (isNaN_(wide, a) ? a : b) | quietBit(wide);
}

@inline const ADD: i32 = 0; @inline const SUB: i32 = 1; @inline const MUL: i32 = 2; @inline const DIV: i32 = 3; @inline const MIN: i32 = 4; @inline const MAX: i32 = 5; @inline const SQRT: i32 = 6;

/** An exact shortcut: all exceptions masked, PE set already, round to nearest, and operands and result far from the ends of the range. */
function quick(operation: i32, wide: i32, a: u64, b: u64): bool {
  if ((load<u32>(CPU_MXCSR) & 0xffe0) != 0x1fa0 || operation > DIV) return false;
  if (wide) {
    const ea = a >> 52 & 2047, eb = b >> 52 & 2047;
    if (ea - 1 >= 2046 || eb - 1 >= 2046) return false;
    const x = reinterpret<f64>(a), y = reinterpret<f64>(b), r = operation == ADD ? x + y : operation == SUB ? x - y : operation == MUL ? x * y : x / y;
    quickResult = reinterpret<u64>(r);
    return (quickResult >> 52 & 2047) - 2 < 2045;
  }
  const ea = a >> 23 & 255, eb = b >> 23 & 255;
  if (ea - 1 >= 254 || eb - 1 >= 254) return false;
  const x = reinterpret<f32>(<u32>a), y = reinterpret<f32>(<u32>b), r = operation == ADD ? x + y : operation == SUB ? x - y : operation == MUL ? x * y : x / y;
  quickResult = reinterpret<u32>(r);
  return (quickResult >> 23 & 255) - 2 < 253;
}
let quickResult: u64 = 0;

/** ADD, SUB, MUL, DIV, MIN, MAX of two numbers, SQRT of the second. */
export function floatBinary(operation: i32, wide: i32, left: u64, right: u64): u64 {
  const a = wide ? left : left & 0xffffffff, b = wide ? right : right & 0xffffffff;
  if (quick(operation, wide, a, b)) return quickResult;
  if (operation == MIN || operation == MAX) return extremum(operation, wide, a, b);
  if (operation == SQRT) return squareRoot(wide, b);
  if (isNaN_(wide, a) || isNaN_(wide, b)) return propagate(wide, a, b);
  const kindA = unpack(wide, a), signA = sign, exponentA = exponent, significandA = significand, denormalA = denormal;
  const kindB = unpack(wide, b), signB = operation == SUB ? !sign : sign, exponentB = exponent, significandB = significand;
  const someDenormal = denormalA || denormal;
  const product = signA != signB, productSign: u64 = product ? signBit(wide) : 0;
  switch (operation) {
    case MUL: {
      if (kindA == INFINITE || kindB == INFINITE) {
        if (kindA == ZERO || kindB == ZERO) return invalid(wide);
        if (someDenormal) before |= DENORMAL;
        return productSign | infinity(wide);
      }
      if (someDenormal) before |= DENORMAL;
      if (kindA == ZERO || kindB == ZERO) return productSign;
      // 62 + 62 bits: the product of the halves, its low half only as a sticky bit
      const high = highProduct(significandA << 1, significandB << 1), low = (significandA << 1) * (significandB << 1);
      return normalize(wide, product, exponentA + exponentB, high | <u64>(low != 0));
    }
    case DIV: {
      if (kindA == INFINITE) { if (kindB == INFINITE) return invalid(wide); if (someDenormal) before |= DENORMAL; return productSign | infinity(wide); }
      if (kindB == INFINITE) { if (someDenormal) before |= DENORMAL; return productSign; }
      if (kindB == ZERO) {
        if (kindA == ZERO) return invalid(wide);
        before |= ZE;
        return productSign | infinity(wide);
      }
      if (someDenormal) before |= DENORMAL;
      if (kindA == ZERO) return productSign;
      // 63 bits of the quotient by subtraction, the rest as a sticky bit
      let quotient: u64 = 0, rest = significandA;
      let e = exponentA - exponentB;
      if (rest < significandB) { rest <<= 1; e--; }
      for (let n = 0; n < 63; n++) {
        quotient <<= 1;
        if (rest >= significandB) { rest -= significandB; quotient |= 1; }
        rest <<= 1;
      }
      return roundPack(wide, product, e, quotient | <u64>(rest != 0));
    }
    default: {
      if (kindA == INFINITE || kindB == INFINITE) {
        if (kindA == kindB && signA != signB) return invalid(wide);
        if (someDenormal) before |= DENORMAL;
        return (kindA == INFINITE ? signA : signB) ? signBit(wide) | infinity(wide) : infinity(wide);
      }
      if (someDenormal) before |= DENORMAL;
      const zero: u64 = signA == signB ? (signA ? signBit(wide) : 0) : mode() == DOWN ? signBit(wide) : 0;
      if (kindA == ZERO && kindB == ZERO) return zero;
      if (kindA == ZERO) return normalize(wide, signB, exponentB, significandB);
      if (kindB == ZERO) return normalize(wide, signA, exponentA, significandA);
      const difference = exponentA - exponentB, e = difference >= 0 ? exponentA : exponentB;
      const x = difference >= 0 ? significandA : jam(significandA, -difference), y = difference >= 0 ? jam(significandB, difference) : significandB;
      if (signA == signB) return normalize(wide, signA, e, x + y);
      if (x == y) return zero;
      return x > y ? normalize(wide, signA, e, x - y) : normalize(wide, signB, e, y - x);
    }
  }
}
function highProduct(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const middle = ah * bl + (al * bl >> 32), middle2 = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (middle2 >> 32);
}
function squareRoot(wide: i32, b: u64): u64 {
  if (isNaN_(wide, b)) return propagate(wide, b, b);
  const kind = unpack(wide, b);
  if (kind == ZERO) return sign ? signBit(wide) : 0;
  if (sign) return invalid(wide);
  if (kind == INFINITE) return b;
  if (denormal) before |= DENORMAL;
  // digit by digit: two bits of the radicand a step. value = s * 2^(e - 62), e made even
  let s = significand << 1, e = exponent;
  let rest: u64, root: u64 = 0;
  if (e & 1) { rest = s >> 62; s <<= 2; e -= 1; } else { rest = s >> 63; s <<= 1; }
  for (let n = 0; n < 60; n++) {
    root <<= 1;
    if (n > 0) { rest = rest << 2 | s >> 62; s <<= 2; }
    const trial = root << 1 | 1;
    if (rest >= trial) { rest -= trial; root |= 1; }
  }
  return normalize(wide, false, (e >> 1) + 3, root | <u64>(rest != 0));
}
/** -1, 0, 1 for numbers in order (a zero has no sign). */
function order(wide: i32, a: u64, b: u64): i32 {
  const daz = (load<u32>(CPU_MXCSR) & DAZ) != 0, low = <u64>1 << fractionBits(wide), magnitude = ~signBit(wide);
  let x = a & magnitude, y = b & magnitude;
  if (daz) { if (x < low) x = 0; if (y < low) y = 0; }
  const p: i64 = (a & signBit(wide)) != 0 ? -<i64>x : <i64>x, q: i64 = (b & signBit(wide)) != 0 ? -<i64>y : <i64>y;
  return p < q ? -1 : p > q ? 1 : 0;
}
function noteDenormal(wide: i32, a: u64): void {
  const magnitude = a & ~signBit(wide);
  if (magnitude != 0 && magnitude < <u64>1 << fractionBits(wide) && (load<u32>(CPU_MXCSR) & DAZ) == 0) before |= DENORMAL;
}
/** MIN and MAX: the second operand unless the first is strictly beyond it (SDM 2B 'MINSD'). */
function extremum(operation: i32, wide: i32, a: u64, b: u64): u64 {
  let result = b;
  if (isNaN_(wide, a) || isNaN_(wide, b)) before |= IE;
  else {
    noteDenormal(wide, a); noteDenormal(wide, b);
    const o = order(wide, a, b);
    if (operation == MIN ? o < 0 : o > 0) result = a;
  }
  // a denormal that counts as zero is returned as zero
  if ((load<u32>(CPU_MXCSR) & DAZ) != 0 && (result & ~signBit(wide)) < <u64>1 << fractionBits(wide)) return result & signBit(wide);
  return result;
}
/** CMPPS and its kind: all ones when the predicate (0 to 7) holds (SDM 2A 'CMPPD'). */
export function floatCompare(predicate: i32, wide: i32, left: u64, right: u64): u64 {
  const a = wide ? left : left & 0xffffffff, b = wide ? right : right & 0xffffffff, kind = predicate & 3;
  let holds: bool;
  if (isNaN_(wide, a) || isNaN_(wide, b)) {
    if (kind == 1 || kind == 2 || isSignaling(wide, a) || isSignaling(wide, b)) before |= IE;
    holds = kind == 3;
  } else {
    noteDenormal(wide, a); noteDenormal(wide, b);
    const o = order(wide, a, b);
    holds = kind == 0 ? o == 0 : kind == 1 ? o < 0 : kind == 2 ? o <= 0 : false;
  }
  return holds != ((predicate & 4) != 0) ? u64.MAX_VALUE : 0;
}
/** COMISS and UCOMISS (`quiet`): ZF, PF, CF as an RFLAGS image. */
export function floatOrder(quiet: i32, wide: i32, left: u64, right: u64): u64 {
  const a = wide ? left : left & 0xffffffff, b = wide ? right : right & 0xffffffff;
  if (isNaN_(wide, a) || isNaN_(wide, b)) {
    if (!quiet || isSignaling(wide, a) || isSignaling(wide, b)) before |= IE;
    return 0x45;
  }
  noteDenormal(wide, a); noteDenormal(wide, b);
  const o = order(wide, a, b);
  return o == 0 ? 0x40 : o < 0 ? 1 : 0;
}
/** A signed integer of 64 bits as a number. */
export function floatFromInteger(wide: i32, value: u64): u64 {
  if (value == 0) return 0;
  const negative = <i64>value < 0;
  return normalize(wide, negative, 62, negative ? 0 - value : value);
}
/** A number as a signed integer of 32 (`long` 0) or 64 bits; the integer indefinite value when it does not fit. */
export function floatToInteger(wide: i32, long: i32, truncates: i32, value: u64): u64 {
  const v = wide ? value : value & 0xffffffff, indefinite: u64 = long ? 1 << 63 : 0x80000000;
  const kind = unpack(wide, v);
  if (kind == ZERO) return 0;
  if (kind != FINITE || exponent > 63) { before |= IE; return indefinite; }
  let magnitude: u64, inexact = false;
  if (exponent >= 62) magnitude = significand << (exponent - 62);
  else {
    // what is dropped, as a fraction of one: below a half it only has to be there
    const shift = 62 - exponent, dropped: u64 = shift > 63 ? 1 : significand << (64 - shift);
    magnitude = shift > 63 ? 0 : significand >> shift;
    inexact = dropped != 0;
    if (!truncates && roundsUp(sign, (magnitude & 1) != 0, dropped, <u64>1 << 63)) magnitude++;
  }
  const limit: u64 = long ? 1 << 63 : 0x80000000;
  if (magnitude > limit || (magnitude == limit && !sign)) { before |= IE; return indefinite; }
  if (inexact) after |= PE;
  const result = sign ? 0 - magnitude : magnitude;
  return long ? result : result & 0xffffffff;
}
/** Single to double precision (`toWide`) or back. */
export function floatConvert(toWide: i32, value: u64): u64 {
  const wide = 1 - toWide, v = wide ? value : value & 0xffffffff, kind = unpack(wide, v), top: u64 = sign ? signBit(toWide) : 0;
  switch (kind) {
    case ZERO: return top;
    case INFINITE: return top | infinity(toWide);
    case FINITE:
      if (denormal) before |= DENORMAL;
      return roundPack(toWide, sign, exponent, significand);
    default: {
      if (kind == SIGNALING) before |= IE;
      const fraction = v & (signBit(wide) - 1) & ~infinity(wide);
      return top | infinity(toWide) | quietBit(toWide) | (toWide ? fraction << 29 : fraction >> 29);
    }
  }
}
/** RCPPS and RSQRTPS (`root`): an estimate, here the rounded quotient; no exceptions, denormals count as zero (SDM 2B 'RCPPS'). */
export function floatEstimate(root: i32, value: u64): u64 {
  let v = <u32>value;
  if ((v & 0x7fffffff) > 0x7f800000) return v | 0x400000;
  if ((v & 0x7f800000) == 0) v &= 0x80000000;
  const x = reinterpret<f32>(v);
  if (root && x < 0) return 0xffc00000;
  const r = reinterpret<u32>(<f32>(1.0 / (root ? Math.sqrt(<f64>x) : <f64>x)));
  return (r & 0x7f800000) == 0 ? r & 0x80000000 : r;
}
