// A program for one to eight processors: what it prints, and that a run cut into slices is the same run.
import { describe, expect, it } from 'vitest';
import { generator, outputOf, runInSlices, startProgram, stateOf } from './program';

describe.each([[1, ''], [2, ''], [3, 'x2apic=on'], [4, ''], [8, 'x2apic=on'], [8, '']])('%i processors %s', (count, options) => {
  it('start, count, answer, shoot down, change code, wait and start anew', async () => {
    const machine = await startProgram(count, `processors=${count} passes=40 ${options}`);
    expect(runInSlices(machine, () => 1_000_000)).toBe('debugExit 0');
    const others = count - 1, single = count === 1;
    // every second answered ping is an interrupt of the first processor, every other one of the second
    const interrupts = (single ? 0 : 80) + 1 + count + others + (single ? 0 : 1) + (single ? 1 : 2) + 1 + (single ? 1 : 0);
    expect(outputOf(machine).map(line => line.replace('processors: ', ''))).toEqual([
      ...Array.from({ length: count }, (_, n) => `${n}: APIC id ${n}, CPUID ${n} and ${n}${n === 0 ? ', bootstrap' : ''}`),
      `counters: ${40 * count * (count + 1) / 2} and ${40 * count}`,
      ...single ? [] : ['pings: 40 answered'],
      `addresses: ${interrupts} interrupts, ${others} NMIs`,
      'shootdown: every processor sees the page that moved', 'code: every processor runs what was written', `monitor: ${others} woken`, 'clocks: one time for all',
      ...single ? [] : ['pings: 40 answered'],
    ]);
  });
});

describe('slices do not change a run', () => {
  it.each([2, 4, 8])('of %i processors', async count => {
    const commandLine = `processors=${count} passes=15`, whole = await startProgram(count, commandLine);
    expect(runInSlices(whole, () => 50_000_000)).toBe('debugExit 0');
    const expected = stateOf(whole);
    for (const [seed, longest] of [[1, 3], [2, 40], [3, 9_000], [4, 200_000]]) {
      const random = generator(seed), machine = await startProgram(count, commandLine);
      // the shortest slices at the start alone: they are slow
      let short = 8_000;
      expect(runInSlices(machine, () => 1 + random(short-- > 0 ? longest : 50_000))).toBe('debugExit 0');
      expect(stateOf(machine), `seed ${seed}`).toBe(expected);
    }
  });

  it('at any instant', async () => {
    const random = generator(5), whole = await startProgram(4, 'processors=4 passes=10'), cut = await startProgram(4, 'processors=4 passes=10');
    for (let n = 0; n < 12; n++) {
      const units = 1 + random(60_000);
      runInSlices(whole, () => units, units);
      runInSlices(cut, () => 1 + random(2000), units);
      expect(stateOf(cut)).toBe(stateOf(whole));
    }
  });
});
