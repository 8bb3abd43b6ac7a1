import { expect, test } from 'vitest';
import { fuzz } from '../symbols/damaged-images';
import { seed } from './seed';

const runs = Number(process.env['ABYME_RUNS'] ?? 20_000);

test('damaged images, for long', { timeout: 600_000 }, () => {
  const { answers, slowest } = fuzz(seed, runs);
  console.log(`symbols fuzz: ${runs} images, ${answers} answers, slowest ${slowest.toFixed(0)} ms`);
  expect(answers).toBeGreaterThan(runs);
});
