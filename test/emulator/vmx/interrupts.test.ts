// External interrupts, NMIs and INIT signals that arrive from the local APIC, in VMX non-root operation.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { World, enter } from './world';

const apic = 0xfee0_0000;
const apicWrite = (offset: number, value: number): number[] => asm.join(asm.movImmediate(asm.RBX, apic + offset), asm.movDwordIndirect(asm.RBX, value));
const enableApic = apicWrite(0xf0, 0x1ff);
const selfInterrupt = apicWrite(0x300, 0x4_4041); // fixed, self, vector 41H
const ownNmi = asm.join(apicWrite(0x310, 0), apicWrite(0x300, 0x4400));
const ownInit = asm.join(apicWrite(0x310, 0), apicWrite(0x300, 0x4500));

interface Case {
  readonly name: string;
  readonly host?: readonly number[];
  readonly guest?: readonly number[];
  readonly controls: readonly ControlRef[];
  readonly fields?: Fields;
  readonly reason: string;
  readonly interruption: bigint;
  readonly rip?: number;
}

const cases: readonly Case[] = [
  { name: 'a pending interrupt exits before the first instruction, whatever IF says', host: asm.join(enableApic, selfInterrupt, enter()), controls: ['pin.externalInterruptExiting'], reason: 'EXTERNAL_INTERRUPT', interruption: 0n },
  { name: 'an acknowledged interrupt is reported', host: asm.join(enableApic, selfInterrupt, enter()), controls: ['pin.externalInterruptExiting', 'exit.acknowledgeInterruptOnExit'], reason: 'EXTERNAL_INTERRUPT', interruption: 0x8000_0041n },
  { name: 'an interrupt wakes HLT with an exit', guest: asm.join(enableApic, selfInterrupt, asm.hlt), controls: ['pin.externalInterruptExiting', 'exit.acknowledgeInterruptOnExit'], reason: 'EXTERNAL_INTERRUPT', interruption: 0x8000_0041n,
    rip: at.guestCode + enableApic.length + selfInterrupt.length },
  { name: 'an NMI exits', guest: asm.join(ownNmi, asm.nop), controls: ['pin.nmiExiting'], reason: 'EXCEPTION_OR_NMI', interruption: 0x8000_0202n, rip: at.guestCode + ownNmi.length },
  { name: 'an NMI exits although virtual NMIs are blocked', guest: asm.join(ownNmi, asm.nop), controls: ['pin.nmiExiting', 'pin.virtualNmis'], fields: { GUEST_INTERRUPTIBILITY_STATE: 8n }, reason: 'EXCEPTION_OR_NMI',
    interruption: 0x8000_0202n, rip: at.guestCode + ownNmi.length },
  { name: 'an INIT signal that was blocked in root operation exits', host: asm.join(enter(asm.join(ownInit, asm.vmlaunch))), controls: [], reason: 'INIT_SIGNAL', interruption: 0n },
];

describe('interrupts in non-root operation', () => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', async (_, test) => {
    const world = await World.create(test);
    world.runToExit(test.reason);
    expect(world.field('VM_EXIT_INTERRUPTION_INFO')).toBe(test.interruption);
    expect(world.field('GUEST_RIP')).toBe(BigInt(test.rip ?? at.guestCode));
    expect(world.field('IDT_VECTORING_INFO')).toBe(0n);
  });

  it('without external-interrupt exiting the guest takes the interrupt through its IDT', async () => {
    const world = await World.create({ host: asm.join(enableApic, selfInterrupt, enter()), fields: { GUEST_RFLAGS: 0x202n }, memory: { [at.guestHandler]: asm.vmcall } });
    world.runToExit('VMCALL');
    expect(world.read64(Number(world.field('GUEST_RSP')))).toBe(BigInt(at.guestCode));
  });

  it('an NMI exit blocks NMIs in the host', async () => {
    const world = await World.create({ guest: ownNmi, controls: ['pin.nmiExiting'], handler: asm.join(ownNmi, asm.hlt) });
    world.runToExit('EXCEPTION_OR_NMI');
    const result = world.run();
    expect([result.kind, world.register('rip')]).toEqual(['idle', BigInt(at.hostHandler + ownNmi.length + 1)]);
  });
});
