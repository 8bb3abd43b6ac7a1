// What the check of a launch configuration says, against the schema that the manifest contributes.
import { describe, expect, it } from 'vitest';
import { checkConfiguration } from '../../src/extension/configuration-check';
import { demonstration, launchAttributes, launchSnippets } from '../../tools/contributions/launch-attributes';

const check = (configuration: Record<string, unknown>, ...expected: string[]) => expect(checkConfiguration(configuration, launchAttributes)).toEqual(expected);

describe('a configuration without mistakes', () => {
  it.each([
    {}, { ...demonstration }, { program: '/hv.elf', modules: [{ image: 'guest.elf' }, { image: 'x.bin', commandLine: 'quiet' }] }, { memory: 16 }, { memory: 3584 }, { stopsFrom: 'reset' },
    { sourceMap: { '/build': '/home/hv' } }, { levels: [{ level: 2, loadAddress: '0x400000' }] }, { levels: [{ level: 0, loadAddress: '4194304' }] }, { serial: 'off', trace: true },
    { preLaunchTask: 'build', presentation: { hidden: true }, memory: undefined },
  ])('%j', (configuration) => check(configuration));

  it.each(launchSnippets.map(({ label, body }) => ({ label, body })))('the snippet $label', ({ body }) => {
    // Places to fill in stand for strings everywhere.
    expect(checkConfiguration(body, launchAttributes)).toEqual([]);
  });
});

describe('mistakes', () => {
  it.each<[Record<string, unknown>, ...string[]]>([
    [{ program: 5 }, "'program' must be a string; it is 5."],
    [{ program: ['a.elf'] }, '\'program\' must be a string; it is ["a.elf"].'],
    [{ modules: {} }, "'modules' must be an array; it is {}."],
    [{ modules: ['guest.elf'] }, '\'modules[0]\' must be an object; it is "guest.elf".'],
    [{ modules: [{ image: 'a' }, {}] }, "'modules[1]' lacks 'image'."],
    [{ modules: [{ image: 'a', args: 'b' }] }, "'modules[0]' has no attribute 'args'; it knows 'image', 'commandLine'."],
    [{ modules: [{ image: null }] }, "'modules[0].image' must be a string; it is null."],
    [{ memory: '256' }, '\'memory\' must be a whole number; it is "256".'],
    [{ memory: 8 }, "'memory' must be between 16 and 3584; it is 8."],
    [{ memory: 17 }, "'memory' must be a multiple of 2; it is 17."],
    [{ memory: 20.5 }, "'memory' must be a whole number; it is 20.5."],
    [{ stopsFrom: 'exit' }, '\'stopsFrom\' must be one of \'guest\', \'reset\'; it is "exit".'],
    [{ stopOnEntry: 'yes' }, '\'stopOnEntry\' must be true or false; it is "yes".'],
    [{ sourceMap: { '/a': 1 } }, "'sourceMap./a' must be a string; it is 1."],
    [{ sourceMap: ['/a'] }, '\'sourceMap\' must be an object; it is ["/a"].'],
    [{ levels: [{ image: 'a' }] }, "'levels[0]' lacks 'level'."],
    [{ levels: [{ level: -1 }] }, "'levels[0].level' must be between 0 and 64; it is -1."],
    [{ levels: [{ level: 1, loadAddress: 'top' }] }, '\'levels[0].loadAddress\' is "top". An address: hexadecimal with 0x, or decimal.'],
    [{ memory: 1, serial: 'file' }, "'memory' must be between 16 and 3584; it is 1.", '\'serial\' must be one of \'console\', \'off\'; it is "file".'],
    [{ program: { a: 'x'.repeat(80) } }, `'program' must be a string; it is {"a":"${'x'.repeat(51)}....`],
  ])('%j', (configuration, ...expected) => check(configuration, ...expected.map((text) => text)));
});
