/**
 * Walks the entry checks over a VMCS, to say which of them fail and why: for a failed entry, and for a VMCS that a level only
 * believes in, some of whose values are not known. The machine itself runs the generated function, which agrees with this one.
 */
import { controlByRef, controlWordTraits, isControlRef } from './controls';
import type { ControlRef, ControlWordName } from './controls';
import { allowedSettings, capability } from './capability-msrs';
import { cr0Fixed0, cr0Fixed1, cr4Fixed0, cr4Supported, debugctlSupported, eferSupported } from './control-registers';
import { namedBits } from './bit-layouts';
import { capabilityNames, modelFacts } from './entry-check-language';
import type { Expression, LanguageFunction, ModelFact, ProcedureFact, StateFact } from './entry-check-language';
import { entryChecks } from './entry-checks';
import type { CheckPlace, EntryCheck } from './entry-checks';
import { hasControl } from './processor-models';
import type { ProcessorModel } from './processor-models';
import type { VmcsFieldId } from './vmcs-fields';

/** A VMCS by its fields; undefined for a value that is not known. Values are unsigned and have the field's width. */
export type VmcsReader = (id: VmcsFieldId) => bigint | undefined;

export interface EntryContext {
  readonly model: ProcessorModel;
  /** State of the processor and of memory, as far as it is known; true and false may stand for 1 and 0. */
  readonly facts: { readonly [name in StateFact | ProcedureFact]?: bigint | boolean };
}

const mask64 = 0xffff_ffff_ffff_ffffn;

/** The value of a fact about the model. */
export function modelFact(model: ProcessorModel, name: ModelFact): bigint {
  switch (name) {
    case 'physicalBits': return BigInt(model.physicalBits);
    case 'linearBits': return BigInt(model.linearBits);
    case 'cr0Fixed0': return cr0Fixed0;
    case 'cr0Fixed1': return cr0Fixed1;
    case 'cr4Fixed0': return cr4Fixed0;
    case 'cr4Fixed1': return cr4Supported(model);
    case 'eferSupported': return eferSupported(model);
    case 'debugctlSupported': return debugctlSupported(model);
    case 'perfGlobalCtrlSupported': return namedBits('perfGlobalCtrl');
    case 'mtfSupported': return BigInt(hasControl(model, 'primary.monitorTrapFlag'));
    case 'busLockSupported': return BigInt(model.features.has('busLockDetect'));
    case 'rtmSupported': return BigInt(model.features.has('rtm'));
    case 'sgxSupported': return BigInt(model.features.has('sgx'));
    case 'fredSupported': return 0n;
  }
}

/** What has been computed of a model: facts by name, and the settings that each control word allows. Models are immutable. */
const remembered = new WeakMap<ProcessorModel, { facts: Map<string, bigint | undefined>; settings: Map<ControlWordName, ReturnType<typeof allowedSettings>>; made: Map<EntryCheck, boolean> }>();

function memoryOf(model: ProcessorModel): NonNullable<ReturnType<(typeof remembered)['get']>> {
  const found = remembered.get(model) ?? { facts: new Map(), settings: new Map(), made: new Map() };
  remembered.set(model, found);
  return found;
}

function remember<K, V>(map: Map<K, V>, key: K, compute: () => V): V {
  if (!map.has(key)) map.set(key, compute());
  return map.get(key)!;
}

/** The value of a field of a capability MSR, by its name in expressions (`misc.cr3Targets`); undefined for another name. */
export function capabilityFact(model: ProcessorModel, name: string): bigint | undefined {
  const [head, tail] = name.split('.') as [string, string | undefined];
  if (tail === undefined || !Object.hasOwn(capabilityNames, head)) return undefined;
  return BigInt(capability(model, capabilityNames[head as keyof typeof capabilityNames], tail as never));
}

/** A fact that follows from the model alone; undefined for one of the processor's state. */
function fixedFact(model: ProcessorModel, name: string): bigint | undefined {
  return remember(memoryOf(model).facts, name, () => capabilityFact(model, name) ?? ((modelFacts as readonly string[]).includes(name) ? modelFact(model, name as ModelFact) : undefined));
}

/** Whether a processor of this model makes the check. */
export function checkExists(check: EntryCheck, model: ProcessorModel): boolean {
  return check.feature === undefined || remember(memoryOf(model).made, check, () => hasFeature(check.feature!, model));
}

/** Whether a model has what `feature` names: a control, a field of a capability MSR, or a CPUID feature. */
export function hasFeature(feature: string, model: ProcessorModel): boolean {
  if (isControlRef(feature)) return hasControl(model, feature);
  return (capabilityFact(model, feature) ?? 0n) !== 0n || (model.features as ReadonlySet<string>).has(feature);
}

/** What `expression` is worth; undefined if it depends on something that is not known. */
export function evaluate(expression: Expression, read: VmcsReader, context: EntryContext): bigint | undefined {
  const of = (part: Expression): bigint | undefined => evaluate(part, read, context);
  switch (expression.kind) {
    case 'number': return expression.value;
    case 'field': return read(expression.id);
    case 'control': return controlValue(expression.ref, read);
    case 'allowed': return isAllowed(expression.word, read, context.model);
    case 'fact': return factValue(expression.name, context);
    case 'slice': return lift(of(expression.of), (value) => (value >> BigInt(expression.low)) & ((1n << BigInt(expression.high - expression.low + 1)) - 1n));
    case 'not': return lift(of(expression.of), (value) => BigInt(value === 0n));
    case 'complement': return lift(of(expression.of), (value) => ~value & mask64);
    case 'in': return lift(of(expression.of), (value) => BigInt(expression.ranges.some(([from, to]) => value >= from && value <= to)));
    case 'call': return callFunction(expression.name, expression.arguments.map(of), context);
    case 'binary': return binary(expression.operator, of(expression.left), of(expression.right));
  }
}

function lift(value: bigint | undefined, compute: (value: bigint) => bigint): bigint | undefined {
  return value === undefined ? undefined : compute(value);
}

/** `and` and `or` are decided by one side where it suffices; everything else needs both. */
function binary(operator: string, left: bigint | undefined, right: bigint | undefined): bigint | undefined {
  if (operator === 'and') return left === 0n || right === 0n ? 0n : left === undefined || right === undefined ? undefined : 1n;
  if (operator === 'or') return (left ?? 0n) !== 0n || (right ?? 0n) !== 0n ? 1n : left === undefined || right === undefined ? undefined : 0n;
  if (left === undefined || right === undefined) return undefined;
  switch (operator) {
    case '=': return BigInt(left === right);
    case '!=': return BigInt(left !== right);
    case '<': return BigInt(left < right);
    case '<=': return BigInt(left <= right);
    case '>': return BigInt(left > right);
    case '>=': return BigInt(left >= right);
    case '+': return (left + right) & mask64;
    case '-': return (left - right) & mask64;
    case '*': return (left * right) & mask64;
    case '|': return left | right;
    case '&': return left & right;
    case '<<': return (left << right) & mask64;
    case '>>': return left >> right;
    default: throw new Error(`no operator '${operator}'`);
  }
}

/** A control as VM entry sees it: 0 while its word is not activated. */
function controlValue(ref: ControlRef, read: VmcsReader): bigint | undefined {
  const traits = controlWordTraits[ref.split('.')[0] as ControlWordName];
  const active = traits.activatedBy === undefined ? 1n : controlValue(traits.activatedBy, read);
  if (active === 0n) return 0n;
  const bit = lift(read(traits.field as VmcsFieldId), (value) => (value >> BigInt(controlByRef(ref).bit)) & 1n);
  return binary('and', active, bit);
}

function isAllowed(word: ControlWordName, read: VmcsReader, model: ProcessorModel): bigint | undefined {
  const { mustBeOne, mayBeOne } = remember(memoryOf(model).settings, word, () => allowedSettings(model, word));
  return lift(read(controlWordTraits[word].field as VmcsFieldId), (value) => BigInt((value & mustBeOne) === mustBeOne && (value & ~mayBeOne) === 0n));
}

function factValue(name: string, context: EntryContext): bigint | undefined {
  const fixed = fixedFact(context.model, name);
  if (fixed !== undefined) return fixed;
  const state = context.facts[name as StateFact | ProcedureFact];
  return state === undefined ? undefined : BigInt(state);
}

/** Sign-extension of the low `width` bits, as an unsigned value. */
function signExtended(value: bigint, width: number): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(width, value));
}

function callFunction(name: LanguageFunction, values: readonly (bigint | undefined)[], { model }: EntryContext): bigint | undefined {
  const [first, second, third] = values;
  if (first === undefined) return undefined;
  switch (name) {
    case 'canonical': return BigInt(signExtended(first, model.linearBits) === first);
    case 'canonical48': return BigInt(signExtended(first, 48) === first);
    case 'upperBitsEqual': return BigInt(signExtended(first, model.linearBits + 1) === first);
    case 'withinWidth': return BigInt(first >> (fixedFact(model, 'basic.addresses32') ? 32n : BigInt(model.physicalBits)) === 0n);
    case 'patBytesValid': return BigInt([0, 1, 2, 3, 4, 5, 6, 7].every((n) => [0n, 1n, 4n, 5n, 6n, 7n].includes((first >> BigInt(8 * n)) & 0xffn)));
    case 'select': return first !== 0n ? second : third;
  }
}

export type CheckResult = 'holds' | 'fails' | 'unknown' | 'not made';

/** The result of one check: not made where the processor lacks its feature or its condition does not apply. */
export function evaluateCheck(check: EntryCheck, read: VmcsReader, context: EntryContext): CheckResult {
  if (!checkExists(check, context.model)) return 'not made';
  const applies = evaluate(check.when, read, context);
  if (applies === 0n) return 'not made';
  const holds = evaluate(check.require, read, context);
  if (holds !== undefined && holds !== 0n) return 'holds';
  return applies === undefined || holds === undefined ? 'unknown' : 'fails';
}

export interface EntryEvaluation {
  /** Checks that fail, in order. The processor reports the first. */
  readonly failing: readonly EntryCheck[];
  /** Checks that depend on values that are not known, and could fail. */
  readonly unknown: readonly EntryCheck[];
}

/**
 * Runs the checks of VM entry over a VMCS.
 * @param places which checks: those of VMCS fields alone unless more is asked for; checks of other places need their facts
 */
export function evaluateEntry(read: VmcsReader, context: EntryContext, places: readonly CheckPlace[] = ['vmcs']): EntryEvaluation {
  const results = entryChecks.filter((check) => places.includes(check.where)).map((check) => ({ check, result: evaluateCheck(check, read, context) }));
  return { failing: results.filter(({ result }) => result === 'fails').map(({ check }) => check), unknown: results.filter(({ result }) => result === 'unknown').map(({ check }) => check) };
}
