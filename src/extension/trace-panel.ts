// The Exit Trace panel: a page of our own beside the editors that shows the trace of exits of the active session. The page gets its data by
// asking through this side, which passes on the requests of a closed list and nothing else. Its script and style stand inside it, under a
// policy that allows just these two: no resource is loaded, here or from afar, so that it works wherever the editor does.

import * as vscode from 'vscode';
import type { TraceFormat } from '../inspector/target-types';
import type { AbymeSession, Sessions } from './sessions';
import { type PageMessage, type PanelMessage, traceRequestNames } from './trace-messages';

const languageOf: Readonly<Record<TraceFormat, string>> = { text: 'plaintext', json: 'json', csv: 'csv', dot: 'dot', perfetto: 'json' };

/** Registers the command that shows the panel; there is one panel at most. */
export function registerTracePanel(context: vscode.ExtensionContext, sessions: Sessions): vscode.Disposable {
  let panel: TracePanel | undefined;
  const open = async (): Promise<void> => {
    const [script, style] = await Promise.all([['dist', 'trace-page.js'], ['media', 'exit-trace.css']].map(async (segments) =>
      new TextDecoder().decode(await vscode.workspace.fs.readFile(vscode.Uri.joinPath(context.extensionUri, ...segments)))));
    panel = new TracePanel(sessions, pageText(script, style), () => { panel = undefined; });
  };
  // Asked for twice before the files were read, it is opened once.
  let opening: Promise<void> | undefined;
  return vscode.Disposable.from(
    vscode.commands.registerCommand('abyme.showExitTrace', async () => {
      if (panel) panel.reveal();
      else await (opening ??= open().finally(() => { opening = undefined; }));
    }),
    { dispose: () => panel?.dispose() },
  );
}

class TracePanel implements vscode.Disposable {
  private readonly panel: vscode.WebviewPanel;
  private readonly subscriptions: vscode.Disposable[];
  private shown: { session: AbymeSession | undefined; stop: unknown } = { session: undefined, stop: undefined };

  constructor(private readonly sessions: Sessions, html: string, closed: () => void) {
    this.panel = vscode.window.createWebviewPanel('abyme.exitTrace', 'Exit Trace', vscode.ViewColumn.Beside, { enableScripts: true, localResourceRoots: [] });
    this.panel.iconPath = new vscode.ThemeIcon('pulse');
    this.subscriptions = [
      this.panel.webview.onDidReceiveMessage((message: PageMessage) => this.receive(message)),
      sessions.onDidChange(() => this.update(false)),
    ];
    this.panel.onDidDispose(() => {
      vscode.Disposable.from(...this.subscriptions).dispose();
      closed();
    });
    this.panel.webview.html = html;
  }

  reveal(): void {
    this.panel.reveal();
  }

  dispose(): void {
    this.panel.dispose();
  }

  /** Tells the page when the machine stops, runs on or goes; other changes of a session do not concern it. */
  private update(always: boolean): void {
    const session = this.sessions.active, stop = session?.stop;
    if (!always && session === this.shown.session && stop === this.shown.stop) return;
    this.shown = { session, stop };
    this.post({ kind: 'state', state: !session ? 'none' : stop ? 'stopped' : 'running' });
  }

  private post(message: PanelMessage): void {
    void this.panel.webview.postMessage(message);
  }

  private receive(message: PageMessage): void {
    switch (message.kind) {
      case 'ready':
        void this.lockGroup();
        return this.update(true);
      case 'export': return void this.export(message);
      case 'request': return void this.ask(message);
    }
  }

  /**
   * At a stop the editor opens the source in the group used last; it keeps out of a locked one. A group that the panel shares, or that the user
   * unlocked, is left as it is.
   */
  private async lockGroup(): Promise<void> {
    if (this.locked) return;
    this.locked = true;
    const { activeTabGroup } = vscode.window.tabGroups;
    if (this.panel.active && activeTabGroup.viewColumn === this.panel.viewColumn && activeTabGroup.tabs.length === 1) await vscode.commands.executeCommand('workbench.action.lockEditorGroup');
  }
  private locked = false;

  private async ask({ id, name, args }: Extract<PageMessage, { kind: 'request' }>): Promise<void> {
    try {
      if (!traceRequestNames.includes(name)) throw new Error(`The page may not ask for ${name}.`);
      this.post({ kind: 'answer', id, answer: await this.session().session.customRequest(name, args) });
    } catch (error) {
      this.post({ kind: 'failure', id, message: error instanceof Error ? error.message : String(error) });
    }
  }

  private async export({ format, filter }: Extract<PageMessage, { kind: 'export' }>): Promise<void> {
    try {
      const text = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'Exporting the trace' },
        async (): Promise<string> => (await this.session().session.customRequest('abyme/traceExport', { format, ...filter })).text);
      const known = (await vscode.languages.getLanguages()).includes(languageOf[format]);
      const document = await vscode.workspace.openTextDocument({ content: text, language: known ? languageOf[format] : 'plaintext' });
      await vscode.window.showTextDocument(document);
    } catch (error) {
      void vscode.window.showErrorMessage(`The trace was not exported: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private session(): AbymeSession {
    const session = this.sessions.active;
    if (!session) throw new Error('No machine is being debugged.');
    return session;
  }
}

/** The whole page. The texts that the script fills are in it already, so that a page without data says so. */
function pageText(script: string, style: string): string {
  const nonce = crypto.randomUUID().replaceAll('-', '');
  const formats: readonly (readonly [TraceFormat, string])[] = [['text', 'Text'], ['json', 'JSON'], ['csv', 'CSV'], ['dot', 'Graphviz'], ['perfetto', 'Perfetto']];
  const zooms = [
    ['zoom-in', '+', 'Zoom in'], ['zoom-out', '−', 'Zoom out'], ['earlier', '◂', 'Earlier'], ['later', '▸', 'Later'],
    ['all', 'All', 'Show the whole trace'], ['newest', 'Newest', 'Show the newest switches'],
  ];
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}';">
<title>Exit Trace</title><style nonce="${nonce}">${style.replaceAll('</style', '<\\/style')}</style></head>
<body>
<p id="state" role="status" aria-live="polite">No machine is being debugged.</p>
<section aria-label="Levels over time">
  <div class="bar-of-buttons" role="toolbar" aria-label="Chart">${zooms.map(([id, text, title]) => `<button id="${id}" title="${title}" aria-label="${title}">${text}</button>`).join('')}
    <label id="vcpu-choice" hidden>vCPU <select id="vcpu"></select></label><span id="window"></span></div>
  <svg id="chart" tabindex="0" role="img" aria-roledescription="chart" aria-describedby="keys"></svg>
  <p id="keys" class="hint">Plus and minus zoom, the arrow keys move, Home and End go to the ends, 0 shows all; a click on a bar shows its switch.</p>
</section>
<section aria-label="World switches">
  <div class="bar-of-buttons">
    <label>Level <select id="level"><option value="">all</option></select></label>
    <label>Reason <select id="reason"><option value="">all</option></select></label>
    <label>Switch <select id="kind"><option value="">all</option><option value="exit">exits</option><option value="deliver">deliveries</option>
      <option value="enter">entries</option><option value="vmfail">VMfail</option></select></label>
    <span class="pages" role="toolbar" aria-label="Pages">
      <button id="first" aria-label="Oldest page" title="Oldest page">|◂</button><button id="previous" aria-label="Previous page" title="Previous page">◂</button>
      <span id="position" aria-live="polite"></span>
      <button id="next" aria-label="Next page" title="Next page">▸</button><button id="last" aria-label="Newest page" title="Newest page">▸|</button></span>
    <span class="exports" role="toolbar" aria-label="Export what is filtered">Export
      ${formats.map(([id, text]) => `<button class="export" data-format="${id}" aria-label="Export as ${text}">${text}</button>`).join('')}</span>
  </div>
  <div class="columns">
    <div class="table"><table id="switches" role="grid" aria-label="World switches">
      <thead><tr><th class="number">#</th><th class="number">Time</th><th>Switch</th><th>Reason</th><th>RIP</th><th>Qualification</th><th class="number">Units below</th></tr></thead>
      <tbody></tbody></table></div>
    <aside>
      <h2 id="title">Details</h2><dl id="details"><dt>Choose a row.</dt></dl>
      <h2>By level</h2><table id="levels"><thead><tr><th>Level</th><th class="number">Exits</th><th class="number">Executed</th><th class="number">Share</th></tr></thead><tbody></tbody></table>
      <h2>By level and reason</h2><table id="reasons">
      <thead><tr><th>Level</th><th>Reason</th><th class="number">Exits</th><th class="number">Units below</th><th class="number">Share</th></tr></thead>
      <tbody></tbody></table>
    </aside>
  </div>
</section>
<script nonce="${nonce}">${script.replaceAll('</script', '<\\/script')}</script>
</body></html>`;
}
