// Which values the processor's own registers can hold: what software could not load there, the debugger does not either, and says why. SDM 3A 2.5 'Control
// Registers', SDM 3D appendix A.7 and A.8 'VMX-Fixed Bits in CR0 / CR4'. Fields of a VMCS take any value: VM entry checks them.
import { bitOf, namedBits } from '../../spec/bit-layouts';
import { cr0Fixed0, cr0Named, cr4Fixed0, cr4Supported, eferSupported } from '../../spec/control-registers';
import { cpuid } from '../../spec/cpuid';
import type { ProcessorModel } from '../../spec/processor-models';

/** The processor as it is, by register name, and whether it is in VMX operation and there in root operation. */
export interface RegisterState { value(name: string): bigint; readonly vmxRoot: boolean; readonly model: ProcessorModel }

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const isCanonical = (value: bigint, bits: number): boolean => BigInt.asUintN(64, BigInt.asIntN(bits, value)) === value;

/** Why a register cannot hold a value; undefined when it can. */
export function registerProblem(name: string, value: bigint, { value: now, vmxRoot, model }: RegisterState): string | undefined {
  const pg = bitOf('cr0', 'pg'), longMode = (now('efer') & bitOf('efer', 'lma')) !== 0n, bad = (mask: bigint): boolean => (value & mask) !== 0n;
  switch (name) {
    case 'cr0':
      if (bad(~cr0Named)) return `CR0 has no bits ${hex(value & ~cr0Named)}`;
      if (bad(pg) && !bad(bitOf('cr0', 'pe'))) return 'paging needs protected mode: PG without PE is #GP(0)';
      if (bad(bitOf('cr0', 'nw')) && !bad(bitOf('cr0', 'cd'))) return 'NW without CD is #GP(0)';
      if (longMode && !bad(pg)) return 'in IA-32e mode the debugger does not turn paging off: EFER.LMA would have to follow';
      return vmxRoot && (value & cr0Fixed0) !== cr0Fixed0 ? 'in VMX operation PE, NE and PG are 1' : undefined;
    case 'cr3': return bad(~((1n << BigInt(model.physicalBits)) - 1n)) ? `physical addresses have ${model.physicalBits} bits here` : undefined;
    case 'cr4':
      if (bad(~cr4Supported(model))) return `this processor has no bits ${hex(value & ~cr4Supported(model))} in CR4`;
      if (longMode && !bad(bitOf('cr4', 'pae'))) return 'IA-32e mode needs PAE';
      return vmxRoot && !bad(cr4Fixed0) ? 'in VMX operation VMXE is 1' : undefined;
    case 'efer': {
      const changed = value ^ now('efer'), lma = bitOf('efer', 'lma'), lme = bitOf('efer', 'lme');
      if (bad(~eferSupported(model))) return `this processor has no bits ${hex(value & ~eferSupported(model))} in EFER`;
      if ((changed & lma) !== 0n) return 'LMA follows LME and paging: software cannot write it';
      return (changed & lme) !== 0n && (now('cr0') & pg) !== 0n ? 'LME cannot change while paging is on' : undefined;
    }
    case 'rflags': {
      const fixed = 2n, named = namedBits('rflags') | fixed;
      return bad(~named) ? `RFLAGS has no bits ${hex(value & ~named)}` : !bad(fixed) ? 'bit 1 of RFLAGS is always 1' : undefined;
    }
    case 'xcr0': {
      const { eax, edx } = cpuid(model, 0xd), supported = BigInt(edx >>> 0) << 32n | BigInt(eax >>> 0);
      return bad(~supported) ? `this processor has no state components ${hex(value & ~supported)}` : !bad(1n) ? 'bit 0 of XCR0 is always 1' : undefined;
    }
    case 'mxcsr': return bad(~0xffffn) ? 'MXCSR has 16 bits that can be set' : undefined;
    case 'dr6': case 'dr7': return value >> 32n !== 0n ? `bits 63:32 of ${name.toUpperCase()} are 0` : undefined;
    case 'rip': return longMode && !isCanonical(value, model.linearBits) ? 'the address is not canonical' : undefined;
    default: return /^(..|[gi]dt|ldt)r?\.base$/.test(name) && longMode && !isCanonical(value, model.linearBits) ? 'the address is not canonical' : undefined;
  }
}
