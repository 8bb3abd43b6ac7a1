// COM1 as drivers use it: output, input, divisor, FIFOs, interrupt identification, modem control and loopback.
import { describe, expect, it } from 'vitest';
import { region } from '../../../src/emulator/codegen/state-layout';
import { Board } from './board';

const data = 0x3f8, enable = 0x3f9, identification = 0x3fa, fifoControl = 0x3fa, lineControl = 0x3fb, modemControl = 0x3fc, lineStatus = 0x3fd, modemStatus = 0x3fe, scratch = 0x3ff;
const vector = 0x24;

/** A board whose port interrupts through the 8259 pair with automatic EOI. */
async function port(interrupts = 0): Promise<Board> {
  const board = await Board.make();
  board.devices.firmwareVirtualWire();
  board.initializePics(0x20, 3);
  board.out(modemControl, 0x0b);
  board.out(enable, interrupts);
  return board;
}
const input = (board: Board, text: string): boolean[] => [...text].map(c => board.devices.serialInput(c.charCodeAt(0)) !== 0);
const line = (board: Board): boolean => { board.out(0x20, 0x0a); return (board.deviceCell('pic', 'lines') & 0x10) !== 0; };

describe('output', () => {
  it('bytes go to the ring at once, and the transmitter is always ready', async () => {
    const board = await port();
    for (const c of 'hello\n') { expect(board.in(lineStatus)).toBe(0x60); board.out(data, c.charCodeAt(0)); }
    expect(board.serialOutput()).toBe('hello\n');
    expect(board.machineCell('serialHead')).toBe(6);
  });
  it('the ring wraps', async () => {
    const board = await port(), bytes = region('serialOut').size;
    for (let i = 0; i < bytes + 5; i++) board.out(data, i < bytes ? 0x2e : 0x41 + i - bytes);
    expect(board.machineCell('serialHead')).toBe(bytes + 5);
    expect(board.serialOutput().slice(-6)).toBe('.ABCDE');
  });
  it('debug consoles write to the same ring', async () => {
    const board = await port();
    board.out(0xe9, 0x61); board.out(data, 0x62); board.out(0x402, 0x63);
    expect([board.serialOutput(), board.in(0xe9), board.in(0x402)]).toEqual(['abc', 0xe9, 0xe9]);
  });
  it('a wide write to a register goes on to the next ones', async () => {
    const board = await port();
    board.out(data, 0x0141, 2);
    expect([board.serialOutput(), board.in(enable)]).toEqual(['A', 1]);
  });
  it('each byte gives a transmitter interrupt, an edge of its own', async () => {
    const board = await port();
    expect(board.pending).toBe(undefined);
    board.out(enable, 2);
    for (let n = 0; n < 3; n++) {
      expect(board.acknowledge()).toBe(vector);
      expect(board.pending).toBe(undefined);
      board.out(data, 0x30 + n);
    }
    expect(board.acknowledge()).toBe(vector);
    expect([board.in(identification), board.in(identification), board.pending, line(board)]).toEqual([2, 1, undefined, false]);
  });
});

describe('registers', () => {
  it('the divisor lies under data and interrupt enable', async () => {
    const board = await port();
    board.out(lineControl, 0x83);
    board.out(data, 0x34); board.out(enable, 0x12);
    expect([board.in(data), board.in(enable)]).toEqual([0x34, 0x12]);
    board.out(lineControl, 3);
    expect([board.in(lineControl), board.in(enable), board.serialOutput()]).toEqual([3, 0, '']);
  });
  it('scratch keeps a byte; interrupt enable keeps four bits', async () => {
    const board = await port();
    board.out(scratch, 0xa5); board.out(enable, 0xf0);
    expect([board.in(scratch), board.in(enable)]).toEqual([0xa5, 0]);
  });
  it('a 16550A shows its FIFOs', async () => {
    const board = await port();
    expect(board.in(identification)).toBe(1);
    board.out(fifoControl, 7);
    expect(board.in(identification)).toBe(0xc1);
    board.out(fifoControl, 0);
    expect(board.in(identification)).toBe(1);
  });
});

describe('input', () => {
  it('without FIFOs one byte waits', async () => {
    const board = await port();
    expect(input(board, 'ab')).toEqual([true, false]);
    expect([board.in(lineStatus), board.in(data), board.in(lineStatus), board.in(data)]).toEqual([0x61, 0x61, 0x60, 0]);
    expect(input(board, 'b')).toEqual([true]);
  });
  it('with FIFOs sixteen do, in order', async () => {
    const board = await port();
    board.out(fifoControl, 1);
    expect(input(board, 'abcdefghijklmnopq').lastIndexOf(true)).toBe(15);
    expect(String.fromCharCode(...Array.from({ length: 16 }, () => board.in(data)))).toBe('abcdefghijklmnop');
    expect(board.in(lineStatus)).toBe(0x60);
  });
  it.each([[0x01, 1], [0x41, 4], [0x81, 8], [0xc1, 14]])('trigger level by FIFO control %i: %i', async (control, level) => {
    const board = await port(1);
    board.out(fifoControl, control);
    for (let n = 1; n <= level; n++) {
      input(board, 'x');
      expect(board.in(identification) & 15).toBe(n < level ? 12 : 4);
    }
    expect(board.acknowledge()).toBe(vector);
  });
  it('the interrupt ends when the FIFO is empty', async () => {
    const board = await port(1);
    board.out(fifoControl, 1);
    input(board, 'ab');
    board.in(data);
    expect(line(board)).toBe(true);
    board.in(data);
    expect([line(board), board.in(identification)]).toEqual([false, 0xc1]);
  });
  it('clearing the FIFO loses its bytes', async () => {
    const board = await port(1);
    board.out(fifoControl, 1);
    input(board, 'ab');
    board.out(fifoControl, 3);
    expect([board.in(lineStatus), line(board)]).toEqual([0x60, false]);
  });
  it('receiving comes before transmitting', async () => {
    const board = await port(3);
    input(board, 'a');
    expect(board.in(identification)).toBe(4);
    board.in(data);
    expect(board.in(identification)).toBe(2);
  });
  it('without OUT2 no interrupt reaches the board', async () => {
    const board = await port(1);
    board.out(modemControl, 3);
    input(board, 'a');
    expect([board.in(identification), line(board)]).toEqual([4, false]);
    board.out(modemControl, 0x0b);
    expect(line(board)).toBe(true);
  });
});

describe('loopback', () => {
  it('sends to itself, and overruns', async () => {
    const board = await port();
    board.out(modemControl, 0x1b);
    board.out(data, 0x55);
    board.out(data, 0x66);
    expect([board.in(lineStatus), board.in(lineStatus), board.in(data), board.serialOutput()]).toEqual([0x63, 0x61, 0x55, '']);
    expect(input(board, 'a')).toEqual([false]);
  });
  it.each([[0x10, 0x00], [0x11, 0x20], [0x12, 0x10], [0x14, 0x40], [0x18, 0x80], [0x1f, 0xf0]])('modem control %i shows as status %i', async (control, status) => {
    const board = await port();
    board.out(modemControl, control);
    expect(board.in(modemStatus) & 0xf0).toBe(status);
  });
  it('changes of the modem status are told once', async () => {
    const board = await port(8);
    expect(board.in(modemStatus)).toBe(0xb0);
    board.out(modemControl, 0x14);
    expect(board.in(identification)).toBe(0);
    expect([board.in(modemStatus), board.in(modemStatus)]).toEqual([0x4b, 0x40]);
    board.out(modemControl, 0x10);
    expect([board.in(modemStatus), board.in(identification)]).toEqual([0x04, 1]);
  });
  it('overrun as an interrupt of the highest priority', async () => {
    const board = await port(7);
    board.out(modemControl, 0x1b);
    board.out(data, 1); board.out(data, 2);
    expect([board.in(identification), board.in(lineStatus), board.in(identification)]).toEqual([6, 0x63, 4]);
  });
});
