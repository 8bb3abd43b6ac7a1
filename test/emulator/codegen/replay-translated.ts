// The recorded instructions of a real processor (tools/vectors/README.md), replayed with all of them translated.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { readVectors } from '../../../tools/vectors/vector-file';
import { differencesOf } from '../../../tools/vectors/vendor-differences';
import { BareEngine } from '../instructions/bare-engine';
import { describeVector, differences } from '../instructions/compare';

/** Replays every `nth` vector; returns what went wrong. */
export function replayTranslated(nth: number): { failures: string[]; regions: number; replayed: number } {
  const engine = new BareEngine({ translated: true }), failures: string[] = [];
  let count = 0, replayed = 0;
  readVectors(gunzipSync(readFileSync(new URL('../../../tools/vectors/vectors.bin.gz', import.meta.url))), v => {
    if (count++ % nth !== 0) return;
    replayed++;
    engine.prepare(v.code, v.before, v.mxcsr);
    const found = differences(v, engine.step());
    if (found.length > 0 && differencesOf(v).length === 0) failures.push(`${describeVector(v)}: ${found.join('; ')}`);
  });
  const { failures: mistakes, regions } = engine.translator!.statistics;
  return { failures: [...failures, ...mistakes], regions, replayed };
}
