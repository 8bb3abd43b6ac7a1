// The two back ends agree: random programs state for state, stopped at random budgets; recorded instructions; the same exits and units of
// a hypervisor. The long versions: test/long/translator.test.ts.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../../src/emulator/boot';
import type { Machine, MachineOptions } from '../../../src/emulator/machine';
import { createTestMachine } from '../vmx/test-machine';
import { compareBackEnds, machineWith, vectorsTaken } from './random-programs';
import { replayTranslated } from './replay-translated';

describe('random programs', () => {
  it.each([3, 4, 5, 6, 8])('program %i, all of it translated', async seed => {
    const { difference, failures, regions } = await compareBackEnds(seed, 'always', 2000, 400);
    expect(difference).toBeUndefined();
    expect(failures).toEqual([]);
    expect(regions).toBeGreaterThan(10);
  });
  it.each([100, 101])('program %i, translated where it is hot', async seed => {
    const { difference, failures, regions } = await compareBackEnds(seed, 'on', 300_000, 20_000);
    expect(difference).toBeUndefined();
    expect(failures).toEqual([]);
    expect(regions).toBeGreaterThan(0);
  });
  it('take faults of many kinds, single steps and interrupts', async () => {
    const taken = new Array<number>(65).fill(0);
    for (const seed of [3, 4, 5, 6, 8, 9, 10]) {
      const machine = await machineWith(seed, 'off');
      for (let n = 0; n < 10; n++) machine.run(2000);
      vectorsTaken(machine).forEach((count, vector) => { taken[vector] += count; });
    }
    for (const vector of [0, 1, 6, 13, 14, 0x40]) expect(taken[vector], `vector ${vector}`).toBeGreaterThan(0);
  });
});

describe('vectors of a real processor', () => {
  it('agree with translated code', () => {
    const { failures, regions, replayed } = replayTranslated(67);
    expect(failures.slice(0, 20)).toEqual([]);
    expect(regions).toBeGreaterThan(replayed / 2);
  });
});

describe('a hypervisor with a guest', () => {
  const image = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../../guests/images/${name}`, import.meta.url)));
  it.each([['on', 300], ['always', 10]] as const)('comes to the same state, exits and all: %s', async (translating, rounds) => {
    const ends = [];
    for (const translator of ['off', translating] as const) {
      const machine = await createTestMachine({ memoryBytes: 128 << 20, translator });
      if (translator !== 'off') machine.recordEvents([]);               // VMREAD and VMWRITE are part of regions then
      bootImages(machine, { program: image('hypervisor.elf'), commandLine: '', modules: [{ name: 'guest', bytes: image('guest.elf'), commandLine: `rounds=${rounds}` }] });
      for (;;) {
        const stop = machine.run(1_000_000);
        machine.drainEvents(() => {});
        if (stop.kind === 'budget' || stop.kind === 'ringFull') continue;
        ends.push({ kind: stop.kind, index: stop.index, time: machine.time(), digest: machine.digest(), ...machine.counters(), text: new TextDecoder().decode(machine.takeSerialOutput()) });
        expect(machine.translations().failures).toEqual([]);
        expect(machine.translations().regions > 0).toBe(translator !== 'off');
        break;
      }
    }
    expect(ends[1]).toEqual(ends[0]);
  });

  // what is recorded of a VMREAD or VMWRITE by emitted code is what its procedure records, to which a watch leaves it
  it('leaves the same events, whoever carries out its field accesses', async () => {
    const run = async (translator: MachineOptions['translator'], before: (machine: Machine) => void = () => {}): Promise<{ kind: string; events: number; digest: string }> => {
      const machine = await createTestMachine({ memoryBytes: 128 << 20, translator }), hash = createHash('sha256');
      before(machine);
      const hypervisor = image('hypervisor.elf'), commandLine = 'shadowing=on';
      bootImages(machine, { program: hypervisor, commandLine, modules: [{ name: 'inner', bytes: hypervisor, commandLine }, { name: 'guest', bytes: image('guest.elf'), commandLine: 'rounds=600' }] });
      for (let events = 0; ;) {
        const stop = machine.run(100_000_000);
        hash.update(`${stop.kind} at ${machine.time()}`);
        machine.drainEvents(event => { events++; hash.update(new Uint8Array(event.view.buffer, event.at, event.slots * 64)); });
        if (stop.kind !== 'budget' && stop.kind !== 'ringFull') return { kind: stop.kind, events, digest: hash.digest('hex') };
      }
    };
    const procedures = await run('off', machine => machine.setWatches([{ space: 'vmcsField', first: 0x7ffen, last: 0x7ffen, read: true, write: true }]));
    expect(procedures.kind).toBe('debugExit');
    expect(procedures.events).toBeGreaterThan(3000);
    for (const translator of ['off', 'on', 'always'] as const) expect(await run(translator)).toEqual(procedures);
  });
});
