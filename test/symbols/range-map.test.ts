import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RangeMap, upperBound } from '../../src/symbols/range-map';

test('nested ranges: the innermost wins', () => {
  const map = new RangeMap([
    { start: 0n, end: 100n, value: 1 }, { start: 10n, end: 50n, value: 2 }, { start: 20n, end: 30n, value: 3 }, { start: 60n, end: 70n, value: 4 }, { start: 5n, end: 5n, value: 9 },
  ]);
  const check = (address: bigint, expected: number | undefined): void => expect(map.find(address)?.value, `${address}`).toBe(expected);
  const cases: [bigint, number | undefined][] = [[0n, 1], [5n, 1], [10n, 2], [20n, 3], [29n, 3], [30n, 2], [49n, 2], [50n, 1], [60n, 4], [70n, 1], [99n, 1], [100n, undefined]];
  for (const [address, expected] of cases) check(address, expected);
  expect(map.size).toBe(4);
});

test('disjoint ranges agree with a linear search', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(50))), fc.nat(3000), (gaps, probe) => {
    let at = 0n;
    const entries = gaps.map(([gap, length], value) => {
      const start = at + BigInt(gap);
      at = start + BigInt(length);
      return { start, end: at, value };
    });
    const address = BigInt(probe);
    expect(new RangeMap(entries).find(address)?.value).toBe(entries.find(each => address >= each.start && address < each.end)?.value);
  }));
});

test('addresses at the top of the space', () => {
  const map = new RangeMap([{ start: 0xffff_ffff_8100_0000n, end: 0xffff_ffff_ffff_ffffn, value: 7 }]);
  expect(map.find(0xffff_ffff_8100_0000n)?.value).toBe(7);
  expect(map.find(0xffff_ffff_80ff_ffffn)).toBeUndefined();
});

test('upperBound counts elements up to the key', () => {
  expect([0, 1, 2, 5, 9].map(key => upperBound([1, 2, 2, 5], key))).toEqual([0, 1, 3, 4, 4]);
});
