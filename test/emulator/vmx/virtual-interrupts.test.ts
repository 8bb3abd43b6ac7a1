// Virtual-interrupt delivery and posted interrupts: SDM 3C 30.1, 30.2 and 30.6; PAUSE-loop exiting.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { apicAccesses, delivery, pages, posting, status, vectorSet, vectorsOf, virtualApicWorld, vppr, vtpr, writeCr8, writeMsr, writeRegister } from './virtual-apic-world';

const { join } = asm;
const ISR = 0x100, IRR = 0x200;
const interruptible: Fields = { GUEST_RFLAGS: 0x202n };
const x2apic: readonly ControlRef[] = [...delivery, 'primary.useMsrBitmaps', 'secondary.virtualizeX2apicMode'];
const handled = { [at.guestHandler]: asm.vmcall };
const rvi = (vector: number, inService = 0): Fields => ({ GUEST_INTERRUPT_STATUS: BigInt(vector | inService << 8) });

describe('virtual-interrupt delivery at VM entry', () => {
  it('takes RVI through the IDT: VIRR to VISR, SVI, PPR, and the next request', async () => {
    const world = await virtualApicWorld({ controls: delivery, guest: asm.hlt, memory: { ...handled, ...vectorSet(IRR, 0x31, 0x52) }, fields: { ...interruptible, ...rvi(0x52) } });
    world.runToExit('VMCALL');
    expect([vectorsOf(world, IRR), vectorsOf(world, ISR), status(world), world.read32(vppr)]).toEqual([[0x31], [0x52], [0x31, 0x52], 0x50]);
    expect(world.read64(Number(world.field('GUEST_RSP')))).toBe(BigInt(at.guestCode));
    expect(world.events.filter((event) => event.kind === 'interrupt').map((event) => event.aux)).toEqual([0x52]);
  });
  const priorities: readonly (readonly [number, number, number, boolean])[] = [[0x52, 0x4f, 0, true], [0x52, 0x50, 0, false], [0x52, 0xff, 0, false], [0x52, 0, 0x41, true], [0x52,
    0, 0x50, false], [0x1f, 0xf, 0, true]];
  it.each(priorities)('RVI %i with task priority %i and SVI %i: taken %s', async (vector, task, inService, taken) => {
    const world = await virtualApicWorld({ controls: delivery, guest: asm.cpuid, memory: { ...handled, [vtpr]: asm.dword(task) }, fields: { ...interruptible, ...rvi(vector,
      inService) } });
    world.runToExit(taken ? 'VMCALL' : 'CPUID');
    if (!taken) expect(world.read32(vppr)).toBe(task >> 4 >= inService >> 4 ? task : inService & 0xf0);
  });
  it('waits for RFLAGS.IF and the end of blocking by STI', async () => {
    const world = await virtualApicWorld({ controls: delivery, guest: join(asm.nop, asm.sti, asm.nop, asm.hlt), memory: handled, fields: rvi(0x41) });
    world.runToExit('VMCALL');
    expect(world.read64(Number(world.field('GUEST_RSP')))).toBe(BigInt(at.guestCode + 3));
  });
  it('wakes HLT', async () => {
    const world = await virtualApicWorld({ controls: delivery, memory: handled, fields: { ...interruptible, ...rvi(0x41), GUEST_ACTIVITY_STATE: 1n } });
    world.runToExit('VMCALL');
    expect(world.field('GUEST_ACTIVITY_STATE')).toBe(0n);
  });
  it('follows an injected event, and waits while that keeps IF clear', async () => {
    const world = await virtualApicWorld({ controls: delivery, guest: asm.hlt, memory: { [at.guestHandler]: asm.cpuid }, fields: { ...interruptible, ...rvi(0x41),
      VM_ENTRY_INTERRUPTION_INFO: 0x8000_0306n } });
    world.runToExit('CPUID');
    expect(status(world)).toEqual([0x41, 0]);
  });
  it('is not recognized with interrupt-window exiting, which exits instead', async () => {
    const world = await virtualApicWorld({ controls: [...delivery, 'primary.interruptWindowExiting'], memory: handled, fields: { ...interruptible, ...rvi(0x41) } });
    world.runToExit('INTERRUPT_WINDOW');
    expect(status(world)).toEqual([0x41, 0]);
  });
  it('an exit on the way tells of an external interrupt', async () => {
    const world = await virtualApicWorld({ controls: delivery, fields: { ...interruptible, ...rvi(0x41), GUEST_RSP: 0x4000_0000n, EXCEPTION_BITMAP: 1n << 14n } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('IDT_VECTORING_INFO'), status(world)]).toEqual([0x8000_0041n, [0, 0x41]]);
  });
  it('a monitor-trap-flag exit follows the delivery, before the first instruction of the handler', async () => {
    const world = await virtualApicWorld({ controls: [...delivery, 'primary.monitorTrapFlag'], memory: handled, fields: { ...interruptible, ...rvi(0x41) } });
    world.runToExit('MONITOR_TRAP_FLAG');
    expect([world.field('GUEST_RIP'), status(world)]).toEqual([BigInt(at.guestHandler), [0, 0x41]]);
  });
});

describe('virtual-interrupt delivery while the guest runs', () => {
  it('a lowered task priority lets a request through', async () => {
    const world = await virtualApicWorld({ controls: delivery, guest: join(writeCr8(2), asm.hlt), memory: { ...handled, [vtpr]: asm.dword(0xf0) }, fields: { ...interruptible,
      ...rvi(0x41) } });
    world.runToExit('VMCALL');
    expect([world.read64(Number(world.field('GUEST_RSP'))), world.read32(vtpr), world.read32(vppr)]).toEqual([BigInt(at.guestCode + writeCr8(2).length), 0x20, 0x40]);
  });
  const selfIpis: readonly (readonly [string, readonly ControlRef[], readonly number[]])[] = [
    ['WRMSR 83FH', x2apic, writeMsr(0x83f, 0x61)], ['a write of the ICR', [...apicAccesses, ...delivery], writeRegister(0x300, 0x4_4061)],
  ];
  it.each(selfIpis)('a self-IPI by %s is taken after the instruction', async (_, controls, guest) => {
    const world = await virtualApicWorld({ controls, guest: join(guest, asm.hlt), memory: handled, fields: interruptible });
    world.runToExit('VMCALL');
    expect([world.read64(Number(world.field('GUEST_RSP'))), vectorsOf(world, ISR), vectorsOf(world, IRR), status(world)]).toEqual([BigInt(at.guestCode + guest.length), [0x61], [],
      [0, 0x61]]);
  });
  it('a self-IPI below RVI waits in VIRR', async () => {
    const world = await virtualApicWorld({ controls: x2apic, guest: join(writeMsr(0x83f, 0x61), asm.vmcall), memory: vectorSet(IRR, 0x72), fields: rvi(0x72) });
    world.runToExit('VMCALL');
    expect([vectorsOf(world, IRR), status(world)]).toEqual([[0x61, 0x72], [0x72, 0]]);
  });
  const eois: readonly (readonly [string, readonly ControlRef[], readonly number[]])[] = [['WRMSR 80BH', x2apic, writeMsr(0x80b, 0)], ['a write of the register', [...apicAccesses,
    ...delivery], writeRegister(0xb0, 5)]];
  it.each(eois)('EOI by %s ends the highest vector in service', async (_, controls, guest) => {
    const world = await virtualApicWorld({ controls, guest: join(guest, asm.vmcall), memory: vectorSet(ISR, 0x31, 0x52), fields: rvi(0, 0x52) });
    world.runToExit('VMCALL');
    expect([vectorsOf(world, ISR), status(world), world.read32(vppr), world.read32(pages.virtual + 0xb0)]).toEqual([[0x31], [0, 0x31], 0x30, 0]);
  });
  it('the EOI of one interrupt lets the next one in', async () => {
    const world = await virtualApicWorld({ controls: x2apic, guest: join(writeMsr(0x80b, 0), asm.hlt), memory: { ...handled, ...vectorSet(ISR, 0x52), ...vectorSet(IRR, 0x48) },
      fields: { ...interruptible, ...rvi(0x48, 0x52) } });
    world.runToExit('VMCALL');
    expect([vectorsOf(world, ISR), status(world)]).toEqual([[0x48], [0, 0x48]]);
  });
  it.each([0x20, 0x52, 0x91, 0xff])('the EOI-exit bitmap turns the EOI of vector %i into an exit after it', async (vector) => {
    const bitmap = ['EOI_EXIT_BITMAP_0', 'EOI_EXIT_BITMAP_1', 'EOI_EXIT_BITMAP_2', 'EOI_EXIT_BITMAP_3'][vector >> 6]!, guest = writeMsr(0x80b, 0);
    const world = await virtualApicWorld({ controls: x2apic, guest, memory: { ...vectorSet(ISR, vector), ...vectorSet(IRR, 0x31) }, fields: { ...rvi(0x31, vector),
      [bitmap]: 1n << BigInt(vector & 63) } });
    world.runToExit('VIRTUALIZED_EOI');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP'), status(world), vectorsOf(world, ISR)]).toEqual([BigInt(vector), BigInt(at.guestCode + guest.length),
      [0x31, 0], []]);
  });
});

const apic = 0xfee0_0000;
const apicWrite = (offset: number, value: number): number[] => join(asm.movImmediate(asm.RBX, apic + offset), asm.movDwordIndirect(asm.RBX, value));
const enableApic = apicWrite(0xf0, 0x1ff);
const notify = (vector: number): number[] => apicWrite(0x300, 0x4_4000 | vector);
const descriptor = (...vectors: number[]): Record<number, number[]> => {
  const words = Array.from({ length: 9 }, () => 0);
  for (const vector of [...vectors, 256]) words[vector >> 5] = (words[vector >> 5]! | 1 << (vector & 31)) >>> 0;
  return { [pages.descriptor]: words.flatMap((word) => asm.dword(word)) };
};

describe('posted interrupts', () => {
  it('a notification moves requests to VIRR, ends the physical interrupt, and the highest is taken', async () => {
    const guest = join(enableApic, notify(0xf2));
    const world = await virtualApicWorld({ controls: posting, guest: join(guest, asm.hlt), memory: { ...handled, ...descriptor(0x35, 0x61, 0xe9), ...vectorSet(IRR, 0x33) },
      fields: { ...interruptible, ...rvi(0x33, 0x41) } });
    world.runToExit('VMCALL');
    expect([vectorsOf(world, IRR), vectorsOf(world, ISR), status(world)]).toEqual([[0x33, 0x35, 0x61], [0xe9], [0x61, 0xe9]]);
    expect(Array.from({ length: 5 }, (_, n) => world.read64(pages.descriptor + 8 * n))).toEqual([0n, 0n, 0n, 0n, 0n]);
    expect(world.read64(Number(world.field('GUEST_RSP')))).toBe(BigInt(at.guestCode + guest.length));
  });
  it('other vectors exit, acknowledged', async () => {
    const world = await virtualApicWorld({ controls: posting, guest: join(enableApic, notify(0xf3), asm.hlt), memory: descriptor(0x61) });
    world.runToExit('EXTERNAL_INTERRUPT');
    expect([world.field('VM_EXIT_INTERRUPTION_INFO'), vectorsOf(world, IRR)]).toEqual([0x8000_00f3n, []]);
  });
  it('are processed whatever IF says, and taken later', async () => {
    const world = await virtualApicWorld({ controls: posting, guest: join(enableApic, notify(0xf2), asm.cpuid), memory: descriptor(0x61) });
    world.runToExit('CPUID');
    expect([vectorsOf(world, IRR), status(world)]).toEqual([[0x61], [0x61, 0]]);
  });
  it('wake HLT only when one is recognized', async () => {
    const halting = join(enableApic, notify(0xf2), asm.hlt);
    const quiet = await virtualApicWorld({ controls: posting, guest: join(asm.cli, halting), memory: { ...handled, ...descriptor(0x61), [vtpr]: asm.dword(0xf0) },
      fields: interruptible });
    expect(quiet.run().kind).toBe('idle');
    expect(quiet.machine.vmx(0).nonRoot).toBe(true);
    const waking = await virtualApicWorld({ controls: posting, guest: join(asm.cli, enableApic, notify(0xf2), asm.sti, asm.hlt), memory: { ...handled, ...descriptor(0x61) },
      fields: interruptible });
    waking.runToExit('VMCALL');
    expect(waking.read64(Number(waking.field('GUEST_RSP')))).toBe(BigInt(at.guestCode + 1 + halting.length + 1));
  });
  it('are no instruction to the monitor trap flag', async () => {
    const world = await virtualApicWorld({ controls: [...posting, 'primary.monitorTrapFlag'], host: join(enableApic, notify(0xf2), asm.vmxon(at.data), asm.vmclear(at.data + 8),
      asm.vmptrld(at.data + 8), asm.vmlaunch), guest: join(asm.nop, asm.nop), memory: descriptor(0x61) });
    world.runToExit('MONITOR_TRAP_FLAG');
    expect([world.field('GUEST_RIP'), status(world)]).toEqual([BigInt(at.guestCode + 1), [0x61, 0]]);
  });
});

describe('PAUSE-loop exiting', () => {
  const spin = (pauses: number, between: number): number[] => Array.from({ length: pauses }, () => join(asm.pause, ...Array.from({ length: between }, () => asm.nop))).flat();
  const ple = (gap: number, window: number): { controls: readonly ControlRef[]; fields: Fields } => ({ controls: ['secondary.pauseLoopExiting'], fields: { PLE_GAP: BigInt(gap),
    PLE_WINDOW: BigInt(window) } });
  // PAUSE and two NOPs: three units from one PAUSE to the next
  it.each([[3, 0, 1], [3, 3, 2], [3, 8, 3], [3, 9, 4], [10, 29, 10]])('gap %i, window %i: the PAUSE number %i exits', async (gap, window, number) => {
    const world = await virtualApicWorld({ ...ple(gap, window), guest: join(spin(12, 2), asm.cpuid) });
    world.runToExit('PAUSE');
    expect([world.field('GUEST_RIP'), world.field('EXIT_QUALIFICATION'), world.field('VM_EXIT_INSTRUCTION_LENGTH')]).toEqual([BigInt(at.guestCode + 4 * number), 0n, 2n]);
  });
  it('a longer time than the gap begins a new loop', async () => {
    const world = await virtualApicWorld({ ...ple(2, 0), guest: join(spin(12, 2), asm.cpuid) });
    world.runToExit('CPUID');
  });
  it('does not count at CPL 3', async () => {
    const user: Fields = { GUEST_CS_SELECTOR: 0x2bn, GUEST_CS_ACCESS_RIGHTS: 0xa0fbn, ...Object.fromEntries((['SS', 'DS', 'ES', 'FS',
      'GS'] as const).flatMap((name) => [[`GUEST_${name}_SELECTOR`, 0x33n], [`GUEST_${name}_ACCESS_RIGHTS`, 0xc0f3n]])) };
    const { controls, fields } = ple(100, 0);
    const world = await virtualApicWorld({ controls, fields: { ...fields, ...user }, guest: join(spin(12, 2), asm.cpuid) });
    world.runToExit('CPUID');
  });
});
