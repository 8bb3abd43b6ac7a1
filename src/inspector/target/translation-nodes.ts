// Where the addresses of a level come to: those that its registers and its last exit name, way by way, and the tables of the level and of every level below.
import type { StackFrame } from '../images/stack-frames';
import { exitReasonByNumber } from '../../spec/exit-reasons';
import { describeExit } from '../vmcs/describe-exit';
import type { MachineSession } from './machine-session';
import { eptTables, pagingTables } from './table-nodes';
import type { VariableNode } from './variable-tree';
import { linearWalk, pagingOf, physicalWalk } from './walk-words';

export function translationNode(session: MachineSession, { context, address }: StackFrame): VariableNode {
  return {
    name: 'Address translation', value: '',
    children() {
      const rsp = session.registers.value(context, 'rsp'), cr2 = session.registers.value(context, 'cr2'), exit = context.lastExit && describeExit(context.lastExit);
      const hex = (value: bigint): string => `0x${value.toString(16)}`;
      const linear = (name: string, at: bigint | undefined): VariableNode[] => at === undefined ? [] : [lazily(name, hex(at), `L${context.level}:${hex(at)}`, () => linearWalk(session, context, at).children())];
      return [
        ...linear('instruction', address), ...linear('stack', rsp), ...cr2 === undefined || cr2 === 0n ? [] : linear('CR2', cr2),
        ...exit?.guestLinear === undefined ? [] : linear(`${exitReasonByNumber(exit.reason)?.name ?? 'exit'}, guest-linear`, exit.guestLinear),
        ...exit?.guestPhysical === undefined ? [] : [lazily(`${exit.name}, guest-physical`, hex(exit.guestPhysical), `gpa${context.level}:${hex(exit.guestPhysical)}`,
          () => physicalWalk(session, context, exit.guestPhysical!).children())],
        ...pagingTables(session, context, pagingOf(session, context)), ...eptTables(session, context),
      ];
    },
  };
}

const lazily = (name: string, value: string, memory: string, children: () => readonly VariableNode[]): VariableNode => ({ name, value, memory, fixed: 'it is where the level stands', children });
