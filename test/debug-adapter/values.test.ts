// Values of every level, seen and set through the protocol: scopes opened to their leaves, expressions, memory of every space, number formats.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { repository, SessionDriver, type Level } from './session-driver';

const session = new SessionDriver();
let levels: Level[], frames: number[];

/** The variable at the end of a way of names through the scopes of a level's innermost frame; a name may be a pattern. */
async function open(level: number, ...way: (string | RegExp)[]): Promise<DebugProtocol.Variable & { holder: number }> {
  const scopes = await session.scopes(frames[level]), matches = (name: string, wanted: string | RegExp): boolean => typeof wanted === 'string' ? name === wanted : wanted.test(name);
  const scope = scopes.find(({ name }) => matches(name, way[0]));
  if (!scope) throw new Error(`no scope ${way[0]} among ${scopes.map(({ name }) => name).join(', ')}`);
  let holder = scope.variablesReference, found: DebugProtocol.Variable | undefined;
  for (const name of way.slice(1)) {
    if (found) holder = found.variablesReference;
    const children = await session.variables(holder);
    found = children.find(each => matches(each.name, name));
    if (!found) throw new Error(`no ${name} among ${children.map(each => each.name).join(', ')}`);
  }
  return { ...found!, holder };
}
const value = async (expression: string, level: number, context = 'watch'): Promise<string> =>
  (await session.request<{ result: string }>('evaluate', { expression, frameId: frames[level], context })).result.replace(/ \(-?\d+\)$/, '');
const set = (holder: number, name: string, text: string): Promise<{ value: string }> => session.request('setVariable', { variablesReference: holder, name, value: text });

beforeAll(async () => {
  await session.start();
  levels = await session.levels();
  frames = await Promise.all(levels.map(async ({ threadId }) => (await session.stack(threadId))[0].id));
});
afterAll(() => session.end());

describe('every scope of every level', () => {
  it('opens to its leaves without an error, and says of every value whether it can be set', async () => {
    let count = 0;
    for (const level of [0, 1, 2, 3]) {
      for (const { variablesReference, name } of await session.scopes(frames[level])) {
        const open: [number, number][] = [[variablesReference, 0]];
        for (let next = open.pop(); next && count < 6000; next = open.pop()) {
          const [reference, depth] = next, names = new Set<string>();
          for (const each of await session.variables(reference)) {
            count++;
            expect(typeof each.value, `${name}: ${each.name}`).toBe('string');
            expect(names.has(each.name) && !each.presentationHint, `${each.name} stands twice in ${name}`).toBe(false);
            names.add(each.name);
            if (each.variablesReference > 0 && depth < 2) open.push([each.variablesReference, depth + 1]);
          }
        }
      }
    }
    expect(count).toBeGreaterThan(2000);
  });

  it('decodes descriptor tables, MSRs and capabilities', async () => {
    expect((await open(0, 'Registers', 'Descriptor tables', 'GDT', '0x8')).value).toMatch(/64-bit code, execute\/read.*DPL 0/);
    expect((await open(0, 'Registers', 'Descriptor tables', 'TSS', 'RSP0')).value).toMatch(/^0x/);
    expect((await open(0, 'Registers', 'MSRs', 'IA32_EFER')).value).toMatch(/LMA/);
    expect((await open(1, 'Registers', 'MSRs', 'IA32_EFER')).type).toMatch(/GUEST_IA32_EFER|LMA and LME/);
    expect((await open(0, 'Registers', 'VMX capabilities', 'IA32_VMX_TRUE_PROCBASED_CTLS', 'hltExiting')).value).toBe('0 or 1');
    expect((await open(0, 'Registers', 'MSRs', 'Memory-type ranges', 'IA32_MTRRCAP')).presentationHint?.attributes).toContain('readOnly');
  });

  it('shows the APIC', async () => {
    expect((await open(0, 'APIC', 'mode')).value).toMatch(/APIC, page at 0xfee00000/);
    expect((await open(0, 'APIC', 'LVT_TIMER', 'masked')).value).toMatch(/^[01]/);
    expect((await open(0, 'APIC', 'ISR')).value).toMatch(/in service/);
  });

  it('walks the tables from their roots, and the addresses at hand', async () => {
    expect((await open(3, 'Address translation', 'instruction', /^4-level paging of L3/, /^PDE/, 'rw')).value).toMatch(/^[01]$/);
    expect((await open(3, 'Address translation', 'EPT of L2 for L3')).value).toMatch(/^off/);
    expect((await open(3, 'Address translation', /-level paging/, /PML4E/, /PDPTE/)).value).toMatch(/→/);
  });

  it('lists every VMCS with what it is for', async () => {
    const scope = (await session.scopes(frames[0])).find(({ name }) => name === 'All VMCSs')!, vmcss = await session.variables(scope.variablesReference);
    for (const level of [1, 2, 3]) expect(vmcss.filter(({ value: state }) => state.includes(`controls L${level}`)).length, `L${level}`).toBeGreaterThan(0);
    expect(vmcss.find(({ name }) => name.startsWith('L0:'))!.value).toMatch(/launched|clear/);
    expect(vmcss.some(({ value: state }) => /current in L0/.test(state))).toBe(true);
    const { vmcss: listed } = await session.request<{ vmcss: { name: string; state: string }[] }>('abyme/vmcss');
    expect(listed.length).toBe(vmcss.length);
    const { text } = await session.request<{ text: string }>('abyme/vmcsText', { name: listed[0].name });
    expect(text).toMatch(/^# Guest state: registers\nGUEST_\w+ = 0x[^]*\nGUEST_CR0 = 0x\w+ PE/);
    expect((await session.failure('abyme/vmcsText', { name: 'L9:0x1000' })).message).toMatch(/no L9/);
  });

  it('shows globals of the unit, with their members', async () => {
    const { variablesReference } = await open(0, 'Globals', 'Of other units'), globals = await session.variables(variablesReference);
    expect(globals.length).toBeGreaterThan(1);
    expect(globals.every(({ type, evaluateName }) => type !== undefined && evaluateName !== undefined)).toBe(true);
  });
});

it('elements of arrays come in parts', async () => {
  const array = await session.request<{ variablesReference: number; indexedVariables: number }>('evaluate', { expression: 'hints', frameId: frames[0], context: 'watch' });
  expect(array.indexedVariables).toBe(64);
  const part = async (more: object): Promise<string[]> => (await session.request<{ variables: DebugProtocol.Variable[] }>('variables', { variablesReference: array.variablesReference, ...more }))
    .variables.map(({ name }) => name);
  expect(await part({ filter: 'indexed', start: 60, count: 100 })).toEqual(['[60]', '[61]', '[62]', '[63]']);
  expect(await part({ filter: 'named' })).toEqual([]);
  expect(await part({})).toHaveLength(64);
  const before = await value('hints[63]', 0);
  expect((await set(array.variablesReference, '[63]', '7')).value).toMatch(/^7/);
  await set(array.variablesReference, '[63]', before.split(' ')[0]);
  expect((await session.failure('setVariable', { variablesReference: array.variablesReference, name: '[64]', value: '1' })).message).toMatch(/no variable/);
});

describe('setting', () => {
  it('a named bit leaves the others', async () => {
    const before = BigInt(await value('L0.rflags', 0)), bit = await open(0, 'Registers', 'rflags', 'df');
    expect((await set(bit.holder, 'df', '1')).value).toBe('1');
    expect(BigInt(await value('L0.rflags', 0))).toBe(before | 0x400n);
    await set(bit.holder, 'df', 'false');
    expect(BigInt(await value('L0.rflags', 0))).toBe(before);
  });

  it.each([
    ['L0.rax', 0, '0x1234', '0x1234'], ['L0.eax', 0, '0xffff_ffff', '0xffffffff'], ['al', 0, '7', '0x7'], ['L0.xmm3.low', 0, '0x55', '0x55'], ['L0.msr.LSTAR', 0, '0xffff800000001000', '0xffff800000001000'],
    ['L3.vmcs.GUEST_RSP', 3, 'L3.vmcs.GUEST_RSP + 0', undefined], ['L3.vmcs.EXCEPTION_BITMAP.pageFault', 3, '1', '0x1'], ['u32[L0:rsp - 64]', 0, '0xdeadbeef', '0xdeadbeef'],
    ['u8[phys:0x3000]', 0, '0x5a', '0x5a'], ['u16[gpa1:0x7000]', 0, '258', '0x102'], ['cr4.tsd', 0, '1', '0x1'],
  ] as const)('%s of L%i to %s', async (expression, level, text, expected) => {
    const before = await value(expression, level);
    const { value: shown } = await session.request<{ value: string }>('setExpression', { expression, value: text, frameId: frames[level] });
    expect(shown.replace(/ \(-?\d+\)$/, '')).toBe(expected ?? before);
    expect(await value(expression, level)).toBe(expected ?? before);
    await session.request('setExpression', { expression, value: before, frameId: frames[level] });
    expect(await value(expression, level)).toBe(before);
  });

  it('from the console, with an expression as the value', async () => {
    const before = await value('L0.rbx', 0);
    expect(await value('L0.rbx = L0.rsp + 8', 0, 'repl')).toBe(`0x${(BigInt(await value('L0.rsp', 0)) + 8n).toString(16)}`);
    await value(`L0.rbx = ${before}`, 0, 'repl');
    expect(await value('L0.rbx == L0.rsp', 0, 'repl')).toMatch(/^0x[01]$/);
  });

  it.each([
    ['L3.rax', 3, '1', /memory of the software below/], ['L0.msr.IA32_VMX_BASIC', 0, '1', /read-only/], ['vmcs12.GUEST_RIP', 0, '1', /L1 believes/], ['L0.rax', 0, 'what', /not a number/],
    ['L0.cs.selector', 0, '0x12345', /16 bits/], ['level', 0, '1', /cannot be set/], ['1 + 1', 0, '1', /only a register/], ['u8[L0:0xffff800000000000]', 0, '1', /not mapped/],
    ['L0.rflags.nothing', 0, '1', /no part nothing/], ['L0.msr.LSTAR', 0, '0x8000000000000000', /#GP/],
  ] as const)('%s of L%i to %s is refused with the reason', async (expression, level, text, reason) => {
    expect((await session.failure('setExpression', { expression, value: text, frameId: frames[level] })).message).toMatch(reason);
  });

  it('entries of tables where they lie, and the APIC as software does', async () => {
    const way = ['Address translation', '4-level paging', /PML4E \[0\]$/, 'entry', 'pcd'] as const, entry = await open(1, ...way), before = entry.value;
    await set(entry.holder, 'pcd', before === '0' ? '1' : '0');
    expect((await open(1, ...way)).value).not.toBe(before);
    await set(entry.holder, 'pcd', before);
    const tpr = await open(0, 'APIC', 'TPR');
    expect((await set(tpr.holder, 'TPR', '0x20')).value).toMatch(/20$/);
    await set(tpr.holder, 'TPR', '0');
    expect((await session.failure('setVariable', { variablesReference: tpr.holder, name: 'VERSION', value: '1' })).message).toMatch(/only read it/);
  });

  it('a variable that lives in a register sets that register, where it is live', async () => {
    const scopes = await session.scopes(frames[3]);
    for (const { name, variablesReference } of scopes.filter(({ name }) => name === 'Locals' || name === 'Arguments')) {
      for (const variable of await session.variables(variablesReference)) {
        const failure = await session.request('setVariable', { variablesReference, name: variable.name, value: '1' }).then(() => undefined, (error: Error) => error.message);
        if (failure !== undefined) expect(failure, `${name} ${variable.name}`).toMatch(/is in r|cannot be set|no place|optimized|computed|is not a value/);
      }
    }
  });
});

describe('a variable of a caller', () => {
  it('that is in a register which a call has saved is set, and has the value when the call has returned', async () => {
    const other = new SessionDriver();
    try {
      await other.start({ hypervisors: 1 }, ['exit.cpuid@1']);
      const { threadId } = (await other.levels())[1], frame = (await other.stack(threadId)).find(({ name }) => name.endsWith('main'))!;
      const locals = (await other.scopes(frame.id)).find(({ name }) => name === 'Locals')!.variablesReference;
      // its place is a register: variables in memory have an address
      expect((await other.variables(locals)).find(({ name }) => name === 'hypervisors')).toMatchObject({ value: '1' });
      expect((await other.failure('evaluate', { expression: '&hypervisors', frameId: frame.id, context: 'watch' })).message).toMatch(/no value/);
      expect(await other.request('setVariable', { variablesReference: locals, name: 'hypervisors', value: '77' })).toMatchObject({ value: '77' });
      await other.request('setExceptionBreakpoints', { filters: [] });
      for (let top = ''; top !== 'main';) {
        await other.resume('stepOut', { threadId });
        top = (await other.stack(threadId))[0].name;
      }
      expect(await other.request('evaluate', { expression: 'hypervisors', frameId: (await other.stack(threadId))[0].id, context: 'watch' })).toMatchObject({ result: '77' });
    } finally { await other.end(); }
  });
});

describe('numbers', () => {
  it('are shown in the base that is chosen, and in hexadecimal for one answer', async () => {
    const shown = async (format?: object): Promise<string> => {
      const { variablesReference } = (await session.scopes(frames[0])).find(({ name }) => name === 'Registers')!;
      return (await session.request<{ variables: DebugProtocol.Variable[] }>('variables', { variablesReference, ...format && { format } })).variables.find(({ name }) => name === 'rsp')!.value;
    };
    const usual = await shown();
    expect(usual).toMatch(/^0x/);
    await session.request('abyme/setFormat', { radix: 'decimal' });
    expect(await shown()).toBe(String(BigInt(usual)));
    expect(await shown({ hex: true })).toBe(usual);
    expect(await value('rsp', 0)).toBe(String(BigInt(usual)));
    await session.request('abyme/setFormat', { radix: 'mixed' });
    expect(await shown()).toBe(usual);
    expect((await session.failure('abyme/setFormat', { radix: 'octal' })).message).toMatch(/"mixed" or "hexadecimal" or "decimal"/);
  });
});

describe('expressions', () => {
  it.each(['L1.vmcs.GUEST_RIP', 'vmcs12.GUEST_RIP', 'vmcs02.GUEST_RIP', 'msr.efer.lma', 'L2.msr.IA32_FS_BASE', 'cr0.pg && L1.cr0.pg', 'xmm0.low', 'L0.gdtr.limit'])('%s has a value', async expression => {
    expect(await value(expression, 0)).toMatch(/^0x/);
  });
  it('a VMCS at its address is the same as by its level', async () => {
    const { vmcss } = await session.request<{ vmcss: { name: string; level: number; state: string }[] }>('abyme/vmcss'), of2 = vmcss.find(({ level, state }) => level === 0 && state.includes('controls L2'))!;
    expect(await value(`vmcs@${of2.name}.GUEST_RIP`, 0)).toBe(await value('L2.vmcs.GUEST_RIP', 0));
    const kept = vmcss.find(({ level, state }) => level === 1 && state.includes('controls L2'))!;
    expect(await value(`L1.vmcs@${kept.name.slice(3)}.GUEST_RIP`, 0)).toBe(await value('vmcs12.GUEST_RIP', 0));
  });
  it('a watch may be a command: one line that opens', async () => {
    const answer = await session.request<{ result: string; variablesReference: number }>('evaluate', { expression: 'walk rsp', frameId: frames[2], context: 'watch' });
    expect(answer.result).not.toContain('\n');
    expect((await session.variables(answer.variablesReference)).map(({ name }) => name).join()).toMatch(/EPT of L0/);
  });
  it.each([
    ['L1.vmcs.GUEST_CR', 'GUEST_CR3'], ['L2.cr0.p', 'pg'], ['rfl', 'rflags'], ['msr.IA32_LS', 'IA32_LSTAR'], ['vmcs12.EPT', 'EPT_POINTER'], ['cs.sel', 'selector'], ['L0!handle', 'handle_exit'], ['vmc', 'vmcs'],
    ['exit.qual', 'qualification'],
  ])('%s is completed to %s', async (text, expected) => {
    const { targets } = await session.request<{ targets: { label: string }[] }>('completions', { text, column: text.length + 1, frameId: frames[0] });
    expect(targets.map(({ label }) => label)).toContain(expected);
  });
});

describe('code of another size', () => {
  it('is decoded as the code segment says, forwards and backwards', async () => {
    const listing = async (): Promise<string> => value('dis L0:0x4000 2', 0, 'repl');
    await session.request('writeMemory', { memoryReference: 'L0:0x4000', data: btoa(String.fromCharCode(0xb8, 1, 0, 0, 0, 0x90)) });
    expect(await listing()).toMatch(/mov +eax, *1(.*\n)+.*nop/);
    const before = await value('L0.cs.rights', 0);
    await value('L0.cs.rights.l = 0', 0, 'repl');
    await value('L0.cs.rights.db = 0', 0, 'repl');
    expect(await listing()).toMatch(/mov +ax, *1(.*\n)+.*add/);
    await value('L0.cs.rights.db = 1', 0, 'repl');
    expect(await listing()).toMatch(/mov +eax, *1(.*\n)+.*nop/);
    await value(`L0.cs.rights = ${before}`, 0, 'repl');
    const { instructions } = await session.request<{ instructions: DebugProtocol.DisassembledInstruction[] }>('disassemble',
      { memoryReference: `L1:${await value('L1.rip', 0)}`, instructionOffset: -12, instructionCount: 16 });
    expect(instructions).toHaveLength(16);
    expect(instructions.every(({ presentationHint, symbol, instructionBytes }) => presentationHint === undefined && symbol !== undefined && instructionBytes !== undefined)).toBe(true);
    expect(instructions.some(({ line, location }) => line !== undefined && location !== undefined)).toBe(true);
  });
});

describe('levels that stops are for', () => {
  it('one only, or all but some', async () => {
    await session.request('abyme/chooseLevels', { muted: [3] });
    expect((await session.request<{ breakpoints: unknown[] }>('setExceptionBreakpoints', { filters: ['exit'] })).breakpoints.length).toBe(1);
    expect((await session.resume('continue')).description).toMatch(/of L[12]/);
    await session.request('abyme/chooseLevels', { only: 3 });
    expect((await session.resume('continue')).description).toMatch(/exit of L3/);
    await session.request('setExceptionBreakpoints', { filters: [] });
    await session.request('setDataBreakpoints', { breakpoints: [1, 2].map(level => ({ dataId: `L${level}.vmcs:GUEST_RIP`, accessType: 'write' })) });
    await session.request('abyme/chooseLevels', { only: 1 });
    for (let n = 0; n < 2; n++) expect((await session.resume('continue')).description).toMatch(/GUEST_RIP by L1/);
    await session.request('abyme/chooseLevels', { muted: [1] });
    expect((await session.resume('continue')).description).toMatch(/GUEST_RIP by L2/);
    await session.request('abyme/chooseLevels', {});
    expect((await session.failure('abyme/chooseLevels', { only: -1 })).message).toMatch(/only/);
  });
});

describe('with EPT at every level', () => {
  it('walks go through the tables of every level, which open from their roots and can be set', async () => {
    const image = (name: string): string => `${repository}/guests/images/${name}.elf`, own = new SessionDriver();
    try {
      const launch = { program: image('hypervisor'), commandLine: 'ept=on', modules: [{ image: image('hypervisor'), commandLine: 'ept=on' }, { image: image('guest') }], stopsFrom: 'guest' };
      const { threadId } = await own.start(launch), frameId = (await own.stack(threadId!))[0].id;
      const children = async (reference: number): Promise<Map<string, DebugProtocol.Variable>> => new Map((await own.variables(reference)).map(each => [each.name, each]));
      const scope = (await own.scopes(frameId)).find(({ name }) => name === 'Address translation')!, top = await children(scope.variablesReference);
      expect([...top.keys()]).toEqual(expect.arrayContaining(['4-level paging', 'EPT of L1 for L2', 'EPT of L0 for L1']));
      const way = await children(top.get('instruction')!.variablesReference);
      expect([...way.keys()].map(name => name.split(':')[0].replace(/ \(.*/, ''))).toEqual(['4-level paging of L2', 'EPT of L1 for L2', 'EPT of L0 for L1', 'EPT that the processor uses for L2']);
      const root = await children(top.get('EPT of L1 for L2')!.variablesReference), [first] = root.values();
      expect(first.name).toMatch(/^0x0 EPT PML4E \[0\]$/);
      const below = await children(first.variablesReference), bits = await children(below.get('entry')!.variablesReference);
      expect(bits.get('read')!.value).toBe('1');
      await own.request('setVariable', { variablesReference: below.get('entry')!.variablesReference, name: 'execute', value: '0' });
      expect((await children(top.get('EPT of L1 for L2')!.variablesReference)).get(first.name)!.value).toMatch(/rw-/);
    } finally { await own.end(); }
  });
});

describe('levels that a launch configuration names', () => {
  it('have the symbols at the address it gives, whatever the memory holds', async () => {
    const own = new SessionDriver(), image = (name: string): string => `${repository}/guests/images/${name}.elf`;
    try {
      await own.start({ program: image('hypervisor'), modules: [{ image: image('guest') }], stopsFrom: 'guest', levels: [{ level: 1, image: image('guest'), loadAddress: '0x600000' }] });
      const at = (await own.request<{ result: string }>('evaluate', { expression: 'L1!main', context: 'watch' })).result;
      await own.end();
      const moved = new SessionDriver();
      await moved.start({ program: image('hypervisor'), modules: [{ image: image('guest') }], stopsFrom: 'guest', levels: [{ level: 1, image: image('guest'), symbols: image('guest'), loadAddress: '0x700000' }] });
      const there = (await moved.request<{ result: string }>('evaluate', { expression: 'L1!main', context: 'watch' })).result;
      expect(parseInt(there, 16) - parseInt(at, 16)).toBe(0x10_0000);
      await moved.end();
    } finally { await own.end(); }
  });
});

describe('VMCSs between stops', () => {
  it('say how much changed, in the list, on their groups and at the fields', async () => {
    const own = new SessionDriver();
    try {
      const { threadId } = await own.start();
      await own.resume('continue');
      const list = async (): Promise<DebugProtocol.Variable[]> => {
        const scope = (await own.scopes((await own.stack(threadId!))[0].id)).find(({ name }) => name === 'All VMCSs')!;
        return own.variables(scope.variablesReference);
      };
      const changed = (await list()).find(({ name, value: state }) => name.startsWith('L0:') && /; \d+ changed$/.test(state))!, groups = await own.variables(changed.variablesReference);
      const group = groups.find(({ value: state }) => /^\d+ changed$/.test(state))!, fields = await own.variables(group.variablesReference);
      expect(fields.filter(({ value: text }) => /\(changed/.test(text)).length).toBe(Number(/\d+/.exec(group.value)![0]));
      expect((await list()).some(({ name, value: state }) => /^L[12]:/.test(name) && /changed/.test(state))).toBe(true);
    } finally { await own.end(); }
  });

  it('of hypervisors that use shadowing tell shadow VMCSs and whose shadow they are', async () => {
    const own = new SessionDriver(), image = (name: string): string => `${repository}/guests/images/${name}.elf`;
    try {
      const hypervisor = { image: image('hypervisor'), commandLine: 'shadowing=on' };
      await own.start({ program: hypervisor.image, commandLine: 'shadowing=on', modules: [hypervisor, { image: image('guest') }], stopsFrom: 'guest' });
      const { vmcss } = await own.request<{ vmcss: { name: string; level: number; state: string }[] }>('abyme/vmcss'), shadow = vmcss.find(({ state }) => /shadow of 0x/.test(state))!;
      expect(shadow.state).toMatch(/\(shadow VMCS\)/);
      expect(vmcss.some(({ name, state }) => shadow.state.includes(`shadow of ${name}`) && /controls L1/.test(state))).toBe(true);
    } finally { await own.end(); }
  });
});

it('values of another processor are those of its own thread, and so are the places they name', async () => {
  const own = new SessionDriver();
  try {
    const launch = { program: `${repository}/guests/images/processors.elf`, commandLine: 'processors=2 passes=40', processors: 2, memory: 16, stopsFrom: 'reset' };
    await own.start(launch, [], async () => { void own.request('setFunctionBreakpoints', { breakpoints: [{ name: 'count_up' }] }); });
    const second = (await own.request<{ threads: { id: number; name: string }[] }>('threads')).threads.find(({ name }) => name.startsWith('vCPU 1'))!, frameId = (await own.stack(second.id))[0].id;
    const evaluate = (expression: string): Promise<{ result: string; memoryReference: string }> => own.request('evaluate', { expression, frameId, context: 'watch' });
    expect((await evaluate('rsp')).memoryReference).toMatch(/^L0\.1:0x/);
    expect((await evaluate('u8[rip]')).memoryReference).toMatch(/^L0\.1:0x/);
    const apic = (await own.scopes(frameId)).find(({ name }) => name === 'APIC')!;
    expect((await own.variables(apic.variablesReference)).find(({ name }) => name === 'APICID')!.value).toBe('0x01000000');
    await own.request('setExpression', { expression: 'rbx', value: '0x77', frameId });
    expect((await evaluate('L0.rbx')).result).toMatch(/^0x77/);
  } finally { await own.end(); }
});
