// The extension's entry in VS Code for the Web. The extension's files may come from another origin, from which no worker may start: the worker
// is made of the fetched text of its bundle, as a blob of this origin.

import * as vscode from 'vscode';
import type { DisassemblerModule, WorkerLike } from '../debug-adapter/factory';
import type { Platform } from './adapter-host';
import { register } from './register';

/** The web build replaces the loading of iced-x86's module, which reads a file, by this function (tools/build-extension.mjs). */
type LoadedFromBytes = DisassemblerModule & { instantiate(bytes: Uint8Array): void };

const readFile = (context: vscode.ExtensionContext, ...segments: string[]) => vscode.workspace.fs.readFile(vscode.Uri.joinPath(context.extensionUri, ...segments));

const platform: Platform = {
  prepareWorker: async (context) => {
    const text = await readFile(context, 'dist', 'web', 'worker.js');
    return () => {
      const url = URL.createObjectURL(new Blob([new Uint8Array(text)], { type: 'text/javascript' }));
      const worker = new Worker(url);
      // The browser has begun to read the blob; keeping it would leak the text with every session.
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      return worker as unknown as WorkerLike;
    };
  },
  loadDisassembler: async (context) => {
    const bytes = await readFile(context, 'dist', 'iced_x86_bg.wasm');
    const { default: disassembler } = await import('iced-x86') as unknown as { default: LoadedFromBytes };
    disassembler.instantiate(bytes);
    return disassembler;
  },
};

export function activate(context: vscode.ExtensionContext): void {
  register(context, platform);
}
