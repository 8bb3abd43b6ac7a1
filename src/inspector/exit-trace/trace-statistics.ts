// Statistics of the switches that are held: what each level executed itself, and what its exits cost it, by reason.
import { switchKinds, type SwitchLog } from '../levels/switch-log';
import type { TraceFilter, TraceReason, TraceStatistics } from '../target-types';
import { isHandled, rangeOf, reasonName } from './trace-query';

const exitKind = switchKinds.indexOf('exit');
/** Levels and reasons in one key. */
const keyOf = (level: number, reason: number): number => level * 0x1_0000 + reason;

interface Sum { level: number; reason: number; count: number; below: number; open: number }

/**
 * Statistics over the switches that the filter's numbers, level and reason allow; the time that levels execute is counted over all switches in
 * the range. An exit's `below` reaches from the exit until the context that exited runs again, so that the exits of a level that hosts others
 * contain theirs: shares of different levels overlap.
 */
export function traceStatistics(log: SwitchLog, filter: TraceFilter = {}): TraceStatistics {
  const [start, end] = rangeOf(log, filter), units = end > start ? log.time(end - 1) - log.time(start) : 0;
  const sums = new Map<number, Sum>(), open = new Map<number, number>(), executed: number[] = [], exits: number[] = [], since = new Map<number, number>();
  for (let number = start; number < end; number++) {
    const kind = log.kind(number), time = log.time(number), vcpu = log.vcpu(number), before = since.get(vcpu);
    // Until its switch a vCPU ran the level that the switch before it entered.
    if (before !== undefined) executed[log.to(before)] = (executed[log.to(before)] ?? 0) + time - log.time(before);
    since.set(vcpu, number);
    if (kind !== exitKind) {
      const exit = open.get(log.toContext(number));
      if (exit === undefined) continue;
      const sum = sums.get(keyOf(log.from(exit), log.reason(exit)))!;
      sum.below += time - log.time(exit);
      sum.open--;
      open.delete(log.toContext(number));
      continue;
    }
    const level = log.from(number), reason = log.reason(number);
    if (filter.level !== undefined && filter.level !== level || filter.reason !== undefined && filter.reason !== reason) continue;
    exits[level] = (exits[level] ?? 0) + 1;
    let sum = sums.get(keyOf(level, reason));
    if (!sum) sums.set(keyOf(level, reason), sum = { level, reason, count: 0, below: 0, open: 0 });
    sum.count++;
    if (isHandled(log, number)) {
      open.set(log.fromContext(number), number);
      sum.open++;
    }
  }
  const total = executed.reduce((sum, each) => sum + (each ?? 0), 0), share = (part: number, whole: number): number => whole > 0 ? part / whole : 0;
  const levels = Array.from({ length: Math.max(executed.length, exits.length) }, (_, level) =>
    ({ level, exits: exits[level] ?? 0, executed: executed[level] ?? 0, share: share(executed[level] ?? 0, total) }));
  const reasons = [...sums.values()].map((sum): TraceReason => ({ ...sum, name: reasonName(sum.reason), share: share(sum.below, units) }))
    .sort((a, b) => b.below - a.below || b.count - a.count || a.level - b.level || a.reason - b.reason);
  return { start, end: Math.max(start, end), units, levels, reasons };
}
