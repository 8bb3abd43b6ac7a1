// The loadable part of an ELF32 i386 image that carries a Multiboot 1 header (Multiboot Specification 0.6.96, 'OS image format').
import type { Machine } from '../machine';
import { BootError } from '.';
import { lowestLoadAddress } from './elf64';

export interface Elf32Image {
  readonly entry: number;
  readonly segments: readonly { address: number; bytes: Uint8Array; memoryBytes: number }[];
}

/** Where an image may lie below 1 MiB: above the real-mode vectors and data, below the video memory and firmware. */
export const conventional = { start: 0x7c00, end: 0x9_0000 } as const;

const PT_LOAD = 1, ET_EXEC = 2, EM_386 = 3;
const multibootMagic = 0x1badb002;

/** An ELF file of 32 bits; what is wrong with it is said by `parseElf32`. */
export const isElf32 = (bytes: Uint8Array): boolean => bytes.length > 52 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46 && bytes[4] === 1;

/** Offset of the Multiboot header: in the first 8 KiB, 4-byte aligned, its three words sum to 0. */
function multibootHeader(view: DataView): number | undefined {
  for (let at = 0; at + 12 <= Math.min(view.byteLength, 8192); at += 4) {
    if (view.getUint32(at, true) === multibootMagic && (multibootMagic + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)) % 2 ** 32 === 0) return at;
  }
  return undefined;
}

export function parseElf32(bytes: Uint8Array): Elf32Image {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = multibootHeader(view);
  if (header === undefined) throw new BootError('the 32-bit ELF file has no Multiboot header in its first 8 KiB');
  if (view.getUint32(header + 4, true) & 0xfff8) throw new BootError('the Multiboot header demands a feature that this loader does not have (flags 15:3)');
  const type = view.getUint16(16, true), machine = view.getUint16(18, true);
  if (bytes[5] !== 1 || machine !== EM_386) throw new BootError(`the 32-bit ELF file is for machine ${machine}, not i386 (3)`);
  if (type !== ET_EXEC) throw new BootError(`the ELF file is of type ${type}, not an executable (2): link it`);
  const offset = view.getUint32(28, true), size = view.getUint16(42, true), count = view.getUint16(44, true);
  if (size < 32 || offset + size * count > bytes.length) throw new BootError('the program header table lies outside the file');
  const segments = [];
  for (let n = 0; n < count; n++) {
    const at = offset + n * size;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const from = view.getUint32(at + 4, true), address = view.getUint32(at + 12, true), fileBytes = view.getUint32(at + 16, true), memoryBytes = view.getUint32(at + 20, true);
    if (from + fileBytes > bytes.length || fileBytes > memoryBytes) throw new BootError(`segment ${n} lies outside the file (${fileBytes} bytes at ${from} of ${bytes.length})`);
    if (memoryBytes > 0) segments.push({ address, bytes: bytes.subarray(from, from + fileBytes), memoryBytes });
  }
  if (segments.length === 0) throw new BootError('the ELF file has no loadable segment');
  return { entry: view.getUint32(24, true), segments };
}

/** Copies the segments to their physical addresses; returns the first free address after them. */
export function loadElf32(machine: Machine, image: Elf32Image): number {
  let end = 0;
  for (const s of image.segments) {
    const stop = s.address + s.memoryBytes;
    if (s.address < conventional.start || (s.address < lowestLoadAddress && stop > conventional.end)) {
      throw new BootError(`a segment at ${s.address.toString(16)}h lies in the first MiB outside of ${conventional.start.toString(16)}h to ${conventional.end.toString(16)}h`);
    }
    if (stop > machine.memoryBytes) throw new BootError(`a segment ends at ${stop.toString(16)}h, beyond the ${machine.memoryBytes / 2 ** 20} MiB of memory`);
    const contents = new Uint8Array(s.memoryBytes);
    contents.set(s.bytes);
    machine.writePhysical(BigInt(s.address), contents);
    end = Math.max(end, stop);
  }
  return end;
}

/** The machine state of the Multiboot specification ('Machine state'): protected mode, paging off, flat segments, A20 on, no IDT and no stack to rely on. */
export function enterProtectedMode(machine: Machine, entry: number, information: number): void {
  const r = machine.registers(0);
  r.set('cr0', 0x33n);
  r.set('cr4', 0n);
  r.set('efer', 0n);
  const segment = (name: string, selector: bigint, rights: bigint): void => {
    r.set(`${name}.selector`, selector); r.set(`${name}.base`, 0n); r.set(`${name}.limit`, 0xffffffffn); r.set(`${name}.rights`, rights);
  };
  segment('cs', 8n, 0xc09bn);
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs']) segment(name, 16n, 0xc093n);
  r.set('gdtr.limit', 0n);
  r.set('idtr.limit', 0n);
  r.set('rflags', 2n);
  r.set('rip', BigInt(entry));
  r.set('rsp', 0n);
  r.set('rax', 0x2badb002n);
  r.set('rbx', BigInt(information));
}
