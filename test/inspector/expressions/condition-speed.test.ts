// A condition on exits is asked at every exit that a breakpoint watches.
import { expect, it } from 'vitest';
import { runBundled } from '../run-bundled';

it.each([
  ['leaf == 0xd && level == 1', 100_000], ["reason == 'cpuid' && leaf in 0..3", 200_000], ['qualification == 1 || gpa in 0xfee00000..0xfee00fff', 0],
] as const)('%s: at least 500,000 a second', async (text, hits) => {
  const { measureConditions } = await runBundled<typeof import('./measure-conditions')>(new URL('./measure-conditions.ts', import.meta.url));
  const measured = measureConditions(text);
  console.log(`${text}: ${Math.round(measured.perSecond).toLocaleString('en')} evaluations a second`);
  expect(measured.hits).toBe(hits);
  expect(measured.perSecond).toBeGreaterThan(500_000);
});
