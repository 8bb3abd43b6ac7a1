import { describe, expect, it } from 'vitest';
import { controlByRef, controlWordTraits, isControlRef } from '../../src/spec/controls';
import { decodeQualification } from '../../src/spec/exit-qualifications';
import { exitReasonById, exitReasonByNumber, exitReasonBySlug, exitReasons, instructionInfoLayout } from '../../src/spec/exit-reasons';
import { isVmcsFieldId } from '../../src/spec/vmcs-fields';
import { facts } from './facts';
import type { Facts } from './facts';

describe('exit reasons', () => {
  it('have unique numbers, ids and slugs, ascending', () => {
    for (const column of ['number', 'id', 'slug'] as const) expect(new Set(exitReasons.map((row) => row[column])).size).toBe(exitReasons.length);
    expect(exitReasons.map((row) => row.number)).toEqual(exitReasons.map((row) => row.number).sort((a, b) => a - b));
  });
  it.each([['cpuid', 10], ['ept-violation', 48], ['exception-or-nmi', 0], ['entry-fail-guest-state', 33], ['cr-access', 28]])('%s is %i', (slug, number) => {
    expect(exitReasonBySlug(slug)?.number).toBe(number);
  });
  it('a failed entry is found by its basic reason', () => expect(exitReasonByNumber(0x8000_0021)?.id).toBe('ENTRY_FAIL_GUEST_STATE'));
  it.each([35, 38, 42, 71, 82, 83, 86, 0xffff])('%i is not assigned', (number) => expect(exitReasonByNumber(number)).toBeUndefined());
  it('are governed by controls and fields that there are', () => {
    for (const reason of exitReasons) for (const name of reason.governedBy) expect(isControlRef(name) || isVmcsFieldId(name), `${reason.id}: ${name}`).toBe(true);
  });
  it('have a sentence each', () => {
    for (const reason of exitReasons) expect(reason.cause, reason.id).toMatch(/^[A-Z].*\.$/);
  });
  it('just those that report instruction information have a layout for it', () => {
    for (const reason of exitReasons) expect(instructionInfoLayout(reason.id) !== undefined, reason.id).toBe(reason.instructionInfo !== false);
  });
});

describe('decoding a qualification', () => {
  const check = (name: string, reason: number, value: bigint, expected: string, information = 0n): void => it(name, () => {
    const decoded = decodeQualification(reason, value, information);
    const bits = decoded.fields?.filter((field) => field.value !== 0n).map((field) => `${field.id}=${field.text ?? field.value}`).join(' ');
    expect(bits ?? `${decoded.kind} ${decoded.text ?? decoded.value.toString(16)}`).toBe(expected);
  });
  check('CPUID has none', 10, 0n, 'none 0');
  check('a write that EPT forbids', 48, 0x18an, 'write=1 readable=1 linearValid=1 final=1');
  check('MOV to CR3', 28, 0x203n, 'register=CR3 generalRegister=RDX');
  check('OUT to COM1', 30, 0x03f8_0000n, 'port=1016');
  check('page fault: an address', 0, 0x1234n, 'address 1234', 0x8000_0b0en);
  check('#DB: conditions', 0, 0x4001n, 'b=1 bs=1', 0x8000_0301n);
  check('#UD: nothing', 0, 0n, 'none 0', 0x8000_0306n);
  check('failed entry by the link pointer', 0x8000_0021, 4n, 'number VMCS link pointer');
  check('a reason that does not exist', 35, 7n, 'none 7');
});

const known = facts('exit-reasons');
if (known !== undefined) {
  const words = Object.fromEntries(Object.entries(controlWordTraits).map(([name, traits]) => [traits.layout, name]));
  describe('the facts', () => {
    it('have the same numbers', () => expect(exitReasons.map((row) => row.number)).toEqual(known.reasons.map((row: Facts) => row.number)));
    for (const fact of known.reasons as Facts[]) {
      it(`${fact.number} ${fact.id}`, () => {
        const ours = exitReasonById(fact.id);
        expect(ours).toMatchObject({ number: fact.number, name: fact.name, qualification: fact.qualification, ...fact.validFields });
        expect(ours.nature).toBe({ trapBetweenInstructions: 'boundary', entryFailure: 'entry-failure' }[fact.nature as string] ?? fact.nature);
        const controls = (Array.isArray(fact.control) ? fact.control : []).filter((text: string) => /^\w+:/.test(text)).map((text: string) => {
          const [layout, name] = text.split(':') as [string, string];
          return `${words[layout]}: ${name}`;
        });
        const governing = ours.governedBy.filter(isControlRef).map((reference) => `${reference.split('.')[0]}: ${controlByRef(reference).name}`);
        expect(governing).toEqual(expect.arrayContaining(controls));
      });
    }
  });
}

const qualifications = facts('exit-qualifications');
if (qualifications !== undefined) {
  it('every reason that a format of the facts is used by uses it', () => {
    for (const [name, format] of Object.entries(qualifications.formats as Record<string, Facts>)) {
      for (const number of format.usedBy) if (number !== 0) expect(exitReasonByNumber(number)!.qualification).toBe(name);
    }
  });
}
