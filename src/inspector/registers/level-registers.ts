// The registers of any level. The executing one has the processor's; another one's are where its parent (the software below) keeps them, as far
// as the machine can know: the VMCS that carries it, or the record of its last world switch. Each value says where it comes from.
import type { Machine, PagingContext } from '../../emulator/machine';
import type { LayoutName } from '../../spec/bit-layouts';
import { controlMask, type ControlRef } from '../../spec/controls';
import { vmcsFieldById, type VmcsFieldId } from '../../spec/vmcs-fields';
import type { Context } from '../levels/context';
import type { LevelTracker } from '../levels/level-tracker';
import { registerProblem } from './register-rules';
import { registerRow, registerTable, type RegisterGroup, type RegisterRow } from './register-table';

/** Where a value is: in the processor, in a field of a hardware VMCS, or only in the record of the last world switch (`time` in units). */
export type RegisterSource =
  | { readonly kind: 'live' }
  | { readonly kind: 'vmcs'; readonly field: VmcsFieldId; readonly pointer: number }
  | { readonly kind: 'recorded'; readonly at: 'VM exit' | 'VM entry'; readonly time: number };

export interface RegisterValue {
  readonly name: string;
  readonly group: RegisterGroup;
  readonly bits: 16 | 32 | 64;
  readonly value: bigint;
  readonly layout?: LayoutName;
  readonly source: RegisterSource;
  /** Why the value cannot be set, absent if it can. */
  readonly readOnly?: string;
  /** What the user should know of the value. */
  readonly note?: string;
}

/** What is known of a register that its owner does not have on the processor now. */
type Held = Pick<RegisterValue, 'value' | 'source' | 'readOnly' | 'note'>;

const lmaAndLme = 0x500n;

export class LevelRegisters {
  constructor(private readonly machine: Machine, private readonly tracker: LevelTracker) {}

  isLive(context: Context): boolean { return context.state === 'executing'; }

  /** A register by its name in the machine ('rax', 'cs.base', 'efer', ...); undefined when there is none or its value is not known. */
  get(context: Context, name: string): RegisterValue | undefined {
    const row = registerRow(name.toLowerCase());
    return row && this.valueOf(context, row);
  }
  value(context: Context, name: string): bigint | undefined { return this.get(context, name)?.value; }

  /** All registers whose values are known, in the order of the table. */
  all(context: Context): RegisterValue[] { return registerTable.map(row => this.valueOf(context, row)).filter(value => value !== undefined); }

  /** The registers of a group whose values are known. */
  ofGroup(context: Context, group: RegisterGroup): RegisterValue[] {
    return registerTable.flatMap(row => row.group === group ? this.valueOf(context, row) ?? [] : []);
  }

  /** Sets a register where it is held. Throws an Error that says why it cannot be set. */
  set(context: Context, name: string, value: bigint): void {
    const register = this.get(context, name);
    if (!register) throw new RangeError(`${name} of L${context.level} is not known`);
    if (register.readOnly !== undefined) throw new RangeError(register.readOnly);
    if (value < 0n || value >= 1n << BigInt(register.bits)) throw new RangeError(`${name} has ${register.bits} bits`);
    if (register.source.kind === 'live') {
      const file = this.machine.registers(context.vcpu), vmx = this.machine.vmx(context.vcpu);
      const problem = registerProblem(register.name, value, { value: each => file.get(each), vmxRoot: vmx.vmxOn && !vmx.nonRoot, model: this.machine.processor });
      if (problem !== undefined) throw new RangeError(problem);
      file.set(register.name, value);
    } else if (register.source.kind === 'vmcs' && !this.machine.writeVmcs(BigInt(register.source.pointer), vmcsFieldById(register.source.field).encoding, value)) {
      throw new RangeError(`${register.source.field} cannot be written`);
    }
  }

  /**
   * RIP, RSP and the rest as the context left them, for unwinding and C variables: consistent with each other, wherever RIP has been moved to since. Vector
   * registers are whole ones.
   */
  frameRegisters(context: Context): Record<string, bigint | undefined> {
    const values: Record<string, bigint | undefined> = {};
    for (const row of registerTable) if (row.group === 'general') values[row.name] = row.general === undefined && !this.isLive(context) ? undefined : this.valueOf(context, row)?.value;
    for (let n = 0; n < 16; n++) {
      const low = this.value(context, `xmm${n}.low`), high = this.value(context, `xmm${n}.high`);
      if (low !== undefined && high !== undefined) values[`xmm${n}`] = high << 64n | low;
    }
    if (!this.isLive(context)) {
      values.rip = context.rip;
      values.rsp = context.rsp;
      values.rflags = context.level > 0 && context.switches > 0 ? context.last.rflags : this.value(context, 'rflags');
    }
    return values;
  }

  /** Paging of a context for `Machine.translate` and friends; undefined for the executing one (the processor's own applies). */
  paging(context: Context): PagingContext | undefined {
    if (this.isLive(context)) return undefined;
    const longMode = context.level > 0 ? (context.last.flags & 2) !== 0 : true;
    return {
      cr0: this.value(context, 'cr0') ?? (context.switches > 0 ? context.last.cr0 : 0x8000_0001n),
      cr3: (context.level > 0 && context.switches > 0 ? context.last.cr3 : this.value(context, 'cr3')) ?? 0n,
      cr4: this.value(context, 'cr4') ?? (longMode ? 0x20n : 0n),
      efer: this.value(context, 'efer') ?? 0n,
      ...context.eptp !== 0n && { eptp: context.eptp },
    };
  }

  /** Bits of the code that runs at the context's RIP. */
  codeBits(context: Context): 16 | 32 | 64 {
    const rights = this.value(context, 'cs.rights') ?? 0n;
    const isLong = ((this.value(context, 'efer') ?? 0n) & 0x400n) !== 0n;
    return isLong && (rights & 0x2000n) !== 0n ? 64 : (rights & 0x4000n) !== 0n ? 32 : 16;
  }

  private valueOf(context: Context, row: RegisterRow): RegisterValue | undefined {
    const held = this.isLive(context) ? this.live(context, row) : context.level === 0 ? this.ofRoot(context, row) : this.ofGuest(context, row);
    return held && { name: row.name, group: row.group, bits: row.bits, layout: row.layout, ...held };
  }

  private live(context: Context, row: RegisterRow, note?: string): Held {
    return { value: this.machine.registers(context.vcpu).get(row.name), source: { kind: 'live' }, ...note !== undefined && { note } };
  }

  /** The guest area of the VMCS, as long as that VMCS still carries the context. */
  private ofGuest(context: Context, row: RegisterRow): Held | undefined {
    const carrier = this.tracker.hardwareVmcs(context.hardwareVmcs), isCarried = carrier !== undefined && carrier.carried === context;
    if (row.general !== undefined) return context.switches > 0 ? this.recorded(context, context.last.gpr(row.general), generalReason(context)) : undefined;
    if (row.guestField && isCarried && (row.name !== 'efer' || this.savesEfer(context.hardwareVmcs))) {
      return this.inVmcs(row.guestField, context.hardwareVmcs);
    }
    if (context.switches === 0) return undefined;
    if (row.name === 'efer') {
      const longMode = (context.last.flags & 2) !== 0, now = this.machine.registers(context.vcpu).get('efer');
      return this.recorded(context, longMode ? now | lmaAndLme : now & ~lmaAndLme, 'VM exits do not save EFER here: only its LMA and LME are known, from the last exit');
    }
    const last = context.last, values: Record<string, bigint> = { rip: last.rip, rsp: last.rsp, rflags: last.rflags, cr0: last.cr0, cr3: last.cr3 };
    if (values[row.name] !== undefined) {
      return this.recorded(context, values[row.name], `no VMCS holds L${context.level} now: the one that carried it carries another level, and the value is that of its last VM exit`);
    }
    return row.guestField ? undefined : this.live(context, row, notSwitched);
  }

  /** The host area of the VMCS that L0 entered with, for what an exit loads from there. */
  private ofRoot(context: Context, row: RegisterRow): Held | undefined {
    const pointer = context.currentVmcs?.pointer ?? -1;
    if (context.switches === 0) return undefined;
    if (row.general !== undefined) return this.recorded(context, context.last.gpr(row.general), generalReason(context));
    if (row.name === 'rip' && context.rip) return this.recorded(context, context.rip, 'L0 is in its VM entry: after the next VM exit it goes on at HOST_RIP, which can be set in the VMCS');
    if (row.name === 'rsp' && context.rsp) return this.recorded(context, context.rsp, 'L0 is in its VM entry: after the next VM exit its stack is at HOST_RSP, which can be set in the VMCS');
    if (row.name === 'rflags') return this.recorded(context, 2n, 'a VM exit loads RFLAGS with this constant');
    if (row.name === 'efer' && !this.loadsHostEfer(pointer)) return this.live(context, row, notSwitched);
    if (row.hostField && pointer >= 0) return this.inVmcs(row.hostField, pointer);
    return row.guestField ? undefined : this.live(context, row, notSwitched);
  }

  private inVmcs(field: VmcsFieldId, pointer: number): Held | undefined {
    const value = this.machine.readVmcs(BigInt(pointer), vmcsFieldById(field).encoding);
    return value === undefined ? undefined : { value, source: { kind: 'vmcs', field, pointer } };
  }
  private recorded(context: Context, value: bigint, readOnly: string): Held {
    return { value, source: { kind: 'recorded', at: context.level > 0 ? 'VM exit' : 'VM entry', time: context.last.time }, readOnly };
  }
  private savesEfer(pointer: number): boolean { return this.hasExitControl(pointer, 'exit.saveEfer'); }
  private loadsHostEfer(pointer: number): boolean { return pointer >= 0 && this.hasExitControl(pointer, 'exit.loadEfer'); }
  private hasExitControl(pointer: number, control: ControlRef): boolean {
    return ((this.machine.readVmcs(BigInt(pointer), vmcsFieldById('VM_EXIT_CONTROLS').encoding) ?? 0n) & controlMask(control)) !== 0n;
  }
}

const notSwitched = 'not switched by VM entries and exits: the value that the processor has now';
const generalReason = (context: Context): string =>
  `general registers of L${context.level} are in memory of the software below while it does not run: the value is that of its last world switch`;
