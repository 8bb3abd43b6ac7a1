// VMREAD and VMWRITE: every field that exists can be written and read back in its width, high halves, and VMCS shadowing; what the events tell.
import { describe, expect, it } from 'vitest';
import { vmcsFieldBits, vmcsFields, vmcsFieldById } from '../../../src/spec/vmcs-fields';
import { vmcsFieldExists } from '../../../src/spec/capability-msrs';
import { vmxInstructions } from '../../../src/emulator/codegen/state-layout';
import { defaultProcessorModel } from '../../../src/spec/processor-models';
import * as asm from './machine-code';
import { at } from './valid-vmcs';
import { World } from './world';

const { RAX, RBX, RCX, join, movImmediate } = asm;
const ready = join(asm.vmxon(at.data), asm.vmclear(at.data + 8), asm.vmptrld(at.data + 8));

/** Writes all ones to `encoding` and reads it back into RBX. */
async function roundTrip(encoding: number, value: bigint): Promise<World> {
  const world = await World.create({ host: join(ready, movImmediate(RCX, encoding), movImmediate(RAX, value), asm.vmwrite(RCX, RAX), asm.vmread(RBX, RCX), asm.hlt) });
  world.run();
  return world;
}

describe('VMREAD and VMWRITE', () => {
  it('keep every field in its width', async () => {
    for (const field of vmcsFields) {
      if (!vmcsFieldExists(field, defaultProcessorModel)) continue;
      const world = await roundTrip(field.encoding, 0x8765_4321_fedc_ba98n);
      expect([field.id, world.register('rbx')]).toEqual([field.id, BigInt.asUintN(vmcsFieldBits(field), 0x8765_4321_fedc_ba98n)]);
    }
  });

  it('reach the high half of a 64-bit field', async () => {
    const id = 'TSC_OFFSET', world = await World.create({
      fields: { [id]: 0x1111_2222_3333_4444n },
      host: join(ready, movImmediate(RCX, vmcsFieldById(id).highEncoding!), asm.vmread(RBX, RCX), movImmediate(RAX, 0xffff_ffff_5555_6666n), asm.vmwrite(RCX, RAX), asm.hlt),
    });
    world.run();
    expect(world.register('rbx')).toBe(0x1111_2222n);
    expect(world.field(id)).toBe(0x5555_6666_3333_4444n);
  });

  it('work on memory operands', async () => {
    const world = await World.create({ host: join(ready, movImmediate(RCX, vmcsFieldById('GUEST_RIP').encoding), asm.vmwriteFrom(RCX, at.data), asm.vmreadTo(at.data + 48, RCX), asm.hlt) });
    world.run();
    expect(world.read64(at.data + 48)).toBe(BigInt(at.vmxon));
  });

  it('tell the events encoding, value, register and the VMCS', async () => {
    const world = await roundTrip(vmcsFieldById('GUEST_RIP').encoding, 0x1234n);
    const [write, read] = world.events.filter((event) => event.instruction === 'VMWRITE' || event.instruction === 'VMREAD');
    expect(write).toMatchObject({ instruction: 'VMWRITE', outcome: 'success', a: 0x681en, b: 0x1234n, c: BigInt(at.vmcs), destination: RAX });
    expect(read).toMatchObject({ kind: 'vmread', instruction: 'VMREAD', outcome: 'success', a: 0x681en, b: 0x1234n, c: BigInt(at.vmcs), destination: RBX });
  });

  it.each([[['vmxInstruction'], ['VMWRITE']], [['vmread'], ['VMREAD']], [['vmxInstruction', 'vmread'], ['VMWRITE', 'VMREAD']]] as const)('of kinds %j leave the events %j', async (kinds, names) => {
    const accesses = join(movImmediate(RCX, vmcsFieldById('GUEST_RIP').encoding), movImmediate(RAX, 0x1234), asm.vmwrite(RCX, RAX), asm.vmread(RBX, RCX), asm.hlt);
    const world = await World.create({ host: join(ready, accesses) }), seen: string[] = [];
    world.machine.recordEvents(kinds);
    world.machine.run(60);
    world.machine.drainEvents(event => { seen.push(event.instruction); });
    expect(seen.filter(name => name === 'VMREAD' || name === 'VMWRITE')).toEqual(names);
    expect(world.register('rbx')).toBe(0x1234n);
  });
});

describe('field accesses while nothing is recorded', () => {
  // what the emitted code does by itself, then what it leaves to the procedures
  const encodings = [...['GUEST_RIP', 'GUEST_RFLAGS', 'GUEST_ES_SELECTOR', 'EXCEPTION_BITMAP', 'TSC_OFFSET', 'EXIT_REASON', 'EXIT_QUALIFICATION'].map(id => vmcsFieldById(id as 'GUEST_RIP').encoding),
    vmcsFieldById('TSC_OFFSET').highEncoding!, 0x1_0000_681e, 0x7ffe, 0x681f];
  const accesses = join(...encodings.map((encoding, n) => join(movImmediate(RCX, encoding), movImmediate(RAX, 0x8765_4321_fedc_ba90n + BigInt(n)), asm.vmwrite(RCX, RAX), asm.vmread(RBX, RCX))), asm.hlt);
  const shadowing = { controls: ['secondary.vmcsShadowing'] as const, fields: { VMCS_LINK_POINTER: BigInt(at.shadowVmcs) }, stopAtExits: false };
  it.each([
    ['in root operation', { host: join(ready, accesses) }], ['without a current VMCS', { host: join(asm.vmxon(at.data), accesses) }], ['outside VMX operation', { host: accesses }],
    ['at CPL 3', { host: join(ready, accesses), registers: { cpl: 3n, 'cs.rights': 0xa0fbn, 'ss.rights': 0xc0f3n } }],
    ['of a guest', { guest: accesses, stopAtExits: false }], ['of a guest with a shadow VMCS', { ...shadowing, guest: accesses }], ['of a guest without one', { ...shadowing, fields: {}, guest: accesses }],
  ] as const)('%s come to the same states as those that are', async (_, options) => {
    const recorded = await World.create(options), silent = await World.create(options);
    for (const { machine } of [recorded, silent]) machine.setStops({});
    silent.machine.recordEvents([]);
    for (let unit = 0; unit < 60; unit++) {
      expect([recorded.run(1).kind, recorded.machine.time(), recorded.machine.digest()]).toEqual([silent.run(1).kind, silent.machine.time(), silent.machine.digest()]);
    }
    expect(silent.events.filter(event => event.kind !== 'reset')).toEqual([]);
  });
  it('stop and are seen as soon as somebody looks on', async () => {
    const world = await World.create({ host: join(ready, accesses) });
    world.machine.recordEvents([]);
    world.run(5);
    world.machine.setStops({ vmxInstructions: [vmxInstructions.indexOf('VMREAD')] });
    expect(world.run().kind).toBe('vmxInstruction');
    world.machine.setStops({});
    world.machine.setWatches([{ space: 'vmcsField', first: 0x681en, last: 0x681en, read: true, write: false }]);
    expect(world.run().kind).toBe('watch');
    expect(world.machine.watchHits()).toMatchObject([{ space: 'vmcsField', access: 'read', address: 0x681en }]);
  });
});

describe('VMPTRST', () => {
  it.each([['all ones without a current VMCS', asm.vmxon(at.data), 0xffff_ffff_ffff_ffffn], ['the current-VMCS pointer', ready, BigInt(at.vmcs)]] as const)('stores %s', async (_, host, expected) => {
    const world = await World.create({ host: join(host, asm.vmptrst(at.data + 40), asm.hlt) });
    world.run();
    expect(world.read64(at.data + 40)).toBe(expected);
  });
});

describe('events of instructions that exit', () => {
  it('tell pointers and values that the guest meant', async () => {
    const world = await World.create({ guest: asm.vmptrld(at.data + 16) });
    world.runToExit('VMPTRLD');
    expect(world.events.findLast((event) => event.kind === 'vmxInstruction')).toMatchObject({ instruction: 'VMPTRLD', outcome: 'exited', a: BigInt(at.otherVmcs), c: 0xffff_ffff_ffff_ffffn });
    const write = await World.create({ guest: join(movImmediate(RCX, 0x681e), asm.vmwriteFrom(RCX, at.data)) });
    write.runToExit('VMWRITE');
    expect(write.events.findLast((event) => event.kind === 'vmxInstruction')).toMatchObject({ instruction: 'VMWRITE', outcome: 'exited', a: 0x681en, b: BigInt(at.vmxon), destination: undefined });
  });
});

describe('VMCS shadowing', () => {
  const controls = ['secondary.vmcsShadowing'] as const;
  const rip = vmcsFieldById('GUEST_RIP').encoding;
  const bit = (address: number): Record<number, number[]> => ({ [address + (rip >> 3)]: [1 << (rip & 7)] });
  const guest = join(movImmediate(RCX, rip), movImmediate(RAX, 0x7777), asm.vmwrite(RCX, RAX), asm.vmread(RBX, RCX), asm.vmcall);

  it('lets accesses of the guest reach the shadow VMCS', async () => {
    const world = await World.create({ controls, guest, fields: { VMCS_LINK_POINTER: BigInt(at.shadowVmcs) } });
    world.runToExit('VMCALL');
    expect(world.register('rbx')).toBe(0x7777n);
    expect(world.field('GUEST_RIP', at.shadowVmcs)).toBe(0x7777n);
    expect(world.events.findLast((event) => event.instruction === 'VMWRITE')).toMatchObject({ outcome: 'success', a: BigInt(rip), b: 0x7777n, c: BigInt(at.shadowVmcs) });
  });
  it.each([['VMREAD', at.vmreadBitmap], ['VMWRITE', at.vmwriteBitmap]] as const)('%s exits for a field whose bitmap bit is 1', async (reason, bitmap) => {
    const world = await World.create({ controls, guest, fields: { VMCS_LINK_POINTER: BigInt(at.shadowVmcs) }, memory: bit(bitmap) });
    world.runToExit(reason);
  });
  it('exits for encodings beyond bit 14', async () => {
    const world = await World.create({ controls, guest: join(movImmediate(RCX, 0x8000), asm.vmread(RAX, RCX)), fields: { VMCS_LINK_POINTER: BigInt(at.shadowVmcs) } });
    world.runToExit('VMREAD');
  });
  it('fails with CF when there is no shadow VMCS', async () => {
    const world = await World.create({ controls, guest });
    expect(world.run()).toMatchObject({ kind: 'vmfail', index: 0 });
    expect(world.machine.vmx(0).nonRoot).toBe(true);
  });
  it('keeps the error number in the VMCS that controls the guest', async () => {
    const world = await World.create({ controls, guest: join(movImmediate(RCX, 0x6fff), asm.vmread(RAX, RCX), asm.vmcall), fields: { VMCS_LINK_POINTER: BigInt(at.shadowVmcs) } });
    expect(world.run()).toMatchObject({ kind: 'vmfail', index: 12 });
    expect(world.field('VM_INSTRUCTION_ERROR')).toBe(12n);
  });
});
