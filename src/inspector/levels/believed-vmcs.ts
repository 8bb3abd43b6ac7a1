// What one level knows of a VMCS that it uses: the values that it wrote by VMWRITE or saw by VMREAD, with the instruction that did so.
// For L0 the VMCS is a real one; for a level above, it is what the software below makes it believe. Unknown fields stay unknown.
// Fields live in rows of words: a hypervisor touches some hundred fields hundreds of thousands of times a second.
import type { Context } from './context';
import { word, wordsToBigInt, wordsToNumber } from './event-words';

const slotOfEncoding = new Int16Array(0x4000).fill(-1);
const encodingOfSlot: number[] = [];

/** Dense number of a field by its full-access encoding (bit 0 clear), given out on first use; -1 for an encoding that cannot name a field. */
function slotOf(encoding: number): number {
  if (encoding < 0 || encoding > 0x7fff) return -1;
  let slot = slotOfEncoding[encoding >> 1];
  if (slot < 0) {
    slot = slotOfEncoding[encoding >> 1] = encodingOfSlot.length;
    encodingOfSlot.push(encoding & ~1);
  }
  return slot;
}

/** Width of a field by its encoding, bits 14:13 (SDM 3C, 'Field Encoding in VMCS'): 0 = 16 bits, 1 = 64, 2 = 32, 3 = natural. */
const widthCode = (encoding: number): number => encoding >> 13 & 3;
/** Type by bits 11:10: 0 control, 1 read-only data, 2 guest state, 3 host state. */
const typeCode = (encoding: number): number => encoding >> 10 & 3;

/** A row: flags (below; level of the writer in bits 31:8), value, RIP, time (two words each), id of the writer. */
const rowWords = 8;
const knowsLow = 1, knowsHigh = 2, byRead = 4;

/** A field as its level knows it. `outdated`: the guest has run since, and the processor may have changed the field. */
export interface BelievedField {
  readonly encoding: number;
  readonly value: bigint;
  readonly known: 'written' | 'read' | 'outdated';
  /** How the value was learnt, whether outdated or not. */
  readonly by: 'write' | 'read';
  /** Who wrote or read it (context id and level), where (linear address in that context) and when (units). */
  readonly writer: { readonly context: number; readonly level: number; readonly rip: bigint; readonly time: number };
}

export class BelievedVmcs {
  launchState: 'unknown' | 'clear' | 'launched' = 'unknown';
  /** The context that last ran under this VMCS: a child of its level, or a descendant of one when the level emulates a nested entry. */
  carried: Context | undefined;
  /** Event number at which a guest last ran under it; 0 = never since it was cleared. */
  ranAt = 0;
  /** Event number of the last VMCLEAR, 0 = none seen. */
  clearedAt = 0;

  private rows = new Uint32Array(256 * rowWords);
  private sequences = new Float64Array(256);

  /** Address of the region in the physical address space of the level that uses it; -1 when that level never said which. */
  constructor(readonly pointer: number) {}

  /**
   * Records a VMWRITE (or a VMREAD that returned this value) of `encoding` by `context`. Value and RIP are two words each, low half first, at `at` of
   * their arrays (no argument is a 64-bit or even 32-bit number: those would be allocated); the time is that of the event record at `words[record]`.
   */
  learn(encoding: number, read: boolean, context: Context, sequence: number, values: Uint32Array, valueAt: number, rips: Uint32Array, ripAt: number, words: Uint32Array, record: number): void {
    const slot = slotOf(encoding);
    if (slot < 0) return;
    if (slot >= this.sequences.length) this.grow(slot);
    const rows = this.rows, row = slot * rowWords, width = widthCode(encoding);
    if (encoding & 1) {
      rows[row + 2] = values[valueAt];
      rows[row] = rows[row] & knowsLow | knowsHigh | (read ? byRead : 0) | context.level << 8;
    } else {
      rows[row + 1] = width === 0 ? values[valueAt] & 0xffff : values[valueAt];
      rows[row + 2] = width === 0 || width === 2 ? 0 : values[valueAt + 1];
      rows[row] = knowsLow | knowsHigh | (read ? byRead : 0) | context.level << 8;
    }
    rows[row + 3] = rips[ripAt];
    rows[row + 4] = rips[ripAt + 1];
    rows[row + 5] = words[record + word.time];
    rows[row + 6] = words[record + word.time + 1];
    rows[row + 7] = context.id;
    this.sequences[slot] = sequence;
  }

  /** True when both halves of the field are known and were learnt after event `since`. */
  knows(encoding: number, since = 0): boolean {
    const slot = slotOf(encoding);
    return slot >= 0 && slot < this.sequences.length && (this.rows[slot * rowWords] & 3) === 3 && this.sequences[slot] > since;
  }
  low(encoding: number): number { return this.rows[slotOf(encoding) * rowWords + 1]; }
  high(encoding: number): number { return this.rows[slotOf(encoding) * rowWords + 2]; }

  /** The field as known, undefined when unknown. Either access type of a 64-bit field may be asked for; the whole field is answered. */
  field(encoding: number): BelievedField | undefined {
    const slot = slotOf(encoding), rows = this.rows, row = slot * rowWords;
    if (slot < 0 || slot >= this.sequences.length || (rows[row] & 3) !== 3) return undefined;
    const by = rows[row] & byRead ? 'read' : 'write';
    const changedByProcessor = (typeCode(encoding) === 2 || typeCode(encoding) === 1) && this.sequences[slot] <= this.ranAt;
    return {
      encoding: encoding & ~1,
      value: wordsToBigInt(rows, row + 1),
      known: changedByProcessor ? 'outdated' : by === 'read' ? 'read' : 'written',
      by,
      writer: { context: rows[row + 7], level: rows[row] >>> 8, rip: wordsToBigInt(rows, row + 3), time: wordsToNumber(rows, row + 5) },
    };
  }

  /** Every known field, by encoding. */
  fields(): BelievedField[] {
    const fields: BelievedField[] = [];
    for (let slot = 0; slot < this.sequences.length; slot++) {
      const field = this.rows[slot * rowWords] ? this.field(encodingOfSlot[slot]) : undefined;
      if (field) fields.push(field);
    }
    return fields.sort((a, b) => a.encoding - b.encoding);
  }

  /** The values known now, to compare later ones with; made at every stop, so fields are looked up only when asked for. */
  freeze(): (encoding: number) => bigint | undefined {
    const rows = this.rows.slice();
    return encoding => {
      const slot = slotOf(encoding), row = slot * rowWords;
      return slot < 0 || row >= rows.length || (rows[row] & 3) !== 3 ? undefined : wordsToBigInt(rows, row + 1);
    };
  }

  private grow(slot: number): void {
    const rows = new Uint32Array((slot + 1) * 2 * rowWords), sequences = new Float64Array((slot + 1) * 2);
    rows.set(this.rows);
    sequences.set(this.sequences);
    this.rows = rows;
    this.sequences = sequences;
  }
}

/**
 * The VMCSs in one memory as software running there names them. All L0s share one, and so do contexts of one parent that run with the same EPT
 * pointer (the vCPUs of one virtual machine): a VMCS cleared by one of them and loaded by another keeps what is known of it.
 */
export class VmcsSpace {
  private readonly byPointer = new Map<number, BelievedVmcs>();
  /** Contexts by the VMCS pointer with which their parent runs them. */
  readonly children = new Map<number, Context>();

  vmcs(pointer: number): BelievedVmcs {
    let vmcs = this.byPointer.get(pointer);
    if (!vmcs) this.byPointer.set(pointer, vmcs = new BelievedVmcs(pointer));
    return vmcs;
  }
  find(pointer: number): BelievedVmcs | undefined { return this.byPointer.get(pointer); }
  /** In the order in which they were first named. */
  get all(): BelievedVmcs[] { return [...this.byPointer.values()]; }
}
