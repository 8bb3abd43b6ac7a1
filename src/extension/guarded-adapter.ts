// Stands between the editor and the adapter, where the editor's habits need help:
// - an exception that escapes the adapter becomes an error response, so that no request is left without an answer;
// - what a stop's description says after a colon is left to the report shown inline: the call stack shows the description as a badge that would
//   push the thread's name away;
// - a source that the adapter calls plain text would be shown without colours and take no breakpoints: its name decides its language instead;
// - stops chosen with the quick pick hold although the editor knows nothing of them (stop-memory.ts);
// - `focusThread` makes the editor select a thread, for which extensions have no API: the last stop is announced again for that thread.

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CustomRequests } from './custom-requests';
import type { StopMemory } from './stop-memory';

type Message = DebugProtocol.ProtocolMessage;

/** The shape of vscode.DebugAdapter, without its import: this module is tested outside the editor. */
interface PlainAdapter {
  handleMessage(message: Message): void;
  onDidSendMessage(listener: (message: Message) => void): { dispose(): void };
  dispose(): void;
}

/** Requests after which the machine runs: a stop that was announced no longer holds. */
export const resumingRequests: ReadonlySet<string> = new Set(['continue', 'next', 'stepIn', 'stepOut', 'stepBack', 'reverseContinue', 'goto', 'restart', 'restartFrame']);

/** The editor counts its requests from 1. */
const ownRequestSequence = -1;

export class GuardedAdapter implements PlainAdapter {
  private readonly listeners = new Set<(message: Message) => void>();
  private readonly subscription: { dispose(): void };
  private stop: DebugProtocol.StoppedEvent['body'] | undefined;

  constructor(private readonly inner: PlainAdapter, readonly stops: StopMemory) {
    this.subscription = inner.onDidSendMessage((message) => this.receive(message));
  }

  /** An arrow function, since the editor takes it off the object. */
  readonly onDidSendMessage = (listener: (message: Message) => void): { dispose(): void } => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };

  handleMessage(message: Message): void {
    if (message.type !== 'request') return this.inner.handleMessage(message);
    const request = message as DebugProtocol.Request;
    if (resumingRequests.has(request.command)) this.stop = undefined;
    try {
      this.inner.handleMessage(this.prepared(request));
    } catch (error) {
      this.send(errorResponse(request, error));
    }
  }

  /**
   * Makes the editor show `threadId`; `description` is what its row then says unless it is the thread that stopped.
   * Does nothing while the machine runs.
   */
  focusThread(threadId: number, description: string): void {
    const { stop } = this;
    if (!stop) return;
    const body = stop.threadId === threadId ? { ...stop, preserveFocusHint: false } : { reason: 'pause', description, threadId, allThreadsStopped: true };
    this.send({ seq: 0, type: 'event', event: 'stopped', body } as DebugProtocol.StoppedEvent);
  }

  dispose(): void {
    this.subscription.dispose();
    this.listeners.clear();
    this.inner.dispose();
  }

  /** What the adapter gets for a request of the editor. */
  private prepared(request: DebugProtocol.Request): DebugProtocol.Request {
    switch (request.command) {
      case 'initialize':
        if (this.stops.stored) {
          this.inner.handleMessage({ seq: ownRequestSequence, type: 'request', command: 'abyme/setFilters', arguments: { shown: this.stops.stored } } as DebugProtocol.Request);
        }
        return request;
      case 'abyme/setFilters':
        this.stops.choose((request.arguments as CustomRequests['abyme/setFilters']['arguments']).shown);
        return request;
      case 'setExceptionBreakpoints': return this.stops.extend(request as DebugProtocol.SetExceptionBreakpointsRequest);
      default: return request;
    }
  }

  private receive(message: Message): void {
    if (message.type === 'response') {
      const response = message as DebugProtocol.Response;
      if (response.request_seq === ownRequestSequence) return;
      if (response.command === 'source' && response.body?.mimeType === 'text/plain') delete response.body.mimeType;
      if (response.command === 'initialize') this.stops.announce((response.body as DebugProtocol.Capabilities | undefined)?.exceptionBreakpointFilters ?? []);
    } else if (message.type === 'event') {
      const event = message as DebugProtocol.Event;
      if (event.event === 'stopped') return this.announce(event as DebugProtocol.StoppedEvent);
      if (event.event === 'continued') this.stop = undefined;
    }
    this.send(message);
  }

  private announce(event: DebugProtocol.StoppedEvent): void {
    const { description } = event.body;
    this.stop = description === undefined ? event.body : { ...event.body, description: description.split(': ')[0] };
    this.send({ ...event, body: this.stop } as DebugProtocol.StoppedEvent);
  }

  private send(message: Message): void {
    for (const listener of this.listeners) listener(message);
  }
}

function errorResponse(request: DebugProtocol.Request, error: unknown): DebugProtocol.ErrorResponse {
  const text = error instanceof Error ? error.message : String(error);
  return {
    seq: 0, type: 'response', request_seq: request.seq, command: request.command, success: false, message: text,
    body: { error: { id: 1, format: '{command}: {text}', variables: { command: request.command, text }, showUser: true } },
  };
}
