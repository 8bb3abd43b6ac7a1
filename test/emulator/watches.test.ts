// Watches: the run stops right after the access, whatever makes it; accesses that do not take place are not told.
import { describe, expect, it } from 'vitest';
import type { Watch, WatchHit } from '../../src/emulator/machine';
import { segmentsOf } from '../../src/emulator/watch-table';
import { vmcsFieldById } from '../../src/spec/vmcs-fields';
import * as asm from './vmx/machine-code';
import { at } from './vmx/valid-vmcs';
import { enter, World } from './vmx/world';

const place = 0x30_0000, code = at.hostCode;
const watch = (first: number, bytes: number, more: Partial<Watch> = {}): Watch => ({ space: 'linear', first: BigInt(first), last: BigInt(first + bytes - 1), read: true, write: true, ...more });
/** What the hits of a stop say in short. */
const told = (hits: readonly WatchHit[]): string[] => hits.map(({ space, access, address, bytes, before, value, nonRoot, exited, byProcessor, rip }) =>
  `${access} ${space} ${address.toString(16)}+${bytes} ${before.toString(16)}>${value.toString(16)} at ${rip.toString(16)}${nonRoot ? ' guest' : ''}${exited ? ' exited' : ''}${byProcessor ? ' processor' : ''}`);

async function hosted(program: readonly number[], watches: readonly Watch[], registers: Record<string, bigint> = {}): Promise<World> {
  const world = await World.create({ host: asm.join(program, asm.hlt), registers });
  // what the processor keeps of the page before it is watched must not hide accesses
  world.machine.setWatches(watches);
  return world;
}

describe('watches on memory', () => {
  const store = asm.join(asm.movImmediate(asm.RAX, 0x1122_3344_5566_7788n), asm.movStore(place, asm.RAX), asm.movLoad(asm.RBX, place), asm.nop);

  it.each(['linear', 'guestPhysical', 'physical'] as const)('stop after a store and after a load, by %s address', async space => {
    const world = await hosted(store, [watch(place, 8, { space })]);
    expect(world.run()).toMatchObject({ kind: 'watch', units: 2 });
    expect(told(world.machine.watchHits())).toEqual([`write memory ${place.toString(16)}+8 0>1122334455667788 at ${(code + 10).toString(16)}`]);
    expect(world.register('rip')).toBe(BigInt(code + 18));
    expect(world.read64(place)).toBe(0x1122_3344_5566_7788n);
    expect(world.run()).toMatchObject({ kind: 'watch', units: 1 });
    expect(world.machine.watchHits()).toMatchObject([{ access: 'read', value: 0x1122_3344_5566_7788n, guestPhysical: BigInt(place), physical: BigInt(place) }]);
    expect(world.run().kind).toBe('idle');
    expect(world.machine.watchHits()).toEqual([]);
  });

  it('tell reads from writes, and byte for byte what is watched', async () => {
    expect((await hosted(store, [watch(place, 8, { read: false })])).run().units).toBe(2);
    expect((await hosted(store, [watch(place, 8, { write: false })])).run().units).toBe(3);
    expect((await hosted(store, [watch(place + 8, 8), watch(place - 8, 8)])).run().kind).toBe('idle');
    expect((await hosted(store, [watch(place + 7, 1)])).run().kind).toBe('watch');
    expect((await hosted(store, [watch(place, 8, { operation: 'nonRoot' })])).run().kind).toBe('idle');
  });

  it('see a page that is in use already', async () => {
    const loop = [0xff, 0x04, 0x25, ...asm.dword(place), 0xeb, 0xf7], world = await hosted(loop, []);
    expect(world.run(1000).kind).toBe('budget');
    const before = world.read64(place);
    world.machine.setWatches([watch(place + 3, 1)]);
    expect(world.run(1000)).toMatchObject({ kind: 'watch' });
    expect(told(world.machine.watchHits()).map(each => each.split(' ')[0])).toEqual(['read', 'write']);
    expect(world.read64(place)).toBe(before + 1n);
    world.machine.setWatches([]);
    expect(world.run(1000).kind).toBe('budget');
  });

  it('see both halves of an access that crosses pages, each once', async () => {
    const across = place + 0xffc, program = asm.join(asm.movImmediate(asm.RAX, 0x8877_6655_4433_2211n), asm.movStore(across, asm.RAX), asm.nop);
    const all = await hosted(program, [watch(across, 8)]);
    expect(all.run().kind).toBe('watch');
    expect(all.machine.watchHits()).toMatchObject([{ access: 'write', address: BigInt(across), bytes: 4, value: 0x4433_2211n }, { address: BigInt(across + 4), bytes: 4, value: 0x8877_6655n }]);
    const second = await hosted(program, [watch(across + 5, 2)]);
    expect(second.run().kind).toBe('watch');
    expect(second.machine.watchHits()).toMatchObject([{ address: BigInt(across + 5), bytes: 2, value: 0x7766n }]);
  });

  it('stop a repeated string instruction after the iteration, inside it', async () => {
    const movs = [0xf3, 0x48, 0xa5], world = await hosted(movs, [watch(place + 0x18, 1)], { rcx: 100n, rsi: BigInt(at.data), rdi: BigInt(place) });
    expect(world.run()).toMatchObject({ kind: 'watch', units: 4 });
    expect([world.register('rcx'), world.register('rdi'), world.register('rip')]).toEqual([96n, BigInt(place + 0x20), BigInt(code)]);
    expect(world.run().kind).toBe('idle');
    expect(world.register('rcx')).toBe(0n);
    const source = await hosted(movs, [watch(at.data + 8, 8)], { rcx: 3n, rsi: BigInt(at.data), rdi: BigInt(place) });
    expect(source.run()).toMatchObject({ kind: 'watch', units: 2 });
    expect(source.machine.watchHits()).toMatchObject([{ access: 'read', address: BigInt(at.data + 8) }]);
  });

  it('do not tell of accesses of an instruction that faults', async () => {
    // MOVSQ reads the watched source and cannot write its destination
    const world = await hosted([0x48, 0xa5], [watch(at.data, 8)], { rsi: BigInt(at.data), rdi: 0x4000_0000n });
    expect(world.run().kind).toBe('idle');
    expect(world.events.map(({ kind }) => kind)).toContain('exception');
  });

  it('see the frame of an exception, before the first instruction of the handler', async () => {
    const world = await hosted(asm.ud2, [watch(at.hostStackTop - 40, 8, { read: false })]);
    expect(world.run().kind).toBe('watch');
    expect(world.register('rip')).toBe(BigInt(at.hostTrap));
    expect(world.machine.watchHits()).toMatchObject([{ access: 'write', value: BigInt(code) }]);
  });

  it('see the accessed and dirty flags that the processor sets', async () => {
    const world = await hosted(store, [watch(at.pd + 8, 8, { space: 'physical', read: false })]);
    world.write(at.pd + 8, asm.qword(0x20_0083n));
    world.machine.registers(0).set('cr3', BigInt(at.pml4));
    expect(world.run()).toMatchObject({ kind: 'watch', units: 2 });
    expect(world.machine.watchHits()).toMatchObject([{ byProcessor: true, before: 0x20_0083n, value: 0x20_00e3n }]);
  });

  it('see the registers of a device', async () => {
    const world = await hosted(asm.join(asm.movImmediate(asm.RBX, 0xfee0_0080), asm.movDwordIndirect(asm.RBX, 0x20)), [watch(0xfee0_0080, 4, { space: 'physical' })]);
    expect(world.run()).toMatchObject({ kind: 'watch', units: 2 });
    expect(world.machine.watchHits()).toMatchObject([{ access: 'write', value: 0x20n }]);
  });

  it('leave guests alone when only root is watched, and see them by guest-physical address', async () => {
    const guest = asm.join(asm.movImmediate(asm.RAX, 7), asm.movStore(place, asm.RAX), asm.vmcall), world = await World.create({ guest, controls: ['secondary.enableEpt'] });
    world.machine.setWatches([watch(place, 8, { operation: 'root' }), watch(place, 8, { space: 'guestPhysical', operation: 'nonRoot' })]);
    expect(world.run().kind).toBe('watch');
    expect(world.machine.watchHits()).toMatchObject([{ nonRoot: true, access: 'write', value: 7n }]);
  });

  it('run the same with and without', async () => {
    const program = asm.join(asm.movImmediate(asm.RCX, 50), [0x48, 0x01, 0x0c, 0x25, ...asm.dword(place + 0xffc), 0x48, 0xff, 0xc9, 0x75, 0xf3]);
    const plain = await hosted(program, []), watched = await hosted(program, [watch(place + 0xffe, 4)]);
    plain.run();
    for (let n = 0; watched.run().kind === 'watch' && n < 1000; n++);
    expect([watched.machine.time(), watched.read64(place + 0xffc)]).toEqual([plain.machine.time(), plain.read64(place + 0xffc)]);
  });
});

describe('watches on numbered places', () => {
  const field = (id: 'HOST_RSP' | 'GUEST_RSP', more: Partial<Watch> = {}): Watch => ({ space: 'vmcsField', first: BigInt(vmcsFieldById(id).encoding), last: BigInt(vmcsFieldById(id).encoding | 1), read: true, write: true, ...more });
  const touch = asm.join(asm.movImmediate(asm.RCX, vmcsFieldById('GUEST_RSP').encoding), asm.movImmediate(asm.RAX, 0x5000), asm.vmwrite(asm.RCX, asm.RAX), asm.vmread(asm.RBX, asm.RCX));

  it('stop after VMWRITE and VMREAD of a field', async () => {
    const world = await World.create({ host: enter(asm.join(touch, asm.vmlaunch)) }), before = world.field('GUEST_RSP');
    world.machine.setWatches([field('GUEST_RSP'), field('HOST_RSP')]);
    expect(world.run().kind).toBe('watch');
    expect(world.machine.watchHits()).toMatchObject([{ space: 'vmcsField', access: 'write', before, value: 0x5000n, pointer: BigInt(at.vmcs), exited: false }]);
    expect(world.run()).toMatchObject({ kind: 'watch', units: 1 });
    expect(world.machine.watchHits()).toMatchObject([{ access: 'read', value: 0x5000n }]);
    expect(world.run().kind).toBe('idle');
  });

  it('tell of a guest\'s VMWRITE that exits', async () => {
    const world = await World.create({ guest: touch });
    world.machine.setWatches([field('GUEST_RSP', { operation: 'nonRoot' })]);
    expect(world.run().kind).toBe('vmExit');
    expect(world.machine.watchHits()).toMatchObject([{ space: 'vmcsField', access: 'write', value: 0x5000n, nonRoot: true, exited: true }]);
  });

  it('stop after RDMSR and WRMSR, and tell of those that exit', async () => {
    const touch = asm.join(asm.movImmediate(asm.RCX, 0x277), asm.rdmsr, asm.wrmsr), msr: Watch = { space: 'msr', first: 0x277n, last: 0x277n, read: true, write: true };
    const world = await hosted(touch, [msr]);
    expect(world.run().kind).toBe('watch');
    expect(world.machine.watchHits()).toMatchObject([{ space: 'msr', access: 'read', value: 0x0007_0406_0007_0406n }]);
    expect(world.run().kind).toBe('watch');
    expect(world.machine.watchHits()).toMatchObject([{ access: 'write', before: 0x0007_0406_0007_0406n }]);
    const guest = await World.create({ guest: touch });
    guest.machine.setWatches([msr]);
    expect(guest.run().kind).toBe('vmExit');
    expect(guest.machine.watchHits()).toMatchObject([{ access: 'read', exited: true, nonRoot: true }]);
    const faulting = await hosted(asm.join(asm.movImmediate(asm.RAX, 2), asm.movImmediate(asm.RCX, 0x277), asm.wrmsr), [msr]);
    expect(faulting.run().kind).toBe('idle');
  });

  it('stop after IN and OUT, one iteration at a time where they repeat', async () => {
    const world = await hosted(asm.join(asm.inImmediate8(0x61), asm.repInsb), [{ space: 'port', first: 0x60n, last: 0x61n, read: true, write: false }], { rdx: 0x61n, rcx: 2n, rdi: BigInt(place) });
    for (const left of [2n, 1n, 0n]) {
      expect(world.run().kind).toBe('watch');
      expect(world.machine.watchHits()).toMatchObject([{ space: 'port', address: 0x61n, bytes: 1 }]);
      expect(world.register('rcx')).toBe(left);
    }
    expect(world.run().kind).toBe('idle');
  });
});

describe('segments of watches', () => {
  it('do not overlap, and join the kinds of access', () => {
    expect(segmentsOf([watch(0, 10, { read: false }), watch(5, 10, { write: false, operation: 'root' })])).toEqual([
      { first: 0n, last: 4n, mask: 10 }, { first: 5n, last: 9n, mask: 11 }, { first: 10n, last: 14n, mask: 1 },
    ]);
  });
  it('cover everything when there is no room for all', () => {
    const many = Array.from({ length: 100 }, (_, n) => watch(n * 100, 1)), few = segmentsOf(many, 7);
    expect(few.length).toBeLessThanOrEqual(7);
    for (const { first } of many) expect(few.some(segment => segment.first <= first && first <= segment.last)).toBe(true);
  });
});
