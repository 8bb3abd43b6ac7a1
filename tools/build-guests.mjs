// Builds the guest images with gcc and binutils: guests/images/*.elf, with DWARF, reproducibly (Debian 12's compiler gives the tracked bytes).
// The compiler runs in the repository's root and is told relative names only, so that an image names its sources as guests/hypervisor/exit.c.
// `--check` builds elsewhere, compares with the tracked images and exits with 1 on a difference.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const check = process.argv.includes('--check');
const shared = ['guests/boot', 'guests/lib'];
const images = readdirSync(join(root, 'guests'), { withFileTypes: true })
  .filter(entry => entry.isDirectory() && existsSync(join(root, 'guests', entry.name, 'main.c')))
  .map(entry => ({ name: entry.name, folders: [...shared, `guests/${entry.name}`] }));

const compilerFlags = [
  '-std=gnu11', '-Og', '-g', '-gdwarf-5', '-ffreestanding', '-fPIE', '-fvisibility=hidden', '-fno-stack-protector', '-mgeneral-regs-only', '-mno-red-zone',
  '-fcf-protection=none', '-fasynchronous-unwind-tables', '-fno-strict-aliasing', '-fno-common', '-fno-optimize-sibling-calls', '-gno-record-gcc-switches',
  '-Wall', '-Wextra', '-Werror', `-ffile-prefix-map=${root}=.`, '-frandom-seed=abyme',
];
const linkerFlags = ['-pie', '--no-dynamic-linker', '-z', 'norelro', '-z', 'max-page-size=4096', '-z', 'noexecstack', '--build-id=sha1', '--hash-style=sysv', '--gc-sections',
  '--orphan-handling=place', '-T', 'guests/boot/image.ld', '-e', '_start'];

/** Runs a tool in the root; what it has to say about a failure it has said by itself. */
function run(tool, args) {
  const { status, error } = spawnSync(tool, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, LC_ALL: 'C', SOURCE_DATE_EPOCH: '0' } });
  if (error) console.error(`${tool}: ${error.code === 'ENOENT' ? 'not installed; the guests are built with gcc and binutils' : error.message}`);
  if (status !== 0) process.exit(1);
}

/** Compiles every source of the folders and links them; returns the image's bytes. */
function build({ name, folders }, objects) {
  const sources = folders.flatMap(folder => readdirSync(join(root, folder)).filter(file => /\.[cS]$/.test(file)).sort().map(file => `${folder}/${file}`));
  const compiled = sources.map(source => {
    const object = join(objects, `${name}-${dirname(source).replaceAll('/', '-')}-${basename(source)}.o`);
    run('gcc', [...compilerFlags, '-c', source, '-o', object]);
    return object;
  });
  const output = join(objects, `${name}.elf`);
  run('ld', [...linkerFlags, ...compiled, '-o', output]);
  return readFileSync(output);
}

const objects = mkdtempSync(join(tmpdir(), 'guests-'));
process.on('exit', () => rmSync(objects, { recursive: true, force: true }));
let differences = 0;
for (const image of images) {
  const bytes = build(image, objects), tracked = join(root, 'guests/images', `${image.name}.elf`);
  const same = existsSync(tracked) && readFileSync(tracked).equals(bytes);
  if (check && !same) {
    differences++;
    console.error(`guests/images/${image.name}.elf differs from what the sources give: run npm run guests and commit the result`);
  }
  if (!check && !same) {
    mkdirSync(dirname(tracked), { recursive: true });
    writeFileSync(tracked, bytes);
  }
  console.log(`${image.name}.elf: ${bytes.length} bytes${check ? '' : same ? ', unchanged' : ', written'}`);
}
process.exitCode = differences ? 1 : 0;
