// Who executed when, for a chart with a lane for each level: every stretch of time in a window or, when those are too many to draw, for each
// column of the chart how much of it each level had.
import type { SwitchLog } from '../levels/switch-log';
import type { TraceLanes } from '../target-types';
import { activityOf } from './trace-query';

export interface LaneWindow { readonly vcpu?: number; readonly start?: number; readonly end?: number; readonly columns: number }

/** Number of the first switch that is held and not earlier than `time`. */
function firstAt(log: SwitchLog, time: number): number {
  let low = log.oldest, high = log.count;
  while (low < high) {
    const middle = low + high >>> 1;
    if (log.time(middle) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The lanes of one vCPU between two times in units (all that is held, if not given); at most two segments for each of `columns`. */
export function traceLanes(log: SwitchLog, window: LaneWindow): TraceLanes {
  const vcpu = window.vcpu ?? 0, { oldest, count } = log, traceStart = count > oldest ? log.time(oldest) : 0, traceEnd = count > oldest ? log.time(count - 1) : 0;
  const start = Math.max(traceStart, window.start ?? traceStart), end = Math.max(start, Math.min(traceEnd, window.end ?? traceEnd));
  let levels = 0, vcpus = 0;
  for (let number = oldest; number < count; number++) {
    levels = Math.max(levels, log.from(number) + 1, log.to(number) + 1);
    vcpus = Math.max(vcpus, log.vcpu(number) + 1);
  }
  const shape = { vcpu, vcpus, levels, traceStart, traceEnd, start, end };
  // The switch in force at the start is the last one of this vCPU before it.
  let first = firstAt(log, start);
  while (first > oldest && (first === count || log.time(first) > start || log.vcpu(first) !== vcpu)) first--;
  const numbers: number[] = [];
  for (let number = first; number < count && log.time(number) <= end; number++) if (log.vcpu(number) === vcpu) numbers.push(number);
  const pieces = numbers.map((number, i) => ({
    level: log.to(number), start: Math.max(start, log.time(number)), end: Math.min(end, i + 1 < numbers.length ? log.time(numbers[i + 1]) : end), number,
  })).filter(piece => piece.end > piece.start);
  if (pieces.length <= window.columns * 2) return { ...shape, segments: pieces.map(piece => ({ ...piece, name: activityOf(log, piece.number) })) };
  const width = (end - start) / window.columns, density = Array.from({ length: window.columns }, () => new Array<number>(levels).fill(0));
  for (const piece of pieces) {
    const from = Math.floor((piece.start - start) / width), to = Math.min(window.columns - 1, Math.floor((piece.end - start) / width));
    for (let column = from; column <= to; column++) {
      const left = start + column * width, part = Math.min(piece.end, left + width) - Math.max(piece.start, left);
      if (part > 0) density[column][piece.level] += part / width;
    }
  }
  return { ...shape, density: density.map(column => column.map(part => Math.round(part * 1000) / 1000)) };
}
