// Stops in the editor on the demonstration: a condition on an exit with a hit count, a data breakpoint on a field of a VMCS from the menu of the
// Variables view, a world switch to a level, and a failed entry that is explained.

import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { failures, firstStop, stopped } from './session.mjs';
import { open, reveal } from './variables-view.mjs';
import { until } from './workbench.mjs';

const exception = ({ workbench }) => until('the exception widget', async () => (await workbench.page.locator('.exception-widget').first().innerText()) || undefined);
const filterRow = ({ workbench }, name) => workbench.page.locator('.debug-breakpoints .monaco-list-row', { hasText: name }).first();

const steps = [
  {
    name: 'the machine stops in an exit',
    essential: true,
    run: (context) => firstStop(context, /CPUID/, 'Watch', 'Variables', 'Levels'),
  },
  {
    name: 'a condition with a hit count lets exits pass',
    run: async (context) => {
      const { workbench, picture } = context, row = filterRow(context, 'VM exit: CPUID');
      const input = workbench.page.locator('.debug-breakpoints .inputBoxContainer input, .debug-breakpoints .monaco-inputbox input').first();
      const edit = row.locator('.codicon-edit, .codicon-debug-breakpoint-conditional, .action-label[aria-label*="Edit Condition"]').first();
      // the hover of the row above can lie over the button: it is pressed without the mouse
      await until('the condition to edit', async () => {
        if (await input.isVisible()) return true;
        await edit.evaluate((button) => button.click(), undefined, { timeout: 1500 }).catch(() => {});
        return input.waitFor({ timeout: 1500 }).then(() => true, () => false);
      });
      await input.fill('leaf == 0x4abe0000 && level == 3; hits % 5');
      await picture('condition-edited');
      await workbench.press('Enter');
      await until('the condition in the view', async () => (await workbench.breakpoints()).some((each) => /hits % 5/.test(each)));
      await workbench.press('F5');
      await stopped(context, /CPUID exit of L3/);
      assert.match(await exception(context), /leaf 0x4abe0000/);
      await picture('condition-met');
    },
  },
  {
    name: 'a field of a VMCS is watched from its menu',
    run: async (context) => {
      const { workbench, picture } = context;
      await workbench.fold('Breakpoints', 'Call Stack');
      await workbench.unfold('Variables');
      await open(context, /^VMCS of L2 for L3/, /^Guest state: registers/);
      await (await reveal(context, /^GUEST_RIP/)).click({ button: 'right' });
      const item = workbench.page.locator('.monaco-menu .action-item', { hasText: 'Break on Value Change' }).first();
      await item.waitFor();
      await picture('field-menu');
      await item.hover();
      await item.click();
      await workbench.fold('Variables');
      await workbench.unfold('Breakpoints');
      await until('the data breakpoint', async () => (await workbench.breakpoints()).some((each) => /GUEST_RIP of the VMCS of L2/.test(each)));
      await picture('field-watched');
      await workbench.fold('Breakpoints');
      await workbench.unfold('Call Stack');
      await workbench.press('F5');
      const rows = await stopped(context, /L2 · Write of GUEST_RIP by L2/);
      assert.ok(rows.some((row) => /write of guest_rip by l2/i.test(row)), rows.join('; '));
      await picture('field-written');
    },
  },
  {
    name: 'a failed entry is explained where the machine stands',
    run: async (context) => {
      const { workbench, picture } = context;
      // L0 is to let L2 go on under controls that no processor allows
      await workbench.fold('Call Stack');
      await workbench.unfold('Variables');
      await open(context, /^VMCS of L0 for L2/, /^Controls: pin-based/);
      const row = await reveal(context, /^PIN_BASED_CONTROLS/);
      await row.click({ button: 'right' });
      const item = workbench.page.locator('.monaco-menu .action-item', { hasText: 'Set Value' }).first();
      await item.waitFor();
      await item.hover();
      await item.click();
      const input = workbench.page.locator('.debug-variables input').first();
      await input.waitFor();
      await input.fill('0');
      await input.press('Enter');
      await until('the value', async () => (await workbench.variables()).some((each) => /^PIN_BASED_CONTROLS.*0x0/.test(each)));
      await workbench.fold('Variables');
      await workbench.unfold('Call Stack');
      await workbench.press('F5');
      await stopped(context, /VM entry of L0 failed|VM-instruction error 7/);
      const text = await exception(context);
      assert.match(text, /Check .*SDM 3C/s);
      assert.match(text, /PIN_BASED_CONTROLS = 0x0/);
      await picture('entry-explained');
    },
  },
  { name: 'nothing failed in the page', run: async ({ browser }) => assert.deepEqual(failures(browser), []) },
];

export const stops = { name: 'stops', prepare: (workspace, root) => cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true }), steps };
