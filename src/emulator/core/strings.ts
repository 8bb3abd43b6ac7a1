// String instructions (SDM 2B 'REP/REPE/REPZ/REPNE/REPNZ'). A repeated one runs as many iterations as the budget has units, so that it can
// be interrupted between any two; each iteration is a unit. A fault leaves the registers at the iteration that did not complete.
import { CPU_FLAGS_C, CPU_FLAGS_R, CPU_GPR, CPU_MODE, CPU_RFLAGS_SYSTEM, M_BUDGET, WATCH_PORT } from './generated/layout';
import { interceptPort } from './vmx/intercepts';
import { portRead, portWrite } from '../devices/bus';
import { direct, directBytes, loadData, probeData, storeData } from './memory';
import { linearAddress, operandSize, recordAddressSize, recordSegment, repeat, writeSized } from './operands';
import { portAllowed } from './ports';
import { EXITED, hasHits, notePlace, placeIsWatched, READS, unnote, WRITES } from './watch';
import { ABORT, aborted, DF, ES, JUMPED, NEXT, RAX, RCX, RDI, RDX, reg, RSI, setReg, arithmeticFlags, ZF } from './state';

@inline function addressMask(pc: usize): u64 { const s = recordAddressSize(pc); return s == 2 ? u64.MAX_VALUE : s == 1 ? 0xffffffff : 0xffff; }
@inline function step(pc: usize): u64 { const n = <i64>1 << operandSize(pc); return <u64>((load<u64>(CPU_RFLAGS_SYSTEM) & DF) != 0 ? -n : n); }
/** Writes a pointer or count register by address size: 16 bits keep the rest, 32 bits clear the upper half. */
@inline function setPointer(pc: usize, n: u32, v: u64): void {
  const s = recordAddressSize(pc);
  if (s == 2) setReg(n, v); else if (s == 1) setReg(n, v & 0xffffffff); else store<u16>(CPU_GPR + (<usize>n << 3), <u16>v);
}
@inline function advance(pc: usize, n: u32): void { setPointer(pc, n, (reg(n) + step(pc)) & addressMask(pc)); }
@inline function flat(segment: u32): bool { return (load<u32>(CPU_MODE) & 3) == 2 && segment < 4; }

/** Kinds of iteration. */
@inline const MOVS: u32 = 0; @inline const STOS: u32 = 1; @inline const LODS: u32 = 2; @inline const CMPS: u32 = 3; @inline const SCAS: u32 = 4; @inline const INS: u32 = 5; @inline const OUTS: u32 = 6;

function source(pc: usize): u64 { return linearAddress(recordSegment(pc), reg(RSI) & addressMask(pc), 1 << operandSize(pc)); }
function destination(pc: usize, write: bool): u64 { return linearAddress(ES, reg(RDI) & addressMask(pc), 1 << operandSize(pc), write); }

/** Flags of a - b at an operand size. */
function compareFlags(a: u64, b: u64, size: u32): void {
  const bits: u64 = 8 << size, shift = 64 - bits, r = a - b, wrapped = size == 3 ? r : r & ((<u64>1 << bits) - 1);
  const raw = (~a & b) | ((~a | b) & wrapped);
  store<u64>(CPU_FLAGS_R, <u64>(<i64>(wrapped << shift) >> shift));
  store<u64>(CPU_FLAGS_C, size == 3 ? raw & 0xc000000000000008 : raw << shift | raw & 8);
}

/** One iteration; ABORT leaves everything as before it. */
function iterate(pc: usize, kind: u32): i32 {
  const size = operandSize(pc), bytes: u32 = 1 << size;
  switch (kind) {
    case MOVS: {
      const from = source(pc); if (aborted()) return ABORT;
      const to = destination(pc, true); if (aborted()) return ABORT;
      const v = loadData(from, bytes); if (aborted()) return ABORT;
      if (storeData(to, v, bytes)) return ABORT;
      advance(pc, RSI); advance(pc, RDI);
      return NEXT;
    }
    case STOS: {
      const to = destination(pc, true); if (aborted()) return ABORT;
      if (storeData(to, reg(RAX), bytes)) return ABORT;
      advance(pc, RDI);
      return NEXT;
    }
    case LODS: {
      const from = source(pc); if (aborted()) return ABORT;
      const v = loadData(from, bytes); if (aborted()) return ABORT;
      writeSized(RAX, size, v);
      advance(pc, RSI);
      return NEXT;
    }
    case CMPS: {
      const from = source(pc); if (aborted()) return ABORT;
      const to = destination(pc, false); if (aborted()) return ABORT;
      const a = loadData(from, bytes); if (aborted()) return ABORT;
      const b = loadData(to, bytes); if (aborted()) return ABORT;
      compareFlags(a, b, size);
      advance(pc, RSI); advance(pc, RDI);
      return NEXT;
    }
    case SCAS: {
      const to = destination(pc, false); if (aborted()) return ABORT;
      const b = loadData(to, bytes); if (aborted()) return ABORT;
      compareFlags(size == 3 ? reg(RAX) : reg(RAX) & ((<u64>1 << (8 << size)) - 1), b, size);
      advance(pc, RDI);
      return NEXT;
    }
    case INS: {
      const to = destination(pc, true); if (aborted()) return ABORT;
      // the store is probed before the port is read: reading has side effects
      if (probeData(to, bytes)) return ABORT;
      const port = <u32>reg(RDX) & 0xffff, v: u64 = portRead(port, bytes);
      if (placeIsWatched(WATCH_PORT, port, bytes, READS)) notePlace(WATCH_PORT, READS, port, bytes, v, v, 0);
      storeData(to, v, bytes);
      advance(pc, RDI);
      return NEXT;
    }
    default: {
      const from = source(pc); if (aborted()) return ABORT;
      const v = loadData(from, bytes); if (aborted()) return ABORT;
      const port = <u32>reg(RDX) & 0xffff;
      if (placeIsWatched(WATCH_PORT, port, bytes, WRITES)) notePlace(WATCH_PORT, WRITES, port, bytes, v, v, 0);
      portWrite(port, bytes, <u32>v);
      advance(pc, RSI);
      return NEXT;
    }
  }
}

/** Several iterations of an upward MOVS or STOS at once, inside one page each; returns how many were done. */
function bulk(pc: usize, kind: u32, most: u64): u64 {
  if ((load<u64>(CPU_RFLAGS_SYSTEM) & DF) != 0 || recordAddressSize(pc) != 2 || !flat(recordSegment(pc))) return 0;
  const size = operandSize(pc);
  const to = direct(reg(RDI), true);
  if (!to) return 0;
  let bytes = directBytes;
  if (kind == MOVS) {
    const from = direct(reg(RSI), false);
    if (!from) return 0;
    if (directBytes < bytes) bytes = directBytes;
    const n = min<u64>(most, <u64>(bytes >> size));
    if (n == 0) return 0;
    const length = <usize>n << size;
    if (to > from && to < from + length) {                                            // overlapping upward: element by element, as the processor does
      for (let i: usize = 0; i < length; i += <usize>1 << size) {
        if (size == 3) store<u64>(to + i, load<u64>(from + i)); else if (size == 2) store<u32>(to + i, load<u32>(from + i));
        else if (size == 1) store<u16>(to + i, load<u16>(from + i)); else store<u8>(to + i, load<u8>(from + i));
      }
    } else memory.copy(to, from, length);
    setReg(RSI, reg(RSI) + length);
    setReg(RDI, reg(RDI) + length);
    return n;
  }
  const n = min<u64>(most, <u64>(bytes >> size));
  const length = <usize>n << size, v = reg(RAX);
  if (size == 0) memory.fill(to, <u8>v, length);
  else for (let i: usize = 0; i < length; i += <usize>1 << size) {
    if (size == 3) store<u64>(to + i, v); else if (size == 2) store<u32>(to + i, <u32>v); else store<u16>(to + i, <u16>v);
  }
  setReg(RDI, reg(RDI) + length);
  return n;
}

function run(pc: usize, kind: u32): i32 {
  const prefix = repeat(pc);
  if (prefix == 0) return iterate(pc, kind);
  const mask = addressMask(pc), compares = kind == CMPS || kind == SCAS;
  let count = reg(RCX) & mask, done: u64 = 0;
  if (count == 0) return NEXT;
  const budget = load<i32>(M_BUDGET), allowed: u64 = budget < 0 ? 1 : <u64>budget + 1;  // this instruction's own unit is taken already
  let result = JUMPED;
  while (done < allowed) {
    const left = min<u64>(count, allowed - done);
    const n = kind <= STOS ? bulk(pc, kind, left) : 0;
    if (n == 0) {
      if (iterate(pc, kind)) { result = ABORT; break; }
      count--; done++;
      setPointer(pc, RCX, count);
      if (compares && ((arithmeticFlags() & ZF) != 0) != (prefix == 1)) { result = NEXT; break; }
    } else {
      count -= n; done += n;
      setPointer(pc, RCX, count);
    }
    if (count == 0) { result = NEXT; break; }
    if (kind >= INS && (load<i32>(M_BUDGET) < budget || hasHits())) break;             // a port asked for attention, or is watched
  }
  // units: one per completed iteration; an abandoned iteration gives back the unit that the run loop took
  const extra = result == ABORT ? done : done - 1;
  store<i32>(M_BUDGET, load<i32>(M_BUDGET) - <i32>extra);
  return result;
}

export function movs(pc: usize): i32 { return run(pc, MOVS); }
export function stos(pc: usize): i32 { return run(pc, STOS); }
export function lods(pc: usize): i32 { return run(pc, LODS); }
export function cmps(pc: usize): i32 { return run(pc, CMPS); }
export function scas(pc: usize): i32 { return run(pc, SCAS); }
export function ins(pc: usize): i32 {
  const port = <u32>reg(RDX) & 0xffff, bytes: u32 = 1 << operandSize(pc);
  if (repeat(pc) != 0 && (reg(RCX) & addressMask(pc)) == 0) return NEXT;
  if (portAllowed(port, bytes)) return ABORT;
  const linear = destination(pc, true);
  if (aborted()) return ABORT;
  const watched = placeIsWatched(WATCH_PORT, port, bytes, READS);
  if (watched) notePlace(WATCH_PORT, READS, port, bytes, 0, 0, EXITED);
  if (interceptPort(port, bytes, true, true, repeat(pc) != 0, false, linear, recordAddressSize(pc), ES)) return ABORT;
  if (watched) unnote();
  return run(pc, INS);
}
export function outs(pc: usize): i32 {
  const port = <u32>reg(RDX) & 0xffff, bytes: u32 = 1 << operandSize(pc);
  if (repeat(pc) != 0 && (reg(RCX) & addressMask(pc)) == 0) return NEXT;
  if (portAllowed(port, bytes)) return ABORT;
  const linear = source(pc);
  if (aborted()) return ABORT;
  const watched = placeIsWatched(WATCH_PORT, port, bytes, WRITES);
  if (watched) notePlace(WATCH_PORT, WRITES, port, bytes, 0, 0, EXITED);
  if (interceptPort(port, bytes, false, true, repeat(pc) != 0, false, linear, recordAddressSize(pc), recordSegment(pc))) return ABORT;
  if (watched) unnote();
  return run(pc, OUTS);
}
