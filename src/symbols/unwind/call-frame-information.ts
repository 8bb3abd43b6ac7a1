// Call frame information of .eh_frame and .debug_frame (DWARF 5, 6.4 'Call Frame Information'; Linux Standard Base, 'Exception Frames'):
// which rule finds the canonical frame address and each saved register at a given instruction. The sections are indexed once by
// address; the instructions of one description are run on demand.

import { ByteReader } from '../byte-reader';
import { RangeMap } from '../range-map';
import { SymbolError, hex, type WarningList } from '../symbol-error';
import { runFrameProgram, type UnwindRow } from './frame-program';

/** A section of call frame information and the link-time address at which it is loaded (0 when it is not). */
export interface FrameSection {
  readonly name: '.eh_frame' | '.debug_frame';
  readonly bytes: Uint8Array;
  readonly address: bigint;
}

/** What descriptions of many functions share (a CIE). */
export interface CommonInformation {
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  readonly returnRegister: number;
  readonly isSignalFrame: boolean;
  /** Whether descriptions carry augmentation data, and how their addresses are written (DW_EH_PE_*). */
  readonly hasAugmentationData: boolean;
  readonly pointerEncoding: number;
  readonly addressSize: number;
  readonly instructions: Uint8Array;
}

/** The unwinding of one function or a part of it (an FDE). */
export interface FrameDescription {
  readonly start: bigint;
  readonly end: bigint;
  readonly common: CommonInformation;
  readonly instructions: Uint8Array;
}

export class CallFrameInformation {
  private readonly sections: readonly FrameSection[];
  private readonly addressSize: 4 | 8;
  private readonly warnings: WarningList;
  private readonly commons = new Map<string, CommonInformation>();
  private readonly places: { section: FrameSection; offset: number }[] = [];
  private readonly index: RangeMap;

  /** Indexes the sections. Descriptions of code that `isLoaded` denies are left out; what cannot be read is a warning. */
  constructor(sections: readonly FrameSection[], addressSize: 4 | 8, isLoaded: (address: bigint) => boolean, warnings: WarningList) {
    this.sections = sections;
    this.addressSize = addressSize;
    this.warnings = warnings;
    const entries: { start: bigint; end: bigint; value: number }[] = [];
    for (const section of this.sections) {
      warnings.attempt(() => this.scan(section, (start, end, offset) => {
        if (!isLoaded(start)) return;
        entries.push({ start, end, value: this.places.length });
        this.places.push({ section, offset });
      }), undefined);
    }
    this.index = new RangeMap(entries);
  }

  get size(): number {
    return this.index.size;
  }

  /** The description that covers a link-time address. */
  descriptionAt(address: bigint): FrameDescription | undefined {
    const found = this.index.find(address);
    if (!found) return undefined;
    const { section, offset } = this.places[found.value]!;
    return this.warnings.attempt(() => this.readDescription(section, offset), undefined);
  }

  /** The row of rules in effect at a link-time address; undefined without a description. Throws SymbolError for a bad program. */
  rowAt(address: bigint): UnwindRow | undefined {
    const description = this.descriptionAt(address);
    return description && runFrameProgram(description, address);
  }

  private scan(section: FrameSection, found: (start: bigint, end: bigint, offset: number) => void): void {
    const reader = new ByteReader(section.bytes, section.name);
    while (reader.remaining >= 4) {
      const start = reader.position;
      const { length, offsetSize } = reader.initialLength();
      if (length === 0) {
        // The terminator of .eh_frame; linked sections may go on after it.
        if (reader.remaining === 0) break;
        continue;
      }
      const end = reader.position + length;
      if (end > reader.end) throw reader.error('an entry reaches past the end of its section', start);
      const idAt = reader.position;
      const id = reader.offset(idSize(section, offsetSize));
      if (!isCommon(section, id, offsetSize)) {
        const description = this.warnings.attempt(() => this.readRange(section, reader.window(reader.position, end), id, idAt), undefined);
        if (description) found(description.start, description.end, start);
      }
      reader.position = end;
    }
  }

  private readRange(section: FrameSection, reader: ByteReader, id: number, idAt: number): { start: bigint; end: bigint; common: CommonInformation } {
    const common = this.commonAt(section, section.name === '.eh_frame' ? idAt - id : id);
    const start = this.readPointer(reader, section, common, common.pointerEncoding);
    const length = this.readPointer(reader, section, common, common.pointerEncoding & 0x0f);
    return { start, end: start + BigInt.asUintN(common.addressSize * 8, length), common };
  }

  private readDescription(section: FrameSection, offset: number): FrameDescription {
    const outer = new ByteReader(section.bytes, section.name, offset);
    const { length, offsetSize } = outer.initialLength();
    const reader = outer.window(outer.position, outer.position + length);
    const idAt = reader.position;
    const id = reader.offset(idSize(section, offsetSize));
    const { start, end, common } = this.readRange(section, reader, id, idAt);
    if (common.hasAugmentationData) reader.skip(reader.uleb());
    return { start, end, common, instructions: reader.block(reader.remaining) };
  }

  private commonAt(section: FrameSection, offset: number): CommonInformation {
    const key = `${section.name}${offset}`;
    let common = this.commons.get(key);
    if (!common) this.commons.set(key, (common = this.readCommon(section, offset)));
    return common;
  }

  private readCommon(section: FrameSection, offset: number): CommonInformation {
    if (offset < 0) throw new SymbolError('a frame description names no common entry', section.name);
    const outer = new ByteReader(section.bytes, section.name, offset);
    const { length, offsetSize } = outer.initialLength();
    const reader = outer.window(outer.position, outer.position + length);
    if (!isCommon(section, reader.offset(idSize(section, offsetSize)), offsetSize)) throw reader.error('a frame description names no common entry', offset);
    const version = reader.u8();
    if (version !== 1 && version !== 3 && version !== 4) throw reader.error(`call frame version ${version} is not supported`, offset);
    const augmentation = reader.cstring();
    let addressSize: number = this.addressSize;
    if (version === 4) {
      addressSize = reader.u8();
      if (addressSize !== 4 && addressSize !== 8) throw reader.error(`addresses of ${addressSize} bytes are not supported`, offset);
      if (reader.u8() !== 0) throw reader.error('segmented addresses are not supported', offset);
    }
    const codeAlignment = reader.uleb();
    const dataAlignment = reader.sleb();
    const returnRegister = version === 1 ? reader.u8() : reader.uleb();
    let pointerEncoding = 0;
    let isSignalFrame = false;
    const hasAugmentationData = augmentation.startsWith('z');
    if (hasAugmentationData) {
      const dataLength = reader.uleb();
      const data = reader.window(reader.position, reader.position + dataLength);
      reader.skip(dataLength);
      for (const letter of augmentation.slice(1)) {
        if (letter === 'R') pointerEncoding = data.u8();
        else if (letter === 'S') isSignalFrame = true;
        else if (letter === 'P') this.readPointer(data, section, { addressSize }, data.u8());
        else if (letter === 'L') data.u8();
        else break;
      }
    } else if (augmentation !== '') {
      throw reader.error(`the call frame augmentation '${augmentation}' is not known`, offset);
    }
    return { codeAlignment, dataAlignment, returnRegister, isSignalFrame, hasAugmentationData, pointerEncoding, addressSize, instructions: reader.block(reader.remaining) };
  }

  /** A pointer in one of the encodings DW_EH_PE_*: the low half is the format, the high half what it is relative to. */
  private readPointer(reader: ByteReader, section: FrameSection, common: { addressSize: number }, encoding: number): bigint {
    if (encoding === 0xff) return 0n;
    const at = reader.position;
    let value: bigint;
    switch (encoding & 0x0f) {
      case 0x00: value = reader.unsigned(common.addressSize); break;
      case 0x01: value = reader.ulebBig(); break;
      case 0x02: value = BigInt(reader.u16()); break;
      case 0x03: value = BigInt(reader.u32()); break;
      case 0x04: value = reader.u64(); break;
      case 0x09: value = reader.slebBig(); break;
      case 0x0a: value = BigInt(reader.i16()); break;
      case 0x0b: value = BigInt(reader.i32()); break;
      case 0x0c: value = reader.i64(); break;
      default: throw reader.error(`pointer encoding ${hex(encoding)} is unknown`, at);
    }
    switch (encoding & 0x70) {
      case 0x00: break;
      case 0x10: value += section.address + BigInt(at); break;
      default: throw reader.error(`pointer encoding ${hex(encoding)} is not supported`, at);
    }
    return BigInt.asUintN(common.addressSize * 8, value);
  }
}

function idSize(section: FrameSection, offsetSize: 4 | 8): 4 | 8 {
  return section.name === '.eh_frame' ? 4 : offsetSize;
}

function isCommon(section: FrameSection, id: number, offsetSize: 4 | 8): boolean {
  return section.name === '.eh_frame' ? id === 0 : offsetSize === 4 ? id === 0xffff_ffff : id >= 0x1f_ffff_ffff_ffff;
}
