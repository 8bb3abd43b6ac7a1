// Runs stacks of the recursive hypervisor, counts what its levels do (operation-counts.ts), and compares the exits of the machine with those that the
// typed recurrence predicts from the counts. The guest's exit is a VMCALL; the guest image executes several, the exits from the second to the third
// are counted.
//
// The counts are taken from the lowest stacks that show a kind: of two hypervisors l_0 shows what it does with a guest's exit; what a hypervisor does
// with the instructions of one that forwards shows when there is one. Taller stacks are run for comparison only.
import { bootImages } from '../emulator/boot';
import { createMachine, type EngineModules } from '../emulator/machine';
import { LevelTracker } from '../inspector/levels/level-tracker';
import { typedExits, UnknownKind, type TypedBehaviour } from '../model/recurrence';
import { accessesExit, hypervisorOptions, propagatesResume, type Strategy } from '../model/strategies';
import { exitReasonById } from '../spec/exit-reasons';
import { vmcsFieldById } from '../spec/vmcs-fields';
import { OperationCounts } from './operation-counts';

/**
 * Whose operations are counted, and in stacks of which strategy. Without propagation l_0 does more than the levels between it and the guest: it watches
 * and answers. What those do shows in l_1; without shadowing it is what every level does under the naive strategy.
 */
const countedAt: Readonly<Record<Strategy, { readonly under: Strategy; readonly watched: 0 | 1 }>> = {
  naive: { under: 'naive', watched: 0 }, 'no-propagation': { under: 'naive', watched: 0 }, shadowing: { under: 'shadowing', watched: 0 }, both: { under: 'both', watched: 1 },
};

const callReason = exitReasonById('VMCALL').number, countFunction = 0x4abe0001n;
/** Units of a slice, and of the longest run. */
const slice = 20_000, longestRun = 40_000_000_000;
/** Runs with more exits than this are left out. */
export const mostExits = 10_000_000;
/** Exits of a stack with one hypervisor more, for one of it: more than any strategy's. */
const growth = 12;

export interface StackFiles { readonly engine: EngineModules; readonly hypervisor: Uint8Array; readonly guest: Uint8Array }

interface StackRun { readonly exits: number; readonly total: number; readonly behaviour?: TypedBehaviour }

/** Boots N hypervisors and the guest; counts the exits of its third VMCALL, and with `watched` the operations on the way. */
async function runStack(files: StackFiles, hypervisors: number, strategy: Strategy, watched?: 0 | 1): Promise<StackRun> {
  const machine = await createMachine(files.engine, { memoryBytes: 64 * 2 ** 20 }), options = hypervisorOptions[strategy];
  const middle = Array.from({ length: hypervisors - 1 }, (_, n) => ({ name: `hypervisor ${n + 1}`, bytes: files.hypervisor, commandLine: '' }));
  bootImages(machine, { program: files.hypervisor, commandLine: options, modules: [...middle, { name: 'guest', bytes: files.guest, commandLine: 'rounds=1' }] });
  if (watched === undefined) machine.recordEvents(['vmExit']);

  const shadows = !accessesExit(strategy), bitmapField = vmcsFieldById('VMREAD_BITMAP_ADDRESS').encoding;
  let bitmap: Uint8Array | undefined;
  const passes = (encoding: number): boolean => bitmap !== undefined && encoding < 0x8000 && (bitmap[encoding >> 3] >> (encoding & 7) & 1) === 0;
  const tracker = new LevelTracker({ switchCapacity: 64 }), counts = watched === undefined ? undefined : new OperationCounts(tracker, watched, passes);
  let calls = 0, exits = 0, total = 0;
  for (let units = 0; calls < 3 && units < longestRun;) {
    const result = machine.run(slice);
    units += result.units;
    machine.drainEvents(event => {
      if (calls === 3) return;
      if (event.kind === 'vmExit') {
        total++;
        if (event.basicReason === callReason && (event.gpr(0) & 0xffffffffn) === countFunction) calls++;
        if (calls === 2) exits++;
      }
      if (!counts) return;
      if (shadows && event.kind === 'vmxInstruction' && event.instruction === 'VMWRITE' && event.outcome === 'success' && Number(event.a) === bitmapField && !bitmap) bitmap = machine.readPhysical(event.b, 4096);
      const executing = tracker.executing(0).level;
      counts.counting = calls === 2;
      tracker.feed(event);
      counts.feed(event, executing);
    });
    if (calls < 3 && result.kind !== 'budget' && result.kind !== 'ringFull') throw new Error(`${hypervisors} hypervisors, ${strategy}: the machine stopped (${result.kind})`);
  }
  return { exits, total, behaviour: counts?.behaviour };
}

export interface Comparison {
  readonly strategy: Strategy;
  /** Largest N whose counts were needed. */
  readonly countedUpTo: number;
  readonly behaviour: TypedBehaviour;
  /** For N = 1 .. levels. */
  readonly predicted: readonly bigint[];
  /** undefined: the run would pass `mostExits`. */
  readonly measured: readonly (number | undefined)[];
}

export interface CompareOptions {
  /** Smallest N that is run for comparison; default 1. */
  readonly from?: number;
  /** Told of progress. */
  readonly say?: (text: string) => void;
}

/** Counts, predicts and measures, one strategy after the other. */
export async function compare(files: StackFiles, strategies: readonly Strategy[], levels: number, { from = 1, say = () => undefined }: CompareOptions = {}): Promise<Comparison[]> {
  const counted = new Map<string, Promise<StackRun>>(), comparisons: Comparison[] = [];
  const runAndCount = (hypervisors: number, strategy: Strategy): Promise<StackRun> => {
    const { under, watched } = countedAt[strategy], key = `${hypervisors} ${under} ${watched}`;
    if (!counted.has(key)) {
      say(`counting operations in ${hypervisors} hypervisor${hypervisors === 1 ? '' : 's'}, ${under}`);
      counted.set(key, runStack(files, hypervisors, under, watched));
    }
    return counted.get(key)!;
  };
  for (const strategy of strategies) {
    const { behaviour, countedUpTo } = await count(n => runAndCount(n, strategy), strategy, levels);
    const predicted = typedExits(behaviour, 'VMCALL', levels, propagatesResume(strategy)), measured: (number | undefined)[] = Array.from({ length: from - 1 }, () => undefined);
    for (let n = from, expected = 0; n <= levels; n++) {
      if (expected > mostExits) { measured.push(undefined); continue; }
      say(`running ${n} hypervisor${n === 1 ? '' : 's'}, ${strategy}`);
      const { exits, total } = await runStack(files, n, strategy);
      measured.push(exits);
      expected = total * growth;
    }
    comparisons.push({ strategy, countedUpTo, behaviour, predicted, measured });
  }
  return comparisons;
}

/** Whether every stack that was run had as many exits as predicted. */
export const isExact = (comparisons: readonly Comparison[]): boolean =>
  comparisons.every(({ predicted, measured }) => measured.every((each, n) => each === undefined || BigInt(each) === predicted[n]));

/** The operations of each kind, from as few hypervisors as show all the kinds that a stack of `levels` needs. */
async function count(runAndCount: (hypervisors: number) => Promise<StackRun>, strategy: Strategy, levels: number): Promise<{ behaviour: TypedBehaviour; countedUpTo: number }> {
  let behaviour: TypedBehaviour = { forward: {}, handle: {} };
  for (let n = 1; ; n++) {
    const seen = (await runAndCount(n)).behaviour!;
    behaviour = { forward: { ...behaviour.forward, ...seen.forward }, handle: { ...behaviour.handle, ...seen.handle } };
    try {
      typedExits(behaviour, 'VMCALL', levels, propagatesResume(strategy));
      return { behaviour, countedUpTo: n };
    } catch (error) {
      if (!(error instanceof UnknownKind) || n === levels) throw error;
    }
  }
}
