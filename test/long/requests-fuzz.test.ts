// Any requests to a session, for long: on small programs, and on a stack of hypervisors stopped in an exit and running. ABYME_RUNS says
// how many lists of requests are sent in each state.
import { afterEach, describe, it } from 'vitest';
import { withAnyRequests } from '../debug-adapter/any-requests';
import { SessionDriver } from '../debug-adapter/session-driver';
import { seed } from './seed';

const runs = Number(process.env.ABYME_RUNS ?? 200);

const sessions: SessionDriver[] = [];
afterEach(async () => { await Promise.all(sessions.splice(0).map(session => session.end())); });

describe('any requests', () => {
  it.each(['before launch', 'running', 'stopped in an exit', 'stepped'] as const)('%s', async state => {
    await withAnyRequests({ seed, runs, longest: 60, answerMs: 60_000 }, async () => {
      const session = new SessionDriver();
      sessions.push(session);
      if (state === 'before launch') { await session.initialize(); return session; }
      const stop = await session.start({ hypervisors: 2, memory: 64 });
      if (state === 'running') {
        await session.request('setExceptionBreakpoints', { filters: [] });
        await session.request('continue', { threadId: stop.threadId });
      }
      if (state === 'stepped') await session.resume('stepIn', { threadId: stop.threadId });
      return session;
    });
  }, 3_600_000);
});
