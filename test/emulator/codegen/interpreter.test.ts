// What the build makes of the definitions: the size of the run loop, and what a definition may not do.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { enumerateCases } from '../../../src/emulator/codegen/cases';
import { InstructionTable, parseEncoding } from '../../../src/emulator/codegen/definitions';
import { RAX } from '../../../src/emulator/codegen/instruction-context';
import type { InstructionContext } from '../../../src/emulator/codegen/instruction-context';
import { buildDecodeTables } from '../../../src/emulator/codegen/decoder-builder';
import { buildInterpreter } from '../../../src/emulator/codegen/interpreter-builder';
import { defineControlFlow } from '../../../src/emulator/instructions/control-flow';
import { instructions } from '../../../src/emulator/instructions';

/** The interpreter of one definition of ours beside those that the builder itself needs. */
function buildWith(name: string, encoding: string, body: (i: InstructionContext) => void): Uint8Array {
  const table = new InstructionTable();
  defineControlFlow(table);
  table.define(name, [encoding], body);
  return buildInterpreter(table.definitions).bytes;
}

describe('the run loop', () => {
  const built = buildInterpreter(instructions.definitions);
  it('stays small enough for the WebAssembly compiler of Node 20', () => expect(built.runBytes).toBeLessThanOrEqual(35 * 1024));
  it('inlines about 200 cases at most', () => expect(built.cases.filter(c => c.hot).length).toBeLessThanOrEqual(200));
  it('is valid WebAssembly', () => expect(WebAssembly.validate(built.bytes as BufferSource)).toBe(true));
  it('is that of the build', () => {
    const facts = JSON.parse(readFileSync(new URL('../../../build/engine.json', import.meta.url), 'utf8')) as { runBytes: number };
    expect(facts.runBytes).toBeLessThanOrEqual(35 * 1024);
  });
});

describe('a definition may fault only before its first commit', () => {
  const refused: [string, (i: InstructionContext) => void][] = [
    ['a load after a register write', i => { i.writeRegister(RAX, i.constant(1)); i.read(i.dst); }],
    ['a store after a register write', i => { const v = i.read(i.src); i.writeRegister(RAX, v); i.store(i.effective(), v); }],
    ['an exception after the flags', i => { const v = i.read(i.dst); i.flags('logic', v); i.faultIf(i.isZero(v), 'DE'); }],
    ['a load after a write in one arm only', i => { const v = i.readRegister(RAX); i.when(i.isZero(v), () => i.writeRegister(RAX, v)); i.read(i.dst); }],
    ['a push after a carry', i => { i.setCarry(i.constant(1)); i.push(i.readRegister(RAX)); }],
    ['an update probe after a commit', i => { i.setCarry(i.constant(1)); i.readForUpdate(i.dst); }],
    ['a floating-point exception after a write', i => { i.writeRegister(RAX, i.constant(1)); i.floatsDone(); }],
  ];
  it.each(refused)('refuses %s', (_, body) => expect(() => buildWith('BAD', '0F 04/0m Mq', body)).toThrow(/BAD .*may fault after a commit/));
  it('takes the same accesses in order', () => {
    expect(WebAssembly.validate(buildWith('GOOD', '0F 04/0m Mq', i => { const v = i.readForUpdate(i.dst); i.write(i.dst, v); i.writeRegister(RAX, v); i.flags('logic', v); }) as BufferSource)).toBe(true);
  });
});

/**
 * Conditions (of if, while and ?:) on handles of run-time values. A handle is what a method of the context returns; a condition on it would be
 * taken once, while emitting.
 */
function decisionsOnValues(text: string): string[] {
  const plain = 'size|dst|src|where';
  const handles = new Set([...text.matchAll(/(?:const|let|,) (\w+) = i\.(?!(?:size|dst|src)\b)\w+\(/g), ...text.matchAll(/(\w+): Value\b/g)].map(m => m[1]));
  const conditions: string[] = [];
  for (const m of text.matchAll(/\b(?:if|while) \(/g)) {
    let depth = 1, end = m.index + m[0].length;
    for (; depth > 0 && end < text.length; end++) depth += text[end] === '(' ? 1 : text[end] === ')' ? -1 : 0;
    conditions.push(text.slice(m.index + m[0].length, end - 1));
  }
  for (const m of text.matchAll(/([\w.]+) \? /g)) conditions.push(m[1]);
  return conditions.filter(c => new RegExp(`\\bi\\.(?!(?:${plain})\\b)\\w+\\(`).test(c) || [...c.matchAll(/(?<![.\w'])([A-Za-z]\w*)\b(?!\s*\()/g)].some(m => handles.has(m[1])));
}

describe('definitions', () => {
  const folder = new URL('../../../src/emulator/instructions/', import.meta.url);
  it.each(readdirSync(folder).filter(name => name.endsWith('.ts')))('%s takes no decision on a run-time value', name => {
    expect(decisionsOnValues(readFileSync(new URL(name, folder), 'utf8'))).toEqual([]);
  });
  it.each(['const a = i.read(i.dst); if (a) i.x();', 'const b = i.isZero(v); const c = b ? 1 : 2;', 'const c = 1, d = i.mul(a, b); while (n && d !== 0) {}', 'if (i.isZero(v)) {}',
    'unary(n, (i: I, a: Value) => { if (size > 1 && !a) return; });'])('the scan finds the mistake in: %s', text => expect(decisionsOnValues(text)).toHaveLength(1));
  it('have one name each, and no encoding twice', () => {
    expect(() => buildDecodeTables(instructions.definitions, enumerateCases(instructions.definitions))).not.toThrow();
    const twice = new InstructionTable();
    defineControlFlow(twice);
    twice.define('ONE', ['0F 04 Gv Ev'], () => {});
    twice.define('TWO', ['0F 04 Gv Ev'], () => {});
    expect(() => buildDecodeTables(twice.definitions, enumerateCases(twice.definitions))).toThrow(/ambiguous encodings: ONE .*TWO/);
    expect(() => twice.define('ONE', ['0F 24'], () => {})).toThrow('ONE is defined twice');
  });
  it.each(['0G', 'F3 XX', '0F 38 F0 Gy Q', 'VEX'])('refuse the encoding %s', text => expect(() => parseEncoding(text)).toThrow(/bad (encoding|operand)/));
});
