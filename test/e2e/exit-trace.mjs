// The Exit Trace panel on the demonstration: opened from the Levels view, filtered, a row's details, the chart by button and keyboard, an export,
// and that it follows the machine to the next stop.

import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { failures, firstStop } from './session.mjs';
import { until } from './workbench.mjs';

/** The page inside the panel: a frame in a frame. */
const panel = ({ workbench }) => workbench.page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');
const state = (context) => panel(context).locator('#state').innerText();
const rows = (context) => panel(context).locator('#switches tbody tr').allInnerTexts();
const position = (context) => panel(context).locator('#position').innerText();
const view = (context) => panel(context).locator('#window').innerText();

/** Number of the newest switch, as the state line tells it. */
const newest = async (context) => Number(/to (\d+),/.exec(await state(context))?.[1]);

const steps = [
  {
    name: 'the title of the Levels view opens the panel at the first stop',
    essential: true,
    run: async (context) => {
      const { workbench, picture } = context;
      await firstStop(context, /CPUID/, 'Watch');
      await workbench.paneOf('Levels').hover();
      await workbench.page.locator('.pane', { has: workbench.paneOf('Levels') }).locator('.action-label[aria-label*="Exit Trace"]').click();
      await until('rows of the trace', async () => (await rows(context)).length > 10, 30_000);
      await until('the state of the trace', async () => await newest(context) > 100);
      await picture('opened');
    },
  },
  {
    name: 'the newest switch is the CPUID exit of L3',
    run: async (context) => {
      const last = (await rows(context)).at(-1);
      assert.match(last, /L3 → L0\s+exit\s+CPUID/);
      assert.equal(Number(/^\d+/.exec(last)[0]), await newest(context));
      assert.match(await panel(context).locator('#reasons').innerText(), /L3\s+CPUID/);
    },
  },
  {
    name: 'the chart has a lane for each level, zooms and moves by button and key',
    run: async (context) => {
      const page = panel(context), chart = page.locator('#chart');
      assert.deepEqual((await chart.locator('.lane-name').allTextContents()).sort(), ['L0', 'L1', 'L2', 'L3']);
      assert.match(await chart.getAttribute('aria-label'), /Levels over time, .*L0 \d+ %/);
      const moved = async (what, action) => {
        const before = await view(context);
        await action();
        await until(what, async () => await view(context) !== before);
      };
      await moved('a closer view', () => page.locator('#zoom-in').click());
      await moved('an earlier view', () => page.locator('#earlier').click());
      await chart.focus();
      await moved('a wider view', () => workbenchKey(context, '-'));
      await moved('the start', () => workbenchKey(context, 'Home'));
      await moved('the whole trace', () => workbenchKey(context, '0'));
      await context.picture('whole-trace');
      await moved('the newest switches', () => page.locator('#newest').click());
    },
  },
  {
    name: 'filters by level and reason narrow the table and the statistics',
    run: async (context) => {
      const page = panel(context);
      await page.locator('#level').selectOption('3');
      await page.locator('#reason').selectOption({ label: 'CPUID (10)' });
      await page.locator('#kind').selectOption('exit');
      await until('CPUID exits of L3 only', async () => (await rows(context)).every((row) => /L3 → L0\s+exit\s+CPUID/.test(row)));
      await until('one row of statistics', async () => await page.locator('#reasons tbody tr').count() === 1);
      assert.match(await position(context), /^1 to \d+ of \d+$/);
    },
  },
  {
    name: 'a row shows its details',
    run: async (context) => {
      const page = panel(context);
      await page.locator('#switches tbody tr').last().click();
      await until('the details', async () => /CPUID leaf 0x/.test(await page.locator('#details').innerText()));
      assert.match(await page.locator('#title').innerText(), /^#\d+: L3 exits to L0: CPUID$/);
      await context.picture('details');
    },
  },
  {
    name: 'it follows the machine to the next stop',
    run: async (context) => {
      const before = await newest(context);
      await context.workbench.command('Debug: Continue');
      await until('newer switches', async () => await newest(context) > before, 30_000);
      await until('the rows of the new stop', async () => Number(/^\d+/.exec((await rows(context)).at(-1))?.[0]) > before);
      await context.picture('next-stop');
    },
  },
  {
    name: 'an export opens in an editor',
    run: async (context) => {
      await panel(context).locator('button[data-format=csv]').click();
      await until('the CSV', async () => (await context.workbench.page.locator('.editor-group-container .monaco-editor .view-lines').allInnerTexts()).some((text) => /number,time,kind/.test(text)));
      await context.picture('export');
    },
  },
  {
    name: 'nothing failed in the page, and no request left this machine',
    run: async ({ browser }) => {
      assert.deepEqual(failures(browser), []);
      assert.deepEqual(browser.console.filter((line) => /Content Security Policy/.test(line) && /trace|nonce/.test(line)), []);
    },
  },
];

const workbenchKey = ({ workbench }, key) => workbench.page.keyboard.press(key);

export const exitTrace = { name: 'exit-trace', prepare: (workspace, root) => cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true }), steps };
