// The last world switches as the user understands them, in a ring of plain numbers: nothing is allocated per switch. With each switch goes what the
// machine's record says of it beyond levels and reason, copied word by word, so that any exit still held can be told in full.
import { word, wordsToBigInt } from './event-words';

/**
 * `exit`: a level left for L0 (`to` is 0). `deliver`: an entry into the handler of level `to` for an exit of level `from`. `enter`: an entry that
 * starts a guest or lets it continue. `vmfail`: an entry that answers a VMX instruction of level `to` with VMfail (or L0's own VMfail).
 */
export const switchKinds = ['exit', 'deliver', 'enter', 'vmfail'] as const;
export type SwitchKind = (typeof switchKinds)[number];

export interface WorldSwitch {
  /** Position in the sequence, from 0. */
  readonly number: number;
  readonly kind: SwitchKind;
  readonly vcpu: number;
  /** Levels. */
  readonly from: number;
  readonly to: number;
  /** Ids of the contexts, -1 where there is none (the guest of an entry that failed). */
  readonly fromContext: number;
  readonly toContext: number;
  /** Basic exit reason: of the exit made, delivered or answered; of the VMLAUNCH or VMRESUME (20, 24) that starts a guest. */
  readonly reason: number;
  /** The exit (or the exit delivered) is a VM-entry failure. */
  readonly entryFailed: boolean;
  /** The tracker guessed the context entered. */
  readonly uncertain: boolean;
  /** Units. */
  readonly time: number;
}

const stride = 8;
/** Words copied from the record of a switch, in this order; a 64-bit field takes two. */
const copied = [
  word.aux, word.rip, word.rip + 1, word.a, word.a + 1, word.b, word.b + 1, word.c, word.c + 1, word.d, word.d + 1, word.instructionLength, word.interruptionInfo, word.interruptionError,
  word.vectoringInfo, word.vectoringError, word.instructionInfo, word.failedCheck, word.gpr, word.gpr + 1, word.gpr + 2, word.gpr + 3, word.gpr + 4, word.gpr + 5,
] as const;
const slot = Object.fromEntries(copied.map((of, n) => [of, n]));
/**
 * After the copied words stand three general registers, of those that an exit may name: in bits 11:8 of the qualification (accesses to control and
 * debug registers), in bits 6:3 and in bits 31:28 of the instruction information (VMREAD and VMWRITE).
 */
const namedRegisters = copied.length;
const detailWords = copied.length + 3 * 2;
const offsets = Int32Array.from(copied);
const firstCapacity = 1 << 12;

/** What the record of a switch says: of an exit as the processor recorded it; of an entry, where the guest goes on, and in `interruptionInfo` the event injected. */
export class SwitchRecord {
  constructor(private readonly words: Uint32Array) {}
  get reasonField(): number { return this.words[slot[word.aux]]; }
  get rip(): bigint { return this.wide(word.rip); }
  /** Of an entry record: the host-physical VMCS pointer. */
  get qualification(): bigint { return this.wide(word.a); }
  /** Of an exit record: the host-physical VMCS pointer; of an entry record: the EPT pointer. */
  get second(): bigint { return this.wide(word.b); }
  get guestPhysical(): bigint { return this.wide(word.c); }
  get guestLinear(): bigint { return this.wide(word.d); }
  get instructionLength(): number { return this.words[slot[word.instructionLength]]; }
  get interruptionInfo(): number { return this.words[slot[word.interruptionInfo]]; }
  get interruptionError(): number { return this.words[slot[word.interruptionError]]; }
  get vectoringInfo(): number { return this.words[slot[word.vectoringInfo]]; }
  get vectoringError(): number { return this.words[slot[word.vectoringError]]; }
  get instructionInfo(): number { return this.words[slot[word.instructionInfo]]; }
  get failedCheck(): number { return this.words[slot[word.failedCheck]]; }
  /** RAX, RCX, RDX, and the registers that the exit names; the others were not kept and read 0. */
  gpr(n: number): bigint {
    if (n < 3) return this.wide(word.gpr + n * 2);
    const info = this.instructionInfo, named = [this.words[slot[word.a]] >>> 8 & 15, info >>> 3 & 15, info >>> 28].indexOf(n);
    return named < 0 ? 0n : wordsToBigInt(this.words, namedRegisters + named * 2);
  }
  private wide(field: number): bigint { return wordsToBigInt(this.words, slot[field]); }
}

export class SwitchLog {
  /** Switches ever logged: the number of the next one. */
  count = 0;
  private room: number;
  private rows: Int32Array;
  private details: Uint32Array;
  private times: Float64Array;

  /** `capacity`: switches held; the room grows up to it as they come. */
  constructor(private readonly capacity = 1 << 17) {
    this.room = Math.min(capacity, firstCapacity);
    this.rows = new Int32Array(this.room * stride);
    this.details = new Uint32Array(this.room * detailWords);
    this.times = new Float64Array(this.room);
  }

  /** Logs a switch; the words from `record` on are the machine's record that told of it. */
  add(
    kind: number, vcpu: number, from: number, fromContext: number, to: number, toContext: number, reason: number, flags: number, time: number, words: Uint32Array, record: number,
  ): void {
    if (this.count >= this.room && this.room < this.capacity) this.grow();
    const row = this.count % this.capacity, at = row * stride, rows = this.rows;
    rows[at] = kind;
    rows[at + 1] = vcpu;
    rows[at + 2] = from;
    rows[at + 3] = fromContext;
    rows[at + 4] = to;
    rows[at + 5] = toContext;
    rows[at + 6] = reason;
    rows[at + 7] = flags;
    this.times[row] = time;
    const details = this.details, first = row * detailWords;
    for (let i = 0; i < offsets.length; i++) details[first + i] = words[record + offsets[i]];
    const info = words[record + word.instructionInfo], general = record + word.gpr;
    this.copyRegister(first + namedRegisters, words, general + (words[record + word.a] >>> 8 & 15) * 2);
    this.copyRegister(first + namedRegisters + 2, words, general + (info >>> 3 & 15) * 2);
    this.copyRegister(first + namedRegisters + 4, words, general + (info >>> 28) * 2);
    this.count++;
  }

  private copyRegister(to: number, words: Uint32Array, from: number): void {
    this.details[to] = words[from];
    this.details[to + 1] = words[from + 1];
  }

  private grow(): void {
    this.room = Math.min(this.capacity, this.room * 4);
    const { rows, details, times } = this;
    (this.rows = new Int32Array(this.room * stride)).set(rows);
    (this.details = new Uint32Array(this.room * detailWords)).set(details);
    (this.times = new Float64Array(this.room)).set(times);
  }

  /** The first number still held. */
  get oldest(): number { return Math.max(0, this.count - this.capacity); }
  private holds(number: number): boolean { return Number.isInteger(number) && number >= this.oldest && number < this.count; }

  // One column of a switch that is held: what a scan of the whole log reads, without an object for each switch.
  kind(number: number): number { return this.rows[number % this.capacity * stride]; }
  vcpu(number: number): number { return this.rows[number % this.capacity * stride + 1]; }
  from(number: number): number { return this.rows[number % this.capacity * stride + 2]; }
  fromContext(number: number): number { return this.rows[number % this.capacity * stride + 3]; }
  to(number: number): number { return this.rows[number % this.capacity * stride + 4]; }
  toContext(number: number): number { return this.rows[number % this.capacity * stride + 5]; }
  reason(number: number): number { return this.rows[number % this.capacity * stride + 6]; }
  failed(number: number): boolean { return (this.rows[number % this.capacity * stride + 7] & 1) !== 0; }
  time(number: number): number { return this.times[number % this.capacity]; }

  at(number: number): WorldSwitch | undefined {
    if (!this.holds(number)) return undefined;
    const row = number % this.capacity, [kind, vcpu, from, fromContext, to, toContext, reason, flags] = this.rows.subarray(row * stride, row * stride + stride);
    return { number, kind: switchKinds[kind], vcpu, from, to, fromContext, toContext, reason, entryFailed: (flags & 1) !== 0, uncertain: (flags & 2) !== 0, time: this.times[row] };
  }

  /** The record behind a switch; undefined when it is not held any more. A copy: it outlives the next run. */
  record(number: number): SwitchRecord | undefined {
    if (!this.holds(number)) return undefined;
    const first = number % this.capacity * detailWords;
    return new SwitchRecord(this.details.slice(first, first + detailWords));
  }

  /** Switches from `number` (or the oldest held) to the newest. */
  since(number: number): WorldSwitch[] {
    const found: WorldSwitch[] = [];
    for (let n = Math.max(number, this.oldest); n < this.count; n++) found.push(this.at(n)!);
    return found;
  }
}
