// One session and its protocol, on the real engine with images of a few bytes: life cycle, output, errors that leave the session alive.
import { afterEach, describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { nodeHost } from '../../src/cli/adapter-host';
import type { AdapterHost } from '../../src/debug-adapter/factory';
import { withAnyRequests } from './any-requests';
import { inMemoryWorker } from './in-memory-worker';
import { repository, SessionDriver } from './session-driver';
import { counter, faulter, imageBase, resetter, sleeper, switcher, talker, tinyImage } from './tiny-image';

const images: Record<string, Uint8Array> = {
  '/talker': talker('hello\nworld\n', 5), '/counter': counter(), '/sleeper': sleeper(), '/faulter': faulter(), '/resetter': resetter(), '/switcher': switcher(), '/text': new TextEncoder().encode('not an image'), '/empty': new Uint8Array(),
  '/nonsense': tinyImage([0x0f, 0x0b]).slice(0, 70),
};

function host(): AdapterHost {
  const inner = nodeHost({ folder: repository, workingDirectory: '/', createWorker: inMemoryWorker });
  return { ...inner, readFile: async name => images[name] ?? inner.readFile(name) };
}

const sessions: SessionDriver[] = [];
afterEach(async () => { await Promise.all(sessions.splice(0).map(session => session.end())); });
function open(): SessionDriver {
  const session = new SessionDriver(host());
  sessions.push(session);
  return session;
}
async function running(program: string): Promise<SessionDriver> {
  const session = open();
  await session.initialize();
  await session.request('launch', { program });
  await session.request('configurationDone');
  return session;
}
const outputs = (session: SessionDriver, category: string): string =>
  session.client.events.filter(({ event, body }) => event === 'output' && (body as { category: string }).category === category).map(({ body }) => (body as { output: string }).output).join('');

describe('life', () => {
  it('says what the guest says, and its exit code', async () => {
    const session = open(), exited = session.client.next('exited'), terminated = session.client.next('terminated');
    await session.initialize();
    await session.request('launch', { program: '/talker' });
    await session.request('configurationDone');
    expect(await exited).toEqual({ exitCode: 5 });
    await terminated;
    expect(outputs(session, 'stdout')).toBe('hello\nworld\n');
    expect((await session.failure('continue', { threadId: 1 })).id).toBe(1006);
  });

  it('keeps the serial port quiet when asked', async () => {
    const session = open(), exited = session.client.next('exited');
    await session.initialize();
    await session.request('launch', { program: '/talker', serial: 'off' });
    await session.request('configurationDone');
    await exited;
    expect(outputs(session, 'stdout')).toBe('');
  });

  it('answers initialize before the event initialized, and launch before a stop', async () => {
    const session = open();
    await session.initialize();
    const stop = await session.toStop(async () => {
      await session.request('launch', { program: '/counter', stopOnEntry: true });
      await session.request('configurationDone');
    });
    expect(stop).toMatchObject({ reason: 'entry', allThreadsStopped: true });
    expect(session.client.events.map(({ event }) => event).filter(event => event === 'initialized' || event === 'stopped')).toEqual(['initialized', 'stopped']);
    expect(await session.levels()).toMatchObject([{ level: 0, state: 'executing', rip: `0x${imageBase.toString(16)}` }]);
  });

  it('pauses a loop within 50 ms, again and again', async () => {
    const session = await running('/counter');
    let best = Infinity;
    for (let i = 0; i < 4; i++) {
      await new Promise(resolve => setTimeout(resolve, 30));
      const asked = performance.now();
      expect(await session.resume('pause')).toMatchObject({ reason: 'pause' });
      best = Math.min(best, performance.now() - asked);
      await session.request('continue', { threadId: 1 });
    }
    expect(best).toBeLessThan(50);
  });

  it('pauses a machine that sleeps', async () => {
    const session = await running('/sleeper');
    expect(await session.resume('pause')).toMatchObject({ reason: 'pause' });
  });

  it('stops at a triple fault and says so', async () => {
    const session = open();
    await session.initialize();
    const stop = await session.toStop(async () => {
      await session.request('launch', { program: '/faulter' });
      await session.request('configurationDone');
    });
    expect(stop).toMatchObject({ reason: 'exception', description: expect.stringMatching(/[Tt]riple fault/) });
    expect(await session.request('exceptionInfo', { threadId: stop.threadId })).toMatchObject({ description: expect.stringMatching(/[Tt]riple fault/) });
  });

  it.each([['/resetter', /was reset, by L0/], ['/switcher', /switched off, by L0/]])('says how the machine of %s ended', async (program, words) => {
    const session = open();
    await session.initialize();
    const stop = await session.toStop(async () => {
      await session.request('launch', { program });
      await session.request('configurationDone');
    });
    expect(stop).toMatchObject({ reason: 'exception', description: expect.stringMatching(words) });
  });

  it('steps by instruction', async () => {
    const session = await running('/counter');
    await session.resume('pause');
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      await session.resume('next', { granularity: 'instruction' });
      seen.push((await session.levels())[0].rip);
    }
    expect(new Set(seen).size).toBe(2);
  });

  it('restarts with other arguments', async () => {
    const session = await running('/counter');
    const exited = session.client.next('exited');
    await session.request('restart', { arguments: { program: '/talker' } });
    expect(await exited).toEqual({ exitCode: 5 });
  });

  it('runs without stops when asked not to debug', async () => {
    const session = open(), exited = session.client.next('exited');
    await session.initialize();
    await session.request('launch', { program: '/talker', noDebug: true });
    const { breakpoints } = await session.request<{ breakpoints: DebugProtocol.Breakpoint[] }>('setExceptionBreakpoints', { filters: ['exit'] });
    expect(breakpoints).toMatchObject([{ verified: false }]);
    await session.request('configurationDone');
    await exited;
  });
});

describe('mistakes', () => {
  const launches: [object, number][] = [
    [{ program: '/missing' }, 1101], [{ program: '/text' }, 1102], [{ program: '/empty' }, 1102], [{ program: '/nonsense' }, 1102], [{ program: 3 }, 1100], [{ program: '/counter', memory: 1 }, 1100],
    [{ program: '/counter', stopsFrom: 'later' }, 1100],
  ];
  it.each(launches)('launch %j is error %i, and the session lives', async (args, id) => {
    const session = open();
    await session.initialize();
    const failure = await session.failure('launch', args);
    expect(failure.id).toBe(id);
    expect(failure.message).toMatch(/\. [A-Z]/);
    await session.request('launch', { program: '/counter' });
    await session.request('configurationDone');
    expect(await session.resume('pause')).toMatchObject({ reason: 'pause' });
  });

  it.each<[string, unknown, number]>([
    ['continue', { threadId: 1 }, 1003], ['stackTrace', { threadId: 1 }, 1003], ['evaluate', { expression: 'rax' }, 1003], ['noSuchRequest', {}, 1001], ['attach', {}, 1007],
    ['setBreakpoints', {}, 1002],
    ['setBreakpoints', { source: 5 }, 1002], ['setBreakpoints', { source: { path: '/x' }, breakpoints: [{}] }, 1002], ['setExceptionBreakpoints', { filters: 'exit' }, 1002],
    ['source', { sourceReference: 7 }, 1209],
    ['toString', {}, 1001], ['constructor', {}, 1001],
  ])('%s %j before launch is error %i', async (command, args, id) => {
    const session = open();
    await session.initialize();
    expect((await session.failure(command, args)).id).toBe(id);
  });

  it.each<[string, unknown, number]>([
    ['stackTrace', { threadId: 99 }, 1200], ['stackTrace', { threadId: 'one' }, 1002], ['stackTrace', {}, 1002], ['scopes', { frameId: 12345 }, 1201],
    ['variables', { variablesReference: 12345 }, 1202],
    ['next', { threadId: 99 }, 1200], ['next', { threadId: 1, granularity: 'molecule' }, 1002], ['readMemory', { memoryReference: 'nowhere', count: 4 }, 1207],
    ['readMemory', { memoryReference: '0x0', count: -1 }, 1002],
    ['readMemory', { memoryReference: 'L7:0x0', count: 4 }, 1207], ['writeMemory', { memoryReference: '0x200000', data: '***' }, 1002], ['evaluate', { expression: '1 +' }, 1206],
    ['evaluate', { expression: '' }, 1206],
    ['exceptionInfo', { threadId: 1 }, 1212], ['launch', { program: '/counter' }, 1004], ['disassemble', { memoryReference: 'x', instructionCount: 3 }, 1207],
    ['abyme/setFilters', { shown: [{ filter: 'exit.none' }] }, 1300],
    ['abyme/setFilters', {}, 1002], ['stepInTargets', { frameId: 99 }, 1201],
  ])('%s %j at a stop is error %i', async (command, args, id) => {
    const session = await running('/counter');
    await session.resume('pause');
    expect((await session.failure(command, args)).id).toBe(id);
    expect((await session.stack(1)).length).toBeGreaterThan(0);
  });

  it.each(['stackTrace', 'continue', 'next', 'evaluate', 'abyme/switches'])('%s while the machine runs is error 1005', async command => {
    const session = await running('/counter');
    expect((await session.failure(command, { threadId: 1, expression: 'rax' })).id).toBe(1005);
    expect((await session.request<{ threads: unknown[] }>('threads')).threads).toHaveLength(1);
  });

  it('what is no message is complained of', async () => {
    const session = open();
    for (const message of [null, 5, 'text', [], {}, { type: 'request' }, { type: 'request', seq: 'one', command: 'threads' }, { type: 'request', seq: 1, command: 7 }]) session.send(message);
    await session.initialize();
    expect(outputs(session, 'stderr').match(/\n/g)).toHaveLength(8);
  });

  it('conditions and hit counts are read when they are set', async () => {
    const session = await running('/counter');
    await session.resume('pause');
    const { breakpoints } = await session.request<{ breakpoints: DebugProtocol.Breakpoint[] }>('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: 'L0:0x200000', condition: 'rax ==' }, { instructionReference: 'L0:0x200000', hitCondition: 'often' }, { instructionReference: 'gpa9:0x1' },
        { instructionReference: 'L0:0x200003', condition: 'rax == 0x100000' }],
    });
    expect(breakpoints.map(({ verified }) => verified)).toEqual([false, false, false, true]);
    expect(breakpoints.slice(0, 3).every(({ message }) => message !== undefined)).toBe(true);
    await session.request('evaluate', { expression: 'rax' });
    const scopes = await session.scopes((await session.stack(1))[0].id), registers = scopes.find(({ name }) => name === 'Registers')!.variablesReference;
    await session.request('setVariable', { variablesReference: registers, name: 'rax', value: '0xffff0' });
    expect(await session.resume('continue')).toMatchObject({ reason: 'instruction breakpoint', hitBreakpointIds: [breakpoints[3].id] });
    expect((await session.request<{ result: string }>('evaluate', { expression: 'rax' })).result).toContain('0x100000');
  });
});

describe('any requests in any state', () => {
  it.each(['before launch', 'running', 'stopped', 'ended'] as const)('%s: every request is answered once, and the session lives', async state => {
    await withAnyRequests({ seed: 20_260_000, runs: 8, longest: 30 }, async () => {
      const session = state === 'before launch' ? open() : await running(state === 'ended' ? '/talker' : '/counter');
      if (state === 'before launch') await session.initialize();
      if (state === 'stopped') await session.resume('pause');
      return session;
    });
  }, 60_000);
});
