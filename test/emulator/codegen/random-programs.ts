// Random programs for 64-bit mode, run on several machines in step. A program is a ring of slots of 16 bytes over two code pages: arithmetic
// of all sizes, jumps, calls, pushes, SSE, procedures, stores that fault, cross pages, or change the program. Exceptions go to a handler that
// goes on at the next slot; a timer interrupts all the while; POPF sets TF now and then.
import type { Machine } from '../../../src/emulator/machine';
import { createTestMachine } from '../vmx/test-machine';

const slotBytes = 16, slots = 128;
const physical = { pml4: 0x1000, pdpt: 0x2000, directory: 0x3000, table: 0x4000, apicDirectory: 0x5000, idt: 0x6000, gdt: 0x7000, handlers: 0x9000, counters: 0xa000 } as const;
/** The program lies across a page boundary; data: two pages, a hole, a read-only page, the page of the stack. */
const code = 0x11000 - slots * slotBytes / 2, data = 0x20000, readOnly = 0x23000, stack = 0x24800, interruptStack = 0x8f00;
const timerVector = 0x40;
const registers = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const compared = [...registers, 'rip', 'rflags', 'cr2', 'dr6', 'mxcsr', ...Array.from({ length: 4 }, (_, n) => [`xmm${n}.low`, `xmm${n}.high`]).flat()];

/** A small generator of pseudo-random numbers: the same program from the same seed everywhere. */
export class Random {
  constructor(private state: number) { this.state = state * 2654435761 >>> 0 || 1; for (let n = 0; n < 4; n++) this.next(); }
  private next(): number { let x = this.state; x ^= x << 13; x >>>= 0; x ^= x >>> 17; x ^= x << 5; return this.state = x >>> 0; }
  below(n: number): number { return Math.floor(this.next() / 4294967296 * n); }
  chance(percent: number): boolean { return this.below(100) < percent; }
  of<T>(list: readonly T[]): T { return list[this.below(list.length)]; }
}

const le = (value: number, bytes: number): number[] => Array.from({ length: bytes }, (_, n) => Number(BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * n) & 0xffn));

/** One instruction (or a few) of at most 16 bytes; the rest of a slot is NOPs. */
class SlotWriter {
  constructor(private readonly r: Random, private readonly slot: number) {}

  private at(slot: number): number { return code + slot * slotBytes; }
  /** A register that may be changed: the bases of memory operands (RBX, RSI, RDI, RBP) keep good addresses most of the time. */
  private register(): number { return this.r.chance(12) ? this.r.below(16) : this.r.of([0, 1, 2, 8, 9, 10, 11, 12, 13, 14, 15]); }
  /** An operand r/m behind prefix and opcode bytes: [66] [REX] opcode ModRM ... */
  private form(opcode: readonly number[], reg: number, size: number, memory: boolean, extra: readonly number[] = [], always66 = false): number[] {
    const { r } = this, prefix = size === 1 || always66 ? [0x66] : [];
    let rex = size === 3 ? 0x48 : 0;
    if (reg >= 8) rex |= 0x44;
    if (!memory) {
      const rm = this.register();
      if (rm >= 8) rex |= 0x41;
      if (rex === 0 && size === 0 && r.chance(50)) rex = 0x40;
      return [...prefix, ...(rex ? [rex] : []), ...opcode, 0xc0 | (reg & 7) << 3 | rm & 7, ...extra];
    }
    if (r.chance(10)) return [...prefix, ...(rex ? [rex] : []), ...opcode, (reg & 7) << 3 | 5, ...le(data + r.below(0x2000) - (this.at(this.slot) + prefix.length + (rex ? 1 : 0) + opcode.length + 5 + extra.length), 4), ...extra];
    const base = r.of([3, 5, 6, 7]), displacement = r.chance(30) ? r.below(64) - 32 : r.of([0, 8, 16, -8, 0x7f, -0x80]), index = r.chance(15);
    const mode = 0x40 | (reg & 7) << 3;
    return [...prefix, ...(r.chance(5) ? [0x67] : []), ...(rex ? [rex] : []), ...opcode, ...(index ? [mode | 4, r.below(4) << 6 | 4 << 3 | base] : [mode | base]), displacement & 255, ...extra];
  }
  private jumpTo(opcode: readonly number[], target: number, before = 0): number[] { return [...opcode, ...le(this.at(target) - (this.at(this.slot) + before + opcode.length + 4), 4)]; }
  private nearSlot(): number { return this.r.chance(70) ? (this.slot + 1 + this.r.below(6)) % slots : this.r.below(slots); }

  write(): number[] {
    const { r } = this, kind = r.below(100), size = r.of([0, 1, 2, 3, 3, 2]), memory = r.chance(35), reg = this.register(), wide = size > 0 ? 1 : 0;
    const immediate = (): number[] => le(r.chance(50) ? r.below(256) - 128 : r.below(0x7fffffff) * r.of([1, -1]), [1, 2, 4, 4][size]);
    if (kind < 22) return this.form([r.below(8) << 3 | wide | (r.chance(50) ? 2 : 0)], reg, size, memory);                              // ALU both ways
    if (kind < 30) return this.form([size ? 0x81 : 0x80], r.below(8), size, memory && size < 3, immediate());
    if (kind < 34) return this.form([0xfe | wide], r.below(2), size, memory);                                                           // INC, DEC
    if (kind < 40) return r.chance(50) ? this.form([0xc0 | wide], r.of([0, 1, 2, 3, 4, 5, 7]), size, memory, [r.below(70)]) : this.form([0xd2 | wide], r.of([0, 1, 2, 3, 4, 5, 7]), size, memory);
    if (kind < 44) return this.form([0xf6 | wide], r.of([2, 3, 4, 5, r.chance(20) ? 6 : 2, r.chance(20) ? 7 : 3]), size, memory);
    if (kind < 50) return this.form([0x88 | wide | (r.chance(60) ? 2 : 0)], reg, size, true);                                           // MOV to and from memory
    if (kind < 54) return this.form([0x0f, r.of([0xb6, 0xb7, 0xbe, 0xbf, 0xaf])], reg, Math.max(1, size), memory);
    if (kind < 58) return this.form([0x0f, 0x40 | r.below(16)], reg, Math.max(1, size), memory);                                        // CMOV
    if (kind < 61) return this.form([0x0f, 0x90 | r.below(16)], 0, 0, memory);                                                          // SET
    if (kind < 64) return this.form([0x0f, r.of([0xa3, 0xab, 0xb3, 0xbb])], reg, Math.max(1, size), memory);                            // bit tests
    if (kind < 67) return this.form([0x0f, r.of([0xb0, 0xc0]) | wide], reg, size, memory);                                              // CMPXCHG, XADD
    if (kind < 69) return this.form([0x0f, r.of([0xa4, 0xac])], reg, Math.max(1, size), memory, [r.below(70)]);
    if (kind < 71) return this.form([0x86 | wide], reg, size, memory);                                                                  // XCHG
    if (kind < 80) return this.jumpTo([0x0f, 0x80 | r.below(16)], this.nearSlot());                                                     // Jcc
    if (kind < 82) return this.jumpTo([0xe9], this.nearSlot());
    if (kind < 84) return this.jumpTo([0xe8], this.nearSlot());                                                                         // CALL
    return this.rare();
  }
  private rare(): number[] {
    const { r } = this, target = this.nearSlot();
    switch (r.below(17)) {
      case 0: return [0x48, 0x8d, 0x05, ...le(this.at(target) - (this.at(this.slot) + 7), 4), 0xff, r.of([0xe0, 0xd0])];               // LEA RAX; JMP or CALL RAX
      case 1: return [0xc3];
      case 2: return [0x50 | r.below(8)];
      case 3: return [0x58 | r.of([0, 1, 2, 0, 1, 2, 4])];
      case 4: return r.chance(60) ? [0x9c, 0x66, 0x81, 0x0c, 0x24, 0, 1, 0x9d] : [0x9c, 0x58];                                         // PUSHF, TF on, POPF; PUSHF, POP
      case 5: return r.of([[0xf8], [0xf9], [0xf5], [0x9f], [0x9e], [0x98], [0x99], [0x0f, 0xa2], [0x0f, 0x31], [0xfa], [0xfb], [0xfc]]);
      case 6: return r.of([[0xa4], [0xf3, 0xa4], [0x48, 0xab], [0xac], [0xb9, 40, 0, 0, 0, 0xf3, 0x48, 0xab]]);
      case 7: return [0xc6, 0x05, ...le(this.at(target) + r.below(6) - (this.at(this.slot) + 7), 4), r.of([0x90, 0x40, 0x48, r.below(256)])];   // changes the program
      case 8: return [0xe2, 0];                                                                                                        // LOOP to the next
      case 9: return r.of([[0x0f, 0x0b], [0x48, 0xf7, 0xf1], [0xc9], [0xc8, 8, 0, 0]]);
      case 10: return [0xb8, r.below(256), 0, 0, 0, 0x83, 0xe8, 1, 0x75, 0xfb];                                                        // a loop in a slot
      case 11: return this.form([0x0f, r.of([0x28, 0x29, 0x10, 0x11, 0x57, 0x54])], r.below(4), 2, true);
      case 12: return this.form([0x0f, r.of([0xfe, 0xef, 0xd4, 0xfb, 0x6f, 0x7f])], r.below(4), 2, r.chance(60), [], true);
      default: return this.refresh();
    }
  }
  /** Gives a base register an address again. */
  refresh(): number[] {
    const { r } = this, register = r.of([3, 5, 6, 7, 4]);
    if (register === 4) return [0xbc, ...le(stack - r.below(64) * 8, 4)];
    const page = r.of([data, data, data, data + 0x1000, readOnly, stack & ~0xfff]), offset = r.chance(20) ? 0xff8 + r.below(8) : r.chance(10) ? r.below(0x1000) : 0x100 + r.below(64) * 16;
    return [0xb8 | register, ...le(page + offset, 4)];
  }
}

function program(r: Random): Uint8Array {
  const bytes = new Uint8Array(slots * slotBytes).fill(0x90);
  for (let slot = 0; slot < slots; slot++) {
    const writer = new SlotWriter(r, slot), written = slot % 16 === 0 ? writer.refresh() : writer.write();
    bytes.set(written.slice(0, slotBytes), slot * slotBytes);
  }
  // back to the start at the end
  bytes.set([0xe9, ...le(-(slots * slotBytes - 11), 4)], slots * slotBytes - 16);
  return bytes;
}

const errorCodes = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Handlers: count by vector, go on at the next slot (in the program, else at its start); #DB clears TF; the timer acknowledges. */
function handlers(): { bytes: number[]; entries: number[] } {
  const bytes: number[] = [], entries: number[] = [];
  for (let vector = 0; vector <= timerVector; vector++) {
    entries.push(physical.handlers + bytes.length);
    if (vector > 21 && vector !== timerVector) continue;
    bytes.push(0x48, 0xff, 0x04, 0x25, ...le(physical.counters + 8 * vector, 4));                          // inc qword [counter]
    if (vector === timerVector) { bytes.push(0x50, 0xb8, ...le(0xfee000b0, 4), 0xc7, 0, 0, 0, 0, 0, 0x58, 0x48, 0xcf); continue; }
    if (errorCodes.has(vector)) bytes.push(0x48, 0x83, 0xc4, 8);
    bytes.push(0x48, 0x81, 0x64, 0x24, 16, ...le(~0x100, 4));                                              // and qword [rsp+16], ~TF
    if (vector !== 1) bytes.push(0x48, 0x83, 0x24, 0x24, 0xf0, 0x48, 0x83, 4, 0x24, 16);                   // RIP = (RIP & -16) + 16
    bytes.push(0x50, 0x48, 0x8b, 0x44, 0x24, 8, 0x48, 0x2d, ...le(code, 4), 0x48, 0x3d, ...le(slots * slotBytes - 16, 4), 0x72, 9,
      0x48, 0xc7, 0x44, 0x24, 8, ...le(code, 4), 0x58, 0x48, 0xcf);                                        // outside: start anew
  }
  return { bytes, entries };
}

/** A machine that is about to run the program of a seed. */
export async function machineWith(seed: number, translator: 'off' | 'on' | 'always'): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes: 2 ** 21, translator }), r = new Random(seed);
  const quads = (at: number, entries: Record<number, bigint>): void => {
    const page = new Uint8Array(4096), view = new DataView(page.buffer);
    for (const [n, value] of Object.entries(entries)) view.setBigUint64(Number(n) * 8, BigInt.asUintN(64, value), true);
    machine.writePhysical(BigInt(at), page);
  };
  const table = Object.fromEntries(Array.from({ length: 512 }, (_, n) => [n, n << 12 === readOnly ? BigInt(readOnly | 1) : n << 12 === data + 0x2000 ? 0n : BigInt(n << 12 | 3)]));
  quads(physical.pml4, { 0: BigInt(physical.pdpt | 3) });
  quads(physical.pdpt, { 0: BigInt(physical.directory | 3), 3: BigInt(physical.apicDirectory | 3) });
  quads(physical.directory, { 0: BigInt(physical.table | 3) });
  quads(physical.apicDirectory, { [0xfee00000 >>> 21 & 511]: 0xfee0009bn });
  quads(physical.table, table);
  quads(physical.gdt, { 1: 0x00af9b000000ffffn, 2: 0x00cf93000000ffffn });
  // the TSS lies behind the GDT; its IST1 serves every vector
  quads(physical.gdt + 0x1000, {});
  machine.writePhysical(BigInt(physical.gdt + 0x100 + 0x24), Uint8Array.from(le(interruptStack, 8)));
  const { bytes, entries } = handlers(), idt = new Uint8Array(4096), view = new DataView(idt.buffer);
  entries.forEach((entry, n) => { view.setUint32(16 * n, entry & 0xffff | 8 << 16, true); view.setUint32(16 * n + 4, 0x8e01, true); });
  machine.writePhysical(BigInt(physical.idt), idt);
  machine.writePhysical(BigInt(physical.handlers), Uint8Array.from(bytes));
  // in front of the program: the timer
  const period = r.chance(25) ? 20 + r.below(200) : 300 + r.below(5000);
  const put = (register: number, value: number): number[] => [0xb8, ...le(0xfee00000 + register, 4), 0xc7, 0, ...le(value, 4)];
  const start = [...put(0xf0, 0x1ff), ...put(0x3e0, 0xb), ...put(0x320, 0x20000 | timerVector), ...put(0x380, period), 0xfb];
  machine.writePhysical(0x30000n, Uint8Array.from([...start, 0xe9, ...le(code - (0x30000 + start.length + 5), 4)]));
  machine.writePhysical(BigInt(code), program(r));
  machine.writePhysical(BigInt(data), Uint8Array.from({ length: 0x2000 }, () => r.below(256)));
  const set = (name: string, value: number | bigint): void => machine.registers(0).set(name, BigInt(value));
  for (const [name, value] of Object.entries({ cr0: 0x8001_0033, cr3: physical.pml4, cr4: 0x620, efer: 0x500, 'gdtr.base': physical.gdt, 'gdtr.limit': 0x17, 'idtr.base': physical.idt, 'idtr.limit': 0xfff })) set(name, value);
  const segment = (name: string, selector: number, rights: number): void => { set(`${name}.selector`, selector); set(`${name}.base`, 0); set(`${name}.limit`, 0xffffffff); set(`${name}.rights`, rights); };
  segment('cs', 8, 0xa09b);
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs']) segment(name, 16, 0xc093);
  set('tr.selector', 0x18); set('tr.base', physical.gdt + 0x100); set('tr.limit', 0x67); set('tr.rights', 0x8b);
  for (const name of registers) set(name, r.chance(50) ? r.below(0x7fffffff) : BigInt(r.below(0xffffffff)) << BigInt(r.below(33)));
  for (const [name, value] of Object.entries({ rbx: data + 0x100, rbp: stack - 64, rsi: data + 0x200, rdi: data + 0x800, rsp: stack, rip: 0x30000, rflags: 2 })) set(name, value);
  return machine;
}

const stateOf = (machine: Machine): string[] => compared.map(name => `${name} ${machine.registers(0).get(name).toString(16)}`);

export interface Comparison { readonly difference: string | undefined; readonly units: number; readonly stops: number; readonly failures: readonly string[]; readonly regions: number }

/** Runs a seed's program on an interpreting and a translating machine, stopping both at the same random budgets; says where they first differ. */
export async function compareBackEnds(seed: number, translator: 'on' | 'always', units: number, longest: number): Promise<Comparison> {
  const plain = await machineWith(seed, 'off'), translating = await machineWith(seed, translator), r = new Random(seed ^ 0x5eed);
  let done = 0, stops = 0;
  const result = (difference?: string): Comparison => { const { regions, failures } = translating.translations(); return { difference, units: done, stops, regions, failures }; };
  while (done < units) {
    const budget = 1 + r.below(r.chance(50) ? 40 : longest), expected = plain.run(budget), found = translating.run(budget);
    for (const m of [plain, translating]) m.drainEvents(() => {});
    done += expected.units;
    stops++;
    const where = `seed ${seed}, after ${done} units`;
    if (expected.kind !== found.kind || expected.units !== found.units) return result(`${where}: ${expected.kind} after ${expected.units}, translated ${found.kind} after ${found.units}`);
    const a = stateOf(plain), b = stateOf(translating), n = a.findIndex((line, k) => line !== b[k]);
    if (n >= 0) return result(`${where}: ${a.filter((line, k) => line !== b[k]).join(', ')}; translated ${b.filter((line, k) => line !== a[k]).join(', ')}`);
    if (plain.digest() !== translating.digest()) return result(`${where}: the digests of the machines differ`);
    if (stops % 16 === 0 || expected.kind !== 'budget' || done >= units) {
      const memory = [plain, translating].map(m => m.readPhysical(0n, 0x40000)!), at = memory[0].findIndex((byte, k) => byte !== memory[1][k]);
      if (at >= 0) return result(`${where}: memory at ${at.toString(16)}: ${memory[0][at]}, translated ${memory[1][at]}`);
    }
    if (expected.kind !== 'budget') break;
  }
  return result();
}

/** Counters of the handlers: how often each vector was taken. */
export function vectorsTaken(machine: Machine): number[] {
  const bytes = machine.readPhysical(BigInt(physical.counters), 8 * (timerVector + 1))!, view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: timerVector + 1 }, (_, n) => Number(view.getBigUint64(8 * n, true)));
}
