// `npm run package`: build/abyme-<version>.vsix from what is built, without the network. Checks first that nothing the extension reads is
// missing, and afterwards that nothing else was packed; .vscodeignore says what goes in.

import { createVSIX, listFiles, PackageManager } from '@vscode/vsce';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the extension and its documents need when installed. */
const required = [
  'dist/extension.cjs', 'dist/web/extension.cjs', 'dist/worker.cjs', 'dist/web/worker.js', 'dist/abyme.js', 'dist/iced_x86_bg.wasm', 'dist/core.wasm', 'dist/interpreter.wasm',
  'dist/decode-tables.bin', 'guests/images/hypervisor.elf', 'guests/images/guest.elf', 'syntaxes/abyme-asm.tmLanguage.json', 'syntaxes/abyme-asm.language-configuration.json',
  'media/icon.png', 'media/levels.svg', 'README.md', 'MANUAL.md', 'CHANGELOG.md', 'LICENSE', 'THIRD-PARTY-NOTICES.md', 'package.json',
];
/** Folders and files of the package; anything else got past .vscodeignore. */
const allowed = /^(dist|guests|syntaxes|media|docs)\/|^(README|MANUAL|CHANGELOG|THIRD-PARTY-NOTICES)\.md$|^LICENSE$|^package\.json$/;

const missing = required.filter((file) => !existsSync(path.join(root, file)));
if (missing.length > 0) {
  console.error(`Not there: ${missing.join(', ')}. Build first: npm run build`);
  process.exit(1);
}
const files = await listFiles({ cwd: root, packageManager: PackageManager.None });
const unlisted = required.filter((file) => !files.includes(file));
const strange = files.filter((file) => !allowed.test(file));
if (unlisted.length > 0 || strange.length > 0) {
  console.error(`.vscodeignore is wrong: left out ${unlisted.join(', ') || 'nothing'}; let in ${strange.join(', ') || 'nothing'}`);
  process.exit(1);
}
const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
await mkdir(path.join(root, 'build'), { recursive: true });
const packagePath = path.join(root, 'build', `abyme-${version}.vsix`);
await createVSIX({ cwd: root, packagePath, dependencies: false, allowMissingRepository: true, rewriteRelativeLinks: false });
console.log(`${path.relative(root, packagePath)}: ${files.length} files, ${((await stat(packagePath)).size / 1e6).toFixed(1)} MB`);
