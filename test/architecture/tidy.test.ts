// What a tree must not hold: leftover markers, overlong lines and files, skipped tests, dead modules.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(__dirname, '../..');
const skipped = new Set(['node_modules', 'dist', 'build', '.git', 'generated', 'images', 'fixtures']);

function files(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return skipped.has(name) ? [] : files(path, pattern);
    return pattern.test(name) ? [path] : [];
  });
}
const sources = ['src', 'test', 'tools', 'guests'].flatMap(room => files(join(root, room), /\.(ts|mjs|c|h|S)$/));
const marker = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);

describe('sources', () => {
  it.each(sources.map(path => [relative(root, path), path] as const))('%s', (name, path) => {
    const lines = readFileSync(path, 'utf8').split('\n'), longest = name.startsWith('test/') ? 260 : 220;   // rows of cases may be long
    expect(lines.length, 'is it still one idea?').toBeLessThanOrEqual(701);
    lines.forEach((line, n) => {
      expect(marker.test(line), `${name}:${n + 1} has a leftover marker`).toBe(false);
      expect(line.length, `${name}:${n + 1} is too long`).toBeLessThanOrEqual(longest);
    });
    if (name.startsWith('test/')) expect(/\b(it|test|describe)\.(skip|only|todo)\b/.test(lines.filter(l => !l.includes('toBe(false)')).join('\n')), `${name} skips a test`).toBe(false);
  });
});

describe('modules', () => {
  it('are all used', () => {
    const modules = files(join(root, 'src'), /\.ts$/);
    const entries = /^(cli\/(main|worker)|extension\/(node|web)|debug-adapter\/worker|emulator\/core\/index|emulator\/codegen\/engine-files)$/;
    const used = new Set<string>();
    for (const path of [...sources, ...files(join(root, 'tools'), /\.mjs$/)]) {
      for (const [, target] of readFileSync(path, 'utf8').matchAll(/(?:from|import(?:\(|(?= )))\s*['"](\.[^'"]+)['"]/g)) {
        const resolved = resolve(dirname(path), target);
        used.add(resolved); used.add(`${resolved}/index`);
      }
      for (const [, target] of readFileSync(path, 'utf8').matchAll(/['"](src\/[^'"]+)\.ts['"]/g)) used.add(join(root, target));
    }
    const dead = modules.map(path => path.replace(/\.ts$/, '')).filter(path => !used.has(path) && !entries.test(relative(join(root, 'src'), path)));
    expect(dead.map(path => relative(root, path))).toEqual([]);
  });
});
