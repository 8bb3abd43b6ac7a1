// `msr`: a model-specific register of a level, decoded, and set.
import { msrByIndex, msrNamed, msrs, type Msr } from '../../spec/msrs';
import { msrValue, setMsr } from '../registers/level-msrs';
import type { Context } from '../levels/context';
import { bitNodes } from '../target/bit-nodes';
import { parseInteger } from '../target/variable-tree';
import { bitsText } from '../vmcs/vmcs-view';
import { contextOfLevel, hex, splitLevel, type Answer, type ConsoleCommand, type ConsoleScope } from './command';

export const msr: ConsoleCommand = {
  name: 'msr', usage: 'msr NAME|INDEX [at L2] [= VALUE]', sentence: 'A model-specific register with its named bits; with a value, sets it.',
  run(argument, scope) {
    const [, subject, value] = /^([^=]+?)\s*(?:=\s*([^=]+))?$/s.exec(argument) ?? [];
    if (subject === undefined) return undefined;
    const { rest, level } = splitLevel(subject), row = rowNamed(rest);
    if (!row) return undefined;
    const context = contextOfLevel(scope, level);
    if (value !== undefined) setMsr(row, context, parseInteger(value, row.name, 64), scope.session);
    return show(row, context, scope);
  },
  complete: () => msrs.map(({ name }) => name),
};

/** By index or name, `IA32_` may be left out. An index must exist: a name that does not may be a variable. */
function rowNamed(text: string): Msr | undefined {
  if (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text)) {
    const row = msrByIndex(Number(text));
    if (!row) throw new Error(`there is no MSR ${hex(Number(text))}: reading it is #GP(0)`);
    return row;
  }
  return msrNamed(text);
}

function show(row: Msr, context: Context, scope: ConsoleScope): Answer {
  const { value, where } = msrValue(row, context, scope.session), { layout, name, index, access, meaning } = row, bits = layout ? bitsText(layout, value) : '';
  return {
    text: `${name} (${hex(index)}) = ${hex(value)}${bits === '' ? '' : `  ${bits}`}\n${meaning} ${access}; ${where}.`,
    ...layout && { children: () => bitNodes(layout, value) },
  };
}
