// What the processor's registers take from a debugger, and why not.
import { describe, expect, it } from 'vitest';
import { defaultProcessorModel as model } from '../../../src/spec/processor-models';
import { registerProblem } from '../../../src/inspector/registers/register-rules';

const longMode: Record<string, bigint> = { cr0: 0x8000_0033n, cr4: 0x2020n, efer: 0xd01n };
const problem = (name: string, value: bigint, vmxRoot = true, now = longMode): string | undefined => registerProblem(name, value, { value: each => now[each] ?? 0n, vmxRoot, model });

describe('in 64-bit mode and VMX root operation', () => {
  it.each([
    ['cr0', 0x8000_003bn], ['cr4', 0x2030n], ['efer', 0x500n], ['rflags', 0x246n], ['rip', 0xffff_8000_0000_0000n], ['fs.base', 0x7fff_ffff_ffffn], ['xcr0', 3n], ['rax', 0xffff_ffff_ffff_ffffn],
    ['cr3', 0x1000n], ['dr7', 0x400n], ['mxcsr', 0x1f80n],
  ])('%s takes %s', (name, value) => { expect(problem(name, value)).toBeUndefined(); });
  it.each([
    ['cr0', 0x33n, /EFER.LMA would have to follow/], ['cr0', 0x8000_0032n, /PG without PE/], ['cr0', 0xa000_0033n, /NW without CD/], ['cr0', 0x8000_0011n, /PE, NE and PG are 1/],
    ['cr0', 0x1_8000_0033n, /no bits 0x100000000/],
    ['cr4', 0x2000n, /needs PAE/], ['cr4', 0x20n, /VMXE is 1/], ['cr4', 1n << 40n, /no bits 0x10000000000/], ['efer', 0x101n, /LMA follows/], ['efer', 0x1_0000n, /no bits 0x10000/], ['rflags', 0n, /bit 1/],
    ['rflags', 1n << 40n, /no bits/], ['rip', 0x8000_0000_0000n, /canonical/], ['gs.base', 0x8000_0000_0000n, /canonical/], ['idtr.base', 1n << 63n, /canonical/], ['xcr0', 2n, /bit 0/], ['xcr0', 1n << 62n, /components/],
    ['cr3', 1n << 60n, /bits here/], ['dr7', 1n << 32n, /63:32/], ['mxcsr', 0x1_0000n, /16 bits/],
  ])('%s does not take %s', (name, value, reason) => { expect(problem(name, value)).toMatch(reason); });
});

it('outside of VMX operation and of IA-32e mode less is fixed', () => {
  const legacy = { cr0: 0x11n, cr4: 0n, efer: 0n };
  expect(problem('cr0', 0x10n, false, legacy)).toBeUndefined();
  expect(problem('cr4', 0n, false, legacy)).toBeUndefined();
  expect(problem('efer', 0x100n, false, legacy)).toBeUndefined();
  expect(problem('efer', 0x100n, false, { ...legacy, cr0: 0x8000_0011n })).toMatch(/LME cannot change/);
  expect(problem('rip', 0x8000_0000_0000n, false, legacy)).toBeUndefined();
});
