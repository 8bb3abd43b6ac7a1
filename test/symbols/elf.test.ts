import { describe, expect, test } from 'vitest';
import { isElf, parseElf } from '../../src/symbols/elf';
import { SymbolError } from '../../src/symbols/symbol-error';
import { listing, openSample, sampleBytes, sampleNames } from './sample-images';

describe.each(sampleNames)('%s', name => {
  test('symbols agree with readelf', () => {
    const expected = listing(name, 'symbols').flatMap(line => {
      const match = /^\s*\d+: ([0-9a-f]{16})\s+(\d+) (\w+)\s+(\w+)\s+\w+\s+(\w+) (\S+)?/.exec(line);
      return match ? [[BigInt(`0x${match[1]}`), Number(match[2]), match[3], match[4], match[5], match[6] ?? '']] : [];
    }).slice(1);
    const kinds = { none: 'NOTYPE', object: 'OBJECT', function: 'FUNC', section: 'SECTION', file: 'FILE', other: '?' };
    const image = parseElf(sampleBytes(name));
    const actual = image.symbols().map(symbol => [
      symbol.address, symbol.size, kinds[symbol.kind], symbol.binding.toUpperCase(), symbol.section === 0xfff1 ? 'ABS' : `${symbol.section}`,
      symbol.kind === 'section' ? image.sections[symbol.section]!.name : symbol.name,
    ]);
    expect(expected.length).toBeGreaterThan(20);
    expect(actual).toEqual(expected);
  });

  test('header and segments', () => {
    const image = parseElf(sampleBytes(name));
    expect(image).toMatchObject({ is64: true, machine: 'x86-64', type: 'executable' });
    expect(image.entry).toBe(image.symbols().find(symbol => symbol.name === '_start')!.address);
    expect(image.buildId).toMatch(/^[0-9a-f]{40}$/);
    expect(image.warnings.texts).toEqual([]);
    const info = image.sectionNamed('.debug_info')!;
    const grows = name.includes('packed');
    expect(Math.sign(image.sectionBytes(info).length - info.size)).toBe(grows ? 1 : 0);
    expect(image.warnings.texts).toEqual([]);
  });

  test('bytes at an address come from the file, and zeros after it', () => {
    const file = openSample(name);
    const counter = file.symbolsNamed('counter')[0]!;
    expect(file.textBytes(counter.address, 8)).toEqual(Uint8Array.of(0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11));
    const sink = file.symbolsNamed('sink')[0]!;
    expect(file.textBytes(sink.address, 4)).toEqual(new Uint8Array(4));
    expect(file.textBytes(0x10n, 4).length).toBe(0);
  });
});

test('ELF32 images', () => {
  // An ELF32 header, one program header and one symbol table, as a multiboot image has them.
  const bytes = new Uint8Array(0x200);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const halves: [number, number][] = [[0x10, 2], [0x12, 3], [0x2a, 32], [0x2c, 1], [0x2e, 40], [0x30, 4], [0x32, 3]];
  const words: [number, number][] = [
    [0x18, 0x10_0000], [0x1c, 0x34], [0x20, 0x60],
    [0x34, 1], [0x38, 0x100], [0x3c, 0x10_0000], [0x40, 0x10_0000], [0x44, 0x80], [0x48, 0x90], [0x4c, 5],
  ];
  for (const [at, value] of halves) view.setUint16(at, value, true);
  for (const [at, value] of words) view.setUint32(at, value, true);
  const section = (index: number, values: number[]): void => values.forEach((value, i) => view.setUint32(0x60 + index * 40 + i * 4, value, true));
  section(1, [1, 2, 0, 0, 0x160, 32, 2, 1, 4, 16]);
  section(2, [9, 3, 0, 0, 0x190, 16, 0, 0, 1, 0]);
  section(3, [9, 3, 0, 0, 0x1a0, 32, 0, 0, 1, 0]);
  bytes.set(new TextEncoder().encode('\0.symtab\0.strtab\0'), 0x1a0);
  bytes.set(new TextEncoder().encode('\0start\0'), 0x190);
  [1, 0x10_0004, 12].forEach((value, i) => view.setUint32(0x170 + i * 4, value, true));
  bytes[0x17c] = 0x12;
  view.setUint16(0x17e, 1, true);
  const image = parseElf(bytes);
  expect(image).toMatchObject({ is64: false, machine: 'i386', entry: 0x10_0000n });
  expect(image.segments).toEqual([{
    type: 1, readable: true, writable: false, executable: true, virtualAddress: 0x10_0000n, physicalAddress: 0x10_0000n, fileOffset: 0x100, fileSize: 0x80, memorySize: 0x90,
  }]);
  expect(image.symbols()).toEqual([{ name: 'start', address: 0x10_0004n, size: 12, kind: 'function', binding: 'global', section: 1 }]);
});

describe('what is not an image says so', () => {
  const broken = (change: (bytes: Uint8Array) => Uint8Array | void): Uint8Array => {
    const bytes = sampleBytes('dwarf5-O0').slice();
    return change(bytes) ?? bytes;
  };
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'this is not an ELF file (ELF header)'],
    ['text', new TextEncoder().encode('#!/bin/sh\n'), 'this is not an ELF file (ELF header)'],
    ['only the magic number', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46), 'the data end too early (ELF header+0x4)'],
    ['class', broken(bytes => void (bytes[4] = 3)), 'ELF class 3 is neither 32 nor 64 bits (ELF header+0x4)'],
    ['big-endian', broken(bytes => void (bytes[5] = 2)), 'only little-endian ELF files are supported (ELF header+0x5)'],
    ['another machine', broken(bytes => void (bytes[18] = 183)), 'machine 183 is neither x86-64 nor i386 (ELF header+0x12)'],
    ['a cut header', broken(bytes => bytes.slice(0, 40)), 'the data end too early (ELF header+0x28)'],
  ])('%s', (_, bytes, message) => {
    expect(() => parseElf(bytes)).toThrow(message);
    expect(() => parseElf(bytes)).toThrow(SymbolError);
  });

  test('a truncated file keeps what is there, with warnings', () => {
    const bytes = sampleBytes('dwarf5-O0');
    const image = parseElf(bytes.slice(0, bytes.length - 700));
    expect(image.segments.length).toBeGreaterThan(0);
    expect(image.warnings.texts).toContainEqual(expect.stringMatching(/^section headers: only \d+ of \d+ entries lie inside the file$/));
    const half = parseElf(bytes.slice(0, 0x800));
    expect(half.warnings.texts).toContainEqual(expect.stringContaining('lies outside the file'));
  });

  test('isElf looks at four bytes', () => {
    expect([isElf(new Uint8Array(3)), isElf(sampleBytes('dwarf4-O0'))]).toEqual([false, true]);
  });
});
