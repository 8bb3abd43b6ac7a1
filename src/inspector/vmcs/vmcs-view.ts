// A VMCS for the eye: groups of fields, each decoded, with its named bits, whether it exists and is in use, and whether it changed; and the
// difference of two. Plain data; children are made when they are asked for.
import { decodeBits, type DecodedBits, type LayoutName } from '../../spec/bit-layouts';
import { vmcsFieldExists } from '../../spec/capability-msrs';
import { controlByRef, controlMask, controlWordTraits, isControlRef, type ControlRef, type ControlWordName } from '../../spec/controls';
import { exitReasonByNumber, instructionInfoLayout } from '../../spec/exit-reasons';
import { instructionErrorByNumber } from '../../spec/instruction-errors';
import type { ProcessorModel } from '../../spec/processor-models';
import { vmcsFieldBits, vmcsFields, type VmcsField, type VmcsFieldId } from '../../spec/vmcs-fields';
import { fieldsByGroup, vmcsGroupNames, type VmcsGroupId } from './field-groups';
import type { KnownField, VmcsSnapshot, VmcsSource } from './vmcs-source';

export interface FieldView {
  readonly id: VmcsFieldId;
  readonly name: string;
  readonly encoding: number;
  readonly bits: 16 | 32 | 64;
  /** Undefined when the level never wrote or read it. */
  readonly value: bigint | undefined;
  /** One line: the meaning where there is a short one, else hexadecimal. */
  readonly text: string;
  readonly known: KnownField['known'] | 'unknown';
  readonly writer?: KnownField['writer'];
  /** The processor has the field. */
  readonly exists: boolean;
  /** False when no control in force makes the processor look at it. */
  readonly inUse: boolean;
  readonly layout?: LayoutName;
  /** Named bits with their values; empty where the field is one number. */
  readonly children: readonly DecodedBits[];
  /** Why it cannot be set, absent if it can. */
  readonly readOnly?: string;
  /** Its value differs from the one in the snapshot given. */
  readonly changed: boolean;
}

export interface VmcsGroup {
  readonly id: VmcsGroupId;
  readonly name: string;
  readonly fields: readonly FieldView[];
}


/** All groups. Fields that the processor lacks are left out; those of a believed VMCS that are not known are shown as unknown. */
export function viewVmcs(source: VmcsSource, model: ProcessorModel, since?: VmcsSnapshot): VmcsGroup[] {
  return [...fieldsByGroup.keys()].map(id => viewGroup(source, id, model, since)).filter(({ fields }) => fields.length > 0);
}

export function viewGroup(source: VmcsSource, id: VmcsGroupId, model: ProcessorModel, since?: VmcsSnapshot): VmcsGroup {
  return { id, name: vmcsGroupNames[id], fields: fieldsByGroup.get(id)!.map(field => viewField(source, field, model, since)).filter(({ exists }) => exists) };
}

export function viewField(source: VmcsSource, field: VmcsField, model: ProcessorModel, since?: VmcsSnapshot): FieldView {
  const known = source.read(field.id), { id, name, encoding } = field, bits = vmcsFieldBits(field), layout = layoutOf(field, source);
  const before = since?.get(id);
  return {
    id, name, encoding, bits, value: known?.value, known: known?.known ?? 'unknown', ...known?.writer && { writer: known.writer }, exists: vmcsFieldExists(field, model),
    inUse: isInUse(field, source), ...layout && { layout },
    get children() { return known && layout ? decodeBits(layout, known.value) : []; },
    get text() { return known === undefined ? 'unknown' : fieldText(field, known.value, layout); },
    changed: known !== undefined && before !== undefined && before !== known.value, ...readOnlyReason(field, source),
  };
}

/** Fields of a group that the processor has. */
export function fieldsOfGroup(id: VmcsGroupId, model: ProcessorModel): readonly VmcsField[] {
  return fieldsByGroup.get(id)!.filter(field => vmcsFieldExists(field, model));
}

/** How many of some fields differ from a snapshot, without decoding any. */
export function countChanged(source: VmcsSource, fields: readonly VmcsField[], since: VmcsSnapshot): number {
  return fields.filter(({ id }) => { const before = since.get(id); return before !== undefined && source.read(id)?.value !== before; }).length;
}

function readOnlyReason(field: VmcsField, source: VmcsSource): { readOnly?: string } {
  return source.write ? {} : { readOnly: source.readOnly ?? `${field.id} cannot be written here` };
}

/** The layout of a field; that of the instruction information depends on the exit reason. */
function layoutOf(field: VmcsField, source: VmcsSource): LayoutName | undefined {
  if (field.id !== 'VM_EXIT_INSTRUCTION_INFO') return field.layout;
  const reason = source.read('EXIT_REASON')?.value, row = reason === undefined ? undefined : exitReasonByNumber(Number(reason & 0xffffn));
  return row && instructionInfoLayout(row.id);
}

/** Some control that makes the field exist is set (controls of an inactive word count as 0); fields of all processors are always in use. */
function isInUse({ existsIf }: VmcsField, source: VmcsSource): boolean {
  return existsIf === undefined || existsIf.some(condition => !isControlRef(condition) || controlInForce(source, condition));
}

/** Whether a control is set, as far as is known. */
export function controlInForce(source: VmcsSource, ref: ControlRef): boolean {
  const { activatedBy, field } = controlWordTraits[ref.split('.')[0] as ControlWordName];
  if (activatedBy && !controlInForce(source, activatedBy)) return false;
  return ((source.read(field as VmcsFieldId)?.value ?? 0n) & controlMask(ref)) !== 0n;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** One line for a value: what it means, else the number. Lists of flags name those that are set, eight at most. */
export function fieldText(field: VmcsField, value: bigint, layout: LayoutName | undefined = field.layout): string {
  if (field.id === 'EXIT_REASON') return `${exitReasonByNumber(Number(value & 0xffffn))?.name ?? 'unassigned'} (${Number(value & 0xffffn)})${value >> 31n & 1n ? ', VM-entry failure' : ''}`;
  if (field.id === 'VM_INSTRUCTION_ERROR') return value === 0n ? 'none' : `${value}: ${instructionErrorByNumber(Number(value))?.sentence ?? 'unassigned'}`;
  if (!layout) return hex(value);
  return `${hex(value)} ${bitsText(layout, value)}`.trimEnd();
}

/** Set flags by name and fields with a meaning, `PE NE PG`; long lists end in the number left out. */
export function bitsText(layout: LayoutName, value: bigint): string {
  const parts = decodeBits(layout, value).flatMap(({ name, bits: [high, low], value: part, text }) => {
    if (high === low && text === undefined) return part === 1n ? [name] : [];
    if (text !== undefined) return [text];
    return part === 0n || high - low > 30 ? [] : [`${name} ${part > 9n ? hex(part) : part}`];
  });
  return parts.length > 8 ? `${parts.slice(0, 8).join(', ')} and ${parts.length - 8} more` : parts.join(', ');
}

/** Meaning of a control in one line, for hovers. */
export const controlMeaning = (ref: ControlRef): string => controlByRef(ref).meaning;

export interface FieldDifference {
  readonly id: VmcsFieldId;
  readonly name: string;
  readonly left: FieldView;
  readonly right: FieldView;
  /** The named bits that differ. */
  readonly bits: readonly { readonly name: string; readonly left: bigint; readonly right: bigint }[];
}

/** Fields whose values differ, or that only one of the two knows; with the named bits that differ. */
export function diffVmcs(left: VmcsSource, right: VmcsSource, model: ProcessorModel): FieldDifference[] {
  return vmcsFields.flatMap((field): FieldDifference[] => {
    const a = viewField(left, field, model), b = viewField(right, field, model);
    if (!a.exists || a.value === b.value) return [];
    const bits = a.children.flatMap(each => {
      const other = b.children.find(({ id }) => id === each.id);
      return other && other.value !== each.value ? [{ name: each.name, left: each.value, right: other.value }] : [];
    });
    return [{ id: field.id, name: field.name, left: a, right: b, bits }];
  });
}
