// The loadable part of an ELF64 x86-64 image (System V ABI, 'Program Loading'): program headers only. Symbols are read elsewhere.
import type { Machine } from '../machine';
import { BootError } from '.';

export interface Elf64Image {
  readonly entry: bigint;
  /** ET_DYN: may be put anywhere. */
  readonly relocatable: boolean;
  readonly segments: readonly { address: number; bytes: Uint8Array; memoryBytes: number }[];
}

const PT_LOAD = 1, ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62;
/** Images are loaded from the first MiB up; below it stand the loader's own structures. */
export const lowestLoadAddress = 0x10_0000;

export function parseElf64(bytes: Uint8Array): Elf64Image {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46) throw new BootError('not an ELF file (it does not begin with 7F 45 4C 46)');
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new BootError('not a little-endian ELF64 file: this version boots 64-bit images');
  const type = view.getUint16(16, true), machine = view.getUint16(18, true);
  if (machine !== EM_X86_64) throw new BootError(`the ELF file is for machine ${machine}, not x86-64 (62)`);
  if (type !== ET_EXEC && type !== ET_DYN) throw new BootError(`the ELF file is of type ${type}, not an executable (2) or position-independent executable (3): link it`);
  const number = (at: number, what: string): number => {
    const value = view.getBigUint64(at, true);
    if (value > 0xffff_ffffn) throw new BootError(`${what} is ${value.toString(16)}h, beyond 4 GiB`);
    return Number(value);
  };
  const offset = number(32, 'the program header table'), size = view.getUint16(54, true), count = view.getUint16(56, true);
  if (size < 56 || offset + size * count > bytes.length) throw new BootError('the program header table lies outside the file');
  const segments = [];
  for (let n = 0; n < count; n++) {
    const at = offset + n * size;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const from = number(at + 8, `the file offset of segment ${n}`), address = number(at + 24, `the physical address of segment ${n}`);
    const fileBytes = number(at + 32, `the file size of segment ${n}`), memoryBytes = number(at + 40, `the memory size of segment ${n}`);
    if (from + fileBytes > bytes.length || fileBytes > memoryBytes) throw new BootError(`segment ${n} lies outside the file (${fileBytes} bytes at ${from} of ${bytes.length})`);
    segments.push({ address, bytes: bytes.subarray(from, from + fileBytes), memoryBytes });
  }
  if (segments.length === 0) throw new BootError('the ELF file has no loadable segment');
  return { entry: view.getBigUint64(24, true), relocatable: type === ET_DYN, segments };
}

/** Copies the segments at `base` + their physical addresses; returns the first free address after them. */
export function loadElf64(machine: Machine, image: Elf64Image, base: number): number {
  let end = 0;
  for (const s of image.segments) {
    const at = base + s.address, stop = at + s.memoryBytes;
    if (at < lowestLoadAddress) throw new BootError(`a segment at ${at.toString(16)}h lies in the first MiB, which the loader keeps`);
    const contents = new Uint8Array(s.memoryBytes <= machine.memoryBytes ? s.memoryBytes : 0);
    if (stop > machine.memoryBytes) throw new BootError(`a segment ends at ${stop.toString(16)}h, beyond the ${machine.memoryBytes / 2 ** 20} MiB of memory`);
    contents.set(s.bytes);
    machine.writePhysical(BigInt(at), contents);
    end = Math.max(end, stop);
  }
  return end;
}
