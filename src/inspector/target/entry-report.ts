// Why the processor refused a VM entry: the check that failed, with its rule, the fields that it looked at, who wrote each of them last, and
// what to change. An entry fails either after guest state was loaded (an exit with bit 31) or, for controls and host state, as VMfailValid.
import { entryChecks } from '../../spec/entry-checks';
import { exitReasonById, exitReasonByNumber } from '../../spec/exit-reasons';
import { instructionErrorByNumber } from '../../spec/instruction-errors';
import type { Context } from '../levels/context';
import type { EventRecord } from '../levels/event-words';
import type { WorldSwitch } from '../levels/switch-log';
import { describeExit } from '../vmcs/describe-exit';
import { explainCheck, explainEntry, type CheckExplanation, type CheckedField } from '../vmcs/entry-explanation';
import { believedVmcs, hardwareVmcs } from '../vmcs/vmcs-source';
import type { ExitInfo } from '../target-types';
import { symbolAt, type MachineSession } from './machine-session';

export interface EntryReport { readonly title: string; readonly details: readonly string[]; readonly exit?: ExitInfo }

/** Errors 7 and 8: the control fields or the host-state area are invalid (SDM 3C 31.4 'VM Instruction Error Numbers'). */
const entryErrors: ReadonlySet<number> = new Set([7, 8]);
export const isEntryError = (error: number): boolean => entryErrors.has(error);

/** The entry that `context` tried and the processor refused after loading guest state; `level`: the level that was to run. */
export function refusedEntry(session: MachineSession, context: Context, failure: EventRecord, level: number): EntryReport {
  const { reason, name, summary, details } = describeExit(failure), check = failure.failedCheck > 0 ? entryChecks[failure.failedCheck - 1] : undefined;
  const lines = check ? explain(session, check && explainCheck(sourceOf(session, context), check)) : details;
  const title = `VM entry into L${level} failed: ${summary}`;
  return { title, details: lines, exit: { reason, name, from: level, threadId: context.id, summary: title, details: lines } };
}

/** The entry that `context` tried and that ended in VMfailValid with such an error. */
export function invalidControls(session: MachineSession, context: Context, error: number): EntryReport {
  const sentence = instructionErrorByNumber(error)?.sentence ?? 'unassigned';
  const failing = explainEntry(sourceOf(session, context), { model: session.machine.processor, facts: {} }).failing.filter(({ check }) => check.outcome === `VMfailValid(${error})`);
  return {
    title: `VM entry of L${context.level} failed: ${failing[0]?.rule ?? sentence}`,
    details: [`VM-instruction error ${error}: ${sentence}`, ...failing.flatMap(each => explain(session, each))],
  };
}

/**
 * A VMX instruction, or the entry that it asked for, that the software below refused. For VMLAUNCH and VMRESUME the checks are run over the VMCS that the
 * level believes current, with its own writers; unknown fields are listed as unknown.
 */
export function refusedBySoftware(session: MachineSession, context: Context, { kind, reason, from }: WorldSwitch, instruction: string, rflags: bigint): EntryReport {
  const level = `L${context.level}`, belief = context.currentVmcs, asksForEntry = kind === 'deliver' || isEntryReason(reason);
  const { failing, unknown } = asksForEntry && belief ? explainEntry(believedVmcs(context, belief), { model: session.machine.processor, facts: {} }) : { failing: [], unknown: [] };
  const failure = rflags & 1n ? 'VMfailInvalid: it knows no current VMCS' : 'VMfailValid: the field VM_INSTRUCTION_ERROR tells the error';
  const answer = kind === 'vmfail' ? `The software below answered ${instruction} with ${failure}.`
    : `The software below delivered a VM-entry failure to the handler of ${level}: ${exitReasonByNumber(reason)?.name ?? `reason ${reason}`}.`;
  const launch = belief && kind === 'vmfail' ? launchMistake(instruction, belief.launchState) : undefined;
  const title = kind === 'vmfail' ? `VMfail of ${instruction} in ${level}` : `VM entry of ${level} into L${from} failed`;
  const what = launch ?? failing[0]?.rule, open = unknown.length > 0 ? `; ${unknown.length} depend on fields it never touched` : '';
  const nothing = belief ? `No check fails on the values that ${level} has written and read${open}.` : `${level} never loaded a VMCS.`;
  return {
    title: `${title}, by the software below${what === undefined ? '' : `: ${what}`}`,
    details: [
      answer, ...launch === undefined ? [] : [launch], ...failing.flatMap(each => explain(session, each)),
      ...failing.length === 0 && asksForEntry ? [nothing] : [],
    ],
  };
}

/** VMLAUNCH wants a VMCS that is clear, VMRESUME one that is launched (SDM 3C 25.1 'Overview'). */
function launchMistake(instruction: string, state: 'unknown' | 'clear' | 'launched'): string | undefined {
  if (instruction === 'VMLAUNCH' && state === 'launched') return 'VMLAUNCH with a VMCS that is launched already: use VMRESUME, or VMCLEAR it first';
  return instruction === 'VMRESUME' && state === 'clear' ? 'VMRESUME with a VMCS that is clear: use VMLAUNCH' : undefined;
}

const entryReasons = [exitReasonById('VMLAUNCH').number, exitReasonById('VMRESUME').number], isEntryReason = (reason: number): boolean => entryReasons.includes(reason);

function sourceOf({ machine, tracker }: MachineSession, context: Context): ReturnType<typeof hardwareVmcs> {
  const pointer = context.currentVmcs?.pointer ?? -1;
  return hardwareVmcs(machine, pointer, tracker.hardwareVmcs(pointer));
}

function explain(session: MachineSession, { id, section, rule, hint, fields }: CheckExplanation): string[] {
  return [rule, `Check ${id}: ${section}`, ...hint === '' ? [] : [hint], ...fields.map(field => fieldLine(session, field))];
}

function fieldLine({ tracker, images }: MachineSession, { id, text, writer }: CheckedField): string {
  if (!writer) return `${id} = ${text}`;
  const context = tracker.context(writer.context), place = context && symbolAt(images, context, writer.rip);
  const at = place?.source === undefined ? `0x${writer.rip.toString(16)}` : `${place.symbol ?? ''} (${place.source}:${place.line})`.trim();
  return `${id} = ${text}, last ${writer.by === 'write' ? 'written' : 'read'} by L${writer.level} in ${at}`;
}
