// Steps on real stacks, held against the truth: the same machine run one unit at a time. For every level, steps by instruction from many places end
// exactly where the issue of a step says, and the machine is in the state in which it would be without a debugger.
import { describe, expect, it } from 'vitest';
import { stepPlan, type StepWish } from '../../../src/inspector/run-control/steps';
import type { MachineSession } from '../../../src/inspector/target/machine-session';
import { movDwordIndirect, movImmediate, RBX } from '../../emulator/vmx/machine-code';
import { imageBase, tinyImage } from '../../debug-adapter/tiny-image';
import { compareSteps } from './step-comparison';
import { isLaunch } from './step-truth';
import { advance, advanceTo, image, open, record, twice, type Image, type Settings, type Unit } from './truth';

const nextOf = (trace: readonly Unit[], from: number, holds: (unit: Unit) => boolean): Unit | undefined => trace.slice(from + 1).find(holds);

const guest = image('guest rounds=1000000');
const stacks: readonly [name: string, program: Image, modules: readonly Image[], levels: number, every: boolean][] = [
  ['three hypervisors', image('hypervisor'), [image('hypervisor'), image('hypervisor'), guest], 3, true],
  ['three hypervisors with shadowing', image('hypervisor shadowing=on'), [image('hypervisor'), image('hypervisor'), guest], 3, false],
  ['a monitor of one VMCS', image('monitor'), [guest], 1, true],
];

describe.each(stacks)('%s', (_, program, modules, levels, every) => {
  it('steps by instruction end where the truth says, at every level, and change nothing', async () => {
    const [truth, stepped] = await twice(program, modules, levels), { trace, digests } = record(truth, 60_000), seen = new Set<string>();
    let left = 0;
    const first = trace[0].time, at = (unit: Unit): number => Number(unit.time - first);
    const step = async (level: number, wish: Partial<StepWish>): Promise<{ time: bigint; level: number; note?: string }> => {
      const context = stepped.tracker.executing(0);
      expect(context.level).toBe(level);
      const halt = await stepped.control.resume(stepPlan(stepped.world, context, { kind: 'over', granularity: 'instruction', ...wish }));
      expect(halt.kind).toBe('plan');
      return { time: stepped.machine.time(), level: stepped.tracker.executing(0).level, ...halt.kind === 'plan' && halt.note !== undefined && { note: halt.note } };
    };
    for (let n = 0; n < trace.length - 4000;) {
      const unit = trace[n], next = trace[n + 1], leaves = next.level !== unit.level;
      // instructions that stay inside their level are all alike: a few of them will do
      if (!leaves && n % 97 !== 0) { n++; continue; }
      advanceTo(stepped, unit.time);
      const kind = ([{ kind: 'in' }, { kind: 'in' }, { kind: 'in', level: Math.max(0, unit.level - 2) }, { kind: 'in' }, { kind: 'in' }, { kind: 'in' }, { kind: 'over' }] as const)[left % 7];
      const entersGuest = isLaunch(unit.bytes);
      const back = nextOf(trace, n, each => each.level === unit.level), name = `${kind.kind} of L${unit.level} at ${unit.rip.toString(16)}`;
      const result = await step(unit.level, kind);
      const awaited = kind.kind === 'over' || !leaves ? back : nextOf(trace, n, each => each.level === unit.level || ('level' in kind && unit.level > 0 ? each.level === kind.level
        : entersGuest ? each.level > unit.level : each.level === unit.level - 1));
      // over a call the whole function runs
      if (kind.kind === 'over' && !leaves) expect(result.time, name).toBeGreaterThanOrEqual(back!.time);
      else if (awaited) expect([result.level, result.time], name).toEqual([awaited.level, awaited.time]);
      if (leaves) { seen.add(`${kind.kind} ${entersGuest ? 'entry' : 'exit'} of L${unit.level}`); left++; }
      n = at({ ...unit, time: result.time });
    }
    expect(left).toBeGreaterThan(20);
    // how many depends on the guests; the plain stack leaves every level all the time
    expect(new Set([...seen].map(each => each.slice(-2))).size).toBeGreaterThanOrEqual(every ? levels + 1 : 2);
    expect([...seen]).toEqual(expect.arrayContaining(['in entry of L0']));
    // the machine is where it would be without the steps
    const time = [...digests.keys()].find(each => each >= stepped.machine.time());
    if (time !== undefined) {
      advanceTo(stepped, time);
      expect(stepped.machine.digest()).toBe(digests.get(time));
    }
  });
});

// Over, into and out of, by statement and by instruction, from places chosen at random, half of them at exits, entries and events. Longer runs with
// other seeds: test/long/steps.test.ts.
describe('steps of every kind from anywhere', () => {
  it.each<[name: string, program: string, modules: readonly string[], levels: number, units: number, settings?: Settings]>([
    ['detours on the machine itself', 'detours sleep=on', [], 0, 40_000],
    ['detours under a monitor', 'monitor', ['detours'], 1, 12_000],
    ['two hypervisors that capture interrupts and take time slices', 'hypervisor capture=on preemption=700', ['hypervisor', 'detours sleep=on'], 2, 60_000],
    ['a hypervisor that handles exits of its guest\'s guest itself', 'hypervisor ept=on', ['hypervisor', 'detours far=40 forbidden=2'], 2, 60_000],
    ['four hypervisors with both optimisations', 'hypervisor shadowing=on no-propagation=on', ['hypervisor', 'hypervisor', 'hypervisor', 'guest'], 4, 60_000],
    ['two processors', 'processors processors=2 passes=1000', [], 0, 50_000, { vcpus: 2 }],
    ['handlers stepped into', 'hypervisor capture=on', ['hypervisor', 'detours sleep=on'], 2, 60_000, { stepIntoInterrupts: true, stepIntoFaults: true }],
  ])('%s', async (_, program, modules, levels, units, settings = {}) => {
    const [truth, stepped] = await twice(image(program), modules.map(image), levels, settings, levels === 0 ? 30_000 : 5000), recorded = record(truth, units);
    const seen = await compareSteps(stepped, recorded, truth.world, { seed: 7, gap: 10 });
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(80);
  });
});

it('the image of a level is found from the last instruction of its text', async () => {
  const [{ images, tracker }] = await twice(image('hypervisor'), [guest], 1), context = tracker.contexts[1], { symbols } = images.images.find(({ name }) => name === 'guest')!;
  const text = symbols.segments.find(({ executable }) => executable)!, last = text.virtualAddress + BigInt(text.fileSize) - 1n, bias = 0x60_0000n;
  expect([symbols.isCode(last), images.inContext(context).length]).toEqual([true, 0]);
  expect(images.at(context, last + bias)).toMatchObject({ bias, image: { name: 'guest' } });
});

describe('one level with interrupts, faults and everything between', () => {
  const apic = 0xfee0_0000, idt = 0x40_0000, handlers = 0x41_0000, stack = 0x42_0000, data = 0x43_0000;
  const apicWrite = (offset: number, value: number): number[] => [...movImmediate(RBX, apic + offset), ...movDwordIndirect(RBX, value)];
  const interrupt = apicWrite(0x300, 0x4_4041), timer = (count: number): number[] => apicWrite(0x380, count);
  const enableTimer = [...apicWrite(0xf0, 0x1ff), ...apicWrite(0x3e0, 0xb), ...apicWrite(0x320, 0x42)];
  const copy = [...movImmediate(1, 300), ...movImmediate(6, data), ...movImmediate(7, data + 0x100), 0xf3, 0xa4];
  const body = [
    0xfa, ...interrupt, 0xfb, 0x90, 0x90, // CLI, send, STI, NOP: the interrupt comes behind the NOP
    0xfa, ...interrupt, 0xfb, 0x8e, 0xd0, 0x90, 0x90, // ... STI, MOV SS: one more instruction runs
    0x0f, 0x0b, 0x0f, 0x0b, // UD2 twice: the handler steps over each
    ...timer(1), ...copy, // an interrupt between two iterations
    ...timer(2), 0xf4, 0x90, // HLT until the timer
    ...copy, 0x9c, 0x9d, 0x68, 0, 0, 0x42, 0, 0x58, // PUSHF, POPF, PUSH, POP
  ];
  const start = [...movImmediate(4, stack), ...movImmediate(0, 0x10), 0x0f, 0x01, 0x1c, 0x25, 0, 0, 0x44, 0, ...enableTimer], back = -(body.length + 5);
  const program = { name: 'all', bytes: tinyImage([...start, ...body, 0xe9, ...[0, 8, 16, 24].map(n => back >> n & 255)]) };
  const gate = (at: number): number[] => [at & 255, at >> 8 & 255, 8, 0, 0, 0x8e, at >> 16 & 255, at >> 24 & 255, 0, 0, 0, 0, 0, 0, 0, 0];

  /** The machine where the loop begins. */
  async function ready(more: { stepIntoInterrupts?: boolean } = {}): Promise<MachineSession> {
    const session = await open(program, [], more), { machine } = session, write = (at: number, bytes: readonly number[]): void => { machine.writePhysical(BigInt(at), Uint8Array.from(bytes)); };
    write(0x44_0000, [0xff, 0x0f, idt & 255, idt >> 8 & 255, idt >> 16 & 255, 0, 0, 0, 0, 0]);
    write(idt + 16 * 6, gate(handlers));
    for (const vector of [0x41, 0x42]) write(idt + 16 * vector, gate(handlers + 0x100));
    write(handlers, [0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xcf]); // ADD qword [RSP], 2; IRET
    write(handlers + 0x100, [0x50, 0x53, ...apicWrite(0xb0, 0), 0x5b, 0x58, 0x48, 0xcf]); // end of interrupt
    while (machine.registers(0).get('rip') !== BigInt(imageBase + start.length)) advance(session, 1);
    return session;
  }
  const isRepeated = (rip: bigint, machine: MachineSession['machine']): boolean => machine.readPhysical(rip, 1)?.[0] === 0xf3;

  it.each([false, true])('steps go from instruction to instruction (into interrupts: %s)', async stepIntoInterrupts => {
    const truth = await ready(), stepped = await ready({ stepIntoInterrupts }), { trace, digests } = record(truth, 12000), first = trace[0].time;
    /** Where the step from unit n ends. */
    const expected = (n: number): number => {
      for (let j = n;;) {
        const { rip, rsp } = trace[j], interrupted = trace[j].delivered === 'interrupt';
        if (interrupted && stepIntoInterrupts) return j + 1;
        if (interrupted) j = trace.findIndex((each, k) => k > j && each.rip === rip && each.rsp === rsp && trace[k - 1].rip !== rip);
        // the next iteration, or still halted
        else if (trace[j + 1].rip === rip && (isRepeated(rip, truth.machine) || trace[j + 1].rsp === rsp)) j++;
        else return j + 1;
      }
    };
    const context = stepped.tracker.root(0), kinds = { interrupts: 0, steps: 0 };
    for (let n = 0; n < trace.length - 800; kinds.steps++) {
      const to = expected(n), halt = await stepped.control.resume(stepPlan(stepped.world, context, { kind: 'over', granularity: 'instruction' }));
      if (trace.slice(n, to).some(({ delivered }) => delivered === 'interrupt')) kinds.interrupts++;
      expect(halt.kind).toBe('plan');
      expect([stepped.machine.time() - first, stepped.machine.registers(0).get('rip')], `from ${trace[n].rip.toString(16)}`).toEqual([trace[to].time - first, trace[to].rip]);
      n = to;
    }
    expect(kinds.interrupts).toBeGreaterThan(10);
    const time = [...digests.keys()].find(each => each >= stepped.machine.time())!;
    advanceTo(stepped, time);
    expect(stepped.machine.digest()).toBe(digests.get(time));
  });
});
