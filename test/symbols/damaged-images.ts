// Damaged images: mutations of the samples, from a seed, and everything that can be asked of them. Asking must end soon and may fail with
// SymbolError alone.

import { SymbolError } from '../../src/symbols/symbol-error';
import { openSymbols } from '../../src/symbols/symbol-file';
import { sizeOf, typeName } from '../../src/symbols/types/c-type';
import type { Value } from '../../src/symbols/values/value';
import { parseElf } from '../../src/symbols/elf';
import { sampleBytes, sampleNames } from './sample-images';

/** A small generator of 32-bit numbers (mulberry32). */
export function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const interesting = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x10, 8, 4];

/** A damaged copy of one of the samples; most damage is done inside one debug section, where it goes deepest. */
export function damagedImage(random: (below: number) => number): Uint8Array {
  const bytes = sampleBytes(sampleNames[random(sampleNames.length)]!).slice();
  const sections = parseElf(bytes).sections.filter(section => /^\.(debug|eh_frame$|symtab|strtab)/.test(section.name) && section.size > 0);
  const section = sections[random(sections.length)]!;
  const [start, length] = random(5) === 0 ? [0, bytes.length] : [section.fileOffset, section.size];
  for (let count = 1 + random(8); count > 0; count--) {
    const at = start + random(length);
    switch (random(6)) {
      case 0: bytes[at] = random(256); break;
      case 1: bytes[at] = interesting[random(interesting.length)]!; break;
      case 2: bytes[at]! ^= 1 << random(8); break;
      case 3: bytes.fill(interesting[random(interesting.length)]!, at, at + 1 + random(8)); break;
      case 4: bytes.copyWithin(at, start + random(length), start + random(length)); break;
      default: bytes[at]! += random(2) === 0 ? 1 : 255;
    }
  }
  return random(20) === 0 ? bytes.slice(0, random(bytes.length)) : bytes;
}

/** Asks an image everything. Returns how many answers it got, so that a run can be seen to reach something. */
export function askEverything(bytes: Uint8Array, random: (below: number) => number): number {
  let answers = 0;
  const count = (value: unknown): void => {
    if (value !== undefined) answers++;
  };
  let file;
  try {
    file = openSymbols(bytes, { name: 'damaged' });
  } catch (error) {
    if (error instanceof SymbolError) return 0;
    throw error;
  }
  const readMemory = (address: bigint, length: number): Uint8Array | undefined => (address % 7n === 0n ? undefined : new Uint8Array(length).fill(Number(address & 0xffn)));
  const explore = (value: Value, depth: number): void => {
    count(value.text());
    count(value.typeName);
    count(value.isWritable && value.assign('1'));
    if (depth < 3) for (const child of value.children(0, 4)) explore(child, depth + 1);
  };
  for (const name of file.files().slice(0, 20)) for (const line of [1, 60, 100]) answers += file.addressesOf(name, line).length;
  answers += file.symbols().length;
  for (const name of ['program', 'mixed', 'square', 'nothing of this name']) {
    for (const found of file.functionsNamed(name)) count(file.breakAddress(found));
    answers += file.placesOf(name).length;
  }
  for (let i = 0; i < 12; i++) {
    const address = 0x400140n + BigInt(random(0x600));
    count(file.lineAt(address));
    count(file.functionAt(address));
    count(file.symbolAt(address));
    answers += file.sourceFramesAt(address).length + file.linesBetween(address, address + 64n).length + file.textBytes(address, 16).length;
    const registers = Array.from({ length: 17 }, (_, register) => (register === 16 ? address : BigInt(random(0xffff)) * 8n));
    const state = { registers, readMemory, isReturnAddress: random(2) === 1 };
    count(file.unwindFrame(registers, state).kind === 'caller' || undefined);
    const frame = file.frame(state);
    for (const { arguments: parameters, locals } of frame.variables()) for (const variable of [...parameters, ...locals].slice(0, 30)) explore(frame.value(variable), 0);
  }
  const frame = file.frame({ registers: [], readMemory });
  for (const name of file.globals().names().slice(0, 20)) {
    for (const variable of file.globals().named(name).slice(0, 3)) {
      explore(frame.value(variable), 0);
      count(sizeOf(variable.type) ?? typeName(variable.type));
    }
  }
  if (file.warnings.length > 101) throw new Error('warnings without bound');
  return answers;
}

/** Damages and asks, one image for each seed from the first on; a failure names the seed of its image. `slowest` is in milliseconds. */
export function fuzz(firstSeed: number, images: number): { answers: number; slowest: number } {
  const result = { answers: 0, slowest: 0 };
  for (let seed = firstSeed; seed < firstSeed + images; seed++) {
    const begin = performance.now();
    const random = generator(seed);
    try {
      result.answers += askEverything(damagedImage(random), random);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`, { cause: error });
    }
    const taken = performance.now() - begin;
    if (taken > 5000) throw new Error(`seed ${seed}: took ${Math.round(taken)} ms`);
    result.slowest = Math.max(result.slowest, taken);
  }
  return result;
}
