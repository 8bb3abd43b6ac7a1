// The model predicts the exits of one to six hypervisors under every strategy.
import { expect, it } from 'vitest';
import { stackFiles } from '../../src/cli/model';
import { compare, isExact } from '../../src/cli/measure';
import { strategies } from '../../src/model/strategies';

it.each(strategies)('%s, six levels', async strategy => {
  const comparisons = await compare(await stackFiles(), [strategy], 6);
  expect(isExact(comparisons)).toBe(true);
  expect(comparisons[0]!.measured.every(each => each !== undefined)).toBe(true);
});
