// Model-specific registers of a level. Of a level that does not execute, the value is in its VMCS where VM entries and exits switch the register; else
// there is one value for all, the processor's.
import type { Machine } from '../../emulator/machine';
import type { Msr } from '../../spec/msrs';
import { isVmcsFieldId, vmcsFieldById, type VmcsFieldId } from '../../spec/vmcs-fields';
import type { Context } from '../levels/context';
import type { LevelTracker } from '../levels/level-tracker';
import { hardwareVmcs } from '../vmcs/vmcs-source';
import { viewField } from '../vmcs/vmcs-view';
import type { LevelRegisters } from './level-registers';

export interface MsrParts { readonly machine: Machine; readonly tracker: LevelTracker; readonly registers: LevelRegisters }

/** Value of an MSR, where it is held, and why it cannot be set, absent if it can. */
export interface MsrValue { readonly value: bigint; readonly where: string; readonly readOnly?: string }

/** APIC registers are MSRs in x2APIC mode only. */
const x2apicFirst = 0x800, x2apicLast = 0x83f, x2apicEnabled = 0x400n;

/** Whether RDMSR of the register does not fault now. */
export function msrExists({ index, access }: Msr, { machine }: Pick<MsrParts, 'machine'>, vcpu: number): boolean {
  if (access === 'write-only') return false;
  return index < x2apicFirst || index > x2apicLast || (machine.registers(vcpu).get('msr.IA32_APIC_BASE') & x2apicEnabled) !== 0n;
}

/** Throws an Error when the register cannot be read. */
export function msrValue(row: Msr, context: Context, parts: MsrParts): MsrValue {
  const { machine, registers } = parts, efer = row.name === 'IA32_EFER' ? registers.get(context, 'efer') : undefined;
  if (efer?.note !== undefined || efer?.readOnly !== undefined) return { value: efer.value, where: efer.note ?? efer.readOnly!, ...efer.readOnly !== undefined && { readOnly: efer.readOnly } };
  const field = fieldFor(row, context, parts), value = field && machine.readVmcs(BigInt(context.hardwareVmcs), vmcsFieldById(field).encoding);
  if (value !== undefined) return { value, where: `${field} of the VMCS at 0x${context.hardwareVmcs.toString(16)}` };
  if (!msrExists(row, parts, context.vcpu)) throw new Error(`${row.name} cannot be read here: reading it is #GP(0)`);
  const where = context.state === 'executing' ? 'in the processor' : `the value that the processor has now, which VM entries and exits of L${context.level} leave alone`;
  return { value: machine.registers(context.vcpu).get(`msr.${row.name}`), where, ...row.access === 'read-only' && { readOnly: `${row.name} is read-only` } };
}

/** Sets an MSR where it is held, with the checks of WRMSR where that is the processor. Throws an Error that says why not. */
export function setMsr(row: Msr, context: Context, value: bigint, parts: MsrParts): void {
  const { machine, registers } = parts, field = fieldFor(row, context, parts);
  const fixed = row.name === 'IA32_EFER' ? registers.get(context, 'efer')?.readOnly : undefined;
  if (fixed !== undefined) throw new Error(fixed);
  if (field) {
    if (!machine.writeVmcs(BigInt(context.hardwareVmcs), vmcsFieldById(field).encoding, value)) throw new Error(`${field} cannot be written`);
    return;
  }
  if (row.access === 'read-only') throw new Error(`${row.name} is read-only`);
  try {
    machine.registers(context.vcpu).set(`msr.${row.name}`, value);
  } catch {
    throw new Error(`${row.name} does not take 0x${value.toString(16)}: WRMSR would be #GP(0)`);
  }
}

/** The field of the VMCS of a suspended context that holds its value; undefined where VM entries and exits leave the register alone. */
function fieldFor({ name }: Msr, context: Context, { machine, tracker }: MsrParts): VmcsFieldId | undefined {
  const id = `GUEST_${/^IA32_[FG]S_BASE$/.test(name) ? name.slice(5) : name}`, pointer = context.hardwareVmcs;
  if (context.level === 0 || context.state === 'executing' || pointer < 0 || !isVmcsFieldId(id) || tracker.hardwareVmcs(pointer)?.carried !== context) return undefined;
  return viewField(hardwareVmcs(machine, pointer), vmcsFieldById(id), machine.processor).inUse ? id : undefined;
}
