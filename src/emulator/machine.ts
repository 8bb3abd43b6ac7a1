// The façade of the engine and its API boundary: create a machine, load its memory, run it for a budget, look at it, set hooks.
// It knows nothing of debuggers or levels. Everything it does is deterministic: time is virtual and counted in units (one retired
// instruction, one iteration of a repeated string instruction or one delivered event each); input arrives by method calls.
import type { EventKind, StopKind, WatchSpace } from './codegen/state-layout';
import type { EventReader } from './event-ring';
import type { ProcessorModel } from '../spec/processor-models';
import type { VmcsFieldId } from '../spec/vmcs-fields';
import type { Snapshot } from './replay/snapshots';

/** The two WebAssembly modules that the build makes, as bytes or compiled. */
export interface EngineModules {
  readonly core: BufferSource | WebAssembly.Module;
  readonly interpreter: BufferSource | WebAssembly.Module;
  /** Opcode maps and tables that the core's decoder reads (written to the region `decodeTables`). */
  readonly decodeTables: Uint8Array;
}

export interface MachineOptions {
  /** Bytes of RAM from guest-physical address 0; a multiple of 2 MiB, at most 3.5 GiB. */
  readonly memoryBytes: number;
  /** 1 to 8. */
  readonly vcpus?: number;
  /** What the processors are; the default model has all that is implemented. */
  readonly processor?: ProcessorModel;
  /** Whether hot code is translated at run time ('on' unless given); 'always' translates every block before it runs (tests). The machine's state does not depend on it. */
  readonly translator?: 'off' | 'on' | 'always';
}

/** Why `run` returned. `units` is what was retired by this call. */
export interface RunResult {
  readonly kind: StopKind;
  /** The vCPU that stopped; at the end of a budget, the one that retired its last unit. */
  readonly vcpu: number;
  readonly units: number;
  /** Exit reason (vmExit, entryFailure), vector (exception), VMX instruction id, debug exit code, by kind. */
  readonly index: number;
  /** Linear address of a code hook, or the value that belongs to the stop. */
  readonly address: bigint;
}

/**
 * One comparison of an unsigned value of a VM exit: its basic reason, its vCPU, a general register of the guest (encoding order; RSP is not there), or a field of
 * the VMCS, in which the exit and the guest's state are.
 */
export interface ExitTerm { readonly value: 'reason' | 'vcpu' | number | VmcsFieldId; readonly mask?: bigint; readonly relation: '==' | '!=' | '<' | '<=' | '>' | '>='; readonly operand: bigint }
/** Holds when all of its terms do (the first four are looked at). */
export type ExitTest = readonly ExitTerm[];

/** What to stop at, beside code hooks. All off at first. */
export interface StopMask {
  /** Basic exit reasons (also for failed entries use entryFailure). */
  readonly exits?: Iterable<number>;
  /** Of those exits only the ones that pass one of these tests; at most 64, else all do. Without tests: all. */
  readonly exitTests?: readonly ExitTest[];
  readonly everyEntry?: boolean;
  /** VM entries by which software may be telling a guest that its VMX instruction or VM entry failed: a superset that is cheap to find. */
  readonly answers?: boolean;
  /** Ids of VMX instructions (index in vmxInstructions), stopped at before they execute. */
  readonly vmxInstructions?: Iterable<number>;
  readonly vmfail?: boolean;
  readonly entryFailure?: boolean;
  readonly tripleFault?: boolean;
  /** Exception vectors, stopped at before delivery. */
  readonly exceptions?: Iterable<number>;
}

/** A range of places whose accesses stop the run: bytes of memory by one of their addresses, VMCS field encodings, MSR indices, or ports; both ends included. */
export interface Watch {
  readonly space: WatchSpace;
  readonly first: bigint;
  readonly last: bigint;
  readonly read: boolean;
  readonly write: boolean;
  /** Only accesses made in VMX root, or non-root, operation. */
  readonly operation?: 'root' | 'nonRoot';
}

/**
 * An access to a watched place. Of memory: all three addresses (those that do not apply are undefined), `address` the linear one, or the physical one
 * of a write that the processor makes for itself (accessed and dirty flags, MSR areas). `exited`: a VM exit took the place of the access.
 */
export interface WatchHit {
  readonly space: 'memory' | 'vmcsField' | 'msr' | 'port';
  readonly access: 'read' | 'write';
  readonly bytes: number;
  readonly nonRoot: boolean;
  readonly exited: boolean;
  readonly byProcessor: boolean;
  readonly address: bigint;
  readonly guestPhysical?: bigint;
  readonly physical?: bigint;
  /** Of a VMCS field: pointer of the VMCS, undefined in non-root operation without shadowing. */
  readonly pointer?: bigint;
  readonly before: bigint;
  readonly value: bigint;
  /** At the instruction, or where an event interrupted the program. */
  readonly rip: bigint;
  readonly time: bigint;
}

/** Registers of one vCPU by name, as the processor has them now (all values as unsigned 64-bit). */
export interface RegisterFile {
  get(name: RegisterName): bigint;
  /** Sets a register as a debugger does: no side effects on memory, caches are kept coherent. Throws RangeError on a value that the register cannot hold. */
  set(name: RegisterName, value: bigint): void;
}

/** 'rax'..'r15', 'rip', 'rflags', 'cr0' 'cr2' 'cr3' 'cr4' 'cr8', 'dr0'..'dr7', 'efer', 'gdtr.base' 'gdtr.limit' 'idtr.base' 'idtr.limit',
 * '<seg>.selector|base|limit|rights' for es cs ss ds fs gs ldtr tr, 'msr.<name>', 'xmm0.low' 'xmm0.high' ..., 'cpl', 'mxcsr', 'activity' (as in the VMCS: 1 = halted). */
export type RegisterName = string;

/** VMX state of a vCPU. Pointers are host-physical; undefined = none. */
export interface VmxState {
  readonly vmxOn: boolean;
  readonly nonRoot: boolean;
  readonly vmxonPointer?: bigint;
  readonly currentVmcs?: bigint;
  readonly eptp?: bigint;
  readonly vpid: number;
}

/** The local APIC of a vCPU. Offsets are those of its page, in x2APIC mode too. */
export interface ApicState {
  /** Physical address of the page. */
  readonly base: bigint;
  readonly enabled: boolean;
  readonly x2apic: boolean;
  /** Undefined where there is no register. */
  read(offset: number): number | undefined;
  /** As the software writes it. Throws RangeError where there is no such register, or it can only be read. */
  write(offset: number, value: number): void;
}

/** Result of a translation without side effects (no accessed or dirty bits are set). */
export type Translation =
  | { readonly kind: 'mapped'; readonly guestPhysical: bigint; readonly physical: bigint; readonly pageBytes: number }
  | { readonly kind: 'fault'; readonly step: string; readonly guestPhysical?: bigint };

export interface PagingContext { readonly cr0: bigint; readonly cr3: bigint; readonly cr4: bigint; readonly efer: bigint; readonly eptp?: bigint }

export interface Machine {
  readonly vcpuCount: number;
  readonly memoryBytes: number;
  readonly processor: ProcessorModel;
  /** The vCPU whose turn it is: it runs next unless it waits. */
  readonly activeVcpu: number;
  /** Virtual time in units. */
  time(): bigint;

  /** Runs until something stops it, at most `maxUnits` (1 to 2^31-1) units. Never throws for anything that guest code does. */
  run(maxUnits: number): RunResult;
  /** What the next `run` stops at. */
  setStops(mask: StopMask): void;
  /**
   * Stops before the instruction at that address executes, in any context: the caller checks the level. Resuming from a hook passes it. The stop tells the
   * linear address, also of a hook on host-physical memory.
   */
  addCodeHook(address: bigint, space?: 'linear' | 'physical'): void;
  removeCodeHook(address: bigint, space?: 'linear' | 'physical'): void;
  /** The next run passes what would stop it before the instruction where it stands, as if it had stopped there. */
  passStopsHere(): void;
  /**
   * Replaces all watches. The run stops (kind `watch`) right after the instruction, iteration of a string instruction, or delivery that made the access;
   * an instruction that faults has made none. Reads by page walks do not count, nor do the processor's own accesses to VMCSs and bitmaps.
   */
  setWatches(watches: Iterable<Watch>): void;
  /** Accesses to watched places in the last run, whatever stopped it; at most 32. */
  watchHits(): WatchHit[];
  /** Kinds of event to record in the ring. Everything but 'exception' and 'interrupt' by default. */
  recordEvents(kinds: Iterable<EventKind>): void;
  /** Calls `visit` for each unread event in order and frees their slots. The reader is reused: copy what must outlive the call. */
  drainEvents(visit: (event: EventReader) => void): void;

  registers(vcpu: number): RegisterFile;
  vmx(vcpu: number): VmxState;
  apic(vcpu: number): ApicState;
  /** Raw value of a field in the VMCS region at a physical address, undefined if the encoding does not exist or the address is not RAM. */
  readVmcs(pointer: bigint, encoding: number): bigint | undefined;
  writeVmcs(pointer: bigint, encoding: number, value: bigint): boolean;

  /** Bytes of RAM (a copy); undefined when any byte is outside RAM. */
  readPhysical(address: bigint, length: number): Uint8Array | undefined;
  writePhysical(address: bigint, bytes: Uint8Array): boolean;
  /** Paging (and EPT) of the vCPU as it is now, or of the given context. */
  translate(vcpu: number, linear: bigint, context?: PagingContext): Translation;
  readLinear(vcpu: number, linear: bigint, length: number, context?: PagingContext): Uint8Array | undefined;
  writeLinear(vcpu: number, linear: bigint, bytes: Uint8Array, context?: PagingContext): boolean;

  /** A byte arrives at the guest's first serial port; false: its FIFO is full, try later. */
  sendSerial(byte: number): boolean;
  /** The NMI button. */
  pressNmi(): void;

  /** The state of the guest now: memory, processors, devices, cached translations. The guest cannot tell that it was taken. */
  snapshot(): Snapshot;
  /** Back (or forth) to a snapshot of this machine or of one of the same shape. Hooks and stops stay; unread events and serial output are dropped. */
  restore(snapshot: Snapshot): void;
  /** A digest of all that the guest could tell apart; equal states have equal digests. */
  digest(): bigint;

  /** Bytes that the guest has sent on its first serial port since the last call. */
  takeSerialOutput(): Uint8Array;
  /** VM exits and entries since creation. */
  counters(): { exits: number; entries: number };
  /** What the run-time translator has done. `failures`: texts of its own mistakes; code that it could not translate is interpreted. */
  translations(): { readonly regions: number; readonly blocks: number; readonly bytes: number; readonly failures: readonly string[] };
}

export type { Snapshot } from './replay/snapshots';
export type { WatchSpace } from './codegen/state-layout';
export { createMachine } from './wasm-machine';
