// What VM entry loads, VM exit saves, and VM exit loads for the host.
import { describe, expect, it } from 'vitest';
import { namedProcessorModels } from '../../../src/spec/processor-generations';
import { vmcsFields, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import * as asm from './machine-code';
import { at, controlRegisters } from './valid-vmcs';
import { World, enter } from './world';

describe('VM entry and exit', () => {
  it('an exit right after entry saves what was loaded', async () => {
    const fields = {
      GUEST_RSP: 0x14f0n, GUEST_RFLAGS: 0xad7n, GUEST_FS_BASE: 0x1111_2222n, GUEST_GS_BASE: 0xffff_8000_0000_0000n, GUEST_IA32_SYSENTER_CS: 0x10n, GUEST_IA32_SYSENTER_ESP: 0x7777n,
      GUEST_IA32_SYSENTER_EIP: 0xffff_ffff_8000_0000n, GUEST_GDTR_LIMIT: 0x7fn, GUEST_IDTR_BASE: 0xffff_ffff_ffff_f000n, GUEST_ES_ACCESS_RIGHTS: 0x1_0000n, GUEST_DR7: 0x401n,
    } as const;
    const controls = ['entry.loadDebugControls', 'exit.saveDebugControls', 'entry.loadEfer', 'exit.saveEfer', 'entry.loadPat', 'exit.savePat'] as const;
    const world = await World.create({ guest: asm.cpuid, fields, controls });
    const before = new Map(vmcsFields.filter((f) => f.type === 'guest').map((f) => [f.id, world.machine.readVmcs(BigInt(at.vmcs), f.encoding)]));
    world.runToExit('CPUID');
    for (const [id, value] of before) if (value !== undefined) expect([id, world.field(id as VmcsFieldId)]).toEqual([id, value]);
  });

  it('loads host state', async () => {
    const world = await World.create({
      guest: asm.cpuid, controls: ['exit.loadEfer', 'exit.loadPat'], registers: { dr7: 0x400n },
      fields: { HOST_RSP: 0x1_6ff0n, HOST_FS_SELECTOR: 0n, HOST_FS_BASE: 0x1234_5000n, HOST_GS_BASE: 0xffff_8000_1234_0000n, HOST_DS_SELECTOR: 0n, HOST_IA32_PAT: 0x0606_0606_0606_0606n, HOST_IA32_SYSENTER_CS: 8n },
    });
    world.runToExit('CPUID');
    const seen = Object.fromEntries(['rip', 'rsp', 'rflags', 'cr0', 'cr3', 'cr4', 'efer', 'cpl', 'cs.selector', 'cs.rights', 'ss.selector', 'ss.rights', 'ds.rights', 'fs.base', 'fs.rights', 'gs.base', 'tr.base', 'tr.limit',
      'tr.rights', 'ldtr.rights', 'gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit', 'dr7', 'msr.IA32_PAT', 'msr.IA32_SYSENTER_CS'].map((name) => [name, world.register(name)]));
    expect(seen).toEqual({
      rip: BigInt(at.hostHandler), rsp: 0x1_6ff0n, rflags: 2n, cr0: controlRegisters.cr0, cr3: BigInt(at.pml4), cr4: controlRegisters.cr4, efer: controlRegisters.efer, cpl: 0n, 'cs.selector': 8n, 'cs.rights': 0xa09bn,
      'ss.selector': 0x10n, 'ss.rights': 0xc093n, 'ds.rights': 0x1_c093n, 'fs.base': 0x1234_5000n, 'fs.rights': 0x1_c093n, 'gs.base': 0xffff_8000_1234_0000n, 'tr.base': BigInt(at.tss), 'tr.limit': 0x67n, 'tr.rights': 0x8bn,
      'ldtr.rights': 0x10000n, 'gdtr.base': BigInt(at.gdt), 'gdtr.limit': 0xffffn, 'idtr.base': BigInt(at.hostIdt), 'idtr.limit': 0xffffn, dr7: 0x400n, 'msr.IA32_PAT': 0x0606_0606_0606_0606n, 'msr.IA32_SYSENTER_CS': 8n,
    });
  });

  it('general registers are shared', async () => {
    const world = await World.create({ host: asm.join(asm.movImmediate(asm.RBX, 0x1234), enter()), guest: asm.join(asm.movImmediate(asm.RCX, 0x5678), asm.cpuid) });
    world.runToExit('CPUID');
    expect([world.register('rbx'), world.register('rcx')]).toEqual([0x1234n, 0x5678n]);
  });

  it('CR0 and CR4 are read through masks and shadows', async () => {
    const world = await World.create({
      guest: asm.join(asm.movFromCr(asm.RBX, 0), asm.movFromCr(asm.RSI, 4), asm.cpuid),
      fields: { CR0_GUEST_HOST_MASK: 0x8000_0028n, CR0_READ_SHADOW: 8n, CR4_GUEST_HOST_MASK: 0x2000n, CR4_READ_SHADOW: 0n },
    });
    world.runToExit('CPUID');
    expect(world.register('rbx')).toBe((controlRegisters.cr0 & ~0x8000_0028n) | 8n);
    expect(world.register('rsi')).toBe(controlRegisters.cr4 & ~0x2000n);
  });

  it('resumes after the instruction that exited', async () => {
    const world = await World.create({
      guest: asm.join(asm.cpuid, asm.movImmediate(asm.RDI, 0x77), asm.vmcall), controls: ['secondary.enableVpid'],
      handler: asm.join(asm.movImmediate(asm.RCX, 0x681e), asm.vmread(asm.RAX, asm.RCX), [0x48, 0x83, 0xc0, 0x02], asm.vmwrite(asm.RCX, asm.RAX), asm.vmresume),
    });
    world.runToExit('CPUID');
    world.runToExit('VMCALL');
    expect(world.register('rdi')).toBe(0x77n);
    expect(world.machine.counters()).toEqual({ exits: 2, entries: 2 });
    expect(world.events.filter((event) => event.kind === 'vmEntry').map((event) => [event.aux, event.a, event.c, event.d])).toEqual([
      [0, BigInt(at.vmcs), 1n, BigInt(at.hostHandler)], [1, BigInt(at.vmcs), 1n, BigInt(at.hostHandler)]]);
  });

  it('TSC offsetting applies to what the guest reads', async () => {
    const guest = asm.join(asm.rdtsc, asm.cpuid);
    const plain = await World.create({ guest }), shifted = await World.create({ guest, controls: ['primary.useTscOffsetting'], fields: { TSC_OFFSET: 0x10_0000_0000n } });
    plain.runToExit('CPUID');
    shifted.runToExit('CPUID');
    expect(shifted.register('rdx') - plain.register('rdx')).toBe(0x10n);
    expect(shifted.register('rax')).toBe(plain.register('rax'));
  });

  it.each([['abyme', 101n, 101n], ['skylake', 3n, 4n]])('saves the preemption timer where the exit controls say so: %s', async (id, least, most) => {
    const value = 1000n;
    const world = await World.create({ processor: namedProcessorModels.find((model) => model.id === id)!, guest: asm.join(...Array.from({ length: 100 }, () => [...asm.nop]), asm.cpuid),
      controls: ['pin.activatePreemptionTimer', 'exit.savePreemptionTimer'], fields: { VMX_PREEMPTION_TIMER_VALUE: value } });
    world.runToExit('CPUID');
    const left = world.field('VMX_PREEMPTION_TIMER_VALUE');
    // 101 instructions with a rate of one count in 1 or 32 ticks
    expect(value - left).toBeGreaterThanOrEqual(least);
    expect(value - left).toBeLessThanOrEqual(most);
  });

  it('interruptibility: STI before the exiting instruction is saved as blocking by STI', async () => {
    const world = await World.create({ guest: asm.join(asm.sti, asm.cpuid), fields: {} });
    world.runToExit('CPUID');
    expect(world.field('GUEST_INTERRUPTIBILITY_STATE')).toBe(1n);
    const later = await World.create({ guest: asm.join(asm.sti, asm.nop, asm.cpuid) });
    later.runToExit('CPUID');
    expect(later.field('GUEST_INTERRUPTIBILITY_STATE')).toBe(0n);
  });
});
