// What one level knows of a VMCS that it uses: the values that it wrote by VMWRITE or saw by VMREAD, with the instruction that did so.
// For L0 the VMCS is a real one; for a level above, it is what the software below makes it believe. Unknown fields stay unknown.
// Fields live in dense arrays by slot: a hypervisor touches some hundred fields hundreds of thousands of times a second.
import type { Context } from './context';

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

const knowsLow = 1, knowsHigh = 2, byRead = 4;

/** A field as its level knows it. `outdated`: the guest has run since, and the processor may have changed the field. */
export interface BelievedField {
  readonly encoding: number;
  readonly value: bigint;
  readonly known: 'written' | 'read' | 'outdated';
  /** How the value was learnt, whether outdated or not. */
  readonly by: 'write' | 'read';
  /** Who wrote or read it, where (linear address in that context) and when (units). */
  readonly writer: { readonly context: Context; readonly rip: bigint; readonly time: number };
}

export class BelievedVmcs {
  launchState: 'unknown' | 'clear' | 'launched' = 'unknown';
  /** The context that last ran under this VMCS: a child of its level, or a descendant of one when the level emulates a nested entry. */
  carried: Context | undefined;
  /** Event number at which a guest last ran under it; 0 = never since it was cleared. */
  ranAt = 0;
  /** Event number of the last VMCLEAR, 0 = none seen. */
  clearedAt = 0;

  private known = new Uint8Array(256);
  private values = new Uint32Array(512);
  private rips = new Uint32Array(512);
  private times = new Float64Array(256);
  private sequences = new Float64Array(256);
  private writers: (Context | undefined)[] = [];

  /** Address of the region in the physical address space of the level that uses it; -1 when that level never said which. */
  constructor(readonly pointer: number) {}

  /** Records a VMWRITE (or a VMREAD that returned this value) of `encoding` by `context`. Halves of value and RIP, low first. */
  learn(encoding: number, low: number, high: number, read: boolean, context: Context, ripLow: number, ripHigh: number, time: number, sequence: number): void {
    const slot = slotOf(encoding);
    if (slot < 0) return;
    if (slot >= this.known.length) this.grow();
    const at = slot * 2, width = widthCode(encoding);
    if (encoding & 1) {
      this.values[at + 1] = low;
      this.known[slot] = this.known[slot] & knowsLow | knowsHigh | (read ? byRead : 0);
    } else {
      this.values[at] = width === 0 ? low & 0xffff : low;
      this.values[at + 1] = width === 0 || width === 2 ? 0 : high;
      this.known[slot] = knowsLow | knowsHigh | (read ? byRead : 0);
    }
    this.rips[at] = ripLow;
    this.rips[at + 1] = ripHigh;
    this.times[slot] = time;
    this.sequences[slot] = sequence;
    this.writers[slot] = context;
  }

  /** True when both halves of the field are known and were learnt after event `since`. */
  knows(encoding: number, since = 0): boolean {
    const slot = slotOf(encoding);
    return slot >= 0 && slot < this.known.length && (this.known[slot] & 3) === 3 && this.sequences[slot] > since;
  }
  low(encoding: number): number { return this.values[slotOf(encoding) * 2]; }
  high(encoding: number): number { return this.values[slotOf(encoding) * 2 + 1]; }

  /** The field as known, undefined when unknown. Either access type of a 64-bit field may be asked for; the whole field is answered. */
  field(encoding: number): BelievedField | undefined {
    const slot = slotOf(encoding);
    if (slot < 0 || slot >= this.known.length || (this.known[slot] & 3) !== 3) return undefined;
    const at = slot * 2, by = this.known[slot] & byRead ? 'read' : 'write';
    const changedByProcessor = (typeCode(encoding) === 2 || typeCode(encoding) === 1) && this.sequences[slot] <= this.ranAt;
    return {
      encoding: encoding & ~1,
      value: BigInt(this.values[at + 1]) << 32n | BigInt(this.values[at]),
      known: changedByProcessor ? 'outdated' : by === 'read' ? 'read' : 'written',
      by,
      writer: { context: this.writers[slot]!, rip: BigInt(this.rips[at + 1]) << 32n | BigInt(this.rips[at]), time: this.times[slot] },
    };
  }

  /** Every known field, by encoding. */
  fields(): BelievedField[] {
    const fields: BelievedField[] = [];
    for (let slot = 0; slot < this.known.length; slot++) {
      const field = this.known[slot] ? this.field(encodingOfSlot[slot]) : undefined;
      if (field) fields.push(field);
    }
    return fields.sort((a, b) => a.encoding - b.encoding);
  }

  private grow(): void {
    const widen = <T extends Uint8Array | Uint32Array | Float64Array>(old: T, fresh: T): T => { fresh.set(old); return fresh; };
    const slots = this.known.length * 2;
    this.known = widen(this.known, new Uint8Array(slots));
    this.values = widen(this.values, new Uint32Array(slots * 2));
    this.rips = widen(this.rips, new Uint32Array(slots * 2));
    this.times = widen(this.times, new Float64Array(slots));
    this.sequences = widen(this.sequences, new Float64Array(slots));
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
