// The bus and the small devices behind it: what answers at which port and width.
import { describe, expect, it } from 'vitest';
import { clockRates } from '../../../src/emulator/codegen/device-layout';
import { region, stopKinds } from '../../../src/emulator/codegen/state-layout';
import { Board } from './board';

describe('the bus', () => {
  it('reads ones from what no device claims, and ignores writes to it', async () => {
    const board = await Board.make();
    expect([board.in(0x80), board.in(0x1f0, 2), board.in(0x5658, 4), board.in(0xffff, 2)]).toEqual([0xff, 0xffff, 0xffff_ffff, 0xffff]);
    for (const bytes of [1, 2, 4]) board.out(0x5658, 0x1234_5678, bytes);
    expect([1, 2, 4, 8].map(bytes => BigInt.asUintN(64, board.devices.mmioRead(0xfed00000n, bytes)))).toEqual([0xffn, 0xffffn, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn]);
    board.devices.mmioWrite(0xfed00000n, 1n, 4);
  });
  it('a reset of the board restores every device but the settings', async () => {
    const board = await Board.make();
    const { base, size } = region('devices'), state = (): Buffer => Buffer.from(board.memory.buffer.slice(base, base + size));
    const before = state();
    board.out(0x43, 0x34); board.out(0x40, 0); board.out(0x40, 0x10);
    board.initializePics(0x40);
    board.enableApic();
    board.redirect(4, 0x31);
    board.out(0x3f9, 5);
    board.out(0xcf8, 0x8000_0004, 4);
    expect(state().equals(before)).toBe(false);
    board.devices.resetDevices();
    expect(state().equals(before)).toBe(true);
  });
});

describe('PCI', () => {
  const config = (board: Board, address: number): number => { board.out(0xcf8, address, 4); return board.in(0xcfc, 4); };
  it('a host bridge and nothing else', async () => {
    const board = await Board.make();
    expect([config(board, 0x8000_0000), config(board, 0x8000_0008), config(board, 0x8000_000c)]).toEqual([0x1237_8086, 0x0600_0002, 0]);
    for (const address of [0x8000_0800, 0x8000_0100, 0x8001_0000, 0x0000_0000]) expect(config(board, address)).toBe(0xffff_ffff);
  });
  it('parts of a register', async () => {
    const board = await Board.make();
    board.out(0xcf8, 0x8000_0000, 4);
    expect([board.in(0xcfc, 2), board.in(0xcfe, 2), board.in(0xcfd), board.in(0xcf8, 4)]).toEqual([0x8086, 0x1237, 0x80, 0x8000_0000]);
    board.out(0xcf8, 0x8000_0004, 4);
    board.out(0xcfd, 1);
    expect(board.in(0xcfc, 4)).toBe(0x0106);
  });
  it('a byte at CF9h is not the address register', async () => {
    const board = await Board.make();
    board.out(0xcf8, 0x8000_0000, 4);
    board.out(0xcf9, 2);
    expect([board.in(0xcf8, 4), board.in(0xcf9), board.deviceCell('system', 'resetRequested')]).toEqual([0x8000_0000, 2, 0]);
  });
});

describe('reset and power', () => {
  const resets: readonly (readonly [string, (board: Board) => void, boolean])[] = [
    ['keyboard controller pulse', board => board.out(0x64, 0xfe), true], ['a pulse of other lines', board => board.out(0x64, 0xff), false],
    ['keyboard output port', board => { board.out(0x64, 0xd1); board.out(0x60, 0xde); }, true], ['A20 by the output port', board => { board.out(0x64, 0xd1); board.out(0x60, 0xdf); }, false],
    ['port 92h', board => board.out(0x92, 3), true], ['A20 by port 92h', board => board.out(0x92, 2), false],
    ['CF9h', board => { board.out(0xcf9, 2); board.out(0xcf9, 6); }, true], ['CF9h without the second bit', board => board.out(0xcf9, 2), false],
  ];
  it.each(resets)('%s', async (_name, act, reset) => {
    const board = await Board.make();
    board.calm();
    act(board);
    expect([board.deviceCell('system', 'resetRequested'), board.attention]).toEqual([reset ? 1 : 0, reset]);
  });
  it('S5 asks for power off, other sleep types do nothing', async () => {
    const board = await Board.make();
    board.out(0x604, 0x2400, 2);
    expect([board.deviceCell('system', 'powerOffRequested'), board.in(0x604, 2)]).toEqual([0, 0x0401]);
    board.out(0x604, 0x2000, 2);
    expect(board.deviceCell('system', 'powerOffRequested')).toBe(1);
  });
  it('the PM timer counts 3.579545 MHz in 24 bits', async () => {
    const board = await Board.make();
    for (const units of [0n, 1_000_000n, 1_000_000_000n, 7_777_777_777n]) {
      board.advanceTo(units);
      const ticks = Number(units * BigInt(clockRates.pmTimer) / BigInt(clockRates.tsc)) & 0xff_ffff;
      expect([board.in(0x608, 4), board.in(0x608, 2), board.in(0x60a)]).toEqual([ticks, ticks & 0xffff, ticks >> 16]);
    }
  });
  it('its carry raises line 9 when enabled', async () => {
    const board = await Board.make();
    board.devices.firmwareVirtualWire();
    board.initializePics(0x20, 3);
    board.out(0x602, 1, 2);
    const due = ((1n << 23n) * 1_000_000_000n + 3_579_544n) / 3_579_545n;
    expect(board.deadline).toBe(due);
    board.advanceTo(due);
    expect([board.acknowledge(), board.in(0x600, 2), board.untilDeadline]).toEqual([0x29, 1, undefined]);
    board.out(0x600, 1, 2);
    expect([board.in(0x600, 2), board.deadline > due]).toEqual([0, true]);
  });
  it('without the enable its carry is a flag alone', async () => {
    const board = await Board.make();
    board.advance(3_000_000_000n);
    expect([board.in(0x600, 2), board.untilDeadline]).toEqual([1, undefined]);
  });
});

describe('keyboard controller', () => {
  const reply = (board: Board): number[] => { const bytes = []; while (board.in(0x64) & 1) bytes.push(board.in(0x60)); return bytes; };
  const commands: readonly (readonly [string, (board: Board) => void, readonly number[]])[] = [
    ['self-test', board => board.out(0x64, 0xaa), [0x55]],
    ['interface test', board => board.out(0x64, 0xab), [0]], ['command byte', board => board.out(0x64, 0x20), [0x24]],
    ['command byte, written', board => { board.out(0x64, 0x60); board.out(0x60, 0x65); board.out(0x64, 0x20); }, [0x65]], ['output port', board => board.out(0x64, 0xd0), [0xdf]],
    ['disable and enable', board => { board.out(0x64, 0xad); board.out(0x64, 0xa8); board.out(0x64, 0x20); }, [0x14]], ['echo to the output buffer', board => { board.out(0x64, 0xd2); board.out(0x60, 0x3c); }, [0x3c]],
    ['keyboard reset', board => board.out(0x60, 0xff), [0xfa, 0xaa]], ['keyboard identification', board => board.out(0x60, 0xf2), [0xfa, 0xab, 0x83]],
    ['keyboard echo', board => board.out(0x60, 0xee), [0xee]], ['keyboard lights', board => { board.out(0x60, 0xed); board.out(0x60, 7); }, [0xfa, 0xfa]],
    ['no auxiliary device', board => { board.out(0x64, 0xd4); board.out(0x60, 0xf2); }, []],
  ];
  it.each(commands)('%s', async (_name, act, bytes) => {
    const board = await Board.make();
    act(board);
    expect(reply(board)).toEqual(bytes);
  });
  it('interrupts once for each byte when told to', async () => {
    const board = await Board.make();
    board.devices.firmwareVirtualWire();
    board.initializePics(0x20, 3);
    board.out(0x64, 0x60); board.out(0x60, 0x25);
    board.out(0x60, 0xff);
    expect([board.acknowledge(), board.pending, board.in(0x60), board.acknowledge(), board.in(0x60), board.pending]).toEqual([0x21, undefined, 0xfa, 0x21, 0xaa, undefined]);
  });
  it('tells commands from data in its status', async () => {
    const board = await Board.make();
    board.out(0x64, 0xae);
    expect(board.in(0x64)).toBe(0x1c);
    board.out(0x60, 0);
    expect(board.in(0x64)).toBe(0x15);
  });
});

describe('firmware configuration', () => {
  const item = (board: Board, selector: number, bytes: number): number[] => { board.out(0x510, selector, 2); return Array.from({ length: bytes }, () => board.in(0x511)); };
  it.each<readonly [string, number, readonly number[]]>([
    ['signature', 0, [0x51, 0x45, 0x4d, 0x55, 0]], ['interface', 1, [1, 0, 0, 0]], ['RAM size', 3, [0, 0, 0, 0x60, 0, 0, 0, 0, 0]], ['processors', 5, [5, 0]], ['maximum processors', 0x0f, [5, 0]],
    ['file directory', 0x19, [0, 0, 0, 0]], ['what does not exist', 0x1234, [0, 0]],
  ])('%s', async (_name, selector, bytes) => {
    const board = await Board.make({ vcpus: 5, ramBytes: 0x6000_0000 });
    expect(item(board, selector, bytes.length)).toEqual(bytes);
    expect(item(board, selector, bytes.length)).toEqual(bytes);
  });
});

describe('test device', () => {
  it.each([[1, 0x1234, 0x34], [2, 0x12345, 0x2345], [4, 0xdead_beef, 0xdead_beef]])('an exit code of %i bytes stops the machine', async (bytes, value, code) => {
    const board = await Board.make();
    board.out(0xf4, value, bytes);
    expect([board.machineCell('stopKind'), board.machineCell('stopReasonIndex'), board.machineCell('debugExitCode')]).toEqual([stopKinds.indexOf('debugExit'), code, code]);
  });
  it('four bytes of storage in all widths', async () => {
    const board = await Board.make();
    board.out(0xe0, 0x1122_3344, 4);
    board.out(0xe1, 0xaa);
    board.out(0xe2, 0xbbcc, 2);
    expect([board.in(0xe0, 4), board.in(0xe0), board.in(0xe1), board.in(0xe2, 2)]).toEqual([0xbbcc_aa44, 0x44, 0xaa, 0xbbcc]);
  });
});
