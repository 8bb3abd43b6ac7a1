// The hints of emitted modules: engines pass over a section that they cannot read without a word, so it is read here.
import { readFileSync } from 'node:fs';
import { expect, it, onTestFinished, vi } from 'vitest';
import { op } from '../../../src/emulator/codegen/wasm-emitter';
import { compareBackEnds } from './random-programs';

/** Opcodes at the places that the hints of a module name, and how many of them are taken usually. */
function hintedOpcodes(module: Uint8Array): { opcodes: Set<number>; hints: number; usual: number } {
  let at = 8;
  const byte = (): number => module[at++]!;
  const number = (): number => { let value = 0, shift = 0, next: number; do { next = byte(); value |= (next & 127) << shift; shift += 7; } while (next & 128); return value; };
  const found: { functionIndex: number; at: number }[] = [], bodies: number[] = [];
  let imports = 0, usual = 0;
  while (at < module.length) {
    const id = byte(), end = number() + at;
    if (id === 0) {
      const length = number(), name = new TextDecoder().decode(module.subarray(at, at += length));
      if (name === 'metadata.code.branch_hint') {
        expect(bodies, 'the section comes before the code').toEqual([]);
        for (let functions = number(); functions > 0; functions--) {
          const functionIndex = number();
          for (let left = number(); left > 0; left--) {
            found.push({ functionIndex, at: number() });
            expect(number()).toBe(1);
            usual += number();
          }
        }
      }
    } else if (id === 10) {
      for (let left = number(); left > 0; left--) { const length = number(); bodies.push(at); at += length; }
    }
    at = end;
  }
  imports = WebAssembly.Module.imports(new WebAssembly.Module(module as BufferSource)).filter(({ kind }) => kind === 'function').length;
  const increasing = found.every((hint, n) => n === 0 || hint.functionIndex > found[n - 1]!.functionIndex || hint.at > found[n - 1]!.at);
  expect(increasing, 'hints are in order').toBe(true);
  return { opcodes: new Set(found.map(hint => module[bodies[hint.functionIndex - imports]! + hint.at]!)), hints: found.length, usual };
}

it('of the interpreter stand at branches', () => {
  const { opcodes, hints, usual } = hintedOpcodes(readFileSync('dist/interpreter.wasm'));
  expect([...opcodes]).toEqual([op.if]);
  expect(usual).toBeGreaterThan(100);
  expect(hints - usual).toBeGreaterThan(100);
});

it('of translated regions stand at branches', async () => {
  const modules: Uint8Array[] = [], Module = WebAssembly.Module;
  vi.stubGlobal('WebAssembly', { ...Object.fromEntries(Object.getOwnPropertyNames(WebAssembly).map(name => [name, WebAssembly[name as keyof typeof WebAssembly]])), Module: class extends Module {
    constructor(bytes: BufferSource) { super(bytes); modules.push(new Uint8Array(bytes as Uint8Array)); }
  } });
  onTestFinished(() => { vi.unstubAllGlobals(); });
  await compareBackEnds(1, 'always', 300, 100);
  const regions = modules.map(hintedOpcodes).filter(({ hints }) => hints > 0);
  expect(regions.length).toBeGreaterThan(3);
  for (const { opcodes, usual, hints } of regions) {
    expect([...opcodes]).toEqual([op.if]);
    expect(usual).toBeGreaterThan(0);
    expect(usual).toBeLessThan(hints);
  }
});
