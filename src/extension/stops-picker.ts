// The command that chooses stops, level by reason: first the level, then the reasons at which the machine stops there.

import * as vscode from 'vscode';
import type { Sessions } from './sessions';
import { reasonGroups, replaceChoice } from './stop-choice';

type LevelItem = vscode.QuickPickItem & { level: number | undefined };
type ReasonItem = vscode.QuickPickItem & { filter?: string };

export function registerStopsPicker(sessions: Sessions): vscode.Disposable {
  return vscode.commands.registerCommand('abyme.chooseStops', async () => {
    const session = sessions.active;
    if (!session) {
      const start = await vscode.window.showInformationMessage('Stops are chosen while a session runs: start one first.', 'Start the Demonstration Stack');
      if (start) await vscode.commands.executeCommand('abyme.startDemonstration');
      return;
    }
    const { filters, levels } = await session.request('abyme/filters', {});
    const chosenFor = (level: number | undefined) => reasonGroups(filters, level).flatMap(({ rows }) => rows).filter(({ picked }) => picked).length;
    const levelItems: LevelItem[] = [
      { label: 'Any level', level: undefined, description: count(chosenFor(undefined)) },
      ...levels.map(({ level, name }) => ({ label: name, level, description: count(chosenFor(level)) })),
    ];
    const where = await vscode.window.showQuickPick(levelItems, { title: 'Choose Stops (1/2): Level', placeHolder: 'The level that causes the stop' });
    if (!where) return;
    const items = reasonGroups(filters, where.level).flatMap(({ group, rows }): ReasonItem[] => [
      { label: group, kind: vscode.QuickPickItemKind.Separator },
      ...rows.map(({ filter, label, detail, picked }) => ({ label, description: filter, detail, picked, filter })),
    ]);
    const picked = await vscode.window.showQuickPick(items, {
      title: `Choose Stops (2/2): ${where.label}`, placeHolder: 'Reasons at which the machine stops', canPickMany: true, matchOnDescription: true, matchOnDetail: true,
    });
    if (!picked) return;
    await session.request('abyme/setFilters', { shown: replaceChoice(filters, where.level, new Set(picked.flatMap(({ filter }) => filter ?? []))) });
    session.notify();
  });
}

function count(reasons: number): string {
  return reasons === 0 ? '' : reasons === 1 ? '1 reason' : `${reasons} reasons`;
}
