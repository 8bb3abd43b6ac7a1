// The recursive hypervisor stacked N deep under a guest that executes CPUID: exits a second in steady state, and what one CPUID costs.
import { bootImages, image, LevelTracker, newMachine, processorMs, runToStop, text } from './engine.mjs';

/** Runs with `rounds` CPUIDs of the guest: { ms, exits } of the whole run. */
async function run(hypervisors, rounds, options, translator) {
  const machine = await newMachine(256 << 20, undefined, translator), hypervisor = image('hypervisor.elf');
  const middle = Array.from({ length: hypervisors - 1 }, (_, n) => ({ name: `hypervisor ${n + 1}`, bytes: hypervisor, commandLine: options }));
  bootImages(machine, { program: hypervisor, commandLine: options, modules: [...middle, { name: 'guest', bytes: image('guest.elf'), commandLine: `rounds=${rounds}` }] });
  machine.recordEvents([]);                                             // the machine alone, as `abyme run` has it
  const begin = processorMs(), stop = runToStop(machine, ['debugExit']);
  if (stop.index !== 0) throw new Error(`the stack ended with code ${stop.index}: ${text(machine)}`);
  return { ms: processorMs() - begin, exits: machine.counters().exits };
}

/** Units that each machine runs before the next one has its turn. */
const turn = 500_000;

/**
 * The same work on several machines that take turns of some milliseconds, so that whatever else the computer does hits all of them alike: milliseconds of
 * processor time of each turn, by how the machine is watched. `none`: no event is recorded. `levels`: the level tracker follows every event. `trace`: it
 * keeps the trace of exits, too, as the debugger always does. The first half of the turns, in which the compiler warms up, is left out.
 */
export async function runInTurns(hypervisors, rounds, watched) {
  const machines = [], hypervisor = image('hypervisor.elf');
  for (const watching of watched) {
    const machine = await newMachine(256 << 20), tracker = watching === 'none' ? undefined : new LevelTracker({});
    if (watching === 'levels') tracker.switches.add = () => {};
    const middle = Array.from({ length: hypervisors - 1 }, (_, n) => ({ name: `hypervisor ${n + 1}`, bytes: hypervisor }));
    bootImages(machine, { program: hypervisor, commandLine: '', modules: [...middle, { name: 'guest', bytes: image('guest.elf'), commandLine: `rounds=${rounds}` }] });
    if (!tracker) machine.recordEvents([]);
    machines.push({ watching, machine, visit: tracker ? event => tracker.feed(event) : () => {}, ended: false, turns: [] });
  }
  for (let n = 0; !machines[0].ended; n++) {
    for (let i = 0; i < machines.length; i++) {
      const each = machines[(n + i) % machines.length], begin = processorMs();
      each.ended = runTurn(each);
      each.turns.push(processorMs() - begin);
    }
  }
  return Object.fromEntries(machines.map(({ watching, turns }) => [watching, turns.slice(turns.length >> 1, -1)]));
}

/** True when the image has ended. */
function runTurn({ machine, visit }) {
  for (let left = turn; left > 0;) {
    const result = machine.run(left);
    machine.drainEvents(visit);
    left -= result.units;
    if (result.kind === 'debugExit' && result.index === 0) return true;
    if (result.kind !== 'budget' && result.kind !== 'ringFull') throw new Error(`the stack stopped with ${result.kind} (${result.index}): ${text(machine)}`);
  }
  return false;
}

/** The difference of a short and a long run: starting the hypervisors, and the compiler that warms up, cancel out. */
export async function steadyState(hypervisors, rounds, { options = '', repeats = 3, translator = undefined } = {}) {
  const few = Math.max(1, Math.round(rounds / 4)), measured = [];
  for (let n = 0; n < repeats; n++) measured.push({ short: await run(hypervisors, few, options, translator), long: await run(hypervisors, rounds, options, translator) });
  const short = Math.min(...measured.map(m => m.short.ms)), long = Math.min(...measured.map(m => m.long.ms)), { exits } = measured[0].long;
  const ms = Math.max(long - short, 1e-3), counted = exits - measured[0].short.exits;
  return { exitsPerSecond: counted / ms * 1000, secondsPerRound: ms / 1000 / (rounds - few), exitsPerRound: counted / (rounds - few) };
}
