// The truth about a run, to hold steps against: the same machine, run one unit at a time, with everything written down that each unit began with.
import { readFileSync } from 'node:fs';
import type { EventReader } from '../../../src/emulator/event-ring';
import type { Context } from '../../../src/inspector/levels/context';
import { CodeBreakpoints } from '../../../src/inspector/run-control/code-breakpoints';
import { DataBreakpoints } from '../../../src/inspector/run-control/data-breakpoints';
import { linearOf } from '../../../src/inspector/run-control/instruction-shape';
import { openMachine } from '../../../src/inspector/target/open-machine';
import type { TargetEvent } from '../../../src/inspector/target-types';
import type { MachineSession } from '../../../src/inspector/target/machine-session';
import { ValueFormat } from '../../../src/inspector/target/value-format';

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../../${path}`, import.meta.url)));
const engine = { core: file('dist/core.wasm'), interpreter: file('dist/interpreter.wasm'), decodeTables: file('dist/decode-tables.bin') };

export interface Image { readonly name: string; readonly bytes: Uint8Array; readonly commandLine?: string }
/** A tracked guest image with its command line, as in `guest rounds=3`. */
export function image(line: string): Image {
  const [name, ...options] = line.split(' ');
  return { name, bytes: file(`guests/images/${name}.elf`), commandLine: options.join(' ') };
}

export interface Settings { readonly stepIntoInterrupts?: boolean; readonly stepIntoFaults?: boolean; readonly vcpus?: number; readonly memoryMiB?: number; readonly emit?: (event: TargetEvent) => void }

/** A machine with all that watches it, at reset. */
export async function open(program: Image, modules: readonly Image[] = [], { vcpus = 1, memoryMiB = 64, emit = () => undefined, ...settings }: Settings = {}): Promise<MachineSession> {
  return openMachine({ engine, program, modules, memoryMiB, vcpus, processor: {}, stopsFrom: 'reset', stopOnEntry: false, levels: [], ...settings }, {
    format: new ValueFormat(), level: 0, emit, levelsChanged: () => undefined,
    breakpoints: (machine, scope) => new CodeBreakpoints(machine, scope), data: (machine, scope) => new DataBreakpoints(machine, scope),
  });
}

/** What began at a time, and what became of it. */
export interface Unit {
  readonly time: bigint;
  readonly vcpu: number;
  readonly context: Context;
  readonly level: number;
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly cr3: bigint;
  readonly isHalted: boolean;
  /** From the instruction on; fewer where the page ends. */
  readonly bytes: Uint8Array;
  /** An event that it delivered inside its context. */
  readonly delivered?: 'interrupt' | 'exception';
  /** Basic reason of the VM exit that it made. */
  readonly exit?: number;
  /** The event that its VM entry injected, as the VMCS has it, and the guest's stack pointer that it interrupted. */
  readonly injected?: number;
  readonly entryRsp?: bigint;
}

/** Runs so many units; the tracker sees every event, and so does `visit`. False: the machine has ended. */
export function advance({ machine, tracker }: MachineSession, units: number, visit?: (event: EventReader) => void): boolean {
  const feed = (event: EventReader): void => { visit?.(event); tracker.feed(event); };
  for (let left = units; left > 0;) {
    const { units: done, kind } = machine.run(left);
    machine.drainEvents(feed);
    left -= done;
    if (kind === 'debugExit' || kind === 'idle' || kind === 'shutdown') return false;
  }
  return true;
}

/** Runs to a time. */
export function advanceTo(session: MachineSession, time: bigint): void { advance(session, Number(time - session.machine.time())); }

export interface Truth { readonly trace: Unit[]; readonly digests: Map<bigint, bigint> }

const longestInstruction = 15;

/** The truth from now on, unit by unit, and now and then the digest of the machine. */
export function record(session: MachineSession, units: number): Truth {
  const { machine, tracker } = session, trace: Unit[] = [], digests = new Map<bigint, bigint>(), code = new Map<string, Uint8Array>();
  const vcpus = Array.from({ length: machine.vcpuCount }, (_, vcpu) => ({ vcpu, registers: machine.registers(vcpu) }));
  machine.recordEvents(['reset', 'vmxInstruction', 'vmExit', 'vmEntry', 'exception', 'interrupt']);
  for (let n = 0; n < units; n++) {
    const time = machine.time();
    if (n % 16000 === 0 || n === units - 1) digests.set(time, machine.digest());
    const before = vcpus.map(({ vcpu, registers }) => {
      const context = tracker.executing(vcpu), rip = registers.get('rip');
      return { vcpu, context, level: context.level, rip, rsp: registers.get('rsp'), cr3: registers.get('cr3'), isHalted: registers.get('activity') !== 0n };
    });
    // code does not change while it is recorded: read once, and before the instruction leaves its address space
    const codes = before.map(({ vcpu, context, rip, cr3 }, at) => {
      const key = `${context.id} ${cr3} ${rip}`, known = code.get(key), linear = linearOf(vcpus[at].registers, rip);
      if (known) return known;
      const bytes = machine.readLinear(vcpu, linear, longestInstruction) ?? machine.readLinear(vcpu, linear, 2) ?? new Uint8Array();
      code.set(key, bytes);
      return bytes;
    });
    let delivered: Unit['delivered'], exit: number | undefined, injected: number | undefined, entryRsp: bigint | undefined;
    const { vcpu, units: done } = machine.run(1);
    machine.drainEvents(event => {
      if (event.kind === 'exception' || event.kind === 'interrupt') delivered = event.kind;
      else if (event.kind === 'vmExit') exit = event.basicReason;
      else if (event.kind === 'vmEntry' && event.interruptionInfo >>> 31) [injected, entryRsp] = [event.interruptionInfo, event.rsp];
      tracker.feed(event);
    });
    if (done === 0) break;
    trace.push({ time, ...before[vcpu], bytes: codes[vcpu], ...delivered && { delivered }, ...exit !== undefined && { exit }, ...injected !== undefined && { injected, entryRsp } });
  }
  return { trace, digests };
}

/** The same machine twice, at a time when the guest at that level has run for a while. */
export async function twice(program: Image, modules: readonly Image[], levels: number, settings: Settings = {}, later = 50_000): Promise<[MachineSession, MachineSession]> {
  const [truth, stepped] = [await open(program, modules, { ...settings, stepIntoInterrupts: false, stepIntoFaults: false }), await open(program, modules, settings)];
  while (!truth.tracker.liveContexts.some(({ level }) => level === levels)) advance(truth, 20_000);
  advance(truth, later);
  advanceTo(stepped, truth.machine.time());
  if (stepped.machine.digest() !== truth.machine.digest()) throw new Error('two runs of one machine differ');
  return [truth, stepped];
}
