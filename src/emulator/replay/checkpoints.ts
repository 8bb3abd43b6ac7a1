// Snapshots along a run, in bounded memory: dense near the present, ever sparser behind it. When there are too many, the one goes whose
// neighbours stay closest to each other for their distance from the present.
import type { Snapshot } from '../machine';

export interface Checkpoint {
  readonly time: bigint;
  readonly snapshot: Snapshot;
  /** Inputs that the state has taken, bytes that it has sent on the serial port, and what the companion saved. */
  readonly inputs: number;
  readonly sent: number;
  readonly companion: unknown;
}

export interface CheckpointLimits {
  /** Bytes of all snapshots together, at most (two are always kept). */
  readonly mostBytes: number;
  readonly mostCheckpoints: number;
}

export class Checkpoints {
  private readonly list: Checkpoint[] = [];
  /** Bytes that each adds to the one before. */
  private readonly costs: number[] = [];
  bytes = 0;

  constructor(private readonly limits: CheckpointLimits) {}

  get length(): number { return this.list.length; }
  get times(): readonly bigint[] { return this.list.map(c => c.time); }
  at(n: number): Checkpoint { return this.list[n]!; }
  /** Index of the last one at or before a time with at most that many inputs. */
  indexBefore(time: bigint, inputs: number): number {
    let n = this.list.length - 1;
    while (n > 0 && (this.list[n]!.time > time || this.list[n]!.inputs > inputs)) n--;
    return n;
  }

  /** Adds one in its place in time; one of the same time and inputs is there already: nothing happens. */
  add(checkpoint: Checkpoint, present: bigint): void {
    let n = this.list.length;
    while (n > 0 && (this.list[n - 1]!.time > checkpoint.time || (this.list[n - 1]!.time === checkpoint.time && this.list[n - 1]!.inputs > checkpoint.inputs))) n--;
    const before = this.list[n - 1];
    if (before && before.time === checkpoint.time && before.inputs === checkpoint.inputs) return;
    this.list.splice(n, 0, checkpoint);
    this.costs.splice(n, 0, 0);
    this.measure(n);
    this.measure(n + 1);
    while (this.list.length > 2 && (this.list.length > this.limits.mostCheckpoints || this.bytes > this.limits.mostBytes)) this.remove(this.leastMissed(present));
  }

  /** Forgets those later than a time, or with more inputs: that future has not happened. */
  truncate(time: bigint, inputs: number): void {
    while (this.list.length > 1 && (this.list.at(-1)!.time > time || this.list.at(-1)!.inputs > inputs)) this.remove(this.list.length - 1);
  }

  clear(): void { this.list.length = this.costs.length = this.bytes = 0; }

  private measure(n: number): void {
    const own = this.list[n], before = this.list[n - 1];
    if (!own) return;
    const cost = before ? own.snapshot.bytesBeside(before.snapshot) : own.snapshot.ownBytes;
    this.bytes += cost - this.costs[n]!;
    this.costs[n] = cost;
  }
  private remove(n: number): void {
    this.list.splice(n, 1);
    this.bytes -= this.costs.splice(n, 1)[0]!;
    this.measure(n);
  }
  /** Neither the first nor the last. */
  private leastMissed(present: bigint): number {
    let best = 1, least = Infinity;
    for (let n = 1; n < this.list.length - 1; n++) {
      const gap = Number(this.list[n + 1]!.time - this.list[n - 1]!.time), age = Math.abs(Number(present - this.list[n]!.time)) + 1;
      if (gap / age < least) { least = gap / age; best = n; }
    }
    return best;
  }
}
