// Random programs on several vCPUs over the same memory and page tables, with interrupts to each other: however a run is cut, interrupted by
// snapshots, or translated, it is the same run. More of them are in test/long.
import { describe, expect, it } from 'vitest';
import { taken, torture } from '../replay/torture';
import { expectOneRun } from './one-run';

describe.each([2, 8])('%i vCPUs', vcpus => {
  it.each([1, 2])('of seed %i', async seed => {
    const whole = await expectOneRun(await torture(seed, { vcpus }), await torture(seed, { vcpus, translator: seed === 1 ? 'on' : 'off' }), seed, 100_000);
    expect(taken(whole).filter(n => n > 0).length).toBeGreaterThan(4);
  });
});
