import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluateLocation } from '../../src/symbols/dwarf/expression';
import { parseElf } from '../../src/symbols/elf';
import { SymbolError } from '../../src/symbols/symbol-error';
import { parseScalar } from '../../src/symbols/values/scalar-text';
import { fuzz } from './damaged-images';

test('damaged images give answers, warnings or a SymbolError, soon', () => {
  const { answers, slowest } = fuzz(1, 500);
  console.log(`symbols fuzz: ${answers} answers, slowest ${slowest.toFixed(0)} ms`);
  expect(answers).toBeGreaterThan(500);
});

test('any bytes are an expression that ends', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
    const location = evaluateLocation(bytes, {
      addressSize: 8, bias: 0n, register: number => (number < 17 ? 0x1000n : undefined), readMemory: (_, length) => new Uint8Array(length),
      frameBase: () => 0x2000n, callFrameAddress: () => 0x3000n, baseType: offset => ({ size: 1 + (offset % 8), encoding: offset % 9 }),
    });
    expect(location.kind).toMatch(/^(memory|register|implicit|implicitPointer|pieces|unavailable)$/);
  }), { numRuns: 5000 });
});

test('any bytes after an ELF header are an image or a SymbolError', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(1, 2), fc.constantFrom(3, 62), (bytes, fileClass, machine) => {
    bytes.set([0x7f, 0x45, 0x4c, 0x46, fileClass, 1].slice(0, bytes.length));
    if (bytes.length > 19) bytes.set([machine, 0], 18);
    try {
      const image = parseElf(bytes);
      image.symbols();
      for (const section of image.sections) image.sectionBytes(section);
    } catch (error) {
      expect(error).toBeInstanceOf(SymbolError);
    }
  }), { numRuns: 3000 });
});

test('any text is a value or a sentence', () => {
  fc.assert(fc.property(fc.string(), fc.constantFrom('signed', 'unsigned', 'boolean', 'float', 'unsignedChar'), (text, encoding) => {
    const result = parseScalar({ kind: 'base', name: 'x', size: 4, encoding }, text, 32);
    if (result.ok) expect(result.value >= 0n && result.value < 1n << 32n).toBe(true);
    else expect(result.reason.length).toBeGreaterThan(5);
  }), { numRuns: 3000 });
});
