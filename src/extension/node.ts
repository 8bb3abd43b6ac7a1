// The extension's entry on the desktop and in a remote: the machine runs in a worker thread of the extension host's process.

import type { ExtensionContext } from 'vscode';
import { Worker } from 'node:worker_threads';
import { register } from './register';
import type { WorkerLike, WorkerStarter } from './adapter-host';

const startWorker: WorkerStarter = async (context) => {
  const file = context.asAbsolutePath('dist/worker.cjs');
  return () => {
    const worker = new Worker(file);
    const like: WorkerLike = {
      onmessage: null,
      postMessage: (message: unknown, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer),
      terminate: () => void worker.terminate(),
    };
    worker.on('message', (data: unknown) => like.onmessage?.({ data }));
    return like;
  };
};

export function activate(context: ExtensionContext): void {
  register(context, startWorker);
}
