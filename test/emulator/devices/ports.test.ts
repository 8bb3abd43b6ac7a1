import { describe, expect, it } from 'vitest';
import { Board } from './board';

describe('the bus', () => {
  it('reads ones from what no device claims', async () => {
    const board = await Board.make();
    expect([board.in(0x80), board.in(0x1f0, 2), board.in(0x5658, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  });
});
