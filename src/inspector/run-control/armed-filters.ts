// The filters that are on, as one stop mask for the machine and one decision at a stop: which filter, if any, wants it? Until the innermost
// guest has started (`stopsFrom: guest`), nothing but VM entries stops the machine, and those only to see the guest start.
import type { ExitTerm, ExitTest, RunResult, StopMask } from '../../emulator/machine';
import type { Context } from '../levels/context';
import type { LevelChoice } from './level-choice';
import { type ConditionTerm, type ConditionTest, exitTests, levelPasses } from '../expressions/exit-terms';
import { logText, splitCondition, StopRules } from './stop-rules';
import { deliverSwitch, parseFilterId, type FilterKind } from './stop-filters';
import type { FilterRequest, FilterResult } from '../target-types';

/** A condition on a stop of `context`. Throws on nothing: an expression without a value is false. */
export type StopCondition = (context: Context) => boolean;

interface ArmedFilter { readonly id: string; readonly kind: FilterKind; readonly index?: number; readonly level?: number; readonly rules: StopRules<Context>; readonly tests: readonly ConditionTest[] }

/** What log messages of filters need. */
export interface FilterLog { format(expression: string, context: Context): string; log(text: string): void }
const silent: FilterLog = { format: () => '', log: () => undefined };

const stopKindOf: Readonly<Record<FilterKind, RunResult['kind']>> = {
  exit: 'vmExit', entryFailure: 'entryFailure', vmfail: 'vmfail', vmxInstruction: 'vmxInstruction', exception: 'exception', tripleFault: 'tripleFault', switch: 'vmEntry',
};
/** Verifies ids alone, while there is no machine whose expressions a condition could be read against. */
export function checkFilters(requests: readonly FilterRequest[]): FilterResult[] { return new ArmedFilters(undefined).set(requests, () => () => false); }

/** What the machine and the level tracker can tell of the exits that a filter wants. */
function testsOf(kind: FilterKind, index: number | undefined, level: number | undefined, condition: string | undefined): readonly ConditionTest[] {
  if (kind !== 'exit') return [];
  const own: ConditionTest = [
    ...index === undefined ? [] : [{ value: 'reason', relation: '==', operand: BigInt(index) } as const],
    ...level === undefined ? [] : [{ value: 'level', relation: '==', operand: BigInt(level) } as const],
  ];
  return (condition === undefined ? [[]] : exitTests(condition)).map(test => [...own, ...test]);
}
const isOfMachine = (term: ConditionTerm): term is ExitTerm => term.value !== 'level';
const machineTerms = (test: ConditionTest): ExitTerm[] => test.filter(isOfMachine);

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
        filters.push({ id, kind, index, ...level !== undefined && { level }, rules: new StopRules(request, compile), tests: testsOf(kind, index, level, splitCondition(request).condition) });
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

  /** What the machine is to stop at; `seesLevels`: but for exits that only their level tells from others, which are found among the events of a run. */
  mask(seesLevels: boolean): StopMask {
    this.makeMasks();
    return seesLevels ? this.masks.some : this.masks.all;
  }
  /** Whether an exit of that level may be one that the machine does not stop at; undefined: it stops at all that may be wanted. */
  get wantsLevel(): ((level: number) => boolean) | undefined {
    this.makeMasks();
    return this.masks.wantsLevel;
  }
  private masks: { readonly version: number; readonly all: StopMask; readonly some: StopMask; readonly wantsLevel?: (level: number) => boolean } = { version: -1, all: {}, some: {} };

  private makeMasks(): void {
    if (this.masks.version === this.version) return;
    const { version } = this;
    if (!this.isArmed) {
      const all: StopMask = { everyEntry: true };
      this.masks = { version, all, some: all };
      return;
    }
    const tests = this.filters.flatMap(filter => filter.tests), ofMachine = tests.map(machineTerms).filter(terms => terms.length > 0);
    const all = this.makeMask(this.filters, ofMachine.length === tests.length ? ofMachine : undefined);
    // what stops at every exit sees those too
    if (ofMachine.length === tests.length || this.entersRoot() || tests.some(test => test.length === 0)) this.masks = { version, all, some: all };
    else {
      const some = this.makeMask(this.filters.filter(({ kind, tests }) => kind !== 'exit' || tests.some(test => machineTerms(test).length > 0)), ofMachine);
      const levels = tests.filter(test => !test.some(isOfMachine));
      this.masks = { version, all, some, wantsLevel: level => levels.some(terms => levelPasses(level, terms)) };
    }
  }
  /** L0 is entered by a VM exit. */
  private entersRoot(): boolean { return this.filters.some(({ kind, index, level }) => kind === 'switch' && index !== deliverSwitch && (level ?? 0) === 0); }

  private makeMask(filters: readonly ArmedFilter[], exitTests: readonly ExitTest[] | undefined): StopMask {
    const indices = (kind: FilterKind): number[] => filters.filter(filter => filter.kind === kind).flatMap(({ index }) => index ?? any);
    const has = (kind: FilterKind): boolean => filters.some(filter => filter.kind === kind);
    const toRoot = this.entersRoot();
    return {
      ...!toRoot && exitTests && { exitTests },
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
