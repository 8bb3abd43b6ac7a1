// The 8259 pair, programmed as software does: a script of steps and what INTR shows after each.
import { describe, expect, it } from 'vitest';
import { Board } from './board';

/** `up n`, `down n`: line n. `ack`: acknowledge cycle. Others write ports. Expected: vector presented after the step, or what ack gave. */
type Step = readonly ['up' | 'down', number, number?] | readonly ['ack', number, number?] | readonly ['out', number, number, number?] | readonly ['in', number, number];

async function check(steps: readonly Step[], icw4 = 1): Promise<void> {
  const board = await Board.make();
  board.devices.firmwareVirtualWire();
  board.initializePics(0x20, icw4);
  for (const [index, step] of steps.entries()) {
    const at = `step ${index}: ${step.join(' ')}`;
    let shown: number | undefined;
    switch (step[0]) {
      case 'up': case 'down': board.line(step[1], step[0] === 'up'); shown = step[2]; break;
      case 'ack': expect(board.acknowledge(), at).toBe(step[1]); shown = step[2]; break;
      case 'out': board.out(step[1], step[2]); shown = step[3]; break;
      case 'in': expect(board.in(step[1]), at).toBe(step[2]); continue;
    }
    expect(board.pending, at).toBe(shown);
  }
}

const scripts: Record<string, readonly Step[]> = {
  'an edge is delivered once': [['up', 4, 0x24], ['ack', 0x24], ['out', 0x20, 0x20], ['down', 4], ['up', 4, 0x24]],
  'an edge that goes before its acknowledgement is gone': [['up', 4, 0x24], ['down', 4]],
  'an acknowledge cycle without a request is input 7, not in service': [['ack', 0x27], ['out', 0x20, 0x0b], ['in', 0x20, 0]],
  'a lower input waits for the end of a higher one': [['up', 3, 0x23], ['ack', 0x23], ['up', 5], ['out', 0x20, 0x20, 0x25], ['ack', 0x25]],
  'a higher input interrupts a lower one': [['up', 5, 0x25], ['ack', 0x25], ['up', 3, 0x23], ['ack', 0x23], ['out', 0x20, 0x20], ['out', 0x20, 0x20]],
  'the second chip arrives through input 2': [['up', 12, 0x2c], ['ack', 0x2c], ['out', 0x20, 0x0b], ['in', 0x20, 4], ['out', 0xa0, 0x0b], ['in', 0xa0, 0x10],
    ['out', 0xa0, 0x20], ['out', 0x20, 0x20]],
  'the second chip comes before input 3': [['up', 3, 0x23], ['up', 15, 0x2f], ['ack', 0x2f], ['out', 0xa0, 0x20], ['out', 0x20, 0x20, 0x23]],
  'after the first of two on the second chip the other one follows': [['up', 9, 0x29], ['up', 11, 0x29], ['ack', 0x29], ['out', 0xa0, 0x20], ['out', 0x20, 0x20, 0x2b], ['ack', 0x2b]],
  'without special fully nested mode the second chip cannot interrupt itself': [['up', 11, 0x2b], ['ack', 0x2b], ['up', 9], ['out', 0x20, 0x20, 0x29]],
  'a request of the second chip that is masked before its acknowledgement is gone': [['up', 12, 0x2c], ['out', 0xa1, 0xff], ['ack', 0x27], ['out', 0x20, 0x0b], ['in', 0x20, 0]],
  'masked requests wait': [['out', 0x21, 0x10], ['up', 4], ['out', 0x20, 0x0a], ['in', 0x20, 0x10], ['in', 0x21, 0x10], ['out', 0x21, 0, 0x24]],
  'a specific EOI ends the input it names': [['up', 5, 0x25], ['ack', 0x25], ['up', 3, 0x23], ['ack', 0x23], ['out', 0x20, 0x65], ['out', 0x20, 0x0b], ['in', 0x20, 0x08]],
  'set priority makes the next input the highest': [['out', 0x20, 0xc4], ['up', 0, undefined], ['down', 0], ['up', 4, 0x24], ['up', 5, 0x25]],
  'rotation on EOI makes the ended input the lowest': [['up', 3, 0x23], ['ack', 0x23], ['out', 0x20, 0xa0], ['down', 3], ['up', 3, 0x23], ['up', 4, 0x24]],
  'rotation on specific EOI': [['up', 3, 0x23], ['ack', 0x23], ['out', 0x20, 0xe6], ['up', 7, 0x27], ['up', 6, 0x27]],
  'special mask mode lets lower inputs through': [['up', 3, 0x23], ['ack', 0x23], ['up', 6], ['out', 0x21, 0x08], ['out', 0x20, 0x68, 0x26], ['ack', 0x26], ['out', 0x20, 0x48]],
  'a poll acknowledges': [['up', 6, 0x26], ['out', 0x20, 0x0c, 0x26], ['in', 0x20, 0x86], ['out', 0x20, 0x0b], ['in', 0x20, 0x40]],
  'a poll of nothing is 0': [['out', 0x20, 0x0c], ['in', 0x20, 0]],
  'a level-triggered line is presented again after its EOI': [['out', 0x4d0, 0x20], ['up', 5, 0x25], ['ack', 0x25], ['out', 0x20, 0x20, 0x25], ['down', 5]],
  'trigger modes of timer, keyboard and cascade are fixed': [['out', 0x4d0, 0xff], ['in', 0x4d0, 0xf8], ['out', 0x4d1, 0xff], ['in', 0x4d1, 0xde]],
  'initialization forgets edges and masks nothing': [['out', 0x21, 0xff], ['up', 4], ['out', 0x20, 0x11], ['out', 0x21, 0x40], ['out', 0x21, 4], ['out', 0x21, 1], ['in', 0x21, 0], ['down', 4], ['up', 4, 0x44]],
  'a mask written during initialization is an initialization word': [['out', 0x20, 0x11], ['out', 0x21, 0x57], ['out', 0x21, 4], ['out', 0x21, 1], ['up', 1, 0x51]],
  'a single chip without ICW4 takes two words': [['out', 0x20, 0x12], ['out', 0x21, 0x60], ['out', 0x21, 0x02], ['in', 0x21, 0x02], ['up', 4, 0x64]],
};

describe('8259 pair', () => {
  it.each(Object.entries(scripts))('%s', (_name, steps) => check(steps));

  it('automatic EOI leaves nothing in service', () => check([['up', 3, 0x23], ['ack', 0x23], ['out', 0x20, 0x0b], ['in', 0x20, 0], ['up', 5, 0x25], ['ack', 0x25]], 3));
  it('with automatic EOI two requests of the second chip follow each other', () =>
    check([['up', 9, 0x29], ['up', 11, 0x29], ['ack', 0x29, 0x2b], ['ack', 0x2b]], 3));
  it('automatic EOI rotates when told to', () => check([['out', 0x20, 0x80], ['up', 3, 0x23], ['ack', 0x23], ['down', 3], ['up', 3, 0x23], ['up', 5, 0x25]], 3));
  it('special fully nested mode lets the second chip interrupt itself', () => check([['up', 11, 0x2b], ['ack', 0x2b], ['up', 9, 0x29], ['ack', 0x29]], 0x11));

  it('all eight inputs of a chip come in order of priority', async () => {
    const board = await Board.make();
    board.devices.firmwareVirtualWire();
    board.initializePics();
    for (const line of [7, 5, 1, 0, 6, 3, 4]) { board.line(line, false); board.line(line, true); }
    const order = [];
    while (board.pending !== undefined) { order.push(board.acknowledge()); board.out(0x20, 0x20); }
    expect(order).toEqual([0x20, 0x21, 0x23, 0x24, 0x25, 0x26, 0x27]);
  });

  it('presents nothing while LINT0 is masked, and to no other processor', async () => {
    const board = await Board.make({ vcpus: 2 });
    board.initializePics();
    board.line(4, true);
    expect([board.pendingOf(0), board.pendingOf(1)]).toEqual([undefined, undefined]);
    board.devices.firmwareVirtualWire();
    expect([board.pendingOf(0), board.pendingOf(1)]).toEqual([0x24, undefined]);
  });

  it('reaches the processor directly when the local APIC is disabled', async () => {
    const board = await Board.make();
    board.initializePics();
    board.line(4, true);
    expect(board.pending).toBe(undefined);
    board.devices.apicMsrWrite(0x1b, 0xfee00100n);
    expect(board.pending).toBe(0x24);
  });

  it('asks for attention when INTR rises', async () => {
    const board = await Board.make();
    board.devices.firmwareVirtualWire();
    board.initializePics();
    board.calm();
    board.line(4, true);
    expect(board.attention).toBe(true);
  });

  it('signals NMIs or fixed interrupts through LINT0 when that says so', async () => {
    const board = await Board.make();
    board.initializePics();
    board.enableApic();
    board.writeApic(0x350, 0x400);
    board.line(4, true);
    expect([board.devices.takeNmi(0), board.devices.takeNmi(0), board.pending]).toEqual([1, 0, undefined]);
    board.writeApic(0x350, 0x5a);
    board.acknowledge();
    board.line(4, false);
    board.line(4, true);
    expect(board.pending).toBe(0x5a);
  });
});
