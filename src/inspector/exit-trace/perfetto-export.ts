// The trace in the trace-event format (JSON), as Perfetto and the tracing page of Chromium open it: a process for each vCPU, a thread for each
// level, a slice for each stretch of time in which a level executes. A unit is shown as a microsecond.
import type { SwitchLog } from '../levels/switch-log';
import { hex } from '../target/addresses';
import type { TraceFilter } from '../target-types';
import { activityOf, rangeOf, reasonName } from './trace-query';

interface TraceEvent {
  readonly name: string;
  /** X: a slice with a duration; M: metadata. */
  readonly ph: 'X' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly args: Readonly<Record<string, string | number>>;
}

/** Of a filter, the range of numbers and the level count: a slice is there if its level is wanted. */
export function perfettoExport(log: SwitchLog, filter: TraceFilter = {}, levelNames: readonly (string | undefined)[] = []): string {
  const [start, end] = rangeOf(log, filter), slices: TraceEvent[] = [], tracks = new Map<string, { pid: number; level: number }>(), before = new Map<number, number>();
  const slice = (number: number, until: number): void => {
    const level = log.to(number), pid = log.vcpu(number) + 1, reason = log.reason(number);
    if (filter.level !== undefined && level !== filter.level || filter.reason !== undefined && reason !== filter.reason) return;
    tracks.set(`${pid} ${level}`, { pid, level });
    slices.push({
      name: activityOf(log, number), cat: 'level', ph: 'X', ts: log.time(number), dur: until - log.time(number), pid, tid: level + 1,
      args: { switch: number, reason, 'reason name': reasonName(reason), from: `L${log.from(number)}`, rip: hex(log.record(number)!.rip) },
    });
  };
  for (let number = start; number < end; number++) {
    const vcpu = log.vcpu(number), last = before.get(vcpu);
    if (last !== undefined) slice(last, log.time(number));
    before.set(vcpu, number);
  }
  // The newest switch of each vCPU: how long it holds is not known yet.
  for (const number of before.values()) slice(number, Math.max(log.time(end - 1), log.time(number)));
  const names = [...tracks.values()].sort((a, b) => a.pid - b.pid || a.level - b.level).flatMap(({ pid, level }): TraceEvent[] => [
    { name: 'process_name', ph: 'M', pid, tid: 0, args: { name: `vCPU ${pid - 1}` } },
    { name: 'thread_name', ph: 'M', pid, tid: level + 1, args: { name: levelNames[level] ?? `L${level}` } },
    { name: 'thread_sort_index', ph: 'M', pid, tid: level + 1, args: { sort_index: level } },
  ]);
  const unique = names.filter((event, i) => event.name !== 'process_name' || names.findIndex(other => other.name === 'process_name' && other.pid === event.pid) === i);
  return `{"displayTimeUnit":"ns","otherData":{"unit":"one microsecond is one unit of virtual time"},"traceEvents":[\n${[...unique, ...slices].map(event => JSON.stringify(event)).join(',\n')}\n]}\n`;
}
