// Names of files: whose they are.
import { expect, it } from 'vitest';
import { locate } from '../../src/extension/file-location';

it.each([
  ['extension:/dist/core.wasm', { kind: 'extension', segments: ['dist', 'core.wasm'] }],
  ['extension:guests//./images/guest.elf', { kind: 'extension', segments: ['guests', 'images', 'guest.elf'] }],
  ['abyme-folder://workspace/hv.elf', { kind: 'uri', uri: 'abyme-folder://workspace/hv.elf' }],
  ['file:///c%3A/hv.elf', { kind: 'uri', uri: 'file:///c%3A/hv.elf' }],
  ['/home/me/hv.elf', { kind: 'absolute', path: '/home/me/hv.elf' }],
  ['C:\\hv\\hv.elf', { kind: 'absolute', path: 'C:\\hv\\hv.elf' }],
  ['c:/hv.elf', { kind: 'absolute', path: 'c:/hv.elf' }],
  ['\\\\server\\share\\hv.elf', { kind: 'absolute', path: '\\\\server\\share\\hv.elf' }],
  ['hv.elf', { kind: 'relative', path: 'hv.elf' }],
  ['../out/hv.elf', { kind: 'relative', path: '../out/hv.elf' }],
])('%s', (name, expected) => expect(locate(name)).toEqual(expected));

it.each(['extension:/../secret', 'extension:/dist/../../secret', 'extension:..'])('%s does not leave the extension', (name) => expect(() => locate(name)).toThrow(/is not a file of the extension/));
