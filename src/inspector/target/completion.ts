// Names that may continue an expression: after `L2.` registers, after `vmcs.` fields, after `cr0.` bits, after `exit->` members of a C structure, after
// `L1!` symbols; else registers, exit fields, variables and fields.
import { layoutFields, type LayoutName } from '../../spec/bit-layouts';
import { msrNamed, msrs } from '../../spec/msrs';
import { isVmcsFieldId, vmcsFieldById, vmcsFields } from '../../spec/vmcs-fields';
import { whichVmcs } from '../expressions/compile';
import { exitFieldNames, registerNames, registerPart } from '../expressions/names';
import { castNames, parseExpression } from '../expressions/syntax';
import type { StackFrame } from '../images/stack-frames';
import { registerRow } from '../registers/register-table';
import type { Evaluator } from './evaluator';

export interface Completion { readonly label: string; readonly start: number; readonly length: number }

const most = 200;

/** Names that continue the last word of `prefix`, which ends at the cursor. */
export function completeExpression(prefix: string, frame: StackFrame, evaluator: Evaluator): Completion[] {
  const [, object, symbolOf, level, word = ''] = /(?:(\*?[A-Za-z_$][\w$@.[\]]*(?:->[\w.[\]]+)*?(?:\.|->))|([A-Za-z_]\w*)!)?(?:(L\d{1,3})\.)?([\w$]*)$/.exec(prefix) ?? [];
  const names = symbolOf !== undefined ? symbolNames(symbolOf, frame, evaluator) : object !== undefined ? membersOf(object, frame, evaluator) : level !== undefined ? ofLevel() : anyNames(frame, evaluator);
  const lower = word.toLowerCase();
  return [...new Set(names)].filter(name => name.toLowerCase().startsWith(lower)).slice(0, most).map(label => ({ label, start: prefix.length - word.length, length: word.length }));
}

const ofLevel = (): string[] => [...registerNames, 'vmcs', 'msr'];

function anyNames(frame: StackFrame, evaluator: Evaluator): string[] {
  const levels = [...new Set(evaluator.parts.tracker.liveContexts.map(each => `L${each.level}`))], globals = frame.mapped?.image.symbols.globals().names() ?? [];
  return [...evaluator.variableNames(frame), ...registerNames, ...Object.keys(exitFieldNames), 'level', 'vcpu', 'vmcs', 'msr', 'phys', ...levels, ...castNames, ...globals, ...vmcsFields.map(({ id }) => id)];
}

/** Symbols of a level or an image. */
function symbolNames(owner: string, frame: StackFrame, { parts: { images, tracker } }: Evaluator): string[] {
  const level = /^L(\d{1,3})$/.exec(owner)?.[1], context = tracker.liveContexts.find(each => each.level === Number(level));
  const found = level === undefined ? images.images.filter(({ name }) => name === owner || name.replace(/\.[^.]*$/, '') === owner) : context ? images.inContext(context).map(({ image }) => image) : [];
  return (found.length > 0 || frame.mapped === undefined ? found : [frame.mapped.image]).flatMap(({ symbols }) => symbols.symbols().map(({ name }) => name));
}

/** What may follow `text`, which ends in `.` or `->`. */
function membersOf(text: string, frame: StackFrame, evaluator: Evaluator): string[] {
  const isArrow = text.endsWith('->'), owner = text.replace(/(\.|->)$/, ''), parts = owner.replace(/^L\d{1,3}\.?/, '').split('.'), [first] = parts;
  if (!isArrow && owner !== '' && first === '') return ofLevel();
  if (!isArrow && parts.length === 1 && whichVmcs(first) !== undefined) return vmcsFields.map(({ id }) => id);
  if (!isArrow && parts.length === 1 && /^msr$/i.test(first)) return msrs.map(({ name }) => name);
  if (!isArrow && parts.length === 1 && /^exit$/i.test(first)) return [...Object.keys(exitFieldNames), ...cMembers(owner, isArrow, frame, evaluator)];
  const layout = isArrow ? undefined : layoutOf(parts), registers = isArrow ? [] : registerNames.filter(name => name.startsWith(`${parts.join('.').toLowerCase()}.`)).map(name => name.slice(name.indexOf('.') + 1));
  if (layout || registers.length > 0) return [...registers, ...layout ? layoutFields(layout).map(({ id }) => id) : []];
  return cMembers(owner, isArrow, frame, evaluator);
}

function layoutOf(parts: readonly string[]): LayoutName | undefined {
  const last = parts[parts.length - 1];
  if (isVmcsFieldId(last.toUpperCase())) return vmcsFieldById(last.toUpperCase() as Parameters<typeof vmcsFieldById>[0]).layout;
  if (parts.length === 2 && /^msr$/i.test(parts[0])) return msrNamed(last)?.layout;
  const found = registerPart(parts.join('.'));
  return found && registerRow(found.register)?.layout;
}

function cMembers(owner: string, isArrow: boolean, frame: StackFrame, evaluator: Evaluator): string[] {
  try {
    const value = evaluator.typed(parseExpression(isArrow ? `*${owner}` : owner), frame);
    return value?.memberNames() ?? [];
  } catch { return []; }
}
