// A machine in 64-bit root operation with one VMCS, for tests of VMX: identity paging of the first GiB (and of the local APIC's page), flat segments,
// a host program that turns VMX on and enters the guest, and the guest's bytes. Every VM exit, VMfail and failed entry stops the run.
import type { EventReader } from '../../../src/emulator/event-ring';
import type { Machine, RunResult } from '../../../src/emulator/machine';
import { exitReasons } from '../../../src/spec/exit-reasons';
import type { ControlRef } from '../../../src/spec/controls';
import { defaultProcessorModel, type ProcessorModel } from '../../../src/spec/processor-models';
import { vmcsFieldById, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import { createTestMachine } from './test-machine';
import { hlt, join, qword, dword, vmclear, vmlaunch, vmptrld, vmxon } from './machine-code';
import { at, controlRegisters, selectors, validFields, type Fields } from './valid-vmcs';

export interface WorldOptions {
  /** Code at `at.guestCode`. */
  readonly guest?: readonly number[];
  /** Code at `at.hostCode`; by default it turns VMX on, makes the VMCS current and launches it. */
  readonly host?: readonly number[];
  /** Code of the host's exit handler. */
  readonly handler?: readonly number[];
  /** Controls that are on beside those that must be. */
  readonly controls?: readonly ControlRef[];
  /** Fields that differ from a valid VMCS. */
  readonly fields?: Fields;
  /** Memory by address, written last. */
  readonly memory?: Readonly<Record<number, readonly number[]>>;
  /** Registers that differ at the start of the host. */
  readonly registers?: Readonly<Record<string, bigint>>;
  /** Stop at VM exits (default), or let the handler run. */
  readonly stopAtExits?: boolean;
  readonly processor?: ProcessorModel;
  readonly vcpus?: number;
}

/** The host program up to the entry. */
export const enter = (entry: readonly number[] = vmlaunch): number[] => join(vmxon(at.data), vmclear(at.data + 8), vmptrld(at.data + 8), entry, hlt);

export interface VmxEvent {
  readonly kind: string; readonly aux: number; readonly a: bigint; readonly b: bigint; readonly c: bigint; readonly d: bigint; readonly e: bigint; readonly rip: bigint;
  readonly instruction?: string; readonly outcome?: string; readonly error?: number; readonly failedCheck: number; readonly interruptionInfo: number;
  readonly destination?: number;
}

const memoryBytes = 4 << 20;
const apicPage = 0xfee0_0000;
const pdHigh = 0x2_0000;

export class World {
  readonly events: VmxEvent[] = [];

  static async create(options: WorldOptions = {}): Promise<World> { return new World(await createTestMachine({ memoryBytes, processor: options.processor, vcpus: options.vcpus }), options); }

  private constructor(readonly machine: Machine, options: WorldOptions) {
    this.pageTables();
    this.descriptors();
    this.write(at.data, [...qword(BigInt(at.vmxon)), ...qword(BigInt(at.vmcs)), ...qword(BigInt(at.otherVmcs))]);
    for (const region of [at.vmxon, at.vmcs, at.otherVmcs]) this.write(region, dword(defaultProcessorModel.vmx.revision));
    this.write(at.shadowVmcs, dword(defaultProcessorModel.vmx.revision | 0x8000_0000));
    this.write(at.hostCode, options.host ?? enter());
    this.write(at.hostHandler, options.handler ?? hlt);
    this.write(at.guestCode, options.guest ?? hlt);
    const fields = { ...validFields(...(options.controls ?? [])), ...options.fields };
    for (const [id, value] of Object.entries(fields)) this.setField(id as VmcsFieldId, value);
    for (const [address, bytes] of Object.entries(options.memory ?? {})) this.write(Number(address), bytes);
    const registers = machine.registers(0);
    const start: Record<string, bigint> = {
      cr0: controlRegisters.cr0, cr4: controlRegisters.cr4, cr3: BigInt(at.pml4), efer: controlRegisters.efer, cpl: 0n, rflags: 2n, rip: BigInt(at.hostCode), rsp: BigInt(at.hostStackTop),
      'gdtr.base': BigInt(at.gdt), 'gdtr.limit': 0xffn, 'idtr.base': BigInt(at.hostIdt), 'idtr.limit': 0xfffn,
      'cs.selector': selectors.code, 'cs.base': 0n, 'cs.limit': 0xffff_ffffn, 'cs.rights': 0xa09bn,
      'tr.selector': selectors.tss, 'tr.base': BigInt(at.tss), 'tr.limit': 0x67n, 'tr.rights': 0x8bn, 'ldtr.rights': 0x10000n,
      ...Object.fromEntries(['ss', 'ds', 'es', 'fs', 'gs'].flatMap((s) => [[`${s}.selector`, selectors.data], [`${s}.base`, 0n], [`${s}.limit`, 0xffff_ffffn], [`${s}.rights`, 0xc093n]])),
      ...options.registers,
    };
    for (const [name, value] of Object.entries(start)) registers.set(name, value);
    machine.setStops({ exits: options.stopAtExits === false ? [] : exitReasons.map((reason) => reason.number), vmfail: true, entryFailure: true });
    machine.recordEvents(['reset', 'vmxInstruction', 'vmread', 'vmExit', 'vmEntry', 'exception', 'interrupt', 'unimplemented', 'tripleFault']);
  }

  private pageTables(): void {
    const table = (address: number, entries: Readonly<Record<number, bigint>>): void => { for (const [n, entry] of Object.entries(entries)) this.write(address + 8 * Number(n), qword(entry)); };
    const userPage = 0xe7n; // P RW US A D PS
    table(at.pml4, { 0: BigInt(at.pdpt) | 0x27n });
    table(at.pdpt, { 0: BigInt(at.pd) | 0x27n, 3: BigInt(pdHigh) | 0x27n });
    table(at.pd, Object.fromEntries(Array.from({ length: memoryBytes >> 21 }, (_, n) => [n, BigInt(n) << 21n | userPage])));
    table(pdHigh, { [(apicPage >>> 21) & 511]: BigInt(apicPage & ~0x1fffff) & 0xffff_ffffn | userPage });
    // EPT: the same memory, write-back, all rights
    table(at.ept, { 0: BigInt(at.ept + 0x1000) | 7n });
    table(at.ept + 0x1000, { 0: BigInt(at.ept + 0x2000) | 7n });
    table(at.ept + 0x2000, Object.fromEntries(Array.from({ length: memoryBytes >> 21 }, (_, n) => [n, BigInt(n) << 21n | 0xb7n])));
  }

  /** GDT and TSS; both IDTs lead every vector to a handler that is HLT in the host and `at.guestHandler` in the guest. */
  private descriptors(): void {
    this.write(at.gdt, [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x0000_8b00_0000_0067n | BigInt(at.tss) << 16n, 0n, 0x00af_fb00_0000_ffffn, 0x00cf_f300_0000_ffffn].flatMap((d) => qword(d)));
    this.write(at.tss + 4, qword(BigInt(at.guestStackTop)));
    for (let vector = 0; vector < 256; vector++) {
      this.write(at.idt + 16 * vector, gate(at.guestHandler));
      this.write(at.hostIdt + 16 * vector, gate(at.hostTrap));
    }
    this.write(at.guestHandler, hlt);
    this.write(at.hostTrap, hlt);
  }

  write(address: number, bytes: readonly number[]): void {
    if (!this.machine.writePhysical(BigInt(address), Uint8Array.from(bytes))) throw new Error(`no RAM at ${address.toString(16)}`);
  }
  read64(address: number): bigint {
    return new DataView(this.machine.readPhysical(BigInt(address), 8)!.buffer).getBigUint64(0, true);
  }
  read32(address: number): number { return Number(this.read64(address) & 0xffff_ffffn); }

  field(id: VmcsFieldId, pointer: number = at.vmcs): bigint { return this.machine.readVmcs(BigInt(pointer), vmcsFieldById(id).encoding)!; }
  setField(id: VmcsFieldId, value: bigint, pointer: number = at.vmcs): void {
    if (!this.machine.writeVmcs(BigInt(pointer), vmcsFieldById(id).encoding, value)) throw new Error(`the machine has no field ${id}`);
  }
  register(name: string): bigint { return this.machine.registers(0).get(name); }

  run(maxUnits = 10_000): RunResult {
    const result = this.machine.run(maxUnits);
    this.machine.drainEvents((event) => this.events.push(copy(event)));
    return result;
  }

  /** Runs to the next stop; throws unless it is the first VM exit with that reason. */
  runToExit(reason?: string): RunResult {
    const result = this.run();
    const name = result.kind === 'vmExit' ? exitReasons.find((row) => row.number === result.index)?.id : result.kind;
    if (result.kind !== 'vmExit' || (reason !== undefined && name !== reason)) {
      throw new Error(`stopped by ${name} (${result.index}) at ${this.register('rip').toString(16)} instead of ${reason ?? 'a VM exit'}; ${JSON.stringify(this.events.at(-1), (_, v) => typeof v === 'bigint' ? v.toString(16) : v)}`);
    }
    return result;
  }
}

/** A present 64-bit interrupt gate of DPL 3. */
export function gate(handler: number, selector = selectors.code, type = 0xe): number[] {
  const low = BigInt(handler & 0xffff) | selector << 16n | BigInt(0xe0 | type) << 40n | BigInt(handler >>> 16) << 48n;
  return [...qword(low), ...qword(0n)];
}

function copy(event: EventReader): VmxEvent {
  const { kind, aux, a, b, c, rip } = event, vmx = kind === 'vmxInstruction' || kind === 'vmread', wide = kind === 'vmExit' || kind === 'vmEntry';
  return {
    kind, aux, a, b, c, rip, d: wide ? event.d : 0n, e: wide ? event.e : 0n, failedCheck: wide ? event.failedCheck : 0, interruptionInfo: wide ? event.interruptionInfo : 0,
    ...(vmx && { instruction: event.instruction, outcome: event.outcome, error: event.errorNumber, destination: event.destination }),
  };
}
