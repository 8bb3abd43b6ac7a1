// A worker in the same thread: the Target behind the messages that a real worker would get, copied as a real one would copy them.
import { serveTarget, type ServerPort } from '../../src/debug-adapter/target-server';
import type { WorkerLike } from '../../src/debug-adapter/factory';

export function inMemoryWorker(): WorkerLike {
  let isOpen = true;
  const later = (deliver: () => void): void => { setImmediate(() => { if (isOpen) deliver(); }); };
  const worker: WorkerLike = {
    onmessage: null, onerror: null,
    postMessage: message => {
      const data: unknown = structuredClone(message);
      later(() => port.onmessage?.({ data }));
    },
    terminate: () => { isOpen = false; },
  };
  const port: ServerPort = {
    onmessage: null,
    postMessage: message => {
      const data: unknown = structuredClone(message);
      later(() => worker.onmessage?.({ data }));
    },
  };
  serveTarget(port);
  return worker;
}
