import { expect, it } from 'vitest';
import { accessesOf, explainEptMisconfiguration, explainEptViolation, explainPageFault } from '../../../src/inspector/translation/explain-violation';
import { FakeMachine } from '../fake-machine';

const machine = new FakeMachine();
machine.map(0x9000n, 0x1000n, 0x2_0000n, 0x35n, 7n);  // r-x
machine.map(0x9000n, 0x2000n, 0x2_1000n, 0x32n, 7n);  // writable only: misconfigured
machine.map(0x8000n, 0x1000n, 0x1000n, 3n, 7n);       // supervisor page

it.each([
  [0x1008n, 2n, 'a write to guest-physical 0x1008 is refused: the EPT PTE at 0x102008 does not allow writing (r-x → 0x20000)'],
  [0x1008n, 3n, 'a read of and a write to guest-physical 0x1008 is refused'],
  [0x5000n, 4n, 'an instruction fetch from guest-physical 0x5000 is refused: EPT violation: the EPT PTE is not present (entry 5 of its table'],
  [0x1008n, 1n, 'allow the access now'],
])('EPT violation at %s, qualification %s', (address, qualification, sentence) => {
  expect(explainEptViolation(machine.asMachine, 0x901en, address, qualification).sentence).toContain(sentence);
});
it('misconfiguration', () => {
  const explained = explainEptMisconfiguration(machine.asMachine, 0x901en, 0x2000n);
  expect(explained.sentence).toContain('allows writing but not reading');
  expect(explained.entry!.name).toBe('EPT PTE');
});
it('accesses of a qualification', () => { expect(accessesOf(5n)).toEqual(['read', 'execute']); });
it('page faults by privilege and by absence', () => {
  const context = { cr0: 0x8000_0001n, cr3: 0x8000n, cr4: 0x20n, efer: 0x500n };
  expect(explainPageFault(machine.asMachine, context, 0x1010n, 'read', true).sentence).toContain('at CPL 3 is refused: the PTE');
  expect(explainPageFault(machine.asMachine, context, 0x3010n, 'write', false).sentence).toContain('the PTE is not present');
});
