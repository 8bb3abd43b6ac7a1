// What a data breakpoint would watch for what the user points at: a variable, an address, a VMCS field, an MSR, a port.
import { msrByName } from '../../spec/msrs';
import { isVmcsFieldId } from '../../spec/vmcs-fields';
import type { StackFrame } from '../images/stack-frames';
import { levelOfMode } from '../run-control/armed-filters';
import { describeDataPlace, formatDataPlace, parseDataPlace, type DataPlace } from '../run-control/data-place';
import type { DataPlaceInfo } from '../target-types';
import type { MachineSession } from './machine-session';
import type { VariableNode } from './variable-tree';

/** `bytes`: length of an address; `mode`: level or space of one that names none; `asAddress`: the text is an address, not the place of a value. */
export interface DataPlaceWish { readonly name: string; readonly bytes?: number; readonly asAddress?: boolean; readonly mode?: string }

const nothing = (description: string): DataPlaceInfo => ({ description, accessTypes: [], canPersist: false });

function found(place: DataPlace, canPersist: boolean): DataPlaceInfo {
  return { place: formatDataPlace(place), description: describeDataPlace(place), accessTypes: ['read', 'write', 'readWrite'], canPersist };
}

/** Of a variable that is shown. */
export function placeOfVariable(node: VariableNode, { name, bytes }: DataPlaceWish): DataPlaceInfo {
  const place = node.place === undefined ? undefined : parseDataPlace(node.place);
  if (!place) return nothing(`${name} is not in memory, nor a VMCS field or MSR: nothing can be watched.`);
  return found(bytes !== undefined && place.kind === 'memory' ? { ...place, last: place.first + BigInt(Math.max(1, bytes)) - 1n } : place, place.kind !== 'memory');
}

/** Of a text that the user wrote, for a frame. Never throws: the description says why there is no place. */
export function placeOfText({ evaluator }: MachineSession, frame: StackFrame, { name, bytes, asAddress, mode }: DataPlaceWish): DataPlaceInfo {
  const level = levelOfMode(mode) ?? frame.context.level, space = mode === 'physical' ? 'physical' : mode === 'guest-physical' ? 'guestPhysical' : 'linear', text = name.trim();
  try {
    const direct = parseDataPlace(text, { level, space, ...bytes !== undefined && { bytes: Math.max(1, bytes) } });
    if (direct) return found(direct, true);
    if (isVmcsFieldId(text.toUpperCase())) return found({ kind: 'vmcs', level, field: text.toUpperCase() as never }, true);
    const msr = msrByName(text.toUpperCase());
    if (msr) return found({ kind: 'msr', level, index: msr.index }, true);
    if (!asAddress) {
      const node = evaluator.evaluate(text, frame);
      if (node.place !== undefined) return placeOfVariable(node, { name, bytes });
      // the value of a memory expression lies where the expression says
      const [, size = '64'] = /^\s*(?:[ui](8|16|32|64))?\s*\[/.exec(text) ?? [], place = /\[/.test(text) && node.memory !== undefined ? parseDataPlace(node.memory, { bytes: bytes ?? Number(size) / 8 }) : undefined;
      return place ? found(place, false) : nothing(`${text} has no place of its own: give an address (L2:0x1000+8), or a variable, VMCS field, msr:NAME or port:NUMBER.`);
    }
    const at = evaluator.place(text, frame), length = BigInt(Math.max(1, bytes ?? 1));
    return found({ kind: 'memory', space: at.space ?? space, ...at.space !== 'physical' && { level: at.level ?? level }, first: at.address, last: at.address + length - 1n }, false);
  } catch (error) {
    return nothing(error instanceof Error ? error.message : String(error));
  }
}
