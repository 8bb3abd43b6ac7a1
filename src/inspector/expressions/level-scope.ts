// Expressions evaluated in a context of the machine: its registers, VMCSs, memory and symbols, and those of the other levels of its chain.
import type { Machine } from '../../emulator/machine';
import { msrNamed } from '../../spec/msrs';
import { vmcsFieldById, type VmcsFieldId } from '../../spec/vmcs-fields';
import type { ImageMap, MappedImage } from '../images/image-map';
import type { Context } from '../levels/context';
import type { LevelTracker } from '../levels/level-tracker';
import { msrValue } from '../registers/level-msrs';
import type { LevelRegisters } from '../registers/level-registers';
import type { LevelMemory } from '../translation/level-memory';
import { believedVmcs, hardwareVmcs, type VmcsSource } from '../vmcs/vmcs-source';
import { compileTree, whichVmcs } from './compile';
import type { CurrentExit } from './current-exit';
import { registerPart } from './names';
import type { ExpressionScope, WhichVmcs } from './scope';
import { parseExpression, type CPath, type Node, type Place } from './syntax';
import { ExpressionError } from './tokens';

/** What a scope reads from. */
export interface ScopeParts {
  readonly machine: Machine;
  readonly tracker: LevelTracker;
  readonly registers: LevelRegisters;
  readonly memory: LevelMemory;
  readonly images: ImageMap;
}

/** The C objects of a frame whose values are numbers. */
export interface CVariables { object(path: CPath, indices: readonly (bigint | undefined)[]): bigint | undefined }

export class LevelScope implements ExpressionScope {
  /** `variables`: those of the frame in view. */
  constructor(private readonly parts: ScopeParts, readonly context: Context, readonly exit?: CurrentExit, private readonly variables?: CVariables) {}

  variable(name: string): bigint | undefined { return this.variables?.object({ name, steps: [] }, []); }
  object(path: CPath, indices: readonly (bigint | undefined)[]): bigint | undefined { return this.variables?.object(path, indices); }

  get level(): number { return this.context.level; }
  get vcpu(): number { return this.context.vcpu; }

  /** The context that a level number means here: of this context's chain, else the newest of that level on this vCPU. */
  contextOf(level: number | undefined): Context | undefined {
    if (level === undefined || level === this.context.level) return this.context;
    const below = [...this.context.ancestors()].find(each => each.level === level);
    if (below) return below;
    const above = this.parts.tracker.liveContexts.filter(each => each.level === level && each.vcpu === this.context.vcpu);
    return above.filter(each => this.context.isBelow(each)).reduce(newest, undefined) ?? above.reduce(newest, undefined);
  }

  register(name: string, level: number | undefined): bigint | undefined {
    const context = this.contextOf(level);
    return context && this.parts.registers.value(context, name);
  }

  /** Without `which`, of the VMCS that controls the level on the processor; for L0, of its current VMCS. */
  vmcs(id: string, level: number | undefined, which?: WhichVmcs): bigint | undefined {
    if (which && !('keeper' in which && which.keeper === 0)) return this.vmcsSource(level, which)?.read(id as VmcsFieldId)?.value;
    const context = this.contextOf(which && 'guest' in which ? which.guest : level), pointer = context && (context.level > 0 ? context.hardwareVmcs : context.currentVmcs?.pointer ?? -1);
    return pointer === undefined || pointer < 0 ? undefined : this.parts.machine.readVmcs(BigInt(pointer), vmcsFieldById(id as VmcsFieldId).encoding);
  }

  /** The VMCS that an expression names, undefined when there is none. */
  vmcsSource(level: number | undefined, which: WhichVmcs | undefined): VmcsSource | undefined {
    const { machine, tracker } = this.parts, hardware = (pointer: number): VmcsSource | undefined => {
      const belief = tracker.hardwareVmcs(pointer);
      return belief && hardwareVmcs(machine, pointer, belief);
    };
    if (!which || 'keeper' in which && which.keeper === 0) {
      const context = this.contextOf(which ? which.guest : level);
      return context && hardware(context.level > 0 ? context.hardwareVmcs : context.currentVmcs?.pointer ?? -1);
    }
    if ('pointer' in which) {
      const owner = level === undefined ? undefined : this.contextOf(level);
      if (level !== undefined && !owner) return undefined;
      if (!owner || owner.level === 0) return hardware(which.pointer);
      const belief = owner.space.find(which.pointer);
      return belief && believedVmcs(owner, belief);
    }
    const owner = this.contextOf(which.keeper), context = this.contextOf(which.guest);
    const belief = context && owner && context.parent === owner && context.controllingBelief ? context.controllingBelief : owner?.believedVmcss.find(({ carried }) => carried === context);
    return owner && belief && believedVmcs(owner, belief);
  }

  msr(name: string, level: number | undefined): bigint | undefined {
    const context = this.contextOf(level), row = msrNamed(name);
    try { return context && row && msrValue(row, context, this.parts).value; } catch { return undefined; }
  }

  symbol(name: string, level: number | undefined, image: string | undefined): bigint | undefined {
    const context = this.contextOf(level), { registers, images } = this.parts;
    if (!context) return undefined;
    const rip = registers.value(context, 'rip');
    if (rip !== undefined) images.at(context, rip);
    const mapped: readonly MappedImage[] = images.inContext(context).filter(each => image === undefined || each.image.name === image || each.image.name.replace(/\.[^.]*$/, '') === image);
    for (const { image: { symbols }, bias } of mapped) {
      const [found] = symbols.symbolsNamed(name);
      if (found) return BigInt.asUintN(64, found.address + bias);
    }
    return undefined;
  }

  read(space: Place['space'], level: number | undefined, address: bigint, length: number): Uint8Array | undefined {
    const context = this.contextOf(level), bytes = context && this.parts.memory.read(context, space, address, length);
    return bytes?.length === length ? bytes : undefined;
  }
}

const newest = (best: Context | undefined, each: Context): Context => !best || each.enteredAt > best.enteredAt ? each : best;

/** Result of an expression for a person; `memory`: where it lies, when it is memory or an address with a space. */
export interface Evaluation {
  readonly value: bigint;
  readonly memory?: { readonly space: Place['space']; readonly level: number; readonly address: bigint };
}

/** Evaluates for watch, hover and console. Throws ExpressionError when the text has a mistake or the expression no value here. */
export function evaluateText(text: string, scope: LevelScope): Evaluation {
  const node = parseExpression(text), value = compileTree(node)(scope);
  if (value === undefined) throw new ExpressionError(whyNone(node) ?? `${text.trim()} has no value in L${scope.level}`, node.at, node.end - node.at);
  const memory = memoryOf(node, scope, value);
  return { value, ...memory && { memory } };
}

/** A path whose beginning is unknown; a single name may be a symbol of an image that is not loaded yet. */
const whyNone = (node: Node): string | undefined =>
  node.kind === 'name' && node.level === undefined && node.parts.length > 1 && whichVmcs(node.parts[0]) === undefined && !registerPart(node.parts[0]) && node.parts[0].toLowerCase() !== 'msr'
    ? `there is no register or variable ${node.parts[0]} here, or it has no such part` : undefined;

function memoryOf(node: Node, scope: LevelScope, value: bigint): Evaluation['memory'] {
  if (node.kind !== 'memory' && node.kind !== 'place') return node.kind === 'symbol' ? { space: 'linear', level: node.level ?? scope.level, address: value } : undefined;
  const { space, level } = node.place;
  if (node.kind === 'place') return { space, level: level ?? scope.level, address: BigInt.asUintN(64, value) };
  const source = compileTree(node.place.address)(scope);
  return source === undefined ? undefined : { space, level: level ?? scope.level, address: BigInt.asUintN(64, source) };
}
