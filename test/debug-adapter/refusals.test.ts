// What software below a level refuses: its VMX instructions and its VM entries stop like those that the processor refuses, with the checks over the
// VMCS as that level wrote it. World switches to a level.
import { afterEach, describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { SessionDriver, type Stopped } from './session-driver';

const sessions: SessionDriver[] = [];
afterEach(async () => { await Promise.all(sessions.splice(0).map(session => session.end())); });
const open = (): SessionDriver => { const session = new SessionDriver(); sessions.push(session); return session; };
const report = (session: SessionDriver, stop: Stopped): Promise<DebugProtocol.ExceptionInfoResponse['body']> => session.request('exceptionInfo', { threadId: stop.threadId });
const level = async (session: SessionDriver, { threadId }: Stopped): Promise<number> => (await session.levels()).find(each => each.threadId === threadId)!.level;
const image = (name: string): string => `extension:/guests/images/${name}.elf`;
const probe = (hypervisors: number): object => ({ program: image('hypervisor'), modules: [...Array.from({ length: hypervisors - 1 }, () => ({ image: image('hypervisor') })), { image: image('probe') }] });

describe.each([1, 2])('a guest above %i hypervisors that makes every mistake', hypervisors => {
  it('stops at each VMfail, by the level that was told', async () => {
    const session = open(), stops: string[] = [];
    let stop = await session.start({ ...probe(hypervisors), stopsFrom: 'guest' }, ['vmfail']);
    for (let n = 0; n < 8; n++) {
      expect(await level(session, stop)).toBe(hypervisors);
      stops.push(stop.description!);
      stop = await session.resume('continue');
    }
    expect(stops[0]).toBe(`VMfail of VMXON in L${hypervisors}, by the software below`);
    expect(stops.map(each => /of (\w+) in/.exec(each)![1])).toEqual(['VMXON', 'VMXON', 'VMXON', 'VMREAD', 'VMWRITE', 'VMLAUNCH', 'VMPTRLD', 'VMXON']);
  });

  it('says of a VMLAUNCH which check fails', async () => {
    const session = open();
    let stop = await session.start({ ...probe(hypervisors), stopsFrom: 'guest' }, ['entry-failure']), info = await report(session, stop);
    expect(info.exceptionId).toBe('entry-failure');
    for (let n = 0; n < 6 && !/Check /.test(info.details?.stackTrace ?? ''); n++) {
      stop = await session.resume('continue');
      info = await report(session, stop);
    }
    expect(await level(session, stop)).toBe(hypervisors);
    expect(info.details?.stackTrace).toMatch(/The software below answered VM(LAUNCH|RESUME) with VMfailValid/);
    expect(info.details?.stackTrace).toMatch(/Check .*SDM 3C/);
  });
});

describe('an entry of L1 that fails on guest state', () => {
  it('stops in the processor, then in the handler of L1, with its own writer of the field', async () => {
    const session = open();
    await session.start({ hypervisors: 2 });
    // L1 is about to write the RIP of its guest: it writes one that is not canonical
    await session.request('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: 'vmx.vmwrite', mode: 'L1', condition: ['rax', 'rcx', 'rdx', 'rsi', 'rdi'].map(r => `${r} == 0x681e`).join(' || ') }] });
    const stop = await session.resume('continue');
    expect(stop.description).toBe('VMWRITE of L1');
    const [top] = await session.stack(stop.threadId!);
    const { instructions: [{ instruction }] } = await session.request<{ instructions: DebugProtocol.DisassembledInstruction[] }>('disassemble', { memoryReference: top.instructionPointerReference, instructionCount: 1 });
    const [, encoding, value] = /vmwrite\s+(\w+),\s*(\w+)/.exec(instruction)!;
    const registers = (await session.scopes(top.id)).find(({ name }) => name === 'Registers')!.variablesReference;
    expect((await session.variables(registers)).find(({ name }) => name === encoding)?.value).toMatch(/681e/i);
    await session.request('setVariable', { variablesReference: registers, name: value, value: '0x8000000000000000' });
    await session.request('setExceptionBreakpoints', { filters: ['entry-failure'] });
    const processor = await session.resume('continue');
    expect(await level(session, processor)).toBe(0);
    expect(processor.description).toMatch(/VM entry into L2 failed/);
    const told = await session.resume('continue'), info = await report(session, told);
    expect(await level(session, told)).toBe(1);
    expect(told.description).toMatch(/^VM entry of L1 into L2 failed, by the software below: /);
    expect(info.details?.stackTrace).toMatch(/GUEST_RIP = 0x8000000000000000, last written by L1 in \w+/);
  });
});

describe('world switches', () => {
  it('to a level stop at its first instruction each time', async () => {
    const session = open(), first = await session.start({ hypervisors: 2 }), seen: number[] = [];
    await session.request('setExceptionBreakpoints', { filters: ['enter@1', 'enter.handler@1'] });
    let stop = await session.resume('continue');
    expect(stop.description).toMatch(/^(L1 is entered|A VM exit is delivered to L1)$/);
    for (let n = 0; n < 3; n++, stop = await session.resume('continue')) seen.push(await level(session, stop));
    expect(seen).toEqual([1, 1, 1]);
    await session.request('setExceptionBreakpoints', { filters: ['enter@0'] });
    stop = await session.resume('continue');
    expect(stop.description).toBe('L0 is entered by a VM exit');
    await session.request('setExceptionBreakpoints', { filters: ['enter.handler'] });
    expect((await session.resume('continue')).description).toBe('A VM exit is delivered to L1');
    void first;
  });
});
