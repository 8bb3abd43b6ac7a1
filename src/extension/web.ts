// The extension's entry in VS Code for the Web. The extension's files may come from another origin, from which no worker may start: the worker
// is made of the fetched text of its bundle, as a blob of this origin.

import * as vscode from 'vscode';
import { register } from './register';
import type { WorkerLike, WorkerStarter } from './adapter-host';

/** The DOM's types are not part of this project; these are the two that are used here. */
declare const Blob: new (parts: Uint8Array[], options: { type: string }) => object;
declare const Worker: new (url: string) => WorkerLike;

const startWorker: WorkerStarter = async (context) => {
  const text = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(context.extensionUri, 'dist', 'web', 'worker.js'));
  return () => {
    const url = (URL as unknown as { createObjectURL(blob: object): string }).createObjectURL(new Blob([text], { type: 'text/javascript' }));
    return new Worker(url);
  };
};

export function activate(context: vscode.ExtensionContext): void {
  register(context, startWorker);
}
