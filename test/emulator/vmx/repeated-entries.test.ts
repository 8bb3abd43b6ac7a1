// An entry with a VMCS that has passed every check repeats only the checks that can fail again. Whatever is changed in between, by VMWRITE, by the
// debugger or in memory that the checks read, must be refused as by a first entry.
import { describe, expect, it } from 'vitest';
import { entryChecks } from '../../../src/spec/entry-checks';
import { vmcsFieldById, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
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
    ['GUEST_RFLAGS', 0, 'guest.ripRflagsSsp.rflagsReserved'], ['GUEST_TR_ACCESS_RIGHTS', 0x1008b, 'guest.segments.trUnusable'], ['GUEST_CS_ACCESS_RIGHTS', 0xe09b, 'guest.segments.csDb'],
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

  it('goes on for ever when nothing is wrong', async () => {
    const world = await World.create({ guest, controls: ['secondary.enableVpid'], handler: asm.join(advance, asm.vmresume, asm.hlt) });
    for (let n = 0; n < 4; n++) world.runToExit('CPUID');
    expect(world.machine.counters()).toEqual({ exits: 4, entries: 4 });
  });
});
