// A little-endian cursor over bytes, with every read checked against the end of its window. Reading past the end throws a
// SymbolError that names the window and the offset; nothing here allocates more than it reads.

import { SymbolError, hex } from './symbol-error';

const LONGEST_TEXT = 0x8000;

const utf8 = new TextDecoder();

/** A cursor over `bytes[position, end)`. `where` names the bytes in messages, `.debug_info` for example. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly where: string;
  readonly end: number;
  position: number;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, where: string, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.where = where;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = end;
    this.position = start;
    if (!(end <= bytes.length) || !(start >= 0 && start <= end)) throw new SymbolError('a part lies outside its section', `${where}+${hex(Math.max(0, start))}`);
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** A SymbolError at the current (or given) offset. */
  error(what: string, at = this.position): SymbolError {
    return new SymbolError(what, `${this.where}+${hex(at)}`);
  }

  /** A second cursor over a part of the same bytes. */
  window(start: number, end: number): ByteReader {
    if (end > this.end) throw this.error(`a length reaches past the end of its section (${hex(end)} > ${hex(this.end)})`, Math.max(0, start));
    return new ByteReader(this.bytes, this.where, start, end);
  }

  skip(count: number): void {
    if (!(count >= 0 && count <= this.remaining)) throw this.error('the data end too early');
    this.position += count;
  }

  private advance(count: number): number {
    const at = this.position;
    if (at + count > this.end) throw this.error('the data end too early');
    this.position = at + count;
    return at;
  }

  u8(): number {
    return this.bytes[this.advance(1)]!;
  }

  i8(): number {
    return this.view.getInt8(this.advance(1));
  }

  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  i16(): number {
    return this.view.getInt16(this.advance(2), true);
  }

  u24(): number {
    const at = this.advance(3);
    return this.bytes[at]! | (this.bytes[at + 1]! << 8) | (this.bytes[at + 2]! << 16);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  i32(): number {
    return this.view.getInt32(this.advance(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.advance(8), true);
  }

  i64(): bigint {
    return this.view.getBigInt64(this.advance(8), true);
  }

  /** An unsigned 64-bit value that must be a usable size or offset (below 2^53). */
  size64(): number {
    const at = this.position;
    const value = this.u64();
    if (value > 0x1f_ffff_ffff_ffffn) throw this.error(`a size or offset is absurd (${hex(value)})`, at);
    return Number(value);
  }

  /** A section offset: 4 or 8 bytes, as the DWARF format says. */
  offset(size: 4 | 8): number {
    return size === 4 ? this.u32() : this.size64();
  }

  /** An unsigned integer of 1, 2, 4 or 8 bytes. */
  unsigned(size: number): bigint {
    switch (size) {
      case 1: return BigInt(this.u8());
      case 2: return BigInt(this.u16());
      case 4: return BigInt(this.u32());
      case 8: return this.u64();
      default: throw this.error(`an integer of ${size} bytes is not supported`);
    }
  }

  /** ULEB128 as a number; values of 2^53 and more are an error. */
  uleb(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    const start = this.position - 1;
    let value = byte & 0x7f;
    let scale = 128;
    do {
      byte = this.u8();
      if ((byte & 0x7f) !== 0) value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    if (!(value <= Number.MAX_SAFE_INTEGER)) throw this.error('a LEB128 number is too large', start);
    return value;
  }

  /** SLEB128 as a number; values beyond 2^53 are an error. */
  sleb(): number {
    const start = this.position;
    const byte = this.u8();
    if (byte < 0x80) return byte & 0x40 ? byte - 0x80 : byte;
    this.position = start;
    const value = this.slebBig();
    if (value > 0x1f_ffff_ffff_ffffn || value < -0x1f_ffff_ffff_ffffn) throw this.error('a LEB128 number is too large', start);
    return Number(value);
  }

  /** ULEB128 reduced to 64 bits. */
  ulebBig(): bigint {
    return BigInt.asUintN(64, this.lebBig(false));
  }

  /** SLEB128 reduced to 64 bits. */
  slebBig(): bigint {
    return BigInt.asIntN(64, this.lebBig(true));
  }

  private lebBig(signed: boolean): bigint {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.u8();
      if (shift < 70n) value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return signed && byte & 0x40 ? value - (1n << (shift < 70n ? shift : 70n)) : value;
    }
  }

  skipLeb(): void {
    while (this.u8() >= 0x80);
  }

  /** Text up to a zero byte, which is consumed. */
  cstring(): string {
    const start = this.position;
    const stop = this.bytes.indexOf(0, start);
    if (stop < 0 || stop >= this.end) throw this.error('a string has no end', start);
    if (stop - start > LONGEST_TEXT) throw this.error('a string is absurdly long', start);
    this.position = stop + 1;
    return decodeText(this.bytes, start, stop);
  }

  skipCstring(): void {
    const stop = this.bytes.indexOf(0, this.position);
    if (stop < 0 || stop >= this.end) throw this.error('a string has no end');
    this.position = stop + 1;
  }

  /** A view (not a copy) of the next `count` bytes. */
  block(count: number): Uint8Array {
    const at = this.position;
    this.skip(count);
    return this.bytes.subarray(at, at + count);
  }

  /** The initial length of a DWARF unit (DWARF 5, 7.4 '32-Bit and 64-Bit DWARF Formats'), and the offset size that it implies. */
  initialLength(): { length: number; offsetSize: 4 | 8 } {
    const at = this.position;
    const length = this.u32();
    if (length < 0xffff_fff0) return { length, offsetSize: 4 };
    if (length === 0xffff_ffff) return { length: this.size64(), offsetSize: 8 };
    throw this.error(`a reserved unit length (${hex(length)})`, at);
  }
}

function decodeText(bytes: Uint8Array, start: number, stop: number): string {
  if (stop - start > 64) return utf8.decode(bytes.subarray(start, stop));
  let text = '';
  for (let i = start; i < stop; i++) {
    const code = bytes[i]!;
    if (code >= 0x80) return utf8.decode(bytes.subarray(start, stop));
    text += String.fromCharCode(code);
  }
  return text;
}
