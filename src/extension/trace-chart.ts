// The chart of the Exit Trace page: a lane for each level, the highest on top, with a bar wherever it executes. SVG, drawn anew for each window;
// colours are classes of the page's style sheet, which takes them from the editor's theme.
import type { TraceLanes } from '../inspector/target-types';
import { ticks } from './trace-window';

const namespace = 'http://www.w3.org/2000/svg';
const laneHeight = 24, gap = 4, axisHeight = 18, labelWidth = 36;
/** Colours of the style sheet: levels beyond take them in turn. */
const colours = 6;

function element(name: string, attributes: Record<string, string | number>, text?: string): SVGElement {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** How many columns of shares a chart of that width in pixels can show. */
export const columnsOf = (width: number): number => Math.max(10, Math.min(1000, Math.floor((width - labelWidth) / 2)));
/** Where in the window a point of the chart is, from 0 to 1. */
export const anchorOf = (x: number, width: number): number => Math.min(1, Math.max(0, (x - labelWidth) / Math.max(1, width - labelWidth)));

/** Draws into `svg`, `width` pixels wide. `selected`: number of the switch to mark. Bars have the number of their switch as `data-number`. */
export function drawLanes(svg: SVGElement, lanes: TraceLanes, width: number, selected: number | undefined): void {
  const { levels, start, end } = lanes, height = levels * (laneHeight + gap) + axisHeight, inner = Math.max(1, width - labelWidth), span = Math.max(1, end - start);
  const x = (time: number): number => labelWidth + (time - start) / span * inner, y = (level: number): number => (levels - 1 - level) * (laneHeight + gap);
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('width', String(width));
  svg.setAttribute('height', String(height));
  const parts: SVGElement[] = [];
  for (let level = 0; level < levels; level++) {
    parts.push(element('rect', { class: 'lane', x: labelWidth, y: y(level), width: inner, height: laneHeight }));
    parts.push(element('text', { class: 'lane-name', x: labelWidth - 6, y: y(level) + laneHeight / 2 + 4, 'text-anchor': 'end' }, `L${level}`));
  }
  for (const { level, start: from, end: to, number, name } of lanes.segments ?? []) {
    const bar = element('rect', {
      class: `bar level-${level % colours}${number === selected ? ' selected' : ''}`, x: x(from), y: y(level), width: Math.max(1, x(to) - x(from)), height: laneHeight, 'data-number': number,
    });
    bar.append(element('title', {}, `#${number}: L${level} ${name}, ${to - from} units from ${from}`));
    parts.push(bar);
  }
  lanes.density?.forEach((column, n) => column.forEach((share, level) => {
    if (share === 0) return;
    const tall = Math.max(1, share * laneHeight), wide = inner / lanes.density!.length;
    parts.push(element('rect', { class: `bar level-${level % colours}`, x: labelWidth + n * wide, y: y(level) + laneHeight - tall, width: wide, height: tall }));
  }));
  for (const time of ticks({ start, end }, Math.floor(inner / 90))) {
    parts.push(element('line', { class: 'tick', x1: x(time), x2: x(time), y1: 0, y2: height - axisHeight }));
    parts.push(element('text', { class: 'time', x: x(time), y: height - 4, 'text-anchor': x(time) > width - 30 ? 'end' : 'middle' }, String(time)));
  }
  svg.replaceChildren(...parts);
}

/** The same in words, for those who cannot see it. */
export function describeLanes({ levels, start, end, segments, density }: TraceLanes): string {
  if (levels === 0) return 'No world switches yet.';
  const shares = new Array<number>(levels).fill(0), span = Math.max(1, end - start);
  for (const segment of segments ?? []) shares[segment.level] += (segment.end - segment.start) / span;
  for (const column of density ?? []) column.forEach((share, level) => { shares[level] += share / density!.length; });
  const parts = shares.map((share, level) => `L${level} ${(share * 100).toFixed(0)} %`).join(', ');
  return `Levels over time, from ${start} to ${end} units${segments ? `, ${segments.length} stretches` : ''}: ${parts}.`;
}
