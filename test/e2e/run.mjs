// The end-to-end test: the built extension in a real VS Code for the Web, driven in headless Chromium as a user would. Prints each step and
// ends with `N passed, M failed`. Screenshots go to build/e2e/. Usage: node test/e2e/run.mjs [--extension FOLDER] [--only SCENARIO]

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureVscodeBuild } from '../../tools/web-host/pinned-archive.mjs';
import { startWebHost } from '../../tools/web-host/server.mjs';
import { openPage } from './browser.mjs';
import { demonstration } from './demonstration.mjs';
import { exitTrace } from './exit-trace.mjs';
import { ownFolder } from './own-folder.mjs';
import { stepping } from './steps.mjs';
import { stops } from './stops.mjs';
import { values as valuesScenario } from './values.mjs';
import { Workbench } from './workbench.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { extension: { type: 'string', default: root }, only: { type: 'string' } } });
const extension = path.resolve(values.extension);
const pictures = path.join(root, 'build', 'e2e');
const scenarios = [demonstration, ownFolder, stepping, stops, exitTrace, valuesScenario].filter(({ name }) => values.only === undefined || name === values.only);
/** Two cores and a software renderer: a step that takes longer hangs. */
const stepLimitMs = 90_000;
const total = { passed: 0, failed: 0 };
let counts = { passed: 0, failed: 0 };

if (!existsSync(path.join(extension, 'dist', 'web', 'extension.cjs'))) throw new Error(`${extension} is not built: npm run build`);
await rm(pictures, { recursive: true, force: true });
await mkdir(pictures, { recursive: true });
const build = await ensureVscodeBuild(root, console.log);
for (const scenario of scenarios) {
  await play(scenario);
  if (counts.failed > 0) {
    // an editor that draws late is no mistake of ours: what fails twice, each time in a window of its own, is one
    console.log(`${scenario.name}: once more, in a new window`);
    await play(scenario);
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

/** Plays one scenario in a window of its own, on a folder that `prepare` fills; `counts` tells how it went. */
async function play({ name: title, prepare, steps }) {
  counts = { passed: 0, failed: 0 };
  const temporary = await mkdtemp(path.join(os.tmpdir(), 'abyme-workspace-'));
  const workspace = path.join(temporary, 'workspace');
  await mkdir(workspace);
  await prepare(workspace, root);
  const host = await startWebHost({ build, extension, folder: workspace, writable: true });
  const browser = await openPage(host.url);
  const workbench = new Workbench(browser.page);
  let shot = 0;
  const picture = (name) => workbench.screenshot(path.join(pictures, `${title}-${String(++shot).padStart(2, '0')}-${name}.png`));
  let blocked;
  try {
    for (const step of steps) {
      if (blocked !== undefined) report(`${title}: ${step.name}`, 0, new Error(`not tried, since '${blocked}' failed`));
      else if (!await tryStep(`${title}: ${step.name}`, step, { workbench, picture, workspace, browser })) {
        if (step.essential) blocked = step.name;
        await picture(`failed-${step.name.replace(/[^a-z0-9]+/gi, '-').slice(0, 60)}`).catch(() => {});
      }
    }
  } finally {
    await writeFile(path.join(pictures, `${title}-console.txt`), browser.console.join('\n'));
    await browser.close();
    await host.close();
    await rm(temporary, { recursive: true, force: true });
  }
}

async function tryStep(name, step, context) {
  const began = Date.now();
  const limit = new Promise((_, reject) => setTimeout(() => reject(new Error(`took longer than ${stepLimitMs} ms`)), stepLimitMs).unref());
  const error = await Promise.race([step.run(context), limit]).then(() => undefined, (reason) => reason);
  return report(name, Date.now() - began, error);
}

function report(name, milliseconds, error) {
  counts[error ? 'failed' : 'passed']++;
  console.log(`${error ? 'FAILED' : 'ok    '} ${name} (${milliseconds} ms)${error ? `\n       ${String(error.stack).split('\n').slice(0, 6).join('\n       ')}` : ''}`);
  return !error;
}
