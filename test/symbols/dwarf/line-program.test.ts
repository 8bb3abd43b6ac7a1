import { describe, expect, test } from 'vitest';
import { RowFlag, readLineHeader, runLineProgram, type LineTable } from '../../../src/symbols/dwarf/line-program';
import { WarningList } from '../../../src/symbols/symbol-error';
import { listing, openSample, sampleNames } from '../sample-images';

type Row = { address: bigint; file: string; line: number; isStatement: boolean };

function rowsOf(table: LineTable): Row[] {
  return table.sequences.flatMap(sequence => Array.from({ length: sequence.count }, (_, i) => {
    const row = sequence.first + i;
    return {
      address: sequence.start + BigInt(table.distances[row]!), file: table.files[table.fileNumbers[row]!]!, line: table.lines[row]!,
      isStatement: (table.flags[row]! & RowFlag.statement) !== 0,
    };
  }));
}

describe.each(sampleNames)('%s', name => {
  test('rows agree with readelf', () => {
    const expected = listing(name, 'lines').flatMap(text => {
      const match = /^(\S+)\s+(\d+)\s+0x([0-9a-f]+)\s*(\d*)\s*(x?)\s*$/.exec(text);
      return match ? [{ address: BigInt(`0x${match[3]}`), file: match[1], line: Number(match[2]), isStatement: match[5] === 'x' }] : [];
    });
    const { units } = openSample(name);
    expect(expected.length).toBeGreaterThan(80);
    expect(units.compileUnits.flatMap(unit => rowsOf(units.lineTable(unit)!))).toEqual(expected);
    expect(units.compileUnits.map(unit => units.lineTable(unit)!.header.version)).toEqual(name.startsWith('dwarf4') ? [4, 4] : [5, 5]);
  });
});

// --- programs written by hand ---

const standardLengths = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];

function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

function text(value: string): number[] {
  return [...new TextEncoder().encode(value), 0];
}

function setAddress(address: number): number[] {
  return [0, 9, 2, ...u32(address), 0, 0, 0, 0];
}

const endSequence = [0, 1, 1];

/** A .debug_line section with one table. */
function section(version: number, tables: number[], program: number[], options: { lineRange?: number; minimum?: number; maximum?: number } = {}): Uint8Array {
  const fixed = [options.minimum ?? 1, ...(version >= 4 ? [options.maximum ?? 1] : []), 1, 0xfb, options.lineRange ?? 14, 13, ...standardLengths];
  const header = [...fixed, ...tables];
  const body = [version, 0, ...(version >= 5 ? [8, 0] : []), ...u32(header.length), ...header, ...program];
  return Uint8Array.from([...u32(body.length), ...body]);
}

const oneFile = [...text('inc'), 0, ...text('a.c'), 0, 0, 0, ...text('b.h'), 1, 0, 0, 0];

function run(bytes: Uint8Array, isLoaded = (_: bigint): boolean => true): { rows: Row[]; table: LineTable; warnings: string[] } {
  const sections = (name: string): Uint8Array => (name === '.debug_line' ? bytes : new Uint8Array());
  const warnings = new WarningList();
  const table = runLineProgram(sections, readLineHeader(sections, 0, '/build', 8), isLoaded, warnings);
  return { rows: rowsOf(table), table, warnings: warnings.texts };
}

describe('programs by hand', () => {
  test('standard, special and extended opcodes', () => {
    const { rows, table } = run(section(3, oneFile, [
      ...setAddress(0x1000), 3, 9, 1, // line 10, copy
      13 + 5 + 1 + 14 * 2, // special: line + 1, address + 2
      6, 4, 2, 5, 7, 9, 0x10, 0, 1, // not a statement, file 2, column 7, address + 16, copy
      8, 2, 3, 10, 11, 12, 5, 7, 1, // const_add_pc (17), advance_pc 3, prologue end, epilogue begin, isa 5, basic block, copy
      0, 2, 0x80, 0xff, 0, 2, 4, 9, // an unknown extended opcode, a discriminator
      2, 4, ...endSequence,
    ]));
    expect(rows).toEqual([
      { address: 0x1000n, file: '/build/a.c', line: 10, isStatement: true }, { address: 0x1002n, file: '/build/a.c', line: 11, isStatement: true },
      { address: 0x1012n, file: '/build/inc/b.h', line: 11, isStatement: false }, { address: 0x1026n, file: '/build/inc/b.h', line: 11, isStatement: false },
    ]);
    expect(table.sequences).toEqual([{ start: 0x1000n, end: 0x102an, first: 0, count: 4 }]);
    expect([...table.flags]).toEqual([1, 1, 0, RowFlag.prologueEnd | RowFlag.epilogueBegin]);
    expect([...table.columns]).toEqual([0, 0, 7, 7]);
  });

  test('version 2, and a file that the program defines', () => {
    const { rows } = run(section(2, oneFile, [...setAddress(0x10), 0, 8, 3, ...text('c.h'), 0, 0, 0, 4, 3, 1, 2, 1, ...endSequence]));
    expect(rows).toEqual([{ address: 0x10n, file: 'c.h', line: 1, isStatement: true }]);
  });

  test('version 5 with inline strings, MD5 sums and an unknown content type', () => {
    const directories = [1, 1, 8, 2, ...text('/build'), ...text('sub')];
    const files = [4, 1, 8, 2, 0x0b, 5, 0x1e, 0x80, 0x40, 0x0f, 2,
      ...text('main.c'), 0, ...Array(16).fill(0xaa), 3, ...text('part.c'), 1, ...Array(16).fill(0xbb), 4];
    const { rows, table } = run(section(5, [...directories, ...files], [...setAddress(0x10), 4, 0, 1, 4, 1, 2, 1, 1, 2, 1, ...endSequence]));
    expect(table.files).toEqual(['/build/main.c', '/build/sub/part.c']);
    expect(rows.map(row => row.file)).toEqual(['/build/main.c', '/build/sub/part.c']);
  });

  test('several operations in an instruction', () => {
    const { rows } = run(section(4, oneFile, [...setAddress(0x100), 1, 2, 5, 1, 2, 2, 1, 2, 8, ...endSequence], { minimum: 16, maximum: 3 }));
    expect(rows.map(row => row.address)).toEqual([0x100n, 0x110n, 0x120n]);
  });

  test('sequences of discarded functions are left out', () => {
    const program = [...setAddress(0), 1, 2, 4, ...endSequence, ...setAddress(0x400), 1, 2, 4, ...endSequence];
    expect(run(section(3, oneFile, program), address => address !== 0n).rows.map(row => row.address)).toEqual([0x400n]);
  });

  test('an address that jumps back begins another sequence', () => {
    const { table } = run(section(3, oneFile, [...setAddress(0x400), 1, 2, 4, 1, ...setAddress(0x100), 1, 2, 8, ...endSequence]));
    expect(table.sequences.map(({ start, end }) => [start, end])).toEqual([[0x400n, 0x404n], [0x100n, 0x108n]]);
  });

  test('a program cut short keeps its complete sequences', () => {
    const { rows, warnings } = run(section(3, oneFile, [...setAddress(0x10), 1, 2, 4, ...endSequence, ...setAddress(0x40), 1, 2]));
    expect(rows.map(row => row.address)).toEqual([0x10n]);
    expect(warnings).toEqual([expect.stringContaining('the data end too early')]);
  });

  test.each<[string, Uint8Array, string]>([
    ['version', section(6, [], []), 'line table version 6 is not supported'],
    ['line range', section(3, oneFile, [], { lineRange: 0 }), 'the line range is zero'],
    ['length', Uint8Array.from([...u32(500), 3, 0]), 'a length reaches past the end'],
    ['a table of a billion empty names', section(5, [0, 0xff, 0xff, 0xff, 0xff, 3], []), 'a table of 1073741823 names does not fit'],
    ['files without an end', section(3, [...text('inc'), 0, 0x41, 0x41], []), 'a string has no end'],
  ])('damage in the header: %s', (_, bytes, message) => expect(() => run(bytes)).toThrow(message));
});
