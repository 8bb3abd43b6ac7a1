/**
 * Model-specific registers: SDM 4 'Model-Specific Registers (MSRs)'. Those that the machine has, or that software commonly asks for.
 *
 * Capability MSRs of VMX are rows of capability-msrs.ts and x2APIC registers are rows of the APIC's register table below; both are joined in here.
 * Reading or writing an index without a row is #GP(0).
 */
import type { LayoutName } from './bit-layouts';
import { capabilityMsrs } from './capability-msrs';
import { controlWordTraits } from './controls';
import type { FeatureId } from './cpuid';

export type MsrAccess = 'read-write' | 'read-only' | 'write-only';

export interface Msr {
  readonly index: number;
  readonly name: string;
  readonly access: MsrAccess;
  /** Feature without which there is no such MSR. */
  readonly feature: FeatureId;
  readonly layout?: LayoutName;
  readonly meaning: string;
}

type Row = readonly [index: number, name: string, access: MsrAccess, feature: FeatureId, layout: LayoutName | '', meaning: string];

const rw = 'read-write';
const ro = 'read-only';
const wo = 'write-only';

const architectural: readonly Row[] = [
  [0x010, 'IA32_TIME_STAMP_COUNTER', rw, 'tsc', '', 'Time-stamp counter.'],
  [0x017, 'IA32_PLATFORM_ID', ro, 'msr', '', 'Platform.'],
  [0x01b, 'IA32_APIC_BASE', rw, 'apic', 'apicBase', 'Address and mode of the local APIC.'],
  [0x03a, 'IA32_FEATURE_CONTROL', rw, 'vmx', 'featureControl', 'Whether VMXON is allowed; locked by the firmware.'],
  [0x03b, 'IA32_TSC_ADJUST', rw, 'tscAdjust', '', 'What writes have added to the time-stamp counter.'],
  [0x08b, 'IA32_BIOS_SIGN_ID', rw, 'msr', '', 'Microcode revision in bits 63:32.'],
  [0x0fe, 'IA32_MTRRCAP', ro, 'mtrr', 'mtrrCap', 'Memory-type ranges that exist.'],
  [0x174, 'IA32_SYSENTER_CS', rw, 'sep', '', 'Code segment of SYSENTER.'],
  [0x175, 'IA32_SYSENTER_ESP', rw, 'sep', '', 'Stack pointer of SYSENTER.'],
  [0x176, 'IA32_SYSENTER_EIP', rw, 'sep', '', 'Target of SYSENTER.'],
  [0x179, 'IA32_MCG_CAP', ro, 'mca', '', 'Machine-check banks that exist.'],
  [0x17a, 'IA32_MCG_STATUS', rw, 'mca', '', 'State of the machine check being handled.'],
  [0x1a0, 'IA32_MISC_ENABLE', rw, 'msr', 'miscEnable', 'Processor features that can be switched.'],
  [0x1d9, 'IA32_DEBUGCTL', rw, 'msr', 'debugctl', 'Branch tracing and single-stepping on branches.'],
  [0x277, 'IA32_PAT', rw, 'pat', 'pat', 'Memory types that page entries select.'],
  [0x2ff, 'IA32_MTRR_DEF_TYPE', rw, 'mtrr', 'mtrrDefType', 'Memory type outside all ranges.'],
  ...[0, 1, 2, 3].map((n): Row => [0x0c1 + n, `IA32_PMC${n}`, rw, 'msr', '', `Programmable performance counter ${n}.`]),
  ...[0, 1, 2, 3].map((n): Row => [0x186 + n, `IA32_PERFEVTSEL${n}`, rw, 'msr', '', `Event that programmable counter ${n} counts.`]),
  ...[0, 1, 2].map((n): Row => [0x309 + n, `IA32_FIXED_CTR${n}`, rw, 'msr', '', `Fixed performance counter ${n}: ${['instructions retired', 'core cycles', 'reference cycles'][n]}.`]),
  [0x38d, 'IA32_FIXED_CTR_CTRL', rw, 'msr', '', 'Privilege levels at which the fixed counters count.'],
  [0x38e, 'IA32_PERF_GLOBAL_STATUS', ro, 'msr', 'perfGlobalCtrl', 'Performance counters that have overflowed.'],
  [0x38f, 'IA32_PERF_GLOBAL_CTRL', rw, 'msr', 'perfGlobalCtrl', 'Performance counters that count.'],
  [0x390, 'IA32_PERF_GLOBAL_OVF_CTRL', rw, 'msr', '', 'Clears bits of IA32_PERF_GLOBAL_STATUS.'],
  [0x6e0, 'IA32_TSC_DEADLINE', rw, 'tscDeadline', '', 'Value of the time-stamp counter at which the APIC timer fires.'],
  [0xda0, 'IA32_XSS', rw, 'xsaves', '', 'Supervisor components of XSAVES.'],
  [0xc000_0080, 'IA32_EFER', rw, 'lm', 'efer', 'Extended features: IA-32e mode, SYSCALL, execute-disable.'],
  [0xc000_0081, 'IA32_STAR', rw, 'syscall', 'star', 'Segments of SYSCALL and SYSRET.'],
  [0xc000_0082, 'IA32_LSTAR', rw, 'syscall', '', 'Target of SYSCALL in 64-bit mode.'],
  [0xc000_0083, 'IA32_CSTAR', rw, 'syscall', '', 'Target of SYSCALL in compatibility mode; not used by this processor.'],
  [0xc000_0084, 'IA32_FMASK', rw, 'syscall', 'rflags', 'Flags that SYSCALL clears.'],
  [0xc000_0100, 'IA32_FS_BASE', rw, 'lm', '', 'Base of FS.'],
  [0xc000_0101, 'IA32_GS_BASE', rw, 'lm', '', 'Base of GS.'],
  [0xc000_0102, 'IA32_KERNEL_GS_BASE', rw, 'lm', '', 'Base that SWAPGS exchanges with that of GS.'],
  [0xc000_0103, 'IA32_TSC_AUX', rw, 'rdtscp', '', 'What RDTSCP puts into ECX.'],
];

/** Start and name of the fixed ranges: SDM 3A 12.11.2.2 'Fixed Range MTRRs'. */
const fixedRanges: readonly (readonly [number, string])[] = [
  [0x250, 'FIX64K_00000'], [0x258, 'FIX16K_80000'], [0x259, 'FIX16K_A0000'],
  ...['C0000', 'C8000', 'D0000', 'D8000', 'E0000', 'E8000', 'F0000', 'F8000'].map((start, n) => [0x268 + n, `FIX4K_${start}`] as const),
];

/** Variable ranges that the machine has, VCNT of IA32_MTRRCAP. */
export const variableMtrrCount = 8;

const memoryRanges: readonly Row[] = [
  ...Array.from({ length: variableMtrrCount }, (_, n): Row[] => [
    [0x200 + 2 * n, `IA32_MTRR_PHYSBASE${n}`, rw, 'mtrr', 'mtrrPhysBase', `Base and type of variable range ${n}.`],
    [0x201 + 2 * n, `IA32_MTRR_PHYSMASK${n}`, rw, 'mtrr', 'mtrrPhysMask', `Mask of variable range ${n}.`],
  ]).flat(),
  ...fixedRanges.map(([index, name]): Row => [index, `IA32_MTRR_${name}`, rw, 'mtrr', 'mtrrFixed', `Types of eight ranges from ${name.split('_')[1]}H.`]),
];

export interface ApicRegister {
  /** Byte offset in the APIC page; the x2APIC MSR is 800H + offset / 16. */
  readonly offset: number;
  readonly name: string;
  readonly access: MsrAccess;
  readonly layout?: LayoutName;
  /** Where the register exists: in the page, as an MSR, or both. */
  readonly modes: 'both' | 'page' | 'msr';
}

type ApicRow = readonly [offset: number, name: string, access: MsrAccess, layout?: LayoutName | '', modes?: 'page' | 'msr'];

const bank = (offset: number, name: string): ApicRow[] => [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [offset + 16 * n, `${name}${n}`, ro]);

const apicRows: readonly ApicRow[] = [
  [0x020, 'APICID', rw], [0x030, 'VERSION', ro], [0x080, 'TPR', rw], [0x090, 'APR', ro, '', 'page'], [0x0a0, 'PPR', ro], [0x0b0, 'EOI', wo], [0x0c0, 'RRD', ro, '', 'page'], [0x0d0, 'LDR', rw],
  [0x0e0, 'DFR', rw, '', 'page'], [0x0f0, 'SIVR', rw, 'apicSpurious'], ...bank(0x100, 'ISR'), ...bank(0x180, 'TMR'), ...bank(0x200, 'IRR'), [0x280, 'ESR', rw], [0x2f0, 'LVT_CMCI', rw, 'apicLvt'],
  [0x300, 'ICR', rw], [0x310, 'ICR_HIGH', rw, '', 'page'], [0x320, 'LVT_TIMER', rw, 'apicLvt'], [0x330, 'LVT_THERMAL', rw, 'apicLvt'], [0x340, 'LVT_PMI', rw, 'apicLvt'],
    [0x350, 'LVT_LINT0', rw, 'apicLvt'],
  [0x360, 'LVT_LINT1', rw, 'apicLvt'], [0x370, 'LVT_ERROR', rw, 'apicLvt'], [0x380, 'INIT_COUNT', rw], [0x390, 'CUR_COUNT', ro], [0x3e0, 'DIV_CONF', rw], [0x3f0, 'SELF_IPI', wo, '', 'msr'],
];

/** Registers of the local APIC: SDM 3A 'The Local APIC Block Diagram', 11.12.1.2 'x2APIC Register Address Space'. */
export const apicRegisters: readonly ApicRegister[] = apicRows.map(([offset, name, access, layout, modes]) => ({ offset, name, access, modes: modes ?? 'both', ...(layout && { layout }) }));

/** APIC id and logical destination are read-only as MSRs, whatever they are in the page. */
const readOnlyInX2apic = new Set(['APICID', 'LDR']);

const x2apic: readonly Row[] = apicRegisters
  .filter((row) => row.modes !== 'page')
  .map((row) => [0x800 + row.offset / 16, `IA32_X2APIC_${row.name}`, readOnlyInX2apic.has(row.name) ? ro : row.access, 'x2apic', row.layout ?? '', 'Register of the local APIC in x2APIC mode.']);

const vmxCapabilities: readonly Row[] = capabilityMsrs.map((row) => [row.index, row.name, ro, 'vmx',
  row.layout ?? (row.word !== undefined ? (controlWordTraits[row.word].layout as LayoutName) : ''), row.meaning]);

/** All MSRs, ascending. */
export const msrs: readonly Msr[] = [...architectural, ...memoryRanges, ...x2apic, ...vmxCapabilities]
  .map(([index, name, access, feature, layout, meaning]) => ({ index, name, access, feature, meaning, ...(layout && { layout }) }))
  .sort((a, b) => a.index - b.index);

const byIndex = new Map(msrs.map((row) => [row.index, row]));
const byName = new Map(msrs.map((row) => [row.name, row]));

/** The MSR at `index`; undefined where there is none. */
export function msrByIndex(index: number): Msr | undefined {
  return byIndex.get(index);
}

/** The MSR called `name`; undefined where there is none. */
export function msrByName(name: string): Msr | undefined {
  return byName.get(name);
}

/** The MSR that a user means: its name in any case, `IA32_` left out or not. */
export function msrNamed(text: string): Msr | undefined {
  const name = text.toUpperCase();
  return byName.get(name) ?? byName.get(`IA32_${name}`);
}
