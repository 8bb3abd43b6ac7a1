// Records tools/vectors/vectors.bin.gz on this machine's processor: node tools/vectors/generate.mjs [draws per form]. Needs gcc and x86-64
// Linux; see README.md. The file is tracked, so this runs only when instructions are added.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { loadTypeScript } from '../load-typescript.mjs';

const folder = dirname(fileURLToPath(import.meta.url)), root = join(folder, '../..');
const { buildVectors } = await loadTypeScript(join(folder, 'build-vectors.ts'));
const { bytes, count, processor } = buildVectors(root, Number(process.argv[2] ?? 54));
const packed = gzipSync(bytes, { level: 9 });
writeFileSync(join(folder, 'vectors.bin.gz'), packed);
console.log(`${count} vectors of ${processor}, ${packed.length} bytes`);
