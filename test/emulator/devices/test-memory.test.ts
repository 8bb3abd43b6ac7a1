// Every kind of access to memory that is reached as a device: through the slow paths, alone in a block, with the same results as RAM.
import { expect, it } from 'vitest';
import * as asm from '../vmx/machine-code';
import { at } from '../vmx/valid-vmcs';
import { World } from '../vmx/world';

const { RAX, RBX, RCX, RSI, RDI, join, movImmediate, qword } = asm;
const linear = 0x3000_0000n, entry = at.pd + 8 * Number(linear >> 21n), page = 0xff00_0000n;
/** Operations on [RBX] with RAX and RCX. */
const cases: readonly (readonly [string, readonly number[]])[] = [
  ['ADD [rbx], rax', [0x48, 0x01, 0x03]], ['ADC [rbx], cl', [0x10, 0x0b]], ['XOR [rbx], ax', [0x66, 0x31, 0x03]], ['LOCK INC dword [rbx]', [0xf0, 0xff, 0x03]], ['NEG qword [rbx]', [0x48, 0xf7, 0x1b]],
  ['XCHG [rbx], rax', [0x48, 0x87, 0x03]], ['CMPXCHG [rbx], rcx', [0x48, 0x0f, 0xb1, 0x0b]], ['CMPXCHG8B [rbx]', [0x0f, 0xc7, 0x0b]], ['XADD [rbx], rax', [0x48, 0x0f, 0xc1, 0x03]], ['BTS qword [rbx], 5', [0x48, 0x0f, 0xba, 0x2b, 5]],
  ['SHLD [rbx], rax, 7', [0x48, 0x0f, 0xa4, 0x03, 7]], ['MUL qword [rbx]', [0x48, 0xf7, 0x23]], ['IMUL rax, [rbx], 9', [0x48, 0x6b, 0x03, 9]], ['MOVSX rax, byte [rbx + 3]', [0x48, 0x0f, 0xbe, 0x43, 3]],
  ['CMOVE rax, [rbx]', [0x48, 0x0f, 0x44, 0x03]], ['POP qword [rbx]', [0x8f, 0x03]], ['PUSH qword [rbx]', [0xff, 0x33]], ['SETC [rbx]', [0x0f, 0x92, 0x03]],
  ['MOVDQU xmm1, [rbx]; PADDB; MOVDQU [rbx + 16]', [0xf3, 0x0f, 0x6f, 0x0b, 0x66, 0x0f, 0xfc, 0xc9, 0xf3, 0x0f, 0x7f, 0x4b, 0x10]],
  ['REP MOVSB into it', [0xf3, 0xa4]], ['REP STOSD', [0xf3, 0xab]], ['a store across the two mappings', [0x48, 0x89, 0x83, 0xfc, 0x0f, 0, 0]], ['a load across them', [0x48, 0x8b, 0x83, 0xfc, 0x0f, 0, 0]],
];
it.each(cases)('%s gives what RAM gives', async (_, code) => {
  const results = [];
  for (const physical of [page, 0x3_0000n]) {
    // both pages at the linear address map the same one
    const table = 0x3_2000;
    const world = await World.create({
      memory: { [entry]: qword(BigInt(table) | 7n), [table]: join(qword(physical | 7n), qword(physical | 7n)) },
      host: join(movImmediate(RBX, linear), movImmediate(RAX, 0x1122_3344_5566_7788n), asm.movStoreIndirect(RBX, RAX), movImmediate(RAX, 0x8877_6655_0403_0201n), movImmediate(RCX, 9), movImmediate(RSI, at.hostCode),
        movImmediate(RDI, linear + 0x20n), code, asm.movLoadIndirect(RDI, RBX), [0x48, 0x8b, 0x73, 0x10], [0x48, 0x8b, 0x93, 0xfc, 0x0f, 0, 0], asm.hlt),
    });
    expect(world.run().kind).toBe('idle');
    results.push(['rax', 'rcx', 'rdx', 'rsi', 'rdi', 'rflags', 'rsp'].map((name) => world.register(name).toString(16)));
  }
  expect(results[0]).toEqual(results[1]);
});
