// One frame of a running program, seen through an image's debug information: which variables are in scope in it and in the calls inlined
// into it, and their values. A frame is made from registers and memory and is worth as much as they are current.

import { At, Tag } from './dwarf/constants';
import type { Entry } from './dwarf/debug-info';
import type { Location } from './dwarf/expression';
import { contextOf, locateVariable, variablesOf, type FrameContext, type Variable } from './dwarf/variables';
import { evaluateLocation } from './dwarf/expression';
import { littleEndian } from './dwarf/expression-values';
import { SymbolError } from './symbol-error';
import type { SymbolFile } from './symbol-file';
import { registersAreEqual, type RegisterValues } from './unwind/registers';
import { canonicalFrameAddress, type UnwindContext } from './unwind/unwinder';
import { Value, placeAt, type ValueTarget } from './values/value';

/** Registers by DWARF number, memory, and how the instruction pointer is meant. */
export interface FrameState extends UnwindContext {
  readonly registers: RegisterValues;
}

/** The variables of one source-level frame (see `sourceFramesAt`). */
export interface FrameVariables {
  readonly arguments: readonly Variable[];
  /** Innermost block first; a variable hidden by an inner one of its name says so. */
  readonly locals: readonly Variable[];
}

const DEEPEST_ENTRY_VALUE = 16;

export class Frame {
  private readonly file: SymbolFile;
  private readonly state: FrameState;
  /** Link-time address that decides scopes and locations. */
  readonly address: bigint;
  private readonly context: FrameContext;
  /** How many frames were unwound to come here for values on entry. */
  private readonly depth: number;

  constructor(file: SymbolFile, state: FrameState, depth = 0) {
    this.depth = depth;
    this.file = file;
    this.state = state;
    const pc = state.registers[file.registers.instructionPointer] ?? 0n;
    this.address = pc - (state.bias ?? 0n) - (state.isReturnAddress ? 1n : 0n);
    this.context = this.contextFor(file.units.functionAt(this.address));
  }

  private contextFor(functionEntry: Entry | undefined): FrameContext {
    const { state, file } = this;
    return {
      address: this.address, addressSize: file.registers.addressSize, bias: state.bias ?? 0n, function: functionEntry,
      register: number => state.registers[number],
      readMemory: state.readMemory,
      callFrameAddress: () => canonicalFrameAddress(file.unwindImage, state.registers, state),
      caller: () => this.caller(functionEntry),
    };
  }

  /** Variables in scope, for each source-level frame at the address, innermost first: as many entries as `sourceFramesAt` has. */
  variables(): FrameVariables[] {
    const frames: { arguments: Variable[]; locals: Variable[]; names: Set<string> }[] = [];
    const chain = this.file.scopesAt(this.address).reverse();
    let current: (typeof frames)[number] | undefined;
    for (const scope of chain) {
      current ??= { arguments: [], locals: [], names: new Set() };
      const { names } = current;
      const own = this.file.units.debugInfo.warnings.attempt(() => variablesOf(scope, this.file.types), []);
      for (const variable of own) {
        const shown = names.has(variable.name) ? { ...variable, isShadowed: true } : variable;
        (variable.kind === 'argument' ? current.arguments : current.locals).push(shown);
      }
      for (const variable of own) names.add(variable.name);
      if (scope.kind !== 'block') {
        frames.push(current);
        current = undefined;
      }
    }
    return frames;
  }

  /** A variable in scope by name, inner blocks and inlined calls first, then globals, those of the frame's own unit first. */
  find(name: string): Variable | undefined {
    for (const frame of this.variables()) {
      const found = [...frame.locals, ...frame.arguments].find(variable => variable.name === name && !variable.isShadowed);
      if (found) return found;
    }
    return this.file.globals().named(name, this.address)[0];
  }

  /** Where a variable lies now. */
  locate(variable: Variable): Location {
    return locateVariable(variable.entry, this.context);
  }

  /** The value of a variable as a lazy tree. */
  value(variable: Variable): Value {
    return new Value(variable.name, variable.type, placeAt(variable.type, this.locate(variable)), this.target);
  }

  /** What values of this frame read through. */
  get target(): ValueTarget {
    const { state, file } = this;
    const bias = state.bias ?? 0n;
    return {
      register: number => state.registers[number],
      readMemory: state.readMemory,
      nameOf: address => {
        const found = file.symbolAt(address - bias);
        return found && (found.offset === 0n ? found.symbol.name : `${found.symbol.name}+${found.offset}`);
      },
      dynamicCount: bound => this.dynamicCount(bound),
      pointedTo: entryOffset => file.units.debugInfo.warnings.attempt(() => locateVariable(file.units.debugInfo.entryAt(entryOffset), this.context), undefined),
    };
  }

  /** The number of elements of a variable-length array: its bound is an expression, or a hidden variable that holds it. */
  private dynamicCount(bound: number): number | undefined {
    const { debugInfo } = this.file.units;
    return debugInfo.warnings.attempt(() => {
      const entry = debugInfo.entryAt(bound);
      const attribute = entry.has(At.count) ? At.count : At.upperBound;
      const raw = entry.raw(attribute);
      let last: bigint | undefined;
      if (raw?.kind === 'reference') {
        const holder = entry.referenced(attribute)!;
        const type = this.file.types.typeOf(holder);
        const held = new Value(undefined, type, placeAt(type, locateVariable(holder, this.context)), this.target).integer();
        last = held.ok ? BigInt.asIntN(64, held.value) : undefined;
      } else if (raw?.kind === 'block') {
        const location = evaluateLocation(raw.bytes, contextOf(entry, this.context));
        if (location.kind === 'memory') last = BigInt.asIntN(this.context.addressSize * 8, location.address);
        else if (location.kind === 'implicit') last = BigInt.asIntN(location.bytes.length * 8, littleEndian(location.bytes));
      }
      if (last === undefined) return undefined;
      const count = attribute === At.count ? last : last - (entry.constant(At.lowerBound) ?? 0n) + 1n;
      return count >= 0n && count < 0x1_0000_0000n ? Number(count) : undefined;
    }, undefined);
  }

  /** The caller's frame and the entry of the call in it. Throws SymbolError with the reason where there is none. */
  private caller(functionEntry: Entry | undefined): { frame: FrameContext; call: Entry } {
    const { file, state } = this;
    const unknown = (why: string): SymbolError => new SymbolError(`the value on entry to the function is not known: ${why}`, '.debug_info');
    if (this.depth >= DEEPEST_ENTRY_VALUE) throw unknown('it depends on too many callers');
    const result = file.unwindFrame(state.registers, state);
    if (result.kind === 'end') throw unknown(result.reason);
    if (registersAreEqual(result.registers, state.registers)) throw unknown('the frame is its own caller');
    const frame = new Frame(file, { ...state, registers: result.registers, isReturnAddress: result.isReturnAddress }, this.depth + 1);
    const callerEntry = file.units.functionAt(frame.address);
    if (!callerEntry) throw unknown('the caller has no debug information');
    const returnAddress = frame.address + (result.isReturnAddress ? 1n : 0n);
    const call = findCall(callerEntry, returnAddress);
    if (!call) throw unknown('the caller does not describe this call');
    // A function that was reached by a tail call of another one has no trace of that one on the stack.
    const called = call.referenced(At.callOrigin) ?? call.referenced(At.abstractOrigin);
    if (called && functionEntry && called.name !== functionEntry.name) throw unknown('it was reached by a tail call');
    return { frame: frame.context, call };
  }
}

function findCall(caller: Entry, returnAddress: bigint): Entry | undefined {
  for (const entry of caller.descendants()) {
    const attribute = entry.tag === Tag.callSite ? At.callReturnPc : entry.tag === Tag.gnuCallSite ? At.lowPc : undefined;
    if (attribute !== undefined && entry.address(attribute) === returnAddress) return entry;
  }
  return undefined;
}
