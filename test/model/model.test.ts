// The model against the figures that its source gives, and against itself: the recurrence counts what the trace shows.
import { describe, expect, it } from 'vitest';
import { exitsByLevels, scalarBehaviour, typedExits } from '../../src/model/recurrence';
import { accessesExit, propagatesResume, strategies, type Strategy } from '../../src/model/strategies';
import { traceGraph, traceOfExit, traceText, TraceTooLong } from '../../src/model/trace';

const numbers = (values: readonly bigint[]): number[] => values.map(Number);

describe('exits against the number of hypervisors', () => {
  it.each<[Strategy, number, number[]]>([
    ['naive', 3, [1, 5, 25, 125, 625, 3125]],
    ['no-propagation', 3, [1, 5, 21, 85, 341, 1365]],
    ['shadowing', 3, [1, 2, 4, 8, 16, 32]],
    ['both', 3, [1, 2, 3, 4, 5, 6]],
  ])('%s with r = %i', (strategy, r, exits) => { expect(numbers(exitsByLevels(strategy, 6, r))).toEqual(exits); });

  it.each([0, 1, 2, 5, 19])('closed forms with r = %i', r => {
    expect(numbers(exitsByLevels('naive', 7, r))).toEqual(Array.from({ length: 7 }, (_, n) => (r + 2) ** n));
    expect(numbers(exitsByLevels('no-propagation', 7, r))).toEqual(Array.from({ length: 7 }, (_, n) => r === 0 ? n + 1 : ((r + 1) ** (n + 1) - 1) / r));
  });

  it('typed as the ancestor\'s authors counted their code', () => {
    const behaviour = (forward: number, cpuid: number, resume: number) =>
      ({ forward: { access: forward }, handle: { access: { access: 0 }, CPUID: { access: cpuid }, VMRESUME: { access: resume } } });
    expect(numbers(typedExits(behaviour(434, 19, 249), 'CPUID', 2))).toEqual([1, 21]);
  });
  it('a kind without operations is refused by name', () => {
    expect(() => typedExits({ forward: {}, handle: { VMRESUME: {} } }, 'CPUID', 2)).toThrow(/CPUID/);
  });
  it('counts beyond 2^53 stay exact', () => { expect(exitsByLevels('naive', 40, 3)[39]).toBe(5n ** 39n); });
});

describe('traces', () => {
  it.each(strategies.flatMap(s => [1, 2, 3, 4].map(n => [s, n] as const)))('%s, %i levels: as many exits as the recurrence says, an entry for each', (strategy, levels) => {
    const r = 2, steps = traceOfExit(scalarBehaviour(accessesExit(strategy) ? r : 0), levels, 'exit', propagatesResume(strategy));
    const exits = steps.filter(s => s.kind === 'exit').length;
    expect(exits).toBe(Number(exitsByLevels(strategy, levels, r)[levels - 1]));
    expect(steps.length).toBe(2 * exits);
    expect(steps.at(-1)).toEqual({ kind: 'enter', from: 0, to: levels, reason: 'exit' });
  });
  it('two levels, no operation', () => {
    expect(traceText(traceOfExit(scalarBehaviour(0), 2, 'exit')).split('\n').map(l => l.trim())).toEqual([
      '1      l_2 exits: exit', '2    l_1 is given the exit of l_2: exit', '3    l_1 exits: VMRESUME', '4      l_2 runs on',
    ]);
  });
  it('a graph has an edge for each direction between l_0 and a level', () => {
    const graph = traceGraph(traceOfExit(scalarBehaviour(1), 3, 'exit'), 3);
    expect(graph).toMatch(/l3 -> l0/);
    expect(graph).toMatch(/l0 -> l1/);
    expect(graph.trim().endsWith('}')).toBe(true);
  });
  it('a trace too long to read is refused', () => { expect(() => traceOfExit(scalarBehaviour(9), 8, 'exit')).toThrow(TraceTooLong); });
});
