// The model against the figures that its source gives, and against itself: the recurrence counts what the trace shows.
import { describe, expect, it } from 'vitest';
import { exitsByLevels, scalarBehaviour, typedExits, type TypedBehaviour, type Work } from '../../src/model/recurrence';
import { accessesExit, propagatesResume, strategies, type Strategy } from '../../src/model/strategies';
import { traceGraph, traceOfExit, traceOfStart, traceText, TraceTooLong } from '../../src/model/trace';

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
    const work = (n: number): Work => ({ operations: n === 0 ? {} : { access: n }, resume: 'VMRESUME' });
    const behaviour = (forward: number, cpuid: number, resume: number): TypedBehaviour => ({
      forward: { access: work(forward), CPUID: work(forward), VMRESUME: work(forward) }, handle: { access: work(0), CPUID: work(cpuid), VMRESUME: work(resume) },
    });
    expect(numbers(typedExits(behaviour(434, 19, 249), 'CPUID', 2))).toEqual([1, 21]);
  });
  it('kinds of VMRESUME cost what their fields cost', () => {
    const behaviour: TypedBehaviour = {
      forward: { VMCALL: { operations: { VMPTRLD: 1 }, resume: 'VMRESUME after RIP, RSP' } },
      handle: {
        VMCALL: { operations: { write: 1 }, resume: 'VMRESUME after RIP' }, VMPTRLD: { operations: {}, resume: 'VMRESUME after RIP' }, write: { operations: {}, resume: 'VMRESUME after RIP' },
        'VMRESUME after RIP': { operations: { write: 1 }, resume: 'VMRESUME after RIP' }, 'VMRESUME after RIP, RSP': { operations: { write: 2 }, resume: 'VMRESUME after RIP, RSP' },
      },
    };
    // level 3: itself; l_1 forwards by a VMPTRLD and a VMRESUME, one exit each; l_2 handles by a write (2) and a VMRESUME (1 + write 1 + VMRESUME 1)
    expect(numbers(typedExits(behaviour, 'VMCALL', 3))).toEqual([1, 3, 1 + 2 + (2 + 3)]);
    expect(numbers(typedExits(behaviour, 'VMCALL', 3, false))).toEqual([1, 3, 1 + 2 + (2 + 1)]);
  });
  it('a kind without operations is refused by name', () => {
    expect(() => typedExits({ forward: {}, handle: {} }, 'CPUID', 2)).toThrow(/CPUID/);
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
  it('one hypervisor starts without an exit', () => {
    expect(traceText(traceOfStart(scalarBehaviour(1), 1)).split('\n').map(l => l.trim())).toEqual([
      '1  l_0 executes VMXON', '2  l_0 executes VMCLEAR', '3  l_0 executes VMPTRLD', '4  l_0 executes VMWRITE', '5    l_1 starts',
    ]);
  });
  it.each(strategies)('five hypervisors start, %s: each instruction of level x costs what the recurrence says', strategy => {
    const behaviour = scalarBehaviour(accessesExit(strategy) ? 1 : 0), steps = traceOfStart(behaviour, 5, propagatesResume(strategy));
    const costs = typedExits(behaviour, 'access', 4, propagatesResume(strategy)).map(Number), instructions = 5;
    expect(steps.filter(s => s.kind === 'exit').length).toBe(costs.reduce((sum, each) => sum + instructions * each, 0));
    expect(steps.filter(s => s.kind === 'enter' && s.reason === 'VMLAUNCH').map(s => s.to)).toEqual([1, 2, 3, 4, 5]);
    expect(traceGraph(steps, 5)).toMatch(/l4 -> l0/);
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
