// The steps. An exit is a call downwards, an entry a call upwards, and targets are fixed by level:
// - over an instruction runs everything that it causes at other levels, until the same context executes its next instruction;
// - into an instruction that exits stops in the handler of the level just below, into VMLAUNCH or VMRESUME in the guest entered;
// - out of a handler's outermost frame stops when the context whose exit it handles runs again.
// A statement step is bound to the frame (address space and stack; an inlined call is a frame too) and the line table, and runs faults and
// interrupts through. When the place awaited is skipped, a step ends at the first instruction of its own context and says so.
import { exceptionByVector } from '../../spec/exceptions';
import { vmxInstructions } from '../../emulator/codegen/state-layout';
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { Context } from '../levels/context';
import { isInterruptReturn, isRepeatedString, isReturn, isSoftwareInterrupt, isSyscall, linearOf, positionOf, returnAddressOfCall, stackOf, type Position, type StackPlace } from './instruction-shape';
import { isExecuting, type Advance, type CodeFrame, type Injection, type Plan, type PlanEnd, type Progress, type World } from './plan';

export interface StepWish {
  readonly kind: 'over' | 'in' | 'out';
  readonly granularity: 'instruction' | 'statement';
  /** Level whose handler (or guest) a step in is to stop in. */
  readonly level?: number;
  /** No instruction has run since the exit that stopped the machine. */
  readonly atExit?: boolean;
}

type Part<T> = Generator<Advance, T, Progress>;

/** Whether a step bound to a frame may end where the frame stands now. `jumpedFrom`: the instruction that led here, where it was one of the frame. */
type Until = (rip: bigint, jumpedFrom?: bigint) => boolean;

/** How waiting for a context ended. */
interface Arrival { readonly where: 'back' | 'elsewhere'; readonly context: Context; readonly handler: boolean; readonly injected?: Injection; readonly note?: string }

export function* stepPlan(world: World, context: Context, wish: StepWish): Plan {
  if (context.state === 'ended') return { context: world.levels.executing(context.vcpu), note: `L${context.level} has ended` };
  if (wish.kind === 'out') return yield* stepOut(world, context);
  const byStatement = wish.granularity === 'statement';
  if (isExecuting(world, context)) return yield* stepFrom(world, context, wish, byStatement ? anotherLine(world, context, ripOf(world, context), wish.kind) : undefined);
  const { suspension, rip } = context, until = byStatement && suspension === 'exit' && rip !== undefined ? anotherLine(world, context, rip, wish.kind) : undefined;
  if (wish.kind === 'in') {
    const here = inPlace(world, context, wish);
    if (here) return { context: here };
  }
  const arrival = yield* awaitContext(world, context, wish.kind === 'in' ? awaitedOf(context, wish, suspension === 'exit') : undefined);
  if (suspension !== 'exit' || rip === undefined) return arrival;
  return (yield* afterExit(world, context, arrival, until, rip)) ?? (yield* stepFrom(world, context, wish, until));
}

/** Steps a context that executes: to its next instruction, or until its frame stands where `until` says. */
function* stepFrom(world: World, context: Context, wish: StepWish, until: Until | undefined): Plan {
  for (;;) {
    const { vcpu } = context, before = positionOf(world.machine, vcpu), wasHalted = world.machine.registers(vcpu).get('activity') !== 0n;
    const progress = yield* one(vcpu);
    if (context.state === 'ended') return ended(world, context);
    if (!isExecuting(world, context)) {
      const left = progress.switches.find(({ kind, fromContext }) => kind === 'exit' && fromContext === context.id);
      const isSynchronous = left === undefined || !isAsynchronous(left.reason);
      const entersGuest = left === undefined || left.reason === vmlaunchReason || left.reason === vmresumeReason;
      const awaited = wish.kind === 'in' && isSynchronous ? awaitedOf(context, wish, !entersGuest) : undefined;
      if (awaited?.(world.levels.executing(vcpu), progress)) return { context: world.levels.executing(vcpu) };
      const end = yield* afterExit(world, context, yield* awaitContext(world, context, awaited), until, before.rip);
      if (end) return end;
      continue;
    }
    if (progress.delivered) {
      if (stopsInHandler(world, progress.delivered, until)) return { context, note: progress.delivered === 'interrupt' ? interruptNote(context) : undefined };
      yield* throughHandler(world, context, before);
      if (hasEnded(context)) return ended(world, context);
      // An interrupt came before the instruction, which still has to run.
      if (progress.delivered === 'interrupt' || !until?.(ripOf(world, context))) continue;
      return { context };
    }
    const after = positionOf(world.machine, vcpu);
    if (after.rip === before.rip && (wasHalted || isRepeatedString(before))) continue;
    const call = callOf(world, context, before, after);
    if (call) {
      if (wish.kind === 'in') {
        if (!until) return { context };
        const body = world.code.bodyOf(context, after.rip);
        // past the prologue, or as far as the function goes before
        if (body !== undefined) return body === after.rip ? { context } : yield* stepFrom(world, context, { ...wish, kind: 'over' }, bodyReached(world, context, after.rip, body));
      }
      yield* call;
      if (hasEnded(context)) return ended(world, context);
      if (!until || until(ripOf(world, context))) return { context };
      continue;
    }
    if (!until || isReturn(before) || until(after.rip, before.rip)) return { context };
  }
}

function* stepOut(world: World, context: Context): Plan {
  const rip = isExecuting(world, context) ? ripOf(world, context) : context.rip, frames = rip === undefined ? [] : world.code.framesAt(context, rip), caller = world.code.caller(context);
  if (frames.length > 1) {
    const until: Until = now => !isWithin(world.code.framesAt(context, now), frames);
    if (!isExecuting(world, context)) {
      const end = yield* afterExit(world, context, yield* awaitContext(world, context, undefined), until, rip!);
      if (end) return end;
    }
    return yield* stepFrom(world, context, { kind: 'over', granularity: 'statement' }, until);
  }
  if (caller) {
    if (caller.isInterrupted && !isExecuting(world, context)) yield* awaitContext(world, context, undefined);
    // a handler may have what it interrupted go on elsewhere
    yield* caller.isInterrupted ? throughHandler(world, context, caller) : untilAddress(world, context, caller.rip, { ...isExecuting(world, context) && stackOf(world.machine.registers(context.vcpu)), rsp: caller.rsp });
    return context.state === 'ended' ? ended(world, context) : { context };
  }
  const served = servedBy(world, context);
  if (served) return yield* awaitContext(world, served, undefined);
  if (!isExecuting(world, context)) return yield* awaitContext(world, context, undefined);
  yield* runUntil(context, { entries: true }, () => false);
  return ended(world, context);
}

/** The context whose exit `context` handles: the deepest one that an exit interrupted above it. */
export function servedBy({ levels }: World, context: Context): Context | undefined {
  const interrupted = levels.contexts.filter(other => other.state === 'suspended' && other.suspension === 'exit' && context.isBelow(other));
  return interrupted.sort((a, b) => b.exitedAt - a.exitedAt || a.level - b.level)[0]
    ?? levels.contexts.filter(other => other.parent === context && other.state === 'suspended').sort((a, b) => b.exitedAt - a.exitedAt)[0];
}

const vmlaunchReason = 20, vmresumeReason = 24;
const vmxOff = vmxInstructions.indexOf('VMXOFF');

const isAsynchronous = (reason: number): boolean => {
  const nature = exitReasonByNumber(reason)?.nature;
  return nature === 'event' && reason !== 0 && reason !== 2 || nature === 'boundary';
};

const hasEnded = (context: Context): boolean => context.state === 'ended';
const ripOf = ({ machine }: World, { vcpu }: Context): bigint => machine.registers(vcpu).get('rip');

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
  const executing = world.levels.executing(context.vcpu), level = wish.level ?? (context.suspension === 'exit' ? context.level - 1 : undefined);
  return wish.atExit && executing.level === level && executing.isBelow(context) ? executing : undefined;
}

/** What an exit of `context` at `rip` means for its step once it runs again; undefined where the step goes on. */
function* afterExit(world: World, context: Context, arrival: Arrival, until: Until | undefined, rip: bigint): Part<PlanEnd | undefined> {
  const { injected } = arrival;
  // a handler of its own, another level, or not the handler that the step was to go into
  if (arrival.where === 'elsewhere' || arrival.handler || arrival.note !== undefined) return arrival;
  if (injected) {
    if (stopsInHandler(world, injected.kind, until)) return { context, note: injectedNote(context, injected) };
    yield* throughHandler(world, context, injected);
    if (context.state === 'ended') return ended(world, context);
  }
  const now = ripOf(world, context);
  // what caused the exit was dealt with below: the instruction runs only now
  if (now === rip) return undefined;
  return !until || until(now) ? { context } : undefined;
}

/** Runs until `context` executes again, or `awaited` holds for the context that does. */
function* awaitContext(world: World, context: Context, awaited: Awaited | undefined): Part<Arrival & PlanEnd> {
  let arrived: Context | undefined, handler = false, injected: Injection | undefined;
  const from = world.levels.executing(context.vcpu);
  yield* runUntil(context, { entries: true, exits: context.level === 0 || awaited !== undefined }, progress => {
    for (const { kind, toContext } of progress.switches) {
      if (toContext === context.id) handler = kind === 'deliver' || kind === 'exit';
    }
    injected = progress.injected;
    const executing = world.levels.executing(context.vcpu);
    if (executing === context) return true;
    if (!awaited || progress.switches.length === 0 || executing === from && executing.level > 0 || !awaited(executing, progress)) return false;
    arrived = executing;
    return true;
  });
  if (context.state === 'ended') return { where: 'elsewhere', handler: false, ...ended(world, context) };
  if (arrived) return { where: 'elsewhere', context: arrived, handler: false };
  const skipped = awaited && !handler ? 'The exit was handled below, without the level that was to be stepped into' : undefined;
  return { where: 'back', context, handler, ...injected && { injected }, note: skipped && injected ? `${skipped}. ${injectedNote(context, injected)}` : skipped };
}

const ended = ({ levels }: World, { vcpu, level }: Context): PlanEnd => ({ context: levels.executing(vcpu), note: `L${level} ended during the step` });

/** One unit of that vCPU; the others take their turns first. */
function* one(vcpu: number): Part<Progress> {
  for (;;) {
    const progress = yield { kind: 'one' };
    if (progress.result.vcpu === vcpu) return progress;
  }
}

/** Runs until `there` holds, or to the very instruction by which `context` ends: an entry made in its place, or a VMXOFF. */
function* runUntil(context: Context, stops: { entries?: boolean; exits?: boolean; hook?: bigint }, there: (progress: Progress) => boolean): Part<void> {
  const isOver = (progress: Progress): boolean => context.state === 'ended' || there(progress);
  for (;;) {
    let isAtVmxOff = false;
    const { result } = yield {
      kind: 'run', vmxOff: context.level > 0, ...stops,
      wake: progress => isOver(progress) || (isAtVmxOff = progress.result.kind === 'vmxInstruction' && progress.result.index === vmxOff),
    };
    if (!isAtVmxOff || isOver(yield* one(result.vcpu))) return;
  }
}

/** Stacks of different threads are further apart than what returns pop beside their return address. */
const mostPopped = 4096n;

/** Runs until `context` reaches an address as the frame that it leaves now will: with its stack as it is after the return. */
function* untilAddress(world: World, context: Context, address: bigint, { rsp, space }: StackPlace): Part<void> {
  const registers = world.machine.registers(context.vcpu);
  yield* runUntil(context, { hook: linearOf(registers, address), entries: context.level > 0 }, ({ result }) => {
    if (result.kind !== 'codeHook' || result.vcpu !== context.vcpu || !isExecuting(world, context) || registers.get('rip') !== address) return false;
    const now = stackOf(registers);
    return now.rsp >= rsp && now.rsp - rsp < mostPopped && (space === undefined || now.space === space);
  });
}

/** The rest of a call, which the instruction from `before` to `after` has begun: run until it returns. Undefined where it was no call. */
function callOf(world: World, context: Context, before: Position, after: Position): Part<void> | undefined {
  if (isSoftwareInterrupt(before) && after.rsp !== before.rsp) return throughHandler(world, context, before);
  const address = isSyscall(before) ? world.machine.registers(context.vcpu).get('rcx') : returnAddressOfCall(world.machine, context.vcpu, before, after);
  return address === undefined ? undefined : untilAddress(world, context, address, before);
}

/** Runs a fault or interrupt handler of `context` until it returns to the stack that it interrupted, with whatever exits it causes. */
function* throughHandler(world: World, context: Context, { rsp, space }: StackPlace): Part<void> {
  const registers = world.machine.registers(context.vcpu);
  while (context.state !== 'ended') {
    const before = positionOf(world.machine, context.vcpu);
    yield* one(context.vcpu);
    if (!isExecuting(world, context)) yield* awaitContext(world, context, undefined);
    else if (isInterruptReturn(before) && registers.get('rsp') === rsp && (space === undefined || registers.get('cr3') === space)) return;
  }
}

/** Handlers of interrupts are run through, those of faults by steps by statement, unless a setting says otherwise. */
function stopsInHandler({ settings }: World, kind: Injection['kind'], until: Until | undefined): boolean {
  return kind === 'interrupt' ? settings?.interrupts === true : until === undefined || settings?.faults === true;
}

const interruptNote = ({ level }: Context): string => `An interrupt came: its handler in L${level}`;

function injectedNote({ level }: Context, { kind, vector }: Injection): string {
  return kind === 'interrupt' ? `An interrupt was injected: its handler in L${level}` : `${exceptionByVector(vector)?.mnemonic ?? `Exception ${vector}`} was injected: its handler in L${level}`;
}

/** The frames at a place go through all of `frames`: it is inside of their innermost one. */
const isWithin = (inner: readonly CodeFrame[], frames: readonly CodeFrame[]): boolean => inner.length >= frames.length && frames.every(({ entry }, n) => inner[n].entry === entry);

/**
 * The place begins a statement of another line than the one at `start`, or a jump led back to where that line begins: a loop on one line stops once
 * an iteration. Steps over see inlined calls from outside: one that begins at `start`, too, is still to be made. Undefined without a line at `start`.
 */
function anotherLine(world: World, context: Context, start: bigint, kind: 'over' | 'in'): Until | undefined {
  const { code } = world, row = code.lineAt(context, start);
  if (!row) return undefined;
  const chain = code.framesAt(context, start), made = chain.findIndex(({ entry }, n) => n > 0 && entry === start);
  const frames = kind === 'in' || made < 0 ? chain : chain.slice(0, made), { file, line } = frames.length < chain.length ? frames[frames.length - 1] : row;
  return (rip, jumpedFrom) => {
    const here = code.lineAt(context, rip);
    if (!here || here.line === 0 || !here.isStatement || here.address !== rip) return false;
    const inner = kind === 'over' && frames.length > 0 ? code.framesAt(context, rip) : [], isInside = inner.length > frames.length && isWithin(inner, frames);
    const at = isInside ? inner[frames.length - 1] : here;
    if (at.line !== line || at.file !== file) return true;
    return jumpedFrom !== undefined && rip <= jumpedFrom && (!isInside || rip === row.address);
  };
}

/** The body of a function entered at `entry`, or another line of it where the prologue leads past the body. */
function bodyReached(world: World, context: Context, entry: bigint, body: bigint): Until {
  const beyond = anotherLine(world, context, entry, 'in');
  return (rip, jumpedFrom) => rip === body || beyond?.(rip, jumpedFrom) === true;
}
