/**
 * The language in which the entry checks are written: SDM 3C 27.2 and 27.3 as expressions over VMCS fields.
 *
 *   secondary.enableEpt and EPT_POINTER.memoryType in (0, 6)
 *   GUEST_RFLAGS[63:22] = 0 and GUEST_RFLAGS[1] = 1
 *
 * Values are unsigned, 64 bits; 0 is false. From loose to tight: `or`, `and`, `not`, comparisons and `in (1, 3..5)`, `+ - |`, `* & << >>`, `~`, slices.
 * Upper-case words are VMCS fields, `FIELD.bit` a named bit of the field's layout, `word.control` a control, which counts as 0 while its word is not
 * activated. `basic.x`, `misc.x`, `eptVpidCap.x` are fields of capability MSRs; other lower-case words are facts about the processor.
 */
import { layoutFields } from './bit-layouts';
import type { LayoutName } from './bit-layouts';
import { controlWordTraits, controlWords, isControlRef } from './controls';
import type { ControlRef, ControlWordName } from './controls';
import { isVmcsFieldId, vmcsFieldById } from './vmcs-fields';
import type { VmcsFieldId } from './vmcs-fields';

export type BinaryOperator = 'or' | 'and' | '=' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '|' | '*' | '&' | '<<' | '>>';

/** Functions of one value, and `select(condition, then, else)`. */
export const languageFunctions = {
  canonical: 1, canonical48: 1, withinWidth: 1, upperBitsEqual: 1, patBytesValid: 1, select: 3,
} as const;
export type LanguageFunction = keyof typeof languageFunctions;

export type Expression =
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'field'; readonly id: VmcsFieldId }
  | { readonly kind: 'control'; readonly ref: ControlRef }
  /** The settings of a control word are those that its capability MSR allows. */
  | { readonly kind: 'allowed'; readonly word: ControlWordName }
  | { readonly kind: 'fact'; readonly name: string }
  | { readonly kind: 'slice'; readonly of: Expression; readonly high: number; readonly low: number }
  | { readonly kind: 'not' | 'complement'; readonly of: Expression }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'in'; readonly of: Expression; readonly ranges: readonly (readonly [from: bigint, to: bigint])[] }
  | { readonly kind: 'call'; readonly name: LanguageFunction; readonly arguments: readonly Expression[] };

/** Layouts of the capability MSRs by the name they have in expressions. */
export const capabilityNames = { basic: 'vmxBasic', misc: 'vmxMisc', eptVpidCap: 'vmxEptVpidCap', vmfunc: 'vmFunctionControls' } as const satisfies Record<string, LayoutName>;

const tokenPattern = /\s*(0x[0-9a-f_]+|[0-9][0-9_]*(?!\w)|[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*|<<|>>|<=|>=|!=|\.\.|[-+|*&~=<>()[\],:])/giy;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  tokenPattern.lastIndex = 0;
  let end = 0;
  while (end < text.trimEnd().length) {
    const match = tokenPattern.exec(text);
    if (match === null) throw new Error(`cannot read '${text.slice(end)}' in '${text}'`);
    tokens.push(match[1]!);
    end = tokenPattern.lastIndex;
  }
  return tokens;
}

const levels: readonly (readonly BinaryOperator[])[] = [['or'], ['and'], ['=', '!=', '<', '<=', '>', '>='], ['+', '-', '|'], ['*', '&', '<<', '>>']];
const comparison = 2;

/** Parses one expression; text that is not one is our own mistake and throws. */
export function parseExpression(text: string): Expression {
  const tokens = tokenize(text);
  let at = 0;

  const fail = (what: string): never => { throw new Error(`${what} at '${tokens.slice(at).join(' ')}' in '${text}'`); };
  const accept = (token: string): boolean => tokens[at] === token && ++at > 0;
  const expect = (token: string): void => { if (!accept(token)) fail(`expected '${token}'`); };
  const number = (): bigint => {
    const token = tokens[at++] ?? '';
    return /^[0-9]/.test(token) ? BigInt(token.replaceAll('_', '')) : fail('expected a number');
  };

  function binary(level: number): Expression {
    if (level === levels.length) return unary();
    if (level === comparison && accept('not')) return { kind: 'not', of: binary(comparison) };
    let left = binary(level + 1);
    for (;;) {
      const operator = levels[level]!.find((candidate) => candidate === tokens[at]);
      if (operator !== undefined) {
        at++;
        left = { kind: 'binary', operator, left, right: binary(level + 1) };
        if (level === comparison) return left;
      } else if (level === comparison && accept('in')) {
        return { kind: 'in', of: left, ranges: ranges() };
      } else {
        return left;
      }
    }
  }

  function ranges(): (readonly [bigint, bigint])[] {
    const list: (readonly [bigint, bigint])[] = [];
    expect('(');
    do {
      const from = number();
      list.push([from, accept('..') ? number() : from]);
    } while (accept(','));
    expect(')');
    return list;
  }

  function unary(): Expression {
    return accept('~') ? { kind: 'complement', of: unary() } : sliced(primary());
  }

  function sliced(of: Expression): Expression {
    if (!accept('[')) return of;
    const high = Number(number());
    const low = accept(':') ? Number(number()) : high;
    expect(']');
    return sliced({ kind: 'slice', of, high, low });
  }

  function primary(): Expression {
    if (accept('(')) {
      const inner = binary(0);
      expect(')');
      return inner;
    }
    const token = tokens[at] ?? '';
    if (/^[0-9]/.test(token)) return { kind: 'number', value: number() };
    if (!/^[A-Za-z]/.test(token)) return fail('expected a value');
    at++;
    return accept('(') ? call(token) : resolveName(token);
  }

  function call(name: string): Expression {
    if (name === 'allowed') {
      const word = tokens[at++] ?? '';
      if (!Object.hasOwn(controlWords, word)) fail(`'${word}' is not a control word`);
      expect(')');
      return { kind: 'allowed', word: word as ControlWordName };
    }
    if (!Object.hasOwn(languageFunctions, name)) fail(`no function '${name}'`);
    const list = [binary(0)];
    while (accept(',')) list.push(binary(0));
    expect(')');
    if (list.length !== languageFunctions[name as LanguageFunction]) fail(`'${name}' takes another number of values`);
    return { kind: 'call', name: name as LanguageFunction, arguments: list };
  }

  const expression = binary(0);
  if (at !== tokens.length) fail('unexpected text');
  return expression;
}

function resolveName(name: string): Expression {
  if (name === 'true') return { kind: 'number', value: 1n };
  if (name === 'allOnes') return { kind: 'number', value: 0xffff_ffff_ffff_ffffn };
  if (isControlRef(name)) return { kind: 'control', ref: name };
  const [head, tail] = name.split('.') as [string, string | undefined];
  if (isVmcsFieldId(head)) return tail === undefined ? { kind: 'field', id: head } : namedBits(head, tail);
  if (tail !== undefined && Object.hasOwn(capabilityNames, head)) {
    const layout = capabilityNames[head as keyof typeof capabilityNames];
    if (!layoutFields(layout).some((row) => row.id === tail)) throw new Error(`capability '${name}' does not exist`);
  } else if (!factNames.has(name)) {
    throw new Error(`no field, control or fact '${name}'`);
  }
  return { kind: 'fact', name };
}

function namedBits(id: VmcsFieldId, bitId: string): Expression {
  const { layout } = vmcsFieldById(id);
  const row = layout === undefined ? undefined : layoutFields(layout).find((candidate) => candidate.id === bitId);
  if (row === undefined) throw new Error(`field ${id} has no bits '${bitId}'`);
  return { kind: 'slice', of: { kind: 'field', id }, high: row.bits[0], low: row.bits[1] };
}

/** Facts about the processor model: the same at every entry. */
export const modelFacts = [
  'physicalBits', 'linearBits', 'cr0Fixed0', 'cr0Fixed1', 'cr4Fixed0', 'cr4Fixed1', 'eferSupported', 'debugctlSupported', 'perfGlobalCtrlSupported', 'mtfSupported', 'busLockSupported',
  'rtmSupported', 'sgxSupported', 'fredSupported',
] as const;

/** Facts about the processor at the moment of VM entry. */
export const stateFacts = ['now.longMode', 'now.smm', 'now.currentVmcs', 'now.vmxonPointer'] as const;

/** Facts that only the instruction, or the procedure that reads memory, can give. */
export const procedureFacts = [
  'now.modeAllowsVmx', 'now.nonRoot', 'now.cpl', 'now.hasCurrentVmcs', 'now.currentIsShadow', 'now.blockingByMovSs', 'now.vmlaunch', 'now.launched', 'now.traceEnabled',
  'memory.vtpr', 'memory.linkRevision', 'memory.linkShadowBit', 'memory.executiveRevision', 'memory.executiveLaunched', 'memory.executiveControlsValid', 'memory.pdptesValid',
  'msrEntry.index', 'msrEntry.reserved', 'msrEntry.smmOnly', 'msrEntry.refusedByModel', 'msrEntry.accessFaults',
  'exiting.longMode', 'exiting.vmcsUsable', 'exiting.machineCheck', 'exiting.hostUsesPae',
] as const;

export type ModelFact = (typeof modelFacts)[number];
export type StateFact = (typeof stateFacts)[number];
export type ProcedureFact = (typeof procedureFacts)[number];

const factNames: ReadonlySet<string> = new Set([...modelFacts, ...stateFacts, ...procedureFacts]);

/** Whether the expression is 0 or 1 by its form. */
export function isBoolean(expression: Expression): boolean {
  switch (expression.kind) {
    case 'control': case 'allowed': case 'not': case 'in': return true;
    case 'binary': return ['or', 'and', '=', '!=', '<', '<=', '>', '>='].includes(expression.operator);
    case 'call': return expression.name !== 'select';
    default: return false;
  }
}

function children(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'slice': case 'not': case 'complement': case 'in': return [expression.of];
    case 'binary': return [expression.left, expression.right];
    case 'call': return expression.arguments;
    default: return [];
  }
}

/** Every part of an expression, the expression itself first. */
export function* partsOf(expression: Expression): Generator<Expression> {
  yield expression;
  for (const child of children(expression)) yield* partsOf(child);
}

/** VMCS fields that an expression reads, each once, in the order of their appearance. The fields that activate a control word are not among them. */
export function fieldsOf(expression: Expression): readonly VmcsFieldId[] {
  const found = new Set<VmcsFieldId>();
  for (const part of partsOf(expression)) {
    if (part.kind === 'field') found.add(part.id);
    if (part.kind === 'control') found.add(controlWordTraits[part.ref.split('.')[0] as ControlWordName].field as VmcsFieldId);
    if (part.kind === 'allowed') found.add(controlWordTraits[part.word].field as VmcsFieldId);
  }
  return [...found];
}

/** Facts that an expression asks for, each once. */
export function factsOf(expression: Expression): readonly string[] {
  return [...new Set([...partsOf(expression)].flatMap((part) => (part.kind === 'fact' ? [part.name] : [])))];
}
