// The filters that are on, as one stop mask for the machine and one decision at a stop: which filter, if any, wants it? Until the innermost
// guest has started (`stopsFrom: guest`), nothing but VM entries stops the machine, and those only to see the guest start.
import type { ExitTest, RunResult, StopMask } from '../../emulator/machine';
import type { Context } from '../levels/context';
import type { LevelChoice } from './level-choice';
import { exitTests } from '../expressions/exit-terms';
import { logText, splitCondition, StopRules } from './stop-rules';
import { deliverSwitch, parseFilterId, type FilterKind } from './stop-filters';
import type { FilterRequest, FilterResult } from '../target-types';

/** A condition on a stop of `context`. Throws on nothing: an expression without a value is false. */
export type StopCondition = (context: Context) => boolean;

interface ArmedFilter { readonly id: string; readonly kind: FilterKind; readonly index?: number; readonly level?: number; readonly rules: StopRules<Context>; readonly tests: readonly ExitTest[] }

/** What log messages of filters need. */
export interface FilterLog { format(expression: string, context: Context): string; log(text: string): void }
const silent: FilterLog = { format: () => '', log: () => undefined };

const stopKindOf: Readonly<Record<FilterKind, RunResult['kind']>> = {
  exit: 'vmExit', entryFailure: 'entryFailure', vmfail: 'vmfail', vmxInstruction: 'vmxInstruction', exception: 'exception', tripleFault: 'tripleFault', switch: 'vmEntry',
};
/** Verifies ids alone, while there is no machine whose expressions a condition could be read against. */
export function checkFilters(requests: readonly FilterRequest[]): FilterResult[] { return new ArmedFilters(undefined).set(requests, () => () => false); }

/** What the machine can tell by itself of the exits that a filter wants. */
function testsOf(kind: FilterKind, index: number | undefined, condition: string | undefined): readonly ExitTest[] {
  if (kind !== 'exit') return [];
  const reason = index === undefined ? [] : [{ value: 'reason', relation: '==', operand: BigInt(index) } as const];
  return (condition === undefined ? [[]] : exitTests(condition)).map(test => [...reason, ...test]);
}

/** `L2`: the level that a mode limits a stop to; other modes mean every level. */
export function levelOfMode(mode: string | undefined): number | undefined {
  const [, level] = /^L(\d{1,3})$/.exec(mode ?? '') ?? [];
  return level === undefined ? undefined : Number(level);
}

const any = Array.from({ length: 128 }, (_, i) => i);

export class ArmedFilters {
  private filters: readonly ArmedFilter[] = [];
  /** The same by the stop that they are for: a stop is asked about hundreds of thousands of times a second. */
  private readonly byStop = new Map<RunResult['kind'], ArmedFilter[]>();
  private isArmed: boolean;
  /** Changes with the mask. */
  version = 0;
  /** Levels whose stops count; absent: all. */
  levels?: LevelChoice;

  /** `from`: the level whose first instruction arms the filters; undefined: armed from reset. */
  constructor(private readonly from: number | undefined, private readonly output: FilterLog = silent) { this.isArmed = from === undefined || from === 0; }

  get armed(): boolean { return this.isArmed; }

  /** Replaces the filters. `compile` reads a condition and throws an Error with the reason when it has a mistake. */
  set(requests: readonly FilterRequest[], compile: (text: string) => StopCondition): FilterResult[] {
    const filters: ArmedFilter[] = [];
    const results = requests.map((request): FilterResult => {
      const { filter: id, condition, mode } = request, found = parseFilterId(id);
      if (!found) return { verified: false, message: `There is no filter ${id.slice(0, 80)}. The request abyme/filters lists them.` };
      try {
        const { kind, index } = found.filter, level = found.level ?? levelOfMode(mode);
        filters.push({ id, kind, index, ...level !== undefined && { level }, rules: new StopRules(request, compile), tests: testsOf(kind, index, splitCondition(request).condition) });
        return { verified: true };
      } catch (error) {
        return { verified: false, message: `The condition ${condition} has a mistake: ${error instanceof Error ? error.message : String(error)}` };
      }
    });
    this.filters = filters;
    this.byStop.clear();
    for (const filter of filters) this.byStop.set(stopKindOf[filter.kind], [...this.byStop.get(stopKindOf[filter.kind]) ?? [], filter]);
    this.version++;
    return results;
  }

  /** The innermost guest may have started. */
  observe(executing: Context): void {
    if (this.isArmed || executing.level < this.from!) return;
    this.isArmed = true;
    this.version++;
  }

  /** What the machine is to stop at. */
  get mask(): StopMask {
    if (this.maskVersion !== this.version) {
      this.currentMask = this.makeMask();
      this.maskVersion = this.version;
    }
    return this.currentMask;
  }
  private currentMask: StopMask = {};
  private maskVersion = -1;

  private makeMask(): StopMask {
    if (!this.isArmed) return { everyEntry: true };
    const indices = (kind: FilterKind): number[] => this.filters.filter(filter => filter.kind === kind).flatMap(({ index }) => index ?? any);
    const has = (kind: FilterKind): boolean => this.filters.some(filter => filter.kind === kind);
    // L0 is entered by a VM exit.
    const toRoot = this.filters.some(({ kind, index, level }) => kind === 'switch' && index !== deliverSwitch && (level ?? 0) === 0);
    const tests = this.filters.flatMap(({ tests }) => tests);
    return {
      ...!toRoot && tests.every(test => test.length > 0) && { exitTests: tests },
      exits: toRoot ? any : indices('exit').filter(n => n < 128), everyEntry: has('switch'), answers: has('vmfail') || has('entryFailure'),
      vmxInstructions: indices('vmxInstruction').filter(n => n < 13), exceptions: indices('exception').filter(n => n < 32),
      vmfail: has('vmfail'), entryFailure: has('entryFailure'), tripleFault: has('tripleFault'),
    };
  }

  /** Whether there are filters for that kind of stop. */
  concern(kind: RunResult['kind']): boolean { return this.byStop.has(kind); }

  /** The first filter that wants this stop of `context`. */
  match(result: RunResult, context: Context): string | undefined {
    const filters = this.byStop.get(result.kind);
    if (!filters || !this.isArmed || this.levels && !this.levels.wants(context.level)) return undefined;
    let stopping: string | undefined;
    for (let n = 0; n < filters.length; n++) {
      const { id, index, level, rules } = filters[n];
      if (index !== undefined && index !== result.index || level !== undefined && level !== context.level) continue;
      if (stopping !== undefined && !rules.message || !rules.ask(context)) continue;
      if (rules.message) this.output.log(logText(rules.message, expression => this.output.format(expression, context)));
      else stopping = id;
    }
    return stopping;
  }
}
