// The decoder against an independent disassembler; ten million strings of each code size are in test/long/decoder.test.ts.
import { describe, expect, it } from 'vitest';
import { acceptedDifferences, compareDecoders } from './decoder-agreement';

describe('decoding', () => {
  const needed = new Set<string>();
  it.each([64, 32, 16] as const)('agrees with iced-x86 on byte strings of %d-bit code', (bits) => {
    const { disagreements, accepted, legal } = compareDecoders(bits === 64 ? 200_000 : 120_000, 20_240_607, bits);
    expect(disagreements).toEqual([]);
    expect(legal).toBeGreaterThan(bits === 64 ? 100_000 : 60_000);
    for (const id of accepted.keys()) needed.add(id);
  });
  it('needs every accepted difference', () => expect(acceptedDifferences.map((row) => row.id).filter((id) => !needed.has(id))).toEqual([]));
});
