// A machine that plays back a trace: one entry for each unit, with the events that it makes. Execution is deterministic and a step may not
// change it, so that a line of units is all that run control can see of a machine. Traces come from the nested stack of the tracker's tests,
// with plain instructions of the levels put between.
import type { Machine, RegisterFile, RunResult, StopMask } from '../../../src/emulator/machine';
import { eventKinds, type EventKind } from '../../../src/emulator/codegen/state-layout';
import { EventReader } from '../../../src/emulator/event-ring';
import { NestedStack, type StackOptions } from '../levels/nested-stack';

/** State before a unit, and what the unit does. */
export interface Unit {
  readonly level: number;
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly bytes?: readonly number[];
  /** User code, in an address space. */
  readonly cr3?: bigint;
  /** Contents of the stack after the unit. */
  readonly pushed?: bigint;
  /** Slots of the events that it makes. */
  readonly slots: readonly number[];
  readonly kind: 'plain' | 'exit' | 'entry';
  readonly reason?: number;
  readonly delivered?: 'exception' | 'interrupt';
}

/** Builds a trace out of a nested stack. */
export class Trace {
  readonly units: Unit[] = [];
  readonly stack: NestedStack;
  private slots: number[] = [];
  private first: { level: number; rip: bigint; rsp: bigint } | undefined;
  private slot = 0;

  constructor(options: StackOptions) {
    let executing = 0;
    this.stack = new NestedStack(options, event => {
      this.first ??= { level: executing, rip: event.rip, rsp: event.rsp };
      this.slots.push(this.slot);
      this.slot += event.slots;
      executing = this.stack.truth;
      const isEnter = event.kind === 'vmxInstruction' && (event.instruction === 'VMLAUNCH' || event.instruction === 'VMRESUME');
      if (event.kind === 'vmxInstruction' && (event.flags & 1 || isEnter)) return;
      this.close(event.kind === 'vmExit' ? 'exit' : event.kind === 'vmEntry' ? 'entry' : 'plain', event.kind === 'vmExit' ? event.basicReason : undefined);
    });
  }

  /** Instructions of a level that make no event. */
  plain(level: number, ...instructions: readonly (Partial<Pick<Unit, 'bytes' | 'cr3' | 'pushed' | 'delivered'>> & { rip: bigint; rsp?: bigint })[]): void {
    for (const { rip, rsp = this.stack.state[level].rsp, ...more } of instructions) this.units.push({ level, rip, rsp, slots: [], kind: 'plain', ...more });
  }

  private close(kind: Unit['kind'], reason?: number): void {
    this.units.push({ ...this.first!, slots: this.slots, kind, reason });
    // the time of the machine when the unit has run
    for (const slot of this.slots) this.stack.stream.date(slot, BigInt(this.units.length));
    this.slots = [];
    this.first = undefined;
  }
}

export class ReplayMachine {
  /** The unit that runs next. */
  at = 0;
  readonly written: string[] = [];
  readonly hooks = new Set<bigint>();
  private stops: StopMask = {};
  private skip: bigint | undefined;
  private unread: number[] = [];
  private kinds = new Set<EventKind>();
  private deliveredUnread: ('exception' | 'interrupt')[] = [];
  private readonly reader: EventReader;
  readonly vcpuCount = 1;
  readonly memoryBytes = 0;
  readonly activeVcpu = 0;

  constructor(readonly trace: Trace) { this.reader = new EventReader(trace.stack.stream.view); }

  get asMachine(): Machine { return this as unknown as Machine; }

  run(maxUnits: number): RunResult {
    for (let units = 0; ; ) {
      const unit = this.trace.units[this.at];
      if (!unit) return { kind: 'idle', vcpu: 0, units, index: 0, address: 0n };
      if (this.hooks.has(unit.rip) && this.skip !== unit.rip) {
        this.skip = unit.rip;
        return { kind: 'codeHook', vcpu: 0, units, index: 0, address: unit.rip };
      }
      this.skip = undefined;
      this.at++;
      units++;
      this.unread.push(...unit.slots);
      if (unit.delivered && this.kinds.has(unit.delivered)) this.deliveredUnread.push(unit.delivered);
      if (unit.kind === 'exit' && [...this.stops.exits ?? []].includes(unit.reason!)) return { kind: 'vmExit', vcpu: 0, units, index: unit.reason!, address: 0n };
      if (unit.kind === 'entry' && this.stops.everyEntry) return { kind: 'vmEntry', vcpu: 0, units, index: 0, address: 0n };
      if (units === maxUnits) return { kind: 'budget', vcpu: 0, units, index: 0, address: 0n };
    }
  }
  setStops(mask: StopMask): void { this.stops = { ...mask, exits: [...mask.exits ?? []] }; }
  addCodeHook(linear: bigint): void { this.hooks.add(linear); }
  removeCodeHook(linear: bigint): void { this.hooks.delete(linear); }
  recordEvents(kinds: Iterable<EventKind>): void { this.kinds = new Set(kinds); }
  drainEvents(visit: (event: EventReader) => void): void {
    for (const slot of this.unread) { this.reader.seek(slot); visit(this.reader); }
    this.unread = [];
    // Deliveries have no record in the trace: the reader is only asked for its kind.
    for (const kind of this.deliveredUnread) visit({ kind, kindNumber: eventKinds.indexOf(kind), view: this.trace.stack.stream.view, at: 0 } as unknown as EventReader);
    this.deliveredUnread = [];
  }
  time(): bigint { return BigInt(this.at); }
  snapshot(): number { return this.at; }
  restore(at: number): void {
    this.at = at;
    this.skip = undefined;
    this.unread = [];
    this.deliveredUnread = [];
  }
  takeSerialOutput(): Uint8Array { return new Uint8Array(); }
  registers(): RegisterFile {
    return {
      get: name => {
        const { rip, rsp, cr3 } = this.trace.units[this.at] ?? this.trace.units[this.trace.units.length - 1];
        const values: Record<string, bigint> = { rip, rsp, 'cs.rights': 1n << 13n, 'cs.base': 0n, ...cr3 !== undefined && { cr3, cpl: 3n } };
        return values[name] ?? 0n;
      },
      set: name => { this.written.push(name); },
    };
  }
  readLinear(_vcpu: number, linear: bigint, length: number): Uint8Array {
    const unit = this.trace.units[this.at], before = this.trace.units[this.at - 1], bytes = new Uint8Array(length).fill(0x90);
    if (before?.pushed !== undefined && linear === unit?.rsp) new DataView(bytes.buffer).setBigUint64(0, before.pushed, true);
    else if (unit && linear === unit.rip) bytes.set((unit.bytes ?? [0x90]).slice(0, length));
    return bytes;
  }
}
