// A processor model as the core sees it: the regions `processor` and `vmcsOffsets` of the machine's memory, the rows of the decode tables
// whose instructions it lacks, and the getters by which the core reads its facts. One engine serves every model.
import { allowedSettings, capabilityMsrValues, vmcsFieldExists } from '../../spec/capability-msrs';
import { layoutFields } from '../../spec/bit-layouts';
import { controlWordNames, isControlRef } from '../../spec/controls';
import { cpuidFeatures, cpuidLeaves } from '../../spec/cpuid';
import type { FeatureId } from '../../spec/cpuid';
import { capabilityFact, hasFeature, modelFact } from '../../spec/entry-check-evaluation';
import { capabilityNames, modelFacts } from '../../spec/entry-check-language';
import type { ModelFact } from '../../spec/entry-check-language';
import { entryChecks } from '../../spec/entry-checks';
import { msrs } from '../../spec/msrs';
import { defaultProcessorModel } from '../../spec/processor-models';
import type { ProcessorModel } from '../../spec/processor-models';
import { indexOfEncoding, vmcsFields, vmcsOffset } from '../../spec/vmcs-fields';
import { decodeLayout, row } from './decode-layout';
import { cell, mostAbsentMsrs, mostLeaves, processorCells, region } from './state-layout';

const capabilityFactNames = Object.entries(capabilityNames).flatMap(([head, layout]) => layoutFields(layout).map((field) => `${head}.${field.id}`));
/** Features that some entry checks need and that no control word's reserved bits refuse. */
const checkedFeatures = [...new Set(entryChecks.flatMap((check) => (check.feature === undefined || isControlRef(check.feature) ? [] : [`feature.${check.feature}`])))];
/** Features that procedures of the core ask for. */
const askedFeatures = ['feature.pages1G', 'feature.pse36', 'feature.pku', 'feature.xgetbv1', 'feature.xsavec'].filter((name) => !checkedFeatures.includes(name));

/** Facts about the model in the order of the cell `facts`. */
export const modelFactNames: readonly string[] = [...modelFacts, ...capabilityFactNames, ...checkedFeatures, ...askedFeatures];

const addressOf = (name: string): number => cell(processorCells, name).address;

/** `misc.cr3Targets` as a name of AssemblyScript: `miscCr3Targets`. */
export function identifierOf(fact: string): string {
  return fact.replace(/\.(.)/g, (_, letter: string) => letter.toUpperCase());
}

function factOf(model: ProcessorModel, name: string): bigint {
  if (name.startsWith('feature.')) return BigInt(hasFeature(name.slice('feature.'.length), model));
  return capabilityFact(model, name) ?? modelFact(model, name as ModelFact);
}

/** The module core/generated/processor-values.ts: one getter for each fact of a processor model. */
export function processorValuesModule(): string {
  const at = addressOf('facts');
  return ['// Generated from src/emulator/codegen/processor-table.ts.',
    ...modelFactNames.map((name, n) => `@inline export function ${identifierOf(name)}(): u64 { return load<u64>(${at + 8 * n}); }`)].join('\n') + '\n';
}

/** Writes a model into the memory of a machine, where the decode tables stand already. */
export function writeProcessor(memory: DataView, model: ProcessorModel): void {
  const { base, size } = region('processor');
  for (let at = base; at < base + size; at += 8) memory.setBigUint64(at, 0n, true);
  const word = (name: string, value: number, n = 0): void => memory.setUint32(addressOf(name) + 4 * n, value, true);
  const quad = (name: string, value: bigint, n = 0): void => memory.setBigUint64(addressOf(name) + 8 * n, value, true);
  let present = 0;
  for (const [index, value] of capabilityMsrValues(model)) {
    present |= 1 << (index - 0x480);
    quad('capabilityMsrs', value, index - 0x480);
  }
  word('capabilityPresent', present >>> 0);
  modelFactNames.forEach((name, n) => quad('facts', factOf(model, name), n));
  controlWordNames.forEach((name, n) => {
    const { mustBeOne, mayBeOne } = allowedSettings(model, name);
    quad('allowedMask', mustBeOne | (~mayBeOne & 0xffff_ffff_ffff_ffffn), n);
    quad('allowedValue', mustBeOne, n);
  });
  writeLeaves(word, model);
  const absent = msrs.filter((msr) => !model.features.has(msr.feature) && defaultProcessorModel.features.has(msr.feature));
  if (absent.length > mostAbsentMsrs) throw new Error('too many MSRs that the processor model lacks');
  word('featureControl', model.features.has('vmx') && model.vmx.featureControlLocked ? 5 : 0);   // locked, VMXON allowed outside SMX operation
  word('absentMsrCount', absent.length);
  absent.forEach((msr, n) => word('absentMsrs', msr.index, n));
  writeVmcsOffsets(memory, model);
  withdrawInstructions(memory, model);
}

function writeLeaves(word: (name: string, value: number, n?: number) => void, model: ProcessorModel): void {
  const leaves = cpuidLeaves(model);
  if (leaves.length > mostLeaves) throw new Error('too many CPUID leaves');
  word('leafCount', leaves.length);
  word('highestBasicLeaf', leaves[0]!.eax);
  word('highestExtendedLeaf', leaves.find((leaf) => leaf.leaf === 0x8000_0000)!.eax);
  leaves.forEach((leaf, n) => [leaf.leaf, leaf.subleaf ?? 0xffff_ffff, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx].forEach((value, k) => word('leaves', value >>> 0, 6 * n + k)));
}

/** The region `vmcsOffsets`: u16 by (width << 2 | type) << 7 | index. */
function writeVmcsOffsets(memory: DataView, model: ProcessorModel): void {
  const { base } = region('vmcsOffsets');
  for (const f of vmcsFields) {
    const at = base + (((f.encoding >> 13 & 3) << 2 | f.encoding >> 10 & 3) << 8 | indexOfEncoding(f.encoding) << 1);
    memory.setUint16(at, vmcsFieldExists(f, model) ? vmcsOffset(f.id) : 0, true);
  }
}

/** Rows of the decode tables whose feature the model lacks become #UD, or the instruction that the encoding is without it. */
function withdrawInstructions(memory: DataView, model: ProcessorModel): void {
  const { base, size } = region('decodeTables');
  for (let at = decodeLayout.rows; at + row.bytes <= base + size; at += row.bytes) {
    const feature = memory.getUint8(at + row.feature), id = cpuidFeatures[feature - 1]?.id as FeatureId | undefined;
    // an instruction whose feature no model has yet is there all the same: CRC32 without the rest of SSE4.2
    if (id === undefined || model.features.has(id) || !defaultProcessorModel.features.has(id)) continue;
    const otherwise = memory.getUint16(at + row.otherwise, true);
    for (let n = 0; n < row.operands; n += 2) memory.setUint16(at + n, otherwise === 0 ? decodeLayout.caseNone : memory.getUint16(decodeLayout.rows + (otherwise - 1) * row.bytes + n, true), true);
  }
}
