// The debug registers: breakpoints on instructions, data and ports, RF, and how single steps, MOV SS and INT1 meet.
import { describe, expect, it } from 'vitest';
import * as asm from '../vmx/machine-code';
import { at, type Fields } from '../vmx/valid-vmcs';
import { gate, World } from '../vmx/world';

const { RAX, RBX, RCX, join, movImmediate, movLoad, movStore, dword } = asm;
const count = 0x3_0000, log = 0x3_0010, data = 0x3_1000, dbHandler = 0x3_2000;
/** Notes RIP and DR6, clears DR6 and returns. */
const handler = join([0x50, 0x51, 0x48, 0x8b, 0x0c, 0x25], dword(count), [0x48, 0x8b, 0x44, 0x24, 0x10, 0x48, 0xc1, 0xe1, 0x04, 0x48, 0x89, 0x81], dword(log), asm.movFromDr(RAX, 6), [0x48, 0x89, 0x81], dword(log + 8),
  [0x48, 0xff, 0x04, 0x25], dword(count), [0x31, 0xc0], asm.movToDr(6, RAX), [0x59, 0x58], asm.iretq);
const setDr = (n: number, value: number): number[] => join(movImmediate(RAX, value), asm.movToDr(n, RAX));
/** DR7: breakpoint 0 enabled, of a kind (0 execution, 1 write, 2 port, 3 access) and a length code. */
const dr7 = (kind: number, length = 0): number => 0x401 | kind << 16 | length << 18;
const setFlags = (change: number[]): number[] => join([0x9c, 0x58], change, [0x50, 0x9d]);
const stepOn = [0x0d, 0, 1, 0, 0] as number[], stepOff = [0x48, 0x25, 0xff, 0xfe, 0xff, 0xff] as number[];

interface Hit { readonly rip: number; readonly dr6: number }
/** Runs host code up to HLT; offsets of the #DBs and the low bits of DR6 (BS 4000H, BD 2000H). */
async function run(code: readonly number[], registers: Readonly<Record<string, bigint>> = {}): Promise<{ world: World; hits: Hit[] }> {
  const world = await World.create({ host: join(code, asm.hlt), memory: { [dbHandler]: handler, [at.hostIdt + 16]: gate(dbHandler) }, registers });
  expect(world.run().kind).toBe('idle');
  const hits = Array.from({ length: Number(world.read64(count)) }, (_, n) => ({ rip: Number(world.read64(log + 16 * n)) - at.hostCode, dr6: Number(world.read64(log + 16 * n + 8) & 0xffffn) & 0xe00f }));
  return { world, hits };
}

describe('a breakpoint on an instruction', () => {
  const set = join(setDr(0, at.hostCode + 28), setDr(7, dr7(0)));               // 2 * 13 bytes, then two NOPs
  it('is a fault before it, once: RF lets it run', async () => {
    const { world, hits } = await run(join(set, asm.nop, asm.nop, asm.nop, asm.nop));
    expect(hits).toEqual([{ rip: 28, dr6: 1 }]);
    expect(world.register('rip')).toBe(BigInt(at.hostCode + 31));
  });
  it('is met each time the instruction comes again', async () => {
    const loop = join(set, [0x90, 0x90], [0xff, 0xc3], [0x83, 0xfb, 0x03], [0x75, 0xf9]);   // INC EBX; CMP EBX, 3; JNE to the INC
    expect((await run(loop, { rbx: 0n })).hits).toEqual([{ rip: 28, dr6: 1 }, { rip: 28, dr6: 1 }, { rip: 28, dr6: 1 }]);
  });
  it('is passed over after MOV SS, and while it is not enabled', async () => {
    const early = join(setDr(0, at.hostCode + 34), setDr(7, dr7(0)), [0x66, 0xbb, 0x10, 0x00], [0x8e, 0xd3], [0x90], [0x90, 0x90]);
    expect((await run(early)).hits).toEqual([{ rip: 34, dr6: 1 }]);
    const shadowed = join(setDr(0, at.hostCode + 32), setDr(7, dr7(0)), [0x66, 0xbb, 0x10, 0x00], [0x8e, 0xd3], [0x90], [0x90, 0x90]);
    expect((await run(shadowed)).hits).toEqual([]);
    expect((await run(join(setDr(0, at.hostCode + 28), setDr(7, 0x400), asm.nop, asm.nop, asm.nop))).hits).toEqual([]);
  });
  it('is none of a single step', async () => {
    const { hits } = await run(join(setFlags(stepOn), asm.nop, setFlags(stepOff), asm.nop));
    expect(hits.every((hit) => hit.dr6 === 0x4000)).toBe(true);
    expect(hits[0]).toEqual({ rip: 10, dr6: 0x4000 });
  });
});

describe('a breakpoint on data', () => {
  const access = (kind: number, length: number, instruction: readonly number[], address = data): Promise<Hit[]> => run(join(setDr(0, address), setDr(7, dr7(kind, length)), instruction, asm.nop)).then(({ hits }) => hits);
  const trap = (bytes: readonly number[]): Hit[] => [{ rip: 26 + bytes.length, dr6: 1 }];
  it('is a trap after a write', async () => {
    expect(await access(1, 2, movStore(data, RBX))).toEqual(trap(movStore(data, RBX)));
    expect(await access(1, 2, movLoad(RBX, data))).toEqual([]);
  });
  it('of both kinds after a read as well', async () => {
    expect(await access(3, 3, movLoad(RBX, data))).toEqual(trap(movLoad(RBX, data)));
    expect(await access(3, 3, [0x48, 0xff, 0x04, 0x25, ...dword(data)])).toEqual([{ rip: 34, dr6: 1 }]);
  });
  it('watches as many bytes as its length says, aligned', async () => {
    expect(await access(1, 3, movStore(data + 4, RBX), data + 2)).toEqual([]);
    expect(await access(1, 3, movStore(data - 7, RBX), data + 2)).toEqual(trap(movStore(data, RBX)));
    expect(await access(1, 2, movStore(data - 8, RBX), data)).toEqual([]);
    expect(await access(1, 0, movStore(data - 5, RBX), data + 3)).toEqual([]);
  });
  it('is met at each iteration of a string instruction, and across a page', async () => {
    const { hits } = await run(join(setDr(0, data), setDr(7, dr7(1, 3)), movImmediate(asm.RDI, data - 1), movImmediate(RCX, 4), [0xf3, 0xaa], asm.nop));
    expect(hits.map((hit) => hit.rip)).toEqual([46, 46, 48]);
    expect(await access(1, 3, movStore(data - 3, RBX))).toEqual(trap(movStore(data, RBX)));
  });
  it('is not met by an instruction that faults', async () => {
    // MOVSB reads the watched byte and cannot write
    const { world, hits } = await run(join(setDr(0, data), setDr(7, dr7(3, 3)), [0xa4], asm.nop), { rsi: BigInt(data), rdi: 0x4000_0000n });
    expect(hits).toEqual([]);
    expect(world.register('rip')).toBe(BigInt(at.hostTrap + 1));
  });
  it('is forgotten when it is disabled, and other pages are as fast as before', async () => {
    const { hits } = await run(join(setDr(0, data), setDr(7, dr7(1, 3)), movStore(data, RBX), setDr(7, 0x400), movStore(data, RBX), movStore(data + 0x2000, RBX)));
    expect(hits).toHaveLength(1);
  });
});

describe('a breakpoint on a port', () => {
  const port = join(setDr(0, 0xe0), setDr(7, dr7(2, 3)), [0xe5, 0xe2], [0xe6, 0xe4], asm.nop);
  it('is a trap after IN and OUT, with CR4.DE', async () => {
    expect((await run(port, { cr4: 0x2628n })).hits).toEqual([{ rip: 28, dr6: 1 }]);
    expect((await run(port)).hits).toEqual([]);
  });
});

describe('single steps', () => {
  it('are not taken over INT1, whose handler returns to the next instruction', async () => {
    const { hits } = await run(join(setFlags(stepOn), asm.int1, asm.nop, setFlags(stepOff)));
    expect(hits.slice(0, 2)).toEqual([{ rip: 10, dr6: 0 }, { rip: 11, dr6: 0x4000 }]);
  });
  it('held back by MOV SS are lost with INT1', async () => {
    const { hits } = await run(join([0x66, 0xbb, 0x10, 0x00], setFlags(stepOn), [0x8e, 0xd3], asm.int1, asm.int1, asm.nop, setFlags(stepOff)));
    expect(hits.slice(0, 3)).toEqual([{ rip: 16, dr6: 0 }, { rip: 17, dr6: 0 }, { rip: 18, dr6: 0x4000 }]);
  });
});

describe('a trap held back by MOV SS', () => {
  // MOV SS, [data] with a breakpoint on data
  const movSs = (then: readonly number[]): number[] => join([0x66, 0xc7, 0x04, 0x25], dword(data), [0x10, 0x00], setDr(0, data), setDr(7, dr7(3, 1)), [0x8e, 0x14, 0x25], dword(data), then, asm.nop);
  const end = 10 + 26 + 7;
  it('comes after the next instruction', async () => {
    expect((await run(movSs(asm.nop))).hits).toEqual([{ rip: end + 1, dr6: 1 }]);
  });
  it('is lost with INT1, and taken in the handler of INT 1', async () => {
    expect((await run(movSs(asm.int1))).hits).toEqual([{ rip: end + 1, dr6: 0 }]);
    const { hits } = await run(movSs(asm.intn(1)));
    expect(hits.map((hit) => hit.rip)).toEqual([dbHandler - at.hostCode, end + 2]);
  });
});

describe('a return to an outer level', () => {
  it('leaves the bases of FS and GS that it makes unusable', async () => {
    const frame = join([0x6a, 0x33], [0x68], dword(at.guestStackTop), [0x6a, 0x02], [0x6a, 0x2b], [0x68], dword(at.hostTrap + 0x100), asm.iretq);
    const world = await World.create({ host: frame, memory: { [at.hostTrap + 0x100]: [0x65, ...movLoad(RBX, 0x10), ...asm.ud2], [data + 0x10]: [0x77] }, registers: { 'gs.base': BigInt(data) } });
    world.run();
    expect([world.register('rbx'), world.register('gs.selector')]).toEqual([0x77n, 0n]);
  });
});

describe('in a guest', () => {
  const fields: Fields = { GUEST_DR7: BigInt(dr7(1, 3)), EXCEPTION_BITMAP: 2n };
  it('a breakpoint exits with its bits, where entry loads DR7', async () => {
    const world = await World.create({ guest: join(movStore(data, RBX), asm.nop), controls: ['entry.loadDebugControls'], fields, registers: { dr0: BigInt(data) } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP'), world.register('dr7')]).toEqual([1n, BigInt(at.guestCode + 8), 0x400n]);
  });
  it('one on the first instruction exits before it, with RF in the saved image', async () => {
    const world = await World.create({ guest: asm.nop, controls: ['entry.loadDebugControls'], fields: { ...fields, GUEST_DR7: BigInt(dr7(0)) }, registers: { dr0: BigInt(at.guestCode) } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP'), world.field('GUEST_RFLAGS') & 0x1_0000n]).toEqual([1n, BigInt(at.guestCode), 0x1_0000n]);
  });
  it('RF of the entry passes over it', async () => {
    const world = await World.create({ guest: join(asm.nop, asm.cpuid), controls: ['entry.loadDebugControls'], fields: { ...fields, GUEST_DR7: BigInt(dr7(0)), GUEST_RFLAGS: 0x1_0002n }, registers: { dr0: BigInt(at.guestCode) } });
    world.runToExit('CPUID');
    expect(world.field('GUEST_RFLAGS')).toBe(2n);
  });
});
