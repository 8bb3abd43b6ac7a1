// ELF32 images with a Multiboot 1 header: the machine state at their entry, and what is refused.
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../../src/emulator/boot';
import { createTestMachine } from '../vmx/test-machine';
import { dword, hex, word } from './program';

const entry = 0x10_0020;
/** One segment at 1 MiB: the Multiboot header, then code at its offset 20h. */
function image(code: string, change: { magic?: number; flags?: number; machine?: number; address?: number } = {}): Uint8Array {
  const { magic = 0x1badb002, flags = 3, machine = 3, address = 0x10_0000 } = change;
  const contents = [...dword(magic), ...dword(flags), ...dword(-(0x1badb002 + flags) >>> 0)];
  while (contents.length < 0x20) contents.push(0);
  contents.push(...hex(code));
  const header = [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, ...new Array<number>(9).fill(0), ...word(2), ...word(machine), ...dword(1), ...dword(address + 0x20), ...dword(52),
    ...dword(0), ...dword(0), ...word(52), ...word(32), ...word(1), ...word(0), ...word(0), ...word(0)];
  const segment = [1, 84, address, address, contents.length, contents.length + 16, 7, 4].flatMap(dword);
  return new Uint8Array([...header, ...segment, ...contents]);
}

it('enters 32-bit protected mode with paging off', async () => {
  const machine = await createTestMachine({ memoryBytes: 4 << 20 });
  // mov ecx,[ebx+20] (modules); mov edx,[ebx+4]; inc eax (40h: one byte outside 64-bit mode); hlt
  const result = bootImages(machine, { program: image('8b4b14 8b5304 40 f4'), commandLine: 'x', modules: [{ name: 'initrd', bytes: new Uint8Array(5), commandLine: 'y' }] });
  expect(result.entry).toBe(BigInt(entry));
  expect(result.modules).toHaveLength(1);
  expect(machine.run(100).kind).toBe('idle');
  const r = machine.registers(0);
  expect(r.get('rax')).toBe(0x2badb003n);
  expect(r.get('rcx')).toBe(1n);
  expect(r.get('rdx')).toBe(640n);
  expect(r.get('cr0') & 0x80000001n).toBe(1n);
  expect(r.get('rip')).toBe(BigInt(entry + 8));
});

it('an image in conventional memory keeps its place, and finds the information structure above it', async () => {
  const machine = await createTestMachine({ memoryBytes: 4 << 20 });
  const result = bootImages(machine, { program: image('8b5304 40 f4', { address: 0x8000 }), commandLine: 'x', modules: [] });
  expect(machine.run(100).kind).toBe('idle');
  const r = machine.registers(0);
  expect([r.get('rdx'), r.get('rbx'), r.get('rip')]).toEqual([640n, 0x9_0000n, result.entry + 5n]);
});

describe('refuses', () => {
  it.each([
    ['no header', { magic: 0x1badb003 }, /no Multiboot header/],
    ['features', { flags: 0x13 }, /feature/],
    ['another processor', { machine: 8 }, /machine 8/],
    ['the real-mode vectors', { address: 0x1000 }, /first MiB/],
    ['the video memory', { address: 0xa_0000 }, /first MiB/],
    ['beyond memory', { address: 0x40_0000 }, /beyond the 4 MiB/],
  ])('%s', async (_name, change, message) => {
    const machine = await createTestMachine({ memoryBytes: 4 << 20 });
    expect(() => bootImages(machine, { program: image('f4', change), commandLine: '', modules: [] })).toThrow(message);
  });
});
