// Breakpoints on code: source lines, functions and instructions. One breakpoint may bind in several images, and so in every level that runs
// one of them; a hit counts only when the context that executes is one of those, so that two levels may share a physical page. Machine hooks
// are by linear address and shared between breakpoints and steps: they are counted.
import type { Machine } from '../../emulator/machine';
import type { Context } from '../levels/context';
import { parseHitCondition, type HitCondition } from './hit-condition';
import { parseLogMessage, type LogPart } from './log-message';
import type { BreakpointInfo, BreakpointRequest } from '../target-types';

export type BreakpointKind = 'source' | 'function' | 'instruction';

/** A place where a breakpoint stops: an address in an image as it is mapped, or in one level whatever runs there. */
export interface BoundPlace { readonly address: bigint; readonly image?: string; readonly level?: number; readonly source?: string; readonly line?: number }

/** What breakpoints ask of their surroundings. */
export interface BreakpointScope {
  /** Places of a request; an Error says why there are none. */
  bind(kind: BreakpointKind, request: BreakpointRequest, paths: readonly string[]): readonly BoundPlace[];
  /** Name of the image that a context runs, undefined when it is not known. */
  imageOf(context: Context): string | undefined;
  /** A context that runs the image, or is of the level, is alive. */
  isLive(place: BoundPlace): boolean;
  /** Throws an Error with the reason when the text has a mistake. */
  compile(text: string): (context: Context) => boolean;
  /** Value of an expression of a log message as text. */
  format(expression: string, context: Context): string;
  log(text: string, place: BoundPlace): void;
}

interface Breakpoint {
  readonly id: number;
  readonly kind: BreakpointKind;
  readonly request: BreakpointRequest;
  readonly paths: readonly string[];
  places: readonly BoundPlace[];
  problem?: string;
  condition?: (context: Context) => boolean;
  hitCondition?: HitCondition;
  logMessage?: readonly LogPart[];
  hits: number;
  wasVerified: boolean;
}

export class CodeBreakpoints {
  /** By group: the kind, and for source breakpoints the file. */
  private readonly groups = new Map<string, Breakpoint[]>();
  private readonly hooks = new Map<bigint, number>();
  private nextId = 1;

  constructor(private readonly machine: Machine | undefined, private readonly scope: BreakpointScope) {}

  /** Replaces all breakpoints of a group. */
  set(kind: BreakpointKind, paths: readonly string[], requests: readonly BreakpointRequest[]): BreakpointInfo[] {
    const group = `${kind} ${paths[paths.length - 1] ?? ''}`;
    this.drop(this.groups.get(group) ?? []);
    const fresh = requests.map(request => this.make(kind, paths, request));
    this.groups.set(group, fresh);
    return fresh.map(breakpoint => this.describe(breakpoint));
  }

  /** Binds everything anew to another machine and its images; ids and hit counts stay. */
  moveTo(machine: Machine, scope: BreakpointScope): CodeBreakpoints {
    const moved = new CodeBreakpoints(machine, scope);
    moved.nextId = this.nextId;
    for (const [group, list] of this.groups) {
      moved.groups.set(group, list.map(({ id, kind, paths, request }) => moved.make(kind, paths, request, id)));
    }
    return moved;
  }

  /** Everything as it is now, for breakpoints whose state changed since it was last told. */
  changes(): BreakpointInfo[] {
    return [...this.groups.values()].flat().filter(breakpoint => this.isVerified(breakpoint) !== breakpoint.wasVerified).map(breakpoint => this.describe(breakpoint));
  }

  get all(): BreakpointInfo[] { return [...this.groups.values()].flat().map(breakpoint => this.describe(breakpoint)); }

  /** Ids of the breakpoints that stop `context` at `address`: bound there in its image, condition true, hit count reached, and no log point. */
  hit(context: Context, address: bigint): number[] {
    const stopping: number[] = [], image = this.scope.imageOf(context);
    for (const breakpoint of [...this.groups.values()].flat()) {
      const place = breakpoint.places.find(each => each.address === address && (each.image === undefined || each.image === image) && (each.level === undefined || each.level === context.level));
      if (!place || breakpoint.condition && !breakpoint.condition(context)) continue;
      breakpoint.hits++;
      if (breakpoint.hitCondition && !breakpoint.hitCondition(breakpoint.hits)) continue;
      if (!breakpoint.logMessage) { stopping.push(breakpoint.id); continue; }
      this.scope.log(breakpoint.logMessage.map(part => 'text' in part ? part.text : this.scope.format(part.expression, context)).join(''), place);
    }
    return stopping;
  }

  kindOf(id: number): BreakpointKind | undefined { return [...this.groups.values()].flat().find(breakpoint => breakpoint.id === id)?.kind; }

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

  private make(kind: BreakpointKind, paths: readonly string[], request: BreakpointRequest, id = this.nextId++): Breakpoint {
    const breakpoint: Breakpoint = { id, kind, request, paths, places: [], hits: 0, wasVerified: false };
    try {
      if (request.condition !== undefined) breakpoint.condition = this.scope.compile(request.condition);
      if (request.hitCondition !== undefined) {
        breakpoint.hitCondition = parseHitCondition(request.hitCondition);
        if (!breakpoint.hitCondition) throw new Error(`${request.hitCondition} is not a hit count: give a number, or one after >, >=, <, <=, == or %.`);
      }
      if (request.logMessage !== undefined) breakpoint.logMessage = parseLogMessage(request.logMessage);
      breakpoint.places = this.scope.bind(kind, request, paths);
      for (const { address } of breakpoint.places) this.retain(address);
    } catch (error) {
      breakpoint.problem = error instanceof Error ? error.message : String(error);
    }
    return breakpoint;
  }

  private drop(breakpoints: readonly Breakpoint[]): void {
    for (const { places } of breakpoints) for (const { address } of places) this.release(address);
  }

  private isVerified({ places, problem }: Breakpoint): boolean { return problem === undefined && places.some(place => this.scope.isLive(place)); }

  private describe(breakpoint: Breakpoint): BreakpointInfo {
    const { id, places, problem, request, kind } = breakpoint, verified = breakpoint.wasVerified = this.isVerified(breakpoint);
    const place = places.find(each => this.scope.isLive(each)) ?? places[0];
    const waiting = verified ? undefined : problem ?? (place?.image === undefined ? 'No level runs this code yet.' : `Binds when a level runs ${place.image}.`);
    return {
      id, verified, ...waiting !== undefined && { message: waiting }, ...(place?.line ?? request.line) !== undefined && { line: place?.line ?? request.line },
      ...place?.source !== undefined && { source: place.source }, ...place && kind === 'instruction' && { instruction: `0x${place.address.toString(16)}` },
    };
  }
}
