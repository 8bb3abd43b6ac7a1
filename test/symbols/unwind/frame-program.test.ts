import { describe, expect, test } from 'vitest';
import { runFrameProgram, type UnwindRow } from '../../../src/symbols/unwind/frame-program';
import type { CommonInformation } from '../../../src/symbols/unwind/call-frame-information';
import { registersOf } from '../../../src/symbols/unwind/registers';
import { listing, openSample, sampleNames } from '../sample-images';

const { names } = registersOf('x86-64');

/** A row in the notation of readelf. */
function describeRow(row: UnwindRow): { cfa: string; rules: Record<string, string> } {
  const rules: Record<string, string> = {};
  for (const [register, rule] of row.rules) {
    const name = register === row.returnRegister ? 'ra' : names[register]!;
    rules[name] = rule.kind === 'savedAt' ? `c${rule.offset >= 0 ? '+' : ''}${rule.offset}` : rule.kind === 'valueIs' ? `v${rule.offset >= 0 ? '+' : ''}${rule.offset}`
      : rule.kind === 'undefined' ? 'u' : rule.kind === 'sameValue' ? 's' : rule.kind === 'register' ? names[rule.register]! : 'exp';
  }
  return { cfa: row.cfa.kind === 'register' ? `${names[row.cfa.register]}+${row.cfa.offset}` : 'exp', rules };
}

describe.each(sampleNames)('%s', name => {
  test('rows agree with readelf at every address', () => {
    const file = openSample(name);
    let columns: string[] = [];
    let initial: [string, string[]] = ['', []];
    let range: [bigint, bigint] | undefined;
    let checked = 0;
    const pending: { start: bigint; cfa: string; values: string[]; columns: string[] }[] = [];
    const flush = (): void => {
      if (!range) return;
      const rows = pending.length > 0 ? pending : [{ start: range[0], cfa: initial[0], values: initial[1], columns: ['ra'] }];
      for (const [i, row] of rows.entries()) {
        const end = rows[i + 1]?.start ?? range[1];
        for (let address = row.start; address < end; address++) {
          const actual = file.unwind.rowAt(address)!;
          const { cfa, rules } = describeRow(actual);
          const expected = Object.fromEntries(row.columns.map((column, j) => [column, row.values[j]!]).filter(([, value]) => value !== 'u'));
          expect({ at: address, cfa, rules }).toEqual({ at: address, cfa: row.cfa, rules: expected });
          expect([actual.start, actual.end]).toEqual([row.start, end]);
          checked++;
        }
      }
      pending.length = 0;
      range = undefined;
    };
    for (const line of listing(name, 'frames')) {
      const fde = /FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)/.exec(line);
      const header = /^\s+LOC\s+CFA\s+(.*)$/.exec(line);
      const row = /^([0-9a-f]{16}) (\S+)\s+(.*?)\s*$/.exec(line);
      if (fde) {
        flush();
        range = [BigInt(`0x${fde[1]}`), BigInt(`0x${fde[2]}`)];
      } else if (header) {
        columns = header[1]!.trim().split(/\s+/);
      } else if (row && !line.includes('CIE')) {
        const values = row[3]!.split(/\s+/);
        if (range) pending.push({ start: BigInt(`0x${row[1]}`), cfa: row[2]!, values, columns });
        else initial = [row[2]!, values];
      }
    }
    flush();
    expect(checked).toBeGreaterThan(400);
  });
});

// --- every instruction, by hand ---

function run(instructions: number[], address: bigint, initial: number[] = [0x0c, 7, 8, 0x90, 1]): UnwindRow {
  const common: CommonInformation = {
    codeAlignment: 1, dataAlignment: -8, returnRegister: 16, isSignalFrame: false, hasAugmentationData: false, pointerEncoding: 0, addressSize: 8,
    instructions: Uint8Array.from(initial),
  };
  return runFrameProgram({ start: 0x1000n, end: 0x2000n, common, instructions: Uint8Array.from(instructions) }, address);
}

describe('call frame instructions', () => {
  test.each<[string, number[], string, Record<string, string>]>([
    ['nothing', [], 'rsp+8', { ra: 'c-8' }],
    ['nop', [0], 'rsp+8', { ra: 'c-8' }],
    ['def_cfa', [0x0c, 6, 0x90, 1], 'rbp+144', { ra: 'c-8' }],
    ['def_cfa_register', [0x0d, 6], 'rbp+8', { ra: 'c-8' }],
    ['def_cfa_offset', [0x0e, 32], 'rsp+32', { ra: 'c-8' }],
    ['def_cfa_sf', [0x12, 6, 0x7e], 'rbp+16', { ra: 'c-8' }],
    ['def_cfa_offset_sf', [0x13, 0x7d], 'rsp+24', { ra: 'c-8' }],
    ['def_cfa_expression', [0x0f, 2, 0x77, 8], 'exp', { ra: 'c-8' }],
    ['offset', [0x83, 2], 'rsp+8', { ra: 'c-8', rbx: 'c-16' }],
    ['offset_extended', [0x05, 12, 3], 'rsp+8', { ra: 'c-8', r12: 'c-24' }],
    ['offset_extended_sf', [0x11, 12, 0x7d], 'rsp+8', { ra: 'c-8', r12: 'c+24' }],
    ['GNU_negative_offset_extended', [0x2f, 12, 3], 'rsp+8', { ra: 'c-8', r12: 'c+24' }],
    ['val_offset', [0x14, 3, 2], 'rsp+8', { ra: 'c-8', rbx: 'v-16' }],
    ['val_offset_sf', [0x15, 3, 0x7e], 'rsp+8', { ra: 'c-8', rbx: 'v+16' }],
    ['undefined', [0x07, 16], 'rsp+8', { ra: 'u' }],
    ['same_value', [0x08, 3], 'rsp+8', { ra: 'c-8', rbx: 's' }],
    ['register', [0x09, 3, 12], 'rsp+8', { ra: 'c-8', rbx: 'r12' }],
    ['expression', [0x10, 3, 1, 0x30], 'rsp+8', { ra: 'c-8', rbx: 'exp' }],
    ['val_expression', [0x16, 3, 1, 0x30], 'rsp+8', { ra: 'c-8', rbx: 'exp' }],
    ['restore', [0x83, 2, 0xc3], 'rsp+8', { ra: 'c-8' }],
    ['restore of an initial rule', [0x90, 4, 0xd0], 'rsp+8', { ra: 'c-8' }],
    ['restore_extended', [0x83, 2, 0x06, 3], 'rsp+8', { ra: 'c-8' }],
    ['remember and restore state', [0x0a, 0x83, 2, 0x0e, 48, 0x0b], 'rsp+8', { ra: 'c-8' }],
    ['GNU_args_size', [0x2e, 0x10, 0x0e, 16], 'rsp+16', { ra: 'c-8' }],
    ['advances', [0x41, 0x0e, 16, 0x02, 2, 0x0e, 24, 0x03, 3, 0, 0x0e, 32, 0x04, 4, 0, 0, 0, 0x0e, 40], 'rsp+40', { ra: 'c-8' }],
    ['an advance that has not come yet', [0x41, 0x0e, 16, 0x02, 0xf0, 0x0e, 24], 'rsp+16', { ra: 'c-8' }],
    ['set_loc', [0x01, 0x08, 0x10, 0, 0, 0, 0, 0, 0, 0x0e, 16, 0x01, 0x80, 0x10, 0, 0, 0, 0, 0, 0, 0x0e, 24], 'rsp+16', { ra: 'c-8' }],
  ])('%s', (_, instructions, cfa, rules) => expect(describeRow(run(instructions, 0x1020n))).toEqual({ cfa, rules }));

  test('rows know their limits', () => {
    const { start, end } = run([0x44, 0x0e, 16, 0x48, 0x0e, 24], 0x1005n);
    expect([start, end]).toEqual([0x1004n, 0x100cn]);
  });

  test.each<[string, number[], string]>([
    ['unknown', [0x3f], 'call frame instruction 0x3f is unknown'],
    ['cut', [0x0c, 7], 'the data end too early'],
    ['restore without remember', [0x0b], 'a state is restored that was not remembered'],
    ['too many remembers', Array(100).fill(0x0a), 'too many states are remembered'],
    ['a register beyond reason', [0x07, 0xff, 0xff, 0x7f], 'register 2097151 does not exist'],
    ['an offset without a register', [0x0f, 1, 0x30, 0x0e, 8], 'the frame address is not a register with an offset'],
  ])('damage: %s', (_, instructions, message) => expect(() => run(instructions, 0x1020n)).toThrow(message));

  test('no rule for the frame address', () => expect(() => run([], 0x1000n, [])).toThrow('no rule gives the frame address'));
});
