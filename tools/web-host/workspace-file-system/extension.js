// File system provider of the local web host: the scheme `abyme-folder` is the folder that the server was started with, read and written
// through its /workspace routes (see ../workspace-routes.mjs, which documents them). Only the development tools load this extension.
'use strict';
const vscode = require('vscode');

const scheme = 'abyme-folder';

class FolderFileSystem {
  constructor(base) {
    this.base = base;
    this.emitter = new vscode.EventEmitter();
    this.onDidChangeFile = this.emitter.event;
  }

  /** The folder changes under the editor's hands seldom enough; a reload shows what other programs wrote. */
  watch() {
    return new vscode.Disposable(() => {});
  }

  async stat(uri) {
    return (await this.request('GET', 'stat', uri)).json();
  }

  async readDirectory(uri) {
    return (await this.request('GET', 'list', uri)).json();
  }

  async readFile(uri) {
    return new Uint8Array(await (await this.request('GET', 'read', uri)).arrayBuffer());
  }

  async createDirectory(uri) {
    await this.request('POST', 'mkdir', uri);
    this.emitter.fire([{ type: vscode.FileChangeType.Created, uri }]);
  }

  async writeFile(uri, content, options) {
    const exists = await this.stat(uri).then(() => true, () => false);
    if (exists && options.create && !options.overwrite) throw vscode.FileSystemError.FileExists(uri);
    if (!exists && !options.create) throw vscode.FileSystemError.FileNotFound(uri);
    await this.request('POST', 'write', uri, content);
    this.emitter.fire([{ type: exists ? vscode.FileChangeType.Changed : vscode.FileChangeType.Created, uri }]);
  }

  async delete(uri) {
    await this.request('POST', 'delete', uri);
    this.emitter.fire([{ type: vscode.FileChangeType.Deleted, uri }]);
  }

  async rename(from, to, options) {
    if (!options.overwrite && await this.stat(to).then(() => true, () => false)) throw vscode.FileSystemError.FileExists(to);
    await this.request('POST', 'rename', from, undefined, { to: to.path });
    this.emitter.fire([{ type: vscode.FileChangeType.Deleted, uri: from }, { type: vscode.FileChangeType.Created, uri: to }]);
  }

  async request(method, operation, uri, body, more = {}) {
    const query = new URLSearchParams({ path: uri.path, ...more });
    const response = await fetch(`${this.base}/workspace/${operation}?${query}`, { method, body });
    if (response.ok) return response;
    if (response.status === 404) throw vscode.FileSystemError.FileNotFound(uri);
    if (response.status === 403) throw vscode.FileSystemError.NoPermissions(uri);
    throw vscode.FileSystemError.Unavailable(`${operation} ${uri.path}: ${response.status} ${await response.text()}`);
  }
}

exports.activate = (context) => {
  const { scheme: protocol, authority } = context.extensionUri;
  const provider = new FolderFileSystem(`${protocol}://${authority}`);
  context.subscriptions.push(vscode.workspace.registerFileSystemProvider(scheme, provider, { isCaseSensitive: true }));
};
