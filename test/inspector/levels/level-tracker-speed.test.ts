// The tracker sees every exit of the machine and must pass them fast enough, with eleven events to an exit.
import { expect, it } from 'vitest';
import { runBundled } from '../run-bundled';

it('passes at least 500,000 exits a second', async () => {
  const { measureTracker } = await runBundled<typeof import('./measure-tracker')>(new URL('./measure-tracker.ts', import.meta.url));
  const { exits, events, contexts, exitsPerSecond } = measureTracker();
  console.log(`level tracker: ${Math.round(exitsPerSecond).toLocaleString('en')} exits a second with ${(events / exits).toFixed(1)} events each`);
  expect(contexts).toBe(4);
  expect(exitsPerSecond).toBeGreaterThan(500_000);
});
