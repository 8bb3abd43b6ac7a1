// `trace`: how often each level exited, why, and how long the levels below took until it ran again; from the switches that the log still holds.
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { WorldSwitch } from '../levels/switch-log';
import { columns, type ConsoleCommand } from './command';

export const trace: ConsoleCommand = {
  name: 'trace', usage: 'trace', sentence: 'Exits by level and reason: how many, and the instructions that the levels below spent until the level ran again.',
  run(argument, { session: { tracker } }) {
    if (argument !== '') return undefined;
    const { switches } = tracker, rows = switches.since(switches.oldest);
    if (rows.length === 0) return { text: 'No level has been entered yet.' };
    const counts = exitStatistics(rows), span = rows[rows.length - 1].time - rows[0].time;
    const head = `${rows.length} world switches${switches.oldest > 0 ? ` (the last of ${switches.count})` : ''} in ${span} units`;
    const cells = counts.map(({ level, reason, count, below, finished }) =>
      [`L${level}`, exitReasonByNumber(reason)?.name ?? `reason ${reason}`, String(count), finished === 0 ? '' : String(below), finished === 0 ? '' : (below / finished).toFixed(1)]);
    return {
      text: `${head}\n${columns([['level', 'reason', 'exits', 'units below', 'units below an exit'], ...cells])}`,
      children: () => cells.map(([level, reason, count, below, mean]) => ({ name: `${level} ${reason}`, value: `${count} exits${mean === '' ? '' : `, ${below} units below, ${mean} an exit`}` })),
    };
  },
};

/** Exits of one level for one reason. `below`: units that lower levels ran from the exits that ended to where they ended; `finished`: how many ended. */
export interface ExitStatistics { readonly level: number; readonly reason: number; count: number; below: number; finished: number }

/** An exit under way. */
interface OpenExit { readonly level: number; readonly vcpu: number; readonly row: ExitStatistics; below: number }

/**
 * By level, most frequent reason first. An exit ends when its level runs again, or, for a VMLAUNCH or VMRESUME, when a level above it does: what the
 * guest itself runs is not spent below.
 */
export function exitStatistics(rows: readonly WorldSwitch[]): ExitStatistics[] {
  const found = new Map<string, ExitStatistics>(), open = new Map<number, OpenExit>(), executing = new Map<number, { level: number; since: number }>();
  for (const { kind, vcpu, from, to, fromContext, reason, time } of rows) {
    const now = executing.get(vcpu);
    if (now) for (const exit of open.values()) if (exit.vcpu === vcpu && exit.level > now.level) exit.below += time - now.since;
    executing.set(vcpu, { level: to, since: time });
    if (kind === 'exit') {
      const key = `${from}.${reason}`, row = found.get(key) ?? { level: from, reason, count: 0, below: 0, finished: 0 };
      found.set(key, row);
      row.count++;
      if (fromContext >= 0) open.set(fromContext, { level: from, vcpu, row, below: 0 });
      continue;
    }
    for (const [id, exit] of open) {
      if (exit.vcpu !== vcpu || exit.level > to) continue;
      open.delete(id);
      exit.row.below += exit.below;
      exit.row.finished++;
    }
  }
  return [...found.values()].sort((a, b) => a.level - b.level || b.count - a.count || a.reason - b.reason);
}
