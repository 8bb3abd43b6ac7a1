// The model against the hypervisor: from the operations of its handlers the recurrence predicts the exits of its stacks, exactly.
import { expect, it } from 'vitest';
import { stackFiles } from '../../src/cli/model';
import { compare, isExact } from '../../src/cli/measure';

it('three levels under every strategy', async () => {
  const comparisons = await compare(await stackFiles(), ['naive', 'no-propagation', 'shadowing', 'both'], 3, { from: 2 });
  expect(comparisons.map(({ strategy, predicted }) => [strategy, predicted.map(Number)])).toEqual([
    ['naive', [1, 5, 40]], ['no-propagation', [1, 5, 36]], ['shadowing', [1, 2, 8]], ['both', [1, 2, 4]],
  ]);
  expect(comparisons.map(({ measured }) => measured)).toEqual([[undefined, 5, 40], [undefined, 5, 36], [undefined, 2, 8], [undefined, 2, 4]]);
  expect(isExact(comparisons)).toBe(true);
});

it('what is counted of four levels predicts five, where accesses do not exit', async () => {
  const [comparison] = await compare(await stackFiles(), ['shadowing'], 5, { from: 5 });
  expect(comparison!.countedUpTo).toBe(4);
  expect(comparison!.behaviour.handle.VMCALL).toEqual({ operations: {}, resume: 'VMRESUME' });
  expect(comparison!.behaviour.forward.VMCALL).toEqual({ operations: { VMPTRLD: 2 }, resume: 'VMRESUME' });
  expect([comparison!.predicted.map(Number), comparison!.measured[4]]).toEqual([[1, 2, 8, 24, 80], 80]);
});

it('a comparison that is not exact is called so', () => {
  expect(isExact([{ strategy: 'naive', countedUpTo: 1, behaviour: { forward: {}, handle: {} }, predicted: [1n, 5n], measured: [1, 6] }])).toBe(false);
});
