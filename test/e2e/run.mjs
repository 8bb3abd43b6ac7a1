// The end-to-end test: the built extension in a real VS Code for the Web, driven in headless Chromium as a user would. Prints each step and
// ends with `N passed, M failed`. Screenshots go to build/e2e/. Usage: node test/e2e/run.mjs [--extension FOLDER]

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureVscodeBuild } from '../../tools/web-host/pinned-archive.mjs';
import { startWebHost } from '../../tools/web-host/server.mjs';
import { openPage } from './browser.mjs';
import { steps } from './scenario.mjs';
import { Workbench } from './workbench.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const given = process.argv.indexOf('--extension');
const extension = given < 0 ? root : path.resolve(process.argv[given + 1]);
const pictures = path.join(root, 'build', 'e2e');
/** Two cores and a software renderer: a step that takes longer hangs. */
const stepLimitMs = 90_000;

if (!existsSync(path.join(extension, 'dist', 'web', 'extension.cjs'))) throw new Error(`${extension} is not built: npm run build`);
await rm(pictures, { recursive: true, force: true });
await mkdir(pictures, { recursive: true });
const temporary = await mkdtemp(path.join(os.tmpdir(), 'abyme-workspace-'));
const workspace = path.join(temporary, 'workspace');
await cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true });

const build = await ensureVscodeBuild(root, console.log);
const host = await startWebHost({ build, extension, folder: workspace, writable: true });
const browser = await openPage(host.url);
const workbench = new Workbench(browser.page);
const counts = { passed: 0, failed: 0 };
let shot = 0;

/** Saves a numbered picture; its name says what it should show. */
const picture = (name) => workbench.screenshot(path.join(pictures, `${String(++shot).padStart(2, '0')}-${name}.png`));

try {
  let blocked;
  for (const { name, run, essential } of steps) {
    const began = Date.now();
    if (blocked !== undefined) {
      counts.failed++;
      console.log(`FAILED ${name}: not tried, since '${blocked}' failed`);
      continue;
    }
    try {
      const limit = new Promise((_, reject) => setTimeout(() => reject(new Error(`took longer than ${stepLimitMs} ms`)), stepLimitMs).unref());
      await Promise.race([run({ workbench, picture, workspace, browser }), limit]);
      counts.passed++;
      console.log(`ok     ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      counts.failed++;
      if (essential) blocked = name;
      console.log(`FAILED ${name} (${Date.now() - began} ms)\n       ${error.stack.split('\n').slice(0, 6).join('\n       ')}`);
      await picture(`failed-${name.replace(/[^a-z0-9]+/gi, '-').slice(0, 60)}`).catch(() => {});
    }
  }
} finally {
  await writeFile(path.join(pictures, 'console.txt'), browser.console.join('\n'));
  await browser.close();
  await host.close();
  await rm(temporary, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
