// Decompression of zlib streams (RFC 1950 and 1951), for debug sections that the linker compressed (SHF_COMPRESSED). The size of the
// result is known beforehand, so that the output is one array and can never grow beyond what the section promises.

import { SymbolError } from './symbol-error';

const LONGEST_CODE = 15;
const lengthBases = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBases = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const distanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
/** The order in which the lengths of the code-length code are written. */
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Deflate cannot compress better than this; a section that promises more is damaged. */
const BEST_RATIO = 1032;

/** Inflates a zlib stream of which `size` bytes come out. Throws SymbolError when it is damaged or gives another size. */
export function inflate(bytes: Uint8Array, size: number, where: string): Uint8Array {
  if (!Number.isSafeInteger(size) || size > bytes.length * BEST_RATIO + 64) throw new SymbolError('the compressed data promise more than they can hold', where);
  if (bytes.length < 2 || (bytes[0]! & 15) !== 8 || ((bytes[0]! << 8) | bytes[1]!) % 31 !== 0 || bytes[1]! & 0x20) throw new SymbolError('this is not a zlib stream', where);
  return new Inflater(bytes, size, where).run();
}

/** A canonical Huffman code: symbols sorted by code, and how many there are of each length. */
interface HuffmanCode {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
  /** Symbol and length by the next nine bits (length in the low four bits), 0 for longer codes. */
  readonly quick: Uint16Array;
}

const QUICK_BITS = 9;

function buildCode(lengths: ArrayLike<number>, where: string): HuffmanCode {
  const counts = new Uint16Array(LONGEST_CODE + 1);
  for (let i = 0; i < lengths.length; i++) counts[lengths[i]!]!++;
  counts[0] = 0;
  let left = 1;
  for (let length = 1; length <= LONGEST_CODE; length++) {
    left = left * 2 - counts[length]!;
    if (left < 0) throw new SymbolError('a Huffman code has too many symbols', where);
  }
  const offsets = new Uint16Array(LONGEST_CODE + 2);
  const nextCodes = new Uint16Array(LONGEST_CODE + 2);
  for (let length = 1; length <= LONGEST_CODE; length++) {
    offsets[length + 1] = offsets[length]! + counts[length]!;
    nextCodes[length + 1] = (nextCodes[length]! + counts[length]!) << 1;
  }
  const symbols = new Uint16Array(lengths.length);
  const quick = new Uint16Array(1 << QUICK_BITS);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]!;
    if (length === 0) continue;
    symbols[offsets[length]!++] = symbol;
    const code = nextCodes[length]!++;
    if (length > QUICK_BITS) continue;
    let reversed = 0;
    for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
    for (let entry = reversed; entry < quick.length; entry += 1 << length) quick[entry] = (symbol << 4) | length;
  }
  return { counts, symbols, quick };
}

let fixedCodes: { literals: HuffmanCode; distances: HuffmanCode } | undefined;

class Inflater {
  private readonly input: Uint8Array;
  private readonly output: Uint8Array;
  private readonly where: string;
  private position = 2;
  private written = 0;
  private bitBuffer = 0;
  private bitCount = 0;

  constructor(input: Uint8Array, size: number, where: string) {
    this.input = input;
    this.output = new Uint8Array(size);
    this.where = where;
  }

  private failure(what: string): SymbolError {
    return new SymbolError(what, this.where);
  }

  run(): Uint8Array {
    let isLast = false;
    while (!isLast) {
      isLast = this.bits(1) === 1;
      const type = this.bits(2);
      if (type === 0) this.stored();
      else if (type === 1) this.compressed((fixedCodes ??= this.fixed()));
      else if (type === 2) this.compressed(this.dynamic());
      else throw this.failure('a reserved block type in the compressed data');
    }
    if (this.written !== this.output.length) throw this.failure('the compressed data end too early');
    return this.output;
  }

  /** Makes at least `count` bits (at most 16) available; zeros follow the end, which `consume` notices. */
  private fill(count: number): void {
    while (this.bitCount < count) {
      this.bitBuffer |= (this.input[this.position++] ?? 0) << this.bitCount;
      this.bitCount += 8;
    }
  }

  private consume(count: number): void {
    this.bitBuffer >>>= count;
    this.bitCount -= count;
    if (this.position - (this.bitCount >> 3) > this.input.length) throw this.failure('the compressed data end too early');
  }

  private bits(count: number): number {
    if (count === 0) return 0;
    this.fill(count);
    const value = this.bitBuffer & ((1 << count) - 1);
    this.consume(count);
    return value;
  }

  private symbol(code: HuffmanCode): number {
    this.fill(LONGEST_CODE);
    const quick = code.quick[this.bitBuffer & ((1 << QUICK_BITS) - 1)]!;
    if (quick !== 0) {
      this.consume(quick & 15);
      return quick >> 4;
    }
    let value = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= LONGEST_CODE; length++) {
      value |= (this.bitBuffer >> (length - 1)) & 1;
      const count = code.counts[length]!;
      if (value - count < first) {
        this.consume(length);
        return code.symbols[index + (value - first)]!;
      }
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    throw this.failure('an unknown code in the compressed data');
  }

  private stored(): void {
    this.consume(this.bitCount & 7);
    this.position -= this.bitCount >> 3;
    this.bitBuffer = this.bitCount = 0;
    const length = this.bits(16);
    if ((this.bits(16) ^ 0xffff) !== length) throw this.failure('a stored block with a damaged length');
    this.position -= this.bitCount >> 3;
    this.bitBuffer = this.bitCount = 0;
    if (this.position + length > this.input.length || this.written + length > this.output.length) throw this.failure('a stored block reaches past the end');
    this.output.set(this.input.subarray(this.position, this.position + length), this.written);
    this.position += length;
    this.written += length;
  }

  private fixed(): { literals: HuffmanCode; distances: HuffmanCode } {
    const lengths = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
    return { literals: buildCode(lengths, this.where), distances: buildCode(Array(30).fill(5), this.where) };
  }

  private dynamic(): { literals: HuffmanCode; distances: HuffmanCode } {
    const literalCount = this.bits(5) + 257;
    const distanceCount = this.bits(5) + 1;
    const codeLengthCount = this.bits(4) + 4;
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codeLengthCount; i++) codeLengths[codeLengthOrder[i]!] = this.bits(3);
    const code = buildCode(codeLengths, this.where);
    const lengths = new Uint8Array(literalCount + distanceCount);
    for (let i = 0; i < lengths.length;) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw this.failure('a repeated length without a length');
      const value = symbol === 16 ? lengths[i - 1]! : 0;
      const repeat = symbol === 16 ? 3 + this.bits(2) : symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7);
      if (i + repeat > lengths.length) throw this.failure('too many code lengths');
      lengths.fill(value, i, i + repeat);
      i += repeat;
    }
    return { literals: buildCode(lengths.subarray(0, literalCount), this.where), distances: buildCode(lengths.subarray(literalCount), this.where) };
  }

  private compressed({ literals, distances }: { literals: HuffmanCode; distances: HuffmanCode }): void {
    const { output } = this;
    for (;;) {
      const symbol = this.symbol(literals);
      if (symbol < 256) {
        if (this.written >= output.length) throw this.failure('more data than the section promises');
        output[this.written++] = symbol;
        continue;
      }
      if (symbol === 256) return;
      if (symbol > 285) throw this.failure('an unknown length in the compressed data');
      const length = lengthBases[symbol - 257]! + this.bits(lengthBits[symbol - 257]!);
      const distanceSymbol = this.symbol(distances);
      if (distanceSymbol > 29) throw this.failure('an unknown distance in the compressed data');
      const distance = distanceBases[distanceSymbol]! + this.bits(distanceBits[distanceSymbol]!);
      if (distance > this.written || this.written + length > output.length) throw this.failure('a copy reaches outside the data');
      for (let i = 0; i < length; i++, this.written++) output[this.written] = output[this.written - distance]!;
    }
  }
}
