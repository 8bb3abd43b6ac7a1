// Choosing switches from the log: by level, reason, kind and number, in pages that can be turned both ways. A scan reads columns and makes
// objects only for the rows that are returned.
import { exitReasonByNumber } from '../../spec/exit-reasons';
import { switchKinds, type SwitchLog } from '../levels/switch-log';
import { hex } from '../target/addresses';
import type { TraceFilter, TracePage, TraceQuery, TraceRow } from '../target-types';

const exitKind = switchKinds.indexOf('exit'), vmfailKind = switchKinds.indexOf('vmfail');

export const reasonName = (reason: number): string => exitReasonByNumber(reason)?.name ?? `reason ${reason}`;

/** The range of numbers that a filter allows, end excluded, among those still held. */
export function rangeOf(log: SwitchLog, { first, last }: TraceFilter): [start: number, end: number] {
  return [Math.max(log.oldest, first ?? 0), Math.min(log.count, (last ?? Infinity) + 1)];
}

/** Whether a switch that is held passes a filter; the range of numbers is not looked at. */
function passes(log: SwitchLog, number: number, level: number | undefined, reason: number | undefined, kind: number | undefined): boolean {
  return (level === undefined || log.from(number) === level || log.to(number) === level)
    && (reason === undefined || log.reason(number) === reason) && (kind === undefined || log.kind(number) === kind);
}

/** Numbers of the switches that pass, in order. */
export function* matches(log: SwitchLog, filter: TraceFilter): Generator<number> {
  const [start, end] = rangeOf(log, filter), kind = filter.kind === undefined ? undefined : switchKinds.indexOf(filter.kind);
  for (let number = start; number < end; number++) if (passes(log, number, filter.level, filter.reason, kind)) yield number;
}

/** A page of rows. `before` counts the matching switches ahead of the first row, `matching` all that match. */
export function tracePage(log: SwitchLog, query: TraceQuery): TracePage {
  const found: number[] = [], count = Math.max(0, query.count);
  let matching = 0, before = 0;
  for (const number of matches(log, query)) {
    matching++;
    if (query.backwards) {
      if (number > (query.from ?? Infinity)) continue;
      found.push(number);
      if (found.length > 2 * count + 64) before += found.splice(0, found.length - count).length;
    } else if (number < (query.from ?? 0)) before++;
    else if (found.length < count) found.push(number);
  }
  if (query.backwards && found.length > count) before += found.splice(0, found.length - count).length;
  return { start: log.oldest, end: log.count, matching, before, rows: rowsOf(log, found) };
}

/** The rows of these numbers, which ascend and are held. */
export function rowsOf(log: SwitchLog, numbers: readonly number[]): TraceRow[] {
  const below = unitsBelow(log, numbers);
  return numbers.map((number): TraceRow => {
    const { time, kind, vcpu, from, to, reason, entryFailed, uncertain } = log.at(number)!, record = log.record(number)!;
    const units = below.get(number), qualified = kind === 'exit' && record.qualification !== 0n;
    return {
      number, time, kind, vcpu, from, to, reason, name: reasonName(reason), rip: hex(record.rip), ...qualified && { qualification: hex(record.qualification) },
      ...entryFailed && { entryFailed }, ...uncertain && { uncertain }, ...units !== undefined && { below: units },
    };
  });
}

/** For each exit among the numbers, units until the context that exited ran again. One pass, which ends when all are known. */
function unitsBelow(log: SwitchLog, numbers: readonly number[]): Map<number, number> {
  const units = new Map<number, number>(), open = new Map<number, number>();
  let next = 0;
  for (let number = numbers[0] ?? log.count; number < log.count && (next < numbers.length || open.size > 0); number++) {
    if (log.kind(number) !== exitKind) {
      const exit = open.get(log.toContext(number));
      if (exit !== undefined) {
        units.set(exit, log.time(number) - log.time(exit));
        open.delete(log.toContext(number));
      }
    }
    if (number === numbers[next]) {
      next++;
      if (isHandled(log, number)) open.set(log.fromContext(number), number);
    }
  }
  return units;
}

/** An exit after which the context that made it will run again: not an entry that failed, whose guest never ran. */
export const isHandled = (log: SwitchLog, number: number): boolean => log.kind(number) === exitKind && !log.failed(number) && log.fromContext(number) >= 0;

/** What the level entered by a switch does, in words. */
export function activityOf(log: SwitchLog, number: number): string {
  const kind = log.kind(number), name = reasonName(log.reason(number));
  if (log.failed(number)) return `handles the failed entry of L${log.from(number)}`;
  if (kind === vmfailKind) return `gets VMfail from ${name}`;
  return switchKinds[kind] === 'enter' ? 'runs' : `handles ${name} of L${log.from(number)}`;
}
