// A repeated string instruction in one run is the same instruction one iteration at a time, wherever the run is cut: registers, memory, flags,
// faults in the middle, overlapping operands, both directions. (Single iterations are held against a real processor in vectors.test.ts.)
import { describe, expect, it } from 'vitest';
import { emptyState, fillState, generator, place } from '../../../tools/vectors/layout';
import { BareEngine } from './bare-engine';

const opcodes: Readonly<Record<string, number>> = { MOVS: 0xa4, CMPS: 0xa6, STOS: 0xaa, LODS: 0xac, SCAS: 0xae };

describe.each(Object.keys(opcodes))('REP %s', name => {
  it('is the sum of its iterations', () => {
    const engine = new BareEngine(), next = generator(opcodes[name]), state = emptyState();
    for (let round = 0; round < 400; round++) {
      const size = next() % 4, prefix = next() & 1 ? 0xf3 : 0xf2;
      const code = Uint8Array.from([prefix, ...(size === 1 ? [0x66] : size === 3 ? [0x48] : []), opcodes[name] | (size === 0 ? 0 : 1)]);
      fillState(state, next(), 'integer', []);
      const down = next() % 4 === 0, count = next() % 300;
      // near each other (overlap), anywhere, or close to the end of the last page
      const from = place.dataPage + next() % 0x1f00, to = next() % 3 ? place.dataPage + next() % 0x1f00 : Math.max(place.dataPage, from + next() % 64 - 32);
      state.gpr[1] = BigInt(count); state.gpr[6] = BigInt(from); state.gpr[7] = BigInt(to);
      state.rflags = state.rflags & ~0x400 | (down ? 0x400 : 0);
      const content = Uint8Array.from({ length: place.dataBytes }, () => next() % 5 ? 7 : next() & 255);
      const start = (): void => { engine.prepare(code, state, 0x1f80); engine.data.set(content); };
      const result = (): unknown => ({ registers: [...engine.gpr], rflags: engine.core.rflagsImage(), rip: engine.getCell('rip'), data: Buffer.from(engine.data).toString('base64') });
      const iterations = Math.max(1, count);
      start();
      for (let n = 0; n < iterations && engine.step().exception === 255 && engine.getCell('rip') === BigInt(place.code); n++);
      const single = result();
      start();
      // cut into runs of any length
      for (let left = iterations; left > 0 && engine.getCell('rip') === BigInt(place.code);) {
        const units = Math.min(left, 1 + next() % (next() & 1 ? 400 : 20));
        if (engine.step(units).exception !== 255) break;
        left -= units;
      }
      expect(result(), `round ${round}: ${[...code].map(b => b.toString(16)).join(' ')} count ${count} from ${from.toString(16)} to ${to.toString(16)} down ${down}`).toEqual(single);
    }
  });
});
