/**
 * The shape of an entry check and its builder: one row holds a rule as an expression, in words, and what to do when it fails.
 */
import { fieldsOf, parseExpression } from '../entry-check-language';
import type { Expression } from '../entry-check-language';
import type { VmcsFieldId } from '../vmcs-fields';

/** vmcs: decided by VMCS fields and facts about the processor; the others need what only a procedure of the machine has. */
export type CheckPlace = 'vmcs' | 'instruction' | 'memory' | 'exit';

export type CheckOutcome =
  | '#UD' | '#GP(0)' | 'VM exit' | 'VMfailInvalid' | `VMfailValid(${number})` | `entry failure 33, qualification ${number}` | 'entry failure 34' | `VMX abort ${number}`;

export interface CheckRow {
  readonly name: string;
  /** Condition under which the check is made. */
  readonly when: string;
  /** What must hold. */
  readonly require: string;
  /** The rule in one sentence. */
  readonly rule: string;
  /** What to change when it fails. */
  readonly hint: string;
  /** What the processor must have for the check to be made: a control, a CPUID feature, a capability field, or a feature that no model has. */
  readonly feature?: string;
  readonly where?: CheckPlace;
  readonly outcome?: CheckOutcome;
  /** Fields concerned, where the expressions do not name them. */
  readonly fields?: readonly VmcsFieldId[];
}

export interface CheckSection {
  readonly id: string;
  /** Section of SDM 3C in the numbering of 2023-24; absent where it is not known. */
  readonly number?: string;
  readonly title: string;
  readonly outcome: CheckOutcome;
  readonly where?: CheckPlace;
  readonly checks: readonly CheckRow[];
}

export interface EntryCheck {
  readonly id: string;
  /** Place in the table, from 0. */
  readonly row: number;
  readonly section: CheckSection;
  readonly when: Expression;
  readonly whenText: string;
  readonly require: Expression;
  readonly requireText: string;
  readonly rule: string;
  readonly hint: string;
  readonly feature?: string;
  readonly where: CheckPlace;
  readonly outcome: CheckOutcome;
  /** Fields that must agree with each other, then those that made the check apply. */
  readonly fields: readonly VmcsFieldId[];
}

export const always = 'true';

export function check(name: string, when: string, require: string, rule: string, hint: string, more: Pick<CheckRow, 'feature' | 'where' | 'outcome' | 'fields'> = {}): CheckRow {
  return { name, when, require, rule, hint, ...more };
}

/** Both conditions; `always` adds nothing. */
export function both(a: string, b: string): string {
  return a === always ? b : b === always ? a : `(${a}) and (${b})`;
}

/** The rows of all sections, numbered, their expressions parsed. */
export function numberRows(sections: readonly CheckSection[]): readonly EntryCheck[] {
  let row = 0;
  return sections.flatMap((section) => section.checks.map((source): EntryCheck => {
    const when = parseExpression(source.when);
    const require = parseExpression(source.require);
    return {
      id: `${section.id}.${source.name}`, row: row++, section, when, whenText: source.when, require, requireText: source.require, rule: source.rule, hint: source.hint,
      where: source.where ?? section.where ?? 'vmcs', outcome: source.outcome ?? section.outcome,
      fields: [...new Set([...(source.fields ?? []), ...fieldsOf(require), ...fieldsOf(when)])],
      ...(source.feature !== undefined && { feature: source.feature }),
    };
  }));
}
