// One debug session: the Debug Adapter Protocol on one side, the Target in its worker on the other. Requests are a table of handlers; each
// runs in its own promise, answers exactly once, and turns a failure into an error response, so that no request can end the session.
// The session knows the protocol and nothing of hypervisors: what it shows, the Target has put into words.
import { BreakpointEvent, CapabilitiesEvent, DebugSession, ExitedEvent, InitializedEvent, InvalidatedEvent, OutputEvent, Response, StoppedEvent, TerminatedEvent, ThreadEvent } from '@vscode/debugadapter';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { BreakpointInfo, BreakpointRequest, FilterRequest, FilterResult, FrameInfo, LevelInfo, TargetEvent } from '../inspector/target-types';
import type { Adapter, AdapterHost, Disposable } from './adapter-types';
import { BootProgress } from './boot-progress';
import { capabilities } from './capabilities';
import { disassemble, instructionText, listCode, viewText } from './disassembly';
import { FilterChoice } from './filter-choice';
import { readLaunch, type Launch } from './launch-configuration';
import { ArgumentReader } from './request-arguments';
import { Sources } from './sources';
import { TargetClient } from './target-client';
import { traceRequests } from './trace-requests';
import { UserError } from './user-errors';
import { valueRequests } from './value-requests';

type Handler = (args: ArgumentReader) => Promise<object | void>;

export class AbymeSession extends DebugSession implements Adapter {
  declare readonly onDidSendMessage: (listener: (message: DebugProtocol.ProtocolMessage) => void) => Disposable;
  private target: TargetClient | undefined;
  private launch: Launch | undefined;
  private configured = false;
  private started = false;
  private terminated = false;
  /** What to add to a line of the client to get one that counts from 1. */
  private lineOffset = 0;
  /** Events of the Target are told in their order, whatever has to be looked up for one. */
  private events: Promise<void> = Promise.resolve();
  private clientHas = { invalidated: false, progress: false };
  private readonly progress = new BootProgress({
    send: event => this.sendEvent(event), pause: () => this.client.call('pause', []),
    message: async () => `${(await this.client.call('threads', [])).map(({ name }) => name).join(', ')} run`,
  });
  private readonly sources: Sources;
  private readonly filters = new FilterChoice();
  private readonly handlers: Readonly<Record<string, Handler>>;

  constructor(private readonly host: AdapterHost) {
    super();
    this.setRunAsServer(true);
    this.sources = new Sources(host);
    this.handlers = this.makeHandlers();
  }

  override handleMessage(message: DebugProtocol.ProtocolMessage): void {
    const request = message as Partial<DebugProtocol.Request> | null;
    if (typeof request !== 'object' || request === null || request.type !== 'request') {
      if (request?.type !== 'response' && request?.type !== 'event') this.complain('notAMessage', JSON.stringify(message) ?? String(message));
      return;
    }
    if (typeof request.command !== 'string' || typeof request.seq !== 'number') return this.complain('notAMessage', JSON.stringify(message));
    void this.answer(request as DebugProtocol.Request);
  }

  override dispose(): void {
    this.progress.end();
    this.terminated = true;
    this.target?.dispose();
    this.target = undefined;
  }

  /** The transport ends the process, if anything does. */
  override shutdown(): void { this.dispose(); }

  private async answer(request: DebugProtocol.Request): Promise<void> {
    const response: DebugProtocol.Response = new Response(request);
    try {
      const handler = Object.hasOwn(this.handlers, request.command) ? this.handlers[request.command] : undefined;
      if (!handler) throw new UserError('unknownRequest', { command: request.command.slice(0, 80) });
      const body = await handler(ArgumentReader.ofRequest(request.command, request.arguments));
      if (body !== undefined) response.body = body;
      this.sendResponse(response);
    } catch (error) {
      this.fail(response, request.command, error);
      return;
    }
    await this.afterResponse(request.command);
  }

  /** What must follow its response on the wire. */
  private async afterResponse(command: string): Promise<void> {
    if (command === 'initialize') this.sendEvent(new InitializedEvent());
    if (command === 'launch' || command === 'configurationDone' || command === 'restart') await this.startWhenReady();
    if (command === 'terminate' || command === 'disconnect') {
      if (!this.terminated) this.sendEvent(new TerminatedEvent());
      this.dispose();
    }
  }

  private fail(response: DebugProtocol.Response, command: string, error: unknown): void {
    if (error instanceof UserError) {
      // The message is final text; braces in it must not be taken for variables.
      return this.sendErrorResponse(response, { id: error.number, format: '{_text}', variables: { _text: error.message }, showUser: command === 'launch' || command === 'restart' });
    }
    const text = error instanceof Error ? error.message : String(error);
    this.host.log?.(`${command}: ${error instanceof Error ? error.stack ?? text : text}`);
    this.sendErrorResponse(response, { id: 1, format: '{_text}', variables: { _text: `A bug of the debugger in \`${command}\`: ${text}` }, showUser: true });
  }

  private complain(row: 'notAMessage', what: string): void {
    this.sendEvent(new OutputEvent(`${new UserError(row, { what: what.slice(0, 200) }).message}\n`, 'stderr'));
  }

  /** The worker starts with the first request that needs it, so that breakpoints may come before the launch. */
  private get client(): TargetClient {
    if (this.terminated) throw new UserError('ended');
    return this.target ??= new TargetClient(this.host.createWorker(), event => { this.events = this.events.then(() => this.onTargetEvent(event)); });
  }

  private async startWhenReady(): Promise<void> {
    if (!this.launch || !this.configured || this.started || this.terminated) return;
    this.started = true;
    try {
      if (this.clientHas.progress) this.progress.begin();
      await this.client.call('run', []);
    } catch (error) {
      this.host.log?.(String(error));
      this.sendEvent(new OutputEvent(`${error instanceof Error ? error.message : String(error)}\n`, 'important'));
    }
  }

  // ---- events of the Target

  private async onTargetEvent(event: TargetEvent): Promise<void> {
    switch (event.event) {
      case 'stopped': {
        this.progress.end();
        const { reason, threadId, description, text, hitBreakpoints } = event.stop;
        const stopped = new StoppedEvent(reason, threadId) as DebugProtocol.StoppedEvent;
        stopped.body = { reason, threadId, description, ...text !== undefined && { text }, allThreadsStopped: true, ...hitBreakpoints && { hitBreakpointIds: [...hitBreakpoints] } };
        this.sendEvent(stopped);
        break;
      }
      case 'output':
        if (event.category === 'stdout' && this.launch?.serial === 'off') break;
        await this.output(event.text, event.category, event.source, event.line);
        break;
      case 'unimplemented': {
        const iced = await this.host.loadDisassembler?.(), name = iced && instructionText(iced, event.bytes, event.bits);
        const bytes = [...event.bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' '), place = event.symbol === undefined ? event.at : `${event.at} (${event.symbol})`;
        await this.output(`Not implemented yet: ${name === undefined ? bytes : `${name} (${bytes})`} at ${place}; the processor raises #UD for it.\n`, 'console', event.source, event.line);
        break;
      }
      case 'thread': this.sendEvent(new ThreadEvent(event.reason, event.threadId)); break;
      case 'breakpoint': this.sendEvent(new BreakpointEvent('changed', await this.breakpoint(event.breakpoint))); break;
      case 'exited':
        this.sendEvent(new ExitedEvent(event.code));
        this.sendEvent(new TerminatedEvent());
        this.dispose();
        break;
    }
  }

  private async output(text: string, category: string, source: string | undefined, line: number | undefined): Promise<void> {
    const output: DebugProtocol.OutputEvent = new OutputEvent(text, category);
    if (source !== undefined) output.body.source = await this.sources.resolve(source);
    if (source !== undefined && line !== undefined) output.body.line = line - this.lineOffset;
    this.sendEvent(output);
  }

  // ---- requests

  private makeHandlers(): Record<string, Handler> {
    const run = (method: 'run' | 'pause', body?: object): Handler => async () => { this.needLaunch(method); await this.client.call(method, []); return body; };
    const step = (kind: 'over' | 'in' | 'out'): Handler => async args => {
      this.needLaunch('step');
      await this.client.call('step', [{
        threadId: args.number('threadId'), kind, target: args.optionalNumber('targetId'),
        granularity: args.optional('granularity', name => args.oneOf(name, ['statement', 'line', 'instruction'])) === 'instruction' ? 'instruction' : 'statement',
      }]);
    };
    return {
      initialize: async args => {
        if (args.optional('linesStartAt1', name => args.boolean(name)) === false) this.lineOffset = 1;
        const has = (name: string): boolean => args.optional(name, each => args.boolean(each)) ?? false;
        this.clientHas = { invalidated: has('supportsInvalidatedEvent'), progress: has('supportsProgressReporting') };
        return capabilities(this.filters.shown(), this.host.loadDisassembler !== undefined);
      },
      launch: args => this.launchMachine(args),
      attach: async () => { throw new UserError('attach'); },
      restart: async args => {
        const launch = this.needLaunch('restart');
        if (args.has('arguments')) this.launch = await this.readLaunchOf(args.record('arguments').all());
        await this.client.call('load', [(this.launch ?? launch).target]);
        this.started = false;
      },
      configurationDone: async () => { this.configured = true; },
      disconnect: async () => undefined,
      terminate: async () => undefined,
      continue: run('run', { allThreadsContinued: true }),
      pause: run('pause'),
      next: step('over'),
      stepIn: step('in'),
      stepOut: step('out'),
      stepInTargets: async args => ({ targets: await this.client.call('stepTargets', [args.number('frameId')]) }),
      threads: async () => ({ threads: this.launch ? (await this.client.call('threads', [])).map(({ threadId, name }) => ({ id: threadId, name })) : [] }),
      stackTrace: async args => this.stackTrace(args),
      scopes: async args => ({
        scopes: (await this.client.call('scopes', [args.number('frameId')])).map(({ name, reference, hint, expensive, count }): DebugProtocol.Scope =>
          ({ name, variablesReference: reference, expensive, ...hint && { presentationHint: hint }, ...count !== undefined && { namedVariables: count } })),
      }),
      ...this.valueHandlers(),
      exceptionInfo: async () => this.exceptionInfo(),
      source: async args => {
        const source = args.optional('source', name => args.record(name));
        const reference = source?.optionalNumber('sourceReference') || args.number('sourceReference');
        return { content: await this.sources.text(reference, source?.optionalString('path')) };
      },
      setBreakpoints: async args => this.setBreakpoints(args),
      setFunctionBreakpoints: async args => ({
        breakpoints: await this.breakpoints(await this.client.call('setFunctionBreakpoints', [args.list('breakpoints').map(item => ({ ...conditions(item), name: item.string('name') }))])),
      }),
      setInstructionBreakpoints: async args => ({
        breakpoints: await this.breakpoints(await this.client.call('setInstructionBreakpoints', [
          args.list('breakpoints').map(item => ({ ...conditions(item), instruction: item.string('instructionReference'), offset: item.optionalNumber('offset') })),
        ])),
      }),
      dataBreakpointInfo: async args => {
        this.needLaunch('dataBreakpointInfo');
        const { place, description, accessTypes, canPersist } = await this.client.call('dataPlace', [
          { name: args.string('name'), bytes: args.optionalNumber('bytes', { min: 1, max: 2 ** 40 }), asAddress: args.optional('asAddress', name => args.boolean(name)), mode: args.optionalString('mode') },
          args.optionalNumber('variablesReference') || undefined, args.optionalNumber('frameId'),
        ]);
        return { dataId: place ?? null, description, accessTypes, canPersist };
      },
      setDataBreakpoints: async args => ({
        breakpoints: await this.breakpoints(await this.client.call('setDataBreakpoints', [args.list('breakpoints').map(item => ({
          ...conditions(item), place: item.string('dataId'), accessType: item.optional('accessType', name => item.oneOf<'read' | 'write' | 'readWrite'>(name, ['read', 'write', 'readWrite'])) ?? 'write',
        }))])),
      }),
      gotoTargets: async args => {
        this.needLaunch('gotoTargets');
        const targets = await this.client.call('gotoTargets', [this.sources.candidates(sourceOf(args)), args.number('line') + this.lineOffset]);
        return { targets: targets.map(({ id, label, line, instruction }) => ({ id, label, line: line - this.lineOffset, instructionPointerReference: instruction })) };
      },
      goto: async args => { this.needLaunch('goto'); await this.client.call('goto', [args.number('threadId'), args.number('targetId')]); },
      restartFrame: async args => { this.needLaunch('restartFrame'); await this.client.call('restartFrame', [args.number('frameId')]); },
      breakpointLocations: async args => {
        const from = args.number('line') + this.lineOffset, to = (args.optionalNumber('endLine') ?? args.number('line')) + this.lineOffset;
        const lines = await this.client.call('breakpointLines', [this.sources.candidates(sourceOf(args)), from, to]);
        return { breakpoints: lines.map(line => ({ line: line - this.lineOffset })) };
      },
      setExceptionBreakpoints: async args => this.setExceptionBreakpoints(args),
      disassemble: async args => {
        if (!this.host.loadDisassembler) throw new UserError('noDisassembler');
        const instructions = await disassemble(await this.host.loadDisassembler(), this.client, {
          reference: args.string('memoryReference'), byteOffset: args.optionalNumber('offset') ?? 0,
          instructionOffset: args.optionalNumber('instructionOffset', { min: -100_000, max: 100_000 }) ?? 0, count: args.number('instructionCount', { min: 0, max: 100_000 }),
        });
        return {
          instructions: await Promise.all(instructions.map(async ({ source, line, ...instruction }): Promise<DebugProtocol.DisassembledInstruction> =>
            ({ ...instruction, instruction: viewText(instruction), ...source !== undefined && { location: await this.sources.resolve(source) }, ...line !== undefined && { line: line - this.lineOffset } }))),
        };
      },
      cancel: async args => { await this.progress.cancel(args.optionalString('progressId') ?? ''); },
      'abyme/levels': async () => ({ levels: this.launch ? await Promise.all((await this.client.call('levels', [])).map(level => this.level(level))) : [] }),
      'abyme/switches': async () => { this.needLaunch('abyme/switches'); return { switches: await this.client.call('switches', []) }; },
      ...traceRequests(command => { this.needLaunch(command); return this.client; }),
      'abyme/exit': async () => {
        const report = this.launch && await this.client.call('report', []);
        return report?.exit ? { exit: report.exit } : {};
      },
      'abyme/filters': async () => {
        const levels = this.launch ? await this.client.call('threads', []) : [];
        const named = new Map(levels.map(({ level, name }) => [level, name]));
        return { filters: this.filters.describe(), levels: [...named].sort(([a], [b]) => a - b).map(([level, name]) => ({ level, name })) };
      },
      'abyme/setFilters': async args => {
        this.filters.show(args.list('shown').map(item => ({ filter: item.string('filter'), level: item.optionalNumber('level') })));
        await this.client.call('setFilters', [this.filters.active()]);
        this.sendEvent(new CapabilitiesEvent({ exceptionBreakpointFilters: this.filters.shown() }));
        return {};
      },
    };
  }

  private valueHandlers(): Record<string, Handler> {
    return valueRequests({
      client: command => { this.needLaunch(command); return this.client; },
      listing: async code => this.host.loadDisassembler && listCode(await this.host.loadDisassembler(), this.client, code),
      changed: () => { if (this.clientHas.invalidated) this.sendEvent(new InvalidatedEvent(['variables'])); },
    });
  }

  private needLaunch(command: string): Launch {
    if (this.terminated) throw new UserError('ended');
    if (!this.launch) throw new UserError('notLaunched', { command });
    return this.launch;
  }

  private async launchMachine(args: ArgumentReader): Promise<void> {
    if (this.launch) throw new UserError('alreadyLaunched');
    const launch = await this.readLaunchOf(args.all());
    // Until the client chooses, the filters that are on by default hold.
    await this.client.call('setFilters', [launch.noDebug ? [] : this.filters.active()]);
    for (const { name, problem } of await this.client.call('load', [launch.target])) {
      if (problem !== undefined) this.sendEvent(new OutputEvent(`${name}: ${problem}\n`, 'console'));
    }
    this.launch = launch;
  }

  private async readLaunchOf(args: unknown): Promise<Launch> {
    const launch = await readLaunch(args, this.host);
    this.sources.setMap(launch.sourceMap);
    return launch;
  }

  private async stackTrace(args: ArgumentReader): Promise<object> {
    this.needLaunch('stackTrace');
    const start = args.optionalNumber('startFrame', { min: 0, max: 1e9 }) ?? 0, count = args.optionalNumber('levels', { min: 0, max: 1e9 }) || undefined;
    const frames = await this.client.call('stack', [args.number('threadId')]);
    const shown = frames.slice(start, count === undefined ? undefined : start + count);
    return { stackFrames: await Promise.all(shown.map(frame => this.frame(frame))), totalFrames: frames.length };
  }

  private async frame({ id, name, kind, source, line, column, instruction, image, canRestart }: FrameInfo): Promise<DebugProtocol.StackFrame> {
    return {
      id, name, line: line === undefined ? 0 : line - this.lineOffset, column: line === undefined ? 0 : column ?? 1,
      ...source !== undefined && { source: await this.sources.resolve(source) },
      ...kind !== 'normal' && { presentationHint: kind },
      ...instruction !== undefined && { instructionPointerReference: instruction },
      ...image !== undefined && { moduleId: image }, ...canRestart !== undefined && { canRestart },
    };
  }

  private async level({ source, line, ...level }: LevelInfo): Promise<object> {
    return { ...level, ...line !== undefined && { line: line - this.lineOffset }, ...source !== undefined && { source: await this.sources.resolve(source) } };
  }

  private async setBreakpoints(args: ArgumentReader): Promise<object> {
    const requests = args.optional('breakpoints', args.list)
      ?? args.optional('lines', name => args.numbers(name))?.map(line => ArgumentReader.ofRequest('setBreakpoints', { line })) ?? [];
    const wanted = requests.map((item): BreakpointRequest => ({ ...conditions(item), line: item.number('line') + this.lineOffset }));
    return { breakpoints: await this.breakpoints(await this.client.call('setSourceBreakpoints', [this.sources.candidates(sourceOf(args)), wanted])) };
  }

  private breakpoints(infos: readonly BreakpointInfo[]): Promise<DebugProtocol.Breakpoint[]> { return Promise.all(infos.map(info => this.breakpoint(info))); }

  private async breakpoint({ id, verified, message, source, line, instruction }: BreakpointInfo): Promise<DebugProtocol.Breakpoint> {
    return {
      id, verified, ...message !== undefined && { message }, ...line !== undefined && { line: line - this.lineOffset },
      ...source !== undefined && { source: await this.sources.resolve(source) }, ...instruction !== undefined && { instructionReference: instruction },
    };
  }

  private async setExceptionBreakpoints(args: ArgumentReader): Promise<object> {
    const options = args.optionalList('filterOptions').map(option => ({ ...conditions(option), filter: option.string('filterId') }));
    const requests: FilterRequest[] = [...(args.optional('filters', name => args.strings(name)) ?? []).map(filter => ({ filter })), ...options];
    if (this.launch?.noDebug) return { breakpoints: requests.map((): DebugProtocol.Breakpoint => ({ verified: false, message: 'Running without debugging.' })) };
    this.filters.choose(requests);
    const results = await this.client.call('setFilters', [requests]);
    return { breakpoints: results.map(({ verified, message }: FilterResult): DebugProtocol.Breakpoint => ({ verified, ...message !== undefined && { message } })) };
  }

  private async exceptionInfo(): Promise<object> {
    const report = this.launch && await this.client.call('report', []);
    if (!report) throw new UserError('noException');
    return {
      exceptionId: report.id, description: report.title, breakMode: 'always' as const,
      details: { message: report.title, typeName: report.id, fullTypeName: report.title, stackTrace: report.details.join('\n') },
    };
  }
}

const sourceOf = (args: ArgumentReader): { path?: string; sourceReference?: number } => {
  const source = args.record('source');
  return { path: source.optionalString('path'), sourceReference: source.optionalNumber('sourceReference') };
};

const conditions = (item: ArgumentReader): Pick<BreakpointRequest, 'condition' | 'hitCondition' | 'logMessage' | 'mode'> => ({
  condition: item.optionalString('condition') || undefined, hitCondition: item.optionalString('hitCondition') || undefined, logMessage: item.optionalString('logMessage') || undefined,
  mode: item.optionalString('mode') || undefined,
});
