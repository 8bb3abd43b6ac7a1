// The trace of exits over the protocol, on the demonstration stack and the real engine.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TraceDetails, TraceLanes, TracePage, TraceStatistics } from '../../src/inspector/target-types';
import { SessionDriver } from './session-driver';

describe('the trace of the demonstration', () => {
  const session = new SessionDriver();
  beforeAll(async () => {
    await session.start();
    await session.resume('continue');
  });
  afterAll(() => session.end());
  const page = (args: object) => session.request<TracePage>('abyme/trace', args);

  it('ends with the exit of the stop', async () => {
    const { rows, end, matching } = await page({ count: 5, backwards: true });
    expect(rows.at(-1)).toMatchObject({ number: end - 1, kind: 'exit', from: 3, to: 0, name: 'CPUID' });
    expect(matching).toBe(end);
    expect(rows.at(-1)).not.toHaveProperty('below');
  });
  it('begins with the entry of level 1', async () => {
    expect((await page({ count: 1 })).rows).toMatchObject([{ number: 0, kind: 'enter', from: 0, to: 1 }]);
  });
  it('is filtered by level, reason and kind', async () => {
    const { rows, matching } = await page({ count: 1000, level: 3, reason: 10, kind: 'exit' });
    expect(rows.length).toBe(matching);
    expect(matching).toBeGreaterThan(1);
    for (const row of rows) expect(row).toMatchObject({ kind: 'exit', from: 3, reason: 10 });
    // All but the one being handled are over.
    expect(rows.slice(0, -1).every(({ below }) => below! > 0)).toBe(true);
  });
  it('has statistics that agree with its pages', async () => {
    const { reasons, levels } = await session.request<TraceStatistics>('abyme/traceStatistics', {});
    const cpuid = reasons.find(({ level, reason }) => level === 3 && reason === 10)!;
    expect(cpuid.count).toBe((await page({ count: 0, level: 3, reason: 10, kind: 'exit' })).matching);
    expect(cpuid.open).toBe(1);
    expect(levels.map(({ level }) => level)).toEqual([0, 1, 2, 3]);
    expect(levels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  });
  it('tells a switch in full, with the place in the source', async () => {
    const [last] = (await page({ count: 1, backwards: true })).rows;
    const { title, lines } = await session.request<TraceDetails>('abyme/traceDetails', { number: last.number });
    expect(title).toBe('L3 exits to L0: CPUID');
    expect(lines.find(({ name }) => name === 'what')?.value).toMatch(/^CPUID leaf 0x/);
    expect(lines.find(({ name }) => name === 'at')?.value).toMatch(/^0x[0-9a-f]+ {2}\w+.*\.\w+:\d+\)$/);
  });
  it('is drawn as lanes', async () => {
    const all = await session.request<TraceLanes>('abyme/traceLanes', { columns: 200 });
    expect(all).toMatchObject({ levels: 4, vcpus: 1 });
    expect(all.density ?? all.segments).toBeDefined();
    const near = await session.request<TraceLanes>('abyme/traceLanes', { columns: 400, start: all.traceEnd - 500 });
    expect(near.segments!.length).toBeGreaterThan(1);
  });
  it.each(['text', 'json', 'csv', 'dot', 'perfetto'])('is exported as %s', async format => {
    const { text } = await session.request<{ text: string }>('abyme/traceExport', { format });
    expect(text).toContain(format === 'dot' ? 'digraph' : 'CPUID');
    if (format === 'json' || format === 'perfetto') expect(() => JSON.parse(text) as unknown).not.toThrow();
    if (format === 'perfetto') expect(text).toContain('L3 · guest');
  });
  it.each([
    ['abyme/trace', {}, 1002], ['abyme/trace', { count: -1 }, 1002], ['abyme/trace', { count: 1, kind: 'leave' }, 1002], ['abyme/trace', { count: 1, level: 'L2' }, 1002],
    ['abyme/traceLanes', { columns: 0 }, 1002], ['abyme/traceDetails', { number: 1e9 }, 1214], ['abyme/traceExport', { format: 'pdf' }, 1002], ['abyme/traceStatistics', { reason: -1 }, 1002],
  ] as const)('%s with %j is refused with error %i', async (command, args, id) => expect((await session.failure(command, args)).id).toBe(id));
});

describe('without a machine', () => {
  const session = new SessionDriver();
  afterAll(() => session.end());
  it.each(['abyme/trace', 'abyme/traceStatistics'])('%s is refused', async command => expect((await session.failure(command, { count: 1 })).id).toBe(1003));
});
