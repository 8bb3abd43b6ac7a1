import { describe, expect, test } from 'vitest';
import { evaluateLocation, evaluateValue, type ExpressionContext, type Location } from '../../../src/symbols/dwarf/expression';
import { toLittleEndian } from '../../../src/symbols/dwarf/expression-values';

const baseTypes: Record<number, { size: number; encoding: number }> = {
  1: { size: 4, encoding: 5 }, 2: { size: 4, encoding: 7 }, 3: { size: 8, encoding: 4 }, 4: { size: 4, encoding: 4 }, 5: { size: 1, encoding: 5 }, 6: { size: 16, encoding: 7 },
};

/** Registers hold 0x100 times their number; memory holds, at each multiple of 8, its own address plus one. */
const context: ExpressionContext = {
  addressSize: 8, bias: 0x10000n, offsetSize: 4, objectAddress: 0x7000n,
  register: number => (number < 17 ? BigInt(number) * 0x100n : number === 33 ? 0x4004_0000_0000_0000n : undefined),
  readMemory: (address, length) => (address < 0x100000n ? toLittleEndian(address + 1n, 16).subarray(0, length) : undefined),
  frameBase: () => 0x5000n,
  callFrameAddress: () => 0x6000n,
  entryValue: expression => (expression[0] === 0x55 ? 0x1234n : (() => { throw new Error('unexpected'); })()),
  baseType: offset => baseTypes[offset],
  indexedAddress: index => BigInt(index) * 0x1000n,
  calledExpression: (offset, inUnit) => (offset === 0x99 ? undefined : inUnit ? Uint8Array.of(0x23, 5) : Uint8Array.of(0x9a, 1, 0, 0, 0)),
};

const all = 0xffff_ffff_ffff_ffffn;

describe('values', () => {
  test.each<[string, number[], bigint]>([
    ['addr', [0x03, 0x10, 0x20, 0, 0, 0, 0, 0, 0], 0x12010n],
    ['addrx', [0xa1, 3], 0x13000n],
    ['constx', [0xa2, 3], 0x3000n],
    ['deref', [0x0a, 0x00, 0x10, 0x06], 0x1001n],
    ['const1u', [0x08, 0xff], 255n],
    ['const1s', [0x09, 0xff], all],
    ['const2u', [0x0a, 0xfe, 0xff], 0xfffen],
    ['const2s', [0x0b, 0xfe, 0xff], all - 1n],
    ['const4u', [0x0c, 0xfe, 0xff, 0xff, 0xff], 0xffff_fffen],
    ['const4s', [0x0d, 0xfe, 0xff, 0xff, 0xff], all - 1n],
    ['const8u', [0x0e, 1, 2, 3, 4, 5, 6, 7, 8], 0x0807_0605_0403_0201n],
    ['const8s', [0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], all],
    ['constu', [0x10, 0x80, 0x01], 128n],
    ['consts', [0x11, 0x7f], all],
    ['lit0', [0x30], 0n], ['lit31', [0x4f], 31n],
    ['breg7', [0x77, 0x78], 0x6f8n],
    ['bregx', [0x92, 16, 0x7f], 0xfffn],
    ['fbreg', [0x91, 0x70], 0x4ff0n],
    ['call_frame_cfa', [0x9c], 0x6000n],
    ['dup', [0x32, 0x12, 0x22], 4n],
    ['drop', [0x32, 0x33, 0x13], 2n],
    ['over', [0x32, 0x33, 0x14], 2n],
    ['pick', [0x32, 0x33, 0x34, 0x15, 2], 2n],
    ['swap', [0x32, 0x35, 0x16, 0x1c], 3n],
    ['rot', [0x31, 0x32, 0x33, 0x17, 0x13], 1n],
    ['rot keeps all three', [0x31, 0x32, 0x34, 0x17, 0x1c, 0x1c], 5n],
    ['abs', [0x11, 0x7b, 0x19], 5n],
    ['neg', [0x35, 0x1f], all - 4n],
    ['not', [0x30, 0x20], all],
    ['and', [0x3c, 0x3a, 0x1a], 8n], ['or', [0x3c, 0x3a, 0x21], 14n], ['xor', [0x3c, 0x3a, 0x27], 6n],
    ['div is signed', [0x11, 0x78, 0x33, 0x1b], all - 1n],
    ['mod is unsigned', [0x11, 0x7f, 0x3a, 0x1d], all % 10n],
    ['mul', [0x36, 0x37, 0x1e], 42n],
    ['plus wraps', [0x11, 0x7f, 0x32, 0x22], 1n],
    ['plus_uconst', [0x36, 0x23, 0x80, 1], 134n],
    ['shl', [0x31, 0x08, 63, 0x24], 1n << 63n], ['shl by 64', [0x31, 0x08, 64, 0x24], 0n],
    ['shr', [0x11, 0x7f, 0x08, 60, 0x25], 15n], ['shra', [0x11, 0x70, 0x32, 0x26], all - 3n], ['shra by 100', [0x11, 0x70, 0x08, 100, 0x26], all],
    ['lt is signed', [0x11, 0x7f, 0x30, 0x2d], 1n], ['gt', [0x11, 0x7f, 0x30, 0x2b], 0n],
    ['eq', [0x31, 0x31, 0x29], 1n], ['ne', [0x31, 0x31, 0x2e], 0n], ['le', [0x31, 0x31, 0x2c], 1n], ['ge', [0x31, 0x31, 0x2a], 1n],
    ['skip', [0x31, 0x2f, 1, 0, 0x32], 1n],
    ['bra taken', [0x35, 0x31, 0x28, 1, 0, 0x36, 0x96], 5n],
    ['bra not taken', [0x35, 0x30, 0x28, 1, 0, 0x36, 0x96], 6n],
    ['a loop that adds 5, 4, 3, 2, 1', [0x30, 0x35, 0x16, 0x14, 0x22, 0x16, 0x31, 0x1c, 0x12, 0x28, 0xf6, 0xff, 0x13], 15n],
    ['deref_size', [0x0a, 0xff, 0x12, 0x94, 1], 0n],
    ['push_object_address', [0x97], 0x7000n],
    ['call2', [0x31, 0x98, 1, 0], 6n], ['call4', [0x31, 0x99, 1, 0, 0, 0], 6n], ['a call of nothing', [0x31, 0x98, 0x99, 0], 1n],
    ['entry_value', [0xa3, 1, 0x55], 0x1234n], ['GNU_entry_value', [0xf3, 1, 0x55, 0x23, 1], 0x1235n],
    ['const_type and convert to a wider type', [0xa4, 1, 4, 0xfe, 0xff, 0xff, 0xff, 0xa8, 0], all - 1n],
    ['unsigned convert', [0xa4, 2, 4, 0xfe, 0xff, 0xff, 0xff, 0xa8, 0], 0xffff_fffen],
    ['convert to a narrow signed type and back', [0x08, 0xff, 0xa8, 5, 0xa8, 0], all],
    ['double to integer', [0xa5, 33, 3, 0xa8, 1, 0xa8, 0], 2n],
    ['float arithmetic', [0x33, 0xa8, 4, 0x32, 0xa8, 4, 0x1b, 0xa8, 3, 0x34, 0xa8, 3, 0x1e, 0xa8, 0], 6n],
    ['float comparison', [0x33, 0xa8, 3, 0x32, 0xa8, 3, 0x2b], 1n],
    ['signed division of a type', [0x11, 0x78, 0xa8, 1, 0x33, 0xa8, 1, 0x1b, 0xa8, 0], all - 1n],
    ['unsigned division of a type', [0x11, 0x78, 0xa8, 2, 0x33, 0xa8, 2, 0x1b, 0xa8, 0], 0xffff_fff8n / 3n],
    ['reinterpret', [0xa5, 33, 3, 0xa9, 0], 0x4004_0000_0000_0000n],
    ['deref_type', [0x0a, 0x00, 0x10, 0xa6, 4, 1, 0xa8, 0], 0x1001n],
  ])('%s', (_, bytes, expected) => expect(evaluateValue(Uint8Array.from(bytes), context)).toBe(expected));
});

describe('locations', () => {
  test.each<[string, number[], Location]>([
    ['nothing', [], { kind: 'unavailable', reason: 'optimized out', isOptimizedOut: true }],
    ['memory', [0x91, 0x10], { kind: 'memory', address: 0x5010n }],
    ['register', [0x53], { kind: 'register', register: 3 }],
    ['regx', [0x90, 17], { kind: 'register', register: 17 }],
    ['stack value', [0x35, 0x9f], { kind: 'implicit', bytes: Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0), isStackValue: true }],
    ['a stack value of a type', [0x35, 0xa8, 1, 0x9f], { kind: 'implicit', bytes: Uint8Array.of(5, 0, 0, 0), isStackValue: true }],
    ['implicit value', [0x9e, 3, 7, 8, 9], { kind: 'implicit', bytes: Uint8Array.of(7, 8, 9), isStackValue: false }],
    ['implicit pointer', [0xa0, 0x44, 0, 0, 0, 0x7c], { kind: 'implicitPointer', entryOffset: 0x44, byteOffset: -4 }],
    ['pieces', [0x50, 0x93, 8, 0x93, 4, 0x91, 0, 0x93, 4], {
      kind: 'pieces', pieces: [
        { location: { kind: 'register', register: 0 }, bitOffset: 0, bitSize: 64 }, { location: { kind: 'unavailable', reason: 'optimized out', isOptimizedOut: true }, bitOffset: 0, bitSize: 32 },
        { location: { kind: 'memory', address: 0x5000n }, bitOffset: 0, bitSize: 32 },
      ],
    }],
    ['bit pieces', [0x51, 0x9d, 3, 5], { kind: 'pieces', pieces: [{ location: { kind: 'register', register: 1 }, bitOffset: 5, bitSize: 3 }] }],
  ])('%s', (_, bytes, expected) => expect(evaluateLocation(Uint8Array.from(bytes), context)).toEqual(expected));
});

describe('what cannot be evaluated has a reason', () => {
  test.each<[string, number[], string]>([
    ['an unknown register', [0x92, 99, 0], 'register 99 is not known in this frame'],
    ['unreadable memory', [0x0e, 0, 0, 0, 0, 0, 0, 1, 0, 0x06], 'memory at 0x1000000000000 cannot be read'],
    ['an empty stack', [0x22], 'the stack of the expression is empty'],
    ['a full stack', [0x31, 0x12, 0x2f, 0xfc, 0xff], 'the stack of the expression overflows'],
    ['an endless loop', [0x2f, 0xfd, 0xff], 'the expression runs too long'],
    ['a branch outside', [0x2f, 0x7f, 0x7f], 'a branch leaves the expression'],
    ['calls without end', [0x9a, 1, 0, 0, 0], 'expressions call each other too deeply'],
    ['division by zero', [0x31, 0x30, 0x1b], 'a division by zero'],
    ['an unknown operation', [0x01], 'operation 0x1 is unknown'],
    ['an operand cut off', [0x0c, 1], 'the data end too early'],
    ['thread-local storage', [0x30, 0x9b], 'thread-local storage cannot be located'],
    ['a piece beyond reason', [0x50, 0x93, 0xff, 0xff, 0xff, 0xff, 0x0f], 'a piece of a location is absurdly large'],
    ['mixed types', [0x31, 0xa8, 3, 0x32, 0x22], 'an operation mixes integers and floating-point values'],
    ['not initialised', [0x50, 0xf0], 'not initialised yet'],
    ['a wide dereference', [0x30, 0x94, 17], 'a memory access of 17 bytes'],
    ['reinterpreting another size', [0x31, 0xa9, 1], 'a value is reinterpreted with another size'],
  ])('%s', (_, bytes, reason) => expect(evaluateLocation(Uint8Array.from(bytes), context)).toEqual({ kind: 'unavailable', reason, isOptimizedOut: false }));

  test('without a frame', () => {
    const bare: ExpressionContext = { addressSize: 8, bias: 0n, register: () => undefined, readMemory: () => undefined };
    const reasons = [[0x91, 0], [0x9c], [0xa3, 1, 0x55], [0xa1, 0], [0x97]].map(bytes => evaluateLocation(Uint8Array.from(bytes), bare));
    expect(reasons.map(each => each.kind === 'unavailable' && each.reason)).toEqual([
      'there is no frame base', 'the call frame address is not known', 'the value on entry to the function is not known', 'the address table is not at hand', 'no object is concerned',
    ]);
  });

  test('32-bit addresses wrap', () => {
    expect(evaluateValue(Uint8Array.of(0x11, 0x7f, 0x32, 0x22), { ...context, addressSize: 4 })).toBe(1n);
    expect(evaluateValue(Uint8Array.of(0x11, 0x7f), { ...context, addressSize: 4 })).toBe(0xffff_ffffn);
  });
});
