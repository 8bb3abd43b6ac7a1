// What a debugger wants, over one machine: load it, run it, stop it, look at every level of it. Plain data in and out (target-types.ts), so
// that a Target can live in a worker. Thread ids are ids of contexts and last as long as the machine; frame ids and variable references are
// valid until the machine runs on. The work is done in the rooms below: this class only joins them.
import type { ConsoleScope } from './console/command';
import { answerLine, completeLine, usageOf } from './console/table';
import { vmcsNamed } from './console/vmcs-designator';
import { placesOfLine } from './images/breakpoint-places';
import type { StackFrame } from './images/stack-frames';
import { traceDetails } from './exit-trace/trace-details';
import { exportTrace } from './exit-trace/trace-export';
import { type LaneWindow, traceLanes } from './exit-trace/trace-lanes';
import { tracePage } from './exit-trace/trace-query';
import { traceStatistics } from './exit-trace/trace-statistics';
import type { Context } from './levels/context';
import { exceptionByVector } from '../spec/exceptions';
import type { LoggedFault } from './run-control/fault-log';
import { checkFilters } from './run-control/armed-filters';
import { CodeBreakpoints, unboundScope } from './run-control/code-breakpoints';
import { DataBreakpoints, unboundDataScope } from './run-control/data-breakpoints';
import { LevelChoice } from './run-control/level-choice';
import type { Plan } from './run-control/plan';
import type { Halt } from './run-control/run-control';
import { stepPlan } from './run-control/steps';
import { formatAddress, hex, parseAddress, prefixOf, type Address } from './target/addresses';
import { placeOfText, placeOfVariable, type DataPlaceWish } from './target/data-place-info';
import { invalidControls, refusedBySoftware, refusedEntry } from './target/entry-report';
import { exitInfo, instructionErrorText } from './target/exit-words';
import { imageOf, levelName, symbolAt, type MachineSession } from './target/machine-session';
import { destinations, moveTo, restartFrame, type Destination } from './target/moves';
import { openMachine } from './target/open-machine';
import { assign, valueText } from './target/assignment';
import { completeExpression, type Completion } from './target/completion';
import { scopesOf, snapshotAll, type Snapshots } from './target/scopes';
import { stackOf } from './target/stack-view';
import { describeHalt } from './target/stop-words';
import { switchesOfStop } from './target/switch-words';
import { ValueFormat, type Radix } from './target/value-format';
import { isNumber, setNode, VariableTree, type ChildrenWish } from './target/variable-tree';
import { knownVmcss } from './target/vmcs-list';
import { vmcsText } from './target/vmcs-text';
import {
  TargetError, type BreakpointInfo, type BreakpointRequest, type DataBreakpointRequest, type DataPlaceInfo, type EvaluationInfo,
  type FilterRequest, type FilterResult, type FrameInfo, type GotoTarget, type LevelInfo, type LoadedImage, type MemoryInfo,
  type ScopeInfo, type StepRequest, type StepTarget, type StopInfo, type StopReport, type SwitchInfo, type SymbolInfo, type TargetConfiguration, type TargetEvent, type TraceDetails,
  type TraceFilter, type TraceFormat, type TraceLanes, type TracePage, type TraceQuery, type TraceStatistics, type VariableInfo, type VmcsInfo,
} from './target-types';

export class Target {
  private session: MachineSession | undefined;
  private filterRequests: readonly FilterRequest[] = [];
  private breakpoints = new CodeBreakpoints(undefined, unboundScope);
  private data = new DataBreakpoints(undefined, unboundDataScope);
  private destinations: Destination[] = [];
  private frames: StackFrame[] = [];
  /** The frame whose scopes were asked for last. */
  private shownFrame: StackFrame | undefined;
  private readonly tree = new VariableTree();
  private lastHalt: Halt | undefined;
  private lastStop: StopInfo | undefined;
  private lastReport: StopReport | undefined;
  /** VMCSs at the stop before, and at this one. */
  private before: Snapshots = new Map();
  private now: Snapshots = new Map();
  private readonly format = new ValueFormat();
  /** The levels at which breakpoints and filters stop. */
  private readonly levelChoice = new LevelChoice();
  private announced = new Set<number>();
  private ended = false;

  constructor(private readonly emit: (event: TargetEvent) => void) {}

  // ---- life

  /** Makes a machine and boots the images; a machine before is dropped. Breakpoints and filters stay. Throws TargetError on what cannot be booted. */
  load(configuration: TargetConfiguration): Promise<readonly LoadedImage[]> {
    const loaded = this.loading.then(() => this.loadNow(configuration));
    this.loading = loaded.then(() => undefined, () => undefined);
    return loaded;
  }
  /** Loads follow each other. */
  private loading: Promise<void> = Promise.resolve();

  private async loadNow(configuration: TargetConfiguration): Promise<readonly LoadedImage[]> {
    this.generation++;
    await this.session?.control.rest();
    const shown = (): number => this.lastHalt?.context.level ?? 0;
    const session = await openMachine(configuration, {
      breakpoints: (machine, scope) => this.breakpoints.moveTo(machine, scope),
      data: (machine, scope) => this.data.moveTo(machine, scope),
      get level() { return shown(); },
      emit: this.emit, format: this.format,
      levelsChanged: () => this.levelsChanged(),
    });
    this.session = session;
    this.breakpoints = session.breakpoints;
    session.breakpoints.levels = session.filters.levels = session.data.levels = this.levelChoice;
    this.data = session.data;
    this.ended = false;
    this.announced = new Set();
    this.forget();
    session.filters.set(this.filterRequests, text => session.evaluator.condition(text, true));
    this.levelsChanged();
    for (const breakpoint of session.data.describe()) this.emit({ event: 'breakpoint', breakpoint });
    if (configuration.stopOnEntry) this.entryStop = true;
    return session.loaded;
  }
  private entryStop = false;

  /** Changes with every machine: what an earlier one still has to say is not heard. */
  private generation = 0;

  // ---- running

  /** Lets the machine run; returns at once, and the stop arrives as an event. */
  run(): void {
    if (this.entryStop) {
      this.entryStop = false;
      const { tracker } = this.stopped();
      this.emit({ event: 'stopped', stop: { reason: 'entry', threadId: tracker.root(0).id, description: 'At the first instruction' } });
      return;
    }
    this.resume(undefined);
  }

  /** Asks a running machine to stop; the stop arrives as an event. */
  pause(): void {
    const session = this.loaded();
    if (session.control.isRunning) return session.control.pause();
    this.emit({ event: 'stopped', stop: { reason: 'pause', threadId: session.tracker.executing(session.machine.activeVcpu).id, description: 'Paused' } });
  }

  /** Steps a level. */
  step({ threadId, kind, granularity, target }: StepRequest): void {
    const session = this.stopped(), context = this.context(threadId);
    if (context.state === 'ended') throw new TargetError('levelEnded', { level: levelName(session, context) });
    const targets = kind === 'in' && target !== undefined ? this.targetsOf(context) : undefined;
    if (targets && !targets.some(({ id }) => id === target)) throw new TargetError('noTarget', { target: String(target) });
    const atExit = this.lastHalt?.kind === 'filter' && this.lastHalt.result.kind === 'vmExit';
    this.resume(stepPlan(session.world, context, { kind, granularity, atExit, ...target !== undefined && { level: target - firstTarget } }));
  }

  /** Where a step in of the level of a frame can stop: the handlers below it, by level. */
  stepTargets(frameId: number): StepTarget[] { return this.targetsOf(this.frame(frameId).context); }

  private targetsOf(context: Context): StepTarget[] {
    const session = this.stopped();
    const entered = session.tracker.liveContexts.filter(({ parent }) => parent === context);
    return [
      ...[...context.ancestors()].reverse().map(below => ({ id: below.level + firstTarget, label: `Handler of ${levelName(session, below)}` })),
      ...entered.slice(0, 1).map(guest => ({ id: guest.level + firstTarget, label: `Guest: ${levelName(session, guest)}` })),
    ];
  }

  private resume(plan: Plan | undefined): void {
    const session = this.stopped(), generation = this.generation;
    this.forget();
    session.control.resume(plan).then(halt => { if (generation === this.generation) this.halt(session, halt); }).catch((error: unknown) => {
      if (generation !== this.generation) return;
      // A fault of ours, in the run or in the words about it: the session goes on where the machine stands.
      this.emit({ event: 'output', category: 'important', text: `The debugger failed while the machine ran: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n` });
      const context = session.tracker.executing(session.machine.activeVcpu);
      this.emit({ event: 'stopped', stop: { reason: 'pause', threadId: context.id, description: `Stopped in L${context.level} by a failure of the debugger` } });
    });
  }

  private halt(session: MachineSession, halt: Halt): void {
    this.lastHalt = halt;
    this.levelsChanged();
    if (halt.kind === 'debugExit') {
      this.ended = true;
      return this.emit({ event: 'exited', code: halt.code });
    }
    const stop = describeHalt(halt, {
      threadId: context => context.id,
      exit: exitInfo,
      failedEntry: (context, failure) => typeof failure === 'number' ? invalidControls(session, context, failure) : refusedEntry(session, context, failure, session.tracker.lastSwitch?.from ?? 1),
      instructionError: context => instructionErrorText(session.machine, context),
      kindOfBreakpoint: id => session.breakpoints.kindOf(id),
      place: (context, address) => {
        const { symbol, source, line } = symbolAt(session.images, context, address);
        return `${symbol ?? hex(address)}${line === undefined ? '' : ` (${source?.split('/').pop()}:${line})`}`;
      },
      refusedBySoftware: (context, answer, instruction) => refusedBySoftware(session, context, answer, instruction, session.registers.value(context, 'rflags') ?? 0n),
      faultChain: context => faultLines(session.control.faults.chain(context.vcpu)),
    });
    this.lastReport = stop.report;
    this.halted(session, stop);
  }

  /** What was shown at the last stop holds no longer. */
  private forget(): void {
    this.frames = [];
    this.shownFrame = undefined;
    this.destinations = [];
    this.tree.clear();
    this.lastHalt = undefined;
    this.lastStop = undefined;
    this.lastReport = undefined;
  }

  private levelsChanged(): void {
    const { session } = this;
    if (!session) return;
    const changes = session.tracker.takeChanges();
    for (const { kind, context } of changes) {
      if (kind === 'ended' && this.announced.delete(context.id)) this.emit({ event: 'thread', reason: 'exited', threadId: context.id });
    }
    for (const { id } of session.tracker.liveContexts) {
      if (this.announced.has(id)) continue;
      this.announced.add(id);
      this.emit({ event: 'thread', reason: 'started', threadId: id });
    }
    if (changes.length > 0 || !session.control.isRunning) for (const breakpoint of session.breakpoints.changes()) this.emit({ event: 'breakpoint', breakpoint });
  }

  // ---- looking

  /** The levels as threads, L0 first. Works while the machine runs. */
  threads(): { threadId: number; level: number; name: string }[] {
    const session = this.loaded();
    return [...session.tracker.liveContexts].sort((a, b) => a.vcpu - b.vcpu || a.level - b.level || a.id - b.id).map(context => ({
      threadId: context.id, level: context.level,
      name: !session.control.isRunning && context.state === 'executing' ? `${levelName(session, context)} (executing)` : levelName(session, context),
    }));
  }

  /** The tree of levels, with where each stands when the machine is stopped. */
  levels(): LevelInfo[] {
    const session = this.loaded(), { isRunning } = session.control;
    return [...session.tracker.liveContexts].sort((a, b) => a.vcpu - b.vcpu || a.level - b.level || a.id - b.id).map((context): LevelInfo => {
      const [frame] = isRunning ? [] : session.frames.own(context);
      return {
        threadId: context.id, level: context.level, vcpu: context.vcpu, name: levelName(session, context), image: imageOf(session, context) ?? '',
        state: isRunning ? 'running' : context.state, rip: hex(frame?.address ?? 0n), ...context.parent && { parent: context.parent.id }, ...context.uncertain && { uncertain: true },
        ...frame && { function: frame.name }, ...frame?.line !== undefined && { line: frame.line }, ...frame?.source !== undefined && { source: frame.source },
      };
    });
  }

  /** World switches since the innermost guest last executed: those of the exit that is being handled, or of the last one handled. */
  switches(): SwitchInfo[] {
    const { tracker, machine } = this.stopped();
    return switchesOfStop(tracker, this.lastHalt?.context.vcpu ?? machine.activeVcpu);
  }

  // The trace of exits can be read while the machine runs.
  trace(query: TraceQuery): TracePage { return tracePage(this.loaded().tracker.switches, query); }
  traceStatistics(filter: TraceFilter): TraceStatistics { return traceStatistics(this.loaded().tracker.switches, filter); }
  traceLanes(window: LaneWindow): TraceLanes { return traceLanes(this.loaded().tracker.switches, window); }
  /** Undefined when the switch is not held (any more). */
  traceDetails(number: number): TraceDetails | undefined {
    const { tracker, images } = this.loaded();
    return traceDetails(tracker.switches, number, (id, address) => {
      const context = tracker.context(id), found = context && symbolAt(images, context, address);
      return found?.symbol && (found.line === undefined ? found.symbol : `${found.symbol} (${found.source?.split('/').pop()}:${found.line})`);
    });
  }
  traceExport(format: TraceFormat, filter: TraceFilter): string {
    const session = this.loaded(), names: string[] = [];
    for (const context of session.tracker.liveContexts) names[context.level] ??= levelName(session, context).replace(/^vCPU \d+ · /, '');
    return exportTrace(session.tracker.switches, format, filter, names);
  }

  /** Frames of a level: its own, then those of the levels that it is inside of. Throws TargetError for an unknown thread. */
  stack(threadId: number): FrameInfo[] {
    const session = this.stopped();
    return stackOf(session, this.context(threadId), frame => this.frames.push(frame));
  }

  scopes(frameId: number): ScopeInfo[] {
    this.shownFrame = this.frame(frameId);
    return scopesOf(this.stopped(), this.shownFrame, this.before).map(({ name, hint, expensive, root }) => ({ name, expensive, reference: this.tree.reference(root), ...hint && { hint } }));
  }

  variables(reference: number, wish: ChildrenWish = {}, radix?: Radix): VariableInfo[] {
    this.stopped();
    return this.format.during(radix, () => this.tree.children(reference, wish));
  }

  /** Sets a child of a reference to a number, or to what an expression is worth in the frame in view. */
  setVariable(reference: number, name: string, value: string, radix?: Radix): VariableInfo {
    const session = this.stopped(), child = this.tree.child(reference, name);
    let text = value;
    try { setNode(child, value); } catch (error) {
      text = valueText(session, this.shownFrame ?? this.shownContext(session), value, isNumber);
      if (text === value || !child.set) throw error;
      setNode(child, text);
    }
    this.refreshFrames(session);
    return this.format.during(radix, () => this.tree.info(this.tree.child(reference, name)));
  }

  /** Sets what an expression names. Throws TargetError. */
  setExpression(expression: string, value: string, frameId: number | undefined, radix?: Radix): EvaluationInfo {
    const session = this.stopped(), frame = frameId === undefined ? this.shownContext(session) : this.frame(frameId);
    this.saying(expression, undefined, () => assign(session, frame, expression, value));
    this.refreshFrames(session);
    return this.evaluate(expression, frameId, 'watch', radix);
  }

  /** In which base numbers are shown. */
  setFormat(radix: Radix): void { this.format.radix = radix; }

  /** Value of an expression in a frame, or at the level that executes; in the console (context `repl`) the answer to a command. Throws TargetError. */
  evaluate(expression: string, frameId: number | undefined, context: string, radix?: Radix): EvaluationInfo {
    const session = this.stopped(), frame = frameId === undefined ? this.shownContext(session) : this.frame(frameId), isConsole = context === 'repl', { evaluator } = session;
    return this.format.during(radix, () => this.saying(expression, isConsole ? usageOf(expression) : undefined, () => {
      const [, target, value] = isConsole ? assignmentPattern.exec(expression) ?? [] : [];
      if (target !== undefined && evaluator.parses(target)) {
        assign(session, frame, target, value);
        this.refreshFrames(session);
      }
      // A watch may be a command too: what it answers can be opened and is there at every stop.
      const isCommand = isConsole ? target === undefined || !evaluator.parses(target) : context === 'watch' && !evaluator.parses(expression);
      const answer = isCommand ? answerLine(expression, this.consoleScope(session, frame)) : undefined, subject = target !== undefined && !isCommand ? target : expression;
      const node = answer ? { name: expression, value: isConsole ? answer.text : answer.text.split('\n')[0], ...answer } : evaluator.evaluate(subject, frame);
      const { value: text, type, reference, memory, readOnly, indexed } = this.tree.info(node);
      return {
        value: text, reference, ...indexed !== undefined && { indexed }, ...type !== undefined && { type }, ...memory !== undefined && { memory },
        ...answer && readOnly && { readOnly }, ...answer?.listing && isConsole && { listing: answer.listing },
      };
    }));
  }

  /** Turns an Error into a mistake in the expression. */
  private saying<T>(expression: string, usage: string | undefined, action: () => T): T {
    try { return action(); } catch (error) {
      if (error instanceof TargetError) throw error;
      const reason = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
      throw new TargetError('badExpression', { expression: expression.slice(0, 80), reason: usage === undefined ? reason : `${reason}. As a command: ${usage}` });
    }
  }

  /** Completions in the console: commands and what may follow them, then names of expressions. */
  complete(prefix: string, frameId: number | undefined): Completion[] {
    const session = this.stopped(), frame = frameId === undefined ? this.shownContext(session) : this.frame(frameId);
    const found = [...completeLine(prefix, this.consoleScope(session, frame)), ...completeExpression(prefix, frame, session.evaluator)];
    return [...new Map(found.map(each => [each.label, each])).values()];
  }

  /** Every VMCS that is known, by the name that commands give it. */
  vmcss(): VmcsInfo[] { return knownVmcss(this.stopped(), this.before).map(({ source, designator, state }) => ({ name: designator, level: source.level, state })); }

  /** All fields of a VMCS that is named as in commands, a line each. Throws TargetError. */
  vmcsText(name: string, frameId: number | undefined): string {
    const session = this.stopped(), frame = frameId === undefined ? this.shownContext(session) : this.frame(frameId);
    return this.saying(name, undefined, () => {
      const named = vmcsNamed(name, this.consoleScope(session, frame));
      if (!named) throw new Error('there is no such VMCS');
      return vmcsText(named.source, session.machine.processor);
    });
  }

  /** Lets breakpoints and filters stop at one level only, or not at some levels. Steps stop anywhere. */
  chooseLevels(only: number | undefined, muted: readonly number[]): void { this.levelChoice.set(only, muted); }

  private consoleScope(session: MachineSession, frame: StackFrame): ConsoleScope {
    return { session, frame, before: this.before, ...this.lastHalt && { halt: this.lastHalt }, ...this.lastStop && { stop: this.lastStop } };
  }

  /** After something was set: the frames that were given out have the registers of now. Where they are stays. */
  private refreshFrames({ frames }: MachineSession): void {
    const fresh = new Map<Context, readonly StackFrame[]>();
    for (const frame of this.frames) {
      const { context, own, cfa, inlineDepth, address } = frame;
      if (!fresh.has(context)) fresh.set(context, frames.own(context, own));
      const now = fresh.get(context)!.find(each => each.address === address && each.cfa === cfa && each.inlineDepth === inlineDepth);
      if (now) Object.assign(frame, { registers: now.registers });
    }
  }

  /** The report of the stop, when it was an exit, a failure or a fault. */
  report(): StopReport | undefined { return this.lastReport; }

  // ---- filters and breakpoints; allowed before load

  setFilters(requests: readonly FilterRequest[]): FilterResult[] {
    this.filterRequests = requests;
    const { session } = this;
    // Before there is a machine, conditions cannot be read: they are at load.
    return session ? session.filters.set(requests, text => session.evaluator.condition(text, true)) : checkFilters(requests);
  }

  setSourceBreakpoints(paths: readonly string[], requests: readonly BreakpointRequest[]): BreakpointInfo[] { return this.breakpoints.set('source', paths, requests); }
  /** Names that begin with `watch`, `rwatch` or `awatch` are places in data: `watch L1.vmcs:GUEST_RIP`. */
  setFunctionBreakpoints(requests: readonly BreakpointRequest[]): BreakpointInfo[] {
    const watches = requests.map(({ name, ...request }) => ({ ...request, ...watchForm(name ?? '') })), isData = watches.map(({ place }) => place !== undefined);
    const code = this.breakpoints.set('function', [], requests.filter((_, n) => !isData[n]));
    const data = this.data.set('function', watches.filter((each): each is DataBreakpointRequest => each.place !== undefined));
    return isData.map(isPlace => (isPlace ? data : code).shift()!);
  }
  setDataBreakpoints(requests: readonly DataBreakpointRequest[]): BreakpointInfo[] { return this.data.set('data', requests); }
  /** What a data breakpoint on a variable (of `reference`), an expression or an address would watch. */
  dataPlace(wish: DataPlaceWish, reference: number | undefined, frameId: number | undefined): DataPlaceInfo {
    const session = this.stopped();
    if (reference !== undefined && reference > 0) return placeOfVariable(this.tree.child(reference, wish.name), wish);
    return placeOfText(session, frameId === undefined ? this.shownContext(session) : this.frame(frameId), wish);
  }
  setInstructionBreakpoints(requests: readonly BreakpointRequest[]): BreakpointInfo[] { return this.breakpoints.set('instruction', [], requests); }
  /** Lines of a source between two that have code. */
  breakpointLines(paths: readonly string[], from: number, to: number): number[] {
    const images = this.session?.images.images ?? [], lines = new Set<number>();
    for (const path of paths) {
      for (let line = from; line <= Math.min(to, from + mostLines); line++) {
        for (const place of placesOfLine(images, path, line)) if (place.line !== undefined && place.line <= to) lines.add(place.line);
      }
      if (lines.size > 0) break;
    }
    return [...lines].sort((a, b) => a - b);
  }

  // ---- moving a level

  /** Where a level could go on for a line; valid until the machine runs on. */
  gotoTargets(paths: readonly string[], line: number): GotoTarget[] {
    const session = this.stopped(), found = destinations(session, paths, line), first = this.destinations.length;
    this.destinations.push(...found);
    return found.map(({ label, line: at, context: { level, vcpu }, address }, n) =>
      ({ id: first + n + 1, label, line: at, instruction: formatAddress({ space: 'linear', level, vcpu, value: address }) }));
  }

  /** Moves a level to a target of `gotoTargets`, or where its own copy of that line is. */
  goto(threadId: number, targetId: number): void {
    const session = this.stopped(), context = this.context(threadId), target = this.destinations[targetId - 1];
    if (!target) throw new TargetError('noTarget', { target: String(targetId) });
    const own = target.context === context ? target : this.destinations.find(each => each.context === context && each.line === target.line);
    if (!own) throw new TargetError('wrongLevel', { level: levelName(session, context), target: target.label });
    moveTo(session, context, own.address);
    this.moved(session, context, 'goto', 'Moved');
  }

  restartFrame(frameId: number): void {
    const session = this.stopped(), frame = this.frame(frameId);
    restartFrame(session, frame);
    this.moved(session, frame.context, 'restart', `${frame.name} begins again`);
  }

  private moved(session: MachineSession, context: Context, reason: 'goto' | 'restart', description: string): void {
    this.forget();
    this.halted(session, { reason, threadId: context.id, description: `${description} in L${context.level}` });
  }

  private halted(session: MachineSession, stop: StopInfo): void {
    this.lastStop = stop;
    this.before = this.now;
    this.now = snapshotAll(session);
    this.emit({ event: 'stopped', stop });
  }

  // ---- memory

  /** Bytes at a reference, cut at the first that cannot be read. */
  readMemory(reference: string, offset: number, count: number): MemoryInfo {
    const address = parseAddress(reference, offset), { memory } = this.stopped();
    const bytes = memory.read(this.contextOf(address), address.space, address.value, count);
    return { address: hex(address.value), bytes, unreadable: count - bytes.length };
  }

  /** Writes all bytes, or none and throws TargetError. */
  writeMemory(reference: string, offset: number, bytes: Uint8Array): number {
    const address = parseAddress(reference, offset), written = this.stopped().memory.write(this.contextOf(address), address.space, address.value, bytes);
    if (!written) throw new TargetError('unreadableMemory', { address: formatAddress(address) });
    this.refreshFrames(this.stopped());
    return bytes.length;
  }

  /** Symbol and line of references, with what a disassembly there needs to know. */
  symbolsAt(references: readonly string[]): SymbolInfo[] {
    const session = this.stopped();
    return references.map(reference => {
      const address = parseAddress(reference), context = this.contextOf(address);
      return {
        address: hex(address.value), prefix: prefixOf(address), bits: session.registers.codeBits(context), ...address.space === 'linear' && symbolAt(session.images, context, address.value),
      };
    });
  }

  // ---- finding things

  private contextOf(address: Address): Context {
    const { tracker, machine } = this.stopped();
    if (address.vcpu >= machine.vcpuCount) throw new TargetError('badAddress', { address: formatAddress(address) });
    const executing = tracker.executing(address.vcpu);
    const found = executing.level === address.level ? executing : tracker.activeChain(executing.vcpu).find(({ level }) => level === address.level)
      ?? tracker.liveContexts.find(({ level, vcpu }) => level === address.level && vcpu === address.vcpu);
    if (!found) throw new TargetError('badAddress', { address: formatAddress(address) });
    return found;
  }

  /** The level that the user looks at when no frame is named: that of the stop. */
  private shownContext({ tracker, machine, frames }: MachineSession): StackFrame {
    const context = this.lastHalt?.context ?? tracker.executing(machine.activeVcpu);
    return frames.own(context)[0] ?? frames.describe(context, context.rip ?? 0n);
  }

  private loaded(): MachineSession {
    if (!this.session) throw new TargetError('notLaunched', { command: 'this' });
    if (this.ended) throw new TargetError('ended');
    return this.session;
  }
  private stopped(): MachineSession {
    const session = this.loaded();
    if (session.control.isRunning) throw new TargetError('running');
    return session;
  }
  private context(threadId: number): Context {
    const context = this.loaded().tracker.context(threadId);
    if (!context) throw new TargetError('unknownThread', { thread: String(threadId) });
    return context;
  }
  private frame(frameId: number): StackFrame {
    this.stopped();
    const frame = this.frames[frameId - 1];
    if (!frame) throw new TargetError('unknownFrame', { frame: String(frameId) });
    return frame;
  }
}

/** `L1.rax = 5`, but no comparison. */
const assignmentPattern = /^\s*([^=!<>]+?)\s*=\s*([^=].*)$/s;
/** Lines of one question about where breakpoints can be. */
const mostLines = 2000;
/** Ids of step-in targets are levels, moved up: 0 is no id. */
const firstTarget = 1;

/** `watch phys:0x1000+8` as a data breakpoint: GDB's words for a write, a read, and either. */
function watchForm(name: string): Partial<DataBreakpointRequest> {
  const [, kind, place] = /^\s*(watch|rwatch|awatch)\s+(\S.*)$/s.exec(name) ?? [];
  return place === undefined ? {} : { place: place.trim(), accessType: kind === 'watch' ? 'write' : kind === 'rwatch' ? 'read' : 'readWrite' };
}

/** The exceptions of a chain, the first one first. */
function faultLines(chain: readonly LoggedFault[]): string[] {
  return chain.map(({ vector, errorCode, address, rip }, n) => {
    const row = exceptionByVector(vector), name = row ? `${row.mnemonic} (${row.name})` : `exception ${vector}`, error = errorCode === undefined ? '' : `, error code ${errorCode}`;
    return `${n === 0 ? 'First' : 'then'} ${name}${error}${vector === pageFault ? ` for linear ${hex(address)}` : ''}, at ${hex(rip)}`;
  });
}
const pageFault = 14;
