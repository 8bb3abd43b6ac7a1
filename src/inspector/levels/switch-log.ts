// The last world switches as the user understands them, in a ring of plain numbers: nothing is allocated per switch. With each switch goes what the
// machine's record says of it beyond levels and reason, so that any exit still held can be told in full.
import { word, wordsToBigInt, wordsToNumber, type Words } from './event-words';

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

/**
 * A row, in 64-bit words. First come kind, flags and reason (8, 8 and 16 bits) with the levels (16 bits each), then the two contexts, then what is copied of the
 * record: the words with these fields (in that of `head` stands the number of the vCPU). `named` are three general registers of those that an exit may name: in
 * bits 11:8 of the qualification (accesses to control and debug registers), in bits 6:3 and in bits 31:28 of the instruction information (VMREAD and VMWRITE).
 */
const column = {
  head: 2, time: 3, rip: 4, a: 5, b: 6, c: 7, d: 8, instructionLength: 9, interruptionError: 10, vectoringError: 11, failedCheck: 12, rax: 13, rcx: 14, rdx: 15, named: 16,
} as const;
const rowQuads = 19, rowWords = rowQuads * 2, firstCapacity = 1 << 12;
/** Index among the words of a row of a word of the record, which lies in that column. */
const half = (at: number, field: number): number => at * 2 + (field & 1);

/** What the record of a switch says: of an exit as the processor recorded it; of an entry, where the guest goes on, and in `interruptionInfo` the event injected. */
export class SwitchRecord {
  /** The words of its row. */
  constructor(private readonly words: Uint32Array) {}
  get reasonField(): number { return this.words[half(column.head, word.aux)]; }
  get rip(): bigint { return this.wide(column.rip); }
  /** Of an entry record: the host-physical VMCS pointer. */
  get qualification(): bigint { return this.wide(column.a); }
  /** Of an exit record: the host-physical VMCS pointer; of an entry record: the EPT pointer. */
  get second(): bigint { return this.wide(column.b); }
  get guestPhysical(): bigint { return this.wide(column.c); }
  get guestLinear(): bigint { return this.wide(column.d); }
  get instructionLength(): number { return this.words[half(column.instructionLength, word.instructionLength)]; }
  get interruptionInfo(): number { return this.words[half(column.instructionLength, word.interruptionInfo)]; }
  get interruptionError(): number { return this.words[half(column.interruptionError, word.interruptionError)]; }
  get vectoringInfo(): number { return this.words[half(column.interruptionError, word.vectoringInfo)]; }
  get vectoringError(): number { return this.words[half(column.vectoringError, word.vectoringError)]; }
  get instructionInfo(): number { return this.words[half(column.vectoringError, word.instructionInfo)]; }
  get failedCheck(): number { return this.words[half(column.failedCheck, word.failedCheck)]; }
  /** RAX, RCX, RDX, and the registers that the exit names; the others were not kept and read 0. */
  gpr(n: number): bigint {
    if (n < 3) return this.wide(column.rax + n);
    const info = this.instructionInfo, named = [this.words[column.a * 2] >>> 8 & 15, info >>> 3 & 15, info >>> 28].indexOf(n);
    return named < 0 ? 0n : this.wide(column.named + named);
  }
  private wide(at: number): bigint { return wordsToBigInt(this.words, at * 2); }
}

export class SwitchLog {
  /** Switches ever logged: the number of the next one. */
  count = 0;
  private room: number;
  private words: Uint32Array;
  private quads: BigUint64Array;
  /** Index in `quads` of the next row. */
  private next = 0;

  /** `capacity`: switches held; the room grows up to it as they come. */
  constructor(private readonly capacity = 1 << 17) {
    this.room = Math.min(capacity, firstCapacity);
    this.quads = new BigUint64Array(this.room * rowQuads);
    this.words = new Uint32Array(this.quads.buffer);
  }

  /** Logs a switch; the words from `record` on are the machine's record that told of it. */
  add(kind: number, from: number, fromContext: number, to: number, toContext: number, reason: number, flags: number, source: Words, record: number): void {
    if (this.next === this.quads.length) this.makeRoom();
    const row = this.next, words = this.words, quads = this.quads, records = source.quads, first = record >> 1;
    words[row * 2] = kind | flags << 8 | reason << 16;
    words[row * 2 + 1] = from | to << 16;
    words[row * 2 + 2] = fromContext;
    words[row * 2 + 3] = toContext;
    // written out: in a loop over a table this takes twice the time
    quads[row + column.head] = records[first + (word.head >> 1)];
    quads[row + column.time] = records[first + (word.time >> 1)];
    quads[row + column.rip] = records[first + (word.rip >> 1)];
    quads[row + column.a] = records[first + (word.a >> 1)];
    quads[row + column.b] = records[first + (word.b >> 1)];
    quads[row + column.c] = records[first + (word.c >> 1)];
    quads[row + column.d] = records[first + (word.d >> 1)];
    quads[row + column.instructionLength] = records[first + (word.instructionLength >> 1)];
    quads[row + column.interruptionError] = records[first + (word.interruptionError >> 1)];
    quads[row + column.vectoringError] = records[first + (word.vectoringError >> 1)];
    quads[row + column.failedCheck] = records[first + (word.failedCheck >> 1)];
    const general = first + (word.gpr >> 1), named = row + column.named, info = source.words[record + word.instructionInfo];
    quads[row + column.rax] = records[general];
    quads[row + column.rcx] = records[general + 1];
    quads[row + column.rdx] = records[general + 2];
    quads[named] = records[general + (source.words[record + word.a] >>> 8 & 15)];
    quads[named + 1] = records[general + (info >>> 3 & 15)];
    quads[named + 2] = records[general + (info >>> 28)];
    this.next = row + rowQuads;
    this.count++;
  }

  /** For the next row: more of it, or from the front again. */
  private makeRoom(): void {
    if (this.room === this.capacity) { this.next = 0; return; }
    const { quads } = this;
    this.room = Math.min(this.capacity, this.room * 4);
    (this.quads = new BigUint64Array(this.room * rowQuads)).set(quads);
    this.words = new Uint32Array(this.quads.buffer);
  }

  /** The first number still held. */
  get oldest(): number { return Math.max(0, this.count - this.capacity); }
  private holds(number: number): boolean { return Number.isInteger(number) && number >= this.oldest && number < this.count; }

  // One column of a switch that is held: what a scan of the whole log reads, without an object for each switch.
  kind(number: number): number { return this.words[this.row(number)] & 0xff; }
  vcpu(number: number): number { return this.words[this.row(number) + column.head * 2] >>> 24; }
  from(number: number): number { return this.words[this.row(number) + 1] & 0xffff; }
  fromContext(number: number): number { return this.words[this.row(number) + 2] | 0; }
  to(number: number): number { return this.words[this.row(number) + 1] >>> 16; }
  toContext(number: number): number { return this.words[this.row(number) + 3] | 0; }
  reason(number: number): number { return this.words[this.row(number)] >>> 16; }
  failed(number: number): boolean { return (this.words[this.row(number)] & 0x100) !== 0; }
  private uncertain(number: number): boolean { return (this.words[this.row(number)] & 0x200) !== 0; }
  time(number: number): number { return wordsToNumber(this.words, this.row(number) + column.time * 2); }
  private row(number: number): number { return number % this.capacity * rowWords; }

  at(number: number): WorldSwitch | undefined {
    if (!this.holds(number)) return undefined;
    return {
      number, kind: switchKinds[this.kind(number)], vcpu: this.vcpu(number), from: this.from(number), to: this.to(number), fromContext: this.fromContext(number), toContext: this.toContext(number),
      reason: this.reason(number), entryFailed: this.failed(number), uncertain: this.uncertain(number), time: this.time(number),
    };
  }

  /** The record behind a switch; undefined when it is not held any more. A copy: it outlives the next run. */
  record(number: number): SwitchRecord | undefined {
    if (!this.holds(number)) return undefined;
    const row = this.row(number);
    return new SwitchRecord(this.words.slice(row, row + rowWords));
  }

  /** Switches from `number` (or the oldest held) to the newest. */
  since(number: number): WorldSwitch[] {
    const found: WorldSwitch[] = [];
    for (let n = Math.max(number, this.oldest); n < this.count; n++) found.push(this.at(n)!);
    return found;
  }
}
