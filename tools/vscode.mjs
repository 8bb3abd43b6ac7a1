// `npm run vscode`: the extension in a real VS Code with the example workspace. Desktop VS Code when `code` is on the PATH, else VS Code for
// the Web on localhost, which is fetched once from npm.
//
//   node tools/vscode.mjs [--web] [--port 18090] [FOLDER]

import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureVscodeBuild } from './web-host/pinned-archive.mjs';
import { startWebHost } from './web-host/server.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({ options: { web: { type: 'boolean' }, port: { type: 'string', default: '18090' } }, allowPositionals: true });
const folder = path.resolve(positionals[0] ?? path.join(root, 'examples', 'workspace'));
const port = Number(values.port);

if (!existsSync(folder) || !statSync(folder).isDirectory()) fail(`${folder} is not a folder.`);
if (!Number.isInteger(port) || port < 0 || port > 65535) fail(`--port ${values.port} is not a port.`);
const desktop = values.web ? undefined : onPath('code');
if (desktop) await run(desktop, ['--new-window', `--extensionDevelopmentPath=${root}`, folder]);
else await serve();

async function serve() {
  const build = await ensureVscodeBuild(root, console.log);
  const host = await startWebHost({ build, extension: root, folder, port, writable: true, log: process.env.DEBUG ? console.error : undefined })
    .catch((error) => fail(error.code === 'EADDRINUSE' ? `Port ${port} is taken: choose another with --port, or 0 for any.` : error.message));
  console.log(`VS Code with the debugger and ${folder}:\n\n  ${host.url}\n\nOpen it in a browser and press F5. Ctrl+C ends.`);
  process.once('SIGINT', () => host.close().then(() => process.exit(0)));
  process.once('SIGTERM', () => host.close().then(() => process.exit(0)));
}

function onPath(name) {
  const endings = process.platform === 'win32' ? ['.cmd', '.exe'] : [''];
  const candidates = (process.env.PATH ?? '').split(path.delimiter).flatMap((each) => endings.map((ending) => path.join(each, name + ending)));
  return candidates.find((candidate) => existsSync(candidate) && statSync(candidate).isFile());
}

function run(command, args) {
  return new Promise((resolve) => {
    spawn(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
      .once('error', (error) => fail(`${command}: ${error.message}`))
      .once('exit', (code) => code === 0 ? resolve() : fail(`${command} ${args.join(' ')} ended with ${code}.`));
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
