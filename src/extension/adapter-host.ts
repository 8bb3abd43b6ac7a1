// What the extension gives a debug adapter: files through the editor's file system (so that remote and virtual workspaces work alike), a worker
// for the machine, the workspace folders, and a log. The two entries, node.ts and web.ts, differ only in their Platform.

import * as vscode from 'vscode';
import type { AdapterHost, DisassemblerModule, WorkerLike } from '../debug-adapter/factory';
import { locate } from './file-location';

/** What differs between Node and the web. */
export interface Platform {
  /** Prepares what a worker needs and resolves to the function that starts one; the adapter may call it more than once. */
  prepareWorker(extension: vscode.ExtensionContext): Promise<() => WorkerLike>;
  loadDisassembler(extension: vscode.ExtensionContext): Promise<DisassemblerModule>;
}

/** Builds the host for one session. `folder` is the one the session was started in: relative names and bare paths belong to its file system. */
export async function createAdapterHost(extension: vscode.ExtensionContext, platform: Platform, folder: vscode.WorkspaceFolder | undefined, log: (text: string) => void): Promise<AdapterHost> {
  const createWorker = await platform.prepareWorker(extension);
  let disassembler: Promise<DisassemblerModule> | undefined;
  return {
    createWorker,
    log,
    loadDisassembler: () => disassembler ??= platform.loadDisassembler(extension),
    readFile: async (name) => {
      const uri = resolve(name, extension.extensionUri, folder);
      try {
        return await vscode.workspace.fs.readFile(uri);
      } catch (error) {
        throw new Error(reason(error));
      }
    },
    workspaceFolders: (vscode.workspace.workspaceFolders ?? []).map(({ name, uri }) => ({ name, uri: uri.toString() })),
  };
}

/** In a virtual workspace `${workspaceFolder}` becomes a bare path: the folder's scheme and authority are put back. */
function resolve(name: string, extensionUri: vscode.Uri, folder: vscode.WorkspaceFolder | undefined): vscode.Uri {
  const location = locate(name);
  const base = folder?.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri;
  switch (location.kind) {
    case 'extension': return vscode.Uri.joinPath(extensionUri, ...location.segments);
    case 'uri': return vscode.Uri.parse(location.uri, true);
    case 'absolute': return base && base.scheme !== 'file' ? base.with({ path: location.path }) : vscode.Uri.file(location.path);
    case 'relative':
      if (!base) throw new Error(`'${name}' is a relative path, and no folder is open.`);
      return vscode.Uri.joinPath(base, location.path);
  }
}

function reason(error: unknown): string {
  if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') return 'there is no such file';
  return error instanceof Error ? error.message : String(error);
}
