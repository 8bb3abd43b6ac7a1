// Pure functions behind single instructions that have no short form in WebAssembly: PDEP, PEXT, CRC32.

/** PDEP (SDM 2B 'PDEP'): the low bits of `value`, in order, to the places of the ones of `mask`. */
export function depositBits(value: u64, mask: u64): u64 {
  let result: u64 = 0, rest = mask, from = value;
  while (rest != 0) {
    const lowest = rest & (0 - rest);
    if (from & 1) result |= lowest;
    from >>= 1;
    rest ^= lowest;
  }
  return result;
}
/** PEXT (SDM 2B 'PEXT'): the bits of `value` at the ones of `mask`, packed at the bottom. */
export function extractBits(value: u64, mask: u64): u64 {
  let result: u64 = 0, rest = mask, place: u64 = 1;
  while (rest != 0) {
    const lowest = rest & (0 - rest);
    if (value & lowest) result |= place;
    place <<= 1;
    rest ^= lowest;
  }
  return result;
}
/** CRC32 (SDM 2A 'CRC32'): CRC-32C, bit-reversed polynomial 82F63B78H, of `bits` bits more. */
export function accumulateCrc(crc: u64, value: u64, bits: u64): u64 {
  let c = <u32>crc, v = value;
  for (let n: u64 = 0; n < bits; n += 8) {
    c ^= <u32>(v & 0xff);
    v >>= 8;
    for (let k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
  }
  return c;
}
