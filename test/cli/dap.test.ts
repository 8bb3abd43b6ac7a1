// The adapter as other editors start it: a process that speaks the protocol on standard input and output, or on a TCP port. Runs the built
// bundle, machine in its worker thread and all.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { join } from 'node:path';
import { counter, talker } from '../debug-adapter/tiny-image';
import { repository } from '../debug-adapter/session-driver';

const program = join(repository, 'dist/abyme.js');
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'abyme-'));
  writeFileSync(join(folder, 'talker'), talker('over stdio\n', 9));
  writeFileSync(join(folder, 'counter'), counter());
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The test client on streams of our own: its way of starting an adapter passes no arguments. */
class StreamClient extends DebugClient {
  constructor(input: Readable, output: Writable) {
    super('node', program, 'abyme');
    this.connect(input, output);
  }
}

describe('over standard input and output', () => {
  async function start(): Promise<{ dc: DebugClient; child: ChildProcess }> {
    const child = spawn('node', [program, 'dap'], { stdio: ['pipe', 'pipe', 'inherit'] });
    return { dc: new StreamClient(child.stdout, child.stdin), child };
  }

  it('runs a program to its exit code', async () => {
    const { dc, child } = await start();
    await dc.initializeRequest({ adapterID: 'abyme', pathFormat: 'path' } as DebugProtocol.InitializeRequestArguments);
    const [output, exited] = await Promise.all([
      dc.waitForEvent('output'), dc.waitForEvent('exited'), dc.waitForEvent('terminated'),
      dc.launchRequest({ program: join(folder, 'talker') } as DebugProtocol.LaunchRequestArguments), dc.configurationDoneRequest(),
    ]);
    expect(output.body).toMatchObject({ category: 'stdout', output: 'over stdio\n' });
    expect(exited.body).toEqual({ exitCode: 9 });
    const closed = new Promise(resolve => child.once('exit', resolve));
    await dc.disconnectRequest();
    expect(await closed).toBe(0);
  });

  it('boots the demonstration without a program, stops in the CPUID exit of L3 and steps over it', async () => {
    const { dc, child } = await start();
    await dc.initializeRequest();
    const [stop] = await Promise.all([dc.waitForEvent('stopped'), dc.launchRequest({} as DebugProtocol.LaunchRequestArguments), dc.configurationDoneRequest()]);
    const { threadId, reason, allThreadsStopped } = (stop as DebugProtocol.StoppedEvent).body;
    expect([reason, allThreadsStopped]).toEqual(['exception', true]);
    const { body: { threads } } = await dc.threadsRequest();
    expect(threads.map(({ name }) => name)).toEqual([expect.stringMatching(/^L0 · hypervisor.*executing/), 'L1 · hypervisor', 'L2 · hypervisor', 'L3 · guest']);
    expect(threads[3].id).toBe(threadId);
    for (const { id } of threads) {
      const { body: { stackFrames: [top] } } = await dc.stackTraceRequest({ threadId: id });
      expect(top.line).toBeGreaterThan(0);
      const { body: { scopes } } = await dc.scopesRequest({ frameId: top.id });
      expect(scopes.map(({ name }) => name)).toContain('Registers');
    }
    const { body: info } = await dc.exceptionInfoRequest({ threadId: threadId! });
    expect(info.description).toMatch(/CPUID exit of L3/);
    for (const step of ['next', 'continue'] as const) {
      const [{ body }] = await Promise.all([dc.waitForEvent('stopped'), step === 'next' ? dc.nextRequest({ threadId: threadId! }) : dc.continueRequest({ threadId: threadId! })]);
      expect(body).toMatchObject({ threadId, reason: step === 'next' ? 'step' : 'exception' });
    }
    const closed = new Promise(resolve => child.once('exit', resolve));
    await dc.disconnectRequest();
    expect(await closed).toBe(0);
  });

  it('pauses a busy machine within 50 ms', async () => {
    const { dc, child } = await start();
    await dc.initializeRequest();
    await dc.launchRequest({ program: join(folder, 'counter') } as DebugProtocol.LaunchRequestArguments);
    await dc.configurationDoneRequest();
    await new Promise(resolve => setTimeout(resolve, 200));
    let best = Infinity;
    for (let i = 0; i < 3; i++) {
      const asked = performance.now();
      await Promise.all([dc.waitForEvent('stopped'), dc.pauseRequest({ threadId: 1 })]);
      best = Math.min(best, performance.now() - asked);
      await dc.continueRequest({ threadId: 1 });
    }
    expect(best).toBeLessThan(50);
    child.kill();
  });

  it('goes on after a message that is not JSON', async () => {
    const { dc, child } = await start();
    const complaint = dc.waitForEvent('output');
    child.stdin!.write('Content-Length: 5\r\n\r\n{oops');
    expect((await complaint).body.output).toContain('not a message');
    expect((await dc.initializeRequest()).success).toBe(true);
    child.kill();
  });
});

describe('over TCP', () => {
  it('serves one session for each connection, on this machine only', async () => {
    const child = spawn('node', [program, 'dap', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const line = await new Promise<string>(resolve => child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString())));
      const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
      for (let i = 0; i < 2; i++) {
        const socket = connect(port, '127.0.0.1'), dc = new StreamClient(socket, socket);
        await new Promise(resolve => socket.once('connect', resolve));
        const { body } = await dc.initializeRequest();
        expect(body?.exceptionBreakpointFilters?.map(({ filter }) => filter)).toContain('exit.cpuid');
        await dc.disconnectRequest();
      }
    } finally {
      child.kill();
    }
  });
});

describe('the command line', () => {
  const run = (...args: string[]): Promise<{ code: number | null; out: string; error: string }> => new Promise(resolve => {
    const child = spawn('node', [program, ...args]), out: Buffer[] = [], error: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => error.push(bytes));
    child.on('close', code => resolve({ code, out: Buffer.concat(out).toString(), error: Buffer.concat(error).toString() }));
  });

  it('run prints the serial port and ends with the code of port 0xF4', async () => {
    expect(await run('run', join(folder, 'talker'), '--memory', '32')).toEqual({ code: 9, out: 'over stdio\n', error: '' });
  });
  it.each([[['nothing']], [['run']], [['run', '/missing']], [['run', '--memory', '5', 'x']], [['dap', '--port', 'x']], [['start', '--xml']]])('%j is a mistake in one line, code 2', async args => {
    const { code, error } = await run(...args);
    expect(code).toBe(2);
    expect(error).toMatch(/^abyme: [^]+\n$/);
    expect(error).not.toContain('    at ');
  });
  it('start prints the demonstration, and the same as one object', async () => {
    const text = await run('start'), { code, out, error } = await run('start', '--json');
    expect([text.code, code, error]).toEqual([0, 0, '']);
    interface Shown {
      levels: { level: number; image: string; function: string; line: number }[];
      exit: object;
      sentence: string;
      switches: { kind: string; from: number; to: number; reason: number }[];
      runSeconds: number;
    }
    expect(text.out).toMatch(/naive +40 +40\n +no-propagation +36 +36\n +shadowing +8 +8\n +both +4 +4\n$/);
    const show = JSON.parse(out) as Shown;
    expect(Object.keys(show).sort()).toEqual(['exit', 'levels', 'runSeconds', 'sentence', 'switches']);
    expect(show.levels.map(({ level, image }) => [level, image])).toEqual([[0, 'hypervisor'], [1, 'hypervisor'], [2, 'hypervisor'], [3, 'guest']]);
    expect(show.levels.every(each => typeof each.function === 'string' && each.line > 0)).toBe(true);
    expect(show.exit).toEqual({ reason: 10, name: 'CPUID', from: 3 });
    expect(show.switches[0]).toEqual({ kind: 'exit', from: 3, to: 0, reason: 10 });
    expect(show.switches.at(-1)).toMatchObject({ kind: 'enter', to: 3 });
    expect(show.runSeconds).toBeGreaterThan(0);
    expect(show.sentence.length).toBeGreaterThan(8);
    expect(text.out).toContain(`"${show.sentence}"`);
    for (const part of ['CPUID exit of L3', 'Stack of L2', 'EXIT_REASON = CPUID (10)', 'L0       L1       L2       L3', 'rax = 0x']) expect(text.out).toContain(part);
  });

  it('start takes another number of hypervisors', async () => {
    const { out } = await run('start', '--json', '--hypervisors', '2');
    expect(JSON.parse(out)).toMatchObject({ exit: { from: 2 }, levels: [{ level: 0 }, { level: 1 }, { level: 2, image: 'guest' }] });
  });

  it('help names every command', async () => {
    const { code, out } = await run('help');
    expect(code).toBe(0);
    for (const name of ['start', 'dap', 'run']) expect(out).toContain(`abyme ${name}`);
  });
});
