/**
 * The VMX capability MSRs 480H to 493H: SDM 3D appendix A 'VMX Capability Reporting Facility'.
 *
 * No value is written down: each derives from the controls and features that a processor model has, so that
 * a capability cannot be advertised without being implemented.
 */
import { insert } from './bit-fields';
import { bitOf, fieldOf, layoutField } from './bit-layouts';
import type { LayoutBitId, LayoutName } from './bit-layouts';
import { controlWordTraits, controlWords } from './controls';
import type { Control, ControlRef, ControlWordName } from './controls';
import { cr0Fixed0, cr0Fixed1, cr4Fixed0, cr4Supported } from './control-registers';
import { hasControl } from './processor-models';
import type { ProcessorModel } from './processor-models';
import { vmcsFields, vmcsRegion } from './vmcs-fields';
import type { VmcsField } from './vmcs-fields';

export type CapabilityMsrName =
  | 'IA32_VMX_BASIC' | 'IA32_VMX_PINBASED_CTLS' | 'IA32_VMX_PROCBASED_CTLS' | 'IA32_VMX_EXIT_CTLS' | 'IA32_VMX_ENTRY_CTLS' | 'IA32_VMX_MISC' | 'IA32_VMX_CR0_FIXED0' | 'IA32_VMX_CR0_FIXED1'
  | 'IA32_VMX_CR4_FIXED0' | 'IA32_VMX_CR4_FIXED1' | 'IA32_VMX_VMCS_ENUM' | 'IA32_VMX_PROCBASED_CTLS2' | 'IA32_VMX_EPT_VPID_CAP' | 'IA32_VMX_TRUE_PINBASED_CTLS' | 'IA32_VMX_TRUE_PROCBASED_CTLS'
  | 'IA32_VMX_TRUE_EXIT_CTLS' | 'IA32_VMX_TRUE_ENTRY_CTLS' | 'IA32_VMX_VMFUNC' | 'IA32_VMX_PROCBASED_CTLS3' | 'IA32_VMX_EXIT_CTLS2';

export interface CapabilityMsr {
  readonly index: number;
  readonly name: CapabilityMsrName;
  /** How to read the value; for a control word see `word`. */
  readonly layout?: LayoutName;
  /** The MSR says which settings of this control word are allowed. */
  readonly word?: ControlWordName;
  readonly meaning: string;
  /** Whether a processor that has VMX has the MSR. */
  readonly existsFor: (model: ProcessorModel) => boolean;
  readonly value: (model: ProcessorModel) => bigint;
}

const always = (): boolean => true;
const withSecondary = (...refs: ControlRef[]) => (model: ProcessorModel): boolean => hasControl(model, 'primary.activateSecondaryControls') && refs.some((ref) => hasControl(model, ref));

/** Controls of a word that the model offers, as a mask. */
function offered(model: ProcessorModel, word: ControlWordName): bigint {
  return (controlWords[word] as readonly Control[]).reduce((mask, row) => (hasControl(model, `${word}.${row.id}` as ControlRef) ? mask | (1n << BigInt(row.bit)) : mask), 0n);
}

/**
 * Settings that a model allows for a control word: bits of `mustBeOne` cannot be 0, bits outside `mayBeOne` cannot be 1.
 * With TRUE MSRs, a default1 bit that has since become a control which the model offers may be 0: SDM 3D appendix A.2.
 */
export function allowedSettings(model: ProcessorModel, word: ControlWordName, form: 'plain' | 'true' = 'true'): { mustBeOne: bigint; mayBeOne: bigint } {
  const default1 = BigInt(controlWordTraits[word].default1);
  const named = offered(model, word);
  return { mustBeOne: form === 'true' ? default1 & ~named : default1, mayBeOne: default1 | named };
}

function controlsMsr(word: ControlWordName, form: 'plain' | 'true'): (model: ProcessorModel) => bigint {
  return (model) => {
    const { mustBeOne, mayBeOne } = allowedSettings(model, word, form);
    return controlWordTraits[word].width === 64 ? mayBeOne : mustBeOne | (mayBeOne << 32n);
  };
}

/** A value from a layout: named bits that are true, fields that are numbers. */
function compose<L extends LayoutName>(layout: L, parts: Partial<Record<LayoutBitId<L>, boolean | number>>): bigint {
  return (Object.entries(parts) as [LayoutBitId<L>, boolean | number][]).reduce((word, [id, part]) => insert(layoutField(layout, id), word, BigInt(Number(part))), 0n);
}

const basic = (model: ProcessorModel): bigint => compose('vmxBasic', {
  revision: model.vmx.revision, regionSize: vmcsRegion.size, memoryType: 6, insOutsInfo: true, trueMsrs: true, errorCodeFreedom: model.vmx.errorCodeFreedom,
});

const misc = (model: ProcessorModel): bigint => compose('vmxMisc', {
  timerShift: model.vmx.timerShift, cr3Targets: model.vmx.cr3Targets, vmwriteAny: model.vmx.vmwriteAny, zeroLengthInjection: model.vmx.zeroLengthInjection,
  savesLma: hasControl(model, 'secondary.unrestrictedGuest'), activityHlt: true, activityShutdown: true, activityWaitForSipi: true,
});

const eptVpid = (model: ProcessorModel): bigint => {
  const ept = hasControl(model, 'secondary.enableEpt');
  const vpid = hasControl(model, 'secondary.enableVpid');
  return compose('vmxEptVpidCap', {
    executeOnly: ept, walkLength4: ept, memoryTypeUc: ept, memoryTypeWb: ept, pages2M: ept, pages1G: ept && model.features.has('pages1G'), invept: ept, inveptSingle: ept, inveptAll: ept,
    accessedDirty: ept && model.vmx.eptAccessedDirty,
    invvpid: vpid, invvpidAddress: vpid, invvpidSingle: vpid, invvpidAll: vpid, invvpidRetainingGlobals: vpid,
  });
};

/** Whether the processor has a VMCS field: VMREAD and VMWRITE of others fail with error 12. */
export function vmcsFieldExists(field: VmcsField, model: ProcessorModel): boolean {
  return field.existsIf === undefined || field.existsIf.some((condition) => conditionHolds(condition, model));
}

function conditionHolds(condition: string, model: ProcessorModel): boolean {
  const [kind, what] = condition.split('.') as [string, string];
  switch (kind) {
    case 'cr3Targets': return model.vmx.cr3Targets > Number(what);
    case 'vmFunction': return capabilityMsrByName('IA32_VMX_VMFUNC').existsFor(model);
    case 'feature': return (model.features as ReadonlySet<string>).has(what);
    default: return hasControl(model, condition as ControlRef);
  }
}

const vmcsEnum = (model: ProcessorModel): bigint => compose('vmxVmcsEnum', {
  highestIndex: vmcsFields.reduce((highest, field) => (vmcsFieldExists(field, model) ? Math.max(highest, field.index) : highest), 0),
});

export const capabilityMsrs: readonly CapabilityMsr[] = [
  { index: 0x480, name: 'IA32_VMX_BASIC', layout: 'vmxBasic', meaning: 'Format of VMCSs, and which MSRs there are.', existsFor: always, value: basic },
  { index: 0x481, name: 'IA32_VMX_PINBASED_CTLS', word: 'pin', meaning: 'Allowed pin-based controls.', existsFor: always, value: controlsMsr('pin', 'plain') },
  { index: 0x482, name: 'IA32_VMX_PROCBASED_CTLS', word: 'primary', meaning: 'Allowed primary controls.', existsFor: always, value: controlsMsr('primary', 'plain') },
  { index: 0x483, name: 'IA32_VMX_EXIT_CTLS', word: 'exit', meaning: 'Allowed VM-exit controls.', existsFor: always, value: controlsMsr('exit', 'plain') },
  { index: 0x484, name: 'IA32_VMX_ENTRY_CTLS', word: 'entry', meaning: 'Allowed VM-entry controls.', existsFor: always, value: controlsMsr('entry', 'plain') },
  { index: 0x485, name: 'IA32_VMX_MISC', layout: 'vmxMisc', meaning: 'Miscellaneous.', existsFor: always, value: misc },
  { index: 0x486, name: 'IA32_VMX_CR0_FIXED0', layout: 'cr0', meaning: 'Bits of CR0 that are 1 in VMX operation.', existsFor: always, value: () => cr0Fixed0 },
  { index: 0x487, name: 'IA32_VMX_CR0_FIXED1', layout: 'cr0', meaning: 'Bits of CR0 that may be 1 in VMX operation.', existsFor: always, value: () => cr0Fixed1 },
  { index: 0x488, name: 'IA32_VMX_CR4_FIXED0', layout: 'cr4', meaning: 'Bits of CR4 that are 1 in VMX operation.', existsFor: always, value: () => cr4Fixed0 },
  { index: 0x489, name: 'IA32_VMX_CR4_FIXED1', layout: 'cr4', meaning: 'Bits of CR4 that may be 1 in VMX operation.', existsFor: always, value: cr4Supported },
  { index: 0x48a, name: 'IA32_VMX_VMCS_ENUM', layout: 'vmxVmcsEnum', meaning: 'Highest index of a VMCS field.', existsFor: always, value: vmcsEnum },
  { index: 0x48b, name: 'IA32_VMX_PROCBASED_CTLS2', word: 'secondary', meaning: 'Allowed secondary controls.', existsFor: (model) => hasControl(model, 'primary.activateSecondaryControls'),
    value: controlsMsr('secondary', 'plain') },
  { index: 0x48c, name: 'IA32_VMX_EPT_VPID_CAP', layout: 'vmxEptVpidCap', meaning: 'Features of EPT and VPID.', existsFor: withSecondary('secondary.enableEpt', 'secondary.enableVpid'), value: eptVpid },
  { index: 0x48d, name: 'IA32_VMX_TRUE_PINBASED_CTLS', word: 'pin', meaning: 'Allowed pin-based controls, default1 bits that may be 0 included.', existsFor: always, value: controlsMsr('pin', 'true') },
  { index: 0x48e, name: 'IA32_VMX_TRUE_PROCBASED_CTLS', word: 'primary', meaning: 'Allowed primary controls, default1 bits that may be 0 included.', existsFor: always,
    value: controlsMsr('primary', 'true') },
  { index: 0x48f, name: 'IA32_VMX_TRUE_EXIT_CTLS', word: 'exit', meaning: 'Allowed VM-exit controls, default1 bits that may be 0 included.', existsFor: always, value: controlsMsr('exit', 'true') },
  { index: 0x490, name: 'IA32_VMX_TRUE_ENTRY_CTLS', word: 'entry', meaning: 'Allowed VM-entry controls, default1 bits that may be 0 included.', existsFor: always, value: controlsMsr('entry', 'true') },
  { index: 0x491, name: 'IA32_VMX_VMFUNC', layout: 'vmFunctionControls', meaning: 'Allowed VM functions.', existsFor: withSecondary('secondary.enableVmFunctions'),
    value: () => bitOf('vmFunctionControls', 'eptpSwitching') },
  { index: 0x492, name: 'IA32_VMX_PROCBASED_CTLS3', word: 'tertiary', meaning: 'Allowed tertiary controls.', existsFor: (model) => hasControl(model, 'primary.activateTertiaryControls'),
    value: controlsMsr('tertiary', 'plain') },
  { index: 0x493, name: 'IA32_VMX_EXIT_CTLS2', word: 'secondaryExit', meaning: 'Allowed secondary VM-exit controls.',
    existsFor: (model) => hasControl(model, 'exit.activateSecondaryControls'), value: controlsMsr('secondaryExit', 'plain') },
];

/** The row called `name`. */
export function capabilityMsrByName(name: CapabilityMsrName): CapabilityMsr {
  return capabilityMsrs.find((row) => row.name === name)!;
}

/** MSR index to value, for every capability MSR that the model has; none without VMX. */
export function capabilityMsrValues(model: ProcessorModel): ReadonlyMap<number, bigint> {
  if (!model.features.has('vmx')) return new Map();
  return new Map(capabilityMsrs.filter((row) => row.existsFor(model)).map((row) => [row.index, row.value(model)]));
}

/** One field of a capability MSR of a model; 0 where the MSR does not exist. */
export function capability<L extends 'vmxBasic' | 'vmxMisc' | 'vmxEptVpidCap' | 'vmFunctionControls'>(model: ProcessorModel, layout: L, id: LayoutBitId<L>): number {
  const row = capabilityMsrs.find((candidate) => candidate.layout === layout)!;
  return row.existsFor(model) ? Number(fieldOf(layout, id, row.value(model))) : 0;
}

/** Index of the capability MSR that VM entry holds a control word against: the TRUE one where there is one. */
export function checkedAgainst(word: ControlWordName): number {
  return controlWordTraits[word].trueMsr ?? controlWordTraits[word].msr;
}
