// Which context does a VM entry run? The heart of the level rule (docs/level-rule.md, 'Entries'): every reading of the entry that some context
// allows is weighed by how much of the state it explains, and the best one wins. Pure: nothing here changes a context.
import { exitReasonById, type ExitReasonId } from '../../spec/exit-reasons';
import { vmcsFieldById } from '../../spec/vmcs-fields';
import type { BelievedVmcs } from './believed-vmcs';
import type { Context, Intent } from './context';
import { word } from './event-words';

/** Encodings of the fields that the rule compares. */
export const hostField = { cr3: vmcsFieldById('HOST_CR3').encoding, rsp: vmcsFieldById('HOST_RSP').encoding, rip: vmcsFieldById('HOST_RIP').encoding };
export const guestField = {
  cr3: vmcsFieldById('GUEST_CR3').encoding, rsp: vmcsFieldById('GUEST_RSP').encoding, rip: vmcsFieldById('GUEST_RIP').encoding, eptp: vmcsFieldById('EPT_POINTER').encoding,
};

/**
 * - `continue`: at the state of its last exit, or after that instruction. `handle`: at the host state of the VMCS with which it entered its guest.
 * - `guest`: the guest that an open intent of `context` describes. The tracker finds or makes that child.
 */
export type Reading = 'continue' | 'handle' | 'guest';

export interface Match {
  reading: Reading;
  context: Context;
  score: number;
  /** `continue`: RIP is after the exiting instruction. */
  after: boolean;
}

/** Weights: what an equal RIP with CR3 explains outweighs everything else, then RIP with RSP; EPT pointer, VMCS pointer and RSP decide between equals. */
const weight = { ripAndCr3: 128, ripAndRsp: 64, nearRip: 32, reachable: 16, eptp: 8, vmcs: 4, rsp: 2, handleRank: 0.5, continueRank: 0.75, depth: 0.01 } as const;

/** CF, PF, AF, ZF, SF, OF: the flags that a VMX instruction answers with (SDM 3C, 'Conventions'). */
const answerFlags = 0x8d5;
/** True when RFLAGS says VMfailInvalid (only CF) or VMfailValid (only ZF). */
export const saysVmFail = (rflagsLow: number): boolean => (rflagsLow & answerFlags) === 1 || (rflagsLow & answerFlags) === 0x40;

/** A set of basic exit reasons as a table. */
const reasons = (...ids: ExitReasonId[]): readonly boolean[] => ids.reduce((set: boolean[], id) => { set[exitReasonById(id).number] = true; return set; }, Array<boolean>(128).fill(false));
/** Exits after which the software below legitimately changes CR3. */
const changesCr3 = reasons('CR_ACCESS', 'TASK_SWITCH', 'RSM', 'INIT_SIGNAL', 'STARTUP_IPI');
const entering = reasons('VMLAUNCH', 'VMRESUME');
const inFlags = reasons('VMCLEAR', 'VMLAUNCH', 'VMPTRLD', 'VMPTRST', 'VMREAD', 'VMRESUME', 'VMWRITE', 'VMXOFF', 'VMXON', 'INVEPT', 'INVVPID');
/** Exits by VMX instructions whose answer stands in RFLAGS (what VMCALL answers is the hypervisors' own convention). */
export const answersInFlags = (reason: number): boolean => inFlags[reason] === true;

/** True when the intent is for the guest `target` or for something that runs inside it. */
function leadsTo(intent: Intent, holder: Context, target: Context): boolean {
  const vmcs = intent.vmcs;
  if (!vmcs) return true;
  if (holder.space.children.get(vmcs.pointer) === target) return true;
  const carried = vmcs.carried;
  return carried !== undefined && (carried === target || target.isBelow(carried));
}

/** The context whose open intent names `target` as its guest: the parent, or another vCPU of the parent's machine that took it over. */
export function holderOf(target: Context, live: readonly Context[]): Context | undefined {
  const parent = target.parent;
  if (!parent || parent.level === 0) return parent;
  if (parent.intent && leadsTo(parent.intent, parent, target)) return parent;
  return live.find(c => c !== parent && c.space === parent.space && c.intent?.vmcs?.pointer === target.key);
}

/** True when every level below `context` waits in an entry that leads to it, so that an entry may run it (or, reading `guest`, its guest). */
function isReachable(context: Context, reading: Reading, words: Uint32Array, at: number, live: readonly Context[]): boolean {
  let target = context;
  while (target.level > 1) {
    const holder = holderOf(target, live);
    if (!holder) {
      // A level that emulates nested entries uses another VMCS for its guest's guest: fine when its intent describes this very entry.
      const parent = target.parent!;
      if (target === context && reading !== 'guest' || !parent.intent || !fitsExpected(parent.intent, words, at)) return false;
      target = parent;
    } else target = holder;
  }
  return true;
}

const same = (words: Uint32Array, at: number, low: number, high: number): boolean => words[at] === low && words[at + 1] === high;

/** Strength with which an intent's expected guest state fits the entry; 0 = not at all. */
export function fitsExpected(intent: Intent, words: Uint32Array, at: number): number {
  const expected = intent.expected;
  if (!(intent.knows & 1) || !same(words, at + word.rip, expected[0], expected[1])) return 0;
  const rsp = (intent.knows & 2) !== 0 && same(words, at + word.rsp, expected[2], expected[3]);
  if (intent.knows & 4 && same(words, at + word.cr3, expected[4], expected[5])) return weight.ripAndCr3 + (rsp ? weight.rsp : 0);
  return rsp || !(intent.knows & 2) ? weight.ripAndRsp : 0;
}

function fitsHost(vmcs: BelievedVmcs, words: Uint32Array, at: number): number {
  if (!vmcs.knows(hostField.rip) || !same(words, at + word.rip, vmcs.low(hostField.rip), vmcs.high(hostField.rip))) return 0;
  const rsp = vmcs.knows(hostField.rsp) && same(words, at + word.rsp, vmcs.low(hostField.rsp), vmcs.high(hostField.rsp));
  if (vmcs.knows(hostField.cr3) && same(words, at + word.cr3, vmcs.low(hostField.cr3), vmcs.high(hostField.cr3))) return weight.ripAndCr3 + (rsp ? weight.rsp : 0);
  return rsp ? weight.ripAndRsp : 0;
}

/** Strength with which the entry continues the context where its last exit left it; negative when the RIP is after the instruction. */
function fitsExit(context: Context, words: Uint32Array, at: number): number {
  const last = context.last.words, reason = last[word.aux] & 0xffff;
  const low = words[at + word.rip], high = words[at + word.rip + 1];
  const isEntry = entering[reason];
  const rsp = same(words, at + word.rsp, last[word.rsp], last[word.rsp + 1]);
  const cr3 = same(words, at + word.cr3, last[word.cr3], last[word.cr3 + 1]);
  if (low === last[word.rip] && high === last[word.rip + 1]) return cr3 ? weight.ripAndCr3 + (rsp ? weight.rsp : 0) : rsp ? weight.ripAndRsp : 0;
  if (low === context.nextRipLow && high === context.nextRipHigh) {
    // VMLAUNCH and VMRESUME reach their next instruction only by failing; otherwise that address is a handler's.
    if (isEntry && !saysVmFail(words[at + word.rflags])) return 0;
    return cr3 || changesCr3[reason] ? -(weight.ripAndCr3 + (rsp ? weight.rsp : 0)) : rsp ? -weight.ripAndRsp : 0;
  }
  // An emulator of instructions may step over one whose length the exit did not tell (at most 15 bytes).
  const distance = low - last[word.rip] | 0;
  return !isEntry && cr3 && rsp && high === last[word.rip + 1] && distance > 0 && distance <= 15 ? -weight.nearRip : 0;
}

/** Quick test for the commonest entry: `context` has just exited and goes on, under the same VMCS and EPT pointer. Returns the strength as `fitsExit`. */
export function continuesDirectly(context: Context, words: Uint32Array, at: number, vmcs: number): number {
  if (context.hardwareVmcs !== vmcs || words[at + word.b] !== context.eptpLow || words[at + word.b + 1] !== context.eptpHigh || context.intent?.served) return 0;
  const strength = fitsExit(context, words, at);
  return Math.abs(strength) >= weight.ripAndCr3 ? strength : 0;
}

/** How well the reading that `runs` is the context entered (undefined: a new one) agrees with where and how that context ran before. */
function continuity(runs: Context | undefined, words: Uint32Array, at: number, vmcs: number, carried: Context | undefined): number {
  if (!runs) return weight.vmcs / 2;
  const sameEpt = words[at + word.b] === runs.eptpLow && words[at + word.b + 1] === runs.eptpHigh;
  return (sameEpt ? weight.eptp : 0) + (runs.hardwareVmcs !== vmcs ? 0 : carried === runs ? weight.vmcs : weight.vmcs / 2);
}

/** Reused by every call of `matchEntry`, which runs hundreds of thousands of times a second. */
const best: { reading: Reading; context: Context | undefined; score: number; after: boolean } = { reading: 'continue', context: undefined, score: 0, after: false };

function consider(reading: Reading, context: Context, score: number, after: boolean): void {
  if (best.context && score <= best.score) return;
  best.reading = reading;
  best.context = context;
  best.score = score;
  best.after = after;
}

/**
 * The best reading of the entry record at `words[at]`, undefined when no context explains it. `live`: contexts above L0 that have not ended;
 * `carried`: what the hardware VMCS carried last. The answer is overwritten by the next call.
 */
export function matchEntry(live: readonly Context[], words: Uint32Array, at: number, vmcs: number, carried: Context | undefined): Match | undefined {
  best.context = undefined;
  for (let n = 0; n < live.length; n++) {
    const context = live[n];
    if (context.state === 'executing') continue;
    const intent = context.intent, depth = context.level * weight.depth;
    if (context.switches > 0 && !intent?.served) {
      const strength = fitsExit(context, words, at);
      if (strength !== 0) {
        const reachable = isReachable(context, 'continue', words, at, live) ? weight.reachable : 0;
        consider('continue', context, Math.abs(strength) + weight.continueRank + depth + reachable + continuity(context, words, at, vmcs, carried), strength < 0);
      }
    }
    if (!intent) continue;
    if (intent.vmcs) {
      const strength = fitsHost(intent.vmcs, words, at);
      if (strength > 0) {
        const reachable = isReachable(context, 'handle', words, at, live) ? weight.reachable : 0;
        consider('handle', context, strength + weight.handleRank + depth + reachable + continuity(context, words, at, vmcs, carried), false);
      }
    }
    if (!intent.served) {
      const strength = fitsExpected(intent, words, at);
      if (strength > 0) {
        const reachable = isReachable(context, 'guest', words, at, live) ? weight.reachable : 0;
        consider('guest', context, strength + depth + reachable + continuity(intent.vmcs?.carried, words, at, vmcs, carried), false);
      }
    }
  }
  return best.context ? best as Match : undefined;
}

/** How many items of the expected state (RIP counts double) the entry has. */
export function fitness(intent: Intent, words: Uint32Array, at: number): number {
  const equal = (item: number, field: number): boolean =>
    (intent.knows & 1 << item) !== 0 && intent.expected[item * 2] === words[at + field] && intent.expected[item * 2 + 1] === words[at + field + 1];
  return (equal(0, word.rip) ? 2 : 0) + (equal(1, word.rsp) ? 1 : 0) + (equal(2, word.cr3) ? 1 : 0);
}

/** Cleared since it ran, and another RIP in another address space: another EPT pointer, or another CR3 where EPT is off. */
export function isLaunchedAnew(known: Context, vmcs: BelievedVmcs, words: Uint32Array, at: number): boolean {
  if (vmcs.clearedAt <= known.enteredAt || known.switches === 0) return false;
  const last = known.last.words, differs = (field: number, low: number, high: number): boolean => words[at + field] !== low || words[at + field + 1] !== high;
  if (!differs(word.rip, last[word.rip], last[word.rip + 1])) return false;
  if (!differs(word.rip, known.nextRipLow, known.nextRipHigh)) return false;
  if (differs(word.b, known.eptpLow, known.eptpHigh) || vmcs.knows(guestField.eptp, vmcs.clearedAt) && vmcs.clearedAt > 0 && eptpChanged(known, vmcs)) return true;
  return known.eptpLow === 0 && known.eptpHigh === 0 && differs(word.cr3, last[word.cr3], last[word.cr3 + 1]);
}
/** The parent gave another EPT pointer than the one with which this child was born. */
function eptpChanged(known: Context, vmcs: BelievedVmcs): boolean {
  const value = BigInt(vmcs.high(guestField.eptp)) << 32n | BigInt(vmcs.low(guestField.eptp));
  return known.believedEptp !== undefined && known.believedEptp !== value;
}
