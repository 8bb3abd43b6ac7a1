/**
 * All checks of VM entry, and those of VM exit that can fail: SDM 3C 27.1 to 27.4, 28.4 to 28.6.
 *
 * The same rows are walked here to explain a failure (entry-check-evaluation.ts) and fused into one function for the machine.
 * A row's number is its place in this table, which follows the manual's order.
 */
import { controlCheckSections } from './entry-checks/control-checks';
import { guestOtherSections, guestRegisterSections } from './entry-checks/guest-checks';
import { hostCheckSections } from './entry-checks/host-checks';
import { numberRows } from './entry-checks/row';
import type { CheckSection, EntryCheck } from './entry-checks/row';
import { guestSegmentSections } from './entry-checks/segment-checks';
import { transitionSections } from './entry-checks/transition-checks';

export type { CheckOutcome, CheckPlace, CheckSection, EntryCheck } from './entry-checks/row';

export const entryCheckSections: readonly CheckSection[] = [
  ...controlCheckSections, ...hostCheckSections, ...guestRegisterSections, ...guestSegmentSections, ...guestOtherSections, ...transitionSections,
];

/** All checks, in order; `entryChecks[n].row` is n. */
export const entryChecks: readonly EntryCheck[] = numberRows(entryCheckSections);

const byId = new Map(entryChecks.map((row) => [row.id, row]));

/** The check called `id`: `guest.segments.trType`. */
export function entryCheckById(id: string): EntryCheck | undefined {
  return byId.get(id);
}

/** The section of the manual as users read it: `SDM 3C 27.3.1.2 'Checks on Guest Segment Registers'`. */
export function citation(check: EntryCheck): string {
  const { number, title } = check.section;
  return number === undefined ? `SDM 3C '${title}'` : `SDM 3C ${number} '${title}'`;
}
