// The sequence of world switches that the model predicts for one exit of level x: who runs when. One step per switch; as text and as a
// Graphviz graph. The number of `exit` steps is what the recurrence counts (recurrence.ts).
import { resumeKind, type Operations, type TypedBehaviour } from './recurrence';

export type TraceStep =
  | { readonly kind: 'exit'; readonly from: number; readonly to: 0; readonly reason: string }
  | { readonly kind: 'deliver'; readonly from: number; readonly to: number; readonly reason: string }
  | { readonly kind: 'enter'; readonly from: 0; readonly to: number; readonly reason: string };

/** Longer traces are cut: a trace is for reading. */
export const longestTrace = 100_000;

/** Thrown when a trace would be longer than `longestTrace`. */
export class TraceTooLong extends RangeError {}

/** What happens from an exit of kind `reason` at `level` until that level runs again. */
export function traceOfExit(behaviour: TypedBehaviour, level: number, reason: string, propagates = true): TraceStep[] {
  const steps: TraceStep[] = [];
  const add = (step: TraceStep): void => {
    if (steps.length >= longestTrace) throw new TraceTooLong(`the trace has more than ${longestTrace} steps`);
    steps.push(step);
  };
  const operations = (at: number, list: Operations): void => {
    for (const [kind, count] of Object.entries(list)) for (let n = 0; n < count; n++) exit(at, kind, () => add({ kind: 'enter', from: 0, to: at, reason: kind }));
  };
  /** An exit of `x`; `after` is how its handling ends (who is entered when all is done). */
  const exit = (x: number, kind: string, after: () => void): void => {
    add({ kind: 'exit', from: x, to: 0, reason: kind });
    if (x === 1 || (kind === resumeKind && !propagates)) { after(); return; }
    // l_0 gives it to l_1, which forwards it to l_2 ..., up to l_(x-1), which handles it
    const giveTo = (y: number): void => {
      add({ kind: 'deliver', from: x, to: y, reason: kind });
      operations(y, y === x - 1 ? behaviour.handle[kind] : behaviour.forward);
      exit(y, resumeKind, y === x - 1 ? after : () => giveTo(y + 1));
    };
    giveTo(1);
  };
  exit(level, reason, () => add({ kind: 'enter', from: 0, to: level, reason }));
  return steps;
}

export function traceText(steps: readonly TraceStep[]): string {
  return steps.map((s, n) => {
    const what = s.kind === 'exit' ? `l_${s.from} exits: ${s.reason}` : s.kind === 'deliver' ? `l_${s.to} is given the exit of l_${s.from}: ${s.reason}` : `l_${s.to} runs on`;
    return `${String(n + 1).padStart(6)}  ${'  '.repeat(s.kind === 'exit' ? s.from : s.to)}${what}`;
  }).join('\n');
}

/** The trace as a Graphviz graph: a node for each level, an edge for each switch, numbered; parallel switches are drawn as one with their numbers. */
export function traceGraph(steps: readonly TraceStep[], levels: number): string {
  const edges = new Map<string, number[]>();
  steps.forEach((s, n) => {
    const from = s.kind === 'exit' ? s.from : 0, to = s.kind === 'exit' ? 0 : s.to;
    const key = `l${from} -> l${to}`, numbers = edges.get(key) ?? [];
    numbers.push(n + 1);
    edges.set(key, numbers);
  });
  const label = (numbers: readonly number[]): string => numbers.length <= 8 ? numbers.join(', ') : `${numbers.slice(0, 6).join(', ')} ... ${numbers[numbers.length - 1]} (${numbers.length})`;
  return ['digraph switches {', '  rankdir=BT;', ...Array.from({ length: levels + 1 }, (_, n) => `  l${n} [label="${n === levels ? `guest (level ${n})` : `hypervisor l_${n}`}", shape=box];`),
    ...[...edges].map(([key, numbers]) => `  ${key} [label="${label(numbers)}"];`), '}'].join('\n');
}
