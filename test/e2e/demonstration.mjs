// The demonstration in the example workspace, step by step: F5 without launch.json, the stop inside the guest's CPUID exit, levels, scopes,
// stepping, continuing, a breakpoint in the hypervisor's source, the choice of stops. A step goes on where the last one ended.

import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { failures, level, stopped, threadRow } from './session.mjs';
import { until } from './workbench.mjs';

const cpuidStop = /CPUID exit of L3/i;
/** Where the guest stood at the first stop, as `function:line`. */
let guestPlace;

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
      await until('the debug side bar', () => workbench.paneOf('Watch').isVisible(), 60_000);
      await workbench.fold('Watch');
      const rows = await stopped(context, cpuidStop);
      const guest = threadRow(rows, 3);
      assert.match(guest ?? '', cpuidStop, `the guest's thread says why it stopped: ${rows.join('; ')}`);
      guestPlace = (await until('the guest suspended at a source line', async () => {
        const found = await level(context, 3);
        return found.state === 'suspended' && found;
      })).place;
      await until('the marked line of the guest', () => workbench.stoppedLine());
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
      const shown = () => workbench.variables();
      const open = async (name) => {
        await workbench.page.locator('.debug-variables .monaco-list-row', { hasText: name }).first().click();
      };
      const others = ['Call Stack', 'Breakpoints', 'Levels'];
      await workbench.fold(...others);
      const scopes = await until('the scopes', async () => {
        const found = await shown();
        return found.some((row) => /^Exit/.test(row)) && found;
      });
      for (const name of [/^Registers/, /^VMCS of L0 for L3/, /^Exit/]) assert.ok(scopes.some((scope) => name.test(scope)), `${name} is among ${scopes.join('; ')}`);
      await open(/^Exit/);
      await until('the exit reason', async () => (await shown()).some((row) => /CPUID/.test(row)));
      await picture('exit-information');
      await open(/^Exit/);
      await open(/^VMCS of L0 for L3/);
      await until('the groups of the VMCS', async () => (await shown()).some((row) => /guest/i.test(row)));
      await picture('vmcs');
      await open(/^VMCS of L0 for L3/);
      await workbench.unfold(...others);
    },
  },
  {
    name: 'the disassembly shows the exiting instruction',
    run: async ({ workbench, picture }) => {
      await workbench.page.locator('.editor-group-container .monaco-editor .view-line').nth(4).click();
      await workbench.command('Open Disassembly View');
      await until('CPUID in the disassembly', async () => (await workbench.page.locator('.disassembly-view').innerText()).includes('cpuid'));
      await picture('disassembly');
      await workbench.command('View: Close Editor');
    },
  },
  {
    name: 'F10 stops at the guest\'s next line on the same thread',
    run: async (context) => {
      const { workbench, picture } = context;
      await workbench.press('F10');
      const now = await until('the guest executing', async () => {
        const guest = await level(context, 3);
        return guest.state === 'executing' && guest;
      });
      assert.notEqual(now.place, guestPlace);
      const rows = await until('the step in the call stack', async () => {
        const found = await workbench.threadsAndFrames();
        return /step/i.test(threadRow(found, 3) ?? '') && found;
      });
      for (const other of [0, 1, 2]) assert.doesNotMatch(threadRow(rows, other), /step/i);
      await picture('after-step');
    },
  },
  {
    name: 'Continue stops in the next CPUID exit',
    run: async (context) => {
      await context.workbench.press('F5');
      const rows = await stopped(context, cpuidStop);
      assert.match(threadRow(rows, 3), cpuidStop);
      await until(`the guest at ${guestPlace} again`, async () => {
        const { state, place } = await level(context, 3);
        return state === 'suspended' && place === guestPlace;
      });
    },
  },
  {
    name: 'without the CPUID filter it runs on, and pause stops it',
    run: async (context) => {
      const { workbench, picture } = context;
      const filter = workbench.page.locator('.debug-breakpoints .monaco-list-row', { hasText: 'VM exit: CPUID' }).locator('input[type=checkbox], .monaco-checkbox').first();
      await filter.click();
      await workbench.press('F5');
      await until('the levels running', async () => (await workbench.pane('Levels')).some((row) => /running/.test(row)));
      await picture('running');
      await workbench.press('F6');
      await stopped(context, /Paused in L\d/);
      await until('one level executing', async () => (await workbench.pane('Levels')).filter((row) => /executing/.test(row)).length === 1);
      await picture('paused');
      await filter.click();
      await workbench.press('F5');
      await stopped(context, cpuidStop);
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
      const at = await until('the line of level 0', async () => Number(/executing · \w+:(\d+)/.exec((await workbench.pane('Levels'))[0])[1]));
      const line = (await workbench.visibleLines()).find((each) => each > at);
      await workbench.clickGutter(line);
      await until('the breakpoint in the margin', () => workbench.page.locator('.monaco-editor .codicon-debug-breakpoint').first().isVisible());
      await picture('breakpoint-set');
      await workbench.press('F5');
      await stopped(context, /L0 · Breakpoint in L0/);
      await until('the line in the Levels view', async () => new RegExp(`executing · \\w+:${line}`).test((await workbench.pane('Levels'))[0]));
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
      await until('the level to go from the status bar', async () => !/L0 ·/.test(await workbench.statusBar()));
      await picture('ended');
    },
  },
  {
    name: 'no file of the extension is missing, nothing failed in the page, and no request left this machine',
    run: async ({ browser }) => assert.deepEqual(failures(browser), []),
  },
];

export const demonstration = { name: 'demonstration', prepare: (workspace, root) => cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true }), steps };
