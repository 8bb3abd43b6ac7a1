// Serves VS Code for the Web on localhost: the pinned static build, the extension under development as a built-in extension, and a folder
// as the workspace. No server-side extension host: extensions run in the browser, as on vscode.dev.
// Invariant: both patches of the workbench applied, or the server does not start.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { workbenchPage } from './workbench-page.mjs';
import { answerWorkspaceRequest } from './workspace-routes.mjs';

const workbenchScript = 'out/vs/code/browser/workbench/workbench.js';
const providerFolder = fileURLToPath(new URL('./workspace-file-system', import.meta.url));

/**
 * The build is meant to be served by its own back end. Two strings of its minified workbench are replaced, in memory only: user data live in
 * the browser rather than on a remote, and the page's host is no remote authority. They are those of the pinned version.
 */
const workbenchPatches = [
  ['P.file(this.userDataPath).with({scheme:J.vscodeRemote}),"User")', 'P.file("/").with({scheme:J.vscodeUserData}),"User")'],
  ['{...JSON.parse(o),remoteAuthority:location.host}', '{...JSON.parse(o)}'],
];

const mediaTypes = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.cjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8', '.json': 'application/json; charset=utf-8', '.svg': 'image/svg+xml', '.png': 'image/png', '.ttf': 'font/ttf',
  '.woff': 'font/woff', '.woff2': 'font/woff2', '.wasm': 'application/wasm', '.ico': 'image/x-icon', '.md': 'text/markdown; charset=utf-8',
};

/** Replaces each of the pinned strings exactly once; throws when one is missing, since the workbench would then start and fail in odd ways. */
export function patchWorkbench(text, patches = workbenchPatches) {
  return patches.reduce((current, [from, to]) => {
    const parts = current.split(from);
    if (parts.length !== 2) throw new Error(`The workbench is not the pinned version: '${from}' occurs ${parts.length - 1} times, not once.`);
    return parts.join(to);
  }, text);
}

/**
 * Starts the server on 127.0.0.1 and resolves to { url, close }.
 * `build`: the unpacked static build; `extension`: the folder with our package.json; `folder`: the workspace; `port`: 0 picks a free one;
 * `settings`: default settings of the window; `writable`: whether the editor may write to the folder.
 */
export async function startWebHost({ build, extension, folder, port = 0, settings = {}, writable = false, log = () => {} }) {
  const workbench = patchWorkbench(await readFile(path.join(build, workbenchScript), 'utf8'));
  const mounts = [
    { prefix: '/static/build/', folder: build, cached: true },
    { prefix: '/static/extension/', folder: extension },
    { prefix: '/static/provider/', folder: providerFolder },
  ];

  async function answer(request) {
    const url = new URL(request.url, 'http://localhost');
    if (!isLocal(request)) return { status: 403, body: 'Only pages of this host may ask.' };
    if (url.pathname === '/') return { type: mediaTypes['.html'], body: await workbenchPage({ build, host: request.headers.host, settings, folderName: path.basename(folder) }) };
    if (url.pathname === `/static/build/${workbenchScript}`) return { type: mediaTypes['.js'], body: workbench };
    if (url.pathname.startsWith('/workspace/')) return answerWorkspaceRequest(request, url, { folder, writable });
    const mount = mounts.find(({ prefix }) => url.pathname.startsWith(prefix));
    if (!mount) return { status: 404, body: 'Not found.' };
    const file = path.join(mount.folder, path.posix.normalize(`/${decodeURIComponent(url.pathname.slice(mount.prefix.length))}`));
    return { type: mediaTypes[path.extname(file)] ?? 'application/octet-stream', body: await readFile(file), cached: mount.cached };
  }

  const server = createServer((request, response) => {
    answer(request).catch((error) => ({ status: error.status ?? statusOf(error), body: error.message })).then(({ status = 200, type = 'text/plain; charset=utf-8', body, cached }) => {
      if (status >= 400) log(`${status} ${request.method} ${request.url}`);
      response.writeHead(status, {
        'content-type': type, 'cross-origin-resource-policy': 'cross-origin', 'cache-control': cached ? 'max-age=3600' : 'no-store', ...corsHeaders(request),
      });
      response.end(body);
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

function statusOf(error) {
  return error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EISDIR' ? 404 : 500;
}

/** Names under .localhost are this machine too: the workbench loads its frames from such origins. */
function isLocalHost(host) {
  return /^(localhost|127\.0\.0\.1|[\w-]+\.localhost)(:\d+)?$/.test(host ?? '');
}

/** A page of another site could otherwise read and write the workspace through the user's browser. */
function isLocal(request) {
  const { host, origin } = request.headers;
  if (!isLocalHost(host)) return false;
  return origin === undefined || origin === 'null' ? request.method === 'GET' || origin === undefined : isLocalHost(new URL(origin).host);
}

function corsHeaders(request) {
  const { origin } = request.headers;
  return origin === undefined || origin === 'null' ? {} : { 'access-control-allow-origin': origin, vary: 'origin' };
}
