// Many random programs on several vCPUs: however a run is cut, interrupted by snapshots, or translated, it is the same run.
import { describe, it } from 'vitest';
import { expectOneRun } from '../emulator/processors/one-run';
import { torture } from '../emulator/replay/torture';
import { seed } from './seed';

describe.each([2, 3, 4, 8])('%i vCPUs', vcpus => {
  it('run the same way however they are run', async () => {
    for (let n = 0; n < 12; n++) {
      await expectOneRun(await torture(seed + n, { vcpus }), await torture(seed + n, { vcpus, translator: n % 2 === 0 ? 'on' : 'off' }), seed + n, 400_000);
    }
  });
});
