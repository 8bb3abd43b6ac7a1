// Thousands of steps in a row, each with the stack and the variables that an editor asks for after it: memory does not grow. What is bounded is filled
// before: the trace of exits, the caches of symbols, the code of the compiler.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionDriver } from '../debug-adapter/session-driver';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const session = new SessionDriver();
let threadId: number;

/** Bytes that are in use, in the heap and outside of it. */
function inUse(): number {
  session.client.events.length = 0;
  for (let n = 0; n < 4; n++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
async function look(): Promise<void> {
  const [{ id }] = await session.stack(threadId);
  for (const { name, variablesReference } of await session.scopes(id)) if (/^(Arguments|Locals|Registers|Exit)$/.test(name)) await session.variables(variablesReference);
}
const traced = async (): Promise<number> => (await session.request<{ end: number }>('abyme/trace', { count: 0 })).end;

beforeAll(async () => {
  ({ threadId } = await session.start({ hypervisors: 3, stopsFrom: 'guest' }, ['exit.cpuid@3']) as { threadId: number });
  await session.request('setExceptionBreakpoints', { filters: [] });
  while (await traced() < 1 << 17) {
    await session.request('continue', { threadId });
    await new Promise(resolve => setTimeout(resolve, 300));
    await session.resume('pause', { threadId });
  }
});
afterAll(() => session.end());

describe('memory after thousands of steps', () => {
  const byStep = (granularity: string) => async (): Promise<void> => { threadId = (await session.resume('next', { threadId, granularity })).threadId!; };
  it.each<[string, readonly string[], () => Promise<void>, number]>([
    ['over exits of L3', ['exit.cpuid@3'], async () => { await session.resume('next', { threadId }); await session.resume('continue', { threadId }); }, 500],
    ['by instruction', [], byStep('instruction'), 1000], ['by line', [], byStep('statement'), 1000],
  ])('%s', async (_, filters, step, count) => {
    await session.request('setExceptionBreakpoints', { filters });
    if (filters.length > 0) threadId = (await session.resume('continue', { threadId })).threadId!;
    const sizes: number[] = [];
    for (let part = 0; part < 4; part++) {
      for (let n = 0; n < count; n++) { await step(); await look(); }
      sizes.push(inUse());
    }
    // what the collector leaves, and the compiler keeps of new code, differs from time to time by some hundred KB; what a step leaves behind shows in every part
    const growth = Math.min(...sizes.slice(1).map((size, n) => (size - sizes[n]) / count));
    expect(growth, `bytes in use after each part: ${sizes.join(', ')}`).toBeLessThan(100);
  });
});
