// `exits`: the last world switches, newest last, each with what the processor recorded of it.
import { switchTitle, traceDetails } from '../exit-trace/trace-details';
import { reasonName } from '../exit-trace/trace-query';
import { symbolAt } from '../target/machine-session';
import type { VariableNode } from '../target/variable-tree';
import { describeExit } from '../vmcs/describe-exit';
import { columns, type ConsoleCommand, type ConsoleScope } from './command';

const usual = 10;

export const exits: ConsoleCommand = {
  name: 'exits', usage: 'exits [n]', sentence: 'The last n world switches (10 if not said): exits, deliveries to handlers, entries and VMfails, with level, reason and what each was about.',
  run(argument, scope) {
    if (!/^\d{0,6}$/.test(argument)) return undefined;
    const { switches } = scope.session.tracker, count = argument === '' ? usual : Math.max(1, Number(argument)), rows = switches.since(Math.max(0, switches.count - count));
    if (rows.length === 0) return { text: 'No level has been entered yet.' };
    const named = rows.map(row => ({ ...row, name: traceName(row.number, scope) }));
    return {
      text: columns(named.map(row => [`#${row.number}`, `at ${row.time}`, titleOf(row), row.kind === 'exit' ? summaryOf(row.number, row.name, scope) : ''])),
      children: () => named.map(row => switchNode(row.number, scope)),
    };
  },
};

/** The title of a switch with what is unusual of it. */
function titleOf(row: Parameters<typeof switchTitle>[0] & { readonly uncertain: boolean; readonly vcpu: number }): string {
  return `${switchTitle(row)}${row.uncertain ? ' (guessed)' : ''}${row.vcpu > 0 ? ` on vCPU ${row.vcpu}` : ''}`;
}

const traceName = (number: number, { session: { tracker } }: ConsoleScope): string => reasonName(tracker.switches.reason(number));

/** What an exit was about, where that is more than its reason. */
function summaryOf(number: number, name: string, { session: { tracker } }: ConsoleScope): string {
  const record = tracker.switches.record(number), summary = record && describeExit(record).summary;
  return summary === undefined || summary === name ? '' : summary;
}

function switchNode(number: number, { session: { tracker, images } }: ConsoleScope): VariableNode {
  const details = traceDetails(tracker.switches, number, (id, address) => { const context = tracker.context(id); return context && symbolAt(images, context, address).symbol; });
  return { name: `#${number}`, value: details?.title ?? '', children: () => details?.lines.map(line => ({ ...line, fixed: 'it is a record of what happened' })) ?? [] };
}
