// VMRESUMEs that the lowest level answers by itself: no guest and no level in between can tell, whatever the sequence.
import { describe, expect, test } from 'vitest';
import { runImages } from './run-images';
import { walks } from './walks';

describe.each([[2, 1, 150], [2, 15, 150], [2, 296666, 60], [2, 202284262, 300], [3, 12, 40]])('%i hypervisors, a random walk of a hypervisor above them with seed %i', (hypervisors, seed, steps) => {
  test.each(steps === 150 ? ['', 'ept=on'] : [''])('it sees the same under every strategy, and so do the levels: options "%s"', async extra => {
    const rows = await walks(hypervisors, seed, steps, extra), first = rows[0]![0]!;
    expect(first.end).toBe('debugExit 0');
    expect(first.lines.filter(line => line.includes('digest')).length).toBeGreaterThan(0);
    for (const row of rows) {
      for (const { end, withoutDigests, lines } of row) {
        expect(end).toBe('debugExit 0');
        expect(withoutDigests).toEqual(first.withoutDigests);
        expect(lines).toEqual(row[0]!.lines);
      }
    }
  });
});

test('eight levels with both optimisations', async () => {
  const run = await runImages(['hypervisor shadowing=on no-propagation=on ept=on', ...Array.from({ length: 7 }, () => 'hypervisor'), 'guest rounds=2'], 200_000_000);
  const said = run.lines.map(line => line.trim());
  expect([run.kind, run.code]).toEqual(['debugExit', 0]);
  expect(said).toContain('guest: CPUID says: turtles all down');
  expect(said).toContain('guest: exits of the machine: 54 for a VMCALL, 133 for a CPUID');
  expect(said).toContain('guest: 2 rounds, 0 answers differed');
  const { contexts } = run.tracker;
  expect(contexts.map(({ level }) => level)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(contexts.some(({ uncertain }) => uncertain)).toBe(false);
});

test('where the lowest level has not got the option, the next one that has it answers for those above it', async () => {
  const run = await runImages(['hypervisor', 'hypervisor no-propagation=on', 'hypervisor', 'hypervisor', 'guest rounds=1'], 100_000_000);
  expect([run.kind, run.code]).toEqual(['debugExit', 0]);
  expect(run.lines.some(line => line.includes('CPUID says: turtles all down'))).toBe(true);
});
