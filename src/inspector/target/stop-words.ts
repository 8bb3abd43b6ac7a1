// From the halt of a run to what the user reads: reason, one line for the call stack, and the report that the editor shows inline.
import { vmxInstructions } from '../../emulator/codegen/state-layout';
import { exceptionByVector } from '../../spec/exceptions';
import { vmxAbortReason } from '../../spec/vmx-aborts';
import type { Context } from '../levels/context';
import type { EventRecord } from '../levels/event-words';
import type { Halt } from '../run-control/run-control';
import type { WorldSwitch } from '../levels/switch-log';
import { describeAccess } from '../run-control/data-breakpoints';
import { deliverSwitch, parseFilterId } from '../run-control/stop-filters';
import type { ExitInfo, StopInfo, StopReport } from '../target-types';
import { isEntryError, type EntryReport } from './entry-report';

/** What the words need to know of the machine at the stop. */
export interface StopScope {
  threadId(context: Context): number;
  /** The exit of a context. */
  exit(context: Context): ExitInfo | undefined;
  /** An entry that the processor refused after loading guest state, or with a VM-instruction error. */
  failedEntry(context: Context, failure: EventRecord | number): EntryReport;
  /** Function and line of an address of a context. */
  place(context: Context, address: bigint): string;
  /** An entry or VMX instruction of a context that the software below refused. */
  refusedBySoftware(context: Context, answer: WorldSwitch, instruction: string): EntryReport;
  /** The exceptions that led to a triple fault, one a line. */
  faultChain(context: Context): string[];
  kindOfBreakpoint(id: number): 'source' | 'function' | 'instruction' | undefined;
  /** Name and meaning of the VM-instruction error that the last VMfail left, if it left one. */
  instructionError(context: Context): string | undefined;
}

const untilReset = 'A processor in shutdown does nothing until it is reset: use Restart.';
const breakpointReasons = { source: 'breakpoint', function: 'function breakpoint', instruction: 'instruction breakpoint' } as const;

export function describeHalt(halt: Halt, scope: StopScope): StopInfo {
  const threadId = scope.threadId(halt.context), level = `L${halt.context.level}`;
  switch (halt.kind) {
    case 'pause': return { reason: 'pause', threadId, description: `Paused in ${level}` };
    case 'plan': return { reason: 'step', threadId, description: halt.note ?? `Step in ${level}` };
    case 'breakpoint': return { reason: breakpointReasons[scope.kindOfBreakpoint(halt.breakpoints[0]) ?? 'source'], threadId, description: `Breakpoint in ${level}`, hitBreakpoints: halt.breakpoints };
    case 'data': return {
      reason: 'data breakpoint', threadId, description: describeAccess(halt.access), hitBreakpoints: halt.breakpoints,
      text: `${describeAccess(halt.access)}, at ${scope.place(halt.context, halt.access.hit.rip)}`,
    };
    case 'debugExit': return { reason: 'pause', threadId, description: `The machine ended with code ${halt.code}` };
    case 'shutdown': return exception(threadId, {
      id: 'shutdown', ...halt.abort === 0
        ? {
          title: 'Triple fault of L0: the processor shut down',
          details: ['An exception was met during the delivery of a double fault in root operation.', ...scope.faultChain(halt.context), untilReset],
        }
        : { title: `VMX abort ${halt.abort}: the processor shut down`, details: [`A VM exit could not be completed: ${vmxAbortReason(halt.abort)}.`, untilReset] },
    });
    case 'reset': return exception(threadId, {
      id: 'reset', title: `The machine was reset, by ${level}`,
      details: ['Software asked for a reset, or the bootstrap processor was sent an INIT. There is no firmware to start again: use Restart.'],
    });
    case 'powerOff': return exception(threadId, { id: 'power-off', title: `The machine was switched off, by ${level}`, details: ['Software chose the ACPI state S5. Restart starts the machine anew.'] });
    case 'filter': return { ...exception(threadId, filterReport(halt, scope)), filter: halt.filter };
  }
}

function exception(threadId: number, report: StopReport): StopInfo {
  return { reason: 'exception', threadId, description: report.title, text: report.details[0] ?? report.title, report };
}

function filterReport(halt: Halt & { kind: 'filter' }, scope: StopScope): StopReport {
  const { result, context, filter, emulated } = halt, level = `L${context.level}`, kind = parseFilterId(filter)?.filter.kind;
  if (emulated) return { id: filter, ...scope.refusedBySoftware(context, emulated, halt.instruction ?? 'a VMX instruction') };
  switch (kind) {
    case 'exit': {
      const exit = scope.exit(context);
      return { id: filter, title: exit?.summary ?? `VM exit of ${level}`, details: exit?.details ?? [], ...exit && { exit } };
    }
    case 'entryFailure': return { id: filter, ...scope.failedEntry(context, halt.failure ?? result.index) };
    case 'vmxInstruction': {
      const mnemonic = vmxInstructions[result.index] ?? 'VMX instruction';
      return { id: filter, title: `${mnemonic} of ${level}`, details: [`${level} is about to execute ${mnemonic}.`] };
    }
    case 'vmfail': {
      const mnemonic = halt.instruction ?? 'a VMX instruction', error = scope.instructionError(context);
      if (isEntryError(result.index)) return { id: filter, ...scope.failedEntry(context, result.index), title: `VMfail of ${mnemonic} in ${level}` };
      return { id: filter, title: `VMfail of ${mnemonic} in ${level}`, details: [error ?? 'VMfailInvalid: there is no current VMCS to hold an error number.'] };
    }
    case 'tripleFault': return { id: filter, title: `Triple fault of ${level}`, details: ['An exception was met during the delivery of a double fault.', ...scope.faultChain(context)] };
    case 'exception': {
      const row = exceptionByVector(result.index);
      return { id: filter, title: `${row ? `${row.mnemonic} (${row.name})` : `Exception ${result.index}`} in ${level}`, details: row ? [row.cause] : [] };
    }
    case 'switch': {
      const title = context.level === 0 ? 'L0 is entered by a VM exit' : result.index === deliverSwitch ? `A VM exit is delivered to ${level}` : `${level} is entered`;
      return { id: filter, title, details: [`The next instruction is ${scope.place(context, halt.rip ?? 0n)}.`] };
    }
    case undefined: return { id: filter, title: filter, details: [] };
  }
}
