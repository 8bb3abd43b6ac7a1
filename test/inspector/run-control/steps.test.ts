// The steps, over traces of a stack of three hypervisors and a guest: where each step ends, whatever runs between.
import { describe, expect, it } from 'vitest';
import type { Context } from '../../../src/inspector/levels/context';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { ArmedFilters } from '../../../src/inspector/run-control/armed-filters';
import { CodeBreakpoints } from '../../../src/inspector/run-control/code-breakpoints';
import { DataBreakpoints, unboundDataScope } from '../../../src/inspector/run-control/data-breakpoints';
import type { CodeMap, LineRow } from '../../../src/inspector/run-control/plan';
import { RunControl, type Halt } from '../../../src/inspector/run-control/run-control';
import { stepPlan, type StepWish } from '../../../src/inspector/run-control/steps';
import { ReplayMachine, Trace } from './replay-machine';

const stackOptions = { levels: 3, addresses: 'own', hardware: 'per level', ept: true, reads: 1 } as const;

interface Setup {
  machine: ReplayMachine;
  tracker: LevelTracker;
  control: RunControl;
  filters: ArmedFilters;
  level(n: number): Context;
  step(level: number, wish: Partial<StepWish>): Promise<Halt>;
  rip(): bigint;
}

/** A machine at the beginning of `units` after the stack has booted. */
function setup(build: (trace: Trace) => void, code: Partial<CodeMap> = {}, boot = true): Setup {
  const trace = new Trace(stackOptions);
  if (boot) trace.stack.boot();
  const start = trace.units.length;
  build(trace);
  const machine = new ReplayMachine(trace), tracker = new LevelTracker(), filters = new ArmedFilters(undefined);
  const nowhere = { places: () => [], addressIn: () => undefined, contexts: [], physical: () => undefined, compile: () => () => true, format: () => '', log: () => undefined };
  const breakpoints = new CodeBreakpoints(machine.asMachine, nowhere);
  const control = new RunControl(machine.asMachine, tracker, filters, breakpoints, new DataBreakpoints(undefined, unboundDataScope), { serial: () => undefined, unimplemented: () => undefined, levelsChanged: () => undefined,
    awaitsLevel: () => false });
  if (start > 0) { machine.run(start); machine.drainEvents(event => tracker.feed(event)); }
  const world = { machine: machine.asMachine, levels: tracker, code: { lineAt: () => undefined, framesAt: () => [], bodyOf: () => undefined, caller: () => undefined, ...code } };
  return {
    machine, tracker, control, filters,
    level: n => tracker.contexts.find(context => context.level === n)!,
    step(level, wish) { return control.resume(stepPlan(world, this.level(level), { kind: 'over', granularity: 'instruction', ...wish })); },
    rip: () => machine.registers().get('rip'),
  };
}

/** Lines of the top guest by offset in its image. */
const linesAt = (trace: Trace, lines: Record<number, number>): Pick<CodeMap, 'lineAt'> => ({
  lineAt: (context, rip): LineRow | undefined => {
    if (context.level !== 3) return undefined;
    const offset = Number(rip - trace.stack.at(3, 0n).rip), starts = Object.keys(lines).map(Number).filter(start => start <= offset).sort((a, b) => b - a);
    return starts.length === 0 ? undefined : { file: 'guest.c', line: lines[starts[0]], address: rip - BigInt(offset - starts[0]), isStatement: true };
  },
});

const guest = new Trace(stackOptions).stack.at(3, 0n).rip;
/** The guest executes CPUID at 0x40 and goes on at 0x42. */
const exitOnce = (trace: Trace): void => {
  trace.plain(3, { rip: guest + 0x3en });
  trace.stack.guestExit();
  trace.plain(3, { rip: guest + 0x42n }, { rip: guest + 0x44n }, { rip: guest + 0x48n });
};

describe('an instruction that exits', () => {
  const atExit = (): Setup => {
    const s = setup(exitOnce);
    s.machine.run(1);
    return s;
  };

  it('over runs the whole delivery', async () => {
    const s = atExit();
    expect(await s.step(3, {})).toMatchObject({ kind: 'plan', context: { level: 3 }, note: undefined });
    expect(s.rip()).toBe(guest + 0x42n);
  });

  it.each([[undefined, 2], [0, 0], [1, 1], [2, 2]])('into target %s stops in the handler of L%i', async (target, level) => {
    const s = atExit();
    expect(await s.step(3, { kind: 'in', level: target })).toMatchObject({ kind: 'plan', context: { level } });
    expect(s.rip()).toBe(s.machine.trace.stack.handler(level).rip);
    expect(s.tracker.executing(0).level).toBe(level);
  });

  it('into says so when the exit is consumed below', async () => {
    const trace = setup(t => {
      t.plain(3, { rip: guest + 0x3en });
      const { stream, state } = t.stack;
      t.stack.go(3, 0x40n);
      t.stack.truth = 0;
      stream.exit(state[3], { reason: 10, length: 2, vmcs: t.stack.hardwareVmcs(3) });
      t.stack.go(0, 0x100n);
      stream.instruction(state[0], { name: 'VMRESUME', root: true, current: t.stack.hardwareVmcs(3) });
      t.stack.arrive(3, { ...state[3], rip: guest + 0x42n }, 2n, false);
      t.plain(3, { rip: guest + 0x42n }, { rip: guest + 0x44n });
    });
    trace.machine.run(1);
    const halt = await trace.step(3, { kind: 'in' });
    expect(halt).toMatchObject({ kind: 'plan', context: { level: 3 }, note: expect.stringContaining('handled below') });
    expect(trace.rip()).toBe(guest + 0x42n);
  });

  it('over at the stop on the exit ends after the instruction, on the same level', async () => {
    const s = atExit();
    s.filters.set([{ filter: 'exit.cpuid' }], () => () => true);
    const stop = await s.control.resume();
    expect(stop).toMatchObject({ kind: 'filter', filter: 'exit.cpuid', context: { level: 3 } });
    expect(s.tracker.executing(0).level).toBe(0);
    expect(await s.step(3, {})).toMatchObject({ kind: 'plan', context: { level: 3 } });
    expect(s.rip()).toBe(guest + 0x42n);
  });

  it.each([[undefined, 2], [0, 0], [1, 1]])('into target %s at the stop on the exit', async (target, level) => {
    const s = atExit();
    s.filters.set([{ filter: 'exit.cpuid' }], () => () => true);
    await s.control.resume();
    const before = s.machine.at;
    expect(await s.step(3, { kind: 'in', level: target, atExit: true })).toMatchObject({ kind: 'plan', context: { level } });
    expect(s.rip()).toBe(s.machine.trace.stack.handler(level).rip);
    if (level === 0) expect(s.machine.at).toBe(before);
  });

  it('writes nothing to the machine', async () => {
    const s = atExit();
    await s.step(3, {});
    expect(s.machine.written).toEqual([]);
    expect(s.machine.hooks.size).toBe(0);
  });
});

describe('statement steps across an exit', () => {
  const lines = { 0x30: 7, 0x40: 8, 0x44: 8, 0x48: 9 };
  it.each([true, false])('ends at the next line, from the stop on the exit: %s', async fromStop => {
    const trace = new Trace(stackOptions), s = setup(exitOnce, linesAt(trace, lines));
    s.machine.run(1);
    if (fromStop) {
      s.filters.set([{ filter: 'exit.cpuid' }], () => () => true);
      await s.control.resume();
    }
    expect(await s.step(3, { granularity: 'statement' })).toMatchObject({ kind: 'plan', context: { level: 3 } });
    expect(s.rip()).toBe(guest + 0x48n);
  });
});

describe('VMX instructions of a level', () => {
  /** Runs until a level is about to make its entry instruction: VMRESUME of L2 at offset 0x90. */
  const atResume = (level: number): Setup => {
    const s = setup(t => { exitOnce(t); exitOnce(t); });
    const rip = s.machine.trace.stack.at(level, 0x90n).rip;
    const index = s.machine.trace.units.findIndex((unit, i) => i >= s.machine.at && unit.level === level && unit.rip === rip);
    s.machine.run(index - s.machine.at);
    s.machine.drainEvents(event => s.tracker.feed(event));
    return s;
  };

  it('into VMRESUME of L2 stops in the guest', async () => {
    const s = atResume(2);
    expect(await s.step(2, { kind: 'in' })).toMatchObject({ kind: 'plan', context: { level: 3 } });
    expect(s.rip()).toBe(guest + 0x42n);
  });

  it('over VMRESUME of L2 stops at its next instruction: the handler of the next exit', async () => {
    const s = atResume(2);
    expect(await s.step(2, {})).toMatchObject({ kind: 'plan', context: { level: 2 } });
    expect(s.rip()).toBe(s.machine.trace.stack.handler(2).rip);
  });

  it('into VMRESUME of L2 with a target below stops in the handler there', async () => {
    const s = atResume(2);
    expect(await s.step(2, { kind: 'in', level: 0 })).toMatchObject({ kind: 'plan', context: { level: 0 } });
  });

  it('over a VMREAD of L1 ends after it', async () => {
    const s = setup(exitOnce), handler = s.machine.trace.stack.handler(1).rip;
    const index = s.machine.trace.units.findIndex((unit, i) => i >= s.machine.at && unit.level === 1 && unit.rip === handler);
    s.machine.run(index - s.machine.at);
    s.machine.drainEvents(event => s.tracker.feed(event));
    expect(await s.step(1, {})).toMatchObject({ kind: 'plan', context: { level: 1 } });
    expect(s.rip()).toBe(handler + 4n);
  });

  it('out of the outermost frame of a handler stops when the level that exited runs again', async () => {
    const s = setup(exitOnce), handler = s.machine.trace.stack.handler(2).rip;
    const index = s.machine.trace.units.findIndex((unit, i) => i >= s.machine.at && unit.level === 2 && unit.rip === handler);
    s.machine.run(index - s.machine.at);
    s.machine.drainEvents(event => s.tracker.feed(event));
    expect(s.tracker.executing(0).level).toBe(2);
    expect(await s.step(2, { kind: 'out' })).toMatchObject({ kind: 'plan', context: { level: 3 } });
    expect(s.rip()).toBe(guest + 0x42n);
  });

  it('steps of a level that waits end when it runs', async () => {
    const s = setup(exitOnce);
    expect(await s.step(1, { granularity: 'statement' })).toMatchObject({ kind: 'plan', context: { level: 1 } });
    expect(s.rip()).toBe(s.machine.trace.stack.handler(1).rip);
    expect(await s.step(0, {})).toMatchObject({ kind: 'plan', context: { level: 0 } });
    expect(s.rip()).toBe(s.machine.trace.stack.handler(0).rip);
  });
});

describe('calls, returns, faults and interrupts within a level', () => {
  const call = [0xe8, 0, 0, 0, 0], ret = [0xc3], iret = [0x48, 0xcf], top = 0x9000n;
  const body = (rip: bigint, rsp: bigint) => ({ rip, rsp });
  const lines = { 0: 1, 0x10: 2, 0x20: 3, 0x100: 50, 0x104: 51 };
  const program = (t: Trace): void => t.plain(3,
    { rip: guest, rsp: top }, { rip: guest + 4n, rsp: top, bytes: call, pushed: guest + 9n },
    body(guest + 0x100n, top - 8n), { rip: guest + 0x104n, rsp: top - 8n }, { rip: guest + 0x106n, rsp: top - 8n, bytes: ret },
    { rip: guest + 9n, rsp: top }, { rip: guest + 0x10n, rsp: top, bytes: ret }, { rip: guest + 0x22n, rsp: top + 8n }, { rip: guest + 0x24n, rsp: top + 8n });
  const begin = (code: Partial<CodeMap> = {}): Setup => setup(program, { ...linesAt(new Trace(stackOptions), lines), ...code });

  it('over a call', async () => {
    const s = begin();
    await s.step(3, { granularity: 'statement' });
    expect(s.rip()).toBe(guest + 0x10n);
    expect(s.machine.hooks.size).toBe(0);
  });
  it('into a call, past the prologue', async () => {
    const s = begin({ bodyOf: () => guest + 0x104n });
    await s.step(3, { kind: 'in', granularity: 'statement' });
    expect(s.rip()).toBe(guest + 0x104n);
  });
  it('into a function without lines goes over it', async () => {
    const s = begin();
    await s.step(3, { kind: 'in', granularity: 'statement' });
    expect(s.rip()).toBe(guest + 0x10n);
  });
  it('by instruction, into the call', async () => {
    const s = begin();
    await s.step(3, { kind: 'in' });
    expect(s.rip()).toBe(guest + 4n);
    await s.step(3, { kind: 'in' });
    expect(s.rip()).toBe(guest + 0x100n);
  });
  it('by instruction, over the call', async () => {
    const s = begin();
    await s.step(3, {});
    await s.step(3, {});
    expect(s.rip()).toBe(guest + 9n);
  });
  it('a statement step ends in the caller after a return', async () => {
    const s = begin();
    await s.step(3, { granularity: 'statement' });
    await s.step(3, { granularity: 'statement' });
    expect(s.rip()).toBe(guest + 0x22n);
  });
  it('out stops behind the call, with the stack of the caller', async () => {
    const s = begin({ caller: () => ({ rip: guest + 9n, rsp: top }) });
    s.machine.run(3);
    await s.step(3, { kind: 'out' });
    expect(s.rip()).toBe(guest + 9n);
  });

  it.each([['interrupt', 'instruction', 4n], ['interrupt', 'statement', 0x10n], ['exception', 'instruction', 0x200n], ['exception', 'statement', 0x10n]] as const)(
    '%s during a step by %s', async (delivered, granularity, offset) => {
      const s = setup(t => t.plain(3,
        { rip: guest, rsp: top, delivered }, { rip: guest + 0x200n, rsp: top - 40n }, { rip: guest + 0x202n, rsp: top - 40n, bytes: iret },
        { rip: guest, rsp: top }, { rip: guest + 4n, rsp: top }, { rip: guest + 0x10n, rsp: top }, { rip: guest + 0x14n, rsp: top }), linesAt(new Trace(stackOptions), lines));
      await s.step(3, { granularity });
      expect(s.rip()).toBe(guest + offset);
    });

  it.each([['over', 1], ['out', 2]] as const)('%s of user code, the same place in another address space is another frame', async (kind, start) => {
    const mine = 0x1000n, other = 0x2000n, at = (offset: number, rsp: bigint, cr3: bigint, more = {}) => ({ rip: guest + BigInt(offset), rsp, cr3, ...more });
    const s = setup(t => t.plain(3,
      at(0, top, mine), at(4, top, mine, { bytes: call, pushed: guest + 9n }), at(0x100, top - 8n, mine), at(0x100, top - 8n, other), at(0x104, top - 8n, other, { bytes: ret }),
      at(9, top, other), at(0x10, top, other), at(0x104, top - 8n, mine, { bytes: ret }), at(9, top, mine), at(0x10, top, mine)), { caller: () => ({ rip: guest + 9n, rsp: top }) });
    s.machine.run(start);
    await s.step(3, { kind });
    expect([s.rip(), s.machine.registers().get('cr3')]).toEqual([guest + 9n, mine]);
  });

  it('a repeated string instruction is one instruction', async () => {
    const s = setup(t => t.plain(3, ...Array.from({ length: 100 }, () => ({ rip: guest, rsp: top, bytes: [0xf3, 0x48, 0xab] })), { rip: guest + 3n, rsp: top }));
    await s.step(3, {});
    expect(s.rip()).toBe(guest + 3n);
  });

  it('a loop on one line stops once an iteration', async () => {
    const loop = { 0: 1, 0x10: 2 };
    const s = setup(t => t.plain(3, ...[0, 4, 8, 0, 4, 8, 0].map(offset => ({ rip: guest + BigInt(offset), rsp: top }))), linesAt(new Trace(stackOptions), loop));
    const before = s.machine.at;
    await s.step(3, { granularity: 'statement' });
    expect([s.rip(), s.machine.at - before]).toEqual([guest, 3]);
  });
});

describe('filters', () => {
  it('arm with the first instruction of the innermost guest', async () => {
    const s = setup(exitOnce, {}, false), filters = new ArmedFilters(3);
    filters.set([{ filter: 'exit' }], () => () => true);
    const trace = new Trace(stackOptions);
    trace.stack.boot();
    const booted = trace.units.length;
    exitOnce(trace);
    const machine = new ReplayMachine(trace), tracker = s.tracker;
    const none = { places: () => [], addressIn: () => undefined, contexts: [], physical: () => undefined, compile: () => () => true, format: () => '', log: () => undefined };
    const control = new RunControl(machine.asMachine, tracker, filters, new CodeBreakpoints(machine.asMachine, none), new DataBreakpoints(undefined, unboundDataScope),
      { serial: () => undefined, unimplemented: () => undefined, levelsChanged: () => undefined, awaitsLevel: () => false });
    expect(await control.resume()).toMatchObject({ kind: 'filter', filter: 'exit', context: { level: 3 } });
    // The plain instruction, then the exit.
    expect(machine.at).toBe(booted + 2);
  });

  it.each([
    [[{ filter: 'exit@1' }], 1], [[{ filter: 'exit.vmread' }], 1], [[{ filter: 'exit.cpuid', condition: 'false' }, { filter: 'exit.vmresume@2' }], 2], [[{ filter: 'exit.cpuid' }], 3],
  ])('%j stops at an exit of L%i', async (requests, level) => {
    const s = setup(exitOnce);
    s.filters.set(requests, text => () => text === 'true');
    expect(await s.control.resume()).toMatchObject({ kind: 'filter', context: { level } });
  });

  it('answers mistakes', () => {
    const filters = new ArmedFilters(undefined);
    const results = filters.set([{ filter: 'exit.none' }, { filter: 'exit.cpuid', condition: 'oops' }, { filter: 'exit.hlt', condition: ' ' }], () => { throw new Error('no such name'); });
    expect(results.map(({ verified }) => verified)).toEqual([false, false, true]);
    expect(results[1].message).toContain('no such name');
  });
});

describe('pause', () => {
  it('is answered while the machine idles', async () => {
    const s = setup(exitOnce);
    const halt = s.control.resume();
    setTimeout(() => s.control.pause(), 5);
    expect(await halt).toMatchObject({ kind: 'pause' });
    expect(s.control.isRunning).toBe(false);
  });
});
