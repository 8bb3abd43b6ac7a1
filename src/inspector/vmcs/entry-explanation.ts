// Why a VM entry is, or would be, refused: the checks of VM entry run over a VMCS, each failing one with its fields, their values and who wrote
// them. For a VMCS that a level only believes in, checks on values that are not known are listed apart.
import { evaluateEntry, type EntryContext } from '../../spec/entry-check-evaluation';
import { citation, type CheckPlace, type EntryCheck } from '../../spec/entry-checks';
import { vmcsFieldById, type VmcsFieldId } from '../../spec/vmcs-fields';
import { fieldText } from './vmcs-view';
import type { KnownField, VmcsSource } from './vmcs-source';

export interface CheckedField {
  readonly id: VmcsFieldId;
  /** Undefined when the level never wrote or read it. */
  readonly value: bigint | undefined;
  readonly text: string;
  /** The instruction that last wrote it, where one was seen. */
  readonly writer?: KnownField['writer'];
}

export interface CheckExplanation {
  readonly check: EntryCheck;
  readonly id: string;
  /** `SDM 3C 27.3.1.2 'Checks on Guest Segment Registers'`. */
  readonly section: string;
  readonly rule: string;
  /** What to change. */
  readonly hint: string;
  readonly fields: readonly CheckedField[];
}

export interface EntryExplanation {
  /** In the order in which the processor makes the checks: it reports the first. */
  readonly failing: readonly CheckExplanation[];
  /** Checks that could fail, for all that is known. */
  readonly unknown: readonly CheckExplanation[];
}

/** Runs the checks over a VMCS as it is now. Values that are outdated count as known: they are the best there is. */
export function explainEntry(source: VmcsSource, context: EntryContext, places?: readonly CheckPlace[]): EntryExplanation {
  const { failing, unknown } = evaluateEntry(id => source.read(id)?.value, context, places);
  return { failing: failing.map(check => explainCheck(source, check)), unknown: unknown.map(check => explainCheck(source, check)) };
}

/** One check with what it looked at, for a failure that the processor reported by row. */
export function explainCheck(source: VmcsSource, check: EntryCheck): CheckExplanation {
  return { check, id: check.id, section: citation(check), rule: check.rule, hint: check.hint, fields: check.fields.map(id => fieldOf(source, id)) };
}

function fieldOf(source: VmcsSource, id: VmcsFieldId): CheckedField {
  const known = source.read(id);
  return { id, value: known?.value, text: known ? fieldText(vmcsFieldById(id), known.value) : 'unknown', ...known?.writer && { writer: known.writer } };
}
