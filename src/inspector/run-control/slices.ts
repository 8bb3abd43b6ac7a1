// Dividing a long run into slices of a few milliseconds, between which messages get their turn. Slices are counted in units of the machine;
// how many units fit is measured, so that a pause is answered in time whatever the speed. Timers are clamped to milliseconds:
// yielding uses none.

const targetMs = 6, longestMs = 9;
const fewest = 2_000, most = 40_000_000;

/** A clock in milliseconds. */
export type Clock = () => number;

export class SliceClock {
  private unitsPerSlice = 200_000;
  private sliceStart: number;
  private lastLook: number;

  constructor(private readonly now: Clock = () => performance.now()) { this.sliceStart = this.lastLook = now(); }

  /** Units to ask the machine for now. */
  get units(): number { return this.unitsPerSlice; }

  /** A new slice begins. */
  begin(): void { this.sliceStart = this.lastLook = this.now(); }

  /**
   * Looks at the clock after a run: true when the slice has used its time and messages should be let in. Learns from runs that used all their
   * units (`spent`); `units` is what the run retired.
   */
  over(units: number, spent: boolean): boolean {
    const now = this.now();
    if (spent && units >= fewest) this.learn(units, now - this.lastLook);
    this.lastLook = now;
    return now - this.sliceStart >= targetMs;
  }

  private learn(units: number, elapsedMs: number): void {
    if (elapsedMs > longestMs) this.unitsPerSlice = Math.max(fewest, Math.floor(units * targetMs / elapsedMs));
    else if (elapsedMs < targetMs / 2) this.unitsPerSlice = Math.min(most, units * 2);
  }
}

/** The part of a MessageChannel that is used; its types differ between the Web and Node. */
interface Channel { readonly port1: { onmessage: (() => void) | null; close(): void }; readonly port2: { postMessage(message: number): void } }

/**
 * Lets messages be handled, then goes on. In Node through setImmediate: a port there hands out up to a thousand messages in a row before any other
 * port gets its turn. On the Web through a channel of our own, closed when it rests, so that it keeps nothing alive.
 */
export class Yielder {
  private readonly immediate = (globalThis as { setImmediate?: (task: () => void) => unknown }).setImmediate;
  private channel: Channel | undefined;

  turn(): Promise<void> {
    const { immediate } = this;
    if (immediate) return new Promise(resolve => void immediate(resolve));
    const channel = this.channel ??= new MessageChannel() as unknown as Channel;
    return new Promise(resolve => {
      channel.port1.onmessage = () => resolve();
      channel.port2.postMessage(0);
    });
  }

  rest(): void {
    this.channel?.port1.close();
    this.channel = undefined;
  }
}
