// The real-time clock: dates against those of the host's calendar, setting, formats, flags and interrupts over virtual time; the CMOS.
import { describe, expect, it } from 'vitest';
import { clockRates, firstSecond } from '../../../src/emulator/codegen/device-layout';
import { Board } from './board';

const second = BigInt(clockRates.tsc), vector = 0x28;
const read = (board: Board, register: number): number => { board.out(0x70, register); return board.in(0x71); };
const write = (board: Board, register: number, value: number): void => { board.out(0x70, register); board.out(0x71, value); };
const bcd = (value: number): number => (value >> 4) * 10 + (value & 15);

/** The date that the registers show (24 hours, BCD), seconds since 1970; the day of the week is checked. */
function shown(board: Board): number {
  const [s, m, h, weekday, day, month, year, century] = [0, 2, 4, 6, 7, 8, 9, 0x32].map(register => bcd(read(board, register))) as [number, number, number, number, number, number, number, number];
  const date = Date.UTC(century * 100 + year, month - 1, day, h, m, s);
  expect(weekday).toBe(new Date(date).getUTCDay() + 1);
  return date / 1000;
}
function set(board: Board, date: Date): void {
  const put = (register: number, value: number): void => write(board, register, Math.floor(value / 10) << 4 | value % 10);
  write(board, 0x0b, 0x82);
  put(0, date.getUTCSeconds()); put(2, date.getUTCMinutes()); put(4, date.getUTCHours());
  put(7, date.getUTCDate()); put(8, date.getUTCMonth() + 1); put(9, date.getUTCFullYear() % 100); put(0x32, Math.floor(date.getUTCFullYear() / 100));
  write(board, 0x0b, 0x02);
}
async function clock(): Promise<Board> {
  const board = await Board.make({ vcpus: 4, ramBytes: 0x1000_0000 });
  board.devices.firmwareVirtualWire();
  board.initializePics(0x20, 3);
  return board;
}

describe('dates', () => {
  it.each([0, 1, 59, 60, 86399, 86400, 59 * 86400, 60 * 86400, 365 * 86400, 366 * 86400, 3_000_000_000])('%i seconds after the start', async seconds => {
    const board = await clock();
    board.advanceTo(BigInt(seconds) * second);
    expect(shown(board)).toBe(firstSecond + seconds);
    board.advanceTo(BigInt(seconds + 1) * second - 1n);
    expect(shown(board)).toBe(firstSecond + seconds);
  });
  it.each(['1999-12-31T23:59:58Z', '2000-02-28T23:59:59Z', '2023-02-28T23:59:59Z', '2024-02-28T23:59:59Z', '2100-02-28T23:59:59Z', '2038-01-19T03:14:07Z'])('set to %s it goes on', async text => {
    const board = await clock(), start = new Date(text);
    board.advance(12_345_678_901n);
    set(board, start);
    expect(shown(board)).toBe(start.getTime() / 1000);
    board.advance(3n * second);
    expect(shown(board)).toBe(start.getTime() / 1000 + 3);
  });
  it('stands still while updates are inhibited', async () => {
    const board = await clock();
    write(board, 0x0b, 0x82);
    board.advance(10n * second);
    expect(shown(board)).toBe(firstSecond);
    write(board, 0x0b, 0x02);
    board.advance(second);
    expect(shown(board)).toBe(firstSecond + 1);
  });
  it('a register can be set while the clock runs', async () => {
    const board = await clock();
    write(board, 2, 0x45);
    expect(shown(board)).toBe(firstSecond + 45 * 60);
  });
  it.each([[0, 0x12], [1, 0x01], [11, 0x11], [12, 0x92], [13, 0x81], [23, 0x91]])('hour %i of twelve-hour format', async (hour, shownHour) => {
    const board = await clock();
    board.advance(BigInt(hour * 3600) * second);
    write(board, 0x0b, 0);
    expect(read(board, 4)).toBe(shownHour);
  });
  it('binary format', async () => {
    const board = await clock();
    board.advance(BigInt(23 * 3600 + 59 * 60 + 58) * second);
    write(board, 0x0b, 6);
    expect([0, 2, 4, 7, 8, 9, 0x32].map(register => read(board, register))).toEqual([58, 59, 23, 1, 1, 24, 20]);
  });
  it('update in progress for the last 244 microseconds of a second', async () => {
    const board = await clock();
    const bits = [0n, second - 244_001n, second - 244_000n, second - 1n, second].map(time => { board.advanceTo(time); return read(board, 0x0a) >> 7; });
    expect(bits).toEqual([0, 0, 1, 1, 0]);
  });
});

describe('flags and interrupts', () => {
  it('flags are set without interrupts, and cleared by reading', async () => {
    const board = await clock();
    board.advance(second);
    expect([read(board, 0x0c), read(board, 0x0c)]).toEqual([0x50, 0]);
    expect(board.untilDeadline).toBe(undefined);
  });
  it.each([[3, 8192], [6, 1024], [15, 2], [1, 256], [2, 128]])('rate %i is %i Hz', async (rate, hz) => {
    const board = await clock();
    write(board, 0x0a, 0x20 | rate);
    write(board, 0x0b, 0x42);
    for (let n = 1; n <= 5; n++) {
      const due = (BigInt(n) * second + BigInt(hz) - 1n) / BigInt(hz);
      board.advanceTo(due - 1n);
      expect(board.pending).toBe(undefined);
      board.advanceTo(due);
      expect(board.acknowledge()).toBe(vector);
      expect(read(board, 0x0c) & 0xc0).toBe(0xc0);
    }
  });
  it('without reading register C there is one interrupt', async () => {
    const board = await clock();
    write(board, 0x0b, 0x42);
    board.advance(second);
    expect(board.acknowledge()).toBe(vector);
    board.advance(second);
    expect([board.pending, board.untilDeadline]).toEqual([undefined, undefined]);
  });
  it('the update interrupt comes each second', async () => {
    const board = await clock();
    board.advance(250_000_000n);
    write(board, 0x0b, 0x12);
    expect(board.untilDeadline).toBe(750_000_000n);
    board.advanceTo(second);
    expect([board.acknowledge(), read(board, 0x0c) & 0x90, board.untilDeadline]).toEqual([vector, 0x90, second]);
  });
  it.each([[0x30, 0x01, 0x00, 90], [0xc0, 0x02, 0x00, 120], [0x05, 0xff, 0xff, 5], [0x00, 0x00, 0x12, 43200]])('alarm at seconds %i, minutes %i, hours %i: after %i s', async (s, m, h, after) => {
    const board = await clock();
    write(board, 1, s); write(board, 3, m); write(board, 5, h);
    write(board, 0x0b, 0x22);
    board.advanceTo(BigInt(after) * second - 1n);
    expect(board.pending).toBe(undefined);
    board.advance(1);
    expect([board.acknowledge(), read(board, 0x0c) & 0xa0]).toEqual([vector, 0xa0]);
  });
  it('an alarm that nobody waited for is still seen', async () => {
    const board = await clock();
    write(board, 1, 0x30); write(board, 3, 0x01); write(board, 5, 0);
    board.advance(3600n * second);
    expect(read(board, 0x0c) & 0x20).toBe(0x20);
  });
});

describe('CMOS', () => {
  it('keeps bytes, and the mask bit of the index is no part of it', async () => {
    const board = await clock();
    write(board, 0x40, 0x5a);
    board.out(0x70, 0xc0);
    expect(board.in(0x71)).toBe(0x5a);
  });
  it('tells memory and processors: 256 MiB, 4', async () => {
    const board = await clock(), word = (register: number): number => read(board, register) | read(board, register + 1) << 8;
    expect([word(0x15), word(0x30), word(0x34), read(board, 0x5f), read(board, 0x0d)]).toEqual([640, 0xffff, 240 * 16, 3, 0x80]);
  });
});
