import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openSymbols } from '../../src/symbols/symbol-file';
import { registersByName } from '../../src/symbols/unwind/registers';
import { openSample, sampleNames } from './sample-images';

describe.each(sampleNames)('%s', name => {
  const file = openSample(name);
  const isOptimized = name.endsWith('O2');

  test('files, as the compiler wrote them', () => {
    expect(file.files()).toEqual(['sample.c', 'start.S']);
    expect(file.filesMatching('/home/user/project/sample.c')).toEqual(['sample.c']);
    expect(file.filesMatching('/home/user/project/other.c')).toEqual([]);
  });

  test('functions by name, with where they are declared', () => {
    const found = file.functionsNamed('visit_node');
    expect(found).toMatchObject([{ name: 'visit_node', hasDebugInfo: true, isExternal: true, declaration: { file: 'sample.c', line: 66 } }]);
    expect(file.functionAt(found[0]!.address + 3n)).toEqual(found[0]);
    expect(file.functionsNamed('again')).toMatchObject([{ name: 'again', hasDebugInfo: false }]);
    expect(file.functionsNamed('nothing of this name')).toEqual([]);
    expect(file.lineAt(file.breakAddress(found[0]!))).toMatchObject({ file: 'sample.c', line: isOptimized ? 70 : 69 });
  });

  test('an inlined call is a frame of its own', () => {
    if (!isOptimized) return expect(file.functionsNamed('square')).toHaveLength(1);
    expect(file.functionsNamed('square')).toEqual([]);
    expect(file.units.functionsNamed('sum')).toHaveLength(1);
    const places = file.addressesOf('sample.c', 56);
    expect(places.length).toBe(2);
    const chains = places.map(place => file.sourceFramesAt(place.address).map(frame => [frame.name, frame.isInlined]));
    expect(chains).toEqual([[['square', true], ['sum', false]], [['square', true], ['cube', true], ['mixed', false]]]);
  });

  test('a line is in effect over a range', () => {
    const line = file.lineAt(file.functionsNamed('checkpoint')[0]!.address)!;
    expect(line.endAddress > line.address).toBe(true);
    expect(file.lineAt(line.endAddress - 1n)).toEqual(line);
    expect(file.lineAt(0x10n)).toBeUndefined();
    const all = file.linesBetween(line.address, line.address + 0x40n);
    for (const [i, each] of all.entries()) if (i > 0) expect(each.address).toBe(all[i - 1]!.endAddress);
  });

  test('symbols by address', () => {
    const program = file.symbolsNamed('program')[0]!;
    expect(file.symbolAt(program.address + 5n)).toEqual({ symbol: program, offset: 5n });
    expect(file.symbolAt(0xdead_0000n)).toBeUndefined();
    expect(file.symbolAt(file.entry)!.symbol.name).toBe('_start');
  });

  test('indices can be prepared step by step', () => {
    const fresh = openSample(name);
    const steps = [...fresh.prepare()];
    expect(steps.length).toBe(8);
    expect([...steps].sort((x, y) => x - y)).toEqual(steps);
    expect(steps.at(-1)).toBe(1);
    expect([...fresh.prepare()]).toEqual([]);
    expect(fresh.functionsNamed('sum')).toHaveLength(1);
  });

  test('breakpoints on functions reach inlined copies', () => {
    const places = file.placesOf('square');
    const innermost = places.map(place => file.sourceFramesAt(place.address)[0]!);
    expect(innermost.map(frame => [frame.name, frame.isInlined])).toEqual(isOptimized ? [['square', true], ['square', true]] : [['square', false]]);
    expect(places.map(place => place.isInlined)).toEqual(innermost.map(frame => frame.isInlined));
    expect(file.placesOf('nothing of this name')).toEqual([]);
  });
});

test('an image without debug information still has functions', () => {
  const { image } = openSample('dwarf5-O2');
  const bytes = image.bytes.slice();
  const view = new DataView(bytes.buffer);
  const sectionTable = Number(view.getBigUint64(0x28, true));
  for (const section of image.sections) if (section.name.startsWith('.debug')) view.setBigUint64(sectionTable + section.index * 64 + 0x20, 0n, true);
  const file = openSymbols(bytes, { name: 'bare' });
  const mixed = file.functionsNamed('mixed')[0]!;
  expect(mixed).toMatchObject({ name: 'mixed', hasDebugInfo: false });
  expect([file.lineAt(mixed.address), file.files(), file.warnings]).toEqual([undefined, [], []]);
  expect(file.sourceFramesAt(mixed.address)).toEqual([{ name: 'mixed', isInlined: false, location: undefined, entry: mixed.address }]);
});

// The images of the guests are built by another room; every one that is there must be read without a warning.
const guests = new URL('../../guests/images/', import.meta.url);
const images = existsSync(guests) ? readdirSync(guests).filter(name => name.endsWith('.elf')) : [];

test.each(images.length > 0 ? images : ['(no guest images yet)'])('guest image %s', name => {
  if (images.length === 0) return expect(existsSync(guests)).toBe(false);
  const file = openSymbols(new Uint8Array(readFileSync(new URL(name, guests))), { name });
  let lines = 0;
  for (const symbol of file.symbols()) {
    if (symbol.kind !== 'function') continue;
    const line = file.lineAt(symbol.address);
    if (line) lines++;
    expect([symbol.name, line?.file ?? 'guests/']).toEqual([symbol.name, expect.stringMatching(/^guests\//)]);
    file.sourceFramesAt(symbol.address);
    file.unwind.rowAt(symbol.address);
    const frame = file.frame({ registers: registersByName(file.image.machine, { rip: symbol.address }), readMemory: () => undefined });
    for (const { arguments: parameters, locals } of frame.variables()) for (const variable of [...parameters, ...locals]) expect(frame.value(variable).text()).not.toBe('');
  }
  expect(lines).toBeGreaterThan(0);
  expect(file.warnings).toEqual([]);
});
