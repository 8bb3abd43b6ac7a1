// Random programs that make hard whatever replay has to get right: interrupts of several timers at any instant, halts, single steps, NMIs,
// string instructions across pages, page tables changed with and without invalidation (what the TLB still holds decides what the program
// sees), code that changes itself, faults, reads of clocks. One seed, one program; it runs for ever.
import { readFileSync } from 'node:fs';
import type { Machine, MachineOptions } from '../../../src/emulator/machine';
import * as asm from '../vmx/machine-code';
import { createTestMachine } from '../vmx/test-machine';

/** Numbers below n out of a seed. */
export function random(seed: number): (n: number) => number {
  let state = seed >>> 0 || 1;
  return n => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; state >>>= 0; return Math.floor(state / 2 ** 32 * n); };
}

const at = { idt: 0x1000, gdt: 0x3000, tss: 0x3800, counters: 0x3f00, pml4: 0x4000, pdpt: 0x5000, pd: 0x6000, pt: 0x7000, pdHigh: 0x8000, handlers: 0xa000, stack: 0x9_0000, window: 0x10_0000, code: 0x20_0000 } as const;
const windowPages = 64, apic = 0xfee0_0000, wakePage = 0x9_8000;
const { RAX, RCX, RDX, RBX, RSI, RDI } = asm;

const bytesOf = (...parts: (readonly number[])[]): number[] => parts.flat();
const out8 = (port: number, value: number): number[] => [0x66, 0xba, port & 255, port >> 8, 0xb0, value, 0xee];
const in8 = (port: number): number[] => [0x66, 0xba, port & 255, port >> 8, 0xec];
const apicWrite = (offset: number, value: number): number[] => bytesOf(asm.movImmediate(RBX, apic + offset), asm.movDwordIndirect(RBX, value));
const store32 = (address: number, value: number): number[] => [0xc7, 0x04, 0x25, ...asm.dword(address), ...asm.dword(value)];
const count = (vector: number): number[] => [0x48, 0xff, 0x04, 0x25, ...asm.dword(at.counters + (vector & 15) * 8)];
const pushRax = [0x50], popRax = [0x58], pushRdx = [0x52], popRdx = [0x5a], pushRbx = [0x53], popRbx = [0x5b];

/** One handler per vector, by its kind. */
function handler(vector: number): number[] {
  const plain = bytesOf(count(vector), asm.iretq);
  if (vector === 0) return bytesOf(count(vector), asm.movImmediate(RCX, 3), [0x48, 0x31, 0xd2], asm.iretq);
  if (vector === 14) {
    // maps the page of CR2 to itself; the error code goes
    return bytesOf(pushRax, pushRdx, asm.movFromCr(RAX, 2), [0x48, 0x89, 0xc2], [0x48, 0x81, 0xe2, ...asm.dword(0xff000)], [0x48, 0xc1, 0xe8, 12], [0x48, 0x83, 0xca, 3],
      [0x48, 0x25, ...asm.dword(0x1ff)], [0x48, 0x81, 0xca, ...asm.dword(0x10_0000)], [0x48, 0x89, 0x14, 0xc5, ...asm.dword(at.pt)], popRdx, popRax, [0x48, 0x83, 0xc4, 8], count(vector), asm.iretq);
  }
  if (vector >= 0x20 && vector < 0x30) {
    const second = vector >= 0x28, readC = vector === 0x28 ? bytesOf([0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71]) : [];
    return bytesOf(pushRax, readC, count(vector), [0xb0, 0x20], second ? [0xe6, 0xa0] : [], [0xe6, 0x20], vector === 0x24 ? bytesOf(pushRdx, in8(0x3f8), popRdx) : [], popRax, asm.iretq);
  }
  if (vector >= 0x40 && vector < 0x50) return bytesOf(pushRbx, apicWrite(0xb0, 0), popRbx, count(vector), asm.iretq);
  return plain;
}

function program(seed: number, vcpus: number): number[] {
  const next = random(seed), code: number[] = [];
  const put = (...parts: (readonly number[])[]): void => { code.push(...parts.flat()); };
  const page = (): number => at.window + next(windowPages) * 0x1000, place = (room = 64): number => at.window + next(windowPages * 0x1000 - room);
  const entry = (n: number): number => at.pt + (at.window / 0x1000 + n) * 8;
  const alu = (): number[] => [0x48, [0x01, 0x29, 0x31, 0x11, 0x19, 0x21, 0x09, 0x39][next(8)]!, 0xc0 | [RAX, RDX, RSI, RDI][next(4)]! << 3 | [RAX, RDX, RSI, RDI][next(4)]!];
  const snippets: (() => void)[] = [
    () => { for (let n = next(12); n >= 0; n--) put(alu()); },
    () => put(asm.movStore(place(), [RAX, RDX, RSI][next(3)]!), asm.movLoad(RDX, place())),
    () => put([0x48, 0x01, 0x14, 0x25, ...asm.dword(place())], [0x66, 0x0f, 0x6f, 0x04, 0x25, ...asm.dword(place() & ~15)]),
    // a page table entry changes; whether anyone is told
    () => put(store32(entry(next(windowPages)), page() | [3, 3, 0x63, 0x23, 1, 0][next(6)]!)),
    () => put(store32(entry(next(windowPages)), page() | 3), asm.invlpg(page())),
    () => put([0x48, 0x0f, 0xba, 0x34, 0x25, ...asm.dword(entry(next(windowPages))), 5 + next(2)]),   // BTR: an accessed or dirty flag is cleared
    () => put(asm.invlpg(page())),
    () => put(asm.movFromCr(RAX, 3), asm.movToCr(3, RAX)),
    () => {
      const backward = next(4) === 0, repeats = 1 + next(next(8) === 0 ? 3000 : 30), wide = next(2) === 0, room = repeats * (wide ? 8 : 1) + 16;
      if (room > windowPages * 0x1000 / 2) return;
      const spot = (): number => place(room) + (backward ? room - 16 : 0);
      put(asm.movImmediate(RSI, spot()), asm.movImmediate(RDI, spot()), asm.movImmediate(RCX, repeats), backward ? [0xfd] : [], [0xf3, ...(wide ? [0x48] : []), [0xa4, 0xaa, 0xac, 0xa6, 0xae][next(5)]! | (wide ? 1 : 0)], [0xfc]);
    },
    () => put(asm.intn(0x80), asm.int3),
    () => { put(asm.cli); for (let n = next(20); n >= 0; n--) put(alu()); put(asm.sti); },
    () => put(apicWrite(0x320, 0x2_0041), apicWrite(0x380, 10 + next(90)), asm.sti, asm.hlt),
    () => { const n = next(windowPages); put(store32(entry(n), 0), asm.invlpg(at.window + n * 0x1000), asm.movLoad(RDX, at.window + n * 0x1000 + next(0xff0))); },
    () => { put([0x9c, 0x48, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d]); for (let n = next(6); n >= 0; n--) put(next(3) ? alu() : asm.movStore(place(), RAX)); put([0x9c, 0x48, 0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff, 0x9d]); },
    () => put([0xc6, 0x05, 1, 0, 0, 0, next(256), 0xb0, 0]),                                          // changes the immediate of the next instruction
    () => put(asm.rdtsc, in8(0x40), asm.cpuid),
    () => put([0xb0, next(14), 0xe6, 0x70, 0xe4, 0x71]),
    () => put(out8(0x3f8, 33 + next(90)), in8(0x3fd)),
    () => put(apicWrite(0x320, 0x40 + next(8) | (next(2) ? 0x2_0000 : 0)), apicWrite(0x380, 10 + next(200))),
    () => put(apicWrite(0x300, 0x4_4040 + next(16))),
    () => put(apicWrite(0x310, 0), apicWrite(0x300, 0x4400)),
    () => put(apicWrite(0x80, 0x50), alu(), alu(), apicWrite(0x80, 0)),
    () => put(out8(0x40, next(256)), out8(0x40, 1 + next(20))),
    () => put(asm.movImmediate(RCX, next(3)), [0x48, 0x31, 0xd2], [0x48, 0xf7, 0xf1]),
    () => put([0x8c, 0xd0], asm.movToSs(RAX), alu()),
    () => put([0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3]),
    () => put([0x48, 0x8d, 0x05, 3, 0, 0, 0, 0xff, 0xe0, 0x90]),
  ];
  if (vcpus > 1) {
    const toAny = (): number[] => apicWrite(0x310, next(vcpus) << 24);
    snippets.push(
      () => put(toAny(), apicWrite(0x300, 0x4040 + next(16))),
      () => put(toAny(), apicWrite(0x300, 0x4400)),
      () => put(apicWrite(0x300, 0xc_4040 + next(16))),
      () => put([0xf0, 0x48, 0x0f, 0xc1, 0x04, 0x25, ...asm.dword(place())], [0x48, 0x87, 0x14, 0x25, ...asm.dword(place())]),   // LOCK XADD, XCHG
      () => put(asm.pause, asm.pause),
    );
  }
  put(asm.sti);
  const length = 150 + next(150);
  for (let n = 0; n < length; n++) {
    const before = code.length, snippet = snippets[next(snippets.length)]!;
    if (next(8) === 0) {                                                                              // JZ around the snippet
      put([0x0f, 0x84, 0, 0, 0, 0]);
      snippet();
      code.splice(before + 2, 4, ...asm.dword(code.length - before - 6));
    } else snippet();
  }
  put([0xe9, ...asm.dword(-(code.length + 5))]);
  return code;
}

/** A machine about to run the program of a seed; with several vCPUs each runs one of its own over the same memory. */
export async function torture(seed: number, options: Partial<MachineOptions> = {}): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes: 4 << 20, ...options }), { vcpuCount } = machine;
  const write = (address: number, bytes: readonly number[]): void => { machine.writePhysical(BigInt(address), Uint8Array.from(bytes)); };
  const q = (address: number, value: bigint): void => write(address, asm.qword(value));
  q(at.pml4, BigInt(at.pdpt) | 3n); q(at.pdpt, BigInt(at.pd) | 3n); q(at.pdpt + 24, BigInt(at.pdHigh) | 3n);
  q(at.pd, BigInt(at.pt) | 3n); q(at.pd + 8, 0x20_0083n);
  q(at.pdHigh + (apic >>> 21 & 511) * 8, BigInt(apic & ~0x1f_ffff) & 0xffff_ffffn | 0x83n);
  for (let n = 0; n < 512; n++) q(at.pt + n * 8, BigInt(n * 0x1000) | 3n);
  [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x0000_8b00_0000_0067n | BigInt(at.tss) << 16n, 0n].forEach((d, n) => q(at.gdt + n * 8, d));
  for (let vector = 0; vector < 256; vector++) {
    const address = at.handlers + vector * 0x80;
    write(address, handler(vector));
    q(at.idt + vector * 16, BigInt(address & 0xffff) | 8n << 16n | 0x8e00n << 32n | BigInt(address >>> 16) << 48n);
  }
  write(at.code, program(seed, vcpuCount));
  const start: Record<string, number | bigint> = { cr0: 0x8000_0033n, cr3: at.pml4, cr4: 0x620, efer: 0x500, rip: at.code, rsp: at.stack, 'gdtr.base': at.gdt, 'gdtr.limit': 0x27, 'idtr.base': at.idt, 'idtr.limit': 0xfff,
    'cs.selector': 8, 'cs.base': 0, 'cs.limit': 0xffff_ffff, 'cs.rights': 0xa09b, 'tr.selector': 0x18, 'tr.base': at.tss, 'tr.limit': 0x67, 'tr.rights': 0x8b };
  for (const s of ['ss', 'ds', 'es', 'fs', 'gs']) Object.assign(start, { [`${s}.selector`]: 16, [`${s}.base`]: 0, [`${s}.limit`]: 0xffff_ffff, [`${s}.rights`]: 0xc093 });
  const place = (vcpu: number, changes: Record<string, number>): void => { for (const [name, value] of Object.entries({ ...start, ...changes })) machine.registers(vcpu).set(name, BigInt(value)); };
  if (vcpuCount > 1) {
    // the others come up at the page of a start-up IPI and wait there for each other; then all are put where they are to begin
    const wake = bytesOf(apicWrite(0x300, 0xc_4500), apicWrite(0x300, 0xc_4600 | wakePage >> 12)), rest = wakePage + wake.length;
    write(wakePage, bytesOf(wake, asm.jumpSelf));
    place(0, { rip: wakePage });
    machine.run(20);
    machine.addCodeHook(BigInt(wakePage));
    for (let up = 0; up < vcpuCount - 1;) {
      const { kind, vcpu } = machine.run(100_000);
      if (kind !== 'codeHook' && kind !== 'budget') throw new Error(`${kind} before all processors are up`);
      if (kind === 'budget') continue;
      place(vcpu, { rip: rest });
      up++;
    }
    machine.removeCodeHook(BigInt(wakePage));
    for (let vcpu = 1; vcpu < vcpuCount; vcpu++) {
      const own = at.code + vcpu * 0x8000;
      write(own, bytesOf(apicWrite(0xf0, 0x1ff), program(seed + vcpu * 7919, vcpuCount)));
      place(vcpu, { rip: own, rsp: at.stack - vcpu * 0x2000 });
    }
  }
  place(0, {});
  // devices as the firmware of a PC and a kernel would leave them, by a program of their own that ends at a halt
  const setup = bytesOf(...[[0x20, 0x11], [0x21, 0x20], [0x21, 4], [0x21, 1], [0xa0, 0x11], [0xa1, 0x28], [0xa1, 2], [0xa1, 1], [0x21, 0], [0xa1, 0]].map(([port, value]) => out8(port!, value!)),
    out8(0x43, 0x34), out8(0x40, 0), out8(0x40, 8), out8(0x3f9, 1), out8(0x3fc, 8), [0xb0, 0x0a, 0xe6, 0x70, 0xb0, 0x23, 0xe6, 0x71, 0xb0, 0x0b, 0xe6, 0x70, 0xb0, 0x42, 0xe6, 0x71],
    apicWrite(0xf0, 0x1ff), apicWrite(0x3e0, 0xb), apicWrite(0x320, 0x2_0041), apicWrite(0x380, 90), [0xe9]);
  const first = at.code + 0x10_0000;
  write(first, [...setup, ...asm.dword(at.code - (first + setup.length + 4))]);
  machine.registers(0).set('rip', BigInt(first));
  return machine;
}

/** Interrupts and faults that the program has taken, by the low four bits of the vector. */
export function taken(machine: Machine): number[] {
  const bytes = new DataView(machine.readPhysical(BigInt(at.counters), 128)!.buffer);
  return Array.from({ length: 16 }, (_, n) => bytes.getUint32(n * 8, true));
}

export const guestImage = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../../guests/images/${name}.elf`, import.meta.url)));

/** Runs to an instant, whatever stops on the way; throws when the machine passes it or stands still. */
export function runTo(machine: Machine, end: number, slice = 2 ** 31 - 1): void {
  for (let stalled = 0; machine.time() < end;) {
    const { kind, units } = machine.run(Math.min(slice, end - Number(machine.time())));
    machine.drainEvents(() => {});
    stalled = units === 0 ? stalled + 1 : 0;
    if (stalled > 8 || machine.time() > end) throw new Error(`${kind} at ${machine.time()} on the way to ${end}`);
  }
}

/** The tour of the modes (test/emulator/modes) at its first instruction. */
export async function tour(): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes: 4 << 20 }), r = machine.registers(0);
  machine.writePhysical(0x7c00n, readFileSync(new URL('../modes/fixtures/tour.bin', import.meta.url)));
  for (const s of ['cs', 'ds', 'es', 'ss', 'fs', 'gs']) { r.set(`${s}.selector`, 0n); r.set(`${s}.base`, 0n); }
  r.set('rip', 0x7e00n);
  return machine;
}
