// The tracker sees every exit of the machine: a recorded stream of a three-level stack is fed again and again and must pass fast enough.
// The limit leaves a slow, shared machine several times the expected figure.
import { expect, it } from 'vitest';
import { EventReader } from '../../../src/emulator/event-ring';
import { eventSlotBytes, region } from '../../../src/emulator/codegen/state-layout';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { NestedStack } from './nested-stack';

it('passes at least 500,000 exits a second', () => {
  const stack = new NestedStack({ levels: 3, addresses: 'same', hardware: 'per level', ept: true, reads: 3 }, () => undefined);
  stack.boot();
  const booted = stack.stream.count;
  for (let n = 0; n < 20; n++) stack.guestExit();
  const slots: number[] = [], view = stack.stream.view, base = region('events').base;
  for (let slot = 0; slots.length < stack.stream.count; slot += view.getUint8(base + slot * eventSlotBytes + 2)) slots.push(slot);
  const exits = slots.slice(booted).filter(slot => view.getUint8(base + slot * eventSlotBytes) === 3).length;
  const tracker = new LevelTracker(), reader = new EventReader(view);
  const feed = (from: number): void => { for (let n = from; n < slots.length; n++) { reader.seek(slots[n]); tracker.feed(reader); } };
  feed(0);
  let best = Infinity;
  for (let run = 0; run < 12; run++) {
    const started = performance.now();
    feed(booted);
    best = Math.min(best, performance.now() - started);
  }
  const perSecond = exits / best * 1000;
  console.log(`level tracker: ${Math.round(perSecond).toLocaleString('en')} exits a second, ${Math.round(best * 1e6 / exits)} ns an exit (${exits} exits, ${slots.length - booted} events)`);
  expect(tracker.contexts.length).toBe(4);
  expect(perSecond).toBeGreaterThan(500_000);
});
