// Units and entries of .debug_info and .debug_types (DWARF 4 and 5, section 7.5 'Format of Debugging Information'). Unit headers are
// scanned once; entries are decoded on demand from the bytes and not kept. An entry's attributes are resolved through the tables that
// its unit names (.debug_str, .debug_addr ...). Offsets are offsets in .debug_info; units of .debug_types follow it, as if appended.

import { ByteReader } from '../byte-reader';
import { upperBound } from '../range-map';
import { SymbolError, hex, type WarningList } from '../symbol-error';
import { findAbbreviation, readAbbreviations, type Abbreviation, type UnitFormat } from './abbreviations';
import { readForm, skipForm, type RawValue } from './attribute-forms';
import { At, UnitType } from './constants';

/** Bytes of a debug section by its ELF name, empty when the file has none. */
export type SectionBytes = (name: string) => Uint8Array;

export interface UnitHeader extends UnitFormat {
  /** Position in `DebugInfo.units`. */
  readonly index: number;
  readonly offset: number;
  readonly end: number;
  readonly firstEntry: number;
  readonly abbreviationsAt: number;
  readonly unitType: number;
  readonly signature: bigint | undefined;
  /** Offset of the type's entry in a type unit. */
  readonly typeEntry: number;
}

const KEPT_ABBREVIATION_TABLES = 64;

export class DebugInfo {
  readonly units: readonly Unit[];
  readonly section: SectionBytes;
  readonly warnings: WarningList;
  private readonly info: Uint8Array;
  private readonly types: Uint8Array;
  private readonly unitStarts: number[];
  private readonly abbreviationTables = new Map<string, Map<number, Abbreviation>>();
  private lastUnit: Unit | undefined;
  private lastTable = new Map<number, Abbreviation>();
  private signatures: Map<bigint, Unit> | undefined;

  constructor(section: SectionBytes, warnings: WarningList) {
    this.section = section;
    this.warnings = warnings;
    this.info = section('.debug_info');
    this.types = section('.debug_types');
    const units: Unit[] = [];
    warnings.attempt(() => scanUnits(this, this.info, 0, '.debug_info', units), undefined);
    warnings.attempt(() => scanUnits(this, this.types, this.info.length, '.debug_types', units), undefined);
    this.units = units;
    this.unitStarts = units.map(unit => unit.header.offset);
  }

  /** A cursor at an offset, which must lie in a unit of which it may read the entries. */
  reader(unit: Unit, offset: number): ByteReader {
    const { header } = unit;
    if (offset < header.firstEntry || offset >= header.end) throw new SymbolError('a reference leaves its unit', `.debug_info+${hex(Math.max(0, offset))}`);
    if (header.offset < this.info.length) return new ByteReader(this.info, '.debug_info', offset, header.end);
    const base = this.info.length;
    return new ByteReader(this.types, '.debug_types', offset - base, header.end - base);
  }

  /** The entry at an offset, in whichever unit it lies. Throws SymbolError when there is none. */
  entryAt(offset: number): Entry {
    const unit = this.units[upperBound(this.unitStarts, offset) - 1];
    if (!unit) throw new SymbolError('a reference leads to no unit', `.debug_info+${hex(offset)}`);
    const entry = unit.entryAt(offset);
    if (!entry) throw new SymbolError('a reference leads to a null entry', `.debug_info+${hex(offset)}`);
    return entry;
  }

  /** The type described by a type unit. */
  typeBySignature(signature: bigint): Entry {
    this.signatures ??= new Map(this.units.filter(unit => unit.header.signature !== undefined).map(unit => [unit.header.signature!, unit]));
    const unit = this.signatures.get(signature);
    if (!unit) throw new SymbolError(`no type unit has the signature ${hex(signature)}`, '.debug_types');
    return this.entryAt(unit.header.offset + unit.header.typeEntry);
  }

  /** The abbreviations of a unit. Units share tables; only those used last are kept, since all of a large image would fill the memory. */
  abbreviationsOf(unit: Unit): Map<number, Abbreviation> {
    if (unit === this.lastUnit) return this.lastTable;
    const { abbreviationsAt, addressSize, offsetSize, version } = unit.header;
    const key = `${abbreviationsAt}/${addressSize}/${offsetSize}/${version <= 2}`;
    let table = this.abbreviationTables.get(key);
    if (!table) {
      table = readAbbreviations(this.abbreviationReader(unit.header), unit.header);
      if (this.abbreviationTables.size >= KEPT_ABBREVIATION_TABLES) this.abbreviationTables.delete(this.abbreviationTables.keys().next().value!);
      this.abbreviationTables.set(key, table);
    }
    this.lastUnit = unit;
    return (this.lastTable = table);
  }

  abbreviationReader(header: UnitHeader): ByteReader {
    return new ByteReader(this.section('.debug_abbrev'), '.debug_abbrev', header.abbreviationsAt);
  }
}

function scanUnits(debugInfo: DebugInfo, bytes: Uint8Array, base: number, where: string, units: Unit[]): void {
  const reader = new ByteReader(bytes, where);
  while (reader.remaining > 0) {
    const start = reader.position;
    const { length, offsetSize } = reader.initialLength();
    const end = reader.position + length;
    if (end > bytes.length) throw reader.error('a unit reaches past the end of its section', start);
    const version = reader.u16();
    if (version < 2 || version > 5) {
      debugInfo.warnings.add(`DWARF version ${version} is not supported (${where}+${hex(start)})`);
      reader.position = end;
      continue;
    }
    const isTypes = where === '.debug_types';
    const unitType = version >= 5 ? reader.u8() : isTypes ? UnitType.type : UnitType.compile;
    let addressSize = version >= 5 ? reader.u8() : 0;
    const abbreviationsAt = reader.offset(offsetSize);
    if (version < 5) addressSize = reader.u8();
    if (addressSize !== 4 && addressSize !== 8) throw reader.error(`addresses of ${addressSize} bytes are not supported`, start);
    if (unitType === UnitType.skeleton) debugInfo.warnings.add('functions and variables of some units are in separate .dwo files, which are not read');
    const isType = unitType === UnitType.type || unitType === UnitType.splitType;
    const signature = isType || unitType === UnitType.skeleton || unitType === UnitType.splitCompile ? reader.u64() : undefined;
    const typeEntry = isType ? reader.offset(offsetSize) : 0;
    if (reader.position > end) throw reader.error('a unit is shorter than its header', start);
    units.push(new Unit(debugInfo, {
      index: units.length, offset: base + start, end: base + end, firstEntry: base + reader.position, version, addressSize, offsetSize,
      abbreviationsAt, unitType, typeEntry, signature: isType ? signature : undefined,
    }));
    reader.position = end;
  }
}

/** A compile, partial or type unit. Everything but the header is read when first asked for. */
export class Unit {
  readonly debugInfo: DebugInfo;
  readonly header: UnitHeader;
  private rootEntry: Entry | undefined;
  private readonly bases = new Map<number, number>();

  constructor(debugInfo: DebugInfo, header: UnitHeader) {
    this.debugInfo = debugInfo;
    this.header = header;
  }

  /** The unit's own entry. Throws SymbolError when the unit is empty or its abbreviation is missing. */
  get root(): Entry {
    if (this.rootEntry) return this.rootEntry;
    const reader = this.debugInfo.reader(this, this.header.firstEntry);
    const start = reader.position;
    const code = reader.uleb();
    const abbreviation = code === 0 ? undefined : findAbbreviation(this.debugInfo.abbreviationReader(this.header), this.header, code);
    if (!abbreviation) throw reader.error('the unit has no first entry', this.header.offset);
    this.rootEntry = new Entry(this, this.header.firstEntry, this.header.firstEntry + (reader.position - start), abbreviation);
    return this.rootEntry;
  }

  /** The entry at an absolute offset; undefined for a null entry, which ends a list of siblings. */
  entryAt(offset: number): Entry | undefined {
    const reader = this.debugInfo.reader(this, offset);
    const start = reader.position;
    const code = reader.uleb();
    if (code === 0) return undefined;
    const abbreviation = this.debugInfo.abbreviationsOf(this).get(code);
    if (!abbreviation) throw reader.error(`abbreviation ${code} does not exist`, start);
    return new Entry(this, offset, offset + (reader.position - start), abbreviation);
  }

  /**
   * Visits every entry of the unit after its root in the file's order, with the depth below the root (its children have 1). A visitor
   * that returns 'skip' is not shown the entry's descendants.
   */
  walk(visit: (entry: Entry, depth: number) => 'skip' | void): void {
    let offset = this.root.end;
    let depth = this.root.hasChildren ? 1 : 0;
    let skipBelow = Infinity;
    while (depth > 0 && offset < this.header.end) {
      const entry = this.entryAt(offset);
      if (!entry) {
        depth--;
        offset++;
        if (depth <= skipBelow) skipBelow = Infinity;
        continue;
      }
      let skipped = false;
      if (depth <= skipBelow) skipped = visit(entry, depth) === 'skip';
      const sibling = skipped && entry.hasChildren ? entry.sibling() : undefined;
      if (sibling !== undefined) {
        offset = sibling;
        continue;
      }
      offset = entry.end;
      if (entry.hasChildren) {
        if (skipped) skipBelow = depth;
        depth++;
      }
    }
  }

  get isType(): boolean {
    return this.header.unitType === UnitType.type || this.header.unitType === UnitType.splitType;
  }

  /** The base address of range and location lists, 0 when the unit has none. */
  get lowPc(): bigint {
    return this.root.address(At.lowPc) ?? 0n;
  }

  /** Offset of the line program, if the unit has one. */
  get lineProgramAt(): number | undefined {
    return this.root.sectionOffset(At.stmtList);
  }

  /** The base of a table that DWARF 5 units index (.debug_str_offsets, .debug_addr, lists). Without the attribute: after a table header. */
  tableBase(attribute: number, headerSize: number): number {
    let base = this.bases.get(attribute);
    if (base === undefined) this.bases.set(attribute, (base = this.root.sectionOffset(attribute) ?? (this.header.version >= 5 ? headerSize : 0)));
    return base;
  }
}

/** A debugging information entry: a position and a shape. Attribute getters decode each time; undefined means absent or of another class. */
export class Entry {
  readonly unit: Unit;
  readonly offset: number;
  readonly abbreviation: Abbreviation;
  private readonly attributesAt: number;
  private endOffset = -1;

  constructor(unit: Unit, offset: number, attributesAt: number, abbreviation: Abbreviation) {
    this.unit = unit;
    this.offset = offset;
    this.attributesAt = attributesAt;
    this.abbreviation = abbreviation;
  }

  get tag(): number {
    return this.abbreviation.tag;
  }

  get hasChildren(): boolean {
    return this.abbreviation.hasChildren;
  }

  /** Offset after the attributes: of the first child, or of the next sibling. */
  get end(): number {
    if (this.endOffset >= 0) return this.endOffset;
    const { fixedSize, forms } = this.abbreviation;
    if (fixedSize >= 0) return (this.endOffset = this.attributesAt + fixedSize);
    if (forms.length === 0) return (this.endOffset = this.attributesAt);
    const reader = this.unit.debugInfo.reader(this.unit, this.attributesAt);
    const start = reader.position;
    for (const form of forms) skipForm(reader, form, this.unit.header);
    return (this.endOffset = this.attributesAt + (reader.position - start));
  }

  /** The offset of the next sibling where the entry names it. It must lie after the entry itself. */
  sibling(): number | undefined {
    const offset = this.reference(At.sibling);
    return offset !== undefined && offset >= this.end && offset < this.unit.header.end ? offset : undefined;
  }

  /** Direct children in order. Grandchildren are passed over. */
  *children(): Generator<Entry> {
    if (!this.hasChildren) return;
    let offset = this.end;
    let depth = 1;
    while (offset < this.unit.header.end) {
      const entry = this.unit.entryAt(offset);
      if (!entry) {
        offset++;
        if (--depth === 0) return;
        continue;
      }
      if (depth === 1) yield entry;
      const sibling = entry.hasChildren ? entry.sibling() : undefined;
      offset = sibling ?? entry.end;
      if (entry.hasChildren && sibling === undefined) depth++;
    }
  }

  /** All entries below this one in the file's order. */
  *descendants(): Generator<Entry> {
    let offset = this.end;
    for (let depth = this.hasChildren ? 1 : 0; depth > 0 && offset < this.unit.header.end;) {
      const entry = this.unit.entryAt(offset);
      if (!entry) {
        offset++;
        depth--;
        continue;
      }
      yield entry;
      offset = entry.end;
      if (entry.hasChildren) depth++;
    }
  }

  has(name: number): boolean {
    return this.abbreviation.names.includes(name);
  }

  /** The attribute as written, undefined when the entry has none of that name. */
  raw(name: number): RawValue | undefined {
    const { names, forms, constants } = this.abbreviation;
    const position = names.indexOf(name);
    if (position < 0) return undefined;
    const reader = this.unit.debugInfo.reader(this.unit, this.attributesAt);
    for (let i = 0; i < position; i++) skipForm(reader, forms[i]!, this.unit.header);
    return readForm(reader, forms[position]!, this.unit.header, constants[position]);
  }

  text(name: number): string | undefined {
    const raw = this.raw(name);
    const { debugInfo, header } = this.unit;
    switch (raw?.kind) {
      case 'text': return raw.value;
      case 'textOffset': return new ByteReader(debugInfo.section(raw.section), raw.section, raw.value).cstring();
      case 'textIndex': {
        const at = this.unit.tableBase(At.strOffsetsBase, header.offsetSize * 2) + raw.value * header.offsetSize;
        const offset = new ByteReader(debugInfo.section('.debug_str_offsets'), '.debug_str_offsets', at).offset(header.offsetSize);
        return new ByteReader(debugInfo.section('.debug_str'), '.debug_str', offset).cstring();
      }
      default: return undefined;
    }
  }

  address(name: number): bigint | undefined {
    const raw = this.raw(name);
    if (raw?.kind === 'address') return raw.value;
    return raw?.kind === 'addressIndex' ? addressAt(this.unit, raw.value) : undefined;
  }

  /** A constant, read as unsigned unless its form has a sign. */
  constant(name: number): bigint | undefined {
    const raw = this.raw(name);
    return raw?.kind === 'constant' ? raw.value : undefined;
  }

  /** A small constant such as a line number or a size; undefined when it is negative or beyond 2^53. */
  number(name: number): number | undefined {
    const value = this.constant(name);
    return value !== undefined && value >= 0n && value <= 0x1f_ffff_ffff_ffffn ? Number(value) : undefined;
  }

  flag(name: number): boolean {
    const raw = this.raw(name);
    return raw?.kind === 'flag' && raw.value;
  }

  /** The offset of the entry that an attribute refers to. Throws SymbolError for a type signature that no unit has. */
  reference(name: number): number | undefined {
    const raw = this.raw(name);
    if (raw?.kind === 'reference') return raw.inUnit ? this.unit.header.offset + raw.value : raw.value;
    return raw?.kind === 'signature' ? this.unit.debugInfo.typeBySignature(raw.value).offset : undefined;
  }

  /** The entry that an attribute refers to. */
  referenced(name: number): Entry | undefined {
    const offset = this.reference(name);
    return offset === undefined ? undefined : this.unit.debugInfo.entryAt(offset);
  }

  /** An offset into another section; before DWARF 4 these were written as plain data. */
  sectionOffset(name: number): number | undefined {
    const raw = this.raw(name);
    if (raw?.kind === 'sectionOffset') return raw.value;
    return raw?.kind === 'constant' && this.unit.header.version < 4 && raw.size >= 4 ? Number(raw.value) : undefined;
  }

  /** A getter's first result along the entry, its abstract origin and its specification (an inlined or out-of-line instance names its origin). */
  inherited<T>(get: (entry: Entry) => T | undefined): T | undefined {
    let entry: Entry | undefined = this;
    for (let depth = 0; entry && depth < 16; depth++) {
      const value = get(entry);
      if (value !== undefined) return value;
      entry = entry.referenced(At.abstractOrigin) ?? entry.referenced(At.specification);
    }
    return undefined;
  }

  /** The name, of its origin where the entry itself has none. */
  get name(): string | undefined {
    return this.inherited(entry => entry.text(At.name));
  }
}

/** An address of .debug_addr by index. */
export function addressAt(unit: Unit, index: number): bigint {
  const { addressSize } = unit.header;
  const at = unit.tableBase(At.addrBase, 8) + index * addressSize;
  return new ByteReader(unit.debugInfo.section('.debug_addr'), '.debug_addr', at).unsigned(addressSize);
}
