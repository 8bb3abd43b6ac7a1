// Registers of a level as a tree: general registers first, the rest in groups, each register with its named bits and with where its value is.
import type { Context } from '../levels/context';
import type { RegisterValue } from '../registers/level-registers';
import type { RegisterGroup } from '../registers/register-table';
import { bitNodes } from './bit-nodes';
import { descriptorTableNodes } from './descriptor-nodes';
import type { MachineSession } from './machine-session';
import { capabilityNodes, msrNodes } from './msr-nodes';
import { setterOf, type Settable, type VariableNode } from './variable-tree';

const groups: readonly (readonly [RegisterGroup, string])[] = [
  ['control', 'Control registers'], ['segments', 'Segments'], ['tables', 'Descriptor tables'], ['debug', 'Debug registers'], ['vector', 'XMM registers'],
];

type Parts = Pick<MachineSession, 'registers' | 'machine' | 'tracker' | 'memory' | 'images' | 'format'>;

export function registersNode(session: Parts, context: Context): VariableNode {
  const { registers } = session;
  return {
    name: 'Registers', value: '',
    children() {
      const named = (group: RegisterGroup): VariableNode[] => registers.ofGroup(context, group).map(each => registerNode(session, context, each));
      return [
        ...named('general'),
        ...groups.map(([group, name]): VariableNode => ({
          name, value: '', children: () => group === 'tables' ? [...named(group), ...descriptorTableNodes(session, context)] : named(group),
        })),
        { name: 'MSRs', value: '', children: () => msrNodes(session, context) },
        { name: 'VMX capabilities', value: '', children: () => capabilityNodes(session, context) },
      ];
    },
  };
}

export function registerNode({ registers, format }: Parts, context: Context, { name, value, bits, layout, source, readOnly, note }: RegisterValue): VariableNode {
  const digits = format.number(value, bits), remark = source.kind === 'recorded' ? 'recorded' : source.kind === 'vmcs' ? source.field : note !== undefined ? 'not switched' : '';
  const whole: Settable | undefined = readOnly === undefined ? { bits, read: () => registers.value(context, name) ?? value, write: next => registers.set(context, name, next) } : undefined;
  return {
    name, value: remark === '' ? digits : `${digits}  (${remark})`, type: [sourceText(source), note].filter(text => text !== undefined).join('; '),
    memory: `L${context.level}${context.vcpu > 0 ? `.${context.vcpu}` : ''}:0x${value.toString(16)}`, evaluateName: `L${context.level}.${name}`, menu: 'register',
    ...msrOf(name) !== undefined && { place: `L${context.level}.msr:${msrOf(name)}` },
    ...layout && { children: () => bitNodes(layout, value, whole) },
    ...whole ? { set: setterOf(name, whole) } : { fixed: readOnly },
  };
}

/** The MSR that a register of that name is. */
const msrOf = (name: string): string | undefined => name.startsWith('msr.') ? name.slice(4) : name === 'efer' ? 'IA32_EFER' : undefined;

function sourceText(source: RegisterValue['source']): string {
  switch (source.kind) {
    case 'live': return 'in the processor';
    case 'vmcs': return `${source.field} of the VMCS at 0x${source.pointer.toString(16)}`;
    case 'recorded': return `recorded at the last ${source.at}`;
  }
}
