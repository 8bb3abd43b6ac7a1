// The matrix of stops, level by reason, and its memory beyond a session.
import { describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { ChosenFilter, StopFilter } from '../../src/extension/custom-requests';
import { reasonGroups, replaceChoice } from '../../src/extension/stop-choice';
import { StopMemory } from '../../src/extension/stop-memory';

const filters: StopFilter[] = [
  { filter: 'exit', label: 'Any VM exit', group: 'VM exits', shown: false },
  { filter: 'exit.cpuid', label: 'CPUID', group: 'VM exits', shown: true },
  { filter: 'exit.cr-access', label: 'CR access', group: 'VM exits', shown: false, levels: [1, 3] },
  { filter: 'vmfail', label: 'VMfail', group: 'VMX instructions', shown: true, levels: [2] },
];

describe('rows', () => {
  const picked = (level: number | undefined) => reasonGroups(filters, level).flatMap(({ rows }) => rows).filter((row) => row.picked).map(({ filter }) => filter);

  it.each<[number | undefined, string[]]>([[undefined, ['exit.cpuid', 'vmfail']], [0, []], [1, ['exit.cr-access']], [2, ['vmfail']], [3, ['exit.cr-access']]])(
    'picked at level %s', (level, expected) => expect(picked(level)).toEqual(expected));

  it('keeps the order and gathers groups', () => {
    expect(reasonGroups(filters, 0).map(({ group, rows }) => [group, rows.length])).toEqual([['VM exits', 3], ['VMX instructions', 1]]);
  });
});

describe('a new choice', () => {
  it.each<[string, number | undefined, string[], ChosenFilter[]]>([
    ['for any level leaves those for one', undefined, ['exit'], [{ filter: 'exit' }, { filter: 'exit.cr-access', level: 1 }, { filter: 'exit.cr-access', level: 3 }, { filter: 'vmfail', level: 2 }]],
    ['for one level leaves the others', 2, ['exit.cr-access'],
      [{ filter: 'exit.cpuid' }, { filter: 'exit.cr-access', level: 1 }, { filter: 'exit.cr-access', level: 2 }, { filter: 'exit.cr-access', level: 3 }, { filter: 'vmfail' }]],
    ['of nothing for a level removes its own', 1, [], [{ filter: 'exit.cpuid' }, { filter: 'exit.cr-access', level: 3 }, { filter: 'vmfail' }, { filter: 'vmfail', level: 2 }]],
    ['that changes nothing gives back what was', 3, ['exit.cr-access'],
      [{ filter: 'exit.cpuid' }, { filter: 'exit.cr-access', level: 1 }, { filter: 'exit.cr-access', level: 3 }, { filter: 'vmfail' }, { filter: 'vmfail', level: 2 }]],
  ])('%s', (_, level, picked, expected) => expect(replaceChoice(filters, level, new Set(picked))).toEqual(expected));
});

describe('memory', () => {
  const request = (filterOptions?: { filterId: string }[]) => ({ seq: 1, type: 'request', command: 'setExceptionBreakpoints', arguments: { filters: [], filterOptions } }) as DebugProtocol.SetExceptionBreakpointsRequest;

  it('stores a choice', () => {
    const stored: (readonly ChosenFilter[])[] = [];
    new StopMemory(undefined, (chosen) => stored.push(chosen)).choose([{ filter: 'exit' }]);
    expect(stored).toEqual([[{ filter: 'exit' }]]);
  });

  it('adds to what the editor sends the filters that it does not list, at the end', () => {
    const memory = new StopMemory([{ filter: 'exit.cpuid' }, { filter: 'exit.cr-access', level: 2 }], () => {});
    memory.announce([{ filter: 'exit.cpuid' }]);
    expect(memory.unlisted).toEqual(['exit.cr-access@2']);
    expect(memory.extend(request([{ filterId: 'exit.cpuid' }])).arguments.filterOptions).toEqual([{ filterId: 'exit.cpuid' }, { filterId: 'exit.cr-access@2' }]);
    expect(memory.extend(request()).arguments.filterOptions).toEqual([{ filterId: 'exit.cr-access@2' }]);
  });

  it('leaves the request alone when the editor lists all', () => {
    const memory = new StopMemory([{ filter: 'exit.cpuid' }], () => {});
    memory.announce([{ filter: 'exit.cpuid' }, { filter: 'vmfail' }]);
    const sent = request([{ filterId: 'vmfail' }]);
    expect(memory.extend(sent)).toBe(sent);
  });

  it('does not turn a listed filter on that the user turned off', () => {
    const memory = new StopMemory([{ filter: 'exit.cpuid' }, { filter: 'vmfail' }], () => {});
    memory.announce([{ filter: 'exit.cpuid' }]);
    expect(memory.extend(request([])).arguments.filterOptions).toEqual([{ filterId: 'vmfail' }]);
  });
});
