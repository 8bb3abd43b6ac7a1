// Reading the event ring: one reusable cursor over the records that the core writes in linear memory.
// Record layouts are in codegen/state-layout.ts (eventFields). Values are read as halves or numbers where that is enough, so that
// a consumer of a million events a second makes no BigInt it does not need.
import { eventFields as F, eventKinds, eventSlotBytes, eventSlots, region, vmxInstructions, vmxOutcomes, type EventKind } from './codegen/state-layout';

const ring = region('events');

/**
 * A cursor on one event. Meaning by kind:
 *
 * - `vmxInstruction`: aux = instruction id | outcome << 8 | error number << 16 | register << 24; a = pointer operand, or field encoding of VMREAD and VMWRITE;
 *   b = value (VMREAD: as read, 0 when it exited); c = current-VMCS pointer as the processor has it in root operation, all ones in non-root
 *   operation (only software below knows); register = destination of a VMREAD, 0xff = memory. rip is at the instruction.
 * - `vmExit`: aux = exit reason field (bit 31: failed entry); a = exit qualification, b = VMCS pointer, c = guest-physical address,
 *   d = guest-linear address; rip, rsp, cr3, rflags, cr0 and gpr are the guest's at the exit; failedCheck = 1 + row of spec/entry-checks.
 * - `vmEntry`: aux = 0 VMLAUNCH, 1 VMRESUME; a = VMCS pointer, b = EPT pointer (0 = off), c = VPID; interruptionInfo = injected event;
 *   rip, rsp, cr3, rflags, cr0 are the guest's as loaded, gpr as both share them; d, e = host RIP and host CR3 of that VMCS.
 * - `exception`: aux = vector | hasError << 8, a = error code, b = faulting address. `interrupt`: aux = vector (2: NMI).
 * - `unimplemented`: a = up to 8 opcode bytes (little endian), aux = length. `tripleFault`, `reset`: no payload. `vcpuSwitch`: the vCPU of the record
 *   takes its turn; aux = the one before.
 */
export class EventReader {
  /** Byte address of the record in the machine's memory. A consumer that reads words itself (a million events a second) starts here. */
  at = ring.base;
  constructor(readonly view: DataView) {}

  /** Moves to the slot with that absolute number. */
  seek(slot: number): void { this.at = ring.base + (slot % eventSlots) * eventSlotBytes; }

  /** Index in `eventKinds`. */
  get kindNumber(): number { return this.view.getUint8(this.at + F.kind); }
  get kind(): EventKind { return eventKinds[this.view.getUint8(this.at + F.kind)]; }
  get slots(): number { return this.view.getUint8(this.at + F.slots); }
  get vcpu(): number { return this.view.getUint8(this.at + F.vcpu); }
  get aux(): number { return this.view.getUint32(this.at + F.aux, true); }
  get time(): bigint { return this.u64(F.time); }
  get rip(): bigint { return this.u64(F.rip); }
  get rsp(): bigint { return this.u64(F.rsp); }
  get cr3(): bigint { return this.u64(F.cr3); }
  get a(): bigint { return this.u64(F.a); }
  get b(): bigint { return this.u64(F.b); }
  get c(): bigint { return this.u64(F.c); }
  get d(): bigint { return this.u64(F.d); }
  get e(): bigint { return this.u64(F.e); }
  get instructionLength(): number { return this.u32(F.instructionLength); }
  get interruptionInfo(): number { return this.u32(F.interruptionInfo); }
  get interruptionError(): number { return this.u32(F.interruptionError); }
  get vectoringInfo(): number { return this.u32(F.vectoringInfo); }
  get vectoringError(): number { return this.u32(F.vectoringError); }
  get instructionInfo(): number { return this.u32(F.instructionInfo); }
  get failedCheck(): number { return this.u32(F.failedCheck); }
  /** Of the instruction or interrupted code. Bit 0: in VMX non-root operation; bit 1: IA-32e mode; bits 3:2: CPL. */
  get flags(): number { return this.view.getUint8(this.at + F.flags); }
  get rflags(): bigint { return this.u64(F.rflags); }
  get cr0(): bigint { return this.u64(F.cr0); }
  /** General register `n` (encoding order), on records that carry them. */
  gpr(n: number): bigint { return this.u64(F.gpr + n * 8); }
  /** `vmxInstruction`: mnemonic and outcome. */
  get instruction(): (typeof vmxInstructions)[number] { return vmxInstructions[this.aux & 0xff]; }
  get outcome(): (typeof vmxOutcomes)[number] { return vmxOutcomes[this.aux >> 8 & 0xff]; }
  get errorNumber(): number { return this.aux >>> 16 & 0xff; }
  /** `vmxInstruction`: destination register of a VMREAD in encoding order, undefined when it is memory. */
  get destination(): number | undefined { const r = this.aux >>> 24; return r === 0xff ? undefined : r; }
  /** `vmExit`: basic exit reason. */
  get basicReason(): number { return this.aux & 0xffff; }

  /** A value below 2^53 without making a BigInt (host-physical pointers fit; all ones becomes -1). */
  number(offset: number): number {
    const low = this.view.getUint32(this.at + offset, true), high = this.view.getUint32(this.at + offset + 4, true);
    return high === 0xffffffff && low === 0xffffffff ? -1 : high * 0x1_0000_0000 + low;
  }
  /** True when two 64-bit payloads at those offsets of this record and the given halves are equal. */
  equals(offset: number, low: number, high: number): boolean {
    return this.view.getUint32(this.at + offset, true) === low && this.view.getUint32(this.at + offset + 4, true) === high;
  }
  private u32(offset: number): number { return this.view.getUint32(this.at + offset, true); }
  private u64(offset: number): bigint { return this.view.getBigUint64(this.at + offset, true); }
}
