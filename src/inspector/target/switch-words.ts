// The world switches of one exit of the innermost guest: from the moment it left to now, or to where it runs again.
import { exitReasonByNumber } from '../../spec/exit-reasons';
import type { LevelTracker } from '../levels/level-tracker';
import type { SwitchInfo } from '../target-types';

export function switchesOfStop(tracker: LevelTracker, vcpu: number): SwitchInfo[] {
  const guest = tracker.activeChain(vcpu).at(-1), { switches } = tracker;
  let start = switches.count;
  while (start > switches.oldest) {
    const row = switches.at(start - 1)!;
    start--;
    if (row.vcpu === vcpu && row.kind === 'exit' && row.fromContext === guest?.id) break;
  }
  return tracker.switchesSince(start).filter(row => row.vcpu === vcpu).map(({ kind, from, to, reason, entryFailed, uncertain, time }) => ({
    kind, from, to, reason, name: `${exitReasonByNumber(reason)?.name ?? `reason ${reason}`}`, time: String(time), ...entryFailed && { entryFailed }, ...uncertain && { uncertain },
  }));
}
