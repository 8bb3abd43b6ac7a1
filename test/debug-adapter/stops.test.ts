// Every kind of stop, provoked through the debugger itself: a field of the VMCS or a register is set wrong, and the machine runs on.
import { afterEach, describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { SessionDriver, type Stopped } from './session-driver';

const sessions: SessionDriver[] = [];
afterEach(async () => { await Promise.all(sessions.splice(0).map(session => session.end())); });

/** A session that stands before the VMRESUME of L0 that lets L3 run on, with other filters armed from here. */
async function beforeResume(filters: readonly string[]): Promise<SessionDriver> {
  const session = new SessionDriver();
  sessions.push(session);
  const stopped = await session.start({ hypervisors: 1 });
  await session.request('setExceptionBreakpoints', { filters: ['vmx.vmresume'] });
  const stop = await session.resume('continue');
  expect(stop).toMatchObject({ reason: 'exception', description: 'VMRESUME of L0' });
  expect(stop.threadId).not.toBe(stopped.threadId);
  await session.request('setExceptionBreakpoints', { filters });
  return session;
}

/** Sets a VMCS field of the VMCS for L1 through the scope of L0's frame. */
async function setField(session: SessionDriver, name: string, value: string): Promise<void> {
  const [{ threadId }] = await session.levels(), [frame] = await session.stack(threadId);
  const scope = (await session.scopes(frame.id)).find(each => each.name === 'VMCS current in L0')!;
  for (const group of await session.variables(scope.variablesReference)) {
    if (!(await session.variables(group.variablesReference)).some(each => each.name === name)) continue;
    await session.request('setVariable', { variablesReference: group.variablesReference, name, value });
    return;
  }
  throw new Error(`no field ${name}`);
}
const report = (session: SessionDriver, stop: Stopped): Promise<DebugProtocol.ExceptionInfoResponse['body']> => session.request('exceptionInfo', { threadId: stop.threadId });

describe('stops', () => {
  it('at a failed VM entry name the check that failed', async () => {
    const session = await beforeResume(['entry-failure', 'exit']);
    await setField(session, 'GUEST_RFLAGS', '0');
    const stop = await session.resume('continue'), info = await report(session, stop);
    expect(stop).toMatchObject({ reason: 'exception', description: expect.stringMatching(/VM entry into L1 failed/) });
    expect((await session.levels()).find(({ threadId }) => threadId === stop.threadId)?.level).toBe(0);
    expect(info.exceptionId).toBe('entry-failure');
    expect(info.details?.stackTrace).toMatch(/Check .*[Rr][Ff][Ll][Aa][Gg][Ss]/);
    expect(info.details?.stackTrace).toMatch(/GUEST_RFLAGS = 0x0/);
  });

  it('at VMfail give the error in words', async () => {
    const session = await beforeResume(['vmfail']);
    await setField(session, 'PIN_BASED_CONTROLS', '0');
    const stop = await session.resume('continue'), info = await report(session, stop);
    expect(stop.description).toBe('VMfail of VMRESUME in L0');
    expect(info.details?.stackTrace).toMatch(/VM-instruction error 7: /);
    expect(info.details?.stackTrace).toMatch(/Check .*\n(.*\n)?PIN_BASED_CONTROLS = 0x0/);
  });

  it('at a failed VM entry because of controls are one stop, with the check', async () => {
    const session = await beforeResume(['entry-failure']);
    await setField(session, 'PIN_BASED_CONTROLS', '0');
    const stop = await session.resume('continue');
    expect(stop.description).toMatch(/^VM entry of L0 failed: /);
    expect((await report(session, stop)).details?.stackTrace).toContain('PIN_BASED_CONTROLS = 0x0');
  });

  it('at an exception inside a level, before it is delivered', async () => {
    const session = await beforeResume(['exception.page-fault@1']);
    await setField(session, 'GUEST_RIP', '0x7f0000000000');
    const stop = await session.resume('continue');
    expect(stop.description).toMatch(/#PF .* in L1/);
    expect((await session.levels()).find(({ threadId }) => threadId === stop.threadId)).toMatchObject({ level: 1, rip: '0x7f0000000000' });
  });

  it('at a triple fault of a guest', async () => {
    const session = await beforeResume(['triple-fault', 'exit.triple-fault']);
    await setField(session, 'GUEST_RIP', '0x7f0000000000');
    await setField(session, 'GUEST_IDTR_LIMIT', '1');
    const stop = await session.resume('continue');
    expect(stop.description).toMatch(/[Tt]riple fault.* of L1/);
  });

  it('at VMX instructions of a level', async () => {
    const session = await beforeResume([]);
    await session.request('setExceptionBreakpoints', { filters: ['vmx.vmread@0'] });
    expect(await session.resume('continue')).toMatchObject({ description: 'VMREAD of L0' });
    const [{ rip }] = await session.levels();
    // The next stop is another VMREAD: the one stopped at is passed.
    await session.resume('continue');
    expect((await session.levels())[0].rip).not.toBe(rip);
  });

  it('at each exit, from reset on when asked', async () => {
    const session = new SessionDriver();
    sessions.push(session);
    const stop = await session.start({ hypervisors: 1, stopsFrom: 'reset' }, ['vmx.vmlaunch']);
    expect(stop.description).toBe('VMLAUNCH of L0');
    expect((await session.levels()).map(({ level }) => level)).toEqual([0]);
  });
});
