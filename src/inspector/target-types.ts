// The plain objects that a debugger front end exchanges with a Target. Everything here survives structuredClone and JSON: numbers that may
// exceed 2^53 are strings of the form 0x..., so that the Target can live in a worker and the same objects can travel over the protocol.

/** A file given to the machine: its bytes and what to call it. */
export interface ImageFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly commandLine?: string;
}

export type StopsFrom = 'guest' | 'reset';

/** What a launch needs; bytes are already read, so that the Target does no input or output of its own. */
export interface TargetConfiguration {
  readonly engine: { readonly core: Uint8Array; readonly interpreter: Uint8Array; readonly decodeTables: Uint8Array };
  readonly program: ImageFile;
  readonly modules: readonly ImageFile[];
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly stopsFrom: StopsFrom;
  readonly stopOnEntry: boolean;
  /** Run without debugging: breakpoints do not stop. */
  readonly noStops?: boolean;
  /** What runs at a level where that cannot be found from the loaded modules. */
  readonly levels: readonly LevelConfiguration[];
}

export interface LevelConfiguration {
  readonly level: number;
  readonly symbols?: ImageFile;
  /** Linear address of the image's first segment in that level's address space. */
  readonly loadAddress?: string;
}

/** An image whose symbols were opened, or why they were not. */
export interface LoadedImage { readonly name: string; readonly entry: string; readonly symbols: 'lines' | 'functions' | 'none'; readonly problem?: string }

export type LevelState = 'executing' | 'suspended' | 'running' | 'ended';

/** One context: a level of one virtual processor, shown as a thread. */
export interface LevelInfo {
  readonly threadId: number;
  readonly level: number;
  readonly vcpu: number;
  /** Display name, `L2 · hypervisor`, or `vCPU 1 · L2 · hypervisor` on a machine with several processors. */
  readonly name: string;
  readonly image: string;
  readonly state: LevelState;
  readonly parent?: number;
  readonly function?: string;
  readonly line?: number;
  /** Path of the source as the debug information has it. */
  readonly source?: string;
  readonly rip: string;
  /** The tracker could not be sure that this is the context that it seems to be. */
  readonly uncertain?: boolean;
}

export interface FrameInfo {
  /** 0 for a label. Valid until the next resume. */
  readonly id: number;
  readonly name: string;
  readonly kind: 'normal' | 'label' | 'subtle';
  readonly source?: string;
  readonly line?: number;
  readonly column?: number;
  /** Reference of the instruction: `L2:0x...`, absent for a label. */
  readonly instruction?: string;
  readonly level?: number;
  readonly image?: string;
}

export interface ScopeInfo { readonly name: string; readonly reference: number; readonly hint?: 'registers' | 'locals' | 'arguments'; readonly expensive: boolean; readonly count?: number }

export interface VariableInfo {
  readonly name: string;
  readonly value: string;
  readonly type?: string;
  /** 0: no children. */
  readonly reference: number;
  readonly memory?: string;
  readonly readOnly?: boolean;
  readonly evaluateName?: string;
}

export type WorldSwitchKind = 'exit' | 'deliver' | 'enter' | 'vmfail';

/** One change of the executing level. `to` of an exit is always 0; `from` of a delivery is the level whose exit is delivered. */
export interface SwitchInfo {
  readonly kind: WorldSwitchKind;
  readonly from: number;
  readonly to: number;
  /** Basic exit reason, and its name in the words of the manual. */
  readonly reason: number;
  readonly name: string;
  readonly entryFailed?: boolean;
  readonly uncertain?: boolean;
  /** Virtual time in units. */
  readonly time: string;
}

/** A decoded VM exit, or a failed entry. */
export interface ExitInfo {
  readonly reason: number;
  /** Name of the reason in the words of the manual. */
  readonly name: string;
  /** Level that exited. */
  readonly from: number;
  readonly threadId: number;
  readonly summary: string;
  /** Lines of the report, most telling first. */
  readonly details: readonly string[];
}

export type StopReason = 'entry' | 'pause' | 'step' | 'breakpoint' | 'function breakpoint' | 'instruction breakpoint' | 'exception';

export interface StopInfo {
  readonly reason: StopReason;
  readonly threadId: number;
  /** One line for the call stack view. */
  readonly description: string;
  /** Longer text, shown with an exception. */
  readonly text?: string;
  readonly hitBreakpoints?: readonly number[];
  /** Filter that stopped the machine. */
  readonly filter?: string;
  /** The exit, failed entry, VMX instruction or fault that this stop is about. */
  readonly report?: StopReport;
}

export interface StopReport { readonly id: string; readonly title: string; readonly details: readonly string[]; readonly exit?: ExitInfo }

export interface FilterRequest { readonly filter: string; readonly condition?: string }
export interface FilterResult { readonly verified: boolean; readonly message?: string }

/** By kind: a line, the name of a function, or a reference to an instruction with an offset in bytes. */
export interface BreakpointRequest {
  readonly line?: number;
  readonly name?: string;
  readonly instruction?: string;
  readonly offset?: number;
  readonly condition?: string;
  readonly hitCondition?: string;
  readonly logMessage?: string;
}

export interface BreakpointInfo {
  readonly id: number;
  readonly verified: boolean;
  readonly message?: string;
  readonly source?: string;
  readonly line?: number;
  readonly instruction?: string;
}

export type StepGranularity = 'instruction' | 'statement';
export type StepKind = 'over' | 'in' | 'out';
export interface StepRequest { readonly threadId: number; readonly kind: StepKind; readonly granularity: StepGranularity; readonly target?: number }
export interface StepTarget { readonly id: number; readonly label: string }

export interface EvaluationInfo { readonly value: string; readonly type?: string; readonly reference: number; readonly memory?: string }

export interface MemoryInfo { readonly address: string; readonly bytes: Uint8Array; readonly unreadable: number }

export interface SymbolInfo {
  readonly address: string;
  /** What stands before an address in the same space: `L2:`. */
  readonly prefix: string;
  /** Code size there: 16, 32 or 64. */
  readonly bits: number;
  readonly symbol?: string;
  readonly source?: string;
  readonly line?: number;
}

/** What a Target says by itself. */
export type TargetEvent =
  | { readonly event: 'stopped'; readonly stop: StopInfo }
  | { readonly event: 'output'; readonly category: 'console' | 'stdout' | 'stderr' | 'important'; readonly text: string; readonly source?: string; readonly line?: number }
  /** An instruction that the machine does not have: up to 8 of its bytes, at a reference like L0:0x1000, in code of 16, 32 or 64 bits. */
  | { readonly event: 'unimplemented'; readonly bytes: Uint8Array; readonly at: string; readonly bits: number; readonly symbol?: string; readonly source?: string; readonly line?: number }
  | { readonly event: 'thread'; readonly reason: 'started' | 'exited'; readonly threadId: number }
  | { readonly event: 'breakpoint'; readonly breakpoint: BreakpointInfo }
  | { readonly event: 'exited'; readonly code: number };

/** A mistake of the user found below the adapter: a row of the table of user errors, with what to put into its text. */
export class TargetError extends Error {
  constructor(readonly row: string, readonly values: Readonly<Record<string, string>> = {}) { super(row); }
}
