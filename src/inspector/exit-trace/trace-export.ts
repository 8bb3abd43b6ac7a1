// The trace in other forms: a table as text, JSON, CSV (RFC 4180), a Graphviz graph of the levels, and the trace-event format that Perfetto
// opens (perfetto-export.ts). Each takes the same filter as the pages.
import type { SwitchLog } from '../levels/switch-log';
import type { TraceFilter, TraceFormat, TraceRow, TraceStatistics } from '../target-types';
import { perfettoExport } from './perfetto-export';
import { switchTitle } from './trace-details';
import { matches, reasonName, rowsOf } from './trace-query';
import { traceStatistics } from './trace-statistics';

/** `levelNames`: how each level is called, L0 first, where that is known. */
export function exportTrace(log: SwitchLog, format: TraceFormat, filter: TraceFilter = {}, levelNames: readonly (string | undefined)[] = []): string {
  switch (format) {
    case 'text': return asText(rowsOf(log, [...matches(log, filter)]), traceStatistics(log, filter));
    case 'json': return asJson(rowsOf(log, [...matches(log, filter)]), traceStatistics(log, filter));
    case 'csv': return asCsv(rowsOf(log, [...matches(log, filter)]));
    case 'dot': return asGraph(log, filter, levelNames);
    case 'perfetto': return perfettoExport(log, filter, levelNames);
  }
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Columns as wide as their longest cell; numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const cells = [head, ...rows].map(row => row.map(String)), widths = head.map((_, column) => cells.reduce((most, row) => Math.max(most, row[column].length), 0));
  const right = head.map((_, column) => rows.length > 0 && rows.every(row => typeof row[column] === 'number'));
  return cells.map(row => row.map((cell, column) => right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])).join('  ').trimEnd());
}

function asText(rows: readonly TraceRow[], { start, end, units, levels, reasons }: TraceStatistics): string {
  return [
    `World switches ${start} to ${end - 1}, ${units} units`, '',
    ...table(['level', 'exits', 'executed', 'share'], levels.map(({ level, exits, executed, share }) => [`L${level}`, exits, executed, percent(share)])), '',
    ...table(['level', 'reason', 'exits', 'units below', 'share'], reasons.map(({ level, name, count, below, share }) => [`L${level}`, name, count, below, percent(share)])), '',
    ...table(['number', 'time', 'switch', 'rip', 'qualification', 'units below'],
      rows.map(row => [row.number, row.time, switchTitle(row) + (row.uncertain ? ' (uncertain)' : ''), row.rip, row.qualification ?? '', row.below === undefined ? '' : String(row.below)])), '',
  ].join('\n');
}

function asJson(rows: readonly TraceRow[], statistics: TraceStatistics): string {
  return `{\n"statistics": ${JSON.stringify(statistics)},\n"switches": [\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n}\n`;
}

const columns = ['number', 'time', 'kind', 'vcpu', 'from', 'to', 'reason', 'name', 'rip', 'qualification', 'entryFailed', 'uncertain', 'below'] as const satisfies readonly (keyof TraceRow)[];

/** A field with a comma, a quote or a line end is quoted. */
const field = (value: unknown): string => value === undefined ? '' : /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);

function asCsv(rows: readonly TraceRow[]): string {
  return [columns.join(','), ...rows.map(row => columns.map(column => field(row[column])).join(','))].join('\r\n') + '\r\n';
}

/** Levels as nodes with what they executed; an edge for each pair of levels and kind of switch, with how often, and its commonest reasons. */
function asGraph(log: SwitchLog, filter: TraceFilter, levelNames: readonly (string | undefined)[]): string {
  const { levels } = traceStatistics(log, { first: filter.first, last: filter.last });
  const edges = new Map<string, { from: number; to: number; kind: string; count: number; reasons: Map<string, number> }>();
  for (const number of matches(log, filter)) {
    const { from, to, kind, reason } = log.at(number)!, key = `${from} ${to} ${kind}`;
    let edge = edges.get(key);
    if (!edge) edges.set(key, edge = { from, to, kind, count: 0, reasons: new Map() });
    edge.count++;
    edge.reasons.set(reasonName(reason), (edge.reasons.get(reasonName(reason)) ?? 0) + 1);
  }
  const quote = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
  const style: Record<string, string> = { exit: 'solid', deliver: 'dashed', enter: 'solid', vmfail: 'dotted' };
  const heaviest = Math.max(1, ...[...edges.values()].map(({ count }) => count));
  return [
    'digraph trace {', '  rankdir=BT;', '  node [shape=box];',
    ...levels.map(({ level, executed, share }) => `  l${level} [label=${quote(`${levelNames[level] ?? `L${level}`}\n${executed} units (${percent(share)})`)}];`),
    ...[...edges.values()].map(({ from, to, kind, count, reasons }) => {
      const common = [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([reason, times]) => `${reason} x${times}`).join(', ');
      return `  l${from} -> l${to} [label=${quote(`${kind} x${count}\n${common}`)}, style=${style[kind]}, penwidth=${(1 + 3 * count / heaviest).toFixed(1)}];`;
    }),
    '}', '',
  ].join('\n');
}
