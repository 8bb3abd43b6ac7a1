// Our side of the comparison: machines of the built engine in dist/, runs of the benchmark image measured between its marks, in processor
// time and in exact units (retired instructions).
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const bundle = join(root, 'build/bench-engine.mjs');
await build({
  stdin: {
    contents: "import '../cli/branch-hints'; export { createMachine } from './machine'; export { bootImages } from './boot'; export { LevelTracker } from '../inspector/levels/level-tracker';",
    resolveDir: join(root, 'src/emulator'), loader: 'ts',
  },
  outfile: bundle, bundle: true, format: 'esm', platform: 'node', logLevel: 'warning',
});
const { createMachine, bootImages, LevelTracker } = await import(pathToFileURL(bundle).href);
export { bootImages, LevelTracker };

const dist = name => readFileSync(join(root, 'dist', name));
export const image = name => new Uint8Array(readFileSync(join(root, 'guests/images', name)));
export const engineBytes = () => ({ core: dist('core.wasm'), interpreter: dist('interpreter.wasm'), decodeTables: dist('decode-tables.bin') });

/** Units of one call of `run`: a machine is run in slices, as the debugger's worker does; the engine's compiler replaces code between them. */
const slice = 2_000_000;
const mark = { begin: 2, end: 3 };

/** Milliseconds of processor time of this process. */
export function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export const newMachine = (memoryBytes, modules = engineBytes(), translator = undefined) => createMachine(modules, { memoryBytes, ...(translator && { translator }) });

/** Runs to the next stop that is not the end of a slice. Events go to `visit`, or are thrown away, as by a debugger that keeps up. */
export function runToStop(machine, wanted = ['debugExit'], visit = () => {}) {
  for (;;) {
    const result = machine.run(slice);
    machine.drainEvents(visit);
    if (result.kind === 'budget' || result.kind === 'ringFull') continue;
    if (!wanted.includes(result.kind)) throw new Error(`the image stopped with ${result.kind} (${result.index}) at ${machine.registers(0).get('rip').toString(16)}: ${text(machine)}`);
    return result;
  }
}
export const text = machine => new TextDecoder().decode(machine.takeSerialOutput()).trim();

/**
 * The benchmark image with a command line, from begin mark to end mark: one { units, ms, wallMs, exits, checksum } for each round.
 * `translator`: 'off' or 'on', by default what machines have by default. `records`: the machine keeps the events that the debugger wants, else none, as a peer.
 */
export async function measure(commandLine, { translator = undefined, records = false } = {}) {
  const machine = await newMachine(64 << 20, engineBytes(), translator);
  if (!records) machine.recordEvents([]);
  bootImages(machine, { program: image('bench.elf'), commandLine, modules: [] });
  const rounds = [];
  for (;;) {
    const begin = runToStop(machine);
    if (begin.index === 0) break;
    if (begin.index !== mark.begin) throw new Error(`the image ended with code ${begin.index}: ${text(machine)}`);
    const time = machine.time(), exits = machine.counters().exits, ms = processorMs(), wall = performance.now();
    if (runToStop(machine).index !== mark.end) throw new Error(text(machine));
    rounds.push({ units: Number(machine.time() - time), ms: processorMs() - ms, wallMs: performance.now() - wall, exits: machine.counters().exits - exits });
  }
  const checksums = [...text(machine).matchAll(/ ends, ([0-9a-f]+)/g)].map(m => m[1]);
  rounds.forEach((round, n) => { round.checksum = checksums[n]; });
  return rounds;
}
