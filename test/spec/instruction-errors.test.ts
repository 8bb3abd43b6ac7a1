import { describe, expect, it } from 'vitest';
import { instructionErrorByNumber, instructionErrors, vmxInstructions } from '../../src/spec/instruction-errors';
import { exceptionByVector, exceptions, combineExceptions } from '../../src/spec/exceptions';
import { facts } from './facts';
import type { Facts } from './facts';

describe('VM-instruction errors', () => {
  it('have unique numbers and ids, and a sentence each', () => {
    expect(new Set(instructionErrors.map((row) => row.number)).size).toBe(instructionErrors.length);
    expect(new Set(instructionErrors.map((row) => row.id)).size).toBe(instructionErrors.length);
    for (const row of instructionErrors) expect(row.sentence, row.id).toMatch(/^[A-Z].*\.$/);
  });
  it.each([0, 14, 21, 27, 29])('%i is not assigned', (number) => expect(instructionErrorByNumber(number)).toBeUndefined());
  it('each is raised by a check of each instruction that it names', () => {
    for (const { number, raisedBy, id } of instructionErrors) {
      for (const mnemonic of raisedBy) {
        // Error 6 is what a processor may give instead of 5.
        if (number === 6) continue;
        const outcomes = vmxInstructions.find((row) => row.mnemonic === mnemonic)!.checks.flatMap((row) => row.then.match(/\d+/g) ?? []);
        expect(outcomes, `${id} by ${mnemonic}`).toContain(String(number));
      }
    }
  });
});

describe('exceptions', () => {
  it('have unique vectors, ascending', () => {
    expect(exceptions.map((row) => row.vector)).toEqual([...new Set(exceptions.map((row) => row.vector))].sort((a, b) => a - b));
    expect(exceptionByVector(15)).toBeUndefined();
  });
  it('push an error code just where the manual says', () => expect(exceptions.filter((row) => row.errorCode).map((row) => row.vector)).toEqual([8, 10, 11, 12, 13, 14, 17, 21]));
  it.each([
    [13, 13, 'double-fault'], [14, 14, 'double-fault'], [14, 13, 'double-fault'], [13, 14, 'serial'], [13, 1, 'serial'], [1, 13, 'serial'], [8, 13, 'triple-fault'], [8, 14, 'triple-fault'],
      [6, 14, 'serial'], [0x20, 13, 'serial'],
  ] as const)('%i then %i: %s', (first, second, expected) => expect(combineExceptions(first, second)).toBe(expected));
});

const known = facts('instruction-errors');
if (known !== undefined) {
  describe('the facts', () => {
    it('have the same errors', () => expect(instructionErrors.map(({ number, id, raisedBy }) => ({ number, id, raisedBy }))).toEqual(known.errors.map((row: Facts) => ({ number: row.number,
      id: row.id, raisedBy: row.raisedBy }))));
    it('have the same instructions', () => expect(vmxInstructions.map((row) => row.mnemonic)).toEqual(known.instructions.map((row: Facts) => row.instruction)));
    /** What the facts call an outcome, as this table does. */
    const outcome = (text: string, mnemonic: string): string => {
      if (/memory|#PF/.test(text)) return 'memory fault';
      if (text.startsWith('VM exit 20')) return mnemonic === 'VMLAUNCH' ? 'VM exit 20' : 'VM exit 24';
      if (text.startsWith('VM-entry failure')) return text.includes('21') ? 'entry failure 33' : 'entry failure 34';
      return text.replace('VMfailValid(16), (17), (18) or (25)', 'VMfailValid(16, 17, 18 or 25)');
    };
    for (const fact of known.instructions as Facts[]) {
      it(`${fact.instruction}: the same checks in the same order`, () => {
        const ours = vmxInstructions.find((row) => row.mnemonic === fact.instruction)!;
        expect(ours.opcode).toBe(fact.opcode);
        expect(ours.checks.map((row) => row.then)).toEqual(fact.checks.map((row: Facts) => outcome(row.then, fact.instruction)));
      });
    }
  });
}
