// Where the fields of a VMCS come from: the region in host memory (L0's own, always complete), or what a level above believes of one of its own.
// Both answer the same questions, so that views, differences and checks work on either.
import type { Machine } from '../../emulator/machine';
import { vmcsFieldBits, vmcsFieldById, vmcsOffset, vmcsRegion, type VmcsFieldId } from '../../spec/vmcs-fields';
import type { BelievedVmcs } from '../levels/believed-vmcs';
import type { Context } from '../levels/context';

/** Who learnt a value, where and when. */
export interface FieldWriter { readonly context: number; readonly level: number; readonly rip: bigint; readonly time: number }

export interface KnownField {
  readonly value: bigint;
  /** `held`: read from the region itself. `outdated`: the guest has run since the level wrote or read it. */
  readonly known: 'held' | 'written' | 'read' | 'outdated';
  /** The last instruction known to have written (or read) it; absent when none was seen. */
  readonly writer?: FieldWriter & { readonly by: 'write' | 'read' };
}

export interface VmcsSource {
  readonly title: string;
  /** Level whose VMCS it is: 0 for one in host memory. */
  readonly level: number;
  /** In the physical address space of that level; -1 = never said. */
  readonly pointer: number;
  read(id: VmcsFieldId): KnownField | undefined;
  /** Absent where the VMCS cannot be written; then `readOnly` says why. */
  write?(id: VmcsFieldId, value: bigint): boolean;
  readonly readOnly?: string;
}

/** The VMCS region at a host-physical address. `belief`: what L0 did to it, for the writers. */
export function hardwareVmcs(machine: Machine, pointer: number, belief?: BelievedVmcs): VmcsSource {
  const address = BigInt(pointer);
  return {
    title: `VMCS at 0x${pointer.toString(16)}`, level: 0, pointer,
    read(id) {
      const { encoding } = vmcsFieldById(id), value = machine.readVmcs(address, encoding), seen = belief?.field(encoding);
      if (value === undefined) return undefined;
      const isItsWrite = seen !== undefined && seen.by === 'write' && seen.value === value && seen.known !== 'outdated';
      return { value, known: 'held', ...isItsWrite && { writer: { ...seen.writer, by: seen.by } } };
    },
    write: (id, value) => machine.writeVmcs(address, vmcsFieldById(id).encoding, value),
  };
}

/** Values at some moment, to mark changes against. */
export type VmcsSnapshot = Pick<ReadonlyMap<VmcsFieldId, bigint>, 'get'>;

/** The fields in a VMCS region as they are now. Copies the region; a field is taken out when it is asked for. */
export function freezeHardware(machine: Machine, pointer: number): VmcsSnapshot {
  const bytes = machine.readPhysical(BigInt(pointer), vmcsRegion.size), view = bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { get: id => view && BigInt.asUintN(vmcsFieldBits(vmcsFieldById(id)), view.getBigUint64(vmcsOffset(id), true)) };
}

/** What a level knows of one of its VMCSs now. */
export function freezeBelief(belief: BelievedVmcs): VmcsSnapshot {
  const at = belief.freeze();
  return { get: id => at(vmcsFieldById(id).encoding) };
}

/** A VMCS as a level above L0 believes in it. */
export function believedVmcs(context: Context, belief: BelievedVmcs): VmcsSource {
  return {
    title: belief.pointer < 0 ? `unnamed VMCS of L${context.level}` : `VMCS of L${context.level} at its 0x${belief.pointer.toString(16)}`, level: context.level, pointer: belief.pointer,
    read(id) {
      const field = belief.field(vmcsFieldById(id).encoding);
      return field && { value: field.value, known: field.known, writer: { ...field.writer, by: field.by } };
    },
    readOnly: `L${context.level} believes in this VMCS; the software below keeps its fields in a format of its own`,
  };
}
