// Events injected at VM entry, and what waits for the first instruction boundary after it.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { World } from './world';

const valid = 0x8000_0000n;
interface Case { readonly name: string; readonly information: bigint; readonly error?: bigint; readonly length?: bigint; readonly fields?: Fields; readonly returnRip?: number; readonly flags?: bigint }

const cases: readonly Case[] = [
  { name: 'external interrupt', information: valid | 0x20n, fields: { GUEST_RFLAGS: 0x202n }, flags: 0x202n },
  { name: 'NMI', information: valid | 0x202n },
  { name: 'hardware exception without error code', information: valid | 0x306n },
  { name: 'hardware exception with error code', information: valid | 0xb0en, error: 0x7n },
  { name: 'software interrupt', information: valid | 0x480n, length: 2n, returnRip: at.guestCode + 2 },
  { name: 'INT1', information: valid | 0x501n, length: 1n, returnRip: at.guestCode + 1 },
  { name: 'INT3', information: valid | 0x603n, length: 1n, returnRip: at.guestCode + 1 },
];

describe('injection', () => {
  it.each(cases.map((test) => [test.name, test] as const))('%s is delivered through the IDT', async (_, test) => {
    const world = await World.create({
      memory: { [at.guestHandler]: asm.vmcall },
      fields: { VM_ENTRY_INTERRUPTION_INFO: test.information, VM_ENTRY_EXCEPTION_ERROR_CODE: test.error ?? 0n, VM_ENTRY_INSTRUCTION_LENGTH: test.length ?? 0n, EXCEPTION_BITMAP: 0xffff_ffffn, ...test.fields },
    });
    world.runToExit('VMCALL');
    expect(world.field('GUEST_RIP')).toBe(BigInt(at.guestHandler));
    const sp = Number(world.field('GUEST_RSP'));
    const frame = test.error === undefined ? sp : sp + 8;
    if (test.error !== undefined) expect(world.read64(sp)).toBe(test.error);
    expect(world.read64(frame)).toBe(BigInt(test.returnRip ?? at.guestCode));
    expect(world.read64(frame + 24)).toBe(BigInt(at.guestStackTop));
    expect(world.field('VM_ENTRY_INTERRUPTION_INFO')).toBe(test.information & ~valid);
    expect(world.field('IDT_VECTORING_INFO')).toBe(0n);
    const entry = world.events.find((event) => event.kind === 'vmEntry')!;
    expect(BigInt(entry.interruptionInfo >>> 0)).toBe(test.information);
  });

  it('an NMI blocks NMIs', async () => {
    const world = await World.create({ memory: { [at.guestHandler]: asm.vmcall }, fields: { VM_ENTRY_INTERRUPTION_INFO: valid | 0x202n } });
    world.runToExit('VMCALL');
    expect(world.field('GUEST_INTERRUPTIBILITY_STATE')).toBe(8n);
  });

  it('a fault on the way exits with the injected event as IDT-vectoring information', async () => {
    const world = await World.create({ fields: { VM_ENTRY_INTERRUPTION_INFO: valid | 0x480n, VM_ENTRY_INSTRUCTION_LENGTH: 2n, GUEST_RSP: 0x4000_0000n, EXCEPTION_BITMAP: 1n << 14n } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('VM_EXIT_INTERRUPTION_INFO'), world.field('IDT_VECTORING_INFO'), world.field('VM_EXIT_INSTRUCTION_LENGTH'), world.field('GUEST_RIP')]).toEqual([0x8000_0b0en, valid | 0x480n, 2n, BigInt(at.guestCode)]);
  });

  it('an EPT violation on the way exits with the injected event as IDT-vectoring information', async () => {
    const world = await World.create({
      controls: ['secondary.enableEpt'], memory: { [at.pd + 24]: asm.qword(0x60_00e7n) },
      fields: { VM_ENTRY_INTERRUPTION_INFO: valid | 0xb0dn, VM_ENTRY_EXCEPTION_ERROR_CODE: 0x18n, GUEST_RSP: 0x60_1000n },
    });
    world.runToExit('EPT_VIOLATION');
    expect([world.field('IDT_VECTORING_INFO'), world.field('IDT_VECTORING_ERROR_CODE'), world.field('GUEST_RIP'), world.field('GUEST_RSP')]).toEqual([valid | 0xb0dn, 0x18n, BigInt(at.guestCode), 0x60_1000n]);
  });

  const boundary: readonly (readonly [string, string, readonly ControlRef[], Fields, number])[] = [
    ['the monitor trap flag exits before the handler', 'MONITOR_TRAP_FLAG', ['primary.monitorTrapFlag'], {}, at.guestHandler],
    ['an expired preemption timer exits before the handler', 'PREEMPTION_TIMER', ['pin.activatePreemptionTimer'], {}, at.guestHandler],
    ['the NMI window opens before the handler', 'NMI_WINDOW', ['pin.nmiExiting', 'pin.virtualNmis', 'primary.nmiWindowExiting'], {}, at.guestHandler],
    ['the monitor trap flag ranks above the preemption timer', 'MONITOR_TRAP_FLAG', ['primary.monitorTrapFlag', 'pin.activatePreemptionTimer'], {}, at.guestHandler],
    ['the preemption timer ranks above the NMI window', 'PREEMPTION_TIMER', ['pin.activatePreemptionTimer', 'pin.nmiExiting', 'pin.virtualNmis', 'primary.nmiWindowExiting'], {}, at.guestHandler],
  ];
  it.each(boundary)('after an injected exception, %s', async (_, reason, controls, fields, rip) => {
    const world = await World.create({ controls, fields: { VM_ENTRY_INTERRUPTION_INFO: valid | 0x306n, ...fields } });
    world.runToExit(reason);
    expect(world.field('GUEST_RIP')).toBe(BigInt(rip));
  });
});

describe('pending debug exceptions', () => {
  it('are delivered before the first instruction', async () => {
    const world = await World.create({ guest: asm.nop, fields: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000n, EXCEPTION_BITMAP: 2n } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('GUEST_RIP'), world.field('EXIT_QUALIFICATION'), world.field('VM_EXIT_INTERRUPTION_INFO'), world.field('GUEST_PENDING_DEBUG_EXCEPTIONS')]).toEqual([BigInt(at.guestCode), 0x4000n, 0x8000_0301n, 0n]);
  });
  it('without bits 12 and 14 deliver nothing', async () => {
    const world = await World.create({ guest: asm.cpuid, fields: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x3n, EXCEPTION_BITMAP: 2n } });
    world.runToExit('CPUID');
  });
  it('rank below the monitor trap flag, which saves them', async () => {
    const world = await World.create({ guest: asm.nop, fields: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000n, VM_ENTRY_INTERRUPTION_INFO: 0x8000_0700n } });
    world.runToExit('MONITOR_TRAP_FLAG');
    expect(world.field('GUEST_PENDING_DEBUG_EXCEPTIONS')).toBe(0x4000n);
  });
  it('rank above the preemption timer', async () => {
    const world = await World.create({ controls: ['pin.activatePreemptionTimer'], fields: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000n } });
    world.runToExit('PREEMPTION_TIMER');
    expect(world.field('GUEST_RIP')).toBe(BigInt(at.guestHandler));
  });
});
