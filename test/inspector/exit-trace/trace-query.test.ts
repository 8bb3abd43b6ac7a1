import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { traceDetails } from '../../../src/inspector/exit-trace/trace-details';
import { matches, tracePage } from '../../../src/inspector/exit-trace/trace-query';
import { traceLanes } from '../../../src/inspector/exit-trace/trace-lanes';
import { traceStatistics } from '../../../src/inspector/exit-trace/trace-statistics';
import type { TraceFilter } from '../../../src/inspector/target-types';
import { cpuid, logOf, oneCpuid, stackLog, vmread, vmresume, type Switch } from './sample-log';

const many: Switch[] = Array.from({ length: 50 }, (_, round) => oneCpuid.map(([time, ...rest]): Switch => [time + round * 100, ...rest])).flat();

describe('filters', () => {
  const check = (filter: TraceFilter, expected: readonly number[]) => it(JSON.stringify(filter), () => expect([...matches(logOf(oneCpuid), filter)]).toEqual(expected));
  check({}, [0, 1, 2, 3, 4, 5]);
  check({ level: 2 }, [0, 1, 5]);
  check({ level: 1 }, [1, 2, 3, 4]);
  check({ level: 0 }, [0, 2, 3, 4, 5]);
  check({ level: 7 }, []);
  check({ reason: cpuid }, [0, 1, 5]);
  check({ reason: vmread, kind: 'exit' }, [2]);
  check({ kind: 'deliver' }, [1]);
  check({ kind: 'vmfail' }, []);
  check({ first: 2, last: 4 }, [2, 3, 4]);
  check({ first: 4, level: 2 }, [5]);
  check({ last: 0 }, [0]);
  check({ first: 5, last: 2 }, []);
});

describe('pages', () => {
  const log = logOf(many);
  it('go forward from a number', () => {
    const { rows, matching, before, start, end } = tracePage(log, { reason: cpuid, from: 7, count: 3 });
    expect(rows.map(({ number }) => number)).toEqual([7, 11, 12]);
    expect({ matching, before, start, end }).toEqual({ matching: 150, before: 4, start: 0, end: 300 });
  });
  it('go back from a number, and from the end', () => {
    expect(tracePage(log, { reason: cpuid, from: 7, count: 3, backwards: true })).toMatchObject({ before: 2, rows: [{ number: 5 }, { number: 6 }, { number: 7 }] });
    expect(tracePage(log, { count: 2, backwards: true })).toMatchObject({ before: 298, rows: [{ number: 298 }, { number: 299 }] });
    expect(tracePage(log, { count: 0, backwards: true })).toMatchObject({ before: 300, rows: [] });
  });
  it('hold together: turning them forwards or backwards lists every match once', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 90 }), fc.constantFrom<TraceFilter>({}, { level: 2 }, { reason: vmread }, { first: 13, last: 200 }), (count, filter) => {
      const all = [...matches(log, filter)], forwards: number[] = [], backwards: number[] = [];
      for (let from = 0; ;) {
        const { rows, before } = tracePage(log, { ...filter, from, count });
        if (rows.length === 0) break;
        expect(before).toBe(forwards.length);
        forwards.push(...rows.map(({ number }) => number));
        from = rows.at(-1)!.number + 1;
      }
      for (let from: number | undefined; from === undefined || from >= 0;) {
        const { rows, before } = tracePage(log, { ...filter, ...from !== undefined && { from }, count, backwards: true });
        if (rows.length === 0) break;
        backwards.unshift(...rows.map(({ number }) => number));
        expect(before).toBe(all.length - backwards.length);
        from = rows[0].number - 1;
      }
      expect(forwards).toEqual(all);
      expect(backwards).toEqual(all);
    }));
  });
  it('say of an exit how long it took until the level ran again', () => {
    expect(tracePage(log, { count: 6 }).rows.map(({ below }) => below)).toEqual([90, undefined, 20, undefined, 70, undefined]);
    expect(tracePage(logOf(oneCpuid.slice(0, 5)), { count: 9 }).rows.map(({ below }) => below)).toEqual([undefined, undefined, 20, undefined, undefined]);
  });
  it('hold the newest switches of a full ring, as it grows and after', () => {
    for (const capacity of [7, 100, 299, 5000]) {
      const ring = logOf(many, capacity), held = Math.min(capacity, 300);
      const { rows, start } = tracePage(ring, { count: 300 });
      expect(start).toBe(300 - held);
      expect(rows.map(({ time, kind, rip }) => [time, kind, rip])).toEqual(tracePage(log, { from: 300 - held, count: 300 }).rows.map(({ time, kind, rip }) => [time, kind, rip]));
    }
    const long = logOf(Array.from({ length: 10_000 }, (_, n): Switch => [n, 'exit', 1, 0, n % 60, { rip: n }]), 9000);
    expect(tracePage(long, { count: 1 })).toMatchObject({ start: 1000, rows: [{ number: 1000, rip: '0x3e8', reason: 40 }] });
    expect(tracePage(long, { count: 1, backwards: true })).toMatchObject({ rows: [{ number: 9999, rip: '0x270f' }] });
  });
});

describe('statistics', () => {
  it('count exits, what they cost, and what each level executed', () => {
    const { units, levels, reasons } = traceStatistics(logOf(oneCpuid));
    expect(units).toBe(90);
    expect(levels.map(({ executed, exits }) => [executed, exits])).toEqual([[10 + 20 + 50, 0], [5 + 5, 2], [0, 1]]);
    expect(levels.map(({ share }) => share)).toEqual([80 / 90, 10 / 90, 0]);
    // The VMRESUME of L1 holds until L1 runs again, which it has not.
    expect(reasons).toMatchObject([
      { level: 2, reason: cpuid, name: 'CPUID', count: 1, below: 90, share: 1, open: 0 }, { level: 1, reason: vmread, count: 1, below: 20, open: 0 },
      { level: 1, reason: vmresume, count: 1, below: 0, open: 1 },
    ]);
  });
  it('can be of one level, one reason, or a range', () => {
    expect(traceStatistics(logOf(many), { level: 1 }).reasons.map(({ reason, count }) => [reason, count])).toEqual([[vmresume, 50], [vmread, 50]]);
    expect(traceStatistics(logOf(many), { reason: cpuid }).reasons).toMatchObject([{ level: 2, count: 50, below: 4500 }]);
    expect(traceStatistics(logOf(many), { first: 6, last: 11 })).toMatchObject({ start: 6, end: 12, units: 90 });
    expect(traceStatistics(logOf([]))).toEqual({ start: 0, end: 0, units: 0, levels: [], reasons: [] });
  });
  it('do not wait for a guest that never ran', () => {
    expect(traceStatistics(logOf([[5, 'exit', 1, 0, 33, { failed: true }], [9, 'enter', 0, 1, 20]])).reasons).toMatchObject([{ count: 1, below: 0, open: 0 }]);
  });
  it('keep processors apart', () => {
    const two = logOf([[0, 'enter', 0, 1, 20], [4, 'enter', 0, 2, 20, { vcpu: 1 }], [10, 'exit', 1, 0, cpuid], [20, 'exit', 2, 0, cpuid, { vcpu: 1 }]]);
    expect(traceStatistics(two).levels.map(({ executed }) => executed)).toEqual([0, 10, 16]);
  });
  it.each([1, 2, 3])('of a stack of %i hypervisors agree with its switches', levels => {
    const log = stackLog(levels, 4), { reasons, levels: rows, units } = traceStatistics(log);
    const exits = [...matches(log, { kind: 'exit' })].length;
    expect(reasons.reduce((sum, { count }) => sum + count, 0)).toBe(exits);
    expect(reasons.find(({ level, reason }) => level === levels && reason === cpuid)).toMatchObject({ count: 4, open: 0 });
    expect(rows.reduce((sum, { executed }) => sum + executed, 0)).toBe(units);
    // Each exit of the guest costs the whole delivery: L1's own exits are parts of it.
    if (levels > 1) expect(reasons[0].below).toBeGreaterThan(units / 2);
  });
});

describe('lanes', () => {
  it('are the stretches of time of each level, cut at the window', () => {
    const { segments, levels, vcpus, traceStart, traceEnd } = traceLanes(logOf(oneCpuid), { columns: 100 });
    expect({ levels, vcpus, traceStart, traceEnd }).toEqual({ levels: 3, vcpus: 1, traceStart: 100, traceEnd: 190 });
    expect(segments!.map(({ level, start, end }) => [level, start, end])).toEqual([[0, 100, 110], [1, 110, 115], [0, 115, 135], [1, 135, 140], [0, 140, 190]]);
    expect(segments!.map(({ name }) => name)).toEqual(['handles CPUID of L2', 'handles CPUID of L2', 'handles VMREAD of L1', 'runs', 'handles VMRESUME of L1']);
    const inside = traceLanes(logOf(oneCpuid), { columns: 100, start: 112, end: 120 });
    expect(inside.segments!.map(({ level, start, end, number }) => [level, start, end, number])).toEqual([[1, 112, 115, 1], [0, 115, 120, 2]]);
  });
  it('become shares when there are too many', () => {
    const { density, segments } = traceLanes(logOf(many), { columns: 10 });
    expect(segments).toBeUndefined();
    expect(density).toHaveLength(10);
    for (const column of density!) expect(column.reduce((sum, part) => sum + part, 0)).toBeCloseTo(1, 2);
    const total = (level: number): number => density!.reduce((sum, column) => sum + column[level], 0) * 4990 / 10;
    expect(total(1) / 500).toBeCloseTo(1, 1);
  });
  it('survive an empty trace, an empty window and another processor', () => {
    expect(traceLanes(logOf([]), { columns: 10 })).toMatchObject({ levels: 0, segments: [] });
    expect(traceLanes(logOf(oneCpuid), { columns: 10, start: 150, end: 150 }).segments).toEqual([]);
    expect(traceLanes(logOf(oneCpuid), { columns: 10, vcpu: 3 }).segments).toEqual([]);
    expect(traceLanes(logOf(oneCpuid), { columns: 10, start: 500, end: 900 }).segments).toEqual([]);
  });
});

describe('details', () => {
  const text = (number: number) => traceDetails(logOf(oneCpuid), number, (_, address) => address === 0x4000n ? 'main+0x10' : undefined)!;
  it('tell an exit', () => {
    expect(text(0).title).toBe('L2 exits to L0: CPUID');
    expect(text(0).lines).toContainEqual({ name: 'what', value: 'CPUID leaf 0x7, subleaf 0x0' });
    expect(text(0).lines).toContainEqual({ name: 'at', value: '0x4000  main+0x10' });
    expect(text(0).lines).toContainEqual({ name: 'until it ran again', value: '90 units' });
    expect(text(4).lines).toContainEqual({ name: 'until it ran again', value: 'has not run again' });
  });
  it('tell a delivery and an entry', () => {
    expect(text(1).title).toBe('The CPUID exit of L2 is delivered to L1');
    expect(text(5)).toMatchObject({ title: 'L2 is entered (after CPUID)' });
    expect(text(5).lines).toContainEqual({ name: 'goes on at', value: '0x4002' });
  });
  it('are not there for what is not held', () => {
    for (const number of [-1, 6, 0.5, NaN]) expect(traceDetails(logOf(oneCpuid), number)).toBeUndefined();
    expect(traceDetails(logOf(many, 10), 0)).toBeUndefined();
  });
});
