// Event records as 32-bit words. The tracker handles every exit and entry of the machine, so it reads halves straight from the ring and
// makes no BigInt; what a stopped machine asks for later is read from a copy of the record through getters that do.
// Layout: emulator/codegen/state-layout (eventFields); this module only divides by four.
import type { EventReader } from '../../emulator/event-ring';
import { eventFields as F, eventKinds, vmxInstructions, vmxOutcomes } from '../../emulator/codegen/state-layout';

/** Word offsets of the fields of an event record; a 64-bit field takes two words, low half first. */
export const word = {
  head: F.kind >> 2, aux: F.aux >> 2, time: F.time >> 2, rip: F.rip >> 2, rsp: F.rsp >> 2, cr3: F.cr3 >> 2, a: F.a >> 2, b: F.b >> 2, c: F.c >> 2,
  gpr: F.gpr >> 2, d: F.d >> 2, e: F.e >> 2, instructionLength: F.instructionLength >> 2, interruptionInfo: F.interruptionInfo >> 2,
  interruptionError: F.interruptionError >> 2, vectoringInfo: F.vectoringInfo >> 2, vectoringError: F.vectoringError >> 2,
  instructionInfo: F.instructionInfo >> 2, failedCheck: F.failedCheck >> 2, rflags: F.rflags >> 2, cr0: F.cr0 >> 2,
} as const;

/** Words of the longest record (four slots). */
export const recordWords = 64;

export const kindNumber = Object.fromEntries(eventKinds.map((kind, n) => [kind, n])) as Record<(typeof eventKinds)[number], number>;
export const instructionNumber = Object.fromEntries(vmxInstructions.map((name, n) => [name, n])) as Record<(typeof vmxInstructions)[number], number>;
export const outcomeNumber = Object.fromEntries(vmxOutcomes.map((name, n) => [name, n])) as Record<(typeof vmxOutcomes)[number], number>;

/** A 64-bit value in two words as a number: exact below 2^53, -1 for all ones. */
export function wordsToNumber(words: Uint32Array, at: number): number {
  const low = words[at], high = words[at + 1];
  return low === 0xffffffff && high === 0xffffffff ? -1 : high * 0x1_0000_0000 + low;
}

export function wordsToBigInt(words: Uint32Array, at: number): bigint {
  return BigInt(words[at + 1]) << 32n | BigInt(words[at]);
}

/** Words of records, to look at; and the same as 64-bit ones, to copy: from array to array engines move those without making a BigInt, in half the time. */
export interface Words { readonly words: Uint32Array; readonly quads: BigUint64Array }

/** Finds the words behind a reader: `at` gives the index of the reader's record in `words`, which is a view of the whole memory. */
export class RecordWords implements Words {
  words: Uint32Array = new Uint32Array(0);
  quads: BigUint64Array = new BigUint64Array(0);
  private view: DataView | undefined;

  at(event: EventReader): number {
    if (event.view !== this.view) {
      const { buffer, byteOffset, byteLength } = this.view = event.view;
      this.words = new Uint32Array(buffer, byteOffset, byteLength >> 2);
      this.quads = new BigUint64Array(buffer, byteOffset, byteLength >> 3);
    }
    return event.at >> 2;
  }
}

/** A copy of an exit or entry record. One is kept per context and overwritten at each world switch: copy what must outlive the next run. */
export class EventRecord implements Words {
  readonly words = new Uint32Array(recordWords);
  readonly quads = new BigUint64Array(this.words.buffer);

  take(from: Words, at: number): void {
    const to = this.quads, source = from.quads, first = at >> 1;
    for (let i = 0; i < recordWords / 2; i++) to[i] = source[first + i];
  }
  get vcpu(): number { return this.words[word.head] >>> 24; }
  /** As in `EventReader.flags`: bit 0 non-root, bit 1 IA-32e mode, bits 3:2 CPL. */
  get flags(): number { return this.words[word.head] >>> 8 & 0xff; }
  get aux(): number { return this.words[word.aux]; }
  get time(): number { return wordsToNumber(this.words, word.time); }
  get rip(): bigint { return wordsToBigInt(this.words, word.rip); }
  get rsp(): bigint { return wordsToBigInt(this.words, word.rsp); }
  get cr3(): bigint { return wordsToBigInt(this.words, word.cr3); }
  get cr0(): bigint { return wordsToBigInt(this.words, word.cr0); }
  get rflags(): bigint { return wordsToBigInt(this.words, word.rflags); }
  gpr(n: number): bigint { return wordsToBigInt(this.words, word.gpr + n * 2); }
  /** Of an exit record: the exit reason field, its basic part, and whether bit 31 says that an entry failed. */
  get reasonField(): number { return this.words[word.aux]; }
  get basicReason(): number { return this.words[word.aux] & 0xffff; }
  get entryFailed(): boolean { return this.words[word.aux] >>> 31 === 1; }
  get qualification(): bigint { return wordsToBigInt(this.words, word.a); }
  /** Host-physical VMCS pointer of an exit record. */
  get exitVmcs(): number { return wordsToNumber(this.words, word.b); }
  get guestPhysical(): bigint { return wordsToBigInt(this.words, word.c); }
  get guestLinear(): bigint { return wordsToBigInt(this.words, word.d); }
  get instructionLength(): number { return this.words[word.instructionLength]; }
  get interruptionInfo(): number { return this.words[word.interruptionInfo]; }
  get interruptionError(): number { return this.words[word.interruptionError]; }
  get vectoringInfo(): number { return this.words[word.vectoringInfo]; }
  get vectoringError(): number { return this.words[word.vectoringError]; }
  get instructionInfo(): number { return this.words[word.instructionInfo]; }
  /** 1 + row of the entry-check table, 0 = none. */
  get failedCheck(): number { return this.words[word.failedCheck]; }
}
