// From addresses to source lines and back. One line can have code in several places (inlined copies, templates, several units); the
// places chosen for a breakpoint are the first statement of the line in each function or inlined copy, as debuggers do.

import { At, Tag } from './dwarf/constants';
import type { Entry, Unit } from './dwarf/debug-info';
import { RowFlag, rowAt, rowEnd, type LineSequence, type LineTable } from './dwarf/line-program';
import { scopesAt } from './dwarf/scopes';
import { normalizePath, pathMatch } from './source-path';
import { upperBound } from './range-map';
import type { UnitIndex } from './unit-index';

/** The source line of an address. Addresses are link-time. */
export interface LineLocation {
  /** As the file writes it, normalised. */
  readonly file: string;
  /** From 1; 0 where the compiler says that no line is to blame. */
  readonly line: number;
  /** From 1; 0 where it is not known. */
  readonly column: number;
  /** The row in effect covers [address, endAddress). */
  readonly address: bigint;
  readonly endAddress: bigint;
  /** The row begins a statement: a recommended place for a breakpoint. */
  readonly isStatement: boolean;
}

/** A place where a line's code begins. `line` is the line found, which is later than the one asked for where that has no code. */
export interface LineAddress {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly address: bigint;
}

export class LineLookup {
  private readonly index: UnitIndex;
  private readonly exactUnits = new Map<Unit, boolean>();

  constructor(index: UnitIndex) {
    this.index = index;
  }

  lineAt(address: bigint): LineLocation | undefined {
    const unit = this.index.unitAt(address);
    const table = unit && this.index.lineTable(unit);
    const sequence = table?.sequences.find(each => address >= each.start && address < each.end);
    if (!table || !sequence) return undefined;
    const row = rowAt(table, sequence, address);
    return row < 0 ? undefined : location(table, sequence, row);
  }

  /** All rows of a range of addresses in order, for disassembly with source lines. At most `limit` rows. */
  linesBetween(start: bigint, end: bigint, limit = 10_000): LineLocation[] {
    const result: LineLocation[] = [];
    for (let address = start; address < end && result.length < limit;) {
      const line = this.lineAt(address);
      if (line) result.push(line);
      address = line ? line.endAddress : address + 1n;
    }
    return result;
  }

  files(): string[] {
    return [...this.index.files().keys()].sort();
  }

  /** The files of the image that a path of the user's means: the same path, else paths of which one is the end of the other. */
  filesMatching(path: string): string[] {
    const wanted = normalizePath(path);
    if (this.index.files().has(wanted)) return [wanted];
    return this.files().filter(file => pathMatch(file, wanted) > 0);
  }

  /** Where the code of a line begins, in address order; where it has none, of the next line of the file that has. */
  addressesOf(path: string, line: number): LineAddress[] {
    const files = new Set(this.filesMatching(path));
    const units = new Set([...files].flatMap(file => this.index.files().get(file) ?? []));
    let best = Infinity;
    const candidates: { table: LineTable; sequence: LineSequence; row: number; unit: Unit }[] = [];
    for (const unit of units) {
      const table = this.index.lineTable(unit);
      if (!table) continue;
      const wanted = table.files.map(file => files.has(file));
      for (const sequence of table.sequences) {
        for (let row = sequence.first; row < sequence.first + sequence.count; row++) {
          const at = table.lines[row]!;
          if (at < line || at > best || !(table.flags[row]! & RowFlag.statement) || !wanted[table.fileNumbers[row]!]) continue;
          if (rowEnd(table, sequence, row) === table.distances[row]!) continue;
          if (at < best) candidates.length = 0;
          best = at;
          candidates.push({ table, sequence, row, unit });
        }
      }
    }
    const places = new Map<string, LineAddress>();
    const sorted = candidates
      .map(({ table, sequence, row, unit }) => ({ ...location(table, sequence, row), unit }))
      .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    for (const place of sorted) {
      const { key, entry } = this.placeOf(place.address);
      if (places.has(key)) continue;
      const address = entry ? this.afterPrologue(entry, place.address) : place.address;
      const { file, line: at, column } = (address === place.address ? undefined : this.lineAt(address)) ?? place;
      places.set(key, { file, line: at, column, address });
    }
    const distinct = new Map([...places.values()].map(place => [place.address, place]));
    return [...distinct.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /** The function or inlined copy of an address as a key, and the function's entry. */
  private placeOf(address: bigint): { key: string; entry: Entry | undefined } {
    const entry = this.index.functionAt(address);
    if (!entry) return { key: `${address}`, entry };
    const chain = scopesAt(this.index.scopesOf(entry), address).filter(scope => scope.kind !== 'block');
    return { key: `${(chain.at(-1)?.entry ?? entry).offset}`, entry };
  }

  /**
   * The address for a breakpoint on a function's entry: after the code that saves the arguments, so that they can be seen. Given
   * another address of the function, that address itself.
   */
  afterPrologue(entry: Entry, address: bigint): bigint {
    const first = this.index.scopesOf(entry).ranges[0];
    const table = this.index.lineTable(entry.unit);
    if (!first || !table || address !== first.start) return address;
    const sequence = table.sequences.find(each => address >= each.start && address < each.end);
    if (!sequence) return address;
    const distances = table.distances.subarray(sequence.first, sequence.first + sequence.count);
    const from = Number(address - sequence.start);
    const until = Number(first.end - sequence.start);
    let second: number | undefined;
    for (let i = upperBound(distances, from - 1); i < distances.length && distances[i]! < until; i++) {
      const flags = table.flags[sequence.first + i]!;
      if (flags & RowFlag.prologueEnd) return sequence.start + BigInt(distances[i]!);
      if (second === undefined && distances[i]! > from && flags & RowFlag.statement) second = distances[i]!;
    }
    return second === undefined || this.keepsArgumentsAtEntry(entry.unit) ? address : sequence.start + BigInt(second);
  }

  /**
   * Optimized code describes its variables exactly from the first instruction on, by location lists, and assembly has no prologue: nothing is
   * to be skipped. The command line in DW_AT_producer would tell too, but compilers can be asked to leave it out.
   */
  private keepsArgumentsAtEntry(unit: Unit): boolean {
    let known = this.exactUnits.get(unit);
    if (known === undefined) {
      known = this.index.debugInfo.warnings.attempt(() => /^GNU AS/.test(unit.root.text(At.producer) ?? '') || hasLocationList(unit), false);
      this.exactUnits.set(unit, known);
    }
    return known;
  }
}

function hasLocationList(unit: Unit): boolean {
  for (const entry of unit.root.descendants()) {
    if (entry.tag !== Tag.formalParameter && entry.tag !== Tag.variable) continue;
    const raw = entry.raw(At.location);
    if (raw && raw.kind !== 'block') return true;
  }
  return false;
}

function location(table: LineTable, sequence: LineSequence, row: number): LineLocation {
  return {
    file: table.files[table.fileNumbers[row]!] ?? '',
    line: table.lines[row]!,
    column: table.columns[row]!,
    address: sequence.start + BigInt(table.distances[row]!),
    endAddress: sequence.start + BigInt(rowEnd(table, sequence, row)),
    isStatement: (table.flags[row]! & RowFlag.statement) !== 0,
  };
}
