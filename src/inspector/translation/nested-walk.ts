// The way of a guest-physical address through every level: by the tables that each level keeps for its guest to a guest-physical address of that
// level, and so on down to host memory. The processor itself uses only the tables of L0, which must come to the same.
// Tables of a level above 0 lie in its guest-physical memory and are read there; what a level has said of its EPT pointer comes from its VMWRITEs.
import type { Machine } from '../../emulator/machine';
import type { Context } from '../levels/context';
import { believedVmcs } from '../vmcs/vmcs-source';
import { controlInForce } from '../vmcs/vmcs-view';
import { walkEpt, type PhysicalReader, type Walk } from './page-walk';

/** Level `guest` to level `keeper`, by the tables of the keeper. `walk` is absent when it is not known which tables those are. */
export interface Stage { readonly guest: number; readonly keeper: number; readonly eptp?: bigint; readonly walk?: Walk }

export interface NestedWalk {
  readonly stages: readonly Stage[];
  /** The tables that the processor uses for the level. */
  readonly hardware: Walk;
  /** Host-physical address by the tables of every level; undefined where one of them ends or is not known. */
  readonly physical?: bigint;
}

/** Follows an address in the guest-physical memory of a context. Of L0 there are no stages. */
export function walkNested(machine: Machine, context: Context, guestPhysical: bigint): NestedWalk {
  const stages: Stage[] = [], hardware = walkEpt(machine, context.eptp, guestPhysical);
  let address = guestPhysical;
  for (let c = context; c.level > 0 && c.parent; c = c.parent) {
    const eptp = eptOfParent(c), stage = { guest: c.level, keeper: c.parent.level };
    if (eptp === undefined) return { stages: [...stages, stage], hardware };
    const walk = walkEpt(memoryOf(machine, c.parent), eptp, address);
    stages.push({ ...stage, eptp, walk });
    if (walk.kind === 'fault') return { stages, hardware };
    address = walk.address;
  }
  return { stages, hardware, physical: address };
}

/** The EPT pointer with which the parent of a context runs it (0 = EPT off), undefined while it is not known. */
export function eptOfParent(context: Context): bigint | undefined {
  const { parent, controllingBelief } = context;
  if (!parent || parent.level === 0) return context.eptp;
  if (!controllingBelief) return undefined;
  const source = believedVmcs(parent, controllingBelief);
  if (!source.read('PRIMARY_PROC_BASED_CONTROLS')) return undefined;
  return controlInForce(source, 'secondary.enableEpt') ? source.read('EPT_POINTER')?.value : 0n;
}

/** Guest-physical memory of a level as its software addresses it. Entries of tables never cross a page. */
function memoryOf(machine: Machine, context: Context): PhysicalReader {
  if (context.level === 0) return machine;
  return {
    readPhysical(address, length) {
      const { physical } = walkNested(machine, context, address);
      return physical === undefined ? undefined : machine.readPhysical(physical, length);
    },
  };
}
