// From a frame to its caller: by call frame information where the file has it, else by what x86 code does (return address on top of the
// stack at a function's first instructions and at RET, frame pointer chain otherwise). Addresses of code are runtime addresses; `bias`
// is runtime minus link-time. A caller's instruction pointer is a return address, which belongs to the call before it.

import { evaluateValue, type ExpressionContext, type ReadMemory } from '../dwarf/expression';
import { littleEndian } from '../dwarf/expression-values';
import { SymbolError, hex } from '../symbol-error';
import type { CallFrameInformation } from './call-frame-information';
import type { RegisterRule, UnwindRow } from './frame-program';
import type { RegisterConvention, RegisterValues } from './registers';

export interface UnwindContext {
  readonly readMemory: ReadMemory;
  /** Runtime address minus link-time address of the image; 0 by default. */
  readonly bias?: bigint;
  /** True when the instruction pointer is a return address, so that the call before it decides (every frame but the innermost). */
  readonly isReturnAddress?: boolean;
}

export type UnwindMethod = 'call frame information' | 'frame pointer' | 'return address';

export type UnwindResult =
  | {
    readonly kind: 'caller';
    readonly registers: RegisterValues;
    /** The frame's canonical frame address: the stack pointer before the call that made the frame. */
    readonly cfa: bigint;
    readonly method: UnwindMethod;
    /** Where the caller's registers are saved in memory (runtime addresses), by DWARF number, undefined for those that are computed; others are still in their registers. */
    readonly savedAt: ReadonlyMap<number, bigint | undefined>;
    /** False when the frame was interrupted (a signal or interrupt frame), so that the caller's address is exact. */
    readonly isReturnAddress: boolean;
  }
  /** There is no caller, or it cannot be found; `isOutermost` when the file says that this is the first frame. */
  | { readonly kind: 'end'; readonly reason: string; readonly isOutermost: boolean };

/** What the unwinder needs of an image. Addresses are link-time. */
export interface UnwindImage {
  readonly registers: RegisterConvention;
  readonly frames: CallFrameInformation;
  isCode(address: bigint): boolean;
  /** The start of the function that contains the address, if it is known. */
  functionStart(address: bigint): bigint | undefined;
  codeBytes(address: bigint, length: number): Uint8Array;
}

/** The registers of the caller of a frame. Never throws for what the file or the memory contain. */
export function unwindFrame(image: UnwindImage, registers: RegisterValues, context: UnwindContext): UnwindResult {
  const { instructionPointer } = image.registers;
  const bias = context.bias ?? 0n;
  const pc = registers[instructionPointer];
  if (pc === undefined) return { kind: 'end', reason: 'the instruction pointer is not known', isOutermost: false };
  const linked = pc - bias - (context.isReturnAddress ? 1n : 0n);
  try {
    const row = image.frames.rowAt(linked);
    if (row) return unwindByRow(image, row, registers, context);
    return unwindByConvention(image, registers, pc - bias, context);
  } catch (error) {
    if (!(error instanceof SymbolError)) throw error;
    return { kind: 'end', reason: error.what, isOutermost: false };
  }
}

/** The canonical frame address by call frame information, or undefined where there is none. Throws SymbolError when it cannot be computed. */
export function canonicalFrameAddress(image: UnwindImage, registers: RegisterValues, context: UnwindContext): bigint | undefined {
  const pc = registers[image.registers.instructionPointer];
  if (pc === undefined) return undefined;
  const row = image.frames.rowAt(pc - (context.bias ?? 0n) - (context.isReturnAddress ? 1n : 0n));
  return row && cfaOf(image, row, registers, context);
}

function expressionContext(image: UnwindImage, registers: RegisterValues, context: UnwindContext): ExpressionContext {
  return { addressSize: image.registers.addressSize, bias: context.bias ?? 0n, readMemory: context.readMemory, register: number => registers[number] };
}

function cfaOf(image: UnwindImage, row: UnwindRow, registers: RegisterValues, context: UnwindContext): bigint {
  if (row.cfa.kind === 'expression') return evaluateValue(row.cfa.expression, expressionContext(image, registers, context));
  const base = registers[row.cfa.register];
  if (base === undefined) throw new SymbolError(`the frame address depends on ${nameOf(image, row.cfa.register)}, which is not known`, 'unwinding');
  return wrap(image, base + BigInt(row.cfa.offset));
}

function unwindByRow(image: UnwindImage, row: UnwindRow, registers: RegisterValues, context: UnwindContext): UnwindResult {
  const { addressSize, stackPointer, instructionPointer } = image.registers;
  if (row.rules.get(row.returnRegister)?.kind === 'undefined') return { kind: 'end', reason: 'this is the outermost frame', isOutermost: true };
  const cfa = cfaOf(image, row, registers, context);
  const load = (address: bigint): bigint | undefined => {
    const bytes = context.readMemory(wrap(image, address), addressSize);
    return bytes && bytes.length >= addressSize ? littleEndian(bytes.subarray(0, addressSize)) : undefined;
  };
  const savedAt = new Map<number, bigint | undefined>();
  const saved = (register: number, address: bigint): bigint | undefined => {
    savedAt.set(register, wrap(image, address));
    return load(address);
  };
  const computed = (register: number, value: bigint | undefined): bigint | undefined => {
    savedAt.set(register, undefined);
    return value;
  };
  const recover = (register: number, rule: RegisterRule): bigint | undefined => {
    switch (rule.kind) {
      case 'undefined': return undefined;
      case 'sameValue': return registers[register];
      case 'savedAt': return saved(register, cfa + BigInt(rule.offset));
      case 'valueIs': return computed(register, wrap(image, cfa + BigInt(rule.offset)));
      case 'register': return computed(register, registers[rule.register]);
      case 'savedAtExpression': return saved(register, evaluateValue(rule.expression, expressionContext(image, registers, context), [cfa]));
      case 'valueIsExpression': return computed(register, evaluateValue(rule.expression, expressionContext(image, registers, context), [cfa]));
    }
  };
  // Registers without a rule keep their values, even those that the ABI lets a call destroy: optimizers know when a callee leaves them
  // alone, and end a variable's location before the call when it does not.
  const caller = registers.slice();
  caller[stackPointer] = cfa;
  for (const [register, rule] of row.rules) caller[register] = recover(register, rule);
  const returnAddress = caller[row.returnRegister];
  if (returnAddress === undefined) return { kind: 'end', reason: 'the return address cannot be read', isOutermost: false };
  caller[instructionPointer] = returnAddress;
  if (returnAddress === registers[instructionPointer] && caller[stackPointer] === registers[stackPointer]) {
    return { kind: 'end', reason: 'the frame would be its own caller', isOutermost: false };
  }
  if (returnAddress === 0n) return { kind: 'end', reason: 'the return address is zero', isOutermost: true };
  return { kind: 'caller', registers: caller, cfa, savedAt, method: 'call frame information', isReturnAddress: !row.isSignalFrame };
}

/**
 * The way without call frame information. At a function's first instruction and at RET the return address is on top of the stack, after
 * PUSH rBP below it; elsewhere rBP points to the saved rBP if the code keeps frame pointers, which the return address must confirm.
 */
function unwindByConvention(image: UnwindImage, registers: RegisterValues, linked: bigint, context: UnwindContext): UnwindResult {
  const { stackPointer, framePointer, addressSize, instructionPointer, preserved } = image.registers;
  const word = BigInt(addressSize);
  const sp = registers[stackPointer];
  const fp = registers[framePointer];
  const load = (address: bigint): bigint | undefined => {
    const bytes = context.readMemory(wrap(image, address), addressSize);
    return bytes && bytes.length >= addressSize ? littleEndian(bytes.subarray(0, addressSize)) : undefined;
  };
  const to = (returnAddress: bigint | undefined, cfa: bigint, method: UnwindMethod, fpAt?: bigint): UnwindResult => {
    if (returnAddress === undefined) return { kind: 'end', reason: 'the return address cannot be read', isOutermost: false };
    if (!image.isCode(returnAddress - (context.bias ?? 0n) - 1n)) {
      return { kind: 'end', reason: `there is no call frame information, and ${hex(returnAddress)} is not a return address of this image`, isOutermost: returnAddress === 0n };
    }
    const caller: (bigint | undefined)[] = [];
    for (const register of preserved) caller[register] = method === 'return address' ? registers[register] : undefined;
    caller[stackPointer] = cfa;
    caller[framePointer] = fpAt === undefined ? fp : load(fpAt);
    caller[instructionPointer] = returnAddress;
    return { kind: 'caller', registers: caller, cfa, method, savedAt: new Map(fpAt === undefined ? [] : [[framePointer, wrap(image, fpAt)]]), isReturnAddress: true };
  };
  if (sp !== undefined && !context.isReturnAddress) {
    const opcode = image.codeBytes(linked, 1)[0];
    const start = image.functionStart(linked);
    if (opcode === 0xc3 || opcode === 0xc2 || start === linked) return to(load(sp), sp + word, 'return address');
    if (start !== undefined && linked === start + 1n && image.codeBytes(start, 1)[0] === 0x55) return to(load(sp + word), sp + 2n * word, 'return address', sp);
  }
  if (fp === undefined) return { kind: 'end', reason: 'there is no call frame information and the frame pointer is not known', isOutermost: false };
  if (fp === 0n) return { kind: 'end', reason: 'the frame pointer is zero', isOutermost: true };
  if (fp % word !== 0n || (sp !== undefined && fp < sp)) {
    return { kind: 'end', reason: 'there is no call frame information and the frame pointer is not one', isOutermost: false };
  }
  return to(load(fp + word), fp + 2n * word, 'frame pointer', fp);
}

function nameOf(image: UnwindImage, register: number): string {
  return image.registers.names[register] ?? `register ${register}`;
}

function wrap(image: UnwindImage, value: bigint): bigint {
  return BigInt.asUintN(image.registers.addressSize * 8, value);
}
