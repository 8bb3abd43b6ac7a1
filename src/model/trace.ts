// The sequence of world switches that the model predicts, for one exit of level x or for hypervisors that start: who runs when. One step per switch;
// as text and as a Graphviz graph. The number of `exit` steps is what the recurrence counts (recurrence.ts).
import { isResume, type TypedBehaviour, type Work } from './recurrence';

export type TraceStep =
  | { readonly kind: 'exit'; readonly from: number; readonly to: 0; readonly reason: string }
  | { readonly kind: 'deliver'; readonly from: number; readonly to: number; readonly reason: string }
  | { readonly kind: 'enter'; readonly from: 0; readonly to: number; readonly reason: string }
  /** l_0 executes an instruction in root operation: no switch. */
  | { readonly kind: 'root'; readonly from: 0; readonly to: 0; readonly reason: string };

/** Longer traces are cut: a trace is for reading. */
export const longestTrace = 100_000;

/** Thrown when a trace would be longer than `longestTrace`. */
export class TraceTooLong extends RangeError {}

/** Steps, and the procedures that make them. */
class Tracer {
  readonly steps: TraceStep[] = [];
  constructor(private readonly behaviour: TypedBehaviour, private readonly propagates: boolean) {}

  add(step: TraceStep): void {
    if (this.steps.length >= longestTrace) throw new TraceTooLong(`the trace has more than ${longestTrace} steps`);
    this.steps.push(step);
  }

  /** An exit of `x`; `after` is how its handling ends (who is entered when all is done). */
  exit(x: number, kind: string, after: () => void): void {
    this.add({ kind: 'exit', from: x, to: 0, reason: kind });
    if (x === 1 || (!this.propagates && isResume(kind))) { after(); return; }
    // l_0 gives it to l_1, which forwards it to l_2 ..., up to l_(x-1), which handles it
    const giveTo = (y: number): void => {
      this.add({ kind: 'deliver', from: x, to: y, reason: kind });
      const { operations, resume }: Work = this.behaviour[y === x - 1 ? 'handle' : 'forward'][kind];
      for (const [operation, count] of Object.entries(operations)) for (let n = 0; n < count; n++) this.instruction(y, operation);
      this.exit(y, resume, y === x - 1 ? after : () => giveTo(y + 1));
    };
    giveTo(1);
  }

  /** An instruction of l_y that exits, after which l_y runs on. */
  instruction(y: number, kind: string): void { this.exit(y, kind, () => this.add({ kind: 'enter', from: 0, to: y, reason: kind })); }
}

/** What happens from an exit of kind `reason` at `level` until that level runs again. */
export function traceOfExit(behaviour: TypedBehaviour, level: number, reason: string, propagates = true): TraceStep[] {
  const tracer = new Tracer(behaviour, propagates);
  tracer.instruction(level, reason);
  return tracer.steps;
}

/** The VMX instructions with which a hypervisor starts its guest; `writes`: VMWRITEs with which it fills its VMCS. */
const startOf = (writes: number): readonly string[] => ['VMXON', 'VMCLEAR', 'VMPTRLD', ...Array.from({ length: writes }, () => 'VMWRITE')];

/** What happens while `hypervisors` start on top of each other, each as the guest of the one before, until the guest of the last runs. */
export function traceOfStart(behaviour: TypedBehaviour, hypervisors: number, propagates = true, writes = 1): TraceStep[] {
  const tracer = new Tracer(behaviour, propagates);
  for (let level = 0; level < hypervisors; level++) {
    for (const instruction of startOf(writes)) {
      if (level === 0) tracer.add({ kind: 'root', from: 0, to: 0, reason: instruction });
      else tracer.instruction(level, instruction);
    }
    const enterGuest = (): void => tracer.add({ kind: 'enter', from: 0, to: level + 1, reason: 'VMLAUNCH' });
    if (level === 0) enterGuest();
    else tracer.exit(level, 'VMLAUNCH', enterGuest); // the first entry is propagated under every strategy
  }
  return tracer.steps;
}

function sentence(step: TraceStep): string {
  switch (step.kind) {
    case 'exit': return `l_${step.from} exits: ${step.reason}`;
    case 'deliver': return `l_${step.to} is given the exit of l_${step.from}: ${step.reason}`;
    case 'enter': return step.reason === 'VMLAUNCH' ? `l_${step.to} starts` : `l_${step.to} runs on`;
    case 'root': return `l_0 executes ${step.reason}`;
  }
}

export function traceText(steps: readonly TraceStep[]): string {
  return steps.map((s, n) => `${String(n + 1).padStart(6)}  ${'  '.repeat(s.kind === 'exit' ? s.from : s.to)}${sentence(s)}`).join('\n');
}

/** The trace as a Graphviz graph: a node for each level, an edge for each switch, numbered; parallel switches are drawn as one with their numbers. */
export function traceGraph(steps: readonly TraceStep[], levels: number): string {
  const edges = new Map<string, number[]>();
  steps.forEach((s, n) => {
    if (s.kind === 'root') return;
    const from = s.kind === 'exit' ? s.from : 0, to = s.kind === 'exit' ? 0 : s.to;
    const key = `l${from} -> l${to}`, numbers = edges.get(key) ?? [];
    numbers.push(n + 1);
    edges.set(key, numbers);
  });
  const label = (numbers: readonly number[]): string => numbers.length <= 8 ? numbers.join(', ') : `${numbers.slice(0, 6).join(', ')} ... ${numbers[numbers.length - 1]} (${numbers.length})`;
  return ['digraph switches {', '  rankdir=BT;', ...Array.from({ length: levels + 1 }, (_, n) => `  l${n} [label="${n === levels ? `guest (level ${n})` : `hypervisor l_${n}`}", shape=box];`),
    ...[...edges].map(([key, numbers]) => `  ${key} [label="${label(numbers)}"];`), '}'].join('\n');
}
