// World switches drawn as a sequence over the levels: a column for each level, time downwards, one line a switch.
import type { SwitchInfo } from '../inspector/target-types';

const gap = 9;

/** A line of the drawing: one switch, or a run of instructions of one level that L0 answers one by one. */
type Row = { readonly kind: 'switch'; readonly row: SwitchInfo } | { readonly kind: 'run'; readonly level: number; readonly names: ReadonlyMap<string, number> };

/** Lines of the drawing, the names of the levels first. `levels`: how many columns. */
export function drawSwitches(switches: readonly SwitchInfo[], levels: number): string[] {
  const column = (level: number): number => level * gap + 1;
  const blank = (): string[] => {
    const line = Array.from({ length: column(levels - 1) + 2 }, () => ' ');
    for (let level = 0; level < levels; level++) line[column(level)] = '│';
    return line;
  };
  const lines = [Array.from({ length: levels }, (_, level) => `L${level}`.padEnd(gap)).join('').trimEnd()];
  for (const each of fold(switches)) {
    const line = blank();
    if (each.kind === 'run') {
      draw(line, column(0), column(each.level), '◀', '├');
      line[column(each.level)] = '▶';
      const count = [...each.names.values()].reduce((sum, n) => sum + n, 0);
      lines.push(`${line.join('')}  L${each.level} exits to L0 and runs on, ${count} times: ${[...each.names].map(([name, n]) => `${n} ${name}`).join(', ')}`);
      continue;
    }
    const { kind, from, to, name } = each.row;
    // Every entry is made by L0, whatever level caused the exit that it delivers.
    const start = kind === 'exit' ? from : 0;
    if (start === to) line[column(to)] = '◆';
    else if (start < to) draw(line, column(start), column(to), '├', '▶');
    else draw(line, column(to), column(start), '◀', '┤');
    lines.push(`${line.join('')}  ${sentence(kind, from, to, name)}`);
  }
  return lines;
}

function draw(line: string[], left: number, right: number, atLeft: string, atRight: string): void {
  for (let at = left + 1; at < right; at++) line[at] = '─';
  line[left] = atLeft;
  line[right] = atRight;
}

/** Puts pairs of an exit and the entry that lets the same level run on after it into one row, when there are several in a row. */
function fold(switches: readonly SwitchInfo[]): Row[] {
  const rows: Row[] = [];
  for (let i = 0; i < switches.length;) {
    const level = switches[i].from, names = new Map<string, number>();
    let end = i;
    while (switches[end]?.kind === 'exit' && switches[end].from === level && switches[end + 1]?.kind === 'enter' && switches[end + 1].to === level) {
      names.set(switches[end].name, (names.get(switches[end].name) ?? 0) + 1);
      end += 2;
    }
    if (end - i > 2) {
      rows.push({ kind: 'run', level, names });
      i = end;
    } else rows.push({ kind: 'switch', row: switches[i++] });
  }
  return rows;
}

function sentence(kind: SwitchInfo['kind'], from: number, to: number, reason: string): string {
  switch (kind) {
    case 'exit': return `L${from} exits: ${reason}`;
    case 'deliver': return `L${to} is given the exit of L${from}: ${reason}`;
    case 'enter': return `L${to} runs on${reason === '' ? '' : ` (${reason})`}`;
    case 'vmfail': return `L${to} is answered VMfail: ${reason}`;
  }
}
