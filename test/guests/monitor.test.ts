// The monitor: a hypervisor written otherwise than the recursive one. One VMCS, no EPT, entry as a function call, every port access an exit.
import { describe, expect, test } from 'vitest';
import { exitReasonById } from '../../src/spec/exit-reasons';
import { runImages } from './run-images';

describe('a monitor and its guest', async () => {
  const run = await runImages(['monitor', 'guest rounds=3']);

  test('the guest runs to its end under it', () => {
    expect([run.kind, run.code]).toEqual(['debugExit', 0]);
    expect(run.lines[0]).toMatch(/^monitor: one VMCS, one guest, entered at [0-9a-f]+$/);
    expect(run.lines).toContain('  guest: CPUID says: A monitor wrote.');
    expect(run.lines).toContain("  guest: the hypervisors' own MSR says that this is level 1");
    expect(run.lines).toContain('  guest: exits of the machine: 1 for a VMCALL, 1 for a CPUID');
    expect(run.lines).toContain('  guest: 3 rounds, 0 answers differed');
  });

  test('every CPUID of the guest is an exit, and so is every port access', () => {
    const characters = run.lines.slice(1).join('\n').length + 1;
    expect(run.exits.get(exitReasonById('CPUID').number)).toBeGreaterThanOrEqual(4);
    expect(run.exits.get(exitReasonById('IO_INSTRUCTION').number)).toBeGreaterThanOrEqual(2 * characters);
  });

  test('the tracker sees two levels and one VMCS that carries the guest, none of it guessed', () => {
    const { tracker } = run;
    expect(tracker.contexts.map(({ level, state }) => [level, state])).toEqual([[0, 'executing'], [1, 'suspended']]);
    expect(tracker.contexts.some(({ uncertain }) => uncertain)).toBe(false);
    const [, guest] = tracker.contexts;
    const entries = tracker.switchesSince(0).filter(({ kind }) => kind !== 'exit');
    expect(new Set(entries.map(({ kind, from, to }) => `${kind} ${from} ${to}`))).toEqual(new Set(['enter 0 1']));
    expect(guest!.vpid).toBe(0);
    expect([guest!.eptpLow, guest!.eptpHigh]).toEqual([0, 0]);
  });
});

test('its guest is told that there is no VMX: a monitor as the guest of a monitor gives up', async () => {
  const { kind, code, lines } = await runImages(['monitor', 'monitor', 'guest']);
  expect([kind, code]).toEqual(['debugExit', 1]);
  expect(lines.at(-1)).toBe('  monitor: this processor has no VMX');
});

test('without a module it says so', async () => {
  expect(await runImages(['monitor'])).toMatchObject({ kind: 'debugExit', code: 1, lines: ['monitor: no module to run'] });
});
