// A context: one virtual processor of one level, a node of the tree that the level tracker infers. It is not a VMCS: one hardware VMCS may
// carry several contexts in turn, and a context may move between hardware VMCSs and vCPUs. Plain data; only the tracker writes it.
import type { BelievedVmcs, VmcsSpace } from './believed-vmcs';
import { EventRecord } from './event-words';

/** A VMLAUNCH or VMRESUME by non-root software that has not returned: the context waits for its guest to exit, or for an answer. */
export class Intent {
  instruction: 'VMLAUNCH' | 'VMRESUME' = 'VMLAUNCH';
  /** The VMCS that the context believed current, undefined if it never loaded one. */
  vmcs: BelievedVmcs | undefined;
  /** Number of the event that opened it. */
  openedAt = 0;
  /** A descendant of the context has run since: the entry was made, by whatever software below. */
  served = false;
  /** Expected guest state: halves of RIP, RSP and CR3, low first; bits of `knows` say which are known (1 RIP, 2 RSP, 4 CR3). */
  readonly expected = new Uint32Array(6);
  knows = 0;

  get expectedRip(): bigint | undefined { return this.half(0, 1); }
  get expectedRsp(): bigint | undefined { return this.half(2, 2); }
  get expectedCr3(): bigint | undefined { return this.half(4, 4); }
  private half(at: number, bit: number): bigint | undefined {
    return this.knows & bit ? BigInt(this.expected[at + 1]) << 32n | BigInt(this.expected[at]) : undefined;
  }
}

/** A VMX instruction that exited and takes effect for its context only when the software below lets it continue after it. */
export class PendingInstruction {
  active = false;
  instruction = 0;
  /** Pointer operand, or field encoding. */
  operand = 0;
  /** Halves of the value, then of the RIP. */
  readonly words = new Uint32Array(4);
  /** Destination register of a VMREAD in encoding order, 0xff = memory. */
  destination = 0xff;
}

/**
 * How a context stands still. `vmlaunch` and `vmresume`: in that instruction, its guest (or the software below) running; for L0 these are the
 * only ways. `exit`: interrupted by the exit in `lastExit`, which the software below is handling. `none`: executing, or never run.
 */
export type Suspension = 'none' | 'exit' | 'vmlaunch' | 'vmresume';

export class Context {
  state: 'executing' | 'suspended' | 'ended' = 'suspended';
  suspension: Suspension = 'none';
  /** The tracker had to guess that this context exists, or that it was the one entered. */
  uncertain = false;
  /**
   * For a context above L0: its last exit, as recorded then (registers, reason and all). For L0: its last VM entry, whose general registers are
   * L0's too; RIP, RSP and CR3 there are the guest's, those of L0 stand in `ownRip`, `ownRsp`, `ownCr3`.
   */
  readonly last = new EventRecord();
  /** Exits of this context so far (for L0: entries made); 0 = `last` holds nothing. */
  switches = 0;
  /** Event numbers of its last exit and of the last entry into it. */
  exitedAt = 0;
  enteredAt = 0;
  /** RIP, RSP and CR3 halves of L0 at its last VMLAUNCH or VMRESUME. */
  readonly own = new Uint32Array(6);
  /** Halves of the RIP after the exiting instruction. */
  nextRipLow = 0;
  nextRipHigh = 0;
  /** EPT pointer (halves; 0 = off) and VPID of the last entry into it. */
  eptpLow = 0;
  eptpHigh = 0;
  vpid = 0;
  /** The EPT pointer that its parent had written for it when it was born, undefined if the parent wrote none. */
  believedEptp: bigint | undefined;
  /** Host-physical pointer of the VMCS that carries it: the one that controls it on the processor. -1 before its first entry and for L0. */
  hardwareVmcs = -1;
  intent: Intent | undefined;
  readonly pending = new PendingInstruction();
  /** The context whose exit was delivered to this one last (for L0: see `LevelTracker.lastExited`), and the event number of that exit. */
  delivered: Context | undefined;
  deliveredExit = 0;
  /** In VMX operation as far as it knows. */
  vmxOn = false;
  /** The VMCS that it believes current. */
  currentVmcs: BelievedVmcs | undefined;
  endedTime: number | undefined;

  private readonly intentStore = new Intent();

  constructor(
    /** Unique in the session, never reused: base of the thread id. */
    readonly id: number,
    /** The vCPU on which it runs, or last ran. */
    public vcpu: number,
    /** Depth in the tree; 0 is root operation. */
    readonly level: number,
    public parent: Context | undefined,
    /** The VMCS pointer that its parent believed current when it entered it (host-physical for level 1), -1 = never said. */
    readonly key: number,
    /** The VMCSs in its memory. */
    readonly space: VmcsSpace,
    /** Time in units. */
    readonly bornTime: number,
  ) {}

  /** The VMCSs that it uses, in the order in which it first named them. */
  get believedVmcss(): readonly BelievedVmcs[] { return this.space.all; }
  get lastExit(): EventRecord | undefined { return this.level > 0 && this.switches > 0 ? this.last : undefined; }
  /** EPT pointer of the last entry into it, 0 = EPT off. */
  get eptp(): bigint { return BigInt(this.eptpHigh) << 32n | BigInt(this.eptpLow); }
  /** The VMCS of its parent that runs it, as the parent knows it. */
  get controllingBelief(): BelievedVmcs | undefined { return this.key < 0 ? undefined : this.parent?.space.find(this.key); }

  /** RIP, RSP and CR3 when it last executed (while it executes, the processor's own are the truth). Undefined before its first switch. */
  get rip(): bigint | undefined { return this.ownOr(0, this.last.rip); }
  get rsp(): bigint | undefined { return this.ownOr(2, this.last.rsp); }
  get cr3(): bigint | undefined { return this.ownOr(4, this.last.cr3); }
  private ownOr(at: number, recorded: bigint): bigint | undefined {
    if (this.switches === 0) return undefined;
    return this.level > 0 ? recorded : BigInt(this.own[at + 1]) << 32n | BigInt(this.own[at]);
  }

  /** Parent, its parent ... down to L0. */
  *ancestors(): Generator<Context> { for (let c = this.parent; c; c = c.parent) yield c; }
  isBelow(other: Context): boolean {
    for (let c = other.parent; c; c = c.parent) if (c === this) return true;
    return false;
  }
  /** The context whose exit this handler is dealing with, from the delivery until that context runs again; for L0 see `LevelTracker.handledBy`. */
  get handles(): Context | undefined {
    const from = this.delivered;
    return from && from.state === 'suspended' && from.exitedAt === this.deliveredExit && !this.intent?.served ? from : undefined;
  }
  openIntent(): Intent { return this.intent = this.intentStore; }
}
