/**
 * Processor models: what a virtual processor is, as data. CPUID leaves, capability MSRs and the fixed bits of the control
 * registers all derive from a model and from what is implemented (cpuid.ts, controls.ts, capability-msrs.ts).
 *
 * Rules between features stand as rows with a sentence each; a model that breaks one is refused with that sentence.
 */
import { controlByRef, controlWords } from './controls';
import type { ControlRef } from './controls';
import { cpuidFeatures } from './cpuid';
import type { FeatureId } from './cpuid';

export interface VmxModel {
  /** VMCS revision identifier, bits 30:0. */
  readonly revision: number;
  /** The VMX-preemption timer counts once in 2^timerShift ticks of the TSC. */
  readonly timerShift: number;
  /** Number of CR3-target values, 0 to 4. */
  readonly cr3Targets: number;
  /** VMWRITE may change read-only fields. */
  readonly vmwriteAny: boolean;
  /** Software events may be injected with instruction length 0. */
  readonly zeroLengthInjection: boolean;
  /** EPT has accessed and dirty flags. */
  readonly eptAccessedDirty: boolean;
  /** Hardware exceptions may be injected with or without an error code, whatever their vector. */
  readonly errorCodeFreedom: boolean;
  /** The firmware has allowed VMXON in IA32_FEATURE_CONTROL and locked it; otherwise the MSR is 0, and software has to set it. */
  readonly featureControlLocked: boolean;
  /** Implemented controls that this model lacks. */
  readonly without: ReadonlySet<ControlRef>;
}

export interface ProcessorModel {
  readonly id: string;
  readonly vendor: 'GenuineIntel';
  readonly brand: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** MAXPHYADDR: the N of 'bits 63:N are 0'. */
  readonly physicalBits: number;
  /** 48, or 57 with la57. */
  readonly linearBits: 48 | 57;
  readonly features: ReadonlySet<FeatureId>;
  readonly vmx: VmxModel;
}

const implementedFeatures: ReadonlySet<FeatureId> = new Set(cpuidFeatures.filter((row) => row.implemented).map((row) => row.id as FeatureId));

/** The processor that the machine has when nothing else is asked for: all that is implemented. */
export const defaultProcessorModel: ProcessorModel = {
  id: 'abyme',
  vendor: 'GenuineIntel',
  brand: 'Abyme virtual processor',
  family: 6,
  model: 0x5e,
  stepping: 3,
  physicalBits: 46,
  linearBits: 48,
  features: implementedFeatures,
  vmx: { revision: 0x0ab1_3e01, timerShift: 0, cr3Targets: 4, vmwriteAny: true, zeroLengthInjection: true, eptAccessedDirty: true, errorCodeFreedom: false, featureControlLocked: true, without: new Set() },
};

/** All that a model can have: what the entry checks that the machine runs are written for. */
export const widestProcessorModel: ProcessorModel = { ...defaultProcessorModel, id: 'widest', vmx: { ...defaultProcessorModel.vmx, errorCodeFreedom: true } };

/** What every 64-bit processor with VT-x has: instructions and state that the machine has in any case. */
const baselineFeatures: readonly FeatureId[] = ['de', 'pse', 'tsc', 'msr', 'pae', 'mce', 'cx8', 'apic', 'sep', 'mtrr', 'pge', 'mca', 'cmov', 'pat', 'clfsh', 'fxsr', 'sse', 'sse2', 'cx16',
  'lahf64', 'syscall', 'nx', 'lm'];

export interface ModelRule {
  readonly id: string;
  /** What must hold, as a sentence for the user who chose the features. */
  readonly rule: string;
  readonly holds: (model: ProcessorModel) => boolean;
}

/** `feature` cannot be there without each of `needed`. */
function needs(feature: FeatureId, ...needed: FeatureId[]): ModelRule {
  return {
    id: `${feature}-needs-${needed.join('-')}`,
    rule: `${feature} needs ${needed.join(' and ')}.`,
    holds: (model) => !model.features.has(feature) || needed.every((one) => model.features.has(one)),
  };
}

/** An implemented control that another control requires at VM entry cannot be missing while the other is there. */
function controlNeeds(control: ControlRef, needed: ControlRef): ModelRule {
  return {
    id: `${control}-needs-${needed}`,
    rule: `The control ${control} needs the control ${needed}.`,
    holds: (model) => !hasControl(model, control) || hasControl(model, needed),
  };
}

export const modelRules: readonly ModelRule[] = [
  { id: 'implemented', rule: 'A model has only features that the machine implements.', holds: (model) => [...model.features].every((id) => implementedFeatures.has(id)) },
  { id: 'baseline', rule: `A processor has at least ${baselineFeatures.join(', ')}.`, holds: (model) => baselineFeatures.every((id) => model.features.has(id)) },
  { id: 'physical-width', rule: 'The physical-address width is 36 to 52 bits.', holds: (model) => model.physicalBits >= 36 && model.physicalBits <= 52 },
  { id: 'linear-width', rule: 'The linear-address width is 57 bits exactly if the processor has la57.', holds: (model) => (model.linearBits === 57) === model.features.has('la57') },
  { id: 'revision', rule: 'The VMCS revision identifier has 31 bits.', holds: (model) => model.vmx.revision >= 0 && model.vmx.revision < 2 ** 31 },
  { id: 'timer-rate', rule: 'The preemption timer counts with one of the bits 0 to 31 of the TSC.', holds: (model) => model.vmx.timerShift >= 0 && model.vmx.timerShift <= 31 },
  { id: 'cr3-targets', rule: 'There are fields for 4 CR3-target values.', holds: (model) => model.vmx.cr3Targets >= 0 && model.vmx.cr3Targets <= 4 },
  needs('sse2', 'sse'), needs('sse', 'fxsr'), needs('sse3', 'sse2'), needs('ssse3', 'sse3'), needs('sse41', 'ssse3'), needs('sse42', 'sse41'),
  needs('lm', 'pae', 'msr', 'cx8'), needs('syscall', 'lm'), needs('lahf64', 'lm'), needs('cx16', 'lm'), needs('pages1G', 'lm'), needs('nx', 'pae'), needs('pcid', 'lm'),
  needs('invpcid', 'lm'), needs('la57', 'lm'), needs('fsgsbase', 'lm'), needs('rdtscp', 'tsc', 'msr'), needs('invariantTsc', 'tsc'), needs('tscAdjust', 'tsc', 'msr'), needs('tscDeadline', 'apic', 'tsc'),
  needs('x2apic', 'apic', 'msr'), needs('mtrr', 'msr'), needs('mca', 'mce', 'msr'), needs('vmx', 'msr', 'lm'),
  needs('avx', 'xsave'), needs('xsaveopt', 'xsave'), needs('xsavec', 'xsave'), needs('xgetbv1', 'xsave'), needs('xsaves', 'xsavec'), needs('avx2', 'avx'), needs('fma', 'avx'), needs('f16c', 'avx'),
  needs('pku', 'lm'), needs('pks', 'lm'), needs('smx', 'msr'), needs('uintr', 'lm', 'apic'),
  controlNeeds('pin.virtualNmis', 'pin.nmiExiting'), controlNeeds('primary.nmiWindowExiting', 'pin.virtualNmis'),
  controlNeeds('secondary.unrestrictedGuest', 'secondary.enableEpt'), controlNeeds('secondary.enablePml', 'secondary.enableEpt'), controlNeeds('secondary.modeBasedExecuteControl', 'secondary.enableEpt'),
  controlNeeds('secondary.subPageWritePermissions', 'secondary.enableEpt'), controlNeeds('secondary.eptViolationVe', 'secondary.enableEpt'),
  controlNeeds('secondary.virtualizeX2apicMode', 'primary.useTprShadow'), controlNeeds('secondary.apicRegisterVirtualization', 'primary.useTprShadow'),
  controlNeeds('secondary.virtualInterruptDelivery', 'primary.useTprShadow'), controlNeeds('secondary.virtualInterruptDelivery', 'pin.externalInterruptExiting'),
  controlNeeds('pin.processPostedInterrupts', 'secondary.virtualInterruptDelivery'), controlNeeds('pin.processPostedInterrupts', 'exit.acknowledgeInterruptOnExit'),
  controlNeeds('tertiary.ipiVirtualization', 'primary.useTprShadow'), controlNeeds('exit.savePreemptionTimer', 'pin.activatePreemptionTimer'),
  ...controlWords.secondary.map((row) => controlNeeds(`secondary.${row.id}`, 'primary.activateSecondaryControls')),
  ...controlWords.tertiary.map((row) => controlNeeds(`tertiary.${row.id}`, 'primary.activateTertiaryControls')),
  ...controlWords.secondaryExit.map((row) => controlNeeds(`secondaryExit.${row.id}`, 'exit.activateSecondaryControls')),
];

/** Whether a processor of this model offers a control: implemented, its feature there, and not left out by the model. */
export function hasControl(model: ProcessorModel, ref: ControlRef): boolean {
  const row = controlByRef(ref);
  return row.implemented && !model.vmx.without.has(ref) && (row.feature === undefined || model.features.has(row.feature as FeatureId));
}

/** The sentences of the rules that a model breaks; none for a sound model. */
export function brokenModelRules(model: ProcessorModel): readonly string[] {
  return modelRules.filter((row) => !row.holds(model)).map((row) => row.rule);
}
