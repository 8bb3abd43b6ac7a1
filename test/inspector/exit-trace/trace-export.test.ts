import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { exportTrace } from '../../../src/inspector/exit-trace/trace-export';
import { cpuid, logOf, oneCpuid, stackLog, vmread } from './sample-log';

const log = logOf(oneCpuid);

describe('text', () => {
  it('has the statistics and a line for each switch', () => {
    const lines = exportTrace(log, 'text').split('\n');
    expect(lines[0]).toBe('World switches 0 to 5, 90 units');
    expect(lines).toContain('L0         0        80  88.9 %');
    expect(lines.filter(line => /^ *\d+ +1\d\d /.test(line))).toHaveLength(6);
    expect(lines.find(line => line.startsWith('     0'))).toMatch(/100 +L2 exits to L0: CPUID +0x4000 +90$/);
    expect(lines.every(line => line === line.trimEnd())).toBe(true);
  });
  it('holds only what the filter lets through', () => expect(exportTrace(log, 'text', { reason: vmread })).not.toContain('VMRESUME'));
});

describe('CSV', () => {
  it('has a head and a record for each switch', () => {
    const records = exportTrace(log, 'csv').split('\r\n');
    expect(records[0]).toBe('number,time,kind,vcpu,from,to,reason,name,rip,qualification,entryFailed,uncertain,below');
    expect(records[1]).toBe('0,100,exit,0,2,0,10,CPUID,0x4000,,,,90');
    expect(records).toHaveLength(8);
    expect(records.at(-1)).toBe('');
  });
  it('marks entries that failed, and has as many fields everywhere', () => {
    const records = exportTrace(logOf([[1, 'exit', 1, 0, 33, { failed: true }], [2, 'enter', 0, 1, 20]]), 'csv').split('\r\n').slice(0, -1);
    expect(records.map(record => record.split(',').length)).toEqual([13, 13, 13]);
    expect(records[1].split(',').slice(9)).toEqual(['', 'true', '', '']);
  });
});

describe('JSON', () => {
  it('is read back as rows and statistics', () => {
    const { statistics, switches } = JSON.parse(exportTrace(log, 'json', { level: 2 }));
    expect(switches.map(({ number, kind }: { number: number; kind: string }) => [number, kind])).toEqual([[0, 'exit'], [1, 'deliver'], [5, 'enter']]);
    expect(statistics.reasons).toHaveLength(1);
  });
  it('is valid for nothing', () => expect(JSON.parse(exportTrace(logOf([]), 'json')).switches).toEqual([]));
});

describe('Graphviz', () => {
  const graph = exportTrace(log, 'dot', {}, ['L0 · hyper"visor', 'L1 \\ x']);
  it('has a node for each level and an edge for each pair and kind, with counts', () => {
    expect(graph).toContain('l0 [label="L0 · hyper\\"visor\\n80 units (88.9 %)"];');
    expect(graph).toContain('l1 [label="L1 \\\\ x\\n');
    expect(graph).toMatch(/l1 -> l0 \[label="exit x2\\nVMREAD x1, VMRESUME x1"/);
    expect(graph).toMatch(/l2 -> l1 \[label="deliver x1\\nCPUID x1", style=dashed/);
    expect(graph.match(/->/g)).toHaveLength(5);
  });
  it('is accepted by dot where that is installed', () => {
    let accepted: string | undefined;
    try { accepted = execFileSync('dot', ['-Tplain'], { input: graph, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }); } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOENT');
    }
    expect(accepted ?? 'stop').toContain('stop');
  });
});

describe('trace events', () => {
  interface Event { name: string; ph: string; pid: number; tid: number; ts: number; dur: number; args: Record<string, string | number> }
  const read = (...args: Parameters<typeof exportTrace>): Event[] => JSON.parse(exportTrace(...args)).traceEvents;

  it('are a track for each level and a slice for each stretch of time', () => {
    const events = read(log, 'perfetto', {}, ['L0 · hypervisor']), slices = events.filter(({ ph }) => ph === 'X');
    expect(events.filter(({ name }) => name === 'thread_name').map(({ tid, args }) => [tid, args.name])).toEqual([[1, 'L0 · hypervisor'], [2, 'L1'], [3, 'L2']]);
    expect(events.filter(({ name }) => name === 'process_name')).toHaveLength(1);
    expect(slices.map(({ tid, ts, dur, name }) => [tid, ts, dur, name])).toEqual([
      [1, 100, 10, 'handles CPUID of L2'], [2, 110, 5, 'handles CPUID of L2'], [1, 115, 20, 'handles VMREAD of L1'], [2, 135, 5, 'runs'], [1, 140, 50, 'handles VMRESUME of L1'], [3, 190, 0, 'runs'],
    ]);
    expect(slices[0].args).toMatchObject({ switch: 0, reason: cpuid, from: 'L2' });
  });
  it('do not overlap on one processor, and cover all of the time', () => {
    const slices = read(stackLog(3, 3), 'perfetto').filter(({ ph }) => ph === 'X').sort((a, b) => a.ts - b.ts);
    for (let n = 1; n < slices.length; n++) expect(slices[n].ts).toBe(slices[n - 1].ts + slices[n - 1].dur);
    expect(new Set(slices.map(({ tid }) => tid))).toEqual(new Set([1, 2, 3, 4]));
  });
  it('keep processors in processes of their own', () => {
    const two = logOf([[0, 'enter', 0, 1, 20], [4, 'enter', 0, 2, 20, { vcpu: 1 }], [10, 'exit', 1, 0, cpuid], [20, 'exit', 2, 0, cpuid, { vcpu: 1 }]]);
    expect(new Set(read(two, 'perfetto').map(({ pid }) => pid))).toEqual(new Set([1, 2]));
  });
});
