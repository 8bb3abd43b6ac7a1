// The adapter's side of the worker: a typed call for each method of the Target, and its events. A failure that is a row of the user errors
// arrives as UserError; anything else is a bug of ours and says so. A dead worker fails every call instead of leaving it open.
import type { TargetEvent } from '../inspector/target-types';
import type { Transferable, WorkerLike } from './adapter-types';
import type { CallMessage, TargetArguments, TargetMethod, TargetResult, WorkerMessage } from './target-protocol';
import { isUserErrorId, UserError } from './user-errors';

interface Waiting { resolve(value: unknown): void; reject(error: Error): void }

export class TargetClient {
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private dead: Error | undefined;

  constructor(private readonly worker: WorkerLike, private readonly onEvent: (event: TargetEvent) => void) {
    worker.onmessage = ({ data }) => this.receive(data as WorkerMessage);
    worker.onerror = error => this.fail(new Error(`the worker of the machine failed: ${error instanceof Error ? error.message : String((error as { message?: unknown })?.message ?? error)}`));
  }

  /** Calls a method of the Target. `transfer` lists buffers among the arguments whose ownership moves. */
  call<M extends TargetMethod>(method: M, args: TargetArguments<M>, transfer: Transferable[] = []): Promise<TargetResult<M>> {
    if (this.dead) return Promise.reject(this.dead);
    const call = this.next++;
    return new Promise<TargetResult<M>>((resolve, reject) => {
      this.waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      this.worker.postMessage({ call, method, args } satisfies CallMessage, transfer);
    });
  }

  dispose(): void {
    this.worker.terminate();
    this.fail(new UserError('ended'));
  }

  private receive(message: WorkerMessage): void {
    if ('event' in message) return this.onEvent(message.event);
    const waiting = this.waiting.get(message.reply);
    this.waiting.delete(message.reply);
    if ('result' in message) return waiting?.resolve(message.result);
    const { row, values, message: text, stack } = message.failure;
    if (row !== undefined && isUserErrorId(row)) return waiting?.reject(new UserError(row, values));
    const error = new Error(text);
    if (stack !== undefined) error.stack = stack;
    waiting?.reject(error);
  }

  private fail(error: Error): void {
    this.dead ??= error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
