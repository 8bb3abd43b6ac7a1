// Long random walks of a hypervisor above stacks of two to four: every strategy gives the walker the same, and every level too.
import { expect, it } from 'vitest';
import { walks } from '../guests/walks';
import { seed as base } from './seed';

it.each([[2, 40, 300], [3, 15, 150], [4, 2, 60]])(`%i hypervisors, %i walks of %i steps from seed ${base}`, async (hypervisors, count, steps) => {
  for (let seed = base; seed < base + count; seed++) {
    const rows = await walks(hypervisors, seed, steps, seed % 2 ? 'ept=on' : ''), first = rows[0]![0]!;
    for (const row of rows) {
      for (const { options, end, withoutDigests, lines } of row) {
        expect(end, `seed ${seed}, ${options}`).toBe('debugExit 0');
        expect(withoutDigests, `seed ${seed}, ${options}`).toEqual(first.withoutDigests);
        expect(lines, `seed ${seed}, ${options}`).toEqual(row[0]!.lines);
      }
    }
  }
});
