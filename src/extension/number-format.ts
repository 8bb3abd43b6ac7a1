// In which base numbers are shown: as usual, all in hexadecimal or all in decimal. The choice is kept for the workspace and told to every session.

import * as vscode from 'vscode';
import type { Radix } from './custom-requests';
import type { Sessions } from './sessions';

const key = 'abyme.radix';

export function registerNumberFormat(context: vscode.ExtensionContext, sessions: Sessions): vscode.Disposable {
  let radix = context.workspaceState.get<Radix>(key) ?? 'mixed';
  const told = new WeakSet<object>();
  const show = () => vscode.commands.executeCommand('setContext', key, radix);
  const tell = async () => {
    const session = sessions.active;
    if (!session?.stop || told.has(session)) return;
    told.add(session);
    // A new session begins as usual.
    if (radix !== 'mixed') await session.request('abyme/setFormat', { radix });
  };
  const choose = async (next: Radix) => {
    radix = next;
    await context.workspaceState.update(key, radix);
    await show();
    await sessions.active?.request('abyme/setFormat', { radix });
  };
  void show();
  return vscode.Disposable.from(
    sessions.onDidChange(() => void tell()),
    vscode.commands.registerCommand('abyme.showHexadecimal', () => choose('hexadecimal')),
    vscode.commands.registerCommand('abyme.showDecimal', () => choose('decimal')),
    vscode.commands.registerCommand('abyme.showNumbersAsUsual', () => choose('mixed')),
  );
}
