// What the machine can tell of a condition by itself is necessary for it: never is a stop lost.
import { describe, expect, it } from 'vitest';
import type { ExitTerm } from '../../../src/emulator/machine';
import { exitTerms } from '../../../src/inspector/expressions/exit-terms';
import { cpuid, movImmediate, RAX, RCX, rdmsr, vmcall } from '../../emulator/vmx/machine-code';
import { World } from '../../emulator/vmx/world';

const shown = (text: string): string[] => exitTerms(text).map(({ value, relation, operand, mask }: ExitTerm) => `${value} ${relation} ${operand.toString(16)}${mask === undefined ? '' : ` & ${mask.toString(16)}`}`);

describe('terms of a condition on exits', () => {
  it.each([
    ['leaf == 0xd && level == 2', ['reason == a', '0 == d & ffffffff']],
    ['0xd < leaf', ['reason == a', '0 > d & ffffffff']],
    ['msr == 0xc0000080', ['reason >= 1f', 'reason <= 20', '1 == c0000080 & ffffffff']],
    ['port == 0x3f8', ['reason == 1e', 'qualification == 3f80000 & ffff0000']],
    ['reason == ept_violation && gpa in 0x1000..0x1fff', ['reason == 30', 'guestPhysical >= 1000', 'guestPhysical <= 1fff']],
    ['rdx != 0 && r15 == 3', ['2 != 0', '15 == 3']],
    ['leaf == 1 || leaf == 2', []], ['level == 7', []], ['L1.rax == 3', []], ['rsp == 3', []], ['leaf == -1', []], ['leaf in {1, 2}', []], ['eax == 1', []],
  ])('%s', (text, terms) => expect(shown(text)).toEqual(terms));
});

describe('tests of exits in the machine', () => {
  const guest = [...movImmediate(RAX, 1), ...cpuid, ...movImmediate(RAX, 0xd), ...cpuid, ...movImmediate(RCX, 0x277), ...rdmsr, ...vmcall];
  const handler = [...movImmediate(3, 0x681e), 0x0f, 0x78, 0xd8 | 2, 0x48, 0x83, 0xc2, 2, 0x0f, 0x79, 0xd8 | 2, 0x0f, 0x01, 0xc3]; // GUEST_RIP += 2, VMRESUME
  it.each([['leaf == 0xd', 2, 10], ['msr == 0x277', 3, 31], ['reason == vmcall && rax == 0xd', 4, 18], ['rcx == 0x277', 3, 31]])('%s stops at exit %i', async (condition, exits, reason) => {
    const world = await World.create({ guest, handler });
    world.machine.setStops({ exits: Array.from({ length: 70 }, (_, n) => n), exitTests: [exitTerms(condition)] });
    expect(world.run()).toMatchObject({ kind: 'vmExit', index: reason });
    expect(world.machine.counters().exits).toBe(exits);
  });
});
