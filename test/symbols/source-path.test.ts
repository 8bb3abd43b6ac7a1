import { expect, test } from 'vitest';
import { joinPath, normalizePath, pathMatch } from '../../src/symbols/source-path';

test.each([
  [['/build', 'src', 'a.c'], '/build/src/a.c'],
  [['.', '', 'guests/hypervisor/exit.c'], 'guests/hypervisor/exit.c'],
  [['.', '.', './a.c'], 'a.c'],
  [['/build', '/usr/include', 'stdio.h'], '/usr/include/stdio.h'],
  [['/build/x', '../y', 'a.c'], '/build/y/a.c'],
  [['x', '../../y', 'a.c'], '../y/a.c'],
  [['/', '../y', 'a.c'], '/y/a.c'],
  [['C:\\build', 'src\\x', 'a.c'], 'C:/build/src/x/a.c'],
  [['build', 'C:/other', 'a.c'], 'C:/other/a.c'],
  [['', '', ''], '.'],
])('joinPath %j', (parts, expected) => expect(joinPath(...parts)).toBe(expected));

test.each([['a//b///c', 'a/b/c'], ['/a/./b/..', '/a'], ['..', '..'], ['../..', '../..'], ['', '.'], ['a/..', '.'], ['C:', 'C:']])('normalizePath %s', (path, expected) => {
  expect(normalizePath(path)).toBe(expected);
});

test.each([
  ['guests/exit.c', 'guests/exit.c', 2], ['/home/me/guests/exit.c', 'guests/exit.c', 1], ['guests/exit.c', '/home/me/guests/exit.c', 1],
  ['/home/me/guests/exit.c', 'uests/exit.c', 0], ['a/exit.c', 'b/exit.c', 0], ['exit.c', 'a/exit.c', 1], ['/exit.c', '/a/exit.c', 1],
] as const)('pathMatch %s %s', (a, b, expected) => expect(pathMatch(a, b)).toBe(expected));
