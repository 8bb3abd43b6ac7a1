// Where an object or a part of it lies, and its bits: a location with a window of bits. Members and elements are windows into the place of
// their whole, so that one rule serves memory, registers, pieces and values without a place.

import type { Location, ReadMemory } from '../dwarf/expression';
import { littleEndian, toLittleEndian } from '../dwarf/expression-values';
import { hex } from '../symbol-error';

/** Bits [bitOffset, bitOffset + bitSize) of a location; `bitSize` undefined for an object of unknown size. */
export interface ObjectPlace {
  readonly location: Location;
  readonly bitOffset: number;
  readonly bitSize: number | undefined;
}

/** What reading a place needs. Registers are DWARF numbers of the frame; addresses are runtime addresses. */
export interface TargetReader {
  register(number: number): bigint | undefined;
  readonly readMemory: ReadMemory;
}

/** A change to memory or to a register that stores a value. Registers belong to the frame that the value was read in. */
export type TargetWrite =
  | { readonly kind: 'memory'; readonly address: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'register'; readonly register: number; readonly value: bigint };

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

export function success<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function failure(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

/** A part of a place. Parts of memory become memory again, so that addresses stay visible. */
export function partOf(place: ObjectPlace, bitOffset: number, bitSize: number | undefined): ObjectPlace {
  const offset = place.bitOffset + bitOffset;
  if (place.location.kind !== 'memory' || offset % 8 !== 0) return { location: place.location, bitOffset: offset, bitSize };
  return { location: { kind: 'memory', address: place.location.address + BigInt(offset / 8) }, bitOffset: 0, bitSize };
}

/** The address of a place that lies in memory at a whole byte. */
export function addressOf(place: ObjectPlace): bigint | undefined {
  return place.location.kind === 'memory' && place.bitOffset % 8 === 0 ? place.location.address + BigInt(place.bitOffset / 8) : undefined;
}

const MOST_BITS = 8 * 0x10000;

/** Why a window cannot be read or written in one go. Damaged debug data give members at any distance; memory has addresses there, nothing else has. */
function windowProblem({ location, bitOffset, bitSize = 0 }: ObjectPlace): string | undefined {
  if (bitSize > MOST_BITS) return 'the object is too large to be read or written at once';
  if (location.kind !== 'memory' && (bitOffset < 0 || bitOffset > MOST_BITS)) return 'the part lies outside of its object';
  return undefined;
}

/** Reads a window of at most 64 KB as an unsigned integer. */
export function readBits(place: ObjectPlace, target: TargetReader): Outcome<bigint> {
  const { location, bitOffset } = place;
  const bitSize = place.bitSize ?? 0;
  const problem = windowProblem(place);
  if (problem) return failure(problem);
  if (bitSize === 0) return success(0n);
  switch (location.kind) {
    case 'memory': {
      const first = Math.floor(bitOffset / 8);
      const bytes = Math.ceil((bitOffset + bitSize) / 8) - first;
      const start = location.address + BigInt(first);
      const data = target.readMemory(start, bytes);
      if (!data || data.length < bytes) return failure(`memory at ${hex(start)} cannot be read`);
      return success(BigInt.asUintN(bitSize, littleEndian(data.subarray(0, bytes)) >> BigInt(bitOffset - first * 8)));
    }
    case 'register': {
      const value = target.register(location.register);
      return value === undefined ? failure('the register is not known in this frame') : success(BigInt.asUintN(bitSize, value >> BigInt(bitOffset)));
    }
    case 'implicit':
      if (!location.isStackValue && bitOffset + bitSize > location.bytes.length * 8) return failure('the file gives fewer bytes than the object has');
      return success(BigInt.asUintN(bitSize, littleEndian(location.bytes) >> BigInt(bitOffset)));
    case 'pieces': return readPieces(location.pieces, bitOffset, bitSize, target);
    case 'implicitPointer': return failure('a pointer to an object that was optimized away');
    case 'unavailable': return failure(location.reason);
  }
}

type Pieces = (Location & { kind: 'pieces' })['pieces'];

/** The pieces under a window: each with the part of it concerned, and where that part begins in the window. */
function piecesUnder(pieces: Pieces, bitOffset: number, bitSize: number): { place: ObjectPlace; at: number }[] {
  const found: { place: ObjectPlace; at: number }[] = [];
  let start = 0;
  for (const piece of pieces) {
    const from = Math.max(bitOffset, start);
    const to = Math.min(bitOffset + bitSize, start + piece.bitSize);
    if (to > from) found.push({ place: { location: piece.location, bitOffset: piece.bitOffset + from - start, bitSize: to - from }, at: from - bitOffset });
    start += piece.bitSize;
  }
  return found;
}

function readPieces(pieces: Pieces, bitOffset: number, bitSize: number, target: TargetReader): Outcome<bigint> {
  let value = 0n;
  let covered = 0;
  for (const { place, at } of piecesUnder(pieces, bitOffset, bitSize)) {
    const part = readBits(place, target);
    if (!part.ok) return part;
    value |= part.value << BigInt(at);
    covered += place.bitSize!;
  }
  return covered === bitSize ? success(value) : failure('optimized out');
}

/** The writes that store an integer in a window of at most 64 KB. Bits around it are read and kept. Fails with the reason where there is no place to write. */
export function writeBits(place: ObjectPlace, value: bigint, target: TargetReader): Outcome<TargetWrite[]> {
  const { location, bitOffset } = place;
  const bitSize = place.bitSize ?? 0;
  if (bitSize === 0) return failure('an object without a size cannot be written');
  const problem = windowProblem(place);
  if (problem) return failure(problem);
  const stored = BigInt.asUintN(bitSize, value);
  switch (location.kind) {
    case 'memory': {
      const first = Math.floor(bitOffset / 8);
      const last = Math.ceil((bitOffset + bitSize) / 8);
      const start = location.address + BigInt(first);
      const whole: ObjectPlace = { location, bitOffset: first * 8, bitSize: (last - first) * 8 };
      const isExact = bitOffset % 8 === 0 && bitSize % 8 === 0;
      const old = isExact ? success(0n) : readBits(whole, target);
      if (!old.ok) return old;
      return success([{ kind: 'memory', address: start, bytes: toLittleEndian(insert(old.value, stored, bitOffset - first * 8, bitSize), last - first) }]);
    }
    case 'register': {
      const old = target.register(location.register);
      return old === undefined ? failure('the register is not known in this frame')
        : success([{ kind: 'register', register: location.register, value: insert(old, stored, bitOffset, bitSize) }]);
    }
    case 'pieces': {
      const writes: TargetWrite[] = [];
      let covered = 0;
      for (const { place: part, at } of piecesUnder(location.pieces, bitOffset, bitSize)) {
        const written = writeBits(part, stored >> BigInt(at), target);
        if (!written.ok) return written;
        writes.push(...written.value);
        covered += part.bitSize!;
      }
      return covered === bitSize ? success(writes) : failure('a part of the object is optimized out');
    }
    case 'implicit': return failure('the value was computed by the compiler and has no place that could be written');
    case 'implicitPointer': return failure('a pointer to an object that was optimized away cannot be written');
    case 'unavailable': return failure(location.reason);
  }
}

function insert(old: bigint, value: bigint, bitOffset: number, bitSize: number): bigint {
  const mask = ((1n << BigInt(bitSize)) - 1n) << BigInt(bitOffset);
  return (old & ~mask) | (value << BigInt(bitOffset));
}
