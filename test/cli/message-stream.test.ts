import { describe, expect, it } from 'vitest';
import { frame, MessageReader } from '../../src/cli/message-stream';

function read(portions: readonly (string | Uint8Array)[]): { messages: unknown[]; malformed: string[] } {
  const messages: unknown[] = [], malformed: string[] = [];
  const reader = new MessageReader({ message: m => messages.push(m), malformed: what => malformed.push(what) });
  for (const portion of portions) reader.take(typeof portion === 'string' ? Buffer.from(portion) : portion);
  return { messages, malformed };
}
const good = { seq: 1, type: 'request', command: 'ünïcode' };

describe('the base protocol', () => {
  it('reads what it frames, in any portions', () => {
    const bytes = Buffer.concat([frame(good), frame({ seq: 2 })]);
    for (const size of [1, 2, 7, 64, bytes.length]) {
      const portions = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, i * size + size));
      expect(read(portions)).toEqual({ messages: [good, { seq: 2 }], malformed: [] });
    }
  });

  it.each([
    ['a body that is not JSON', 'Content-Length: 3\r\n\r\n{,}'],
    ['a header without a length', 'Content-Type: x\r\n\r\n'],
    ['a header with a bad length', 'Content-Length: many\r\n\r\n'],
  ])('reports %s and goes on', (_, bad) => {
    const { messages, malformed } = read([bad, frame(good)]);
    expect(messages).toEqual([good]);
    expect(malformed).toHaveLength(1);
  });

  it('skips the body of a message that is too long', () => {
    const long = 65 * 1024 * 1024;
    const { messages, malformed } = read([`Content-Length: ${long}\r\n\r\n`, Buffer.alloc(long, 0x20), frame(good)]);
    expect(messages).toEqual([good]);
    expect(malformed).toEqual([`a message of ${long} bytes`]);
  });

  it('gives up a header that does not end', () => {
    expect(read(['x'.repeat(5000)]).malformed).toHaveLength(1);
  });

  it('accepts other headers beside the length, in any case', () => {
    expect(read(['content-length: 2\r\nContent-Type: x\r\n\r\n{}']).messages).toEqual([{}]);
  });
});
