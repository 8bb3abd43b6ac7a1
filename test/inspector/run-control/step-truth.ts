// Where steps end, computed from a full record of what ran (truth.ts) by following calls, returns and handlers as they happened: no unwinding, no
// code hooks, nothing of run control. Of the inspector only the line table and the nesting of inlined calls are believed.
import type { Context } from '../../../src/inspector/levels/context';
import type { CodeFrame, CodeMap, LineRow, StepSettings } from '../../../src/inspector/run-control/plan';
import { exitReasonById, exitReasonByNumber } from '../../../src/spec/exit-reasons';
import type { Unit } from './truth';

/** An activation of a function or handler of a context. */
class Activation {
  /** `rsp`: what the stack pointer is again after the return; undefined where the record began inside. `rip`: where it returns to, of a SYSCALL. */
  constructor(public caller: Activation | undefined, readonly rsp: bigint | undefined, readonly rip?: bigint) {}
  isInside(other: Activation): boolean {
    for (let each: Activation | undefined = this; each; each = each.caller) if (each === other) return true;
    return false;
  }
}

/** A unit among those of its context; `by`: what led to it from the one before. */
interface Place { readonly unit: Unit; readonly at: number; readonly activation: Activation; readonly by: 'plain' | 'call' | 'return' | 'exception' | 'interrupt' | 'exit'; readonly isHandler: boolean }

export interface Ending { readonly at: number; readonly note?: RegExp }
export interface Wish { readonly kind: 'over' | 'in' | 'out'; readonly granularity: 'instruction' | 'statement' }

const opcodeAt = (bytes: Uint8Array): number => {
  let at = 0;
  while ([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(bytes[at])) at++;
  return bytes[at] >> 4 === 4 ? at + 1 : at;
};
/** What an instruction does to the chain of activations (SDM 2 'Instruction Set Reference': CALL, RET, INT n, IRET). */
function shapeOf(bytes: Uint8Array): 'call' | 'return' | 'plain' {
  const at = opcodeAt(bytes), opcode = bytes[at], group = bytes[at + 1] >> 3 & 7;
  if (opcode === 0xe8 || opcode === 0x9a || opcode === 0xff && (group === 2 || group === 3) || opcode === 0xcc || opcode === 0xcd) return 'call';
  return [0xc2, 0xc3, 0xca, 0xcb, 0xcf].includes(opcode) ? 'return' : 'plain';
}
const isRepeated = (bytes: Uint8Array): boolean => bytes.subarray(0, opcodeAt(bytes)).some(byte => byte === 0xf2 || byte === 0xf3);
/** VMLAUNCH or VMRESUME. */
export const isLaunch = (bytes: Uint8Array): boolean => bytes[0] === 0x0f && bytes[1] === 0x01 && (bytes[2] === 0xc2 || bytes[2] === 0xc3);
const launchLength = 3n, syscallLength = 2n;
const isSyscall = (bytes: Uint8Array): boolean => bytes[0] === 0x0f && bytes[1] === 0x05;

const isAsynchronous = (reason: number): boolean => {
  const { nature } = exitReasonByNumber(reason)!;
  return nature === 'boundary' || nature === 'event' && reason !== exitReasonById('EXCEPTION_OR_NMI').number && reason !== exitReasonById('TRIPLE_FAULT').number;
};
const isWithin = (inner: readonly CodeFrame[], frames: readonly CodeFrame[]): boolean => frames.every(({ entry }, n) => inner[n]?.entry === entry);

export class StepTruth {
  /** Of each context, what it ran, in order; and of each unit of the record its place there. */
  private readonly paths = new Map<Context, Place[]>();
  private readonly positions: number[] = [];
  private readonly lines = new Map<string, LineRow | undefined>();
  private readonly chains = new Map<string, readonly CodeFrame[]>();

  constructor(readonly trace: readonly Unit[], private readonly code: CodeMap, private readonly settings: StepSettings = { interrupts: false, faults: false }) {
    const lastOfVcpu: Unit[] = [];
    trace.forEach((unit, at) => {
      const path = this.paths.get(unit.context) ?? [], before = path.at(-1);
      this.paths.set(unit.context, path);
      this.positions[at] = path.length;
      path.push({ unit, at, ...before ? follow(before, unit, lastOfVcpu[unit.vcpu]) : { activation: new Activation(undefined, undefined), by: 'plain', isHandler: false } });
      lastOfVcpu[unit.vcpu] = unit;
    });
  }

  /** What a context ran next after a time of the record, or that unit itself. */
  nextOf(context: Context, at: number): number | undefined { return this.paths.get(context)?.find(place => place.at >= at)?.at; }
  /** Where the instruction that a context is at runs: an exit that has to do with something else may come first, and the context come back to it. */
  runsAt(at: number): number {
    let place = this.place(at);
    for (let next = this.after(place); next && place.unit.exit !== undefined && isAsynchronous(place.unit.exit) && next.unit.rip === place.unit.rip; next = this.after(place)) place = next;
    return place.at;
  }
  /** The last unit of a context before a place of the record. */
  lastOf(context: Context, at: number): number | undefined { return this.paths.get(context)?.findLast(place => place.at < at)?.at; }

  /** Where a step from the beginning of a unit ends, or from the stop on its exit (`isAtExit`); undefined where the record does not tell. */
  ending(at: number, { kind, granularity }: Wish, isAtExit: boolean): Ending | undefined {
    const { unit } = this.place(at), chain = this.framesAt(unit);
    if (kind === 'in' && isAtExit) return this.intoExit(this.place(at));
    if (kind !== 'out') return this.walk(at, kind, granularity === 'statement' ? this.anotherLine(unit, kind) : undefined);
    if (chain.length > 1) return this.walk(at, 'over', place => !isWithin(this.framesAt(place.unit), chain));
    const outside = this.outside(this.place(at), this.place(at).activation);
    return outside && { at: outside.at };
  }

  private place(at: number): Place { return this.paths.get(this.trace[at].context)![this.positions[at]]; }
  private after({ unit, at }: Place): Place | undefined { return this.paths.get(unit.context)![this.positions[at] + 1]; }
  /** The first place after one that is no longer inside of an activation. */
  private outside(from: Place, activation: Activation): Place | undefined {
    let place = this.after(from);
    while (place?.activation.isInside(activation)) place = this.after(place);
    return place;
  }

  private walk(from: number, kind: 'over' | 'in', until: ((place: Place, jumpedFrom?: bigint) => boolean) | undefined): Ending | undefined {
    let place = this.place(from);
    const own = place.activation;
    for (;;) {
      const { unit } = place, next = this.after(place);
      if (kind === 'in' && (unit.exit !== undefined ? !isAsynchronous(unit.exit) : isLaunch(unit.bytes))) return this.intoExit(place);
      if (!next) return undefined;
      if (next.isHandler) return { at: next.at };
      let now = next;
      if (next.by === 'exception' || next.by === 'interrupt') {
        const hasExited = unit.exit !== undefined, note = hasExited ? /was injected: its handler/ : next.by === 'interrupt' ? /^An interrupt came: its handler/ : undefined;
        if (next.by === 'interrupt' ? this.settings.interrupts : !until || this.settings.faults) return { at: next.at, ...note && { note } };
        const back = this.outside(place, next.activation);
        if (!back) return undefined;
        // the instruction still has to run
        if (hasExited ? back.unit.rip === unit.rip : next.by === 'interrupt') { place = back; continue; }
        now = back;
      } else if (next.by === 'call') {
        if (kind === 'in') {
          if (!until) return { at: next.at };
          const body = this.code.bodyOf(unit.context, next.unit.rip);
          if (body !== undefined) return next.unit.rip === body ? { at: next.at } : this.inBody(next, body);
        }
        const back = this.outside(place, next.activation);
        if (!back) return undefined;
        now = back;
      } else if (next.by === 'return') return { at: next.at };
      else if (next.unit.rip === unit.rip && (unit.isHalted || isRepeated(unit.bytes) || unit.exit !== undefined)) { place = next; continue; }
      if (!until || until(now, now === next && next.by === 'plain' ? unit.rip : undefined)) return { at: now.at };
      if (!now.activation.isInside(own) || now.activation !== own) throw new Error(`the record is not understood at ${now.unit.rip.toString(16)}`);
      place = now;
    }
  }

  /** Into an exit, or an entry: where that is skipped, the context itself when it runs again. */
  private intoExit(place: Place): Ending | undefined {
    const next = this.after(place), target = this.entered(place, next?.at ?? this.trace.length);
    if (target !== undefined) return { at: target };
    return next && { at: next.at, ...!next.isHandler && { note: /handled below/ } };
  }

  /** Where a step into a function that was just called stops: at its body, or at another line where the prologue leads past it. */
  private inBody(entry: Place, body: bigint): Ending | undefined {
    const beyond = this.anotherLine(entry.unit, 'in');
    return this.walk(entry.at, 'over', (place, jumpedFrom) => place.unit.rip === body || beyond?.(place, jumpedFrom) === true);
  }

  /** The handler of the level just below, or the guest that is entered, if it runs before the context does again. */
  private entered({ unit, at }: Place, end: number): number | undefined {
    const entersGuest = isLaunch(unit.bytes);
    for (let n = at + 1; n < end; n++) {
      const { vcpu, level } = this.trace[n];
      if (vcpu === unit.vcpu && (entersGuest ? level > unit.level : level === unit.level - 1)) return n;
    }
    return undefined;
  }

  private anotherLine(start: Unit, kind: 'over' | 'in'): ((place: Place, jumpedFrom?: bigint) => boolean) | undefined {
    const row = this.lineAt(start), chain = this.framesAt(start);
    if (!row) return undefined;
    // a call inlined from here on is still to be made
    let depth = chain.length;
    if (kind === 'over') while (depth > 1 && chain[depth - 1].entry === start.rip) depth--;
    const own = chain.slice(0, depth), from = depth < chain.length ? own[depth - 1] : row;
    return ({ unit }, jumpedFrom) => {
      const here = this.lineAt(unit), frames = this.framesAt(unit), isInlined = kind === 'over' && depth > 0 && frames.length > depth && isWithin(frames, own);
      if (!here?.isStatement || here.line === 0 || here.address !== unit.rip) return false;
      const { file, line } = isInlined ? frames[depth - 1] : here;
      return file !== from.file || line !== from.line || jumpedFrom !== undefined && jumpedFrom >= unit.rip && (!isInlined || unit.rip === row.address);
    };
  }

  private lineAt({ context, rip }: Unit): LineRow | undefined {
    const key = `${context.id} ${rip}`;
    if (!this.lines.has(key)) this.lines.set(key, this.code.lineAt(context, rip));
    return this.lines.get(key);
  }
  private framesAt({ context, rip }: Unit): readonly CodeFrame[] {
    const key = `${context.id} ${rip}`;
    if (!this.chains.has(key)) this.chains.set(key, this.code.framesAt(context, rip));
    return this.chains.get(key)!;
  }
}

/** How a context came from a place to its next unit; `previous`: what ran just before on that vCPU, the entry where another context ran between. */
function follow({ unit, activation }: Place, next: Unit, previous: Unit): Pick<Place, 'activation' | 'by' | 'isHandler'> {
  const isEntered = previous !== unit, isHandler = isEntered && isLaunch(unit.bytes) && next.rip !== unit.rip + launchLength;
  const event = !isEntered ? unit.delivered : previous.injected === undefined ? undefined : [3, 5, 6].includes(previous.injected >>> 8 & 7) ? 'exception' : 'interrupt';
  if (event) return { activation: new Activation(activation, isEntered ? previous.entryRsp : unit.rsp), by: event, isHandler: false };
  const shape = isEntered ? 'plain' : shapeOf(unit.bytes);
  if (shape === 'call' && next.rsp !== unit.rsp) return { activation: new Activation(activation, unit.rsp), by: 'call', isHandler };
  if (isSyscall(unit.bytes) && !isEntered) return { activation: new Activation(activation, unit.rsp, unit.rip + syscallLength), by: 'call', isHandler };
  let now = activation;
  while (now.rsp !== undefined && next.rsp >= now.rsp && (now.rip === undefined || now.rip === next.rip)) now = now.caller ??= new Activation(undefined, undefined);
  if (shape === 'return' && now === activation) now = activation.caller ??= new Activation(undefined, undefined);
  return { activation: now, by: shape === 'return' ? 'return' : isEntered ? 'exit' : 'plain', isHandler };
}
