// Runs recordings on the real processor and makes vectors of them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyState, fillState, place } from './layout';
import type { Recording } from './forms';
import { noException, type Vector } from './vector-file';

const inputBytes = 16 + 17 * 8 + 8 + 256 + place.windowBytes, outputBytes = 19 * 8 + 16 + 256 + place.windowBytes;

/** The processor that records, for the header of the file. */
export function processorName(): string {
  const info = readFileSync('/proc/cpuinfo', 'utf8'), field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? '';
  return `${field('vendor_id')} family ${field('cpu family')} model ${field('model')} stepping ${field('stepping')}`;
}

/** Compiles native.c into a temporary folder; the caller removes the folder. */
function compile(root: string, folder: string): string {
  const program = join(folder, 'native');
  execFileSync('gcc', ['-O2', '-o', program, join(root, 'tools/vectors/native.c')]);
  return program;
}

/** Executes each recording once; calls `visit` with vectors whose arrays are their own. */
export function record(root: string, recordings: readonly Recording[], visit: (v: Vector, n: number) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'vectors-'));
  try {
    const program = compile(root, folder), input = new Uint8Array(recordings.length * inputBytes), view = new DataView(input.buffer);
    recordings.forEach((r, n) => {
      const state = emptyState(), at = n * inputBytes;
      fillState(state, r.seed, r.kind, r.overrides);
      input.fill(0xcc, at, at + 16);
      input.set(r.code, at);
      state.gpr.forEach((v, k) => view.setBigUint64(at + 16 + 8 * k, v, true));
      view.setBigUint64(at + 144, BigInt(state.rflags), true);
      view.setUint32(at + 152, r.mxcsr, true);
      view.setUint32(at + 156, r.code.length, true);
      input.set(new Uint8Array(state.xmm.buffer), at + 160);
      input.set(new Uint8Array(state.window.buffer), at + 416);
    });
    writeFileSync(join(folder, 'input'), input);
    execFileSync(program, [join(folder, 'input'), join(folder, 'output')]);
    const output = readFileSync(join(folder, 'output')), o = new DataView(output.buffer, output.byteOffset, output.length);
    recordings.forEach((r, n) => {
      const before = emptyState(), at = n * outputBytes;
      fillState(before, r.seed, r.kind, r.overrides);
      const words = (from: number, count: number): BigUint64Array => BigUint64Array.from({ length: count }, (_, k) => o.getBigUint64(from + 8 * k, true));
      const vector = o.getUint32(at + 156, true), trap = vector === 1;
      const window = new Uint8Array(output.subarray(at + 424, at + 424 + place.windowBytes));
      // a pushed image of RFLAGS holds the TF of the single step
      if (r.name === 'PUSHF') { const rsp = Number(o.getBigUint64(at + 32, true)) - place.window; if (rsp >= 0 && rsp < 511) window[rsp + 1] &= ~1; }
      visit({
        name: r.name, code: Uint8Array.from(r.code), seed: r.seed, kind: r.kind, mxcsr: r.mxcsr, overrides: r.overrides, before,
        after: {
          exception: trap ? noException : vector, error: vector === 14 ? o.getUint32(at + 160, true) & 0xfe : 0, cr2: o.getBigUint64(at + 144, true), gpr: words(at, 16),
          rflags: Number(o.getBigUint64(at + 128, true)) & ~0x100, rip: o.getBigUint64(at + 136, true), xmm: words(at + 168, 32), mxcsr: o.getUint32(at + 152, true), window,
        },
      }, n);
    });
  } finally { rmSync(folder, { recursive: true }); }
}
