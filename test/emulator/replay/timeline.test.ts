// A machine with a past: any instant of a recorded run can be gone to, forwards and backwards, and is what it was; stops are found backwards.
import { describe, expect, it } from 'vitest';
import { type Companion, Timeline } from '../../../src/emulator/replay/timeline';
import { random, runTo, torture } from './torture';

/** A recorded run of a random program with input at random instants, and the digests of some instants on its way. */
async function recording(seed: number, end: number, options: ConstructorParameters<typeof Timeline>[1] = { every: 7000 }): Promise<{ timeline: Timeline; digests: Map<bigint, bigint>; output: string }> {
  const next = random(seed + 300), timeline = new Timeline(await torture(seed), options), digests = new Map<bigint, bigint>();
  let output = '';
  while (timeline.time() < end) {
    runTo(timeline, Math.min(end, Number(timeline.time()) + 1 + next(4000)));
    switch (next(8)) {
      case 0: timeline.sendSerial(next(256)); break;
      case 1: timeline.pressNmi(); break;
      case 2: timeline.registers(0).set('rbp', BigInt(next(1 << 20))); break;
      case 3: timeline.writePhysical(BigInt(0x10_0000 + next(0x4_0000)), Uint8Array.of(next(256), next(256))); break;
      case 4: timeline.writeLinear(0, BigInt(0x8_0000 + next(0x800)), Uint8Array.of(next(256))); break;
      default: break;
    }
    digests.set(timeline.time(), timeline.digest());
    output += Buffer.from(timeline.takeSerialOutput()).toString('latin1');
  }
  return { timeline, digests, output };
}

describe('going to an instant', () => {
  it.each([1, 2, 4, 9])('gives the state of that instant (program %i)', async seed => {
    const { timeline, digests } = await recording(seed, 80_000), next = random(seed), instants = [...digests.keys()];
    for (let n = 0; n < 25; n++) {
      const at = instants[next(instants.length)]!;
      timeline.seek(at);
      expect(timeline.time()).toBe(at);
      expect(timeline.digest(), `at ${at}`).toBe(digests.get(at));
    }
  });
  it('and running on from it repeats the run, input and all, and goes on behind its end', async () => {
    const { timeline, digests } = await recording(5, 60_000), end = timeline.end;
    timeline.seek(20_000n);
    runTo(timeline, Number(end));
    expect(timeline.digest()).toBe(digests.get(end));
    runTo(timeline, Number(end) + 10_000);
    const far = timeline.digest();
    timeline.seek(1234n);
    runTo(timeline, Number(end) + 10_000);
    expect(timeline.digest()).toBe(far);
  });
  it('outside the recording is refused', async () => {
    const { timeline } = await recording(3, 10_000);
    expect(() => { timeline.seek(10_001n); }).toThrow(RangeError);
    expect(() => { timeline.seek(-1n); }).toThrow(RangeError);
  });
  it('does not send again what was sent', async () => {
    const { timeline, output } = await recording(11, 80_000);
    expect(output.length).toBeGreaterThan(3);
    timeline.seek(0n);
    timeline.run(50_000);
    timeline.seek(timeline.end);
    expect(timeline.takeSerialOutput()).toHaveLength(0);
  });
});

it('steps go back one by one', async () => {
  const { timeline } = await recording(6, 30_000), digests: bigint[] = [];
  for (let n = 0; n < 80; n++) { digests.push(timeline.digest()); timeline.run(1); }
  while (digests.length > 0) { timeline.stepBack(); expect(timeline.digest()).toBe(digests.pop()); }
  timeline.seek(5n);
  timeline.stepBack(100);
  expect(timeline.time()).toBe(0n);
});

describe('running back', () => {
  it('finds the stops of the run in the reverse order', async () => {
    const { timeline } = await recording(7, 60_000, { every: 5000 });
    timeline.seek(0n);
    const handler = 0xa000n + 0x80n * 14n, forward: string[] = [];
    timeline.addCodeHook(handler);
    timeline.setStops({ exceptions: [0, 1] });
    const name = (kind: string): string => `${kind} at ${timeline.time()} ${timeline.digest()}`;
    while (timeline.time() < 60_000n) {
      const { kind } = timeline.run(60_000 - Number(timeline.time()));
      timeline.drainEvents(() => {});
      if (kind === 'codeHook' || kind === 'exception') forward.push(name(kind));
    }
    expect(forward.length).toBeGreaterThan(10);
    const backward: string[] = [];
    for (let stop = timeline.runBack(); stop; stop = timeline.runBack()) backward.push(name(stop.kind));
    expect(backward).toEqual(forward.reverse());
    expect(timeline.time()).toBe(0n);
  });
  it('leaves out what is not wanted', async () => {
    const { timeline } = await recording(11, 60_000, { every: 5000 });
    timeline.setStops({ exceptions: [0, 1, 14] });
    expect(timeline.runBack(stop => stop.index === 14 && timeline.time() < 30_000n)).toMatchObject({ kind: 'exception', index: 14 });
    expect(timeline.time()).toBeLessThan(30_000n);
    expect(timeline.runBack(() => false)).toBeUndefined();
    expect(timeline.time()).toBe(0n);
  });
  it('and then forward does not stop at the same place again', async () => {
    const { timeline } = await recording(7, 60_000);
    timeline.addCodeHook(0xa000n + 0x80n * 14n);
    timeline.runBack();
    const at = timeline.time();
    expect(timeline.run(1_000_000).units).toBeGreaterThan(0);
    timeline.seek(at);
    expect(timeline.run(1_000_000).units).toBeGreaterThan(0);
  });
});

it('what is done in the past makes another future', async () => {
  const { timeline, digests } = await recording(8, 50_000), end = timeline.end;
  timeline.seek(20_000n);
  expect(timeline.inPast).toBe(true);
  timeline.writePhysical(0xa_0000n, Uint8Array.of(77));
  expect([timeline.inPast, timeline.end]).toEqual([false, 20_000n]);
  expect(() => { timeline.seek(end); }).toThrow(RangeError);
  runTo(timeline, Number(end));
  expect(timeline.digest()).not.toBe(digests.get(end));
  expect(timeline.readPhysical(0xa_0000n, 1)![0]).toBe(77);
  const other = timeline.digest();
  timeline.seek(19_999n);
  expect(timeline.readPhysical(0xa_0000n, 1)![0]).toBe(0);
  timeline.seek(end);
  expect(timeline.digest()).toBe(other);
});

it('snapshots thin out behind the present, within the limits', async () => {
  const { timeline, digests } = await recording(10, 200_000, { every: 1000, mostCheckpoints: 20 });
  const times = timeline.checkpoints.times.map(Number);
  expect(times.length).toBeLessThanOrEqual(20);
  expect(times[0]).toBe(0);
  const gaps = times.slice(1).map((t, n) => t - times[n]!);
  expect(Math.max(...gaps.slice(-4))).toBeLessThan(Math.max(...gaps.slice(0, 6)));
  timeline.seek([...digests.keys()][3]!);
  expect(timeline.digest()).toBe([...digests.values()][3]);

  const small = await recording(10, 60_000, { every: 1000, mostBytes: 2 << 20 });
  expect(small.timeline.checkpoints.bytes).toBeLessThanOrEqual(2 << 20);
  expect(small.timeline.checkpoints.length).toBeGreaterThan(2);
});

it('a companion goes with the machine', async () => {
  const machine = await torture(11);
  machine.recordEvents(['interrupt', 'exception']);
  let seen = 0n;
  const companion: Companion = { observe: () => machine.drainEvents(e => { seen = seen * 31n + e.time & 0xffff_ffff_ffffn; }), save: () => seen, load: saved => { seen = saved as bigint; } };
  const timeline = new Timeline(machine, { every: 9000, companion }), states = new Map<bigint, bigint>();
  for (let t = 1000; t < 60_000; t += 1777) {
    while (timeline.time() < t) { timeline.run(t - Number(timeline.time())); companion.observe(); }
    states.set(timeline.time(), seen);
  }
  expect(new Set(states.values()).size).toBeGreaterThan(5);
  for (const [time, state] of [...states].reverse()) { timeline.seek(time); expect(seen).toBe(state); }
});
