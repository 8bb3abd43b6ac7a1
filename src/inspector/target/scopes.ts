// What a frame offers to look at: C variables of the function and globals, registers of the level, the VMCSs that control it and all others, its last
// exit, the APIC, and where its addresses come to. A scope is read when it is opened.
import type { StackFrame } from '../images/stack-frames';
import { believedVmcs, freezeBelief, freezeHardware, hardwareVmcs } from '../vmcs/vmcs-source';
import type { BelievedVmcs } from '../levels/believed-vmcs';
import { apicNode } from './apic-nodes';
import { variableScopes } from './c-variables';
import { exitNode } from './exit-words';
import type { MachineSession } from './machine-session';
import { registersNode } from './register-nodes';
import { translationNode } from './translation-nodes';
import type { VariableNode } from './variable-tree';
import { vmcsListNode, type Snapshots } from './vmcs-list';
import { vmcsNode } from './vmcs-nodes';

export type { Snapshots } from './vmcs-list';
export interface ScopeView { readonly name: string; readonly hint?: 'registers' | 'locals' | 'arguments'; readonly expensive: boolean; readonly root: VariableNode }

export function scopesOf(session: MachineSession, frame: StackFrame, before: Snapshots): ScopeView[] {
  const { context } = frame, { machine, tracker, format } = session, { locals, globals } = variableScopes(session, frame), scopes: ScopeView[] = [...locals];
  const options = (belief: BelievedVmcs | undefined): { model: typeof machine.processor; format: typeof format; since?: ReturnType<Snapshots['get']> } =>
    ({ model: machine.processor, format, ...belief && before.has(belief) && { since: before.get(belief) } });
  const add = (name: string, root: VariableNode, expensive = true): void => { scopes.push({ name, expensive, root }); };
  scopes.push({ name: 'Registers', hint: 'registers', expensive: false, root: registersNode(session, context) });
  const pointer = context.level > 0 ? context.hardwareVmcs : context.currentVmcs?.pointer ?? -1;
  if (pointer >= 0) {
    const belief = tracker.hardwareVmcs(pointer), source = hardwareVmcs(machine, pointer, belief);
    add(context.level > 0 ? `VMCS of L0 for L${context.level}` : 'VMCS current in L0', vmcsNode(source, { ...options(belief), expression: `L${context.level}.vmcs` }));
  }
  if (context.level > 1 && context.parent && context.controllingBelief) {
    const { parent, controllingBelief: belief } = context;
    add(`VMCS of L${context.level - 1} for L${context.level}`, vmcsNode(believedVmcs(parent, belief), options(belief)));
  }
  if (context.level > 0 && context.currentVmcs) add(`VMCS current in L${context.level}`, vmcsNode(believedVmcs(context, context.currentVmcs), options(context.currentVmcs)));
  const exit = exitNode(context, format);
  if (exit) add(context.state === 'executing' ? 'Last exit' : 'Exit information', exit, false);
  if (globals) scopes.push(globals);
  add('Address translation', translationNode(session, frame));
  add('APIC', apicNode(session, context));
  if (tracker.liveContexts.some(each => each.believedVmcss.length > 0)) add('All VMCSs', vmcsListNode(session, before));
  return scopes;
}

/** Values of the VMCSs of every level now, to mark changes at the next stop; of many, those first named. */
export function snapshotAll({ machine, tracker }: Pick<MachineSession, 'machine' | 'tracker'>): Snapshots {
  const snapshots = new Map<BelievedVmcs, ReturnType<typeof freezeBelief>>();
  for (const context of tracker.liveContexts) {
    for (const belief of context.believedVmcss) {
      if (snapshots.size >= mostSnapshots) return snapshots;
      if (belief.pointer >= 0 && !snapshots.has(belief)) snapshots.set(belief, context.level === 0 ? freezeHardware(machine, belief.pointer) : freezeBelief(belief));
    }
  }
  return snapshots;
}

const mostSnapshots = 64;
