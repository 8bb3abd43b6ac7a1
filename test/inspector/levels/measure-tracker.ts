// Feeds a recorded stream of a three-level stack to the level tracker again and again. Bundled by the speed test, since the test runner's own
// module wrapping makes every imported name several times slower.
import { EventReader } from '../../../src/emulator/event-ring';
import { eventKinds, eventSlotBytes, region } from '../../../src/emulator/codegen/state-layout';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { NestedStack } from './nested-stack';

export function measureTracker(): { exits: number; events: number; contexts: number; exitsPerSecond: number } {
  const stack = new NestedStack({ levels: 3, addresses: 'same', hardware: 'per level', ept: true, reads: 3 }, () => undefined);
  stack.boot();
  const booted = stack.stream.count;
  for (let n = 0; n < 20; n++) stack.guestExit();
  const slots: number[] = [], view = stack.stream.view, base = region('events').base;
  for (let slot = 0; slots.length < stack.stream.count; slot += view.getUint8(base + slot * eventSlotBytes + 2)) slots.push(slot);
  const exits = slots.slice(booted).filter(slot => view.getUint8(base + slot * eventSlotBytes) === eventKinds.indexOf('vmExit')).length;
  const tracker = new LevelTracker(), reader = new EventReader(view);
  const feed = (from: number): void => { for (let n = from; n < slots.length; n++) { reader.seek(slots[n]); tracker.feed(reader); } };
  feed(0);
  let best = Infinity;
  for (let run = 0; run < 50; run++) {
    const started = performance.now();
    feed(booted);
    best = Math.min(best, performance.now() - started);
  }
  return { exits, events: slots.length - booted, contexts: tracker.contexts.length, exitsPerSecond: exits / best * 1000 };
}
