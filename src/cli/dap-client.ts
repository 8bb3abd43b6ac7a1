// A client of a debug adapter in the same process: requests as promises, events as they come. What an editor would do, for `abyme start`.
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Adapter } from '../debug-adapter/factory';

/** What a request was answered with when it failed: a text for the user, and the body of the response. */
export class RequestError extends Error {
  constructor(text: string, readonly body: unknown) { super(text); }
}

export class DapClient {
  private seq = 1;
  private readonly pending = new Map<number, { resolve(body: unknown): void; reject(error: Error): void }>();
  private readonly waiting = new Map<string, ((body: unknown) => void)[]>();
  /** Every event so far. */
  readonly events: DebugProtocol.Event[] = [];

  constructor(private readonly adapter: Adapter, private readonly onEvent: (event: DebugProtocol.Event) => void = () => undefined) {
    adapter.onDidSendMessage(message => this.receive(message));
  }

  /** Sends a request; rejects with the text of an error response. */
  request<T = unknown>(command: string, args?: unknown): Promise<T> {
    const seq = this.seq++;
    return new Promise<T>((resolve, reject) => {
      this.pending.set(seq, { resolve: resolve as (body: unknown) => void, reject });
      this.adapter.handleMessage({ seq, type: 'request', command, ...args !== undefined && { arguments: args } } as DebugProtocol.Request);
    });
  }

  /** The next event of that name. Ask before sending what causes it. */
  next<T = unknown>(event: string): Promise<T> {
    return new Promise<T>(resolve => this.waiting.set(event, [...this.waiting.get(event) ?? [], resolve as (body: unknown) => void]));
  }

  private receive(message: DebugProtocol.ProtocolMessage): void {
    if (message.type === 'event') {
      const event = message as DebugProtocol.Event;
      this.events.push(event);
      this.onEvent(event);
      const waiting = this.waiting.get(event.event) ?? [];
      this.waiting.delete(event.event);
      for (const resolve of waiting) resolve(event.body);
    } else if (message.type === 'response') {
      const { request_seq: seq, success, body, message: text } = message as DebugProtocol.Response, call = this.pending.get(seq);
      this.pending.delete(seq);
      if (success) call?.resolve(body);
      else call?.reject(new RequestError(text ?? 'the request failed', body));
    }
  }
}
