// The bundles: what the web ones may not load, and that the Node ones need no package beside them.
import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { build, type BuildOptions } from 'esbuild';
import { describe, expect, it } from 'vitest';

const { bundles } = await import(new URL('../../tools/build-extension.mjs', import.meta.url).href) as { bundles: BuildOptions[] };
const named = bundles.map((options) => ({ file: options.outfile!, options }));

/** Modules that the bundle loads at run time. */
async function loaded(options: BuildOptions): Promise<string[]> {
  const { metafile } = await build({ ...options, write: false, metafile: true });
  return Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external).map(({ path }) => path));
}

describe('bundles for the web', () => {
  it.each(named.filter(({ file }) => file.includes('/web/')))('$file loads nothing but the editor\'s API', async ({ options }) => {
    expect((await loaded(options)).filter((name) => name !== 'vscode')).toEqual([]);
  });
});

describe('bundles for Node', () => {
  it.each(named.filter(({ file }) => !file.includes('/web/')))('$file loads only Node\'s own modules', async ({ options }) => {
    const outside = (await loaded(options)).filter((name) => name !== 'vscode' && !builtinModules.includes(name.replace(/^node:/, '')));
    expect(outside).toEqual([]);
  });
});

describe('third-party notices', () => {
  it('are those of the packages in the bundles, also where node_modules is a symbolic link', async () => {
    const { noticesText } = await import(new URL('../../tools/generate-notices.mjs', import.meta.url).href) as { noticesText(): Promise<string> };
    expect(await readFile(new URL('../../THIRD-PARTY-NOTICES.md', import.meta.url), 'utf8')).toBe(await noticesText());
  });
  it.each([
    ['/elsewhere/node_modules/tslib/index.js', 'tslib'], ['/elsewhere/node_modules/@vscode/debugadapter/lib/a.js', '@vscode/debugadapter'],
    ['/elsewhere/node_modules/a/node_modules/b/c.js', 'a'], ['/clone/src/cli/main.ts', undefined], ['/elsewhere/node_modules.ts', undefined],
  ])('%s belongs to %s', async (file, name) => {
    const { packageOf } = await import(new URL('../../tools/generate-notices.mjs', import.meta.url).href) as { packageOf(file: string, modules: string): string | undefined };
    expect(packageOf(file, '/elsewhere/node_modules')).toBe(name);
  });
});

it('the manifest\'s entries are bundles', () => expect(named.map(({ file }) => file)).toEqual(expect.arrayContaining(['dist/extension.cjs', 'dist/web/extension.cjs', 'dist/abyme.js'])));
