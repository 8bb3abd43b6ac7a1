// The APIC timer, exact to the unit. The bus clock makes floor(time / 10) ticks; a count n with divider d ends n * d ticks after it was written.
import { describe, expect, it } from 'vitest';
import { apicFeatures, clockRates, deviceCell } from '../../../src/emulator/codegen/device-layout';
import { cpuCell } from '../../../src/emulator/codegen/state-layout';
import { apic, Board } from './board';

const unitsPerTick = clockRates.tsc / clockRates.apicBus;
const masked = 0x10000, periodic = 0x20000, tscMode = 0x40000, vector = 0x30;
const divide = { 1: 0xb, 2: 0, 4: 1, 8: 2, 16: 3, 32: 8, 64: 9, 128: 0xa } as const;

async function timer(entry: number, divider: keyof typeof divide = 1): Promise<Board> {
  const board = await Board.make();
  board.enableApic();
  board.advance(1000);
  board.writeApic(apic.divide, divide[divider]);
  board.writeApic(apic.lvtTimer, entry);
  return board;
}
/** Times from `from` on at which the timer's interrupt arrives, until `end`. */
function arrivals(board: Board, end: bigint): bigint[] {
  const times = [];
  for (const from = board.time; board.deadline <= end;) {
    board.advanceTo(board.deadline);
    if (board.pending === undefined) continue;
    board.acknowledge();
    board.writeApic(apic.eoi, 0);
    times.push(board.time - from);
  }
  board.advanceTo(end);
  return times;
}

describe('APIC timer', () => {
  it.each(Object.keys(divide).map(Number))('one-shot with divider %i', async divider => {
    const board = await timer(vector, divider as keyof typeof divide);
    const length = BigInt(500 * divider * unitsPerTick);
    board.writeApic(apic.initialCount, 500);
    expect(board.readApic(apic.currentCount)).toBe(500);
    expect(board.untilDeadline).toBe(length);
    board.advance(length / 2n);
    expect(board.readApic(apic.currentCount)).toBe(250);
    board.advance(length / 2n - 1n);
    expect([board.pending, board.readApic(apic.currentCount)]).toEqual([undefined, 1]);
    board.advance(1);
    expect([board.pending, board.readApic(apic.currentCount), board.untilDeadline]).toEqual([vector, 0, undefined]);
  });

  it.each([1, 16, 128])('periodic with divider %i', async divider => {
    const board = await timer(periodic | vector, divider as keyof typeof divide), length = BigInt(100 * divider * unitsPerTick);
    board.writeApic(apic.initialCount, 100);
    expect(arrivals(board, board.time + 5n * length)).toEqual([1n, 2n, 3n, 4n, 5n].map(n => n * length));
    expect(board.readApic(apic.currentCount)).toBe(100);
    board.advance(length / 4n);
    expect(board.readApic(apic.currentCount)).toBe(75);
  });

  it('a count of 0 stops', async () => {
    const board = await timer(periodic | vector);
    board.writeApic(apic.initialCount, 100);
    board.writeApic(apic.initialCount, 0);
    expect([board.untilDeadline, board.readApic(apic.currentCount)]).toEqual([undefined, 0]);
  });

  it('writing the count starts over', async () => {
    const board = await timer(vector);
    board.writeApic(apic.initialCount, 100);
    board.advance(900);
    board.writeApic(apic.initialCount, 100);
    expect(arrivals(board, board.time + 2000n)).toEqual([1000n]);
  });

  it('periods that nobody looked at are one interrupt, and the phase stays', async () => {
    const board = await timer(periodic | vector);
    board.writeApic(apic.initialCount, 100);
    board.jumpTo(board.time + 3500n);
    board.devices.runDeviceTimers();
    expect(board.acknowledge()).toBe(vector);
    board.writeApic(apic.eoi, 0);
    expect([board.pending, board.untilDeadline]).toEqual([undefined, 500n]);
  });

  it('masked it counts in silence; unmasked it goes on in step', async () => {
    const board = await timer(masked | periodic | vector);
    board.writeApic(apic.initialCount, 100);
    expect(board.untilDeadline).toBe(undefined);
    board.advance(2300);
    expect(board.readApic(apic.currentCount)).toBe(70);
    board.writeApic(apic.lvtTimer, periodic | vector);
    expect(arrivals(board, board.time + 2000n)).toEqual([700n, 1700n]);
  });

  it('a one-shot that ended while masked does not interrupt afterwards', async () => {
    const board = await timer(masked | vector);
    board.writeApic(apic.initialCount, 100);
    board.advance(1500);
    board.writeApic(apic.lvtTimer, vector);
    expect([board.pending, board.untilDeadline]).toEqual([undefined, undefined]);
  });

  it('a new divider keeps the count', async () => {
    const board = await timer(vector, 2);
    board.writeApic(apic.initialCount, 100);
    board.advance(1000);
    expect(board.readApic(apic.currentCount)).toBe(50);
    board.writeApic(apic.divide, divide[4]);
    expect([board.readApic(apic.currentCount), board.untilDeadline]).toEqual([50, 2000n]);
  });

  it('from one-shot to periodic and back the count goes on, and an ended one stays at 0', async () => {
    const board = await timer(masked | vector);
    const count = (entry: number): number => { board.writeApic(apic.lvtTimer, masked | entry | vector); return board.readApic(apic.currentCount); };
    board.writeApic(apic.initialCount, 100);
    board.advance(700);
    expect(count(periodic)).toBe(30);
    board.advance(500);
    expect([board.readApic(apic.currentCount), count(0)]).toEqual([80, 80]);
    board.advance(800);
    expect([count(0), count(periodic), board.readApic(apic.initialCount)]).toEqual([0, 0, 100]);
    board.writeApic(apic.divide, divide[128]);
    board.advance(100);
    expect([board.readApic(apic.currentCount), board.untilDeadline]).toEqual([0, undefined]);
    board.writeApic(apic.initialCount, 50);
    expect(board.readApic(apic.currentCount)).toBe(50);
  });

  it('a one-shot that interrupted does not come back with a larger divider or as periodic', async () => {
    const board = await timer(vector);
    board.writeApic(apic.initialCount, 100);
    board.advance(1000);
    expect(board.acknowledge()).toBe(vector);
    board.writeApic(apic.eoi, 0);
    board.writeApic(apic.divide, divide[16]);
    board.writeApic(apic.lvtTimer, periodic | vector);
    expect([board.readApic(apic.currentCount), board.untilDeadline]).toEqual([0, undefined]);
  });

  it('the longest count', async () => {
    const board = await timer(vector, 128);
    board.writeApic(apic.initialCount, 0xffff_ffff);
    expect(board.untilDeadline).toBe(0xffff_ffffn * 128n * BigInt(unitsPerTick));
  });

  it('a deadline that comes sooner asks for attention', async () => {
    const board = await timer(vector);
    board.calm();
    board.writeApic(apic.initialCount, 100);
    expect(board.attention).toBe(true);
  });

  it('in x2APIC mode as well', async () => {
    const board = await Board.make();
    board.enterX2apic();
    board.writeMsr(apic.spurious, 0x1ff);
    board.writeMsr(apic.divide, 0xb);
    board.writeMsr(apic.lvtTimer, vector);
    board.writeMsr(apic.initialCount, 100);
    board.advance(600);
    expect(board.readMsr(apic.currentCount)).toBe(40n);
    board.advance(400);
    expect(board.pending).toBe(vector);
  });

  it('every processor has its own', async () => {
    const board = await Board.make({ vcpus: 3 });
    for (const vcpu of [0, 1, 2]) {
      board.activate(vcpu);
      board.enableApic();
      board.writeApic(apic.divide, divide[1]);
      board.writeApic(apic.lvtTimer, vector + vcpu);
      board.writeApic(apic.initialCount, 300 - 100 * vcpu);
    }
    const seen = [];
    for (let n = 0; n < 3; n++) { board.advanceTo(board.deadline); seen.push([board.time, [0, 1, 2].map(v => board.pendingOf(v))]); }
    expect(seen).toEqual([[1000n, [undefined, undefined, 0x32]], [2000n, [undefined, 0x31, 0x32]], [3000n, [0x30, 0x31, 0x32]]]);
  });

  describe('TSC-deadline mode', () => {
    const msr = 0x6e0;
    it('interrupts when the TSC reaches the deadline, which then reads 0', async () => {
      const board = await timer(tscMode | vector);
      board.devices.apicMsrWrite(msr, 5000n);
      expect([board.devices.apicMsrRead(msr), board.untilDeadline]).toEqual([5000n, 4000n]);
      board.advance(3999);
      expect(board.pending).toBe(undefined);
      board.advance(1);
      expect([board.pending, board.devices.apicMsrRead(msr), board.untilDeadline]).toEqual([vector, 0n, undefined]);
    });
    it('a deadline in the past interrupts at once', async () => {
      const board = await timer(tscMode | vector);
      board.devices.apicMsrWrite(msr, 10n);
      board.advance(0);
      expect([board.pending, board.devices.apicMsrRead(msr)]).toEqual([vector, 0n]);
    });
    it('0 disarms', async () => {
      const board = await timer(tscMode | vector);
      board.devices.apicMsrWrite(msr, 5000n);
      board.devices.apicMsrWrite(msr, 0n);
      expect(board.untilDeadline).toBe(undefined);
    });
    it('a deadline beyond the end of time never comes', async () => {
      const board = await timer(tscMode | vector);
      board.setCell64(cpuCell('tscAdjust').address, -1000n);
      board.devices.apicMsrWrite(msr, 0xffff_ffff_ffff_ffffn);
      expect(board.untilDeadline).toBe(undefined);
    });
    it('follows TSC_ADJUST', async () => {
      const board = await timer(tscMode | vector);
      board.devices.apicMsrWrite(msr, 5000n);
      board.setCell64(cpuCell('tscAdjust').address, 1500n);
      board.devices.tscChanged();
      expect(board.untilDeadline).toBe(2500n);
    });
    it('masked it expires without an interrupt', async () => {
      const board = await timer(masked | tscMode | vector);
      board.devices.apicMsrWrite(msr, 5000n);
      board.advance(5000);
      expect([board.pending, board.devices.apicMsrRead(msr)]).toEqual([undefined, 0n]);
    });
    it('the initial count does nothing, and the current count is 0', async () => {
      const board = await timer(tscMode | vector);
      board.writeApic(apic.initialCount, 100);
      expect([board.readApic(apic.initialCount), board.readApic(apic.currentCount), board.untilDeadline]).toEqual([0, 0, undefined]);
    });
    it('in other modes the MSR ignores writes', async () => {
      const board = await timer(vector);
      expect(board.devices.apicMsrWrite(msr, 5000n)).toBe(1);
      expect(board.devices.apicMsrRead(msr)).toBe(0n);
    });
    it.each([['to', vector, tscMode | vector], ['from', tscMode | vector, vector]])('changing the mode %s it disarms', async (_name, first, second) => {
      const board = await timer(first);
      board.writeApic(apic.initialCount, 100);
      board.devices.apicMsrWrite(msr, 5000n);
      expect(board.untilDeadline).not.toBe(undefined);
      board.writeApic(apic.lvtTimer, second);
      expect([board.untilDeadline, board.devices.apicMsrRead(msr), board.readApic(apic.currentCount)]).toEqual([undefined, 0n, 0]);
    });
    it('does not exist when the processor model lacks it', async () => {
      const board = await timer(vector);
      board.setCell(deviceCell('settings', 'absentFeatures'), 1 << apicFeatures.indexOf('tscDeadline'));
      expect([board.devices.apicMsrReadable(msr), board.devices.apicMsrWrite(msr, 1n)]).toEqual([0, 0]);
      board.writeApic(apic.lvtTimer, 0xffff_ffff);
      expect(board.readApic(apic.lvtTimer)).toBe(0x300ff);
    });
  });
});
