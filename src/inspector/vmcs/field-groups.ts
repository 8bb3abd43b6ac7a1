// The groups in which a VMCS is shown: the areas of SDM 3C 25.3 'Organization of VMCS Data', with controls by the word that they belong to.
// Derived from type and id of a field, so that a new row of the table finds its place.
import { controlWordTraits } from '../../spec/controls';
import { vmcsFields, type VmcsField } from '../../spec/vmcs-fields';

export const vmcsGroupNames = {
  guestRegisters: 'Guest state: registers',
  guestSegments: 'Guest state: segments and tables',
  guestNonRegister: 'Guest state: non-register',
  host: 'Host state',
  pin: 'Controls: pin-based',
  processor: 'Controls: processor-based',
  execution: 'Controls: execution',
  exit: 'Controls: VM exit',
  entry: 'Controls: VM entry',
  exitInformation: 'Exit information',
} as const;
export type VmcsGroupId = keyof typeof vmcsGroupNames;

const processorWords: readonly string[] = [controlWordTraits.primary.field, controlWordTraits.secondary.field, controlWordTraits.tertiary.field];

export function groupOf({ type, id }: VmcsField): VmcsGroupId {
  switch (type) {
    case 'host': return 'host';
    case 'read-only': return 'exitInformation';
    case 'guest':
      if (/_(SELECTOR|BASE|LIMIT|ACCESS_RIGHTS)$/.test(id) && id !== 'GUEST_SMBASE') return 'guestSegments';
      return /^(VM|PML)|INTERRUPTIBILITY|ACTIVITY|PENDING_DEBUG|INTERRUPT_STATUS|PDPTE|UINV|SMBASE/.test(id) ? 'guestNonRegister' : 'guestRegisters';
    case 'control':
      if (id === controlWordTraits.pin.field) return 'pin';
      if (processorWords.includes(id)) return 'processor';
      return /VM_EXIT/.test(id) ? 'exit' : /VM_ENTRY/.test(id) ? 'entry' : 'execution';
  }
}

/** Fields of each group, in the order of the table. */
export const fieldsByGroup: ReadonlyMap<VmcsGroupId, readonly VmcsField[]> =
  new Map((Object.keys(vmcsGroupNames) as VmcsGroupId[]).map(group => [group, vmcsFields.filter(field => groupOf(field) === group)]));
