// Steps on real stacks, held against the truth: the same machine run one unit at a time. For every level, steps by instruction from many places end
// exactly where the issue of a step says, and the machine is in the state in which it would be without a debugger.
import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import type { EventReader } from '../../../src/emulator/event-ring';
import { CodeBreakpoints } from '../../../src/inspector/run-control/code-breakpoints';
import { DataBreakpoints } from '../../../src/inspector/run-control/data-breakpoints';
import { stepPlan, type StepWish } from '../../../src/inspector/run-control/steps';
import { openMachine } from '../../../src/inspector/target/open-machine';
import type { MachineSession } from '../../../src/inspector/target/machine-session';
import { ValueFormat } from '../../../src/inspector/target/value-format';
import { movDwordIndirect, movImmediate, RBX } from '../../emulator/vmx/machine-code';
import { imageBase, tinyImage } from '../../debug-adapter/tiny-image';

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../../${path}`, import.meta.url)));
const engine = { core: file('dist/core.wasm'), interpreter: file('dist/interpreter.wasm'), decodeTables: file('dist/decode-tables.bin') };
interface Image { name: string; bytes: Uint8Array; commandLine?: string }
const image = (name: string, commandLine = ''): Image => ({ name, bytes: file(`guests/images/${name}.elf`), commandLine });

async function open(program: Image, modules: readonly Image[] = [], more: { stepIntoInterrupts?: boolean } = {}): Promise<MachineSession> {
  return openMachine({ engine, program, modules, memoryMiB: 64, vcpus: 1, processor: {}, stopsFrom: 'reset', stopOnEntry: false, levels: [], ...more }, {
    format: new ValueFormat(), level: 0, emit: () => undefined, levelsChanged: () => undefined,
    breakpoints: (machine, scope) => new CodeBreakpoints(machine, scope), data: (machine, scope) => new DataBreakpoints(machine, scope),
  });
}

/** Where a unit began. `interrupted`: it delivered an interrupt. */
interface Unit { readonly time: bigint; readonly level: number; readonly rip: bigint; readonly rsp: bigint; readonly interrupted: boolean }

/** Runs to a time, or one unit; the tracker sees every event. */
function advance({ machine, tracker }: MachineSession, units: number): boolean {
  let interrupted = false;
  const feed = (event: EventReader): void => { interrupted ||= event.kind === 'interrupt'; tracker.feed(event); };
  for (let left = units; left > 0;) {
    const { units: done, kind } = machine.run(left);
    machine.drainEvents(feed);
    left -= done;
    if (kind === 'debugExit' || kind === 'idle' || kind === 'shutdown') break;
  }
  return interrupted;
}

/** The truth from now on, unit by unit, and the digest at each time asked for. */
function record(session: MachineSession, units: number): { trace: Unit[]; digests: Map<bigint, bigint> } {
  const { machine, tracker } = session, trace: Unit[] = [], digests = new Map<bigint, bigint>(), registers = machine.registers(0);
  machine.recordEvents(['reset', 'vmxInstruction', 'vmExit', 'vmEntry', 'exception', 'interrupt']);
  for (let n = 0; n < units; n++) {
    const time = machine.time(), level = tracker.executing(0).level, rip = registers.get('rip'), rsp = registers.get('rsp');
    if (n % 4000 === 0 || n === units - 1) digests.set(time, machine.digest());
    const interrupted = advance(session, 1);
    if (machine.time() === time) break;
    trace.push({ time, level, rip, rsp, interrupted });
  }
  return { trace, digests };
}

/** The same machine twice, at a time when the guest has run for a while. */
async function twice(program: Image, modules: readonly Image[], levels: number): Promise<[MachineSession, MachineSession]> {
  const [truth, stepped] = [await open(program, modules), await open(program, modules)];
  while (!truth.tracker.liveContexts.some(({ level }) => level === levels)) advance(truth, 20_000);
  advance(truth, 50_000);
  advance(stepped, Number(truth.machine.time()));
  expect(stepped.machine.digest()).toBe(truth.machine.digest());
  return [truth, stepped];
}

/** VMLAUNCH or VMRESUME. */
const isLaunch = (bytes: Uint8Array | undefined): boolean => bytes?.[0] === 0x0f && bytes[1] === 0x01 && (bytes[2] === 0xc2 || bytes[2] === 0xc3);
const nextOf = (trace: readonly Unit[], from: number, holds: (unit: Unit) => boolean): Unit | undefined => trace.slice(from + 1).find(holds);

const guest = image('guest', 'rounds=1000000');
const stacks: readonly [name: string, program: Image, modules: readonly Image[], levels: number, every: boolean][] = [
  ['three hypervisors', image('hypervisor'), [image('hypervisor'), image('hypervisor'), guest], 3, true],
  ['three hypervisors with shadowing', image('hypervisor', 'shadowing=on'), [image('hypervisor'), image('hypervisor'), guest], 3, false],
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
      advance(stepped, Number(unit.time - stepped.machine.time()));
      const kind = ([{ kind: 'in' }, { kind: 'in' }, { kind: 'in', level: Math.max(0, unit.level - 2) }, { kind: 'in' }, { kind: 'in' }, { kind: 'in' }, { kind: 'over' }] as const)[left % 7];
      const entersGuest = isLaunch(stepped.machine.readLinear(0, unit.rip, 3));
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
      advance(stepped, Number(time - stepped.machine.time()));
      expect(stepped.machine.digest()).toBe(digests.get(time));
    }
  });
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
        const { rip, rsp, interrupted } = trace[j];
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
      if (trace.slice(n, to).some(({ interrupted }) => interrupted)) kinds.interrupts++;
      expect(halt.kind).toBe('plan');
      expect([stepped.machine.time() - first, stepped.machine.registers(0).get('rip')], `from ${trace[n].rip.toString(16)}`).toEqual([trace[to].time - first, trace[to].rip]);
      n = to;
    }
    expect(kinds.interrupts).toBeGreaterThan(10);
    const time = [...digests.keys()].find(each => each >= stepped.machine.time())!;
    advance(stepped, Number(time - stepped.machine.time()));
    expect(stepped.machine.digest()).toBe(digests.get(time));
  });
});
