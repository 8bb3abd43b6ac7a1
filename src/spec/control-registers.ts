/**
 * Which bits of CR0, CR4 and IA32_EFER a processor has, and which are fixed in VMX operation:
 * SDM 3A 2.5 'Control Registers', SDM 3D appendix A.7 and A.8 'VMX-Fixed Bits in CR0 / CR4'.
 */
import { bitOf, namedBits } from './bit-layouts';
import type { LayoutBitId } from './bit-layouts';
import type { FeatureId } from './cpuid';
import type { ProcessorModel } from './processor-models';

/** CR4 bit to the feature that brings it; 'never' for what no model has yet. */
const cr4Features: Readonly<Record<LayoutBitId<'cr4'>, FeatureId | 'never'>> = {
  vme: 'vme', pvi: 'vme', tsd: 'tsc', de: 'de', pse: 'pse', pae: 'pae', mce: 'mce', pge: 'pge', pce: 'fpu', osfxsr: 'fxsr', osxmmexcpt: 'sse', umip: 'umip', la57: 'la57', vmxe: 'vmx', smxe: 'smx',
  fsgsbase: 'fsgsbase', pcide: 'pcid', osxsave: 'xsave', kl: 'never', smep: 'smep', smap: 'smap', pke: 'pku', cet: 'cetSs', pks: 'pks', uintr: 'uintr', lamSup: 'never', fred: 'never',
};

const eferFeatures: Readonly<Record<LayoutBitId<'efer'>, FeatureId>> = { sce: 'syscall', lme: 'lm', lma: 'lm', nxe: 'nx' };

/** CR4 bits that can be 1 on this processor; writing any other is #GP(0). */
export function cr4Supported(model: ProcessorModel): bigint {
  return (Object.keys(cr4Features) as LayoutBitId<'cr4'>[]).reduce((mask, id) => {
    const feature = cr4Features[id];
    return feature !== 'never' && model.features.has(feature) ? mask | bitOf('cr4', id) : mask;
  }, 0n);
}

/** IA32_EFER bits that can be 1 on this processor. */
export function eferSupported(model: ProcessorModel): bigint {
  return (Object.keys(eferFeatures) as LayoutBitId<'efer'>[]).reduce((mask, id) => (model.features.has(eferFeatures[id]) ? mask | bitOf('efer', id) : mask), 0n);
}

/** CR0 bits that have a meaning; the others read as 0, and a set bit above 31 is #GP(0). */
export const cr0Named = namedBits('cr0');

/** CR0 bits that are 1 in VMX operation; unrestricted guests may clear PE and PG. */
export const cr0Fixed0 = bitOf('cr0', 'pe') | bitOf('cr0', 'ne') | bitOf('cr0', 'pg');
/** CR0 bits that may be 1 in VMX operation. */
export const cr0Fixed1 = 0xffff_ffffn;
/** CR4 bits that are 1 in VMX operation. */
export const cr4Fixed0 = bitOf('cr4', 'vmxe');

/** IA32_DEBUGCTL bits that can be 1 on this processor. */
export function debugctlSupported(model: ProcessorModel): bigint {
  return bitOf('debugctl', 'lbr') | bitOf('debugctl', 'btf') | (model.features.has('busLockDetect') ? bitOf('debugctl', 'bld') : 0n) | (model.features.has('rtm') ? bitOf('debugctl', 'rtmDebug') : 0n);
}
