// The parts of the adapter that need no machine: user errors, argument reading, launch configurations, sources, the choice of filters.
import { describe, expect, it } from 'vitest';
import type { AdapterHost } from '../../src/debug-adapter/adapter-types';
import { FilterChoice } from '../../src/debug-adapter/filter-choice';
import { readLaunch } from '../../src/debug-adapter/launch-configuration';
import { ArgumentReader } from '../../src/debug-adapter/request-arguments';
import { Sources } from '../../src/debug-adapter/sources';
import { UserError, userErrors, userErrorText } from '../../src/debug-adapter/user-errors';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

/** A host with exactly these files. */
function host(files: Record<string, string>, workspaceFolders: string[] = []): AdapterHost & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked, workspaceFolders: workspaceFolders.map(uri => ({ name: uri, uri })),
    createWorker: () => { throw new Error('no worker here'); },
    readFile: async name => { asked.push(name); if (!(name in files)) throw new Error('there is no such file'); return text(files[name]); },
  };
}
const engine = { 'extension:/dist/core.wasm': '', 'extension:/dist/interpreter.wasm': '', 'extension:/dist/decode-tables.bin': '' };
const demonstration = { 'extension:/guests/images/hypervisor.elf': 'h', 'extension:/guests/images/guest.elf': 'g' };

describe('user errors', () => {
  const numbers = Object.values(userErrors).map(({ number }) => number);
  it('have numbers of their own', () => expect(new Set(numbers).size).toBe(numbers.length));
  it.each(Object.entries(userErrors))('%s says what is wrong and what to do', (_, { what, fix }) => {
    expect(what).toMatch(/^[^]+\.$/);
    expect(fix).toMatch(/^[A-Z][^]+\.$/);
  });
  it('put values in place', () => expect(userErrorText('unknownThread', { thread: '7' })).toContain('thread id 7'));
});

describe('arguments', () => {
  const reader = ArgumentReader.ofRequest('test', { s: 'x', n: 3, f: 1.5, b: true, o: { n: 'no' }, l: [{ n: 1 }], m: [1], t: ['a'], z: null });
  it('reads what is there', () => {
    expect([reader.string('s'), reader.number('n'), reader.boolean('b'), reader.record('o').string('n'), reader.list('l')[0].number('n'), reader.strings('t'), reader.numbers('m')])
      .toEqual(['x', 3, true, 'no', 1, ['a'], [1]]);
    expect([reader.optionalString('absent'), reader.optionalNumber('z'), reader.optionalList('absent')]).toEqual([undefined, undefined, []]);
  });
  const mistakes: [string, () => unknown][] = [
    ['s', () => reader.number('s')], ['n', () => reader.string('n')], ['f', () => reader.number('f')], ['n', () => reader.number('n', { min: 4, max: 9 })], ['absent', () => reader.string('absent')],
    ['o.n', () => reader.record('o').number('n')], ['l[0].x', () => reader.list('l')[0].string('x')], ['m', () => reader.list('m')], ['m', () => reader.strings('m')], ['b', () => reader.record('b')],
    ['s', () => reader.oneOf('s', ['a', 'b'])],
  ];
  it.each(mistakes)('names the argument %s', (name, read) => {
    expect(read).toThrow(UserError);
    expect(read).toThrow(`\`${name}\``);
  });
  it.each([[[]], ['x'], [3], [true]])('refuses %j for arguments', args => expect(() => ArgumentReader.ofRequest('test', args)).toThrow(UserError));
  it('takes absent arguments for none', () => expect(ArgumentReader.ofRequest('test', undefined).has('x')).toBe(false));
});

describe('launch configurations', () => {
  it('without a program are the demonstration', async () => {
    const { target } = await readLaunch({}, host({ ...engine, ...demonstration }));
    expect([target.program, ...target.modules].map(({ name }) => name)).toEqual(['hypervisor', 'hypervisor', 'hypervisor', 'guest']);
    expect(target.stopsFrom).toBe('guest');
  });
  it('read every attribute', async () => {
    const files = host({ ...engine, '/a/hv.elf': 'hv', 'file:///b/g.elf': 'g', '/s': 'symbols' });
    const launch = await readLaunch({
      program: '/a/hv.elf', commandLine: 'x=1', modules: [{ image: 'file:///b/g.elf', commandLine: 'y' }], memory: 64, processors: 1, stopsFrom: 'reset', stopOnEntry: true,
      sourceMap: { '/x': '/y' }, serial: 'off', levels: [{ level: 1, symbols: '/s', loadAddress: '0x1000' }],
    }, files);
    expect(launch).toMatchObject({ sourceMap: { '/x': '/y' }, serial: 'off', noDebug: false });
    expect(launch.target).toMatchObject({
      program: { name: 'hv.elf', commandLine: 'x=1' }, modules: [{ name: 'g.elf', commandLine: 'y' }], memoryMiB: 64, vcpus: 1, stopsFrom: 'reset', stopOnEntry: true,
      levels: [{ level: 1, loadAddress: '0x1000', symbols: { name: 's' } }],
    });
  });
  it.each([
    [{}, 4, ''], [{ hypervisors: 1, commandLine: 'ept=on' }, 2, 'ept=on'], [{ strategy: 'shadowing', commandLine: 'ept=on' }, 4, 'shadowing=on ept=on'],
    [{ hypervisors: 5 }, 6, ''], [{ hypervisors: 6 }, 7, 'shadowing=on no-propagation=on'], [{ hypervisors: 8, strategy: 'naive' }, 9, ''],
  ])('stack the demonstration as %j says', async (launch, levels, commandLine) => {
    const { target } = await readLaunch(launch, host({ ...engine, 'extension:/guests/images/hypervisor.elf': 'hv', 'extension:/guests/images/guest.elf': 'g' }));
    expect([target.program.commandLine, 1 + target.modules.length]).toEqual([commandLine, levels]);
  });
  it.each<[unknown, number, string]>([
    [{ strategy: 'quick' }, 1100, '`strategy`'], [{ program: 5 }, 1100, '`program`'], [{ program: '/x', memory: 'much' }, 1100, '`memory`'], [{ program: '/x', memory: 15 }, 1100, '`memory`'], [{ program: '/x', memory: 17 }, 1100, 'even'],
    [{ program: '/x', stopsFrom: 'never' }, 1100, '`stopsFrom`'], [{ program: '/x', modules: ['m'] }, 1100, '`modules`'], [{ program: '/x', modules: [{}] }, 1100, '`modules[0].image`'],
    [{ modules: [] }, 1100, '`program`'], [{ program: '/x', processors: 9 }, 1100, '`processors`'], [{ program: '/x', sourceMap: { a: 1 } }, 1100, '`sourceMap`'],
    [{ program: '/missing' }, 1101, '/missing'], [{ program: '/x', modules: [{ image: '/gone' }] }, 1101, '/gone'], [{ program: '/x', levels: [{ level: -1 }] }, 1100, '`levels[0].level`'],
    [{ program: '/x', levels: [{ level: 1, loadAddress: 'low' }] }, 1100, '`levels[0].loadAddress`'],
    ['text', 1002, 'arguments'],
  ])('%j is error %i', async (args, number, part) => {
    const error = await readLaunch(args, host({ ...engine, '/x': '' })).then(() => undefined, (e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).number).toBe(number);
    expect((error as UserError).message).toContain(part);
  });
  it('say that the debugger is not built', async () => {
    await expect(readLaunch({}, host(demonstration))).rejects.toMatchObject({ number: 1103 });
  });
});

describe('sources', () => {
  const recorded = 'guests/hypervisor/exit.c';
  it('are files of the workspace where they are found', async () => {
    const sources = new Sources(host({ 'file:///w%20s/guests/hypervisor/exit.c': '' }, ['file:///w%20s']));
    expect(await sources.resolve(recorded)).toEqual({ name: 'exit.c', path: '/w s/guests/hypervisor/exit.c' });
    expect(sources.candidates({ path: '/w s/guests/hypervisor/exit.c' })[0]).toBe(recorded);
  });
  it('keep the URI in a virtual workspace', async () => {
    const sources = new Sources(host({ 'memfs:/w/guests/hypervisor/exit.c': '' }, ['memfs:/w']));
    expect(await sources.resolve(recorded)).toEqual({ name: 'exit.c', path: 'memfs:/w/guests/hypervisor/exit.c' });
  });
  it('come from the extension otherwise', async () => {
    const sources = new Sources(host({ 'extension:/guests/hypervisor/exit.c': 'int x;' }, ['file:///w']));
    const source = await sources.resolve(recorded);
    expect(source).toMatchObject({ name: 'exit.c', path: recorded, sourceReference: 1 });
    expect(await sources.text(source.sourceReference!)).toBe('int x;');
    expect(sources.candidates(source)).toEqual([recorded]);
  });
  it('say so when they are nowhere', async () => {
    const sources = new Sources(host({}));
    const source = await sources.resolve('/build/x.c');
    expect(source).toMatchObject({ presentationHint: 'deemphasize', sourceReference: 1 });
    await expect(sources.text(1)).rejects.toMatchObject({ number: 1209 });
    await expect(sources.text(99)).rejects.toMatchObject({ number: 1209 });
  });
  it('follow the longest prefix of the map, and back', async () => {
    const sources = new Sources(host({ '/home/hv/x.c': '', '/home/x.c': '' }));
    sources.setMap({ '/build': '/home', '/build/src': '/home/hv' });
    expect(await sources.resolve('/build/src/x.c')).toMatchObject({ path: '/home/hv/x.c' });
    expect(await sources.resolve('/build/x.c')).toMatchObject({ path: '/home/x.c' });
    expect(sources.candidates({ path: '/home/hv/y.c' })).toContain('/build/src/y.c');
  });
  it('are looked up once', async () => {
    const files = host({}), sources = new Sources(files);
    await Promise.all([sources.resolve(recorded), sources.resolve(recorded)]);
    expect(files.asked).toHaveLength(1);
  });
});

describe('the choice of filters', () => {
  it('shows the common ones with their defaults', () => {
    const shown = new FilterChoice().shown();
    expect(shown.filter(each => each.default).map(({ filter }) => filter)).toEqual(expect.arrayContaining(['exit.cpuid', 'entry-failure']));
    expect(shown.every(({ supportsCondition }) => supportsCondition)).toBe(true);
  });
  it('turns on what is added, off what is removed, and keeps the rest', () => {
    const choice = new FilterChoice();
    choice.choose([{ filter: 'exit.cpuid', condition: 'leaf == 1' }, { filter: 'vmfail' }]);
    choice.show([{ filter: 'exit.cpuid' }, { filter: 'exit.hlt', level: 2 }, { filter: 'triple-fault' }]);
    expect(choice.active()).toEqual([{ filter: 'exit.cpuid', condition: 'leaf == 1' }, { filter: 'exit.hlt@2' }]);
    expect(choice.shown().map(each => [each.filter, each.default])).toEqual([['exit.cpuid', true], ['exit.hlt@2', true], ['triple-fault', false]]);
    expect(choice.shown()[1].label).toBe('VM exit: HLT at L2');
    expect(choice.describe()).toContainEqual(expect.objectContaining({ filter: 'exit.hlt', shown: false, levels: [2] }));
  });
  it('refuses what does not exist and stays as it was', () => {
    const choice = new FilterChoice(), before = choice.shown();
    expect(() => choice.show([{ filter: 'exit.cpuid' }, { filter: 'exit.none' }])).toThrow(UserError);
    expect(choice.shown()).toEqual(before);
  });
});
