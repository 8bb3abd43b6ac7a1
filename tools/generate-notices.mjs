// Writes THIRD-PARTY-NOTICES.md: name, version and licence text of every package of which code is in the bundles, and of AssemblyScript, whose
// standard library is compiled into the machine's core. With --check, fails when the file differs.

import { build } from 'esbuild';
import { readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';
import { bundles } from './build-extension.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const noticesFile = path.join(root, 'THIRD-PARTY-NOTICES.md');
const compiledIn = ['assemblyscript'];

/** The package that a bundled file belongs to, undefined for our own. `modules`: the folder of the packages, without symbolic links, as the bundler names files. */
export function packageOf(file, modules) {
  const [first, second] = path.relative(modules, file).split(path.sep);
  return first === '..' ? undefined : first.startsWith('@') ? `${first}/${second}` : first;
}

/** Names of the packages that the bundles contain, sorted. */
async function bundledPackages() {
  const results = await Promise.all(bundles.map((configuration) => build({ ...configuration, write: false, minify: false })));
  const outputs = results.flatMap(({ metafile }) => Object.values(metafile.outputs));
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file));
  const modules = await realpath(path.join(root, 'node_modules')), names = inputs.flatMap((file) => packageOf(path.resolve(root, file), modules) ?? []);
  return [...new Set([...names, ...compiledIn])].sort();
}

/** The section of one package; throws when it has no licence text, since then nobody may ship it. */
async function notice(name) {
  const folder = path.join(root, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).sort().find((each) => /^(licen[cs]e|copying)(\.|$)/i.test(each));
  if (!file) throw new Error(`${name} has no licence file.`);
  const text = (await readFile(path.join(folder, file), 'utf8')).replace(/\r\n/g, '\n').trim();
  return `## ${name} ${version}\n\n${license}\n\n\`\`\`text\n${text}\n\`\`\`\n`;
}

export async function noticesText() {
  const sections = [];
  for (const name of await bundledPackages()) sections.push(await notice(name));
  return `# Third-party notices\n\nThe files in \`dist/\` contain code of these packages.\n\n${sections.join('\n')}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const wanted = await noticesText();
  const present = await readFile(noticesFile, 'utf8').catch(() => undefined);
  if (present === wanted) process.exitCode = 0;
  else if (process.argv.includes('--check')) {
    console.error('THIRD-PARTY-NOTICES.md does not agree with the bundles: run node tools/generate-notices.mjs');
    process.exitCode = 1;
  } else await writeFile(noticesFile, wanted);
}
