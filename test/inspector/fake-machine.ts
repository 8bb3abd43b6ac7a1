// A machine without a processor: RAM, registers and VMCSs that a test fills, behind the façade that the inspector reads. Translation is done by
// the walks under test for paging (their own test builds tables by hand), so that a level's memory is read through real tables.
import { defaultProcessorModel } from '../../src/spec/processor-models';
import type { Machine, PagingContext, Translation } from '../../src/emulator/machine';
import { vmcsFieldById, type VmcsFieldId } from '../../src/spec/vmcs-fields';
import { translateFully } from '../../src/inspector/translation/page-walk';

export class FakeMachine {
  readonly ram: Uint8Array;
  readonly view: DataView;
  readonly values = new Map<string, bigint>();
  readonly vmcss = new Map<bigint, Map<number, bigint>>();
  readonly vcpuCount = 1;
  readonly processor = defaultProcessorModel;
  readonly vmx = () => ({ vmxOn: true, nonRoot: true, vpid: 0 });
  readonly activeVcpu = 0;
  private nextTable: number;

  /** Page tables are made from `tablesAt` on. */
  constructor(readonly memoryBytes = 0x40_0000, tablesAt = 0x10_0000) {
    this.ram = new Uint8Array(memoryBytes);
    this.view = new DataView(this.ram.buffer);
    this.nextTable = tablesAt;
  }
  get asMachine(): Machine { return this as unknown as Machine; }

  registers = () => ({
    get: (name: string): bigint => this.values.get(name) ?? 0n,
    set: (name: string, value: bigint): void => { this.values.set(name, value); },
  });
  readVmcs = (pointer: bigint, encoding: number): bigint | undefined => this.vmcss.get(pointer)?.get(encoding) ?? (this.vmcss.has(pointer) ? 0n : undefined);
  writeVmcs = (pointer: bigint, encoding: number, value: bigint): boolean => {
    const vmcs = this.vmcss.get(pointer) ?? new Map<number, bigint>();
    this.vmcss.set(pointer, vmcs.set(encoding, value));
    return true;
  };
  vmcs(pointer: bigint, fields: Partial<Record<VmcsFieldId, bigint>>): void {
    for (const [id, value] of Object.entries(fields)) this.writeVmcs(pointer, vmcsFieldById(id as VmcsFieldId).encoding, value);
  }
  readPhysical = (address: bigint, length: number): Uint8Array | undefined =>
    address + BigInt(length) > BigInt(this.memoryBytes) ? undefined : this.ram.slice(Number(address), Number(address) + length);
  writePhysical = (address: bigint, bytes: Uint8Array): boolean => {
    if (address + BigInt(bytes.length) > BigInt(this.memoryBytes)) return false;
    this.ram.set(bytes, Number(address));
    return true;
  };
  private get live(): PagingContext {
    const value = (name: string): bigint => this.values.get(name) ?? 0n;
    return { cr0: value('cr0'), cr3: value('cr3'), cr4: value('cr4'), efer: value('efer'), ...value('eptp') !== 0n && { eptp: value('eptp') } };
  }
  translate = (_vcpu: number, linear: bigint, context: PagingContext = this.live): Translation => {
    const { paging, ept, physical } = translateFully(this.asMachine, context, linear);
    if (physical === undefined || paging.kind !== 'mapped') return { kind: 'fault', step: ept?.kind === 'fault' ? ept.reason : 'paging' };
    return { kind: 'mapped', guestPhysical: paging.address, physical, pageBytes: 4096 };
  };
  readLinear = (vcpu: number, linear: bigint, length: number, context?: PagingContext): Uint8Array | undefined => {
    const bytes = new Uint8Array(length);
    for (let n = 0; n < length; n++) {
      const found = this.translate(vcpu, linear + BigInt(n), context);
      if (found.kind === 'fault' || found.physical >= BigInt(this.memoryBytes)) return undefined;
      bytes[n] = this.ram[Number(found.physical)];
    }
    return bytes;
  };

  table(): bigint {
    const at = this.nextTable;
    this.nextTable += 0x1000;
    return BigInt(at);
  }
  /** Maps a 4-KiB page in 4-level tables (paging: flags 7; EPT: flags 0x37 at the leaf, 7 above). Table addresses are moved by `tableOffset` in the entries. */
  map(root: bigint, from: bigint, to: bigint, leafFlags = 7n, tableFlags = 7n, tableOffset = 0n): void {
    let table = root;
    for (let level = 3; level > 0; level--) {
      const at = Number(table) + 8 * Number(from >> BigInt(12 + 9 * level) & 0x1ffn);
      let entry = this.view.getBigUint64(at, true);
      if (entry === 0n) this.view.setBigUint64(at, entry = this.table() - tableOffset | tableFlags, true);
      table = (entry & 0xf_ffff_ffff_f000n) + tableOffset;
    }
    this.view.setBigUint64(Number(table) + 8 * Number(from >> 12n & 0x1ffn), to | leafFlags, true);
  }
}
