// VMX on two vCPUs: INIT and start-up IPIs by another processor, IPIs that exit, and a VMCS that moves from one processor to the other.
import { describe, expect, it } from 'vitest';
import { exitReasons } from '../../../src/spec/exit-reasons';
import { defaultProcessorModel } from '../../../src/spec/processor-models';
import * as asm from '../vmx/machine-code';
import { at, type Fields } from '../vmx/valid-vmcs';
import type { ControlRef } from '../../../src/spec/controls';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { enter, World } from '../vmx/world';

const apic = 0xfee0_0000;
const place = { first: 0x3f_0000, second: 0x3f_1000, secondStack: 0x3f_3000, flag: 0x3f_4000, mark: 0x3f_4008, secondVmxon: 0x3f_5000, startUp: 0x3e_000, vmxonPointer: 0x3f_4010 } as const;
const apicWrite = (offset: number, value: number): number[] => asm.join(asm.movImmediate(asm.RBX, apic + offset), asm.movDwordIndirect(asm.RBX, value));
/** An IPI to vCPU 1. */
const send = (command: number): number[] => asm.join(apicWrite(0x310, 1 << 24), apicWrite(0x300, command));
const init = 0x4500, startUp = (page: number): number => 0x4600 | page, nmi = 0x4400;
const set = (address: number, value: number): number[] => [0xc7, 0x04, 0x25, ...asm.dword(address), ...asm.dword(value)];
/** CMP dword [address], value; PAUSE; JNE back. */
const wait = (address: number, value: number): number[] => [0x83, 0x3c, 0x25, ...asm.dword(address), value, ...asm.pause, 0x75, 0xf4];
const manyPauses = Array.from({ length: 40 }, () => [...asm.pause]).flat();

interface Programs {
  readonly first: readonly number[];
  readonly second: readonly number[];
  readonly guest?: readonly number[];
  readonly handler?: readonly number[];
  readonly controls?: readonly ControlRef[];
  readonly fields?: Fields;
}

/** Both vCPUs in 64-bit root operation at their programs. */
async function pair({ first, second, guest, handler, controls, fields }: Programs): Promise<World> {
  const wake = asm.join(send(init), send(startUp(place.startUp >> 12)), asm.jumpSelf);
  const world = await World.create({ vcpus: 2, host: wake, guest, handler, controls, fields }), { machine } = world;
  machine.addCodeHook(BigInt(place.startUp));
  expect(machine.run(100_000)).toMatchObject({ kind: 'codeHook', vcpu: 1 });
  machine.removeCodeHook(BigInt(place.startUp));
  // the application processor begins in real-address mode; a debugger puts it where the test wants it
  expect([machine.registers(1).get('cs.selector'), machine.registers(1).get('rip'), machine.registers(1).get('cr0') & 1n]).toEqual([BigInt(place.startUp >> 4), 0n, 0n]);
  const names = ['cr0', 'cr4', 'cr3', 'efer', 'gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit',
    ...['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'tr', 'ldtr'].flatMap(s => ['selector', 'base', 'limit', 'rights'].map(part => `${s}.${part}`))];
  for (const name of names) machine.registers(1).set(name, machine.registers(0).get(name));
  world.write(place.first, first);
  world.write(place.second, second);
  world.write(place.secondVmxon, asm.dword(defaultProcessorModel.vmx.revision));
  world.write(place.vmxonPointer, asm.qword(BigInt(place.secondVmxon)));
  machine.registers(0).set('rip', BigInt(place.first));
  machine.registers(1).set('rip', BigInt(place.second));
  machine.registers(1).set('rsp', BigInt(place.secondStack));
  world.events.length = 0;
  return world;
}
/** Runs to the exit of a guest of vCPU 1. */
function runTo(world: World, reason: string): void {
  const { kind, vcpu, index } = world.run(200_000);
  expect([kind, vcpu, exitReasons.find(row => row.number === index)?.id]).toEqual(['vmExit', 1, reason]);
}

describe('INIT from another processor', () => {
  it('waits in root operation, and exits in non-root operation', async () => {
    const world = await pair({
      second: enter(asm.join(set(place.flag, 1), wait(place.flag, 2), set(place.mark, 1), asm.vmlaunch)),
      first: asm.join(wait(place.flag, 1), send(init), set(place.flag, 2), asm.jumpSelf),
      guest: asm.jumpSelf, handler: asm.join(asm.vmxoff, set(place.mark, 2), asm.hlt),
    });
    runTo(world, 'INIT_SIGNAL');
    expect([world.read32(place.mark), world.field('GUEST_RIP')]).toEqual([1, BigInt(at.guestCode)]);
    // the exit has consumed it: nothing is left for VMXOFF
    world.run(50_000);
    expect(world.read32(place.mark)).toBe(2);
  });

  it('that waits in root operation is performed at VMXOFF; a SIPI starts the processor anew', async () => {
    const world = await pair({
      second: asm.join(asm.vmxon(at.data), set(place.flag, 1), wait(place.flag, 2), asm.vmxoff, set(place.mark, 7), asm.hlt),
      first: asm.join(wait(place.flag, 1), send(init), set(place.flag, 2), manyPauses, send(startUp(0x3e)), asm.jumpSelf),
    });
    world.write(place.startUp, [0xfa, 0xf4]);                                             // CLI; HLT
    world.run(200_000);
    const second = world.machine.registers(1);
    expect([world.read32(place.mark), second.get('cs.base'), second.get('rip'), second.get('cr0') & 1n]).toEqual([0, BigInt(place.startUp), 2n, 0n]);
    expect(world.machine.vmx(1).vmxOn).toBe(false);
  });

  it('keeps MSRs, the time-stamp counter and SSE state, and empties the rest', async () => {
    const world = await pair({ second: asm.jumpSelf, first: asm.join(send(init), asm.jumpSelf) }), second = world.machine.registers(1);
    const kept = { 'msr.IA32_TSC_ADJUST': 99n, 'msr.IA32_PAT': 0x0606060606060606n, 'msr.IA32_STAR': 5n, 'xmm3.low': 77n, mxcsr: 0x1fa0n }, changed = { rax: 1n, cr2: 2n, dr0: 3n, cr3: BigInt(at.pml4) };
    for (const [name, value] of Object.entries({ ...kept, ...changed })) second.set(name, value);
    world.run(50_000);
    expect(Object.keys(kept).map(name => second.get(name))).toEqual(Object.values(kept));
    expect(Object.keys(changed).map(name => second.get(name))).toEqual([0n, 0n, 0n, 0n]);
    expect([second.get('rflags'), second.get('efer'), second.get('dr6'), second.get('dr7')]).toEqual([2n, 0n, 0xffff0ff0n, 0x400n]);
    expect(second.get('rdx')).toBe(0x506e3n);
  });
});

describe('start-up IPIs', () => {
  it('exit from the wait-for-SIPI state, in which nothing else is recognized', async () => {
    const world = await pair({
      second: enter(asm.join(set(place.flag, 1), asm.vmlaunch)), fields: { GUEST_ACTIVITY_STATE: 3n }, controls: ['pin.externalInterruptExiting', 'pin.nmiExiting'],
      first: asm.join(wait(place.flag, 1), manyPauses, send(nmi), send(0x4041), manyPauses, set(place.mark, 1), send(startUp(0x12)), asm.jumpSelf),
    });
    runTo(world, 'STARTUP_IPI');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_ACTIVITY_STATE'), world.read32(place.mark)]).toEqual([0x12n, 3n, 1]);
  });

  it('are lost on a guest that does not wait', async () => {
    const world = await pair({
      second: enter(asm.vmlaunch), guest: asm.join(set(place.flag, 1), wait(place.flag, 2), asm.vmcall),
      first: asm.join(wait(place.flag, 1), send(startUp(0x12)), manyPauses, set(place.flag, 2), asm.jumpSelf),
    });
    runTo(world, 'VMCALL');
  });
});

describe('IPIs to a guest', () => {
  const spinning = { second: enter(asm.vmlaunch), guest: asm.join(set(place.flag, 1), asm.jumpSelf) };
  it('an NMI exits', async () => {
    const world = await pair({ ...spinning, first: asm.join(wait(place.flag, 1), send(nmi), asm.jumpSelf), controls: ['pin.nmiExiting'] });
    runTo(world, 'EXCEPTION_OR_NMI');
    expect(world.field('VM_EXIT_INTERRUPTION_INFO')).toBe(0x8000_0202n);
  });
  it('an interrupt exits, also from HLT', async () => {
    const second = asm.join(apicWrite(0xf0, 0x1ff), spinning.second), guest = asm.join(set(place.flag, 1), asm.hlt);
    const world = await pair({ second, guest, first: asm.join(wait(place.flag, 1), manyPauses, send(0x4055), asm.jumpSelf), controls: ['pin.externalInterruptExiting', 'exit.acknowledgeInterruptOnExit'] });
    runTo(world, 'EXTERNAL_INTERRUPT');
    expect([world.field('VM_EXIT_INTERRUPTION_INFO'), world.field('GUEST_ACTIVITY_STATE')]).toEqual([0x8000_0055n, 1n]);
  });
});

it('a VMCS moves: VMCLEAR on one processor, VMPTRLD and VMLAUNCH on the other', async () => {
  const world = await pair({
    first: asm.join(enter(asm.vmlaunch)), guest: asm.join(asm.cpuid, asm.vmcall),
    handler: asm.join(asm.vmclear(at.data + 8), set(place.flag, 1), asm.hlt),
    second: asm.join(wait(place.flag, 1), asm.vmxon(place.vmxonPointer), asm.vmptrld(at.data + 8), asm.vmresume, set(place.mark, 1), asm.vmlaunch),
  });
  expect(world.runToExit('CPUID').vcpu).toBe(0);
  expect(world.run(50_000)).toMatchObject({ kind: 'vmfail', vcpu: 1 });
  expect(world.field('VM_INSTRUCTION_ERROR')).toBe(5n);
  runTo(world, 'CPUID');
  expect([world.read32(place.mark), world.field('GUEST_RIP')]).toEqual([1, BigInt(at.guestCode)]);
  expect([world.machine.vmx(0).currentVmcs, world.machine.vmx(1).currentVmcs]).toEqual([undefined, BigInt(at.vmcs)]);
});

describe('levels of two processors', () => {
  it('are told apart, and a guest that moves takes its level along', async () => {
    const world = await pair({
      first: enter(asm.vmlaunch), guest: asm.join(asm.cpuid, asm.vmcall), handler: asm.join(asm.vmclear(at.data + 8), set(place.flag, 1), asm.hlt),
      second: asm.join(wait(place.flag, 1), asm.vmxon(place.vmxonPointer), asm.vmptrld(at.data + 8), asm.vmlaunch),
    });
    const { machine } = world, tracker = new LevelTracker({ vcpus: 2 });
    machine.setStops({ everyEntry: true });
    const step = (): number => {
      const result = machine.run(200_000);
      machine.drainEvents(event => tracker.feed(event));
      return result.kind === 'vmEntry' ? result.vcpu : -1;
    };
    expect(step()).toBe(0);
    const guest = tracker.executing(0);
    expect([guest.level, guest.vcpu, tracker.executing(1).level, tracker.liveContexts.length]).toEqual([1, 0, 0, 3]);
    expect(step()).toBe(1);
    expect([tracker.executing(1).id, tracker.executing(1).level, guest.vcpu, tracker.executing(0).level, tracker.liveContexts.length]).toEqual([guest.id, 1, 1, 0, 3]);
  });
});
