/**
 * CPUID features and leaves: SDM 2A 'CPUID—CPU Identification'.
 *
 * A leaf is never written down: it is computed from a processor model (processor-models.ts) and the rows below.
 * `implemented` says that the machine has the feature; a model may leave features out, and cannot add others.
 * What depends on the state of the processor is put in by the machine: APIC (off while IA32_APIC_BASE.EN is clear), OSXSAVE, OSPKE, the sizes of leaf DH.
 */
import type { ProcessorModel } from './processor-models';

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

export interface CpuidFeature {
  readonly id: string;
  readonly leaf: number;
  /** ECX that selects among several forms of the leaf; features stand in that of 1 for leaf DH, in that of 0 for others. */
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
  readonly implemented: boolean;
  readonly name: string;
}

type Row = readonly [id: string, leaf: number, register: CpuidRegister, bit: number, implemented: boolean, name: string];

const yes = true;
const no = false;

const rows = [
  ['fpu', 1, 'edx', 0, no, 'x87 unit'],
  ['vme', 1, 'edx', 1, no, 'virtual-8086 mode extensions'],
  ['de', 1, 'edx', 2, yes, 'debugging extensions'],
  ['pse', 1, 'edx', 3, yes, '4-MByte pages'],
  ['tsc', 1, 'edx', 4, yes, 'time-stamp counter'],
  ['msr', 1, 'edx', 5, yes, 'RDMSR and WRMSR'],
  ['pae', 1, 'edx', 6, yes, 'physical-address extension'],
  ['mce', 1, 'edx', 7, yes, 'machine-check exception'],
  ['cx8', 1, 'edx', 8, yes, 'CMPXCHG8B'],
  ['apic', 1, 'edx', 9, yes, 'local APIC'],
  ['sep', 1, 'edx', 11, yes, 'SYSENTER and SYSEXIT'],
  ['mtrr', 1, 'edx', 12, yes, 'memory-type range registers'],
  ['pge', 1, 'edx', 13, yes, 'global pages'],
  ['mca', 1, 'edx', 14, yes, 'machine-check architecture'],
  ['cmov', 1, 'edx', 15, yes, 'CMOVcc'],
  ['pat', 1, 'edx', 16, yes, 'page-attribute table'],
  ['pse36', 1, 'edx', 17, yes, '36-bit addresses of 4-MByte pages'],
  ['clfsh', 1, 'edx', 19, yes, 'CLFLUSH'],
  ['mmx', 1, 'edx', 23, no, 'MMX'],
  ['fxsr', 1, 'edx', 24, yes, 'FXSAVE and FXRSTOR'],
  ['sse', 1, 'edx', 25, yes, 'SSE'],
  ['sse2', 1, 'edx', 26, yes, 'SSE2'],
  ['ss', 1, 'edx', 27, no, 'self snoop'],
  ['htt', 1, 'edx', 28, no, 'several logical processors'],
  ['sse3', 1, 'ecx', 0, no, 'SSE3'],
  ['pclmulqdq', 1, 'ecx', 1, no, 'PCLMULQDQ'],
  ['monitor', 1, 'ecx', 3, yes, 'MONITOR and MWAIT'],
  ['vmx', 1, 'ecx', 5, yes, 'virtual-machine extensions'],
  ['smx', 1, 'ecx', 6, no, 'safer-mode extensions'],
  ['ssse3', 1, 'ecx', 9, no, 'SSSE3'],
  ['fma', 1, 'ecx', 12, no, 'FMA'],
  ['cx16', 1, 'ecx', 13, yes, 'CMPXCHG16B'],
  ['pdcm', 1, 'ecx', 15, no, 'IA32_PERF_CAPABILITIES'],
  ['pcid', 1, 'ecx', 17, yes, 'process-context identifiers'],
  ['sse41', 1, 'ecx', 19, no, 'SSE4.1'],
  ['sse42', 1, 'ecx', 20, no, 'SSE4.2'],
  ['x2apic', 1, 'ecx', 21, yes, 'x2APIC mode'],
  ['movbe', 1, 'ecx', 22, yes, 'MOVBE'],
  ['popcnt', 1, 'ecx', 23, yes, 'POPCNT'],
  ['tscDeadline', 1, 'ecx', 24, yes, 'TSC-deadline mode of the APIC timer'],
  ['aes', 1, 'ecx', 25, no, 'AES instructions'],
  ['xsave', 1, 'ecx', 26, yes, 'XSAVE'],
  ['avx', 1, 'ecx', 28, no, 'AVX'],
  ['f16c', 1, 'ecx', 29, no, 'half-precision conversion'],
  ['rdrand', 1, 'ecx', 30, yes, 'RDRAND'],
  ['fsgsbase', 7, 'ebx', 0, yes, 'RDFSBASE and its kind'],
  ['tscAdjust', 7, 'ebx', 1, yes, 'IA32_TSC_ADJUST'],
  ['sgx', 7, 'ebx', 2, no, 'software guard extensions'],
  ['bmi1', 7, 'ebx', 3, yes, 'bit manipulation 1'],
  ['hle', 7, 'ebx', 4, no, 'hardware lock elision'],
  ['avx2', 7, 'ebx', 5, no, 'AVX2'],
  ['smep', 7, 'ebx', 7, yes, 'supervisor-mode execution prevention'],
  ['bmi2', 7, 'ebx', 8, yes, 'bit manipulation 2'],
  ['erms', 7, 'ebx', 9, no, 'fast REP MOVSB and STOSB'],
  ['invpcid', 7, 'ebx', 10, yes, 'INVPCID'],
  ['rtm', 7, 'ebx', 11, no, 'transactional memory'],
  ['mpx', 7, 'ebx', 14, no, 'bounds checking'],
  ['rdseed', 7, 'ebx', 18, yes, 'RDSEED'],
  ['adx', 7, 'ebx', 19, yes, 'ADCX and ADOX'],
  ['smap', 7, 'ebx', 20, yes, 'supervisor-mode access prevention'],
  ['clflushopt', 7, 'ebx', 23, yes, 'CLFLUSHOPT'],
  ['pt', 7, 'ebx', 25, no, 'processor trace'],
  ['sha', 7, 'ebx', 29, no, 'SHA instructions'],
  ['umip', 7, 'ecx', 2, yes, 'user-mode instruction prevention'],
  ['pku', 7, 'ecx', 3, yes, 'protection keys of user pages'],
  ['waitpkg', 7, 'ecx', 5, no, 'UMONITOR, UMWAIT and TPAUSE'],
  ['cetSs', 7, 'ecx', 7, no, 'shadow stacks'],
  ['la57', 7, 'ecx', 16, no, '57-bit linear addresses'],
  ['rdpid', 7, 'ecx', 22, yes, 'RDPID'],
  ['busLockDetect', 7, 'ecx', 24, no, 'bus-lock debug exceptions'],
  ['pks', 7, 'ecx', 31, no, 'protection keys of supervisor pages'],
  ['uintr', 7, 'edx', 5, no, 'user interrupts'],
  ['archLbr', 7, 'edx', 19, no, 'architectural last-branch records'],
  ['cetIbt', 7, 'edx', 20, no, 'indirect-branch tracking'],
  ['ibrs', 7, 'edx', 26, no, 'IA32_SPEC_CTRL'],
  ['xsaveopt', 0xd, 'eax', 0, yes, 'XSAVEOPT'],
  ['xsavec', 0xd, 'eax', 1, yes, 'XSAVEC and the compacted format'],
  ['xgetbv1', 0xd, 'eax', 2, yes, 'XGETBV of the components in use'],
  ['xsaves', 0xd, 'eax', 3, yes, 'XSAVES, XRSTORS and IA32_XSS'],
  ['lahf64', 0x8000_0001, 'ecx', 0, yes, 'LAHF and SAHF in 64-bit mode'],
  ['lzcnt', 0x8000_0001, 'ecx', 5, yes, 'LZCNT'],
  ['prefetchw', 0x8000_0001, 'ecx', 8, yes, 'PREFETCHW'],
  ['syscall', 0x8000_0001, 'edx', 11, yes, 'SYSCALL and SYSRET in 64-bit mode'],
  ['nx', 0x8000_0001, 'edx', 20, yes, 'execute-disable'],
  ['pages1G', 0x8000_0001, 'edx', 26, yes, '1-GByte pages'],
  ['rdtscp', 0x8000_0001, 'edx', 27, yes, 'RDTSCP'],
  ['lm', 0x8000_0001, 'edx', 29, yes, 'Intel 64'],
  ['invariantTsc', 0x8000_0007, 'edx', 8, yes, 'invariant TSC'],
] as const satisfies readonly Row[];

export type FeatureId = (typeof rows)[number][0];

export const cpuidFeatures: readonly CpuidFeature[] = (rows as readonly Row[]).map(([id, leaf, register, bit, implemented, name]) => ({ id, leaf, subleaf: leaf === 0xd ? 1 : 0, register, bit, implemented, name }));

/** The row of a feature; an unknown id is our own mistake and throws. */
export function featureById(id: FeatureId): CpuidFeature {
  const row = cpuidFeatures.find((candidate) => candidate.id === id);
  if (row === undefined) throw new Error(`no feature '${id}'`);
  return row;
}

export interface CpuidLeaf {
  readonly leaf: number;
  /** Present where ECX selects among several. */
  readonly subleaf?: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** Feature bits of one register of a leaf, as the model has them. */
function featureBits(model: ProcessorModel, leaf: number, register: CpuidRegister): number {
  return cpuidFeatures.reduce((word, row) => (row.leaf === leaf && row.register === register && model.features.has(row.id as FeatureId) ? word | (1 << row.bit) : word), 0) >>> 0;
}

/** Four characters as the register that holds them. */
function characters(text: string, at: number): number {
  return [3, 2, 1, 0].reduce((word, n) => ((word << 8) | (text.charCodeAt(at + n) || 0)) >>> 0, 0);
}

/** EAX of leaf 1: stepping, model and family with their extensions. */
export function processorSignature(model: Pick<ProcessorModel, 'family' | 'model' | 'stepping'>): number {
  const extendedFamily = Math.max(0, model.family - 15);
  return ((extendedFamily << 20) | ((model.model >> 4) << 16) | (Math.min(model.family, 15) << 8) | ((model.model & 15) << 4) | model.stepping) >>> 0;
}

/**
 * All leaves of a model, ascending. Leaves that are not listed read as 0 within a range, and as the highest basic leaf above it
 * (SDM 2A 'CPUID'). Leaf 1's APIC id is that of processor 0; the machine puts in its own.
 */
export function cpuidLeaves(model: ProcessorModel): readonly CpuidLeaf[] {
  const bits = (leaf: number, register: CpuidRegister): number => featureBits(model, leaf, register);
  const brand = model.brand.padEnd(48, '\0'), xsave = model.features.has('xsave'), pku = model.features.has('pku');
  const brandLeaf = (n: number): CpuidLeaf => ({
    leaf: 0x8000_0002 + n, eax: characters(brand, 16 * n), ebx: characters(brand, 16 * n + 4), ecx: characters(brand, 16 * n + 8), edx: characters(brand, 16 * n + 12),
  });
  return [
    { leaf: 0, eax: xsave ? 0xd : 0xb, ebx: characters(model.vendor, 0), edx: characters(model.vendor, 4), ecx: characters(model.vendor, 8) },
    // EBX: CLFLUSH line of 64 bytes, one logical processor.
    { leaf: 1, eax: processorSignature(model), ebx: 0x0001_0800, ecx: bits(1, 'ecx'), edx: bits(1, 'edx') },
    // EAX 01H: one query; FFH: caches are described by leaf 4.
    { leaf: 2, eax: 0x00ff_0001, ebx: 0, ecx: 0, edx: 0 },
    // Caches of a core, 64-byte lines: 32 KBytes for data and for code (8 ways, 64 sets), 1 MByte unified (16 ways, 1,024 sets).
    { leaf: 4, subleaf: 0, eax: 0x121, ebx: 0x01c0_003f, ecx: 63, edx: 0 },
    { leaf: 4, subleaf: 1, eax: 0x122, ebx: 0x01c0_003f, ecx: 63, edx: 0 },
    { leaf: 4, subleaf: 2, eax: 0x143, ebx: 0x03c0_003f, ecx: 1023, edx: 0 },
    // MONITOR watches lines of 64 bytes.
    { leaf: 5, eax: model.features.has('monitor') ? 64 : 0, ebx: model.features.has('monitor') ? 64 : 0, ecx: 0, edx: 0 },
    { leaf: 7, subleaf: 0, eax: 0, ebx: bits(7, 'ebx'), ecx: bits(7, 'ecx'), edx: bits(7, 'edx') },
    // Performance monitoring, version 2: four programmable counters and three fixed ones of 48 bits; of seven events the first three exist.
    { leaf: 0xa, eax: 0x0730_0402, ebx: 0x78, ecx: 0, edx: 0x603 },
    // State components: x87, SSE and PKRU. EBX of the first two is the size for what is enabled, which the machine puts in.
    ...(xsave ? [
      { leaf: 0xd, subleaf: 0, eax: pku ? 0x203 : 3, ebx: 576, ecx: pku ? 2696 : 576, edx: 0 },
      { leaf: 0xd, subleaf: 1, eax: bits(0xd, 'eax'), ebx: 576, ecx: 0, edx: 0 },
      ...(pku ? [{ leaf: 0xd, subleaf: 9, eax: 8, ebx: 2688, ecx: 0, edx: 0 }] : []),
    ] : []),
    { leaf: 0x8000_0000, eax: 0x8000_0008, ebx: 0, ecx: 0, edx: 0 },
    { leaf: 0x8000_0001, eax: 0, ebx: 0, ecx: bits(0x8000_0001, 'ecx'), edx: bits(0x8000_0001, 'edx') },
    brandLeaf(0), brandLeaf(1), brandLeaf(2),
    { leaf: 0x8000_0007, eax: 0, ebx: 0, ecx: 0, edx: bits(0x8000_0007, 'edx') },
    { leaf: 0x8000_0008, eax: (model.linearBits << 8) | model.physicalBits, ebx: 0, ecx: 0, edx: 0 },
  ];
}

/** What CPUID answers to EAX = leaf, ECX = subleaf. */
export function cpuid(model: ProcessorModel, leaf: number, subleaf = 0): Omit<CpuidLeaf, 'leaf' | 'subleaf'> {
  const leaves = cpuidLeaves(model);
  const zero = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  const highestBasic = leaves[0]!.eax;
  const highestExtended = leaves.find((row) => row.leaf === 0x8000_0000)!.eax;
  const known = leaf <= highestBasic || (leaf >= 0x8000_0000 && leaf <= highestExtended);
  const wanted = known ? leaf : highestBasic;
  const row = leaves.find((candidate) => candidate.leaf === wanted && (candidate.subleaf === undefined || candidate.subleaf === subleaf));
  return row === undefined ? zero : { eax: row.eax, ebx: row.ebx, ecx: row.ecx, edx: row.edx };
}
