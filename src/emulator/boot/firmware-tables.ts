// What firmware leaves in the last 64 KiB of the first MiB for software that looks for processors and interrupt controllers: ACPI tables (RSDP,
// RSDT, FADT with an empty DSDT but for \_S5, FACS, MADT; ACPI specification chapter 5 'ACPI Software Programming Model') and the older table
// of the MultiProcessor Specification 1.4. They say what devices/ has: nothing here is a choice of its own.
import type { Machine } from '../machine';

/** Where the tables stand; physical. The memory map calls it reserved. */
export const firmwareArea = { base: 0xf_0000, bytes: 0x1000 } as const;

const localApic = 0xfee0_0000, ioApic = 0xfec0_0000, ioApicId = 0, ioApicVersion = 0x20, localApicVersion = 0x14;
const power = { event: 0x600, control: 0x604, timer: 0x608, interrupt: 9 } as const, resetPort = 0xcf9, resetValue = 6;
/** Flags of an interrupt source: active high, level triggered. */
const levelHigh = 0xd;
const all = 0xff;

const word = (value: number): number[] => [value & 255, value >> 8 & 255], dword = (value: number): number[] => [...word(value & 0xffff), ...word(value >>> 16)];
const text = (value: string, length: number): number[] => Array.from({ length }, (_, n) => value.charCodeAt(n) || 0x20);
const zeros = (count: number): number[] => new Array<number>(count).fill(0);
/** A byte that makes the sum of all 0. */
const checksum = (bytes: readonly number[]): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 255;
const summed = (bytes: readonly number[], at: number): number[] => bytes.with(at, checksum(bytes.with(at, 0)));

/** An ACPI table: header, contents, checksum. */
function acpiTable(signature: string, revision: number, contents: readonly number[]): number[] {
  const header = [...text(signature, 4), ...dword(36 + contents.length), revision, 0, ...text('ABYME', 6), ...text('VIRTUAL', 8), ...dword(1), ...text('ABYM', 4), ...dword(1)];
  return summed([...header, ...contents], 9);
}

/** Multiple APIC description table: each local APIC, the I/O APIC, where line 0 and the SCI go, and NMI at LINT1. */
function madt(processors: number): number[] {
  const entries = Array.from({ length: processors }, (_, n) => [0, 8, n, n, ...dword(1)]).flat();
  return acpiTable('APIC', 1, [
    ...dword(localApic), ...dword(1), ...entries, 1, 12, ioApicId, 0, ...dword(ioApic), ...dword(0),
    2, 10, 0, 0, ...dword(2), ...word(0), 2, 10, 0, power.interrupt, ...dword(power.interrupt), ...word(levelHigh), 4, 6, all, ...word(0), 1,
  ]);
}

/** Fixed ACPI description table, with the blocks of devices/power.ts; ACPI mode is always on. */
function fadt(facs: number, dsdt: number): number[] {
  const block = (space: number, bits: number, address: number): number[] => [space, bits, 0, 0, ...dword(address), ...dword(0)], absent = zeros(12);
  const flags = 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10;                          // WBINVD, C1, no power and sleep buttons of the fixed kind, reset register
  return acpiTable('FACP', 3, [
    ...dword(facs), ...dword(dsdt), 0, 0, ...word(power.interrupt), ...dword(0), 0, 0, 0, 0,
    ...dword(power.event), ...dword(0), ...dword(power.control), ...dword(0), ...dword(0), ...dword(power.timer), ...dword(0), ...dword(0),
    4, 2, 0, 4, 0, 0, 0, 0, ...word(0xfff), ...word(0xfff), ...word(0), ...word(0), 0, 0, 0, 0, 0x32, ...word(3), 0, ...dword(flags),
    ...block(1, 8, resetPort), resetValue, 0, 0, 0, ...dword(facs), ...dword(0), ...dword(dsdt), ...dword(0),
    ...block(1, 32, power.event), ...absent, ...block(1, 16, power.control), ...absent, ...absent, ...block(1, 32, power.timer), ...absent, ...absent,
  ]);
}

/** Name (\_S5, Package {0, 0, 0, 0}): sleep type 0 switches the machine off. */
const dsdt = acpiTable('DSDT', 1, [0x08, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x06, 0x04, 0, 0, 0, 0]);
const facs = [...text('FACS', 4), ...dword(64), ...zeros(56)];

/** The configuration table of the MultiProcessor Specification, without its floating pointer. */
function mpTable(processors: number, signature: number): number[] {
  const pins = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
  const entries = [
    ...Array.from({ length: processors }, (_, n) => [0, n, localApicVersion, n === 0 ? 3 : 1, ...dword(signature), ...dword(0x201), ...zeros(8)]),
    [1, 0, ...text('ISA', 6)], [2, ioApicId, ioApicVersion, 1, ...dword(ioApic)],
    [3, 3, ...word(0), 0, 0, ioApicId, 0], ...pins.map(irq => [3, 0, ...word(0), 0, irq, ioApicId, irq === 0 ? 2 : irq]),
    [4, 3, ...word(0), 0, 0, all, 0], [4, 1, ...word(0), 0, 0, all, 1],
  ];
  const body = entries.flat();
  return summed([
    ...text('PCMP', 4), ...word(44 + body.length), 4, 0, ...text('ABYME', 8), ...text('VIRTUAL PC', 12), ...dword(0), ...word(0), ...word(entries.length), ...dword(localApic), ...word(0), 0, 0, ...body,
  ], 7);
}

/** Writes the tables; their places follow from their lengths. */
export function writeFirmwareTables(machine: Machine): void {
  const { vcpuCount, memoryBytes } = machine, bytes: number[] = [];
  if (firmwareArea.base + firmwareArea.bytes > memoryBytes) return;
  const place = (table: readonly number[]): number => {
    while (bytes.length % 16 !== 0) bytes.push(0);
    const at = firmwareArea.base + bytes.length;
    bytes.push(...table);
    return at;
  };
  while (bytes.length < 64) bytes.push(0);                                        // the pointers that software searches for
  const facsAt = place([...facs]), fadtAt = place(fadt(facsAt, place(dsdt))), madtAt = place(madt(vcpuCount));
  const rsdtAt = place(acpiTable('RSDT', 1, [...dword(fadtAt), ...dword(madtAt)])), mpAt = place(mpTable(vcpuCount, machine.processor.family << 8));
  const rsdp = summed([...text('RSD PTR ', 8), 0, ...text('ABYME', 6), 0, ...dword(rsdtAt)], 8);
  const mpPointer = summed([...text('_MP_', 4), ...dword(mpAt), 1, 4, 0, 0, 0, 0, 0, 0], 10);
  bytes.splice(0, rsdp.length, ...rsdp);
  bytes.splice(32, mpPointer.length, ...mpPointer);
  machine.writePhysical(BigInt(firmwareArea.base), Uint8Array.from(bytes));
}
