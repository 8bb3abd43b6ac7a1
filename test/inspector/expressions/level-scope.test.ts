// Expressions in a nested stack: other levels by name, the VMCS that controls a level, memory through each level's paging.
import { describe, expect, it } from 'vitest';
import { evaluateText, LevelScope } from '../../../src/inspector/expressions/level-scope';
import { ExpressionError } from '../../../src/inspector/expressions/tokens';
import { ImageMap } from '../../../src/inspector/images/image-map';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { LevelRegisters } from '../../../src/inspector/registers/level-registers';
import { LevelMemory } from '../../../src/inspector/translation/level-memory';
import { FakeMachine } from '../fake-machine';
import { NestedStack } from '../levels/nested-stack';

const machine = new FakeMachine(0x400_0000), tracker = new LevelTracker();
const stack = new NestedStack({ levels: 2, addresses: 'own', hardware: 'per level', ept: false, reads: 0 }, event => tracker.feed(event));
stack.boot();
const [root, one, two] = tracker.contexts;
// Level 1 stands in its VMRESUME, level 2 runs: its tables map page 0x5000, those of level 1 the same page elsewhere.
const common = { GUEST_CR0: 0x8000_0001n, GUEST_CR4: 0x20n, VM_EXIT_CONTROLS: 1n << 20n, GUEST_IA32_EFER: 0x500n };
machine.vmcs(stack.hardwareVmcs(1), { ...common, GUEST_RIP: 0x111n });
machine.vmcs(stack.hardwareVmcs(2), { ...common, GUEST_RIP: 0x222n, EXIT_REASON: 10n });
machine.map(stack.at(1, 0n).cr3, 0x5000n, 0x2_0000n);
machine.map(0x9000n, 0x5000n, 0x2_1000n);
machine.view.setUint32(0x2_0000, 0x1111, true);
machine.view.setUint32(0x2_1000, 0x2222, true);
for (const [name, value] of [['rip', 0x3000n], ['rax', 7n], ['rsp', 0x5000n], ['cr0', 0x8000_0001n], ['cr3', 0x9000n], ['cr4', 0x20n],
['efer', 0x500n]] as const) machine.values.set(name, value);
const registers = new LevelRegisters(machine.asMachine, tracker), memory = new LevelMemory(machine.asMachine, registers);
const parts = { machine: machine.asMachine, tracker, registers, memory, images: new ImageMap([], memory) };

describe('in level 2, which runs', () => {
  const scope = new LevelScope(parts, two);
  it.each<[string, bigint]>([
    ['rax + 1', 8n], ['L2.rax', 7n], ['L1.rip', 0x111n], ['vmcs.exit_reason', 10n], ['L1.vmcs.guest_rip', 0x111n], ['u32[rsp]', 0x2222n], ['u32[L1:0x5000]', 0x1111n],
    ['u32[phys:0x20000]', 0x1111n], ['level', 2n], ['L1.cr0.pg', 1n],
  ])('%s', (text, value) => { expect(evaluateText(text, scope).value).toBe(value); });
  it('tells where memory is', () => {
    expect(evaluateText('u32[L1:0x5000]', scope).memory).toEqual({ space: 'linear', level: 1, address: 0x5000n });
    expect(evaluateText('phys:0x20000', scope).memory).toEqual({ space: 'physical', level: 2, address: 0x2_0000n });
    expect(evaluateText('rax', scope).memory).toBeUndefined();
  });
  it.each(['u32[0x7000]', 'L5.rip', 'no_such_symbol', '1 / 0'])('%s has no value, and says so', text => {
    expect(() => evaluateText(text, scope)).toThrow(ExpressionError);
    expect(() => evaluateText(text, scope)).toThrow('has no value in L2');
  });
});

it('a level number above the scope means a level inside it', () => {
  expect(new LevelScope(parts, root).contextOf(2)).toBe(two);
  expect(new LevelScope(parts, one).contextOf(2)).toBe(two);
  expect(new LevelScope(parts, two).contextOf(0)).toBe(root);
  expect(new LevelScope(parts, two).contextOf(3)).toBeUndefined();
});
