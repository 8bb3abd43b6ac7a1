// The stops that the user chose with the quick pick, kept beyond the session. The editor reads the list of filters once, from the answer to
// `initialize`, and sends back those of that list alone: filters chosen later are added to what it sends, and listed from the next session on.

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { ChosenFilter } from './custom-requests';

export class StopMemory {
  private announced: ReadonlySet<string> = new Set();

  /** `chosen`: what was stored, undefined when the user never chose; `store` keeps a new choice. */
  constructor(private chosen: readonly ChosenFilter[] | undefined, private readonly store: (chosen: readonly ChosenFilter[]) => void) {}

  /** The stored choice, to be sent to the adapter before `initialize`. */
  get stored(): readonly ChosenFilter[] | undefined {
    return this.chosen;
  }

  /** Called with the filters of the answer to `initialize`. */
  announce(filters: readonly { filter: string }[]): void {
    this.announced = new Set(filters.map(({ filter }) => filter));
  }

  choose(chosen: readonly ChosenFilter[]): void {
    this.chosen = chosen;
    this.store(chosen);
  }

  /** Ids of the chosen filters that the editor does not list in this session. */
  get unlisted(): string[] {
    return (this.chosen ?? []).map(({ filter, level }) => level === undefined ? filter : `${filter}@${level}`).filter((id) => !this.announced.has(id));
  }

  /** What the editor sends, with the unlisted filters at the end: answers are matched by position. */
  extend(request: DebugProtocol.SetExceptionBreakpointsRequest): DebugProtocol.SetExceptionBreakpointsRequest {
    const { unlisted } = this;
    if (unlisted.length === 0) return request;
    const filterOptions = [...request.arguments.filterOptions ?? [], ...unlisted.map((filterId) => ({ filterId }))];
    return { ...request, arguments: { ...request.arguments, filterOptions } };
  }
}
