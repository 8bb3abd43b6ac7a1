// What an expression may ask of its surroundings. Undefined means 'no value here': comparisons with it are false, and an evaluation says so.
import type { CPath } from './syntax';

/** Fields of the exit that a condition is asked about. Numbers that do not apply to the exit are NaN. */
export interface ExitFields {
  /** Basic exit reason. */
  readonly reason: number;
  /** Levels: that exited; that handles it (0 at the exit itself). `level` is `from`. */
  readonly from: number;
  readonly to: number;
  readonly vcpu: number;
  /** CPUID: leaf and subleaf. */
  readonly leaf: number;
  readonly subleaf: number;
  /** RDMSR and WRMSR. */
  readonly msr: number;
  /** I/O instructions. */
  readonly port: number;
  /** Exceptions, interrupts and NMIs. */
  readonly vector: number;
  readonly length: number;
  readonly qualification: bigint;
  /** Guest-physical and guest-linear address, undefined where the exit has none. */
  readonly gpa: bigint | undefined;
  readonly gla: bigint | undefined;
}

/** `vmcs12`: the one that L1 keeps for L2; `vmcs@0x68d000`: the one at that address, as the level names it. */
export type WhichVmcs = { readonly keeper: number; readonly guest: number } | { readonly pointer: number };

export interface ExpressionScope {
  /** The exit that the expression is about, absent outside exits. */
  readonly exit?: ExitFields;
  /** Level in which the expression is evaluated. */
  readonly level: number;
  readonly vcpu: number;
  /** A register by its name in the machine; `level` undefined: the scope's own. */
  register(name: string, level: number | undefined): bigint | undefined;
  /** A field by id, of the VMCS that controls a level or of the one that `which` names. */
  vmcs(id: string, level: number | undefined, which?: WhichVmcs): bigint | undefined;
  /** A model-specific register by its name in the tables. */
  msr?(name: string, level: number | undefined): bigint | undefined;
  /** Runtime address of a symbol. */
  symbol(name: string, level: number | undefined, image: string | undefined): bigint | undefined;
  /** Value of a C variable in the frame of the scope, absent where there is no frame. */
  variable?(name: string): bigint | undefined;
  /** Value of a C object that is a number; `indices` are those of its elements, in order. */
  object?(path: CPath, indices: readonly (bigint | undefined)[]): bigint | undefined;
  /** Bytes in memory, undefined unless all can be read. */
  read(space: 'linear' | 'guestPhysical' | 'physical', level: number | undefined, address: bigint, length: number): Uint8Array | undefined;
}
