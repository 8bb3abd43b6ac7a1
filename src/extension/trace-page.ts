// The script of the Exit Trace page: asks for what is to be shown, fills tables and chart, and handles keys and clicks. Runs in the page, where
// there is no editor API but the message channel. Everything is text nodes: nothing that comes from a guest is ever read as markup.
import type { TraceDetails, TraceFilter, TraceLanes, TracePage, TraceQuery, TraceRow, TraceStatistics, WorldSwitchKind } from '../inspector/target-types';
import { anchorOf, columnsOf, describeLanes, drawLanes } from './trace-chart';
import type { PageMessage, PanelMessage, TraceRequestName } from './trace-messages';
import { fitInto, followed, panned, showing, type TimeWindow, zoomed } from './trace-window';

interface Kept { level: string; reason: string; kind: string }
declare function acquireVsCodeApi(): { postMessage(message: PageMessage): void; getState(): Kept | undefined; setState(state: Kept): void };

const editor = acquireVsCodeApi();
const rowsOfPage = 200, newestSwitches = 60;
const words: Record<WorldSwitchKind, (row: TraceRow) => string> = {
  exit: ({ from, to }) => `L${from} → L${to}  exit`, deliver: ({ from, to }) => `L${to} ← L${from}  delivery`,
  enter: ({ to }) => `L0 → L${to}  entry`, vmfail: ({ to }) => `L0 → L${to}  VMfail`,
};

const find = <T extends Element = HTMLElement>(id: string): T => document.getElementById(id) as unknown as T;
const chart = find<SVGSVGElement>('chart'), choices = { level: find<HTMLSelectElement>('level'), reason: find<HTMLSelectElement>('reason'), kind: find<HTMLSelectElement>('kind') };
const vcpu = find<HTMLSelectElement>('vcpu'), body = document.querySelector<HTMLElement>('#switches tbody')!;

let page: TracePage | undefined;
let lanes: TraceLanes | undefined;
let view: TimeWindow | undefined;
let selected: number | undefined;

// ---- asking

const waiting = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>();
let nextId = 1;

function ask<T>(name: TraceRequestName, args: object): Promise<T> {
  const id = nextId++;
  return new Promise<T>((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    editor.postMessage({ kind: 'request', id, name, args });
  });
}

window.addEventListener('message', ({ data }: MessageEvent<PanelMessage>) => {
  if (data.kind === 'state') return void showState(data.state);
  const asked = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.kind === 'answer') asked?.resolve(data.answer as never);
  else asked?.reject(new Error(data.message));
});

/** Shows what goes wrong where the state stands. */
function guarded(action: () => Promise<void>): void {
  action().catch((error: Error) => { find('state').textContent = error.message; });
}

function showState(state: 'stopped' | 'running' | 'none'): void {
  if (state === 'stopped') return guarded(refresh);
  find('state').textContent = state === 'running' ? 'The machine runs; this is the trace at its last stop.' : 'No machine is being debugged.';
}

function filter(): TraceFilter {
  const { level, reason, kind } = choices;
  return { ...level.value !== '' && { level: Number(level.value) }, ...reason.value !== '' && { reason: Number(reason.value) }, ...kind.value !== '' && { kind: kind.value as WorldSwitchKind } };
}

/** After a stop: everything anew, at the newest switches. */
async function refresh(): Promise<void> {
  const statistics = await ask<TraceStatistics>('abyme/traceStatistics', {});
  fillChoices(statistics);
  await Promise.all([turn({ backwards: true }), showStatistics(), freshChart()]);
  // The exit shown may be over by now; of another machine it says nothing.
  if (selected !== undefined && selected >= statistics.start && selected < statistics.end) await showDetails(selected);
  else forgetDetails();
  find('state').textContent = statistics.end === 0 ? 'No world switches yet.' : `World switches ${statistics.start} to ${statistics.end - 1}, ${statistics.units} units.`;
}

// ---- filters and statistics

function option(value: string, text: string): HTMLOptionElement {
  const made = document.createElement('option');
  made.value = value;
  made.textContent = text;
  return made;
}

/** Sets the choices of a list and keeps the one made. */
function offer(list: HTMLSelectElement, options: readonly HTMLOptionElement[], wanted = list.value): void {
  list.replaceChildren(...options);
  list.value = options.some(({ value }) => value === wanted) ? wanted : options[0]?.value ?? '';
}

function fillChoices({ levels, reasons }: TraceStatistics): void {
  const kept = editor.getState(), names = new Map([...reasons].sort((a, b) => a.reason - b.reason).map(({ reason, name }) => [reason, name]));
  offer(choices.level, [option('', 'all'), ...levels.map(({ level }) => option(String(level), `L${level}`))], choices.level.value || kept?.level);
  offer(choices.reason, [option('', 'all'), ...[...names].map(([reason, name]) => option(String(reason), `${name} (${reason})`))], choices.reason.value || kept?.reason);
  if (kept && choices.kind.value === '') choices.kind.value = kept.kind;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function cells(...values: (string | number)[]): HTMLTableCellElement[] {
  return values.map((value) => {
    const cell = document.createElement('td');
    cell.textContent = String(value);
    if (typeof value === 'number' || value.endsWith(' %')) cell.className = 'number';
    return cell;
  });
}

function fill(table: string, rows: readonly (readonly (string | number)[])[]): void {
  document.querySelector(`#${table} tbody`)!.replaceChildren(...rows.map((values) => {
    const row = document.createElement('tr');
    row.append(...cells(...values));
    return row;
  }));
}

async function showStatistics(): Promise<void> {
  const { kind: _, ...chosen } = filter(), { levels, reasons } = await ask<TraceStatistics>('abyme/traceStatistics', chosen);
  fill('levels', levels.map(({ level, exits, executed, share }) => [`L${level}`, exits, executed, percent(share)]));
  fill('reasons', reasons.map(({ level, name, count, below, share }) => [`L${level}`, name, count, below, percent(share)]));
}

// ---- pages

async function turn(query: Omit<TraceQuery, 'count'>): Promise<void> {
  page = await ask<TracePage>('abyme/trace', { ...filter(), ...query, count: rowsOfPage });
  body.replaceChildren(...page.rows.map(tableRow));
  const { before, matching, rows } = page;
  find('position').textContent = matching === 0 ? 'none' : `${before + 1} to ${before + rows.length} of ${matching}`;
  for (const id of ['first', 'previous']) find<HTMLButtonElement>(id).disabled = before === 0;
  for (const id of ['next', 'last']) find<HTMLButtonElement>(id).disabled = before + rows.length >= matching;
  mark();
  if (query.backwards) document.querySelector('.table')!.scrollTop = 1e9;
}

function tableRow(row: TraceRow): HTMLTableRowElement {
  const made = document.createElement('tr');
  made.dataset.number = String(row.number);
  made.tabIndex = -1;
  const name = `${row.name}${row.entryFailed ? ' (entry failed)' : ''}${row.uncertain ? ' ?' : ''}`;
  made.append(...cells(row.number, row.time, words[row.kind](row), name, row.rip, row.qualification ?? '', row.below ?? ''));
  made.className = row.kind;
  return made;
}

/** Marks the chosen switch in table and chart; the first row takes its place for the tabulator key when it is not there. */
function mark(): void {
  const rows = [...body.children] as HTMLElement[], chosen = rows.find((row) => row.dataset.number === String(selected));
  for (const row of rows) {
    row.tabIndex = row === (chosen ?? rows.at(-1)) ? 0 : -1;
    row.classList.toggle('selected', row === chosen);
    row.setAttribute('aria-selected', String(row === chosen));
  }
  for (const bar of chart.querySelectorAll<SVGElement>('.bar')) bar.classList.toggle('selected', bar.dataset.number === String(selected));
}

/** Shows the details of a switch; `where` says which of table and chart has to follow. */
async function choose(number: number, where: 'table' | 'chart'): Promise<void> {
  selected = number;
  if (where === 'table' && !page?.rows.some((row) => row.number === number)) await turn({ from: Math.max(0, number - rowsOfPage / 2) });
  mark();
  if (where === 'table') body.querySelector('.selected')?.scrollIntoView({ block: 'center' });
  const row = page?.rows.find((each) => each.number === number);
  if (where === 'chart' && row && view && lanes) {
    const moved = showing(view, bounds(), row.time);
    if (moved !== view) await show(moved);
  }
  await showDetails(number);
}

function forgetDetails(): void {
  selected = undefined;
  const hint = document.createElement('dt');
  hint.textContent = 'Choose a row.';
  find('title').textContent = 'Details';
  find('details').replaceChildren(hint);
}

async function showDetails(number: number): Promise<void> {
  const details = await ask<TraceDetails>('abyme/traceDetails', { number });
  if (selected !== number) return;
  find('title').textContent = `#${number}: ${details.title}`;
  find('details').replaceChildren(...details.lines.flatMap(({ name, value }) => {
    const term = document.createElement('dt'), description = document.createElement('dd');
    term.textContent = name;
    description.textContent = value;
    return [term, description];
  }));
}

// ---- chart

const bounds = (): TimeWindow => ({ start: lanes?.traceStart ?? 0, end: lanes?.traceEnd ?? 0 });
const chartWidth = (): number => Math.max(200, chart.parentElement!.clientWidth);

async function show(wanted: TimeWindow | undefined): Promise<void> {
  lanes = await ask<TraceLanes>('abyme/traceLanes', { vcpu: Number(vcpu.value || 0), columns: columnsOf(chartWidth()), ...wanted });
  view = { start: lanes.start, end: lanes.end };
  draw();
}

function draw(): void {
  if (!lanes || !view) return;
  drawLanes(chart, lanes, chartWidth(), selected);
  chart.setAttribute('aria-label', describeLanes(lanes));
  find('window').textContent = `${view.start} to ${view.end} units`;
  find('vcpu-choice').hidden = lanes.vcpus < 2;
  if (vcpu.options.length !== lanes.vcpus) offer(vcpu, Array.from({ length: lanes.vcpus }, (_, n) => option(String(n), String(n))));
}

/** The window that shows the newest switches, or the one chosen by the user moved along with the end. */
async function freshChart(): Promise<void> {
  const old = lanes && view && { bounds: bounds(), view };
  if (!old || old.bounds.end === old.bounds.start) return newest();
  await show(undefined);
  await show(followed(old.view, old.bounds, bounds()));
}

async function newest(): Promise<void> {
  const { rows } = await ask<TracePage>('abyme/trace', { count: newestSwitches, backwards: true });
  await show(rows.length === 0 ? undefined : { start: rows[0].time, end: Math.max(rows[0].time, rows.at(-1)!.time) });
}

const moves: Record<string, (from: TimeWindow, all: TimeWindow) => TimeWindow> = {
  'zoom-in': (from, all) => zoomed(from, all, 0.5), 'zoom-out': (from, all) => zoomed(from, all, 2), earlier: (from, all) => panned(from, all, -0.25), later: (from, all) => panned(from, all, 0.25),
  all: (_, all) => all, start: (from, all) => fitInto({ start: all.start, end: all.start + from.end - from.start }, all),
  end: (from, all) => fitInto({ start: all.end - (from.end - from.start), end: all.end }, all),
};
const keys: Record<string, string> = { '+': 'zoom-in', '=': 'zoom-in', '-': 'zoom-out', ArrowLeft: 'earlier', ArrowRight: 'later', Home: 'start', End: 'end', 0: 'all' };

function move(name: string): void {
  if (view && lanes) guarded(() => show(moves[name](view!, bounds())));
}

// ---- keys and clicks

for (const id of ['zoom-in', 'zoom-out', 'earlier', 'later', 'all']) find(id).addEventListener('click', () => move(id));
find('newest').addEventListener('click', () => guarded(newest));
vcpu.addEventListener('change', () => guarded(() => show(view)));
chart.addEventListener('keydown', (event) => {
  const name = keys[event.key];
  if (name === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  move(name);
});
chart.addEventListener('wheel', (event) => {
  if (!view || !lanes || !(event.ctrlKey || event.shiftKey)) return;
  event.preventDefault();
  const anchor = anchorOf(event.offsetX, chartWidth());
  const next = event.ctrlKey ? zoomed(view, bounds(), event.deltaY > 0 ? 1.25 : 0.8, anchor) : panned(view, bounds(), event.deltaY + event.deltaX > 0 ? 0.1 : -0.1);
  guarded(() => show(next));
}, { passive: false });
chart.addEventListener('click', (event) => {
  const number = (event.target as SVGElement).dataset.number;
  if (number !== undefined) guarded(() => choose(Number(number), 'table'));
});

const rowOf = (event: Event): HTMLElement | null => (event.target as HTMLElement).closest<HTMLElement>('tr[data-number]');
body.addEventListener('click', (event) => {
  const row = rowOf(event);
  if (row) guarded(() => choose(Number(row.dataset.number), 'chart'));
});
body.addEventListener('keydown', (event) => {
  const row = rowOf(event), beside = event.key === 'ArrowDown' ? row?.nextElementSibling : event.key === 'ArrowUp' ? row?.previousElementSibling : undefined;
  if (row && (event.key === 'Enter' || event.key === ' ')) guarded(() => choose(Number(row.dataset.number), 'chart'));
  else if (beside instanceof HTMLElement) {
    row!.tabIndex = -1;
    beside.tabIndex = 0;
    beside.focus();
  } else return;
  event.preventDefault();
});

find('first').addEventListener('click', () => guarded(() => turn({})));
find('last').addEventListener('click', () => guarded(() => turn({ backwards: true })));
find('next').addEventListener('click', () => guarded(() => turn({ from: page!.rows.at(-1)!.number + 1 })));
find('previous').addEventListener('click', () => guarded(() => turn({ from: Math.max(0, page!.rows[0].number - 1), backwards: true })));
for (const list of Object.values(choices)) {
  list.addEventListener('change', () => {
    editor.setState({ level: choices.level.value, reason: choices.reason.value, kind: choices.kind.value });
    guarded(async () => { await Promise.all([turn({ backwards: true }), showStatistics()]); });
  });
}
for (const button of document.querySelectorAll<HTMLButtonElement>('button.export')) {
  button.addEventListener('click', () => editor.postMessage({ kind: 'export', format: button.dataset.format as never, filter: filter() }));
}
let resizing: ReturnType<typeof setTimeout> | undefined;
window.addEventListener('resize', () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { if (lanes) guarded(() => show(view)); }, 100);
});

editor.postMessage({ kind: 'ready' });
