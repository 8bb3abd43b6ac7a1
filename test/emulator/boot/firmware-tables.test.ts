// The tables of firmware: found where software searches, summing to 0, and saying what the machine has.
import { describe, expect, it } from 'vitest';
import { bootImages } from '../../../src/emulator/boot';
import { sleeper } from '../../debug-adapter/tiny-image';
import { createTestMachine } from '../vmx/test-machine';

const area = 0xf_0000;

async function tables(vcpus: number): Promise<{ bytes: Uint8Array; view: DataView; find(text: string): number; sum(at: number, length: number): number }> {
  const machine = await createTestMachine({ memoryBytes: 4 << 20, vcpus });
  bootImages(machine, { program: sleeper(), commandLine: '', modules: [] });
  const bytes = machine.readPhysical(BigInt(area), 0x1_0000)!, view = new DataView(bytes.buffer);
  return {
    bytes, view,
    find(text) {
      for (let at = 0; at < bytes.length; at += 16) if ([...text].every((c, n) => bytes[at + n] === c.charCodeAt(0))) return at;
      throw new Error(`no ${text}`);
    },
    sum: (at, length) => bytes.subarray(at, at + length).reduce((sum, byte) => sum + byte, 0) & 255,
  };
}

describe.each([1, 3, 8])('with %i processors', count => {
  it('ACPI leads from the pointer to every table, and lists the processors', async () => {
    const { bytes, view, find, sum } = await tables(count), pointer = find('RSD PTR ');
    expect(sum(pointer, 20)).toBe(0);
    const rsdt = view.getUint32(pointer + 16, true) - area, length = view.getUint32(rsdt + 4, true);
    expect([new TextDecoder().decode(bytes.subarray(rsdt, rsdt + 4)), sum(rsdt, length)]).toEqual(['RSDT', 0]);
    const found = new Map<string, { at: number; length: number }>();
    const visit = (at: number): void => {
      const bytesOf = view.getUint32(at + 4, true), name = new TextDecoder().decode(bytes.subarray(at, at + 4));
      expect([name, sum(at, bytesOf)]).toEqual([name, 0]);
      found.set(name, { at, length: bytesOf });
    };
    for (let at = rsdt + 36; at < rsdt + length; at += 4) visit(view.getUint32(at, true) - area);
    const fadt = found.get('FACP')!;
    expect(fadt.length).toBe(244);
    expect([46, 112].map(offset => view.getUint16(fadt.at + offset, true))).toEqual([9, 0x435]);
    expect([56, 64, 76].map(offset => view.getUint32(fadt.at + offset, true))).toEqual([0x600, 0x604, 0x608]);
    expect([148, 172, 208].map(offset => view.getUint32(fadt.at + offset + 4, true))).toEqual([0x600, 0x604, 0x608]);
    visit(view.getUint32(fadt.at + 40, true) - area);
    expect([...found.keys()].sort()).toEqual(['APIC', 'DSDT', 'FACP']);
    const facs = view.getUint32(fadt.at + 36, true);
    expect([facs % 64, view.getUint32(facs - area + 4, true)]).toEqual([0, 64]);
    const madt = found.get('APIC')!, entries: number[][] = [];
    for (let at = madt.at + 44; at < madt.at + madt.length; at += bytes[at + 1]) entries.push([...bytes.subarray(at, at + bytes[at + 1])]);
    expect(entries.filter(([type]) => type === 0).map(entry => entry.slice(2, 5))).toEqual(Array.from({ length: count }, (_, n) => [n, n, 1]));
    expect(entries.filter(([type]) => type !== 0).map(([type]) => type)).toEqual([1, 2, 2, 4]);
  });

  it('so does the table of the MultiProcessor Specification', async () => {
    const { bytes, view, find, sum } = await tables(count), pointer = find('_MP_');
    expect(sum(pointer, 16)).toBe(0);
    const table = view.getUint32(pointer + 4, true) - area, length = view.getUint16(table + 4, true);
    expect(sum(table, length)).toBe(0);
    const types: number[] = [];
    let at = table + 44;
    for (; at < table + length; at += bytes[at] === 0 ? 20 : 8) types.push(bytes[at]);
    expect([at, types.length]).toEqual([table + length, view.getUint16(table + 34, true)]);
    expect(types.filter(type => type === 0)).toHaveLength(count);
    expect([...new Set(types)]).toEqual([0, 1, 2, 3, 4]);
  });
});
