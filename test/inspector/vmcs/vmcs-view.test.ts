import { describe, expect, it } from 'vitest';
import { defaultProcessorModel as model } from '../../../src/spec/processor-models';
import { vmcsFieldById, vmcsFields, type VmcsFieldId } from '../../../src/spec/vmcs-fields';
import { fieldsByGroup } from '../../../src/inspector/vmcs/field-groups';
import { controlInForce, diffVmcs, fieldText, viewField, viewGroup, viewVmcs } from '../../../src/inspector/vmcs/vmcs-view';
import type { VmcsSource } from '../../../src/inspector/vmcs/vmcs-source';

const source = (values: Partial<Record<VmcsFieldId, bigint>>, more: Partial<VmcsSource> = {}): VmcsSource => ({
  title: 'test', level: 1, pointer: 0x1000, read: id => values[id] === undefined ? undefined : { value: values[id], known: 'written' }, readOnly: 'believed', ...more,
});

it('every field stands in exactly one group', () => {
  const grouped = [...fieldsByGroup.values()].flat();
  expect(new Set(grouped).size).toBe(vmcsFields.length);
  expect(grouped.length).toBe(vmcsFields.length);
});

it.each([
  ['GUEST_RIP', 'guestRegisters'], ['GUEST_CS_ACCESS_RIGHTS', 'guestSegments'], ['GUEST_GDTR_BASE', 'guestSegments'], ['GUEST_ACTIVITY_STATE', 'guestNonRegister'],
  ['VMCS_LINK_POINTER', 'guestNonRegister'],
  ['GUEST_SMBASE', 'guestNonRegister'], ['HOST_TR_SELECTOR', 'host'], ['PIN_BASED_CONTROLS', 'pin'], ['SECONDARY_PROC_BASED_CONTROLS', 'processor'], ['EPT_POINTER', 'execution'],
  ['VM_EXIT_CONTROLS', 'exit'], ['VM_ENTRY_INTERRUPTION_INFO', 'entry'], ['EXIT_QUALIFICATION', 'exitInformation'], ['VM_INSTRUCTION_ERROR', 'exitInformation'],
  ['GUEST_PHYSICAL_ADDRESS', 'exitInformation'],
] as const)('%s is in %s', (id, group) => { expect(fieldsByGroup.get(group)!.map(field => field.id)).toContain(id); });

describe('field text', () => {
  it.each([
    ['EXIT_REASON', 10n, 'CPUID (10)'], ['EXIT_REASON', 0x8000_0021n, '(33), VM-entry failure'], ['VM_INSTRUCTION_ERROR', 0n, 'none'], ['VM_INSTRUCTION_ERROR', 7n, '7: '],
    ['GUEST_CR0', 0x8000_0031n, '0x80000031 PE, ET, NE, PG'], ['GUEST_RIP', 0x1234n, '0x1234'], ['GUEST_ACTIVITY_STATE', 1n, 'HLT'],
  ] as const)('%s %s', (id, value, expected) => {
    expect(fieldText(vmcsFieldById(id), value)).toContain(expected);
  });
});

describe('views', () => {
  const values = { GUEST_CR0: 0x8000_0031n, PRIMARY_PROC_BASED_CONTROLS: 0x8000_0080n, SECONDARY_PROC_BASED_CONTROLS: 2n, EPT_POINTER: 0x101en, EXIT_REASON: 23n,
    VM_EXIT_INSTRUCTION_INFO: 0x418n };
  it('show bits, and unknown fields as unknown', () => {
    const cr0 = viewField(source(values), vmcsFieldById('GUEST_CR0'), model);
    expect(cr0.children.filter(({ value }) => value === 1n).map(({ id }) => id)).toEqual(['pe', 'et', 'ne', 'pg']);
    expect(cr0).toMatchObject({ known: 'written', readOnly: 'believed', exists: true, inUse: true, changed: false });
    expect(viewField(source(values), vmcsFieldById('GUEST_CR3'), model)).toMatchObject({ value: undefined, text: 'unknown', known: 'unknown', children: [] });
  });
  it('know whether a field is in use: by its control, whose word must be active', () => {
    const ept = vmcsFieldById('EPT_POINTER');
    expect(viewField(source(values), ept, model).inUse).toBe(true);
    expect(viewField(source({ ...values, SECONDARY_PROC_BASED_CONTROLS: 0n }), ept, model).inUse).toBe(false);
    expect(controlInForce(source({ ...values, PRIMARY_PROC_BASED_CONTROLS: 0x80n }), 'secondary.enableEpt')).toBe(false);
  });
  it('decode the instruction information by the exit reason', () => {
    expect(viewField(source(values), vmcsFieldById('VM_EXIT_INSTRUCTION_INFO'), model).layout).toBe('instructionInfoVmreadVmwrite');
    expect(viewField(source({ ...values, EXIT_REASON: 10n }), vmcsFieldById('VM_EXIT_INSTRUCTION_INFO'), model).layout).toBeUndefined();
  });
  it('leave out fields that the processor lacks', () => {
    const shown = viewVmcs(source(values), model).flatMap(({ fields }) => fields.map(({ id }) => id));
    expect(shown).toContain('EPT_POINTER');
    expect(shown).not.toContain('HLAT_POINTER');
  });
  it('mark what changed since a snapshot', () => {
    const before = new Map(Object.entries(values) as [VmcsFieldId, bigint][]), after = source({ ...values, GUEST_CR0: 1n });
    expect(viewGroup(after, 'guestRegisters', model, before).fields.filter(({ changed }) => changed).map(({ id }) => id)).toEqual(['GUEST_CR0']);
  });
  it('can be written where the source can', () => {
    expect(viewField(source(values, { write: () => true }), vmcsFieldById('GUEST_CR0'), model).readOnly).toBeUndefined();
  });
});

it('differences name the fields and the bits', () => {
  const differences = diffVmcs(source({ GUEST_CR0: 0x31n, GUEST_RIP: 1n, GUEST_RSP: 5n }), source({ GUEST_CR0: 0x8000_0031n, GUEST_RIP: 2n, GUEST_RSP: 5n }), model);
  expect(differences.map(({ id, bits }) => [id, bits.map(({ name }) => name)])).toEqual([['GUEST_CR0', ['PG']], ['GUEST_RIP', []]]);
});
