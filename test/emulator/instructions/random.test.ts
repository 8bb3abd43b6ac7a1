// RDRAND and RDSEED: deterministic, of every size, with their flags, and their VM exits.
import { describe, expect, test } from 'vitest';
import { hlt } from '../vmx/machine-code';
import { World } from '../vmx/world';

const run = async (code: readonly number[], registers: Record<string, bigint> = {}): Promise<World> => {
  const world = await World.create({ host: [...code, ...hlt], registers });
  world.run();
  return world;
};

describe.each([['RDRAND', 0xf0], ['RDSEED', 0xf8]] as const)('%s', (name, modrm) => {
  const sized = { 16: [0x66, 0x0f, 0xc7, modrm], 32: [0x0f, 0xc7, modrm], 64: [0x48, 0x0f, 0xc7, modrm] };
  test('writes as much as the operand size says, and sets only CF', async () => {
    const old = 0x1111_2222_3333_4444n, values = await Promise.all(Object.values(sized).map(async (code) => {
      const world = await run(code, { rax: old, rflags: 0x8d6n });
      expect(world.register('rflags') & 0x8d5n).toBe(1n);
      return world.register('rax');
    }));
    const [word, dword, qword] = values as [bigint, bigint, bigint];
    expect(word >> 16n).toBe(old >> 16n);
    expect(word & 0xffffn).toBe(qword & 0xffffn);
    expect(dword).toBe(qword & 0xffff_ffffn);
  });
  test('gives another number each time, the same ones in each run', async () => {
    const twice = [...sized[64], 0x48, 0x89, 0xc3, ...sized[64]];                          // MOV RBX, RAX between
    const first = await run(twice), second = await run(twice);
    expect(first.register('rax')).not.toBe(first.register('rbx'));
    expect(second.register('rax')).toBe(first.register('rax'));
  });
  test('exits with the destination and its size', async () => {
    const control = name === 'RDRAND' ? 'secondary.rdrandExiting' : 'secondary.rdseedExiting';
    const world = await World.create({ guest: [0x49, ...sized[64].slice(1), ...hlt], controls: ['primary.activateSecondaryControls', control] });
    world.runToExit(name);
    expect(world.field('VM_EXIT_INSTRUCTION_INFO') & 0x1f8_78n).toBe(BigInt(8 << 3 | 2 << 11) & 0x1f8_78n);
  });
});
