// DWARF register numbers of the x86 (System V ABI AMD64 3.6.2 'DWARF Register Number Mapping'; i386 ABI likewise) and their names.

import type { ElfMachine } from '../elf';

/** Register values of a frame by DWARF number; undefined where a value is not known. */
export type RegisterValues = readonly (bigint | undefined)[];

export interface RegisterConvention {
  readonly names: readonly (string | undefined)[];
  readonly instructionPointer: number;
  readonly stackPointer: number;
  readonly framePointer: number;
  readonly addressSize: 4 | 8;
  /** Registers that a called function preserves, by the ABI. */
  readonly preserved: readonly number[];
}

function numbered(prefix: string, first: number, count: number): [number, string][] {
  return Array.from({ length: count }, (_, i) => [first + i, `${prefix}${i}`]);
}

function sparse(...entries: [number, string][]): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const [number, name] of entries) names[number] = name;
  return names;
}

function listed(first: number, names: string): [number, string][] {
  return names.split(' ').map((name, i) => [first + i, name]);
}

const x8664: RegisterConvention = {
  names: sparse(
    ...listed(0, 'rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip'),
    ...numbered('xmm', 17, 16), ...numbered('st', 33, 8), ...numbered('mm', 41, 8),
    ...listed(49, 'rflags es cs ss ds fs gs'), [58, 'fs.base'], [59, 'gs.base'], [62, 'tr'], [63, 'ldtr'], [64, 'mxcsr'], [65, 'fcw'], [66, 'fsw'],
  ),
  instructionPointer: 16, stackPointer: 7, framePointer: 6, addressSize: 8, preserved: [3, 6, 12, 13, 14, 15],
};

const i386: RegisterConvention = {
  names: sparse(
    ...listed(0, 'eax ecx edx ebx esp ebp esi edi eip eflags'), ...numbered('st', 11, 8), ...numbered('xmm', 21, 8), ...numbered('mm', 29, 8),
    [39, 'mxcsr'], ...listed(40, 'es cs ss ds fs gs'), [48, 'tr'], [49, 'ldtr'],
  ),
  instructionPointer: 8, stackPointer: 4, framePointer: 5, addressSize: 4, preserved: [3, 5, 6, 7],
};

/** The registers of a machine. */
export function registersOf(machine: ElfMachine): RegisterConvention {
  return machine === 'x86-64' ? x8664 : i386;
}

/** Values by DWARF number from values by name, for example `{ rip: 0x1000n, rsp: 0x8000n }`. Unknown names are ignored. */
export function registersByName(machine: ElfMachine, values: Readonly<Record<string, bigint | undefined>>): (bigint | undefined)[] {
  return registersOf(machine).names.map(name => (name === undefined ? undefined : values[name]));
}

/** Whether two frames know the same registers with the same values. */
export function registersAreEqual(a: RegisterValues, b: RegisterValues): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
