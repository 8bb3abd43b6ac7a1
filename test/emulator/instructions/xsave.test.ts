// The XSAVE feature set: what each form writes and reads, the two formats, headers that are refused, and the sizes that CPUID tells.
import { describe, expect, it } from 'vitest';
import * as asm from '../vmx/machine-code';
import { at } from '../vmx/valid-vmcs';
import { World } from '../vmx/world';

const { RAX, RCX, RDX, join, movImmediate, qword } = asm;
const area = 0x3_0000, pkru = { standard: area + 2688, compacted: area + 576 } as const;
const GP = 13, UD = 6, NM = 7, PF = 14;
const compacted = 1n << 63n;

type Memory = Readonly<Record<number, readonly number[]>>;
/** Runs code of the host at CPL 0; CR4 has OSXSAVE and PKE, XCR0 is 203H. Ends at HLT, or in the exception that is returned. */
async function run(code: readonly number[], registers: Readonly<Record<string, bigint>> = {}, memory: Memory = {}): Promise<{ world: World; exception: number | undefined }> {
  const world = await World.create({ host: [...code, ...asm.hlt], memory, registers: { cr4: 0x44_2620n, xcr0: 0x203n, 'xmm0.low': 0x1111n, 'xmm15.high': 0x2222n, mxcsr: 0x1fa0n, ...registers } });
  expect(world.run().kind).toBe('idle');
  const found = world.events.findLast((event) => event.kind === 'exception');
  return { world, exception: found === undefined ? undefined : found.aux & 0xff };
}
const asked = (mask: number): number[] => join(movImmediate(RAX, mask), movImmediate(RDX, 0));
const wrpkru = join(movImmediate(RCX, 0), movImmediate(RDX, 0), movImmediate(RAX, 0x54), [0x0f, 0x01, 0xef]);
const rdpkru = join(movImmediate(RCX, 0), [0x0f, 0x01, 0xee]);
const image = (world: World): bigint[] => [0, 24, 160, 160 + 15 * 16 + 8, 512, 520].map((offset) => world.read64(area + offset));
const mxcsrAndMask = 0xffff_0000_1fa0n;
/** An area with a header and two vectors. */
const saved = (present: bigint, format = 0n, mxcsr = 0x1f80n): Memory => ({
  [area + 24]: qword(mxcsr), [area + 160]: qword(0xaaaan), [area + 408]: qword(0xbbbbn), [area + 512]: join(qword(present), qword(format)), [pkru.standard]: qword(0x14n), [pkru.compacted]: qword(0x1cn),
});

describe('XSAVE', () => {
  it('writes the components that are asked for and keeps the header bits of others', async () => {
    const { world } = await run(join(wrpkru, asked(0x203), asm.xsave(area)), {}, { [area + 512]: qword(0x8000n) });
    expect(image(world)).toEqual([0x37fn, mxcsrAndMask, 0x1111n, 0x2222n, 0x8202n, 0n]);
    expect(world.read64(pkru.standard)).toBe(0x54n);
  });
  it('SSE alone, with the bit of a component that is asked for and not in use cleared', async () => {
    const { world } = await run(join(asked(2), asm.xsave(area)), { 'xmm0.low': 0n, 'xmm15.high': 0n }, { [area]: qword(0x99n), [area + 160]: qword(7n), [area + 512]: qword(3n) });
    expect(image(world)).toEqual([0x99n, mxcsrAndMask, 0n, 0n, 1n, 0n]);
  });
  it('does not look at components that XCR0 leaves out', async () => {
    const { world } = await run(join(wrpkru, asked(-1 >>> 1), asm.xsave(area)), { xcr0: 1n });
    expect(image(world)).toEqual([0x37fn, 0n, 0n, 0n, 0n, 0n]);
    expect(world.read64(pkru.standard)).toBe(0n);
  });
  it('XSAVEOPT leaves the places of initial components alone', async () => {
    const { world } = await run(join(asked(0x203), asm.xsaveopt(area)), { 'xmm0.low': 0n, 'xmm15.high': 0n }, { [area]: qword(0x99n), [area + 160]: qword(7n), [area + 512]: qword(0x203n) });
    expect(image(world)).toEqual([0x99n, mxcsrAndMask, 7n, 0n, 0n, 0n]);
  });
  it.each([['XSAVEC', asm.xsavec], ['XSAVES', asm.xsaves]] as const)('%s packs the components and tells the format', async (_, save) => {
    const { world } = await run(join(wrpkru, asked(0x203), save(area)));
    expect(image(world)).toEqual([0n, mxcsrAndMask, 0x1111n, 0x2222n, 0x202n, compacted | 0x203n]);
    expect(world.read64(pkru.compacted)).toBe(0x54n);
  });
  it('XSAVEC keeps an MXCSR that is not as after reset', async () => {
    const { world } = await run(join(asked(3), asm.xsavec(area)), { 'xmm0.low': 0n, 'xmm15.high': 0n });
    expect(image(world)).toEqual([0n, mxcsrAndMask, 0n, 0n, 2n, compacted | 3n]);
  });
  it('writes nothing when a page of the area is not there', async () => {
    const { world, exception } = await run(join(asked(3), asm.xsave(0x3f_fdc0)), {}, { [at.pd + 8]: qword(0n), [0x1f_fdc0]: qword(1n) });
    expect(exception).toBe(PF);
    expect(world.read64(0x1f_fdc0)).toBe(1n);
  });
});

describe('XRSTOR', () => {
  const state = (world: World): bigint[] => ['xmm0.low', 'xmm15.high', 'mxcsr'].map((name) => world.register(name));
  it('loads what the header says, and the rest as after reset', async () => {
    const { world } = await run(join(wrpkru, asked(0x203), asm.xrstor(area), rdpkru), {}, saved(0x202n));
    expect([...state(world), world.register('rax')]).toEqual([0xaaaan, 0xbbbbn, 0x1f80n, 0x14n]);
    const initial = await run(join(wrpkru, asked(0x203), asm.xrstor(area), rdpkru), {}, saved(1n, 0n, 0x1f00n));
    expect([...state(initial.world), initial.world.register('rax')]).toEqual([0n, 0n, 0x1f00n, 0n]);
  });
  it('leaves components that are not asked for', async () => {
    const { world } = await run(join(wrpkru, asked(1), asm.xrstor(area), rdpkru), {}, saved(0x203n));
    expect([...state(world), world.register('rax')]).toEqual([0x1111n, 0x2222n, 0x1fa0n, 0x54n]);
  });
  it.each([['XRSTOR', asm.xrstor], ['XRSTORS', asm.xrstors]] as const)('%s reads the compacted format', async (_, restore) => {
    const { world } = await run(join(asked(0x203), restore(area), rdpkru), {}, saved(0x202n, compacted | 0x203n, 0x1f00n));
    expect([...state(world), world.register('rax')]).toEqual([0xaaaan, 0xbbbbn, 0x1f00n, 0x1cn]);
    const initial = await run(join(asked(0x203), restore(area)), {}, saved(0n, compacted | 0x203n, 0x1f00n));
    expect(state(initial.world)).toEqual([0n, 0n, 0x1f80n]);
  });
  const refused: readonly (readonly [string, readonly number[], Memory])[] = [
    ['a component that XCR0 does not enable', asm.xrstor(area), saved(4n)],
    ['reserved bits of the header', asm.xrstor(area), { ...saved(3n), [area + 528]: [1] }],
    ['a format without bit 63', asm.xrstor(area), saved(3n, 3n)],
    ['a compacted component that the format lacks', asm.xrstor(area), saved(2n, compacted | 1n)],
    ['a compacted format with a component that is not enabled', asm.xrstor(area), saved(0n, compacted | 4n)],
    ['bytes 63:24 of a compacted header', asm.xrstor(area), { ...saved(0n, compacted | 3n), [area + 575]: [1] }],
    ['reserved bits of MXCSR', asm.xrstor(area), saved(3n, 0n, 0x1_0000n)],
    ['the standard format in XRSTORS', asm.xrstors(area), saved(3n)],
    ['an area that is not aligned', asm.xrstor(area + 32), {}],
  ];
  it.each(refused)('refuses %s and changes nothing', async (_, instruction, memory) => {
    const { world, exception } = await run(join(asked(3), instruction), {}, memory);
    expect(exception).toBe(GP);
    expect(state(world)).toEqual([0x1111n, 0x2222n, 0x1fa0n]);
  });
});

describe('what switches it off', () => {
  const all: readonly (readonly [string, readonly number[]])[] = [['XSAVE', asm.xsave(area)], ['XSAVEOPT', asm.xsaveopt(area)], ['XSAVEC', asm.xsavec(area)], ['XSAVES', asm.xsaves(area)], ['XRSTOR', asm.xrstor(area)],
    ['XRSTORS', asm.xrstors(area)]];
  it.each([...all, ['XGETBV', asm.xgetbv], ['XSETBV', asm.xsetbv]] as const)('%s is #UD without CR4.OSXSAVE', async (_, code) => expect((await run(code, { cr4: 0x2620n })).exception).toBe(UD));
  it.each(all)('%s is #NM with CR0.TS', async (_, code) => expect((await run(code, { cr0: 0x8001_003bn })).exception).toBe(NM));
});

describe('XCR0', () => {
  it.each([[0n, GP], [1n, undefined], [2n, GP], [3n, undefined], [0x203n, undefined], [7n, GP], [1n << 40n | 1n, GP]] as const)('XSETBV of %d: %s', async (value, expected) => {
    const { world, exception } = await run(join(movImmediate(RCX, 0), movImmediate(RAX, value & 0xffff_ffffn), movImmediate(RDX, value >> 32n), asm.xsetbv));
    expect(exception).toBe(expected);
    if (expected === undefined) expect(world.register('xcr0')).toBe(value);
  });
  it('XGETBV tells XCR0, and with ECX = 1 the components in use', async () => {
    const read = async (index: number, registers = {}): Promise<bigint> => (await run(join(movImmediate(RCX, index), asm.xgetbv), registers)).world.register('rax');
    expect([await read(0), await read(1), await read(1, { 'xmm0.low': 0n, 'xmm15.high': 0n })]).toEqual([0x203n, 2n, 0n]);
    expect((await run(join(movImmediate(RCX, 2), asm.xgetbv))).exception).toBe(GP);
  });
  it('CPUID leaf DH follows it; OSXSAVE follows CR4', async () => {
    const leaf = async (number: number, sub: number, xcr0: bigint, cr4 = 0x44_2620n): Promise<bigint[]> => {
      const { world } = await run(join(movImmediate(RAX, number), movImmediate(RCX, sub), asm.cpuid), { xcr0, cr4 });
      return ['rax', 'rbx', 'rcx', 'rdx'].map((name) => world.register(name));
    };
    expect(await leaf(0xd, 0, 3n)).toEqual([0x203n, 576n, 2696n, 0n]);
    expect(await leaf(0xd, 0, 0x203n)).toEqual([0x203n, 2696n, 2696n, 0n]);
    expect(await leaf(0xd, 1, 0x203n)).toEqual([15n, 584n, 0n, 0n]);
    expect(await leaf(0xd, 9, 3n)).toEqual([8n, 2688n, 0n, 0n]);
    expect((await leaf(1, 0, 3n))[2]! >> 26n & 3n).toBe(3n);
    expect((await leaf(1, 0, 3n, 0x2620n))[2]! >> 26n & 3n).toBe(1n);
  });
  it('IA32_XSS exists and has no bits', async () => {
    const write = (value: number): number[] => join(movImmediate(RCX, 0xda0), movImmediate(RAX, value), movImmediate(RDX, 0), asm.wrmsr);
    expect((await run(write(0))).exception).toBeUndefined();
    expect((await run(write(0x100))).exception).toBe(GP);
  });
});
