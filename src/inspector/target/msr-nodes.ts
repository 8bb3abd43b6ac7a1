// The model-specific registers of a level as a tree, decoded; and what the capability MSRs say, control by control.
import { capabilityMsrs, type CapabilityMsr } from '../../spec/capability-msrs';
import { controlWords, controlWordTraits, type Control } from '../../spec/controls';
import { msrs, type Msr } from '../../spec/msrs';
import type { Context } from '../levels/context';
import { msrExists, msrValue, setMsr, type MsrParts } from '../registers/level-msrs';
import { bitsText } from '../vmcs/vmcs-view';
import { bitNodes } from './bit-nodes';
import type { ValueFormat } from './value-format';
import { setterOf, type Settable, type VariableNode } from './variable-tree';

type Parts = MsrParts & { readonly format: ValueFormat };

const isCapability = ({ index }: Msr): boolean => index >= 0x480 && index <= 0x493;
/** The APIC has a scope of its own. */
const isApic = ({ index }: Msr): boolean => index >= 0x800 && index <= 0x83f;
const isMemoryType = ({ name }: Msr): boolean => /MTRR/.test(name);

export function msrNodes(parts: Parts, context: Context): VariableNode[] {
  const shown = msrs.filter(row => !isCapability(row) && !isApic(row) && msrExists(row, parts, context.vcpu)), ranges = shown.filter(isMemoryType);
  return [
    ...shown.filter(row => !isMemoryType(row)).map(row => msrNode(row, parts, context)),
    { name: 'Memory-type ranges', value: '', children: () => ranges.map(row => msrNode(row, parts, context)) },
  ];
}

export function msrNode(row: Msr, parts: Parts, context: Context): VariableNode {
  const { name, index, layout, meaning } = row, { value, where, readOnly } = msrValue(row, context, parts), bits = layout ? bitsText(layout, value) : '';
  const whole: Settable | undefined = readOnly === undefined ? { bits: 64, read: () => msrValue(row, context, parts).value, write: next => setMsr(row, context, next, parts) } : undefined;
  return {
    name, value: `${parts.format.number(value, 64)}${bits === '' ? '' : `  ${bits}`}`, type: `MSR 0x${index.toString(16)}: ${meaning} ${where[0].toUpperCase()}${where.slice(1)}.`,
    evaluateName: `L${context.level}.msr.${name}`, menu: 'register', ...layout && { children: () => bitNodes(layout, value, whole) },
    ...whole ? { set: setterOf(name, whole) } : { fixed: readOnly },
  };
}

/** The capability MSRs that this processor has; of those for control words, each control with what it may be. */
export function capabilityNodes(parts: Parts, context: Context): VariableNode[] {
  return capabilityMsrs.filter(({ existsFor }) => existsFor(parts.machine.processor)).map(row => {
    const value = parts.machine.registers(context.vcpu).get(`msr.${row.name}`), word = row.word;
    const about = { name: row.name, type: `MSR 0x${row.index.toString(16)}: ${row.meaning}`, evaluateName: `L${context.level}.msr.${row.name}`, fixed: `${row.name} is read-only` };
    if (word === undefined) {
      const bits = row.layout ? bitsText(row.layout, value) : '';
      return { ...about, value: `${parts.format.number(value, 64)}${bits === '' ? '' : `  ${bits}`}`, ...row.layout && { children: () => bitNodes(row.layout!, value) } };
    }
    return { ...about, value: parts.format.number(value, 64), children: () => allowedControls(row, value) };
  });
}

/** Each control of a word: may it be 0, may it be 1 (SDM 3D appendix A.3 and following). */
function allowedControls({ word }: CapabilityMsr, value: bigint): VariableNode[] {
  const isWide = controlWordTraits[word!].width === 64, mustBeOne = isWide ? 0n : value & 0xffff_ffffn, mayBeOne = isWide ? value : value >> 32n;
  return (controlWords[word!] as readonly Control[]).map(({ id, name, bit, meaning }) => {
    const mask = 1n << BigInt(bit), allowed = (mustBeOne & mask) !== 0n ? 'must be 1' : (mayBeOne & mask) !== 0n ? '0 or 1' : 'must be 0';
    return { name: id, value: allowed, type: `${name} (bit ${bit})${meaning === '' ? '' : `: ${meaning}`}`, fixed: 'a capability of the processor is fixed' };
  });
}
