// `abyme model` and `abyme trace`: the behaviour model of the recursive hypervisor.
import { exitsByLevels, scalarBehaviour } from '../model/recurrence';
import { accessesExit, propagatesResume, strategies, type Strategy } from '../model/strategies';
import { traceGraph, traceOfExit, traceText, TraceTooLong } from '../model/trace';
import { parseOptions, UsageError } from './options';

function strategyOf(text: string): Strategy {
  const found = strategies.find(s => s === text);
  if (!found) throw new UsageError(`There is no strategy ${text}: choose ${strategies.join(', ')}.`);
  return found;
}

/** Exits and transitions against N. */
export async function modelCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['levels', 'strategy', 'operations'], ['json']);
  const levels = options.integer('levels', 1, 64) ?? 6, operations = options.integer('operations', 0, 100_000) ?? 3, one = options.value('strategy');
  const chosen = one === undefined ? strategies : [strategyOf(one)];
  const number = (value: bigint): number | string => value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
  const rows = chosen.map(strategy => ({ strategy, exits: exitsByLevels(strategy, levels, operations) }));
  if (options.has('json')) {
    const objects = rows.map(({ strategy, exits }) => ({ strategy, operations, levels, exits: exits.map(number), transitions: exits.map(e => number(2n * e)) }));
    process.stdout.write(`${JSON.stringify(one === undefined ? objects : objects[0])}\n`);
    return 0;
  }
  process.stdout.write(`Hardware exits for one exit of the operating system above N hypervisors, r = ${operations} exiting operations in each handler.\nThere are twice as many transitions.\n\n`);
  const width = Math.max(8, ...rows.flatMap(({ exits }) => exits.map(e => String(e).length + 2)));
  process.stdout.write(`${'N'.padEnd(16)}${Array.from({ length: levels }, (_, n) => String(n + 1).padStart(width)).join('')}\n`);
  for (const { strategy, exits } of rows) process.stdout.write(`${strategy.padEnd(16)}${exits.map(e => String(e).padStart(width)).join('')}\n`);
  return 0;
}

/** The switches of one exit of the guest above N hypervisors, as text, JSON or a Graphviz graph. */
export async function traceCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['levels', 'strategy', 'operations', 'format'], ['json']);
  const levels = options.integer('levels', 1, 16) ?? 3, operations = options.integer('operations', 0, 1000) ?? 1, strategy = strategyOf(options.value('strategy') ?? 'naive');
  const format = options.has('json') ? 'json' : options.value('format') ?? 'text';
  if (!['text', 'json', 'dot'].includes(format)) throw new UsageError(`There is no format ${format}: choose text, json or dot.`);
  try {
    const steps = traceOfExit(scalarBehaviour(accessesExit(strategy) ? operations : 0), levels, 'exit', propagatesResume(strategy));
    process.stdout.write(`${format === 'json' ? JSON.stringify(steps) : format === 'dot' ? traceGraph(steps, levels) : traceText(steps)}\n`);
    return 0;
  } catch (error) {
    if (error instanceof TraceTooLong) throw new UsageError(`${error.message}: ask for fewer levels or operations.`);
    throw error;
  }
}
