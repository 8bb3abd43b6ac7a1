// The steps. An exit is a call downwards, an entry a call upwards, and targets are fixed by level:
// - over an instruction runs everything that it causes at other levels, until the same context executes its next instruction;
// - into an instruction that exits stops in the handler of the level just below, into VMLAUNCH or VMRESUME in the guest entered;
// - out of a handler's outermost frame stops when the context whose exit it handles runs again.
// A statement step is bound to the line table and runs faults and interrupts through. When the place awaited is skipped, a step ends at the
// first instruction of its own context and says so.
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { Context } from '../levels/context';
import { isInterruptReturn, isRepeatedString, isReturn, positionOf, returnAddressOfCall, type Position } from './instruction-shape';
import { isExecuting, type Advance, type LineRow, type Plan, type PlanEnd, type Progress, type World } from './plan';

export interface StepWish {
  readonly kind: 'over' | 'in' | 'out';
  readonly granularity: 'instruction' | 'statement';
  /** Level whose handler (or guest) a step in is to stop in. */
  readonly level?: number;
  /** No instruction has run since the exit that stopped the machine. */
  readonly atExit?: boolean;
}

type Part<T> = Generator<Advance, T, Progress>;

/** How waiting for a context ended. */
interface Arrival { readonly where: 'back' | 'elsewhere'; readonly context: Context; readonly handler: boolean; readonly injected: boolean; readonly note?: string }

export function* stepPlan(world: World, context: Context, wish: StepWish): Plan {
  if (context.state === 'ended') return { context: world.levels.executing(context.vcpu), note: `L${context.level} has ended` };
  if (wish.kind === 'out') return yield* stepOut(world, context);
  let start: LineRow | undefined;
  if (isExecuting(world, context)) {
    start = world.code.lineAt(context, positionOf(world.machine, context.vcpu).rip);
  } else {
    const suspension = context.suspension, rip = context.rip;
    if (wish.kind === 'in') {
      const here = inPlace(world, context, wish);
      if (here) return { context: here };
    }
    const arrival = yield* awaitContext(world, context, wish.kind === 'in' ? awaitedOf(context, wish, suspension === 'exit') : undefined);
    if (arrival.where === 'elsewhere' || wish.granularity === 'instruction' || suspension !== 'exit' || arrival.handler) return arrival;
    if (arrival.injected) yield* throughHandler(world, context, context.rsp ?? 0n);
    start = rip === undefined ? undefined : world.code.lineAt(context, rip);
    if (!start || isNewLine(world, context, start)) return { context };
  }
  return yield* stepFrom(world, context, wish, start);
}

/** Steps a context that executes until the next instruction, or the next line after `start`. */
function* stepFrom(world: World, context: Context, wish: StepWish, start: LineRow | undefined): Plan {
  const byStatement = wish.granularity === 'statement' && start !== undefined;
  for (;;) {
    const { vcpu } = context, before = positionOf(world.machine, vcpu), wasHalted = world.machine.registers(vcpu).get('activity') !== 0n;
    const progress = yield* one(vcpu);
    if (!isExecuting(world, context)) {
      const left = progress.switches.find(({ kind, fromContext }) => kind === 'exit' && fromContext === context.id);
      const isSynchronous = left === undefined || !isAsynchronous(left.reason);
      const entersGuest = left === undefined || left.reason === vmlaunchReason || left.reason === vmresumeReason;
      const awaited = wish.kind === 'in' && isSynchronous ? awaitedOf(context, wish, !entersGuest) : undefined;
      if (awaited?.(world.levels.executing(vcpu), progress)) return { context: world.levels.executing(vcpu) };
      const arrival = yield* awaitContext(world, context, awaited);
      if (arrival.where === 'elsewhere' || arrival.handler) return arrival;
      // An asynchronous exit came before the instruction, which still has to run.
      if (!isSynchronous && !arrival.injected && positionOf(world.machine, vcpu).rip === before.rip) continue;
      if (!byStatement) return arrival;
      if (arrival.injected) yield* throughHandler(world, context, before.rsp);
    } else if (progress.delivered) {
      if (progress.delivered === 'exception' ? !byStatement || world.settings?.faults : world.settings?.interrupts) return { context, note: deliveredNote(progress.delivered, context) };
      yield* throughHandler(world, context, before.rsp);
      if (progress.delivered === 'interrupt' && context.state !== 'ended') continue;
    } else {
      const after = positionOf(world.machine, vcpu);
      // Nothing has run: the processor waits for an interrupt.
      if (wasHalted && after.rip === before.rip) continue;
      if (after.rip === before.rip && isRepeatedString(before)) continue;
      const returnAddress = returnAddressOfCall(world.machine, vcpu, before, after);
      if (returnAddress !== undefined) {
        if (wish.kind === 'in' && !byStatement) return { context };
        const body = wish.kind === 'in' ? world.code.bodyOf(context, after.rip) : undefined;
        if (body !== undefined) {
          if (body !== after.rip) yield* untilAddress(world, context, body, after.rsp - stackOfPrologue);
          return { context };
        }
        yield* untilAddress(world, context, returnAddress, after.rsp);
      } else if (byStatement && isReturn(before)) return { context };
      else if (byStatement && isLoopBack(world, context, start, before, after)) return { context };
    }
    if (context.state === 'ended') return ended(world, context);
    if (!byStatement || isNewLine(world, context, start)) return { context };
  }
}

function* stepOut(world: World, context: Context): Plan {
  if (!isExecuting(world, context)) return yield* awaitContext(world, context, undefined);
  const caller = world.code.caller(context);
  if (caller) {
    yield* untilAddress(world, context, caller.rip, caller.rsp - 1n);
    return context.state === 'ended' ? ended(world, context) : { context };
  }
  const served = servedBy(world, context);
  if (served) return yield* awaitContext(world, served, undefined);
  const progress = yield { kind: 'run', entries: true, wake: () => context.state === 'ended' };
  void progress;
  return ended(world, context);
}

/** The context whose exit `context` handles: the deepest one that an exit interrupted above it. */
export function servedBy({ levels }: World, context: Context): Context | undefined {
  const interrupted = levels.contexts.filter(other => other.state === 'suspended' && other.suspension === 'exit' && context.isBelow(other));
  return interrupted.sort((a, b) => b.exitedAt - a.exitedAt || a.level - b.level)[0]
    ?? levels.contexts.filter(other => other.parent === context && other.state === 'suspended').sort((a, b) => b.exitedAt - a.exitedAt)[0];
}

const vmlaunchReason = 20, vmresumeReason = 24;
/** How far a prologue may push below the return address before it is another activation of the function. */
const stackOfPrologue = 1n << 20n;

const isAsynchronous = (reason: number): boolean => {
  const nature = exitReasonByNumber(reason)?.nature;
  return nature === 'event' && reason !== 0 && reason !== 2 || nature === 'boundary';
};

type Awaited = (executing: Context, progress: Progress) => boolean;

/** Where a step in is to stop when `context` leaves: a handler below, or with `handler` false the guest that it enters. */
function awaitedOf(context: Context, wish: StepWish, handler: boolean): Awaited {
  if (wish.level !== undefined && wish.level < context.level || handler) {
    const level = wish.level !== undefined && wish.level < context.level ? wish.level : context.level - 1;
    return executing => executing.level === level && executing.isBelow(context);
  }
  return executing => context.isBelow(executing);
}

/** The handler awaited when it is the one that executes, and has not begun: at the stop on an exit, L0 stands at its first instruction. */
function inPlace(world: World, context: Context, wish: StepWish): Context | undefined {
  const executing = world.levels.executing(context.vcpu);
  return wish.atExit && executing.level === (wish.level ?? context.level - 1) && executing.isBelow(context) ? executing : undefined;
}

/** Runs until `context` executes again, or `awaited` holds for the context that does. */
function* awaitContext(world: World, context: Context, awaited: Awaited | undefined): Part<Arrival & PlanEnd> {
  let arrived: Context | undefined, handler = false, injected = false;
  const from = world.levels.executing(context.vcpu);
  yield {
    kind: 'run', entries: true, exits: context.level === 0 || awaited !== undefined,
    wake: progress => {
      for (const { kind, toContext } of progress.switches) {
        if (toContext === context.id) handler = kind === 'deliver' || kind === 'exit';
      }
      injected = progress.injected;
      const executing = world.levels.executing(context.vcpu);
      if (context.state === 'ended' || executing === context) return true;
      if (!awaited || progress.switches.length === 0 || executing === from && executing.level > 0 || !awaited(executing, progress)) return false;
      arrived = executing;
      return true;
    },
  };
  if (arrived) return { where: 'elsewhere', context: arrived, handler: false, injected };
  if (context.state === 'ended') return { where: 'elsewhere', handler: false, injected, ...ended(world, context) };
  return { where: 'back', context, handler, injected, ...awaited && !handler && { note: 'The exit was handled below, without the level that was to be stepped into' } };
}

function ended(world: World, context: Context): PlanEnd {
  return { context: world.levels.executing(context.vcpu), note: `L${context.level} ended during the step` };
}

/** One unit of that vCPU; the others take their turns first. */
function* one(vcpu: number): Part<Progress> {
  for (;;) {
    const progress = yield { kind: 'one' };
    if (progress.result.vcpu === vcpu) return progress;
  }
}

/** Runs until `context` reaches an address with its stack above `rsp`: not in a deeper activation of the same code. */
function* untilAddress(world: World, context: Context, address: bigint, rsp: bigint): Part<void> {
  yield {
    kind: 'run', hook: address,
    wake: ({ result }) => context.state === 'ended'
      || result.kind === 'codeHook' && result.address === address && result.vcpu === context.vcpu && isExecuting(world, context) && world.machine.registers(context.vcpu).get('rsp') > rsp,
  };
}

/** Runs a fault or interrupt handler of `context` until it returns to the stack it interrupted, with whatever exits it causes. */
function* throughHandler(world: World, context: Context, rsp: bigint): Part<void> {
  while (context.state !== 'ended') {
    const before = positionOf(world.machine, context.vcpu);
    yield* one(context.vcpu);
    if (!isExecuting(world, context)) yield* awaitContext(world, context, undefined);
    else if (isInterruptReturn(before) && world.machine.registers(context.vcpu).get('rsp') === rsp) return;
  }
}

/** The instruction pointer stands at the beginning of a statement of another line than `start`. */
function isNewLine(world: World, context: Context, start: LineRow): boolean {
  const { rip } = positionOf(world.machine, context.vcpu), row = world.code.lineAt(context, rip);
  return row !== undefined && row.line !== 0 && row.isStatement && row.address === rip && (row.line !== start.line || row.file !== start.file);
}

const deliveredNote = (kind: 'exception' | 'interrupt', { level }: Context): string | undefined => kind === 'interrupt' ? `An interrupt came: its handler in L${level}` : undefined;

/** A jump back to where the line begins: a loop on one line stops once an iteration. */
function isLoopBack(world: World, context: Context, start: LineRow, before: Position, after: Position): boolean {
  if (after.rip > before.rip) return false;
  const row = world.code.lineAt(context, after.rip);
  return row !== undefined && row.isStatement && row.address === after.rip && row.line === start.line && row.file === start.file;
}
