// The one way to make a debug adapter, whoever hosts it.
import { AbymeSession } from './session';
import type { Adapter, AdapterHost } from './adapter-types';

export type { Adapter, AdapterHost, Disposable, DisassemblerModule, Transferable, WorkerLike } from './adapter-types';

/** A debug adapter for one session. It answers by `onDidSendMessage`; nothing that arrives through `handleMessage` makes it throw. */
export function createAdapter(host: AdapterHost): Adapter {
  return new AbymeSession(host);
}
