// A VMCS as a tree: groups, fields with their meaning, named bits, and who wrote a field last. Fields that no control makes the processor look
// at stand in a group of their own, out of the way. A group is read when it is opened.
import type { ProcessorModel } from '../../spec/processor-models';
import { fieldsByGroup, vmcsGroupNames, type VmcsGroupId } from '../vmcs/field-groups';
import { countChanged, fieldsOfGroup, viewGroup, type FieldView } from '../vmcs/vmcs-view';
import type { VmcsSnapshot, VmcsSource } from '../vmcs/vmcs-source';
import { bitNodes } from './bit-nodes';
import type { ValueFormat } from './value-format';
import { setterOf, type Settable, type VariableNode } from './variable-tree';

export interface VmcsNodeOptions {
  readonly model: ProcessorModel;
  readonly format: ValueFormat;
  /** Values at the stop before, to mark what changed. */
  readonly since?: VmcsSnapshot;
  /** What stands before `.FIELD` in an expression for a field of it: `L2.vmcs`. */
  readonly expression?: string;
}

/** The groups of a VMCS. */
export function vmcsNode(source: VmcsSource, options: VmcsNodeOptions): VariableNode {
  return {
    name: source.title, value: '',
    children: () => [
      ...[...fieldsByGroup.keys()].map(id => groupNode(id, source, options)).filter(group => group !== undefined),
      {
        name: 'Not in use', value: 'no control makes the processor look at these',
        children: () => [...fieldsByGroup.keys()].flatMap(id => viewGroup(source, id, options.model, options.since).fields).filter(({ inUse }) => !inUse).map(field => fieldNode(field, source, options)),
      },
    ],
  };
}

function groupNode(id: VmcsGroupId, source: VmcsSource, options: VmcsNodeOptions): VariableNode | undefined {
  const { model, since } = options, fields = fieldsOfGroup(id, model);
  if (fields.length === 0) return undefined;
  const changed = since ? countChanged(source, fields, since) : 0;
  return {
    name: vmcsGroupNames[id], value: changed > 0 ? `${changed} changed` : '',
    children: () => viewGroup(source, id, model, since).fields.filter(({ inUse }) => inUse).map(field => fieldNode(field, source, options)),
  };
}

export function fieldNode(field: FieldView, source: VmcsSource, { format, expression = expressionOf(source) }: Pick<VmcsNodeOptions, 'format' | 'expression'>): VariableNode {
  const { id, name, bits, value, known, writer, layout, readOnly, changed } = field;
  const writtenBy = writer && `last ${writer.by === 'write' ? 'written' : 'read'} by L${writer.level} at 0x${writer.rip.toString(16)}`;
  const remarks = [changed ? 'changed' : '', known === 'outdated' ? 'before the guest last ran' : ''].filter(each => each !== '');
  const text = format.radix === 'decimal' && value !== undefined && !layout && !isAddress(field) && field.text === `0x${value.toString(16)}` ? String(value) : field.text;
  const whole: Settable | undefined = source.write && readOnly === undefined ? {
    bits, read: () => source.read(id)?.value ?? 0n,
    write: next => { if (!source.write!(id, next)) throw new Error('the VMCS does not hold it'); },
  } : undefined;
  return {
    name: id, value: remarks.length > 0 ? `${text}  (${remarks.join(', ')})` : text, type: [name, `${bits} bits`, writtenBy].filter(each => each !== undefined).join('; '),
    evaluateName: `${expression}.${id}`, menu: 'vmcsField',
    ...value !== undefined && isAddress(field) && { memory: `${source.level === 0 ? 'phys' : `gpa${source.level}`}:0x${(value & ~0xfffn).toString(16)}` },
    place: `L${source.level}.vmcs${source.pointer < 0 ? '' : `@0x${source.pointer.toString(16)}`}:${id}`,
    ...value !== undefined && layout && { children: () => bitNodes(layout, value, whole) },
    ...whole ? { set: setterOf(id, whole) } : { fixed: readOnly ?? 'it cannot be written here' },
  };
}

/** The VMCS by its address, as expressions write it. */
export const expressionOf = ({ level, pointer }: VmcsSource): string => `${level === 0 ? '' : `L${level}.`}vmcs@0x${pointer < 0 ? '0' : pointer.toString(16)}`;

/** Fields that hold the physical address of something. */
const isAddress = ({ id, value }: FieldView): boolean => value !== undefined && value !== 0n && value !== 0xffff_ffff_ffff_ffffn && /(_ADDRESS|^EPTP|_POINTER)(_|$)/.test(id);
