// A machine with several processors through the adapter: a thread for each level of each vCPU, breakpoints and steps of the right one, pause.
import { afterEach, describe, expect, it } from 'vitest';
import { repository, SessionDriver, type Stopped } from './session-driver';

const program = `${repository}/guests/images/processors.elf`;
let session: SessionDriver;
afterEach(() => session.end());

interface Thread { id: number; name: string }
const threads = async (): Promise<Thread[]> => (await session.request<{ threads: Thread[] }>('threads')).threads;
const functionsOf = async (threadId: number): Promise<string[]> => (await session.stack(threadId)).map(({ name }) => name);

/** Launches and stops at functions. */
async function stopAt(count: number, functions: readonly string[], options = 'passes=40'): Promise<Stopped> {
  session = new SessionDriver();
  return session.start({ program, commandLine: `processors=${count} ${options}`, processors: count, memory: 16, stopsFrom: 'reset' }, [], async () => {
    // answered when there is a machine
    void stopAtFunctions(...functions);
  });
}
const stopAtFunctions = (...functions: string[]): Promise<unknown> => session.request('setFunctionBreakpoints', { breakpoints: functions.map(name => ({ name })) });

describe('several processors', () => {
  it('are threads, of which each is where its vCPU is', async () => {
    const stop = await stopAt(3, ['try_pings']);
    expect(stop.reason).toBe('function breakpoint');
    const list = await threads();
    expect(list.map(({ name }) => name.replace(' (executing)', ''))).toEqual([0, 1, 2].map(vcpu => `vCPU ${vcpu} · L0 · processors.elf`));
    expect(stop.threadId).toBe(list[0].id);
    expect((await functionsOf(list[0].id))[0]).toBe('try_pings');
    for (const { id } of list.slice(1)) expect((await functionsOf(id))[0]).toBe('enter_processor');
    const levels = await session.levels();
    expect(levels.map(({ level }) => level)).toEqual([0, 0, 0]);
  });

  it('a breakpoint stops the thread that comes there, and steps step it', async () => {
    let stop = await stopAt(3, ['count_up']);
    const list = await threads(), stopped: number[] = [];
    for (let n = 0; n < 3; n++) {
      const at = list.findIndex(({ id }) => id === stop.threadId), others = list.filter((_, vcpu) => vcpu !== at);
      stopped.push(at);
      expect((await functionsOf(stop.threadId!))[0]).toBe('count_up');
      const before = (await session.stack(stop.threadId!))[0].line;
      const afterStep = await session.resume('next', { threadId: stop.threadId });
      // another thread may come to the breakpoint while this one steps
      if (afterStep.reason === 'step') {
        expect(afterStep.threadId).toBe(stop.threadId);
        const [top] = await session.stack(stop.threadId!);
        expect(top.name).toBe('count_up');
        expect(top.line).not.toBe(before);
        if (n < 2) stop = await session.resume('continue', { threadId: stop.threadId });
      } else {
        expect(others.map(({ id }) => id)).toContain(afterStep.threadId);
        stop = afterStep;
      }
    }
    expect(stopped.sort()).toEqual([0, 1, 2]);
  });

  it('an instruction step of a vCPU whose turn it is not moves that one', async () => {
    await stopAt(2, ['give_lock']);
    await stopAtFunctions();
    const list = await threads(), rip = async (id: number): Promise<string | undefined> => (await session.levels()).find(({ threadId }) => threadId === id)?.rip;
    for (const { id } of [list[1], list[0], list[1]]) {
      const before = await rip(id), stop = await session.resume('stepIn', { threadId: id, granularity: 'instruction' });
      expect(stop).toMatchObject({ reason: 'step', threadId: id });
      expect(await rip(id)).not.toBe(before);
    }
  });

  it('registers of each are its own, and can be set', async () => {
    await stopAt(2, ['try_pings']);
    const list = await threads();
    const ids = await Promise.all(list.map(async ({ id }) => {
      const [frame] = await session.stack(id);
      return [(await session.request<{ result: string }>('evaluate', { expression: 'vcpu', frameId: frame.id })).result, (await session.request<{ result: string }>('evaluate', { expression: 'rsp', frameId: frame.id })).result];
    }));
    expect(ids.map(([vcpu]) => vcpu.replace('0x', ''))).toEqual(['0', '1']);
    expect(ids[0][1]).not.toBe(ids[1][1]);
  });

  it('pause stops while all run', async () => {
    session = new SessionDriver();
    await session.initialize();
    await session.request('setExceptionBreakpoints', { filters: [] });
    await session.request('launch', { program, commandLine: 'processors=4 passes=1000000', processors: 4, memory: 16, stopsFrom: 'reset' });
    await session.request('configurationDone');
    await new Promise(resolve => setTimeout(resolve, 100));
    const stop = await session.toStop(() => session.request('pause', { threadId: 1 }));
    expect(stop.reason).toBe('pause');
    expect((await threads()).map(({ id }) => id)).toContain(stop.threadId);
  });
});
