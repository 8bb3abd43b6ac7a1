// The guest that goes nowhere straight, and a monitor that starts its guest anew.
import { expect, test } from 'vitest';
import { exitReasonById, type ExitReasonId } from '../../src/spec/exit-reasons';
import { runImages } from './run-images';

const exitsOf = (run: { exits: ReadonlyMap<number, number> }, id: ExitReasonId): number => run.exits.get(exitReasonById(id).number) ?? 0;

test.each([
  [['detours rounds=3 sleep=on far=40 forbidden=4']], [['monitor', 'detours rounds=3']], [['hypervisor', 'detours rounds=3 sleep=on']],
  [['hypervisor capture=on', 'hypervisor', 'detours rounds=3 sleep=on']], [['hypervisor preemption=500', 'hypervisor', 'hypervisor', 'detours rounds=3 sleep=on']],
])('%j comes to its end', async stack => {
  const run = await runImages(stack, 60_000_000);
  expect([run.kind, run.code]).toEqual(['debugExit', 0]);
  expect(run.lines.at(-1)?.trim()).toMatch(/^(detours: 3 rounds|monitor: \d+ exits)$/);
});

test('pages that are new to a guest\'s guest, and a byte that no guest may read, are the lowest hypervisor\'s affair', async () => {
  const run = await runImages(['hypervisor ept=on', 'hypervisor', 'detours rounds=9 far=40 forbidden=2']);
  expect([run.kind, run.code]).toEqual(['debugExit', 0]);
  // eight places, each once; and the forbidden one in each round
  expect(exitsOf(run, 'EPT_VIOLATION')).toBeGreaterThanOrEqual(8 + 9);
  expect(run.lines.filter(line => line.includes('no guest may access 200000'))).toHaveLength(9);
});

test.each([[['monitor again=2', 'detours rounds=3 halt=on'], 1], [['hypervisor', 'monitor again=2', 'detours rounds=3 halt=on'], 2]])('%j: the guest ends and a new one begins', async (stack, level) => {
  const run = await runImages(stack);
  expect([run.kind, run.code]).toEqual(['debugExit', 0]);
  expect(run.tracker.contexts.filter(context => context.level === level).map(({ state }) => state)).toEqual(['ended', 'ended', 'suspended']);
  expect(run.tracker.contexts.some(({ uncertain }) => uncertain)).toBe(false);
});
