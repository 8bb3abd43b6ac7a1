// The level tracker: a pure function from the machine's events to a tree of contexts, the virtual processors of each level.
//
// The processor knows root and non-root operation and VMCSs; it does not know levels. They are inferred from what every hypervisor must do:
// name VMCSs, write them, launch them. The rule, in short (docs/level-rule.md has it in full, with the reasons):
// - L0 is root operation. Any other context is the guest of a parent, and is known by (the parent's memory, the VMCS pointer that the parent
//   believed current when it entered the guest). Its level is its depth. Which hardware VMCS carries it does not matter.
// - A VMX instruction of a non-root context takes effect for it when the software below lets it continue after the instruction.
// - A VMLAUNCH or VMRESUME of a non-root context opens an intent, which says what its guest should look like.
// - A VM entry continues a context where it left off, or runs the handler of a context that waits in an intent, or starts the guest of one;
//   the reading that explains most of the entered state wins (entry-match.ts). An entry that nothing explains is marked uncertain.
// Invariant: nothing but events is looked at, so that the same stream always gives the same tree.
import type { EventReader } from '../../emulator/event-ring';
import { vmxInstructions } from '../../emulator/codegen/state-layout';
import { exitReasonById, exitReasonByNumber } from '../../spec/exit-reasons';
import { type BelievedVmcs, VmcsSpace } from './believed-vmcs';
import { Context } from './context';
import { answersInFlags, continuesDirectly, fitness, holderOf, isLaunchedAnew, type Match, matchEntry, saysVmFail } from './entry-match';
import { EventRecord, instructionNumber as I, kindNumber, outcomeNumber, RecordWords, word, wordsToNumber } from './event-words';
import { type ContextChange, ContextTree, sameEptp } from './context-tree';
import { openIntent } from './intents';
import { SwitchLog, switchKinds, type WorldSwitch } from './switch-log';

const switchNumber = { exit: switchKinds.indexOf('exit'), deliver: switchKinds.indexOf('deliver'), enter: switchKinds.indexOf('enter'), vmfail: switchKinds.indexOf('vmfail') };
const exitReason = {
  vmlaunch: exitReasonById('VMLAUNCH').number, vmresume: exitReasonById('VMRESUME').number, invalidGuestState: exitReasonById('ENTRY_FAIL_GUEST_STATE').number,
} as const;
const flagEntryFailed = 1, flagUncertain = 2;

/** What the tracker knows of one vCPU. */
interface VcpuState {
  readonly root: Context;
  executing: Context;
  /** The context whose exit L0 is handling. */
  lastExited: Context | undefined;
  /** Basic reason and event number of the last hardware entry failure. */
  failureReason: number;
  failedAt: number;
  readonly failure: EventRecord;
}

export class LevelTracker {
  /** Number of the last event fed. */
  sequence = 0;
  /** Its time in units. */
  time = 0;
  readonly switches: SwitchLog;

  private readonly vcpus: VcpuState[] = [];
  private readonly tree = new ContextTree();
  private readonly rootSpace = new VmcsSpace();
  private readonly records = new RecordWords();

  /** `switchCapacity`: world switches kept for display. */
  constructor(options: { readonly vcpus?: number; readonly switchCapacity?: number } = {}) {
    this.switches = new SwitchLog(options.switchCapacity);
    for (let vcpu = 0; vcpu < (options.vcpus ?? 1); vcpu++) this.vcpu(vcpu);
  }

  /** Every context ever seen, ended ones too, in order of birth. */
  get contexts(): readonly Context[] { return this.tree.all; }
  /** Rises with every birth, end and move of a context. */
  get revision(): number { return this.tree.revision; }
  /** Contexts that exist now: every L0, and those above that have not ended. */
  get liveContexts(): readonly Context[] { return this.tree.all.filter(c => c.state !== 'ended'); }
  context(id: number): Context | undefined { return this.tree.all[id - 1]; }
  /** The context that the vCPU runs. */
  executing(vcpu: number): Context { return this.vcpu(vcpu).executing; }
  root(vcpu: number): Context { return this.vcpu(vcpu).root; }
  /** The context whose exit L0 of that vCPU is handling, or handled last. */
  lastExited(vcpu: number): Context | undefined { return this.vcpu(vcpu).lastExited; }
  /** What L0 knows of the VMCS at a host-physical address (`carried`: which context its guest area belongs to), undefined if it was never used. */
  hardwareVmcs(pointer: number): BelievedVmcs | undefined { return this.rootSpace.find(pointer); }
  /** Record of the last VM entry that the processor refused on that vCPU, undefined if there was none. */
  failedEntryRecord(vcpu: number): EventRecord | undefined {
    const state = this.vcpu(vcpu);
    return state.failedAt > 0 ? state.failure : undefined;
  }
  /** True when nothing has been entered since the processor refused an entry on that vCPU: L0 is still handling the failure. */
  isHandlingFailure(vcpu: number): boolean {
    const { failedAt, executing, root } = this.vcpu(vcpu);
    return failedAt > 0 && executing === root && this.tree.live.every(c => c.vcpu !== vcpu || c.enteredAt < failedAt);
  }
  /** The context whose exit this one is dealing with: for L0 as long as it executes, for others since the delivery. */
  handledBy(context: Context): Context | undefined {
    if (context.level > 0) return context.handles;
    const { executing, lastExited } = this.vcpu(context.vcpu);
    return executing === context && lastExited && lastExited.state !== 'ended' && !this.isHandlingFailure(context.vcpu) ? lastExited : undefined;
  }
  /** Births, ends and moves since the last call. */
  takeChanges(): readonly ContextChange[] {
    return this.tree.takeChanges();
  }
  switchesSince(number: number): WorldSwitch[] { return this.switches.since(number); }
  get lastSwitch(): WorldSwitch | undefined { return this.switches.at(this.switches.count - 1); }

  /** From a context up to the deepest of its descendants that waits for nothing: the chain of levels that runs on that vCPU, L0 first. */
  activeChain(vcpu: number): Context[] {
    const { executing, lastExited, root } = this.vcpu(vcpu);
    const waited = this.tree.live.filter(c => c.vcpu === vcpu && c.parent?.intent !== undefined && holderOf(c, this.tree.live) !== undefined);
    const deepest = [executing, lastExited ?? root, ...waited].reduce((best, c) => c.level > best.level ? c : best);
    return [...deepest.ancestors()].reverse().concat(deepest);
  }

  /** Takes one event of the ring. The reader may be moved on afterwards. */
  feed(event: EventReader): void {
    const at = this.records.at(event), words = this.records.words;
    this.sequence++;
    this.time = wordsToNumber(words, at + word.time);
    const kind = words[at] & 0xff;
    if (kind === kindNumber.vmExit) this.exit(words, at);
    else if (kind === kindNumber.vmEntry) this.entry(words, at);
    else if (kind === kindNumber.vmxInstruction || kind === kindNumber.vmread) this.instruction(words, at);
    else if (kind === kindNumber.reset) this.reset(words, at);
  }

  // -- exits

  private exit(words: Uint32Array, at: number): void {
    const number = words[at] >>> 24, vcpu = this.vcpu(number), root = vcpu.root;
    const reasonField = words[at + word.aux], reason = reasonField & 0xffff;
    let from = vcpu.executing;
    if (from === root) {
      if (reasonField >>> 31) return this.failedEntry(vcpu, words, at, reason);
      // Watching began inside a guest: what the VMCS carries is all there is to go by.
      from = this.guestOfUnknownEntry(vcpu, wordsToNumber(words, at + word.b));
    }
    from.last.take(this.records, at);
    from.switches++;
    from.exitedAt = this.sequence;
    from.state = 'suspended';
    const length = tellsLength[reason] ? words[at + word.instructionLength] : 0, low = words[at + word.rip] + length;
    from.nextRipLow = low >>> 0;
    from.nextRipHigh = words[at + word.rip + 1] + (low > 0xffffffff ? 1 : 0);
    if (reason === exitReason.vmlaunch || reason === exitReason.vmresume) {
      if (!from.intent) openIntent(from, reason === exitReason.vmlaunch, this.sequence);
      from.suspension = reason === exitReason.vmlaunch ? 'vmlaunch' : 'vmresume';
    } else from.suspension = 'exit';
    this.leaveToRoot(vcpu);
    vcpu.lastExited = from;
    this.switches.add(switchNumber.exit, from.level, from.id, 0, root.id, reason, reasonField >>> 31 ? flagEntryFailed : 0, this.records, at);
  }

  /** Root operation runs on, whatever ran before. */
  private leaveToRoot(vcpu: VcpuState): void {
    if (vcpu.executing.state === 'executing') vcpu.executing.state = 'suspended';
    vcpu.root.state = 'executing';
    vcpu.root.suspension = 'none';
    vcpu.executing = vcpu.root;
  }

  /** An entry that the processor refused after loading guest state (bit 31 of the reason): L0 goes on in its exit handler, no guest has run. */
  private failedEntry(vcpu: VcpuState, words: Uint32Array, at: number, reason: number): void {
    vcpu.failureReason = reason;
    vcpu.failedAt = this.sequence;
    vcpu.failure.take(this.records, at);
    const intended = this.intendedGuest(vcpu, wordsToNumber(words, at + word.b));
    this.switches.add(switchNumber.exit, intended.level, intended.id, 0, vcpu.root.id, reason, flagEntryFailed, this.records, at);
  }

  /** Level and context for which an entry that failed was meant: the guest of the deepest unanswered intent, else what the VMCS carries. */
  private intendedGuest(vcpu: VcpuState, pointer: number): { level: number; id: number } {
    let holder: Context | undefined;
    for (const c of this.tree.live) if (c.vcpu === vcpu.root.vcpu && c.intent && !c.intent.served && c.state !== 'executing' && (!holder || c.level > holder.level)) holder = c;
    const guest = holder ? holder.intent!.vmcs && holder.space.children.get(holder.intent!.vmcs.pointer) : this.rootSpace.find(pointer)?.carried;
    return { level: guest?.level ?? (holder?.level ?? 0) + 1, id: guest?.id ?? -1 };
  }

  // -- entries

  private entry(words: Uint32Array, at: number): void {
    const number = words[at] >>> 24, vcpu = this.vcpu(number), root = vcpu.root, exited = vcpu.lastExited;
    const pointer = wordsToNumber(words, at + word.a), vmcs = this.rootSpace.vmcs(pointer);
    root.currentVmcs = vmcs;
    vmcs.launchState = 'launched';
    if (vcpu.executing !== root) this.leaveToRoot(vcpu);

    let to: Context, reading: Match['reading'] = 'continue', after = false, uncertain = false;
    const direct = exited && exited.state !== 'ended' ? continuesDirectly(exited, words, at, pointer) : 0;
    let match: Match | undefined;
    if (direct !== 0) {
      to = exited!;
      after = direct < 0;
    } else if ((match = matchEntry(this.tree.live, words, at, pointer, vmcs.carried))) {
      reading = match.reading;
      after = match.after;
      to = reading === 'guest' ? this.guestOf(match.context, words, at, vcpu) : match.context;
    } else {
      reading = 'guest';
      [to, uncertain] = this.unexplainedEntry(vcpu, vmcs, words, at);
    }
    this.tree.place(to, vcpu.root, match?.reading === 'guest' ? match.context : undefined);
    if (uncertain) to.uncertain = true;

    const kind = this.switchKind(to, reading, after, words, at);
    this.logEntry(kind, vcpu, to, reading, uncertain, words, at);
    if (reading === 'continue' && after && to.pending.active) this.complete(to, words, at, kind === switchNumber.vmfail);
    to.pending.active = false;
    to.intent = undefined;
    this.markServed(to, vmcs, root);

    root.last.take(this.records, at);
    root.switches++;
    root.state = 'suspended';
    root.suspension = words[at + word.aux] & 1 ? 'vmresume' : 'vmlaunch';
    to.state = 'executing';
    to.suspension = 'none';
    to.enteredAt = this.sequence;
    to.hardwareVmcs = pointer;
    to.eptpLow = words[at + word.b];
    to.eptpHigh = words[at + word.b + 1];
    to.vpid = words[at + word.c];
    vcpu.executing = to;
  }

  private switchKind(to: Context, reading: Match['reading'], after: boolean, words: Uint32Array, at: number): number {
    if (reading === 'handle') return switchNumber.deliver;
    if (reading === 'continue' && after && answersInFlags(to.last.basicReason) && saysVmFail(words[at + word.rflags])) return switchNumber.vmfail;
    return switchNumber.enter;
  }

  private logEntry(kind: number, vcpu: VcpuState, to: Context, reading: Match['reading'], uncertain: boolean, words: Uint32Array, at: number): void {
    const root = vcpu.root, flags = uncertain ? flagUncertain : 0;
    if (kind !== switchNumber.deliver) {
      const launched = words[at + word.aux] & 1 ? exitReason.vmresume : exitReason.vmlaunch;
      const reason = reading === 'continue' ? to.last.basicReason : to.parent && to.parent.level > 0 && to.parent.switches > 0 ? to.parent.last.basicReason : launched;
      this.switches.add(kind, 0, root.id, to.level, to.id, reason, flags, this.records, at);
      return;
    }
    // The exit delivered is the newest one made inside the context since it entered its guest.
    const opened = to.intent?.openedAt ?? 0;
    let source: Context | undefined;
    for (const c of this.tree.live) if (c.exitedAt > opened && (!source || c.exitedAt > source.exitedAt) && to.isBelow(c)) source = c;
    to.delivered = source;
    to.deliveredExit = source?.exitedAt ?? 0;
    if (source) this.switches.add(kind, source.level, source.id, to.level, to.id, source.last.basicReason, flags | (source.last.entryFailed ? flagEntryFailed : 0), this.records, at);
    else {
      // Nothing ran: the software below, or the processor, refused the entry. The level that should have been entered is the deepest one asked for.
      let holder = to;
      for (const c of this.tree.live) if (to.isBelow(c) && c.intent && !c.intent.served && c.level > holder.level) holder = c;
      const reason = vcpu.failedAt > opened ? vcpu.failureReason : exitReason.invalidGuestState;
      const guest = holder.intent?.vmcs && holder.space.children.get(holder.intent.vmcs.pointer);
      this.switches.add(kind, holder.level + 1, guest ? guest.id : -1, to.level, to.id, reason, flags | flagEntryFailed, this.records, at);
    }
  }

  /** Every level that waits below `to` now has a guest that runs. */
  private markServed(to: Context, vmcs: BelievedVmcs, root: Context): void {
    vmcs.carried = to;
    vmcs.ranAt = this.sequence;
    for (let c = to.parent; c && c !== root; c = c.parent) {
      const intent = c.intent;
      if (!intent) continue;
      intent.served = true;
      if (!intent.vmcs) continue;
      intent.vmcs.ranAt = this.sequence;
      intent.vmcs.carried = to;
      intent.vmcs.launchState = 'launched';
    }
  }

  /** The child that the open intent of `parent` describes: an old one if its key is known and it was not launched anew, else a new one. */
  private guestOf(parent: Context, words: Uint32Array, at: number, vcpu: VcpuState): Context {
    const intent = parent.intent, vmcs = intent?.vmcs, known = vmcs && parent.space.children.get(vmcs.pointer);
    // Software that runs one VMCS on two vCPUs at once gets a second context: the key is taken.
    if (known?.state === 'executing') return this.tree.born(parent, -1, words, at, vcpu.root.vcpu, this.time);
    if (known && known.state !== 'ended') {
      if (!isLaunchedAnew(known, vmcs, words, at)) return known;
      this.end(known);
    }
    return this.tree.born(parent, vmcs?.pointer ?? -1, words, at, vcpu.root.vcpu, this.time);
  }

  /** No context explains the entry. Returns the best guess and whether it is one. */
  private unexplainedEntry(vcpu: VcpuState, vmcs: BelievedVmcs, words: Uint32Array, at: number): [Context, boolean] {
    const waiting = this.tree.live.filter(c => c.vcpu === vcpu.root.vcpu && c.intent && !c.intent.served && c.state !== 'executing');
    if (waiting.length > 0) {
      // Some level has just asked for an entry: this is most likely its guest, in a state that the software below made up.
      const exited = vcpu.lastExited;
      const holder = waiting.reduce((best, c) => fitness(c.intent!, words, at) + c.level / 100 > fitness(best.intent!, words, at) + best.level / 100 ? c : best);
      const own = vmcs.carried;
      if (own && own.state === 'suspended' && own !== exited && sameEptp(own, words, at) && fitness(holder.intent!, words, at) === 0) return [own, true];
      return [this.guestOf(holder, words, at, vcpu), true];
    }
    const carried = vmcs.carried, busy = this.tree.live.some(c => c.vcpu === vcpu.root.vcpu && c.intent);
    if (carried && carried.state === 'suspended' && carried.level > 1 && sameEptp(carried, words, at)) return [carried, true];
    const known = this.rootSpace.children.get(vmcs.pointer);
    if (known?.state === 'executing') return [this.tree.born(vcpu.root, -1, words, at, vcpu.root.vcpu, this.time), true];
    if (known && known.state !== 'ended') {
      if (!isLaunchedAnew(known, vmcs, words, at)) return [known, busy];
      this.end(known);
    }
    return [this.tree.born(vcpu.root, vmcs.pointer, words, at, vcpu.root.vcpu, this.time), busy];
  }

  private guestOfUnknownEntry(vcpu: VcpuState, pointer: number): Context {
    const vmcs = this.rootSpace.vmcs(pointer), known = this.rootSpace.children.get(pointer);
    let guest = [vmcs.carried, known].find(each => each?.state === 'suspended');
    if (!guest) {
      guest = this.tree.add(new Context(this.tree.nextId, vcpu.root.vcpu, 1, vcpu.root, known ? -1 : pointer, new VmcsSpace(), this.time));
      if (!known) this.rootSpace.children.set(pointer, guest);
    }
    this.tree.place(guest, vcpu.root, undefined);
    guest.uncertain = true;
    guest.hardwareVmcs = pointer;
    vmcs.carried = guest;
    return guest;
  }

  // -- VMX instructions

  private instruction(words: Uint32Array, at: number): void {
    const vcpu = this.vcpu(words[at] >>> 24);
    const aux = words[at + word.aux], instruction = aux & 0xff, outcome = aux >>> 8 & 0xff;
    const nonRoot = (words[at] >>> 8 & 1) === 1;
    if (!nonRoot) return this.rootInstruction(vcpu, instruction, outcome, words, at);
    // The record may stand before or after that of the exit which the instruction caused.
    const context = vcpu.executing.level > 0 ? vcpu.executing : vcpu.lastExited;
    if (!context) return;
    if (outcome === outcomeNumber.success && (instruction === I.VMREAD || instruction === I.VMWRITE)) {
      // Not intercepted: the shadow VMCS answered.
      context.currentVmcs?.learn(words[at + word.a], instruction === I.VMREAD, context, this.sequence, words, at + word.b, words, at + word.rip, words, at);
      return;
    }
    if (outcome !== outcomeNumber.exited) return;
    if (instruction === I.VMLAUNCH || instruction === I.VMRESUME) return openIntent(context, instruction === I.VMLAUNCH, this.sequence);
    const pending = context.pending;
    pending.active = true;
    pending.instruction = instruction;
    pending.operand = wordsToNumber(words, at + word.a);
    for (let i = 0; i < 2; i++) {
      pending.words[i] = words[at + word.b + i];
      pending.words[2 + i] = words[at + word.rip + i];
    }
    pending.destination = aux >>> 24;
  }

  private rootInstruction(vcpu: VcpuState, instruction: number, outcome: number, words: Uint32Array, at: number): void {
    const root = vcpu.root;
    if (instruction === I.VMLAUNCH || instruction === I.VMRESUME) {
      for (let i = 0; i < 2; i++) {
        root.own[i] = words[at + word.rip + i];
        root.own[2 + i] = words[at + word.rsp + i];
        root.own[4 + i] = words[at + word.cr3 + i];
      }
    }
    if (outcome === outcomeNumber.failInvalid || outcome === outcomeNumber.failValid) {
      this.switches.add(switchNumber.vmfail, 0, root.id, 0, root.id, reasonOfInstruction[instruction], 0, this.records, at);
      return;
    }
    if (outcome !== outcomeNumber.success) return;
    if (instruction === I.VMREAD || instruction === I.VMWRITE) {
      const pointer = wordsToNumber(words, at + word.c);
      if (pointer === -1) return;
      if (root.currentVmcs?.pointer !== pointer) root.currentVmcs = this.rootSpace.vmcs(pointer);
      root.currentVmcs!.learn(words[at + word.a], instruction === I.VMREAD, root, this.sequence, words, at + word.b, words, at + word.rip, words, at);
    } else this.take(root, instruction, wordsToNumber(words, at + word.a));
  }

  /** The software below let a context continue after its VMX instruction: what it asked for is now true, as far as it can know. */
  private complete(context: Context, words: Uint32Array, at: number, failed: boolean): void {
    if (failed) return;
    const pending = context.pending;
    if (pending.instruction === I.VMWRITE) context.currentVmcs?.learn(pending.operand, false, context, this.sequence, pending.words, 0, pending.words, 2, words, at);
    else if (pending.instruction === I.VMREAD) {
      if (pending.destination > 15) return;
      const register = at + word.gpr + pending.destination * 2;
      context.currentVmcs?.learn(pending.operand, true, context, this.sequence, words, register, pending.words, 2, words, at);
    } else this.take(context, pending.instruction, pending.operand);
  }

  /** Effect of a VMX instruction other than VMREAD, VMWRITE and entries on what its context believes. */
  private take(context: Context, instruction: number, operand: number): void {
    if (instruction === I.VMPTRLD) context.currentVmcs = context.space.vmcs(operand);
    else if (instruction === I.VMCLEAR) {
      const vmcs = context.space.vmcs(operand);
      vmcs.launchState = 'clear';
      vmcs.clearedAt = this.sequence;
      if (context.currentVmcs === vmcs) context.currentVmcs = undefined;
    } else if (instruction === I.VMXON) {
      context.vmxOn = true;
      context.currentVmcs = undefined;
    } else if (instruction === I.VMXOFF) {
      context.vmxOn = false;
      context.currentVmcs = undefined;
      for (const child of this.tree.live.filter(c => c.parent === context)) this.end(child);
    }
  }

  private vcpu(number: number): VcpuState {
    let state = this.vcpus[number];
    if (!state) {
      const root = this.tree.add(new Context(this.tree.nextId, number, 0, undefined, -1, this.rootSpace, this.time));
      root.state = 'executing';
      this.vcpus[number] = state = { root, executing: root, lastExited: undefined, failureReason: 0, failedAt: 0, failure: new EventRecord() };
    }
    return state;
  }

  private end(context: Context): void {
    this.tree.end(context, this.time);
    for (const vcpu of this.vcpus) {
      if (vcpu?.lastExited?.state === 'ended') vcpu.lastExited = undefined;
      if (vcpu?.executing.state === 'ended') this.leaveToRoot(vcpu);
    }
  }

  private reset(words: Uint32Array, at: number): void {
    const vcpu = this.vcpu(words[at] >>> 24);
    for (const c of this.tree.live.filter(c => c.parent === vcpu.root)) this.end(c);
    this.leaveToRoot(vcpu);
    vcpu.lastExited = undefined;
    vcpu.root.vmxOn = false;
    vcpu.root.currentVmcs = undefined;
  }
}

/** Exits after which the instruction length is valid; others leave an old one behind. */
const tellsLength: readonly boolean[] = Array.from({ length: 128 }, (_, reason) => (exitReasonByNumber(reason)?.instructionLength ?? false) !== false);

/** Basic exit reason of each VMX instruction, in the order of their ids. */
const reasonOfInstruction: readonly number[] = vmxInstructions.map(name => exitReasonById(name).number);
