// Expressions against the machine: conditions of filters and breakpoints, and values for watches, hovers, the console and log points. A path of
// C (`exit->reason`, `vmcs[2].pointer`) that begins with a variable of the frame is a typed value with children; everything else is a number.
import { isVmcsFieldId, vmcsFields } from '../../spec/vmcs-fields';
import type { Value } from '../../symbols/values/value';
import { compileCondition } from '../expressions/compile';
import { CurrentExit } from '../expressions/current-exit';
import { evaluateText, LevelScope, type ScopeParts } from '../expressions/level-scope';
import { exitFieldNames, registerNames, registerPart } from '../expressions/names';
import { parseExpression, type Place } from '../expressions/syntax';
import type { StackFrame, StackFrames } from '../images/stack-frames';
import type { Context } from '../levels/context';
import { valueNode } from './scopes';
import type { VariableNode } from './variable-tree';

const pathStart = /^\s*([A-Za-z_]\w*)\s*((?:\.\s*[A-Za-z_]\w*|->\s*[A-Za-z_]\w*|\[\s*\d+\s*\])*)\s*$/;
const pathStep = /\.\s*([A-Za-z_]\w*)|->\s*([A-Za-z_]\w*)|\[\s*(\d+)\s*\]/g;

export class Evaluator {
  constructor(private readonly parts: ScopeParts & { readonly frames: StackFrames }) {}

  /** A condition on a context, and with `isExit` on its last exit. Throws ExpressionError when the text has a mistake; without a value it is false. */
  condition(text: string, isExit: boolean): (context: Context) => boolean {
    const holds = compileCondition(text, { isExit }), exit = new CurrentExit();
    let scope: LevelScope | undefined;
    return context => {
      exit.of(context);
      if (scope?.context !== context) scope = new LevelScope(this.parts, context, exit, name => this.variable(this.innermost(context), name));
      return holds(scope);
    };
  }

  /** The value of an expression in a frame. Throws an Error with the reason. */
  evaluate(text: string, frame: StackFrame): VariableNode {
    const typed = this.typedPath(text, frame);
    if (typed) return valueNode(typed, { write: (address, bytes) => this.parts.memory.write(frame.context, 'linear', address, bytes), prefix: `L${frame.context.level}:`, name: text.trim() });
    const { context } = frame, scope = new LevelScope(this.parts, context, new CurrentExit().of(context), name => this.variable(frame, name));
    const { value, memory } = evaluateText(text, scope), digits = `0x${BigInt.asUintN(64, value).toString(16)}`;
    const place = memory && `${memory.space === 'physical' ? 'phys' : `${memory.space === 'linear' ? 'L' : 'gpa'}${memory.level}`}:0x${memory.address.toString(16)}`;
    return { name: text, value: value < 0n ? `${digits} (${value})` : value < 10n ? digits : `${digits} (${value})`, memory: place ?? `L${context.level}:${digits}` };
  }

  /** The value of an expression as text, at the instruction where a context stands. */
  text(expression: string, context: Context): string { return this.evaluate(expression, this.innermost(context)).value.replace(/ \(\d+\)$/, ''); }

  /** Names that continue the last word of `prefix`. */
  complete(prefix: string, frame: StackFrame): { label: string; start: number; length: number }[] {
    const [word = ''] = /[\w.]*$/.exec(prefix) ?? [], lower = word.toLowerCase();
    const names = [...registerNames, ...Object.keys(exitFieldNames), 'level', 'vcpu', ...this.variableNames(frame), ...vmcsFields.map(({ id }) => id)];
    return [...new Set(names)].filter(name => name.toLowerCase().startsWith(lower)).slice(0, mostCompletions).map(label => ({ label, start: prefix.length - word.length, length: word.length }));
  }

  /** Whether a text is an expression, whatever its value. */
  parses(text: string): boolean {
    try { parseExpression(text); } catch { return pathStart.test(text); }
    return true;
  }

  /** An address: what an expression is worth, or with a space before it (`gpa1:0x1000`) that place. Throws an Error with the reason. */
  place(text: string, frame: StackFrame): { readonly address: bigint; readonly level?: number; readonly space?: Place['space'] } {
    const typed = this.typedPath(text, frame), bits = typed?.bits();
    if (bits?.ok) return { address: BigInt.asUintN(64, bits.value) };
    if (typed?.address !== undefined) return { address: typed.address };
    const { context } = frame, scope = new LevelScope(this.parts, context, new CurrentExit().of(context), name => this.variable(frame, name));
    const node = parseExpression(text), { value, memory } = evaluateText(text, scope), address = BigInt.asUintN(64, value);
    return memory && node.kind === 'place' ? { address, level: memory.level, space: memory.space } : { address, ...memory && node.kind === 'symbol' && { level: memory.level } };
  }

  /** The innermost frame of a level. */
  innermost(context: Context): StackFrame {
    const { frames } = this.parts;
    return frames.own(context)[0] ?? frames.describe(context, context.rip ?? 0n);
  }

  private codeFrame({ mapped, registers, context, isReturnAddress }: StackFrame) {
    return mapped?.image.symbols.frame({ registers, bias: mapped.bias, isReturnAddress, readMemory: (at, length) => this.parts.memory.readLinear(context, at, length) });
  }

  private variable(frame: StackFrame, name: string): bigint | undefined {
    const code = this.codeFrame(frame), found = code?.find(name), number = found && code!.value(found).integer();
    return number?.ok ? number.value : undefined;
  }

  private variableNames(frame: StackFrame): string[] {
    const scope = this.codeFrame(frame)?.variables()[frame.inlineDepth];
    return scope ? [...scope.locals, ...scope.arguments].map(({ name }) => name) : [];
  }

  /** The typed value of a C path, undefined when the text is none. Throws an Error when a part of the path does not exist. */
  private typedPath(text: string, frame: StackFrame): Value | undefined {
    const [, first, rest = ''] = pathStart.exec(text) ?? [];
    if (first === undefined || registerPart(first) || isVmcsFieldId(first.toUpperCase()) || first === 'level' || first === 'vcpu') return undefined;
    const code = this.codeFrame(frame), variable = code?.find(first);
    if (!variable) return undefined;
    let value = code!.value(variable);
    for (const [, member, pointed, index] of rest.matchAll(pathStep)) {
      const holder = pointed === undefined ? { ok: true as const, value } : value.dereference();
      const next = !holder.ok ? holder : index !== undefined ? holder.value.element(Number(index)) : holder.value.member(member ?? pointed);
      if (!next.ok) throw new Error(next.reason);
      value = next.value;
    }
    return value;
  }
}

const mostCompletions = 200;
