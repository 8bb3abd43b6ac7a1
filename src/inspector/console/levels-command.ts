// `levels`: the tree of levels, where each stands and what runs it.
import { levelName } from '../target/machine-session';
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { Context } from '../levels/context';
import { columns, hex, type ConsoleCommand, type ConsoleScope } from './command';

export const levels: ConsoleCommand = {
  name: 'levels', usage: 'levels', sentence: 'The tree of levels: what each does, where it stands, and the VMCSs that control it.',
  run(argument, scope) {
    if (argument !== '') return undefined;
    const { tracker } = scope.session, order = [...tracker.liveContexts].sort((a, b) => a.vcpu - b.vcpu || a.level - b.level || a.id - b.id);
    return { text: columns(order.map(context => [
      `${context === scope.frame.context ? '*' : ' '} ${'  '.repeat(context.level)}${levelName(scope.session, context)}`, stateOf(context, scope), whereOf(context, scope), vmcsOf(context),
    ])) };
  },
};

function stateOf(context: Context, { session: { tracker } }: ConsoleScope): string {
  const handled = tracker.handledBy(context), handling = handled ? `, handles an exit of L${handled.level}` : '';
  if (context.state === 'executing') return `executing${handling}`;
  switch (context.suspension) {
    case 'none': return `suspended${handling}`;
    case 'exit': return `in its ${exitReasonByNumber(context.last.basicReason)?.name ?? 'VM'} exit`;
    case 'vmlaunch': case 'vmresume': return `in ${context.suspension.toUpperCase()}`;
  }
}

function whereOf(context: Context, { session: { frames } }: ConsoleScope): string {
  const [frame] = frames.own(context);
  if (!frame) return '';
  return `${hex(frame.address)} ${frame.name}${frame.source === undefined ? '' : ` (${frame.source.replace(/^.*\//, '')}:${frame.line})`}`;
}

function vmcsOf(context: Context): string {
  const parts = [
    ...context.level > 0 && context.hardwareVmcs >= 0 ? [`controlled by the VMCS at ${hex(context.hardwareVmcs)}`] : [],
    ...context.currentVmcs ? [`current VMCS ${context.currentVmcs.pointer < 0 ? 'unnamed' : hex(context.currentVmcs.pointer)}`] : [],
  ];
  return parts.join(', ');
}
