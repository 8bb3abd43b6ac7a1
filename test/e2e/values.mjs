// Values in the editor on the demonstration: scopes to their leaves, setting, hexadecimal and decimal, memory that is edited, two VMCSs side by side,
// inline values, hovers, a watch that walks an address, and the levels at which stops hold.

import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { failures, firstStop, stopped } from './session.mjs';
import { open, reveal } from './variables-view.mjs';
import { until } from './workbench.mjs';

const panes = ['Watch', 'Call Stack', 'Breakpoints', 'Levels'];

/** The row of the Variables view that begins so. */
const row = ({ workbench }, text) => workbench.page.locator('.debug-variables .monaco-list-row').filter({ hasText: text }).first();

async function close(context, ...names) {
  for (const name of names.reverse()) {
    const found = await reveal(context, name);
    if (await found.getAttribute('aria-expanded') === 'true') await found.click();
  }
}

/** Chooses an item of the menu of a row of the Variables view. */
async function menu({ workbench }, target, item) {
  await target.click({ button: 'right' });
  const entry = workbench.page.locator('.monaco-menu .action-item', { hasText: item }).first();
  await entry.waitFor();
  await entry.hover();
  await entry.click();
}

const titles = ({ workbench }) => workbench.page.locator('.tab').allInnerTexts();

const steps = [
  {
    name: 'a stop shows inline values and every scope',
    essential: true,
    run: async (context) => {
      const { workbench, picture } = context;
      await firstStop(context, /CPUID/, ...panes);
      const scopes = await until('the scopes', async () => {
        const found = await workbench.variables();
        return found.some((each) => /^All VMCSs/.test(each)) && found;
      });
      for (const name of [/^Locals|^Arguments/, /^Registers/, /^VMCS of L0 for L3/, /^Exit/, /^Globals/, /^Address translation/, /^APIC/]) assert.ok(scopes.some((each) => name.test(each)), `${name} is among ${scopes.join('; ')}`);
      await picture('scopes');
      await until('the arguments at the end of their line', async () => (await workbench.page.locator('.editor-instance .view-line').allInnerTexts()).some((line) => /leaf\s=\s\d+,\ssubleaf\s=\s0/.test(line)));
    },
  },
  {
    name: 'descriptor tables, MSRs and VMCSs open to their leaves',
    run: async (context) => {
      const { picture } = context;
      await open(context, /^Registers/, /^Descriptor tables/, /^GDT/);
      await reveal(context, /64-bit code/);
      await picture('descriptor-tables');
      await close(context, /^Registers/, /^Descriptor tables/, /^GDT/);
      await open(context, /^All VMCSs/);
      await until('the states', async () => (await context.workbench.variables()).some((each) => /controls L3/.test(each)));
      await picture('all-vmcss');
      await close(context, /^All VMCSs/);
    },
  },
  {
    name: 'numbers are shown in hexadecimal and decimal by a button',
    run: async (context) => {
      const { workbench, picture } = context, pane = workbench.page.locator('.pane', { has: workbench.paneOf('Variables') });
      await open(context, /^Registers/);
      await until('rsp in hexadecimal', async () => (await workbench.variables()).some((each) => /^rsp.*0x/.test(each)));
      await workbench.paneOf('Variables').hover();
      await pane.locator('.action-label[aria-label*="Hexadecimal"]').click();
      await until('an argument in hexadecimal', async () => (await workbench.variables()).some((each) => /^leaf.*0x4abe0000/.test(each)));
      await picture('hexadecimal');
      await workbench.paneOf('Variables').hover();
      await pane.locator('.action-label[aria-label*="Decimal"]').click();
      await until('rsp in decimal', async () => (await workbench.variables()).some((each) => /^rsp.*\b\d{5,}/.test(each) && !/^rsp.*0x/.test(each)));
      await picture('decimal');
      await workbench.command('Abyme: Show Numbers as Usual');
      await until('rsp in hexadecimal again', async () => (await workbench.variables()).some((each) => /^rsp.*0x/.test(each)));
    },
  },
  {
    name: 'memory opens as text, and a changed byte is written',
    run: async (context) => {
      const { workbench, picture } = context;
      await menu(context, row(context, /^rsp/), 'View Memory');
      await until('the memory', async () => (await titles(context)).some((title) => /L3 0x/.test(title)));
      const lines = () => workbench.page.locator('.editor-group-container .view-line').allInnerTexts();
      await until('its lines', async () => (await lines()).some((line) => /L3:0x/.test(line)));
      await workbench.command('Abyme: View Memory');
      await workbench.page.locator('.quick-input-widget .quick-input-title', { hasText: 'View Memory' }).waitFor();
      await workbench.page.keyboard.press('Control+A');
      await workbench.page.keyboard.type('phys:0x5000');
      await workbench.press('Enter');
      await until('physical memory', async () => (await lines()).some((line) => /phys:0x0000000000005000/.test(line)));
      await workbench.press('Control+Home');
      await workbench.press('ArrowDown');
      for (let column = 0; column < 'phys:0x0000000000005000  '.length; column++) await workbench.press('ArrowRight');
      await workbench.press('Shift+ArrowRight');
      await workbench.press('Shift+ArrowRight');
      await workbench.page.keyboard.type('5a');
      await workbench.press('Control+S');
      await until('the byte as a character, read back', async () => (await lines()).some((line) => /phys:0x0{12}5000\s+5a.*\|Z/.test(line)));
      await picture('memory');
    },
  },
  {
    name: 'two VMCSs are compared side by side',
    run: async (context) => {
      const { workbench, picture } = context;
      await close(context, /^Registers/);
      await open(context, /^All VMCSs/);
      await menu(context, row(context, /controls L3/), 'Compare VMCS with');
      await workbench.pick('controls L2');
      await until('the comparison', async () => (await titles(context)).some((title) => /↔/.test(title)));
      await until('differences', () => workbench.page.locator('.diff-editor .line-insert, .diff-editor .line-delete, .monaco-diff-editor .char-insert').first().isVisible(), 20_000);
      await picture('compared');
    },
  },
  {
    name: 'a hover shows the value of a variable',
    run: async (context) => {
      const { workbench, picture } = context;
      await close(context, /^All VMCSs/);
      await workbench.page.locator('.editor-instance .view-line', { hasText: 'cpuid_result' }).filter({ hasText: 'leaf' }).locator('span', { hasText: /^\s?leaf$/ }).first().hover();
      await until('the hover', async () => /1253965824|0x4abe0000/.test(await workbench.page.locator('.debug-hover-widget').innerText()));
      await picture('hover');
    },
  },
  {
    name: 'an address translation is watched',
    run: async (context) => {
      const { workbench, picture } = context;
      await open(context, /^Registers/);
      await menu(context, row(context, /^rip/), 'Watch Address Translation');
      const rows = await until('the watch', async () => {
        const found = await workbench.pane('Watch');
        return found.some((each) => /walk L3:0x.*4-level paging of L3/.test(each)) && found;
      });
      await workbench.paneRow('Watch', /walk/).click();
      await until('its parts', async () => (await workbench.pane('Watch')).length > rows.length);
      await picture('walk-watched');
    },
  },
  {
    name: 'the machine stops when a field of a VMCS is written',
    run: async (context) => {
      const { workbench, picture } = context;
      await close(context, /^Registers/);
      await open(context, /^VMCS of L2 for L3/, /^Guest state: registers/);
      await menu(context, await reveal(context, /^GUEST_RIP/), 'Break When This Field Is Written');
      await workbench.fold('Variables', 'Watch');
      await workbench.unfold('Breakpoints');
      await until('the breakpoint', async () => (await workbench.breakpoints()).some((each) => /watch L2\.vmcs@0x[0-9a-f]+:GUEST_RIP/.test(each)));
      await workbench.fold('Breakpoints');
      await workbench.unfold('Call Stack');
      await workbench.press('F5');
      await stopped(context, /L2 · Write of GUEST_RIP by L2/);
      await picture('field-written');
      await workbench.page.mouse.move(700, 700);
    },
  },
  {
    name: 'a muted level does not stop, and the views say so',
    run: async (context) => {
      const { workbench, picture } = context;
      await workbench.unfold('Call Stack', 'Levels');
      await workbench.paneRow('Levels', /^L3/).click({ button: 'right' });
      await picture('level-menu');
      await workbench.page.locator('.monaco-menu .action-item', { hasText: 'Mute or Unmute This Level' }).first().click();
      await until('the message', async () => /L3 muted/.test(await workbench.page.locator('.pane', { has: workbench.paneOf('Levels') }).innerText()));
      await until('the status bar', async () => /L3 muted/.test(await workbench.statusBar()));
      await picture('muted');
    },
  },
  { name: 'nothing failed in the page', run: async ({ browser }) => assert.deepEqual(failures(browser), []) },
];

export const values = { name: 'values', prepare: (workspace, root) => cp(path.join(root, 'examples', 'workspace'), workspace, { recursive: true }), steps };
