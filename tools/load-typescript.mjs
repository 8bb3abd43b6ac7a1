// Loads a TypeScript module into a development script: bundled in memory by esbuild and imported as a data URL, since Node 20 reads no types.

import { build } from 'esbuild';

/** The exports of the module at `file` (a path), with everything it imports bundled in. */
export async function loadTypeScript(file) {
  const { outputFiles } = await build({ entryPoints: [file], bundle: true, write: false, format: 'esm', platform: 'node', logLevel: 'silent' });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
}
