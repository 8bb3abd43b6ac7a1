// Which unit an address, a line or a function belongs to. Unit root entries are read once, on the first question; the line table and
// the function list of a unit only when something in that unit is asked for. Nothing here is kept per debugging entry. Each index over
// all units is built by a generator, so that a caller with a large image can spread the work over many short slices.

import { At, Tag } from './dwarf/constants';
import type { DebugInfo, Entry, Unit } from './dwarf/debug-info';
import { readLineHeader, runLineProgram, type LineHeader, type LineTable } from './dwarf/line-program';
import { rangesOf } from './dwarf/range-lists';
import { buildScopes, functionsOf, inlinedCalls, type Scope, type UnitFunction } from './dwarf/scopes';
import { RangeMap, type AddressRange } from './range-map';

/** What is remembered of a unit. */
interface UnitRecord {
  readonly unit: Unit;
  lineHeader?: LineHeader | null;
  lineTable?: LineTable | null;
  functions?: { readonly list: readonly UnitFunction[]; readonly map: RangeMap };
}

/** Entry offsets by source or linker's name: functions with code, and abstract functions that were inlined. */
interface NameIndex {
  readonly functions: Map<string, number[]>;
  readonly inlined: Map<string, number[]>;
}

export class UnitIndex {
  readonly debugInfo: DebugInfo;
  private readonly isLoaded: (address: bigint) => boolean;
  private readonly records: readonly UnitRecord[];
  private readonly scopes = new Map<number, Scope>();
  private addressMap: RangeMap | undefined;
  private filesToUnits: Map<string, Unit[]> | undefined;
  private names: NameIndex | undefined;

  constructor(debugInfo: DebugInfo, isLoaded: (address: bigint) => boolean) {
    this.debugInfo = debugInfo;
    this.isLoaded = isLoaded;
    this.records = debugInfo.units.map(unit => ({ unit }));
  }

  /** Builds every index, a unit at a time, yielding the part done (0 to 1). What is built already is skipped. */
  *prepare(): Generator<number, void> {
    const stages = [this.prepareAddresses(), this.prepareFiles(), this.prepareNames()];
    for (const [i, stage] of stages.entries()) for (const done of stage) yield (i + done) / stages.length;
  }

  /** The unit whose code contains a link-time address. */
  unitAt(address: bigint): Unit | undefined {
    if (!this.addressMap) exhaust(this.prepareAddresses());
    const found = this.addressMap!.find(address);
    return found && this.debugInfo.units[found.value];
  }

  private *prepareAddresses(): Generator<number, void> {
    if (this.addressMap) return;
    const entries: (AddressRange & { value: number })[] = [];
    // Well-formed lists are never shared, so that their total length is bounded by the file's.
    let budget = this.rangeBudget();
    for (const [i, { unit }] of this.records.entries()) {
      if (unit.isType || budget < 0) continue;
      const ranges = this.debugInfo.warnings.attempt(() => rangesOf(unit.root), []);
      const known: readonly AddressRange[] = ranges.length > 0 ? ranges : this.rangesByLines(unit);
      budget -= known.length;
      for (const range of known) if (this.isLoaded(range.start)) entries.push({ ...range, value: unit.header.index });
      yield (i + 1) / this.records.length;
    }
    this.addressMap = new RangeMap(entries);
  }

  private rangeBudget(): number {
    return ['.debug_info', '.debug_ranges', '.debug_rnglists', '.debug_line'].reduce((sum, name) => sum + this.debugInfo.section(name).length, 1000);
  }

  /** Where a unit's entry does not say which code it has, its line table does. */
  private rangesByLines(unit: Unit): readonly AddressRange[] {
    return this.lineTable(unit)?.sequences ?? [];
  }

  /** The names of a unit's files, without running its line program. */
  lineHeader(unit: Unit): LineHeader | undefined {
    const record = this.records[unit.header.index]!;
    if (record.lineHeader === undefined) {
      record.lineHeader = this.debugInfo.warnings.attempt(() => {
        const offset = unit.lineProgramAt;
        if (offset === undefined) return null;
        return readLineHeader(this.debugInfo.section, offset, unit.root.text(At.compDir) ?? '', unit.header.addressSize);
      }, null);
    }
    return record.lineHeader ?? undefined;
  }

  lineTable(unit: Unit): LineTable | undefined {
    const record = this.records[unit.header.index]!;
    if (record.lineTable === undefined) {
      const header = this.lineHeader(unit);
      record.lineTable = header && !unit.isType ? runLineProgram(this.debugInfo.section, header, this.isLoaded, this.debugInfo.warnings) : null;
    }
    return record.lineTable ?? undefined;
  }

  /** The path of a file number as DW_AT_decl_file and DW_AT_call_file use it. */
  fileName(unit: Unit, number: number | undefined): string | undefined {
    const name = number === undefined ? undefined : this.lineHeader(unit)?.files[number];
    return name === '' ? undefined : name;
  }

  /** Every source file of every unit with the units that have it in their tables. */
  files(): ReadonlyMap<string, readonly Unit[]> {
    if (!this.filesToUnits) exhaust(this.prepareFiles());
    return this.filesToUnits!;
  }

  private *prepareFiles(): Generator<number, void> {
    if (this.filesToUnits) return;
    const files = new Map<string, Unit[]>();
    for (const [i, { unit }] of this.records.entries()) {
      if (unit.isType) continue;
      for (const file of new Set(this.lineHeader(unit)?.files ?? [])) {
        if (file === '') continue;
        const units = files.get(file);
        if (units) units.push(unit);
        else files.set(file, [unit]);
      }
      yield (i + 1) / this.records.length;
    }
    this.filesToUnits = files;
  }

  /** The functions with code in a unit. */
  private functions(unit: Unit): { readonly list: readonly UnitFunction[]; readonly map: RangeMap } {
    const record = this.records[unit.header.index]!;
    return (record.functions ??= (() => {
      const { list } = functionsOf(unit, this.rangeBudget());
      const entries = list.flatMap((item, value) => item.ranges.filter(range => this.isLoaded(range.start)).map(range => ({ ...range, value })));
      return { list, map: new RangeMap(entries) };
    })());
  }

  /** The function whose code contains a link-time address. */
  functionAt(address: bigint): Entry | undefined {
    const unit = this.unitAt(address);
    if (!unit) return undefined;
    const { list, map } = this.functions(unit);
    const found = map.find(address);
    return found && this.debugInfo.warnings.attempt(() => this.debugInfo.entryAt(list[found.value]!.entryOffset), undefined);
  }

  /** The scopes of a function, built once. */
  scopesOf(entry: Entry): Scope {
    let scope = this.scopes.get(entry.offset);
    if (!scope) {
      scope = this.debugInfo.warnings.attempt(() => buildScopes(entry), { kind: 'function', entry, ranges: this.debugInfo.warnings.attempt(() => rangesOf(entry), []), children: [] });
      this.scopes.set(entry.offset, scope);
    }
    return scope;
  }

  /** Functions with code by source or linker's name. The first call reads every unit, unless `prepare` has. */
  functionsNamed(name: string): Entry[] {
    return (this.nameIndex().functions.get(name) ?? []).flatMap(offset => this.debugInfo.warnings.attempt(() => [this.debugInfo.entryAt(offset)], []));
  }

  /** The inlined copies of a function, in the file's order. */
  inlinedCopiesOf(name: string): Scope[] {
    const { warnings } = this.debugInfo;
    return (this.nameIndex().inlined.get(name) ?? []).flatMap(offset => warnings.attempt(() => {
      const { unit } = this.debugInfo.entryAt(offset);
      return this.functions(unit).list.flatMap(({ entryOffset }) => inlinedCalls(this.scopesOf(this.debugInfo.entryAt(entryOffset)), offset));
    }, []));
  }

  private nameIndex(): NameIndex {
    if (!this.names) exhaust(this.prepareNames());
    return this.names!;
  }

  private *prepareNames(): Generator<number, void> {
    if (this.names) return;
    const names: NameIndex = { functions: new Map(), inlined: new Map() };
    const add = (to: Map<string, number[]>, name: string | undefined, offset: number): void => {
      if (name === undefined) return;
      const known = to.get(name);
      if (!known) to.set(name, [offset]);
      else if (known.at(-1) !== offset) known.push(offset);
    };
    const addEntry = (to: Map<string, number[]>, unit: Unit, offset: number): void => this.debugInfo.warnings.attempt(() => {
      const entry = unit.entryAt(offset)!;
      add(to, entry.name, offset);
      add(to, linkageName(entry), offset);
    }, undefined);
    for (const [i, { unit }] of this.records.entries()) {
      if (unit.isType) continue;
      const { list, inlined } = functionsOf(unit, this.rangeBudget());
      for (const { entryOffset, ranges } of list) if (ranges.some(range => this.isLoaded(range.start))) addEntry(names.functions, unit, entryOffset);
      for (const offset of inlined) addEntry(names.inlined, unit, offset);
      yield (i + 1) / this.records.length;
    }
    this.names = names;
  }

  /** Units that describe code, in the file's order. */
  get compileUnits(): readonly Unit[] {
    return this.debugInfo.units.filter(unit => !unit.isType && this.debugInfo.warnings.attempt(() => unit.root.tag === Tag.compileUnit, false));
  }
}

function exhaust(work: Generator<number, void>): void {
  while (!work.next().done);
}

/** The name that the linker sees, where it differs from the source's. */
export function linkageName(entry: Entry): string | undefined {
  return entry.inherited(each => each.text(At.linkageName) ?? each.text(At.mipsLinkageName));
}
