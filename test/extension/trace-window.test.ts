// Zooming and moving the chart of the trace, as data.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitInto, followed, panned, showing, ticks, type TimeWindow, zoomed } from '../../src/extension/trace-window';

const all: TimeWindow = { start: 100, end: 1100 };
const check = (name: string, found: TimeWindow, start: number, end: number) => it(name, () => expect(found).toEqual({ start, end }));

describe('a window', () => {
  check('zooms in around its middle', zoomed({ start: 200, end: 400 }, all, 0.5), 250, 350);
  check('zooms in around a point', zoomed({ start: 200, end: 400 }, all, 0.5, 0), 200, 300);
  check('zooms out', zoomed({ start: 250, end: 350 }, all, 2), 200, 400);
  check('zooms out to the whole at most', zoomed({ start: 100, end: 900 }, all, 2), 100, 1100);
  check('is never narrower than eight units', zoomed({ start: 300, end: 308 }, all, 0.5), 300, 308);
  check('moves', panned({ start: 200, end: 400 }, all, 0.25), 250, 450);
  check('moves to the end at most', panned({ start: 1000, end: 1100 }, all, 0.5), 1000, 1100);
  check('moves by a unit at least', panned({ start: 200, end: 208 }, all, -0.01), 199, 207);
  check('goes to a time outside it', showing({ start: 200, end: 300 }, all, 800), 750, 850);
  check('stays for a time inside it', showing({ start: 200, end: 300 }, all, 300), 200, 300);
  check('follows the end', followed({ start: 1000, end: 1100 }, all, { start: 100, end: 2000 }), 1900, 2000);
  check('that shows the whole goes on showing it', followed(all, all, { start: 300, end: 2000 }), 300, 2000);
  check('in the middle stays', followed({ start: 500, end: 600 }, all, { start: 100, end: 2000 }), 500, 600);
  check('is pushed by the start of a full ring', followed({ start: 110, end: 210 }, all, { start: 1000, end: 2000 }), 1000, 1100);
  check('of an empty trace is empty', fitInto({ start: 5, end: 50 }, { start: 0, end: 0 }), 0, 0);

  it('never leaves the trace, whatever is done', () => {
    const step = fc.oneof(
      fc.record({ zoom: fc.double({ min: 0.1, max: 8, noNaN: true }), anchor: fc.double({ min: 0, max: 1, noNaN: true }) }), fc.record({ pan: fc.double({ min: -2, max: 2, noNaN: true }) }),
    );
    fc.assert(fc.property(fc.nat(1e6), fc.nat(1e6), fc.array(step, { maxLength: 30 }), (start, length, steps) => {
      const bounds = { start, end: start + length };
      let window = bounds;
      for (const each of steps) {
        window = 'pan' in each ? panned(window, bounds, each.pan) : zoomed(window, bounds, each.zoom, each.anchor);
        expect(window.start).toBeGreaterThanOrEqual(bounds.start);
        expect(window.end).toBeLessThanOrEqual(bounds.end);
        expect(window.end - window.start).toBeGreaterThanOrEqual(Math.min(8, length));
        expect(Number.isInteger(window.start) && Number.isInteger(window.end)).toBe(true);
      }
    }));
  });
});

describe('ticks', () => {
  it.each([
    [{ start: 0, end: 100 }, 5, [0, 20, 40, 60, 80, 100]], [{ start: 95, end: 130 }, 4, [100, 110, 120, 130]], [{ start: 0, end: 0 }, 5, []], [{ start: 0, end: 9 }, 0, []],
  ] as const)('%j with %i', (window, most, expected) => {
    expect(ticks(window, most)).toEqual(expected);
  });
  it('are inside, evenly spaced and few', () => {
    fc.assert(fc.property(fc.nat(1e9), fc.integer({ min: 1, max: 1e7 }), fc.integer({ min: 1, max: 20 }), (start, length, most) => {
      const found = ticks({ start, end: start + length }, most);
      expect(found.length).toBeLessThanOrEqual(most + 1);
      for (const time of found) expect(time >= start && time <= start + length).toBe(true);
      for (let n = 2; n < found.length; n++) expect(found[n] - found[n - 1]).toBe(found[1] - found[0]);
    }));
  });
});
