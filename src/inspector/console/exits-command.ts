// `exits`: the last world switches, newest last. What an exit was about is known of the last exit of each level; the log keeps reasons.
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { WorldSwitch } from '../levels/switch-log';
import { describeExit } from '../vmcs/describe-exit';
import { exitNode } from '../target/exit-words';
import { columns, type ConsoleCommand, type ConsoleScope } from './command';

const usual = 10;

export const exits: ConsoleCommand = {
  name: 'exits', usage: 'exits [n]', sentence: 'The last n world switches (10 if not said): exits, deliveries to handlers, entries and VMfails, with level and reason.',
  run(argument, scope) {
    if (!/^\d{0,6}$/.test(argument)) return undefined;
    const { switches } = scope.session.tracker, count = argument === '' ? usual : Number(argument), rows = switches.since(Math.max(0, switches.count - count));
    if (rows.length === 0) return { text: 'No level has been entered yet.' };
    const tellers = lastExitRows(scope);
    return {
      text: columns(rows.map(row => [`#${row.number}`, `at ${row.time}`, describeSwitch(row), detailOf(row, tellers)])),
      children: () => rows.flatMap(row => {
        const context = tellers.get(row.number) === undefined ? undefined : scope.session.tracker.context(row.fromContext), node = context && exitNode(context);
        return node ? [{ ...node, name: `#${row.number}`, value: describeSwitch(row) }] : [];
      }),
    };
  },
};

/** A switch in words: `CPUID exit of L3`, `CPUID exit of L3 → handler of L1`. */
export function describeSwitch({ kind, vcpu, from, to, reason, entryFailed, uncertain }: WorldSwitch): string {
  const name = exitReasonByNumber(reason)?.name ?? `reason ${reason}`, on = vcpu > 0 ? ` on vCPU ${vcpu}` : '';
  const failed = entryFailed ? ' (VM-entry failure)' : '', guessed = uncertain ? ' (guessed)' : '';
  switch (kind) {
    case 'exit': return `${name} exit of L${from}${failed}${on}`;
    case 'deliver': return `${name} exit of L${from} → handler of L${to}${failed}${guessed}${on}`;
    case 'enter': return `entry into L${to}, after its ${name}${guessed}${on}`;
    case 'vmfail': return `VMfail of ${name} in L${to}${on}`;
  }
}

/** Rows of the last exit of each level: those whose record is still held. By number of the row, the sentence. */
function lastExitRows({ session: { tracker } }: ConsoleScope): Map<number, string> {
  const found = new Map<number, string>(), seen = new Set<number>(), { switches } = tracker;
  for (let n = switches.count - 1; n >= switches.oldest && seen.size < tracker.contexts.length; n--) {
    const row = switches.at(n)!;
    if (row.kind !== 'exit' || seen.has(row.fromContext)) continue;
    seen.add(row.fromContext);
    const exit = tracker.context(row.fromContext)?.lastExit;
    if (exit && exit.basicReason === row.reason && exit.entryFailed === row.entryFailed) found.set(n, describeExit(exit).summary);
  }
  return found;
}

const detailOf = (row: WorldSwitch, tellers: Map<number, string>): string => {
  const name = exitReasonByNumber(row.reason)?.name, text = tellers.get(row.number);
  return text === undefined || text === name ? '' : text;
};
