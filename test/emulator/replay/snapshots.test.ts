// The same machine, whatever is done to look at it: a run cut into other slices, stopped at hooks, exceptions and watches, with snapshots taken
// on the way, or gone back to, ends in the same state to the bit. Programs are random (torture.ts); their seeds stand here.
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../../src/emulator/boot';
import type { Machine } from '../../../src/emulator/machine';
import { createTestMachine } from '../vmx/test-machine';
import { guestImage, random, runTo, torture, tour } from './torture';

const seeds = [1, 2, 3, 4, 5, 6];

describe('the budget is exact to the instruction', () => {
  it.each(seeds)('a run is the sum of its steps (program %i)', async seed => {
    const next = random(seed + 100), long = await torture(seed), steps = await torture(seed);
    runTo(long, 2000 + next(60_000));
    steps.restore(long.snapshot());
    for (let k = 0; k < 60; k++) {
      const end = Number(long.time()) + 1 + next(60);
      runTo(long, end);
      runTo(steps, end, 1);
      expect(steps.digest(), `at ${end}`).toBe(long.digest());
    }
  });
});

describe('a step is one unit, whatever it is', () => {
  const counted = (machine: Machine, steps: number): Record<string, number> => {
    const seen: Record<string, number> = {};
    for (let n = 0; n < steps; n++) {
      const { units, kind } = machine.run(1);
      machine.drainEvents(() => {});
      if (kind === 'idle' || kind === 'shutdown') break;
      if (kind !== 'ringFull') seen[units] = (seen[units] ?? 0) + 1;
    }
    return seen;
  };
  it.each(seeds)('in program %i', async seed => expect(counted(await torture(seed), 20_000)).toEqual({ 1: 20_000 }));
  it('in every mode', async () => { expect(Object.keys(counted(await tour(), 100_000))).toEqual(['1']); });
  it('across world switches', async () => { expect(counted(await stack(), 200_000)).toEqual({ 1: 200_000 }); });
});

describe('nothing that looks at the machine changes it', () => {
  const ways: readonly [string, (machine: Machine, next: (n: number) => number) => void, (machine: Machine, next: (n: number) => number) => void][] = [
    ['random slices', () => {}, () => {}],
    ['snapshots', () => {}, machine => { machine.snapshot(); }],
    ['stops at exceptions', machine => machine.setStops({ exceptions: [0, 1, 3, 14] }), () => {}],
    ['code hooks that come and go', () => {}, (machine, next) => { const here = machine.registers(0).get('rip'); machine.addCodeHook(here); if (next(2)) machine.removeCodeHook(here); }],
    ['watches that come and go', () => {}, (machine, next) => {
      const first = BigInt(next(4) ? 0x10_0000 + next(0x4_0000) : 0x8_ff00 + next(0x100)); // data, or the stack
      machine.setWatches([{ space: 'linear', first, last: first + 63n, read: true, write: true }]);
    }],
    ['events in the ring', machine => machine.recordEvents(['exception', 'interrupt']), () => {}],
  ];
  it.each(ways)('%s', async (_, prepare, between) => {
    for (const seed of seeds.slice(0, 3)) {
      const next = random(seed), machine = await torture(seed), start = machine.snapshot(), end = 60_000;
      runTo(machine, end);
      const expected = machine.digest();
      machine.restore(start);
      prepare(machine, next);
      while (machine.time() < end) { runTo(machine, Math.min(Number(machine.time()) + 1 + next(4000), end)); between(machine, next); }
      expect(machine.digest(), `program ${seed}`).toBe(expected);
    }
  });
});

describe('snapshots', () => {
  it.each(seeds)('lead to the same state from each of them, in either direction and on another machine (program %i)', async seed => {
    const next = random(seed + 200), machine = await torture(seed), other = await torture(seed + 1), end = 50_000;
    const kept = [machine.snapshot()];
    while (Number(machine.time()) < end) { runTo(machine, Math.min(Number(machine.time()) + 1 + next(9000), end)); kept.push(machine.snapshot()); }
    const digest = machine.digest();
    for (let n = 0; n < 6; n++) {
      const target = next(2) ? machine : other, from = kept[next(kept.length)]!;
      target.restore(from);
      expect(target.time()).toBe(from.time);
      if (next(3) === 0) runTo(target, Math.min(end, Number(target.time()) + next(5000) + 1));
      if (next(3) === 0) target.snapshot();
      if (next(3) === 0) target.restore(kept[next(kept.length)]!);
      runTo(target, end, 1 + next(30_000));
      expect(target.digest(), `from ${from.time}`).toBe(digest);
    }
  });

  it('know every page that changed', async () => {
    for (const make of [() => torture(5), () => torture(7), stack]) {
      const machine = await make(), next = random(17), size = machine.memoryBytes;
      let last = machine.snapshot();
      for (let k = 0; k < 40; k++) { machine.run(1 + next(30_000)); machine.drainEvents(() => {}); last = machine.snapshot(); }
      // what a snapshot holds is what was there: put the last one into an empty machine
      const empty = await createTestMachine({ memoryBytes: size });
      empty.restore(last);
      expect(Buffer.compare(empty.readPhysical(0n, size)!, machine.readPhysical(0n, size)!)).toBe(0);
      expect(empty.digest()).toBe(machine.digest());
    }
  });

  it('know what a world changed before it was left', async () => {
    const machine = await stack(), next = random(23);
    runTo(machine, 1_480_000);
    for (let k = 0; k < 60; k++) {
      machine.snapshot();
      runTo(machine, Number(machine.time()) + 1 + next(3000));
      const here = machine.snapshot(), digest = machine.digest();
      runTo(machine, Number(machine.time()) + 1 + next(3000));
      machine.restore(here);
      expect(machine.digest(), `at ${here.time}`).toBe(digest);
    }
  });

  it('cost what changed', async () => {
    const machine = await createTestMachine({ memoryBytes: 4 << 20 });
    machine.writePhysical(0x1000n, new Uint8Array(0x3000).fill(1));
    const first = machine.snapshot(), second = machine.snapshot();
    machine.writePhysical(0x2fffn, Uint8Array.of(1, 2));
    const third = machine.snapshot();
    expect(first.ownBytes - second.ownBytes).toBe(0x3000);
    expect(third.ownBytes - second.ownBytes).toBe(0x2000);
    expect(third.bytesBeside(second) - second.ownBytes).toBe(0x2000);
  });

  it('bring back what the host wrote, and forget what it wrote later', async () => {
    const machine = await createTestMachine({ memoryBytes: 4 << 20 });
    machine.writePhysical(0x5000n, Uint8Array.of(1));
    machine.registers(0).set('rax', 5n);
    const one = machine.snapshot();
    machine.writePhysical(0x5000n, Uint8Array.of(2));
    machine.writePhysical(0x9000n, Uint8Array.of(3));
    machine.registers(0).set('rax', 6n);
    const two = machine.snapshot();
    machine.restore(one);
    expect([machine.readPhysical(0x5000n, 1)![0], machine.readPhysical(0x9000n, 1)![0], machine.registers(0).get('rax')]).toEqual([1, 0, 5n]);
    machine.restore(two);
    expect([machine.readPhysical(0x5000n, 1)![0], machine.readPhysical(0x9000n, 1)![0], machine.registers(0).get('rax')]).toEqual([2, 3, 6n]);
  });

  it('do not fit a machine with other memory', async () => {
    const machine = await createTestMachine({ memoryBytes: 4 << 20 }), other = await createTestMachine({ memoryBytes: 2 << 20 });
    expect(() => other.restore(machine.snapshot())).toThrow(RangeError);
  });
});

/** Two hypervisors and a guest, ten rounds. */
async function stack(): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes: 32 << 20 }), hypervisor = guestImage('hypervisor');
  bootImages(machine, { program: hypervisor, commandLine: 'ept=on', modules: [{ name: 'hypervisor', bytes: hypervisor, commandLine: '' }, { name: 'guest', bytes: guestImage('guest'), commandLine: 'rounds=10' }] });
  return machine;
}
