// An entry with a VMCS that has passed every check repeats only the checks that can fail again. Whatever is changed in between, by VMWRITE, by the
// debugger or in memory that the checks read, must be refused as by a first entry.
import { describe, expect, it } from 'vitest';
import { partsOf, type Expression } from '../../../src/spec/entry-check-language';
import { entryChecks } from '../../../src/spec/entry-checks';
import { vmcsFieldById, vmcsOffset, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import * as asm from './machine-code';
import { at } from './valid-vmcs';
import { World } from './world';

const advance = asm.join(asm.movImmediate(asm.RCX, 0x681e), asm.vmread(asm.RAX, asm.RCX), [0x48, 0x83, 0xc0, 0x02], asm.vmwrite(asm.RCX, asm.RAX));
const write = (field: VmcsFieldId, value: number): number[] => asm.join(asm.movImmediate(asm.RCX, vmcsFieldById(field).encoding), asm.movImmediate(asm.RAX, value), asm.vmwrite(asm.RCX, asm.RAX));
const guest = asm.join(asm.cpuid, asm.cpuid, asm.cpuid, asm.cpuid);

/** The row that refused the entry at which the world stops now. */
function refusal(world: World): string | undefined {
  const result = world.run();
  if (result.kind !== 'entryFailure' && result.kind !== 'vmfail') return result.kind;
  const event = world.events.findLast((e) => e.failedCheck !== 0 || (e.kind === 'vmxInstruction' && e.outcome === 'failValid'))!;
  return entryChecks.find((row) => row.row + 1 === (event.failedCheck || Number(event.b)))?.id;
}

describe('an entry after a successful one', () => {
  const written: [VmcsFieldId, number, string][] = [
    ['GUEST_RFLAGS', 0, 'guest.ripRflagsSsp.rflagsReserved'], ['GUEST_RFLAGS', 0x20002, 'guest.segments.v86BaseCS'], ['GUEST_TR_ACCESS_RIGHTS', 0x1008b, 'guest.segments.trUnusable'], ['GUEST_CS_ACCESS_RIGHTS', 0xe09b, 'guest.segments.csDb'],
    ['GUEST_INTERRUPTIBILITY_STATE', 3, 'guest.nonRegister.intrStiMovSs'], ['HOST_CS_SELECTOR', 0, 'host.segments.csNonzero'], ['CR3_TARGET_COUNT', 5, 'controls.exec.cr3TargetCount'],
    ['VMCS_LINK_POINTER', 0x1001, 'guest.nonRegister.linkAlign'],
  ];
  for (const [field, value, row] of written) {
    it(`refuses ${field} = ${value.toString(16)}h of the exit handler`, async () => {
      const handler = asm.join(advance, write(field, value), asm.vmresume, asm.hlt);
      const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler });
      world.runToExit('CPUID');
      expect(refusal(world)).toBe(row);
    });
    it(`refuses ${field} = ${value.toString(16)}h of the debugger`, async () => {
      const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, asm.vmresume, asm.hlt) });
      world.runToExit('CPUID');
      world.runToExit('CPUID');
      world.setField(field, BigInt(value));
      expect(refusal(world)).toBe(row);
    });
  }

  it('refuses what was written before another VMCS was current', async () => {
    const handler = asm.join(advance, write('GUEST_TR_ACCESS_RIGHTS', 0x1008b), asm.vmptrld(at.data + 16), asm.vmptrld(at.data + 8), asm.vmresume, asm.hlt);
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler });
    world.runToExit('CPUID');
    expect(refusal(world)).toBe('guest.segments.trUnusable');
  });

  it('refuses a VMCS of which software has made another one after VMCLEAR', async () => {
    const store = [0xc7, 0x04, 0x25, ...asm.dword(at.vmcs + vmcsOffset('GUEST_TR_ACCESS_RIGHTS')), ...asm.dword(0x1008b)];
    const handler = asm.join(advance, asm.vmclear(at.data + 8), store, asm.vmptrld(at.data + 8), asm.vmlaunch, asm.hlt);
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler });
    world.runToExit('CPUID');
    expect(refusal(world)).toBe('guest.segments.trUnusable');
  });

  it('refuses the high half of a field', async () => {
    const handler = asm.join(advance, asm.movImmediate(asm.RCX, vmcsFieldById('VMCS_LINK_POINTER').encoding + 1), asm.movImmediate(asm.RAX, 0), asm.vmwrite(asm.RCX, asm.RAX), asm.vmresume, asm.hlt);
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler });
    world.runToExit('CPUID');
    expect(refusal(world)).toBe('guest.nonRegister.linkAlign');
  });

  it('refuses what a VM exit has saved of registers that the debugger has changed', async () => {
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, asm.vmresume, asm.hlt), stopAtExits: false });
    for (let n = 0; world.machine.counters().entries < 2; n++) world.machine.run(1);
    world.machine.registers(0).set('tr.rights', 0x1008bn);
    expect(refusal(world)).toBe('guest.segments.trUnusable');
  });

  it('refuses a VMCS of a snapshot', async () => {
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, asm.vmresume, asm.hlt) });
    world.runToExit('CPUID');
    world.setField('GUEST_TR_ACCESS_RIGHTS', 0x1008bn);
    const snapshot = world.machine.snapshot();
    world.setField('GUEST_TR_ACCESS_RIGHTS', 0x8bn);
    world.runToExit('CPUID');
    world.machine.restore(snapshot);
    expect(refusal(world)).toBe('guest.segments.trUnusable');
  });

  it('refuses outside IA-32e mode what has passed in it', async () => {
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, asm.vmxoff, asm.hlt), stopAtExits: false });
    world.run(100);
    const legacy = asm.join(asm.vmxon(at.data), asm.vmptrld(at.data + 8), asm.vmresume, asm.hlt), directory = at.pml4;
    world.write(at.hostCode, legacy);
    world.write(directory, asm.dword(0x83));
    const registers = world.machine.registers(0);
    for (const [name, value] of Object.entries({ efer: 0n, cr4: 0x2010n, cr3: BigInt(directory), 'cs.rights': 0xc09bn, rip: BigInt(at.hostCode) })) registers.set(name, value);
    registers.set('activity', 0n);
    expect(refusal(world)).toBe('host.addressSpace.legacyNow');
  });

  it('refuses a RIP that is not canonical', async () => {
    const handler = asm.join(asm.movImmediate(asm.RCX, 0x681e), [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x40], asm.vmwrite(asm.RCX, asm.RAX), asm.vmresume, asm.hlt);
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler });
    world.runToExit('CPUID');
    expect(refusal(world)).toBe('guest.ripRflagsSsp.ripUpper');
  });

  it('refuses a linked VMCS whose revision has changed in memory', async () => {
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, [0xc7, 0x04, 0x25, ...asm.dword(at.otherVmcs), ...asm.dword(0)], asm.vmresume, asm.hlt), fields: { VMCS_LINK_POINTER: BigInt(at.otherVmcs) } });
    world.runToExit('CPUID');
    expect(refusal(world)).toBe('guest.nonRegister.linkRevision');
  });

  it('need not look at arithmetic flags', () => {
    const parts = entryChecks.flatMap((row) => [...partsOf(row.when), ...partsOf(row.require)]), ofRflags = (e: Expression): boolean => e.kind === 'field' && e.id === 'GUEST_RFLAGS';
    const slices = parts.filter((p) => p.kind === 'slice').filter((p) => ofRflags(p.of));
    expect(slices.length).toBe(parts.filter(ofRflags).length);
    for (const { high, low } of slices) expect(((1n << BigInt(high + 1)) - (1n << BigInt(low))) & 0x8d5n).toBe(0n);
  });

  it('goes on for ever when nothing is wrong', async () => {
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, asm.vmresume, asm.hlt) });
    for (let n = 0; n < 4; n++) world.runToExit('CPUID');
    expect(world.machine.counters()).toEqual({ exits: 4, entries: 4 });
  });
});
