// ELF images, 32 and 64 bits, little-endian (System V ABI, chapters 4 'Object Files' and 5 'Program Loading'): header, program
// headers, sections, symbol tables and notes. What lies outside the file is clipped with a warning; a file whose header or tables
// cannot be found at all is a SymbolError. Section bytes are views of the file, never copies.

import { ByteReader } from './byte-reader';
import { inflate } from './inflate';
import { SymbolError, WarningList, hex } from './symbol-error';

export type ElfMachine = 'x86-64' | 'i386';

/** A compressed section may grow to this. */
const LARGEST_SECTION = 2 ** 30;

/** A program header. Addresses are link-time linear (`virtualAddress`) and physical addresses. */
export interface ElfSegment {
  readonly type: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly virtualAddress: bigint;
  readonly physicalAddress: bigint;
  /** Offset and length in the file; the bytes past `fileSize` up to `memorySize` are zero. */
  readonly fileOffset: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly fileOffset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

export type ElfSymbolKind = 'none' | 'object' | 'function' | 'section' | 'file' | 'other';

export interface ElfSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
  readonly kind: ElfSymbolKind;
  readonly binding: 'local' | 'global' | 'weak';
  /** Index of the section that holds it, 0 when undefined, 0xfff1 when absolute. */
  readonly section: number;
}

export interface ElfImage {
  readonly bytes: Uint8Array;
  readonly is64: boolean;
  readonly machine: ElfMachine;
  readonly type: 'relocatable' | 'executable' | 'shared' | 'other';
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** Hexadecimal digits of the GNU build-id note, if there is one. */
  readonly buildId: string | undefined;
  readonly warnings: WarningList;
  /** The bytes of a section, decompressed if need be; empty when it has none in the file or they are damaged. */
  sectionBytes(section: ElfSection): Uint8Array;
  sectionNamed(name: string): ElfSection | undefined;
  /** Symbols of `.symtab` (or `.dynsym` where there is no `.symtab`), in the file's order. Built on first use. */
  symbols(): readonly ElfSymbol[];
}

export const PT_LOAD = 1;
const PT_NOTE = 4;
export const SHT_NOBITS = 8;
const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const SHT_DYNSYM = 11;
const SHN_XINDEX = 0xffff;
export const SHF_EXECINSTR = 4;
export const SHF_ALLOC = 2;
const SHF_COMPRESSED = 0x800;
const NT_GNU_BUILD_ID = 3;

const symbolKinds: readonly ElfSymbolKind[] = ['none', 'object', 'function', 'section', 'file', 'object', 'object'];
const bindings = ['local', 'global', 'weak'] as const;
const types = ['other', 'relocatable', 'executable', 'shared'] as const;

/** True when the bytes begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Reads the tables of an ELF file. Throws SymbolError when it is not a little-endian x86 ELF file or its tables are out of reach. */
export function parseElf(bytes: Uint8Array): ElfImage {
  if (!isElf(bytes)) throw new SymbolError('this is not an ELF file', 'ELF header');
  const reader = new ByteReader(bytes, 'ELF header');
  reader.skip(4);
  const fileClass = reader.u8();
  const data = reader.u8();
  if (fileClass !== 1 && fileClass !== 2) throw new SymbolError(`ELF class ${fileClass} is neither 32 nor 64 bits`, 'ELF header+0x4');
  if (data !== 1) throw new SymbolError('only little-endian ELF files are supported', 'ELF header+0x5');
  const is64 = fileClass === 2;
  reader.skip(10);
  const type = reader.u16();
  const machineNumber = reader.u16();
  if (machineNumber !== 62 && machineNumber !== 3) throw new SymbolError(`machine ${machineNumber} is neither x86-64 nor i386`, 'ELF header+0x12');
  reader.skip(4);
  const entry = is64 ? reader.u64() : BigInt(reader.u32());
  const segmentTable = is64 ? reader.size64() : reader.u32();
  const sectionTable = is64 ? reader.size64() : reader.u32();
  reader.skip(6);
  const segmentEntrySize = reader.u16();
  let segmentCount = reader.u16();
  const sectionEntrySize = reader.u16();
  let sectionCount = reader.u16();
  let nameSection = reader.u16();
  const warnings = new WarningList();

  if (sectionTable !== 0 && sectionTable < bytes.length) {
    // Counts that do not fit 16 bits stand in the first section header.
    const first = warnings.attempt(() => readSection(new ByteReader(bytes, 'section headers', sectionTable), is64, 0), undefined);
    if (first && sectionCount === 0) sectionCount = first.size;
    if (first && nameSection === SHN_XINDEX) nameSection = first.link;
    if (first && segmentCount === 0xffff) segmentCount = first.info;
  }
  const rawSections = warnings.attempt(
    () => readTable(bytes, 'section headers', sectionTable, sectionCount, sectionEntrySize, is64 ? 64 : 40, (r, i) => readSection(r, is64, i), warnings), []);
  const segments = warnings.attempt(
    () => readTable(bytes, 'program headers', segmentTable, segmentCount, segmentEntrySize, is64 ? 56 : 32, r => readSegment(r, is64), warnings), []);
  const names = rawSections[nameSection] ? contentOf(bytes, rawSections[nameSection]) : new Uint8Array();
  const sections = rawSections.map(({ nameOffset, ...section }): ElfSection => ({
    ...section,
    name: nameOffset < names.length ? warnings.attempt(() => new ByteReader(names, '.shstrtab', nameOffset).cstring(), '') : '',
  }));
  for (const section of sections) {
    if (section.type !== SHT_NOBITS && section.size > 0 && section.fileOffset + section.size > bytes.length) {
      warnings.add(`section ${section.name || section.index} reaches past the end of the file`);
    }
  }
  const byName = new Map<string, ElfSection>();
  for (const section of sections) if (section.name !== '' && !byName.has(section.name)) byName.set(section.name, section);
  for (const segment of segments) {
    if (segment.type === PT_LOAD && segment.fileOffset + segment.fileSize > bytes.length) warnings.add(`the segment at ${hex(segment.virtualAddress)} reaches past the end of the file`);
  }

  const inflated = new Map<number, Uint8Array>();
  let symbolTable: readonly ElfSymbol[] | undefined;
  return {
    bytes, is64, entry, segments, sections, warnings,
    machine: machineNumber === 62 ? 'x86-64' : 'i386',
    type: types[type] ?? 'other',
    buildId: findBuildId(bytes, segments, sections, warnings),
    sectionBytes: section => {
      if (!(section.flags & SHF_COMPRESSED)) return contentOf(bytes, section);
      let content = inflated.get(section.index);
      if (!content) inflated.set(section.index, (content = warnings.attempt(() => decompress(contentOf(bytes, section), is64, section.name), new Uint8Array())));
      return content;
    },
    sectionNamed: name => byName.get(name),
    symbols: () => (symbolTable ??= readSymbols(bytes, is64, sections, warnings)),
  };
}

function readTable<T>(
  bytes: Uint8Array, where: string, start: number, count: number, entrySize: number, least: number, read: (reader: ByteReader, index: number) => T, warnings: WarningList,
): T[] {
  if (count === 0 || start === 0) return [];
  if (entrySize < least) throw new SymbolError(`an entry of ${entrySize} bytes is too small`, where);
  if (start >= bytes.length) throw new SymbolError(`the table at ${hex(start)} lies outside the file`, where);
  const fitting = Math.min(count, Math.floor((bytes.length - start) / entrySize));
  if (fitting < count) warnings.add(`${where}: only ${fitting} of ${count} entries lie inside the file`);
  const result: T[] = [];
  for (let i = 0; i < fitting; i++) result.push(read(new ByteReader(bytes, where, start + i * entrySize), i));
  return result;
}

function readSection(r: ByteReader, is64: boolean, index: number): ElfSection & { nameOffset: number } {
  const nameOffset = r.u32();
  const type = r.u32();
  const flags = is64 ? Number(r.u64() & 0xffff_ffffn) : r.u32();
  const address = is64 ? r.u64() : BigInt(r.u32());
  const fileOffset = is64 ? Number(r.u64()) : r.u32();
  const size = is64 ? Number(r.u64()) : r.u32();
  const link = r.u32();
  const info = r.u32();
  r.skip(is64 ? 8 : 4);
  const entrySize = is64 ? Number(r.u64()) : r.u32();
  return { index, name: '', nameOffset, type, flags, address, fileOffset, size, link, info, entrySize };
}

function readSegment(r: ByteReader, is64: boolean): ElfSegment {
  const type = r.u32();
  let flags = is64 ? r.u32() : 0;
  const word = (): bigint => (is64 ? r.u64() : BigInt(r.u32()));
  const fileOffset = Number(word());
  const virtualAddress = word();
  const physicalAddress = word();
  const fileSize = Number(word());
  const memorySize = Number(word());
  if (!is64) flags = r.u32();
  return {
    type, virtualAddress, physicalAddress, fileOffset, fileSize, memorySize,
    readable: (flags & 4) !== 0, writable: (flags & 2) !== 0, executable: (flags & 1) !== 0,
  };
}

function contentOf(bytes: Uint8Array, section: { type: number; fileOffset: number; size: number }): Uint8Array {
  if (section.type === SHT_NOBITS || section.fileOffset >= bytes.length) return new Uint8Array();
  return bytes.subarray(section.fileOffset, Math.min(bytes.length, section.fileOffset + section.size));
}

function decompress(content: Uint8Array, is64: boolean, name: string): Uint8Array {
  const reader = new ByteReader(content, name);
  const type = reader.u32();
  if (is64) reader.skip(4);
  const size = is64 ? reader.size64() : reader.u32();
  reader.skip(is64 ? 8 : 4);
  if (type !== 1) throw reader.error(`compression ${type === 2 ? 'by zstd' : type} is not supported`, 0);
  if (size > LARGEST_SECTION) throw reader.error(`a compressed section of ${size} bytes is too large`, 0);
  return inflate(content.subarray(reader.position), size, name);
}

function readSymbols(bytes: Uint8Array, is64: boolean, sections: readonly ElfSection[], warnings: WarningList): ElfSymbol[] {
  const table = sections.find(section => section.type === SHT_SYMTAB) ?? sections.find(section => section.type === SHT_DYNSYM);
  if (!table) return [];
  const strings = sections[table.link] ? contentOf(bytes, sections[table.link]!) : new Uint8Array();
  const content = contentOf(bytes, table);
  const entrySize = is64 ? 24 : 16;
  const reader = new ByteReader(content, table.name || 'symbol table');
  const result: ElfSymbol[] = [];
  for (let at = entrySize; at + entrySize <= content.length; at += entrySize) {
    reader.position = at;
    const nameOffset = reader.u32();
    let address = 0n;
    let size = 0;
    if (!is64) {
      address = BigInt(reader.u32());
      size = reader.u32();
    }
    const info = reader.u8();
    reader.skip(1);
    const section = reader.u16();
    if (is64) {
      address = reader.u64();
      size = Number(reader.u64());
    }
    const name = nameOffset === 0 ? '' : warnings.attempt(() => new ByteReader(strings, '.strtab', nameOffset).cstring(), '');
    result.push({ name, address, size, section, kind: symbolKinds[info & 15] ?? (((info & 15) === 10) ? 'function' : 'other'), binding: bindings[info >> 4] ?? 'global' });
  }
  return result;
}

function findBuildId(bytes: Uint8Array, segments: readonly ElfSegment[], sections: readonly ElfSection[], warnings: WarningList): string | undefined {
  const places = [
    ...sections.filter(section => section.type === SHT_NOTE).map(section => contentOf(bytes, section)),
    ...segments.filter(segment => segment.type === PT_NOTE).map(segment => bytes.subarray(segment.fileOffset, segment.fileOffset + segment.fileSize)),
  ];
  for (const place of places) {
    const found = warnings.attempt(() => buildIdIn(place), undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function buildIdIn(notes: Uint8Array): string | undefined {
  const reader = new ByteReader(notes, 'notes');
  const aligned = (size: number): number => Math.min(Math.ceil(size / 4) * 4, reader.remaining);
  while (reader.remaining >= 12) {
    const nameSize = reader.u32();
    const descriptionSize = reader.u32();
    const type = reader.u32();
    if (nameSize > reader.remaining) throw reader.error('a note reaches past its section');
    const nameAt = reader.position;
    reader.skip(aligned(nameSize));
    const isGnu = nameSize === 4 && notes[nameAt] === 0x47 && notes[nameAt + 1] === 0x4e && notes[nameAt + 2] === 0x55;
    if (descriptionSize > reader.remaining) throw reader.error('a note reaches past its section');
    if (isGnu && type === NT_GNU_BUILD_ID) return [...reader.block(Math.min(descriptionSize, 64))].map(byte => byte.toString(16).padStart(2, '0')).join('');
    reader.skip(aligned(descriptionSize));
  }
  return undefined;
}
