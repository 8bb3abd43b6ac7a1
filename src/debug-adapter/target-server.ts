// The worker's side: takes calls, runs them on the Target, posts replies and events. A failing call never ends the loop.
import { Target } from '../inspector/target';
import { TargetError } from '../inspector/target-types';
import { targetMethods, type CallMessage, type Failure, type WorkerMessage } from './target-protocol';

/** The port of a worker, in the words of the Web. */
export interface ServerPort { postMessage(message: WorkerMessage): void; onmessage: ((event: { data: unknown }) => void) | null }

/** Serves one Target on a port for as long as the worker lives. */
export function serveTarget(port: ServerPort): void {
  const target = new Target(event => port.postMessage({ event }));
  port.onmessage = ({ data }) => {
    const { call, method, args } = data as CallMessage;
    if (!targetMethods.includes(method)) return port.postMessage({ reply: call, failure: { message: `no method ${String(method)}` } });
    // One call at a time reaches the Target in order; only those that wait for the machine overlap with later ones.
    const invoke = async (): Promise<unknown> => (target[method] as (...args: readonly unknown[]) => unknown).apply(target, [...args]);
    invoke().then(
      result => port.postMessage({ reply: call, result }),
      error => port.postMessage({ reply: call, failure: describe(error) }),
    );
  };
}

function describe(error: unknown): Failure {
  if (error instanceof TargetError) return { message: error.message, row: error.row, values: error.values };
  return error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) };
}
