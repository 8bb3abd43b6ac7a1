// Descriptor tables of a level as they lie in its memory: GDT, IDT and LDT entry by entry, and the TSS. SDM 3A 3.4.5 'Segment Descriptors',
// 6.11 'IDT Descriptors', 6.14.1 '64-Bit Mode IDT', 8.2.1 'Task-State Segment (TSS)', 8.7 'Task Management in 64-bit Mode'.
import { decodeBits } from '../../spec/bit-layouts';
import { exceptionByVector } from '../../spec/exceptions';
import type { Context } from '../levels/context';
import { symbolAt, type MachineSession } from './machine-session';
import { numberInMemory } from './memory-values';
import { setterOf, type VariableNode } from './variable-tree';

type Parts = Pick<MachineSession, 'registers' | 'memory' | 'images'>;

/** The tables that the level's registers name; each is read when it is opened. */
export function descriptorTableNodes(session: Parts, context: Context): VariableNode[] {
  const value = (name: string): bigint => session.registers.value(context, name) ?? 0n, usable = (name: string): boolean => (value(`${name}.rights`) & 0x1_0080n) === 0x80n;
  const isLong = (value('efer') & 0x400n) !== 0n;
  return [
    tableNode(session, context, 'GDT', value('gdtr.base'), Number(value('gdtr.limit')), segmentEntries(session, context, isLong)),
    tableNode(session, context, 'IDT', value('idtr.base'), Number(value('idtr.limit')), (value('cr0') & 1n) === 0n ? vectorEntries(session, context) : gateEntries(session, context, isLong)),
    ...usable('ldtr') ? [tableNode(session, context, 'LDT', value('ldtr.base'), Number(value('ldtr.limit')), segmentEntries(session, context, isLong))] : [],
    ...usable('tr') ? [taskNode(session, context, value('tr.base'), Number(value('tr.limit')), isLong, (value('tr.rights') & 8n) !== 0n)] : [],
  ];
}

type Entries = (bytes: DataView, base: bigint) => VariableNode[];
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const fixed = 'write it in memory';
const place = (context: Context, address: bigint): string => `L${context.level}${context.vcpu > 0 ? `.${context.vcpu}` : ''}:${hex(BigInt.asUintN(64, address))}`;

function tableNode({ memory }: Parts, context: Context, name: string, base: bigint, limit: number, entries: Entries): VariableNode {
  const length = Math.min(0x1_0000, limit + 1);
  return {
    name, value: `${hex(base)}, ${length} bytes`, memory: place(context, base), fixed,
    children() {
      const bytes = memory.read(context, 'linear', base, length), shown = entries(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), base);
      return bytes.length < length ? [...shown, { name: 'not mapped', value: `from ${hex(base + BigInt(bytes.length))} on`, fixed }] : shown;
    },
  };
}

/** Entries of a GDT or LDT; in IA-32e mode those of an LDT, TSS or call gate take two places. */
function segmentEntries(session: Parts, context: Context, isLong: boolean): Entries {
  return (view, base) => {
    const nodes: VariableNode[] = [];
    for (let at = 0; at + 8 <= view.byteLength; at += 8) {
      const low = view.getBigUint64(at, true);
      if (low === 0n) continue;
      const isSystem = (low >> 44n & 1n) === 0n, isWide = isLong && isSystem && at + 16 <= view.byteLength, high = isWide ? view.getBigUint64(at + 8, true) : 0n;
      nodes.push({ name: hex(at), memory: place(context, base + BigInt(at)), fixed, ...isSystem && isGate(low) ? gate(session, context, low, high, isWide) : segment(low, high) });
      if (isWide) at += 8;
    }
    return nodes;
  };
}

const isGate = (low: bigint): boolean => [4n, 5n, 6n, 7n, 12n, 14n, 15n].includes(low >> 40n & 15n);

/** A segment or system-segment descriptor. */
function segment(low: bigint, high: bigint): Pick<VariableNode, 'value' | 'children'> {
  const rights = low >> 40n & 0xf0ffn, base = low >> 16n & 0xff_ffffn | (low >> 56n & 0xffn) << 24n | (high & 0xffff_ffffn) << 32n;
  const raw = low & 0xffffn | (low >> 48n & 0xfn) << 16n, limit = rights & 0x8000n ? raw << 12n | 0xfffn : raw, part = (id: string): string => partsOf(rights).find(each => each.id === id)?.text ?? '';
  const present = (rights & 0x80n) !== 0n, width = (rights & 0x2000n) !== 0n ? '64-bit ' : '';
  return {
    value: `${present ? '' : 'not present, '}${width}${part('type') || 'reserved type'}, base ${hex(base)}, limit ${hex(limit)}, DPL ${rights >> 5n & 3n}`,
    children: () => [
      { name: 'base', value: hex(base), fixed }, { name: 'limit', value: hex(limit), fixed },
      ...partsOf(rights).map(({ id, name, value, text, meaning }) => ({ name: id, value: text === undefined ? String(value) : `${value} ${text}`, type: `${name}${meaning === '' ? '' : `: ${meaning}`}`, fixed })),
    ],
  };
}
const partsOf = (rights: bigint): ReturnType<typeof decodeBits> => decodeBits('accessRights', rights).filter(({ id }) => id !== 'unusable');

/** A call, task, interrupt or trap gate: its target with the symbol there. */
function gate({ images }: Parts, context: Context, low: bigint, high: bigint, isWide: boolean): Pick<VariableNode, 'value' | 'children' | 'memory'> {
  const offset = low & 0xffffn | (low >> 48n & 0xffffn) << 16n | (isWide ? (high & 0xffff_ffffn) << 32n : 0n), selector = low >> 16n & 0xffffn, rights = low >> 40n & 0xffn;
  const type = partsOf(rights).find(({ id }) => id === 'type')?.text ?? 'reserved type', present = (rights & 0x80n) !== 0n;
  const { symbol, source, line } = symbolAt(images, context, offset), stack = isWide ? low >> 32n & 7n : 0n;
  const at = symbol === undefined ? hex(offset) : `${hex(offset)} <${symbol}>`;
  return {
    value: `${present ? '' : 'not present, '}${type} to ${hex(selector)}:${at}, DPL ${rights >> 5n & 3n}${stack > 0n ? `, IST ${stack}` : ''}`, memory: place(context, offset),
    children: () => [
      { name: 'selector', value: hex(selector), fixed }, { name: 'offset', value: at, memory: place(context, offset), fixed }, { name: 'type', value: type, fixed },
      { name: 'dpl', value: String(rights >> 5n & 3n), fixed }, { name: 'present', value: present ? '1' : '0', fixed }, ...isWide ? [{ name: 'ist', value: String(stack), fixed }] : [],
      ...source === undefined ? [] : [{ name: 'source', value: `${source}:${line}`, fixed }],
    ],
  };
}

function gateEntries(session: Parts, context: Context, isLong: boolean): Entries {
  const size = isLong ? 16 : 8;
  return view => Array.from({ length: Math.floor(view.byteLength / size) }, (_, vector): VariableNode | undefined => {
    const low = view.getBigUint64(vector * size, true), high = isLong ? view.getBigUint64(vector * size + 8, true) : 0n;
    return low === 0n && high === 0n ? undefined : { name: vectorName(vector), fixed, ...gate(session, context, low, high, isLong) };
  }).filter(node => node !== undefined);
}

/** Real mode: far pointers. */
function vectorEntries(_session: Parts, context: Context): Entries {
  return view => Array.from({ length: Math.min(256, Math.floor(view.byteLength / 4)) }, (_, vector): VariableNode => {
    const offset = view.getUint16(vector * 4, true), selector = view.getUint16(vector * 4 + 2, true);
    return { name: vectorName(vector), value: `${selector.toString(16).padStart(4, '0')}:${offset.toString(16).padStart(4, '0')}`, memory: place(context, BigInt(selector * 16 + offset)), fixed };
  });
}

const vectorName = (vector: number): string => `${hex(vector)}${exceptionByVector(vector) ? ` ${exceptionByVector(vector)!.mnemonic}` : ''}`;

type TaskRow = readonly [name: string, offset: number, bytes: 2 | 4 | 8];
const longTask: readonly TaskRow[] = [
  ...[0, 1, 2].map((n): TaskRow => [`RSP${n}`, 4 + 8 * n, 8]), ...[1, 2, 3, 4, 5, 6, 7].map((n): TaskRow => [`IST${n}`, 0x1c + 8 * n, 8]), ['I/O map base', 0x66, 2],
];
const task32: readonly TaskRow[] = [
  ['link', 0, 2], ...[0, 1, 2].flatMap((n): TaskRow[] => [[`ESP${n}`, 4 + 8 * n, 4], [`SS${n}`, 8 + 8 * n, 2]]), ['CR3', 0x1c, 4], ['EIP', 0x20, 4], ['EFLAGS', 0x24, 4],
  ...['EAX', 'ECX', 'EDX', 'EBX', 'ESP', 'EBP', 'ESI', 'EDI'].map((name, n): TaskRow => [name, 0x28 + 4 * n, 4]),
  ...['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDT'].map((name, n): TaskRow => [name, 0x48 + 4 * n, 2]), ['I/O map base', 0x66, 2],
];
const task16: readonly TaskRow[] = [
  ['link', 0, 2], ...[0, 1, 2].flatMap((n): TaskRow[] => [[`SP${n}`, 2 + 4 * n, 2], [`SS${n}`, 4 + 4 * n, 2]]), ['IP', 0xe, 2], ['FLAGS', 0x10, 2],
  ...['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'].map((name, n): TaskRow => [name, 0x12 + 2 * n, 2]), ...['ES', 'CS', 'SS', 'DS', 'LDT'].map((name, n): TaskRow => [name, 0x22 + 2 * n, 2]),
];

function taskNode({ memory }: Parts, context: Context, base: bigint, limit: number, isLong: boolean, is32: boolean): VariableNode {
  const rows = isLong ? longTask : is32 ? task32 : task16;
  return {
    name: 'TSS', value: `${hex(base)}, ${limit + 1} bytes`, memory: place(context, base), fixed,
    children() {
      const bytes = memory.read(context, 'linear', base, Math.min(0x68, limit + 1)), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return rows.filter(([, offset, size]) => offset + size <= view.byteLength).map(([name, offset, size]): VariableNode => {
        const value = size === 8 ? view.getBigUint64(offset, true) : BigInt(size === 4 ? view.getUint32(offset, true) : view.getUint16(offset, true)), address = base + BigInt(offset);
        return {
          name, value: hex(value), memory: place(context, size === 8 || size === 4 ? value : address),
          set: setterOf(name, numberInMemory(memory, context, 'linear', address, size)),
        };
      });
    },
  };
}
