// The one error of this room: a file, section or expression that cannot be understood. It names what is wrong and where (section
// and offset), so that a user can tell a truncated image from an unsupported format. Anything else thrown here is our own bug.

/** A malformed or unsupported symbol file. `what` is a sentence without the place; `where` is a section or file with an offset. */
export class SymbolError extends Error {
  readonly what: string;
  readonly where: string;

  constructor(what: string, where: string) {
    super(`${what} (${where})`);
    this.name = 'SymbolError';
    this.what = what;
    this.where = where;
  }
}

/** Problems that cost only a part of the result. The list is bounded, since a damaged file can repeat one defect a million times. */
export class WarningList {
  readonly texts: string[] = [];
  private readonly seen = new Set<string>();

  /** Adds a text once; after 100 different texts only a closing remark is kept. */
  add(text: string): void {
    if (this.seen.has(text) || this.texts.length > 100) return;
    this.seen.add(text);
    this.texts.push(this.texts.length === 100 ? 'further warnings are not listed' : text);
  }

  /** Runs `work`; a SymbolError becomes a warning and the result is `fallback`. Other errors pass through. */
  attempt<T>(work: () => T, fallback: T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.add(error.message);
      return fallback;
    }
  }
}

/** `0x` and hexadecimal digits, for messages. */
export function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
