// Builds the engine: constants of the core from the tables, core.wasm (AssemblyScript), interpreter.wasm and decode-tables.bin.
// The tables are TypeScript: they are bundled and run first. Output in dist/.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import asc from 'assemblyscript/asc';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist'), generated = join(root, 'src/emulator/core/generated');

/** Writes a file only when its contents change, so that later steps can tell. */
function put(path, contents) {
  const bytes = Buffer.from(contents);
  if (existsSync(path) && readFileSync(path).equals(bytes)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

const bundle = join(root, 'build/engine-tables.mjs');
await build({ entryPoints: [join(root, 'src/emulator/codegen/engine-files.ts')], outfile: bundle, bundle: true, format: 'esm', platform: 'neutral', logLevel: 'warning' });
const { engineFiles } = await import(`${pathToFileURL(bundle).href}?${Date.now()}`);
const files = engineFiles();
for (const [name, text] of Object.entries(files.constants)) put(join(generated, `${name}.ts`), text);
writeFileSync(join(root, 'build/engine.json'), JSON.stringify(files.facts, null, 1));

const { error, stderr } = await asc.main([
  'src/emulator/core/index.ts', '--outFile', 'build/core.wasm', '-O3', '--runtime', 'stub', '--importMemory', '--initialMemory', '1', '--maximumMemory', '65536',
  '--memoryBase', String(files.facts.coreDataBase), '--noAssert', '--enable', 'simd', '--baseDir', root, ...(process.argv.includes('--debug') ? ['--debug'] : []),
], { });
if (error) { console.error(String(stderr)); process.exit(1); }
// all binaries at once, so that nothing runs a new core with an old interpreter
mkdirSync(dist, { recursive: true });
for (const [name, bytes] of Object.entries(files.binaries)) put(join(dist, name), bytes);
renameSync(join(root, 'build/core.wasm'), join(dist, 'core.wasm'));
