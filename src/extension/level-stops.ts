// At which levels the machine stops: all, one only, or all but the muted ones. From the menus of a thread and of a row in the Levels view.

import * as vscode from 'vscode';
import type { LevelDescription } from './custom-requests';
import type { AbymeSession, Sessions } from './sessions';
import { threadNumber } from './variable-names';

/** A row of the Levels view, or what the call stack gives for a thread or a frame. */
type Item = LevelDescription | { threadId?: string | number };

export function registerLevelStops(sessions: Sessions): vscode.Disposable {
  const command = (id: string, change: (session: AbymeSession, level: number) => { only?: number; muted: number[] }) => vscode.commands.registerCommand(id, async (item?: Item) => {
    const session = sessions.active, level = session && (levelOf(session, item) ?? await ask(session));
    if (session && level !== undefined) await session.chooseLevels(change(session, level));
  });
  return vscode.Disposable.from(
    command('abyme.breakOnlyAtLevel', (session, level) => session.stopLevels.only === level ? { muted: [] } : { only: level, muted: [] }),
    command('abyme.muteLevel', ({ stopLevels: { muted } }, level) => ({ muted: muted.includes(level) ? muted.filter((each) => each !== level) : [...muted, level] })),
    vscode.commands.registerCommand('abyme.breakAtAllLevels', () => sessions.active?.chooseLevels({ muted: [] })),
  );
}

function levelOf(session: AbymeSession, item: Item | undefined): number | undefined {
  if (item === undefined) return undefined;
  if ('level' in item) return item.level;
  const thread = threadNumber(item.threadId);
  return session.levels.find(({ threadId }) => threadId === thread)?.level;
}

async function ask(session: AbymeSession): Promise<number | undefined> {
  const levels = [...new Map(session.levels.map((each) => [each.level, each])).values()].sort((a, b) => a.level - b.level);
  return (await vscode.window.showQuickPick(levels.map(({ level, name }) => ({ label: name, level })), { placeHolder: 'A level' }))?.level;
}

/** What the choice means, in a few words; undefined when every level stops. */
export function stopLevelsText({ only, muted }: { only?: number; muted: readonly number[] }): string | undefined {
  if (only !== undefined) return `stops only at L${only}`;
  return muted.length === 0 ? undefined : `${[...muted].sort((a, b) => a - b).map((level) => `L${level}`).join(', ')} muted`;
}
