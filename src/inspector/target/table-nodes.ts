// Paging structures and EPT of a level as trees from the root: every entry that is present, its table below it when opened, or the page that it maps.
import type { PagingContext } from '../../emulator/machine';
import { bitOf, fieldOf } from '../../spec/bit-layouts';
import type { Context } from '../levels/context';
import { eptOfParent } from '../translation/nested-walk';
import { addressMask, canBeLarge, eptText, modeOf, pagingText, type PagingMode } from '../translation/page-walk';
import { bitNodes } from './bit-nodes';
import type { MachineSession } from './machine-session';
import { numberInMemory } from './memory-values';
import { setterOf, type VariableNode } from './variable-tree';

type Parts = Pick<MachineSession, 'memory'>;
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const pageBytes = 4096;

/** The tables that CR3 names, where paging is on. */
export function pagingTables({ memory }: Parts, context: Context, paging: PagingContext): VariableNode[] {
  if ((paging.cr0 & bitOf('cr0', 'pg')) === 0n) return [{ name: 'Paging', value: 'off: linear addresses are guest-physical ones', fixed: 'set CR0.PG' }];
  const mode = modeOf(paging), root = mode.entryBytes === 4 ? paging.cr3 & 0xffff_f000n : mode.levels.length === 3 ? paging.cr3 & 0xffff_ffe0n : paging.cr3 & addressMask;
  const tables: Tables = {
    bytes: mode.entryBytes, entryName: depth => mode.levels[depth].name, shift: depth => mode.levels[depth].shift, entries: depth => 1 << mode.levels[depth].bits, isPresent: value => (value & 1n) !== 0n,
    isLeaf: (value, depth) => isPage(value, depth, mode, paging), text: (value, depth, leaf) => pagingText(value, leaf && depth < mode.levels.length - 1, mode.levels[depth].shift),
    next: value => mode.entryBytes === 4 ? value & 0xffff_f000n : value & addressMask, layout: 'pagingEntry', signBit: mode.levels.length > 3 ? mode.levels[0].shift + 8 : undefined,
    space: 'guestPhysical', context, prefix: context.level === 0 ? 'phys:' : `gpa${context.level}:`,
  };
  return [{ name: mode.name, value: `CR3 table at ${hex(root)}`, memory: `${tables.prefix}${hex(root)}`, fixed: 'set CR3', children: () => tableEntries(memory, tables, root, 0, 0n) }];
}

function isPage(value: bigint, depth: number, mode: PagingMode, paging: PagingContext): boolean {
  return depth === mode.levels.length - 1 || canBeLarge(mode, mode.levels[depth].name, paging) && (value & bitOf('pagingEntry', 'ps')) !== 0n;
}

const eptNames = ['EPT PML5E', 'EPT PML4E', 'EPT PDPTE', 'EPT PDE', 'EPT PTE'];

/** The tables of every level below a context, those of its own parent first. */
export function eptTables({ memory }: Parts, context: Context): VariableNode[] {
  const nodes: VariableNode[] = [];
  for (let guest = context; guest.parent; guest = guest.parent) {
    const keeper = guest.parent, eptp = eptOfParent(guest), name = `EPT of L${keeper.level} for L${guest.level}`;
    if (!eptp) {
      nodes.push({ name, value: eptp === 0n ? 'off: addresses stay the same' : 'the EPT pointer was not seen', fixed: 'set EPT_POINTER' });
      continue;
    }
    const levels = Number(fieldOf('eptp', 'walkLengthMinus1', eptp)) + 1, names = eptNames.slice(-levels), root = eptp & addressMask, prefix = keeper.level === 0 ? 'phys:' : `gpa${keeper.level}:`;
    const depthBelow = (depth: number): number => names.length - 1 - depth;
    const tables: Tables = {
      bytes: 8, entryName: depth => names[depth], shift: depth => 12 + 9 * depthBelow(depth), entries: () => 512, isPresent: value => (value & 7n) !== 0n,
      isLeaf: (value, depth) => depthBelow(depth) === 0 || depthBelow(depth) <= 2 && (value & bitOf('eptEntry', 'largePage')) !== 0n, text: (value, depth) => eptText(value, depthBelow(depth)),
      next: value => value & addressMask, layout: 'eptEntry', space: 'guestPhysical', context: keeper, prefix,
    };
    nodes.push({ name, value: `EPTP ${hex(eptp)}`, memory: `${prefix}${hex(root)}`, fixed: 'set EPT_POINTER', children: () => tableEntries(memory, tables, root, 0, 0n) });
  }
  return nodes;
}

interface Tables {
  readonly bytes: 4 | 8;
  entryName(depth: number): string;
  shift(depth: number): number;
  entries(depth: number): number;
  isPresent(value: bigint): boolean;
  isLeaf(value: bigint, depth: number): boolean;
  text(value: bigint, depth: number, leaf: boolean): string;
  next(value: bigint): bigint;
  readonly layout: 'pagingEntry' | 'eptEntry';
  /** Bit that is copied upwards in a canonical address. */
  readonly signBit?: number;
  readonly space: 'guestPhysical';
  /** The level whose physical addresses the tables hold. */
  readonly context: Context;
  readonly prefix: string;
}

function tableEntries(memory: MachineSession['memory'], tables: Tables, table: bigint, depth: number, from: bigint): VariableNode[] {
  const { bytes, context, space } = tables, count = tables.entries(depth), size = Math.min(pageBytes, count * bytes), data = memory.read(context, space, table, size);
  if (data.length < size) return [{ name: 'table', value: `the memory at ${tables.prefix}${hex(table)} cannot be read`, fixed: 'it is outside memory' }];
  const view = new DataView(data.buffer, data.byteOffset, data.length), nodes: VariableNode[] = [];
  for (let index = 0; index < count; index++) {
    const value = bytes === 8 ? view.getBigUint64(index * 8, true) : BigInt(view.getUint32(index * 4, true));
    if (tables.isPresent(value)) nodes.push(entryNode(memory, tables, table + BigInt(index * bytes), value, index, depth, from | BigInt(index) << BigInt(tables.shift(depth))));
  }
  return nodes.length > 0 ? nodes : [{ name: 'table', value: 'no entry is present', fixed: 'write its entries in memory' }];
}

function entryNode(memory: MachineSession['memory'], tables: Tables, at: bigint, value: bigint, index: number, depth: number, from: bigint): VariableNode {
  const leaf = tables.isLeaf(value, depth), whole = numberInMemory(memory, tables.context, tables.space, at, tables.bytes), { signBit } = tables;
  const address = signBit !== undefined && from >> BigInt(signBit) & 1n ? BigInt.asUintN(64, BigInt.asIntN(signBit + 1, from)) : from;
  return {
    name: `${hex(address)} ${tables.entryName(depth)} [${index}]`, value: `${hex(value)}  ${tables.text(value, depth, leaf)}`, memory: `${tables.prefix}${hex(at)}`, set: setterOf(tables.entryName(depth), whole),
    children: () => leaf ? bitNodes(tables.layout, value, whole)
      : [{ name: 'entry', value: hex(value), set: setterOf('entry', whole), children: () => bitNodes(tables.layout, value, whole) }, ...tableEntries(memory, tables, tables.next(value), depth + 1, from)],
  };
}
