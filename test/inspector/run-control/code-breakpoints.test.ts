// Breakpoints on code, over contexts and images of a few lines: hooks are counted, hits are by level, conditions and counts hold.
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/emulator/machine';
import type { Context } from '../../../src/inspector/levels/context';
import { CodeBreakpoints, type BoundPlace, type BreakpointScope } from '../../../src/inspector/run-control/code-breakpoints';

const context = (level: number): Context => ({ level } as Context);
const levels = [context(0), context(1), context(2)];

interface World { scope: BreakpointScope; hooks: Set<bigint>; machine: Machine; logged: string[]; live: Context[]; truth: Map<string, boolean> }

/** An image that L0 and L1 run at its own place and L2 moved up by 0x1000; lines are 0x10 bytes each. */
function world(live: Context[] = [...levels]): World {
  const hooks = new Set<bigint>(), logged: string[] = [], truth = new Map<string, boolean>();
  const machine = { addCodeHook: (at: bigint) => hooks.add(at), removeCodeHook: (at: bigint) => hooks.delete(at) } as unknown as Machine;
  const scope: BreakpointScope = {
    get contexts() { return live; },
    places(_kind, { line, name, instruction }) {
      if (name === 'nowhere') throw new Error('No image has a function nowhere.');
      return [instruction !== undefined ? { address: BigInt(instruction), level: 1 } : { address: BigInt((line ?? 0) * 0x10), image: 'hv', line: line ?? 0, source: 'hv.c' }];
    },
    addressIn(where, place: BoundPlace) {
      if (place.level !== undefined) return place.level === where.level ? place.address : undefined;
      return where.level === 2 ? place.address + 0x1000n : place.address;
    },
    physical: () => undefined,
    compile: text => { if (text === 'bad') throw new Error('it is bad'); return each => truth.get(text) ?? text === `level == ${each.level}`; },
    format: (expression, where) => `${expression}@${where.level}`,
    log: text => logged.push(text),
  };
  return { scope, hooks, machine, logged, live, truth };
}

describe('breakpoints', () => {
  it('hook every place of every level once, and nothing after they are gone', () => {
    const { scope, hooks, machine } = world(), breakpoints = new CodeBreakpoints(machine, scope);
    const [first, second] = breakpoints.set('source', ['/hv.c'], [{ line: 1 }, { line: 2 }]);
    expect([...hooks].sort()).toEqual([0x10n, 0x20n, 0x1010n, 0x1020n]);
    breakpoints.set('function', [], [{ line: 1 }]);
    breakpoints.set('source', ['/hv.c'], [{ line: 2 }]);
    expect(hooks.has(0x10n)).toBe(true);
    breakpoints.set('function', [], []);
    expect([...hooks].sort()).toEqual([0x20n, 0x1020n]);
    breakpoints.set('source', ['/hv.c'], []);
    expect(hooks.size).toBe(0);
    expect(first.id).not.toBe(second.id);
  });

  it('are hit only where the level has the place', () => {
    const { scope, machine } = world(), breakpoints = new CodeBreakpoints(machine, scope), [{ id }] = breakpoints.set('source', ['/hv.c'], [{ line: 1 }]);
    expect(levels.map(each => breakpoints.hit(each, 0x10n))).toEqual([[id], [id], []]);
    expect(levels.map(each => breakpoints.hit(each, 0x1010n))).toEqual([[], [], [id]]);
    const [{ id: instruction }] = breakpoints.set('instruction', [], [{ instruction: '0x10' }]);
    expect(levels.map(each => breakpoints.hit(each, 0x10n))).toEqual([[id], [id, instruction], []]);
  });

  it('follow conditions, hit counts and log messages', () => {
    const { scope, machine, logged } = world(), breakpoints = new CodeBreakpoints(machine, scope);
    const [one, two] = breakpoints.set('source', ['/hv.c'], [{ line: 1, condition: 'level == 1' }, { line: 1, hitCondition: '% 2' }, { line: 1, logMessage: 'x {rax} y' }]);
    expect([0, 1, 0, 1].map(level => breakpoints.hit(levels[level], 0x10n))).toEqual([[], [one.id, two.id], [], [one.id, two.id]]);
    expect(logged).toEqual(['x rax@0 y', 'x rax@1 y', 'x rax@0 y', 'x rax@1 y']);
  });

  it('say what is wrong with them', () => {
    const { scope, machine, hooks } = world(), breakpoints = new CodeBreakpoints(machine, scope);
    const infos = [...breakpoints.set('source', ['/hv.c'], [{ line: 1, condition: 'bad' }, { line: 1, hitCondition: 'often' }]), ...breakpoints.set('function', [], [{ name: 'nowhere' }])];
    expect(infos.map(({ verified }) => verified)).toEqual([false, false, false]);
    expect(infos.map(({ message }) => message)).toEqual(['it is bad', expect.stringContaining('not a hit count'), 'No image has a function nowhere.']);
    expect(hooks.size).toBe(0);
  });

  it('become verified as levels come, and tell each change once', () => {
    const { scope, machine, live, hooks } = world([]), breakpoints = new CodeBreakpoints(machine, scope), [info] = breakpoints.set('source', ['/hv.c'], [{ line: 1 }]);
    expect(info).toMatchObject({ verified: false, message: 'Binds when a level runs hv.' });
    expect(hooks.has(0x10n)).toBe(true);
    expect(breakpoints.changes()).toEqual([]);
    live.push(levels[2]);
    breakpoints.rebind();
    expect(hooks.has(0x1010n)).toBe(true);
    expect(breakpoints.changes()).toMatchObject([{ id: info.id, verified: true, line: 1, source: 'hv.c' }]);
    expect(breakpoints.changes()).toEqual([]);
  });

  it('move to another machine with their ids', () => {
    const before = world(), after = world([]), breakpoints = new CodeBreakpoints(before.machine, before.scope), [{ id }] = breakpoints.set('source', ['/hv.c'], [{ line: 1 }]);
    const moved = breakpoints.moveTo(after.machine, after.scope);
    expect(after.hooks.has(0x10n)).toBe(true);
    expect(moved.changes()).toMatchObject([{ id, verified: false }]);
    expect(moved.kindOf(id)).toBe('source');
    expect(moved.set('function', [], [{ line: 3 }])[0].id).toBeGreaterThan(id);
  });
});
