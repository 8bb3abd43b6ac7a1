// Which stop filters the client shows, and which are on. The client shows what the capabilities list and sends back which are on; the list
// itself is changed by the request `abyme/setFilters`. A filter that is put on the list is on until the client says otherwise.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { filterId, parseFilterId, stopFilters, type FilterId } from '../inspector/run-control/stop-filters';
import type { FilterRequest } from '../inspector/target-types';
import { UserError } from './user-errors';

const conditionHelp = 'An expression on the exit, for example leaf == 0xd && level == 2';

export class FilterChoice {
  private listed: string[] = stopFilters.filter(({ common }) => common).map(({ id }) => id);
  private on: FilterRequest[] = stopFilters.filter(({ enabled }) => enabled).map(({ id }) => ({ filter: id }));

  /** The filters that the client is to show, as the capabilities name them. */
  shown(): DebugProtocol.ExceptionBreakpointsFilter[] {
    const on = new Set(this.on.map(({ filter }) => filter));
    return this.listed.map(id => {
      const { filter, level } = parse(id);
      return {
        filter: id, label: level === undefined ? filter.label : `${filter.label} at L${level}`, description: filter.description,
        default: on.has(id), supportsCondition: true, conditionDescription: conditionHelp,
      };
    });
  }

  /** Filters that are on, with their conditions. */
  active(): FilterRequest[] { return [...this.on]; }

  /** What the client says is on; replaces everything before. */
  choose(requests: readonly FilterRequest[]): void { this.on = [...requests]; }

  /** Replaces the list; new filters are on, removed ones off, the others as they were. Throws on an unknown filter. */
  show(chosen: readonly { filter: string; level?: number }[]): void {
    const listed = [...new Set(chosen.map(({ filter, level }) => filterId(filter, level)))];
    listed.forEach(parse);
    const before = new Set(this.listed);
    this.on = [...this.on.filter(({ filter }) => listed.includes(filter)), ...listed.filter(id => !before.has(id)).map(filter => ({ filter }))];
    this.listed = listed;
  }

  /** Every filter that exists, in the order of the tables, with where it is shown. */
  describe(): object[] {
    return stopFilters.map(({ id, label, description, group }) => {
      const levels = this.listed.map(parse).filter(({ filter, level }) => filter.id === id && level !== undefined).map(({ level }) => level!);
      return { filter: id, label, description, group, shown: this.listed.includes(id), ...levels.length > 0 && { levels } };
    });
  }
}

function parse(id: string): FilterId {
  const found = parseFilterId(id);
  if (!found) throw new UserError('unknownFilter', { filter: id.slice(0, 80) });
  return found;
}
