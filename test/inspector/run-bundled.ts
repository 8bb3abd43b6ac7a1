// Bundles a module of the tests as the product is bundled and loads it, for measurements that the test runner's module wrapping would spoil.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

export async function runBundled<T>(entry: URL): Promise<T> {
  const { outputFiles } = await build({ entryPoints: [fileURLToPath(entry)], bundle: true, write: false, format: 'esm', platform: 'neutral', logLevel: 'silent' });
  return await import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`) as T;
}
