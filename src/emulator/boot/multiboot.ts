// The Multiboot 1 information structure that an image finds at RBX: command line, modules, memory map. It stands in the first MiB.
import type { Machine } from '../machine';
import { BootError } from '.';

/** Physical places in the first MiB that the loader keeps; the information structure moves to `otherInformation` where the image has its place. */
export const loaderArea = { information: 0x9000, end: 0x1_0000, otherInformation: 0x9_0000, tables: 0x1_0000 } as const;

const flags = { memory: 1, commandLine: 4, modules: 8, memoryMap: 0x40 };

/** Writes the structure to `base`, one of the two places above; returns its physical address. */
export function writeMultibootInformation(machine: Machine, base: number, commandLine: string, modules: readonly { start: number; end: number; commandLine: string }[]): number {
  const bytes = new Uint8Array(loaderArea.end - loaderArea.information), view = new DataView(bytes.buffer);
  let top = 128;
  const place = (size: number): number => {
    const at = top;
    top = Math.ceil((top + size) / 16) * 16;
    if (top > bytes.length) throw new BootError('the command lines of the program and its modules are too long');
    return at;
  };
  const text = (value: string): number => {
    const encoded = new TextEncoder().encode(value), at = place(encoded.length + 1);
    bytes.set(encoded, at);
    return base + at;
  };
  const word = (at: number, value: number): void => view.setUint32(at, value, true);
  word(0, flags.memory | flags.commandLine | flags.modules | flags.memoryMap);
  word(4, 640);
  word(8, machine.memoryBytes / 1024 - 1024);
  word(16, text(commandLine));
  const table = place(16 * modules.length);
  word(20, modules.length);
  word(24, base + table);
  modules.forEach((m, n) => { word(table + 16 * n, m.start); word(table + 16 * n + 4, m.end); word(table + 16 * n + 8, text(m.commandLine)); });
  const map = [[0, 0x9_fc00, 1], [0x9_fc00, 0x400, 2], [0xf_0000, 0x1_0000, 2], [0x10_0000, machine.memoryBytes - 0x10_0000, 1]];
  const mapAt = place(24 * map.length);
  word(44, 24 * map.length);
  word(48, base + mapAt);
  map.forEach(([start, size, kind], n) => {
    const at = mapAt + 24 * n;
    word(at, 20);
    view.setBigUint64(at + 4, BigInt(start), true);
    view.setBigUint64(at + 12, BigInt(size), true);
    word(at + 20, kind);
  });
  machine.writePhysical(BigInt(base), bytes);
  return base;
}
