// Walks of the wandering hypervisor (guests/wander) on stacks that differ in their options only: what it sees must be the same, and where the
// VMCSs have the same fields in use, so must the digests that every level prints.
import { runImages } from './run-images';

/** Options that must not be told apart; the digests of those in one row are equal (with shadowing, link pointers are part of them). */
export const strategies = [['', 'no-propagation=on'], ['shadowing=on', 'shadowing=on no-propagation=on']] as const;

export interface Walk {
  readonly options: string;
  readonly end: string;
  readonly lines: readonly string[];
  readonly withoutDigests: readonly string[];
}

export async function walk(hypervisors: number, options: string, seed: number, steps: number): Promise<Walk> {
  const stack = [`hypervisor ${options}`.trim(), ...Array.from({ length: hypervisors - 1 }, () => 'hypervisor'), `wander seed=${seed} steps=${steps}`];
  const run = await runImages(stack, 2_000_000_000);
  const lines = run.lines.filter(line => !/options|entering/.test(line));
  return { options, end: `${run.kind} ${run.code}`, lines, withoutDigests: lines.filter(line => !line.includes('digest')) };
}

/** The walk under every strategy, row by row as above. */
export const walks = (hypervisors: number, seed: number, steps: number, extra = ''): Promise<Walk[][]> =>
  Promise.all(strategies.map(row => Promise.all(row.map(options => walk(hypervisors, `${options} ${extra}`.trim(), seed, steps)))));
