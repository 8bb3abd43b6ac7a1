// Any requests of the protocol, valid and not, in any order and without waiting: each is answered once, a failure says why, nothing is a bug of ours,
// and in the end the session still answers, and stops a machine that runs.
import fc from 'fast-check';
import { expect } from 'vitest';
import type { SessionDriver } from './session-driver';

const commands = ['initialize', 'launch', 'attach', 'configurationDone', 'continue', 'pause', 'next', 'stepIn', 'stepOut', 'stepInTargets', 'threads', 'stackTrace', 'scopes', 'variables', 'setVariable',
  'setExpression', 'evaluate', 'completions', 'exceptionInfo', 'source', 'setBreakpoints', 'setFunctionBreakpoints', 'setInstructionBreakpoints', 'setDataBreakpoints', 'dataBreakpointInfo',
  'breakpointLocations', 'setExceptionBreakpoints', 'readMemory', 'writeMemory', 'disassemble', 'gotoTargets', 'goto', 'restartFrame', 'cancel', 'restart', 'abyme/levels', 'abyme/switches',
  'abyme/filters', 'abyme/setFilters', 'abyme/exit', 'abyme/trace', 'abyme/traceStatistics', 'abyme/traceDetails', 'abyme/traceLanes', 'abyme/traceExport', 'unheardOf'] as const;

const small = fc.integer({ min: 0, max: 12 });
const places = fc.constantFrom('L0:0x200000', 'L1:0x200000', 'L2:0x800000+8', '0x200000', 'phys:0x200000+4096', 'gpa1:0x1000..0x1fff', 'vmcs:GUEST_RIP', 'L1.vmcs:EXIT_REASON', 'L0.vmcs@0x2bc000:GUEST_CR3',
  'msr:IA32_EFER', 'L2.msr:0xc0000080', 'port:0x3f8+8', 'rax', 'rsp', 'L9:0x0', 'gpa7:0x0', 'phys:0xffffffffffffffff', 'phys:0xffffffffffffff00+0x10', 'vmcs:NOTHING', '');
const expressions = fc.oneof(places, fc.constantFrom('level == 2', 'leaf == 1 && level == 7', '1 +', 'hits', 'L1.rax', 'u64[rsp]', 'u8[phys:0]', 'handle_exit', 'L1!main', 'vmcs.GUEST_RIP', 'why', 'levels', 'exits 3', 'lint', 'help',
  'walk rsp', 'ept 0x1000 at L1', 'diff 12 02', 'x/8xg rsp', 'dis', 'msr EFER', '; hits 3', 'rax; log {rax} {', 'awatch phys:0x200000+8', 'watch L1.vmcs:GUEST_RIP', '\\{', '0x'), fc.string({ maxLength: 12 }));
const filters = fc.constantFrom('exit', 'exit.cpuid', 'exit.cpuid@3', 'exit@1', 'vmx', 'vmx.vmread@0', 'vmfail', 'entry-failure', 'triple-fault', 'exception', 'enter', 'enter@1', 'enter.handler', 'exit.nothing', 'exit@x', '');
const breakpoint = fc.record({
  line: fc.integer({ min: -2, max: 300 }), name: fc.oneof(expressions), instructionReference: places, offset: fc.integer({ min: -8, max: 8 }), dataId: places,
  accessType: fc.constantFrom('read', 'write', 'readWrite', 'execute'), condition: expressions, hitCondition: fc.constantFrom('3', '>= 2', '% 0', 'x', ''), logMessage: fc.constantFrom('{rax}', '{', '{no such}', ''),
  mode: fc.constantFrom('any', 'L0', 'L1', 'L99', 'physical', 'guest-physical', 'nowhere'),
}, { requiredKeys: [] });
const anything = fc.oneof(fc.integer(), fc.string({ maxLength: 8 }), fc.boolean(), fc.constant(null), fc.array(fc.integer(), { maxLength: 3 }), fc.object({ maxDepth: 1, maxKeys: 2 }), fc.double());
/** Arguments by name, of the kind that they should be. */
const sensible: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  threadId: small, frameId: small, variablesReference: small, targetId: small, startFrame: small, levels: small, sourceReference: small, bytes: small, number: small, columns: small,
  name: expressions, value: fc.constantFrom('0', '1', '0x10', 'x', '-1'), expression: expressions, text: expressions, column: small, context: fc.constantFrom('repl', 'watch', 'hover'),
  memoryReference: places, offset: fc.integer({ min: -32, max: 32 }), count: fc.integer({ min: 0, max: 4096 }), data: fc.constantFrom('', 'AAAA', '=', '%'),
  instructionCount: fc.integer({ min: 0, max: 60 }), instructionOffset: fc.integer({ min: -40, max: 40 }), granularity: fc.constantFrom('instruction', 'statement', 'line'),
  source: fc.record({ path: fc.constantFrom('guests/hypervisor/exit.c', 'guests/guest/main.c', '/nowhere.c') }), line: fc.integer({ min: -1, max: 200 }), breakpoints: fc.array(breakpoint, { maxLength: 4 }),
  filters: fc.array(filters, { maxLength: 3 }), filterOptions: fc.array(fc.record({ filterId: filters, condition: expressions, mode: fc.constantFrom('L1', 'any', '') }, { requiredKeys: ['filterId'] }), { maxLength: 3 }),
  shown: fc.array(fc.record({ filter: filters, level: small }, { requiredKeys: ['filter'] }), { maxLength: 3 }), asAddress: fc.boolean(), mode: fc.constantFrom('L1', 'physical', 'guest-physical'),
  format: fc.constantFrom('text', 'json', 'csv', 'dot', 'perfetto'), kind: fc.constantFrom('exit', 'enter'), program: fc.constantFrom('/counter', '/talker', '/text'),
};
const args = fc.oneof(
  { weight: 8, arbitrary: fc.record(sensible, { requiredKeys: [] }) }, { weight: 2, arbitrary: fc.dictionary(fc.constantFrom(...Object.keys(sensible)), anything, { maxKeys: 6 }) }, { weight: 1, arbitrary: anything },
);
/** `waits`: for the answer before the next request. */
const request = fc.record({ command: fc.constantFrom(...commands), args, waits: fc.boolean() });

export interface AnyRequests { readonly seed: number; readonly runs: number; readonly longest: number; readonly answerMs?: number }

/** Sends lists of requests to sessions that `open` brings into some state. */
export async function withAnyRequests({ seed, runs, longest, answerMs = 20_000 }: AnyRequests, open: () => Promise<SessionDriver>): Promise<void> {
  await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: longest }), async list => {
    const session = await open(), pending = new Set(list.map((_, n) => n)), wrong: string[] = [];
    const answered = list.map(() => 0);
    const send = async (n: number): Promise<void> => {
      const { command, args: given } = list[n];
      await session.request<Record<string, unknown>>(command, given).then(body => {
        const bound = (body as { breakpoints?: { verified: boolean; message?: string }[] } | undefined)?.breakpoints;
        if (command.startsWith('set') && command.endsWith('Breakpoints')) for (const each of bound ?? []) if (!each.verified && !each.message) wrong.push(`${command}: not verified, and no reason`);
      }, (error: Error) => {
        if (error.message.trim() === '' || error.message.includes('bug of the debugger')) wrong.push(`${command}: ${error.message}`);
      });
      answered[n]++;
      pending.delete(n);
    };
    const late = new Promise<void>(resolve => setTimeout(resolve, answerMs).unref());
    const all = (async () => {
      const open: Promise<void>[] = [];
      for (const [n, { waits }] of list.entries()) {
        const answer = send(n);
        if (waits) await answer; else open.push(answer);
      }
      await Promise.all(open);
    })();
    await Promise.race([all, late]);
    expect([...pending].map(n => list[n])).toEqual([]);
    expect(answered.every(count => count === 1)).toBe(true);
    expect(wrong).toEqual([]);
    expect(session.client.events.filter(({ event, body }) => event === 'output' && /The debugger failed/.test((body as { output: string }).output)).map(({ body }) => body)).toEqual([]);
    // the session answers; a machine that runs, or stands, tells of a stop
    const ended = session.client.events.some(({ event }) => event === 'terminated');
    const launched = await session.request<{ threads: unknown[] }>('threads').then(({ threads }) => threads.length > 0, () => false);
    if (!ended && launched) {
      const stop = session.client.next('stopped'), end = session.client.next('terminated');
      await session.request('pause').catch(() => undefined);
      const outcome = await Promise.race([stop.then(() => 'stopped'), end.then(() => 'ended'), late.then(() => 'hangs')]);
      expect(outcome).not.toBe('hangs');
    }
    await session.end();
  }), { seed, numRuns: runs, endOnFailure: runs > 50 });
}
