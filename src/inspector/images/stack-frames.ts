// The stack of a level: its own frames, unwound through that level's own memory, then a label for each world switch that it is inside and the
// frames of the level whose exit it handles, and so on up (design: 'an exit is a call downwards'). Never longer than 256 frames, never a loop.
import { registersByName, type RegisterValues } from '../../symbols/unwind/registers';
import type { FunctionInfo, UnwindResult } from '../../symbols/symbol-file';
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { Context } from '../levels/context';
import type { LevelTracker } from '../levels/level-tracker';
import type { LevelRegisters } from '../registers/level-registers';
import type { LevelMemory } from '../translation/level-memory';
import type { ImageMap, MappedImage } from './image-map';

export const mostFrames = 256;

/** One source-level frame of a context; inlined calls have frames of their own. */
export interface StackFrame {
  readonly kind: 'frame';
  readonly context: Context;
  /** Of the level asked for; false for frames of levels that it is inside. */
  readonly own: boolean;
  /** Function, or the address where none is known. */
  readonly name: string;
  readonly isInlined: boolean;
  /** Runtime address of the instruction: of the call, for a caller's frame, the return address. */
  readonly address: bigint;
  readonly isReturnAddress: boolean;
  readonly mapped?: MappedImage;
  /** Path as the debug information has it. */
  readonly source?: string;
  readonly line?: number;
  readonly column?: number;
  /** Registers by DWARF number, for the values of variables; shared by the inlined frames at one address. */
  readonly registers: RegisterValues;
  /** Where calls have saved them in memory since, undefined for what is only computed; the others are still in their registers. */
  readonly saved: ReadonlyMap<number, bigint | undefined>;
  /** Number of the source-level frame at its address, 0 = innermost (index into `SymbolFile.frame(...).variables()`). */
  readonly inlineDepth: number;
  /** Canonical frame address, undefined in the outermost frame. */
  readonly cfa?: bigint;
}

/** The boundary to the level whose exit is handled: `CPUID exit of L3`. */
export interface LabelFrame {
  readonly kind: 'label';
  readonly context: Context;
  readonly text: string;
  readonly reason: number;
}

export class StackFrames {
  constructor(
    private readonly tracker: LevelTracker, private readonly registers: LevelRegisters, private readonly memory: LevelMemory, private readonly images: ImageMap,
  ) {}

  /** Everything from the context's innermost frame out, labels and outer levels included. */
  of(context: Context): (StackFrame | LabelFrame)[] {
    const frames: (StackFrame | LabelFrame)[] = this.own(context);
    for (const inside of this.outerContexts(context)) {
      if (frames.length >= mostFrames) break;
      frames.push({ kind: 'label', context: inside, reason: inside.last.basicReason, text: `${reasonName(inside.last.basicReason)} exit of L${inside.level}` });
      frames.push(...this.own(inside, false).slice(0, mostFrames - frames.length));
    }
    return frames;
  }

  /** The context's own frames, innermost first; at least one as long as its RIP is known. */
  own(context: Context, own = true): StackFrame[] {
    const frames: StackFrame[] = [];
    let values = this.startRegisters(context), isReturnAddress = false, saved: StackFrame['saved'] = new Map();
    const seen = new Set<string>();
    while (frames.length < mostFrames) {
      const address = values[instructionPointer];
      if (address === undefined) break;
      const mapped = this.images.at(context, isReturnAddress ? address - 1n : address);
      const readMemory = (at: bigint, length: number): Uint8Array | undefined => this.memory.readLinear(context, at, length);
      const caller: UnwindResult | undefined = mapped?.image.symbols.unwindFrame(values, { readMemory, bias: mapped.bias, isReturnAddress });
      const next: UnwindResult & { kind: 'caller' } | undefined = caller?.kind === 'caller' ? caller : undefined;
      frames.push(...this.sourceFrames(context, own, address, isReturnAddress, mapped, values, saved, next?.cfa));
      if (!next) break;
      // A frame that was there already would come again for ever; a null return address ends hand-made stacks.
      const key = `${next.registers[instructionPointer]} ${next.registers[stackPointer]}`;
      if (seen.has(key) || !next.registers[instructionPointer]) break;
      seen.add(key);
      values = next.registers;
      saved = new Map([...saved, ...next.savedAt, [stackPointer, undefined]]);
      isReturnAddress = next.isReturnAddress;
    }
    return frames.slice(0, mostFrames);
  }

  /** The caller of the innermost machine frame, or (`isInterrupted`) the code that its handler interrupted: address and stack pointer there; undefined when it is never returned to. */
  caller(context: Context): { rip: bigint; rsp: bigint; isInterrupted: boolean } | undefined {
    const values = this.startRegisters(context), rip = values[instructionPointer];
    const mapped = rip === undefined ? undefined : this.images.at(context, rip);
    if (!mapped) return undefined;
    const caller = mapped.image.symbols.unwindFrame(values, { readMemory: (at, length) => this.memory.readLinear(context, at, length), bias: mapped.bias });
    if (caller.kind !== 'caller') return undefined;
    const { registers: { [instructionPointer]: callerRip, [stackPointer]: callerRsp }, isReturnAddress } = caller;
    if (!callerRip || isReturnAddress && !this.mayReturn(context, mapped, rip!, callerRip)) return undefined;
    return { rip: callerRip, rsp: callerRsp ?? 0n, isInterrupted: !isReturnAddress };
  }

  /** False where the function is declared so, or behind its call no code of the caller stands. */
  private mayReturn(context: Context, mapped: MappedImage, rip: bigint, returnAddress: bigint): boolean {
    const functionAt = (image: MappedImage, address: bigint): FunctionInfo | undefined => image.image.symbols.functionAt(BigInt.asUintN(64, address - image.bias));
    if (functionAt(mapped, rip)?.neverReturns) return false;
    const callerImage = this.images.at(context, returnAddress - 1n), caller = callerImage && functionAt(callerImage, returnAddress - 1n);
    return !caller || functionAt(callerImage, returnAddress)?.address === caller.address;
  }

  /** Function and line at an address of a context, for one-line descriptions. */
  describe(context: Context, address: bigint): StackFrame {
    return this.sourceFrames(context, true, address, false, this.images.at(context, address), [], new Map(), undefined)[0];
  }

  /** The contexts that this one is inside, nearest first: those whose exits wait for it. */
  outerContexts(context: Context): Context[] {
    const outer: Context[] = [];
    for (let inside = this.tracker.handledBy(context); inside && !outer.includes(inside); inside = this.tracker.handledBy(inside)) outer.push(inside);
    return outer;
  }

  private startRegisters(context: Context): RegisterValues { return registersByName('x86-64', this.registers.frameRegisters(context)); }

  private sourceFrames(
    context: Context, own: boolean, address: bigint, isReturnAddress: boolean, mapped: MappedImage | undefined, registers: RegisterValues, saved: StackFrame['saved'], cfa: bigint | undefined,
  ): StackFrame[] {
    const common = { kind: 'frame' as const, context, own, address, isReturnAddress, registers, saved, cfa, ...mapped && { mapped } };
    const linked = mapped && BigInt.asUintN(64, address - mapped.bias - (isReturnAddress ? 1n : 0n));
    const known = linked === undefined ? [] : mapped!.image.symbols.sourceFramesAt(linked);
    if (known.length > 0) {
      return known.map((frame, inlineDepth): StackFrame => ({
        ...common, name: frame.name, isInlined: frame.isInlined, inlineDepth,
        ...frame.location && { source: frame.location.file, line: frame.location.line, column: frame.location.column },
      }));
    }
    const line = linked === undefined ? undefined : mapped!.image.symbols.lineAt(linked), symbol = linked === undefined ? undefined : mapped!.image.symbols.symbolAt(linked);
    const name = symbol ? symbol.offset === 0n ? symbol.symbol.name : `${symbol.symbol.name}+0x${symbol.offset.toString(16)}` : `0x${address.toString(16)}`;
    return [{ ...common, name, isInlined: false, inlineDepth: 0, ...line && { source: line.file, line: line.line, column: line.column } }];
  }
}

/** DWARF numbers of RIP and RSP (System V ABI AMD64). */
const instructionPointer = 16, stackPointer = 7;

const reasonName = (reason: number): string => exitReasonByNumber(reason)?.name ?? `reason ${reason}`;
