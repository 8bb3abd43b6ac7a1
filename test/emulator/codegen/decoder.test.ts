// The decoder against an independent disassembler; ten million strings are in test/long/decoder.test.ts.
import { describe, expect, it } from 'vitest';
import { acceptedDifferences, compareDecoders } from './decoder-agreement';

describe('decoding in 64-bit mode', () => {
  it('agrees with iced-x86 on 200,000 byte strings', () => {
    const { disagreements, accepted, legal } = compareDecoders(200_000, 20_240_607);
    expect(disagreements).toEqual([]);
    expect(legal).toBeGreaterThan(100_000);
    // a row that nothing needs is a row too many
    expect(acceptedDifferences.map(r => r.id).filter(id => !accepted.has(id))).toEqual([]);
  });
});
