// Location lists (.debug_loc: DWARF 4, 2.6.2; .debug_loclists: DWARF 5, 2.6.2 and 7.29): which expression describes an object at an
// address. Addresses are link-time.

import { ByteReader } from '../byte-reader';
import type { AddressRange } from '../range-map';
import { At, LocationListEntry } from './constants';
import { addressAt, type Entry, type Unit } from './debug-info';

/** A location of an object in a part of the code; without a range it holds wherever no other does. */
export interface LocationRange {
  readonly range: AddressRange | undefined;
  readonly expression: Uint8Array;
}

const MOST_LOCATIONS = 100_000;

/** The expression of a location attribute at an address: undefined when the attribute is absent, empty when the object does not exist there. */
export function expressionAt(entry: Entry, attribute: number, address: bigint): Uint8Array | undefined {
  const locations = locationsOf(entry, attribute);
  if (!locations) return undefined;
  const within = locations.find(({ range }) => range && address >= range.start && address < range.end);
  return (within ?? locations.find(({ range }) => range === undefined))?.expression ?? new Uint8Array();
}

/** All locations that an attribute gives, in the file's order; one without a range for a single expression. */
export function locationsOf(entry: Entry, attribute: number): LocationRange[] | undefined {
  const raw = entry.raw(attribute);
  const { unit } = entry;
  if (!raw) return undefined;
  if (raw.kind === 'block') return [{ range: undefined, expression: raw.bytes }];
  if (unit.header.version >= 5) {
    const offset = raw.kind === 'locationListIndex' ? listOffset(unit, raw.value) : raw.kind === 'sectionOffset' ? raw.value : undefined;
    return offset === undefined ? undefined : readLocationList5(unit, offset);
  }
  const offset = entry.sectionOffset(attribute);
  return offset === undefined ? undefined : readLocationList4(unit, offset);
}

function listOffset(unit: Unit, index: number): number {
  const { offsetSize } = unit.header;
  const base = unit.tableBase(At.loclistsBase, offsetSize === 4 ? 12 : 20);
  return base + new ByteReader(unit.debugInfo.section('.debug_loclists'), '.debug_loclists', base + index * offsetSize).offset(offsetSize);
}

function readLocationList4(unit: Unit, offset: number): LocationRange[] {
  const { addressSize } = unit.header;
  const reader = new ByteReader(unit.debugInfo.section('.debug_loc'), '.debug_loc', offset);
  const escape = addressSize === 8 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  const locations: LocationRange[] = [];
  let base = unit.lowPc;
  while (locations.length < MOST_LOCATIONS) {
    const start = reader.unsigned(addressSize);
    const end = reader.unsigned(addressSize);
    if (start === 0n && end === 0n) break;
    if (start === escape) base = end;
    else locations.push({ range: { start: base + start, end: base + end }, expression: reader.block(reader.u16()) });
  }
  return locations;
}

function readLocationList5(unit: Unit, offset: number): LocationRange[] {
  const { addressSize } = unit.header;
  const reader = new ByteReader(unit.debugInfo.section('.debug_loclists'), '.debug_loclists', offset);
  const locations: LocationRange[] = [];
  const add = (start: bigint, end: bigint): void => {
    locations.push({ range: { start, end }, expression: reader.block(reader.uleb()) });
  };
  const addLength = (start: bigint): void => add(start, start + reader.ulebBig());
  let base = unit.lowPc;
  while (locations.length < MOST_LOCATIONS) {
    const kind = reader.u8();
    switch (kind) {
      case LocationListEntry.endOfList: return locations;
      case LocationListEntry.baseAddressx: base = addressAt(unit, reader.uleb()); break;
      case LocationListEntry.startxEndx: add(addressAt(unit, reader.uleb()), addressAt(unit, reader.uleb())); break;
      case LocationListEntry.startxLength: addLength(addressAt(unit, reader.uleb())); break;
      case LocationListEntry.offsetPair: add(base + reader.ulebBig(), base + reader.ulebBig()); break;
      case LocationListEntry.defaultLocation: locations.push({ range: undefined, expression: reader.block(reader.uleb()) }); break;
      case LocationListEntry.baseAddress: base = reader.unsigned(addressSize); break;
      case LocationListEntry.startEnd: add(reader.unsigned(addressSize), reader.unsigned(addressSize)); break;
      case LocationListEntry.startLength: addLength(reader.unsigned(addressSize)); break;
      case LocationListEntry.gnuViewPair:
        reader.skipLeb();
        reader.skipLeb();
        break;
      default: throw reader.error(`location list entry ${kind} is unknown`, reader.position - 1);
    }
  }
  return locations;
}
