// A debug session driven as a client does: in process over the in-memory worker, with the few sequences that the tests share.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { fileURLToPath } from 'node:url';
import { nodeHost } from '../../src/cli/adapter-host';
import { DapClient } from '../../src/cli/dap-client';
import { createAdapter, type AdapterHost } from '../../src/debug-adapter/factory';
import { inMemoryWorker } from './in-memory-worker';

export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

export type Stopped = DebugProtocol.StoppedEvent['body'];
export interface Level { threadId: number; level: number; name: string; image: string; state: string; parent?: number; function?: string; line?: number; source?: DebugProtocol.Source; rip: string }

export class SessionDriver {
  readonly client: DapClient;
  private readonly adapter;

  constructor(host: AdapterHost = nodeHost({ folder: repository, workingDirectory: '/', createWorker: inMemoryWorker })) {
    this.adapter = createAdapter(host);
    this.client = new DapClient(this.adapter);
  }

  send(message: unknown): void { this.adapter.handleMessage(message as DebugProtocol.ProtocolMessage); }
  request<T = Record<string, never>>(command: string, args?: unknown): Promise<T> { return this.client.request<T>(command, args); }
  initialize(): Promise<DebugProtocol.Capabilities> { return this.request('initialize', { adapterID: 'abyme', pathFormat: 'path', linesStartAt1: true, columnsStartAt1: true }); }

  /** Launches and waits for the first stop. */
  async start(launch: object = {}, filters: readonly string[] = ['exit.cpuid'], configure: () => Promise<unknown> = async () => undefined): Promise<Stopped> {
    await this.initialize();
    await this.request('setExceptionBreakpoints', { filters });
    await configure();
    return this.toStop(async () => {
      await this.request('launch', launch);
      await this.request('configurationDone');
    });
  }

  /** Does something that makes the machine run, and waits for the stop. */
  async toStop(action: () => Promise<unknown>): Promise<Stopped> {
    const stop = this.client.next<Stopped>('stopped');
    await action();
    return stop;
  }
  /** A step or continue, and the stop after it. */
  resume(command: string, args: object = {}): Promise<Stopped> { return this.toStop(() => this.request(command, { threadId: 1, ...args })); }

  async levels(): Promise<Level[]> { return (await this.request<{ levels: Level[] }>('abyme/levels', {})).levels; }
  async stack(threadId: number): Promise<DebugProtocol.StackFrame[]> { return (await this.request<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', { threadId })).stackFrames; }
  async scopes(frameId: number): Promise<DebugProtocol.Scope[]> { return (await this.request<{ scopes: DebugProtocol.Scope[] }>('scopes', { frameId })).scopes; }
  async variables(reference: number): Promise<DebugProtocol.Variable[]> {
    return (await this.request<{ variables: DebugProtocol.Variable[] }>('variables', { variablesReference: reference })).variables;
  }
  /** The error of a request that fails. */
  async failure(command: string, args?: unknown): Promise<{ message: string; id: number }> {
    return this.request(command, args).then(() => { throw new Error(`${command} succeeded`); },
      (error: Error & { body?: { error?: { id: number } } }) => ({ message: error.message, id: error.body?.error?.id ?? 0 }));
  }
  async end(): Promise<void> {
    await this.request('disconnect').catch(() => undefined);
    this.adapter.dispose();
  }
}
