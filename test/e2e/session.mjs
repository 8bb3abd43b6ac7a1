// What the scenarios know of a debug session of ours, as it can be read on the screen.

import { until } from './workbench.mjs';

/** Waits for a stop of which a row in the call stack matches, and returns all rows. Booting the stack takes a while. */
export const stopped = ({ workbench }, pattern) => until(`a stop with ${pattern} in the call stack`, async () => {
  const rows = await workbench.threadsAndFrames();
  return rows.some((row) => pattern.test(row)) && await workbench.page.locator('.debug-toolbar .codicon-debug-continue').isVisible() ? rows : undefined;
}, 60_000);

/** The row of a level's thread: its name, and its state. The session's own row may stand before the threads and begin alike. */
export const threadRow = (rows, level) => rows.find((row) => new RegExp(`^L${level}(?!\\d)`).test(row) && row.includes('|'));

/** What went wrong in the page that concerns us: the editor itself looks for many files that need not be there, such as translations. */
export const failures = ({ problems }) => problems.filter((problem) => !/^404/.test(problem) || (/\/static\/extension\//.test(problem) && !/package\.nls\.json$/.test(problem)));
