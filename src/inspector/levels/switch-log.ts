// The last world switches as the user understands them, in a ring of plain numbers: nothing is allocated per switch.

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

export class SwitchLog {
  /** Switches ever logged: the number of the next one. */
  count = 0;
  private readonly rows: Int32Array;
  private readonly times: Float64Array;

  constructor(private readonly capacity = 1 << 16) {
    this.rows = new Int32Array(capacity * stride);
    this.times = new Float64Array(capacity);
  }

  add(kind: number, vcpu: number, from: number, fromContext: number, to: number, toContext: number, reason: number, flags: number, time: number): void {
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
    this.count++;
  }

  /** The first number still held. */
  get oldest(): number { return Math.max(0, this.count - this.capacity); }

  at(number: number): WorldSwitch | undefined {
    if (number < this.oldest || number >= this.count) return undefined;
    const row = number % this.capacity, [kind, vcpu, from, fromContext, to, toContext, reason, flags] = this.rows.subarray(row * stride, row * stride + stride);
    return { number, kind: switchKinds[kind], vcpu, from, to, fromContext, toContext, reason, entryFailed: (flags & 1) !== 0, uncertain: (flags & 2) !== 0, time: this.times[row] };
  }

  /** Switches from `number` (or the oldest held) to the newest. */
  since(number: number): WorldSwitch[] {
    const found: WorldSwitch[] = [];
    for (let n = Math.max(number, this.oldest); n < this.count; n++) found.push(this.at(n)!);
    return found;
  }
}
