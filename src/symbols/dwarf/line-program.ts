// Line-number programs of .debug_line, versions 2 to 5 (DWARF 5, 6.2 'Line Number Information'). A program becomes sequences: runs of
// rows with rising addresses, kept in typed arrays as distances from the first address. Every row costs at least one byte of the
// program, so that the result is bounded by the file.

import { ByteReader } from '../byte-reader';
import { upperBound } from '../range-map';
import { isAbsolutePath, joinPath } from '../source-path';
import { SymbolError, hex, type WarningList } from '../symbol-error';
import { readForm } from './attribute-forms';
import { LineContent, LineExtended, LineStandard } from './constants';
import type { SectionBytes } from './debug-info';

/** What a line program says before its opcodes: the files, by the number that rows and DW_AT_decl_file use. */
export interface LineHeader {
  readonly offset: number;
  readonly version: number;
  /** Normalised paths by file number; number 0 exists from version 5 on, before it is an empty text. */
  readonly files: readonly string[];
  readonly programAt: number;
  readonly programEnd: number;
  readonly addressSize: number;
  readonly minimumInstructionLength: number;
  readonly maximumOperations: number;
  readonly defaultIsStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeLengths: readonly number[];
}

export const RowFlag = { statement: 1, prologueEnd: 2, epilogueBegin: 4 } as const;

/** Rows [first, first + count) of a table, for addresses from `start` to before `end`. */
export interface LineSequence {
  readonly start: bigint;
  readonly end: bigint;
  readonly first: number;
  readonly count: number;
}

/** The rows of one unit. `distances` are bytes from the start of the row's sequence, rising within a sequence. */
export interface LineTable {
  readonly header: LineHeader;
  /** The header's files, and those that the program defined itself. */
  readonly files: readonly string[];
  readonly sequences: readonly LineSequence[];
  readonly distances: Uint32Array;
  readonly lines: Uint32Array;
  readonly columns: Uint16Array;
  readonly fileNumbers: Uint16Array;
  readonly flags: Uint8Array;
}

const MOST_FILES = 0xffff;

/** Reads the header at an offset. `addressSize` is the unit's, used by versions before 5. Throws SymbolError. */
export function readLineHeader(section: SectionBytes, offset: number, compilationDirectory: string, addressSize: number): LineHeader {
  const bytes = section('.debug_line');
  const outer = new ByteReader(bytes, '.debug_line', offset);
  const { length, offsetSize } = outer.initialLength();
  const programEnd = outer.position + length;
  const reader = outer.window(outer.position, programEnd);
  const version = reader.u16();
  if (version < 2 || version > 5) throw reader.error(`line table version ${version} is not supported`, offset);
  if (version >= 5) {
    addressSize = reader.u8();
    reader.skip(1);
  }
  const headerLength = reader.offset(offsetSize);
  const programAt = reader.position + headerLength;
  if (programAt > programEnd) throw reader.error('the line table header is longer than its table', offset);
  const minimumInstructionLength = reader.u8();
  const maximumOperations = version >= 4 ? reader.u8() : 1;
  const defaultIsStatement = reader.u8() !== 0;
  const lineBase = reader.i8();
  const lineRange = reader.u8();
  const opcodeBase = reader.u8();
  if (lineRange === 0) throw reader.error('the line range is zero', offset);
  const opcodeLengths = [0];
  for (let i = 1; i < opcodeBase; i++) opcodeLengths.push(reader.u8());
  const tables = reader.window(reader.position, programAt);
  const files = version >= 5 ? readFiles5(section, tables, { version, addressSize, offsetSize }, compilationDirectory) : readFiles4(tables, compilationDirectory);
  return {
    offset, version, files, programAt, programEnd, addressSize, minimumInstructionLength, maximumOperations: Math.max(1, maximumOperations),
    defaultIsStatement, lineBase, lineRange, opcodeLengths,
  };
}

function readFiles4(reader: ByteReader, compilationDirectory: string): string[] {
  const directories = [compilationDirectory];
  for (let text = reader.cstring(); text !== ''; text = reader.cstring()) directories.push(text);
  const files = [''];
  for (let text = reader.cstring(); text !== '' && files.length < MOST_FILES; text = reader.cstring()) {
    files.push(joinPath(compilationDirectory, directories[reader.uleb()] ?? '', text));
    reader.skipLeb();
    reader.skipLeb();
  }
  return files;
}

type Format = { version: number; addressSize: number; offsetSize: 4 | 8 };

function readFiles5(section: SectionBytes, reader: ByteReader, format: Format, compilationDirectory: string): string[] {
  const directories = readEntries(section, reader, format);
  // Directory 0 is the compilation directory itself, which the unit's entry may repeat, relatively or not.
  const first = directories[0]?.path ?? '';
  const root = first === '' ? compilationDirectory : isAbsolutePath(compilationDirectory) ? joinPath(compilationDirectory, first) : first;
  return readEntries(section, reader, format).map(({ path, directory }) => joinPath(root, directory === 0 ? '' : directories[directory]?.path ?? '', path));
}

function readEntries(section: SectionBytes, reader: ByteReader, format: Format): { path: string; directory: number }[] {
  const formats: [content: number, form: number][] = [];
  for (let left = reader.u8(); left > 0; left--) formats.push([reader.uleb(), reader.uleb()]);
  const count = reader.uleb();
  if (count > MOST_FILES || (count > 0 && (formats.length === 0 || count > reader.remaining))) throw reader.error(`a table of ${count} names does not fit its header`);
  const entries: { path: string; directory: number }[] = [];
  for (let i = 0; i < count; i++) {
    let path = '';
    let directory = 0;
    for (const [content, form] of formats) {
      const raw = readForm(reader, form, format, undefined);
      if (content === LineContent.path) {
        if (raw.kind === 'text') path = raw.value;
        else if (raw.kind === 'textOffset') path = new ByteReader(section(raw.section), raw.section, raw.value).cstring();
      } else if (content === LineContent.directoryIndex && raw.kind === 'constant') {
        directory = Number(raw.value);
      }
    }
    entries.push({ path, directory });
  }
  return entries;
}

/** Rows under construction: growing typed arrays. */
class RowBuilder {
  count = 0;
  distances = new Uint32Array(256);
  lines = new Uint32Array(256);
  columns = new Uint16Array(256);
  fileNumbers = new Uint16Array(256);
  flags = new Uint8Array(256);

  add(distance: number, line: number, column: number, file: number, flags: number): void {
    if (this.count === this.distances.length) this.grow();
    const i = this.count++;
    this.distances[i] = distance;
    this.lines[i] = line;
    this.columns[i] = Math.min(column, 0xffff);
    this.fileNumbers[i] = file;
    this.flags[i] = flags;
  }

  private grow(): void {
    const larger = <T extends Uint32Array | Uint16Array | Uint8Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const length = this.distances.length * 2;
    this.distances = larger(this.distances, new Uint32Array(length));
    this.lines = larger(this.lines, new Uint32Array(length));
    this.columns = larger(this.columns, new Uint16Array(length));
    this.fileNumbers = larger(this.fileNumbers, new Uint16Array(length));
    this.flags = larger(this.flags, new Uint8Array(length));
  }
}

/**
 * Runs a line program. A defect in the middle is a warning, and the complete sequences before it are kept. Sequences whose addresses
 * `isLoaded` denies (functions that the linker discarded stand at 0 or -1) are dropped.
 */
export function runLineProgram(section: SectionBytes, header: LineHeader, isLoaded: (start: bigint) => boolean, warnings: WarningList): LineTable {
  const rows = new RowBuilder();
  const sequences: LineSequence[] = [];
  const files = [...header.files];
  warnings.attempt(() => execute(section, header, isLoaded, rows, sequences, files), undefined);
  const used = sequences.length === 0 ? 0 : sequences.at(-1)!.first + sequences.at(-1)!.count;
  return {
    header, files, sequences,
    distances: rows.distances.slice(0, used), lines: rows.lines.slice(0, used), columns: rows.columns.slice(0, used),
    fileNumbers: rows.fileNumbers.slice(0, used), flags: rows.flags.slice(0, used),
  };
}

function execute(
  section: SectionBytes, header: LineHeader, isLoaded: (start: bigint) => boolean, rows: RowBuilder, sequences: LineSequence[], files: string[],
): void {
  const reader = new ByteReader(section('.debug_line'), '.debug_line', header.programAt, header.programEnd);
  const { lineBase, lineRange, minimumInstructionLength, maximumOperations, opcodeLengths } = header;
  const opcodeBase = opcodeLengths.length;
  const constAdvance = Math.floor((255 - opcodeBase) / lineRange);
  const initialFlags = header.defaultIsStatement ? RowFlag.statement : 0;

  // The state machine's registers (6.2.2). The address is `start + distance`; `operation` counts within a VLIW instruction.
  let start = 0n;
  let distance = 0;
  let operation = 0;
  let file = 1;
  let line = 1;
  let column = 0;
  let statement: number = initialFlags;
  let once = 0;
  let first = rows.count;

  const advance = (operations: number): void => {
    if (maximumOperations === 1) {
      distance += operations * minimumInstructionLength;
    } else {
      distance += minimumInstructionLength * Math.floor((operation + operations) / maximumOperations);
      operation = (operation + operations) % maximumOperations;
    }
    if (!(distance <= 0xffff_ffff)) throw reader.error('a line sequence is longer than 4 GiB');
  };
  const emit = (): void => {
    rows.add(distance, Math.max(0, line), column, file, statement | once);
    once = 0;
  };
  const close = (end: number): void => {
    const count = rows.count - first;
    if (count > 0 && end > 0 && isLoaded(start)) sequences.push({ start, end: start + BigInt(end), first, count });
    else rows.count = first;
    first = rows.count;
  };
  const reset = (): void => {
    start = 0n;
    distance = operation = column = once = 0;
    file = line = 1;
    statement = initialFlags;
  };

  while (reader.remaining > 0) {
    const opcode = reader.u8();
    if (opcode >= opcodeBase) {
      const adjusted = opcode - opcodeBase;
      advance(Math.floor(adjusted / lineRange));
      line += lineBase + (adjusted % lineRange);
      emit();
      continue;
    }
    switch (opcode) {
      case 0: {
        const length = reader.uleb();
        const body = reader.window(reader.position, reader.position + length);
        reader.skip(length);
        if (length === 0) break;
        const extended = body.u8();
        if (extended === LineExtended.endSequence) {
          close(distance);
          reset();
        } else if (extended === LineExtended.setAddress) {
          const address = body.unsigned(length - 1);
          const offset = address - start;
          if (rows.count > first && (offset < BigInt(distance) || offset > 0xffff_ffffn)) {
            close(distance);
            start = address;
            distance = 0;
          } else if (rows.count === first) {
            start = address;
            distance = 0;
          } else {
            distance = Number(offset);
          }
          operation = 0;
        } else if (extended === LineExtended.defineFile) {
          const path = body.cstring();
          if (files.length < MOST_FILES) files.push(joinPath(path));
        }
        break;
      }
      case LineStandard.copy: emit(); break;
      case LineStandard.advancePc: advance(reader.uleb()); break;
      case LineStandard.advanceLine: line += reader.sleb(); break;
      case LineStandard.setFile: file = reader.uleb(); break;
      case LineStandard.setColumn: column = reader.uleb(); break;
      case LineStandard.negateStatement: statement ^= RowFlag.statement; break;
      case LineStandard.setBasicBlock: break;
      case LineStandard.constAddPc: advance(constAdvance); break;
      case LineStandard.fixedAdvancePc: {
        distance += reader.u16();
        operation = 0;
        break;
      }
      case LineStandard.setPrologueEnd: once |= RowFlag.prologueEnd; break;
      case LineStandard.setEpilogueBegin: once |= RowFlag.epilogueBegin; break;
      case LineStandard.setIsa: reader.skipLeb(); break;
      default: for (let i = opcodeLengths[opcode]!; i > 0; i--) reader.skipLeb();
    }
  }
  if (rows.count > first) throw new SymbolError('a line program ends inside a sequence', `.debug_line+${hex(header.offset)}`);
}

/** The row in effect at an address of a sequence: of the last rows at or before it the one that is a statement, else the last. */
export function rowAt(table: LineTable, sequence: LineSequence, address: bigint): number {
  const distance = Number(address - sequence.start);
  const slice = table.distances.subarray(sequence.first, sequence.first + sequence.count);
  const last = upperBound(slice, distance) - 1;
  if (last < 0) return -1;
  const at = slice[last]!;
  for (let i = last; i >= 0 && slice[i] === at; i--) if (table.flags[sequence.first + i]! & RowFlag.statement) return sequence.first + i;
  return sequence.first + last;
}

/** The distance at which a row's effect ends: that of the next row with another address, or the end of the sequence. */
export function rowEnd(table: LineTable, sequence: LineSequence, row: number): number {
  const slice = table.distances.subarray(sequence.first, sequence.first + sequence.count);
  const next = upperBound(slice, table.distances[row]!);
  return next < slice.length ? slice[next]! : Number(sequence.end - sequence.start);
}
