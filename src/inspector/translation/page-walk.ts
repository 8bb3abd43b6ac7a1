// Walks of paging structures and of EPT as data: every entry read, what it says, and where the walk ends and why. Without side effects.
// SDM 3A chapter 4 'Paging' (32-bit, PAE, 4-level and 5-level) and SDM 3C 'EPT Translation Mechanism'.
import type { Machine, PagingContext } from '../../emulator/machine';
import { bitOf, decodeBits, fieldOf, type DecodedBits, type LayoutName } from '../../spec/bit-layouts';

/** One entry of a walk. Its own address is guest-physical for paging, host-physical for EPT; `physical` is where it was read. */
export interface WalkStep {
  /** 'PML4E', 'PDPTE', 'PDE', 'PTE', 'EPT PML4E' ... */
  readonly name: string;
  readonly index: number;
  readonly address: bigint;
  readonly physical: bigint | undefined;
  /** Undefined when the entry could not be read. */
  readonly value: bigint | undefined;
  /** Bytes of the entry. */
  readonly bytes: 4 | 8;
  readonly layout: LayoutName;
  readonly bits: readonly DecodedBits[];
  /** Of paging under EPT: how the address of the entry was translated. */
  readonly ept?: Walk;
  /** `present rw user`, `not present` ... */
  readonly text: string;
}

/** A walk and its end. `address` of a mapped one: guest-physical for paging, host-physical for EPT. */
export type Walk = {
  readonly name: string;
  readonly from: bigint;
  readonly steps: readonly WalkStep[];
} & (
  | { readonly kind: 'mapped'; readonly address: bigint; readonly pageBytes: number; readonly rights: Rights }
  | { readonly kind: 'fault'; readonly reason: string; readonly rights?: Rights }
);

/** What all entries together allow. */
export interface Rights { readonly read: boolean; readonly write: boolean; readonly execute: boolean; readonly user?: boolean }

/** A linear address to the byte in host memory: paging, then EPT for the page itself. */
export interface FullTranslation {
  readonly paging: Walk;
  /** Absent when paging ends before the page. */
  readonly ept?: Walk;
  readonly physical?: bigint;
}

/** Memory in which entries lie: the host's, or that of a level as its own software addresses it. */
export type PhysicalReader = Pick<Machine, 'readPhysical'>;

export const addressMask = 0x000f_ffff_ffff_f000n;

/** Reads a little-endian entry; undefined outside RAM. */
export function readEntry(machine: PhysicalReader, physical: bigint, bytes: 4 | 8): bigint | undefined {
  const data = machine.readPhysical(physical, bytes);
  if (!data) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, bytes);
  return bytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}

const mapped = (name: string, from: bigint, steps: WalkStep[], address: bigint, pageBytes: number, rights: Rights): Walk => ({ name, from, steps, kind: 'mapped', address, pageBytes, rights });
const fault = (name: string, from: bigint, steps: WalkStep[], reason: string, rights?: Rights): Walk => ({ name, from, steps, kind: 'fault', reason, ...rights && { rights } });

// -- EPT

const eptNames = ['EPT PTE', 'EPT PDE', 'EPT PDPTE', 'EPT PML4E', 'EPT PML5E'];

/**
 * Guest-physical to host-physical by the EPT pointer (0 = EPT off: the same address).
 * Ends at an entry that is not present (violation) or that the processor refuses (misconfiguration).
 */
export function walkEpt(machine: PhysicalReader, eptp: bigint, guestPhysical: bigint): Walk {
  const steps: WalkStep[] = [], name = 'EPT';
  if (eptp === 0n) return mapped('no EPT', guestPhysical, steps, guestPhysical, 4096, { read: true, write: true, execute: true });
  let table = eptp & addressMask, rights: Rights = { read: true, write: true, execute: true };
  for (let level = Number(fieldOf('eptp', 'walkLengthMinus1', eptp)); level >= 0; level--) {
    const index = Number(guestPhysical >> BigInt(12 + 9 * level) & 0x1ffn), address = table + BigInt(index * 8), value = readEntry(machine, address, 8);
    const entryName = eptNames[level] ?? `EPT level ${level + 1}`;
    const said = value === undefined ? { bits: [], text: 'outside memory' } : { bits: decodeBits('eptEntry', value), text: eptText(value, level) };
    steps.push({ name: entryName, index, address, physical: address, value, bytes: 8, layout: 'eptEntry', ...said });
    if (value === undefined) return fault(name, guestPhysical, steps, `the ${entryName} is outside memory`);
    if ((value & 7n) === 0n) return fault(name, guestPhysical, steps, `EPT violation: the ${entryName} is not present`, { read: false, write: false, execute: false });
    const isLeaf = level === 0 || level <= 2 && (value & bitOf('eptEntry', 'largePage')) !== 0n;
    const wrong = misconfiguration(value, level, isLeaf);
    if (wrong) return fault(name, guestPhysical, steps, `EPT misconfiguration: the ${entryName} ${wrong}`);
    rights = { read: rights.read && (value & 1n) !== 0n, write: rights.write && (value & 2n) !== 0n, execute: rights.execute && (value & 4n) !== 0n };
    if (isLeaf) {
      const offset = (1n << BigInt(12 + 9 * level)) - 1n;
      return mapped(name, guestPhysical, steps, value & addressMask & ~offset | guestPhysical & offset, Number(offset) + 1, rights);
    }
    table = value & addressMask;
  }
  return fault(name, guestPhysical, steps, 'the EPT pointer asks for a walk of no level');
}

/** Why the processor refuses an entry that is present (SDM 3C 'EPT Misconfigurations'), undefined when it does not. */
function misconfiguration(value: bigint, level: number, isLeaf: boolean): string | undefined {
  if ((value & 3n) === 2n) return 'allows writing but not reading';
  if (!isLeaf) return level > 2 && (value & 0xf8n) !== 0n || level <= 2 && (value & 0x78n) !== 0n ? 'has reserved bits set' : undefined;
  const type = Number(fieldOf('eptEntry', 'memoryType', value));
  if (![0, 1, 4, 5, 6].includes(type)) return `has memory type ${type}, which is reserved`;
  return level > 0 && (value & addressMask & (1n << BigInt(12 + 9 * level)) - 1n) !== 0n ? 'has reserved address bits set' : undefined;
}

export function eptText(value: bigint, level: number): string {
  if ((value & 7n) === 0n) return 'not present';
  const rights = `${value & 1n ? 'r' : '-'}${value & 2n ? 'w' : '-'}${value & 4n ? 'x' : '-'}`;
  const isLarge = level > 0 && (value & bitOf('eptEntry', 'largePage')) !== 0n;
  return `${rights} → 0x${(value & addressMask).toString(16)}${isLarge ? level === 1 ? ' (2 MiB)' : ' (1 GiB)' : ''}`;
}

// -- paging

/** How a mode walks: its levels from the root down. */
export interface PagingMode { readonly name: string; readonly levels: readonly { readonly name: string; readonly shift: number; readonly bits: number }[]; readonly entryBytes: 4 | 8 }

const wideNames = ['PTE', 'PDE', 'PDPTE', 'PML4E', 'PML5E'];
const wide = (name: string, n: number): PagingMode => ({ name, entryBytes: 8, levels: wideNames.slice(0, n).map((each, level) => ({ name: each, shift: 12 + 9 * level, bits: 9 })).reverse() });
const modes = {
  fiveLevel: wide('5-level paging', 5),
  fourLevel: wide('4-level paging', 4),
  pae: { name: 'PAE paging', entryBytes: 8, levels: [{ name: 'PDPTE', shift: 30, bits: 2 }, { name: 'PDE', shift: 21, bits: 9 }, { name: 'PTE', shift: 12, bits: 9 }] },
  legacy: { name: '32-bit paging', entryBytes: 4, levels: [{ name: 'PDE', shift: 22, bits: 10 }, { name: 'PTE', shift: 12, bits: 10 }] },
} as const satisfies Record<string, PagingMode>;

export function modeOf({ cr4, efer }: PagingContext): PagingMode {
  if (efer & bitOf('efer', 'lma')) return cr4 & bitOf('cr4', 'la57') ? modes.fiveLevel : modes.fourLevel;
  return cr4 & bitOf('cr4', 'pae') ? modes.pae : modes.legacy;
}

/** Linear to guest-physical in a paging context; entries are read through EPT where the context has it. */
export function walkPaging(machine: Machine, context: PagingContext, linear: bigint): Walk {
  const steps: WalkStep[] = [], eptp = context.eptp ?? 0n;
  const all: Rights = { read: true, write: true, execute: true, user: true };
  if ((context.cr0 & bitOf('cr0', 'pg')) === 0n) return mapped('paging off', linear, steps, BigInt.asUintN(32, linear), 4096, all);
  const mode = modeOf(context), { name } = mode;
  if (mode.levels.length > 3) {
    const width = BigInt(mode.levels[0].shift + 9);
    if (BigInt.asUintN(64, BigInt.asIntN(Number(width), linear)) !== BigInt.asUintN(64, linear)) return fault(name, linear, steps, 'the address is not canonical');
  }
  let table = context.cr3 & (mode.entryBytes === 4 ? 0xffff_f000n : mode === modes.pae ? 0xffff_ffe0n : addressMask), rights = all;
  for (const [n, level] of mode.levels.entries()) {
    const index = Number(linear >> BigInt(level.shift) & (1n << BigInt(level.bits)) - 1n), address = table + BigInt(index * mode.entryBytes);
    const ept = eptp === 0n ? undefined : walkEpt(machine, eptp, address), physical = ept === undefined ? address : ept.kind === 'mapped' ? ept.address : undefined;
    const value = physical === undefined ? undefined : readEntry(machine, physical, mode.entryBytes);
    const isLast = n === mode.levels.length - 1, mapsLarge = !isLast && value !== undefined && canBeLarge(mode, level.name, context) && (value & bitOf('pagingEntry', 'ps')) !== 0n;
    steps.push({
      name: level.name, index, address, physical, value, bytes: mode.entryBytes, layout: 'pagingEntry', bits: value === undefined ? [] : decodeBits('pagingEntry', value),
      ...ept && { ept }, text: value === undefined ? 'cannot be read' : pagingText(value, mapsLarge, level.shift),
    });
    if (value === undefined) return fault(name, linear, steps, ept?.kind === 'fault' ? `${ept.reason}, for the ${level.name}` : `the ${level.name} is outside memory`);
    if ((value & 1n) === 0n) return fault(name, linear, steps, `page fault: the ${level.name} is not present`);
    const isPdpteOfPae = mode === modes.pae && n === 0;
    if (!isPdpteOfPae) {
      const noExecute = mode.entryBytes === 8 && (context.efer & bitOf('efer', 'nxe')) !== 0n && (value & bitOf('pagingEntry', 'xd')) !== 0n;
      rights = { read: true, write: rights.write && (value & 2n) !== 0n, user: rights.user! && (value & 4n) !== 0n, execute: rights.execute && !noExecute };
    }
    if (isLast || mapsLarge) {
      const offset = (1n << BigInt(level.shift)) - 1n;
      const high = mode.entryBytes === 4 && mapsLarge ? (value >> 13n & 0xffn) << 32n | value & 0xffc0_0000n : value & addressMask & ~offset;
      return mapped(name, linear, steps, high | linear & offset, Number(offset) + 1, rights);
    }
    table = mode.entryBytes === 4 ? value & 0xffff_f000n : value & addressMask;
  }
  return fault(name, linear, steps, 'no entry maps a page');
}

export const canBeLarge = (mode: PagingMode, name: string, { cr4 }: PagingContext): boolean =>
  mode.entryBytes === 4 ? (cr4 & bitOf('cr4', 'pse')) !== 0n : name === 'PDE' || name === 'PDPTE' && mode !== modes.pae;

export function pagingText(value: bigint, isLarge: boolean, shift: number): string {
  if ((value & 1n) === 0n) return 'not present';
  const size = shift === 30 ? ' (1 GiB)' : shift === 22 ? ' (4 MiB)' : ' (2 MiB)';
  return `${value & 2n ? 'rw' : 'r-'}${value & 1n << 63n ? '-' : 'x'} ${value & 4n ? 'user' : 'supervisor'} → 0x${(value & addressMask).toString(16)}${isLarge ? size : ''}`;
}

/** All of the way: paging, then EPT. */
export function translateFully(machine: Machine, context: PagingContext, linear: bigint): FullTranslation {
  const paging = walkPaging(machine, context, linear);
  if (paging.kind === 'fault') return { paging };
  const ept = walkEpt(machine, context.eptp ?? 0n, paging.address);
  return { paging, ept, ...ept.kind === 'mapped' && { physical: ept.address } };
}
