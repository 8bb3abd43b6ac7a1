// Small programs in real-address and 32-bit protected mode: a machine whose memory holds their bytes (and, for protected mode, a GDT), run to HLT.
import type { Machine } from '../../../src/emulator/machine';
import { createTestMachine } from '../vmx/test-machine';

export const hex = (text: string): number[] => (text.replace(/\s/g, '').match(/../g) ?? []).map(b => parseInt(b, 16));
export const word = (n: number): number[] => [n & 255, n >> 8 & 255];
export const dword = (n: number): number[] => [...word(n & 0xffff), ...word(n >>> 16)];

export interface Program {
  readonly code: string;
  /** Where the code stands and starts; in real-address mode an offset in segment 0. */
  readonly origin?: number;
  readonly registers?: Readonly<Record<string, bigint | number>>;
  /** Memory by address, as bytes in hexadecimal. */
  readonly memory?: Readonly<Record<number, string | readonly number[]>>;
  readonly units?: number;
}

export class Run {
  constructor(readonly machine: Machine, readonly kind: string) {}
  get(name: string): number { return Number(this.machine.registers(0).get(name)); }
  bytes(address: number, length: number): number[] { return [...this.machine.readPhysical(BigInt(address), length)!]; }
  word(address: number): number { const [a, b] = this.bytes(address, 2); return a | b << 8; }
  dword(address: number): number { return (this.word(address) | this.word(address + 2) << 16) >>> 0; }
}

async function run(program: Program, start: Readonly<Record<string, bigint | number>>): Promise<Run> {
  const machine = await createTestMachine({ memoryBytes: 4 << 20 }), r = machine.registers(0);
  for (const [name, value] of Object.entries({ ...start, ...program.registers })) r.set(name, BigInt(value));
  machine.writePhysical(BigInt(program.origin ?? 0x1000), new Uint8Array(hex(program.code)));
  for (const [address, bytes] of Object.entries(program.memory ?? {})) machine.writePhysical(BigInt(address), new Uint8Array(typeof bytes === 'string' ? hex(bytes) : bytes));
  return new Run(machine, machine.run(program.units ?? 1000).kind);
}

/** Runs in real-address mode: CS = DS = ES = SS = 0, SP = 7C00h, the vector table at 0. */
export function real(program: Program): Promise<Run> {
  const start: Record<string, number> = { rip: program.origin ?? 0x1000, rsp: 0x7c00, 'idtr.base': 0, 'idtr.limit': 0x3ff };
  for (const s of ['cs', 'ds', 'es', 'ss', 'fs', 'gs']) { start[`${s}.selector`] = 0; start[`${s}.base`] = 0; }
  return run(program, start);
}

/** 8-byte descriptor of a segment: access byte and flags (G D L AVL) as the manual draws them. */
export function descriptor(base: number, limit: number, access: number, flags: number): number[] {
  return [...word(limit & 0xffff), ...word(base & 0xffff), base >> 16 & 255, access, (limit >> 16 & 15) | flags << 4, base >>> 24];
}
export const gate = (selector: number, offset: number, access: number, parameters = 0): number[] => [...word(offset & 0xffff), ...word(selector), parameters, access, ...word(offset >>> 16)];

export const at = { gdt: 0x2000, idt: 0x3000, tss: 0x4000, tss2: 0x4100, ldt: 0x4200, code: 0x1000, handler: 0x1800, user: 0x1c00, stack: 0x8000, userStack: 0x9000 } as const;
/** Selectors of the GDT that `protectedMode` makes. */
export const sel = { code: 0x08, data: 0x10, userCode: 0x1b, userData: 0x23, code16: 0x28, data16: 0x30, tss: 0x38, tss2: 0x40, ldt: 0x48, small: 0x50, expandDown: 0x58, conforming: 0x60, free: 0x68 } as const;

export const gdt: readonly (readonly number[])[] = [
  descriptor(0, 0, 0, 0), descriptor(0, 0xfffff, 0x9b, 0xc), descriptor(0, 0xfffff, 0x93, 0xc), descriptor(0, 0xfffff, 0xfb, 0xc), descriptor(0, 0xfffff, 0xf3, 0xc),
  descriptor(0, 0xffff, 0x9b, 0), descriptor(0, 0xffff, 0x93, 0), descriptor(at.tss, 0x67, 0x8b, 0), descriptor(at.tss2, 0x67, 0x89, 0), descriptor(at.ldt, 0x1f, 0x82, 0),
  descriptor(0x5000, 0xff, 0x93, 4), descriptor(0, 0x4fff, 0x97, 4), descriptor(0, 0xfffff, 0x9f, 0xc),
];

/** Runs in protected mode of 32 bits at level 0, flat segments, paging off, a TSS whose inner stack is at `at.stack`. */
export function protectedMode(program: Program): Promise<Run> {
  const start: Record<string, number> = {
    cr0: 0x33, rip: program.origin ?? at.code, rsp: at.stack, rflags: 2, 'gdtr.base': at.gdt, 'gdtr.limit': 0x7f, 'idtr.base': at.idt, 'idtr.limit': 0x7ff,
    'tr.selector': sel.tss, 'tr.base': at.tss, 'tr.limit': 0x67, 'tr.rights': 0x8b, 'ldtr.selector': 0, 'ldtr.rights': 0x10000,
  };
  const load = (s: string, selector: number, rights: number): void => { start[`${s}.selector`] = selector; start[`${s}.base`] = 0; start[`${s}.limit`] = 0xffffffff; start[`${s}.rights`] = rights; };
  load('cs', sel.code, 0xc09b);
  for (const s of ['ss', 'ds', 'es', 'fs', 'gs']) load(s, sel.data, 0xc093);
  const memory: Record<number, string | readonly number[]> = { [at.gdt]: gdt.flat(), [at.tss + 4]: [...dword(at.stack), ...word(sel.data)] };
  return run({ ...program, memory: { ...memory, ...program.memory } }, start);
}
