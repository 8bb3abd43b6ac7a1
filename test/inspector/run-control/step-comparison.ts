// Steps from random places of a run, each held against the truth about that run.
import { expect } from 'vitest';
import type { Context } from '../../../src/inspector/levels/context';
import { stepPlan, type StepWish } from '../../../src/inspector/run-control/steps';
import type { MachineSession } from '../../../src/inspector/target/machine-session';
import { exitReasonByNumber } from '../../../src/spec/exit-reasons';
import { isLaunch, StepTruth, type Wish } from './step-truth';
import { advanceTo, type Truth, type Unit } from './truth';

/** xorshift32: the same places for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const wishes: readonly Wish[] = (['over', 'in', 'out'] as const).flatMap(kind => [{ kind, granularity: 'statement' as const }, ...kind === 'out' ? [] : [{ kind, granularity: 'instruction' as const }]]);

export interface Comparison {
  readonly seed: number;
  /** Units between a step and the next, at most. */
  readonly gap: number;
}

const longStep = 2000;

/** What happens here beside a plain instruction. */
function crossingOf({ exit, delivered, injected, bytes }: Unit): string {
  if (exit !== undefined) return exitReasonByNumber(exit)?.slug ?? `exit ${exit}`;
  if (injected !== undefined) return 'entry that injects';
  return delivered ?? (isLaunch(bytes) ? 'entry' : 'instruction');
}
const isCrossing = (unit: Unit): boolean => crossingOf(unit) !== 'instruction';

/** Compares steps of `stepped` with what a record of the same run says, to the end of the record; returns how many of each kind began with what. */
export async function compareSteps(stepped: MachineSession, { trace, digests }: Truth, world: MachineSession['world'], { seed, gap }: Comparison): Promise<Map<string, number>> {
  const truth = new StepTruth(trace, world.code, stepped.world.settings), random = randomFrom(seed), seen = new Map<string, number>(), first = trace[0].time;
  const atTime = new Map(trace.map(({ time }, at) => [time, at]));
  const contextOf = ({ id }: Context): Context => stepped.tracker.context(id)!;
  for (let at = random(gap); at < trace.length; at += 1 + random(gap)) {
    // half of the steps begin at a crossing or right before one
    const ahead = [1, 0, 0, undefined, undefined, undefined][random(6)];
    if (ahead !== undefined) while (at < trace.length - 2 && !isCrossing(trace[at + ahead])) at++;
    const unit = trace[at], wish = wishes[random(wishes.length)];
    if (!unit) break;
    // at an exit, every other time from the stop on it
    const isAtExit = unit.exit !== undefined && random(2) === 0, ending = truth.ending(at, wish, isAtExit);
    // a long one now and then: the others leave room for more
    if (!ending || ending.at - at > longStep && random(10) !== 0) continue;
    const expected = trace[ending.at], name = `${wish.kind} by ${wish.granularity} of L${unit.level} from ${unit.rip.toString(16)} (unit ${at}, seed ${seed})`;
    advanceTo(stepped, unit.time);
    if (isAtExit) advanceTo(stepped, trace[at + 1].time);
    const step: StepWish = { ...wish, ...isAtExit && { atExit: true } };
    const halt = await stepped.control.resume(stepPlan(stepped.world, contextOf(unit.context), step));
    // other processors may run before that unit does, but no other level of this one
    const ended = atTime.get(stepped.machine.time()), isThere = stepped.tracker.executing(unit.vcpu) === halt.context, reached = ended === undefined ? undefined : truth.nextOf(expected.context, ended);
    expect({ kind: halt.kind, level: halt.context.level, context: halt.context.id, isThere, unit: reached === undefined ? undefined : truth.runsAt(reached) }, name)
      .toEqual({ kind: 'plan', level: expected.level, context: expected.context.id, isThere: true, unit: truth.runsAt(ending.at) });
    const note = halt.kind === 'plan' ? halt.note : undefined;
    if (ending.note) expect(note, name).toMatch(ending.note);
    else expect(note, name).toBeUndefined();
    const key = `${wish.kind} ${crossingOf(unit)}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    at = Math.max(at, ended!);
  }
  // the machine is where it would be without the steps
  const time = [...digests.keys()].find(each => each >= stepped.machine.time());
  if (time !== undefined) {
    advanceTo(stepped, time);
    expect(stepped.machine.digest(), `digest at ${time - first}`).toBe(digests.get(time));
  }
  return seen;
}
