// The requests about the trace of exits: their arguments, checked, into calls of the Target.
import type { TraceFilter, TraceFormat, WorldSwitchKind } from '../inspector/target-types';
import type { ArgumentReader } from './request-arguments';
import type { TargetClient } from './target-client';
import { UserError } from './user-errors';

const kinds: readonly WorldSwitchKind[] = ['exit', 'deliver', 'enter', 'vmfail'];
const formats: readonly TraceFormat[] = ['text', 'json', 'csv', 'dot', 'perfetto'];
/** Rows of one answer, and columns of one chart. */
const mostRows = 10_000, mostColumns = 4000;
const natural = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** What the requests select by: `level`, `reason` (basic exit reason), `kind`, and `first` to `last`, numbers of switches. */
function filterOf(args: ArgumentReader): TraceFilter {
  const filter = {
    level: args.optionalNumber('level', natural), reason: args.optionalNumber('reason', { min: 0, max: 0xffff }), kind: args.optional('kind', name => args.oneOf(name, kinds)),
    first: args.optionalNumber('first', natural), last: args.optionalNumber('last', natural),
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** Handlers by request; `client` fails with a user error while nothing is launched. */
export function traceRequests(client: (command: string) => TargetClient): Record<string, (args: ArgumentReader) => Promise<object>> {
  return {
    'abyme/trace': async args => client('abyme/trace').call('trace', [{
      ...filterOf(args), from: args.optionalNumber('from', natural), count: args.number('count', { min: 0, max: mostRows }),
      backwards: args.optional('backwards', name => args.boolean(name)) ?? false,
    }]),
    'abyme/traceStatistics': async args => client('abyme/traceStatistics').call('traceStatistics', [filterOf(args)]),
    'abyme/traceLanes': async args => client('abyme/traceLanes').call('traceLanes', [{
      vcpu: args.optionalNumber('vcpu', { min: 0, max: 255 }), start: args.optionalNumber('start', natural), end: args.optionalNumber('end', natural),
      columns: args.number('columns', { min: 1, max: mostColumns }),
    }]),
    'abyme/traceDetails': async args => {
      const number = args.number('number', natural), details = await client('abyme/traceDetails').call('traceDetails', [number]);
      if (!details) throw new UserError('unknownSwitch', { number: String(number) });
      return details;
    },
    'abyme/traceExport': async args => ({ text: await client('abyme/traceExport').call('traceExport', [args.oneOf('format', formats), filterOf(args)]) }),
  };
}
