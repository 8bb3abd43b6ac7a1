// Address ranges of entries: DW_AT_low_pc and DW_AT_high_pc, .debug_ranges (DWARF 4, 2.17.3) and .debug_rnglists (DWARF 5, 2.17.3
// and 7.25). Addresses are link-time. Empty ranges are dropped, and so are those of functions that the linker discarded.

import { ByteReader } from '../byte-reader';
import type { AddressRange } from '../range-map';
import { At, RangeListEntry } from './constants';
import { addressAt, type Entry, type Unit } from './debug-info';

/** The address ranges of an entry, in the file's order; empty when it has no code. */
export function rangesOf(entry: Entry): AddressRange[] {
  const { unit } = entry;
  const raw = entry.raw(At.ranges);
  if (raw) {
    if (unit.header.version >= 5) {
      const offset = raw.kind === 'rangeListIndex' ? listOffset(unit, raw.value) : raw.kind === 'sectionOffset' ? raw.value : undefined;
      return offset === undefined ? [] : readRangeList(unit, offset);
    }
    const offset = entry.sectionOffset(At.ranges);
    return offset === undefined ? [] : readRanges(unit, offset);
  }
  const start = entry.address(At.lowPc);
  if (start === undefined) return [];
  const high = entry.raw(At.highPc);
  const end = high?.kind === 'constant' ? start + BigInt.asUintN(64, high.value) : entry.address(At.highPc);
  return end !== undefined && end > start ? [{ start, end }] : [];
}

function listOffset(unit: Unit, index: number): number {
  const { offsetSize } = unit.header;
  const base = unit.tableBase(At.rnglistsBase, offsetSize === 4 ? 12 : 20);
  return base + new ByteReader(unit.debugInfo.section('.debug_rnglists'), '.debug_rnglists', base + index * offsetSize).offset(offsetSize);
}

function readRanges(unit: Unit, offset: number): AddressRange[] {
  const { addressSize } = unit.header;
  const reader = new ByteReader(unit.debugInfo.section('.debug_ranges'), '.debug_ranges', offset);
  const escape = addressSize === 8 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  const ranges: AddressRange[] = [];
  let base = unit.lowPc;
  for (;;) {
    const start = reader.unsigned(addressSize);
    const end = reader.unsigned(addressSize);
    if (start === 0n && end === 0n) return ranges;
    if (start === escape) base = end;
    else if (end > start) ranges.push({ start: base + start, end: base + end });
  }
}

function readRangeList(unit: Unit, offset: number): AddressRange[] {
  const { addressSize } = unit.header;
  const reader = new ByteReader(unit.debugInfo.section('.debug_rnglists'), '.debug_rnglists', offset);
  const ranges: AddressRange[] = [];
  const add = (start: bigint, end: bigint): void => {
    if (end > start) ranges.push({ start, end });
  };
  let base = unit.lowPc;
  for (;;) {
    const kind = reader.u8();
    switch (kind) {
      case RangeListEntry.endOfList: return ranges;
      case RangeListEntry.baseAddressx: base = addressAt(unit, reader.uleb()); break;
      case RangeListEntry.startxEndx: add(addressAt(unit, reader.uleb()), addressAt(unit, reader.uleb())); break;
      case RangeListEntry.startxLength: {
        const start = addressAt(unit, reader.uleb());
        add(start, start + reader.ulebBig());
        break;
      }
      case RangeListEntry.offsetPair: add(base + reader.ulebBig(), base + reader.ulebBig()); break;
      case RangeListEntry.baseAddress: base = reader.unsigned(addressSize); break;
      case RangeListEntry.startEnd: add(reader.unsigned(addressSize), reader.unsigned(addressSize)); break;
      case RangeListEntry.startLength: {
        const start = reader.unsigned(addressSize);
        add(start, start + reader.ulebBig());
        break;
      }
      default: throw reader.error(`range list entry ${kind} is unknown`, reader.position - 1);
    }
  }
}
