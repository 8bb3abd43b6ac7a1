// Every recorded instruction of a real processor, replayed: registers, flags, memory, MXCSR and exceptions agree wherever Intel's manual
// defines them. tools/vectors/README.md says how the vectors were made.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { instructions } from '../../../src/emulator/instructions';
import { notRecorded } from '../../../tools/vectors/forms';
import { readVectors } from '../../../tools/vectors/vector-file';
import { differencesOf, vendorDifferences } from '../../../tools/vectors/vendor-differences';
import { BareEngine } from './bare-engine';
import { describeVector, differences } from './compare';

interface Tally { readonly name: string; vectors: number; completed: number; failures: string[] }

const file = new URL('../../../tools/vectors/vectors.bin.gz', import.meta.url);
const tallies = new Map<string, Tally>(), needed = vendorDifferences.map(() => 0);
let processor = '';

beforeAll(() => {
  const engine = new BareEngine();
  ({ processor } = readVectors(gunzipSync(readFileSync(file)), v => {
    let tally = tallies.get(v.name);
    if (!tally) { tally = { name: v.name, vectors: 0, completed: 0, failures: [] }; tallies.set(v.name, tally); }
    tally.vectors++;
    if (v.after.exception === 255) tally.completed++;
    engine.prepare(v.code, v.before, v.mxcsr);
    const found = differences(v, engine.step());
    if (found.length === 0) return;
    const rows = differencesOf(v);
    rows.forEach(n => { needed[n]++; });
    if (rows.length === 0) tally.failures.push(`${describeVector(v)}: ${found.join('; ')}`);
  }));
});

describe('vectors of a real processor', () => {
  it('were recorded on the processor that the tables of differences speak of', () => expect(processor).toMatch(/^AuthenticAMD family \d+/));
  it('agree with the machine', () => {
    const failures = [...tallies.values()].flatMap(t => t.failures);
    expect(failures.slice(0, 20).join('\n')).toBe('');
  });
  it('are there for every instruction that user mode can execute', () => {
    const excluded = new Set(notRecorded.flatMap(([names]) => names.split(' ')));
    const missing = instructions.definitions.filter(d => d.feature !== 'vmx' && !excluded.has(d.name) && d.encodings.some(e => !e.options.has('i64')) && !tallies.has(d.name)).map(d => d.name);
    expect(missing).toEqual([]);
  });
  it('do more than fault, but for privileged instructions and those that always do', () => {
    const privileged = ['CLI', 'STI', 'HLT', 'IN', 'OUT', 'INS', 'OUTS', 'LLDT', 'LTR', 'LGDT', 'LIDT', 'LMSW', 'INVLPG', 'MOVfromCR', 'MOVtoCR', 'MOVfromDR', 'MOVtoDR', 'CLTS', 'INVD', 'WBINVD', 'WRMSR', 'RDMSR', 'CLAC', 'STAC', 'UD2'];
    expect([...tallies.values()].filter(t => t.completed === 0).map(t => t.name).sort()).toEqual(privileged.sort());
  });
  it('need every row of accepted differences', () => expect(vendorDifferences.filter((_, n) => needed[n] === 0).map(row => row.why)).toEqual([]));
});
