// Data breakpoints on the real stack: memory by space and level, VMCS fields as the processor has them and as a level believes in them, MSRs, ports;
// conditions, hit counts, log messages; breakpoint modes; moving a level.
import { afterEach, describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { SessionDriver, type Stopped } from './session-driver';

const sessions: SessionDriver[] = [];
afterEach(async () => { await Promise.all(sessions.splice(0).map(session => session.end())); });

type Bound = { breakpoints: DebugProtocol.Breakpoint[] };
type Place = DebugProtocol.DataBreakpointInfoResponse['body'];
interface Wish { dataId: string; accessType?: string; condition?: string; hitCondition?: string; logMessage?: string }

/** The stack stopped in the CPUID exit of its guest, filters off. */
async function stopped(launch: object = { hypervisors: 2 }): Promise<{ session: SessionDriver; stop: Stopped }> {
  const session = new SessionDriver();
  sessions.push(session);
  const stop = await session.start(launch);
  await session.request('setExceptionBreakpoints', { filters: [] });
  return { session, stop };
}
async function watch(session: SessionDriver, ...breakpoints: Wish[]): Promise<number[]> {
  const { breakpoints: bound } = await session.request<Bound>('setDataBreakpoints', { breakpoints });
  expect(bound.map(({ message }) => message)).toEqual(breakpoints.map(() => undefined));
  return bound.map(({ id }) => id!);
}
const levelOf = async (session: SessionDriver, stop: Stopped): Promise<number> => (await session.levels()).find(({ threadId }) => threadId === stop.threadId)!.level;
const value = async (session: SessionDriver, expression: string): Promise<bigint> => BigInt((await session.request<{ result: string }>('evaluate', { expression, context: 'watch' })).result.split(' ')[0]);

describe('data breakpoints on memory', () => {
  it('stop the level that writes its stack, after the write, with the old and the new value', async () => {
    const { session, stop } = await stopped(), [frame] = await session.stack(stop.threadId!);
    const rsp = await value(session, 'L2.rsp');
    const info = await session.request<Place>('dataBreakpointInfo', { name: `0x${(rsp - 8n).toString(16)}`, asAddress: true, bytes: 8, frameId: frame.id });
    expect(info).toMatchObject({ dataId: `L2:0x${(rsp - 8n).toString(16)}+8`, accessTypes: ['read', 'write', 'readWrite'] });
    const [id] = await watch(session, { dataId: info.dataId!, accessType: 'write' });
    const hit = await session.resume('continue');
    expect(hit).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [id], description: expect.stringMatching(/^Write of 8 bytes at linear 0x[0-9a-f]+ by L2: 0x[0-9a-f]+ to 0x[0-9a-f]+$/) });
    expect(await levelOf(session, hit)).toBe(2);
    expect(BigInt(/to (0x[0-9a-f]+)/.exec(hit.description!)![1])).toBe(await value(session, `u64[0x${(rsp - 8n).toString(16)}]`));
  });

  it('are found for a variable of the frame', async () => {
    const { session, stop } = await stopped();
    for (const frame of await session.stack(stop.threadId!)) {
      if (frame.id === 0) continue;
      for (const scope of await session.scopes(frame.id)) {
        if (scope.name !== 'Locals' && scope.name !== 'Arguments') continue;
        for (const { name } of await session.variables(scope.variablesReference)) {
          const info = await session.request<Place>('dataBreakpointInfo', { variablesReference: scope.variablesReference, name });
          if (info.dataId === null) expect(info.description).toContain('not in memory');
          else return expect(info.dataId).toMatch(/^L2:0x[0-9a-f]+\+\d+$/);
        }
      }
    }
  });

  it('in host-physical memory see every level, in guest-physical memory one', async () => {
    const { session, stop } = await stopped(), rsp = await value(session, 'L2.rsp');
    const walk = await session.request<{ result: string }>('evaluate', { expression: `walk 0x${(rsp - 8n).toString(16)} at L2`, context: 'repl' });
    const physical = [...walk.result.matchAll(/0x[0-9a-f]+/g)].at(-1)![0];
    const [first, second] = await watch(session, { dataId: `phys:${physical}+8`, accessType: 'write' }, { dataId: `L1:0x${(rsp - 8n).toString(16)}+8`, accessType: 'write' });
    const hit = await session.resume('continue');
    expect(hit.hitBreakpointIds).toEqual([first]);
    expect(hit.description).toContain(`host-physical ${physical}`);
    expect(await levelOf(session, hit)).toBe(2);
    void second; void stop;
  });

  it('hold with conditions, hit counts and log messages', async () => {
    const { session } = await stopped(), rsp = await value(session, 'L2.rsp'), dataId = `L2:0x${(rsp - 8n).toString(16)}+8`;
    const [, id] = await watch(session, { dataId, accessType: 'write', logMessage: 'wrote {value} over {old}' }, { dataId, accessType: 'write', condition: 'value != 0 && write; hits 3' });
    const hit = await session.resume('continue'), printed = session.client.events.flatMap(({ event, body }) => event === 'output' ? [(body as { output: string }).output] : []);
    expect(hit.hitBreakpointIds).toEqual([id]);
    expect(printed.filter(text => text.startsWith('wrote 0x')).length).toBeGreaterThanOrEqual(3);
  });

  it('are written as function breakpoints too', async () => {
    const { session } = await stopped(), rsp = await value(session, 'L2.rsp');
    const { breakpoints } = await session.request<Bound>('setFunctionBreakpoints', { breakpoints: [{ name: `awatch L2:0x${(rsp - 8n).toString(16)} + 8` }, { name: 'L1!handle_exit' }, { name: 'watch nonsense' }] });
    expect(breakpoints.map(({ verified }) => verified)).toEqual([true, true, false]);
    const first = await session.resume('continue'), second = await session.resume('continue');
    expect([first, second].map(({ reason }) => reason).sort()).toEqual(['data breakpoint', 'function breakpoint']);
  });
});

describe('data breakpoints on VMCS fields', () => {
  it('stop after a VMWRITE of L0 to the VMCS of the processor', async () => {
    const { session, stop } = await stopped(), [{ threadId }] = await session.levels(), [top] = await session.stack(threadId);
    const scope = (await session.scopes(top.id)).find(({ name }) => name === 'VMCS current in L0')!;
    let info: Place | undefined;
    for (const group of await session.variables(scope.variablesReference)) {
      if ((await session.variables(group.variablesReference)).some(({ name }) => name === 'GUEST_RIP')) info = await session.request<Place>('dataBreakpointInfo', { variablesReference: group.variablesReference, name: 'GUEST_RIP' });
    }
    expect(info?.dataId).toMatch(/^L0\.vmcs@0x[0-9a-f]+:GUEST_RIP$/);
    const [id] = await watch(session, { dataId: info!.dataId!.replace(/@0x[0-9a-f]+/, ''), accessType: 'write' });
    const hit = await session.resume('continue');
    expect(hit).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [id], description: expect.stringMatching(/^Write of GUEST_RIP by L0: 0x[0-9a-f]+ to 0x[0-9a-f]+$/) });
    expect(await value(session, 'L0.vmcs.GUEST_RIP')).toBe(BigInt(/to (0x[0-9a-f]+)/.exec(hit.description!)![1]));
    expect(hit.threadId).toBe(threadId);
    void stop;
  });

  it('stop a level above when its own VMWRITE has taken effect, and where it stands then', async () => {
    const { session } = await stopped(), [id] = await watch(session, { dataId: 'L1.vmcs:GUEST_RIP', accessType: 'write' });
    const hit = await session.resume('continue');
    expect(hit).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [id], description: expect.stringMatching(/^Write of GUEST_RIP by L1: 0x[0-9a-f]+$/) });
    expect(await levelOf(session, hit)).toBe(1);
    const [l1] = (await session.levels()).filter(({ level }) => level === 1);
    expect(l1.state).toBe('executing');
    const { instructions } = await session.request<{ instructions: DebugProtocol.DisassembledInstruction[] }>('disassemble', { memoryReference: `L1:${l1.rip}`, instructionOffset: -1, instructionCount: 1 });
    expect(instructions[0].instruction).toContain('vmwrite');
  });

  it('stop a level above when it reads a field', async () => {
    const { session } = await stopped();
    await watch(session, { dataId: 'L1.vmcs:EXIT_REASON', accessType: 'read', condition: 'value == 10' });
    expect(await session.resume('continue')).toMatchObject({ reason: 'data breakpoint', description: 'Read of EXIT_REASON by L1: 0xa' });
  });
});

describe('data breakpoints on MSRs and ports', () => {
  it('stop after a level has accessed its port, whoever emulated it', async () => {
    const { session } = await stopped();
    await watch(session, { dataId: 'port:0..0xffff', accessType: 'readWrite' }, { dataId: 'msr:0', accessType: 'readWrite' });
    const hit = await session.resume('continue');
    expect(hit.description).toMatch(/^(Read|Write) of port 0x[0-9a-f]+( to 0x[0-9a-f]+)? by L\d: 0x/);
  });

  it('stop at WRMSR from reset on', async () => {
    const session = new SessionDriver();
    sessions.push(session);
    const hit = await session.start({ hypervisors: 1, stopsFrom: 'reset' }, [], () => session.request('setDataBreakpoints', { breakpoints: [{ dataId: 'L0.msr:IA32_VMX_BASIC', accessType: 'read' }] }));
    expect(hit).toMatchObject({ reason: 'data breakpoint', description: expect.stringMatching(/^Read of IA32_VMX_BASIC by L0: 0x/) });
  });
});

describe('what cannot be watched', () => {
  it('says why', async () => {
    const { session, stop } = await stopped(), [frame] = await session.stack(stop.threadId!);
    expect(await session.request<Place>('dataBreakpointInfo', { name: 'rax', frameId: frame.id })).toMatchObject({ dataId: null, description: expect.stringContaining('no place of its own') });
    expect(await session.request<Place>('dataBreakpointInfo', { name: 'vmcs.NOPE', frameId: frame.id })).toMatchObject({ dataId: null, description: expect.stringContaining('There is no VMCS field') });
    const { breakpoints } = await session.request<Bound>('setDataBreakpoints', { breakpoints: [{ dataId: 'L1.vmcs:NOPE' }, { dataId: 'phys:0x10..0x1' }, { dataId: 'phys:0x10', condition: '1 +' }, { dataId: 'phys:0x10', hitCondition: 'x' }] });
    expect(breakpoints.map(({ verified }) => verified)).toEqual([false, false, false, false]);
    for (const { message } of breakpoints) expect(message).toBeTruthy();
  });
});

describe('breakpoint modes', () => {
  it('limit a function to a level, or follow it in host memory', async () => {
    const { session } = await stopped();
    const { breakpoints: [one] } = await session.request<Bound>('setFunctionBreakpoints', { breakpoints: [{ name: 'handle_exit', mode: 'L1' }] });
    const hit = await session.resume('continue');
    expect(hit).toMatchObject({ reason: 'function breakpoint', hitBreakpointIds: [one.id] });
    expect(await levelOf(session, hit)).toBe(1);
    const physical = await session.request<Bound>('setFunctionBreakpoints', { breakpoints: [{ name: 'L0!handle_exit', mode: 'physical' }] });
    expect(physical.breakpoints[0]).toMatchObject({ verified: true });
    const again = await session.resume('continue');
    expect(again.reason).toBe('function breakpoint');
    expect(await levelOf(session, again)).toBe(0);
  });

  it('limit a filter to a level', async () => {
    const { session } = await stopped();
    await session.request('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: 'exit', mode: 'L1', condition: '; hits 2' }] });
    const hit = await session.resume('continue');
    expect(hit.description).toMatch(/exit of L1/);
  });
});

describe('moving the level that executes', () => {
  it('to another line, and back to the beginning of its frame', async () => {
    const { session } = await stopped();
    await session.request('setFunctionBreakpoints', { breakpoints: [{ name: 'L1!handle_exit' }] });
    const hit = await session.resume('continue');
    await session.request('setFunctionBreakpoints', { breakpoints: [] });
    const [top] = await session.stack(hit.threadId!), rip = await value(session, 'rip'), rsp = await value(session, 'rsp');
    const { targets } = await session.request<{ targets: DebugProtocol.GotoTarget[] }>('gotoTargets', { source: top.source, line: top.line });
    expect(targets.length).toBeGreaterThan(1);
    await session.resume('next', { threadId: hit.threadId });
    const frame = (await session.stack(hit.threadId!)).find(({ name }) => name === top.name)!;
    expect(frame.canRestart).toBe(true);
    expect(await session.toStop(() => session.request('restartFrame', { frameId: frame.id }))).toMatchObject({ reason: 'restart', threadId: hit.threadId });
    // the breakpoint stands at the function's first instruction or behind its prologue
    expect(await value(session, 'rip')).toBeLessThanOrEqual(rip);
    expect(await value(session, 'rsp')).toBeGreaterThanOrEqual(rsp);
    await session.resume('next', { threadId: hit.threadId });
    const later = await session.request<{ targets: DebugProtocol.GotoTarget[] }>('gotoTargets', { source: top.source, line: top.line });
    const moved = await session.toStop(() => session.request('goto', { threadId: hit.threadId, targetId: later.targets.find(({ label }) => label.startsWith('L1'))!.id }));
    expect(moved).toMatchObject({ reason: 'goto', threadId: hit.threadId });
    expect(await value(session, 'rip')).toBe(rip);
  });

  it('refuses a level that does not execute', async () => {
    const { session, stop } = await stopped(), [top] = await session.stack(stop.threadId!);
    expect(top.canRestart).toBe(false);
    const { targets } = await session.request<{ targets: DebugProtocol.GotoTarget[] }>('gotoTargets', { source: top.source, line: top.line });
    expect((await session.failure('goto', { threadId: stop.threadId, targetId: targets[0].id })).id).toBe(1215);
    expect((await session.failure('restartFrame', { frameId: top.id })).id).toBe(1217);
    expect((await session.failure('goto', { threadId: stop.threadId, targetId: 99 })).id).toBe(1211);
  });
});
