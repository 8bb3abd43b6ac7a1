// `x`: memory in a format, in the words of gdb: a count, a format and a size, at an address of any space.
import { hex, type ConsoleCommand } from './command';
import { symbolAt } from '../target/machine-session';
import { placeOf, placePrefix, placeText, type CommandPlace } from './places';

const formats = ['x', 'd', 'u', 'o', 't', 'a', 'c', 's', 'i'] as const, sizes = { b: 1, h: 2, w: 4, g: 8 } as const;
type Format = (typeof formats)[number];
type Size = keyof typeof sizes;
const most = 4096, longestText = 1024;

export const x: ConsoleCommand = {
  name: 'x', usage: 'x/FMT ADDRESS', sentence: 'Memory: a count, a format of x d u o t a c s i and a size of b h w g, as in x/8xg rsp, x/16xb L2:0x1000, x/4xg gpa1:0x2000, x/2xw phys:0x0, x/s text.',
  run(argument, scope) {
    const [, letters = '', text = ''] = /^(?:\/(\w*)\s)?\s*(.+)$/s.exec(argument) ?? [], wish = wishOf(letters), place = wish && placeOf(text.trim(), scope);
    if (!wish || !place) return undefined;
    const { count, format, size } = wish, { memory, images } = scope.session;
    if (format === 'i') return { text: `${placeText(place)} (no disassembler here)`, memory: placeText(place), listing: { reference: placeText(place), count } };
    if (format === 's') return { text: strings(place, count, (at, length) => memory.read(place.context, place.space, at, length)), memory: placeText(place) };
    const bytes = memory.read(place.context, place.space, place.address, count * size);
    if (bytes.length < size) throw new Error(`the memory at ${placeText(place)} is not mapped`);
    const perRow = format === 'c' ? 8 : Math.max(1, 16 / size), items = Math.floor(bytes.length / size), lines: string[] = [];
    for (let n = 0; n < items; n += perRow) {
      const at = BigInt.asUintN(64, place.address + BigInt(n * size)), symbol = place.space === 'linear' ? symbolAt(images, place.context, at).symbol : undefined;
      const cells = Array.from({ length: Math.min(perRow, items - n) }, (_, i) => {
        const value = valueAt(bytes, (n + i) * size, size), name = format === 'a' ? symbolAt(images, place.context, value).symbol : undefined;
        return itemText(value, format, size) + (name === undefined ? '' : ` <${name}>`);
      });
      lines.push(`${placePrefix(place)}${hex(at)}${symbol === undefined ? '' : ` <${symbol}>`}:  ${cells.join('  ')}`);
    }
    if (items < count) lines.push(`The memory at ${placePrefix(place)}${hex(place.address + BigInt(items * size))} is not mapped.`);
    return { text: lines.join('\n'), memory: placeText(place) };
  },
};

/** `8xg`: in any order after the count; undefined when a letter is neither format nor size. */
export function wishOf(letters: string): { readonly count: number; readonly format: Format; readonly size: number } | undefined {
  const [, digits = '', rest = ''] = /^(\d*)([a-z]*)$/.exec(letters) ?? [];
  if (letters !== digits + rest || digits.length > 6) return undefined;
  let format: Format | undefined, size: Size | undefined;
  for (const letter of rest) {
    const isFormat = (formats as readonly string[]).includes(letter);
    if (isFormat ? format !== undefined : !Object.hasOwn(sizes, letter) || size !== undefined) return undefined;
    if (isFormat) format = letter as Format;
    else size = letter as Size;
  }
  return { count: Math.min(most, Math.max(1, digits === '' ? 1 : Number(digits))), format: format ?? 'x', size: size ? sizes[size] : format === 'c' ? 1 : 8 };
}

function valueAt(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[at + i]);
  return value;
}

function itemText(value: bigint, format: Format, size: number): string {
  switch (format) {
    case 'd': return String(BigInt.asIntN(size * 8, value));
    case 'u': return String(value);
    case 'o': return `0o${value.toString(8)}`;
    case 't': return `0b${value.toString(2).padStart(size * 8, '0')}`;
    case 'c': return `${BigInt.asIntN(8, value)} ${value >= 32n && value < 127n ? `'${String.fromCharCode(Number(value))}'` : `'\\x${value.toString(16).padStart(2, '0')}'`}`;
    default: return `0x${value.toString(16).padStart(size * 2, '0')}`;
  }
}

function strings(place: CommandPlace, count: number, read: (at: bigint, length: number) => Uint8Array): string {
  const lines: string[] = [];
  let at = place.address;
  for (let n = 0; n < count; n++) {
    const bytes = read(at, longestText), end = bytes.indexOf(0), found = end < 0 ? bytes : bytes.subarray(0, end);
    if (bytes.length === 0) {
      if (n === 0) throw new Error(`the memory at ${placeText(place)} is not mapped`);
      break;
    }
    lines.push(`${placePrefix(place)}${hex(at)}:  ${JSON.stringify(new TextDecoder().decode(found))}${end < 0 ? '...' : ''}`);
    at = BigInt.asUintN(64, at + BigInt(found.length + 1));
  }
  return lines.join('\n');
}
