// The local APIC of one processor, in xAPIC mode (page) and x2APIC mode (MSRs): registers, reserved bits, priorities, EOI, errors, modes.
import { describe, expect, it } from 'vitest';
import { apicFeatures, deviceCell } from '../../../src/emulator/codegen/device-layout';
import { cpuCell } from '../../../src/emulator/codegen/state-layout';
import { apic, Board } from './board';

const self = 0x40000;
/** A board whose APIC is enabled by software. */
async function enabled(): Promise<Board> {
  const board = await Board.make();
  board.enableApic();
  return board;
}
/** Sends fixed interrupts to the processor itself. */
function raise(board: Board, ...vectors: number[]): void { for (const vector of vectors) board.writeApic(apic.icrLow, self | vector); }

/** Register, value after reset, value written, value read back. */
const pageRegisters: readonly (readonly [name: keyof typeof apic, reset: number, written: number, then: number])[] = [
  ['id', 0, 0x1234_5678, 0x1200_0000], ['version', 0x0105_0014, 0xffff_ffff, 0x0105_0014], ['tpr', 0, 0xffff_ffff, 0xff], ['ppr', 0, 0xff, 0], ['eoi', 0, 0, 0],
  ['ldr', 0, 0xffff_ffff, 0xff00_0000], ['dfr', 0xffff_ffff, 0, 0x0fff_ffff], ['spurious', 0xff, 0xffff_ffff, 0x11ff], ['esr', 0, 0, 0], ['icrHigh', 0, 0xffff_ffff, 0xff00_0000],
  ['lvtTimer', 0x10000, 0xffff_ffff, 0x700ff], ['lvtThermal', 0x10000, 0xffff_ffff, 0x107ff], ['lvtPerformance', 0x10000, 0xffff_ffff, 0x107ff], ['lint0', 0x10000, 0xffff_ffff, 0x1a7ff],
  ['lint1', 0x10000, 0xffff_ffff, 0x1a7ff], ['lvtError', 0x10000, 0xffff_ffff, 0x100ff], ['initialCount', 0, 0xffff_ffff, 0xffff_ffff], ['currentCount', 0, 0x1234, 0], ['divide', 0, 0xffff_ffff, 0xb],
];

/** Register, value that must be accepted, values that must fault. */
const msrRegisters: readonly (readonly [name: keyof typeof apic, accepted: bigint | undefined, faults: readonly bigint[]])[] = [
  ['id', undefined, [0n]], ['version', undefined, [0n]], ['tpr', 0xffn, [0x100n, 1n << 32n]], ['ppr', undefined, [0n]], ['eoi', 0n, [1n]], ['ldr', undefined, [0n]], ['dfr', undefined, [0n, 0xffff_ffffn]],
  ['spurious', 0x11ffn, [0x2ffn, 0x8ffn, 1n << 40n]], ['isr', undefined, [0n]], ['tmr', undefined, [0n]], ['irr', undefined, [0n]], ['esr', 0n, [1n]],
  ['icrLow', 0x40030n, [0x41030n, 0x42030n, 0x50030n, 0x100030n]], ['icrHigh', undefined, [0n]], ['lvtTimer', 0x700ffn, [0x800ffn, 0x1ffn, 1n << 32n]], ['lvtThermal', 0x107ffn, [0x800n, 0x20000n]],
  ['lint0', 0x1f7ffn, [0x800n, 0x20000n]], ['lvtError', 0x100ffn, [0x100n]], ['initialCount', 0xffff_ffffn, [1n << 32n]], ['currentCount', undefined, [0n]], ['divide', 0xbn, [4n, 0x10n]],
  ['selfIpi', 0xffn, [0x100n]],
];

describe('local APIC', () => {
  it.each(pageRegisters)('%s is %i after reset; of %i it keeps %i', async (name, reset, written, then) => {
    const board = await Board.make();
    expect(board.readApic(apic[name])).toBe(reset);
    if (name.startsWith('lvt') || name.startsWith('lint')) {
      board.writeApic(apic[name], 0);
      expect(board.readApic(apic[name]), 'stays masked while the APIC is disabled by software').toBe(0x10000);
      board.enableApic();
    }
    board.writeApic(apic[name], written);
    expect(board.readApic(apic[name])).toBe(then);
  });

  it.each(msrRegisters)('as MSR: %s', async (name, accepted, faults) => {
    const board = await Board.make();
    board.enterX2apic();
    for (const value of faults) expect(board.writeMsr(apic[name], value), value.toString(16)).toBe(false);
    if (accepted === undefined) return;
    expect(board.writeMsr(apic[name], accepted)).toBe(true);
  });

  it('as MSRs: what can be read', async () => {
    const board = await Board.make();
    const readable = (): string => Array.from({ length: 0x40 }, (_, i) => board.devices.apicMsrReadable(0x800 + i) ? (0x800 + i).toString(16).slice(1) : '').filter(Boolean).join(' ');
    expect(readable()).toBe('');
    board.enterX2apic();
    expect(readable()).toBe('02 03 08 0a 0d 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 30 32 33 34 35 36 37 38 39 3e');
  });

  it('in x2APIC mode the page is gone and the ICR is one register', async () => {
    const board = await enabled();
    board.enterX2apic();
    expect(board.devices.mmioRead(0xfee00030n, 4)).toBe(0xffff_ffffn);
    expect(board.devices.localApicPage()).toBe(-1n);
    expect(board.writeMsr(apic.icrLow, 0x1234_5678_0000_00f0n)).toBe(true);
    expect(board.readMsr(apic.icrLow)).toBe(0x1234_5678_0000_00f0n);
    expect(board.readMsr(apic.ldr)).toBe(1n);
  });

  it('part of a register, and what lies between registers', async () => {
    const board = await Board.make();
    expect(board.devices.mmioRead(0xfee00032n, 1)).toBe(0x05n);
    expect(board.devices.mmioRead(0xfee00034n, 4)).toBe(0n);
    expect(board.devices.mmioRead(0xfee00030n, 8)).toBe(0x0105_0014n);
    board.devices.mmioWrite(0xfee00080n, 0x55n, 1);
    expect(board.readApic(apic.tpr)).toBe(0);
  });

  describe('IA32_APIC_BASE', () => {
    const enabledPage = 0xfee00900n;
    const transitions: readonly (readonly [string, readonly bigint[], boolean])[] = [
      ['disable', [0xfee00100n], true], ['disable and enable', [0xfee00100n, enabledPage], true], ['enter x2APIC', [0xfee00d00n], true],
      ['x2APIC to disabled', [0xfee00d00n, 0xfee00100n], true], ['x2APIC to xAPIC', [0xfee00d00n, enabledPage], false], ['disabled to x2APIC', [0xfee00100n, 0xfee00d00n], false],
      ['x2APIC without enable', [0xfee00500n], false], ['move the page', [0x12345900n], true], ['a page at the last physical address', [0x7f_ffff_f900n], true],
      ['reserved bit 0', [enabledPage | 1n], false], ['reserved bit 9', [enabledPage | 0x200n], false], ['beyond the physical width', [enabledPage | 1n << 46n], false],
    ];
    it.each(transitions)('%s', async (_name, values, last) => {
      const board = await Board.make();
      const before = values.slice(0, -1), value = values[values.length - 1]!;
      for (const step of before) expect(board.devices.apicMsrWrite(0x1b, step)).toBe(1);
      expect(board.devices.apicMsrWrite(0x1b, value)).toBe(last ? 1 : 0);
      const now = last ? value : before[before.length - 1] ?? enabledPage;
      expect([board.devices.apicMsrRead(0x1b), board.cell64(cpuCell('apicBase').address)]).toEqual([now, now]);
    });
    it('disabling loses the state and the page reads ones', async () => {
      const board = await enabled();
      board.writeApic(apic.ldr, 0x0100_0000);
      board.writeApic(apic.id, 0x0700_0000);
      board.devices.apicMsrWrite(0x1b, 0xfee00100n);
      expect(board.readApic(apic.version)).toBe(0xffff_ffff);
      board.writeApic(apic.tpr, 0x20);
      board.devices.apicMsrWrite(0x1b, enabledPage);
      expect([board.readApic(apic.ldr), board.readApic(apic.spurious), board.readApic(apic.tpr), board.readApic(apic.id)]).toEqual([0, 0xff, 0, 0]);
    });
    it('answers where its page is', async () => {
      const board = await Board.make();
      board.devices.apicMsrWrite(0x1b, 0xabcde900n);
      expect([board.devices.mmioRead(0xabcde030n, 4), board.devices.mmioRead(0xfee00030n, 4)]).toEqual([0x0105_0014n, 0xffff_ffffn]);
    });
    it('has no x2APIC mode when the processor model lacks it', async () => {
      const board = await Board.make();
      board.setCell(deviceCell('settings', 'absentFeatures'), 1 << apicFeatures.indexOf('x2apic'));
      expect(board.devices.apicMsrWrite(0x1b, 0xfee00d00n)).toBe(0);
    });
  });

  describe('priorities', () => {
    it('the highest vector comes first, and ends before lower ones', async () => {
      const board = await enabled();
      raise(board, 0x31, 0xe0, 0x72, 0xe5);
      expect(board.readApic(apic.irr + 0x70)).toBe(1 << 0 | 1 << 5);
      const order = [];
      while (board.pending !== undefined) { order.push(board.acknowledge()); board.writeApic(apic.eoi, 0); }
      expect(order).toEqual([0xe5, 0xe0, 0x72, 0x31]);
    });
    it('a vector of the class in service waits, one of a higher class does not', async () => {
      const board = await enabled();
      raise(board, 0x45);
      board.acknowledge();
      expect([board.readApic(apic.ppr), board.readApic(apic.isr + 0x20)]).toEqual([0x40, 0x20]);
      raise(board, 0x4f);
      expect(board.pending).toBe(undefined);
      raise(board, 0x50);
      expect(board.pending).toBe(0x50);
      board.acknowledge();
      board.writeApic(apic.eoi, 0);
      expect(board.pending).toBe(undefined);
      board.writeApic(apic.eoi, 0);
      expect(board.pending).toBe(0x4f);
    });
    it.each([[0x00, 0x31], [0x30, undefined], [0x2f, 0x31], [0x3f, undefined], [0xf0, undefined]])('with TPR %i vector 31h is delivered or not', async (tpr, shown) => {
      const board = await enabled();
      raise(board, 0x31);
      board.writeApic(apic.tpr, tpr);
      expect(board.pending).toBe(shown);
      expect(board.readApic(apic.ppr)).toBe(tpr);
    });
    it('CR8 is the upper half of TPR', async () => {
      const board = await enabled();
      board.writeApic(apic.tpr, 0x5a);
      expect(board.devices.readTpr()).toBe(5);
      board.devices.writeTpr(9);
      expect(board.readApic(apic.tpr)).toBe(0x90);
    });
    it('lowering TPR asks for attention only when something waits for it', async () => {
      const board = await enabled();
      board.writeApic(apic.tpr, 0x80);
      board.calm();
      board.writeApic(apic.tpr, 0x70);
      expect(board.attention).toBe(false);
      raise(board, 0x45);
      board.calm();
      board.devices.writeTpr(0);
      expect(board.attention).toBe(true);
    });
    it('a request that TPR hides at its acknowledgement gives the spurious vector', async () => {
      const board = await enabled();
      raise(board, 0x31);
      board.writeApic(apic.tpr, 0xf0);
      expect(board.acknowledge()).toBe(0xff);
      expect(board.readApic(apic.isr + 0x70)).toBe(0);
    });
    it('the same vector twice is one request, and one more while in service', async () => {
      const board = await enabled();
      raise(board, 0x31, 0x31);
      board.acknowledge();
      raise(board, 0x31);
      board.writeApic(apic.eoi, 0);
      expect(board.acknowledge()).toBe(0x31);
      board.writeApic(apic.eoi, 0);
      expect(board.pending).toBe(undefined);
    });
    it('every vector from 16 to 255', async () => {
      const board = await enabled();
      raise(board, ...Array.from({ length: 240 }, (_, i) => 16 + i));
      for (let vector = 255; vector >= 32; vector--) {
        expect(board.acknowledge()).toBe(vector);
        board.writeApic(apic.eoi, 0);
      }
      expect(board.pending).toBe(0x1f);
    });
  });

  it('disabled by software it takes no fixed interrupts, keeps what it has, and masks its table', async () => {
    const board = await enabled();
    raise(board, 0x31);
    board.writeApic(apic.lint1, 0x400);
    board.writeApic(apic.spurious, 0xff);
    raise(board, 0x45);
    expect([board.pending, board.readApic(apic.lint1)]).toEqual([0x31, 0x10400]);
    board.devices.pulseNmi();
    expect(board.devices.takeNmi(0)).toBe(0);
  });

  it('firmware leaves LINT1 as the NMI input', async () => {
    const board = await Board.make();
    board.devices.firmwareVirtualWire();
    board.devices.pulseNmi();
    expect([board.devices.takeNmi(0), board.readApic(apic.lint0), board.readApic(apic.lint1), board.readApic(apic.spurious)]).toEqual([1, 0x700, 0x400, 0x1ff]);
  });

  describe('errors', () => {
    const errors: readonly (readonly [string, (board: Board) => void, number])[] = [
      ['sending an illegal vector', board => raise(board, 5), 0x20], ['receiving one', board => { board.writeApic(apic.lvtTimer, 3); board.writeApic(apic.initialCount, 1); board.advance(1000); }, 0x40],
      ['a register that does not exist', board => board.readApic(0x3f0), 0x80], ['writing one', board => board.writeApic(0x40, 1), 0x80],
    ];
    it.each(errors)('%s', async (_name, cause, bit) => {
      const board = await enabled();
      board.writeApic(apic.lvtError, 0xfe);
      cause(board);
      expect([board.pending, board.readApic(apic.esr)]).toEqual([0xfe, 0]);
      board.writeApic(apic.esr, 0);
      expect(board.readApic(apic.esr)).toBe(bit);
      board.writeApic(apic.esr, 0);
      expect(board.readApic(apic.esr)).toBe(0);
    });
    it('an error entry with an illegal vector reports that once and is quiet', async () => {
      const board = await enabled();
      board.writeApic(apic.lvtError, 3);
      raise(board, 1);
      board.writeApic(apic.esr, 0);
      expect([board.readApic(apic.esr), board.pending]).toEqual([0x60, undefined]);
    });
    it('SELF IPI with an illegal vector', async () => {
      const board = await enabled();
      board.enterX2apic();
      expect(board.writeMsr(apic.selfIpi, 8)).toBe(true);
      board.writeMsr(apic.esr, 0);
      expect(board.readMsr(apic.esr)).toBe(0x20n);
    });
  });

  it('an INIT resets all but id and base', async () => {
    const board = await enabled();
    board.writeApic(apic.ldr, 0x0200_0000);
    board.writeApic(apic.initialCount, 1000);
    board.writeApic(apic.lvtTimer, 0x20030);
    raise(board, 0x31);
    board.writeApic(apic.icrLow, self | 0x500);
    expect([board.devices.vcpuHasEvent(0), board.devices.takeInit(0), board.devices.takeInit(0)]).toEqual([1, 1, 0]);
    expect([board.pending, board.readApic(apic.spurious)]).toEqual([0x31, 0x1ff]);
    board.devices.initializeLocalApic(0);
    expect([board.readApic(apic.spurious), board.readApic(apic.ldr), board.pending, board.untilDeadline]).toEqual([0xff, 0, undefined, undefined]);
    expect(board.devices.apicMsrRead(0x1b)).toBe(0xfee00900n);
  });
});
