// Rows of the Levels view.
import { describe, expect, it } from 'vitest';
import type { LevelDescription } from '../../src/extension/custom-requests';
import { levelRow } from '../../src/extension/level-row';

const level = (changes: Partial<LevelDescription> = {}): LevelDescription => ({
  threadId: 7, level: 2, vcpu: 0, name: 'L2 · hypervisor', image: 'images/hypervisor.elf', state: 'suspended', function: 'resume_guest', line: 41, rip: '0x1000f0', ...changes,
});

describe('words', () => {
  it.each<[string, Partial<LevelDescription>, string, string]>([
    ['suspended', {}, 'L2', 'suspended · resume_guest:41 · hypervisor.elf'],
    ['executing', { state: 'executing' }, 'L2', 'executing · resume_guest:41 · hypervisor.elf'],
    ['running: the place is unknown', { state: 'running' }, 'L2', 'running · hypervisor.elf'],
    ['ended', { state: 'ended' }, 'L2', 'ended · hypervisor.elf'],
    ['uncertain', { uncertain: true }, 'L2?', 'suspended · resume_guest:41 · hypervisor.elf'],
    ['no line', { line: undefined }, 'L2', 'suspended · resume_guest · hypervisor.elf'],
    ['no function', { function: undefined, source: { name: 'start.S' } }, 'L2', 'suspended · start.S:41 · hypervisor.elf'],
    ['no symbols', { function: undefined, line: undefined }, 'L2', 'suspended · 0x1000f0 · hypervisor.elf'],
    ['image in a Windows path', { image: 'C:\\hv\\hv.elf' }, 'L2', 'suspended · resume_guest:41 · hv.elf'],
  ])('%s', (_, changes, label, description) => expect(levelRow(level(changes), false)).toMatchObject({ label, description }));

  it('names the processor where there are several', () => expect(levelRow(level({ vcpu: 1 }), true)).toMatchObject({ label: 'vCPU 1 · L2' }));
});

it('says to a screen reader what the icon and its colour say', () => {
  expect(levelRow(level({ state: 'executing', uncertain: true }), true).spoken).toBe('Level 2 of processor 0, hypervisor.elf, executing, at resume_guest:41, uncertain');
  expect(levelRow(level({ state: 'running' }), false).spoken).toBe('Level 2, hypervisor.elf, running');
});

it('leads to a place only where there is one', () => {
  expect((['executing', 'suspended', 'running', 'ended'] as const).map((state) => levelRow(level({ state }), false).context)).toEqual(['level.located', 'level.located', 'level.ended', 'level.ended']);
});

it('keeps its identity when the place changes', () => expect(levelRow(level(), false).id).toBe(levelRow(level({ line: 99, state: 'executing' }), false).id));

it('gives each state an icon of its own', () => {
  const icons = (['executing', 'suspended', 'running', 'ended'] as const).map((state) => levelRow(level({ state }), false).icon.name);
  expect(new Set(icons).size).toBe(4);
});
