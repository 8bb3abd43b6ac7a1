// Writes the VS Code keys of package.json from tools/contributions; with --check, fails when they differ. Other keys are left as they are.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { loadTypeScript } from './load-typescript.mjs';

const manifestFile = new URL('../package.json', import.meta.url);

/** The text that package.json should have: the present one with our keys replaced, and new keys appended in the order of the source. */
export async function generateManifest() {
  const { manifest } = await loadTypeScript(fileURLToPath(new URL('./contributions/index.ts', import.meta.url)));
  const present = JSON.parse(await readFile(manifestFile, 'utf8'));
  return `${JSON.stringify({ ...present, ...manifest }, null, 2)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const wanted = await generateManifest();
  const same = JSON.stringify(JSON.parse(await readFile(manifestFile, 'utf8'))) === JSON.stringify(JSON.parse(wanted));
  if (process.argv.includes('--check')) {
    if (!same) {
      console.error('package.json does not agree with tools/contributions: run node tools/generate-contributions.mjs');
      process.exitCode = 1;
    }
  } else if (!same) await writeFile(manifestFile, wanted);
}
