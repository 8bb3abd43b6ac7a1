// The command line that `abyme run` gives an image.
import { describe, expect, it } from 'vitest';
import { commandLineOf } from '../../src/cli/run';

const elf = (width: 1 | 2): Uint8Array => Uint8Array.from({ length: 64 }, (_, i) => [0x7f, 0x45, 0x4c, 0x46, width][i] ?? 0);

describe('the command line of an image', () => {
  it('begins with the name of a 32-bit Multiboot image', () => {
    expect(commandLineOf(elf(1), 'kernels/vmx.flat', 'one two')).toBe('kernels/vmx.flat one two');
    expect(commandLineOf(elf(1), 'kernels/vmx.flat', undefined)).toBe('kernels/vmx.flat');
  });
  it('is the text alone for a 64-bit image', () => {
    expect(commandLineOf(elf(2), 'guest.elf', 'one two')).toBe('one two');
    expect(commandLineOf(elf(2), 'guest.elf', undefined)).toBe('');
  });
});
