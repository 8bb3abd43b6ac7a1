// What VT-x adds to EPT: page-modification logging, virtualization exceptions, mode-based execute control, EPTP switching by VMFUNC; and TSC scaling.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { World, type WorldOptions } from './world';

const { RAX, RBX, RCX, RDX, RDI, RSI, join, movImmediate, movLoad, movStore, qword } = asm;

const second = 0x20_0000;                 // the second 2 MiB, mapped by one entry of paging and one of EPT
const ept = { pml4: at.ept, pdpt: at.ept + 0x1000, first: at.ept + 0x2000, second: at.ept + 0x2008 } as const;
const log = 0x3_0000, area = 0x3_1000, list = 0x3_2000, otherEpt = 0x3_3000;
const eptpWithFlags: Fields = { EPT_POINTER: BigInt(at.ept) | 0x5en };
const accessedAndDirty = qword(0x3b7n);

describe('page-modification logging', () => {
  const controls: readonly ControlRef[] = ['secondary.enableEpt', 'secondary.enablePml'];
  const fields: Fields = { ...eptpWithFlags, PML_ADDRESS: BigInt(log), PML_INDEX: 511n };
  const twoStores = join(movStore(second + 0x3010, RAX), movStore(second + 0x3020, RAX), asm.vmcall);

  it('logs the page of each access that sets a dirty flag, once, downward', async () => {
    const world = await World.create({ controls, fields, guest: twoStores });
    world.runToExit('VMCALL');
    // the first access of all is to the guest's PML4, which counts as a write
    expect([world.read64(log + 8 * 511), world.read64(log + 8 * 510), world.read64(log + 8 * 509)]).toEqual([BigInt(at.pml4), BigInt(second + 0x3000), 0n]);
    expect(world.field('PML_INDEX')).toBe(509n);
    expect(world.read64(ept.second) & 0x300n).toBe(0x300n);
  });

  it('the index wraps to FFFFH after the last entry', async () => {
    const world = await World.create({ controls, fields: { ...fields, PML_INDEX: 0n }, guest: twoStores, memory: { [ept.first]: accessedAndDirty } });
    world.runToExit('VMCALL');
    expect(world.read64(log)).toBe(BigInt(second + 0x3000));
    expect(world.field('PML_INDEX')).toBe(0xffffn);
  });

  it('a full log exits before the access, which is made when the guest goes on', async () => {
    const world = await World.create({
      controls, fields: { ...fields, PML_INDEX: 0xffffn }, guest: join(movImmediate(RAX, 7), twoStores), memory: { [ept.first]: accessedAndDirty },
      handler: join(movImmediate(RCX, 0x812), movImmediate(RDX, 511), asm.vmwrite(RCX, RDX), asm.vmresume),
    });
    world.runToExit('PML_FULL');
    expect(world.field('GUEST_RIP')).toBe(BigInt(at.guestCode + 10));
    expect(world.read64(ept.second) & 0x200n).toBe(0n);
    expect(world.read64(second + 0x3010)).toBe(0n);
    world.runToExit('VMCALL');
    expect(world.read64(second + 0x3010)).toBe(7n);
    expect(world.read64(log + 8 * 511)).toBe(BigInt(second + 0x3000));
  });

  it('an event under delivery is reported when its frame finds the log full', async () => {
    const world = await World.create({ controls, fields: { ...fields, PML_INDEX: 0x8000n, GUEST_RSP: BigInt(second + 0x800) }, guest: asm.ud2, memory: { [ept.first]: accessedAndDirty } });
    world.runToExit('PML_FULL');
    expect(world.field('IDT_VECTORING_INFO')).toBe(0x8000_0306n);
  });

  it('reads and writes to dirty pages are not logged', async () => {
    const world = await World.create({ controls, fields, guest: join(movLoad(RAX, second), movStore(at.data + 64, RAX), asm.vmcall), memory: { [ept.first]: accessedAndDirty } });
    world.runToExit('VMCALL');
    expect(world.field('PML_INDEX')).toBe(511n);
    expect(world.read64(ept.second) & 0x300n).toBe(0x100n);
  });
});

describe('virtualization exceptions', () => {
  const controls: readonly ControlRef[] = ['secondary.enableEpt', 'secondary.eptViolationVe'];
  const fields: Fields = { VE_INFORMATION_ADDRESS: BigInt(area), EPTP_INDEX: 0x1ffn };
  const readOnly = { [ept.second]: qword(BigInt(second) | 0xb5n) };
  const guest = movStore(second + 0x18, RAX);
  const options: WorldOptions = { controls, fields, guest, memory: readOnly };

  it('are delivered with their information', async () => {
    const world = await World.create(options);
    expect(world.run().kind).toBe('idle');
    expect(world.register('rip')).toBe(BigInt(at.guestHandler + 1));
    expect(world.read64(at.guestStackTop - 40)).toBe(BigInt(at.guestCode));                        // no error code below RIP
    expect(world.events.findLast((event) => event.kind === 'exception')!.aux).toBe(20);
    expect([0, 8, 16, 24, 32].map((offset) => world.read64(area + offset))).toEqual([0xffff_ffff_0000_0030n, 0x1aan, BigInt(second + 0x18), BigInt(second + 0x18), 0x1ffn]);
  });
  it('exit where the exception bitmap selects them', async () => {
    const world = await World.create({ ...options, fields: { ...fields, EXCEPTION_BITMAP: 1n << 20n } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect(world.field('VM_EXIT_INTERRUPTION_INFO')).toBe(0x8000_0314n);
    expect(world.read32(area)).toBe(48);
  });
  const exits: readonly (readonly [string, WorldOptions])[] = [
    ['the guest has not yet cleared the second dword', { ...options, memory: { ...readOnly, [area + 4]: [1] } }],
    ['the entry that maps the page suppresses it', { ...options, memory: { [ept.second]: qword(1n << 63n | BigInt(second) | 0xb5n) } }],
    ['the entry that is not present suppresses it', { ...options, memory: { [ept.second]: qword(1n << 63n) } }],
    ['the control is off', { ...options, controls: ['secondary.enableEpt'], fields: {} }],
    ['an event is being delivered', { ...options, guest: asm.ud2, fields: { ...fields, GUEST_RSP: BigInt(second + 0x800) } }],
  ];
  it.each(exits)('do not happen when %s', async (_, one) => {
    const world = await World.create(one);
    world.runToExit('EPT_VIOLATION');
    expect(world.read32(area)).toBe(0);
  });
  it('an entry that is not present and clear otherwise becomes one', async () => {
    const world = await World.create({ ...options, memory: { [ept.second]: qword(0n) } });
    expect(world.run().kind).toBe('idle');
    expect(world.read64(area + 8)).toBe(0x182n);
  });
  it('misconfigurations do not', async () => {
    const world = await World.create({ ...options, memory: { [ept.second]: qword(BigInt(second) | 0xb2n) } });
    world.runToExit('EPT_MISCONFIGURATION');
  });
});

describe('mode-based execute control', () => {
  const controls: readonly ControlRef[] = ['secondary.enableEpt', 'secondary.modeBasedExecuteControl'];
  const both = { [ept.pml4]: qword(BigInt(ept.pdpt) | 0x407n), [ept.pdpt]: qword(BigInt(ept.first) | 0x407n), [ept.first]: qword(0x4b7n) };
  const jump = join(movImmediate(RBX, second), [0xff, 0xe3]);
  const target = { [second]: asm.vmcall };
  const supervisorPage = { [at.pd + 8]: qword(BigInt(second) | 0xe3n) };
  // EPT rights of the target: bit 2 for supervisor-mode addresses, bit 10 for user-mode ones; the guest's pages are user-mode unless said otherwise
  const cases: readonly (readonly [string, bigint, boolean, bigint | undefined])[] = [
    ['bit 10 allows a fetch from a user-mode address', 0x4b3n, false, undefined],
    ['bit 2 does not', 0xb7n, false, 0x1bcn],
    ['bit 2 allows a fetch from a supervisor-mode address', 0xb7n, true, undefined],
    ['bit 10 does not', 0x4b3n, true, 0x1dcn],
  ];
  it.each(cases)('%s', async (_, rights, supervisor, qualification) => {
    const world = await World.create({ controls, guest: jump, memory: { ...both, ...target, [ept.second]: qword(BigInt(second) | rights), ...(supervisor ? supervisorPage : {}) } });
    world.runToExit(qualification === undefined ? 'VMCALL' : 'EPT_VIOLATION');
    if (qualification !== undefined) expect(world.field('EXIT_QUALIFICATION')).toBe(qualification);
  });
  it('an entry with bit 10 alone is present, and execute-only', async () => {
    const world = await World.create({ controls, guest: join(movLoad(RAX, second)), memory: { ...both, [ept.second]: qword(BigInt(second) | 0x4b0n) } });
    world.runToExit('EPT_VIOLATION');
    expect(world.field('EXIT_QUALIFICATION')).toBe(0x1c1n);
  });
  it('every address is a user-mode one without paging', async () => {
    const real: Fields = { GUEST_CR0: 0x31n, GUEST_CS_ACCESS_RIGHTS: 0xc09bn };
    const world = await World.create({
      controls: [...controls, 'secondary.unrestrictedGuest'], memory: { ...both, [ept.first]: qword(0x4b3n) }, guest: asm.vmcall,
      fields: { ...real, VM_ENTRY_CONTROLS: (await World.create({ controls })).field('VM_ENTRY_CONTROLS') & ~0x200n, GUEST_CR4: 0x2600n },
    });
    world.runToExit('VMCALL');
  });
});

describe('VM functions', () => {
  const controls: readonly ControlRef[] = ['secondary.enableEpt', 'secondary.enableVmFunctions'];
  const eptp = (table: number): bigint => BigInt(table) | 0x1en;
  const memory = {
    [list]: join(qword(eptp(at.ept)), qword(eptp(otherEpt)), qword(BigInt(otherEpt) | 0x16n)),
    [otherEpt]: qword(BigInt(otherEpt + 0x1000) | 7n), [otherEpt + 0x1000]: qword(BigInt(otherEpt + 0x2000) | 7n), [otherEpt + 0x2000]: join(qword(0xb7n), qword(0xb7n)),
    [second + 0x10]: qword(0x1111n), 0x10: qword(0x2222n),
  };
  const fields: Fields = { VM_FUNCTION_CONTROLS: 1n, EPTP_LIST_ADDRESS: BigInt(list) };
  const call = (leaf: number, argument: number): number[] => join(movImmediate(RAX, leaf), movImmediate(RCX, argument), asm.vmfunc);

  it.each([[[]], [['secondary.enableVpid']]] as readonly (readonly [readonly ControlRef[]])[])('EPTP switching changes the address space at once and back %j', async (more) => {
    const world = await World.create({
      controls: [...controls, ...more], fields, memory,
      guest: join(movLoad(RDI, second + 0x10), call(0, 1), movLoad(RDX, second + 0x10), call(0, 0), movLoad(RSI, second + 0x10), call(0, 1), asm.vmcall),
    });
    world.runToExit('VMCALL');
    expect(['rdi', 'rdx', 'rsi'].map((name) => world.register(name))).toEqual([0x1111n, 0x2222n, 0x1111n]);
    expect([world.field('EPT_POINTER'), world.field('EPTP_INDEX')]).toEqual([eptp(otherEpt), 1n]);
  });
  it.each([['an index beyond the list', 0, 512], ['an entry that is no EPT pointer', 0, 2], ['a function that is not enabled', 1, 0], ['the last function', 63, 0]] as const)('%s exits', async (_, leaf, argument) => {
    const world = await World.create({ controls, fields, memory, guest: call(leaf, argument) });
    world.runToExit('VMFUNC');
    expect([world.field('GUEST_RIP'), world.field('VM_EXIT_INSTRUCTION_LENGTH'), world.field('EPT_POINTER')]).toEqual([BigInt(at.guestCode + 20), 3n, eptp(at.ept)]);
  });
  it('functions from 64 on are #UD, and all of them without the control or in the host', async () => {
    const undefinedIn = async (options: WorldOptions): Promise<void> => {
      const world = await World.create({ ...options, memory, fields: { ...options.fields, EXCEPTION_BITMAP: 1n << 6n } });
      world.runToExit('EXCEPTION_OR_NMI');
      expect(world.field('VM_EXIT_INTERRUPTION_INFO')).toBe(0x8000_0306n);
    };
    await undefinedIn({ controls, fields, guest: call(64, 0) });
    await undefinedIn({ controls: ['secondary.enableEpt'], guest: call(0, 0) });
    const world = await World.create({ host: call(0, 0) });
    expect(world.run().kind).toBe('idle');
    expect(world.register('rip')).toBe(BigInt(at.hostTrap + 1));
  });
});

describe('TSC scaling', () => {
  const guest = join(asm.rdtsc, [0x89, 0xc3], asm.rdtsc, [0x29, 0xd8], asm.vmcall);           // two units apart
  const measure = async (multiplier: bigint, controls: readonly ControlRef[]): Promise<bigint> => {
    const world = await World.create({ controls: ['secondary.useTscScaling', ...controls], fields: { TSC_MULTIPLIER: multiplier, TSC_OFFSET: 1n << 40n }, guest });
    world.runToExit('VMCALL');
    return world.register('rax');
  };
  it('multiplies before the offset is added, and only with TSC offsetting', async () => {
    expect(await measure(3n << 48n, ['primary.useTscOffsetting'])).toBe(6n);
    expect(await measure(1n << 50n, ['primary.useTscOffsetting'])).toBe(8n);
    expect(await measure(3n << 48n, [])).toBe(2n);
  });
});
