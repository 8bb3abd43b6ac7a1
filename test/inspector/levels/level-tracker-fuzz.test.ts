// No stream of events, however absurd, breaks the tracker: it never throws, and the tree stays a tree.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { vmxInstructions, vmxOutcomes } from '../../../src/emulator/codegen/state-layout';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { EventStream } from './event-stream';

const few = (...values: number[]) => fc.constantFrom(...values.map(BigInt));
const state = fc.record({ rip: few(0x100, 0x103, 0x200, 0x500), rsp: few(0x1000, 0x2000), cr3: few(0x1000, 0x2000), rflags: few(2, 3, 0x42) });
const vcpu = fc.constantFrom(0, 1), pointer = few(0x1000, 0x2000, 0x3000);
const event = fc.oneof(
  fc.record({ kind: fc.constant('exit' as const), state, fields: fc.record({ vcpu, reason: fc.constantFrom(1, 10, 12, 20, 23, 24, 25, 28, 33, 48), failed: fc.boolean(), vmcs: pointer, length: fc.constantFrom(0, 3) }) }),
  fc.record({ kind: fc.constant('entry' as const), state, fields: fc.record({ vcpu, vmcs: pointer, eptp: few(0, 0x101e), resume: fc.boolean() }) }),
  fc.record({
    kind: fc.constant('instruction' as const), state,
    fields: fc.record({
      vcpu, name: fc.constantFrom(...vmxInstructions), outcome: fc.constantFrom(...vmxOutcomes), root: fc.boolean(), operand: few(0x1000, 0x2000, 0x681e, 0x6c16, 0x6802, 0x6c02, 0xffff_ffff),
      value: few(0x100, 0x103, 0x500, 0x1000), current: pointer, destination: fc.constantFrom(0, 3, 0xff),
    }),
  }),
  fc.record({ kind: fc.constant('reset' as const), vcpu }),
);

it('holds its invariants on random streams', () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 120 }), events => {
    const tracker = new LevelTracker({ vcpus: 2 }), stream = new EventStreamOnce(each => tracker.feed(each));
    for (const each of events) {
      if (each.kind === 'exit') stream.events.exit(each.state, each.fields);
      else if (each.kind === 'entry') stream.events.entry(each.state, each.fields);
      else if (each.kind === 'instruction') stream.events.instruction(each.state, each.fields);
      else stream.events.reset(each.vcpu);
      for (const context of tracker.liveContexts) {
        expect(context.level).toBe(context.parent ? context.parent.level + 1 : 0);
        expect(context.state === 'executing').toBe(tracker.executing(context.vcpu) === context);
        if (context.parent) expect(context.parent.state).not.toBe('ended');
      }
      for (const number of [0, 1]) {
        const chain = tracker.activeChain(number);
        expect(chain.map(({ level }) => level)).toEqual(chain.map((_, n) => n));
        expect(tracker.executing(number).vcpu).toBe(number);
      }
    }
  }), { numRuns: 300, seed: 1 });
});

/** Streams are large: one memory serves all runs. */
class EventStreamOnce {
  private static shared: EventStream | undefined;
  private static visit: ConstructorParameters<typeof EventStream>[0] = () => undefined;
  readonly events: EventStream;
  constructor(visit: ConstructorParameters<typeof EventStream>[0]) {
    EventStreamOnce.visit = visit;
    this.events = EventStreamOnce.shared ??= new EventStream(each => EventStreamOnce.visit(each));
  }
}
