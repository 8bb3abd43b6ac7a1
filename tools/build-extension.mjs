// Bundles everything that runs outside a clone into dist/: the extension for Node and for the web, the worker that holds the machine for both,
// and the command line. The machine's WebAssembly modules are built into dist/ by their own tools.

import { build } from 'esbuild';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (name) => path.join(root, name);
const shim = (name) => at(`tools/web-shims/${name}.js`);

const shared = { bundle: true, target: 'es2022', minify: true, keepNames: true, sourcemap: false, legalComments: 'none', logLevel: 'warning', metafile: true, absWorkingDir: root };
const node = { ...shared, platform: 'node', target: 'node20' };
const web = {
  ...shared,
  platform: 'browser',
  alias: { net: shim('empty'), fs: shim('empty'), path: shim('empty'), url: shim('url'), util: shim('util'), events: shim('events') },
  inject: [shim('globals')],
};

/** In Node iced-x86 reads its module from its own folder: the bundle's folder, where the build puts a copy. */
const disassemblerModule = 'iced_x86_bg.wasm';

/** On the web it has no folder: the lines that read the file become a function that takes the bytes. Fails when the package has changed. */
const disassemblerFromBytes = {
  name: 'disassembler-from-bytes',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]iced-x86[\\/]iced_x86\.js$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      const tail = /const path = require\('path'\)[^\n]*\nconst bytes = require\('fs'\)[^\n]*\n\s*const wasmModule = new WebAssembly\.Module\(bytes\);\n([^]*)$/;
      if (!tail.test(text)) throw new Error(`${file} no longer ends with the lines that load its WebAssembly module.`);
      return { contents: text.replace(tail, (_, rest) => `module.exports.instantiate = (bytes) => {\nconst wasmModule = new WebAssembly.Module(bytes);\n${rest}};\n`), loader: 'js' };
    });
  },
};

/** Names of Node's CommonJS world that bundled packages expect and an ES module lacks. */
const commonJsNames = [
  "import { createRequire as abymeCreateRequire } from 'node:module';", "import { fileURLToPath as abymeFileUrlToPath } from 'node:url';",
  'const require = abymeCreateRequire(import.meta.url);', "const __dirname = abymeFileUrlToPath(new URL('.', import.meta.url));",
].join('\n');

/** One esbuild configuration for each file of dist/. */
export const bundles = [
  { ...node, entryPoints: ['src/extension/node.ts'], outfile: 'dist/extension.cjs', format: 'cjs', external: ['vscode'] },
  { ...web, entryPoints: ['src/extension/web.ts'], outfile: 'dist/web/extension.cjs', format: 'cjs', external: ['vscode'], plugins: [disassemblerFromBytes] },
  { ...node, entryPoints: ['src/cli/worker.ts'], outfile: 'dist/worker.cjs', format: 'cjs' },
  { ...web, entryPoints: ['src/debug-adapter/worker.ts'], outfile: 'dist/web/worker.js', format: 'iife' },
  { ...web, inject: [], entryPoints: ['src/extension/trace-page.ts'], outfile: 'dist/trace-page.js', format: 'iife' },
  { ...node, entryPoints: ['src/cli/main.ts'], outfile: 'dist/abyme.js', format: 'esm', banner: { js: `#!/usr/bin/env node\n${commonJsNames}` } },
];

/** Builds all bundles into dist/. */
export async function buildExtension(configurations = bundles) {
  await mkdir(at('dist/web'), { recursive: true });
  await Promise.all(configurations.map((configuration) => build(configuration)));
  await copyFile(at(`node_modules/iced-x86/${disassemblerModule}`), at(`dist/${disassemblerModule}`));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await buildExtension();
