// The import directions of ARCHITECTURE.md 'Rooms', as data, and the test that enforces them.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(__dirname, '../..'), src = join(root, 'src');

/** Room → what it may import beside itself. A path that ends without a slash is that module. Packages are listed apart. */
const mayImport: Record<string, readonly string[]> = {
  spec: [],
  emulator: ['spec/'],
  symbols: ['spec/'],
  model: ['spec/'],
  assembly: ['spec/'],
  inspector: ['spec/', 'symbols/', 'emulator/machine', 'emulator/event-ring', 'emulator/codegen/state-layout', 'emulator/boot/'],
  'debug-adapter': ['spec/', 'model/', 'inspector/', 'symbols/', 'emulator/machine'],
  cli: ['spec/', 'model/', 'inspector/', 'symbols/', 'emulator/machine', 'emulator/boot/', 'debug-adapter/'],
  'language-server': ['assembly/', 'spec/'],
  extension: ['debug-adapter/factory', 'debug-adapter/adapter-types', 'language-server/', 'inspector/target-types'],
};
/** Packages that only these rooms may import. */
const packages: Record<string, readonly string[]> = {
  vscode: ['extension'],
  '@vscode/debugadapter': ['debug-adapter'],
  '@vscode/debugprotocol': ['debug-adapter', 'cli', 'extension'],
  'vscode-languageclient': ['extension'],
  'iced-x86': ['debug-adapter', 'cli', 'extension'],
};
/** Modules that stand at the edge and may use Node. */
const nodeEntries = ['cli/', 'extension/node'];

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === 'generated' ? [] : sources(path);
    return name.endsWith('.ts') ? [path] : [];
  });
}
const importsOf = (text: string): string[] => [...text.matchAll(/^\s*(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm)].map(m => m[1] ?? m[2] ?? m[3]);

describe('import directions', () => {
  for (const file of sources(src)) {
    const name = relative(src, file).replace(/\.ts$/, ''), room = name.split('/')[0];
    it(name, () => {
      expect(mayImport, `src/${room} is not a room of ARCHITECTURE.md`).toHaveProperty([room]);
      for (const target of importsOf(readFileSync(file, 'utf8'))) {
        if (target.startsWith('.')) {
          const path = relative(src, resolve(dirname(file), target)), into = path.split('/')[0];
          if (into === room || room === 'extension' && path.startsWith('../package.json')) continue;
          const allowed = mayImport[room].some(a => a.endsWith('/') ? `${path}/`.startsWith(a) : path === a);
          expect(allowed, `src/${name} may not import src/${path}: see ARCHITECTURE.md, Rooms`).toBe(true);
          // only the machine may know the translator
          expect(path.startsWith('emulator/codegen/translator') && name !== 'emulator/wasm-machine' && !name.startsWith('emulator/codegen/translator'), `${name} imports the translator`).toBe(false);
        } else if (target.startsWith('node:')) {
          expect(nodeEntries.some(e => name.startsWith(e)), `src/${name} may not use ${target}: only entry points do`).toBe(true);
        } else {
          const rooms = packages[target] ?? packages[target.split('/').slice(0, target.startsWith('@') ? 2 : 1).join('/')];
          expect(rooms, `package ${target} (imported by src/${name}) is not in the list of this test`).toBeDefined();
          expect(rooms, `src/${name} may not import ${target}`).toContain(room);
        }
      }
    });
  }
});
