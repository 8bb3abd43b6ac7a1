// Breakpoints on code: source lines, functions and instructions. One breakpoint may have places in several images, and each image may run in
// several levels, each at its own address; a hit counts only where the context that executes has the place at that address, so that two levels
// may share a physical page. Machine hooks are by linear address and shared between breakpoints and steps: they are counted.
import type { Machine } from '../../emulator/machine';
import type { Context } from '../levels/context';
import type { LevelChoice } from './level-choice';
import { logText, StopRules } from './stop-rules';
import type { BreakpointInfo, BreakpointRequest } from '../target-types';

export type BreakpointKind = 'source' | 'function' | 'instruction';

/** A place where a breakpoint stops. `address`: where it most likely is, before a level is known to have it. `level`: only there. */
export interface BoundPlace {
  readonly address: bigint;
  /** A host-physical address: whatever level executes there. */
  readonly space?: 'physical';
  readonly image?: string;
  readonly level?: number;
  readonly source?: string;
  readonly line?: number;
}

/** What breakpoints ask of their surroundings. */
export interface BreakpointScope {
  /** Places of a request; an Error says why there are none. */
  places(kind: BreakpointKind, request: BreakpointRequest, paths: readonly string[]): readonly BoundPlace[];
  /** Linear address of a place in a context, undefined when the context does not have it, as far as is known. */
  addressIn(context: Context, place: BoundPlace): bigint | undefined;
  readonly contexts: readonly Context[];
  /** Host-physical address of a linear address of a context that executes. */
  physical(context: Context, address: bigint): bigint | undefined;
  /** A context has come to an address where a breakpoint may be: from now on it may be known what it runs. */
  visits?(context: Context, address: bigint): void;
  /** Throws an Error with the reason when the text has a mistake. */
  compile(text: string): (context: Context) => boolean;
  /** Value of an expression of a log message as text. */
  format(expression: string, context: Context): string;
  log(text: string, place: BoundPlace): void;
}

/** The scope while there is no machine: nothing binds, and nothing is read. */
export const unboundScope: BreakpointScope = {
  places: () => [], addressIn: () => undefined, contexts: [], physical: () => undefined, compile: () => () => false, format: () => '', log: () => undefined,
};

interface Breakpoint {
  readonly id: number;
  readonly kind: BreakpointKind;
  readonly request: BreakpointRequest;
  readonly paths: readonly string[];
  places: readonly BoundPlace[];
  problem?: string;
  rules?: StopRules<Context>;
  wasVerified: boolean;
}

interface Candidate { readonly breakpoint: Breakpoint; readonly place: BoundPlace }

export class CodeBreakpoints {
  /** By group: the kind, and for source breakpoints the file. */
  private readonly groups = new Map<string, Breakpoint[]>();
  private readonly hooks = new Map<bigint, number>();
  /** Hooks that breakpoints hold, with the places that may be there. */
  private placed = new Map<bigint, Candidate[]>();
  /** The same by host-physical address. */
  private physical = new Map<bigint, Candidate[]>();
  private nextId = 1;
  /** Levels in which they count; absent: all. */
  levels?: LevelChoice;

  constructor(private readonly machine: Machine | undefined, private readonly scope: BreakpointScope) {}

  get any(): boolean { return this.placed.size > 0 || this.physical.size > 0; }

  /** Replaces all breakpoints of a group. */
  set(kind: BreakpointKind, paths: readonly string[], requests: readonly BreakpointRequest[]): BreakpointInfo[] {
    const group = `${kind} ${paths[paths.length - 1] ?? ''}`, fresh = requests.map(request => this.make(kind, paths, request));
    this.groups.set(group, fresh);
    this.rebind();
    return fresh.map(breakpoint => this.describe(breakpoint));
  }

  /** The same breakpoints on another machine and its images; ids stay, hit counts begin anew. */
  moveTo(machine: Machine, scope: BreakpointScope): CodeBreakpoints {
    const moved = new CodeBreakpoints(machine, scope);
    moved.nextId = this.nextId;
    for (const [group, list] of this.groups) {
      moved.groups.set(group, list.map(({ id, kind, paths, request, wasVerified }) => ({ ...moved.make(kind, paths, request, id), wasVerified })));
    }
    moved.rebind();
    return moved;
  }

  /** Breakpoints whose state changed since it was last told. */
  changes(): BreakpointInfo[] {
    return this.all.filter(breakpoint => this.isVerified(breakpoint) !== breakpoint.wasVerified).map(breakpoint => this.describe(breakpoint));
  }

  /** Puts hooks where the places are now: levels have come or gone. */
  rebind(): void {
    const wanted = new Map<bigint, Candidate[]>(), physical = new Map<bigint, Candidate[]>();
    const put = (map: Map<bigint, Candidate[]>, address: bigint, candidate: Candidate): void => { map.set(address, [...map.get(address) ?? [], candidate]); };
    const add = (address: bigint | undefined, candidate: Candidate): void => { if (address !== undefined) put(wanted, address, candidate); };
    for (const breakpoint of this.all) {
      for (const place of breakpoint.places) {
        if (place.space === 'physical') { put(physical, place.address, { breakpoint, place }); continue; }
        const addresses = new Set([place.address, ...this.scope.contexts.map(context => this.scope.addressIn(context, place))]);
        for (const address of addresses) add(address, { breakpoint, place });
      }
    }
    const before = this.placed;
    this.placed = wanted;
    for (const address of wanted.keys()) if (!before.has(address)) this.retain(address);
    for (const address of before.keys()) if (!wanted.has(address)) this.release(address);
    for (const address of physical.keys()) if (!this.physical.has(address)) this.machine?.addCodeHook(address, 'physical');
    for (const address of this.physical.keys()) if (!physical.has(address)) this.machine?.removeCodeHook(address, 'physical');
    this.physical = physical;
  }

  /** Ids of the breakpoints that stop `context` at `address`: there in that context, condition true, hit count reached, and no log point. */
  hit(context: Context, address: bigint): number[] {
    const stopping: number[] = [];
    if (this.levels && !this.levels.wants(context.level)) return stopping;
    if (this.placed.has(address)) this.scope.visits?.(context, address);
    const physical = this.physical.size > 0 ? this.scope.physical(context, address) : undefined;
    const isThere = (place: BoundPlace): boolean => place.space === 'physical' ? place.address === physical : this.scope.addressIn(context, place) === address;
    for (const { breakpoint, place } of [...this.placed.get(address) ?? [], ...physical === undefined ? [] : this.physical.get(physical) ?? []]) {
      const { rules, id } = breakpoint;
      if (!rules || !isThere(place) || !rules.ask(context)) continue;
      if (rules.message) this.scope.log(logText(rules.message, expression => this.scope.format(expression, context)), place);
      else stopping.push(id);
    }
    return stopping;
  }

  kindOf(id: number): BreakpointKind | undefined { return this.all.find(breakpoint => breakpoint.id === id)?.kind; }

  /** Makes the machine stop at a linear address until as many releases follow. */
  retain(address: bigint): void {
    const count = this.hooks.get(address) ?? 0;
    if (count === 0) this.machine?.addCodeHook(address);
    this.hooks.set(address, count + 1);
  }

  release(address: bigint): void {
    const count = this.hooks.get(address) ?? 0;
    if (count > 1) this.hooks.set(address, count - 1);
    else if (this.hooks.delete(address)) this.machine?.removeCodeHook(address);
  }

  private get all(): Breakpoint[] { return [...this.groups.values()].flat(); }

  private make(kind: BreakpointKind, paths: readonly string[], request: BreakpointRequest, id = this.nextId++): Breakpoint {
    const breakpoint: Breakpoint = { id, kind, request, paths, places: [], wasVerified: false };
    try {
      breakpoint.rules = new StopRules(request, this.scope.compile);
      breakpoint.places = this.scope.places(kind, request, paths);
    } catch (error) {
      breakpoint.problem = error instanceof Error ? error.message : String(error);
    }
    return breakpoint;
  }

  private isLive(place: BoundPlace): boolean { return place.space === 'physical' || this.scope.contexts.some(context => this.scope.addressIn(context, place) !== undefined); }
  private isVerified({ places, problem }: Breakpoint): boolean { return problem === undefined && places.some(place => this.isLive(place)); }

  private describe(breakpoint: Breakpoint): BreakpointInfo {
    const { id, places, problem, request, kind } = breakpoint, verified = breakpoint.wasVerified = this.isVerified(breakpoint);
    const place = places.find(each => this.isLive(each)) ?? places[0], line = place?.line ?? request.line;
    const waiting = verified ? undefined : problem ?? (place?.image === undefined ? 'No level runs this code yet.' : `Binds when a level runs ${place.image}.`);
    return {
      id, verified, ...waiting !== undefined && { message: waiting }, ...line !== undefined && { line }, ...place?.source !== undefined && { source: place.source },
      ...place && kind === 'instruction' && request.instruction !== undefined && { instruction: request.instruction },
    };
  }
}
