// References to memory as text: an address alone is linear at level 0; `L2:0x1000` is linear at level 2, `gpa2:0x1000` guest-physical at
// level 2 and `phys:0x1000` host-physical. With several processors the level may be followed by the vCPU: `L2.1:0x1000`.
import { TargetError } from '../target-types';

export type Space = 'linear' | 'guestPhysical' | 'physical';
export interface Address { readonly space: Space; readonly level: number; readonly vcpu: number; readonly value: bigint }

/** Reads a reference, moved by `offset` bytes. Throws TargetError. */
export function parseAddress(text: string, offset = 0): Address {
  const [, space, level, vcpu, digits] = /^\s*(?:(L|gpa|phys)(\d{1,3})?(?:\.(\d))?:)?\s*(0x[0-9a-f]{1,16}|\d{1,20})\s*$/i.exec(text) ?? [];
  if (digits === undefined || space !== undefined && /^phys$/i.test(space) !== (level === undefined)) throw new TargetError('badAddress', { address: text.slice(0, 80) });
  const value = BigInt.asUintN(64, BigInt(digits) + BigInt(offset));
  const kind: Space = space === undefined || /^l$/i.test(space) ? 'linear' : /^gpa$/i.test(space) ? 'guestPhysical' : 'physical';
  return { space: kind, level: Number(level ?? 0), vcpu: Number(vcpu ?? 0), value };
}

/** What stands before the number of a reference in the same space. */
export function prefixOf({ space, level, vcpu }: Omit<Address, 'value'>): string {
  if (space === 'physical') return 'phys:';
  return `${space === 'linear' ? 'L' : 'gpa'}${level}${vcpu > 0 ? `.${vcpu}` : ''}:`;
}

export const hex = (value: bigint): string => `0x${value.toString(16)}`;
export function formatAddress(address: Address): string { return prefixOf(address) + hex(address.value); }
