/**
 * Processors to choose from: the generations of Intel processors with VT-x, each by what it brought. A model has what the machine implements
 * of its own and all earlier generations' rows; `abyme` has everything. For software that must run where a feature is absent.
 */
import { controlByRef, controlWordNames, controlWords, isControlRef } from './controls';
import type { ControlRef } from './controls';
import { cpuidFeatures } from './cpuid';
import type { FeatureId } from './cpuid';
import { brokenModelRules, defaultProcessorModel } from './processor-models';
import type { ProcessorModel, VmxModel } from './processor-models';

/** Options of VMX that a processor has or has not, beside its controls. */
export const vmxOptions = ['vmwriteAny', 'zeroLengthInjection', 'eptAccessedDirty', 'featureControlLocked'] as const satisfies readonly (keyof VmxModel)[];
type VmxOption = (typeof vmxOptions)[number];

interface Generation {
  readonly id: string;
  readonly brand: string;
  readonly model: number;
  readonly stepping: number;
  readonly physicalBits: number;
  readonly features: readonly FeatureId[];
  readonly controls: readonly ControlRef[];
  readonly options?: readonly VmxOption[];
}

/** Oldest first. The first row is a Core 2 processor of 2008: no EPT, no VPID, no preemption timer. */
const generations: readonly Generation[] = [
  { id: 'penryn', brand: 'Core 2 (Penryn)', model: 0x17, stepping: 6, physicalBits: 36,
    features: ['fpu', 'vme', 'de', 'pse', 'tsc', 'msr', 'pae', 'mce', 'cx8', 'apic', 'sep', 'mtrr', 'pge', 'mca', 'cmov', 'pat', 'pse36', 'clfsh', 'mmx', 'fxsr', 'sse', 'sse2', 'sse3', 'ssse3', 'sse41',
      'monitor', 'vmx', 'cx16', 'lahf64', 'syscall', 'nx', 'lm', 'prefetchw', 'htt'],
    controls: ['pin.externalInterruptExiting', 'pin.nmiExiting', 'pin.virtualNmis', 'primary.interruptWindowExiting', 'primary.useTscOffsetting', 'primary.hltExiting', 'primary.invlpgExiting',
      'primary.mwaitExiting', 'primary.rdpmcExiting', 'primary.rdtscExiting', 'primary.cr3LoadExiting', 'primary.cr3StoreExiting', 'primary.cr8LoadExiting', 'primary.cr8StoreExiting',
      'primary.useTprShadow', 'primary.nmiWindowExiting', 'primary.movDrExiting', 'primary.unconditionalIoExiting', 'primary.useIoBitmaps', 'primary.useMsrBitmaps', 'primary.monitorExiting',
      'primary.pauseExiting', 'primary.activateSecondaryControls', 'secondary.virtualizeApicAccesses', 'secondary.wbinvdExiting', 'exit.saveDebugControls', 'exit.hostAddressSpaceSize',
      'exit.loadPerfGlobalCtrl', 'exit.acknowledgeInterruptOnExit', 'entry.loadDebugControls', 'entry.ia32eModeGuest', 'entry.loadPerfGlobalCtrl'], options: ['featureControlLocked'] },
  { id: 'nehalem', brand: 'Core i7 (Nehalem)', model: 0x1a, stepping: 5, physicalBits: 40,
    features: ['popcnt', 'sse42', 'x2apic', 'rdtscp', 'invariantTsc'],
    controls: ['pin.activatePreemptionTimer', 'primary.monitorTrapFlag', 'secondary.enableEpt', 'secondary.descriptorTableExiting', 'secondary.enableRdtscp', 'secondary.virtualizeX2apicMode',
      'secondary.enableVpid', 'exit.savePat', 'exit.loadPat', 'exit.saveEfer', 'exit.loadEfer', 'exit.savePreemptionTimer', 'entry.loadPat', 'entry.loadEfer'] },
  { id: 'westmere', brand: 'Xeon (Westmere)', model: 0x2c, stepping: 2, physicalBits: 40,
    features: ['pcid', 'pages1G', 'aes', 'pclmulqdq'], controls: ['secondary.unrestrictedGuest', 'secondary.pauseLoopExiting'] },
  { id: 'ivy-bridge', brand: 'Xeon (Ivy Bridge)', model: 0x3e, stepping: 4, physicalBits: 46,
    features: ['tscDeadline', 'xsave', 'xsaveopt', 'avx', 'f16c', 'rdrand', 'fsgsbase', 'smep', 'erms'],
    controls: ['pin.processPostedInterrupts', 'secondary.apicRegisterVirtualization', 'secondary.virtualInterruptDelivery', 'secondary.rdrandExiting'], options: ['zeroLengthInjection'] },
  { id: 'haswell', brand: 'Xeon (Haswell)', model: 0x3f, stepping: 2, physicalBits: 46,
    features: ['movbe', 'fma', 'tscAdjust', 'bmi1', 'avx2', 'bmi2', 'invpcid', 'lzcnt'],
    controls: ['secondary.enableInvpcid', 'secondary.enableVmFunctions', 'secondary.vmcsShadowing'], options: ['vmwriteAny', 'eptAccessedDirty'] },
  { id: 'broadwell', brand: 'Xeon (Broadwell)', model: 0x4f, stepping: 1, physicalBits: 46,
    features: ['adx', 'smap', 'rdseed'], controls: ['secondary.rdseedExiting', 'secondary.enablePml', 'secondary.eptViolationVe'] },
  { id: 'skylake', brand: 'Xeon (Skylake)', model: 0x55, stepping: 4, physicalBits: 46,
    features: ['clflushopt', 'pku', 'xsavec', 'xgetbv1', 'xsaves'], controls: ['secondary.enableXsaves', 'secondary.modeBasedExecuteControl', 'secondary.useTscScaling'] },
];

const allControls = controlWordNames.flatMap((word) => controlWords[word].map((row) => `${word}.${row.id}` as ControlRef));

function modelOf(count: number): ProcessorModel {
  const known = generations.slice(0, count);
  const { id, brand, model, stepping, physicalBits } = known[count - 1]!;
  const features = new Set(known.flatMap((generation) => generation.features).filter((feature) => defaultProcessorModel.features.has(feature)));
  const controls = new Set(known.flatMap((generation) => generation.controls));
  const options = new Set(known.flatMap((generation) => generation.options ?? []));
  const vmx: VmxModel = {
    ...defaultProcessorModel.vmx, timerShift: 5, ...Object.fromEntries(vmxOptions.map((option) => [option, options.has(option)])),
    without: new Set(allControls.filter((ref) => controlByRef(ref).implemented && !controls.has(ref))),
  };
  return { ...defaultProcessorModel, id, brand: `Abyme as ${brand}`, model, stepping, physicalBits, features, vmx };
}

/** Every model that a launch can name, the one with everything first. */
export const namedProcessorModels: readonly ProcessorModel[] = [defaultProcessorModel, ...generations.map((_, n) => modelOf(n + 1))];

/** The ids of `namedProcessorModels`. */
export const processorModelIds: readonly string[] = namedProcessorModels.map((model) => model.id);

/** A processor as a launch describes it. */
export interface ProcessorChoice {
  /** An id of `processorModelIds`; the default model if absent. */
  readonly model?: string;
  /** CPUID features, controls (`secondary.enableEpt`) and VMX options (`vmx.vmwriteAny`) that it lacks. */
  readonly without?: readonly string[];
  readonly physicalBits?: number;
}

/** Whether `name` is something that a processor can be without. */
export function isProcessorPart(name: string): boolean {
  return isControlRef(name) || cpuidFeatures.some((feature) => feature.id === name) || vmxOptions.some((option) => `vmx.${option}` === name);
}

/**
 * The model that a choice describes. Throws RangeError with a sentence for the user where there can be no such processor.
 * What goes with a feature goes with it: controls that need the feature are not offered.
 */
export function chooseProcessor({ model: id, without = [], physicalBits }: ProcessorChoice): ProcessorModel {
  const base = id === undefined ? defaultProcessorModel : namedProcessorModels.find((model) => model.id === id);
  if (base === undefined) throw new RangeError(`There is no processor model ${id}; there are ${processorModelIds.join(', ')}.`);
  const unknown = without.find((name) => !isProcessorPart(name));
  if (unknown !== undefined) throw new RangeError(`A processor has nothing called ${unknown}.`);
  const lacks = new Set(without);
  const model: ProcessorModel = {
    ...base, physicalBits: physicalBits ?? base.physicalBits, features: new Set([...base.features].filter((feature) => !lacks.has(feature))),
    vmx: {
      ...base.vmx, ...Object.fromEntries(vmxOptions.map((option) => [option, base.vmx[option] && !lacks.has(`vmx.${option}`)])),
      without: new Set([...base.vmx.without, ...without.filter(isControlRef)]),
    },
  };
  const [broken] = brokenModelRules(model);
  if (broken !== undefined) throw new RangeError(broken);
  return model;
}
