// The entry state of 64-bit images: long mode over an identity map of the first 4 GiB in pages of 2 MiB, flat segments, interrupts off.
import type { Machine } from '../machine';
import { loaderArea } from './multiboot';

const present = 1n, writable = 2n, large = 0x80n;

/** Builds the page tables; returns CR3. Tables: one PML4, one PDPT, four page directories, then the GDT. */
export function identityMap(machine: Machine): bigint {
  const base = loaderArea.tables, bytes = new Uint8Array(7 * 0x1000), view = new DataView(bytes.buffer);
  const entry = (table: number, index: number, value: bigint): void => view.setBigUint64(table * 0x1000 + index * 8, value, true);
  entry(0, 0, BigInt(base + 0x1000) | present | writable);
  for (let n = 0; n < 4; n++) {
    entry(1, n, BigInt(base + (2 + n) * 0x1000) | present | writable);
    for (let k = 0; k < 512; k++) entry(2 + n, k, BigInt(n * 512 + k) << 21n | present | writable | large);
  }
  // GDT: null, 64-bit code, data
  entry(6, 1, 0x00af9b000000ffffn);
  entry(6, 2, 0x00cf93000000ffffn);
  machine.writePhysical(BigInt(base), bytes);
  return BigInt(base);
}

export interface LongModeEntry { readonly entry: bigint; readonly cr3: bigint; readonly rax: bigint; readonly rbx: bigint }

export function enterLongMode(machine: Machine, { entry, cr3, rax, rbx }: LongModeEntry): void {
  const r = machine.registers(0);
  r.set('cr0', 0x80000033n);
  r.set('cr3', cr3);
  r.set('cr4', 0x20n);
  r.set('efer', 0x500n);
  r.set('gdtr.base', cr3 + 0x6000n);
  r.set('gdtr.limit', 23n);
  r.set('idtr.limit', 0n);
  const segment = (name: string, selector: bigint, rights: bigint): void => {
    r.set(`${name}.selector`, selector); r.set(`${name}.base`, 0n); r.set(`${name}.limit`, 0xffffffffn); r.set(`${name}.rights`, rights);
  };
  segment('cs', 8n, 0xa09bn);
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs']) segment(name, 16n, 0xc093n);
  r.set('rflags', 2n);
  r.set('rip', entry);
  r.set('rsp', 0n);
  r.set('rax', rax);
  r.set('rbx', rbx);
}
