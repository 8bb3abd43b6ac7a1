// Each VM-instruction error and each VMfailInvalid that the machine has, provoked by a host of a few instructions; flags and the error field after it.
import { describe, expect, it } from 'vitest';
import { instructionErrors } from '../../../src/spec/instruction-errors';
import { vmcsFieldById, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import * as asm from './machine-code';
import { at } from './valid-vmcs';
import { World, type WorldOptions } from './world';

const { RAX, RCX, join, movImmediate } = asm;
const encoding = (id: VmcsFieldId): number => vmcsFieldById(id).encoding;

const on = asm.vmxon(at.data);
const ready = join(on, asm.vmclear(at.data + 8), asm.vmptrld(at.data + 8));
/** A pointer operand in memory. */
const operand = at.data + 64;
const pointer = (value: bigint): WorldOptions['memory'] => ({ [operand]: asm.qword(value) });
const movToSs = join(movImmediate(RAX, 0x10), [0x8e, 0xd0]);

interface Case extends WorldOptions { readonly name: string; readonly host: readonly number[]; readonly error: number | 'invalid' }

const cases: readonly Case[] = [
  { name: 'VMCALL in root operation', host: join(ready, asm.vmcall), error: 1 },
  { name: 'VMCLEAR of an unaligned address', host: join(ready, asm.vmclear(operand)), memory: pointer(0x9010n), error: 2 },
  { name: 'VMCLEAR beyond the physical-address width', host: join(ready, asm.vmclear(operand)), memory: pointer(1n << 50n), error: 2 },
  { name: 'VMCLEAR of the VMXON region', host: join(ready, asm.vmclear(at.data)), error: 3 },
  { name: 'VMLAUNCH of a launched VMCS', host: join(ready, asm.vmlaunch), memory: { [at.hostHandler]: asm.vmlaunch, [at.guestCode]: asm.vmcall }, stopAtExits: false, error: 4 },
  { name: 'VMRESUME of a clear VMCS', host: join(ready, asm.vmresume), error: 5 },
  { name: 'VMLAUNCH with invalid controls', host: join(ready, asm.vmlaunch), fields: { CR3_TARGET_COUNT: 5n }, error: 7 },
  { name: 'VMLAUNCH with invalid host state', host: join(ready, asm.vmlaunch), fields: { HOST_CS_SELECTOR: 0n }, error: 8 },
  { name: 'VMPTRLD of an unaligned address', host: join(ready, asm.vmptrld(operand)), memory: pointer(0x8008n), error: 9 },
  { name: 'VMPTRLD of the VMXON region', host: join(ready, asm.vmptrld(at.data)), error: 10 },
  { name: 'VMPTRLD of a region with another revision', host: join(ready, asm.vmptrld(operand)), memory: pointer(0xc000n), error: 11 },
  { name: 'VMREAD of a field that does not exist', host: join(ready, movImmediate(RCX, 0x6fff), asm.vmread(RAX, RCX)), error: 12 },
  { name: 'VMREAD with high bits in the encoding', host: join(ready, movImmediate(RCX, 1n << 40n | BigInt(encoding('GUEST_RIP'))), asm.vmread(RAX, RCX)), error: 12 },
  { name: 'VMREAD of the high half of a natural-width field', host: join(ready, movImmediate(RCX, encoding('GUEST_RIP') | 1), asm.vmread(RAX, RCX)), error: 12 },
  { name: 'VMWRITE of a field that does not exist', host: join(ready, movImmediate(RCX, 0x4f00), asm.vmwrite(RCX, RAX)), error: 12 },
  { name: 'VMXON in root operation', host: join(ready, on), error: 15 },
  { name: 'VMLAUNCH after MOV SS', host: join(ready, movToSs, asm.vmlaunch), error: 26 },
  { name: 'INVEPT of type 0', host: join(ready, movImmediate(RAX, 0), asm.invept(RAX, operand)), error: 28 },
  { name: 'INVEPT of an invalid EPT pointer', host: join(ready, movImmediate(RAX, 1), asm.invept(RAX, operand)), memory: pointer(0x1_801en | 0x80n), error: 28 },
  { name: 'INVVPID of type 4', host: join(ready, movImmediate(RAX, 4), asm.invvpid(RAX, operand)), error: 28 },
  { name: 'INVVPID of VPID 0', host: join(ready, movImmediate(RAX, 1), asm.invvpid(RAX, operand)), error: 28 },
  { name: 'INVVPID with reserved bits', host: join(ready, movImmediate(RAX, 1), asm.invvpid(RAX, operand)), memory: pointer(0x1_0001n), error: 28 },
  { name: 'INVVPID of a non-canonical address', host: join(ready, movImmediate(RAX, 0), asm.invvpid(RAX, operand)), memory: { [operand]: join(asm.qword(1n), asm.qword(1n << 60n)) }, error: 28 },
  // VMfailInvalid
  { name: 'VMXON of an unaligned region', host: asm.vmxon(operand), memory: pointer(0x7004n), error: 'invalid' },
  { name: 'VMXON of a region with another revision', host: asm.vmxon(operand), memory: pointer(0xc000n), error: 'invalid' },
  { name: 'VMXON of a shadow VMCS', host: asm.vmxon(operand), memory: pointer(BigInt(at.shadowVmcs)), error: 'invalid' },
  { name: 'VMPTRLD without a current VMCS', host: join(on, asm.vmptrld(at.data)), error: 'invalid' },
  { name: 'VMLAUNCH without a current VMCS', host: join(on, asm.vmlaunch), error: 'invalid' },
  { name: 'VMLAUNCH after VMCLEAR of the current VMCS', host: join(ready, asm.vmclear(at.data + 8), asm.vmlaunch), error: 'invalid' },
  { name: 'VMLAUNCH of a shadow VMCS', host: join(on, asm.vmptrld(operand), asm.vmlaunch), memory: pointer(BigInt(at.shadowVmcs)), error: 'invalid' },
  { name: 'VMREAD without a current VMCS', host: join(on, movImmediate(RCX, encoding('GUEST_RIP')), asm.vmread(RAX, RCX)), error: 'invalid' },
  { name: 'VMCALL without a current VMCS', host: join(on, asm.vmcall), error: 'invalid' },
];

describe('VM-instruction errors', () => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', async (_, test) => {
    const world = await World.create({ ...test, host: join(test.host, asm.hlt) });
    const result = world.run();
    expect(result.kind).toBe('vmfail');
    expect(result.index).toBe(test.error === 'invalid' ? 0 : test.error);
    const flags = world.register('rflags') & 0x8d5n;
    expect(flags).toBe(test.error === 'invalid' ? 1n : 0x40n);
    if (test.error !== 'invalid') expect(world.field('VM_INSTRUCTION_ERROR')).toBe(BigInt(test.error));
    const event = world.events.findLast((one) => one.kind === 'vmxInstruction')!;
    expect({ outcome: event.outcome, error: event.error }).toEqual(test.error === 'invalid' ? { outcome: 'failInvalid', error: 0 } : { outcome: 'failValid', error: test.error });
  });

  it('every error that a processor without SMM and dual-monitor treatment can report has a case', async () => {
    const elsewhere = new Set([6, 13, 16, 17, 18, 19, 20, 22, 23, 24, 25]); // SMM; VMRESUME after VMXOFF needs processor-held VMCS state; 13 needs VMWRITE limited to writable fields
    const covered = new Set(cases.map((test) => test.error));
    for (const { number } of instructionErrors) expect(covered.has(number), `error ${number}`).toBe(!elsewhere.has(number));
  });
});

const userMode = { cpl: 3n, 'cs.selector': 0x2bn, 'cs.rights': 0xa0fbn, 'ss.selector': 0x33n, 'ss.rights': 0xc0f3n };

describe('faults of VMX instructions', () => {
  const faults: readonly (readonly [string, number, WorldOptions])[] = [
    ['VMXON with CR4.VMXE = 0', 6, { host: on, registers: { cr4: 0x620n } }],
    ['VMPTRLD outside VMX operation', 6, { host: asm.vmptrld(at.data + 8) }],
    ['VMLAUNCH outside VMX operation', 6, { host: asm.vmlaunch }],
    ['VMCALL outside VMX operation', 6, { host: asm.vmcall }],
    ['VMXOFF outside VMX operation', 6, { host: asm.vmxoff }],
    ['VMFUNC in root operation', 6, { host: join(ready, asm.vmfunc) }],
    ['VMXON of a register', 6, { host: join(ready, [0xf3, 0x0f, 0xc7, 0xf0]) }],
    ['VMXON at CPL 3', 13, { host: on, registers: userMode }],
    ['VMXON with CR0.NE = 0', 13, { host: on, registers: { cr0: 0x8001_0013n } }],
  ];
  it.each(faults)('%s', async (_, vector, options) => {
    const world = await World.create({ ...options, host: join(options.host!, asm.hlt) });
    expect(world.run().kind).toBe('idle');
    const event = world.events.findLast((one) => one.kind === 'exception')!;
    expect(event.aux & 0xff).toBe(vector);
  });

  it('clear CF, PF, AF, ZF, SF and OF on success', async () => {
    const world = await World.create({ host: join(on, asm.hlt), registers: { rflags: 0x8d7n } });
    world.run();
    expect(world.register('rflags') & 0x8d5n).toBe(0n);
    expect(world.machine.vmx(0)).toMatchObject({ vmxOn: true, nonRoot: false, vmxonPointer: BigInt(at.vmxon) });
  });
});
