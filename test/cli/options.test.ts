import { expect, it } from 'vitest';
import { parseOptions, UsageError } from '../../src/cli/options';

const parse = (line: string) => parseOptions(line.split(' ').filter(Boolean), ['memory', 'append', 'initrd'], ['json']);

it('splits words, values and switches', () => {
  const options = parse('image --memory 64 --append=a=b --json --initrd one --initrd two');
  expect(options.rest).toEqual(['image']);
  expect(options.integer('memory', 1, 100)).toBe(64);
  expect(options.value('append')).toBe('a=b');
  expect(options.values('initrd')).toEqual(['one', 'two']);
  expect(options.has('json')).toBe(true);
  expect(options.value('port')).toBeUndefined();
});

it('knows choices', () => {
  expect(parse('--append two').oneOf('append', ['one', 'two'])).toBe('two');
  expect(parse('').oneOf('append', ['one', 'two'])).toBeUndefined();
  expect(() => parse('--append three').oneOf('append', ['one', 'two'])).toThrow('There is no append three: choose one, two.');
});

it.each(['--unknown', '--memory', '--json=1'])('refuses %s', line => {
  expect(() => parse(line)).toThrow(UsageError);
});

it.each(['0', '101', '1.5', 'x', '-3'])('refuses %s where an integer from 1 to 100 is wanted', text => {
  expect(() => parse(`--memory ${text}`).integer('memory', 1, 100)).toThrow(UsageError);
});
