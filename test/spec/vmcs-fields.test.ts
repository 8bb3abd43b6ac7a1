import { describe, expect, it } from 'vitest';
import { capabilityMsrValues, vmcsFieldExists } from '../../src/spec/capability-msrs';
import { controlByRef, controlWordTraits, isControlRef } from '../../src/spec/controls';
import { defaultProcessorModel } from '../../src/spec/processor-models';
import { isVmcsFieldId, vmcsFieldBits, vmcsFieldByEncoding, vmcsFieldById, vmcsFields, vmcsOffset, vmcsRegion } from '../../src/spec/vmcs-fields';
import { facts } from './facts';
import type { Facts } from './facts';

describe('VMCS fields', () => {
  it('have unique ids, names and encodings', () => {
    for (const column of ['id', 'name', 'encoding'] as const) expect(new Set(vmcsFields.map((field) => field[column])).size).toBe(vmcsFields.length);
  });
  it('are in the order of their encodings', () => {
    const encodings = vmcsFields.map((field) => field.encoding);
    expect(encodings).toEqual([...encodings].sort((a, b) => a - b));
  });
  it.each(vmcsFields.map((field) => [field.id, field] as const))('%s: what derives from the encoding gives it back', (_, field) => {
    const width = { 16: 0, 64: 1, 32: 2, natural: 3 }[field.width];
    const type = { control: 0, 'read-only': 1, guest: 2, host: 3 }[field.type];
    expect((width << 13) | (type << 10) | (field.index << 1)).toBe(field.encoding);
    expect(field.highEncoding).toBe(field.width === 64 ? field.encoding + 1 : undefined);
    expect(vmcsFieldByEncoding(field.encoding)).toBe(field);
    expect(vmcsFieldById(field.id)).toBe(field);
  });
  it('only 64-bit fields have a high half', () => {
    expect(vmcsFieldByEncoding(0x201b)?.id).toBe('EPT_POINTER');
    expect(vmcsFieldByEncoding(0x681f)).toBeUndefined();
    expect(vmcsFieldByEncoding(0x4001)).toBeUndefined();
  });
  it('no field has a reserved encoding', () => {
    for (const encoding of [0x482c, 0x1000, 0x8000, 0x2046, 0x2050]) expect(vmcsFieldByEncoding(encoding)).toBeUndefined();
    expect(isVmcsFieldId('GUEST_NOTHING')).toBe(false);
    expect(() => vmcsFieldById('GUEST_NOTHING' as never)).toThrow();
  });
  it('natural-width fields have 64 bits', () => {
    expect(vmcsFieldBits(vmcsFieldById('GUEST_RIP'))).toBe(64);
    expect(vmcsFieldBits(vmcsFieldById('VPID'))).toBe(16);
  });
  it('exist by controls, features and counts that there are', () => {
    const other = /^(vmFunction\.eptpSwitching|feature\.(fred|tdx)|cr3Targets\.[0-3])$/;
    for (const condition of vmcsFields.flatMap((field) => field.existsIf ?? [])) expect(isControlRef(condition) || other.test(condition), condition).toBe(true);
  });
});

describe('the VMCS region', () => {
  it('gives each field a slot of its own, after the header and within 4 KiB', () => {
    const offsets = vmcsFields.map((field) => vmcsOffset(field.id));
    expect(new Set(offsets).size).toBe(offsets.length);
    for (const offset of offsets) {
      expect(offset % 8).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(vmcsRegion.fieldsOffset);
      expect(offset + 8).toBeLessThanOrEqual(vmcsRegion.size);
    }
  });
});

describe('fields that the default processor has', () => {
  const exists = (id: string): boolean => vmcsFieldExists(vmcsFieldById(id as never), defaultProcessorModel);
  it.each([
    ['GUEST_RIP', true], ['VPID', true], ['EPT_POINTER', true], ['GUEST_PHYSICAL_ADDRESS', true], ['SECONDARY_PROC_BASED_CONTROLS', true], ['VMREAD_BITMAP_ADDRESS', true],
      ['VMX_PREEMPTION_TIMER_VALUE', true],
    ['CR3_TARGET_VALUE_3', true], ['GUEST_IA32_EFER', true], ['GUEST_IA32_PERF_GLOBAL_CTRL', true], ['TERTIARY_PROC_BASED_CONTROLS', false], ['VIRTUAL_APIC_ADDRESS', true],
      ['EPTP_LIST_ADDRESS', true],
    ['GUEST_INTERRUPT_STATUS', true], ['PID_POINTER_TABLE_ADDRESS', false], ['PML_ADDRESS', true], ['VE_INFORMATION_ADDRESS', true], ['TSC_MULTIPLIER', true],
    ['GUEST_SSP', false], ['SEAM_GUEST_KEYID', false], ['GUEST_IA32_FRED_CONFIG', false],
  ])('%s: %s', (id, expected) => expect(exists(id)).toBe(expected));
  it('the highest index is the one that IA32_VMX_VMCS_ENUM reports', () => {
    const highest = Math.max(...vmcsFields.filter((field) => vmcsFieldExists(field, defaultProcessorModel)).map((field) => field.index));
    expect(capabilityMsrValues(defaultProcessorModel).get(0x48a)).toBe(BigInt(highest << 1));
  });
});

const known = facts('vmcs-fields');
if (known !== undefined) {
  const words = Object.fromEntries(Object.entries(controlWordTraits).map(([name, traits]) => [traits.layout, name]));
  describe('the facts', () => {
    it('have the same fields', () => expect(vmcsFields.map((field) => field.id)).toEqual(known.fields.map((field: Facts) => field.id)));
    for (const fact of known.fields as Facts[]) {
      it(`${fact.id}`, () => {
        const field = vmcsFieldById(fact.id);
        expect(field).toMatchObject({ encoding: Number(fact.encoding), name: fact.name, type: fact.type, index: fact.index });
        expect(String(field.width)).toBe(fact.width);
        expect(field.highEncoding).toBe(fact.highEncoding === undefined ? undefined : Number(fact.highEncoding));
        if (fact.layout !== undefined && fact.layout !== 'vmExitInstructionInfo') expect([field.layout, field.pointsTo]).toContain(fact.layout);
        if (fact.existsIf?.anyOf === undefined) {
          expect(field.existsIf === undefined).toBe(fact.existsIf === null || fact.existsIf === undefined);
        } else {
          // The reference names the same bit of the same word.
          const references = fact.existsIf.anyOf.map((one: Facts) => `${words[one.controlWord]}:${one.bit}`);
          expect(field.existsIf!.map((reference) => bitOfReference(reference)).sort()).toEqual(references.sort());
        }
      });
    }
  });
}

function bitOfReference(reference: string): string {
  if (!isControlRef(reference)) throw new Error(reference);
  return `${reference.split('.')[0]}:${controlByRef(reference).bit}`;
}
