// The status bar item: which level executes and why the machine stopped, while it is stopped. A click opens the Levels view.

import * as vscode from 'vscode';
import { stopLevelsText } from './level-stops';
import type { Sessions } from './sessions';

export function createStatusBar(sessions: Sessions): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('abyme.level', vscode.StatusBarAlignment.Left, 20);
  item.name = 'Abyme: Executing Level';
  item.command = 'abyme.levels.focus';
  const update = () => {
    const session = sessions.active;
    const executing = session?.stop && session.levels.filter(({ state }) => state === 'executing');
    if (!executing || executing.length === 0) return item.hide();
    const names = executing.map(({ level }) => `L${level}`).join(', ');
    const why = session.stop?.description ?? session.stop?.reason;
    const levels = stopLevelsText(session.stopLevels);
    item.text = `$(layers) ${names}${why ? ` · ${why}` : ''}${levels === undefined ? '' : ` · ${levels}`}`;
    item.tooltip = `${names} executes${why ? `; stopped: ${why}` : ''}. Click for all levels.`;
    item.accessibilityInformation = { label: `Level ${names} executes, stopped: ${why ?? 'unknown'}` };
    item.show();
  };
  return vscode.Disposable.from(item, sessions.onDidChange(update));
}
