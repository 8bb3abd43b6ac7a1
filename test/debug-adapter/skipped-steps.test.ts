// Steps whose awaited place is skipped, on real stacks: the exit is handled below, an event is injected, the guest is ended. The step ends at the
// first instruction of its level or, where that is gone, of the level that goes on, and the description of the stop says so. And the ways out.
import { afterEach, describe, expect, it } from 'vitest';
import { repository, SessionDriver, type Level, type Stopped } from './session-driver';

let session: SessionDriver;
afterEach(() => session.end());

const path = (name: string): string => `${repository}/guests/images/${name}.elf`;
/** `program` and modules, each an image with its command line. */
function launchOf(stack: readonly string[], more: object = {}): object {
  const [first, ...modules] = stack.map(line => ({ image: path(line.split(' ')[0]), commandLine: line.split(' ').slice(1).join(' ') }));
  return { program: first.image, commandLine: first.commandLine, modules, memory: 64, stopsFrom: 'reset', ...more };
}
async function start(stack: readonly string[], filters: readonly string[], functions: readonly string[] = [], more: object = {}): Promise<Stopped> {
  session = new SessionDriver();
  return session.start(launchOf(stack, more), filters, async () => {
    // answered when there is a machine
    if (functions.length > 0) void session.request('setFunctionBreakpoints', { breakpoints: functions.map(name => ({ name })) });
  });
}
const at = async (threadId: number | undefined): Promise<Level> => (await session.levels()).find(level => level.threadId === threadId)!;
const topOf = async (threadId: number | undefined): Promise<string> => (await session.stack(threadId!))[0].name;
const executing = async (): Promise<number | undefined> => (await session.levels()).find(({ state }) => state === 'executing')?.level;
const bytesAt = async (reference: string, offset: number, count: number): Promise<number[]> =>
  [...Buffer.from((await session.request<{ data: string }>('readMemory', { memoryReference: reference, offset, count })).data, 'base64')];
const instruction = { granularity: 'instruction' };

describe('an exit that the lowest level handles by itself', () => {
  const stack = ['hypervisor ept=on', 'hypervisor', 'detours far=40 forbidden=2'];
  /** In `read_byte` of L2, before the instruction that reads. */
  const atRead = async (): Promise<Stopped> => {
    const stop = await start(stack, [], ['L2!read_byte']);
    const line = (await session.stack(stop.threadId!))[0].line;
    return session.resume('next', { threadId: stop.threadId }).then(async after => {
      expect((await session.stack(after.threadId!))[0].line).toBe(line + 1);
      return after;
    });
  };

  it('into the handler of L1, which never runs, ends at the instruction of L2 that runs again', async () => {
    const { threadId } = await atRead(), { rip } = await at(threadId), stop = await session.resume('stepIn', { threadId, ...instruction });
    expect(stop).toMatchObject({ reason: 'step', threadId, description: expect.stringMatching(/handled below, without the level/) });
    expect(await at(threadId)).toMatchObject({ level: 2, state: 'executing', rip });
  });

  it('into the handler of L0 by its target', async () => {
    const { threadId } = await atRead(), [top] = await session.stack(threadId!);
    const { targets } = await session.request<{ targets: { id: number; label: string }[] }>('stepInTargets', { frameId: top.id });
    const stop = await session.resume('stepIn', { threadId, targetId: targets.find(({ label }) => /L0/.test(label))!.id, ...instruction });
    expect(await at(stop.threadId)).toMatchObject({ level: 0, state: 'executing' });
    expect(stop.description).toBe('Step in L0');
  });

  it('over it, the instruction has run', async () => {
    const { threadId } = await atRead(), { rip } = await at(threadId), stop = await session.resume('next', { threadId, ...instruction });
    expect(stop).toMatchObject({ threadId, description: 'Step in L2' });
    expect(Number(await at(threadId).then(now => BigInt(now.rip) - BigInt(rip)))).toBe(2);
  });
});

describe('an event that is injected', () => {
  const stack = ['hypervisor ept=on', 'hypervisor', 'detours forbidden=2'];
  const atRead = async (more: object = {}): Promise<Stopped> => {
    const stop = await start(stack, [], ['L2!read_byte'], more);
    return session.resume('next', { threadId: stop.threadId });
  };

  it.each(['stepIn', 'next'] as const)('%s by instruction ends in its handler', async command => {
    const { threadId } = await atRead(), stop = await session.resume(command, { threadId, ...instruction });
    expect(stop).toMatchObject({ threadId, description: expect.stringMatching(/#GP was injected: its handler in L2/) });
    expect(/handled below/.test(stop.description!)).toBe(command === 'stepIn');
    expect(await topOf(threadId)).toBe('repair_protection_fault');
    // out of the handler: behind the instruction, where the handler lets it go on
    const out = await session.resume('stepOut', { threadId });
    expect(await topOf(out.threadId)).toBe('read_byte');
    expect((await bytesAt((await session.stack(threadId!))[0].instructionPointerReference!, -2, 2))).toEqual([0x8a, 0x07]);
  });

  it('by line it is run through', async () => {
    const { threadId } = await atRead(), { line } = await at(threadId), stop = await session.resume('next', { threadId });
    expect(stop).toMatchObject({ threadId, description: 'Step in L2' });
    expect(await at(threadId)).toMatchObject({ function: 'read_byte', line: line! + 1 });
  });

  it('by line, too, ends in the handler where faults are to be stepped into', async () => {
    const { threadId } = await atRead({ stepIntoFaults: true }), stop = await session.resume('next', { threadId });
    expect(stop.description).toMatch(/#GP was injected: its handler in L2/);
    expect(await topOf(threadId)).toBe('repair_protection_fault');
  });
});

describe.each([[['monitor again=2', 'detours rounds=1 halt=on'], 0], [['hypervisor', 'monitor again=2', 'detours rounds=1 halt=on'], 1]] as const)('a guest that is ended: %j', (stack, level) => {
  it.each([['next', {}], ['next', instruction], ['stepOut', {}]] as const)('%s %j ends right behind the VMXOFF', async (command, more) => {
    const halted = await start(stack, [`exit.hlt@${level + 1}`]), stop = await session.resume(command, { threadId: halted.threadId, ...more });
    expect(stop.description).toBe(`L${level + 1} ended during the step`);
    expect(await at(stop.threadId)).toMatchObject({ level, state: 'executing', function: 'leave_vmx' });
    expect(await bytesAt((await session.stack(stop.threadId!))[0].instructionPointerReference!, -3, 3)).toEqual([0x0f, 0x01, 0xc4]);
    expect((await session.failure('next', { threadId: halted.threadId })).id).toBe(1213);
  });
});

describe('ways out', () => {
  it('of an inlined call, from the stop on its exit, then of the function around it', async () => {
    session = new SessionDriver();
    const { threadId } = await session.start(), names = (await session.stack(threadId!)).map(({ name }) => name);
    expect(names.slice(0, 3)).toEqual(['cpuid', 'read_sentence', 'main']);
    await session.request('setExceptionBreakpoints', { filters: [] });
    for (const outer of names.slice(1, 3)) {
      const stop = await session.resume('stepOut', { threadId });
      expect(stop).toMatchObject({ reason: 'step', threadId });
      expect(await topOf(threadId)).toBe(outer);
      expect(await executing()).toBe(3);
    }
  });

  it('of a handler: to its caller, then to the level whose exit it handles', async () => {
    session = new SessionDriver();
    const first = await session.start(), before = await at(first.threadId), into = await session.resume('stepIn', { threadId: first.threadId });
    expect(await at(into.threadId)).toMatchObject({ level: 2, function: 'enter_guest' });
    await session.request('setExceptionBreakpoints', { filters: [] });
    expect(await topOf((await session.resume('stepOut', { threadId: into.threadId })).threadId)).toBe('run_guest');
    // run_guest never returns
    const stop = await session.resume('stepOut', { threadId: into.threadId }), after = await at(stop.threadId);
    expect(stop.threadId).toBe(first.threadId);
    expect([after.level, after.state, BigInt(after.rip) - BigInt(before.rip)]).toEqual([3, 'executing', 2n]);
  });

  it('over a line whose calls are inlined stays in its function', async () => {
    const { threadId } = await start(['hypervisor', 'guest'], [], ['L0!handle_guest_exit', 'L0!advance_guest']);
    for (let n = 0; n < 12; n++) {
      const [{ name, source, line }] = await session.stack(threadId!), stop = await session.resume('next', { threadId });
      if (stop.reason !== 'step') continue; // at a breakpoint in what was called
      const [top] = await session.stack(stop.threadId!);
      // a line that begins inside of an inlined call is shown there, but is another line of the function
      if (top.source?.path !== source?.path) expect((await session.stack(stop.threadId!)).find(frame => frame.source?.path === source?.path)?.line, `after ${name}:${line}`).not.toBe(line);
    }
  });
});
