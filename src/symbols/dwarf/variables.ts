// Variables of a function's scopes and of units, with their types and where they lie (DWARF 5, 4.1 'Data Object Entries'). A variable's
// location is evaluated in a frame: its registers, its memory, its function's frame base and, for values on entry, its caller.

import { SymbolError } from '../symbol-error';
import type { CType } from '../types/c-type';
import { At, Encoding, Tag } from './constants';
import { addressAt, type DebugInfo, type Entry } from './debug-info';
import { evaluateLocation, evaluateValue, type ExpressionContext, type Location, type ReadMemory } from './expression';
import { toLittleEndian, type BaseType } from './expression-values';
import { expressionAt } from './location-lists';
import { Op } from './operations';
import type { Scope } from './scopes';
import type { TypeTable } from './type-table';

export type VariableKind = 'argument' | 'local' | 'global';

export interface Variable {
  readonly name: string;
  readonly kind: VariableKind;
  readonly type: CType;
  readonly entry: Entry;
  /** Line of the declaration, where the file says it. */
  readonly line: number | undefined;
  /** True when a variable of an inner block has the same name. */
  readonly isShadowed: boolean;
}

/** A frame as expressions see it. Registers are DWARF numbers; addresses are runtime addresses of the running program. */
export interface FrameContext {
  /** Link-time address that decides which location is in effect: of the instruction, or of the call for a caller's frame. */
  readonly address: bigint;
  readonly addressSize: 4 | 8;
  readonly bias: bigint;
  register(number: number): bigint | undefined;
  readonly readMemory: ReadMemory;
  callFrameAddress(): bigint | undefined;
  /** The function of the frame, whose frame base counts; undefined for globals. */
  readonly function: Entry | undefined;
  /** The caller's frame and the entry of its call, for values on entry. Throws SymbolError with the reason when there is none. */
  caller?(): { readonly frame: FrameContext; readonly call: Entry };
}

/** Variables of one scope, in the file's order; `isArgument` entries first. */
export function variablesOf(scope: Scope, types: TypeTable): Variable[] {
  const own = collect(scope.entry, types);
  if (scope.kind !== 'inlined') return own;
  // A compiler may leave out what it optimized away in an inlined copy; the abstract function still has it.
  const origin = scope.entry.referenced(At.abstractOrigin);
  if (!origin) return own;
  const present = new Set(own.map(variable => variable.entry.reference(At.abstractOrigin)));
  return [...own, ...collect(origin, types).filter(variable => !present.has(variable.entry.offset))];
}

function collect(entry: Entry, types: TypeTable): Variable[] {
  const variables: Variable[] = [];
  for (const child of entry.children()) {
    if (child.tag !== Tag.formalParameter && child.tag !== Tag.variable) continue;
    if (variables.length >= 10_000) break;
    const variable = describeVariable(child, types, child.tag === Tag.formalParameter ? 'argument' : 'local');
    if (variable) variables.push(variable);
  }
  return variables;
}

/** A variable from its entry; undefined when it has no name or cannot be read. */
export function describeVariable(entry: Entry, types: TypeTable, kind: VariableKind): Variable | undefined {
  return entry.unit.debugInfo.warnings.attempt(() => {
    const name = entry.name;
    if (name === undefined || entry.flag(At.artificial) && kind === 'local') return undefined;
    return { name, kind, type: types.typeOf(entry), entry, line: entry.inherited(each => each.number(At.declLine)), isShadowed: false };
  }, undefined);
}

/** Where a variable lies in a frame. Never throws for what the file or the memory contain. */
export function locateVariable(entry: Entry, frame: FrameContext): Location {
  try {
    const constant = entry.inherited(each => each.raw(At.constValue));
    if (constant?.kind === 'constant') return { kind: 'implicit', bytes: toLittleEndian(constant.value, 16), isStackValue: true };
    if (constant?.kind === 'block') return { kind: 'implicit', bytes: constant.bytes, isStackValue: false };
    if (constant?.kind === 'text') return { kind: 'implicit', bytes: new TextEncoder().encode(`${constant.value}\0`), isStackValue: false };
    const expression = entry.inherited(each => expressionAt(each, At.location, frame.address));
    if (!expression) return { kind: 'unavailable', reason: entry.flag(At.declaration) ? 'declared here, defined elsewhere' : 'optimized out', isOptimizedOut: true };
    return evaluateLocation(expression, contextOf(entry, frame));
  } catch (error) {
    if (!(error instanceof SymbolError)) throw error;
    return { kind: 'unavailable', reason: error.what, isOptimizedOut: false };
  }
}

/** What expressions of an entry may ask in a frame. */
export function contextOf(entry: Entry, frame: FrameContext): ExpressionContext {
  const { unit } = entry;
  const { debugInfo } = unit;
  return {
    addressSize: frame.addressSize, bias: frame.bias, offsetSize: unit.header.offsetSize, readMemory: frame.readMemory,
    register: number => frame.register(number),
    callFrameAddress: () => frame.callFrameAddress(),
    frameBase: () => frameBase(frame),
    indexedAddress: index => addressAt(unit, index),
    baseType: unitOffset => baseTypeOf(debugInfo, unit.header.offset + unitOffset),
    calledExpression: (offset, inUnit) => expressionAt(debugInfo.entryAt(inUnit ? unit.header.offset + offset : offset), At.location, frame.address),
    entryValue: expression => entryValue(expression, frame),
  };
}

function baseTypeOf(debugInfo: DebugInfo, offset: number): BaseType | undefined {
  const entry = debugInfo.entryAt(offset);
  return entry.tag === Tag.baseType ? { size: entry.number(At.byteSize) ?? 0, encoding: entry.number(At.encoding) ?? Encoding.unsigned } : undefined;
}

function frameBase(frame: FrameContext): bigint {
  const entry = frame.function;
  const expression = entry && expressionAt(entry, At.frameBase, frame.address);
  if (!entry || !expression) throw new SymbolError('the function has no frame base', '.debug_info');
  // The frame base must not depend on itself.
  return evaluateValue(expression, { ...contextOf(entry, frame), frameBase: () => { throw new SymbolError('the frame base refers to itself', '.debug_info'); } });
}

/** The value of a register, or of memory that it points to, when the function was entered: what its caller passed, by the call's entry. */
function entryValue(expression: Uint8Array, frame: FrameContext): bigint {
  const { frame: caller, call } = frame.caller?.() ?? noCaller();
  for (const parameter of call.children()) {
    if (parameter.tag !== Tag.callSiteParameter && parameter.tag !== Tag.gnuCallSiteParameter) continue;
    const place = parameter.raw(At.location);
    if (place?.kind !== 'block' || !sameBytes(place.bytes, expression)) continue;
    const value = parameter.raw(At.callValue) ?? parameter.raw(At.gnuCallSiteValue);
    if (value?.kind === 'block') return evaluateValue(value.bytes, contextOf(parameter, caller));
  }
  const register = expression.length === 1 ? expression[0]! - Op.reg0 : -1;
  if (register >= 0 && register < 32 && caller.register(register) !== undefined && isPreserved(register, frame)) return caller.register(register)!;
  throw new SymbolError('the value on entry to the function is not known: the caller does not describe it', '.debug_info');
}

/** x86-64 keeps rbx, rbp and r12 to r15 over calls, i386 ebx, ebp, esi and edi. */
function isPreserved(register: number, frame: FrameContext): boolean {
  return frame.addressSize === 8 ? [3, 6, 12, 13, 14, 15].includes(register) : [3, 5, 6, 7].includes(register);
}

function noCaller(): never {
  throw new SymbolError('the value on entry to the function is not known: there is no caller', '.debug_info');
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
