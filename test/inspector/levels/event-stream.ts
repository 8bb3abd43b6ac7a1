// Writes events into a real ring memory, as the core does, and feeds them to a consumer through the real EventReader.
import { EventReader } from '../../../src/emulator/event-ring';
import { eventFields as F, eventKinds, eventSlotBytes, eventSlots, region, vmxInstructions, vmxOutcomes, type EventKind } from '../../../src/emulator/codegen/state-layout';

const ring = region('events');

/** Registers that an exit or entry record carries. */
export interface MachineState { rip: bigint; rsp: bigint; cr3: bigint; rflags?: bigint; gpr?: readonly bigint[] }

export interface ExitFields { vcpu?: number; reason: number; failed?: boolean; vmcs: bigint; length?: number; qualification?: bigint; guestPhysical?: bigint; flags?: number }
export interface EntryFields { vcpu?: number; vmcs: bigint; eptp?: bigint; vpid?: bigint; resume?: boolean; interruptionInfo?: number; hostRip?: bigint; hostCr3?: bigint }
export interface InstructionFields {
  vcpu?: number; name: (typeof vmxInstructions)[number]; outcome?: (typeof vmxOutcomes)[number]; root?: boolean;
  operand?: bigint; value?: bigint; current?: bigint; destination?: number; errorNumber?: number;
}

export class EventStream {
  readonly view = new DataView(new ArrayBuffer(ring.base + ring.size));
  private readonly reader = new EventReader(this.view);
  private slot = 0;
  private now = 1n;
  count = 0;

  constructor(private readonly visit: (event: EventReader) => void) {}

  exit(state: MachineState, f: ExitFields): void {
    const at = this.begin('vmExit', 4, f.vcpu ?? 0, f.flags ?? 3, f.reason | (f.failed ? 0x8000_0000 : 0), state);
    this.put(at, F.a, f.qualification ?? 0n);
    this.put(at, F.b, f.vmcs);
    this.put(at, F.c, f.guestPhysical ?? 0n);
    this.view.setUint32(at + F.instructionLength, f.length ?? 3, true);
    this.end(4);
  }
  entry(state: MachineState, f: EntryFields): void {
    const at = this.begin('vmEntry', 4, f.vcpu ?? 0, 3, f.resume === false ? 0 : 1, state);
    this.put(at, F.a, f.vmcs);
    this.put(at, F.b, f.eptp ?? 0n);
    this.put(at, F.c, f.vpid ?? 0n);
    this.put(at, F.d, f.hostRip ?? 0n);
    this.put(at, F.e, f.hostCr3 ?? 0n);
    this.view.setUint32(at + F.interruptionInfo, f.interruptionInfo ?? 0, true);
    this.end(4);
  }
  instruction(state: MachineState, f: InstructionFields): void {
    const outcome = f.outcome ?? (f.root ? 'success' : 'exited');
    const aux = vmxInstructions.indexOf(f.name) | vmxOutcomes.indexOf(outcome) << 8 | (f.errorNumber ?? 0) << 16 | (f.destination ?? 0xff) << 24;
    const at = this.begin('vmxInstruction', 1, f.vcpu ?? 0, f.root ? 2 : 3, aux >>> 0, state);
    this.put(at, F.a, f.operand ?? 0n);
    this.put(at, F.b, f.value ?? 0n);
    this.put(at, F.c, f.current ?? 0xffff_ffff_ffff_ffffn);
    this.end(1);
  }
  reset(vcpu = 0): void {
    this.begin('reset', 1, vcpu, 0, 0, { rip: 0n, rsp: 0n, cr3: 0n });
    this.end(1);
  }

  /** Gives the event in a slot another time. */
  date(slot: number, time: bigint): void { this.put(ring.base + slot % eventSlots * eventSlotBytes, F.time, time); }

  private begin(kind: EventKind, slots: number, vcpu: number, flags: number, aux: number, state: MachineState): number {
    if (this.slot % eventSlots + slots > eventSlots) this.slot += eventSlots - this.slot % eventSlots;
    const at = ring.base + this.slot % eventSlots * eventSlotBytes, v = this.view;
    v.setUint8(at + F.kind, eventKinds.indexOf(kind));
    v.setUint8(at + F.flags, flags);
    v.setUint8(at + F.slots, slots);
    v.setUint8(at + F.vcpu, vcpu);
    v.setUint32(at + F.aux, aux, true);
    this.put(at, F.time, this.now++);
    this.put(at, F.rip, state.rip);
    this.put(at, F.rsp, state.rsp);
    this.put(at, F.cr3, state.cr3);
    if (slots === 4) {
      for (let n = 0; n < 16; n++) this.put(at, F.gpr + n * 8, state.gpr?.[n] ?? 0n);
      this.put(at, F.rflags, state.rflags ?? 2n);
      for (const field of [F.instructionLength, F.interruptionInfo, F.interruptionError, F.vectoringInfo, F.vectoringError, F.instructionInfo,
      F.failedCheck]) v.setUint32(at + field, 0, true);
    }
    return at;
  }
  private put(at: number, field: number, value: bigint): void { this.view.setBigUint64(at + field, value, true); }
  private end(slots: number): void {
    this.reader.seek(this.slot);
    this.slot += slots;
    this.count++;
    this.visit(this.reader);
  }
}
