// The plain objects that a debugger front end exchanges with a Target. Everything here survives structuredClone and JSON: numbers that may
// exceed 2^53 are strings of the form 0x..., so that the Target can live in a worker and the same objects can travel over the protocol.

import type { ProcessorChoice } from '../spec/processor-generations';

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
  readonly processor: ProcessorChoice;
  readonly stopsFrom: StopsFrom;
  readonly stopOnEntry: boolean;
  /** Steps stop in the handlers of interrupts that come meanwhile. */
  readonly stepIntoInterrupts?: boolean;
  /** Statement steps, too, stop in the handlers of faults. */
  readonly stepIntoFaults?: boolean;
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
  readonly canRestart?: boolean;
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
  /** Number of elements, of an array. */
  readonly indexed?: number;
  /** What it is, for the menus of an editor. */
  readonly menu?: 'vmcs' | 'vmcsField' | 'register' | 'variable';
}

/** A VMCS by the name that commands give it (`0x2bc000`, `L1:0x68d000`), the level whose it is, and what it is for. */
export interface VmcsInfo { readonly name: string; readonly level: number; readonly state: string }

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

export type StopReason = 'entry' | 'pause' | 'step' | 'breakpoint' | 'function breakpoint' | 'instruction breakpoint' | 'data breakpoint' | 'goto' | 'restart' | 'exception';

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

/** `mode`: a level (`L2`) to which the filter is limited. */
export interface FilterRequest { readonly filter: string; readonly condition?: string; readonly hitCondition?: string; readonly logMessage?: string; readonly mode?: string }
export interface FilterResult { readonly verified: boolean; readonly message?: string }

/** By kind: a line, the name of a function, or a reference to an instruction with an offset in bytes. */
export interface BreakpointRequest {
  readonly line?: number;
  readonly name?: string;
  readonly instruction?: string;
  readonly offset?: number;
  /** `L2`: only at that level. `physical`: whatever level executes that place of host memory, at whatever address. */
  readonly mode?: string;
  readonly condition?: string;
  readonly hitCondition?: string;
  readonly logMessage?: string;
}

/** `place`: as data-place.ts reads it. */
export interface DataBreakpointRequest {
  readonly place: string;
  readonly accessType: 'read' | 'write' | 'readWrite';
  readonly condition?: string;
  readonly hitCondition?: string;
  readonly logMessage?: string;
}

/** What could be watched for a variable or an expression: undefined place with the reason as description when nothing can. */
export interface DataPlaceInfo { readonly place?: string; readonly description: string; readonly accessTypes: readonly ('read' | 'write' | 'readWrite')[]; readonly canPersist: boolean }

/** An address to which a level can be moved. */
export interface GotoTarget { readonly id: number; readonly label: string; readonly line: number; readonly instruction: string }

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

/** `listing`: show this code instead of the value, where there is a disassembler. */
export interface EvaluationInfo {
  readonly value: string;
  readonly type?: string;
  readonly reference: number;
  readonly indexed?: number;
  readonly memory?: string;
  readonly readOnly?: boolean;
  readonly listing?: CodeListing;
}

/** Instructions at a reference like `L2:0x101000`. */
export interface CodeListing { readonly reference: string; readonly count: number }

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

/** Which switches of the trace: all properties that are given must hold. `level`: the switch leaves it, enters it, or delivers an exit of it. */
export interface TraceFilter {
  readonly level?: number;
  /** Basic exit reason. */
  readonly reason?: number;
  readonly kind?: WorldSwitchKind;
  /** Numbers, both included. */
  readonly first?: number;
  readonly last?: number;
}

/** A switch of the trace. Times are in units. */
export interface TraceRow {
  /** Position among all switches since the machine started, from 0. */
  readonly number: number;
  readonly time: number;
  readonly kind: WorldSwitchKind;
  readonly vcpu: number;
  readonly from: number;
  readonly to: number;
  readonly reason: number;
  readonly name: string;
  /** Of an exit: where the guest was; otherwise where the level that is entered goes on. */
  readonly rip: string;
  readonly qualification?: string;
  readonly entryFailed?: boolean;
  readonly uncertain?: boolean;
  /** Of an exit: units until the level that exited ran again, absent while it has not. */
  readonly below?: number;
}

/** `start`: the first number still held; `end`: the number of the next switch. */
export interface TracePage { readonly start: number; readonly end: number; readonly matching: number; readonly before: number; readonly rows: readonly TraceRow[] }
/** Asks for `count` matching switches from number `from` on or, `backwards`, up to it. Without `from`: the oldest, backwards the newest. */
export interface TraceQuery extends TraceFilter { readonly from?: number; readonly count: number; readonly backwards?: boolean }

export interface TraceStatistics {
  readonly start: number;
  readonly end: number;
  /** Units from the first switch held to the last. */
  readonly units: number;
  /** Units that each level executed itself, L0 first. */
  readonly levels: readonly { readonly level: number; readonly exits: number; readonly executed: number; readonly share: number }[];
  /** Exits by level and reason, most costly first. `below`: units from the exits until the level ran again; `share`: of `units`. `open`: exits that are still being handled. */
  readonly reasons: readonly TraceReason[];
}
export interface TraceReason {
  readonly level: number;
  readonly reason: number;
  readonly name: string;
  readonly count: number;
  readonly below: number;
  readonly share: number;
  readonly open: number;
}

/** Who executed when, on one vCPU: `segments` if there are few in the window, else `density`: for each column of equal time, the share of each level. */
export interface TraceLanes {
  readonly vcpu: number;
  readonly vcpus: number;
  readonly levels: number;
  /** Times of the first and last switch held, and of the window. */
  readonly traceStart: number;
  readonly traceEnd: number;
  readonly start: number;
  readonly end: number;
  /** `number`: of the switch that begins the segment. */
  readonly segments?: readonly { readonly level: number; readonly start: number; readonly end: number; readonly number: number; readonly name: string }[];
  readonly density?: readonly (readonly number[])[];
}

/** One switch in full: names and values, most telling first. */
export interface TraceDetails { readonly number: number; readonly title: string; readonly lines: readonly { readonly name: string; readonly value: string }[] }

export type TraceFormat = 'text' | 'json' | 'csv' | 'dot' | 'perfetto';

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
