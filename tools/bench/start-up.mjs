// One fresh process for each figure that earlier work in the process would falsify: the engine's start (compiled code is cached within a
// process), and memory. Prints an object on standard output: `node start-up.mjs start` { startMs }, `node start-up.mjs memory` { overheadMb }.
import { bootImages, engineBytes, newMachine, runToStop, image } from './engine.mjs';

const MiB = 2 ** 20, memoryBytes = 256 * MiB;

async function start() {
  const modules = engineBytes(), begin = performance.now();
  const machine = await newMachine(memoryBytes, modules);
  bootImages(machine, { program: image('bench.elf'), commandLine: '', modules: [] });
  machine.run(1);
  return { startMs: performance.now() - begin };
}

/** Everything that the process holds beyond guest RAM, after RAM is written from end to end and the loops have run. */
async function memory() {
  const machine = await newMachine(memoryBytes), filled = new Uint8Array(MiB).fill(1);
  for (let at = 0; at < memoryBytes; at += MiB) machine.writePhysical(BigInt(at), filled);
  bootImages(machine, { program: image('bench.elf'), commandLine: 'sum=20 fib=20 indirect=20 cpuid-exit=20', modules: [] });
  while (runToStop(machine).index !== 0);
  return { overheadMb: (process.memoryUsage().rss - memoryBytes) / 1e6 };
}

console.log(JSON.stringify(await (process.argv[2] === 'memory' ? memory() : start())));
