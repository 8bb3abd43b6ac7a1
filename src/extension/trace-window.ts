// The stretch of time that the chart of the trace shows, and how keys and buttons move it. Times in units, whole numbers; never outside the
// trace, never narrower than `narrowest`. No editor import: tested as data.

export interface TimeWindow { readonly start: number; readonly end: number }

const narrowest = 8;

/** The window moved and narrowed until it lies within `bounds`. */
export function fitInto({ start, end }: TimeWindow, bounds: TimeWindow): TimeWindow {
  const width = Math.min(Math.max(Math.round(end - start), narrowest), bounds.end - bounds.start);
  const from = Math.min(Math.max(Math.round(start), bounds.start), bounds.end - width);
  return { start: from, end: from + width };
}

/** `factor` below 1 zooms in; the point at `anchor` (0 = left edge, 1 = right) stays where it is. */
export function zoomed(window: TimeWindow, bounds: TimeWindow, factor: number, anchor = 0.5): TimeWindow {
  const width = window.end - window.start, wanted = Math.max(width * factor, narrowest), at = window.start + width * anchor;
  return fitInto({ start: at - wanted * anchor, end: at + wanted * (1 - anchor) }, bounds);
}

/** Moved by a fraction of its width, to the right if positive. */
export function panned(window: TimeWindow, bounds: TimeWindow, fraction: number): TimeWindow {
  const by = Math.sign(fraction) * Math.max(1, Math.round(Math.abs(fraction) * (window.end - window.start)));
  return fitInto({ start: window.start + by, end: window.end + by }, bounds);
}

/** As wide as it is, with `time` inside; unmoved if it is inside already. */
export function showing(window: TimeWindow, bounds: TimeWindow, time: number): TimeWindow {
  if (time >= window.start && time <= window.end) return window;
  const half = (window.end - window.start) / 2;
  return fitInto({ start: time - half, end: time + half }, bounds);
}

/** The window for a trace that has grown: one that showed the old end shows the new one. */
export function followed(window: TimeWindow, old: TimeWindow, bounds: TimeWindow): TimeWindow {
  if (window.start === old.start && window.end === old.end) return bounds;
  return window.end === old.end ? fitInto({ start: bounds.end - (window.end - window.start), end: bounds.end }, bounds) : fitInto(window, bounds);
}

/** Round times inside the window for the axis, at most `most`. */
export function ticks({ start, end }: TimeWindow, most: number): number[] {
  const width = end - start;
  if (width <= 0 || most < 1) return [];
  let step = 1;
  for (let n = 0; Math.floor(width / step) > most; n++) step *= n % 3 === 1 ? 2.5 : 2;
  const found: number[] = [];
  for (let time = Math.ceil(start / step) * step; time <= end; time += step) found.push(time);
  return found;
}
