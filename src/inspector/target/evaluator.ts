// Expressions against the machine: conditions of filters and breakpoints, and values for watches, hovers, the console and log points. A path of
// C (`exit->reason`, `vmcs[i].pointer`) that begins with a variable of the frame is a typed value with children; everything else is a number.
import type { LayoutName } from '../../spec/bit-layouts';
import { isVmcsFieldId, vmcsFieldById } from '../../spec/vmcs-fields';
import { msrNamed } from '../../spec/msrs';
import type { Value } from '../../symbols/values/value';
import { compileCondition, compileTree, compileValue, whichVmcs } from '../expressions/compile';
import { CurrentExit } from '../expressions/current-exit';
import { evaluateText, LevelScope, type CVariables, type ScopeParts } from '../expressions/level-scope';
import { registerPart } from '../expressions/names';
import { parseExpression, pathOf, type CPath, type Node, type Place } from '../expressions/syntax';
import { registerRow } from '../registers/register-table';
import type { StackFrame, StackFrames } from '../images/stack-frames';
import type { Context } from '../levels/context';
import { prefixOf } from './addresses';
import { bitNodes } from './bit-nodes';
import { codeFrameOf, surroundingsOf, valueNode } from './c-variables';
import type { ValueFormat } from './value-format';
import type { LevelAccess } from '../run-control/data-breakpoints';
import type { VariableNode } from './variable-tree';

export type EvaluatorParts = ScopeParts & { readonly frames: StackFrames; readonly format: ValueFormat };

export class Evaluator {
  constructor(readonly parts: EvaluatorParts) {}

  /** A condition on a context, and with `isExit` on its last exit. Throws ExpressionError when the text has a mistake; without a value it is false. */
  condition(text: string, isExit: boolean): (context: Context) => boolean {
    const holds = compileCondition(text, { isExit }), exit = new CurrentExit();
    let scope: LevelScope | undefined;
    return context => {
      exit.of(context);
      if (scope?.context !== context) scope = new LevelScope(this.parts, context, exit, { object: (path, indices) => this.variablesOf(this.innermost(context)).object(path, indices) });
      return holds(scope);
    };
  }

  /** A condition on an access that a data breakpoint watches. */
  accessCondition(text: string): (access: LevelAccess) => boolean {
    const holds = compileCondition(text, {});
    return access => holds(this.accessScope(access));
  }
  /** The value of an expression at such an access, as text. */
  accessText(text: string, access: LevelAccess): string {
    const value = compileValue(text)(this.accessScope(access));
    return value === undefined ? '<no value>' : `0x${BigInt.asUintN(64, value).toString(16)}`;
  }
  private accessScope(access: LevelAccess): LevelScope {
    const { context } = access;
    const named = (path: CPath): bigint | undefined => path.steps.length === 0 ? accessName(access, path.name) : undefined;
    return new LevelScope(this.parts, context, new CurrentExit().of(context), { object: (path, indices) => named(path) ?? this.variablesOf(this.innermost(context)).object(path, indices) });
  }

  /** The value of an expression in a frame. Throws an Error with the reason. */
  evaluate(text: string, frame: StackFrame): VariableNode {
    const tree = parseExpression(text), typed = this.typed(tree, frame), { format } = this.parts;
    if (typed) return valueNode(typed, surroundingsOf(this.parts, frame), { name: text.trim(), path: text.trim() });
    const { context } = frame, scope = this.scopeOf(frame), { value, memory } = evaluateText(text, scope), digits = `0x${BigInt.asUintN(64, value).toString(16)}`;
    const prefix = (space: Place['space'], level: number): string => prefixOf({ space, level, vcpu: context.vcpu }), place = memory && `${prefix(memory.space, memory.level)}0x${memory.address.toString(16)}`;
    const layout = layoutOfName(tree), both = value >= 0n && value < 10n ? digits : `${digits} (${value})`;
    return {
      name: text, value: format.radix === 'decimal' ? String(value) : format.radix === 'hexadecimal' ? digits : both, memory: place ?? `${prefix('linear', context.level)}${digits}`, evaluateName: text.trim(),
      ...layout && { children: () => bitNodes(layout, value) },
    };
  }

  /** The value of an expression as text, at the instruction where a context stands. */
  text(expression: string, context: Context): string { return this.evaluate(expression, this.innermost(context)).value.replace(/ \(-?\d+\)$/, ''); }

  /** The number that an expression is worth in a frame. Throws an Error when it has none. */
  number(text: string, frame: StackFrame): bigint { return evaluateText(text, this.scopeOf(frame)).value; }

  /** Whether a text is an expression, whatever its value. */
  parses(text: string): boolean {
    try { parseExpression(text); } catch { return false; }
    return true;
  }

  /** An address: what an expression is worth, or with a space before it (`gpa1:0x1000`) that place. Throws an Error with the reason. */
  place(text: string, frame: StackFrame): { readonly address: bigint; readonly level?: number; readonly space?: Place['space'] } {
    const node = parseExpression(text), typed = this.typed(node, frame), bits = typed?.bits();
    if (bits?.ok) return { address: BigInt.asUintN(64, bits.value) };
    if (typed?.address !== undefined) return { address: typed.address };
    const { value, memory } = evaluateText(text, this.scopeOf(frame)), address = BigInt.asUintN(64, value);
    return memory && node.kind === 'place' ? { address, level: memory.level, space: memory.space } : { address, ...memory && node.kind === 'symbol' && { level: memory.level } };
  }

  /** What an expression in a frame reads from. */
  scopeOf(frame: StackFrame): LevelScope { return new LevelScope(this.parts, frame.context, new CurrentExit().of(frame.context), this.variablesOf(frame)); }

  /** The innermost frame of a level. */
  innermost(context: Context): StackFrame {
    const { frames } = this.parts;
    return frames.own(context)[0] ?? frames.describe(context, context.rip ?? 0n);
  }

  /** Variables of the C function at a frame, innermost block first. */
  variableNames(frame: StackFrame): string[] {
    const scope = codeFrameOf(this.parts, frame)?.variables()[frame.inlineDepth];
    return scope ? [...scope.locals, ...scope.arguments].map(({ name }) => name) : [];
  }

  /** The typed value of a tree that is a C path, undefined when it is none. Throws an Error when a part of the path does not exist. */
  typed(node: Node, frame: StackFrame): Value | undefined {
    const path = pathOf(node);
    if (!path || path.steps.at(-1)?.kind === 'address') return undefined;
    const scope = this.scopeOf(frame), indices = path.steps.flatMap(step => step.kind === 'index' ? [compileTree(step.index)(scope)] : []);
    return this.resolve(path, indices, frame);
  }

  private variablesOf(frame: StackFrame): CVariables {
    return {
      object: (path, indices) => {
        const wantsAddress = path.steps.at(-1)?.kind === 'address', object = wantsAddress ? { name: path.name, steps: path.steps.slice(0, -1) } : path;
        let value: Value | undefined;
        try { value = this.resolve(object, indices, frame); } catch { return undefined; }
        if (wantsAddress) return value?.address ?? (object.steps.length === 0 ? new LevelScope(this.parts, frame.context).symbol(path.name, undefined, undefined) : undefined);
        const number = value?.integer();
        return number?.ok ? number.value : undefined;
      },
    };
  }

  /** Undefined when the path does not begin with a variable. Registers and fields of the VMCS go before variables. */
  private resolve({ name, steps }: CPath, indices: readonly (bigint | undefined)[], frame: StackFrame): Value | undefined {
    if (registerPart(name) || isVmcsFieldId(name.toUpperCase()) || name === 'level' || name === 'vcpu' || whichVmcs(name) !== undefined) return undefined;
    const code = codeFrameOf(this.parts, frame), variable = code?.find(name);
    if (!variable) return undefined;
    let value = code!.value(variable), next = 0;
    for (const step of steps) {
      const result = step.kind === 'member' ? value.member(step.name) : step.kind === 'index' ? value.element(Number(indices[next++] ?? NaN))
        : step.kind === 'address' ? { ok: false as const, reason: "'&' stands before the whole" } : value.dereference();
      if (!result.ok) throw new Error(result.reason);
      if (step.kind === 'index' && !Number.isSafeInteger(Number(indices[next - 1] ?? NaN))) throw new Error('the index has no value');
      value = result.value;
      if (step.kind !== 'arrow') continue;
      const member = value.member(step.name);
      if (!member.ok) throw new Error(member.reason);
      value = member.value;
    }
    return value;
  }
}

/** The layout of what a plain name means: a register, a field or an MSR. */
function layoutOfName(node: Node): LayoutName | undefined {
  if (node.kind !== 'name') return undefined;
  const { parts } = node, first = parts[0], field = whichVmcs(first) !== undefined ? parts[1] : first, rest = parts.length - (whichVmcs(first) !== undefined ? 2 : 1);
  if (rest === 0 && field !== undefined && isVmcsFieldId(field.toUpperCase())) return vmcsFieldById(field.toUpperCase() as Parameters<typeof vmcsFieldById>[0]).layout;
  if (first.toLowerCase() === 'msr') return parts.length === 2 ? msrNamed(parts[1])?.layout : undefined;
  const found = registerPart(parts.join('.'));
  return found && found.low === 0 && found.bits === registerRow(found.register)?.bits ? registerRow(found.register)!.layout : undefined;
}

/** What names mean in the condition of a data breakpoint. */
function accessName({ hit }: LevelAccess, name: string): bigint | undefined {
  switch (name) {
    case 'value': return hit.value;
    case 'old': return hit.before;
    case 'address': return hit.address;
    case 'bytes': return BigInt(hit.bytes);
    case 'write': return hit.access === 'write' ? 1n : 0n;
    default: return undefined;
  }
}
