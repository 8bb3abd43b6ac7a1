// The levels at which breakpoints and filters stop: all of them, one only, or all but some. Steps, pauses and the end of the machine stop anywhere.

export class LevelChoice {
  private only: number | undefined;
  private muted: ReadonlySet<number> = new Set();

  set(only: number | undefined, muted: readonly number[]): void {
    this.only = only;
    this.muted = new Set(muted);
  }

  wants(level: number): boolean { return (this.only === undefined || this.only === level) && !this.muted.has(level); }
}
