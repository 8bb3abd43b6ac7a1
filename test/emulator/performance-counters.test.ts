// Architectural performance monitoring: what counts, at which privilege, how counters overflow, and the VM-entry and VM-exit controls for them.
import { describe, expect, it } from 'vitest';
import * as asm from './vmx/machine-code';
import { at } from './vmx/valid-vmcs';
import { enter, World } from './vmx/world';

const { join, RAX, RCX, RDX } = asm;
const PMC0 = 0xc1, PERFEVTSEL0 = 0x186, FIXED_CTR0 = 0x309, FIXED_CTR_CTRL = 0x38d, GLOBAL_STATUS = 0x38e, GLOBAL_CTRL = 0x38f, GLOBAL_OVF_CTRL = 0x390;
const wrmsr = (index: number, value: bigint | number): number[] => join(asm.movImmediate(RCX, index), asm.movImmediate(RAX, BigInt(value) & 0xffff_ffffn), asm.movImmediate(RDX,
  BigInt(value) >> 32n), asm.wrmsr);
const rdpmc = (counter: number): number[] => join(asm.movImmediate(RCX, counter), asm.rdpmc);
const nops = (count: number): number[] => Array.from({ length: count }, () => 0x90);
const system = 0x42_0000, user = 0x41_0000;

async function host(code: readonly number[], more: Parameters<typeof World.create>[0] = {}): Promise<World> {
  const world = await World.create({ ...more, host: join(code, asm.hlt) });
  world.run();
  return world;
}

describe('counters', () => {
  const events: readonly (readonly [string, number, number])[] = [['core cycles', 0x3c, 103], ['instructions retired', 0xc0, 103], ['reference cycles', 0x13c, 103],
    ['cache misses, which do not exist', 0x412e, 0]];
  it.each(events)('a programmable counter counts %s', async (_, event, counted) => {
    // WRMSR itself, 100 NOPs, MOV of RDPMC's index, RDPMC: counting begins after the first
    const world = await host(join(wrmsr(PERFEVTSEL0, system | event), wrmsr(GLOBAL_CTRL, 1), nops(100), rdpmc(0)));
    expect(Number(world.register('rax'))).toBeLessThanOrEqual(counted);
    expect(Number(world.register('rax'))).toBeGreaterThanOrEqual(counted - 2);
  });
  it('a fixed counter counts at the levels that its control names', async () => {
    for (const [control, counts] of [[1, true], [2, false], [3, true], [0, false]] as const) {
      const world = await host(join(wrmsr(FIXED_CTR_CTRL, control << 4), wrmsr(GLOBAL_CTRL, 1n << 33n), nops(50), rdpmc(0x4000_0001)));
      expect(Number(world.register('rax')) >= 50).toBe(counts);
    }
  });
  it('counters that are for user mode, or not enabled globally, stand still', async () => {
    for (const [select, global] of [[user | 0xc0, 1], [system | 0xc0, 2], [0xc0, 1]] as const) {
      const world = await host(join(wrmsr(PERFEVTSEL0, select), wrmsr(GLOBAL_CTRL, global), nops(50), rdpmc(0)));
      expect(world.register('rax')).toBe(0n);
    }
  });
  it('do not count while the processor is halted', async () => {
    const world = await World.create({ host: join(wrmsr(FIXED_CTR_CTRL, 1), wrmsr(GLOBAL_CTRL, 1n << 32n), asm.hlt) });
    world.run(100_000);
    expect(Number(world.register('msr.IA32_FIXED_CTR0'))).toBeLessThan(5);
  });
  it('a write of a programmable counter extends bit 31; a fixed one has 48 bits', async () => {
    const world = await host(join(wrmsr(PMC0, 0x8000_0001n), wrmsr(FIXED_CTR0, 0xffff_0000_1234n)));
    expect([world.register('msr.IA32_PMC0'), world.register('msr.IA32_FIXED_CTR0')]).toEqual([0xffff_8000_0001n, 0xffff_0000_1234n]);
  });
  it('an overflow is noted at its instant, cleared by software, and interrupts through the local vector table, which is masked then', async () => {
    const apic = (offset: number, value: number): number[] => join(asm.movImmediate(asm.RBX, 0xfee0_0000 + offset), asm.movDwordIndirect(asm.RBX, value));
    const world = await World.create({ host: join(apic(0xf0, 0x1ff), apic(0x340, 0x51), wrmsr(FIXED_CTR0, 0xffff_ffff_fff0n), wrmsr(FIXED_CTR_CTRL, 9), asm.sti, wrmsr(GLOBAL_CTRL,
      1n << 32n), nops(100), asm.hlt),
      memory: { [at.hostTrap]: join(wrmsr(GLOBAL_CTRL, 0), asm.hlt) } });
    world.run();
    expect(world.events.filter((event) => event.kind === 'interrupt').map((event) => event.aux)).toEqual([0x51]);
    expect(world.register('msr.IA32_PERF_GLOBAL_STATUS')).toBe(1n << 32n);
    const sp = Number(world.register('rsp')), interrupted = Number(world.read64(sp)) - at.hostCode;
    const start = join(apic(0xf0, 0x1ff), apic(0x340, 0x51), wrmsr(FIXED_CTR0, 0xffff_ffff_fff0n), wrmsr(FIXED_CTR_CTRL, 9), asm.sti, wrmsr(GLOBAL_CTRL, 1n << 32n)).length;
    expect(interrupted - start).toBeGreaterThanOrEqual(14);
    expect(interrupted - start).toBeLessThanOrEqual(17);
    const cleared = await host(join(wrmsr(FIXED_CTR0, 0xffff_ffff_fffen), wrmsr(FIXED_CTR_CTRL, 1), wrmsr(GLOBAL_CTRL, 1n << 32n), nops(9), wrmsr(GLOBAL_CTRL, 0),
      wrmsr(GLOBAL_OVF_CTRL, 1n << 32n)));
    expect(cleared.register('msr.IA32_PERF_GLOBAL_STATUS')).toBe(0n);
  });
  const refused: readonly (readonly [string, readonly number[]])[] = [
    ['a reserved bit of IA32_PERF_GLOBAL_CTRL', wrmsr(GLOBAL_CTRL, 0x10)], ['a reserved bit of an event select', wrmsr(PERFEVTSEL0, 1n << 32n)],
      ['a reserved bit of the fixed control', wrmsr(FIXED_CTR_CTRL, 4)],
    ['the status', wrmsr(GLOBAL_STATUS, 0)], ['a fixed counter beyond its width', wrmsr(FIXED_CTR0, 1n << 48n)], ['RDPMC of a counter that is not there', rdpmc(4)],
      ['RDPMC of a fixed one that is not there', rdpmc(0x4000_0003)],
  ];
  it.each(refused)('#GP: %s', async (_, code) => {
    const world = await host(code);
    expect(world.events.findLast((event) => event.kind === 'exception')!.aux & 0xff).toBe(13);
  });
});

describe('VM transitions', () => {
  it('load and save IA32_PERF_GLOBAL_CTRL', async () => {
    const world = await World.create({
      host: join(wrmsr(GLOBAL_CTRL, 1), enter()), guest: join(asm.movImmediate(RCX, GLOBAL_CTRL), asm.rdmsr, asm.vmcall), fields: { GUEST_IA32_PERF_GLOBAL_CTRL: 3n,
        HOST_IA32_PERF_GLOBAL_CTRL: 7n },
      controls: ['primary.useMsrBitmaps', 'entry.loadPerfGlobalCtrl', 'exit.loadPerfGlobalCtrl', 'exit.savePerfGlobalCtrl'],
    });
    world.setField('GUEST_IA32_PERF_GLOBAL_CTRL', 2n);
    world.runToExit('VMCALL');
    expect([world.field('GUEST_IA32_PERF_GLOBAL_CTRL'), world.register('msr.IA32_PERF_GLOBAL_CTRL'), world.register('rax')]).toEqual([2n, 7n, 2n]);
  });
  it('leave it alone without the controls', async () => {
    const world = await World.create({ host: join(wrmsr(GLOBAL_CTRL, 1), enter()), guest: asm.vmcall, fields: { GUEST_IA32_PERF_GLOBAL_CTRL: 3n,
      HOST_IA32_PERF_GLOBAL_CTRL: 7n } });
    world.runToExit('VMCALL');
    expect([world.field('GUEST_IA32_PERF_GLOBAL_CTRL'), world.register('msr.IA32_PERF_GLOBAL_CTRL')]).toEqual([3n, 1n]);
  });
});
