// Boots images: the program and its modules go into memory, the processor is set to the program's entry state.
// ELF64 images are entered in 64-bit mode over an identity map, with a Multiboot information structure (docs: MANUAL 'Boot protocol');
// ELF32 images with a Multiboot 1 header in 32-bit protected mode, as that specification says.
import type { Machine } from '../machine';
import { enterProtectedMode, isElf32, loadElf32, parseElf32 } from './elf32';
import { loadElf64, parseElf64 } from './elf64';
import { writeFirmwareTables } from './firmware-tables';
import { enterLongMode, identityMap } from './long-mode';
import { loaderArea, writeMultibootInformation } from './multiboot';

export interface BootModule { readonly name: string; readonly bytes: Uint8Array; readonly commandLine: string }
export interface BootImages {
  readonly program: Uint8Array;
  readonly commandLine: string;
  readonly modules: readonly BootModule[];
}
/** Where things were put; physical addresses. */
export interface BootResult { readonly entry: bigint; readonly loadAddress: bigint; readonly modules: readonly { name: string; start: number; end: number }[] }

/** An image that cannot be booted; the message says what is wrong with it. */
export class BootError extends Error {}

const twoMiB = 0x20_0000;
const alignUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Loads everything and sets the boot processor's registers. Throws BootError. */
export function bootImages(machine: Machine, images: BootImages): BootResult {
  const elf32 = isElf32(images.program) ? parseElf32(images.program) : undefined, elf64 = elf32 ? undefined : parseElf64(images.program);
  const base = elf64?.relocatable ? twoMiB : 0;
  const end = elf32 ? loadElf32(machine, elf32) : loadElf64(machine, elf64!, base);
  // modules follow the program, each on a page boundary
  let at = alignUp(end, twoMiB);
  const modules = images.modules.map(m => {
    const start = at, stop = start + m.bytes.length;
    if (!machine.writePhysical(BigInt(start), m.bytes)) throw new BootError(`module ${m.name} (${m.bytes.length} bytes) does not fit in ${machine.memoryBytes / 2 ** 20} MiB of memory`);
    at = alignUp(stop, 0x1000);
    return { name: m.name, start, end: stop, commandLine: m.commandLine };
  });
  const isLow = elf32?.segments.some(s => s.address < loaderArea.end) ?? false;
  const information = writeMultibootInformation(machine, isLow ? loaderArea.otherInformation : loaderArea.information, images.commandLine, modules);
  writeFirmwareTables(machine);
  const entry = BigInt(base) + BigInt(elf32 ? elf32.entry : elf64!.entry);
  if (elf32) enterProtectedMode(machine, elf32.entry, information);
  else enterLongMode(machine, { entry, cr3: identityMap(machine), rax: 0x2badb002n, rbx: BigInt(information) });
  return { entry, loadAddress: BigInt(base), modules: modules.map(({ name, start, end: stop }) => ({ name, start, end: stop })) };
}
