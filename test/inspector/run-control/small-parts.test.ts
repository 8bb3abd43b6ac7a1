// The parts of run control that need no machine: hit counts, log messages, filter ids, slices.
import { describe, expect, it } from 'vitest';
import { exitReasons } from '../../../src/spec/exit-reasons';
import { parseHitCondition } from '../../../src/inspector/run-control/hit-condition';
import { parseLogMessage } from '../../../src/inspector/run-control/log-message';
import { SliceClock } from '../../../src/inspector/run-control/slices';
import { filterId, parseFilterId, stopFilters } from '../../../src/inspector/run-control/stop-filters';

describe('hit counts', () => {
  const hits = (text: string): number[] => Array.from({ length: 8 }, (_, i) => i + 1).filter(parseHitCondition(text) ?? (() => false));
  it.each([
    ['3', [3, 4, 5, 6, 7, 8]], ['>= 7', [7, 8]], ['>6', [7, 8]], ['<3', [1, 2]], [' <= 2 ', [1, 2]], ['== 4', [4]], ['=4', [4]], ['% 3', [3, 6]], ['%1', [1, 2, 3, 4, 5, 6, 7, 8]],
  ])('%s', (text, expected) => expect(hits(text)).toEqual(expected));
  it.each(['', 'x', '% 0', '1.5', '> ', '3 4', '!= 3', '-1'])('refuses %j', text => expect(parseHitCondition(text)).toBeUndefined());
});

describe('log messages', () => {
  it.each([
    ['plain', [{ text: 'plain' }]],
    ['a {rax} b', [{ text: 'a ' }, { expression: 'rax' }, { text: ' b' }]],
    ['{a}{ b }', [{ expression: 'a' }, { expression: 'b' }]],
    ['\\{no\\} {yes}', [{ text: '{no} ' }, { expression: 'yes' }]],
    ['{nested {x} y}', [{ expression: 'nested {x} y' }]],
    ['open {x', [{ text: 'open {x' }]],
    ['', []],
  ])('%s', (message, expected) => expect(parseLogMessage(message)).toEqual(expected));
});

describe('stop filters', () => {
  it('has unique ids', () => expect(new Set(stopFilters.map(({ id }) => id)).size).toBe(stopFilters.length));
  it.each(exitReasons.map(({ slug, number, nature }) => [slug, number, nature] as const))('has one for exit reason %s', (slug, number, nature) => {
    const found = parseFilterId(`exit.${slug}`)?.filter;
    expect(found).toMatchObject({ index: number, kind: nature === 'entry-failure' ? 'entryFailure' : 'exit' });
    expect(found?.description).not.toBe('');
  });
  const stable = ['exit', 'exit.cpuid', 'exit.ept-violation', 'exit.ept-misconfiguration', 'entry-failure', 'vmfail', 'triple-fault', 'vmx', 'vmx.vmlaunch', 'exception.page-fault'];
  it.each(stable)('keeps the id %s', id => {
    expect(parseFilterId(id)?.filter.id).toBe(id);
  });
  it('shows about a dozen, with CPUID and VM-entry failure on', () => {
    const shown = stopFilters.filter(({ common }) => common);
    expect(shown.length).toBeGreaterThanOrEqual(12);
    expect(shown.length).toBeLessThanOrEqual(14);
    expect(stopFilters.filter(({ enabled }) => enabled).map(({ id }) => id)).toEqual(expect.arrayContaining(['exit.cpuid', 'entry-failure']));
    expect(stopFilters.filter(({ enabled, common }) => enabled && !common)).toEqual([]);
  });
  it('limits a filter to a level', () => {
    expect(parseFilterId(filterId('exit.cpuid', 3))).toMatchObject({ filter: { id: 'exit.cpuid' }, level: 3 });
    expect(parseFilterId(filterId('exit'))?.level).toBeUndefined();
  });
  it.each(['exit.nothing', '', 'exit@', 'exit@x', 'exit@-1', '@3', 'EXIT'])('refuses %j', id => expect(parseFilterId(id)).toBeUndefined());
});

describe('slices', () => {
  /** A clock whose runs take the time that the test says. */
  function timed(): { clock: SliceClock; run(units: number, ms: number): boolean } {
    let now = 0;
    const clock = new SliceClock(() => now);
    return { clock, run(units, ms) { now += ms; return clock.over(units, true); } };
  }
  it('shrink after a long run and grow after a short one', () => {
    const { clock, run } = timed(), first = clock.units;
    expect(run(first, 60)).toBe(true);
    expect(clock.units).toBeLessThan(first / 5);
    const small = clock.units;
    clock.begin();
    expect(run(small, 1)).toBe(false);
    expect(clock.units).toBe(small * 2);
  });
  it('end after a few milliseconds, however many stops there were', () => {
    const { clock, run } = timed();
    clock.begin();
    expect([run(10, 2), run(10, 2), run(10, 3)]).toEqual([false, false, true]);
  });
  it('never go below a useful size', () => {
    const { clock, run } = timed();
    for (let i = 0; i < 50; i++) run(clock.units, 1000);
    expect(clock.units).toBeGreaterThanOrEqual(2000);
  });
});
