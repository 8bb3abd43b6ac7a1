// The Levels view in the debug side bar: one row for each level of each virtual processor, the executing one marked. A click selects the
// level's thread in the editor, which opens the place where it stands.

import * as vscode from 'vscode';
import type { LevelDescription } from './custom-requests';
import { levelRow } from './level-row';
import { stopLevelsText } from './level-stops';
import type { Sessions } from './sessions';

export class LevelsView implements vscode.TreeDataProvider<LevelDescription>, vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];
  readonly onDidChangeTreeData = this.emitter.event;

  constructor(private readonly sessions: Sessions) {
    const view = vscode.window.createTreeView('abyme.levels', { treeDataProvider: this });
    this.subscriptions = [
      this.emitter,
      view,
      sessions.onDidChange(() => {
        const { active } = sessions, unlisted = active?.adapter.stops.unlisted ?? [], levels = active && stopLevelsText(active.stopLevels);
        const messages = [
          ...levels === undefined ? [] : [`${levels[0].toUpperCase()}${levels.slice(1)}.`],
          ...unlisted.length === 0 ? [] : [`Also stops at ${unlisted.join(', ')} (under Breakpoints from the next start).`],
        ];
        view.message = messages.length === 0 ? undefined : messages.join(' ');
        this.emitter.fire();
      }),
      vscode.commands.registerCommand('abyme.showLevel', (level: LevelDescription) => this.show(level)),
      vscode.commands.registerCommand('abyme.refreshLevels', () => sessions.active?.refresh()),
    ];
  }

  getChildren(parent?: LevelDescription): readonly LevelDescription[] & LevelDescription[] {
    const levels = parent ? [] : this.sessions.active?.levels ?? [];
    return [...levels].sort((a, b) => a.vcpu - b.vcpu || a.level - b.level || a.threadId - b.threadId);
  }

  getTreeItem(level: LevelDescription): vscode.TreeItem {
    const manyProcessors = new Set(this.sessions.active?.levels.map(({ vcpu }) => vcpu)).size > 1;
    const row = levelRow(level, manyProcessors);
    const item = new vscode.TreeItem(row.label);
    item.id = `${this.sessions.active?.session.id}/${row.id}`;
    item.description = row.description;
    item.tooltip = row.tooltip;
    item.iconPath = new vscode.ThemeIcon(row.icon.name, row.icon.color === undefined ? undefined : new vscode.ThemeColor(row.icon.color));
    item.accessibilityInformation = { label: row.spoken };
    item.contextValue = row.context;
    if (row.context === 'level.located') item.command = { command: 'abyme.showLevel', title: 'Show Where This Level Is', arguments: [level] };
    return item;
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private show(level: LevelDescription): void {
    this.sessions.active?.adapter.focusThread(level.threadId, level.state === 'executing' ? 'Executing' : 'Suspended');
  }
}
