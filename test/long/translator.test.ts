// The two back ends agree on many random programs, and translated code on all recorded instructions. 
import { expect, it } from 'vitest';
import { compareBackEnds } from '../emulator/codegen/random-programs';
import { replayTranslated } from '../emulator/codegen/replay-translated';
import { seed } from './seed';

it(`random programs agree, all code translated (seed ${seed})`, async () => {
  for (let n = 0; n < 60; n++) {
    const { difference, failures } = await compareBackEnds(seed + n, 'always', 4000, 400);
    expect(difference).toBeUndefined();
    expect(failures).toEqual([]);
  }
});
it(`random programs agree, hot code translated (seed ${seed})`, async () => {
  for (let n = 0; n < 20; n++) {
    const { difference, failures } = await compareBackEnds(seed + 1000 + n, 'on', 3_000_000, 50_000);
    expect(difference).toBeUndefined();
    expect(failures).toEqual([]);
  }
});
it('all vectors of a real processor agree with translated code', () => { expect(replayTranslated(1).failures.slice(0, 20)).toEqual([]); });
