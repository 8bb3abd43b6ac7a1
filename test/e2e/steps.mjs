// Steps in the editor on the demonstration, with the keys that users know: into an exit, over it and out of its handler at three levels, Step Into
// Target, run to cursor, jump to cursor.

import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { executing, failures, firstStop, level, step, stopped } from './session.mjs';
import { until } from './workbench.mjs';

const cpuidStop = /CPUID exit of L3/i;
const mostLines = 12;

/** Puts the cursor at the end of a line on the screen that has this text. */
async function putCursor({ workbench: { page } }, text) {
  await page.locator('.editor-instance .view-line', { hasText: text }).first().click();
  await page.keyboard.press('End');
}

/** From the beginning of a handler, steps into line by line until another level executes. */
async function intoLevelBelow(context) {
  const from = await step(context, 'Shift+F11');
  for (let line = 0; line < mostLines; line++) {
    const now = await step(context, 'F11');
    if (now.level !== from.level) return now;
  }
  throw new Error(`no line of ${mostLines} left L${from.level}`);
}

/** Steps out until another level executes. */
async function outToLevelAbove(context) {
  const from = await executing(context);
  for (let frame = 0; frame < mostLines; frame++) {
    const now = await step(context, 'Shift+F11');
    if (now.level !== from.level) return now;
  }
  throw new Error(`${mostLines} frames did not leave L${from.level}`);
}

const steps = [
  {
    name: 'the machine stops in an exit of level 3',
    essential: true,
    run: (context) => firstStop(context, cpuidStop, 'Watch', 'Variables', 'Breakpoints'),
  },
  {
    name: 'F11 goes into the handler of level 2, Shift+F11 out of it to where level 3 runs again',
    run: async (context) => {
      const { picture } = context, handler = await step(context, 'F11');
      assert.equal(handler.level, 2);
      assert.match(handler.place, /^enter_guest:/);
      await stopped(context, /L2 · Step in L2/);
      await picture('into-handler');
      const caller = await step(context, 'Shift+F11');
      assert.deepEqual([caller.level, caller.place.split(':')[0]], [2, 'run_guest']);
      assert.equal((await step(context, 'Shift+F11')).level, 3);
      await stopped(context, /L3 · Step in L3/);
      await picture('out-of-handler');
    },
  },
  {
    name: 'Shift+F11 leaves the inlined call in which level 3 exited, F10 goes over the exit',
    run: async (context) => {
      const { workbench } = context;
      await workbench.press('F5');
      await stopped(context, cpuidStop);
      assert.match((await level(context, 3)).place, /^cpuid:/);
      assert.match((await step(context, 'Shift+F11')).place, /^measure_cpuid:/);
      await workbench.press('F5');
      await stopped(context, cpuidStop);
      const over = await step(context, 'F10');
      assert.deepEqual([over.level, over.place.split(':')[0]], [3, 'read_sentence']);
      await workbench.press('F5');
      await stopped(context, cpuidStop);
    },
  },
  {
    name: 'exits of levels 2 and 1 are stepped into and out of in the same way',
    run: async (context) => {
      const { picture } = context;
      assert.equal((await step(context, 'F11')).level, 2);
      const first = await intoLevelBelow(context);
      assert.deepEqual([first.level, first.place.split(':')[0]], [1, 'enter_guest']);
      const second = await intoLevelBelow(context);
      assert.deepEqual([second.level, second.place.split(':')[0]], [0, 'enter_guest']);
      await picture('level-0');
      assert.equal((await outToLevelAbove(context)).level, 1);
      const line = await step(context, 'F10');
      assert.equal(line.level, 1);
      assert.equal((await outToLevelAbove(context)).level, 2);
      assert.equal((await step(context, 'F10')).level, 2);
      await picture('level-2-again');
      assert.equal((await outToLevelAbove(context)).level, 3);
    },
  },
  {
    name: 'Step Into Target lists the handlers of all levels below',
    run: async (context) => {
      const { workbench, picture } = context;
      await workbench.press('F5');
      await stopped(context, cpuidStop);
      await workbench.command('Debug: Step Into Target');
      const rows = workbench.page.locator('.quick-input-list .monaco-list-row');
      await until('three targets', async () => (await rows.allInnerTexts()).filter((text) => /Handler of L\d/.test(text)).length === 3);
      await picture('targets');
      const before = await executing(context);
      await workbench.pick('Handler of L1');
      const now = await executing(context, before.text);
      assert.deepEqual([now.level, now.place.split(':')[0]], [1, 'enter_guest']);
    },
  },
  {
    name: 'Run to Cursor stops at the line of the cursor',
    run: async (context) => {
      const { workbench, picture } = context;
      // level 1 handles an exit of level 3
      assert.equal((await outToLevelAbove(context)).level, 3);
      assert.match((await step(context, 'Shift+F11')).place, /^read_sentence:/);
      await until('the marked line of the guest', async () => await workbench.stoppedLine() === 33);
      await putCursor(context, /return\ssentence;/);
      await workbench.command('Debug: Run to Cursor');
      await until('the line', async () => /^read_sentence:37$/.test((await executing(context)).place));
      await picture('run-to-cursor');
    },
  },
  {
    name: 'Jump to Cursor sets the next statement',
    run: async (context) => {
      const { workbench, picture } = context;
      await putCursor(context, /answer\.ebx/);
      await workbench.command('Debug: Jump to Cursor');
      await until('the line', async () => /^read_sentence:34$/.test((await executing(context)).place));
      await stopped(context, /L3 · Moved in L3/);
      await picture('jumped');
      assert.match((await step(context, 'F10')).place, /^read_sentence:35$/);
    },
  },
  { name: 'nothing failed in the page', run: async ({ browser }) => assert.deepEqual(failures(browser), []) },
];

export const stepping = { name: 'steps', prepare: (workspace, root) => cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true }), steps };
