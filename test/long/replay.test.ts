// Determinism over long runs: a hundred million instructions of a stack of hypervisors and of the benchmark's loops, and many random programs.
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../src/emulator/boot';
import type { Machine, MachineOptions, Snapshot } from '../../src/emulator/machine';
import { Timeline } from '../../src/emulator/replay/timeline';
import { createTestMachine } from '../emulator/vmx/test-machine';
import { guestImage, random, runTo, torture } from '../emulator/replay/torture';
import { seed } from './seed';

type BackEnd = MachineOptions['translator'];

async function image(translator: BackEnd, program: string, commandLine: string, above: readonly string[] = []): Promise<Machine> {
  const machine = await createTestMachine({ memoryBytes: 64 << 20, translator });
  bootImages(machine, { program: guestImage(program), commandLine, modules: above.map(name => ({ name, bytes: guestImage(name), commandLine })) });
  return machine;
}
/** Instructions of a run; a stack is translated slowly (many regions, each run seldom), so that one that the translator records is shorter. */
const lengthOf = (recorder: BackEnd, name: string): number => recorder === 'on' && name.startsWith('three') ? 15_000_000 : 100_000_000;
const images: readonly [string, (translator: BackEnd) => Promise<Machine>][] = [
  ['three hypervisors and their guest', t => image(t, 'hypervisor', 'shadowing=on ept=on', ['hypervisor', 'hypervisor', 'guest'])],
  ['three hypervisors, the plain way', t => image(t, 'hypervisor', '', ['hypervisor', 'hypervisor', 'guest'])],
  ['the loops of the benchmark', t => image(t, 'bench', 'sum=4000 sieve=40 page-fault=100 cpuid-exit=100 rounds=100')],
];

// recorded by one back end, repeated by both
describe.each([['off', 'on'], ['on', 'off']] as const)('long runs, recorded with the translator %s', (recorder, repeater) => {
  it.each(images)('%s: the same from every snapshot, whatever the slices', async (name, make) => {
    const length = lengthOf(recorder, name), next = random(seed), machine = await make(recorder), other = await make(repeater), kept: [Snapshot, bigint][] = [[machine.snapshot(), machine.digest()]];
    while (machine.time() < length) {
      runTo(machine, Math.min(length, Number(machine.time()) + 1 + next(length / 8)), 2_000_000);
      kept.push([machine.snapshot(), machine.digest()]);
    }
    for (let n = 0; n < 4; n++) {
      const from = n === 0 ? 0 : next(kept.length - 1), to = n === 0 ? kept.length - 1 : from + 1 + next(kept.length - 1 - from), target = n < 2 || next(2) ? other : machine;
      target.restore(kept[from]![0]);
      target.setStops(next(2) ? { exits: [10] } : {});
      while (target.time() < kept[to]![0].time) {
        runTo(target, Math.min(Number(kept[to]![0].time), Number(target.time()) + 1 + next(3_000_000)), 1 + next(500_000));
        if (next(4) === 0) target.snapshot();
      }
      target.setStops({});
      expect(target.digest(), `from ${kept[from]![0].time} to ${kept[to]![0].time}`).toBe(kept[to]![1]);
    }
  });

  it('any instant of a stack can be gone to', async () => {
    const next = random(seed + 1), timeline = new Timeline(await image(recorder, 'hypervisor', '', ['hypervisor', 'hypervisor', 'guest']), { every: 2_000_000 }), digests = new Map<bigint, bigint>();
    while (timeline.time() < (recorder === 'on' ? 8_000_000 : 40_000_000)) {
      runTo(timeline, Number(timeline.time()) + 1 + next(3_000_000), 2_000_000);
      if (next(2)) timeline.sendSerial(next(256));
      digests.set(timeline.time(), timeline.digest());
    }
    const instants = [...digests.keys()];
    for (let n = 0; n < 30; n++) {
      const at = instants[next(instants.length)]!;
      timeline.seek(at);
      expect(timeline.digest(), `at ${at}`).toBe(digests.get(at));
      for (let k = 0; k < 3; k++) timeline.stepBack(1 + next(100));
    }
  });
});

it('random programs end the same, however they are looked at', async () => {
  for (let program = 0; program < 40; program++) {
    const number = seed % 1_000_000 + program, next = random(number), machine = await torture(number), start = machine.snapshot(), end = 150_000;
    runTo(machine, end);
    const expected = machine.digest();
    for (let way = 0; way < 4; way++) {
      machine.restore(start);
      machine.setStops(next(2) ? { exceptions: [0, 1, 3, 14] } : {});
      while (machine.time() < end) {
        runTo(machine, Math.min(end, Number(machine.time()) + 1 + next(next(2) ? 100 : 9000)), next(3) === 0 ? 1 : undefined);
        const here = machine.registers(0).get('rip'), first = BigInt(0x10_0000 + next(0x4_0000));
        switch (next(6)) {
          case 0: machine.snapshot(); break;
          case 1: machine.addCodeHook(here); break;
          case 2: machine.removeCodeHook(here); break;
          case 3: machine.setWatches([{ space: next(2) ? 'linear' : 'physical', first, last: first + BigInt(next(300)), read: next(2) === 0, write: true }]); break;
          case 4: machine.restore(machine.snapshot()); break;
          default: break;
        }
      }
      machine.setWatches([]);
      expect(machine.digest(), `program ${number}, way ${way}`).toBe(expected);
    }
  }
});
