// Interrupts reach the guest at any depth, with and without levels that capture them; the preemption timer brings every level back in control.
import { describe, expect, test } from 'vitest';
import { exitReasonById } from '../../src/spec/exit-reasons';
import { runImages } from './run-images';

const both = 'shadowing=on no-propagation=on ept=on';
const stackOf = (hypervisors: number, options: string, guest: string): string[] =>
  [`hypervisor ${options}`.trim(), ...Array.from({ length: hypervisors - 1 }, () => 'hypervisor'), guest];
const exitsFor = (run: { exits: ReadonlyMap<number, number> }, id: 'INTERRUPT_WINDOW' | 'PREEMPTION_TIMER'): number => run.exits.get(exitReasonById(id).number) ?? 0;

describe('the APIC\'s timer, used by the guest', () => {
  test('on the bare machine', async () => {
    const run = await runImages(['guest rounds=1 interrupts=5']);
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    expect(run.lines).toContain('guest: 5 timer interrupts, 0 of them while masked');
  });

  test.each([1, 2, 3, 5])('%i hypervisors that do not look at interrupts', async hypervisors => {
    const run = await runImages(stackOf(hypervisors, hypervisors > 3 ? both : '', 'guest rounds=1 interrupts=5'), 200_000_000);
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    expect(run.lines.map(line => line.trim())).toContain('guest: 5 timer interrupts, 0 of them while masked');
    expect(exitsFor(run, 'INTERRUPT_WINDOW')).toBe(0);
  });

  test.each([[1, ''], [2, ''], [3, ''], [2, both], [3, both], [5, both]])('%i hypervisors that capture and inject them, options "%s"', async (hypervisors, options) => {
    const run = await runImages(stackOf(hypervisors, `capture=on ${options}`.trim(), 'guest rounds=1 interrupts=20'), 400_000_000);
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    expect(run.lines.map(line => line.trim())).toContain('guest: 20 timer interrupts, 0 of them while masked');
    // the guest's vector, 61h; which levels see one depends on the instants at which the timer runs out
    const captured = run.lines.filter(line => line.includes('captured an interrupt'));
    expect(new Set(captured.map(line => line.trim()))).toEqual(new Set(['hypervisor: captured an interrupt, vector 97']));
    expect(new Set(captured).size).toBe(captured.length);
    if (hypervisors >= 3) expect(exitsFor(run, 'INTERRUPT_WINDOW')).toBeGreaterThan(0);
  });
});

describe('the preemption timer', () => {
  test.each([[1, ''], [2, ''], [3, ''], [3, both]])('%i hypervisors, each back in control after 1000 ticks, options "%s"', async (hypervisors, options) => {
    const run = await runImages(stackOf(hypervisors, `preemption=1000 ${options}`.trim(), 'guest rounds=1 spin=100000'), 100_000_000);
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    expect(run.lines.filter(line => line.includes('back in control')).sort()).toEqual(
      Array.from({ length: hypervisors }, (_, level) => `${'  '.repeat(level)}hypervisor: back in control after 1000 ticks`).sort());
    expect(run.lines.map(line => line.trim())).toContain('guest: 1 rounds, 0 answers differed');
  });
  test('a level with less patience than the one below it, and one with more', async () => {
    for (const [below, above] of [[5000, 1000], [1000, 5000]]) {
      const run = await runImages([`hypervisor preemption=${below}`, `hypervisor preemption=${above}`, 'guest rounds=1 spin=300000'], 100_000_000);
      expect([run.kind, run.code]).toEqual(['debugExit', 0]);
      const said = run.lines.map(line => line.trim());
      expect(said).toContain(`hypervisor: back in control after ${above} ticks`);
      expect(exitsFor(run, 'PREEMPTION_TIMER')).toBeGreaterThan(10);
    }
  });
  test('without the option there is none', async () => {
    expect(exitsFor(await runImages(stackOf(2, '', 'guest rounds=1 spin=100000')), 'PREEMPTION_TIMER')).toBe(0);
  });
});
