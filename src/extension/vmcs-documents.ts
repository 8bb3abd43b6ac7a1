// Two VMCSs side by side in the editor's own comparison: each is a document with a line for each field. From the menu of a VMCS or of one of its fields,
// or from the palette.

import * as vscode from 'vscode';
import type { AbymeSession, Sessions } from './sessions';
import { designatorOf } from './variable-names';

const scheme = 'abyme-vmcs';

export class VmcsDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.emitter.event;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly sessions: Sessions) {
    this.subscriptions = [
      this.emitter,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
      sessions.onDidChange(() => {
        if (!sessions.active?.stop) return;
        for (const { uri } of vscode.workspace.textDocuments) if (uri.scheme === scheme) this.emitter.fire(uri);
      }),
      vscode.commands.registerCommand('abyme.compareVmcs', (item?: { variable?: { evaluateName?: string } }) => this.compare(item?.variable?.evaluateName)),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const [, session = '', name = ''] = /^\/([^/]*)\/(.*)$/.exec(uri.path) ?? [];
    const found = this.sessions.find(session);
    if (!found) return 'The debug session has ended.';
    const text = await found.request('abyme/vmcsText', { name: decodeURIComponent(name) }).then((answer) => answer.text, (error: unknown) => error instanceof Error ? error.message : String(error));
    return text;
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private async compare(evaluateName?: string): Promise<void> {
    const session = this.sessions.active;
    if (!session) return;
    const left = (evaluateName === undefined ? undefined : designatorOf(evaluateName)) ?? await this.pick(session, 'Compare VMCSs (1/2)');
    if (left === undefined) return;
    const right = await this.pick(session, `Compare ${left} with`, left);
    if (right === undefined) return;
    const uri = (name: string) => vscode.Uri.from({ scheme, path: `/${session.session.id}/${encodeURIComponent(name)}` });
    await vscode.commands.executeCommand('vscode.diff', uri(left), uri(right), `VMCS ${left} ↔ ${right}`);
  }

  private async pick(session: AbymeSession, title: string, other?: string): Promise<string | undefined> {
    const { vmcss } = await session.request('abyme/vmcss', {});
    const items = vmcss.filter(({ name }) => name !== other).map(({ name, level, state }) => ({ label: name, description: `VMCS of L${level}: ${state}`, name }));
    if (other !== undefined) items.unshift({ label: 'At the stop before', description: 'the same VMCS', name: `${other}@last` });
    return (await vscode.window.showQuickPick(items, { title, placeHolder: 'A VMCS', matchOnDescription: true }))?.name;
  }
}
