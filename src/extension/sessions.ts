// Every running Abyme session: its adapter, whether it is stopped, and its levels. Other parts of the extension listen to `onDidChange` and
// read `active`; they keep no session state of their own. The levels are asked for once per stop, however many events announce it.

import * as vscode from 'vscode';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { LevelDescription, SendRequest } from './custom-requests';
import { resumingRequests, type GuardedAdapter } from './guarded-adapter';

/** A step of a few milliseconds should not make the view flicker. */
const runningShownAfterMs = 250;
const levelsAskedAfterMs = 20, levelsAskedWhileRunningMs = 300;

/** One debug session, as the views see it. */
export class AbymeSession {
  levels: readonly LevelDescription[] = [];
  /** The last stop's body; undefined while the machine runs. */
  stop: DebugProtocol.StoppedEvent['body'] | undefined;
  /** The levels at which stops hold. */
  stopLevels: { only?: number; muted: number[] } = { muted: [] };
  private stoppedBefore = false;
  private refreshTimer: ReturnType<typeof setTimeout> | undefined;
  private runningTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly session: vscode.DebugSession, readonly adapter: GuardedAdapter, private readonly changed: () => void) {}

  readonly request: SendRequest = async (name, args) => this.session.customRequest(name, args);

  /** Follows what the adapter says; called for every event. */
  observe(event: DebugProtocol.Event): void {
    switch (event.event) {
      case 'stopped':
        clearTimeout(this.runningTimer);
        // A stop announced again by focusThread changes which thread is shown, not why the machine stopped.
        this.stop ??= (event as DebugProtocol.StoppedEvent).body;
        if (!this.stoppedBefore) void revealLevels();
        this.stoppedBefore = true;
        this.refreshSoon();
        break;
      case 'thread': case 'invalidated':
        // While the machine boots, levels appear one by one.
        this.refreshSoon(this.stop ? levelsAskedAfterMs : levelsAskedWhileRunningMs);
        break;
      case 'continued':
        this.resumed();
        break;
    }
  }

  /** The machine was told to run, by a request or on its own. */
  resumed(): void {
    this.stop = undefined;
    clearTimeout(this.runningTimer);
    this.runningTimer = setTimeout(() => {
      this.levels = this.levels.map((level) => level.state === 'ended' ? level : { ...level, state: 'running' });
      this.changed();
    }, runningShownAfterMs);
  }

  /** Asks for the levels again. */
  async refresh(): Promise<void> {
    try {
      this.levels = (await this.request('abyme/levels', {})).levels;
    } catch (error) {
      // The session may end between the stop and the question; the adapter reports its own errors.
      if (this.stop) console.warn('abyme/levels', error);
    }
    this.changed();
  }

  /** Lets breakpoints and filters stop at these levels. */
  async chooseLevels(levels: { only?: number; muted: number[] }): Promise<void> {
    await this.request('abyme/chooseLevels', levels);
    this.stopLevels = levels;
    this.changed();
  }

  /** Something that the views show has changed. */
  notify(): void {
    this.changed();
  }

  dispose(): void {
    clearTimeout(this.refreshTimer);
    clearTimeout(this.runningTimer);
  }

  private refreshSoon(afterMs = levelsAskedAfterMs): void {
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => void this.refresh(), afterMs);
  }
}

/** The editor opens its debug side bar by itself for breakpoints only, and the first stop is as a rule a VM exit. */
async function revealLevels(): Promise<void> {
  if (vscode.workspace.getConfiguration('debug').get('openDebug') === 'neverOpen') return;
  await vscode.commands.executeCommand('abyme.levels.focus', { preserveFocus: true });
}

/** The sessions by id, and the one that the user looks at. */
export class Sessions implements vscode.DebugAdapterTrackerFactory, vscode.Disposable {
  private readonly sessions = new Map<string, AbymeSession>();
  private readonly emitter = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];
  readonly onDidChange = this.emitter.event;

  constructor() {
    this.subscriptions = [
      this.emitter,
      vscode.debug.registerDebugAdapterTrackerFactory('abyme', this),
      vscode.debug.onDidChangeActiveDebugSession(() => this.emitter.fire()),
      vscode.debug.onDidTerminateDebugSession((session) => this.remove(session.id)),
    ];
  }

  get active(): AbymeSession | undefined {
    const id = vscode.debug.activeDebugSession?.id;
    return id === undefined ? undefined : this.sessions.get(id);
  }

  find(id: string): AbymeSession | undefined {
    return this.sessions.get(id);
  }

  add(session: vscode.DebugSession, adapter: GuardedAdapter): void {
    this.sessions.set(session.id, new AbymeSession(session, adapter, () => this.emitter.fire()));
  }

  createDebugAdapterTracker({ id }: vscode.DebugSession): vscode.DebugAdapterTracker {
    return {
      onWillReceiveMessage: (message: DebugProtocol.ProtocolMessage) => {
        if (message.type === 'request' && resumingRequests.has((message as DebugProtocol.Request).command)) this.sessions.get(id)?.resumed();
      },
      onDidSendMessage: (message: DebugProtocol.ProtocolMessage) => {
        if (message.type === 'event') this.sessions.get(id)?.observe(message as DebugProtocol.Event);
      },
      onExit: () => this.remove(id),
    };
  }

  dispose(): void {
    for (const session of this.sessions.values()) session.dispose();
    this.sessions.clear();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private remove(id: string): void {
    this.sessions.get(id)?.dispose();
    if (this.sessions.delete(id)) this.emitter.fire();
  }
}
