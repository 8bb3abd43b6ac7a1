// Attribute values by form (DWARF 5, 7.5.5 'Classes and Forms' and 7.5.6 'Form Encodings'): what stands in the bytes, before any
// table that it points into is asked. Reading advances the cursor over exactly the attribute.

import type { ByteReader } from '../byte-reader';
import { Form } from './constants';
import { formSize, type UnitFormat } from './abbreviations';

/** An attribute as written. Table indices and offsets are resolved by the unit that owns it. */
export type RawValue =
  | { readonly kind: 'address'; readonly value: bigint }
  | { readonly kind: 'addressIndex'; readonly value: number }
  /** `size` in bytes, 0 for LEB128; data forms carry no sign of their own and are read unsigned. */
  | { readonly kind: 'constant'; readonly value: bigint; readonly size: number; readonly signed: boolean }
  | { readonly kind: 'block'; readonly bytes: Uint8Array; readonly isExpression: boolean }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'textOffset'; readonly value: number; readonly section: '.debug_str' | '.debug_line_str' }
  | { readonly kind: 'textIndex'; readonly value: number }
  | { readonly kind: 'flag'; readonly value: boolean }
  /** `value` is relative to the unit when `inUnit`, else to .debug_info. */
  | { readonly kind: 'reference'; readonly value: number; readonly inUnit: boolean }
  | { readonly kind: 'signature'; readonly value: bigint }
  | { readonly kind: 'sectionOffset'; readonly value: number }
  | { readonly kind: 'rangeListIndex' | 'locationListIndex'; readonly value: number }
  /** Something in a supplementary file that is not at hand. */
  | { readonly kind: 'elsewhere' };

/** Reads one attribute value. `implicit` is the value of DW_FORM_implicit_const. */
export function readForm(reader: ByteReader, form: number, format: UnitFormat, implicit: bigint | undefined): RawValue {
  switch (form) {
    case Form.addr: return { kind: 'address', value: reader.unsigned(format.addressSize) };
    case Form.addrx: case Form.gnuAddrIndex: return { kind: 'addressIndex', value: reader.uleb() };
    case Form.addrx1: return { kind: 'addressIndex', value: reader.u8() };
    case Form.addrx2: return { kind: 'addressIndex', value: reader.u16() };
    case Form.addrx3: return { kind: 'addressIndex', value: reader.u24() };
    case Form.addrx4: return { kind: 'addressIndex', value: reader.u32() };
    case Form.data1: return constant(BigInt(reader.u8()), 1);
    case Form.data2: return constant(BigInt(reader.u16()), 2);
    case Form.data4: return constant(BigInt(reader.u32()), 4);
    case Form.data8: return constant(reader.u64(), 8);
    case Form.data16: return { kind: 'block', bytes: reader.block(16), isExpression: false };
    case Form.sdata: return { kind: 'constant', value: reader.slebBig(), size: 0, signed: true };
    case Form.udata: return constant(reader.ulebBig(), 0);
    case Form.implicitConst: return { kind: 'constant', value: implicit ?? 0n, size: 0, signed: true };
    case Form.block1: return block(reader, reader.u8(), false);
    case Form.block2: return block(reader, reader.u16(), false);
    case Form.block4: return block(reader, reader.u32(), false);
    case Form.block: return block(reader, reader.uleb(), false);
    case Form.exprloc: return block(reader, reader.uleb(), true);
    case Form.string: return { kind: 'text', value: reader.cstring() };
    case Form.strp: return { kind: 'textOffset', value: reader.offset(format.offsetSize), section: '.debug_str' };
    case Form.lineStrp: return { kind: 'textOffset', value: reader.offset(format.offsetSize), section: '.debug_line_str' };
    case Form.strx: case Form.gnuStrIndex: return { kind: 'textIndex', value: reader.uleb() };
    case Form.strx1: return { kind: 'textIndex', value: reader.u8() };
    case Form.strx2: return { kind: 'textIndex', value: reader.u16() };
    case Form.strx3: return { kind: 'textIndex', value: reader.u24() };
    case Form.strx4: return { kind: 'textIndex', value: reader.u32() };
    case Form.flag: return { kind: 'flag', value: reader.u8() !== 0 };
    case Form.flagPresent: return { kind: 'flag', value: true };
    case Form.ref1: return { kind: 'reference', value: reader.u8(), inUnit: true };
    case Form.ref2: return { kind: 'reference', value: reader.u16(), inUnit: true };
    case Form.ref4: return { kind: 'reference', value: reader.u32(), inUnit: true };
    case Form.ref8: return { kind: 'reference', value: reader.size64(), inUnit: true };
    case Form.refUdata: return { kind: 'reference', value: reader.uleb(), inUnit: true };
    case Form.refAddr: return { kind: 'reference', value: Number(reader.unsigned(formSize(form, format))), inUnit: false };
    case Form.refSig8: return { kind: 'signature', value: reader.u64() };
    case Form.secOffset: return { kind: 'sectionOffset', value: reader.offset(format.offsetSize) };
    case Form.rnglistx: return { kind: 'rangeListIndex', value: reader.uleb() };
    case Form.loclistx: return { kind: 'locationListIndex', value: reader.uleb() };
    case Form.refSup4: case Form.refSup8: case Form.strpSup: case Form.gnuRefAlt: case Form.gnuStrpAlt:
      reader.skip(formSize(form, format));
      return { kind: 'elsewhere' };
    case Form.indirect: {
      const actual = reader.uleb();
      if (actual === Form.indirect || actual === Form.implicitConst) throw reader.error('an indirect form names an indirect form');
      return readForm(reader, actual, format, undefined);
    }
    default: throw reader.error(`attribute form ${form} is unknown`);
  }
}

/** Advances over one attribute value without building it. */
export function skipForm(reader: ByteReader, form: number, format: UnitFormat): void {
  const size = formSize(form, format);
  if (size >= 0) {
    reader.skip(size);
    return;
  }
  switch (form) {
    case Form.sdata: case Form.udata: case Form.refUdata: case Form.strx: case Form.addrx: case Form.rnglistx: case Form.loclistx:
    case Form.gnuAddrIndex: case Form.gnuStrIndex:
      reader.skipLeb();
      return;
    case Form.string:
      reader.skipCstring();
      return;
    case Form.block1: reader.skip(reader.u8()); return;
    case Form.block2: reader.skip(reader.u16()); return;
    case Form.block4: reader.skip(reader.u32()); return;
    case Form.block: case Form.exprloc: reader.skip(reader.uleb()); return;
    default: readForm(reader, form, format, undefined);
  }
}

function constant(value: bigint, size: number): RawValue {
  return { kind: 'constant', value, size, signed: false };
}

function block(reader: ByteReader, length: number, isExpression: boolean): RawValue {
  return { kind: 'block', bytes: reader.block(length), isExpression };
}
