// The other side of the comparison: the same image on Bochs, as Debian packages it. Bochs tells nothing of its speed, so its processor time
// is read when the image's serial lines arrive ('NAME begins', 'NAME ends').
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootDisk } from './boot-disk.mjs';

const program = '/usr/bin/bochs', share = '/usr/share/bochs';
const cpuModel = 'corei7_skylake_x', ips = 200_000_000;

/** 'Bochs x86 Emulator 2.7', or undefined when it is not installed. */
export function bochsVersion() {
  if (!existsSync(program) || !existsSync(`${share}/BIOS-bochs-latest`)) return undefined;
  try {
    return /Bochs x86 Emulator [\w.]+/.exec(execFileSync(program, ['--help', 'cpu'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))?.[0] ?? 'Bochs';
  } catch (error) { return /Bochs x86 Emulator [\w.]+/.exec(`${error.stdout}${error.stderr}`)?.[0]; }
}

/** A display that needs no screen: Debian's packages bring the terminal (told to write to nowhere), other builds have `nogui`. */
const display = () => readdirSync('/usr/lib', { withFileTypes: true }).filter(entry => entry.isDirectory())
  .some(entry => existsSync(`/usr/lib/${entry.name}/bochs/plugins/libbx_term_gui.so`)) ? 'term' : 'nogui';
const vgaBios = () => ['/usr/share/bochs/VGABIOS-lgpl-latest', '/usr/share/vgabios/vgabios.bin'].find(existsSync);

function configuration(folder, cylinders, port, memoryMiB) {
  return [
    'config_interface: textconfig', `display_library: ${display()}`, `megs: ${memoryMiB}`, `romimage: file=${share}/BIOS-bochs-latest`, `vgaromimage: file=${vgaBios()}`,
    `cpu: model=${cpuModel}, count=1, ips=${ips}, reset_on_triple_fault=0, ignore_bad_msrs=1`, 'clock: sync=none',
    `ata0-master: type=disk, mode=flat, path="${join(folder, 'disk.img')}", cylinders=${cylinders}, heads=16, spt=63`, 'boot: disk',
    `com1: enabled=1, mode=socket-client, dev=localhost:${port}`, 'log: /dev/null', 'panic: action=fatal', 'error: action=ignore', 'info: action=ignore', 'debug: action=ignore',
    'speaker: enabled=0', 'sound: driver=dummy', 'private_colormap: enabled=0', '',
  ].join('\n');
}

/** Processor time of a process in milliseconds, all threads. */
function processMs(pid) {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e6;
}

/** Runs the image with a command line; one { name, ms, checksum } for each round of a loop, in order. */
export async function measureOnBochs(image, commandLine, { memoryMiB = 64, timeoutMs = 300_000 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'bochs-')), found = [];
  const { bytes, cylinders } = bootDisk(image, commandLine, memoryMiB << 20);
  writeFileSync(join(folder, 'disk.img'), bytes);
  const server = createServer();
  await new Promise(resolve => server.listen(0, 'localhost', resolve));
  writeFileSync(join(folder, 'bochsrc'), configuration(folder, cylinders, server.address().port, memoryMiB));
  const bochs = spawn(program, ['-q', '-f', join(folder, 'bochsrc')], { stdio: ['pipe', 'ignore', 'ignore'], cwd: folder, env: { ...process.env, TERM: 'xterm' } });
  bochs.stdin.on('error', () => {});
  bochs.stdin.write('c\n');                                              // a build with the debugger waits for 'continue'
  try {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('Bochs did not end in time')), timeoutMs);
      bochs.on('exit', code => { clearTimeout(timer); reject(new Error(`Bochs ended with ${code} before the image did`)); });
      bochs.on('error', reject);
      server.on('connection', socket => {
        let text = '', begun = 0, name;
        socket.on('error', () => {});
        socket.on('data', data => {
          const now = processMs(bochs.pid);
          for (const byte of data) {
            const c = String.fromCharCode(byte);
            if (name !== undefined && text === '') found.push({ name, ms: now - begun });    // the first letter after the loop
            text += c;
            if (c !== '\n') continue;
            name = /^bench: (\S+) begins/.exec(text)?.[1];
            if (name !== undefined) begun = now;
            const end = / ends, ([0-9a-f]+)/.exec(text);
            if (end) found.at(-1).checksum = end[1];
            else if (name === undefined) {
              clearTimeout(timer);
              if (text.startsWith('bench: done')) resolve(); else reject(new Error(`on Bochs: ${text.trim()}`));
            }
            text = '';
          }
        });
      });
    });
  } finally {
    bochs.removeAllListeners('exit');
    bochs.kill('SIGKILL');
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return found;
}
