// Progress of a boot: nothing for a short one, levels while a long one runs, and cancelling pauses.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { BootProgress } from '../../src/debug-adapter/boot-progress';

let events: DebugProtocol.Event[], pauses = 0;
const make = (): BootProgress => new BootProgress({ send: event => events.push(event), message: async () => 'L0, L1', pause: async () => { pauses++; } });
beforeEach(() => { vi.useFakeTimers(); events = []; pauses = 0; });
afterEach(() => { vi.useRealTimers(); });

it('a short boot shows nothing', async () => {
  const progress = make();
  progress.begin();
  await vi.advanceTimersByTimeAsync(500);
  progress.end();
  await vi.advanceTimersByTimeAsync(5000);
  expect(events).toEqual([]);
});

it('a long one shows its levels until it stops', async () => {
  const progress = make();
  progress.begin();
  await vi.advanceTimersByTimeAsync(2000);
  progress.end();
  await vi.advanceTimersByTimeAsync(5000);
  expect(events.map(({ event }) => event)).toEqual(['progressStart', 'progressUpdate', 'progressUpdate', 'progressEnd']);
  expect(events[1].body).toMatchObject({ message: 'L0, L1' });
  expect(new Set(events.map(({ body }) => body.progressId)).size).toBe(1);
});

it('cancelling pauses, once and by its own id', async () => {
  const progress = make();
  progress.begin();
  await vi.advanceTimersByTimeAsync(1000);
  const { progressId } = events[0].body;
  expect(await progress.cancel('other')).toBe(false);
  expect(await progress.cancel(progressId)).toBe(true);
  expect(await progress.cancel(progressId)).toBe(false);
  expect(pauses).toBe(1);
  expect(events.at(-1)!.event).toBe('progressEnd');
});
