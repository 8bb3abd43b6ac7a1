// A folder that is not the example: F5 without any configuration, and launch configurations with mistakes, each of which must be told on the
// screen, in words, and leave the editor ready for the next try.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { failures, stopped } from './session.mjs';
import { until } from './workbench.mjs';

/** Writes launch.json and waits until the editor knows its configurations. */
async function configure({ workspace, workbench }, configuration) {
  await mkdir(path.join(workspace, '.vscode'), { recursive: true });
  await writeFile(path.join(workspace, '.vscode', 'launch.json'), JSON.stringify({ version: '0.2.0', configurations: [{ type: 'abyme', request: 'launch', name: 'mistaken', ...configuration }] }));
  await workbench.page.reload();
  await workbench.ready();
}

/** F5, and the text of the dialog that follows; closes it. */
async function dialogAfterStart({ workbench, picture }, name) {
  await workbench.press('F5');
  const text = await until('a dialog', async () => (await workbench.messages()).join('\n') || undefined, 30_000);
  await picture(name);
  await workbench.press('Escape');
  await until('the dialog to close', async () => (await workbench.messages()).length === 0);
  return text;
}

const steps = [
  {
    name: 'the side bar invites to start',
    essential: true,
    run: async ({ workbench, picture }) => {
      await workbench.ready();
      await workbench.command('View: Show Run and Debug');
      await until('the invitation', () => workbench.page.locator('.part.sidebar').getByText('Start the Demonstration Stack').first().isVisible());
      await picture('welcome');
    },
  },
  {
    name: 'F5 offers the debugger and boots the demonstration',
    run: async (context) => {
      await context.workbench.press('F5');
      await context.workbench.pick('Abyme');
      await stopped(context, /CPUID/);
      await context.picture('started-without-configuration');
      await context.workbench.press('Shift+F5');
      await until('the session to end', async () => !await context.workbench.page.locator('.debug-toolbar').isVisible());
    },
  },
  {
    name: 'wrong attributes are told by name',
    run: async (context) => {
      await configure(context, { memory: 'much', stopsFrom: 'exit' });
      const text = await dialogAfterStart(context, 'wrong-attributes');
      assert.match(text, /'memory' must be a whole number; it is "much"/);
      assert.match(text, /'stopsFrom' must be one of 'guest', 'reset'; it is "exit"/);
    },
  },
  {
    name: 'a program that is not there is told by its path',
    run: async (context) => {
      await configure(context, { program: '${workspaceFolder}/no-such.elf' });
      assert.match(await dialogAfterStart(context, 'no-program'), /no-such\.elf/);
    },
  },
  {
    name: 'a program that is no ELF file is refused by name',
    run: async (context) => {
      await writeFile(path.join(context.workspace, 'note.elf'), 'This is no image.');
      await configure(context, { program: '${workspaceFolder}/note.elf' });
      assert.match(await dialogAfterStart(context, 'no-elf'), /note\.elf.*ELF/s);
    },
  },
  {
    name: 'after all that a correct configuration starts',
    run: async (context) => {
      await configure(context, { stopsFrom: 'guest' });
      await context.workbench.press('F5');
      await stopped(context, /CPUID/);
      await context.workbench.press('Shift+F5');
    },
  },
  {
    name: 'a long boot shows its progress, and cancelling it pauses the machine',
    run: async (context) => {
      const { workbench, picture } = context;
      await configure(context, { hypervisors: 8, strategy: 'naive', stopsFrom: 'guest' });
      await workbench.press('F5');
      const toast = workbench.page.locator('.notification-toast', { hasText: 'Booting' }).first();
      await toast.waitFor({ timeout: 60_000 });
      await until('the levels that run', async () => /L4 · hypervisor/.test(await toast.innerText()), 60_000);
      await picture('long-boot');
      await toast.hover();
      await toast.locator('.monaco-button', { hasText: 'Cancel' }).click();
      await stopped(context, /Paused in L\d/);
      await workbench.press('Shift+F5');
    },
  },
  { name: 'nothing failed in the page', run: async ({ browser }) => assert.deepEqual(failures(browser), []) },
];

export const ownFolder = { name: 'own-folder', prepare: (workspace) => writeFile(path.join(workspace, 'notes.txt'), 'A folder without any configuration.\n'), steps };
