// How a level looks in the Levels view: words and icon names, from the plain description. No editor import: tested as data.

import type { LevelDescription, LevelState } from './custom-requests';

export interface LevelRow {
  /** Stable while the session lives, so that the selection survives a refresh. */
  id: string;
  label: string;
  description: string;
  tooltip: string;
  /** A codicon and the theme colour that tints it. */
  icon: { name: string; color?: string };
  /** What a screen reader says: everything that colour and position say otherwise. */
  spoken: string;
  /** `level.located` rows lead to a source line or an instruction. */
  context: 'level.located' | 'level.ended';
}

const icons: Record<LevelState, LevelRow['icon']> = {
  executing: { name: 'debug-stackframe', color: 'debugIcon.breakpointCurrentStackframeForeground' },
  suspended: { name: 'debug-pause' },
  running: { name: 'debug-continue-small' },
  ended: { name: 'circle-slash', color: 'disabledForeground' },
};

/** The row of one level; `manyProcessors` says whether the virtual processor needs naming. */
export function levelRow(level: LevelDescription, manyProcessors: boolean): LevelRow {
  const place = placeOf(level);
  const mark = level.uncertain ? '?' : '';
  const processor = manyProcessors ? `vCPU ${level.vcpu} · ` : '';
  const image = baseName(level.image);
  return {
    id: String(level.threadId),
    label: `${processor}L${level.level}${mark}`,
    // The state first: a narrow side bar cuts the end.
    description: [level.state, ...(level.state === 'running' || level.state === 'ended' ? [] : [place]), image].join(' · '),
    tooltip: [
      `Level ${level.level}, ${level.state}`, `Image: ${level.image}`, ...(level.state === 'running' ? [] : [`At ${place} (${level.rip})`]),
      ...(level.uncertain ? ['Uncertain: the events of the machine fit no level known before.'] : []),
    ].join('\n'),
    icon: icons[level.state],
    spoken: [
      `Level ${level.level}${manyProcessors ? ` of processor ${level.vcpu}` : ''}`, image, level.state,
      ...(level.state === 'running' ? [] : [`at ${place}`]), ...(level.uncertain ? ['uncertain'] : []),
    ].join(', '),
    context: level.state === 'ended' || level.state === 'running' ? 'level.ended' : 'level.located',
  };
}

/** `handle_exit:112`, `hypervisor.c:112` without a function, or the address without either. */
function placeOf({ function: name, line, source, rip }: LevelDescription): string {
  const owner = name ?? source?.name;
  if (owner === undefined) return rip;
  return line === undefined ? owner : `${owner}:${line}`;
}

function baseName(path: string): string {
  return path.split(/[\\/]/).pop() || path;
}
