// One switch of the trace in full: what happened, what the processor recorded of it, and what came of it.
import type { SwitchLog } from '../levels/switch-log';
import { hex } from '../target/addresses';
import type { TraceDetails, TraceRow } from '../target-types';
import { describeExit, describeInterruption } from '../vmcs/describe-exit';
import { activityOf, rowsOf } from './trace-query';

/** One line for a switch: `L3 exits: CPUID`. */
export function switchTitle({ kind, from, to, name, entryFailed }: Pick<TraceRow, 'kind' | 'from' | 'to' | 'name' | 'entryFailed'>): string {
  switch (kind) {
    case 'exit': return entryFailed ? `The entry of L${from} fails: ${name}` : `L${from} exits to L0: ${name}`;
    case 'deliver': return entryFailed ? `L${to} is told that the entry of L${from} failed: ${name}` : `The ${name} exit of L${from} is delivered to L${to}`;
    case 'enter': return `L${to} is entered (after ${name})`;
    case 'vmfail': return `L${to} gets VMfail from ${name}`;
  }
}

/** Undefined when the switch is not held. `symbol` names an address of a context, if it can. */
export function traceDetails(log: SwitchLog, number: number, symbol: (contextId: number, address: bigint) => string | undefined = () => undefined): TraceDetails | undefined {
  const record = log.record(number), held = log.at(number);
  if (!record || !held) return undefined;
  const [row] = rowsOf(log, [number]), exits = row.kind === 'exit', lines: { name: string; value: string }[] = [];
  const add = (name: string, value: string | undefined): void => { if (value !== undefined && value !== '') lines.push({ name, value }); };
  const place = symbol(exits ? held.fromContext : held.toContext, record.rip);
  if (exits) {
    const exit = describeExit(record);
    add('what', exit.summary);
    add('qualification', exit.qualification.kind === 'none' ? undefined : `${hex(exit.qualification.value)}${exit.qualificationText === '' ? '' : `  ${exit.qualificationText}`}`);
    add('guest-physical address', exit.guestPhysical === undefined ? undefined : hex(exit.guestPhysical));
    add('guest-linear address', exit.guestLinear === undefined ? undefined : hex(exit.guestLinear));
    add('event', exit.interruption?.text);
    add('during delivery of', exit.vectoring?.text);
    add('instruction length', exit.instructionLength === undefined ? undefined : `${exit.instructionLength} bytes`);
    add('failed check', exit.failedCheck && `${exit.failedCheck.citation}: ${exit.failedCheck.check.rule}`);
  } else if (row.kind !== 'vmfail') {
    add('what', `L${row.to} ${activityOf(log, number)}`);
    add('injected event', describeInterruption(record.interruptionInfo, record.interruptionError)?.text);
    add('VMCS', hex(record.qualification));
    add('EPT pointer', record.second === 0n ? undefined : hex(record.second));
  }
  add(exits ? 'at' : 'goes on at', place === undefined ? row.rip : `${row.rip}  ${place}`);
  add('time', `${row.time} units`);
  if (number > log.oldest) add('since the switch before', `${row.time - log.time(number - 1)} units`);
  if (exits && !row.entryFailed) add('until it ran again', row.below === undefined ? 'has not run again' : `${row.below} units`);
  add('vCPU', String(row.vcpu));
  add('uncertain', row.uncertain ? 'the events fit no context known before' : undefined);
  return { number, title: switchTitle(row), lines };
}
