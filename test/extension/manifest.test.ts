// package.json and the grammar agree with their sources, and with what the code registers.
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mnemonics } from '../../src/emulator/instructions';
import { manifest } from '../../tools/contributions';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const tool = async (name: string) => import(new URL(`../../tools/${name}`, import.meta.url).href);
const source = readdirSync(new URL('../../src/extension', import.meta.url)).map((file) => read(`src/extension/${file}`)).join('\n');

it('package.json has the keys of tools/contributions', () => {
  const present = JSON.parse(read('package.json'));
  for (const [key, value] of Object.entries(JSON.parse(JSON.stringify(manifest)))) expect(present[key], key).toEqual(value);
});

it('every command that is contributed is registered, and none besides', () => {
  const registered = [...source.matchAll(/(?:registerCommand|\bcommand)\('(abyme\.[\w]+)'/g)].map(([, name]) => name).sort();
  expect(registered).toEqual(manifest.contributes.commands.map(({ command }) => command).sort());
});

it('every menu item names a contributed command', () => {
  const commands = new Set<string>(manifest.contributes.commands.map(({ command }) => command));
  for (const [menu, items] of Object.entries(manifest.contributes.menus)) for (const { command } of items) expect(commands, menu).toContain(command);
});

it('every file that the manifest names is there', () => {
  const { icon, contributes } = manifest;
  const media = (contributes.walkthroughs as { steps: { media: { markdown: string } }[] }[]).flatMap(({ steps }) => steps.map(({ media }) => media.markdown));
  const files = [icon, ...contributes.grammars.map(({ path }) => path), ...contributes.languages.map(({ configuration }) => configuration), ...contributes.views.debug!.map(({ icon }) => icon), ...media];
  for (const file of files) expect(() => read(file), file).not.toThrow();
});

it('activates on nothing but its own debugging', () => {
  for (const event of manifest.activationEvents) expect(event).toMatch(/^onDebug/);
});

describe('the grammar of assembly', () => {
  it('is the one of the instruction table', async () => {
    const { grammarText } = await tool('generate-syntax.mjs');
    expect(read('syntaxes/abyme-asm.tmLanguage.json')).toBe(grammarText(mnemonics()));
  });

  interface Rule { name?: string; match?: string; begin?: string; captures?: Record<string, { name: string }>; patterns?: Rule[]; include?: string }
  const grammar = JSON.parse(read('syntaxes/abyme-asm.tmLanguage.json')) as { patterns: Rule[]; repository: Record<string, Rule> };

  /** Scope that the leftmost, first rule gives each piece of a line: a small part of what an editor does, without nesting. */
  function scopes(line: string): [string, string][] {
    const rules = grammar.patterns.flatMap(({ include }) => grammar.repository[include!.slice(1)]!.patterns!);
    const found: [string, string][] = [];
    for (let at = 0; at < line.length;) {
      let best: { index: number; text: string; rule: Rule; groups: RegExpExecArray } | undefined;
      for (const rule of rules) {
        const text = (rule.match ?? rule.begin)!;
        const expression = new RegExp(text.replace('(?i)', ''), text.includes('(?i)') ? 'gi' : 'g');
        expression.lastIndex = at;
        const match = expression.exec(line);
        if (match && (!best || match.index < best.index)) best = { index: match.index, text: match[0], rule, groups: match };
      }
      if (!best || best.text === '') break;
      const { rule, groups } = best;
      if (rule.captures) for (const [group, { name }] of Object.entries(rule.captures)) found.push([groups[Number(group)]!, name.replace('.abyme-asm', '')]);
      else found.push([best.text, rule.name!.replace('.abyme-asm', '')]);
      at = best.index + best.text.length;
    }
    return found;
  }

  it.each<[string, [string, string][]]>([
    ['  mov %rax, %cr3', [['mov', 'keyword.mnemonic'], ['%rax', 'variable.language.register'], ['%cr3', 'variable.language.register']]],
    ['  movq $0x10, 8(%rsp)', [['movq', 'keyword.mnemonic'], ['$0x10', 'constant.numeric.hex'], ['8', 'constant.numeric.decimal'], ['%rsp', 'variable.language.register']]],
    ['  VMLAUNCH # enters', [['VMLAUNCH', 'keyword.mnemonic'], ['# enters', 'comment.line.number-sign']]],
    ['  vmread rax, rcx ; NASM', [['vmread', 'keyword.mnemonic'], ['rax', 'variable.language.register'], ['rcx', 'variable.language.register'], ['; NASM', 'comment.line.semicolon']]],
    ['1: jne 1b', [['1', 'entity.name.function.local'], [':', 'punctuation.separator'], ['jne', 'keyword.mnemonic'], ['1b', 'variable.other.label.local']]],
    ['handle_exit:', [['handle_exit', 'entity.name.function'], [':', 'punctuation.separator']]],
    ['.global _start', [['.global', 'keyword.other.directive']]],
    ['section .text', [['section', 'keyword.other.directive'], ['.text', 'keyword.other.directive']]],
    ['  mov dword [rdi], 0FFh', [['mov', 'keyword.mnemonic'], ['dword', 'storage.type'], ['rdi', 'variable.language.register'], ['0FFh', 'constant.numeric.hex']]],
    ['#include "layout.h"', [['#include', 'keyword.control.directive'], ['"layout.h"', 'string.quoted.include']]],
    ['%define SIZE 16', [['%define', 'keyword.control.directive'], ['16', 'constant.numeric.decimal']]],
    ['  rep movsb', [['rep', 'keyword.operator.word.prefix'], ['movsb', 'keyword.mnemonic']]],
    ['  call move_pages', [['call', 'keyword.mnemonic']]],
  ])('%s', (line, expected) => expect(scopes(line)).toEqual(expected));
});
