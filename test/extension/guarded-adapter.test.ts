// What the adapter's guard adds to a plain adapter.
import { expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { GuardedAdapter } from '../../src/extension/guarded-adapter';
import { StopMemory } from '../../src/extension/stop-memory';
import type { ChosenFilter } from '../../src/extension/custom-requests';

type Message = DebugProtocol.ProtocolMessage;

/** An adapter that records what it gets and sends what the test says. */
class ScriptedAdapter {
  readonly received: DebugProtocol.Request[] = [];
  disposed = false;
  fails: Error | undefined;
  private listener: ((message: Message) => void) | undefined;

  handleMessage(message: Message): void {
    if (this.fails) throw this.fails;
    this.received.push(message as DebugProtocol.Request);
  }

  onDidSendMessage(listener: (message: Message) => void): { dispose(): void } {
    this.listener = listener;
    return { dispose: () => this.listener = undefined };
  }

  dispose(): void {
    this.disposed = true;
  }

  send(message: object): void {
    this.listener?.(message as Message);
  }
}

function guarded(chosen?: ChosenFilter[]): { inner: ScriptedAdapter; guard: GuardedAdapter; sent: Message[] } {
  const inner = new ScriptedAdapter();
  const guard = new GuardedAdapter(inner, new StopMemory(chosen, () => {}));
  const sent: Message[] = [];
  guard.onDidSendMessage((message) => sent.push(message));
  return { inner, guard, sent };
}

const request = (command: string, args?: object, seq = 9) => ({ seq, type: 'request', command, arguments: args }) as DebugProtocol.Request;
const stopped = (body: object) => ({ seq: 0, type: 'event', event: 'stopped', body });

it('answers a request that makes the adapter throw', () => {
  const { inner, guard, sent } = guarded();
  inner.fails = new Error('no {such} thing');
  guard.handleMessage(request('launch'));
  expect(sent).toMatchObject([{ type: 'response', request_seq: 9, command: 'launch', success: false, body: { error: { showUser: true, variables: { text: 'no {such} thing' } } } }]);
});

it('passes messages on in both directions', () => {
  const { inner, guard, sent } = guarded();
  const threads = request('threads');
  guard.handleMessage(threads);
  inner.send({ type: 'response', request_seq: 9, command: 'threads', success: true });
  expect(inner.received).toEqual([threads]);
  expect(sent).toHaveLength(1);
});

it('lets the name of a source decide its language, unless the adapter knows better than plain text', () => {
  const { inner, sent } = guarded();
  inner.send({ type: 'response', request_seq: 9, command: 'source', success: true, body: { content: 'cpuid', mimeType: 'text/plain' } });
  inner.send({ type: 'response', request_seq: 10, command: 'source', success: true, body: { content: 'cpuid', mimeType: 'text/x-asm' } });
  expect(sent.map((message) => (message as DebugProtocol.SourceResponse).body)).toEqual([{ content: 'cpuid' }, { content: 'cpuid', mimeType: 'text/x-asm' }]);
});

it('gives the stored choice of stops to the adapter before initialize, and keeps the answer to itself', () => {
  const { inner, guard, sent } = guarded([{ filter: 'exit.cr-access', level: 1 }]);
  guard.handleMessage(request('initialize', {}, 1));
  expect(inner.received.map(({ command }) => command)).toEqual(['abyme/setFilters', 'initialize']);
  expect(inner.received[0].arguments).toEqual({ shown: [{ filter: 'exit.cr-access', level: 1 }] });
  inner.send({ type: 'response', request_seq: inner.received[0].seq, command: 'abyme/setFilters', success: true });
  expect(sent).toEqual([]);
  inner.send({ type: 'response', request_seq: 1, command: 'initialize', success: true, body: { exceptionBreakpointFilters: [{ filter: 'exit.cr-access@1', label: '' }] } });
  expect(guard.stops.unlisted).toEqual([]);
});

it.each([
  ['CPUID exit of L3: leaf 0x4abe0000, subleaf 0', 'CPUID exit of L3'], ['Breakpoint in L0', 'Breakpoint in L0'], ['Paused at L2:0x1000', 'Paused at L2:0x1000'], [undefined, undefined],
])('shows of the description %j what fits a badge', (description, shown) => {
  const { inner, sent } = guarded();
  inner.send(stopped({ reason: 'exception', threadId: 4, description }));
  expect((sent[0] as DebugProtocol.StoppedEvent).body.description).toBe(shown);
});

it('asks for no stops when none were chosen', () => {
  const { inner, guard } = guarded();
  guard.handleMessage(request('initialize', {}, 1));
  expect(inner.received.map(({ command }) => command)).toEqual(['initialize']);
});

it('keeps a choice made in the session when the editor sends its own filters', () => {
  const { inner, guard } = guarded();
  inner.send({ type: 'response', request_seq: 1, command: 'initialize', success: true, body: { exceptionBreakpointFilters: [{ filter: 'exit.cpuid', label: '' }] } });
  guard.handleMessage(request('abyme/setFilters', { shown: [{ filter: 'exit.cpuid' }, { filter: 'vmfail', level: 2 }] }));
  guard.handleMessage(request('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: 'exit.cpuid' }] }));
  expect(inner.received[1].arguments).toEqual({ filters: [], filterOptions: [{ filterId: 'exit.cpuid' }, { filterId: 'vmfail@2' }] });
});

it('makes the editor show another thread by announcing the stop for it', () => {
  const { inner, guard, sent } = guarded();
  inner.send(stopped({ reason: 'exception', threadId: 4, description: 'CPUID exit', allThreadsStopped: true }));
  guard.focusThread(1, 'Executing');
  guard.focusThread(4, 'Suspended');
  expect(sent.slice(1)).toMatchObject([
    { event: 'stopped', body: { threadId: 1, reason: 'pause', description: 'Executing', allThreadsStopped: true } },
    { event: 'stopped', body: { threadId: 4, reason: 'exception', description: 'CPUID exit', preserveFocusHint: false } },
  ]);
});

it.each(['continue', 'next', 'stepIn', 'stepOut', 'restart'])('shows no thread after %s', (command) => {
  const { inner, guard, sent } = guarded();
  inner.send(stopped({ reason: 'pause', threadId: 4 }));
  guard.handleMessage(request(command, { threadId: 4 }));
  guard.focusThread(1, 'Executing');
  expect(sent).toHaveLength(1);
});

it('ends with the adapter', () => {
  const { inner, guard, sent } = guarded();
  guard.dispose();
  inner.send(stopped({ reason: 'pause', threadId: 1 }));
  expect([inner.disposed, sent.length]).toEqual([true, 0]);
});
