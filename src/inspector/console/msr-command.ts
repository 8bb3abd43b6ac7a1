// `msr`: a model-specific register, decoded, and set. Of a level that does not execute, the value is in its VMCS where VM entries and exits switch the
// register; else there is one value for all, the processor's.
import { decodeBits } from '../../spec/bit-layouts';
import { msrByIndex, msrByName, msrs, type Msr } from '../../spec/msrs';
import { isVmcsFieldId, vmcsFieldById, type VmcsFieldId } from '../../spec/vmcs-fields';
import { hardwareVmcs } from '../vmcs/vmcs-source';
import { bitsText, viewField } from '../vmcs/vmcs-view';
import type { Context } from '../levels/context';
import { parseInteger } from '../target/variable-tree';
import { bitNode } from '../target/vmcs-nodes';
import { contextOfLevel, hex, splitLevel, type Answer, type ConsoleCommand, type ConsoleScope } from './command';

export const msr: ConsoleCommand = {
  name: 'msr', usage: 'msr NAME|INDEX [at L2] [= VALUE]', sentence: 'A model-specific register with its named bits; with a value, sets it.',
  run(argument, scope) {
    const [, subject, value] = /^([^=]+?)\s*(?:=\s*([^=]+))?$/s.exec(argument) ?? [];
    if (subject === undefined) return undefined;
    const { rest, level } = splitLevel(subject), row = rowNamed(rest);
    if (!row) return undefined;
    const context = contextOfLevel(scope, level);
    if (value !== undefined) set(row, context, parseInteger(value, row.name, 64), scope);
    return show(row, context, scope);
  },
  complete: () => msrs.map(({ name }) => name),
};

/** By index or name, `IA32_` may be left out. An index must exist: a name that does not may be a variable. */
function rowNamed(text: string): Msr | undefined {
  if (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text)) {
    const row = msrByIndex(Number(text));
    if (!row) throw new Error(`there is no MSR ${hex(Number(text))}: reading it is #GP(0)`);
    return row;
  }
  const name = text.toUpperCase();
  return msrByName(name) ?? msrByName(`IA32_${name}`);
}

/** The field of the VMCS of a suspended context that holds its value; undefined where VM entries and exits leave the register alone. */
function fieldFor({ name }: Msr, context: Context, { session: { machine, tracker } }: ConsoleScope): VmcsFieldId | undefined {
  const id = `GUEST_${/^IA32_[FG]S_BASE$/.test(name) ? name.slice(5) : name}`, pointer = context.hardwareVmcs;
  if (context.level === 0 || context.state === 'executing' || pointer < 0 || !isVmcsFieldId(id) || tracker.hardwareVmcs(pointer)?.carried !== context) return undefined;
  return viewField(hardwareVmcs(machine, pointer), vmcsFieldById(id), machine.processor).inUse ? id : undefined;
}

function held(row: Msr, context: Context, scope: ConsoleScope): { readonly value: bigint; readonly where: string } {
  const { machine, registers } = scope.session, efer = row.name === 'IA32_EFER' ? registers.get(context, 'efer') : undefined;
  if (efer?.note !== undefined || efer?.readOnly !== undefined) return { value: efer.value, where: efer.note ?? efer.readOnly! };
  const field = fieldFor(row, context, scope), value = field && machine.readVmcs(BigInt(context.hardwareVmcs), vmcsFieldById(field).encoding);
  if (value !== undefined) return { value, where: `${field} of the VMCS at ${hex(context.hardwareVmcs)}` };
  const where = context.state === 'executing' ? 'in the processor' : `the value that the processor has now, which VM entries and exits of L${context.level} leave alone`;
  try {
    return { value: machine.registers(context.vcpu).get(`msr.${row.name}`), where };
  } catch {
    throw new Error(`${row.name} cannot be read here: reading it is #GP(0)`);
  }
}

function set(row: Msr, context: Context, value: bigint, scope: ConsoleScope): void {
  const { machine, registers } = scope.session, field = fieldFor(row, context, scope);
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
    throw new Error(`${row.name} does not take ${hex(value)}: WRMSR would be #GP(0)`);
  }
}

function show(row: Msr, context: Context, scope: ConsoleScope): Answer {
  const { value, where } = held(row, context, scope), { layout, name, index, access, meaning } = row, bits = layout ? bitsText(layout, value) : '';
  return {
    text: `${name} (${hex(index)}) = ${hex(value)}${bits === '' ? '' : `  ${bits}`}\n${meaning} ${access}; ${where}.`,
    ...layout && { children: () => decodeBits(layout, value).map(bitNode) },
  };
}
