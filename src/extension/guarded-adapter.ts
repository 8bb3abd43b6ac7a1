// Stands between the editor and the adapter. Two duties: an exception that escapes the adapter becomes an error response, so that no request
// is left without an answer; and `focusThread` makes the editor select a thread, for which extensions have no API: the last stop is announced
// again for that thread.

import type { DebugProtocol } from '@vscode/debugprotocol';

type Message = DebugProtocol.ProtocolMessage;

/** The shape of vscode.DebugAdapter, without its import: this module is tested outside the editor. */
interface PlainAdapter {
  handleMessage(message: Message): void;
  onDidSendMessage(listener: (message: Message) => void): { dispose(): void };
  dispose(): void;
}

/** Requests after which the machine runs: a stop that was announced no longer holds. */
const resuming = new Set(['continue', 'next', 'stepIn', 'stepOut', 'stepBack', 'reverseContinue', 'goto', 'restart', 'restartFrame', 'disconnect', 'terminate']);

export class GuardedAdapter implements PlainAdapter {
  private readonly listeners = new Set<(message: Message) => void>();
  private readonly subscription: { dispose(): void };
  private stop: DebugProtocol.StoppedEvent['body'] | undefined;

  constructor(private readonly inner: PlainAdapter) {
    this.subscription = inner.onDidSendMessage((message) => {
      if (isEvent(message) && message.event === 'stopped') this.stop = (message as DebugProtocol.StoppedEvent).body;
      if (isEvent(message) && message.event === 'continued') this.stop = undefined;
      this.send(message);
    });
  }

  /** An arrow function, since the editor takes it off the object. */
  readonly onDidSendMessage = (listener: (message: Message) => void): { dispose(): void } => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };

  handleMessage(message: Message): void {
    const request = message.type === 'request' ? message as DebugProtocol.Request : undefined;
    if (request && resuming.has(request.command)) this.stop = undefined;
    try {
      this.inner.handleMessage(message);
    } catch (error) {
      if (!request) throw error;
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

  private send(message: Message): void {
    for (const listener of this.listeners) listener(message);
  }
}

function isEvent(message: Message): message is DebugProtocol.Event {
  return message.type === 'event';
}

function errorResponse(request: DebugProtocol.Request, error: unknown): DebugProtocol.ErrorResponse {
  const text = error instanceof Error ? error.message : String(error);
  return {
    seq: 0, type: 'response', request_seq: request.seq, command: request.command, success: false, message: text,
    body: { error: { id: 1, format: `${request.command}: {text}`, variables: { text }, showUser: true } },
  };
}
