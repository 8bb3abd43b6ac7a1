// Setting what an expression names: a register or a part of one, a field of a VMCS, an MSR, memory, a C variable; each also bit by bit.
import { layoutFields, type LayoutName } from '../../spec/bit-layouts';
import { extract, insert } from '../../spec/bit-fields';
import { msrNamed } from '../../spec/msrs';
import { isVmcsFieldId, vmcsFieldBits, vmcsFieldById } from '../../spec/vmcs-fields';
import { whichVmcs } from '../expressions/compile';
import { registerPart } from '../expressions/names';
import { compileTree } from '../expressions/compile';
import { parseExpression, type Node } from '../expressions/syntax';
import { ExpressionError } from '../expressions/tokens';
import type { StackFrame } from '../images/stack-frames';
import { msrValue, setMsr } from '../registers/level-msrs';
import { registerRow } from '../registers/register-table';
import { TargetError } from '../target-types';
import { surroundingsOf, valueNode } from './c-variables';
import type { MachineSession } from './machine-session';
import { numberInMemory } from './memory-values';
import { isNumber, setNode, setterOf, type Settable } from './variable-tree';

/** Sets what `expression` names to `text`, a number or an expression. Throws TargetError, or an Error with the reason. */
export function assign(session: MachineSession, frame: StackFrame, expression: string, text: string): void {
  const node = parseExpression(expression), typed = session.evaluator.typed(node, frame);
  if (typed) return setNode(valueNode(typed, surroundingsOf(session, frame), { name: expression.trim() }), valueText(session, frame, text, value => typed.assign(value).ok));
  setterOf(expression.trim(), settableOf(session, frame, node))(valueText(session, frame, text, isNumber));
}

/** A value as the setters read it: itself if they do, else what it is worth as an expression. */
export function valueText(session: MachineSession, frame: StackFrame, text: string, isRead: (text: string) => boolean): string {
  if (isRead(text)) return text;
  try { return String(session.evaluator.number(text, frame)); } catch (error) {
    if (error instanceof ExpressionError) return text;
    throw error;
  }
}

function settableOf(session: MachineSession, frame: StackFrame, node: Node): Settable {
  const { evaluator, memory } = session, scope = evaluator.scopeOf(frame);
  if (node.kind === 'memory') {
    const { size, place: { space, level, address } } = node, context = scope.contextOf(level), at = compileTree(address)(scope);
    if (!context || at === undefined) throw new Error('the address has no value here');
    return numberInMemory(memory, context, space, BigInt.asUintN(64, at), size.bits / 8);
  }
  if (node.kind !== 'name') throw new Error('only a register, a field of a VMCS, an MSR, memory or a variable can be set');
  return ofName(session, frame, node);
}

function ofName(session: MachineSession, frame: StackFrame, { parts, level }: Node & { kind: 'name' }): Settable {
  const { registers } = session, scope = session.evaluator.scopeOf(frame), context = scope.contextOf(level), [first] = parts, which = whichVmcs(first);
  if (!context) throw new Error(`there is no L${level} here`);
  const fieldId = (which === undefined ? first : parts[1] ?? '').toUpperCase();
  if (isVmcsFieldId(fieldId)) {
    const source = scope.vmcsSource(level, which === 'controlling' ? undefined : which), field = vmcsFieldById(fieldId);
    if (!source) throw new Error('there is no such VMCS here');
    const { write } = source;
    if (!write) throw new TargetError('readOnly', { name: fieldId, reason: source.readOnly ?? 'it cannot be written here' });
    const whole: Settable = {
      bits: vmcsFieldBits(field), read: () => source.read(fieldId)?.value ?? 0n, write: value => { if (!write(fieldId, value)) throw new Error('the VMCS does not hold it'); },
    };
    return partOf(whole, field.layout, parts.slice(which === undefined ? 1 : 2), fieldId);
  }
  if (first.toLowerCase() === 'msr' && parts.length > 1) {
    const row = msrNamed(parts[1]);
    if (!row) throw new Error(`there is no MSR ${parts[1]}`);
    const { readOnly } = msrValue(row, context, session);
    if (readOnly !== undefined) throw new TargetError('readOnly', { name: row.name, reason: readOnly });
    return partOf({ bits: 64, read: () => msrValue(row, context, session).value, write: value => setMsr(row, context, value, session) }, row.layout, parts.slice(2), row.name);
  }
  const two = parts.length > 1 ? registerPart(`${first}.${parts[1]}`) : undefined, found = two ?? registerPart(first), held = found && registers.get(context, found.register);
  if (!found || !held) throw new Error(`${parts.join('.')} cannot be set: it is not a register, field, MSR or variable`);
  if (held.readOnly !== undefined) throw new TargetError('readOnly', { name: `L${context.level}.${found.register}`, reason: held.readOnly });
  const whole: Settable = { bits: held.bits, read: () => registers.value(context, found.register) ?? 0n, write: value => registers.set(context, found.register, value) };
  const isWhole = found.low === 0 && found.bits === held.bits;
  // As the processor does: a write to the lower 32 bits of a general register clears the upper ones.
  const part: Settable = isWhole ? whole : found.low === 0 && found.bits === 32 && held.group === 'general' ? { bits: 32, read: () => whole.read() & 0xffff_ffffn, write: whole.write }
    : windowOf(whole, [found.low + found.bits - 1, found.low]);
  return partOf(part, isWhole ? registerRow(found.register)?.layout : undefined, parts.slice(two ? 2 : 1), found.register);
}

const windowOf = (whole: Settable, bits: readonly [number, number]): Settable =>
  ({ bits: bits[0] - bits[1] + 1, read: () => extract({ bits }, whole.read()), write: value => whole.write(insert({ bits }, whole.read(), value)) });

/** The named bits of a value, or all of it without a name. */
function partOf(whole: Settable, layout: LayoutName | undefined, names: readonly string[], of: string): Settable {
  if (names.length === 0) return whole;
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, ''), [name] = names;
  const field = layout && layoutFields(layout).find(each => plain(each.id) === plain(name) || plain(each.name) === plain(name));
  if (!field || names.length > 1) throw new Error(`${of} has no part ${names.join('.')}`);
  return windowOf(whole, field.bits);
}
