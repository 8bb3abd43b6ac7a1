// Abbreviation tables (.debug_abbrev; DWARF 5, 7.5.3 'Abbreviations Tables'): the shapes of debugging information entries. Each
// declaration knows the size of its attributes where that is fixed, so that uninteresting entries are skipped in one addition.

import type { ByteReader } from '../byte-reader';
import { Form } from './constants';

/** The sizes that decide how long an attribute is. */
export interface UnitFormat {
  readonly version: number;
  readonly addressSize: number;
  readonly offsetSize: 4 | 8;
}

export interface Abbreviation {
  readonly code: number;
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly names: readonly number[];
  readonly forms: readonly number[];
  /** Values of DW_FORM_implicit_const, by attribute position. */
  readonly constants: readonly bigint[];
  /** Bytes of all attributes, or -1 when it differs from entry to entry. */
  readonly fixedSize: number;
}

/** Far above what compilers write; without a limit, a small damaged file could ask for quadratic work. */
const MOST_ATTRIBUTES = 256;

/** Bytes of a form, or -1 when it varies. */
export function formSize(form: number, format: UnitFormat): number {
  switch (form) {
    case Form.implicitConst: case Form.flagPresent: return 0;
    case Form.data1: case Form.flag: case Form.ref1: case Form.strx1: case Form.addrx1: return 1;
    case Form.data2: case Form.ref2: case Form.strx2: case Form.addrx2: return 2;
    case Form.strx3: case Form.addrx3: return 3;
    case Form.data4: case Form.ref4: case Form.refSup4: case Form.strx4: case Form.addrx4: return 4;
    case Form.data8: case Form.ref8: case Form.refSig8: case Form.refSup8: return 8;
    case Form.data16: return 16;
    case Form.addr: return format.addressSize;
    case Form.refAddr: return format.version <= 2 ? format.addressSize : format.offsetSize;
    case Form.strp: case Form.lineStrp: case Form.secOffset: case Form.strpSup: case Form.gnuRefAlt: case Form.gnuStrpAlt: return format.offsetSize;
    default: return -1;
  }
}

/** Reads the declaration at the cursor; undefined at the end of a table. */
export function readAbbreviation(reader: ByteReader, format: UnitFormat): Abbreviation | undefined {
  const code = reader.uleb();
  if (code === 0) return undefined;
  const tag = reader.uleb();
  const hasChildren = reader.u8() !== 0;
  const names: number[] = [];
  const forms: number[] = [];
  const constants: bigint[] = [];
  let fixedSize = 0;
  for (;;) {
    const name = reader.uleb();
    const form = reader.uleb();
    if (name === 0 && form === 0) break;
    if (names.length === MOST_ATTRIBUTES) throw reader.error('an abbreviation has too many attributes');
    if (form === Form.implicitConst) constants[names.length] = reader.slebBig();
    names.push(name);
    forms.push(form);
    const size = formSize(form, format);
    fixedSize = size < 0 || fixedSize < 0 ? -1 : fixedSize + size;
  }
  return { code, tag, hasChildren, names, forms, constants, fixedSize };
}

/** Reads declarations until the table ends; a table cut off by the end of its section keeps what came before. */
export function readAbbreviations(reader: ByteReader, format: UnitFormat): Map<number, Abbreviation> {
  const table = new Map<number, Abbreviation>();
  while (reader.remaining > 0) {
    const abbreviation = readAbbreviation(reader, format);
    if (!abbreviation) break;
    if (!table.has(abbreviation.code)) table.set(abbreviation.code, abbreviation);
  }
  return table;
}

/** The declaration of one code, without keeping the rest of the table: enough for a unit's first entry. */
export function findAbbreviation(reader: ByteReader, format: UnitFormat, code: number): Abbreviation | undefined {
  for (;;) {
    const abbreviation = readAbbreviation(reader, format);
    if (!abbreviation || abbreviation.code === code) return abbreviation;
  }
}
