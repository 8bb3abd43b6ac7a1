// Interprocessor interrupts on a board of eight processors: who is addressed, in every mode of destination, and what each delivery mode does.
import { describe, expect, it } from 'vitest';
import { apic, Board } from './board';

const count = 8, vector = 0x51, logical = 0x800;
type Mode = 'flat' | 'cluster' | 'x2' | 'mixed';

/** Eight processors, all APICs enabled by software. Flat: one bit each. Cluster: four processors in cluster 1, four in cluster 2. Mixed: odd ones in x2APIC mode. */
async function eight(mode: Mode): Promise<Board> {
  const board = await Board.make({ vcpus: count });
  for (let vcpu = 0; vcpu < count; vcpu++) {
    board.activate(vcpu);
    board.enableApic();
    if (mode === 'cluster') {
      board.writeApic(apic.dfr, 0x0fff_ffff);
      board.writeApic(apic.ldr, ((vcpu < 4 ? 1 : 2) << 4 | 1 << (vcpu & 3)) << 24);
    } else board.writeApic(apic.ldr, 1 << vcpu << 24);
    if (mode === 'x2' || (mode === 'mixed' && vcpu % 2 === 1)) board.enterX2apic();
  }
  board.activate(0);
  return board;
}
function send(board: Board, command: number, destination = 0): void {
  if (Number(board.devices.apicMsrRead(0x1b)) & 0x400) board.writeMsr(apic.icrLow, BigInt(destination >>> 0) << 32n | BigInt(command));
  else { board.writeApic(apic.icrHigh, destination << 24); board.writeApic(apic.icrLow, command); }
}
const all = [0, 1, 2, 3, 4, 5, 6, 7];
const targets = (board: Board): number[] => all.filter(vcpu => board.pendingOf(vcpu) === vector);

const matrix: readonly (readonly [Mode, sender: number, flags: number, destination: number, reached: readonly number[]])[] = [
  // physical
  ...all.map(id => ['flat', 2, 0, id, [id]] as const), ...all.map(id => ['x2', 2, 0, id, [id]] as const),
  ['flat', 2, 0, 8, []], ['flat', 2, 0, 0xff, all], ['x2', 2, 0, 0xff, []], ['x2', 2, 0, 0x100, []], ['x2', 2, 0, 0xffff_ffff, all],
  // logical, flat
  ...all.map(id => ['flat', 3, logical, 1 << id, [id]] as const), ['flat', 3, logical, 0, []], ['flat', 3, logical, 0x81, [0, 7]],
  ['flat', 3, logical, 0x3c, [2, 3, 4, 5]], ['flat', 3, logical, 0xff, all],
  // logical, cluster
  ['cluster', 0, logical, 0x11, [0]], ['cluster', 0, logical, 0x1f, [0, 1, 2, 3]], ['cluster', 0, logical, 0x2a, [5, 7]], ['cluster', 0, logical, 0x3f, []], ['cluster', 0, logical, 0xf1, [0, 4]],
  ['cluster', 0, logical, 0xff, all], ['cluster', 0, logical, 0x20, []],
  // logical, x2APIC: cluster 0 holds all eight
  ...all.map(id => ['x2', 1, logical, 1 << id, [id]] as const), ['x2', 1, logical, 0xa5, [0, 2, 5, 7]], ['x2', 1, logical, 0x1_0001, []],
  ['x2', 1, logical, 0xffff_ffff, all], ['x2', 1, logical, 0xff, all],
  // some in xAPIC mode, some in x2APIC mode
  ['mixed', 0, 0, 3, [3]], ['mixed', 0, 0, 0xff, all], ['mixed', 1, 0, 4, [4]], ['mixed', 1, 0, 0xffff_ffff, all], ['mixed', 0, logical, 0x0c, [2, 3]],
  // shorthands: the destination field does not count
  ['flat', 5, 1 << 18, 2, [5]], ['flat', 5, 2 << 18, 2, all], ['flat', 5, 3 << 18, 2, all.filter(id => id !== 5)], ['x2', 5, 1 << 18, 2, [5]], ['x2', 5, 3 << 18, 2, all.filter(id => id !== 5)],
  ['mixed', 4, 2 << 18, 0, all], ['cluster', 7, 3 << 18, 0, all.slice(0, 7)],
];

describe('fixed interrupts', () => {
  it.each(matrix)('%s, from %i, flags %i to %i reach %j', async (mode, sender, flags, destination, reached) => {
    const board = await eight(mode);
    board.activate(sender);
    send(board, flags | 0x4000 | vector, destination);
    expect(targets(board)).toEqual(reached);
  });

  it('the xAPIC id may be changed, and is what counts', async () => {
    const board = await eight('flat');
    board.activate(3);
    board.writeApic(apic.id, 0x2a00_0000);
    board.activate(0);
    send(board, vector, 3);
    expect(targets(board)).toEqual([]);
    send(board, vector, 0x2a);
    expect(targets(board)).toEqual([3]);
  });

  it('the delivery status is idle and the command reads back', async () => {
    const board = await eight('flat');
    send(board, 0x5000 | vector, 1);
    expect([board.readApic(apic.icrLow), board.readApic(apic.icrHigh)]).toEqual([0x4000 | vector, 0x0100_0000]);
  });

  it('processors whose APIC is disabled, by software or altogether, are not reached', async () => {
    const board = await eight('flat');
    board.activate(2);
    board.writeApic(apic.spurious, 0xff);
    board.activate(6);
    board.devices.apicMsrWrite(0x1b, 0xfee00000n);
    board.activate(0);
    send(board, 2 << 18 | vector);
    expect(targets(board)).toEqual([0, 1, 3, 4, 5, 7]);
  });

  it('only processors that exist are reached', async () => {
    const board = await Board.make({ vcpus: 2 });
    for (const vcpu of [1, 0]) { board.activate(vcpu); board.enableApic(); }
    send(board, 2 << 18 | vector);
    expect(targets(board)).toEqual([0, 1]);
  });

  it('attention is asked for, and the target knows', async () => {
    const board = await eight('flat');
    board.calm();
    send(board, vector, 4);
    expect([board.attention, board.devices.vcpuHasEvent(4), board.devices.vcpuHasEvent(3)]).toEqual([true, 1, 0]);
  });

  it('SELF IPI', async () => {
    const board = await eight('x2');
    board.activate(6);
    board.writeMsr(apic.selfIpi, vector);
    expect(targets(board)).toEqual([6]);
  });
});

describe('lowest priority', () => {
  const cases: readonly (readonly [Mode, priorities: readonly number[], flags: number, destination: number, chosen: readonly number[]])[] = [
    ['flat', [0x40, 0x30, 0x20, 0x50, 0, 0, 0, 0], logical, 0x0f, [2]], ['flat', [0, 0, 0, 0, 0, 0, 0, 0], logical, 0xf0, [4]], ['flat', [0x10, 0, 0, 0, 0, 0, 0, 0], 2 << 18, 0, [1]],
    ['flat', [0, 0, 0, 0, 0, 0, 0, 0], 0, 3, [3]], ['cluster', [0, 0, 0, 0, 0x20, 0x10, 0x30, 0x10], logical, 0x2f, [5]],
    ['x2', [0x20, 0x10, 0, 0, 0, 0, 0, 0], logical, 3, [1]], ['flat', [0, 0, 0, 0, 0, 0, 0, 0], logical, 0, []],
  ];
  it.each(cases)('%s with priorities %j', async (mode, priorities, flags, destination, chosen) => {
    const board = await eight(mode);
    for (const vcpu of all) { board.activate(vcpu); board.devices.writeTpr(priorities[vcpu]! >> 4); }
    board.activate(0);
    send(board, flags | 0x100 | 0xe1, destination);
    expect(all.filter(vcpu => board.pendingOf(vcpu) === 0xe1)).toEqual(chosen);
  });
  it('passes over processors that take nothing', async () => {
    const board = await eight('flat');
    board.activate(0);
    board.writeApic(apic.spurious, 0xff);
    board.activate(1);
    send(board, logical | 0x100 | vector, 0x07);
    expect(targets(board)).toEqual([1]);
  });
  it('counts what is in service', async () => {
    const board = await eight('flat');
    send(board, 0x62, 0);
    board.acknowledge();
    send(board, logical | 0x100 | vector, 0x03);
    expect(targets(board)).toEqual([1]);
  });
});

describe('INIT, start-up, NMI', () => {
  it('INIT and SIPI wake a processor: both wait for it', async () => {
    const board = await eight('flat');
    send(board, 0x4500, 3);
    send(board, 0x4608, 3);
    send(board, 0x4609, 3);
    expect([board.devices.vcpuHasEvent(3), board.devices.takeInit(3), board.devices.takeSipi(3), board.devices.takeSipi(3), board.devices.takeInit(3)]).toEqual([1, 1, 10, 0, 0]);
    expect([2, 4].map(vcpu => board.devices.vcpuHasEvent(vcpu))).toEqual([0, 0]);
  });
  it('an INIT forgets an earlier SIPI; SIPI with vector 0 is one', async () => {
    const board = await eight('flat');
    send(board, 0x4600, 1);
    expect(board.devices.takeSipi(1)).toBe(1);
    send(board, 0x4608, 1);
    send(board, 0x4500, 1);
    expect([board.devices.takeInit(1), board.devices.takeSipi(1)]).toEqual([1, 0]);
  });
  it('INIT level de-assert is nothing', async () => {
    const board = await eight('flat');
    send(board, 0x8500, 3);
    expect(board.devices.takeInit(3)).toBe(0);
  });
  it('to all but self', async () => {
    const board = await eight('flat');
    send(board, 3 << 18 | 0x4500);
    expect(all.map(vcpu => board.devices.takeInit(vcpu))).toEqual([0, 1, 1, 1, 1, 1, 1, 1]);
    send(board, 3 << 18 | 0x4612);
    expect(all.map(vcpu => board.devices.takeSipi(vcpu))).toEqual([0, ...Array.from({ length: 7 }, () => 0x13)]);
  });
  it('NMI reaches an APIC that is disabled by software, whatever the vector', async () => {
    const board = await eight('flat');
    board.activate(5);
    board.writeApic(apic.spurious, 0xff);
    board.activate(0);
    send(board, 0x4400, 5);
    expect([board.devices.vcpuHasEvent(5), board.devices.takeNmi(5), board.devices.takeNmi(5), board.pendingOf(5)]).toEqual([1, 1, 0, undefined]);
  });
  it('NMI to self', async () => {
    const board = await eight('flat');
    send(board, 0x4400, 0);
    expect(board.devices.takeNmi(0)).toBe(1);
  });
  it('the other processors are enabled but not the bootstrap processor', async () => {
    const board = await Board.make({ vcpus: 3 });
    const bases = [0, 1, 2].map(vcpu => { board.activate(vcpu); return board.devices.apicMsrRead(0x1b); });
    expect(bases).toEqual([0xfee00900n, 0xfee00800n, 0xfee00800n]);
  });
});
