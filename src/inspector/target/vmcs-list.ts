// Every VMCS that is known, with what it is for: L0's in host memory and those that the levels above believe in; which level each controls, where it
// is current, whether it is a shadow VMCS, its life-cycle state (SDM 3C 25.1 'Overview': clear, launched; current) and what changed since the last stop.
import { vmcsFields, vmcsRegion } from '../../spec/vmcs-fields';
import type { BelievedVmcs } from '../levels/believed-vmcs';
import type { Context } from '../levels/context';
import { believedVmcs, hardwareVmcs, type VmcsSnapshot, type VmcsSource } from '../vmcs/vmcs-source';
import { controlInForce, countChanged } from '../vmcs/vmcs-view';
import type { MachineSession } from './machine-session';
import type { VariableNode } from './variable-tree';
import { expressionOf, vmcsNode } from './vmcs-nodes';

export interface KnownVmcs {
  readonly source: VmcsSource;
  readonly since?: VmcsSnapshot;
  /** As commands name it: `0x2bc000`, `L1:0x68d000`. */
  readonly designator: string;
  /** `controls L2; launched; current in L0`. */
  readonly state: string;
}

/** Values at the stop before, by what is known of each VMCS. */
export type Snapshots = ReadonlyMap<BelievedVmcs, VmcsSnapshot>;

type Parts = Pick<MachineSession, 'machine' | 'tracker'>;

/** All VMCSs, those of L0 first. A VMCS whose place in memory was never named is left out. */
export function knownVmcss({ machine, tracker }: Parts, before: Snapshots): KnownVmcs[] {
  const found = new Map<BelievedVmcs, Context>();
  for (const context of [...tracker.liveContexts].sort((a, b) => a.level - b.level)) for (const belief of context.believedVmcss) if (belief.pointer >= 0 && !found.has(belief)) found.set(belief, context);
  const known = [...found].map(([belief, owner]) => {
    const source = owner.level === 0 ? hardwareVmcs(machine, belief.pointer, belief) : believedVmcs(owner, belief), since = before.get(belief);
    return { belief, owner, source, ...since && { since }, designator: `${owner.level === 0 ? '' : `L${owner.level}:`}0x${belief.pointer.toString(16)}` };
  });
  return known.map(({ belief, owner, source, since, designator }): KnownVmcs => {
    const shadowed = known.find(each => each.owner.level === owner.level && each.belief !== belief && controlInForce(each.source, 'secondary.vmcsShadowing')
      && each.source.read('VMCS_LINK_POINTER')?.value === BigInt(belief.pointer));
    const changed = since ? countChanged(source, vmcsFields, since) : 0, controlled = tracker.liveContexts.filter(each =>
      owner.level === 0 ? each.level > 0 && each.hardwareVmcs === belief.pointer : each.parent === owner && each.controllingBelief === belief);
    const state = [
      ...controlled.map(each => `controls L${each.level}`), ...shadowed ? [`shadow of ${shadowed.designator}`] : [], lifeCycle(machine, owner, belief),
      ...tracker.liveContexts.filter(each => each.level === owner.level && each.currentVmcs === belief).map(each => `current in L${each.level}${each.vcpu > 0 ? ` on vCPU ${each.vcpu}` : ''}`),
      ...changed > 0 ? [`${changed} changed`] : [],
    ].join('; ');
    return { source, ...since && { since }, designator, state };
  });
}

/** L0's stands in the region; of another level's, what its instructions said. */
function lifeCycle(machine: Parts['machine'], owner: Context, belief: BelievedVmcs): string {
  if (owner.level > 0) return belief.launchState === 'unknown' ? 'state not known' : belief.launchState;
  const head = machine.readPhysical(BigInt(belief.pointer), vmcsRegion.fieldsOffset);
  if (!head) return 'outside memory';
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength), isShadow = view.getUint32(vmcsRegion.revisionOffset, true) >>> 31 === 1;
  return `${view.getUint32(vmcsRegion.launchStateOffset, true) === 1 ? 'launched' : 'clear'}${isShadow ? ' (shadow VMCS)' : ''}`;
}

export function vmcsListNode(session: Parts & Pick<MachineSession, 'format'>, before: Snapshots): VariableNode {
  return {
    name: 'All VMCSs', value: '',
    children: () => knownVmcss(session, before).map(({ source, since, designator, state }): VariableNode => ({
      ...vmcsNode(source, { model: session.machine.processor, format: session.format, ...since && { since } }), name: `${source.level === 0 ? 'L0:' : ''}${designator}`, value: state, menu: 'vmcs',
      evaluateName: expressionOf(source), memory: `${source.level === 0 ? 'phys' : `gpa${source.level}`}:0x${source.pointer.toString(16)}`,
      type: source.level === 0 ? 'a VMCS in host memory' : `a VMCS of L${source.level}, as that level has written and read it`, fixed: 'set its fields',
    })),
  };
}
