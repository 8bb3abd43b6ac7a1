// The commands of the Debug Console through the protocol, on the demonstration and on hypervisors with EPT: what each line answers, as a table.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { consoleCommands } from '../../src/inspector/console/table';
import { repository, SessionDriver, type Stopped } from './session-driver';

type Evaluated = DebugProtocol.EvaluateResponse['body'];

/** A session with its frame in view. */
class Console {
  constructor(readonly session: SessionDriver, public frameId: number) {}
  static async at(session: SessionDriver, stop: Stopped): Promise<Console> { return new Console(session, (await session.stack(stop.threadId ?? 1))[0].id); }
  answer(expression: string, context = 'repl'): Promise<Evaluated> { return this.session.request<Evaluated>('evaluate', { expression, frameId: this.frameId, context }); }
  async error(expression: string): Promise<string> { return (await this.session.failure('evaluate', { expression, frameId: this.frameId, context: 'repl' })).message; }
  async labels(text: string): Promise<string[]> {
    return (await this.session.request<{ targets: { label: string }[] }>('completions', { text, column: text.length + 1, frameId: this.frameId })).targets.map(({ label }) => label);
  }
}

describe('at a CPUID exit of L3', () => {
  let session: SessionDriver, view: Console;
  beforeAll(async () => {
    session = new SessionDriver();
    view = await Console.at(session, await session.start());
  });
  afterAll(() => session.end());

  const rows: readonly (readonly [line: string, ...answers: RegExp[]])[] = [
    ['levels', /^ {2}L0 · hypervisor +executing, handles an exit of L3 +0x[0-9a-f]+ enter_guest \(world-switch\.S:\d+\)/, /^\* {7}L3 · guest +in its CPUID exit/m],
    ['exits 1', /^#\d+ +at \d+ +L3 exits to L0: CPUID +CPUID leaf 0x4abe0000/],
    ['exits', /(.*\n){9}#\d+ +at \d+ +L3 exits to L0: CPUID/, /L3 is entered \(after VMLAUNCH\)/, /L1 exits to L0: VMWRITE +VMWRITE of [A-Z_0-9]+, from /],
    ['vmcs', /^VMCS at 0x[0-9a-f]+\n/, /Host state +\d+ of \d+ fields/],
    ['vmcs host', /HOST_RIP +0x[0-9a-f]+/],
    ['vmcs guest_rip', /^GUEST_RIP = 0x[0-9a-f]+\nGuest RIP, 64 bits, encoding 0x681e, of the VMCS at/],
    ['vmcs 0x681e', /^GUEST_RIP = /],
    ['vmcs rip of 12', /GUEST_RIP/, /HOST_RIP/],
    ['vmcs GUEST_CR0 of 12', /of the VMCS of L1 at its 0x[0-9a-f]+\nLast written by L1 in write_field.* \(vmx\.h:\d+\)/],
    ['vmcs of current L1', /^VMCS of L1 at its/],
    ['diff 12 02', /^VMCS of L1 at its 0x[0-9a-f]+ \| VMCS at 0x[0-9a-f]+\n/, /HOST_RIP +0x[0-9a-f]+ +\| +0x[0-9a-f]+/],
    ['diff L3 L3', /no field that both hold differs/],
    ['walk rip', /^4-level paging of L3: linear/, /PML4E +\[ {2}0\] at 0x[0-9a-f]+: 0x[0-9a-f]+ {2}rwx supervisor/, /No EPT of L1 for L2/, /= physical 0x[0-9a-f]+/],
    ['walk L0.rip at L0', /^4-level paging of L0(.*\n)+ {2}= physical 0x[0-9a-f]+/],
    ['ept 0x1000 at L2', /guest-physical of L1 0x1000, rwx\n(.*\n)+ {2}= physical 0x1000/],
    ['msr 0x480', /^IA32_VMX_BASIC \(0x480\) = 0x[0-9a-f]+/, /read-only/],
    ['msr efer at L0', /^IA32_EFER \(0xc0000080\) = 0x500 {2}.*LMA/],
    ['x/2xg rsp', /^L3:0x[0-9a-f]+: {2}0x[0-9a-f]{16} {2}0x[0-9a-f]{16}$/],
    ['x/3xb L1:L1.rip', /^L1:0x[0-9a-f]+ <.*>: {2}0x0f {2}0x01 {2}0xc2$/],
    ['x/1xw gpa1:0x0', /^gpa1:0x0: {2}0x[0-9a-f]{8}$/],
    ['x/2dw phys:0x0', /^phys:0x0: {2}-?\d+ {2}-?\d+$/],
    ['x/ab rip', /0xf|0x0f/],
    ['x/2i rip', /^0x[0-9a-f]+ .*cpuid.*\n0x[0-9a-f]+/],
    ['dis', /^(.*\n){9}.*$/, /cpuid/],
    ['dis L1:L1.rip 1', /^0x[0-9a-f]+ +<enter_guest\+0x[0-9a-f]+> +vm(launch|resume)/],
    ['why', /^CPUID exit of L3: CPUID leaf 0x4abe0000, subleaf 0x0\n/, /The guest executed CPUID\./],
    ['lint', /^VMCS at .*: no check of VM entry would fail/],
    ['lint of current L1', /^VMCS of L1 at its .*: no check of VM entry would fail/],
    ['trace', /^\d+ world switches in \d+ units\nlevel +exits +units executed/, /^L1 +VMREAD +\d+ +\d+ +\d+\.\d +\d+\.\d %$/m, /^L3 +CPUID +1$/m],
    ['help', /^levels +The tree/, /^x\/FMT ADDRESS/m],
    ['help diff', /^diff A B\n/],
    ['L0.rip', /^0x[0-9a-f]+ \(\d+\)$/],
  ];
  it.each(rows.map(([line, ...answers]) => [line, answers] as const))('%s', async (line, answers) => {
    const { result } = await view.answer(line);
    for (const answer of answers) expect(result).toMatch(answer);
  });

  it.each([
    ['diff a', /As a command: diff A B/], ['vmcs of L7', /there is no L7 here/], ['vmcs of 0x123000', /L0 has not used a VMCS at 0x123000/], ['diff now last', /at the stop before are not known/],
    ['msr 0x12345', /there is no MSR 0x12345/], ['msr 0x480 = 1', /IA32_VMX_BASIC is read-only/], ['x/4xg 0x7f0000000000', /L3:0x7f0000000000 is not mapped/], ['walk phys:0x1000', /not translated/],
    ['ept 0x1000 at L0', /memory of L0 is host memory/], ['dis phys:0x1000', /linear addresses/], ['exits + 1', /exits \+ 1 has no value in L3/],
    ['levels.x', /no register or variable levels/], ['help nothing', /As a command: help/],
  ])('%s is answered by the reason', async (line, reason) => { expect(await view.error(line)).toMatch(reason); });

  it('commands are for the console only', async () => {
    expect((await session.failure('evaluate', { expression: 'levels', frameId: view.frameId, context: 'watch' })).message).toMatch(/levels has no value/);
  });

  it('structured answers can be opened', async () => {
    for (const [line, child] of [['vmcs', 'Host state'], ['exits', '#'], ['vmcs GUEST_CR0', 'pg'], ['diff 12 02', 'HOST_RIP'], ['trace', 'L3 CPUID'], ['msr 0x480', 'revision']] as const) {
      const { variablesReference } = await view.answer(line);
      expect((await session.variables(variablesReference)).map(({ name }) => name), line).toContainEqual(expect.stringContaining(child));
    }
    const [first] = await session.variables((await view.answer('walk rip')).variablesReference), entries = await session.variables(first.variablesReference);
    expect(entries.map(({ name }) => name.replace(/ .*/, ''))).toEqual(['PML4E', 'PDPTE', 'PDE']);
    expect((await session.variables(entries[0].variablesReference)).find(({ name }) => name === 'p')?.value).toMatch(/^1/);
  });

  it('commands, fields, levels and registers complete', async () => {
    expect(await view.labels('le')).toContain('levels');
    expect(await view.labels('vmcs GUEST_CR')).toEqual(expect.arrayContaining(['GUEST_CR0', 'GUEST_CR3']));
    expect(await view.labels('walk rip at L')).toEqual(expect.arrayContaining(['L0', 'L1', 'L2', 'L3']));
    expect((await view.labels('help di')).slice(0, 2)).toEqual(['diff', 'dis']);
    expect(await view.labels('msr IA32_EF')).toContain('IA32_EFER');
    expect(await view.labels('rax + rc')).toContain('rcx');
  });

  it('help knows every command', async () => {
    const { result } = await view.answer('help');
    const rows = result.split('\n');
    for (const { usage, sentence } of consoleCommands) expect(rows.find(row => row.startsWith(`${usage} `))?.endsWith(` ${sentence}`), usage).toBe(true);
  });
});

describe('before anything has run', () => {
  let session: SessionDriver, view: Console;
  beforeAll(async () => {
    session = new SessionDriver();
    view = await Console.at(session, await session.start({ stopOnEntry: true }));
  });
  afterAll(() => session.end());

  it.each([
    ['levels', /^\* L0 · hypervisor +executing/], ['exits', /^No level has been entered yet/], ['trace', /^No level has been entered yet/],
    ['why', /^L0 .* runs: it handles no exit|^At the first instruction/],
    ['walk rip', /= physical 0x/], ['msr 0x3a', /^IA32_FEATURE_CONTROL/], ['dis 3', /^0x[0-9a-f]+ .*\n0x.*\n0x/],
  ])('%s', async (line, answer) => { expect((await view.answer(line)).result).toMatch(answer); });
  it.each([
    ['vmcs', /L0 has no current VMCS/], ['lint', /L0 has no current VMCS/], ['diff now last', /L0 has no current VMCS/], ['ept 0x1000', /memory of L0 is host memory/],
  ])('%s cannot be answered', async (line, reason) => {
    expect(await view.error(line)).toMatch(reason);
  });
});

it('no line makes the console fail', async () => {
  const session = new SessionDriver(), view = await Console.at(session, await session.start({ hypervisors: 1 }));
  const words = [
    ...consoleCommands.map(({ name }) => name), 'x/8xg', 'x/s', 'x/999999c', 'x/i', 'of', 'at', 'L0', 'L1', 'L9', 'L1:', 'current', '12', '01', '99', '@last', 'now', 'last', '=',
    '0', '-1', '0xffffffffffffffff', '7fffffff', 'rip',
    'GUEST_RIP', 'guest', 'efer', 'IA32_LSTAR', 'phys:0', 'gpa1:0xffffffff000', 'cr3', '(', ')', '[', '"', "'", '`', '\\', '{}', '\n', '%s', '*', '/', '10', '99999999999999999999', 'é', '',
  ];
  // A linear congruential generator: the same lines each time.
  let seed = 1;
  const next = (below: number): number => { seed = Math.imul(seed, 1664525) + 1013904223 >>> 0; return Math.floor(seed / 2 ** 32 * below); };
  for (let n = 0; n < 1500; n++) {
    const line = Array.from({ length: 1 + next(5) }, (_, i) => words[i === 0 && next(4) > 0 ? next(consoleCommands.length) : next(words.length)]).join(next(6) === 0 ? '' : ' ');
    const answered = await view.answer(line).then(async ({ variablesReference }) => {
      if (variablesReference > 0 && n % 10 === 0) await session.variables(variablesReference);
      return undefined;
    }, (error: Error & { body?: { error?: { id: number } } }) => error);
    // 1205 and 1206: a value or a line that means nothing. 1: a bug.
    if (answered) expect([1205, 1206, 1207, 1208], `${JSON.stringify(line)}: ${answered.message}`).toContain(answered.body?.error?.id);
    if (n % 20 === 0) await view.labels(line);
  }
  await session.end();
}, 60_000);

describe('why', () => {
  const sessions: SessionDriver[] = [];
  afterEach(async () => { await Promise.all(sessions.splice(0).map(session => session.end())); });
  const open = (): SessionDriver => {
    const session = new SessionDriver();
    sessions.push(session);
    return session;
  };

  /** A stop before the VMRESUME of L0, fields of the VMCS for L1 set, and on. */
  async function afterSetting(fields: Readonly<Record<string, string>>, filters: readonly string[]): Promise<{ view: Console; lint: string }> {
    const session = open();
    await session.start({ hypervisors: 1 });
    await session.request('setExceptionBreakpoints', { filters: ['vmx.vmresume'] });
    const before = await Console.at(session, await session.resume('continue'));
    await session.request('setExceptionBreakpoints', { filters });
    for (const [name, value] of Object.entries(fields)) {
      const { variablesReference } = await before.answer('vmcs of current');
      for (const group of await session.variables(variablesReference)) {
        if (!(await session.variables(group.variablesReference)).some(each => each.name === name)) continue;
        await session.request('setVariable', { variablesReference: group.variablesReference, name, value });
      }
    }
    const { result: lint } = await before.answer('lint');
    return { view: await Console.at(session, await session.resume('continue')), lint };
  }

  it('of an EPT violation walks the tables of every level', async () => {
    const session = open(), image = (name: string): string => `${repository}/guests/images/${name}.elf`;
    const launch = { program: image('hypervisor'), commandLine: 'ept=on', modules: [{ image: image('hypervisor'), commandLine: 'ept=on' }, { image: image('guest') }], stopsFrom: 'reset' };
    const view = await Console.at(session, await session.start(launch, ['exit.ept-violation@2'])), { result, variablesReference } = await view.answer('why');
    expect(result).toMatch(/By the tables of L0, a read of guest-physical 0x[0-9a-f]+ is refused: EPT violation: the EPT PML4E is not present/);
    expect(result).toMatch(/The tables of every level allow it: those that the processor uses for L2 lack the page/);
    expect(result).toMatch(/EPT of L1 for L2 \(EPTP 0x[0-9a-f]+\)(.*\n)+EPT of L0 for L1 \(EPTP 0x[0-9a-f]+\)(.*\n)+EPT that the processor uses for L2/);
    expect(await session.variables(variablesReference)).toHaveLength(3);
    expect((await view.answer('walk rip')).result).toMatch(/PML4E .*cannot be read(.*\n)+EPT of L1 for L2/);
  });

  it('of a failed entry gives the check, and lint says so before', async () => {
    const { view, lint } = await afterSetting({ GUEST_RFLAGS: '0' }, ['entry-failure']);
    expect(lint).toMatch(/one check of VM entry would fail.*\n- Reserved bits of the guest's RFLAGS .*\n.*rflagsReserved, SDM 3C/);
    expect((await view.answer('why')).result).toMatch(/^VM entry into L1 failed: (.*\n)+Check guest\.ripRflagsSsp\.rflagsReserved: (.*\n)+GUEST_RFLAGS = 0x0/);
    expect((await view.answer('diff L0 L0@last')).result).toMatch(/GUEST_RFLAGS +0x0 +\| +0x2/);
  });

  it('of VMfail gives the error and the check', async () => {
    const { view, lint } = await afterSetting({ PIN_BASED_CONTROLS: '0' }, ['vmfail']);
    expect(lint).toMatch(/check controls\.exec\.pinReserved/);
    expect((await view.answer('why')).result).toMatch(/VM-instruction error 7: (.*\n)+Check controls\.exec\.pinReserved/);
  });

  it('of a triple fault gives the chain of exceptions from the first', async () => {
    const { view } = await afterSetting({ GUEST_RIP: '0x7f0000000000', GUEST_IDTR_LIMIT: '1' }, ['triple-fault']), { result } = await view.answer('why');
    expect(result).toMatch(/1\. #PF \(page fault\), error code 0x[0-9a-f]+ for linear 0x7f0000000000, at 0x7f0000000000\n.*beyond the limit of the IDT \(base 0x[0-9a-f]+, limit 0x1\)/);
    expect(result).toMatch(/2\. #DF \(double fault\), error code 0x0(.*\n)+The delivery of the last one failed too: a triple fault\.\nan instruction fetch from linear 0x7f0000000000 is refused/);
  });

  it('of a page fault gives the walk', async () => {
    const { view } = await afterSetting({ GUEST_RIP: '0x7f0000000000' }, ['exception.page-fault@1']);
    expect((await view.answer('why')).result).toMatch(/an instruction fetch from linear 0x7f0000000000 is refused: page fault: the PML4E is not present/);
  });

  it('of an entry that was refused to L1 runs the checks over the VMCS as L1 wrote it', async () => {
    const session = open();
    const view = await Console.at(session, await session.start({ hypervisors: 2, stopsFrom: 'reset' }, ['vmx.vmwrite@1']));
    // L1 is made to write 0 to GUEST_RFLAGS: the field is in RSI there, the value in RAX.
    while (!(await view.answer('rsi == 0x6820')).result.startsWith('0x1')) view.frameId = (await Console.at(session, await session.resume('continue'))).frameId;
    const scope = (await session.scopes(view.frameId)).find(({ name }) => name === 'Registers')!, [, { threadId }] = await session.levels();
    await session.request('setVariable', { variablesReference: scope.variablesReference, name: 'rax', value: '0' });
    await session.request('setExceptionBreakpoints', { filters: ['entry-failure'] });
    const failed = await Console.at(session, await session.resume('continue')), writer = /GUEST_RFLAGS = 0x0, last written by L1 in write_field.* \(vmx\.h:\d+\)/;
    expect((await failed.answer('why')).result).toMatch(/^VM entry into L2 failed(.*\n)+L0 made this entry for the VMLAUNCH of L1 · hypervisor\. As that level wrote it:\nVMCS of L1 at its/);
    expect((await failed.answer('why')).result).toMatch(writer);
    await session.request('setExceptionBreakpoints', { filters: [] });
    const told = await Console.at(session, await session.resume('next', { threadId, granularity: 'instruction' })), { result } = await told.answer('why');
    expect(result).toMatch(/The software below answered: L1 is told that the entry of L2 failed/);
    expect(result).toMatch(writer);
  });

  it('in a handler tells what is handled', async () => {
    const session = open();
    await session.start({ hypervisors: 1 });
    const view = await Console.at(session, await session.resume('stepIn', { threadId: (await session.levels())[1].threadId }));
    expect((await view.answer('why')).result).toMatch(/L0 handles an exit of L1 · guest: CPUID leaf/);
  });
});
