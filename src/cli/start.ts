// `abyme start`: the demonstration on the command line. Drives the debug adapter as an editor does: launch, stop at the guest's CPUID exit,
// look at every level, step over the exit, and print what the editor would show. `--json` prints the same as one object.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { usualStrategy } from '../debug-adapter/demonstration';
import { createAdapter } from '../debug-adapter/factory';
import type { SwitchInfo } from '../inspector/target-types';
import { nodeHost } from './adapter-host';
import { DapClient } from './dap-client';
import { parseOptions, UsageError } from './options';
import { strategies, type Strategy } from '../model/strategies';
import { compare, type Comparison } from './measure';
import { stackFiles } from './model';
import { drawSwitches } from './sequence-drawing';
import { sentenceOf } from './sentence';

interface Level { level: number; threadId: number; name: string; image: string; state: string; function?: string; line?: number; source?: DebugProtocol.Source; rip: string }
interface LevelStack { readonly level: Level; readonly frames: readonly DebugProtocol.StackFrame[] }
interface ScopeText { readonly name: string; readonly lines: readonly string[] }

/** All that is shown. */
export interface Show {
  readonly levels: readonly Level[];
  readonly stacks: readonly LevelStack[];
  readonly exit: { readonly reason: number; readonly name: string; readonly from: number; readonly title: string; readonly details: readonly string[] };
  readonly vmcs: readonly ScopeText[];
  readonly registers: readonly (readonly [name: string, value: string])[];
  readonly sentence: string;
  readonly switches: readonly SwitchInfo[];
  readonly runSeconds: number;
}

export async function startCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['hypervisors', 'strategy'], ['json']);
  if (options.rest.length > 0) throw new UsageError(`abyme start takes no ${options.rest[0]}.`);
  const chosen = options.oneOf('strategy', strategies), show = await demonstrate({ hypervisors: options.integer('hypervisors', 1, 8), strategy: chosen });
  if (options.has('json')) {
    process.stdout.write(`${JSON.stringify(asJson(show))}\n`);
    return 0;
  }
  const hypervisors = show.levels.length - 1;
  process.stdout.write(`${asText(show).join('\n')}\n`);
  // a tall stack would run for minutes under the strategies that it does not follow
  const compared = chosen ? [chosen] : usualStrategy(hypervisors) === 'naive' ? strategies : [usualStrategy(hypervisors)];
  process.stdout.write(`${modelText(await compare(await stackFiles(), compared, hypervisors, { from: hypervisors })).join('\n')}\n`);
  return 0;
}

/** Runs the demonstration to the first CPUID exit of the guest, and over it. */
export async function demonstrate(launch: { hypervisors?: number; strategy?: Strategy }, host = nodeHost()): Promise<Show> {
  const started = performance.now(), adapter = createAdapter(host), client = new DapClient(adapter);
  try {
    await client.request('initialize', { adapterID: 'abyme', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' });
    await client.request('setExceptionBreakpoints', { filters: ['exit.cpuid', 'entry-failure', 'triple-fault'] });
    const stop = client.next<DebugProtocol.StoppedEvent['body']>('stopped'), ended = client.next('terminated').then(() => undefined);
    await client.request('launch', launch);
    await client.request('configurationDone');
    const { threadId, reason } = await Promise.race([stop, ended]) ?? { reason: 'the end of the machine' };
    const runSeconds = (performance.now() - started) / 1000;
    if (threadId === undefined || reason !== 'exception') throw new Error(`stopped for ${reason}, not at the CPUID exit`);

    const levels = (await client.request<{ levels: Level[] }>('abyme/levels', {})).levels;
    const stacks = await Promise.all(levels.map(async level =>
      ({ level, frames: (await client.request<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', { threadId: level.threadId })).stackFrames })));
    const info = await client.request<DebugProtocol.ExceptionInfoResponse['body']>('exceptionInfo', { threadId });
    const { exit } = await client.request<{ exit?: { reason: number; name: string; from: number } }>('abyme/exit', {});
    if (!exit) throw new Error('the stop is not a VM exit');
    const guest = stacks.find(({ level }) => level.threadId === threadId)!;
    const vmcs = await scopeText(client, guest.frames[0].id, 'VMCS');

    const stepped = client.next('stopped');
    await client.request('next', { threadId, granularity: 'instruction' });
    await stepped;
    const { switches } = await client.request<{ switches: SwitchInfo[] }>('abyme/switches', {});
    const top = (await client.request<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', { threadId })).stackFrames[0];
    const registers = await generalRegisters(client, top.id);
    return {
      levels, stacks, exit: { ...exit, title: info.description ?? info.exceptionId, details: (info.details?.stackTrace ?? '').split('\n').filter(line => line !== '') }, vmcs, registers,
      sentence: sentenceOf(new Map(registers)), switches, runSeconds,
    };
  } finally {
    await client.request('disconnect').catch(() => undefined);
    adapter.dispose();
  }
}

async function generalRegisters(client: DapClient, frameId: number): Promise<(readonly [string, string])[]> {
  return Promise.all(['rax', 'rbx', 'rcx', 'rdx'].map(async name => [name, (await client.request<{ result: string }>('evaluate', { expression: name, frameId, context: 'watch' })).result] as const));
}

/** A scope as lines: groups and their fields with the meaning of their bits; fields that are 0 are left out. */
async function scopeText(client: DapClient, frameId: number, name: string): Promise<ScopeText[]> {
  const { scopes } = await client.request<{ scopes: DebugProtocol.Scope[] }>('scopes', { frameId });
  const scope = scopes.find(each => each.name.startsWith(name));
  if (!scope) return [];
  const children = async (reference: number): Promise<DebugProtocol.Variable[]> =>
    (await client.request<{ variables: DebugProtocol.Variable[] }>('variables', { variablesReference: reference })).variables;
  const groups: ScopeText[] = [];
  for (const group of await children(scope.variablesReference)) {
    if (group.variablesReference === 0 || group.name === 'Not in use') continue;
    const fields = (await children(group.variablesReference)).filter(({ value }) => !/^0x0( |$)/.test(value));
    if (fields.length > 0) groups.push({ name: group.name, lines: fields.map(field => `${field.name} = ${field.value}`) });
  }
  return groups;
}

function asJson({ levels, exit, sentence, switches, runSeconds }: Show): object {
  return {
    levels: levels.map(({ level, name, image, function: functionName, line }) => ({ level, name, image, function: functionName ?? null, line: line ?? null })),
    exit: { reason: exit.reason, name: exit.name, from: exit.from },
    sentence,
    switches: switches.map(({ kind, from, to, reason }) => ({ kind, from, to, reason })),
    runSeconds: Math.round(runSeconds * 1000) / 1000,
  };
}

function modelText(comparisons: readonly Comparison[]): string[] {
  return ['', 'Exits of the machine for one VMCALL of the guest, by strategy of the hypervisors: predicted from their operations, and measured',
    ...comparisons.map(({ strategy, predicted, measured }) => `  ${strategy.padEnd(16)}${String(predicted.at(-1)).padStart(6)}${String(measured.at(-1)).padStart(6)}`)];
}

function asText({ levels, stacks, exit, vmcs, registers, sentence, switches, runSeconds }: Show): string[] {
  const place = ({ source, line }: { source?: DebugProtocol.Source; line?: number }): string => source ? `${source.name}:${line}` : '';
  return [
    `Stopped at: ${exit.title}`, '',
    'Levels',
    ...levels.map(level => `${'  '.repeat(level.level + 1)}${level.name}  ${level.state}, in ${level.function ?? '?'} (${place(level)})`), '',
    ...stacks.flatMap(({ level, frames }) => [
      `Stack of ${level.name}`,
      ...frames.map(frame => frame.presentationHint === 'label' ? `  --- ${frame.name} ---` : `  ${frame.name}  ${place(frame)}`), '',
    ]),
    'The exit', ...exit.details.map(line => `  ${line}`), '',
    'The VMCS that L0 uses for the guest (fields that are 0 are left out)', ...vmcs.flatMap(({ name, lines }) => [`  ${name}`, ...lines.map(line => `    ${line}`)]), '',
    'World switches of this one exit', ...drawSwitches(switches, levels.length).map(line => `  ${line}`), '',
    'Registers of the guest after CPUID', ...registers.map(([name, value]) => `  ${name} = ${value}`),
    `  which say: "${sentence}"`, '',
    `From launch to stop: ${runSeconds.toFixed(2)} s`,
  ];
}
