// A VMCS as a tree: groups, fields with their meaning, named bits, and who wrote a field last. Fields that no control makes the processor look
// at stand in a group of their own, out of the way.
import type { ProcessorModel } from '../../spec/processor-models';
import type { DecodedBits } from '../../spec/bit-layouts';
import { viewVmcs, type FieldView, type VmcsGroup, type VmcsSnapshot } from '../vmcs/vmcs-view';
import type { VmcsSource } from '../vmcs/vmcs-source';
import { TargetError } from '../target-types';
import { parseInteger, type VariableNode } from './variable-tree';

/** A tree over a VMCS; `since`: values at the stop before, to mark what changed. */
export function vmcsNode(source: VmcsSource, model: ProcessorModel, since?: VmcsSnapshot): VariableNode {
  return {
    name: source.title, value: '',
    children() {
      const groups = viewVmcs(source, model, since), unused = groups.flatMap(({ fields }) => fields.filter(({ inUse }) => !inUse));
      return [
        ...groups.map(group => groupNode(group, source)).filter(({ children }) => (children?.() ?? []).length > 0),
        ...unused.length > 0 ? [{ name: 'Not in use', value: 'no control makes the processor look at these', children: () => unused.map(field => fieldNode(field, source)) }] : [],
      ];
    },
  };
}

function groupNode({ name, fields }: VmcsGroup, source: VmcsSource): VariableNode {
  return { name, value: '', children: () => fields.filter(({ inUse }) => inUse).map(field => fieldNode(field, source)) };
}

export function fieldNode(field: FieldView, source: VmcsSource): VariableNode {
  const { id, name, bits, value, text, known, writer, children, readOnly, changed } = field;
  const writtenBy = writer && `last ${writer.by === 'write' ? 'written' : 'read'} by L${writer.level} at 0x${writer.rip.toString(16)}`;
  const remarks = [changed ? 'changed' : '', known === 'outdated' ? 'before the guest last ran' : ''].filter(each => each !== '');
  return {
    name: id, value: remarks.length > 0 ? `${text}  (${remarks.join(', ')})` : text, type: [name, `${bits} bits`, writtenBy].filter(each => each !== undefined).join('; '), evaluateName: id,
    ...value !== undefined && isAddress(field) && { memory: `${source.level === 0 ? 'phys' : `gpa${source.level}`}:0x${(value & ~0xfffn).toString(16)}` },
    ...children.length > 0 && { children: () => children.map(bitNode) },
    ...source.write && readOnly === undefined ? {
      set(input: string) {
        if (!source.write!(id, parseInteger(input, id, bits))) throw new TargetError('badValue', { value: input, name: id, reason: 'the VMCS does not hold it' });
      },
    } : { fixed: readOnly ?? 'it cannot be written here' },
  };
}

/** Fields that hold the physical address of something. */
const isAddress = ({ id, value }: FieldView): boolean => value !== undefined && value !== 0n && value !== 0xffff_ffff_ffff_ffffn && /(_ADDRESS|^EPTP|_POINTER)(_|$)/.test(id);

export function bitNode({ name, id, bits: [high, low], value, text, meaning }: DecodedBits): VariableNode {
  const shown = high === low ? String(value) : `0x${value.toString(16)}`;
  return {
    name: id, value: text === undefined ? shown : `${shown} ${text}`, fixed: 'set the whole field instead',
    type: `${name} (bit${high === low ? ` ${low}` : `s ${high}:${low}`})${meaning === '' ? '' : `: ${meaning}`}`,
  };
}
