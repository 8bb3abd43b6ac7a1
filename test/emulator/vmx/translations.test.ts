// World switches and cached translations: with VPID off, entries and exits flush; with VPIDs nothing leaks from one address space to the other;
// INVEPT and INVVPID drop what they name.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { at } from './valid-vmcs';
import { World, enter } from './world';

const probe = 0x20_0010;      // linear address that host and guest map to different pages
const guestTables = 0x2_1000; // PML4, PDPT, PD of the guest
const { RAX, RCX, RDX, RDI, RSI, join, qword } = asm;

/** The guest maps its second 2 MiB to physical address 0. */
const memory = {
  [guestTables]: qword(BigInt(guestTables + 0x1000) | 7n), [guestTables + 0x1000]: qword(BigInt(guestTables + 0x2000) | 7n),
  [guestTables + 0x2000]: join(qword(0xe7n), qword(0xe7n)),
  [probe]: qword(0x1111n), 0x10: qword(0x2222n),
};

describe('two address spaces', () => {
  const settings: readonly (readonly ControlRef[])[] = [[], ['secondary.enableVpid'], ['secondary.enableEpt'], ['secondary.enableEpt', 'secondary.enableVpid']];
  it.each(settings.map((controls) => [controls.join(', ') || 'neither VPID nor EPT', controls] as const))('%s', async (_, controls) => {
    const world = await World.create({
      controls, memory, fields: { GUEST_CR3: BigInt(guestTables) }, host: join(asm.movLoad(RSI, probe), enter()), guest: join(asm.movLoad(RDI, probe), asm.vmcall, asm.movLoad(RDX, probe), asm.vmcall),
      handler: join(asm.movLoad(RAX, probe), asm.movImmediate(RCX, 0x681e), asm.vmread(asm.RBX, RCX), [0x48, 0x83, 0xc3, 0x03], asm.vmwrite(RCX, asm.RBX), asm.vmresume),
    });
    world.runToExit('VMCALL');
    world.runToExit('VMCALL');
    expect(['rsi', 'rdi', 'rax', 'rdx'].map((name) => world.register(name))).toEqual([0x1111n, 0x2222n, 0x1111n, 0x2222n]);
  });
});

describe('INVEPT and INVVPID', () => {
  const resume = join(asm.movImmediate(RCX, 0x681e), asm.vmread(asm.RBX, RCX), [0x48, 0x83, 0xc3, 0x03], asm.vmwrite(RCX, asm.RBX), asm.vmresume);
  const guest = join(asm.movLoad(RDI, probe), asm.vmcall, asm.movLoad(RDX, probe), asm.vmcall);
  const descriptor = at.data + 64;

  it.each([[1n, 'single-context'], [2n, 'all-context']] as const)('INVEPT type %d (%s) makes a changed EPT visible', async (type, _) => {
    const eptEntry = at.ept + 0x2008;
    const world = await World.create({
      controls: ['secondary.enableEpt', 'secondary.enableVpid'], guest, memory: { [probe]: qword(0x1111n), 0x10: qword(0x2222n), [descriptor]: join(qword(BigInt(at.ept) | 0x1en), qword(0n)) },
      handler: join(asm.movImmediate(RAX, 0xb7), asm.movStore(eptEntry, RAX), asm.movImmediate(RAX, type), asm.invept(RAX, descriptor), resume),
    });
    world.runToExit('VMCALL');
    world.runToExit('VMCALL');
    expect([world.register('rdi'), world.register('rdx')]).toEqual([0x1111n, 0x2222n]);
  });

  it.each([[0n, 'individual-address'], [1n, 'single-context'], [2n, 'all-context'], [3n, 'single-context-retaining-globals']] as const)('INVVPID type %d (%s) makes changed paging structures visible', async (type, _) => {
    const world = await World.create({
      controls: ['secondary.enableVpid'], guest, memory: { [probe]: qword(0x1111n), 0x10: qword(0x2222n), [descriptor]: join(qword(1n), qword(BigInt(probe))) },
      handler: join(asm.movImmediate(RAX, 0xe7), asm.movStore(at.pd + 8, RAX), asm.movImmediate(RAX, type), asm.invvpid(RAX, descriptor), resume),
    });
    world.runToExit('VMCALL');
    world.runToExit('VMCALL');
    expect([world.register('rdi'), world.register('rdx')]).toEqual([0x1111n, 0x2222n]);
  });
});
