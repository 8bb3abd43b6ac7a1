// World switches drawn as a sequence over the levels: a column for each level, time downwards, one line a switch.
import type { SwitchInfo } from '../inspector/target-types';

const gap = 9;

/** Lines of the drawing, the names of the levels first. `levels`: how many columns. */
export function drawSwitches(switches: readonly SwitchInfo[], levels: number): string[] {
  const column = (level: number): number => level * gap + 1;
  const blank = (): string[] => {
    const line = Array.from({ length: column(levels - 1) + 2 }, () => ' ');
    for (let level = 0; level < levels; level++) line[column(level)] = '│';
    return line;
  };
  const names = Array.from({ length: levels }, (_, level) => `L${level}`.padEnd(gap)).join('').trimEnd();
  const lines = [names];
  for (const { kind, from, to, name: reason } of switches) {
    // Every entry is made by L0, whatever level caused the exit that it delivers.
    const start = kind === 'exit' ? from : 0, line = blank();
    const [left, right] = start < to ? [column(start), column(to)] : [column(to), column(start)];
    for (let at = left + 1; at < right; at++) line[at] = '─';
    line[column(start)] = start < to ? '├' : '┤';
    line[column(to)] = start < to ? '▶' : '◀';
    if (start === to) line[column(to)] = '◆';
    lines.push(`${line.join('')}  ${sentence(kind, from, to, reason)}`);
  }
  return lines;
}

function sentence(kind: SwitchInfo['kind'], from: number, to: number, reason: string): string {
  switch (kind) {
    case 'exit': return `L${from} exits: ${reason}`;
    case 'deliver': return `L${to} is given the exit of L${from}: ${reason}`;
    case 'enter': return `L${to} runs on${reason === '' ? '' : ` (${reason})`}`;
    case 'vmfail': return `L${to} is answered VMfail: ${reason}`;
  }
}
