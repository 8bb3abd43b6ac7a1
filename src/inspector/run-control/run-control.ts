// Runs the machine in slices under a plan, and decides at every stop of the machine whether the user wants to see it. The order at one stop:
// events reach the level tracker first; then breakpoints and filters are asked; then the plan. Nothing runs between a stop and the answer.
// Invariant: at most one resume at a time; while one is under way the machine is touched by nobody else except between slices.
import type { Machine, RunResult, Snapshot } from '../../emulator/machine';
import type { EventReader } from '../../emulator/event-ring';
import { eventKinds, vmxInstructions, vmxOutcomes, type EventKind } from '../../emulator/codegen/state-layout';
import { exitReasonById, exitReasonByNumber } from '../../spec/exit-reasons';
import type { Context } from '../levels/context';
import { EventRecord, RecordWords } from '../levels/event-words';
import type { WorldSwitch } from '../levels/switch-log';
import type { ArmedFilters } from './armed-filters';
import type { CodeBreakpoints } from './code-breakpoints';
import type { DataBreakpoints, DataStop } from './data-breakpoints';
import { FaultLog } from './fault-log';
import { continuePlan, type Advance, type Injection, type Levels, type Plan, type Progress } from './plan';
import { SliceClock, Yielder } from './slices';
import { deliverSwitch } from './stop-filters';

/** Why a resume ended, in terms of contexts; the Target puts it into words. */
export type Halt =
  | { readonly kind: 'pause'; readonly context: Context }
  | { readonly kind: 'plan'; readonly context: Context; readonly note?: string }
  /** `failure`: the record of an entry that the processor refused after loading guest state. `instruction`: the VMX instruction that failed. `emulated`: the software below refused or failed it. */
  | {
    readonly kind: 'filter'; readonly context: Context; readonly filter: string; readonly result: RunResult; readonly failure?: EventRecord; readonly instruction?: string;
    readonly emulated?: WorldSwitch; readonly rip?: bigint;
  }
  | { readonly kind: 'breakpoint'; readonly context: Context; readonly breakpoints: readonly number[] }
  | { readonly kind: 'data'; readonly context: Context; readonly breakpoints: readonly number[]; readonly access: DataStop }
  /** Nothing goes on from here: the processor is in shutdown (after a triple fault, or the VMX abort of that number), or the machine was reset or switched off. */
  | { readonly kind: 'shutdown'; readonly context: Context; readonly abort: number }
  | { readonly kind: 'reset' | 'powerOff'; readonly context: Context }
  | { readonly kind: 'debugExit'; readonly context: Context; readonly code: number };

export interface LevelSource extends Levels {
  feed(event: EventReader): void;
  /** Rises with every change of the tree. */
  readonly revision: number;
  /** The context whose exit L0 of that vCPU is handling. */
  lastExited(vcpu: number): Context | undefined;
  root(vcpu: number): Context;
  readonly lastSwitch: WorldSwitch | undefined;
  readonly switches: { readonly count: number; since(number: number): WorldSwitch[] };
}

export interface RunHooks {
  serial(bytes: Uint8Array): void;
  /** An instruction or feature that the machine does not have. */
  unimplemented(event: EventReader): void;
  /** Contexts have come or gone. */
  levelsChanged(): void;
  /** A level that is still to come must be seen at its first instruction: every entry is looked at. */
  awaitsLevel(): boolean;
}

// turns of vCPUs come as often as their PAUSEs, and what L0 reads as often as all else; nobody asks for them: each event tells its vCPU, L0's VMCSs are there to see
const always: readonly EventKind[] = eventKinds.filter(kind => kind !== 'pad' && kind !== 'interrupt' && kind !== 'vcpuSwitch' && kind !== 'vmread');
const whileStepping: readonly EventKind[] = [...always, 'interrupt'];
const tripleFaultReason = exitReasonById('TRIPLE_FAULT').number;
const entryReasons = [exitReasonById('VMLAUNCH').number, exitReasonById('VMRESUME').number], isEntry = (reason: number): boolean => entryReasons.includes(reason);
const allExits = Array.from({ length: 128 }, (_, reason) => reason);

const kindOf = Object.fromEntries(eventKinds.map((kind, n) => [kind, n])) as Record<EventKind, number>;
const failInvalid = vmxOutcomes.indexOf('failInvalid'), failValid = vmxOutcomes.indexOf('failValid');
const vmxOff = vmxInstructions.indexOf('VMXOFF');
/** A run of so many units is over in no time. */
const fewUnits = 5000;
/** The first snapshot copies all memory that was ever written: of a larger machine none is taken only to look back. */
const mostMemory = 512 * 2 ** 20;

/** Of the VM-entry interruption information (SDM 3C 'VM-Entry Controls for Event Injection'): what is no exception comes from outside, or is an INT n. */
function injectionOf(information: number, rsp: bigint): Injection {
  const type = information >>> 8 & 7;
  return { kind: type === 3 || type === 5 || type === 6 ? 'exception' : 'interrupt', vector: information & 0xff, rsp };
}

class RunProgress implements Progress {
  constructor(
    readonly result: RunResult, private readonly log: LevelSource['switches'], private readonly before: number, readonly delivered: Progress['delivered'], readonly injected: Injection | undefined,
  ) {}
  get switches(): readonly WorldSwitch[] { return this.log.since(this.before); }
}

export class RunControl {
  private pauseRequested = false;
  private running = false;
  private current: Promise<unknown> = Promise.resolve();
  private readonly clock = new SliceClock();
  private readonly yielder = new Yielder();
  /** What the stop mask of the machine was made of. */
  private armed = { version: -1, entries: false, exits: false, ends: false, seesLevels: false };
  /** Asked of the level of each exit, where the machine does not stop at all that may be wanted. */
  private wantsLevel: ((level: number) => boolean) | undefined;
  /** Off for the rest of a resume once an exit of a wanted level was none that its condition wants: going back for each would cost more than stopping. */
  private looksBack = true;
  /** The machine when the slice began. */
  private sliceStart: Snapshot | undefined;
  /** The first exit of the slice that is of a wanted level: events behind it are as if they had not been. */
  private wanted: { readonly time: bigint; readonly vcpu: number } | undefined;
  private planHook: bigint | undefined;
  private delivered: Progress['delivered'];
  private injected: Injection | undefined;
  private failure: EventRecord | undefined;
  /** Of the last exit since the machine was last looked at. */
  private exitReason: number | undefined;
  private failedInstruction: string | undefined;
  /** Of the last halt: the user has seen where that vCPU stands. */
  private haltedVcpu = 0;
  private readonly records = new RecordWords();
  /** What led to a triple fault. */
  readonly faults = new FaultLog();

  constructor(
    private readonly machine: Machine, private readonly levels: LevelSource, private readonly filters: ArmedFilters, private readonly breakpoints: CodeBreakpoints,
    private readonly data: DataBreakpoints, private readonly hooks: RunHooks,
  ) {}

  get isRunning(): boolean { return this.running; }

  /** Ends the resume under way after the current slice. */
  pause(): void { this.pauseRequested = true; }

  /** Ends the resume under way, if any, and waits for its end. */
  async rest(): Promise<void> {
    this.pause();
    await this.current.catch(() => undefined);
  }

  /** Runs under a plan until something that the user wants to see. */
  resume(plan?: Plan): Promise<Halt> {
    const halt = this.run(plan);
    this.current = halt;
    halt.then(({ context }) => { this.haltedVcpu = context.vcpu; }, () => undefined);
    return halt;
  }

  private async run(plan: Plan | undefined): Promise<Halt> {
    if (this.running) throw new Error('the machine runs already');
    this.running = true;
    this.pauseRequested = false;
    this.machine.recordEvents(plan ? whileStepping : always);
    try {
      // The answer to whoever asked goes out before anything that the run has to say.
      await this.yielder.turn();
      return await this.loop(plan ?? continuePlan());
    } finally {
      this.running = false;
      this.setPlanHook(undefined);
      this.yielder.rest();
    }
  }

  private async loop(plan: Plan): Promise<Halt> {
    const startRip = this.executingRip();
    let units = 0, looks = 0;
    this.clock.begin();
    this.looksBack = true;
    this.sliceStart = undefined;
    let step = plan.next();
    while (!step.done) {
      const advance = step.value;
      this.arm(advance);
      if (this.wantsLevel) this.sliceStart ??= this.machine.snapshot();
      const { switches } = this.levels, before = switches.count, ran = this.machine.run(advance.kind === 'one' ? 1 : this.clock.units);
      this.drain();
      const { wanted } = this, result = wanted ? this.goBack(wanted) : ran;
      // A breakpoint where the run began has been seen: pass it.
      const isStart = result.kind === 'codeHook' && units === 0 && result.units === 0 && result.address === startRip && result.vcpu === this.haltedVcpu;
      units += result.units;
      const access = this.data.judge(result.vcpu, this.levels);
      const halt: Halt | undefined = access ? { kind: 'data', context: access.context, breakpoints: access.breakpoints, access } : isStart ? undefined : this.judge(result, switches.count > before);
      if (halt) return this.said(halt);
      if (wanted) this.looksBack = false;
      // a plan that never wakes needs no account of the run
      if (advance.kind === 'one' || advance.wake) {
        const progress = new RunProgress(result, switches, before, this.delivered, this.injected);
        // An instruction that a hook or filter held back has not run: the plan still waits for it.
        const heldBack = advance.kind === 'one' && result.units === 0 && switches.count === before && result.kind !== 'budget';
        if (!heldBack && (advance.kind === 'one' ? result.kind !== 'idle' : advance.wake!(progress))) step = plan.next(progress);
        if (step.done) break;
      }
      // Short runs, hundreds of thousands a second, need no look at the clock each.
      const isShort = result.units < fewUnits && result.kind !== 'idle' && (++looks & 31) !== 0;
      if (!isShort && (this.clock.over(result.units, result.kind === 'budget' && advance.kind === 'run') || result.kind === 'idle')) {
        this.say();
        await this.yielder.turn();
        if (this.pauseRequested) return { kind: 'pause', context: this.levels.executing(this.machine.activeVcpu) };
        this.clock.begin();
        this.sliceStart = undefined;
      }
    }
    return this.said({ kind: 'plan', context: step.value.context, note: step.value.note });
  }

  /** Asks breakpoints and filters about a stop of the machine. */
  private judge(result: RunResult, switched: boolean): Halt | undefined {
    const context = this.levels.executing(result.vcpu);
    switch (result.kind) {
      case 'codeHook': {
        const breakpoints = this.breakpoints.hit(context, result.address);
        return breakpoints.length > 0 ? { kind: 'breakpoint', context, breakpoints } : undefined;
      }
      case 'debugExit': return { kind: 'debugExit', context, code: result.index };
      case 'shutdown': return { kind: 'shutdown', context, abort: result.index };
      case 'reset': case 'powerOff': return { kind: result.kind, context };
      case 'vmExit': case 'entryFailure': case 'vmxInstruction': case 'vmfail': case 'exception': case 'tripleFault': {
        // Where the machine stops after an exit, L0 executes already; a triple fault of a guest is an exit too.
        const hasExited = result.kind === 'vmExit' || result.kind === 'tripleFault' && context.level === 0 && this.exitReason === tripleFaultReason;
        const subject = hasExited ? this.levels.lastExited(result.vcpu) ?? context : context;
        const filter = this.filters.match(result, subject);
        if (filter === undefined) return hasExited ? this.judgeSwitch(result, context) : undefined;
        return {
          kind: 'filter', context: subject, filter, result,
          ...result.kind === 'entryFailure' && this.failure && { failure: this.failure }, ...result.kind === 'vmfail' && { instruction: this.failedInstruction },
        };
      }
      case 'vmEntry': return switched ? this.judgeEntry(result, context) : undefined;
      default: return undefined;
    }
  }

  /** What a VM entry means for the level that it runs: an answer of the software below, or that the level runs again. */
  private judgeEntry(result: RunResult, context: Context): Halt | undefined {
    const emulated = this.filters.concern('entryFailure') || this.filters.concern('vmfail') ? this.levels.lastSwitch : undefined;
    if (emulated && emulated.toContext === context.id && context.level > 0) {
      const failed = emulated.kind === 'deliver' && emulated.entryFailed, answered = emulated.kind === 'vmfail';
      // A VMLAUNCH or VMRESUME that the software below fails is a failed entry too.
      for (const [kind, index] of failed ? [['entryFailure', emulated.reason] as const] : answered ? [['vmfail', 0], ...isEntry(emulated.reason) ? [['entryFailure', 0] as const] : []] as const : []) {
        const as: RunResult = { ...result, kind, index }, filter = this.filters.match(as, context);
        if (filter !== undefined) return { kind: 'filter', context, filter, result: as, emulated, instruction: exitReasonByNumber(emulated.reason)?.name ?? 'a VMX instruction' };
      }
    }
    return this.judgeSwitch(result, context);
  }

  private judgeSwitch(result: RunResult, context: Context): Halt | undefined {
    if (!this.filters.concern('vmEntry')) return undefined;
    const last = this.levels.lastSwitch, as: RunResult = { ...result, kind: 'vmEntry', index: last?.kind === 'deliver' ? deliverSwitch : 0 }, filter = this.filters.match(as, context);
    return filter === undefined ? undefined : { kind: 'filter', context, filter, result: as, rip: this.executingRip() };
  }

  private drain(): void {
    this.delivered = this.injected = undefined;
    this.exitReason = this.failure = this.wanted = undefined;
    const { revision } = this.levels;
    this.machine.drainEvents(this.take);
    if (this.levels.revision !== revision) this.hooks.levelsChanged();
    if (!this.filters.armed) this.filters.observe(this.levels.executing(this.machine.activeVcpu));
  }

  /** Takes one event. Millions a second pass here: numbers are compared, not names. */
  private readonly take = (event: EventReader): void => {
    if (this.wanted) return;
    const { kindNumber } = event;
    switch (kindNumber) {
      case kindOf.vmxInstruction: {
        const outcome = event.aux >> 8 & 0xff;
        if (outcome === failInvalid || outcome === failValid) this.failedInstruction = event.instruction;
        break;
      }
      case kindOf.vmExit: {
        const { aux } = event;
        this.exitReason = aux & 0xffff;
        if (aux >>> 31 === 1) this.keepFailure(event);
        break;
      }
      case kindOf.vmEntry: {
        const { interruptionInfo } = event;
        this.injected = interruptionInfo >>> 31 === 1 ? injectionOf(interruptionInfo, event.rsp) : undefined;
        break;
      }
      case kindOf.exception:
        this.delivered = 'exception';
        this.faults.take(event);
        break;
      case kindOf.interrupt: this.delivered = 'interrupt'; break;
      case kindOf.unimplemented: this.hooks.unimplemented(event); break;
      default: break;
    }
    this.levels.feed(event);
    if (kindNumber === kindOf.vmExit && this.wantsLevel) this.lookAt(event);
  };
  private lookAt(event: EventReader): void {
    const from = event.aux >>> 31 === 0 ? this.levels.lastExited(event.vcpu) : undefined;
    if (from && this.wantsLevel!(from.level)) this.wanted = { time: event.time, vcpu: event.vcpu };
  }

  /** Runs again, from where the slice began to an exit in it, and stops there as if the machine had been asked to. */
  private goBack({ time, vcpu }: { readonly time: bigint; readonly vcpu: number }): RunResult {
    const { machine } = this, before = machine.time();
    machine.restore(this.sliceStart!);
    this.sliceStart = undefined;
    machine.setStops({});
    this.armed = { ...this.armed, version: -1 };
    for (let exits = false; ;) {
      const left = Number(time - machine.time());
      if (left <= 1 && !exits) machine.setStops({ exits: allExits });
      exits ||= left <= 1;
      const result = machine.run(exits ? fewUnits : left - 1);
      machine.drainEvents(() => {});
      if (result.kind === 'vmExit' && result.vcpu === vcpu && machine.time() === time) return { ...result, units: 0 };
      if (machine.time() > time) throw new Error(`the exit at ${time} of a run to ${before} does not come again`);
    }
  }

  private keepFailure(event: EventReader): void {
    const at = this.records.at(event);
    this.failure = new EventRecord();
    this.failure.take(this.records, at);
  }

  /** Passes on what the guest has sent. */
  private say(): void {
    const serial = this.machine.takeSerialOutput();
    if (serial.length > 0) this.hooks.serial(serial);
  }
  private said(halt: Halt): Halt {
    this.say();
    return halt;
  }

  private arm(advance: Advance): void {
    const { filters, armed } = this, one = advance.kind === 'one', exits = one || advance.exits === true;
    this.wantsLevel = this.looksBack && !exits && this.machine.memoryBytes <= mostMemory ? filters.wantsLevel : undefined;
    const seesLevels = this.wantsLevel !== undefined, mask = filters.mask(seesLevels);
    const entries = one || advance.entries === true || mask.everyEntry === true || this.data.awaits || this.hooks.awaitsLevel();
    const ends = !one && advance.vmxOff === true;
    if (filters.version !== armed.version || entries !== armed.entries || exits !== armed.exits || ends !== armed.ends || seesLevels !== armed.seesLevels) {
      this.machine.setStops({
        ...mask, everyEntry: entries, ...exits && { exits: allExits, exitTests: [] }, ...ends && { vmxInstructions: [...mask.vmxInstructions ?? [], vmxOff] },
      });
      this.armed = { version: filters.version, entries, exits, ends, seesLevels };
    }
    this.setPlanHook(one ? undefined : advance.hook);
  }

  private setPlanHook(hook: bigint | undefined): void {
    if (hook === this.planHook) return;
    if (this.planHook !== undefined) this.breakpoints.release(this.planHook);
    if (hook !== undefined) this.breakpoints.retain(hook);
    this.planHook = hook;
  }

  private executingRip(): bigint { return this.machine.registers(this.machine.activeVcpu).get('rip'); }
}
