// The façade's promises: exact budgets, determinism, hooks, self-modifying code, page-crossing instructions, devices in their place.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { bootImages } from '../../src/emulator/boot';
import type { Machine, MachineOptions } from '../../src/emulator/machine';
import { createTestMachine } from './vmx/test-machine';

const code = 0x20_0000;
let machine: Machine;

/** A machine in 64-bit mode over an identity map, with `bytes` at `at` and RIP there. */
async function start(bytes: readonly number[], at = code, options: Partial<MachineOptions> = {}): Promise<Machine> {
  machine = await createTestMachine({ memoryBytes: 16 * 2 ** 20, ...options });
  bootImages(machine, { program: elf(Uint8Array.from([0xf4])), commandLine: '', modules: [] });
  machine.writePhysical(BigInt(at), Uint8Array.from(bytes));
  machine.registers(0).set('rip', BigInt(at));
  machine.registers(0).set('rsp', 0x40_0000n);
  for (const name of ['rax', 'rbx']) machine.registers(0).set(name, 0n);
  return machine;
}
const register = (name: string): bigint => machine.registers(0).get(name);

/** The smallest ELF64 executable: one segment at `code`. */
export function elf(text: Uint8Array, change: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(0x1000 + text.length), view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); view.setUint16(18, 62, true); view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(code), true); view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true); view.setUint16(54, 56, true); view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); view.setUint32(68, 5, true);
  view.setBigUint64(72, 0x1000n, true); view.setBigUint64(80, BigInt(code), true); view.setBigUint64(88, BigInt(code), true);
  view.setBigUint64(96, BigInt(text.length), true); view.setBigUint64(104, BigInt(text.length), true); view.setBigUint64(112, 0x1000n, true);
  bytes.set(text, 0x1000);
  change(view);
  return bytes;
}

// inc rax; inc rbx; jmp back
const loop = [0x48, 0xff, 0xc0, 0x48, 0xff, 0xc3, 0xeb, 0xf8];

describe('budget', () => {
  beforeEach(() => start(loop));
  it.each([1, 2, 3, 4, 5, 64, 65, 1000, 12345])('a run of %i units retires that many instructions', units => {
    const result = machine.run(units);
    expect(result).toMatchObject({ kind: 'budget', units });
    expect(machine.time()).toBe(BigInt(units));
    expect(register('rax')).toBe(BigInt(Math.ceil(units / 3)));
    expect(register('rip')).toBe(BigInt(code + [0, 3, 6][units % 3]));
  });
  it('many short runs end where one long run ends', async () => {
    machine.run(10_007);
    const state = ['rax', 'rbx', 'rip', 'rflags'].map(register);
    await start(loop);
    for (let left = 10_007, n = 1; left > 0; n = n % 7 + 1) { const r = machine.run(Math.min(n, left)); left -= r.units; }
    expect(['rax', 'rbx', 'rip', 'rflags'].map(register)).toEqual(state);
  });
  it('refuses a run of no units', () => { expect(() => machine.run(0)).toThrow(RangeError); });
});

describe('code hooks', () => {
  it('stop before the instruction, and are passed when the run goes on', async () => {
    await start(loop);
    machine.addCodeHook(BigInt(code + 3));
    expect(machine.run(1000)).toMatchObject({ kind: 'codeHook', units: 1, address: BigInt(code + 3) });
    expect([register('rax'), register('rbx')]).toEqual([1n, 0n]);
    expect(machine.run(1000)).toMatchObject({ kind: 'codeHook', units: 3 });
    expect([register('rax'), register('rbx')]).toEqual([2n, 1n]);
    machine.removeCodeHook(BigInt(code + 3));
    expect(machine.run(1000)).toMatchObject({ kind: 'budget', units: 1000 });
  });
  it('do not stop at the same offset of another page', async () => {
    await start(loop);
    machine.addCodeHook(BigInt(code + 0x1003));
    expect(machine.run(1000)).toMatchObject({ kind: 'budget', units: 1000 });
  });
  it('are counted: two hooks at one address need two removals', async () => {
    await start(loop);
    machine.addCodeHook(BigInt(code)); machine.addCodeHook(BigInt(code)); machine.removeCodeHook(BigInt(code));
    expect(machine.run(10).kind).toBe('codeHook');
    machine.removeCodeHook(BigInt(code));
    expect(machine.run(10).kind).toBe('budget');
  });
  it('come and go in code that is translated, and stop where they are', async () => {
    // inc rax; add rbx, [rip]; inc rcx; dec rdx; jmp back: instructions of several lengths, in 64-byte granules that hooks stand at the edges of
    const starts = [0x30, 0x33, 0x3a, 0x3d, 0x40], body = [0x48, 0xff, 0xc0, 0x48, 0x03, 0x1d, 0, 0, 0, 0, 0x48, 0xff, 0xc1, 0x48, 0xff, 0xca, 0xeb, 0xee];
    await start([0xeb, 0x2e, ...Array<number>(0x2e).fill(0x90), ...body]);
    machine.run(300_000);
    expect(machine.translations().regions).toBeGreaterThan(0);
    const hooked = new Set<number>(), random = fc.sample(fc.nat(starts.length - 1), { numRuns: 120, seed: 5 });
    for (const [round, n] of random.entries()) {
      const at = starts[n], toggle = hooked.delete(at) ? 'removeCodeHook' : 'addCodeHook';
      if (toggle === 'addCodeHook') hooked.add(at);
      machine[toggle](BigInt(code + at));
      // the hook where it stands has been passed, if it stopped there
      const from = starts.indexOf(Number(register('rip')) - code), order = starts.map((_, k) => starts[(from + k) % starts.length]);
      const result = machine.run(round % 10 === 9 ? 200_000 : 100);
      if (hooked.size === 0) { expect(result.kind).toBe('budget'); continue; }
      expect(result.kind).toBe('codeHook');
      const stopped = Number(result.address) - code, next = order.find((each, k) => hooked.has(each) && (k > 0 || each === stopped));
      expect(stopped, `round ${round}`).toBe(next ?? order[0]);
    }
  });
  it('leave code alone that has no instruction at their offset', async () => {
    await start(loop);
    machine.run(300_000);
    const { regions } = machine.translations();
    expect(regions).toBeGreaterThan(0);
    for (const offset of [1, 5, 8, 0x800]) {
      machine.addCodeHook(BigInt(code + offset));
      machine.run(300_000);
      machine.removeCodeHook(BigInt(code + offset));
      machine.run(300_000);
    }
    expect(machine.translations().regions).toBe(regions);
    machine.addCodeHook(BigInt(code + 0x1003));
    machine.run(300_000);
    machine.removeCodeHook(BigInt(code + 0x1003));
    machine.run(300_000);
    expect(machine.translations().regions).toBeGreaterThan(regions);
  });
  it('set after a run has decoded the code still stop', async () => {
    await start(loop);
    machine.run(100);
    machine.addCodeHook(BigInt(code + 6));
    expect(machine.run(100).kind).toBe('codeHook');
  });
});

describe('stops before an instruction', () => {
  it('of two kinds are made one after the other, and then the run goes on', async () => {
    await start([0x90, 0x0f, 0x0b]);
    machine.addCodeHook(BigInt(code + 1));
    machine.setStops({ exceptions: [6] });
    expect(machine.run(100)).toMatchObject({ kind: 'codeHook', units: 1 });
    expect(machine.run(100)).toMatchObject({ kind: 'exception', index: 6, units: 0 });
    expect(machine.run(100).kind).toBe('shutdown');
  });
  it('and before the exception of a debug register leave the exception to come', async () => {
    await start([0x90, 0x90, 0xeb, 0xfc]);
    machine.registers(0).set('dr0', BigInt(code + 1));
    machine.registers(0).set('dr7', 0x401n);
    machine.setStops({ exceptions: [1] });
    expect(machine.run(100)).toMatchObject({ kind: 'exception', index: 1, units: 1 });
    expect(machine.run(100).kind).toBe('shutdown');                       // there is no handler
  });
  it('are made each time that a loop comes there', async () => {
    await start([0xeb, 0xfe]);
    machine.addCodeHook(BigInt(code));
    for (const units of [0, 1, 1, 1]) expect(machine.run(100)).toMatchObject({ kind: 'codeHook', units });
  });
});

it('the same bytes are other instructions in compatibility mode', async () => {
  // S: INC RAX, which in 32-bit code is DEC EAX; INC EAX; then RETF. Run in 64-bit mode, then in compatibility mode, then HLT
  const s = code + 0x100, frame = (at: number, value: number): number[] => [0xc7, 0x44, 0x24, at, ...[0, 8, 16, 24].map(n => value >> n & 255)];
  const first = [...frame(0, 0), ...frame(4, 8), 0xe9, 0, 0, 0, 0], second = [...frame(0, s), ...frame(4, 0x18), ...frame(8, 0), ...frame(12, 8), 0xcb];
  await start([0x90]);
  const put = (at: number, bytes: number[]): void => { machine.writePhysical(BigInt(at), Uint8Array.from(bytes)); }, little = (value: number): number[] => [0, 8, 16, 24].map(n => value >> n & 255);
  first.splice(4, 4, ...little(code + first.length));
  first.splice(first.length - 4, 4, ...little(s - code - first.length));
  second.splice(20, 4, ...little(code + first.length + second.length));
  put(code, [...first, ...second, 0xf4]);
  put(s, [0x48, 0xff, 0xc0, 0xcb]);
  put(0x30_0000, [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x00cf_9b00_0000_ffffn].flatMap(d => [...little(Number(d & 0xffff_ffffn)), ...little(Number(d >> 32n))]));
  machine.registers(0).set('gdtr.base', 0x30_0000n);
  machine.registers(0).set('gdtr.limit', 0x1fn);
  machine.registers(0).set('rsp', 0x40_0000n - 64n);
  expect(machine.run(1000).kind).toBe('idle');
  expect([register('rip'), register('rax')]).toEqual([BigInt(code + first.length + second.length + 1), 1n]);
});

describe('self-modifying code', () => {
  it('a store into the running block takes effect at once', async () => {
    // mov byte [rip+1], 5 ; mov al, 1 (becomes 5) ; hlt
    await start([0xc6, 0x05, 0x01, 0, 0, 0, 5, 0xb0, 1, 0xf4]);
    machine.run(2);
    expect(register('rax') & 0xffn).toBe(5n);
  });
  it('a host write drops decoded code', async () => {
    await start([0xb0, 1, 0xeb, 0xfc]);
    machine.run(100);
    machine.writePhysical(BigInt(code + 1), Uint8Array.of(7));
    machine.run(100);
    expect(register('rax') & 0xffn).toBe(7n);
  });
  it('data beside code is stored without harm', async () => {
    // inc dword [rip+0x100]; jmp back
    await start([0xff, 0x05, 0, 1, 0, 0, 0xeb, 0xf8]);
    machine.run(2000);
    expect(machine.readPhysical(BigInt(code + 0x106), 4)).toEqual(Uint8Array.of(0xe8, 3, 0, 0));
  });
});

describe('page crossings', () => {
  it('an instruction across two pages runs', async () => {
    const at = code + 0xffd;                                             // mov rax, imm64 over the boundary
    await start([0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0x90], at);
    machine.run(2);
    expect(register('rax')).toBe(0x0807060504030201n);
  });
  it('a load and a store across two pages', async () => {
    // mov rax,[0x300ffc]; mov [0x301ffc],rax
    await start([0x48, 0x8b, 0x04, 0x25, 0xfc, 0x0f, 0x30, 0, 0x48, 0x89, 0x04, 0x25, 0xfc, 0x1f, 0x30, 0]);
    machine.writePhysical(0x300ffcn, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    machine.run(2);
    expect(machine.readPhysical(0x301ffcn, 8)).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  });
});

describe('the rest of the world', () => {
  it('an undefined opcode is an event with its bytes', async () => {
    await start([0x0f, 0x0a]);
    let bytes = -1n;
    machine.run(1);
    machine.drainEvents(e => { if (e.kind === 'unimplemented') bytes = e.a & 0xffffn; });
    expect(bytes).toBe(0x0a0fn);
  });
  it('a triple fault in root operation shuts down and stops', async () => {
    await start([0x0f, 0x0b]);
    expect(machine.run(1000).kind).toBe('shutdown');
    expect(machine.run(1000).kind).toBe('shutdown');
  });
  it.each([
    ['reset', 0xcf9, 0x06], ['reset', 0x92, 0x03], ['powerOff', 0x605, 0x20],
  ] as const)('a machine is told that it ends by %s (port %i)', async (kind, port, value) => {
    await start([0x66, 0xba, port & 0xff, port >> 8, 0xb0, value, 0xee, 0x90]);
    expect(machine.run(1000)).toMatchObject({ kind, units: 3 });
    expect(machine.run(1000)).toMatchObject({ kind, units: 0 });
  });
  it('HLT without any event to come is idle', async () => {
    await start([0xf4]);
    expect(machine.run(1_000_000).kind).toBe('idle');
  });
  it('serial output and the debug exit', async () => {
    // mov dx,3f8; mov al,'A'; out dx,al; mov dx,f4; mov eax,7; out dx,eax
    await start([0x66, 0xba, 0xf8, 3, 0xb0, 0x41, 0xee, 0x66, 0xba, 0xf4, 0, 0xb8, 7, 0, 0, 0, 0xef]);
    expect(machine.run(100)).toMatchObject({ kind: 'debugExit', index: 7 });
    expect(new TextDecoder().decode(machine.takeSerialOutput())).toBe('A');
    expect(machine.takeSerialOutput().length).toBe(0);
  });
  it('registers refuse what they cannot hold', async () => {
    await start(loop);
    expect(() => machine.registers(0).set('rax', 1n << 64n)).toThrow(RangeError);
    expect(() => machine.registers(0).get('rxx')).toThrow(RangeError);
  });
  it('memory outside RAM cannot be read', async () => {
    await start(loop);
    expect(machine.readPhysical(BigInt(16 * 2 ** 20 - 4), 8)).toBeUndefined();
    expect(machine.readLinear(0, 0x8000_0000n, 4)).toBeUndefined();
  });
});

describe('images that cannot be booted are refused with a reason', () => {
  const text = Uint8Array.from([0xf4]);
  const boot = async (program: Uint8Array, modules: { name: string; bytes: Uint8Array; commandLine: string }[] = []): Promise<void> => {
    machine = await createTestMachine({ memoryBytes: 4 * 2 ** 20 });
    bootImages(machine, { program, commandLine: '', modules });
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['no ELF', Uint8Array.from([1, 2, 3]), /not an ELF file/],
    ['another machine', elf(text, v => v.setUint16(18, 40, true)), /machine 40/],
    ['an object file', elf(text, v => v.setUint16(16, 1, true)), /link it/],
    ['headers outside the file', elf(text, v => v.setBigUint64(32, 0x9999n, true)), /program header table/],
    ['a segment outside the file', elf(text, v => v.setBigUint64(96, 0x9999n, true)), /outside the file/],
    ['a segment beyond memory', elf(text, v => v.setBigUint64(88, 0x4000_0000n, true)), /beyond the 4 MiB/],
    ['a segment in the first MiB', elf(text, v => v.setBigUint64(88, 0x1000n, true)), /first MiB/],
    ['an address beyond 4 GiB', elf(text, v => v.setBigUint64(88, 1n << 40n, true)), /beyond 4 GiB/],
    ['no segment', elf(text, v => v.setUint32(64, 2, true)), /no loadable segment/],
  ])('%s', async (_, program, message) => { await expect(boot(program)).rejects.toThrow(message); });
  it('a module larger than memory', async () => {
    await expect(boot(elf(text), [{ name: 'big', bytes: new Uint8Array(8 * 2 ** 20), commandLine: '' }])).rejects.toThrow(/does not fit/);
  });
});

describe('translation', () => {
  it('gives code up for good that leaves its regions after a few instructions', async () => {
    // a loop of three blocks, none of which gets far before the RDMSR of a function; only in its first round it takes a longer way, through more blocks than a region has
    const pieces: Record<number, readonly number[]> = {
      0x00: [0xb9, 0x10, 0, 0, 0, 0x85, 0xed, 0x75, 0x37],                                                // first: mov ecx, 10h; test ebp, ebp; jnz longer
      0x09: [0xe8, 0xb2, 0, 0, 0],                                                                        // second: call function
      0x0e: [0x85, 0xc9, 0x74, 0x06, 0x90, 0x90, 0x90, 0x90, 0xeb, 0xe8, 0xf4],                           // test ecx, ecx; jz end; four times nop; jmp first; end: hlt
      0x40: [...Array.from({ length: 48 }, () => [0x74, 0]).flat(), 0x31, 0xed, 0xe9, 0x62, 0xff, 0xff, 0xff],   // longer: 48 times jz to the next; xor ebp, ebp; jmp second
      0xc0: [0x0f, 0x32, 0xc3],                                                                           // function: rdmsr; ret
    };
    const bytes = new Array<number>(0x100).fill(0x90);
    for (const [at, piece] of Object.entries(pieces)) piece.forEach((byte, n) => { bytes[Number(at) + n] = byte; });
    await start(bytes, code, { translator: 'on' });
    machine.registers(0).set('rbp', 1n);
    // runs of many lengths, so that samples are taken all over the loop
    const run = (times: number): number => { for (let n = 0; n < times; n++) machine.run(10_000 + n * 37 % 5000); return machine.translations().regions; };
    const regions = run(1000);
    expect(machine.translations().failures).toEqual([]);
    expect(regions).toBeGreaterThan(0);
    expect(run(3000)).toBe(regions);
  });
  it('finds what always follows a region that is left on a short way', async () => {
    // near: 20 nops; test ebp, ebp; jnz to the long way, taken once: 20 times 15 nops and a jz to the next, xor ebp, ebp; jmp rax. Far, where no region reaches: 20 nops; jmp rcx
    const nops = (count: number): number[] => new Array<number>(count).fill(0x90), far = code + 0x10_0000;
    const longWay = Array.from({ length: 20 }, () => [...nops(15), 0x74, 0]).flat();
    await start([...nops(20), 0x85, 0xed, 0x75, 2, 0xff, 0xe0, ...longWay, 0x31, 0xed, 0xff, 0xe0], code, { translator: 'on' });
    machine.writePhysical(BigInt(far), Uint8Array.from([...nops(20), 0xff, 0xe1]));
    for (const [name, value] of Object.entries({ rax: BigInt(code), rcx: BigInt(code), rbp: 1n })) machine.registers(0).set(name, value);
    machine.run(3_000_000);
    expect(machine.translations()).toMatchObject({ regions: 1 });
    machine.registers(0).set('rax', BigInt(far));
    machine.run(50_000_000);
    expect(machine.translations()).toMatchObject({ regions: 2, failures: [] });
  });
  it('makes no more code than what has run is worth', async () => {
    // 200 pages, each a loop that runs 4000 times: 12 times add [rsp], ebx and a jz to the next; dec ecx; jnz back; jmp to the next page
    const blocks = Array.from({ length: 12 }, () => [0x01, 0x1c, 0x24, 0x74, 0]).flat(), body = [0xb9, 0xa0, 0x0f, 0, 0, ...blocks, 0xff, 0xc9, 0x75, 0xc0];
    const far = 0x1000 - body.length - 5, page = Uint8Array.from([...body, 0xe9, far & 255, far >> 8, 0, 0]);
    await start([], code, { translator: 'on' });
    for (let n = 0; n < 200; n++) machine.writePhysical(BigInt(code + 0x1000 * n), page);
    machine.addCodeHook(BigInt(code + 200 * 0x1000));
    for (let before = 0, kind = ''; kind !== 'codeHook';) {
      ({ kind } = machine.run(20_000));
      const { bytes } = machine.translations();
      if (bytes > before) expect(before).toBeLessThan(0x3_0000 + Number(machine.time()) / 500);
      before = bytes;
    }
    expect(machine.translations().failures).toEqual([]);
    expect(machine.translations().bytes).toBeGreaterThan(0x3_0000);
  });
});

describe('paging structures that run as code', () => {
  // 2-MiB pages over the first 128 MiB; linear 4000_0000h goes through a page table at `table`, whose entry 1 is code: add eax, ecx; jmp to entry 2
  const table = 0x30_0000, data = 0x04eb_c000, flags = { accessed: 0x20, dirty: 0x40 };
  const entries = (values: readonly (readonly [number, bigint])[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(4096));
    for (const [n, value] of values) view.setBigUint64(8 * n, value, true);
    return new Uint8Array(view.buffer);
  };
  async function startInTable(access: readonly number[], flagsOfEntry: number, translator: MachineOptions['translator']): Promise<void> {
    await start([0xf4], code, { memoryBytes: 128 * 2 ** 20, translator });
    machine.writePhysical(0x10_0000n, entries([[0, 0x10_1027n]]));
    machine.writePhysical(0x10_1000n, entries([[0, 0x10_2027n], [1, 0x10_3027n]]));
    machine.writePhysical(0x10_2000n, entries(Array.from({ length: 64 }, (_, n) => [n, BigInt(n * 0x20_0000 + 0xe7)] as const)));
    machine.writePhysical(0x10_3000n, entries([[0, BigInt(table + 0x27)]]));
    machine.writePhysical(BigInt(table), Uint8Array.of(...access, 0x03 | flagsOfEntry, 0xc1, 0xeb, 0x04, 0, 0, 0, 0, 0x90, 0xf4));
    machine.writePhysical(BigInt(data), Uint8Array.of(0x0f, 0, 0, 0));
    machine.registers(0).set('cr3', 0x10_0000n);
    machine.registers(0).set('rip', BigInt(table));
    machine.registers(0).set('rax', 0x0fn);
    machine.registers(0).set('rcx', 0x35n);
  }
  const load = [0x8b, 0x04, 0x25, 0x00, 0x10, 0x00, 0x40, 0x90], store = [0x89, 0x0c, 0x25, 0x00, 0x10, 0x00, 0x40, 0x90];
  describe.each(['off', 'on', 'always'] as const)('translator %s', translator => {
    it.each([
      ['accessed', 'add becomes and', load, 0, 0x05n], ['dirty', 'and becomes movsxd', store, flags.accessed, 0x35n],
    ] as const)('the next instruction sees the %s flag that a page walk sets in it: %s', async (_, __, access, before, eax) => {
      for (const units of [1, 2, 3, 20]) {
        await startInTable(access, before, translator);
        for (let n = 0; n < 20; n += units) machine.run(units);
        expect(register('rax'), `in runs of ${units}`).toBe(eax);
      }
    });
  });
});
