import { describe, expect, test } from 'vitest';
import { sizeOf, strip, typeName } from '../../src/symbols/types/c-type';
import { registersByName, type RegisterValues } from '../../src/symbols/unwind/registers';
import { Value } from '../../src/symbols/values/value';
import { gdbRecording, memoryOf, openSample, sampleNames, type GdbTree } from './sample-images';

/** A value in the form that fixtures/capture.py records. */
function tree(value: Value): GdbTree {
  const type = strip(value.type);
  if (value.place.location.kind === 'unavailable') return '<optimized out>';
  switch (type.kind) {
    case 'structure': {
      const members = value.children().map(child => [child.name ?? '', tree(child)] as const);
      return members.every(([, each]) => each === '<optimized out>') ? '<optimized out>' : Object.fromEntries(members);
    }
    case 'array': return value.children(0, 64).map(tree);
    case 'pointer': return value.text().split(' ')[0]!;
    default: {
      if (type.kind === 'base' && type.encoding === 'float') return `${Number(Number(value.text()).toPrecision(9))}`;
      const number = value.integer();
      return number.ok ? `${number.value}` : number.reason === 'optimized out' ? '<optimized out>' : `<${number.reason}>`;
    }
  }
}

function hex(value: bigint | undefined): string | undefined {
  return value === undefined ? undefined : `0x${value.toString(16)}`;
}

describe.each(sampleNames)('%s', name => {
  const file = openSample(name);
  const recording = gdbRecording(name);

  test.each(recording.states.map((state, i) => [state.frames[1]!.function, i] as const))('stack and variables at the call in %s', (_, index) => {
    const { frames, memory } = recording.states[index]!;
    const readMemory = memoryOf(file, memory);
    let registers: RegisterValues = registersByName('x86-64', Object.fromEntries(Object.entries(frames[0]!.registers).map(([each, value]) => [each, BigInt(value)])));
    let isReturnAddress = false;
    let at = 0;
    const plain = gdbRecording('dwarf5-O0').states[index]!.frames;
    const beyondGdb: string[] = [];
    while (at < frames.length) {
      const frame = file.frame({ registers, readMemory, isReturnAddress });
      const shown = file.sourceFramesAt(frame.address);
      const scopes = frame.variables();
      expect(shown.length).toBeGreaterThan(0);
      for (const [i, each] of shown.entries()) {
        const expected = frames[at++]!;
        expect([each.name, each.isInlined, each.location?.line], `frame ${at - 1}`).toEqual([expected.function, expected.inlined, expected.line]);
        for (const [register, value] of Object.entries(expected.registers)) {
          expect(hex(registers[file.registers.names.indexOf(register)]), `${register} of frame ${at - 1}`).toBe(value);
        }
        const { arguments: parameters, locals } = scopes[i]!;
        const actual = [...locals, ...parameters].map(variable => [variable.name, typeName(variable.type).replace(/\[\]/, '[variable length]'), tree(frame.value(variable))]);
        const truth = plain[plain.length - frames.length + at - 1]!.variables;
        const wanted = expected.variables.map(([variable, type, value]) => {
          // Values on entry and partly known structures are more than gdb shows; then the unoptimized program says what is right.
          const found = actual.find(each => each[0] === variable)?.[2];
          const isMore = value === '<optimized out>' && found !== '<optimized out>';
          if (isMore) beyondGdb.push(`${expected.function}.${variable}`);
          return [variable, type, normal(isMore ? truth.find(each => each[0] === variable)![2] : value)];
        });
        expect(actual.sort(byName)).toEqual(wanted.sort(byName));
      }
      if (at === frames.length) break;
      const caller = file.unwindFrame(registers, { readMemory, isReturnAddress });
      if (caller.kind === 'end') throw new Error(caller.reason);
      expect(caller.method).toBe('call frame information');
      registers = caller.registers;
      isReturnAddress = caller.isReturnAddress;
    }
    expect(beyondGdb).toEqual(name.endsWith('O0') ? [] : { visit_node: ['descend.depth', 'descend.depth'], mixed: ['mixed.pair'] }[frames[1]!.function] ?? []);
    // Beyond the C code lies assembly without call frame information, which cleared its frame pointer: the outermost frame.
    const outer = file.unwindFrame(registers, { readMemory, isReturnAddress });
    expect(outer.kind === 'caller' && file.sourceFramesAt(outer.registers[16]! - 1n)[0]).toMatchObject({ name: 'again', location: { file: expect.stringMatching(/start\.S$/), line: 9 } });
    expect(outer.kind === 'caller' && file.unwindFrame(outer.registers, { readMemory, isReturnAddress: true })).toEqual({ kind: 'end', reason: 'the frame pointer is zero', isOutermost: true });
  });

  test('globals', () => {
    const frame = file.frame({ registers: [], readMemory: memoryOf(file) });
    for (const [variable, value, address] of recording.globals) {
      const found = file.globals().named(variable);
      expect(found.length, variable).toBe(1);
      const actual = frame.value(found[0]!);
      expect([variable, tree(actual), hex(actual.address)]).toEqual([variable, normal(value), address ?? undefined]);
    }
    for (const [variable, type, size] of recording.types) {
      const found = file.globals().named(variable)[0]!;
      expect([variable, typeName(found.type), sizeOf(found.type)]).toEqual([variable, type, size]);
    }
    expect(file.globals().ofUnitAt(file.functionsNamed('program')[0]!.address).map(each => each.name).sort()).toEqual(file.globals().names().sort());
    expect(file.warnings).toEqual([]);
  });

  test('breakpoints on lines go where gdb puts them', () => {
    expect(recording.breakpoints.length).toBeGreaterThan(90);
    for (const [line, addresses, lines] of recording.breakpoints) {
      const found = file.addressesOf('sample.c', line);
      expect([line, found.map(each => each.address)]).toEqual([line, addresses.map(BigInt)]);
      expect([line, [...new Set(found.map(each => each.line))]]).toEqual([line, lines]);
    }
  });
});

/** gdb keeps declaration order within a block; only the set matters here. Shadowed variables share a name, so the value orders them. */
function byName(a: readonly unknown[], b: readonly unknown[]): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Aggregates of which nothing is left count as optimized out as a whole. */
function normal(value: GdbTree): GdbTree {
  if (typeof value === 'string') return /^-?\d+\.\d+$/.test(value) ? `${Number(value)}` : value;
  if (Array.isArray(value)) return value.map(normal);
  const entries = Object.entries(value).map(([key, each]) => [key, normal(each)] as const);
  return entries.every(([, each]) => each === '<optimized out>') ? '<optimized out>' : Object.fromEntries(entries);
}
