// The matrix of stops, level by reason, as the quick pick shows and changes it. Plain data: tested without the editor.

import type { ChosenFilter, StopFilter } from './custom-requests';

export interface ReasonRow {
  filter: string;
  label: string;
  detail?: string;
  picked: boolean;
}

export interface ReasonGroup {
  group: string;
  rows: ReasonRow[];
}

/** The reasons in groups, in the adapter's order, picked as they are chosen for `level`, or for any level when it is undefined. */
export function reasonGroups(filters: readonly StopFilter[], level: number | undefined): ReasonGroup[] {
  const groups = new Map<string, ReasonRow[]>();
  for (const { filter, label, description, group, shown, levels } of filters) {
    const picked = level === undefined ? shown : levels?.includes(level) ?? false;
    groups.set(group, [...groups.get(group) ?? [], { filter, label, detail: description, picked }]);
  }
  return [...groups].map(([group, rows]) => ({ group, rows }));
}

/** The whole choice after the reasons for `level` (or for any level) were replaced by `picked`; the other levels' choices stay. */
export function replaceChoice(filters: readonly StopFilter[], level: number | undefined, picked: ReadonlySet<string>): ChosenFilter[] {
  return filters.flatMap(({ filter, shown, levels = [] }) => {
    const anywhere = level === undefined ? picked.has(filter) : shown;
    const kept = level === undefined ? levels : levels.filter((each) => each !== level);
    const at = level !== undefined && picked.has(filter) ? [...kept, level] : kept;
    return [...(anywhere ? [{ filter }] : []), ...at.sort((a, b) => a - b).map((each) => ({ filter, level: each }))];
  });
}
