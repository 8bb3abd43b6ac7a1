// Steps of every kind from many places of many stacks, held against the truth of the same run.
import { expect, it } from 'vitest';
import { compareSteps } from '../inspector/run-control/step-comparison';
import { image, record, twice } from '../inspector/run-control/truth';
import { seed as base } from './seed';

const rounds = 6;
const hypervisors = (count: number): string[] => Array.from({ length: count }, () => 'hypervisor');

it.each<[program: string, modules: readonly string[], levels: number, units?: number]>([
  ['detours sleep=on', [], 0, 20_000],
  ['monitor', ['detours'], 1, 30_000], ['monitor', ['guest'], 1],
  ['hypervisor', ['monitor again=100', 'detours rounds=20 halt=on'], 2],
  ['hypervisor', [...hypervisors(2), 'guest'], 3], ['hypervisor shadowing=on', [...hypervisors(2), 'guest'], 3],
  ['hypervisor no-propagation=on', [...hypervisors(2), 'guest'], 3], ['hypervisor shadowing=on no-propagation=on', [...hypervisors(3), 'guest'], 4],
  ['hypervisor ept=on', ['hypervisor', 'detours far=40 forbidden=2'], 2], ['hypervisor ept=on', [...hypervisors(2), 'detours far=40 forbidden=2'], 3],
  ['hypervisor capture=on', ['hypervisor', 'detours sleep=on'], 2], ['hypervisor capture=on preemption=700', ['hypervisor', 'detours sleep=on'], 2],
  ['hypervisor preemption=100 shadowing=on no-propagation=on', [...hypervisors(2), 'guest spin=100000'], 3],
  ['hypervisor', [...hypervisors(1), 'wander steps=1000'], 2], ['hypervisor shadowing=on no-propagation=on', [...hypervisors(2), 'wander steps=1000'], 3],
  ['processors processors=2 passes=1000', [], 0],
])(`%s, %j, from seed ${base}`, async (program, modules, levels, units = 100_000) => {
  const vcpus = program.startsWith('processors') ? 2 : 1;
  for (let seed = base; seed < base + rounds; seed++) {
    const [truth, stepped] = await twice(image(program), modules.map(image), levels, { vcpus }, levels === 0 ? 30_000 : 5000 * (seed % 7));
    const seen = await compareSteps(stepped, record(truth, units), truth.world, { seed, gap: 40 });
    expect(seen.size).toBeGreaterThan(3);
  }
});
