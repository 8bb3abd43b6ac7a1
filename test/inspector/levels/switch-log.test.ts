// The log of world switches against the records that it was told of: while its room grows, and after it has begun to overwrite the oldest.
import { describe, expect, it } from 'vitest';
import { EventRecord, word } from '../../../src/inspector/levels/event-words';
import { SwitchLog, switchKinds } from '../../../src/inspector/levels/switch-log';

interface Logged { kind: number; from: number; fromContext: number; to: number; toContext: number; reason: number; flags: number; record: EventRecord }

/** Switches whose every word is another number. */
function log(count: number, capacity?: number): { log: SwitchLog; logged: Logged[] } {
  const log = new SwitchLog(capacity), logged: Logged[] = [];
  for (let n = 0; n < count; n++) {
    const record = new EventRecord();
    for (let i = 0; i < record.words.length; i++) record.words[i] = Math.imul(n * 64 + i + 1, 0x9e37_79b1);
    record.words[word.time] = n;
    record.words[word.time + 1] = 1;
    const each = { kind: n % 4, from: n % 300, fromContext: n % 7 - 1, to: n % 301, toContext: n, reason: n % 70, flags: n % 3, record };
    logged.push(each);
    log.add(each.kind, each.from, each.fromContext, each.to, each.toContext, each.reason, each.flags, record, 0);
  }
  return { log, logged };
}

describe('log of world switches', () => {
  it.each([[20_000, undefined], [20_000, 8192], [500, 64], [5000, 5000]])('%i switches, room for %s', (count, capacity) => {
    const { log: held, logged } = log(count, capacity);
    expect(held.count).toBe(count);
    expect(held.oldest).toBe(Math.max(0, count - (capacity ?? count)));
    for (let number = held.oldest; number < count; number += 1 + (number & 31)) {
      const { kind, from, fromContext, to, toContext, reason, flags, record } = logged[number], time = number + 2 ** 32, vcpu = record.vcpu;
      expect(held.at(number)).toEqual({ number, kind: switchKinds[kind], vcpu, from, to, fromContext, toContext, reason, entryFailed: (flags & 1) !== 0, uncertain: (flags & 2) !== 0, time });
      const kept = held.record(number)!;
      for (const name of ['reasonField', 'rip', 'qualification', 'guestPhysical', 'guestLinear', 'instructionLength', 'interruptionInfo', 'interruptionError', 'vectoringInfo', 'vectoringError',
        'instructionInfo', 'failedCheck'] as const) expect(kept[name], name).toBe(record[name]);
      expect(kept.second).toBe(BigInt(record.words[word.b + 1]) << 32n | BigInt(record.words[word.b]));
      const named = [0, 1, 2, record.words[word.a] >>> 8 & 15, record.instructionInfo >>> 3 & 15, record.instructionInfo >>> 28];
      for (let n = 0; n < 16; n++) expect(kept.gpr(n), `register ${n}`).toBe(named.includes(n) ? record.gpr(n) : 0n);
    }
    expect([held.at(held.oldest - 1), held.at(count), held.record(held.oldest - 1), held.record(count)]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('hands out records that later switches leave alone', () => {
    const { log: held, logged } = log(64, 64), kept = held.record(0)!, { rip } = kept;
    held.add(0, 1, 1, 1, 1, 1, 0, logged[5].record, 0);
    expect(kept.rip).toBe(rip);
    expect(held.record(0)).toBeUndefined();
    expect(held.record(64)!.rip).toBe(logged[5].record.rip);
  });
});
