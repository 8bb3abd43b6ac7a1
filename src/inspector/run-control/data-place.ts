// What a data breakpoint watches, as text that outlives the session: `L2:0x1000+8` (linear), `gpa1:0x2000..0x2fff` (guest-physical of a level),
// `phys:0x3000+4096`, `L1.vmcs:GUEST_RIP` (of any VMCS that L1 uses), `L1.vmcs@0x68d000:GUEST_RIP` (of one), `L2.msr:IA32_EFER`, `L3.port:0x3f8+8`.
// Without a level: of every level; an address alone is linear at the level in view.
import type { Watch } from '../../emulator/machine';
import { msrByIndex, msrByName } from '../../spec/msrs';
import { isVmcsFieldId, vmcsFieldById, type VmcsFieldId } from '../../spec/vmcs-fields';

export type DataPlace =
  | { readonly kind: 'memory'; readonly space: 'linear' | 'guestPhysical' | 'physical'; readonly level?: number; readonly first: bigint; readonly last: bigint }
  | { readonly kind: 'vmcs'; readonly level?: number; readonly pointer?: number; readonly field: VmcsFieldId }
  | { readonly kind: 'msr'; readonly level?: number; readonly index: number }
  | { readonly kind: 'port'; readonly level?: number; readonly first: number; readonly last: number };

export type DataAccess = 'read' | 'write' | 'readWrite';

const number = '(0x[0-9a-f][0-9a-f_]*|\\d[\\d_]*)', range = `${number}(?:\\s*(\\+|\\.\\.|-)\\s*${number})?`;
const memoryForm = new RegExp(`^(?:(L|gpa)(\\d{1,3})(?:\\.\\d)?:|(phys):)?\\s*${range}$`, 'i');
const vmcsForm = new RegExp(`^(?:L(\\d{1,3})\\.)?vmcs(?:@${number})?[.:\\s]\\s*(\\w+)$`, 'i');
const msrForm = /^(?:L(\d{1,3})\.)?msr[.:\s]\s*(\w+)$/i, portForm = new RegExp(`^(?:L(\\d{1,3})\\.)?port[.:\\s]\\s*${range}$`, 'i');
const highest = 0xffff_ffff_ffff_ffffn;

const integer = (digits: string): bigint => BigInt(digits.replaceAll('_', ''));
function ends(first: string, operator: string | undefined, second: string | undefined, bytes: bigint, most: bigint): { first: bigint; last: bigint } {
  const start = integer(first), last = second === undefined ? start + bytes - 1n : operator === '+' ? start + integer(second) - 1n : integer(second);
  if (last < start) throw new Error('The range is empty.');
  if (last > most) throw new Error(`The range ends beyond 0x${most.toString(16)}.`);
  return { first: start, last };
}

/** Reads a place; undefined when the text is none. `level`, `bytes`: of an address alone. Throws an Error with the reason for a place that cannot be. */
export function parseDataPlace(text: string, defaults: { readonly level?: number; readonly bytes?: number; readonly space?: 'linear' | 'guestPhysical' | 'physical' } = {}): DataPlace | undefined {
  const trimmed = text.trim(), at = (level: string | undefined): { level?: number } => level === undefined ? {} : { level: Number(level) };
  const memory = memoryForm.exec(trimmed);
  if (memory) {
    const [, kind, level, physical, first, operator, second] = memory, bytes = BigInt(defaults.bytes ?? 1);
    const space = physical !== undefined ? 'physical' : kind === undefined ? defaults.space ?? 'linear' : kind.toLowerCase() === 'l' ? 'linear' : 'guestPhysical';
    const own = level === undefined && space !== 'physical' ? defaults.level : undefined;
    return { kind: 'memory', space, ...own !== undefined && { level: own }, ...at(level), ...ends(first, operator, second, bytes, highest) };
  }
  const vmcs = vmcsForm.exec(trimmed);
  if (vmcs) {
    const [, level, pointer, name] = vmcs, id = name.toUpperCase();
    if (!isVmcsFieldId(id)) throw new Error(`There is no VMCS field ${name}.`);
    return { kind: 'vmcs', ...at(level), ...pointer !== undefined && { pointer: Number(integer(pointer)) }, field: id };
  }
  const msr = msrForm.exec(trimmed);
  if (msr) {
    const [, level, name] = msr, index = /^\d/.test(name) ? Number(name) : (msrByName(name) ?? msrByName(`IA32_${name.toUpperCase()}`) ?? msrByName(name.toUpperCase()))?.index;
    if (index === undefined || !(index >= 0 && index <= 0xffff_ffff)) throw new Error(`There is no MSR ${name}.`);
    return { kind: 'msr', ...at(level), index };
  }
  const port = portForm.exec(trimmed);
  if (!port) return undefined;
  const { first, last } = ends(port[2], port[3], port[4], 1n, 0xffffn);
  return { kind: 'port', ...at(port[1]), first: Number(first), last: Number(last) };
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** The text of a place, as `parseDataPlace` reads it. */
export function formatDataPlace(place: DataPlace): string {
  const level = place.level === undefined ? '' : `L${place.level}.`;
  switch (place.kind) {
    case 'memory': {
      const prefix = place.space === 'physical' ? 'phys:' : place.space === 'guestPhysical' ? `gpa${place.level ?? 0}:` : place.level === undefined ? '' : `L${place.level}:`;
      return `${prefix}${hex(place.first)}+${place.last - place.first + 1n}`;
    }
    case 'vmcs': return `${level}vmcs${place.pointer === undefined ? '' : `@${hex(place.pointer)}`}:${place.field}`;
    case 'msr': return `${level}msr:${msrByIndex(place.index)?.name ?? hex(place.index)}`;
    case 'port': return `${level}port:${hex(place.first)}${place.last > place.first ? `+${place.last - place.first + 1}` : ''}`;
  }
}

/** What the user reads of a place. */
export function describeDataPlace(place: DataPlace): string {
  const of = place.level === undefined ? '' : ` of L${place.level}`;
  switch (place.kind) {
    case 'memory': {
      const bytes = place.last - place.first + 1n, space = place.space === 'physical' ? 'host-physical' : place.space === 'guestPhysical' ? `guest-physical${of}` : `linear${of}`;
      return `${bytes} byte${bytes === 1n ? '' : 's'} at ${space} ${hex(place.first)}`;
    }
    case 'vmcs': return place.pointer === undefined ? `${place.field} of any VMCS that ${place.level === undefined ? 'a level' : `L${place.level}`} uses` : `${place.field} of the VMCS${of} at ${hex(place.pointer)}`;
    case 'msr': return `${msrByIndex(place.index)?.name ?? `MSR ${hex(place.index)}`}${of}`;
    case 'port': return `port ${hex(place.first)}${place.last > place.first ? ` to ${hex(place.last)}` : ''}${of}`;
  }
}

/** What the machine has to watch for a place. */
export function watchOf(place: DataPlace, access: DataAccess): Watch {
  const common = { read: access !== 'write', write: access !== 'read', ...place.level !== undefined && { operation: place.level === 0 ? 'root' as const : 'nonRoot' as const } };
  switch (place.kind) {
    case 'memory': return { ...common, space: place.space, first: place.first, last: place.last };
    case 'vmcs': {
      const { encoding } = vmcsFieldById(place.field);
      return { ...common, space: 'vmcsField', first: BigInt(encoding), last: BigInt(encoding | 1) };
    }
    case 'msr': return { ...common, space: 'msr', first: BigInt(place.index), last: BigInt(place.index) };
    case 'port': return { ...common, space: 'port', first: BigInt(place.first), last: BigInt(place.last) };
  }
}
