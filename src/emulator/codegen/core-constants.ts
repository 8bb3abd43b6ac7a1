// Writes the AssemblyScript constants of the core from the project's tables: state addresses, regions, event and record offsets,
// VMCS field offsets, control bits, exit reasons. The other side of the WASM border reads the same tables directly.
import type { Case } from './cases';
import { decodeLayout, operandLetters, operandSizes, row, rowFlags } from './decode-layout';
import { tlbContextBytes, tlbIndexMask, tlbTables } from './instruction-context';
import { controlWords } from '../../spec/controls';
import { exitReasons } from '../../spec/exit-reasons';
import { vmcsFields, vmcsOffset } from '../../spec/vmcs-fields';
import { blockFields, blockHeaderBytes, cpuCells, cpuStateBytes, descriptorFields, descriptorHeaderBytes, entryFields, eventFields, eventKinds, eventSlotBytes, eventSlots, machineCells, mostWatchHits,
  processorCells, ramBase, recordBytes, recordFields, regions, registerSlot, stopKinds, translationEntryBytes, translationFields, translationMember, translationRefused, translationSlotBytes, translationSlots,
  vmxInstructions, vmxOutcomes, watchHitBytes, watchHitFields, watchSegmentBytes, watchSpaces } from './state-layout';

const upper = (camel: string): string => camel.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]+/g, '_').toUpperCase();
const constant = (name: string, value: number | bigint, type = 'u32'): string => `@inline export const ${name}: ${type} = ${value};`;

/** Addresses of state cells, regions and record offsets. */
export function layoutModule(): string {
  const lines = ['// Generated from src/emulator/codegen/state-layout.ts.'];
  for (const r of regions) lines.push(constant(`REGION_${upper(r.name)}`, r.base, 'usize'), constant(`REGION_${upper(r.name)}_SIZE`, r.size, 'usize'));
  lines.push(constant('RAM_BASE', ramBase, 'usize'));
  lines.push(constant('CPU_STATE_BYTES', cpuStateBytes, 'usize'));
  for (const c of cpuCells) lines.push(constant(`CPU_${upper(c.name)}`, c.address, 'usize'));
  for (const c of machineCells) lines.push(constant(`M_${upper(c.name)}`, c.address, 'usize'));
  for (const c of processorCells) lines.push(constant(`P_${upper(c.name)}`, c.address, 'usize'));
  for (const [name, offset] of Object.entries(recordFields)) lines.push(constant(`REC_${upper(name)}`, offset, 'usize'));
  for (const [name, slot] of Object.entries(registerSlot)) lines.push(constant(`SLOT_${upper(name)}`, slot));
  lines.push(constant('RECORD_BYTES', recordBytes, 'usize'), constant('BLOCK_HEADER', blockHeaderBytes, 'usize'));
  lines.push(constant('DESCRIPTOR_HEADER', descriptorHeaderBytes, 'usize'));
  for (const [name, offset] of Object.entries(descriptorFields)) lines.push(constant(`D_${upper(name)}`, offset, 'usize'));
  for (const [name, offset] of Object.entries(blockFields)) lines.push(constant(`BLOCK_${upper(name)}`, offset, 'usize'));
  for (const [name, offset] of Object.entries(entryFields)) lines.push(constant(`ENTRY_${upper(name)}`, offset, 'usize'));
  for (const [name, offset] of Object.entries(translationFields)) lines.push(constant(`TRANSLATION_${upper(name)}`, offset, 'usize'));
  lines.push(constant('TRANSLATION_SLOT_BYTES', translationSlotBytes, 'usize'), constant('TRANSLATION_SLOTS', translationSlots),
    constant('TRANSLATION_ENTRY_BYTES', translationEntryBytes, 'usize'),
    constant('TRANSLATION_REFUSED', translationRefused), constant('TRANSLATION_MEMBER', translationMember));
  lines.push(constant('EVENT_SLOTS', eventSlots), constant('EVENT_SLOT_BYTES', eventSlotBytes));
  for (const [name, offset] of Object.entries(eventFields)) lines.push(constant(`EV_${upper(name)}`, offset, 'usize'));
  eventKinds.forEach((k, i) => lines.push(constant(`EVENT_${upper(k)}`, i)));
  stopKinds.forEach((k, i) => lines.push(constant(`STOP_${upper(k)}`, i)));
  vmxInstructions.forEach((k, i) => lines.push(constant(`VMX_${k}`, i)));
  vmxOutcomes.forEach((k, i) => lines.push(constant(`OUTCOME_${upper(k)}`, i)));
  watchSpaces.forEach((k, i) => lines.push(constant(`WATCH_${upper(k)}`, i)));
  for (const [name, offset] of Object.entries(watchHitFields)) lines.push(constant(`HIT_${upper(name)}`, offset, 'usize'));
  lines.push(constant('HIT_RECORD_BYTES', watchHitBytes, 'usize'), constant('MOST_HITS', mostWatchHits), constant('WATCH_SEGMENT_BYTES', watchSegmentBytes, 'usize'));
  return lines.join('\n') + '\n';
}

/** VMCS offsets, control bits, exit reasons. */
export function vmxModule(): string {
  const lines = ['// Generated from src/spec.'];
  for (const f of vmcsFields) lines.push(constant(`VMCS_${f.id}`, vmcsOffset(f.id), 'usize'), constant(`ENC_${f.id}`, f.encoding));
  for (const [word, controls] of Object.entries(controlWords)) {
    for (const c of controls) lines.push(constant(`${upper(word)}_${upper(c.id)}`, c.bit > 31 ? 1n << BigInt(c.bit) : (1 << c.bit) >>> 0, c.bit > 31 ? 'u64' : 'u32'));
  }
  for (const r of exitReasons) lines.push(constant(`EXIT_${r.id}`, r.number));
  return lines.join('\n') + '\n';
}

/** The decoder's tables and the cases that the core names. */
export function decoderModule(cases: readonly Case[]): string {
  const lines = ['// Generated from the instruction definitions.'];
  const caseOf = (name: string, size: number): number => {
    const found = cases.find(c => c.definition.name === name && c.size === size);
    if (!found) throw new Error(`no case ${name} of size ${size}`);
    return found.id;
  };
  lines.push(constant('CASE_NONE', decodeLayout.caseNone), constant('CASE_UD', caseOf('UD', 3)), constant('CASE_HOOK', caseOf('HOOK', 3)), constant('CASE_END', caseOf('END', 3)),
    constant('CASE_TRANSLATED', caseOf('TRANSLATED', 3)), constant('FIRST_PROCEDURE', cases.find(c => c.procedure)!.id),
    constant('CASE_ADDRESS_16', caseOf('ADDRESS', 1)), constant('CASE_ADDRESS_32', caseOf('ADDRESS', 2)), constant('CASE_SEGMENTED', caseOf('SEGMENTED', 3)),
    constant('CASE_ADDRESS_64', caseOf('ADDRESS', 3)), constant('CASE_ABSOLUTE', caseOf('ABSOLUTE', 3)));
  lines.push(constant('MAPS', decodeLayout.maps, 'usize'), constant('NODES', decodeLayout.nodes, 'usize'), constant('ROWS', decodeLayout.rows, 'usize'), constant('ROW_BYTES', row.bytes, 'usize'),
    constant('ROW_REGISTER_CASES', row.registerCases, 'usize'), constant('ROW_MEMORY_CASES', row.memoryCases, 'usize'), constant('ROW_OPERANDS', row.operands, 'usize'),
    constant('ROW_SIZE_CLASS', row.sizeClass, 'usize'), constant('ROW_FLAGS', row.flags, 'usize'));
  operandLetters.forEach((l, i) => lines.push(constant(`LETTER_${upper(l)}`, i + 1)));
  operandSizes.forEach((s, i) => { if (s !== '') lines.push(constant(`SIZE_${upper(s)}`, i + 1)); });
  rowFlags.forEach((f, i) => lines.push(constant(`FLAG_${upper(f)}`, 1 << i)));
  lines.push(constant('TLB_READ', tlbTables.read, 'usize'), constant('TLB_WRITE', tlbTables.write, 'usize'), constant('TLB_EXECUTE', tlbTables.execute, 'usize'),
    constant('TLB_INDEX_MASK', tlbIndexMask), constant('TLB_CONTEXT_BYTES', tlbContextBytes));
  return lines.join('\n') + '\n';
}
