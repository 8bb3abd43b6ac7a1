// `npm run build`: the engine (WebAssembly), then the bundles. `--if-needed` does nothing when no source is newer than what is built.
import { existsSync, readdirSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'build/built');

/** Time of the newest file below a folder or of a file, in milliseconds. */
function newest(path) {
  const found = statSync(path);
  if (!found.isDirectory()) return found.mtimeMs;
  return readdirSync(path).filter((name) => name !== 'generated').reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

const sources = ['src', 'tools/build.mjs', 'tools/build-engine.mjs', 'tools/build-extension.mjs', 'tools/web-shims', 'package-lock.json'];
const isBuilt = () => existsSync(stamp) && existsSync(join(root, 'dist/web/extension.cjs')) && sources.every((s) => newest(join(root, s)) <= statSync(stamp).mtimeMs);

if (process.argv.includes('--if-needed') && isBuilt()) process.exit(0);
const began = new Date();
const run = (script) => execFileSync(process.execPath, [join(root, 'tools', script)], { cwd: root, stdio: 'inherit' });
mkdirSync(join(root, 'build'), { recursive: true });
run('build-engine.mjs');
run('build-extension.mjs');
writeFileSync(stamp, `${began.toISOString()}\n`);
