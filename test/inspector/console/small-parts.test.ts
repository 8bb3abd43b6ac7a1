// Parts of the console that need no machine: formats, what is a command, columns, the chain of faults.
import { describe, expect, it } from 'vitest';
import type { EventReader } from '../../../src/emulator/event-ring';
import { columns, splitLevel } from '../../../src/inspector/console/command';
import { usageOf } from '../../../src/inspector/console/table';
import { wishOf } from '../../../src/inspector/console/x-command';
import { FaultLog } from '../../../src/inspector/run-control/fault-log';

it.each([
  ['', { count: 1, format: 'x', size: 8 }], ['8xg', { count: 8, format: 'x', size: 8 }], ['4wx', { count: 4, format: 'x', size: 4 }], ['s', { count: 1, format: 's', size: 8 }],
  ['16c', { count: 16, format: 'c', size: 1 }], ['2dh', { count: 2, format: 'd', size: 2 }], ['0b', { count: 1, format: 'x', size: 1 }], ['999999b', { count: 4096, format: 'x', size: 1 }],
  ['q', undefined], ['xx', undefined], ['bb', undefined], ['x8', undefined], ['1234567x', undefined],
])('x/%s', (letters, wish) => { expect(wishOf(letters)).toEqual(wish); });

it.each([
  ['rip at L2', { rest: 'rip', level: 2 }], ['0x1000 of 1', { rest: '0x1000', level: 1 }], ['rip', { rest: 'rip' }],
  ['at L1', { rest: '', level: 1 }], ['format', { rest: 'format' }], ['a at b', { rest: 'a at b' }],
])('the level of %j', (text, split) => { expect(splitLevel(text)).toEqual(split); });

it.each([
  ['levels', 'levels'], ['  exits 3', 'exits [n]'], ['x/8xg rsp', 'x/FMT ADDRESS'], ['x rsp', 'x/FMT ADDRESS'], ['walk (rsp + 8)', 'walk ADDRESS [at L2]'],
  ['x / 4', undefined], ['x/4 + 1', 'x/FMT ADDRESS'], ['x/4', undefined], ['levels == 3', undefined],
  ['exits - 1', undefined], ['trace in 1..3', undefined], ['vmcs.GUEST_RIP', undefined], ['walking 3', undefined],
  ['why ? 1 : 2', undefined], ['msr = 3', undefined], ['rax', undefined], ['', undefined], ['*x', undefined], ['dis[3]', undefined], ['lint->next', undefined], ['levels)', undefined],
])('%j may be the command %j', (line, usage) => { expect(usageOf(line)).toBe(usage); });

it('columns are as wide as their longest cell', () => { expect(columns([['a', 'bb', 'c'], ['aaa', 'b', '']], ' ')).toBe(' a    bb  c\n aaa  b'); });

describe('the chain of faults', () => {
  const fault = (vector: number, rip: bigint, time: bigint, vcpu = 0): EventReader => ({ vcpu, aux: vector | 0x100, a: 2n, b: 0x5000n, rip, time }) as unknown as EventReader;
  const chain = (...faults: readonly EventReader[]): number[] => {
    const log = new FaultLog();
    for (const each of faults) log.take(each);
    return log.chain(0).map(({ vector }) => vector);
  };
  it.each([
    ['nothing', [], []],
    ['one instruction', [fault(14, 0x10n, 5n), fault(8, 0x10n, 6n)], [14, 8]],
    ['earlier ones apart', [fault(13, 0x8n, 1n), fault(14, 0x10n, 5n), fault(8, 0x10n, 6n)], [14, 8]],
    ['the same instruction again later', [fault(14, 0x10n, 1n), fault(14, 0x10n, 90n), fault(8, 0x10n, 91n)], [14, 8]],
    ['another processor', [fault(14, 0x10n, 5n), fault(13, 0x10n, 6n, 1), fault(8, 0x10n, 6n)], [14, 8]],
  ])('%s', (_, faults, vectors) => { expect(chain(...faults)).toEqual(vectors); });
  it('keeps what was recorded', () => {
    const log = new FaultLog();
    log.take(fault(14, 0x10n, 5n));
    expect(log.chain(0)).toEqual([{ vcpu: 0, vector: 14, errorCode: 2, address: 0x5000n, rip: 0x10n, time: 5n }]);
    expect(log.chain(1)).toEqual([]);
  });
  it('holds a few and forgets the oldest', () => {
    const log = new FaultLog();
    for (let n = 0n; n < 40n; n++) log.take(fault(14, 0x10n, n));
    expect(log.chain(0).length).toBeLessThan(40);
    expect(log.chain(0).at(-1)?.time).toBe(39n);
  });
});
