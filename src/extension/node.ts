// The extension's entry on the desktop and in a remote: the machine runs in a worker thread of the extension host's process.

import type { ExtensionContext } from 'vscode';
import { Worker } from 'node:worker_threads';
import type { WorkerLike } from '../debug-adapter/factory';
import type { Platform } from './adapter-host';
import { register } from './register';

const platform: Platform = {
  prepareWorker: async (context) => {
    const file = context.asAbsolutePath('dist/worker.cjs');
    return () => threadWorker(file);
  },
  loadDisassembler: () => import('iced-x86'),
};

/** A worker thread with the shape of a Web Worker. */
function threadWorker(file: string): WorkerLike {
  const worker = new Worker(file);
  const like: WorkerLike = {
    onmessage: null,
    onerror: null,
    postMessage: (message, transfer = []) => worker.postMessage(message, transfer),
    terminate: () => void worker.terminate(),
  };
  worker.on('message', (data: unknown) => like.onmessage?.({ data }));
  worker.on('error', (error) => like.onerror?.(error));
  return like;
}

export function activate(context: ExtensionContext): void {
  register(context, platform);
}
