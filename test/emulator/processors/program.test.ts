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
    const commandLine = `processors=${count} passes=150`, whole = await startProgram(count, commandLine);
    expect(runInSlices(whole, () => 50_000_000)).toBe('debugExit 0');
    const expected = stateOf(whole);
    for (const [seed, longest] of [[1, 3], [2, 40], [3, 9_000]]) {
      const random = generator(seed), machine = await startProgram(count, commandLine);
      // the shortest slices at the start alone: they are slow
      let short = 8_000;
      expect(runInSlices(machine, () => 1 + random(short-- > 0 ? longest : 50_000))).toBe('debugExit 0');
      expect(stateOf(machine), `seed ${seed}`).toBe(expected);
    }
  });

  it('at any instant', async () => {
    const random = generator(5), whole = await startProgram(4, 'processors=4 passes=150'), cut = await startProgram(4, 'processors=4 passes=150');
    for (let n = 0; n < 12; n++) {
      const units = 1 + random(60_000);
      runInSlices(whole, () => units, units);
      runInSlices(cut, () => 1 + random(2000), units);
      expect(stateOf(cut)).toBe(stateOf(whole));
    }
  });
});

it.each(['on', 'always'] as const)('the translator (%s) gives the same run', async translator => {
  const commandLine = 'processors=4 passes=150', expected = await startProgram(4, commandLine), machine = await startProgram(4, commandLine, translator);
  expect(runInSlices(expected, () => 50_000_000)).toBe('debugExit 0');
  expect(runInSlices(machine, () => 30_000)).toBe('debugExit 0');
  expect(stateOf(machine)).toBe(stateOf(expected));
  expect(machine.translations().failures).toEqual([]);
});

it('a snapshot in the middle leads to the same end', async () => {
  const commandLine = 'processors=4 passes=150', whole = await startProgram(4, commandLine), machine = await startProgram(4, commandLine);
  expect(runInSlices(whole, () => 50_000_000)).toBe('debugExit 0');
  const expected = stateOf(whole), snapshots = [];
  for (let n = 0; n < 4; n++) {
    expect(runInSlices(machine, () => 7_777, 20_000)).toBe('budget');
    snapshots.push(machine.snapshot());
  }
  for (const snapshot of snapshots.reverse()) {
    machine.restore(snapshot);
    expect(runInSlices(machine, () => 70_000)).toBe('debugExit 0');
    expect(stateOf(machine)).toBe(expected);
  }
});
