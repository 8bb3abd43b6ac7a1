// The recursive hypervisor stacked N deep under a guest that executes CPUID: exits a second in steady state, and what one CPUID costs.
import { bootImages, image, LevelTracker, newMachine, processorMs, text } from './engine.mjs';

/** A stack of hypervisors, each with the command line `options`, under a guest that executes `rounds` CPUIDs and ends. */
async function bootStack(hypervisors, rounds, options, translator) {
  const machine = await newMachine(256 << 20, undefined, translator), hypervisor = image('hypervisor.elf');
  const middle = Array.from({ length: hypervisors - 1 }, (_, n) => ({ name: `hypervisor ${n + 1}`, bytes: hypervisor, commandLine: options }));
  bootImages(machine, { program: hypervisor, commandLine: options, modules: [...middle, { name: 'guest', bytes: image('guest.elf'), commandLine: `rounds=${rounds}` }] });
  return machine;
}

/** Units that each machine runs before the next one has its turn. */
const turn = 500_000;

/**
 * The same work on several machines that take turns of some milliseconds, so that whatever else the computer does hits all of them alike: milliseconds of
 * processor time of each turn, by how the machine is watched. `none`: no event is recorded. `levels`: the level tracker follows every event. `trace`: it
 * keeps the trace of exits, too, as the debugger always does. The first half of the turns, in which the compiler warms up, is left out.
 */
export async function runInTurns(hypervisors, rounds, watched) {
  const machines = [];
  for (const watching of watched) {
    const machine = await bootStack(hypervisors, rounds, ''), tracker = watching === 'none' ? undefined : new LevelTracker({});
    if (watching === 'levels') tracker.switches.add = () => {};
    if (!tracker) machine.recordEvents([]);
    machines.push({ watching, machine, visit: tracker ? event => tracker.feed(event) : () => {}, ended: false, turns: [] });
  }
  for (let n = 0; !machines[0].ended; n++) {
    for (let i = 0; i < machines.length; i++) {
      const each = machines[(n + i) % machines.length], begin = processorMs();
      each.ended = runTurn(each, turn);
      each.turns.push(processorMs() - begin);
    }
  }
  return Object.fromEntries(machines.map(({ watching, turns }) => [watching, turns.slice(turns.length >> 1, -1)]));
}

/** True when the image has ended before so many units. */
function runTurn({ machine, visit }, units) {
  for (let left = units; left > 0;) {
    const result = machine.run(left);
    machine.drainEvents(visit);
    left -= result.units;
    if (result.kind === 'debugExit' && result.index === 0) return true;
    if (result.kind !== 'budget' && result.kind !== 'ringFull') throw new Error(`the stack stopped with ${result.kind} (${result.index}): ${text(machine)}`);
  }
  return false;
}

/** Units between two looks at the clock: some ten thousand exits. */
const window = 20_000_000;

/**
 * The machine alone, as `abyme run` has it, when the compiler has warmed up: the best window of the second half of a run. What one CPUID costs is the
 * difference of a short and a long run, in which starting the hypervisors cancels out.
 */
export async function steadyState(hypervisors, rounds, { options = '', translator = undefined } = {}) {
  const few = Math.max(1, Math.round(rounds / 4)), runs = [];
  for (const count of [few, rounds]) {
    const machine = await bootStack(hypervisors, count, options, translator), speeds = [];
    machine.recordEvents([]);
    for (let ended = false; !ended;) {
      const exits = machine.counters().exits, begin = processorMs();
      ended = runTurn({ machine, visit: () => {} }, window);
      if (!ended) speeds.push((machine.counters().exits - exits) / (processorMs() - begin) * 1000);
    }
    runs.push({ speeds: speeds.slice(speeds.length >> 1), exits: machine.counters().exits });
  }
  const [short, long] = runs, exitsPerSecond = Math.max(...long.speeds), exitsPerRound = (long.exits - short.exits) / (rounds - few);
  return { exitsPerSecond, exitsPerRound, secondsPerRound: exitsPerRound / exitsPerSecond };
}
