// C variables of a frame: arguments, locals, the globals of its unit and of the image, as lazy trees of typed values. What lies in memory can be set, also
// a register that a call has saved there, and of the level that executes also what lies in a register.
import { toLittleEndian } from '../../symbols/dwarf/expression-values';
import { registersOf } from '../../symbols/unwind/registers';
import type { Variable } from '../../symbols/dwarf/variables';
import type { Frame } from '../../symbols/frame';
import type { SymbolFile } from '../../symbols/symbol-file';
import type { TargetWrite } from '../../symbols/values/object-place';
import type { Value } from '../../symbols/values/value';
import type { StackFrame } from '../images/stack-frames';
import { TargetError } from '../target-types';
import type { MachineSession } from './machine-session';
import type { ScopeView } from './scopes';
import type { ValueFormat } from './value-format';
import type { VariableNode } from './variable-tree';

type Parts = Pick<MachineSession, 'memory' | 'registers' | 'format'>;

/** Where values of a frame are written, and how they are shown. */
export interface ValueSurroundings { readonly format: ValueFormat; readonly prefix: string; write(write: TargetWrite, name: string): void }

export function surroundingsOf({ memory, registers, format }: Parts, frame: StackFrame): ValueSurroundings {
  const { context } = frame, prefix = `L${context.level}${context.vcpu > 0 ? `.${context.vcpu}` : ''}:`;
  return {
    format, prefix,
    write(write, name) {
      const poke = (address: bigint, bytes: Uint8Array): void => {
        if (!memory.write(context, 'linear', address, bytes)) throw new TargetError('unreadableMemory', { address: `${prefix}0x${address.toString(16)}` });
      };
      if (write.kind === 'memory') return poke(write.address, write.bytes);
      const register = registersOf('x86-64').names[write.register] ?? 'a register', where = `it is in ${register}`;
      // calls since then may have saved the register of this function
      if (frame.saved.has(write.register)) {
        const address = frame.saved.get(write.register);
        if (address === undefined) throw new TargetError('readOnly', { name, reason: `${where}, which is not saved anywhere: its value is computed when the function that was called returns` });
        return poke(address, toLittleEndian(write.value, 8));
      }
      for (const [part, value] of partsOf(register, write.value)) {
        const held = registers.get(context, part);
        if (held === undefined || held.readOnly !== undefined) throw new TargetError('readOnly', { name, reason: `${where}: ${held?.readOnly ?? 'the debugger cannot set that register'}` });
        registers.set(context, held.name, BigInt.asUintN(held.bits, value));
      }
    },
  };
}

/** A register as the registers that the debugger has: vector registers are two halves. */
const partsOf = (register: string, value: bigint): [string, bigint][] => register.startsWith('xmm') ? [[`${register}.low`, value], [`${register}.high`, value >> 64n]] : [[register, value]];

/** The debug information at a frame, undefined without any. */
export function codeFrameOf({ memory }: Pick<Parts, 'memory'>, { mapped, registers, context, isReturnAddress }: StackFrame): Frame | undefined {
  return mapped?.image.symbols.frame({ registers, bias: mapped.bias, isReturnAddress, readMemory: (at, length) => memory.readLinear(context, at, length) });
}

export function variableScopes(parts: Parts, stackFrame: StackFrame): { readonly locals: ScopeView[]; readonly globals?: ScopeView } {
  const frame = codeFrameOf(parts, stackFrame), symbols = stackFrame.mapped?.image.symbols;
  if (!frame || !symbols) return { locals: [] };
  const variables = frame.variables()[stackFrame.inlineDepth], surroundings = surroundingsOf(parts, stackFrame);
  // Registers and memory may have been set since the scope was asked for.
  const nodes = (list: readonly Variable[], now = codeFrameOf(parts, stackFrame) ?? frame): VariableNode[] =>
    list.map(variable => valueNode(now.value(variable), surroundings, { name: variable.isShadowed ? `${variable.name} (hidden)` : variable.name, ...!variable.isShadowed && { path: variable.name } }));
  const scope = (name: string, hint: 'locals' | 'arguments', list: readonly Variable[]): ScopeView[] =>
    list.length === 0 ? [] : [{ name, hint, expensive: false, root: { name, value: '', children: () => nodes(list) } }];
  return {
    locals: variables ? [...scope('Arguments', 'arguments', variables.arguments), ...scope('Locals', 'locals', variables.locals)] : [],
    ...symbols.hasLines && { globals: { name: 'Globals', expensive: true, root: { name: 'Globals', value: '', children: () => globalNodes(symbols, frame.address, nodes) } } },
  };
}

/** Globals of the unit at an address, then those of all others. The index of an image is made when it is first opened. */
function globalNodes(symbols: SymbolFile, address: bigint, nodes: (list: readonly Variable[]) => VariableNode[]): VariableNode[] {
  const index = symbols.globals(), own = index.ofUnitAt(address), others = index.names().filter(name => !own.some(each => each.name === name)).sort();
  const rest = (from: number): VariableNode[] => nodes(others.slice(from, from + mostGlobals).flatMap(name => index.named(name).slice(0, 1)));
  return [...nodes(own), ...Array.from({ length: Math.ceil(others.length / mostGlobals) }, (_, n): VariableNode => ({
    name: n === 0 ? 'Of other units' : `Of other units (${n + 1})`, value: `${Math.min(mostGlobals, others.length - n * mostGlobals)} variables`, children: () => rest(n * mostGlobals),
  }))];
}

/** Globals that are opened at once. */
const mostGlobals = 200;

/** A typed value as a node. `path`: the C expression for it. */
export function valueNode(value: Value, surroundings: ValueSurroundings, { name, path }: { readonly name?: string; readonly path?: string } = {}): VariableNode {
  const { address } = value, ownName = name ?? value.name ?? '(anonymous)', pointer = pointerOf(value), { format, prefix, write } = surroundings;
  return {
    name: ownName, value: value.text(format.ofC), type: value.typeName, ...path !== undefined && { evaluateName: path }, menu: 'variable',
    ...address !== undefined && (value.size ?? 0) > 0 && { place: `${prefix.replace(/\.\d+:$/, ':')}0x${address.toString(16)}+${value.size}` },
    ...(pointer ?? address) !== undefined && { memory: `${prefix}0x${(pointer ?? address)!.toString(16)}` },
    ...value.isArray && value.childCount > 0 && { indexed: value.childCount },
    ...value.childCount > 0 && {
      children: (start?: number, count?: number) => value.children(start, count).map(child => valueNode(child, surroundings, { ...path !== undefined && { path: pathOf(path, child, pointer !== undefined) } })),
    },
    ...value.isWritable ? {
      set(text: string) {
        const writes = value.assign(text);
        if (!writes.ok) throw new TargetError('badValue', { value: text, name: ownName, reason: writes.reason });
        for (const each of writes.value) write(each, ownName);
      },
    } : { fixed: value.childCount > 0 ? 'it is set member by member' : 'it has no place that could be written' },
  };
}

/** The expression for a child: an element, what a pointer points to, or a member (members of what a pointer points to come after `->`). */
function pathOf(parent: string, { name = '' }: Value, isPointer: boolean): string {
  if (isPointer) return `*${parent}`;
  if (name === '') return parent;
  if (name.startsWith('[')) return `${parent}${name}`;
  return parent.startsWith('*') ? `${parent.slice(1)}->${name}` : `${parent}.${name}`;
}

function pointerOf(value: Value): bigint | undefined {
  if (!value.typeName.trimEnd().endsWith('*')) return undefined;
  const bits = value.bits();
  return bits.ok ? bits.value : undefined;
}
