// Memory of any level in an editor: a file of the scheme `abyme-memory` is a window into one address space. It follows the machine from stop to stop;
// saving it writes the bytes that were changed.

import * as vscode from 'vscode';
import { memoryChanges, memoryText, splitReference, type MemoryBlock } from './memory-text';
import type { Sessions } from './sessions';

const scheme = 'abyme-memory';
const windowBytes = 512;
const readBackAfterMs = 150;

export class MemoryFiles implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.emitter.event;
  private readonly shown = new Map<string, MemoryBlock>();
  private version = 1;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly sessions: Sessions) {
    this.subscriptions = [
      this.emitter,
      vscode.workspace.registerFileSystemProvider(scheme, this, { isCaseSensitive: true }),
      sessions.onDidChange(() => this.changed()),
      vscode.workspace.onDidCloseTextDocument((document) => { if (document.uri.scheme === scheme) this.shown.delete(document.uri.toString()); }),
      vscode.commands.registerCommand('abyme.viewMemory', (item?: { variable?: { memoryReference?: string } }) => this.open(item?.variable?.memoryReference)),
      vscode.commands.registerCommand('abyme.memoryBack', () => this.move(-windowBytes)),
      vscode.commands.registerCommand('abyme.memoryForward', () => this.move(windowBytes)),
    ];
  }

  /** Opens a window at a reference or, without one, at an expression that the user gives. */
  async open(reference?: string): Promise<void> {
    const session = this.sessions.active;
    const place = reference ?? (session && await this.ask(session.session));
    const parts = place === undefined ? undefined : splitReference(place);
    if (!session || !parts) return;
    const uri = uriOf(session.session.id, parts.prefix, parts.address);
    const shown = vscode.window.visibleTextEditors.find(({ document }) => document.uri.scheme === scheme);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { viewColumn: shown?.viewColumn ?? vscode.ViewColumn.Beside, preview: false });
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    return { type: vscode.FileType.File, ctime: 0, mtime: this.version, size: memoryText(await this.read(uri)).length };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const block = await this.read(uri);
    this.shown.set(uri.toString(), block);
    return new TextEncoder().encode(memoryText(block));
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const before = this.shown.get(uri.toString()) ?? await this.read(uri), session = this.sessionOf(uri);
    try {
      for (const { address, bytes } of memoryChanges(new TextDecoder().decode(content), before)) {
        await session.customRequest('writeMemory', { memoryReference: `${before.prefix}0x${address.toString(16)}`, data: btoa(String.fromCharCode(...bytes)) });
      }
    } catch (error) {
      throw vscode.FileSystemError.Unavailable(error instanceof Error ? error.message : String(error));
    } finally {
      // After the editor has taken note of its save: what is there now is read back, characters included.
      setTimeout(() => this.changed(), readBackAfterMs);
    }
  }

  readDirectory(): [string, vscode.FileType][] { return []; }
  createDirectory(): void { throw vscode.FileSystemError.NoPermissions('Memory has no folders.'); }
  delete(): void { throw vscode.FileSystemError.NoPermissions('Memory cannot be deleted.'); }
  rename(): void { throw vscode.FileSystemError.NoPermissions('Memory cannot be renamed.'); }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private async ask(session: vscode.DebugSession): Promise<string | undefined> {
    const expression = await vscode.window.showInputBox({
      title: 'View Memory', prompt: 'An address: rsp, L2:0x1000 (linear), gpa1:0x1000 (guest-physical), phys:0x1000 (host-physical), a symbol or a pointer', value: 'rsp',
    });
    if (!expression) return undefined;
    if (splitReference(expression)) return expression;
    const item = vscode.debug.activeStackItem, frameId = item instanceof vscode.DebugStackFrame ? item.frameId : undefined;
    try {
      const { memoryReference } = await session.customRequest('evaluate', { expression, context: 'watch', frameId }) as { memoryReference?: string };
      return memoryReference;
    } catch (error) {
      void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  private async move(bytes: number): Promise<void> {
    const uri = vscode.window.activeTextEditor?.document.uri;
    if (uri?.scheme !== scheme) return;
    const { session, prefix, address } = partsOf(uri);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uriOf(session, prefix, BigInt.asUintN(64, address + BigInt(bytes)))), { preview: true });
  }

  private sessionOf(uri: vscode.Uri): vscode.DebugSession {
    const session = this.sessions.find(partsOf(uri).session)?.session;
    if (!session) throw vscode.FileSystemError.FileNotFound('The debug session of this memory has ended.');
    return session;
  }

  private async read(uri: vscode.Uri): Promise<MemoryBlock> {
    const { prefix, address } = partsOf(uri), session = this.sessionOf(uri);
    try {
      const { data = '' } = await session.customRequest('readMemory', { memoryReference: `${prefix}0x${address.toString(16)}`, count: windowBytes }) as { data?: string };
      return { prefix, address, bytes: Uint8Array.from(atob(data), (character) => character.charCodeAt(0)), count: windowBytes };
    } catch (error) {
      const before = this.shown.get(uri.toString());
      // While the machine runs, what was shown last stays.
      if (before) return before;
      throw vscode.FileSystemError.Unavailable(error instanceof Error ? error.message : String(error));
    }
  }

  private changed(): void {
    const open = vscode.workspace.textDocuments.filter(({ uri }) => uri.scheme === scheme);
    if (open.length === 0 || !this.sessions.active?.stop) return;
    this.version++;
    this.emitter.fire(open.map(({ uri }) => ({ type: vscode.FileChangeType.Changed, uri })));
  }
}

/** The file name is what the tab shows: level and address. */
function uriOf(session: string, prefix: string, address: bigint): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${session}/${prefix.replace(':', ' ')}0x${address.toString(16)}` });
}

function partsOf(uri: vscode.Uri): { session: string; prefix: string; address: bigint } {
  const [, session = '', space = '', digits = '0x0'] = /^\/([^/]*)\/(\S+) (0x[0-9a-f]+)$/i.exec(uri.path) ?? [];
  return { session, prefix: `${space}:`, address: BigInt(digits) };
}
