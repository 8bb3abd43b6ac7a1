// The local APIC of the processor that a level runs on and, where its VMCS has one, the virtual APIC that the level sees instead. SDM 3A 'Local APIC',
// SDM 3C 'APIC Virtualization and Virtual Interrupts'.
import { apicRegisters, type ApicRegister } from '../../spec/msrs';
import type { Context } from '../levels/context';
import { hardwareVmcs } from '../vmcs/vmcs-source';
import { bitsText, controlInForce } from '../vmcs/vmcs-view';
import { bitNodes } from './bit-nodes';
import type { MachineSession } from './machine-session';
import { numberInMemory } from './memory-values';
import { setterOf, type Settable, type VariableNode } from './variable-tree';

type Parts = Pick<MachineSession, 'machine' | 'memory' | 'format' | 'tracker'>;

export function apicNode(session: Parts, context: Context): VariableNode {
  return { name: 'APIC', value: '', children: () => [...virtualNodes(session, context), ...localNodes(session, context.vcpu)] };
}

/** Banks of 256 bits in eight registers each. */
const banks: readonly (readonly [prefix: string, name: string])[] = [['ISR', 'in service'], ['TMR', 'level-triggered'], ['IRR', 'requested']];
const bankOf = ({ name }: ApicRegister): string | undefined => banks.find(([prefix]) => new RegExp(`^${prefix}\\d$`).test(name))?.[0];

function localNodes({ machine, format }: Parts, vcpu: number): VariableNode[] {
  const { base, x2apic, enabled, read, write } = machine.apic(vcpu), mode = !enabled ? 'disabled' : x2apic ? 'x2APIC' : 'xAPIC';
  const exists = ({ modes, access, offset }: ApicRegister): boolean => access !== 'write-only' && modes !== (x2apic ? 'page' : 'msr') && read(offset) !== undefined;
  const where = (row: ApicRegister): string => x2apic ? `MSR 0x${(0x800 + row.offset / 16).toString(16)}` : `0x${(base + BigInt(row.offset)).toString(16)}`;
  return [
    { name: 'mode', value: `${mode}, page at 0x${base.toString(16)}`, fixed: 'set IA32_APIC_BASE' },
    ...registerNodes(apicRegisters.filter(exists), row => ({ bits: 32, read: () => BigInt(read(row.offset) ?? 0), write: value => write(row.offset, Number(value)) }), format, where),
  ];
}

/** The virtual-APIC page of the level that controls the context, when TPR shadowing is on. */
function virtualNodes({ machine, memory, format, tracker }: Parts, context: Context): VariableNode[] {
  if (context.level === 0 || context.hardwareVmcs < 0) return [];
  const source = hardwareVmcs(machine, context.hardwareVmcs, tracker.hardwareVmcs(context.hardwareVmcs));
  if (!controlInForce(source, 'primary.useTprShadow')) return [];
  const page = source.read('VIRTUAL_APIC_ADDRESS')?.value ?? 0n;
  return [{
    name: 'Virtual APIC', value: `page at host-physical 0x${page.toString(16)}`, memory: `phys:0x${page.toString(16)}`, fixed: 'set VIRTUAL_APIC_ADDRESS',
    children: () => registerNodes(apicRegisters.filter(({ modes }) => modes !== 'msr'), row => numberInMemory(memory, context, 'physical', page + BigInt(row.offset), 4), format,
      row => `host-physical 0x${(page + BigInt(row.offset)).toString(16)}`, true),
  }];
}

function registerNodes(rows: readonly ApicRegister[], valueOf: (row: ApicRegister) => Settable, format: Parts['format'], where: (row: ApicRegister) => string, all = false): VariableNode[] {
  const node = (row: ApicRegister): VariableNode => {
    const whole = valueOf(row), value = whole.read(), bits = row.layout ? bitsText(row.layout, value) : '', canSet = all || row.access === 'read-write';
    return {
      name: row.name, value: `${format.number(value, 32)}${bits === '' ? '' : `  ${bits}`}`, type: where(row), ...row.layout && { children: () => bitNodes(row.layout!, value, canSet ? whole : undefined) },
      ...canSet ? { set: setterOf(row.name, whole) } : { fixed: 'the APIC changes it by itself: software can only read it' },
    };
  };
  const bankNode = ([prefix, name]: (typeof banks)[number]): VariableNode => {
    const members = rows.filter(row => bankOf(row) === prefix), vectors = members.flatMap((row, n) => {
      const value = Number(valueOf(row).read());
      return Array.from({ length: 32 }, (_, bit) => n * 32 + bit).filter(vector => value >>> vector % 32 & 1).map(vector => `0x${vector.toString(16)}`);
    });
    return { name: prefix, value: vectors.length === 0 ? `none ${name}` : `${name}: ${vectors.join(', ')}`, fixed: 'set its registers one by one', children: () => members.map(node) };
  };
  return [...rows.filter(row => bankOf(row) === undefined).map(node), ...banks.map(bankNode)];
}
