import { describe, expect, it } from 'vitest';
import type { Context } from '../../../src/inspector/levels/context';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { NestedStack, type StackOptions } from './nested-stack';

/** Runs the stack and compares the executing level with the truth after every event. */
function track(options: StackOptions, run: (stack: NestedStack) => void): { tracker: LevelTracker; stack: NestedStack; wrong: string[] } {
  const tracker = new LevelTracker(), wrong: string[] = [];
  const stack: NestedStack = new NestedStack(options, event => {
    tracker.feed(event);
    const level = tracker.executing(0).level;
    if (level !== stack.truth && wrong.length < 5) wrong.push(`event ${stack.stream.count + 1} (${event.kind}): L${level}, truth L${stack.truth}`);
  });
  run(stack);
  return { tracker, stack, wrong };
}

const tree = (tracker: LevelTracker): string[] => tracker.contexts.map((c: Context) => `${c.level}<${c.parent?.level ?? '-'}${c.state === 'ended' ? ' ended' : ''}${c.uncertain ? ' uncertain' : ''}`);
const chain = (levels: number): string[] => Array.from({ length: levels + 1 }, (_, n) => `${n}<${n === 0 ? '-' : n - 1}`);

describe('a recursive stack, every exit delivered through all levels', () => {
  const shapes: [string, Omit<StackOptions, 'levels'>][] = [
    ['a VMCS per level, images apart, EPT', { addresses: 'own', hardware: 'per level', ept: true }],
    ['a VMCS per level, one place for all images, EPT', { addresses: 'same', hardware: 'per level', ept: true }],
    ['a VMCS per level, images apart, no EPT', { addresses: 'own', hardware: 'per level', ept: false }],
    ['a VMCS per level, one place for all, told apart by VMCS alone', { addresses: 'same', hardware: 'per level', ept: false }],
    ['one VMCS for all, images apart, no EPT', { addresses: 'own', hardware: 'one', ept: false }],
    ['one VMCS for all, one place, EPT', { addresses: 'same', hardware: 'one', ept: true }],
    ['vmcs01 and vmcs02, images apart', { addresses: 'own', hardware: 'vmcs02', ept: true }],
    ['vmcs01 and vmcs02, one place', { addresses: 'same', hardware: 'vmcs02', ept: true }],
    ['instruction records after exit records', { addresses: 'own', hardware: 'per level', ept: true, instructionAfterExit: true }],
    ['exits forwarded to the responsible level at once', { addresses: 'own', hardware: 'per level', ept: true, shortcut: true }],
    ['the same, one place', { addresses: 'same', hardware: 'per level', ept: true, shortcut: true }],
  ];
  for (const [name, shape] of shapes) {
    it.each([1, 2, 3, 4, 5])(`${name}: %i hypervisors`, levels => {
      const { tracker, stack, wrong } = track({ levels, ...shape, reads: levels > 3 ? 0 : 1 }, stack => {
        stack.boot();
        for (let n = 0; n < (levels > 3 ? 1 : 3); n++) stack.guestExit();
      });
      expect(wrong).toEqual([]);
      expect(stack.exits).toBeGreaterThan(2 ** (levels - 1));
      expect(tree(tracker)).toEqual(chain(levels));
      expect(tracker.contexts[levels].rip).toBe(stack.at(levels, 0x40n).rip);
    });
  }
});
