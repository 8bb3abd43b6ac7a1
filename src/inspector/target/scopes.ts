// What a frame offers to look at: C variables of the function, registers of the level, the VMCSs that control it, its last exit.
import type { Value } from '../../symbols/values/value';
import type { StackFrame } from '../images/stack-frames';
import { believedVmcs, hardwareVmcs } from '../vmcs/vmcs-source';
import { snapshotVmcs, type VmcsSnapshot } from '../vmcs/vmcs-view';
import { TargetError } from '../target-types';
import { exitNode } from './exit-words';
import type { MachineSession } from './machine-session';
import { registersNode } from './register-nodes';
import type { VariableNode } from './variable-tree';
import { vmcsNode } from './vmcs-nodes';

export interface ScopeView { readonly name: string; readonly hint?: 'registers' | 'locals' | 'arguments'; readonly expensive: boolean; readonly root: VariableNode }

/** VMCS values at the stop before, by host-physical pointer. */
export type Snapshots = ReadonlyMap<number, VmcsSnapshot>;

export function scopesOf(session: MachineSession, frame: StackFrame, before: Snapshots): ScopeView[] {
  const { context } = frame, { machine, tracker, registers } = session, scopes: ScopeView[] = variableScopes(session, frame);
  scopes.push({ name: 'Registers', hint: 'registers', expensive: false, root: registersNode(registers, context) });
  const pointer = context.level > 0 ? context.hardwareVmcs : context.currentVmcs?.pointer ?? -1;
  if (pointer >= 0) {
    const source = hardwareVmcs(machine, pointer, tracker.hardwareVmcs(pointer));
    const name = context.level > 0 ? `VMCS of L0 for L${context.level}` : 'VMCS current in L0';
    scopes.push({ name, expensive: true, root: vmcsNode(source, machine.processor, before.get(pointer)) });
  }
  if (context.level > 1 && context.parent && context.controllingBelief) {
    scopes.push({ name: `VMCS of L${context.level - 1} for L${context.level}`, expensive: true, root: vmcsNode(believedVmcs(context.parent, context.controllingBelief), machine.processor) });
  }
  if (context.level > 0 && context.currentVmcs) {
    scopes.push({ name: `VMCS current in L${context.level}`, expensive: true, root: vmcsNode(believedVmcs(context, context.currentVmcs), machine.processor) });
  }
  const exit = exitNode(context);
  if (exit) scopes.push({ name: context.state === 'executing' ? 'Last exit' : 'Exit information', expensive: false, root: exit });
  return scopes;
}

/** Values of every VMCS that carries a level now, to mark changes at the next stop. */
export function snapshotAll({ machine, tracker }: MachineSession): Snapshots {
  const pointers = new Set(tracker.liveContexts.map(({ hardwareVmcs: pointer }) => pointer).filter(pointer => pointer >= 0));
  return new Map([...pointers].map(pointer => [pointer, snapshotVmcs(hardwareVmcs(machine, pointer))]));
}

function variableScopes({ memory }: MachineSession, { mapped, registers, context, isReturnAddress, inlineDepth }: StackFrame): ScopeView[] {
  if (!mapped) return [];
  const frame = mapped.image.symbols.frame({ registers, bias: mapped.bias, isReturnAddress, readMemory: (at, length) => memory.readLinear(context, at, length) });
  const variables = frame.variables()[inlineDepth];
  if (!variables) return [];
  const write: Write = (address, bytes) => memory.write(context, 'linear', address, bytes), prefix = `L${context.level}${context.vcpu > 0 ? `.${context.vcpu}` : ''}:`;
  const scope = (name: string, hint: 'locals' | 'arguments', list: typeof variables.locals): ScopeView[] => list.length === 0 ? [] : [{
    name, hint, expensive: false,
    root: { name, value: '', children: () => list.map(variable => valueNode(frame.value(variable), { write, prefix, name: variable.isShadowed ? `${variable.name} (hidden)` : variable.name })) },
  }];
  return [...scope('Arguments', 'arguments', variables.arguments), ...scope('Locals', 'locals', variables.locals)];
}

type Write = (address: bigint, bytes: Uint8Array) => boolean;

/** A typed value as a node; only what lies in memory can be set. */
export function valueNode(value: Value, { write, prefix, name }: { write: Write; prefix: string; name?: string }): VariableNode {
  const { address } = value, ownName = name ?? value.name ?? '(anonymous)', pointer = pointerOf(value);
  return {
    name: ownName, value: value.text(), type: value.typeName, ...value.name !== undefined && name === undefined && { evaluateName: value.name },
    ...(pointer ?? address) !== undefined && { memory: `${prefix}0x${(pointer ?? address)!.toString(16)}` },
    ...value.childCount > 0 && { children: () => value.children().map(child => valueNode(child, { write, prefix })) },
    ...value.isWritable ? {
      set(text: string) {
        const writes = value.assign(text);
        if (!writes.ok) throw new TargetError('badValue', { value: text, name: ownName, reason: writes.reason });
        for (const each of writes.value) {
          if (each.kind !== 'memory') throw new TargetError('readOnly', { name: ownName, reason: 'it is in a register: set the register' });
          if (!write(each.address, each.bytes)) throw new TargetError('unreadableMemory', { address: `${prefix}0x${each.address.toString(16)}` });
        }
      },
    } : { fixed: 'it has no place that could be written' },
  };
}

function pointerOf(value: Value): bigint | undefined {
  if (!value.typeName.trimEnd().endsWith('*')) return undefined;
  const bits = value.bits();
  return bits.ok ? bits.value : undefined;
}
