// The table of commands in the manual names the commands that there are.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { consoleCommands } from '../../../src/inspector/console/table';

const manual = readFileSync(new URL('../../../MANUAL.md', import.meta.url), 'utf8'), [, section = ''] = /^## Debug Console$(.*?)^## /ms.exec(manual) ?? [];

it('names every command, in their order', () => {
  expect([...section.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name)).toEqual(consoleCommands.map(({ name }) => name));
});
it('has no two commands of one name', () => { expect(new Set(consoleCommands.map(({ name }) => name)).size).toBe(consoleCommands.length); });
