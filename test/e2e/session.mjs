// What the scenarios know of a debug session of ours, as it can be read on the screen.

import { until } from './workbench.mjs';

/** Waits for a stop whose reason in the status bar matches, and returns the rows of the call stack. Booting the stack takes a while. */
export const stopped = async ({ workbench }, pattern) => {
  await until(`a stop with ${pattern} in the status bar`, async () => {
    const stands = await workbench.page.locator('.debug-toolbar .codicon-debug-continue').isVisible();
    return stands && pattern.test(await workbench.statusBar());
  }, 60_000);
  return until('the frames of the stop', async () => {
    const rows = await workbench.threadsAndFrames();
    return rows.some((row) => /\.[chS] \| \d+/.test(row)) && rows;
  });
};

/** Where a level stands and what it does, as its row in the Levels view says. */
export async function level({ workbench }, number) {
  const [, state, place] = /^L\d\s*\|?\s*(\w+) · ([\w.]+:\d+)/.exec((await workbench.pane('Levels'))[number]);
  return { state, place };
}

/** The level that executes and its place, once one does, the Levels view knows of the stop in the status bar, and it stands elsewhere than at `before`. */
export const executing = ({ workbench }, before = '') => until(`a level that executes elsewhere than at ${before || 'nowhere'}`, async () => {
  const rows = await workbench.pane('Levels'), row = rows.find((each) => /executing/.test(each));
  const [, number, place] = /^L(\d)\s*\|?\s*executing · ([\w.]+:\d+)/.exec(row ?? '') ?? [];
  const stands = await workbench.page.locator('.debug-toolbar .codicon-debug-continue').isVisible();
  const [, stopped] = /L(\d) · /.exec(await workbench.statusBar()) ?? [];
  return stands && number !== undefined && number === stopped && `L${number} ${place}` !== before && { level: Number(number), place, text: `L${number} ${place}` };
});

/** Presses the key of a step, and returns where the machine stands after it. */
export async function step(context, key) {
  const before = await executing(context);
  await context.workbench.press(key);
  return executing(context, before.text);
}

/** From a new window to the first stop, with F5; panes that are not looked at are folded. */
export const firstStop = async (context, pattern, ...folded) => {
  const { workbench } = context;
  await workbench.ready();
  await workbench.press('F5');
  await until('the debug side bar', () => workbench.paneOf('Watch').isVisible(), 60_000);
  await stopped(context, pattern);
  await workbench.fold(...folded);
};

/** The row of a level's thread: its name, and its state. The session's own row may stand before the threads and begin alike. */
export const threadRow = (rows, level) => rows.find((row) => new RegExp(`^L${level}(?!\\d)`).test(row) && row.includes('|'));

/** What went wrong in the page that concerns us: the editor itself looks for many files that need not be there, such as translations. */
export const failures = ({ problems }) => problems.filter((problem) => !/^404/.test(problem) || (/\/static\/extension\//.test(problem) && !/package\.nls\.json$/.test(problem)));
