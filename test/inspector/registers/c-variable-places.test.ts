// Where a C variable that the debug information has in a register is written: the register itself, its halves, or where calls have saved it.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/emulator/machine';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { LevelRegisters } from '../../../src/inspector/registers/level-registers';
import type { StackFrame } from '../../../src/inspector/images/stack-frames';
import { surroundingsOf } from '../../../src/inspector/target/c-variables';
import { ValueFormat } from '../../../src/inspector/target/value-format';
import { LevelMemory } from '../../../src/inspector/translation/level-memory';
import { registersByName } from '../../../src/symbols/unwind/registers';
import { createTestMachine } from '../../emulator/vmx/test-machine';

/** DWARF numbers (System V ABI AMD64). */
const rbx = 3, rsp = 7, xmm3 = 17 + 3;
let machine: Machine, registers: LevelRegisters, tracker: LevelTracker;

beforeEach(async () => {
  machine = await createTestMachine({ memoryBytes: 2 << 20 });
  tracker = new LevelTracker();
  registers = new LevelRegisters(machine, tracker);
});

function write(register: number, value: bigint, saved: [number, bigint | undefined][] = []): void {
  const frame: StackFrame = {
    kind: 'frame', context: tracker.root(0), own: true, name: 'f', isInlined: false, address: 0n, isReturnAddress: saved.length > 0, registers: [], saved: new Map(saved), inlineDepth: 0,
  };
  surroundingsOf({ memory: new LevelMemory(machine, registers), registers, format: new ValueFormat() }, frame).write({ kind: 'register', register, value }, 'x');
}

describe('a variable in a register', () => {
  it('is written there while nothing has saved it', () => {
    write(rbx, 0x1234n);
    expect(machine.registers(0).get('rbx')).toBe(0x1234n);
    write(rbx, 0x5678n, [[6, 0x8000n]]);
    expect(machine.registers(0).get('rbx')).toBe(0x5678n);
  });
  it('is written where a call has saved it, and the register is left alone', () => {
    machine.registers(0).set('rbx', 7n);
    write(rbx, 0x1122_3344_5566_7788n, [[rbx, 0x8010n]]);
    expect(machine.registers(0).get('rbx')).toBe(7n);
    expect([...machine.readPhysical(0x8010n, 8)!]).toEqual([0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
  });
  it('that is only computed cannot be written, and the message says so', () => {
    expect(() => write(rsp, 1n, [[rsp, undefined]])).toThrow(expect.objectContaining({ values: expect.objectContaining({ reason: expect.stringMatching(/rsp, which is not saved anywhere/) as unknown }) as unknown }));
  });
  it('of 128 bits is read and written as a whole', () => {
    machine.registers(0).set('xmm3.low', 1n);
    machine.registers(0).set('xmm3.high', 2n);
    expect(registersByName('x86-64', registers.frameRegisters(tracker.root(0)))[xmm3]).toBe(2n << 64n | 1n);
    write(xmm3, 0xaaaa_0000_0000_0001_bbbb_0000_0000_0002n);
    expect([machine.registers(0).get('xmm3.high'), machine.registers(0).get('xmm3.low')]).toEqual([0xaaaa_0000_0000_0001n, 0xbbbb_0000_0000_0002n]);
  });
});
