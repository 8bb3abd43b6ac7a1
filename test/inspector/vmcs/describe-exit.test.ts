import { describe, expect, it } from 'vitest';
import { exitReasons } from '../../../src/spec/exit-reasons';
import { entryChecks } from '../../../src/spec/entry-checks';
import { describeExit, describeInterruption, type ExitSource } from '../../../src/inspector/vmcs/describe-exit';

type Fields = Partial<Omit<ExitSource, 'gpr'>> & { gpr?: Record<number, bigint> };
const exit = ({ gpr, ...fields }: Fields): ExitSource => ({
  reasonField: 0, qualification: 0n, guestPhysical: 0n, guestLinear: 0n, instructionLength: 0, interruptionInfo: 0, interruptionError: 0, vectoringInfo: 0, vectoringError: 0,
  instructionInfo: 0, failedCheck: 0, rip: 0n, ...fields, gpr: n => gpr?.[n] ?? 0n,
});

describe('exits in one sentence', () => {
  const cases: [string, Fields][] = [
    ['CPUID leaf 0xd, subleaf 0x1', { reasonField: 10, gpr: { 0: 0xffff_0000_0000_000dn, 1: 1n } }],
    ['read of MSR 0xc0000080 (IA32_EFER)', { reasonField: 31, gpr: { 1: 0xc000_0080n } }],
    ['write to MSR 0x123 of 0x500000007', { reasonField: 32, gpr: { 0: 7n, 1: 0x123n, 2: 5n } }],
    ['IN from port 0x60, 1 byte', { reasonField: 30, qualification: 0x60_0008n }],
    ['OUT to port 0x3f8, 4 bytes: 0x41', { reasonField: 30, qualification: 0x3f8_0003n, gpr: { 0: 0x41n } }],
    ['OUTS to port 0xf4, 2 bytes', { reasonField: 30, qualification: 0xf4_0011n }],
    ['MOV to CR3 from RBX: 0x5000', { reasonField: 28, qualification: 0x303n, gpr: { 3: 0x5000n } }],
    ['MOV from CR8 to RAX', { reasonField: 28, qualification: 0x18n }],
    ['CLTS', { reasonField: 28, qualification: 0x20n }],
    ['LMSW: 0x1234', { reasonField: 28, qualification: 0x1234_0030n }],
    ['EPT violation: write of guest-physical 0xfee00000, linear 0x1234, EPT allows r--', { reasonField: 48, qualification: 0x18an, guestPhysical: 0xfee0_0000n,
    guestLinear: 0x1234n }],
    ['EPT violation: read of guest-physical 0x1000, linear 0x1234 during the page walk, EPT allows ---', { reasonField: 48, qualification: 0x81n, guestPhysical: 0x1000n,
    guestLinear: 0x1234n }],
    ['EPT misconfiguration at guest-physical 0x2000', { reasonField: 49, guestPhysical: 0x2000n }],
    ['#PF (page fault), error code 0x2 (W/R) at 0xdead000', { reasonField: 0, interruptionInfo: 0x8000_0b0e | 0, interruptionError: 2, qualification: 0xdead000n }],
    ['NMI', { reasonField: 0, interruptionInfo: 0x8000_0202 | 0 }],
    ['external interrupt 0x21', { reasonField: 1, interruptionInfo: 0x8000_0021 | 0 }],
    ['VMREAD of EXIT_REASON, into RBX', { reasonField: 23, instructionInfo: 0x418, gpr: { 0: 0x4402n } }],
    ['VMWRITE of GUEST_RIP, from RCX: 0x77', { reasonField: 25, instructionInfo: 0x2000_0408, gpr: { 2: 0x681en, 1: 0x77n } }],
    ['VMREAD of 0x9999, into memory', { reasonField: 23, instructionInfo: 0, gpr: { 0: 0x9999n } }],
    ['HLT', { reasonField: 12 }],
    ['reason 4660', { reasonField: 0x1234 }],
  ];
  it.each(cases)('%s', (expected, fields) => { expect(describeExit(exit(fields)).summary).toBe(expected); });

  it('every reason of the table has a sentence, a name and its cause', () => {
    for (const { number, name, cause } of exitReasons) {
      const described = describeExit(exit({ reasonField: number }));
      expect(described.name).toBe(name);
      expect(described.summary).not.toBe('');
      expect(described.details.join('\n')).toContain(cause);
    }
  });
});

describe('failed entries', () => {
  it.each(entryChecks.slice(0, 400).filter((_, n) => n % 37 === 0).map(check => [check.id, check] as const))('%s is told with rule and section', (id, check) => {
    const described = describeExit(exit({ reasonField: 0x8000_0021 | 0, failedCheck: check.row + 1 }));
    expect(described.entryFailed).toBe(true);
    expect(described.failedCheck!.check.id).toBe(id);
    expect(described.summary).toContain(check.rule);
    expect(described.details.join('\n')).toContain(check.section.title);
  });
  it('without a known check the qualification speaks', () => {
    expect(describeExit(exit({ reasonField: 0x8000_0021 | 0, qualification: 4n })).summary).toContain('VMCS link pointer');
  });
});

it.each([
  [0x8000_030d, 0, 'hardware exception' , '#GP (general protection)'],
  [0x8000_0403, 0, 'software interrupt', 'software interrupt 0x3'],
  [0x8000_0b0d, 0x10, 'hardware exception', '#GP (general protection), error code 0x10'],
] as const)('interruption information %s', (info, error, type, text) => {
  const described = describeInterruption(info | 0, error)!;
  expect(described.type).toBe(type);
  expect(described.text.startsWith(text)).toBe(true);
});

it('interruption information that is not valid is nothing', () => { expect(describeInterruption(0x0000_030d, 0)).toBeUndefined(); });
