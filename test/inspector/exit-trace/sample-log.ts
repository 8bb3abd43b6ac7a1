// Logs of world switches for the tests of the trace: one written by hand, with known times, and one of a stack of hypervisors.
import { SwitchLog, switchKinds, type SwitchKind } from '../../../src/inspector/levels/switch-log';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { EventRecord, word } from '../../../src/inspector/levels/event-words';
import { NestedStack } from '../levels/nested-stack';

/** `[time, kind, from, to, reason]`, and more where it matters. A context's id is its level + 1. */
export type Switch = readonly [time: number, kind: SwitchKind, from: number, to: number, reason: number, more?: More];
interface More { vcpu?: number; failed?: boolean; qualification?: number; rip?: number; rax?: number }

export function logOf(switches: readonly Switch[], capacity?: number): SwitchLog {
  const log = new SwitchLog(capacity), source = new EventRecord(), record = source.words;
  for (const [time, kind, from, to, reason, { vcpu = 0, failed = false, qualification = 0, rip = 0x1000, rax = 0 } = {}] of switches) {
    record.fill(0);
    record[word.head] = vcpu << 24;
    record[word.time] = time;
    record[word.aux] = reason + (failed ? 0x8000_0000 : 0);
    record[word.rip] = rip;
    record[word.a] = qualification;
    record[word.gpr] = rax;
    log.add(switchKinds.indexOf(kind), from, from + 1, to, to + 1, reason, failed ? 1 : 0, source, 0);
  }
  return log;
}

export const cpuid = 10, vmread = 23, vmresume = 24;

/** One CPUID of L2, which L1 hosts: L0 delivers it to L1, whose VMREAD and VMRESUME exit too. Units: 10 in all, from 100 to 190. */
export const oneCpuid: readonly Switch[] = [
  [100, 'exit', 2, 0, cpuid, { rip: 0x4000, rax: 7 }],
  [110, 'deliver', 2, 1, cpuid, { rip: 0x500 }],
  [115, 'exit', 1, 0, vmread],
  [135, 'enter', 0, 1, vmread],
  [140, 'exit', 1, 0, vmresume],
  [190, 'enter', 0, 2, cpuid, { rip: 0x4002 }],
];

/** A stack of that many hypervisors whose guest makes some exits. */
export function stackLog(levels: number, exits: number): SwitchLog {
  const tracker = new LevelTracker();
  const stack = new NestedStack({ levels, addresses: 'own', hardware: 'per level', ept: true }, event => tracker.feed(event));
  stack.boot();
  for (let n = 0; n < exits; n++) stack.guestExit();
  return tracker.switches;
}
