// The parts of `abyme start` that need no machine: the drawing of world switches and the sentence in the registers.
import { describe, expect, it } from 'vitest';
import { sentenceOf } from '../../src/cli/sentence';
import { drawSwitches } from '../../src/cli/sequence-drawing';
import type { SwitchInfo } from '../../src/inspector/target-types';

const row = (kind: SwitchInfo['kind'], from: number, to: number, name = 'CPUID'): SwitchInfo => ({ kind, from, to, reason: 10, name, time: '0' });

describe('world switches as a drawing', () => {
  const lines = drawSwitches([row('exit', 3, 0), row('deliver', 3, 1), row('exit', 1, 0, 'VMRESUME'), row('vmfail', 0, 1, 'VMWRITE'), row('enter', 0, 3)], 4);
  it('has a column for each level and a line for each switch', () => {
    expect(lines).toHaveLength(6);
    expect(lines[0].trim().split(/\s+/)).toEqual(['L0', 'L1', 'L2', 'L3']);
  });
  it.each([[1, '◀', 0, 3], [2, '▶', 1, 0], [3, '◀', 0, 1], [4, '▶', 1, 0], [5, '▶', 3, 0]])('line %i: the arrow %s points at L%i, from L%i', (line, head, to, from) => {
    const column = (level: number): number => lines[0].indexOf(`L${level}`) + 1;
    expect(lines[line][column(to)]).toBe(head);
    expect('├┤').toContain(lines[line][column(from)]);
  });
  it('says what happened', () => {
    expect(lines.slice(1).map(line => line.replace(/^.*?  (?=L\d)/, ''))).toEqual(['L3 exits: CPUID', 'L1 is given the exit of L3: CPUID', 'L1 exits: VMRESUME', 'L1 is answered VMfail: VMWRITE',
      'L3 runs on (CPUID)']);
  });
});

describe('instructions that L0 answers one by one', () => {
  const pair = (level: number, name: string): SwitchInfo[] => [row('exit', level, 0, name), row('enter', 0, level, name)];
  it('are one line, with their number by kind', () => {
    const lines = drawSwitches([row('exit', 2, 0), row('deliver', 2, 1), ...pair(1, 'VMREAD'), ...pair(1, 'VMWRITE'), ...pair(1, 'VMREAD'), row('exit', 1, 0, 'VMRESUME'), row('enter', 0, 2)], 3);
    expect(lines).toHaveLength(6);
    expect(lines[3]).toContain('L1 exits to L0 and runs on, 3 times: 2 VMREAD, 1 VMWRITE');
  });
  it('stay two lines when there is one', () => expect(drawSwitches(pair(1, 'VMREAD'), 2)).toHaveLength(3));
});

describe('the sentence', () => {
  const registers = (...values: string[]) => new Map(['rax', 'rbx', 'rcx', 'rdx'].map((name, i) => [name, values[i]]));
  it.each([
    [['0x64636261', '0x68676665', '0x6c6b6a69', '0x706f6e6d'], 'abcdefghijklmnop'], [['0x6261', '0x0', '0x63', '0x0'], 'abc'], [['0xffffffff64636261', '0', '0', '0'], 'abcd'],
    [['0x64636261 (1684234849)', '0x20', '0x0', '0x0'], 'abcd'],
  ])('%j spell %s', (values, text) => expect(sentenceOf(registers(...values))).toBe(text));
});
