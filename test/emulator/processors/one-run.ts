// Two machines about to run the same program: one runs it whole, the other in slices, with snapshots between, and once more from one of them.
import { expect } from 'vitest';
import type { Machine } from '../../../src/emulator/machine';
import { random, runTo } from '../replay/torture';

/** Returns the machine that ran whole. */
export async function expectOneRun(whole: Machine, cut: Machine, seed: number, end: number): Promise<Machine> {
  const next = random(seed), snapshots = [];
  runTo(whole, end);
  const expected = whole.digest();
  while (cut.time() < end) {
    runTo(cut, Math.min(end, Number(cut.time()) + 1 + next(40_000)), 1 + next(800));
    snapshots.push(cut.snapshot());
  }
  expect(cut.digest(), `seed ${seed}, in slices`).toBe(expected);
  cut.restore(snapshots[next(snapshots.length)]!);
  runTo(cut, end, 1 + next(10_000));
  expect(cut.digest(), `seed ${seed}, from a snapshot`).toBe(expected);
  return whole;
}
