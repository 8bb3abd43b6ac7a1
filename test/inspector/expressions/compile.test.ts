import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCondition, compileValue } from '../../../src/inspector/expressions/compile';
import type { ExitFields, ExpressionScope } from '../../../src/inspector/expressions/scope';
import { ExpressionError } from '../../../src/inspector/expressions/tokens';

const exit: ExitFields = { reason: 10, from: 3, to: 0, vcpu: 0, leaf: 13, subleaf: 1, msr: NaN, port: NaN, vector: NaN, length: 2, qualification: 0n, gpa: undefined,
  gla: undefined };
const registers: Record<string, bigint> = { rax: 0xffff_ffff_8000_1234n, rsp: 0x8000n, rip: 0x1000n, cr0: 0x8000_0031n, rflags: 0x246n, 'cs.selector': 8n, 'cs.base': 0x10n,
  r9: 0x1122_3344_5566_7788n };
const scope: ExpressionScope = {
  exit, level: 3, vcpu: 0,
  register: (name, level) => level === 1 && name === 'rip' ? 0x111n : registers[name],
  vmcs: (id, level) => id === 'GUEST_RIP' ? level === 2 ? 0x222n : 0x333n : id === 'GUEST_CR0' ? 0x31n : id === 'EXIT_REASON' ? 10n : undefined,
  symbol: (name, level, image) => name === 'handle_exit' ? level === 1 ? 0x1100n : image === 'kernel' ? 0x7700n : 0x3300n : undefined,
  variable: name => name === 'counter' ? 42n : undefined,
  read: (space, level, address, length) => {
    if (address > 0x10000n) return undefined;
    const base = space === 'physical' ? 0x50 : space === 'guestPhysical' ? 0x60 : 0x80 + (level ?? 0);
    return Uint8Array.from({ length }, (_, n) => base + n);
  },
};

describe('values', () => {
  it.each<[string, bigint | undefined]>([
    ['1 + 2 * 3', 7n], ['(1 + 2) * 3', 9n], ['10 - 3 - 2', 5n], ['7 / 2', 3n], ['-7 / 2', -3n], ['7 % 4', 3n], ['1 / 0', undefined], ['1 << 4 | 1', 17n], ['1 << 64', 0n],
    ['0xff ^ 0x0f & 0x3c', 0xf3n],
    ['~0', 0xffff_ffff_ffff_ffffn], ['0xffff_ffff_ffff_ffff + 1', 0n], ['0b1010_1010', 0xaan], ['0o17', 15n], ['1_000', 1000n],
    ['rax', 0xffff_ffff_8000_1234n], ['RAX', 0xffff_ffff_8000_1234n], ['eax', 0x8000_1234n], ['ax', 0x1234n], ['al', 0x34n], ['ah', 0x12n], ['r9d', 0x5566_7788n],
    ['r9b', 0x88n], ['spl', 0n],
    ['L1.rip', 0x111n], ['rip', 0x1000n], ['cs', 8n], ['cs.base', 0x10n], ['cs_base', 0x10n], ['cr0.pg', 1n], ['cr0.WP', 0n], ['rflags.iopl', 0n], ['rflags.if', 1n],
    ['GUEST_RIP', 0x333n], ['guest_rip', 0x333n], ['vmcs.guest_rip', 0x333n], ['L2.vmcs.GUEST_RIP', 0x222n], ['vmcs.guest_cr0.pe', 1n], ['L2.GUEST_RIP', 0x222n],
    ['GUEST_RSP', undefined],
    ['handle_exit', 0x3300n], ['L1!handle_exit', 0x1100n], ['kernel!handle_exit + 4', 0x7704n], ['nothing', undefined], ['counter + 1', 43n],
    ['[rsp + 8]', 0x8786_8584_8382_8180n], ['u32[rsp]', 0x8382_8180n], ['u8[L2:rsp]', 0x82n], ['i8[rsp]', -128n], ['u16[phys:0x1000]', 0x5150n], ['u8[gpa:0x1000]', 0x60n],
    ['u8[gpa2:0x1000]', 0x60n], ['*rsp', 0x8786_8584_8382_8180n],
    ['[0x20000]', undefined], ['u8(0x1ff)', 0xffn], ['i8(0xff)', -1n], ['u32(-1)', 0xffff_ffffn], ['i32(eax)', -0x7fff_edccn], ['phys:0x1000', 0x1000n],
    ['1 ? 2 : 3', 2n], ['0 ? 2 : 0 ? 4 : 5', 5n], ['!0', 1n], ['!5', 0n], ['level', 3n], ['exit.leaf', 13n], ['-1 == ~0', 1n], ['rax > -1', 1n], ['i32(eax) < 0', 1n],
    ['5 in 1..5', 1n], ['6 in 1..5', 0n], ['6 in {1, 2, 5..7}', 1n], ['rsp in 0x7000..0x9000', 1n], ['1 < 2 == 1', 1n], ['4 | 1 == 1', 5n],
  ])('%s', (text, expected) => { expect(compileValue(text)(scope)).toBe(expected); });
});

describe('conditions on exits', () => {
  it.each<[string, boolean]>([
    ['leaf == 0xd && level == 3', true], ['leaf == 0xd && level == 1', false], ['reason == cpuid', true], ["reason == 'cpuid'", true], ['reason == CPUID', true],
    ["reason == 'ept-violation'", false],
    ['reason == ept_violation', false], ['cpuid == reason', true], ["reason in {cpuid, rdmsr, 'wrmsr'}", true], ['reason in {rdmsr, 48..50}', false], ['msr == 0', false],
    ['msr != 0', false], ['!(msr == 0)', true],
    ['msr == 0x10 || leaf == 13', true], ['gpa >= 0', false], ['gpa in 0..0xffff', false], ['qualification == 0', true], ['from > to', true], ['length == 2', true],
    ['level', true], ['subleaf - 1', false], ['port', false],
    ['eax == 0x80001234', true], ["vector == '#PF'", false], ['L1.rip == 0x111 && from == 3', true],
  ])('%s', (text, expected) => { expect(compileCondition(text, { isExit: true })(scope)).toBe(expected); });
  it('without an exit, its fields have no value', () => { expect(compileCondition('leaf == 13', { isExit: true })({ ...scope, exit: undefined })).toBe(false); });
});

describe('mistakes say where they are', () => {
  it.each<[string, string, number]>([
    ['', 'a value is missing', 0], ['1 +', 'a value is missing', 3], ['(1', "')' is missing", 2], ['1 2', "not '2'", 2], ['leaf = 3', "write '=='", 5],
    ['0x', 'no digits', 0], ['12ab', 'not a number', 0],
    ['`', 'does not belong', 0], ["reason == 'cupid'", "no exit reason 'cupid'", 10], ['u32 rsp', 'expected', 4], ['foo(3)', 'no function foo', 0],
    ['L1', 'alone is no value', 0], ['vmcs.nothing', 'no VMCS field', 0],
    ['cr0.xyz', 'no part xyz', 0], ['[rsp', "']' is missing", 4], ['1 ? 2', "':'", 5], ['0x1_0000_0000_0000_0000', 'does not fit', 0], ["'abc", 'closing quotation', 0],
    ["'abc' + 1", 'is a name', 0], ['rax.', "a name after '.'", 4],
  ])('%s', (text, message, position) => {
    let caught: unknown;
    try { compileValue(text, { isExit: true }); } catch (error) { caught = error; }
    expect(caught).toBeInstanceOf(ExpressionError);
    expect((caught as ExpressionError).message).toContain(message);
    expect((caught as ExpressionError).position).toBe(position);
  });
  it('a misspelt VMCS is not taken for a C object', () => { expect(() => compileCondition('vmsc.GUEST_RIP == 1')).toThrow('there is no VMCS vmsc: vmcs.GUEST_RIP is the field'); });
  it('nesting has an end', () => { expect(() => compileValue('('.repeat(10_000))).toThrow(ExpressionError); expect(() => compileValue('-'.repeat(10_000) + '1')).toThrow(ExpressionError); });
});

it('any text is an expression or an ExpressionError, and any expression has a value or none', () => {
  const piece = fc.constantFrom('rax', 'L1', 'L2.rip', '.', '!', '[', ']', '(', ')', '0x10', '5', '+', '-', '*', '/', '%', '<<',
    '>>', '&&', '||', '==', '=', 'in', '..', '{', '}', ',', '?', ':', 'phys', 'gpa2', 'u8', 'i64', "'x'", "'", 'reason', 'leaf', 'vmcs', 'cr0.pg', '~');
  fc.assert(fc.property(fc.oneof(fc.array(piece, { maxLength: 14 }).map(pieces => pieces.join(' ')), fc.string()), text => {
    let run: ReturnType<typeof compileValue>;
    try { run = compileValue(text, { isExit: true }); } catch (error) {
      expect(error).toBeInstanceOf(ExpressionError);
      expect((error as ExpressionError).position).toBeLessThanOrEqual(text.length);
      return;
    }
    expect(['bigint', 'undefined']).toContain(typeof run(scope));
  }), { numRuns: 5000, seed: 1 });
});
