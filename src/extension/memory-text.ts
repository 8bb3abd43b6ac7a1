// Memory as text that can be edited: a line for each 16 bytes, with its address, the bytes in hexadecimal and as characters. What is not mapped is `??`.
// Only addresses and bytes are read back: characters and lines with # in front are for the eye.

export interface MemoryBlock {
  /** In front of addresses: `L2:`, `gpa1:`, `phys:`. */
  readonly prefix: string;
  readonly address: bigint;
  /** As many as could be read. */
  readonly bytes: Uint8Array;
  readonly count: number;
}

/** Bytes to write at an address. */
export interface MemoryChange { readonly address: bigint; readonly bytes: Uint8Array }

const perLine = 16;
const hexOf = (value: number): string => value.toString(16).padStart(2, '0');
const printable = (value: number): string => value >= 0x20 && value < 0x7f ? String.fromCharCode(value) : '.';

export function memoryText({ prefix, address, bytes, count }: MemoryBlock): string {
  const lines = [`# Memory at ${prefix}0x${address.toString(16)}, ${count} bytes. Change bytes and save to write them.`];
  for (let at = 0; at < count; at += perLine) {
    const row = Array.from({ length: Math.min(perLine, count - at) }, (_, i) => at + i < bytes.length ? hexOf(bytes[at + i]) : '??');
    const cells = [row.slice(0, 8).join(' '), row.slice(8).join(' ')].join('  ').padEnd(perLine * 3);
    const text = [...bytes.subarray(at, Math.min(at + perLine, bytes.length))].map(printable).join('');
    lines.push(`${prefix}0x${BigInt.asUintN(64, address + BigInt(at)).toString(16).padStart(16, '0')}  ${cells}  |${text}|`);
  }
  return `${lines.join('\n')}\n`;
}

/** What a user changed. Throws an Error that names the line when a line is not of the form above. */
export function memoryChanges(text: string, before: MemoryBlock): MemoryChange[] {
  const changes: { address: bigint; bytes: number[] }[] = [];
  for (const [n, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, digits, cells] = /^\S*?0x([0-9a-f]{1,16})\s+([^|]*)(?:\||$)/i.exec(line) ?? [];
    if (digits === undefined) throw new Error(`Line ${n + 1} does not begin with an address.`);
    const words = cells.trim().split(/\s+/);
    for (const [i, word] of words.entries()) {
      if (word === '??' || word === '') continue;
      if (!/^[0-9a-f]{2}$/i.test(word)) throw new Error(`Line ${n + 1}: '${word}' is not a byte of two hexadecimal digits.`);
      const address = BigInt.asUintN(64, BigInt(`0x${digits}`) + BigInt(i)), at = Number(BigInt.asUintN(64, address - before.address)), value = parseInt(word, 16);
      if (at < 0 || at >= before.count) throw new Error(`Line ${n + 1} lies outside of the memory that is shown.`);
      if (at < before.bytes.length && before.bytes[at] === value) continue;
      const last = changes[changes.length - 1];
      if (last && BigInt.asUintN(64, last.address + BigInt(last.bytes.length)) === address) last.bytes.push(value);
      else changes.push({ address, bytes: [value] });
    }
  }
  return changes.map(({ address, bytes }) => ({ address, bytes: Uint8Array.from(bytes) }));
}

/** `L2:0x1000` to its parts; undefined when it is no reference to memory. */
export function splitReference(reference: string): { prefix: string; address: bigint } | undefined {
  const [, prefix, digits] = /^((?:L\d+(?:\.\d+)?|gpa\d+(?:\.\d+)?|phys):)?(0x[0-9a-f]+)$/i.exec(reference) ?? [];
  return digits === undefined ? undefined : { prefix: prefix ?? 'L0:', address: BigInt(digits) };
}
