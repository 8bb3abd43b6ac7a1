import { expect, it } from 'vitest';
import { entryCheckById } from '../../../src/spec/entry-checks';
import { defaultProcessorModel as model } from '../../../src/spec/processor-models';
import type { VmcsFieldId } from '../../../src/spec/vmcs-fields';
import { BelievedVmcs, VmcsSpace } from '../../../src/inspector/levels/believed-vmcs';
import { Context } from '../../../src/inspector/levels/context';
import { explainCheck, explainEntry } from '../../../src/inspector/vmcs/entry-explanation';
import { believedVmcs } from '../../../src/inspector/vmcs/vmcs-source';
import { vmcsFieldById } from '../../../src/spec/vmcs-fields';

const level2 = new Context(7, 0, 2, undefined, 0x1000, new VmcsSpace(), 0), belief = new BelievedVmcs(0xa000);
const write = (id: VmcsFieldId, value: bigint, rip: bigint): void =>
  belief.learn(vmcsFieldById(id).encoding, false, level2, 1, Uint32Array.of(Number(value & 0xffff_ffffn), Number(value >> 32n)), 0, Uint32Array.of(Number(rip), 0), 0,
    new Uint32Array(8), 0);

it('a believed VMCS is checked as far as it is known, with its writers', () => {
  write('HOST_CR0', 0n, 0x1234n);
  const { failing, unknown } = explainEntry(believedVmcs(level2, belief), { model, facts: {} });
  const cr0 = failing.find(({ fields }) => fields.some(({ id }) => id === 'HOST_CR0'));
  expect(cr0).toBeDefined();
  expect(cr0!.section).toContain('SDM 3C');
  expect(cr0!.fields.find(({ id }) => id === 'HOST_CR0')).toMatchObject({ value: 0n, writer: { context: 7, level: 2, rip: 0x1234n, by: 'write' } });
  expect(unknown.length).toBeGreaterThan(20);
  expect(unknown.some(({ fields }) => fields.some(({ text }) => text === 'unknown'))).toBe(true);
});

it('a check that the processor named is told with its fields', () => {
  const check = entryCheckById(explainEntry(believedVmcs(level2, belief), { model, facts: {} }).failing[0].id)!;
  expect(explainCheck(believedVmcs(level2, belief), check)).toMatchObject({ id: check.id, rule: check.rule, hint: check.hint });
});
