// The base protocol of the Debug Adapter Protocol on a byte stream: a header with Content-Length, an empty line, a JSON body. Unlike the
// stock reader, a body that is not JSON or a header without a length is reported and skipped; the stream goes on.

const separator = Buffer.from('\r\n\r\n');
const longestHeader = 4096, longestBody = 64 * 1024 * 1024;

export interface StreamEvents { message(message: unknown): void; malformed(what: string): void }

export class MessageReader {
  private pending = Buffer.alloc(0);
  /** Length of the body that is awaited, -1 while a header is. */
  private length = -1;
  private skip = 0;

  constructor(private readonly events: StreamEvents) {}

  /** Takes bytes as they come, in any portions. */
  take(bytes: Uint8Array): void {
    this.pending = Buffer.concat([this.pending, bytes]);
    while (this.advance());
  }

  private advance(): boolean {
    if (this.skip > 0) {
      const skipped = Math.min(this.skip, this.pending.length);
      this.pending = this.pending.subarray(skipped);
      this.skip -= skipped;
      if (this.skip > 0) return false;
    }
    return this.length < 0 ? this.header() : this.body();
  }

  private header(): boolean {
    const end = this.pending.indexOf(separator);
    if (end < 0) {
      if (this.pending.length > longestHeader) {
        this.events.malformed('a header without an end');
        this.pending = Buffer.alloc(0);
      }
      return false;
    }
    const text = this.pending.toString('latin1', 0, end), digits = /^content-length:\s*(\d+)\s*$/im.exec(text)?.[1];
    this.pending = this.pending.subarray(end + separator.length);
    const length = digits === undefined ? NaN : Number(digits);
    if (!Number.isSafeInteger(length)) this.events.malformed('a header without Content-Length');
    else if (length > longestBody) {
      this.events.malformed(`a message of ${length} bytes`);
      this.skip = length;
    } else this.length = length;
    return true;
  }

  private body(): boolean {
    if (this.pending.length < this.length) return false;
    const text = this.pending.toString('utf8', 0, this.length);
    this.pending = this.pending.subarray(this.length);
    this.length = -1;
    let message: unknown;
    try { message = JSON.parse(text); } catch (error) {
      this.events.malformed(`${text.slice(0, 80)} (${error instanceof Error ? error.message : String(error)})`);
      return true;
    }
    this.events.message(message);
    return true;
  }
}

/** A message with its header, ready for the stream. */
export function frame(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]);
}
