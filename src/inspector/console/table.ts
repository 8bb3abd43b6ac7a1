// The commands of the Debug Console, one a row, and what a line of it means. A line is a command when its first word names one and the rest parses
// as what that command takes; any other line is an expression.
import { dis } from './dis-command';
import { diff } from './diff-command';
import { exits } from './exits-command';
import { levels } from './levels-command';
import { lint } from './lint-command';
import { msr } from './msr-command';
import { trace } from './trace-command';
import { ept, walk } from './walk-commands';
import { vmcs } from './vmcs-command';
import { why } from './why-command';
import { x } from './x-command';
import { columns, levelNames, type Answer, type ConsoleCommand, type ConsoleScope } from './command';

const help: ConsoleCommand = {
  name: 'help', usage: 'help [command]', sentence: 'Lists the commands, or says what one of them does.',
  run(argument) {
    if (argument === '') {
      return { text: `${columns(consoleCommands.map(({ usage, sentence }) => [usage, sentence]))}\nAnything else is an expression: rax, L1.rip, vmcs.GUEST_RIP, u32[L2:rsp + 8], a variable.` };
    }
    const row = consoleCommands.find(({ name }) => name === argument);
    return row && { text: `${row.usage}\n${row.sentence}` };
  },
  complete: () => consoleCommands.map(({ name }) => name),
};

export const consoleCommands: readonly ConsoleCommand[] = [levels, exits, vmcs, diff, walk, ept, msr, x, dis, why, lint, trace, help];

/** A binary operator after the first word: the word is an operand. */
const operator = /^(?:[=!<>+\-*%&|^?.,:;)\]]|\/|in\b)/;

/** The answer to a line that is a command; undefined for an expression. Throws an Error with the reason when the command cannot be done. */
export function answerLine(line: string, scope: ConsoleScope): Answer | undefined {
  const found = commandOf(line);
  return found && found.command.run(found.argument, scope);
}

/** The usage of the command that a line begins with, for a line that is neither a command nor an expression. */
export function usageOf(line: string): string | undefined { return commandOf(line)?.command.usage; }

function commandOf(line: string): { readonly command: ConsoleCommand; readonly argument: string } | undefined {
  const [, name = '', rest = ''] = /^\s*([a-z]+)(.*)$/s.exec(line) ?? [], command = consoleCommands.find(each => each.name === name);
  const hasFormat = name === 'x' && /^\/\w*\s/.test(rest), argument = rest.trim();
  if (!command || rest !== '' && !/^\s/.test(rest) && !hasFormat || !hasFormat && operator.test(argument)) return undefined;
  return { command, argument };
}

/** Commands, and what may follow a command, that continue the last word of a line up to the cursor. */
export function completeLine(prefix: string, scope: ConsoleScope): { label: string; start: number; length: number }[] {
  const [word] = /[\w.]*$/.exec(prefix)!, before = prefix.slice(0, prefix.length - word.length), lower = word.toLowerCase();
  const names = before.trim() === '' ? consoleCommands.map(({ name }) => name) : [...commandOf(before)?.command.complete?.(scope) ?? [], ...levelNames(scope)];
  return names.filter(name => name.toLowerCase().startsWith(lower)).slice(0, mostCompletions).map(label => ({ label, start: prefix.length - word.length, length: word.length }));
}

const mostCompletions = 200;
