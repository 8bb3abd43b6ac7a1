// Breakpoints on data: memory in any space, VMCS fields, MSRs and ports, by the level that makes the access. The machine stops right after an access;
// whose it was is decided here. An access that the software below emulates (a VM exit took its place) counts when its level goes on after the
// instruction: until then it waits, and if the level goes on elsewhere it has not taken place.
import type { Machine, WatchHit } from '../../emulator/machine';
import { vmcsFieldById } from '../../spec/vmcs-fields';
import type { Context } from '../levels/context';
import type { LevelChoice } from './level-choice';
import { describeDataPlace, parseDataPlace, watchOf, type DataAccess, type DataPlace } from './data-place';
import { logText, StopRules } from './stop-rules';
import type { BreakpointInfo, DataBreakpointRequest } from '../target-types';

/** An access by a level, as conditions see it: `value`, `old`, `address`, `bytes`. */
export interface LevelAccess { readonly context: Context; readonly hit: WatchHit }

export interface DataScope {
  /** Throws an Error with the reason when the text has a mistake. */
  compile(text: string): (access: LevelAccess) => boolean;
  format(expression: string, access: LevelAccess): string;
  log(text: string): void;
  /** The level in view, for an address alone. */
  readonly level: number;
}

export const unboundDataScope: DataScope = { compile: () => () => false, format: () => '', log: () => undefined, level: 0 };

/** What the judgement of an access needs of the levels. */
export interface AccessLevels {
  executing(vcpu: number): Context;
  lastExited(vcpu: number): Context | undefined;
  root(vcpu: number): Context;
  /** The last world switch was a VMX instruction that failed. */
  readonly lastSwitch: { readonly kind: string } | undefined;
}

interface Breakpoint {
  readonly id: number;
  readonly request: DataBreakpointRequest;
  readonly place?: DataPlace;
  readonly problem?: string;
  readonly rules?: StopRules<LevelAccess>;
}

export interface DataStop { readonly context: Context; readonly breakpoints: readonly number[]; readonly hit: WatchHit; readonly place: DataPlace }

/** Ids apart from those of breakpoints on code. */
const firstId = 1_000_000;

export class DataBreakpoints {
  private readonly groups = new Map<string, readonly Breakpoint[]>();
  private nextId = firstId;
  private waiting: LevelAccess[] = [];
  /** Levels in which they count; absent: all. */
  levels?: LevelChoice;

  constructor(private readonly machine: Machine | undefined, private readonly scope: DataScope) {}

  /** Whether there are any. Asked at every stop of the machine. */
  any = false;
  /** An access waits for its level to go on: every VM entry has to be looked at. */
  get awaits(): boolean { return this.waiting.length > 0; }

  /** Replaces the breakpoints of a group. */
  set(group: string, requests: readonly DataBreakpointRequest[]): BreakpointInfo[] {
    const fresh = requests.map(request => this.make(request, this.nextId++));
    this.groups.set(group, fresh);
    this.arm();
    return fresh.map(breakpoint => this.stateOf(breakpoint));
  }

  /** The same breakpoints on another machine; ids stay, hit counts begin anew. */
  moveTo(machine: Machine, scope: DataScope): DataBreakpoints {
    const moved = new DataBreakpoints(machine, scope);
    moved.nextId = this.nextId;
    for (const [group, list] of this.groups) moved.groups.set(group, list.map(({ id, request }) => moved.make(request, id)));
    moved.arm();
    return moved;
  }

  /** All of them, for a client to whom they became known before there was a machine. */
  describe(): BreakpointInfo[] { return this.all.map(breakpoint => this.stateOf(breakpoint)); }

  private stateOf({ id, place, problem }: Breakpoint): BreakpointInfo {
    const verified = place !== undefined && this.machine !== undefined, message = problem ?? (verified ? undefined : 'Watched when a machine runs.');
    return { id, verified, ...message !== undefined && { message } };
  }

  /** Looks at what the last run of the machine accessed; the stop that the user wants to see, if any. */
  judge(vcpu: number, levels: AccessLevels): DataStop | undefined {
    if (!this.machine || !this.any) return undefined;
    const made: LevelAccess[] = [], executing = levels.executing(vcpu), now = this.machine.registers(vcpu);
    for (const hit of this.machine.watchHits()) {
      const context = !hit.nonRoot ? levels.root(vcpu) : executing.level > 0 && !hit.exited ? executing : levels.lastExited(vcpu) ?? executing;
      if (hit.exited) this.waiting.push({ context, hit });
      else made.push({ context, hit });
    }
    this.waiting = this.waiting.filter(access => {
      const { context } = access;
      if (context.state === 'ended') return false;
      if (context !== executing) return true;
      const next = BigInt(context.nextRipHigh) << 32n | BigInt(context.nextRipLow);
      if (now.get('rip') === next && levels.lastSwitch?.kind !== 'vmfail') made.push({ context, hit: { ...access.hit, value: this.emulatedValue(access, vcpu) } });
      return false;
    });
    return this.stopFor(made);
  }

  private stopFor(made: readonly LevelAccess[]): DataStop | undefined {
    let stop: DataStop | undefined;
    for (const access of made) {
      if (this.levels && !this.levels.wants(access.context.level)) continue;
      for (const { id, place, rules, request } of this.all) {
        if (!place || !rules || !concerns(place, request.accessType, access) || !rules.ask(access)) continue;
        if (rules.message) this.scope.log(logText(rules.message, expression => this.scope.format(expression, access)));
        else if (!stop) stop = { context: access.context, breakpoints: [id], hit: access.hit, place };
        else stop = { ...stop, breakpoints: [...stop.breakpoints, id] };
      }
    }
    return stop;
  }

  /** What a level got, or gave, where the software below did the access. */
  private emulatedValue({ context, hit }: LevelAccess, vcpu: number): bigint {
    const register = (name: string): bigint => this.machine!.registers(vcpu).get(name), mask = (1n << BigInt(8 * hit.bytes)) - 1n;
    if (hit.space === 'msr') return register('rax') & 0xffff_ffffn | register('rdx') << 32n;
    if (hit.space === 'port') return register('rax') & mask;
    return hit.access === 'write' ? hit.value : context.currentVmcs?.field(Number(hit.address))?.value ?? 0n;
  }

  private get all(): Breakpoint[] { return [...this.groups.values()].flat(); }

  private make(request: DataBreakpointRequest, id: number): Breakpoint {
    try {
      const place = parseDataPlace(request.place, { level: this.scope.level });
      if (!place) throw new Error(`${request.place.slice(0, 80)} is not a place: give an address (L2:0x1000+8, gpa1:0x1000, phys:0x1000), vmcs:FIELD, msr:NAME or port:NUMBER.`);
      return { id, request, place, rules: new StopRules(request, this.scope.compile) };
    } catch (error) {
      return { id, request, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  private arm(): void {
    this.any = this.all.length > 0;
    this.machine?.setWatches(this.all.flatMap(({ place, request }) => place ? [watchOf(place, request.accessType)] : []));
    if (!this.any) this.waiting = [];
  }
}

function concerns(place: DataPlace, wanted: DataAccess, { context, hit }: LevelAccess): boolean {
  if (wanted !== 'readWrite' && wanted !== hit.access || place.level !== undefined && place.level !== context.level) return false;
  const meets = (first: bigint, last: bigint, at: bigint | undefined, bytes: number): boolean => at !== undefined && at <= last && at + BigInt(bytes) > first;
  switch (place.kind) {
    case 'memory':
      if (hit.space !== 'memory' || place.space === 'linear' && hit.byProcessor) return false;
      return meets(place.first, place.last, place.space === 'linear' ? hit.address : place.space === 'physical' ? hit.physical : hit.guestPhysical, hit.bytes);
    case 'vmcs': {
      if (hit.space !== 'vmcsField' || (Number(hit.address) & ~1) !== vmcsFieldById(place.field).encoding) return false;
      // above L0 a VMCS is known by the name that its level gives it, even where a shadow VMCS answers
      return place.pointer === undefined || place.pointer === (context.level === 0 ? Number(hit.pointer ?? -1n) : context.currentVmcs?.pointer ?? -1);
    }
    case 'msr': return hit.space === 'msr' && Number(hit.address) === place.index;
    case 'port': return hit.space === 'port' && meets(BigInt(place.first), BigInt(place.last), hit.address, hit.bytes);
  }
}

/** `Write of 8 bytes at linear 0x1000 by L1: 0x1 to 0x2`. */
export function describeAccess({ context, hit, place }: DataStop): string {
  const hex = (value: bigint): string => `0x${value.toString(16)}`, verb = hit.access === 'read' ? 'Read' : 'Write';
  const value = hit.access === 'read' || hit.exited ? hex(hit.value) : `${hex(hit.before)} to ${hex(hit.value)}`;
  return `${verb} of ${accessed(hit, place)} by ${hit.byProcessor ? `the page walk of L${context.level}` : `L${context.level}`}: ${value}`;
}

function accessed(hit: WatchHit, place: DataPlace): string {
  if (place.kind === 'vmcs') return place.field;
  if (place.kind !== 'memory') return describeDataPlace({ ...place, level: undefined });
  const [name, address] = place.space === 'linear' ? ['linear', hit.address] : place.space === 'physical' ? ['host-physical', hit.physical] : ['guest-physical', hit.guestPhysical];
  return `${hit.bytes} byte${hit.bytes === 1 ? '' : 's'} at ${name} 0x${(address ?? 0n).toString(16)}`;
}
