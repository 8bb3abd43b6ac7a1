// `npm run bench:debugger`: how fast the debugger answers, through the protocol as an editor speaks it. Times are milliseconds at the client, medians
// unless said otherwise. `-- --json` prints one object and nothing else on standard output.
import { readFileSync } from 'node:fs';
import { median, Session, startAdapter, timed } from './debugger-client.mjs';
import { runInTurns } from './stack.mjs';

const json = process.argv.includes('--json');
const say = (text = '') => { if (!json) console.log(text); };
const demonstration = { hypervisors: 3, stopsFrom: 'guest' };
const cpuid = session => session.request('setExceptionBreakpoints', { filters: ['exit.cpuid@3'] });

const adapter = await startAdapter();
/** Processor time of the adapter's process, ms: what a run costs whatever else the machine does. */
const busy = () => { const [, , ...fields] = readFileSync(`/proc/${adapter.pid}/stat`, 'utf8').split(/\) /)[1].split(' ').map(Number); return (fields[9] + fields[10]) * 10; };
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${adapter.pid}/status`, 'utf8'))[1]) / 1024;
try {
  const result = {};

  // F5 to the stack of the first stop: sessions after the first in one process
  const starts = [];
  for (let n = 0; n < 5; n++) {
    const session = await Session.open(adapter.port);
    starts.push(await timed(async () => {
      const { threadId } = await session.start(demonstration, () => cpuid(session));
      await session.request('threads');
      await session.request('stackTrace', { threadId, levels: 20 });
    }));
    await session.end();
  }
  result.firstStopMs = Math.min(...starts.slice(1));
  result.firstStopColdMs = starts[0];

  const session = await Session.open(adapter.port);
  let { threadId } = await session.start(demonstration, () => cpuid(session));
  const top = async () => (await session.request('stackTrace', { threadId, levels: 20 })).stackFrames[0];

  // opening every scope of the level that exited; the figure is the slowest scope
  const scopes = new Map();
  for (let n = 0; n < 10; n++) {
    for (const { name, variablesReference } of (await session.request('scopes', { frameId: (await top()).id })).scopes) {
      const ms = await timed(() => session.request('variables', { variablesReference }));
      scopes.set(name, [...scopes.get(name) ?? [], ms]);
    }
    await session.stop('continue', { threadId });
  }
  result.scopeMs = Math.max(...[...scopes.values()].map(median));

  // over the exit of the third level, with its stack after it
  const over = [];
  for (let n = 0; n < 40; n++) {
    over.push(await timed(async () => { await session.stop('next', { threadId }); await top(); }));
    await session.stop('continue', { threadId });
  }
  result.stepOverExitMs = median(over);

  // a step by instruction, and by line, of the level that executes
  await session.request('setExceptionBreakpoints', { filters: [] });
  ({ threadId } = await session.stop('next', { threadId }));
  const step = async granularity => timed(async () => { await session.stop('next', { threadId, granularity }); await top(); });
  const byInstruction = [], byLine = [];
  for (let n = 0; n < 100; n++) byInstruction.push(await step('instruction'));
  for (let n = 0; n < 100; n++) byLine.push(await step('statement'));
  result.stepMs = Math.max(median(byInstruction), median(byLine));

  // exits that a condition refuses, in a second of processor time: the best of some rounds, in each of which every kind of condition has its turn
  const conditions = {
    leaf: 'leaf == 0xd && level == 1', msr: 'msr == 0xc0000080 && rdx != 0', either: 'leaf == 0x99 || port == 0x99', register: 'rflags.df && rip > 0x1000', vmcs: 'vmcs.GUEST_CR3 == 1',
    level: 'level == 7',
  };
  const passed = {};
  for (let n = 0; n < 6; n++) {
    for (const [name, condition] of Object.entries(conditions)) {
      await session.request('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: 'exit', condition }] });
      const from = (await session.request('abyme/trace', { count: 0 })).end, begin = busy();
      await session.request('continue', { threadId });
      await new Promise(resolve => setTimeout(resolve, 600));
      await session.stop('pause', { threadId });
      const ms = busy() - begin, switches = (await session.request('abyme/trace', { count: 0 })).end - from;
      // every exit is followed by an entry
      passed[name] = Math.max(passed[name] ?? 0, switches / 2 / ms * 1000);
    }
  }
  result.conditionalExitsPerSecond = Math.min(...Object.values(passed));
  result.conditionalExits = passed;

  // a thousand steps in a row: what memory the process holds more, after as many before to settle; the trace of exits has all its room by now
  await session.request('setExceptionBreakpoints', { filters: [] });
  ({ threadId } = await session.stop('next', { threadId }));
  for (let n = 0; n < 1000; n++) await step('instruction');
  const before = rss();
  for (let n = 0; n < 1000; n++) await step('instruction');
  result.stepsGrowthMb = rss() - before;
  await session.end();

  // the same work with the trace of exits and without it, and on the machine alone: turn by turn
  const turns = await runInTurns(3, 4000, ['none', 'levels', 'trace']);
  const ratio = (of, to) => median(turns[of].map((ms, n) => ms / turns[to][n]));
  result.traceOverhead = ratio('trace', 'levels');
  result.levelsOverhead = ratio('levels', 'none');

  for (const [name, value] of Object.entries(result)) if (typeof value === 'number') result[name] = Number(value.toFixed(2));
  if (json) console.log(JSON.stringify(result));
  else {
    say(`F5 to first stop            ${result.firstStopMs.toFixed(0)} ms warm, ${result.firstStopColdMs.toFixed(0)} ms cold`);
    say(`one step                    ${result.stepMs.toFixed(1)} ms`);
    say(`step over an exit of L3     ${result.stepOverExitMs.toFixed(1)} ms`);
    say(`opening the slowest scope   ${result.scopeMs.toFixed(1)} ms`);
    say(`exits past a condition      ${Object.entries(passed).map(([name, n]) => `${name} ${Math.round(n / 1000)}`).join(', ')} thousand a second`);
    say(`run time with the trace     ${result.traceOverhead.toFixed(2)} of that without; following levels ${result.levelsOverhead.toFixed(2)} of that of the machine alone`);
    say(`1,000 steps in a row        ${result.stepsGrowthMb.toFixed(1)} MB more`);
  }
} finally {
  adapter.end();
}
process.exit(0);
