// The demonstration in the example workspace, step by step: F5 without launch.json, the stop inside the guest's CPUID exit, levels, scopes,
// stepping, continuing, a breakpoint in the hypervisor's source, the choice of stops. A step goes on where the last one ended.

import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { failures, stopped, threadRow } from './session.mjs';
import { until } from './workbench.mjs';

const cpuidStop = /CPUID/;
let guestLine;

const steps = [
  {
    name: 'the workbench opens with the example folder',
    essential: true,
    run: async ({ workbench, picture, workspace }) => {
      await workbench.ready();
      assert.deepEqual((await readdir(workspace, { recursive: true })).filter((name) => /launch\.json$/.test(name)), [], 'the example has no launch.json');
      await picture('workbench');
    },
  },
  {
    name: 'F5 without launch.json stops inside the CPUID exit of the guest',
    essential: true,
    run: async (context) => {
      const { workbench, picture } = context;
      await workbench.press('F5');
      const rows = await stopped(context, cpuidStop);
      const guest = threadRow(rows, 3);
      assert.match(guest ?? '', cpuidStop, `the guest's thread says why it stopped: ${rows.join('; ')}`);
      guestLine = await until('the marked line of the guest', () => workbench.stoppedLine());
      await picture('stopped-in-cpuid-exit');
    },
  },
  {
    name: 'the exit is shown inline with its reason',
    run: async ({ workbench, picture }) => {
      const text = await until('the exception widget', async () => (await workbench.page.locator('.exception-widget').first().innerText()) || undefined);
      assert.match(text, /CPUID/);
      assert.match(text, /L3/);
      await picture('exit-shown-inline');
    },
  },
  {
    name: 'threads L0 to L3 are listed',
    run: async ({ workbench }) => {
      const rows = await workbench.threadsAndFrames();
      for (const level of [0, 1, 2, 3]) assert.ok(threadRow(rows, level), `level ${level} is among ${rows.join('; ')}`);
    },
  },
  {
    name: 'the Levels view marks level 0 as executing',
    run: async ({ workbench, picture }) => {
      const rows = await until('four levels', async () => {
        const found = await workbench.pane('Levels');
        return found.length === 4 && found;
      });
      rows.forEach((row, level) => assert.match(row, new RegExp(`^L${level}(?!\\d)`)));
      assert.match(rows[0], /executing/);
      for (const row of rows.slice(1)) assert.match(row, /suspended/);
      assert.match(await workbench.statusBar(), /L0 · .*CPUID/);
      await picture('levels-view');
    },
  },
  {
    name: 'scopes show registers, the VMCS and the exit',
    run: async ({ workbench, picture }) => {
      const scopes = await until('three scopes', async () => {
        const found = await workbench.variables();
        return found.length >= 3 && found;
      });
      for (const name of [/Registers/, /VMCS/, /Exit/]) assert.ok(scopes.some((scope) => name.test(scope)), `${name} is among ${scopes.join('; ')}`);
      const exit = workbench.page.locator('.debug-variables .monaco-list-row', { hasText: /^Exit/ }).first();
      await exit.click();
      await until('the exit reason', async () => (await workbench.variables()).some((row) => /CPUID/.test(row)));
      await picture('scopes');
      await exit.click();
    },
  },
  {
    name: 'F10 stops at the next line on the same thread',
    run: async (context) => {
      const { workbench, picture } = context;
      await workbench.press('F10');
      const line = await until('another line', async () => {
        const now = await workbench.stoppedLine();
        return now !== undefined && now !== guestLine ? now : undefined;
      });
      assert.ok(line > guestLine, `line ${line} follows line ${guestLine}`);
      const guest = threadRow(await workbench.threadsAndFrames(), 3);
      assert.match(guest, /step/i);
      await picture('after-step');
    },
  },
  {
    name: 'Continue stops in the next CPUID exit',
    run: async (context) => {
      await context.workbench.press('F5');
      const rows = await stopped(context, cpuidStop);
      assert.match(threadRow(rows, 3), cpuidStop);
      assert.equal(await until('the marked line', () => context.workbench.stoppedLine()), guestLine);
    },
  },
  {
    name: 'a click on a level shows where it stands',
    run: async ({ workbench, picture }) => {
      await workbench.paneRow('Levels', /^L0/).click();
      await until('the source of the hypervisor', async () => /\.(c|S)\b/.test(await workbench.activeEditor()) && !/guest/.test(await workbench.activeEditor()));
      await until('the marked line of level 0', () => workbench.stoppedLine());
      await picture('level-0-shown');
    },
  },
  {
    name: 'a breakpoint set in the margin of the hypervisor\'s source is hit',
    run: async (context) => {
      const { workbench, picture } = context;
      // Level 0 has not executed its handler's first instruction: a later line of the same handler is still to come.
      const at = await workbench.stoppedLine();
      const line = (await workbench.visibleLines()).find((each) => each > at);
      await workbench.clickGutter(line);
      await until('the breakpoint in the margin', () => workbench.page.locator('.monaco-editor .codicon-debug-breakpoint').first().isVisible());
      await picture('breakpoint-set');
      await workbench.press('F5');
      const rows = await stopped(context, /breakpoint/i);
      assert.match(threadRow(rows, 0) ?? '', /breakpoint/i, rows.join('; '));
      await picture('breakpoint-hit');
    },
  },
  {
    name: 'stops are chosen by level and reason',
    run: async ({ workbench, picture }) => {
      await workbench.command('Abyme: Choose Stops by Reason and Level');
      await workbench.pick('L2');
      await picture('choose-level');
      await workbench.page.keyboard.type('exit.cr-access');
      // A row with a check box is chosen by a click and taken with the button.
      await workbench.pick('exit.cr-access');
      await picture('choose-reasons');
      await workbench.page.locator('.quick-input-widget .monaco-button', { hasText: 'OK' }).click();
      await until('the choice in the Levels view', async () => /exit\.cr-access@2/.test(await workbench.page.locator('.pane', { has: workbench.paneOf('Levels') }).innerText()));
      await picture('stops-chosen');
    },
  },
  {
    name: 'the session ends and the views are empty',
    run: async ({ workbench, picture }) => {
      await workbench.press('Shift+F5');
      await until('the debug toolbar to go', async () => !await workbench.page.locator('.debug-toolbar').isVisible());
      assert.doesNotMatch(await workbench.statusBar(), /L0 ·/);
      await picture('ended');
    },
  },
  {
    name: 'no file of the extension is missing, nothing failed in the page, and no request left this machine',
    run: async ({ browser }) => assert.deepEqual(failures(browser), []),
  },
];

export const demonstration = { name: 'demonstration', prepare: (workspace, root) => cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true }), steps };
