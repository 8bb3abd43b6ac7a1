// The exit of a level as report and as tree of values.
import { exitReasonByNumber } from '../../spec/exit-reasons';
import { instructionErrorByNumber } from '../../spec/instruction-errors';
import { vmcsFieldById } from '../../spec/vmcs-fields';
import type { Machine } from '../../emulator/machine';
import type { Context } from '../levels/context';
import type { ExitInfo } from '../target-types';
import { describeExit } from '../vmcs/describe-exit';
import type { VariableNode } from './variable-tree';
import { bitNode } from './bit-nodes';
import type { ValueFormat } from './value-format';

/** The last exit of a context above L0; undefined when it never exited, or runs. */
export function exitInfo(context: Context): ExitInfo | undefined {
  const exit = context.lastExit;
  if (!exit || context.state === 'executing') return undefined;
  const { reason, name, summary, details, entryFailed } = describeExit(exit);
  const title = entryFailed ? `VM-entry failure of L${context.level}: ${summary}` : `${name} exit of L${context.level}${summary === name ? '' : `: ${summary}`}`;
  return { reason, name, from: context.level, threadId: context.id, summary: title, details };
}

/** The last exit of a context, field by field. */
export function exitNode(context: Context, format: ValueFormat): VariableNode | undefined {
  const exit = context.lastExit;
  if (!exit) return undefined;
  return {
    name: 'Exit', value: '',
    children() {
      const d = describeExit(exit), fixed = 'it is a record of what happened', hex = (value: bigint | number): string => `0x${value.toString(16)}`, number = (value: bigint): string => format.plain(value);
      const row = (name: string, value: string, more: Partial<VariableNode> = {}): VariableNode => ({ name, value, fixed, ...more });
      return [
        row('reason', `${d.reason} ${d.name}`, { evaluateName: 'reason', type: exitReasonByNumber(d.reason)?.cause }), row('what', d.summary),
        ...d.qualification.kind === 'none' ? [] : [row('qualification', d.qualificationText === '' ? number(d.qualification.value) : `${number(d.qualification.value)}  ${d.qualificationText}`, {
          evaluateName: 'qualification', ...d.qualification.fields && { children: () => d.qualification.fields!.map(each => bitNode(each)) },
        })],
        ...d.guestPhysical === undefined ? [] : [row('guestPhysical', hex(d.guestPhysical), { evaluateName: 'gpa', memory: `gpa${context.level}:${hex(d.guestPhysical)}` })],
        ...d.guestLinear === undefined ? [] : [row('guestLinear', hex(d.guestLinear), { memory: `L${context.level}:${hex(d.guestLinear)}` })],
        ...d.instructionLength === undefined ? [] : [row('instructionLength', String(d.instructionLength))],
        ...d.instructionInfo ? [row('instructionInformation', hex(d.instructionInfo.value), { children: () => d.instructionInfo!.bits.map(each => bitNode(each)) })] : [],
        ...d.interruption ? [row('event', d.interruption.text)] : [], ...d.vectoring ? [row('during delivery of', d.vectoring.text)] : [],
        ...d.failedCheck ? [row('failed check', d.failedCheck.check.id, { type: `${d.failedCheck.citation}: ${d.failedCheck.check.rule}` })] : [],
        row('at', hex(exit.rip), { memory: `L${context.level}:${hex(exit.rip)}` }), row('time', `${exit.time} units`),
      ];
    },
  };
}

/** The VM-instruction error of L0's current VMCS in words; undefined when there is none. */
export function instructionErrorText(machine: Machine, context: Context): string | undefined {
  const pointer = machine.vmx(context.vcpu).currentVmcs;
  const number = pointer === undefined ? 0n : machine.readVmcs(pointer, vmcsFieldById('VM_INSTRUCTION_ERROR').encoding) ?? 0n;
  return number === 0n ? undefined : `VM-instruction error ${number}: ${instructionErrorByNumber(Number(number))?.sentence ?? 'unassigned'}`;
}
