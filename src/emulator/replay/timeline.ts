// A machine with a past: it records what enters from outside, takes snapshots on the way, and goes to any instant that it has been at by going
// back to a snapshot and running forward. It is used as a Machine is; the machine within knows nothing of it. What is done to the guest
// while it stands in its past makes another future: the recorded one is forgotten.
import type { StopKind } from '../codegen/state-layout';
import type { EventReader } from '../event-ring';
import type { ApicState, Machine, PagingContext, RegisterFile, RunResult, Snapshot, StopMask, Translation, VmxState, Watch, WatchHit } from '../machine';
import { Checkpoints, type Checkpoint } from './checkpoints';
import { apply, type Input, InputLog } from './inputs';

export interface TimelineOptions {
  /** Units between two snapshots of a run. */
  readonly every?: number;
  /** Bytes of all snapshots, at most. */
  readonly mostBytes?: number;
  readonly mostCheckpoints?: number;
  /** What goes back and forth with the machine. */
  readonly companion?: Companion;
}

/** Something whose state follows from the machine's events: a tracker of levels, a trace. */
export interface Companion {
  /** Reads the events that the machine has written since the last call; called at least wherever `save` is. */
  observe(): void;
  /** A copy of its state that is never changed again, and the way back to it. */
  save(): unknown;
  load(saved: unknown): void;
}

/** Distances before a place that was sought at which snapshots are left, so that the next steps back from there are short. */
const approaches = [2_000_000n, 200_000n, 20_000n];
const longestRun = 0x7fff_ffff;
const ends: readonly StopKind[] = ['idle', 'shutdown', 'reset', 'powerOff'];
const staysHere = (kind: StopKind): boolean => ends.includes(kind);

export class Timeline implements Machine {
  readonly checkpoints: Checkpoints;
  private readonly inputs = new InputLog();
  private readonly every: bigint;
  private readonly companion: Companion | undefined;
  private stops: StopMask = {};
  private watches: readonly Watch[] = [];
  /** The furthest instant of this history. */
  private furthest: bigint;
  private nextCheckpoint: bigint;
  /** Bytes sent on the serial port up to the present, and up to the furthest instant that the client has them of; those it has not taken. */
  private sent = 0;
  private sentBefore = 0;
  private untaken: Uint8Array[] = [];

  constructor(private readonly machine: Machine, { every = 10_000_000, mostBytes = 256 << 20, mostCheckpoints = 400, companion }: TimelineOptions = {}) {
    this.every = BigInt(every);
    this.companion = companion;
    this.checkpoints = new Checkpoints({ mostBytes, mostCheckpoints });
    this.furthest = machine.time();
    this.nextCheckpoint = this.furthest;
    this.checkpoint();
  }

  // ---- time

  time(): bigint { return this.machine.time(); }
  /** The first instant that can be gone to, and the last one. */
  get start(): bigint { return this.checkpoints.at(0).time; }
  get end(): bigint { return this.furthest; }
  /** The guest stands where what comes next has been recorded. */
  get inPast(): boolean { return this.machine.time() < this.furthest || this.inputs.position < this.inputs.length; }

  /** As a machine's; in the past it runs as it ran, with the same input, and goes on into the future from its end. */
  run(maxUnits: number): RunResult {
    if (!Number.isInteger(maxUnits) || maxUnits < 1 || maxUnits > longestRun) throw new RangeError('a run is 1 to 2147483647 units long');
    const begin = this.machine.time(), end = begin + BigInt(maxUnits);
    for (;;) {
      const result = this.advance(end);
      if (result.kind === 'budget' && this.machine.time() < end) continue;
      return { ...result, units: Number(this.machine.time() - begin) };
    }
  }

  /** Goes to an instant between `start` and `end`. What the host did at that instant is done. Throws RangeError outside. */
  seek(time: bigint): void {
    if (time < this.start || time > this.furthest) throw new RangeError(`the recording goes from ${this.start} to ${this.furthest}`);
    const index = this.checkpoints.indexBefore(time, Infinity), from = this.checkpoints.at(index);
    const here = this.machine.time();
    if (here > time || here < from.time) this.goTo(from);
    this.unseen(() => {
      for (const distance of approaches) if (this.machine.time() < time - distance) { this.replayTo(time - distance); this.checkpoint(); }
      this.replayTo(time);
    });
    this.machine.passStopsHere();
  }

  /** That many units back, as far as the start. */
  stepBack(units = 1): void {
    const wanted = this.machine.time() - BigInt(units);
    this.seek(wanted < this.start ? this.start : wanted);
  }

  /**
   * Goes back to the last stop before the present instant, as the hooks, stops and watches of now would have made it, of those that `wanted` accepts (it
   * sees the machine standing there). Undefined: there is none, and the machine stands at the start.
   */
  runBack(wanted: (stop: RunResult) => boolean = () => true): RunResult | undefined {
    const now = this.machine.time();
    for (let limit = now; limit > this.start;) {
      const from = this.checkpoints.at(this.checkpoints.indexBefore(limit - 1n, Infinity));
      this.goTo(from);
      let count = 0, last = 0;
      this.eachStop(limit, stop => { count++; if (this.machine.time() < now && wanted(stop)) last = count; return false; });
      if (last > 0) {
        this.goTo(from);
        count = 0;
        return this.eachStop(limit, () => ++count === last);
      }
      limit = from.time;
    }
    this.seek(this.start);
    return undefined;
  }

  /** Runs to a time with stops on; the first that `found` returns true for. */
  private eachStop(limit: bigint, found: (stop: RunResult) => boolean): RunResult | undefined {
    for (;;) {
      if (this.machine.time() >= limit) return undefined;
      const before = this.machine.time(), result = this.advance(limit);
      this.observe();
      if (result.kind === 'budget' || result.kind === 'ringFull') continue;
      if (found(result)) return result;
      // a halted or dead machine stays where it is
      if (this.machine.time() === before && staysHere(result.kind)) return undefined;
    }
  }

  /** One run of the machine, at most to `end`, the next recorded input or the next snapshot. */
  private advance(end: bigint): RunResult {
    const now = this.machine.time();
    this.inputs.take(this.machine, now);
    let to = end < now + BigInt(longestRun) ? end : now + BigInt(longestRun);
    const input = this.inputs.nextTime;
    if (input !== undefined && input < to) to = input;
    if (this.nextCheckpoint > now && this.nextCheckpoint < to) to = this.nextCheckpoint;
    const result = this.machine.run(Number(to - now)), time = this.machine.time();
    if (time > this.furthest) this.furthest = time;
    if (time === input) this.inputs.take(this.machine, time);
    if (time >= this.nextCheckpoint) this.checkpoint();
    return result;
  }
  /** Forward to a time, past every stop. */
  private replayTo(time: bigint): void {
    this.inputs.take(this.machine, this.machine.time());
    while (this.machine.time() < time) {
      const before = this.machine.time(), { kind } = this.advance(time);
      this.observe();
      if (this.machine.time() === before && staysHere(kind)) throw new Error(`the replay ends at ${before}, before ${time}`);
    }
  }
  /** Without the client's stops. */
  private unseen(work: () => void): void {
    this.machine.setStops({});
    if (this.watches.length > 0) this.machine.setWatches([]);
    try { work(); } finally {
      this.machine.setStops(this.stops);
      if (this.watches.length > 0) this.machine.setWatches(this.watches);
    }
  }

  private observe(): void { if (this.companion) this.companion.observe(); else this.machine.drainEvents(() => {}); }

  private checkpoint(): void {
    this.collectOutput();
    this.companion?.observe();
    const time = this.machine.time();
    this.checkpoints.add({ time, snapshot: this.machine.snapshot(), inputs: this.inputs.position, sent: this.sent, companion: this.companion?.save() }, time);
    this.nextCheckpoint = time + this.every;
  }
  private goTo(checkpoint: Checkpoint): void {
    this.collectOutput();
    this.machine.restore(checkpoint.snapshot);
    this.inputs.position = checkpoint.inputs;
    this.sent = checkpoint.sent;
    this.companion?.load(checkpoint.companion);
    this.nextCheckpoint = checkpoint.time + this.every;
  }

  // ---- what enters

  private enter(input: Input): boolean {
    const time = this.machine.time();
    if (!apply(this.machine, input)) return false;
    this.inputs.add(time, input);
    this.checkpoints.truncate(time, this.inputs.position - 1);
    this.furthest = time;
    this.collectOutput();
    this.sentBefore = this.sent;
    return true;
  }
  writePhysical(address: bigint, bytes: Uint8Array): boolean { return this.enter({ kind: 'physical', address, bytes: bytes.slice() }); }
  writeLinear(vcpu: number, address: bigint, bytes: Uint8Array, context?: PagingContext): boolean { return this.enter({ kind: 'linear', vcpu, address, bytes: bytes.slice(), context }); }
  writeVmcs(pointer: bigint, encoding: number, value: bigint): boolean { return this.enter({ kind: 'vmcs', pointer, encoding, value }); }
  sendSerial(byte: number): boolean { return this.enter({ kind: 'serial', byte }); }
  pressNmi(): void { this.enter({ kind: 'nmi' }); }
  registers(vcpu: number): RegisterFile {
    const file = this.machine.registers(vcpu);
    return { get: name => file.get(name), set: (name, value) => { this.enter({ kind: 'register', vcpu, name, value }); } };
  }
  apic(vcpu: number): ApicState {
    const apic = this.machine.apic(vcpu);
    return { base: apic.base, enabled: apic.enabled, x2apic: apic.x2apic, read: offset => apic.read(offset), write: (offset, value) => { this.enter({ kind: 'apic', vcpu, offset, value }); } };
  }
  /** Puts the guest into a state from elsewhere: another history begins there, and this one is forgotten. */
  restore(snapshot: Snapshot): void {
    this.machine.restore(snapshot);
    this.inputs.clear();
    this.checkpoints.clear();
    this.sentBefore = this.sent;
    this.furthest = this.machine.time();
    this.checkpoint();
  }

  // ---- what leaves

  takeSerialOutput(): Uint8Array {
    this.collectOutput();
    const out = new Uint8Array(this.untaken.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.untaken) { out.set(part, at); at += part.length; }
    this.untaken = [];
    return out;
  }
  /** What a replay sends again is not new. */
  private collectOutput(): void {
    const bytes = this.machine.takeSerialOutput();
    this.sent += bytes.length;
    if (this.sent <= this.sentBefore) return;
    this.untaken.push(bytes.slice(bytes.length - Math.min(bytes.length, this.sent - this.sentBefore)));
    this.sentBefore = this.sent;
  }

  // ---- the machine's own

  get vcpuCount(): number { return this.machine.vcpuCount; }
  get memoryBytes(): number { return this.machine.memoryBytes; }
  get processor(): Machine['processor'] { return this.machine.processor; }
  get activeVcpu(): number { return this.machine.activeVcpu; }
  setStops(mask: StopMask): void { this.stops = mask; this.machine.setStops(mask); }
  passStopsHere(): void { this.machine.passStopsHere(); }
  addCodeHook(address: bigint, space?: 'linear' | 'physical'): void { this.machine.addCodeHook(address, space); }
  removeCodeHook(address: bigint, space?: 'linear' | 'physical'): void { this.machine.removeCodeHook(address, space); }
  setWatches(watches: Iterable<Watch>): void { this.watches = [...watches]; this.machine.setWatches(this.watches); }
  watchHits(): WatchHit[] { return this.machine.watchHits(); }
  recordEvents(kinds: Parameters<Machine['recordEvents']>[0]): void { this.machine.recordEvents(kinds); }
  drainEvents(visit: (event: EventReader) => void): void { this.machine.drainEvents(visit); }
  vmx(vcpu: number): VmxState { return this.machine.vmx(vcpu); }
  readVmcs(pointer: bigint, encoding: number): bigint | undefined { return this.machine.readVmcs(pointer, encoding); }
  readPhysical(address: bigint, length: number): Uint8Array | undefined { return this.machine.readPhysical(address, length); }
  translate(vcpu: number, linear: bigint, context?: PagingContext): Translation { return this.machine.translate(vcpu, linear, context); }
  readLinear(vcpu: number, linear: bigint, length: number, context?: PagingContext): Uint8Array | undefined { return this.machine.readLinear(vcpu, linear, length, context); }
  translations(): ReturnType<Machine['translations']> { return this.machine.translations(); }
  snapshot(): Snapshot { return this.machine.snapshot(); }
  digest(): bigint { return this.machine.digest(); }
  counters(): { exits: number; entries: number } { return this.machine.counters(); }
}
