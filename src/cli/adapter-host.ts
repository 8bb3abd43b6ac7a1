// The host of a debug adapter in Node: files from the disk, the files of the extension from the folder that holds dist/, the machine in
// a worker thread, the disassembler from its package.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { AdapterHost, DisassemblerModule, WorkerLike } from '../debug-adapter/factory';

/** The folder that holds dist/ and guests/: the clone, or the installed extension. */
export function extensionFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

export interface NodeHostOptions { readonly log?: (text: string) => void; readonly folder?: string; readonly workingDirectory?: string; readonly createWorker?: () => WorkerLike }

export function nodeHost({ log, folder = extensionFolder(), workingDirectory = process.cwd(), createWorker }: NodeHostOptions = {}): AdapterHost {
  return {
    log,
    workspaceFolders: [{ name: 'working directory', uri: pathToFileURL(workingDirectory).href }],
    readFile: async name => readFile(locate(name, folder, workingDirectory)),
    loadDisassembler: async () => {
      const namespace = await import('iced-x86');
      return (namespace as { default?: DisassemblerModule }).default ?? namespace;
    },
    createWorker: createWorker ?? (() => threadWorker(join(folder, 'dist', 'worker.cjs'))),
  };
}

function locate(name: string, folder: string, workingDirectory: string): string {
  if (name.startsWith('extension:')) {
    const path = resolve(folder, name.slice('extension:'.length).replace(/^\/+/, ''));
    if (path !== folder && !path.startsWith(folder + sep)) throw new Error(`${name} is not a file of the extension`);
    return path;
  }
  if (name.startsWith('file:')) return fileURLToPath(name);
  return isAbsolute(name) ? name : resolve(workingDirectory, name);
}

/** A worker thread behind the interface of a Web Worker. */
export function threadWorker(file: string): WorkerLike {
  const worker = new Worker(file);
  const like: WorkerLike = {
    onmessage: null, onerror: null,
    postMessage: (message, transfer = []) => worker.postMessage(message, transfer),
    terminate: () => void worker.terminate(),
  };
  worker.on('message', (data: unknown) => like.onmessage?.({ data }));
  worker.on('error', error => like.onerror?.(error));
  return like;
}
