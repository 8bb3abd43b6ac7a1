// A 64-bit ELF image made of bytes: one segment of code, loaded where it is linked. For tests that need a program, not a compiler.

export const imageBase = 0x20_0000;

/** An ELF64 executable with `code` at `imageBase`, entered at its first byte. */
export function tinyImage(code: readonly number[]): Uint8Array {
  const headers = 64 + 56, offset = 0x1000, bytes = new Uint8Array(offset + code.length), view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(imageBase), true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint16(58, 64, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // R X
  view.setBigUint64(72, BigInt(offset), true);
  view.setBigUint64(80, BigInt(imageBase), true);
  view.setBigUint64(88, BigInt(imageBase), true);
  view.setBigUint64(96, BigInt(code.length), true);
  view.setBigUint64(104, BigInt(code.length), true);
  view.setBigUint64(112, 0x1000n, true);
  bytes.set(code, offset);
  if (headers > offset) throw new Error('the headers do not fit');
  return bytes;
}

/** mov dx, port; mov al, byte; out dx, al */
const out = (port: number, byte: number): number[] => [0x66, 0xba, port & 0xff, port >> 8, 0xb0, byte, 0xee];
const say = (text: string): number[] => [...text].flatMap(character => out(0x3f8, character.charCodeAt(0)));

/** Says `text` on the serial port and ends the machine through the debug exit. */
export const talker = (text: string, code: number): Uint8Array => tinyImage([...say(text), ...out(0xf4, code), 0xf4, 0xeb, 0xfd]);
/** Counts in RAX for ever: inc rax; jmp back. */
export const counter = (): Uint8Array => tinyImage([0x48, 0xff, 0xc0, 0xeb, 0xfb]);
/** Halts for ever with interrupts off: cli; hlt; jmp back. */
export const sleeper = (): Uint8Array => tinyImage([0xfa, 0xf4, 0xeb, 0xfd]);
/** Resets the machine, and switches it off. */
export const resetter = (): Uint8Array => tinyImage(out(0xcf9, 6));
export const switcher = (): Uint8Array => tinyImage(out(0x605, 0x20));
/** Executes UD2 with no IDT: a triple fault. */
export const faulter = (): Uint8Array => tinyImage([0x0f, 0x01, 0x1d, 0x02, 0x00, 0x00, 0x00, 0x0f, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
