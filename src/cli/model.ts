// `abyme model` and `abyme trace`: the behaviour model of the recursive hypervisor, and its comparison with the hypervisor itself.
import { readEngine } from '../debug-adapter/launch-configuration';
import { exitsByLevels, scalarBehaviour, type Work } from '../model/recurrence';
import { accessesExit, propagatesResume, strategies, type Strategy } from '../model/strategies';
import { traceGraph, traceOfExit, traceOfStart, traceText, TraceTooLong } from '../model/trace';
import { nodeHost } from './adapter-host';
import { compare, isExact, type Comparison, type StackFiles } from './measure';
import { parseOptions, UsageError } from './options';

const number = (value: bigint): number | string => value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);

/** Exits and transitions against N. */
export async function modelCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['levels', 'strategy', 'operations'], ['json', 'measure']);
  const one = options.oneOf('strategy', strategies), chosen = one === undefined ? strategies : [one];
  if (options.has('measure')) return measureCommand(chosen, options.integer('levels', 1, 8) ?? 6, options.has('json'));
  const levels = options.integer('levels', 1, 64) ?? 6, operations = options.integer('operations', 0, 100_000) ?? 3;
  const rows = chosen.map(strategy => ({ strategy, exits: exitsByLevels(strategy, levels, operations) }));
  if (options.has('json')) {
    const objects = rows.map(({ strategy, exits }) => ({ strategy, operations, levels, exits: exits.map(number), transitions: exits.map(e => number(2n * e)) }));
    process.stdout.write(`${JSON.stringify(one === undefined ? objects : objects[0])}\n`);
    return 0;
  }
  process.stdout.write(`Hardware exits for one exit of the operating system above N hypervisors, r = ${operations} exiting operations in each handler.\nThere are twice as many transitions.\n\n`);
  process.stdout.write(table(levels, rows.map(({ strategy, exits }) => [strategy, exits.map(String)])));
  return 0;
}

function table(levels: number, rows: readonly (readonly [name: string, cells: readonly string[]])[]): string {
  const width = Math.max(8, ...rows.flatMap(([, cells]) => cells.map(cell => cell.length + 2))), first = Math.max(16, ...rows.map(([name]) => name.length + 2));
  const line = (name: string, cells: readonly string[]): string => `${name.padEnd(first)}${cells.map(cell => cell.padStart(width)).join('')}\n`;
  return line('N', Array.from({ length: levels }, (_, n) => String(n + 1))) + rows.map(([name, cells]) => line(name, cells)).join('');
}

/** What the hypervisor's stacks need from the disk. */
export async function stackFiles(host = nodeHost()): Promise<StackFiles> {
  const image = (name: string): Promise<Uint8Array> => host.readFile(`extension:/guests/images/${name}.elf`);
  const [engine, hypervisor, guest] = await Promise.all([readEngine(host), image('hypervisor'), image('guest')]);
  return { engine, hypervisor, guest };
}

/** Predicted and measured exits as a table of text. */
export function comparisonTable(comparisons: readonly Comparison[], levels: number): string {
  return table(levels, comparisons.flatMap(({ strategy, predicted, measured }): [string, string[]][] => [
    [`${strategy}, predicted`, predicted.map(String)], ['  measured', measured.map(each => each === undefined ? '-' : String(each))],
  ]));
}

const workText = ({ operations, resume }: Work): string => [...Object.entries(operations).map(([kind, n]) => n === 1 ? kind : `${n} ${kind}`), resume].join('; ');

/** The operations of a role, kinds with the same ones together. */
function workLines(role: string, rows: Readonly<Record<string, Work>>): string[] {
  const groups = new Map<string, string[]>();
  for (const [kind, work] of Object.entries(rows)) groups.set(workText(work), [...groups.get(workText(work)) ?? [], kind]);
  return [...groups].flatMap(([text, kinds]) => [...kinds.map(kind => `  ${role} ${kind}`), `      ${text}`]);
}

/** Counts the hypervisor's operations, predicts from them, and runs the stacks. */
async function measureCommand(chosen: readonly Strategy[], levels: number, asJson: boolean): Promise<number> {
  const say = (text: string): void => { if (process.stderr.isTTY) process.stderr.write(`${text}\n`); };
  const comparisons = await compare(await stackFiles(), chosen, levels, { say }), exact = isExact(comparisons);
  if (asJson) {
    process.stdout.write(`${JSON.stringify(comparisons.map(({ predicted, ...rest }) => ({ ...rest, predicted: predicted.map(number) })))}\n`);
    return exact ? 0 : 1;
  }
  const lines = [
    'Exits of the machine for one VMCALL of the guest above N hypervisors: as the recurrence predicts them from the operations of the',
    'hypervisor\'s handlers, and as they are.', '', comparisonTable(comparisons, levels),
    ...comparisons.flatMap(({ strategy, behaviour, countedUpTo }) => [
      `${strategy}: operations, counted in stacks of up to ${countedUpTo} hypervisors`, ...workLines('handling', behaviour.handle), ...workLines('forwarding', behaviour.forward), '',
    ]),
    exact ? 'Every prediction is exact.' : 'Prediction and machine differ.',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return exact ? 0 : 1;
}

/** The switches of one exit of the guest above N hypervisors, or of N hypervisors that start, as text, JSON or a Graphviz graph. */
export async function traceCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['levels', 'strategy', 'operations', 'format'], ['json', 'start']);
  const starts = options.has('start'), levels = options.integer('levels', 1, 16) ?? (starts ? 1 : 3), operations = options.integer('operations', 0, 1000) ?? 1;
  const strategy = options.oneOf('strategy', strategies) ?? 'naive', format = options.has('json') ? 'json' : options.oneOf('format', ['text', 'json', 'dot']) ?? 'text';
  try {
    const behaviour = scalarBehaviour(accessesExit(strategy) ? operations : 0), propagates = propagatesResume(strategy);
    const steps = starts ? traceOfStart(behaviour, levels, propagates) : traceOfExit(behaviour, levels, 'exit', propagates);
    process.stdout.write(`${format === 'json' ? JSON.stringify(steps) : format === 'dot' ? traceGraph(steps, levels) : traceText(steps)}\n`);
    return 0;
  } catch (error) {
    if (error instanceof TraceTooLong) throw new UsageError(`${error.message}: ask for fewer levels or operations.`);
    throw error;
  }
}
