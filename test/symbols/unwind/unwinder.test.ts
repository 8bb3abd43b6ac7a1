import { describe, expect, test } from 'vitest';
import { toLittleEndian } from '../../../src/symbols/dwarf/expression-values';
import { WarningList } from '../../../src/symbols/symbol-error';
import { CallFrameInformation } from '../../../src/symbols/unwind/call-frame-information';
import { registersByName, registersOf } from '../../../src/symbols/unwind/registers';
import { unwindFrame, type UnwindImage } from '../../../src/symbols/unwind/unwinder';

/** A stack of words at 0x8000. */
function stack(...words: bigint[]): (address: bigint, length: number) => Uint8Array | undefined {
  const bytes = new Uint8Array(words.length * 8);
  words.forEach((word, i) => bytes.set(toLittleEndian(word, 8), i * 8));
  return (address, length) => {
    const offset = Number(address - 0x8000n);
    return offset >= 0 && offset + length <= bytes.length ? bytes.subarray(offset, offset + length) : undefined;
  };
}

const noFrames = new CallFrameInformation([], 8, () => true, new WarningList());

/** Code at 0x1000..0x2000 without call frame information; the function at 0x1100 begins with PUSH rBP and has a RET at 0x1180. */
const image: UnwindImage = {
  registers: registersOf('x86-64'), frames: noFrames,
  isCode: address => address >= 0x1000n && address < 0x2000n,
  functionStart: address => (address >= 0x1100n && address < 0x1200n ? 0x1100n : undefined),
  codeBytes: address => Uint8Array.of(address === 0x1100n ? 0x55 : address === 0x1180n ? 0xc3 : 0x90),
};

function unwind(registers: Record<string, bigint>, readMemory: ReturnType<typeof stack>, options: { bias?: bigint; isReturnAddress?: boolean } = {}): Record<string, unknown> {
  const result = unwindFrame(image, registersByName('x86-64', registers), { readMemory, ...options });
  return result.kind === 'end' ? { end: result.reason, outermost: result.isOutermost }
    : { rip: result.registers[16], rsp: result.registers[7], rbp: result.registers[6], rbx: result.registers[3], cfa: result.cfa, method: result.method, saved: [...result.savedAt] };
}

describe('without call frame information', () => {
  test.each<[string, Record<string, bigint>, bigint[], object]>([
    ['first instruction', { rip: 0x1100n, rsp: 0x8000n, rbp: 0x77n, rbx: 5n }, [0x1555n], { rip: 0x1555n, rsp: 0x8008n, rbp: 0x77n, rbx: 5n, cfa: 0x8008n, method: 'return address', saved: [] }],
    ['after PUSH rBP', { rip: 0x1101n, rsp: 0x8000n, rbp: 0x77n }, [0x99n, 0x1555n], { rip: 0x1555n, rsp: 0x8010n, rbp: 0x99n, rbx: undefined, cfa: 0x8010n, method: 'return address', saved: [[6, 0x8000n]] }],
    ['at RET', { rip: 0x1180n, rsp: 0x8008n, rbp: 0x77n }, [0n, 0x1555n], { rip: 0x1555n, rsp: 0x8010n, rbp: 0x77n, rbx: undefined, cfa: 0x8010n, method: 'return address', saved: [] }],
    ['by frame pointer', { rip: 0x1120n, rsp: 0x8000n, rbp: 0x8008n, rbx: 5n }, [0n, 0x8030n, 0x1555n], {
      rip: 0x1555n, rsp: 0x8018n, rbp: 0x8030n, rbx: undefined, cfa: 0x8018n, method: 'frame pointer', saved: [[6, 0x8008n]],
    }],
    ['a frame pointer of zero', { rip: 0x1120n, rsp: 0x8000n, rbp: 0n }, [0n], { end: 'the frame pointer is zero', outermost: true }],
    ['a frame pointer below the stack', { rip: 0x1120n, rsp: 0x8000n, rbp: 0x100n }, [0n], { end: 'there is no call frame information and the frame pointer is not one', outermost: false }],
    ['a crooked frame pointer', { rip: 0x1120n, rsp: 0x8000n, rbp: 0x8001n }, [0n], { end: 'there is no call frame information and the frame pointer is not one', outermost: false }],
    ['data instead of a return address', { rip: 0x1120n, rsp: 0x8000n, rbp: 0x8000n }, [0x8010n, 0x5555n], {
      end: 'there is no call frame information, and 0x5555 is not a return address of this image', outermost: false,
    }],
    ['a stack that ends', { rip: 0x1100n, rsp: 0x8008n }, [0n], { end: 'the return address cannot be read', outermost: false }],
    ['no instruction pointer', { rsp: 0x8000n }, [], { end: 'the instruction pointer is not known', outermost: false }],
    ['no frame pointer', { rip: 0x1120n, rsp: 0x8000n }, [], { end: 'there is no call frame information and the frame pointer is not known', outermost: false }],
  ])('%s', (_, registers, words, expected) => expect(unwind(registers, stack(...words))).toEqual(expected));

  test('return addresses are checked in the loaded image', () => {
    expect(unwind({ rip: 0x7001100n, rsp: 0x8000n }, stack(0x7001555n), { bias: 0x7000000n })).toMatchObject({ rip: 0x7001555n });
    expect(unwind({ rip: 0x7001100n, rsp: 0x8000n }, stack(0x1555n), { bias: 0x7000000n })).toMatchObject({ end: expect.stringContaining('is not a return address') });
  });

  test("a caller's frame looks only at the frame pointer", () => {
    expect(unwind({ rip: 0x1100n, rsp: 0x8000n, rbp: 0x8000n }, stack(0x8030n, 0x1555n), { isReturnAddress: true })).toMatchObject({ method: 'frame pointer', rip: 0x1555n });
  });
});

// --- .eh_frame and .debug_frame by hand ---

function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

function record(...body: number[]): number[] {
  return [...u32(body.length), ...body];
}

function open(name: '.eh_frame' | '.debug_frame', bytes: number[], address = 0n): { frames: CallFrameInformation; warnings: WarningList } {
  const warnings = new WarningList();
  return { frames: new CallFrameInformation([{ name, bytes: Uint8Array.from(bytes), address }], 8, () => true, warnings), warnings };
}

function unwindBy(frames: CallFrameInformation, registers: Record<string, bigint>, readMemory: ReturnType<typeof stack>): ReturnType<typeof unwindFrame> {
  return unwindFrame({ ...image, frames }, registersByName('x86-64', registers), { readMemory });
}

const common = record(...u32(0), 1, ...[0x7a, 0x52, 0], 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1);

/** A description in .eh_frame at the section's address 0x4000, for 0x1100 to 0x1200. */
function description(cie: number[], ...instructions: number[]): number[] {
  const idAt = cie.length + 4;
  const relative = 0x1100 - (0x4000 + idAt + 4);
  return [...cie, ...record(...u32(idAt), ...u32(relative >>> 0), ...u32(0x100), 0, ...instructions)];
}

describe('with call frame information', () => {
  test('saved registers are found, and where they are', () => {
    const { frames, warnings } = open('.eh_frame', description(common, 0x0e, 24, 0x83, 2), 0x4000n);
    const result = unwindBy(frames, { rip: 0x1150n, rsp: 0x8000n, rax: 1n, rbx: 2n, rbp: 3n }, stack(0n, 0x42n, 0x1555n));
    expect(warnings.texts).toEqual([]);
    expect(result).toMatchObject({ kind: 'caller', cfa: 0x8018n, method: 'call frame information', isReturnAddress: true });
    if (result.kind !== 'caller') return;
    expect([result.registers[16], result.registers[7], result.registers[3], result.registers[6], [...result.savedAt]]).toEqual([0x1555n, 0x8018n, 0x42n, 3n, [[16, 0x8010n], [3, 0x8008n]]]);
  });

  test.each<[string, number[], object]>([
    ['outermost', [0x07, 16], { kind: 'end', isOutermost: true }],
    ['a frame address by expression', [0x0f, 2, 0x77, 16], { kind: 'caller', cfa: 0x8010n }],
    ['a return address by expression', [0x10, 16, 2, 0x77, 0], { kind: 'caller' }],
    ['a value by expression', [0x16, 3, 2, 0x23, 4], { kind: 'caller' }],
    ['an unreadable return address', [0x0e, 0x80, 0x10], { kind: 'end', reason: 'the return address cannot be read' }],
    ['an unknown base', [0x0d, 12], { kind: 'end', reason: 'the frame address depends on r12, which is not known' }],
    ['a bad instruction', [0x3e], { kind: 'end', reason: 'call frame instruction 0x3e is unknown' }],
    ['its own caller', [0x0e, 0, 0x14, 16, 0, 0x09, 16, 16], { kind: 'end', reason: 'the frame would be its own caller' }],
  ])('%s', (_, instructions, expected) => {
    const { frames } = open('.eh_frame', description(common, ...instructions), 0x4000n);
    expect(unwindBy(frames, { rip: 0x1150n, rsp: 0x8000n }, stack(0x1555n, 0x1666n, 0x1777n))).toMatchObject(expected);
  });

  test('signal frames give an exact address', () => {
    const signal = record(...u32(0), 1, ...[0x7a, 0x52, 0x53, 0], 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1);
    const { frames } = open('.eh_frame', description(signal), 0x4000n);
    expect(unwindBy(frames, { rip: 0x1150n, rsp: 0x8000n }, stack(0x1555n))).toMatchObject({ kind: 'caller', isReturnAddress: false });
  });

  test('.debug_frame, version 4, absolute addresses', () => {
    const cie = record(...u32(0xffff_ffff), 4, 0, 8, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1);
    const fde = record(...u32(0), ...toLittleEndian(0x1100n, 8), ...toLittleEndian(0x100n, 8), 0x0e, 16);
    const { frames, warnings } = open('.debug_frame', [...cie, ...fde]);
    expect(warnings.texts).toEqual([]);
    expect(frames.rowAt(0x1100n)).toMatchObject({ start: 0x1100n, end: 0x1200n, cfa: { kind: 'register', register: 7, offset: 16 } });
    expect([frames.rowAt(0x10ffn), frames.rowAt(0x1200n), frames.size]).toEqual([undefined, undefined, 1]);
  });

  test.each<[string, number[], string]>([
    ['an entry too long', [...u32(100), ...u32(0)], 'an entry reaches past the end of its section'],
    ['no common entry', record(...u32(0x44), ...u32(0), ...u32(1)), 'a frame description names no common entry'],
    ['an unknown version', description(record(...u32(0), 9, 0, 1, 1, 1)), 'call frame version 9 is not supported'],
    ['an unknown augmentation', description(record(...u32(0), 1, 0x71, 0, 1, 0x78, 16)), "the call frame augmentation 'q' is not known"],
    ['an unknown encoding', description(record(...u32(0), 1, ...[0x7a, 0x52, 0], 1, 0x78, 16, 1, 0x0f)), 'pointer encoding 0xf is unknown'],
  ])('damage: %s', (_, bytes, message) => {
    const { frames, warnings } = open('.eh_frame', bytes, 0x4000n);
    expect([frames.size, warnings.texts]).toEqual([0, [expect.stringContaining(message)]]);
  });
});
