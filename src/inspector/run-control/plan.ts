// How a run is steered: a plan is a generator that asks for one instruction or a stretch of running, is told what happened, and at last says
// where it ended. Continue is the plan that never ends; the steps are the others. A plan touches no guest-visible state: no trap flag, no
// monitor trap flag, only budgets of one unit, code hooks, and stops after exits and entries.
import type { Machine, RunResult } from '../../emulator/machine';
import type { Context } from '../levels/context';
import type { WorldSwitch } from '../levels/switch-log';

/**
 * One unit; or run until `wake` holds after some stop (without it: for good). `hook`: also stop before that linear address; `vmxOff`: before each
 * VMXOFF, which ends levels.
 */
export type Advance =
  | { readonly kind: 'one' }
  | { readonly kind: 'run'; readonly entries?: boolean; readonly exits?: boolean; readonly vmxOff?: boolean; readonly hook?: bigint; wake?(progress: Progress): boolean };

/** An event that a VM entry delivered, and the stack pointer of the guest that it interrupted. */
export interface Injection { readonly kind: 'exception' | 'interrupt'; readonly vector: number; readonly rsp: bigint }

/** What a call of `run` did, as far as steps care. */
export interface Progress {
  readonly result: RunResult;
  /** World switches that it made, in order. */
  readonly switches: readonly WorldSwitch[];
  /** An event that was delivered inside the executing level. */
  readonly delivered?: 'exception' | 'interrupt';
  /** What the last entry injected. */
  readonly injected?: Injection;
}

/** Where a plan ended: the context to show, and a note when that is not the place that was asked for. */
export interface PlanEnd { readonly context: Context; readonly note?: string }
export type Plan = Generator<Advance, PlanEnd, Progress>;

/** A row of a line table at an address of a context (addresses of the running program). */
export interface LineRow { readonly file: string; readonly line: number; readonly address: bigint; readonly isStatement: boolean }

/** A function at an address, or a call that was inlined into it: where its own code begins, and the line at which it stands. */
export interface CodeFrame { readonly entry: bigint; readonly file: string; readonly line: number }

/** What plans see of the levels. */
export interface Levels {
  executing(vcpu: number): Context;
  readonly contexts: readonly Context[];
}

/** What plans see of the code that a context runs. */
export interface CodeMap {
  lineAt(context: Context, rip: bigint): LineRow | undefined;
  /** The function and the inlined calls at an address, outermost first; empty where none is known. */
  framesAt(context: Context, rip: bigint): readonly CodeFrame[];
  /** Where to stop in the function that begins at `rip`: after its prologue; undefined when it has no lines. */
  bodyOf(context: Context, rip: bigint): bigint | undefined;
  /**
   * The caller of the innermost frame that has a stack of its own, or the code that its handler interrupted (`isInterrupted`): where it goes on, and
   * the stack pointer there. Undefined when it is never returned to.
   */
  caller(context: Context): { readonly rip: bigint; readonly rsp: bigint; readonly isInterrupted?: boolean } | undefined;
}

/** Handlers in which a step stops, where it would run through: of interrupts, and for statement steps of faults. */
export interface StepSettings { readonly interrupts: boolean; readonly faults: boolean }

export interface World { readonly machine: Machine; readonly levels: Levels; readonly code: CodeMap; readonly settings?: StepSettings }

export const isExecuting = ({ levels }: World, context: Context): boolean => context.state !== 'ended' && levels.executing(context.vcpu) === context;

/** The plan of a plain continue. */
export function* continuePlan(): Plan {
  for (;;) yield { kind: 'run' };
}
