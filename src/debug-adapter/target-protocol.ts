// The messages between the adapter and the worker that holds the Target: calls by method name, replies by number, events. Typed from the
// Target itself, so that a method has one signature. What travels is structured-clonable.
import type { Target } from '../inspector/target';
import type { TargetEvent } from '../inspector/target-types';

/** Methods that the adapter may call; nothing else of a Target is reachable by message. */
export const targetMethods = [
  'load', 'run', 'pause', 'step', 'stepTargets', 'threads', 'levels', 'switches',
  'trace', 'traceStatistics', 'traceLanes', 'traceDetails', 'traceExport', 'stack', 'scopes', 'variables', 'setVariable', 'setExpression', 'setFormat', 'evaluate', 'complete', 'vmcss', 'vmcsText', 'chooseLevels',
  'setFilters', 'setSourceBreakpoints', 'setFunctionBreakpoints', 'setDataBreakpoints', 'dataPlace', 'gotoTargets', 'goto', 'restartFrame',
  'setInstructionBreakpoints', 'breakpointLines', 'report', 'readMemory', 'writeMemory', 'symbolsAt',
] as const satisfies readonly (keyof Target)[];

export type TargetMethod = (typeof targetMethods)[number];
type Signature<M extends TargetMethod> = Target[M] extends (...args: infer A) => infer R ? { args: A; result: Awaited<R> } : never;
export type TargetArguments<M extends TargetMethod> = Signature<M>['args'];
export type TargetResult<M extends TargetMethod> = Signature<M>['result'];

export interface CallMessage { readonly call: number; readonly method: TargetMethod; readonly args: readonly unknown[] }
/** `row` names a user error; without it the failure is ours. */
export interface Failure { readonly message: string; readonly stack?: string; readonly row?: string; readonly values?: Readonly<Record<string, string>> }
export type WorkerMessage =
  | { readonly reply: number; readonly result: unknown }
  | { readonly reply: number; readonly failure: Failure }
  | { readonly event: TargetEvent };
