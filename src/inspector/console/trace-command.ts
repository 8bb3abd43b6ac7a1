// `trace`: how often each level exited, why, and how long it took until it ran again; from the switches that the log still holds.
import { traceStatistics } from '../exit-trace/trace-statistics';
import { columns, type ConsoleCommand } from './command';

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export const trace: ConsoleCommand = {
  name: 'trace', usage: 'trace', sentence: 'Exits by level and reason: how many, and the instructions until the level ran again; and what each level executed itself.',
  run(argument, { session: { tracker: { switches } } }) {
    if (argument !== '') return undefined;
    const { start, end, units, levels, reasons } = traceStatistics(switches);
    if (end === start) return { text: 'No level has been entered yet.' };
    const byReason = [...reasons].sort((a, b) => a.level - b.level || b.below - a.below || b.count - a.count).map(({ level, name, count, below, open, share }) =>
      [`L${level}`, name, String(count), count > open ? String(below) : '', count > open ? (below / (count - open)).toFixed(1) : '', count > open ? percent(share) : '']);
    return {
      text: [
        `${end - start} world switches${start > 0 ? ` (the last of ${end})` : ''} in ${units} units`,
        columns([['level', 'exits', 'units executed', ''], ...levels.map(({ level, exits, executed, share }) => [`L${level}`, String(exits), String(executed), percent(share)])]),
        columns([['level', 'reason', 'exits', 'units below', 'an exit', ''], ...byReason]),
      ].join('\n'),
      children: () => byReason.map(([level, reason, count, below, mean]) => ({ name: `${level} ${reason}`, value: `${count} exits${mean === '' ? '' : `, ${below} units below, ${mean} an exit`}` })),
    };
  },
};
