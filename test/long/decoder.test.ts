// Ten million byte strings of each code size, half uniform, half drawn map by map with legal and illegal prefixes: the decoder agrees with iced-x86.
import { expect, it } from 'vitest';
import { compareDecoders } from '../emulator/codegen/decoder-agreement';

it.each([16, 32, 64] as const)('agrees with iced-x86 on ten million byte strings of %d-bit code', (bits) => {
  for (let part = 0; part < 10; part++) expect(compareDecoders(1_000_000, 1000 + part, bits).disagreements).toEqual([]);
});
