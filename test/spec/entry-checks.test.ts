import { describe, expect, it } from 'vitest';
import { fieldsOf, parseExpression } from '../../src/spec/entry-check-language';
import { checkExists, evaluate, evaluateEntry } from '../../src/spec/entry-check-evaluation';
import { citation, entryCheckById, entryCheckSections, entryChecks } from '../../src/spec/entry-checks';
import { defaultProcessorModel } from '../../src/spec/processor-models';
import { isControlRef } from '../../src/spec/controls';
import { cpuidFeatures } from '../../src/spec/cpuid';
import { witnesses } from './entry-check-witnesses';
import type { Witness } from './entry-check-witnesses';
import { facts } from './facts';
import type { Facts } from './facts';
import { bases, context, contextFor, longGuest, readerOf } from './valid-vmcs';
import type { FieldValues } from './valid-vmcs';

describe('the language', () => {
  const values: FieldValues = { GUEST_CR0: 0x8000_0031n, VPID: 7n, GUEST_RFLAGS: 0x202n, PRIMARY_PROC_BASED_CONTROLS: 0n, SECONDARY_PROC_BASED_CONTROLS: 2n };
  const check = (text: string, expected: bigint | undefined): void => it(text, () => {
    expect(evaluate(parseExpression(text), (id) => values[id], context)).toBe(expected);
  });
  check('1 + 2 * 3', 7n);
  check('1 | 2 & 3', 3n);
  check('GUEST_CR0.pg', 1n);
  check('GUEST_CR0[5:4]', 3n);
  check('GUEST_CR0[63:32] = 0', 1n);
  check('not GUEST_RFLAGS.if', 0n);
  check('not VPID = 7', 0n);
  check('VPID in (1, 5..8)', 1n);
  check('VPID in (1..6, 8)', 0n);
  check('~VPID & 0xf', 8n);
  check('VPID - 8', 0xffff_ffff_ffff_ffffn);
  check('1 << 63 << 1', 0n);
  check('canonical(0x7fffffffffff) and not canonical(0x800000000000)', 1n);
  check('upperBitsEqual(0x800000000000) and not upperBitsEqual(0x1000000000000)', 1n);
  check('withinWidth(0x3fffffffffff) and not withinWidth(0x400000000000)', 1n);
  check('patBytesValid(0x0007040600070406) and not patBytesValid(2)', 1n);
  check('select(VPID = 7, 3, 4)', 3n);
  check('secondary.enableEpt', 0n);
  check('misc.cr3Targets', 4n);
  // What is not known stays so, unless it does not matter.
  check('GUEST_RIP = 0', undefined);
  check('GUEST_RIP = 0 and 0', 0n);
  check('VPID = 8 and GUEST_RIP = 0', 0n);
  check('GUEST_RIP = 0 or VPID = 7', 1n);
  check('GUEST_RIP = 0 or VPID = 8', undefined);
  check('pin.nmiExiting', undefined);
  check('select(GUEST_RIP = 0, 1, 1)', undefined);

  it.each(['', '1 +', 'GUEST_CR0.nothing', 'NO_FIELD', 'secondary.nothing', 'canonical()', 'canonical(1, 2)', 'unknown(1)', '1 2', 'VPID in ()', '(1', 'allowed(none)', 'a ? b'])('refuses %j', (text) => {
    expect(() => parseExpression(text)).toThrow();
  });
  it('names the fields of an expression, those of control words too', () => {
    expect(fieldsOf(parseExpression('secondary.enableEpt and EPT_POINTER[1:0] = VPID or allowed(pin)'))).toEqual(['SECONDARY_PROC_BASED_CONTROLS', 'EPT_POINTER', 'VPID', 'PIN_BASED_CONTROLS']);
  });
});

describe('the table', () => {
  it('has unique ids, and rows numbered in order', () => {
    expect(new Set(entryChecks.map((row) => row.id)).size).toBe(entryChecks.length);
    entryChecks.forEach((row, n) => expect(row.row).toBe(n));
  });
  it('finds rows by id and cites their section', () => {
    expect(citation(entryCheckById('guest.segments.trType')!)).toBe('SDM 3C 27.3.1.2 \'Checks on Guest Segment Registers\'');
    expect(entryCheckById('nothing')).toBeUndefined();
  });
  it.each(entryChecks.map((row) => [row.id, row] as const))('%s has a rule and a hint in sentences', (_, row) => {
    expect(row.rule).toMatch(/^[A-Z0-9].*[.]$/);
    expect(row.hint).toMatch(/^[A-Z0-9].*[.]$/);
  });
  it('names only features that exist somewhere', () => {
    const without = ['fred', 'smm'];
    for (const { id, feature } of entryChecks) {
      const known = feature === undefined || isControlRef(feature) || /^(misc|basic)\./.test(feature) || cpuidFeatures.some((row) => row.id === feature) || without.includes(feature);
      expect(known, id).toBe(true);
    }
  });
});

function build(witness: Witness): { values: FieldValues; ground: FieldValues; context: ReturnType<typeof contextFor> } {
  const ground = { ...bases[witness.base ?? 'longGuest'], ...witness.ground };
  const values = { ...ground, ...(typeof witness.change === 'function' ? witness.change(ground) : witness.change) };
  const model = { ...defaultProcessorModel, vmx: { ...defaultProcessorModel.vmx, ...witness.vmx } };
  return { ground, values, context: contextFor(model, witness.facts) };
}

describe('valid VMCSs', () => {
  it.each(Object.entries(bases))('%s passes every check', (name, values) => {
    const here = contextFor(defaultProcessorModel, { 'now.longMode': name !== 'legacyGuest' });
    expect(evaluateEntry(readerOf(values), here).failing.map((row) => row.id)).toEqual([]);
  });
});

describe('witnesses: a valid VMCS with just one rule broken', () => {
  it('there is one for every check of VMCS fields that the processor makes', () => {
    const model = { ...defaultProcessorModel, vmx: { ...defaultProcessorModel.vmx, errorCodeFreedom: true } };
    const needed = entryChecks.filter((row) => row.where === 'vmcs' && checkExists(row, model)).map((row) => row.id);
    expect(Object.keys(witnesses).sort()).toEqual([...needed].sort());
  });
  it.each(Object.entries(witnesses))('%s', (id, witness) => {
    const { values, context: here } = build(witness);
    expect(evaluateEntry(readerOf(values), here).failing.map((row) => row.id).sort()).toEqual([id, ...(witness.also ?? [])].sort());
  });
});

describe('values that are not known', () => {
  it('nothing known: nothing fails, and most checks are open', () => {
    const { failing, unknown } = evaluateEntry(() => undefined, contextFor(defaultProcessorModel));
    expect(failing).toEqual([]);
    expect(unknown.length).toBeGreaterThan(150);
  });
  it('one field unknown: just the checks that depend on it are open', () => {
    const { failing, unknown } = evaluateEntry((id) => (id === 'GUEST_RIP' ? undefined : longGuest[id] ?? 0n), context);
    expect(failing).toEqual([]);
    expect(unknown.map((row) => row.id)).toEqual(['guest.ripRflagsSsp.ripUpper']);
  });
  it('a failing check is found among unknown fields', () => {
    const known: FieldValues = { ...longGuest, GUEST_TR_ACCESS_RIGHTS: 0x1_008bn };
    const { failing } = evaluateEntry((id) => (id.startsWith('GUEST_TR') ? known[id] : undefined), context);
    expect(failing.map((row) => row.id)).toEqual(['guest.segments.trUnusable']);
  });
});

const known = facts('entry-checks');
if (known !== undefined) {
  describe('the facts', () => {
    const outcomes: Record<string, string> = {
      '#UD': '#UD', 'VM exit 20 or 24': 'VM exit', '#GP(0)': '#GP(0)', 'VM-entry failure, exit reason 34, qualification = 1-based index of the entry': 'entry failure 34',
      'VM-entry failure, exit reason 33, qualification 3 (or no failure)': 'entry failure 33, qualification 3',
    };
    const expectedOutcome = (text: string): string => outcomes[text] ?? text.replace(/^VM-entry failure, exit reason 33/, 'entry failure 33');
    it('have the same checks in the same order', () => {
      expect(entryChecks.map((row) => row.id)).toEqual(known.sections.flatMap((section: { checks: { id: string }[] }) => section.checks.map((row) => row.id)));
    });
    it('have the same sections', () => {
      for (const [n, section] of known.sections.entries()) {
        expect(entryCheckSections[n]!.id).toBe(section.id);
        if (/^\d/.test(section.sdm2024)) expect(entryCheckSections[n]!.number).toBe(section.sdm2024);
      }
    });
    for (const section of known.sections as Facts[]) {
      for (const row of section.checks as Facts[]) {
        it(`${row.id}: fields and outcome`, () => {
          const ours = entryCheckById(row.id)!;
          expect(ours.fields).toEqual(expect.arrayContaining(row.fields ?? []));
          expect(ours.outcome).toBe(expectedOutcome(row.outcome ?? section.outcome));
        });
      }
    }
  });
}
