import { describe, expect, test } from 'vitest';
import type { Location } from '../../../src/symbols/dwarf/expression';
import type { CType } from '../../../src/symbols/types/c-type';
import { readBits, writeBits, type TargetReader } from '../../../src/symbols/values/object-place';
import { Value, placeAt, type ValueTarget } from '../../../src/symbols/values/value';
import { memoryOf, openSample, sampleNames } from '../sample-images';

describe.each(sampleNames)('globals of %s', name => {
  const file = openSample(name);
  const frame = file.frame({ registers: [], readMemory: memoryOf(file) });
  const global = (variable: string): Value => frame.value(file.globals().named(variable)[0]!);

  test.each<[string, string, string]>([
    ['counter', 'u64', '1234605616436508552'],
    ['flags', 'enum color', 'RED | BLUE (5)'],
    ['level', 'enum level', 'LOWEST (-1)'],
    ['single', 'float', '1.5'],
    ['number', 'double', '-0.1'],
    ['wide', 'long double', '3.25'],
    ['bits', 'struct bits', '{a = 5, b = -3, c = 8030895855, d = GREEN (2), e = true}'],
    ['nothing', 'struct opaque *', '0x0'],
    ['table', 'int (*[2])(struct node *, int)', '{0x0, 0x0}'],
    ['hidden', 'int', '-7'],
  ])('%s', (variable, type, text) => {
    const value = global(variable);
    expect([value.typeName, value.text()]).toEqual([type, text]);
  });

  test('strings', () => expect(global('greeting').text()).toMatch(/^0x[0-9a-f]+ "hello \\"world\\"\\n"$/));

  test('bit fields can be written without disturbing their neighbours', () => {
    const bits = global('bits');
    const members = bits.children();
    expect(members.map(member => [member.name, member.typeName, member.address])).toEqual([
      ['a', 'unsigned int : 3', undefined], ['b', 'int : 5', undefined], ['c', 'unsigned long : 33', undefined], ['d', 'enum color : 4', undefined], ['e', '_Bool : 1', undefined],
    ]);
    const written = members[2]!.assign('0x1ffffffff');
    if (!written.ok || written.value[0]!.kind !== 'memory') throw new Error('not memory');
    expect(written.value[0]!.address).toBe(bits.address! + 1n);
    // The parts of b and d in the first and the last byte stay.
    const whole = file.textBytes(bits.address!, 8).slice();
    whole.set(written.value[0]!.bytes, 1);
    const after = memoryOf(file, [[`0x${bits.address!.toString(16)}`, Buffer.from(whole).toString('hex')]]);
    const again = file.frame({ registers: [], readMemory: after });
    expect(again.value(file.globals().named('bits')[0]!).text()).toBe('{a = 5, b = -3, c = 8589934591, d = GREEN (2), e = true}');
    expect(members[0]!.assign('8')).toEqual({ ok: false, reason: '8 does not fit 3 bits' });
    expect(members[1]!.assign('-17')).toEqual({ ok: false, reason: '-17 does not fit 5 bits' });
  });
});

const int: CType = { kind: 'base', name: 'int', size: 4, encoding: 'signed' };
const char: CType = { kind: 'base', name: 'char', size: 1, encoding: 'signedChar' };
const pair: CType = {
  kind: 'structure', keyword: 'struct', name: 'pair', size: 16, isDeclaration: false, members: [
    { name: 'x', type: int, bitOffset: 0, bitSize: undefined, isBaseClass: false }, { name: 'y', type: int, bitOffset: 32, bitSize: undefined, isBaseClass: false },
    {
      name: undefined, bitOffset: 64, bitSize: undefined, isBaseClass: false, type: {
        kind: 'structure', keyword: 'union', name: undefined, size: 8, isDeclaration: false, members: [
          { name: 'whole', type: { kind: 'base', name: 'long', size: 8, encoding: 'signed' }, bitOffset: 0, bitSize: undefined, isBaseClass: false },
          { name: 'part', type: char, bitOffset: 8, bitSize: undefined, isBaseClass: false },
        ],
      },
    },
  ],
};

/** Memory of 256 bytes at 0x1000 that count up, and registers with a pattern. */
const target: ValueTarget = {
  register: number => (number < 16 ? 0x1122_3344_5566_7788n : undefined),
  readMemory: (address, length) => (address >= 0x1000n && address + BigInt(length) <= 0x1100n ? Uint8Array.from({ length }, (_, i) => Number(address - 0x1000n) + i) : undefined),
  nameOf: address => (address === 0x1010n ? 'sixteen' : undefined),
  dynamicCount: bound => (bound === 7 ? 3 : undefined),
  pointedTo: offset => {
    if (offset === 5) return { kind: 'implicit', bytes: Uint8Array.of(9, 0, 0, 0), isStackValue: false };
    return offset === 6 ? { kind: 'implicitPointer', entryOffset: 6, byteOffset: 0 } : undefined;
  },
};

function valueOf(type: CType, location: Location): Value {
  return new Value('v', type, placeAt(type, location), target);
}

describe('places', () => {
  test('a structure in two registers and a gap', () => {
    const value = valueOf(pair, {
      kind: 'pieces', pieces: [
        { location: { kind: 'register', register: 0 }, bitOffset: 0, bitSize: 32 }, { location: { kind: 'unavailable', reason: 'optimized out', isOptimizedOut: true }, bitOffset: 0, bitSize: 32 },
        { location: { kind: 'register', register: 1 }, bitOffset: 0, bitSize: 64 },
      ],
    });
    expect(value.text()).toBe("{x = 1432778632, y = <optimized out>, {whole = 1234605616436508552, part = 119 'w'}}");
    const x = value.member('x');
    expect(x.ok && x.value.assign('1')).toEqual({ ok: true, value: [{ kind: 'register', register: 0, value: 0x1122_3344_0000_0001n }] });
    const part = value.member('part');
    expect(part.ok && part.value.assign('0')).toEqual({ ok: true, value: [{ kind: 'register', register: 1, value: 0x1122_3344_5566_0088n }] });
    const y = value.member('y');
    expect(y.ok && [y.value.isWritable, y.value.assign('1')]).toEqual([false, { ok: false, reason: 'optimized out' }]);
    expect(value.member('z')).toEqual({ ok: false, reason: "struct pair has no member 'z'" });
  });

  test('members, elements and pointers in memory', () => {
    const value = valueOf(pair, { kind: 'memory', address: 0x1000n });
    expect(value.children().map(child => [child.name, child.address])).toEqual([['x', 0x1000n], ['y', 0x1004n], [undefined, 0x1008n]]);
    const array: CType = { kind: 'array', element: { kind: 'array', element: int, count: 2, bound: undefined }, count: 3, bound: undefined };
    const matrix = valueOf(array, { kind: 'memory', address: 0x1000n });
    expect([matrix.typeName, matrix.childCount, matrix.children(1, 1)[0]!.children()[1]!.address]).toEqual(['int [3][2]', 3, 0x100cn]);
    const pointer = valueOf({ kind: 'pointer', size: 8, symbol: '*', target: int }, { kind: 'implicit', bytes: Uint8Array.of(0x10, 0x10, 0, 0, 0, 0, 0, 0), isStackValue: true });
    expect([pointer.text(), pointer.childCount, pointer.isWritable]).toEqual(['0x1010 <sixteen>', 1, false]);
    const first = pointer.dereference();
    const second = pointer.element(1);
    expect([first.ok && first.value.text(), second.ok && second.value.address]).toEqual([`${0x13121110}`, 0x1014n]);
    expect(pointer.assign('1')).toEqual({ ok: false, reason: 'the value was computed by the compiler and has no place that could be written' });
  });

  test('arrays whose length only the program knows', () => {
    const array = (bound: number): Value => valueOf({ kind: 'array', element: int, count: 'dynamic', bound }, { kind: 'memory', address: 0x1000n });
    expect([array(7).childCount, array(8).childCount, array(8).text()]).toEqual([3, 0, '<array of unknown length>']);
  });

  test('huge arrays are read in parts', () => {
    const huge = valueOf({ kind: 'array', element: int, count: 2 ** 40, bound: undefined }, { kind: 'memory', address: 0x1000n });
    expect(huge.childCount).toBe(2 ** 40);
    expect(huge.children(2 ** 39, 10_000).length).toBe(1000);
    expect(huge.text().length).toBeLessThan(300);
    expect(valueOf({ kind: 'array', element: char, count: 2 ** 40, bound: undefined }, { kind: 'memory', address: 0x1000n }).text()).toMatch(/^"/);
  });

  test('pointers to objects that were optimized away', () => {
    const type: CType = { kind: 'pointer', size: 8, symbol: '*', target: int };
    expect(valueOf(type, { kind: 'implicitPointer', entryOffset: 5, byteOffset: 0 }).text()).toBe('<optimized away> -> 9');
    expect(valueOf(type, { kind: 'implicitPointer', entryOffset: 1, byteOffset: 0 }).text()).toBe('<pointer to an object that was optimized away>');
    const circular: { -readonly [K in keyof Extract<CType, { kind: 'pointer' }>]: CType | string | number } = { kind: 'pointer', size: 8, symbol: '*', target: int };
    circular.target = circular as unknown as CType;
    expect(valueOf(circular as unknown as CType, { kind: 'implicitPointer', entryOffset: 6, byteOffset: 0 }).text()).toContain('optimized away');
  });

  test('unreadable memory says so', () => {
    expect(valueOf(int, { kind: 'memory', address: 0x9000n }).text()).toBe('<memory at 0x9000 cannot be read>');
    expect(valueOf(pair, { kind: 'memory', address: 0x9000n }).childCount).toBe(3);
    expect(valueOf({ kind: 'pointer', size: 8, symbol: '*', target: char }, { kind: 'implicit', bytes: Uint8Array.of(0, 0x90, 0, 0, 0, 0, 0, 0), isStackValue: true }).text()).toBe('0x9000');
    expect(valueOf(int, { kind: 'register', register: 40 }).text()).toBe('<the register is not known in this frame>');
  });
});

describe('bits', () => {
  const reader: TargetReader = target;

  test('a window that damaged debug data put far outside of its object is refused, not computed', () => {
    for (const location of [{ kind: 'register', register: 0 }, { kind: 'implicit', bytes: Uint8Array.of(1), isStackValue: true }] as const) {
      for (const bitOffset of [-(2 ** 40), 2 ** 40]) {
        expect(readBits({ location, bitOffset, bitSize: 8 }, reader)).toEqual({ ok: false, reason: 'the part lies outside of its object' });
        expect(writeBits({ location, bitOffset, bitSize: 8 }, 0n, reader).ok).toBe(false);
      }
    }
    const huge = { location: { kind: 'memory' as const, address: 0x1000n }, bitOffset: 0, bitSize: 2 ** 40 };
    expect(writeBits(huge, 0n, reader)).toEqual({ ok: false, reason: 'the object is too large to be read or written at once' });
  });

  test('every window of memory and of a register reads back what it wrote', () => {
    for (let offset = 0; offset < 24; offset++) {
      for (let size = 1; size <= 40; size += 3) {
        const value = 0x5555_5555_5555n & ((1n << BigInt(size)) - 1n);
        const written = writeBits({ location: { kind: 'memory', address: 0x1020n }, bitOffset: offset, bitSize: size }, value, reader);
        if (!written.ok || written.value[0]!.kind !== 'memory') throw new Error('not written');
        const { address, bytes } = written.value[0]!;
        const changed: TargetReader = {
          ...reader,
          readMemory: (at, length) => reader.readMemory(at, length)?.map((byte, i) => bytes[Number(at + BigInt(i) - address)] ?? byte),
        };
        expect(readBits({ location: { kind: 'memory', address: 0x1020n }, bitOffset: offset, bitSize: size }, changed)).toEqual({ ok: true, value });
        // The bits before and behind are as they were.
        for (const [at, length] of [[0, offset], [offset + size, 16]] as const) {
          const place = { location: { kind: 'memory' as const, address: 0x1020n }, bitOffset: at, bitSize: length };
          expect(readBits(place, changed)).toEqual(readBits(place, reader));
        }
      }
    }
  });
});
