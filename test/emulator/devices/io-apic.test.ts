// The I/O APIC: registers, edges, levels with remote IRR, masks, EOI in its order, destinations, and the lines of the board.
import { describe, expect, it } from 'vitest';
import { apic, Board } from './board';

const level = 0x8000, masked = 0x10000, logical = 0x800, remoteIrr = 0x4000;

async function board1(vcpus = 1): Promise<Board> {
  const board = await Board.make({ vcpus });
  for (let vcpu = vcpus - 1; vcpu >= 0; vcpu--) { board.activate(vcpu); board.enableApic(); }
  return board;
}
const entry = (board: Board, pin: number): number => board.readIoApic(0x10 + 2 * pin);
const end = (board: Board): void => board.writeApic(apic.eoi, 0);

describe('registers', () => {
  it('identification, version, arbitration', async () => {
    const board = await board1();
    expect([board.readIoApic(0), board.readIoApic(1), board.readIoApic(2)]).toEqual([0, 0x170020, 0]);
    for (const index of [0, 1, 2]) board.writeIoApic(index, 0xffff_ffff);
    expect([board.readIoApic(0), board.readIoApic(1), board.readIoApic(2)]).toEqual([0x0f00_0000, 0x170020, 0x0f00_0000]);
  });
  it('the table starts masked and keeps what it may', async () => {
    const board = await board1();
    for (let pin = 0; pin < 24; pin++) {
      expect([entry(board, pin), board.readIoApic(0x11 + 2 * pin)]).toEqual([masked, 0]);
      board.writeIoApic(0x11 + 2 * pin, 0xffff_ffff);
      board.writeIoApic(0x10 + 2 * pin, 0xffff_ffff);
      expect([entry(board, pin), board.readIoApic(0x11 + 2 * pin)]).toEqual([0x1afff, 0xff00_0000]);
    }
  });
  it('what does not exist reads 0 and ignores writes', async () => {
    const board = await board1();
    board.writeIoApic(0x40, 0x1234);
    expect([board.readIoApic(0x40), board.readIoApic(3), board.readIoApic(0x80)]).toEqual([0, 0, 0]);
    expect(board.devices.mmioRead(0xfec00100n, 4)).toBe(0xffff_ffffn);
  });
  it('the index can be written as a byte and read back', async () => {
    const board = await board1();
    board.devices.mmioWrite(0xfec00000n, 1n, 1);
    expect([board.devices.mmioRead(0xfec00000n, 4), board.devices.mmioRead(0xfec00010n, 4)]).toEqual([1n, 0x170020n]);
  });
});

describe('edges', () => {
  it('a rising edge is one interrupt', async () => {
    const board = await board1();
    board.redirect(14, 0x76);
    board.line(14, true);
    expect([board.acknowledge(), board.pending]).toEqual([0x76, undefined]);
    end(board);
    board.line(14, true);
    board.line(14, false);
    expect(board.pending).toBe(undefined);
    board.line(14, true);
    expect(board.pending).toBe(0x76);
    expect(board.readApic(apic.tmr + 0x30)).toBe(0);
  });
  it('an edge on a masked pin is lost', async () => {
    const board = await board1();
    board.redirect(14, masked | 0x81);
    board.line(14, true);
    board.redirect(14, 0x81);
    expect(board.pending).toBe(undefined);
    board.line(14, false);
    board.line(14, true);
    expect(board.pending).toBe(0x81);
  });
  it('two pins at once come in the order of their vectors', async () => {
    const board = await board1();
    board.redirect(14, 0x78);
    board.redirect(15, 0x89);
    for (const pin of [14, 15]) board.line(pin, true);
    expect(board.acknowledge()).toBe(0x89);
    end(board);
    expect(board.acknowledge()).toBe(0x78);
  });
  it('line 0 is on pin 2; lines from 16 on exist here alone', async () => {
    const board = await board1();
    board.redirect(2, 0x42);
    board.line(0, false);
    board.line(0, true);
    expect(board.acknowledge()).toBe(0x42);
    end(board);
    board.redirect(19, 0x43);
    board.line(19, true);
    expect(board.acknowledge()).toBe(0x43);
  });
});

describe('levels', () => {
  it('the interrupt comes back after its EOI as long as the line is up', async () => {
    const board = await board1();
    board.redirect(14, level | 0x98);
    board.line(14, true);
    expect(entry(board, 14)).toBe(level | remoteIrr | 0x98);
    expect(board.readApic(apic.tmr + 0x40)).toBe(1 << 24);
    expect(board.acknowledge()).toBe(0x98);
    expect(board.pending).toBe(undefined);
    end(board);
    expect(board.pending).toBe(0x98);
    board.acknowledge();
    board.line(14, false);
    expect(entry(board, 14) & remoteIrr).toBe(remoteIrr);
    end(board);
    expect([board.pending, entry(board, 14)]).toEqual([undefined, level | 0x98]);
  });
  it('while remote IRR is set a new assertion sends nothing', async () => {
    const board = await board1();
    board.redirect(14, level | 0x98);
    board.line(14, true);
    board.acknowledge();
    board.line(14, false);
    board.line(14, true);
    expect(board.pending).toBe(undefined);
    end(board);
    expect(board.pending).toBe(0x98);
  });
  it('a level on a masked pin waits', async () => {
    const board = await board1();
    board.redirect(14, masked | level | 0x98);
    board.line(14, true);
    expect(board.pending).toBe(undefined);
    board.redirect(14, level | 0x98);
    expect(board.pending).toBe(0x98);
  });
  it('an EOI of one vector leaves pins of other vectors alone', async () => {
    const board = await board1();
    board.redirect(14, level | 0x98);
    board.redirect(15, level | 0xa9);
    for (const pin of [14, 15]) board.line(pin, true);
    expect([board.acknowledge(), board.pending]).toEqual([0xa9, undefined]);
    board.line(15, false);
    end(board);
    expect([entry(board, 14) & remoteIrr, entry(board, 15) & remoteIrr]).toEqual([remoteIrr, 0]);
    expect(board.acknowledge()).toBe(0x98);
  });
  it('EOIs end the vectors in service from the highest down', async () => {
    const board = await board1();
    board.redirect(14, level | 0x58);
    board.redirect(15, level | 0xa9);
    board.line(14, true);
    board.acknowledge();
    board.line(15, true);
    board.acknowledge();
    for (const pin of [14, 15]) board.line(pin, false);
    end(board);
    expect([entry(board, 14) & remoteIrr, entry(board, 15) & remoteIrr]).toEqual([remoteIrr, 0]);
    end(board);
    expect(entry(board, 14) & remoteIrr).toBe(0);
  });
  it('pins that share a vector are both ended', async () => {
    const board = await board1();
    for (const pin of [14, 15]) { board.redirect(pin, level | 0x98); board.line(pin, true); }
    board.acknowledge();
    for (const pin of [14, 15]) board.line(pin, false);
    end(board);
    expect([14, 15].map(pin => entry(board, pin) & remoteIrr)).toEqual([0, 0]);
  });
  it('switching to edge clears remote IRR', async () => {
    const board = await board1();
    board.redirect(14, level | 0x98);
    board.line(14, true);
    board.redirect(14, 0x98);
    expect(entry(board, 14)).toBe(0x98);
  });
  it('with broadcasts suppressed software ends the pin by its EOI register', async () => {
    const board = await board1();
    board.writeApic(apic.spurious, 0x11ff);
    board.redirect(14, level | 0x98);
    board.line(14, true);
    board.acknowledge();
    board.line(14, false);
    end(board);
    expect(entry(board, 14) & remoteIrr).toBe(remoteIrr);
    board.devices.mmioWrite(0xfec00040n, 0x98n, 4);
    expect(entry(board, 14) & remoteIrr).toBe(0);
  });
  it('an interrupt that no local APIC takes leaves remote IRR clear', async () => {
    const board = await Board.make();
    board.redirect(14, level | 0x98);
    board.line(14, true);
    expect(entry(board, 14)).toBe(level | 0x98);
  });
});

describe('destinations', () => {
  const cases: readonly (readonly [low: number, destination: number, reached: readonly number[]])[] = [
    [0x60, 0, [0]], [0x60, 2, [2]], [0x60, 0xff, [0, 1, 2, 3]], [0x60, 7, []], [logical | 0x60, 0x0a, [1, 3]], [logical | 0x100 | 0x60, 0x0e, [1]],
  ];
  it.each(cases)('%i to %i reaches %j', async (low, destination, reached) => {
    const board = await board1(4);
    for (const vcpu of [3, 2, 1, 0]) { board.activate(vcpu); board.writeApic(apic.ldr, 1 << vcpu << 24); }
    board.redirect(10, low, destination);
    board.line(10, true);
    expect([0, 1, 2, 3].filter(vcpu => board.pendingOf(vcpu) === 0x60)).toEqual(reached);
  });
  it('processors in x2APIC mode are reached by their low ids', async () => {
    const board = await board1(4);
    for (const vcpu of [3, 2, 1, 0]) { board.activate(vcpu); board.enterX2apic(); }
    board.redirect(10, logical | 0x60, 0x0c);
    board.line(10, true);
    expect([0, 1, 2, 3].map(vcpu => board.pendingOf(vcpu))).toEqual([undefined, undefined, 0x60, 0x60]);
  });
  it('an EOI in x2APIC mode reaches the pin', async () => {
    const board = await board1();
    board.enterX2apic();
    board.redirect(10, level | 0x60);
    board.line(10, true);
    board.acknowledge();
    board.line(10, false);
    expect(board.writeMsr(apic.eoi, 0)).toBe(true);
    expect(entry(board, 10) & remoteIrr).toBe(0);
  });
  it('NMI and INIT as delivery modes', async () => {
    const board = await board1(2);
    board.redirect(10, 0x400, 1);
    board.redirect(11, 0x500, 1);
    board.line(10, true);
    board.line(11, true);
    expect([board.devices.takeNmi(1), board.devices.takeInit(1), board.devices.takeNmi(0)]).toEqual([1, 1, 0]);
  });
  it('ExtINT on pin 0 lets the 8259 pair through', async () => {
    const board = await board1(2);
    board.initializePics();
    board.line(4, true);
    expect(board.pendingOf(1)).toBe(undefined);
    board.redirect(0, 0x700, 1);
    expect([board.pendingOf(0), board.pendingOf(1)]).toEqual([undefined, 0x24]);
  });
});

it('test programs drive lines by ports', async () => {
  const board = await board1();
  board.redirect(14, 0x76);
  board.out(0x200e, 1);
  board.out(0x200e, 0);
  expect(board.pending).toBe(0x76);
});
