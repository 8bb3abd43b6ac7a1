// The 8254, exact to the unit: its clock makes floor(time * 1193182 / 10^9) ticks, and a count written in tick w is loaded in tick w + 1.
import { describe, expect, it } from 'vitest';
import { clockRates, deviceCell } from '../../../src/emulator/codegen/device-layout';
import { Board } from './board';

const hz = BigInt(clockRates.pit), second = BigInt(clockRates.tsc);
/** First unit in which the clock has made that many ticks. */
const unitOf = (tick: number): bigint => (BigInt(tick) * second + hz - 1n) / hz;

/** A board at tick `start`, whose channel is programmed there with a control word's mode and a count. */
async function programmed({ channel = 2, mode, count, start = 1000, gate = 1, bcd = 0 }: { channel?: number; mode: number; count: number; start?: number; gate?: number; bcd?: number }): Promise<Board> {
  const board = await Board.make();
  board.out(0x61, gate);
  board.advanceTo(unitOf(start));
  board.out(0x43, channel << 6 | 0x30 | mode << 1 | bcd);
  board.out(0x40 + channel, count & 0xff);
  board.out(0x40 + channel, count >> 8);
  return board;
}
function latched(board: Board, channel = 2): number {
  board.out(0x43, channel << 6);
  return board.in(0x40 + channel) | board.in(0x40 + channel) << 8;
}
const out2 = (board: Board): number => board.in(0x61) >> 5 & 1;

interface Trace { mode: number; count: number; gate?: number; out: string; counts: readonly number[] }

/** OUT (1 high, 0 low) and the count in the ticks after the write, as in the data sheet's drawings. */
const traces: Trace[] = [
  { mode: 0, count: 4, out: '00000111', counts: [4, 4, 3, 2, 1, 0, 0xffff, 0xfffe] },
  { mode: 0, count: 1, out: '00111', counts: [1, 1, 0, 0xffff] },
  { mode: 2, count: 3, out: '11101101101', counts: [3, 3, 2, 1, 3, 2, 1, 3] },
  { mode: 2, count: 4, out: '1111011101110', counts: [4, 4, 3, 2, 1, 4, 3] },
  { mode: 3, count: 4, out: '111001100110', counts: [4, 4, 2, 4, 2, 4, 2] },
  { mode: 3, count: 5, out: '111100111001', counts: [5, 4, 2, 0, 4, 2, 4, 2, 0, 4] },
  { mode: 4, count: 3, out: '111101111', counts: [3, 3, 2, 1, 0, 0xffff] },
  { mode: 1, count: 3, out: '11111111', counts: [3, 3, 3] },
  { mode: 5, count: 3, out: '11111111', counts: [3, 3, 3] },
];

describe('8254', () => {
  it.each(traces)('mode $mode with count $count', async ({ mode, count, out, counts }) => {
    const board = await programmed({ mode, count });
    let seen = '';
    for (let tick = 0; tick < Math.max(out.length, counts.length); tick++) {
      board.advanceTo(unitOf(1000 + tick));
      if (tick < out.length) seen += out2(board);
      if (tick < counts.length && tick > 0) expect(latched(board), `count in tick ${tick}`).toBe(counts[tick]);
    }
    expect(seen).toBe(out);
  });

  it('changes at the unit of the tick, not before', async () => {
    for (const start of [1, 999, 1_193_182, 123_456_789]) {
      const board = await programmed({ mode: 0, count: 100, start });
      board.advanceTo(unitOf(start + 101) - 1n);
      expect([out2(board), latched(board)]).toEqual([0, 1]);
      board.advance(1);
      expect([out2(board), latched(board)]).toEqual([1, 0]);
    }
  });

  it.each([[2, 0x1_0000, 0], [2, 1193, 1193], [3, 1193, 1193], [3, 0x1_0000, 0]])('channel 0 in mode %i interrupts every %i ticks', async (mode, period, count) => {
    const board = await programmed({ channel: 0, mode, count });
    board.devices.firmwareVirtualWire();
    board.initializePics(0x20, 3);
    for (let n = 1; n <= 20; n++) {
      board.advanceTo(unitOf(1001 + n * period) - 1n);
      expect(board.pending, `period ${n}`).toBe(undefined);
      board.advance(1);
      expect(board.pending, `period ${n}`).toBe(0x20);
      board.acknowledge();
    }
  });

  it('channel 0 in mode 0 interrupts once', async () => {
    const board = await programmed({ channel: 0, mode: 0, count: 500 });
    board.devices.firmwareVirtualWire();
    board.initializePics(0x20, 3);
    board.line(0, false);
    board.out(0x43, 0x30); board.out(0x40, 0xf4); board.out(0x40, 1);
    expect(board.deadline).toBe(unitOf(1001));
    board.advanceTo(unitOf(1501));
    expect(board.acknowledge()).toBe(0x20);
    expect(board.untilDeadline).toBe(undefined);
  });

  it('a program of mode 2 lasts for ever at the same rate: interrupts in a virtual second', async () => {
    const board = await programmed({ channel: 0, mode: 2, count: 11932, start: 0 });
    board.devices.firmwareVirtualWire();
    board.initializePics(0x20, 3);
    let interrupts = 0;
    while (board.time < second) {
      board.advanceTo(board.deadline);
      if (board.pending !== undefined) { board.acknowledge(); interrupts++; }
    }
    expect(interrupts).toBe(Math.floor((Number(hz) - 1) / 11932));
  });

  it('timers that became due during one long instruction are handled before a port is read', async () => {
    const board = await programmed({ channel: 0, mode: 2, count: 100 });
    board.initializePics();
    board.out(0x21, 0xfe);
    board.jumpTo(unitOf(1000 + 150));
    board.out(0x20, 0x0a);
    expect(board.in(0x20) & 1).toBe(1);
  });

  describe('gate', () => {
    it('low stops mode 0, high continues it', async () => {
      const board = await programmed({ mode: 0, count: 100 });
      board.advanceTo(unitOf(1031));
      board.out(0x61, 0);
      board.advanceTo(unitOf(5000));
      expect([latched(board), out2(board)]).toEqual([70, 0]);
      board.out(0x61, 1);
      board.advanceTo(unitOf(5069));
      expect([latched(board), out2(board)]).toEqual([1, 0]);
      board.advanceTo(unitOf(5070));
      expect([latched(board), out2(board)]).toEqual([0, 1]);
    });
    it('a count loaded while the gate is low waits in full', async () => {
      const board = await programmed({ mode: 0, count: 100, gate: 0 });
      board.advanceTo(unitOf(2000));
      expect(latched(board)).toBe(100);
      board.out(0x61, 1);
      board.advanceTo(unitOf(2060));
      expect(latched(board)).toBe(40);
    });
    it.each([2, 3])('low raises OUT of mode %i, rising starts a new period', async mode => {
      const board = await programmed({ mode, count: 100 });
      board.advanceTo(unitOf(1001 + 99));
      expect(out2(board)).toBe(0);
      board.out(0x61, 0);
      expect(out2(board)).toBe(1);
      board.advanceTo(unitOf(3000));
      board.out(0x61, 1);
      board.advanceTo(unitOf(3001 + 99));
      expect(out2(board)).toBe(0);
      board.advanceTo(unitOf(3001 + 100));
      expect(out2(board)).toBe(1);
    });
    it('rising triggers the one-shot of mode 1, again and again', async () => {
      const board = await programmed({ mode: 1, count: 50, gate: 0 });
      const trigger = (tick: number): void => { board.advanceTo(unitOf(tick)); board.out(0x61, 0); board.out(0x61, 1); };
      trigger(2000);
      expect(out2(board)).toBe(1);
      board.advanceTo(unitOf(2001));
      expect(out2(board)).toBe(0);
      trigger(2030);
      board.advanceTo(unitOf(2080));
      expect(out2(board)).toBe(0);
      board.advanceTo(unitOf(2081));
      expect(out2(board)).toBe(1);
    });
    it('rising triggers the strobe of mode 5', async () => {
      const board = await programmed({ mode: 5, count: 50, gate: 0 });
      board.advanceTo(unitOf(2000));
      board.out(0x61, 1);
      const seen = [2050, 2051, 2052].map(tick => { board.advanceTo(unitOf(tick)); return out2(board); });
      expect(seen).toEqual([1, 0, 1]);
    });
  });

  describe('a new count while counting', () => {
    it('mode 2 finishes its period first', async () => {
      const board = await programmed({ mode: 2, count: 100 });
      board.advanceTo(unitOf(1030));
      board.out(0x42, 10); board.out(0x42, 0);
      const low = [];
      for (let tick = 1031; tick < 1140; tick++) { board.advanceTo(unitOf(tick)); if (!out2(board)) low.push(tick - 1001); }
      expect(low).toEqual([99, 109, 119, 129]);
    });
    it('mode 3 finishes its half period first', async () => {
      const board = await programmed({ mode: 3, count: 100 });
      board.advanceTo(unitOf(1030));
      board.out(0x42, 20); board.out(0x42, 0);
      let seen = '';
      for (let tick = 1048; tick < 1085; tick++) { board.advanceTo(unitOf(tick)); seen += out2(board); }
      expect(seen).toBe(`111${'0'.repeat(10)}${'1'.repeat(10)}${'0'.repeat(10)}1111`);
    });
    it('mode 0 starts over, and OUT falls', async () => {
      const board = await programmed({ mode: 0, count: 10 });
      board.advanceTo(unitOf(1020));
      expect(out2(board)).toBe(1);
      board.out(0x42, 10); board.out(0x42, 0);
      expect(out2(board)).toBe(0);
      board.advanceTo(unitOf(1030));
      expect(out2(board)).toBe(0);
      board.advanceTo(unitOf(1031));
      expect(out2(board)).toBe(1);
    });
    it('channel 0 in mode 2 keeps interrupting at the new rate', async () => {
      const board = await programmed({ channel: 0, mode: 2, count: 100 });
      board.advanceTo(unitOf(1030));
      board.out(0x40, 10); board.out(0x40, 0);
      const deadlines = Array.from({ length: 5 }, () => { board.advanceTo(board.deadline); return board.time; });
      expect(deadlines).toEqual([1100, 1101, 1110, 1111, 1120].map(unitOf));
    });
  });

  describe('reading', () => {
    it('a latched count stands until it is read', async () => {
      const board = await programmed({ mode: 2, count: 0x1234 });
      board.advanceTo(unitOf(1011));
      board.out(0x43, 0x80);
      board.advanceTo(unitOf(1100));
      board.out(0x43, 0x80);
      expect([board.in(0x42), board.in(0x42)]).toEqual([0x2a, 0x12]);
      expect(latched(board)).toBe(0x1234 - 99);
    });
    it('access modes give the low byte, the high byte or both in turn', async () => {
      const board = await programmed({ mode: 2, count: 0x1234, start: 1000 });
      board.advanceTo(unitOf(1001));
      expect([board.in(0x42), board.in(0x42), board.in(0x42)]).toEqual([0x34, 0x12, 0x34]);
      board.out(0x43, 0x94); board.out(0x42, 0x55);
      board.advanceTo(unitOf(1003));
      expect([board.in(0x42), board.in(0x42)]).toEqual([0x54, 0x54]);
      board.out(0x43, 0xa4); board.out(0x42, 0x55);
      board.advanceTo(unitOf(1004));
      expect([board.in(0x42), board.in(0x42)]).toEqual([0x55, 0x55]);
    });
    it('binary-coded decimal', async () => {
      const board = await programmed({ mode: 0, count: 0x1000, bcd: 1 });
      board.advanceTo(unitOf(1002));
      expect(latched(board)).toBe(0x0999);
      board.advanceTo(unitOf(2002));
      expect(latched(board)).toBe(0x9999);
    });
    it('a read-back gives status, then count, of each channel named', async () => {
      const board = await programmed({ mode: 3, count: 100 });
      board.advanceTo(unitOf(1011));
      board.out(0x43, 0xc8);
      expect([board.in(0x42), board.in(0x42), board.in(0x42)]).toEqual([0xb6, 80, 0]);
      board.out(0x43, 0xe8);
      expect(board.in(0x42)).toBe(0xb6);
    });
    it('the status tells a count that is not loaded yet', async () => {
      const board = await programmed({ mode: 2, count: 100 });
      board.out(0x43, 0xe8);
      expect(board.in(0x42)).toBe(0xf4);
      board.advanceTo(unitOf(1001));
      board.out(0x43, 0xe8);
      expect(board.in(0x42)).toBe(0xb4);
    });
  });

  it('the refresh bit toggles every 18 ticks', async () => {
    const board = await Board.make();
    const bits = [0, 17, 18, 35, 36, 54].map(tick => { board.advanceTo(unitOf(tick)); return board.in(0x61) >> 4 & 1; });
    expect(bits).toEqual([0, 0, 1, 1, 0, 1]);
  });

  it('counts in a slower relation of time and clocks when the machine says so', async () => {
    const board = await Board.make();
    board.setCell64(deviceCell('settings', 'tscHz'), 4_000_000_000n);
    board.out(0x61, 1);
    board.out(0x43, 0xb0); board.out(0x42, 100); board.out(0x42, 0);
    const due = (101n * 4_000_000_000n + hz - 1n) / hz;
    board.advanceTo(due - 1n);
    expect(out2(board)).toBe(0);
    board.advanceTo(due);
    expect(out2(board)).toBe(1);
  });

  it('is silent after a reset', async () => {
    const board = await Board.make();
    expect(board.untilDeadline).toBe(undefined);
  });
});
