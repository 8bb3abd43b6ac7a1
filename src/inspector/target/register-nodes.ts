// Registers of a level as a tree: general registers first, the rest in groups, each register with its named bits and with where its value is.
import { decodeBits } from '../../spec/bit-layouts';
import type { Context } from '../levels/context';
import type { LevelRegisters, RegisterValue } from '../registers/level-registers';
import type { RegisterGroup } from '../registers/register-table';
import { TargetError } from '../target-types';
import { parseInteger, type VariableNode } from './variable-tree';
import { bitNode } from './vmcs-nodes';

const groups: readonly (readonly [RegisterGroup, string])[] = [
  ['control', 'Control registers'], ['segments', 'Segments'], ['tables', 'Descriptor tables'], ['debug', 'Debug registers'], ['msrs', 'MSRs'],
];

export function registersNode(registers: LevelRegisters, context: Context): VariableNode {
  return {
    name: 'Registers', value: '',
    children() {
      const all = registers.all(context), named = (group: RegisterGroup): VariableNode[] => all.filter(each => each.group === group).map(each => registerNode(registers, context, each));
      return [...named('general'), ...groups.flatMap(([group, name]): VariableNode[] => all.some(each => each.group === group) ? [{ name, value: '', children: () => named(group) }] : [])];
    },
  };
}

function registerNode(registers: LevelRegisters, context: Context, { name, value, bits, layout, source, readOnly, note }: RegisterValue): VariableNode {
  const digits = hexOf(value, bits), remark = source.kind === 'recorded' ? 'recorded' : source.kind === 'vmcs' ? source.field : note !== undefined ? 'not switched' : '';
  return {
    name, value: remark === '' ? digits : `${digits}  (${remark})`, type: [sourceText(source), note].filter(text => text !== undefined).join('; '),
    memory: `L${context.level}${context.vcpu > 0 ? `.${context.vcpu}` : ''}:0x${value.toString(16)}`, evaluateName: name.replace('.', '_'),
    ...layout && { children: () => decodeBits(layout, value).map(bitNode) },
    ...readOnly === undefined ? {
      set(text: string) {
        try { registers.set(context, name, parseInteger(text, name, bits)); } catch (error) {
          if (error instanceof TargetError) throw error;
          throw new TargetError('badValue', { value: text, name, reason: error instanceof Error ? error.message.replace(/\.$/, '') : String(error) });
        }
      },
    } : { fixed: readOnly },
  };
}

function sourceText(source: RegisterValue['source']): string {
  switch (source.kind) {
    case 'live': return 'in the processor';
    case 'vmcs': return `${source.field} of the VMCS at 0x${source.pointer.toString(16)}`;
    case 'recorded': return `recorded at the last ${source.at}`;
  }
}

export const hexOf = (value: bigint, bits: number): string => `0x${value.toString(16).padStart(bits / 4, '0')}`;
