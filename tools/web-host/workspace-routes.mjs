// The HTTP routes through which the web host's file system provider reaches the workspace folder. Every route takes `path`, which begins with
// the folder's name (so that the editor shows it) and never leaves the folder; writing is refused unless the host was started writable.
//
//   GET  /workspace/stat    -> { type, ctime, mtime, size } (type: 1 file, 2 folder, as in vscode.FileType)
//   GET  /workspace/list    -> [[name, type], ...]
//   GET  /workspace/read    -> the bytes
//   POST /workspace/write   body: the bytes
//   POST /workspace/mkdir, /workspace/delete, /workspace/rename (`to`: the new path)

import { mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

const fileType = { file: 1, folder: 2 };
const largestWrite = 64 << 20;

/** Answers one request below /workspace/, or throws an error with the HTTP status to answer as `status`. */
export async function answerWorkspaceRequest(request, url, { folder, writable }) {
  const operation = url.pathname.slice('/workspace/'.length);
  const target = await inside(folder, url.searchParams.get('path') ?? '/');
  switch (`${request.method} ${operation}`) {
    case 'GET stat': return json(await describe(target));
    case 'GET list': return json((await readdir(target, { withFileTypes: true })).map((entry) => [entry.name, entry.isDirectory() ? fileType.folder : fileType.file]));
    case 'GET read': return { type: 'application/octet-stream', body: await readFile(target) };
  }
  if (request.method !== 'POST') throw failure(405, 'method not allowed');
  if (!writable) throw failure(403, 'the workspace is served read-only');
  switch (operation) {
    case 'write': await writeFile(target, await bodyOf(request)); break;
    case 'mkdir': await mkdir(target, { recursive: true }); break;
    case 'delete': await rm(target, { recursive: true }); break;
    case 'rename': await rename(target, await inside(folder, url.searchParams.get('to') ?? '')); break;
    default: throw failure(404, 'no such operation');
  }
  return json(true);
}

/** The file that a workspace path names; a path that leaves the folder, by dots or by a symbolic link, is refused. */
async function inside(folder, workspacePath) {
  const root = await realpath(folder);
  const [, name, ...rest] = path.posix.normalize(`/${workspacePath}`).split('/');
  if (name !== path.basename(folder)) throw failure(404, 'only the workspace folder is here');
  const target = path.join(root, ...rest);
  const real = await realpath(target).catch(() => target);
  for (const candidate of [target, real]) {
    if (candidate !== root && !candidate.startsWith(root + path.sep)) throw failure(403, 'outside the workspace');
  }
  return target;
}

async function describe(target) {
  const { birthtimeMs, mtimeMs, size, isFolder } = await stat(target).then((found) => ({ ...found, isFolder: found.isDirectory() }));
  return { type: isFolder ? fileType.folder : fileType.file, ctime: birthtimeMs, mtime: mtimeMs, size };
}

async function bodyOf(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > largestWrite) throw failure(413, 'too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function json(value) {
  return { type: 'application/json', body: JSON.stringify(value) };
}

function failure(status, message) {
  return Object.assign(new Error(message), { status });
}
