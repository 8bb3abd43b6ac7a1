// What the user sees of the stream: switches between levels, beliefs about VMCSs, and the awkward cases, one by one on hand-made events.
import { describe, expect, it } from 'vitest';
import { guestField, hostField } from '../../../src/inspector/levels/entry-match';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import type { WorldSwitch } from '../../../src/inspector/levels/switch-log';
import { EventStream, type InstructionFields } from './event-stream';
import { NestedStack } from './nested-stack';

const brief = (s: WorldSwitch): string => `${s.kind} ${s.from}>${s.to} ${s.reason}${s.entryFailed ? ' failed' : ''}${s.uncertain ? '?' : ''}`;

/** A hand-made machine: L0 with one level-1 hypervisor in VMCS 0x1000, its handler at 0x500; level-2 guests under 0x2000 (vmcs02). */
class Scene {
  readonly tracker = new LevelTracker({ vcpus: 2 });
  readonly stream = new EventStream(event => this.tracker.feed(event));
  readonly one = { rip: 0x400n, rsp: 0x4f00n, cr3: 0x1000n };
  private seen = 0;
  constructor(readonly eptp = 0x101en) {}

  place(rip: bigint, cr3 = 0x9000n, rsp = 0x9f00n) { return { rip, rsp, cr3 }; }
  enterOne(rip: bigint, options: { rflags?: bigint; vcpu?: number; vmcs?: bigint; interruptionInfo?: number; cr3?: bigint; gpr?: bigint[]; rsp?: bigint } = {}): void {
    this.stream.entry({ ...this.one, rip, cr3: options.cr3 ?? this.one.cr3, rsp: options.rsp ?? this.one.rsp, rflags: options.rflags, gpr: options.gpr },
      { vmcs: options.vmcs ?? 0x1000n, eptp: this.eptp, vcpu: options.vcpu, interruptionInfo: options.interruptionInfo });
  }
  exitOne(rip: bigint, reason: number, options: { vcpu?: number; vmcs?: bigint; length?: number; flags?: number } = {}): void {
    this.stream.exit({ ...this.one, rip }, { reason, vmcs: 0x1000n, ...options });
  }
  /** A VMX instruction of level 1 that L0 carries out. */
  oneDoes(rip: bigint, name: InstructionFields['name'], reason: number, operand: bigint, value = 0n, rflags = 2n): void {
    this.stream.instruction({ ...this.one, rip }, { name, operand, value });
    this.exitOne(rip, reason);
    this.enterOne(rip + 3n, { rflags });
  }
  /** Level 1 prepares VMCS `pointer` for a guest at that place and asks for the entry; ends in L0. */
  oneLaunches(pointer: bigint, guest: { rip: bigint; rsp: bigint; cr3: bigint }, options: { resume?: boolean; eptp?: bigint; at?: bigint; hostRsp?: bigint } = {}): void {
    this.oneDoes(0x410n, 'VMPTRLD', 21, pointer);
    const fields = [
      [guestField.rip, guest.rip], [guestField.rsp, guest.rsp], [guestField.cr3, guest.cr3], [guestField.eptp, options.eptp ?? 0n],
      [hostField.rip, 0x500n], [hostField.rsp, options.hostRsp ?? 0x4e00n], [hostField.cr3, 0x1000n],
    ] as const;
    for (const [field, value] of fields) {
      this.oneDoes(0x420n, 'VMWRITE', 25, BigInt(field), value);
    }
    this.oneEnters(options.resume ?? false, options.at ?? 0x450n);
  }
  oneEnters(resume: boolean, at = 0x450n): void {
    this.stream.instruction({ ...this.one, rip: at }, { name: resume ? 'VMRESUME' : 'VMLAUNCH' });
    this.exitOne(at, resume ? 24 : 20);
  }
  enterTwo(guest: { rip: bigint; rsp: bigint; cr3: bigint }, options: { eptp?: bigint; vcpu?: number; vmcs?: bigint; resume?: boolean; rflags?: bigint } = {}): void {
    this.stream.entry({ ...guest, rflags: options.rflags }, { vmcs: options.vmcs ?? 0x2000n, eptp: options.eptp ?? 0x202en, vcpu: options.vcpu, resume: options.resume });
  }
  exitTwo(guest: { rip: bigint; rsp: bigint; cr3: bigint }, reason: number, options: { vcpu?: number; vmcs?: bigint; length?: number } = {}): void {
    this.stream.exit(guest, { reason, vmcs: 0x2000n, length: 2, ...options });
  }
  /** L0 hands level 1 the exit of its guest. */
  deliverToOne(options: { vcpu?: number; vmcs?: bigint } = {}): void { this.enterOne(0x500n, { rsp: 0x4e00n, ...options }); }
  get news(): string[] {
    const news = this.tracker.switchesSince(this.seen).map(brief);
    this.seen = this.tracker.switches.count;
    return news;
  }
  get tree(): string[] { return this.tracker.contexts.map(c => `${c.level}/${c.vcpu}:${c.state}${c.uncertain ? '?' : ''}${c.parent ? `<${c.parent.id}` : ''}`); }
}

/** L0 has launched level 1, and level 1 has launched a guest at 0x6000. */
function withGuest(eptp?: bigint): { scene: Scene; guest: ReturnType<Scene['place']> } {
  const scene = new Scene(eptp), guest = scene.place(0x6000n);
  scene.enterOne(0x400n);
  scene.oneLaunches(0xa000n, guest);
  scene.enterTwo(guest, { resume: false });
  void scene.news;
  return { scene, guest };
}

describe('world switches', () => {
  it('of one CPUID over one level', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.exitOne(0x400n, 10, { length: 2 });
    scene.enterOne(0x402n);
    expect(scene.news).toEqual(['enter 0>1 24', 'exit 1>0 10', 'enter 0>1 10']);
  });

  it('of one CPUID over two hypervisors', () => {
    const tracker = new LevelTracker();
    const stack = new NestedStack({ levels: 2, addresses: 'same', hardware: 'per level', ept: true, reads: 1 }, event => tracker.feed(event));
    stack.boot();
    const from = tracker.switches.count;
    stack.guestExit();
    const operation = (reason: number): string[] => [`exit 1>0 ${reason}`, `enter 0>1 ${reason}`];
    expect(tracker.switchesSince(from).map(brief)).toEqual(['exit 2>0 10', 'deliver 2>1 10', ...[23, 21, 25, 25, 25].flatMap(operation), 'exit 1>0 24', 'enter 0>2 10']);
  });

  it('of one CPUID over three hypervisors', () => {
    const tracker = new LevelTracker();
    const stack = new NestedStack({ levels: 3, addresses: 'same', hardware: 'per level', ept: true, reads: 0 }, event => tracker.feed(event));
    stack.boot();
    const from = tracker.switches.count;
    stack.guestExit();
    // The VMX instructions of level 2 are exits that level 1 answers: only what concerns level 3, and the last VMRESUME of level 2, is looked at.
    const seen = tracker.switchesSince(from).filter(s => s.from === 3 || s.to === 3 || s.from === 2 && s.reason === 24).map(brief);
    expect(seen).toEqual(['exit 3>0 10', 'deliver 3>1 10', 'deliver 3>2 10', 'exit 2>0 24', 'deliver 2>1 24', 'enter 0>3 10']);
    expect(tracker.activeChain(0).map(c => c.level)).toEqual([0, 1, 2, 3]);
  });

  it('of VMREADs that a level is answered', () => {
    const { scene } = withGuest();
    scene.exitTwo(scene.place(0x6000n), 10);
    scene.deliverToOne();
    scene.stream.instruction({ ...scene.one, rip: 0x510n }, { name: 'VMREAD', operand: 0x4402n, destination: 3 });
    scene.exitOne(0x510n, 23);
    scene.enterOne(0x513n, { gpr: [0n, 0n, 0n, 10n] });
    expect(scene.news).toEqual(['exit 2>0 10', 'deliver 2>1 10', 'exit 1>0 23', 'enter 0>1 23']);
    const field = scene.tracker.contexts.find(c => c.level === 1)!.currentVmcs!.field(0x4402)!;
    expect(field).toMatchObject({ value: 10n, known: 'read', by: 'read', writer: { rip: 0x510n } });
  });

  it('keep levels that continue by software below apart from deliveries', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 48, { length: 4 });
    scene.enterTwo(guest);
    scene.exitTwo(guest, 48, { length: 4 });
    scene.enterTwo({ ...guest, rip: 0x6007n });
    expect(scene.news).toEqual(['exit 2>0 48', 'enter 0>2 48', 'exit 2>0 48', 'enter 0>2 48']);
    expect(scene.tree.length).toBe(4);
  });
});

describe('answers to VMX instructions', () => {
  it('VMfail of VMRESUME at the instruction after it, where the handler of exits stands too', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.oneLaunches(0xa000n, scene.place(0x6000n), { at: 0x4fdn });
    void scene.news;
    scene.enterOne(0x500n, { rflags: 0x42n });
    expect(scene.news).toEqual(['vmfail 0>1 20']);
    expect(scene.tracker.executing(0).intent).toBeUndefined();
    scene.oneEnters(false, 0x4fdn);
    scene.enterTwo(scene.place(0x6000n), { resume: false });
    scene.exitTwo(scene.place(0x6000n), 10);
    scene.deliverToOne();
    expect(scene.news).toEqual(['exit 1>0 20', 'enter 0>2 20', 'exit 2>0 10', 'deliver 2>1 10']);
  });

  it.each([
    ['right behind VMLAUNCH, the entry refused by software', 0x4fdn, false, 'deliver 2>1 33 failed'],
    ['at VMLAUNCH itself, which it executes again', 0x500n, true, 'deliver 2>1 10'],
  ])('a handler %s, on the stack of the entry', (_, at, runs, expected) => {
    const scene = new Scene(), guest = scene.place(0x6000n);
    scene.enterOne(0x400n);
    scene.oneLaunches(0xa000n, guest, { at, hostRsp: scene.one.rsp });
    if (runs) {
      scene.enterTwo(guest, { resume: false });
      scene.exitTwo(guest, 10);
    }
    scene.enterOne(0x500n);
    expect(scene.news.at(-1)).toBe(expected);
  });

  it.each([[0x42n, 'vmfail 0>1 25', undefined], [3n, 'vmfail 0>1 25', undefined],
    [2n, 'enter 0>1 25', 5n]] as const)('VMWRITE answered with RFLAGS %s', (rflags, expected, value) => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.oneDoes(0x410n, 'VMPTRLD', 21, 0xa000n);
    void scene.news;
    scene.oneDoes(0x420n, 'VMWRITE', 25, 0x4002n, 5n, rflags);
    expect(scene.news[1]).toBe(expected);
    expect(scene.tracker.executing(0).currentVmcs!.field(0x4002)?.value).toBe(value);
  });

  it('VMLAUNCH at CPL 3 answered with #GP closes the intent and makes no guest', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.stream.instruction({ ...scene.one, rip: 0x450n }, { name: 'VMLAUNCH' });
    scene.exitOne(0x450n, 20, { flags: 15 });
    expect(scene.tracker.contexts[2].intent).toBeDefined();
    scene.enterOne(0x450n, { interruptionInfo: 0x8000_0b0d | 0 });
    expect(scene.news).toEqual(['enter 0>1 24', 'exit 1>0 20', 'enter 0>1 20']);
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:executing', '1/0:executing<1']);
    expect(scene.tracker.contexts[2].intent).toBeUndefined();
  });

  it('VMfail of L0 itself', () => {
    const scene = new Scene();
    scene.stream.instruction(scene.place(0x10n), { name: 'VMLAUNCH', root: true, outcome: 'failValid', errorNumber: 7, current: 0x1000n });
    expect(scene.news).toEqual(['vmfail 0>0 20']);
  });
});

describe('failed entries', () => {
  it('of L0 leave it executing', () => {
    const scene = new Scene();
    scene.stream.exit(scene.place(0n), { reason: 33, failed: true, vmcs: 0x1000n, flags: 0 });
    expect(scene.news).toEqual(['exit 1>0 33 failed']);
    expect(scene.tree).toEqual(['0/0:executing', '0/1:executing']);
  });

  it('of a nested guest, refused by the processor, reach the level that asked', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 10);
    scene.deliverToOne();
    scene.oneEnters(true);
    void scene.news;
    scene.stream.exit(scene.place(0n), { reason: 34, failed: true, vmcs: 0x2000n, flags: 0 });
    scene.deliverToOne();
    expect(scene.news).toEqual(['exit 2>0 34 failed', 'deliver 2>1 34 failed']);
  });

  it('of a nested guest that never ran, refused by software', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.oneLaunches(0xa000n, scene.place(0x6000n));
    void scene.news;
    scene.deliverToOne();
    expect(scene.news).toEqual(['deliver 2>1 33 failed']);
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:executing', '1/0:executing<1']);
  });
});

describe('several guests', () => {
  it('of level 1 in one vmcs02, one descheduled while the other runs the same code at the same place', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 12, { length: 1 });
    scene.deliverToOne();
    scene.oneLaunches(0xb000n, guest, { eptp: 0x305en });
    scene.enterTwo(guest, { eptp: 0x303en, resume: false });
    const [, , , a, b] = scene.tracker.contexts;
    expect([a, b].map(c => [c.level, c.key, c.state])).toEqual([[2, 0xa000, 'suspended'], [2, 0xb000, 'executing']]);
    scene.exitTwo(guest, 12, { length: 1 });
    scene.deliverToOne();
    scene.oneDoes(0x510n, 'VMPTRLD', 21, 0xa000n);
    scene.oneDoes(0x513n, 'VMWRITE', 25, BigInt(guestField.rip), 0x6001n);
    scene.oneEnters(true);
    scene.enterTwo({ ...guest, rip: 0x6001n });
    expect(scene.tracker.executing(0)).toBe(a);
    expect(scene.tracker.contexts.length).toBe(5);
    expect(b.state).toBe('suspended');
  });

  it('of L0 that stand at the same place are told apart by their VMCS', () => {
    const scene = new Scene();
    scene.enterOne(0x400n, { vmcs: 0x1000n });
    scene.exitOne(0x400n, 12, { length: 1 });
    scene.enterOne(0x300n, { vmcs: 0x3000n });
    scene.exitOne(0x400n, 12, { length: 1, vmcs: 0x3000n });
    scene.enterOne(0x401n, { vmcs: 0x1000n });
    expect(scene.tracker.executing(0).key).toBe(0x1000);
    expect(scene.tracker.contexts.length).toBe(4);
  });
});

describe('migration', () => {
  it('of a level-1 context to another vCPU keeps it and its guest', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 1);
    scene.enterTwo(guest, { vcpu: 1 });
    expect(scene.tree).toEqual(['0/0:executing', '0/1:suspended', '1/1:suspended<2', '2/1:executing<3']);
    scene.exitTwo(guest, 10, { vcpu: 1 });
    scene.deliverToOne({ vcpu: 1 });
    expect(scene.news).toEqual(['exit 2>0 1', 'enter 0>2 1', 'exit 2>0 10', 'deliver 2>1 10']);
    expect(scene.tracker.contexts.length).toBe(4);
  });

  it('of a guest of level 1 between two vCPUs of level 1, by VMCLEAR and VMPTRLD', () => {
    const { scene, guest } = withGuest();
    const other = { rip: 0x700n, rsp: 0x7f00n, cr3: 0x1000n }, on = { vmcs: 0x5000n, eptp: 0x101en, vcpu: 1 };
    const does = (name: InstructionFields['name'], reason: number, operand: bigint, value = 0n): void => {
      scene.stream.instruction(other, { name, operand, value, vcpu: 1 });
      scene.stream.exit(other, { reason, vmcs: 0x5000n, vcpu: 1 });
      if (reason === 20 || reason === 24) return;
      other.rip += 3n;
      scene.stream.entry(other, on);
    };
    scene.stream.entry(other, { ...on, resume: false });
    scene.exitTwo(guest, 1);
    scene.deliverToOne();
    scene.oneDoes(0x510n, 'VMCLEAR', 19, 0xa000n);
    does('VMPTRLD', 21, 0xa000n);
    does('VMWRITE', 25, BigInt(hostField.rip), 0x800n);
    does('VMLAUNCH', 20, 0n);
    scene.enterTwo(guest, { vcpu: 1, resume: false });
    const moved = scene.tracker.executing(1);
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:suspended', '1/0:executing<1', '2/1:executing<5', '1/1:suspended<2']);
    expect(moved.key).toBe(0xa000);
    expect(scene.tracker.takeChanges().filter(c => c.kind === 'moved' && c.context === moved).length).toBeGreaterThan(0);
    // What the first vCPU wrote is known to the second: the VMCS is one.
    expect(moved.controllingBelief!.field(guestField.cr3)!.value).toBe(guest.cr3);
  });
});

describe('lives of VMCSs and contexts', () => {
  it('a VMCS cleared and launched with another EPT pointer and RIP is another context', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 18);
    scene.deliverToOne();
    scene.oneDoes(0x510n, 'VMCLEAR', 19, 0xa000n);
    scene.oneLaunches(0xa000n, scene.place(0x7000n), { eptp: 0x405en });
    scene.enterTwo(scene.place(0x7000n), { eptp: 0x404en, resume: false });
    expect(scene.tree.slice(3)).toEqual(['2/0:ended<3', '2/0:executing<3']);
  });

  it('a VMCS cleared and launched where it stopped is the same context', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 18);
    scene.deliverToOne();
    scene.oneDoes(0x510n, 'VMCLEAR', 19, 0xa000n);
    scene.oneLaunches(0xa000n, { ...guest, rip: 0x6002n });
    scene.enterTwo({ ...guest, rip: 0x6002n }, { resume: false });
    expect(scene.tree.slice(3)).toEqual(['2/0:executing<3']);
  });

  it('VMXOFF of a level ends its guests, reset ends all', () => {
    const { scene, guest } = withGuest();
    scene.exitTwo(guest, 18);
    scene.deliverToOne();
    scene.oneDoes(0x510n, 'VMXOFF', 26, 0n);
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:executing', '1/0:executing<1', '2/0:ended<3']);
    scene.stream.reset(0);
    expect(scene.tree).toEqual(['0/0:executing', '0/1:executing', '1/0:ended<1', '2/0:ended<3']);
    expect(scene.tracker.takeChanges().map(c => `${c.kind} ${c.context.level}`)).toEqual(['born 0', 'born 0', 'born 1', 'born 2', 'ended 2', 'ended 1']);
  });

  it('guest fields are outdated once the guest has run, controls are not', () => {
    const { scene } = withGuest();
    const vmcs = scene.tracker.contexts[3].controllingBelief!;
    expect(vmcs.field(guestField.rip)).toMatchObject({ value: 0x6000n, known: 'outdated', by: 'write' });
    expect(vmcs.field(hostField.rip)).toMatchObject({ value: 0x500n, known: 'written', writer: { rip: 0x420n } });
    expect(vmcs.field(0x4002)).toBeUndefined();
    expect(vmcs.launchState).toBe('launched');
  });

  it('halves of 64-bit fields written apart are one field', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.oneDoes(0x410n, 'VMPTRLD', 21, 0xa000n);
    scene.oneDoes(0x420n, 'VMWRITE', 25, 0x201bn, 0x12n);
    const vmcs = scene.tracker.executing(0).currentVmcs!;
    expect(vmcs.field(0x201a)).toBeUndefined();
    scene.oneDoes(0x420n, 'VMWRITE', 25, 0x201an, 0x3_0000_0001n);
    scene.oneDoes(0x420n, 'VMWRITE', 25, 0x201bn, 0x45n);
    expect(vmcs.field(0x201a)!.value).toBe(0x45_0000_0001n);
    expect(vmcs.fields().map(f => f.encoding)).toEqual([0x201a]);
  });

  it('VMREAD and VMWRITE through a shadow VMCS are believed at once', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.oneDoes(0x410n, 'VMPTRLD', 21, 0xa000n);
    scene.stream.instruction({ ...scene.one, rip: 0x420n }, { name: 'VMWRITE', outcome: 'success', operand: 0x681en, value: 77n });
    expect(scene.tracker.executing(0).currentVmcs!.field(0x681e)).toMatchObject({ value: 77n, known: 'written' });
  });
});

describe('entries that are not what the last exit left', () => {
  it('MOV to CR3 done by the software below', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.exitOne(0x400n, 28);
    scene.enterOne(0x403n, { cr3: 0x5000n });
    expect(scene.news).toEqual(['enter 0>1 24', 'exit 1>0 28', 'enter 0>1 28']);
    expect(scene.tracker.contexts.length).toBe(3);
  });

  it('a guest of L0 put somewhere else stays the same guest', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.exitOne(0x400n, 18);
    scene.enterOne(0x99999n);
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:executing', '1/0:executing<1']);
  });

  it('a nested guest entered in a state that nobody wrote is marked uncertain', () => {
    const scene = new Scene();
    scene.enterOne(0x400n);
    scene.oneDoes(0x410n, 'VMPTRLD', 21, 0xa000n);
    scene.oneEnters(false);
    scene.enterTwo(scene.place(0x1234n), { resume: false });
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:executing', '1/0:suspended<1', '2/0:executing?<3']);
    expect(scene.tracker.lastSwitch!.uncertain).toBe(true);
  });

  it('watching that begins inside a guest', () => {
    const scene = new Scene();
    scene.exitOne(0x400n, 10, { length: 2 });
    scene.enterOne(0x402n);
    expect(scene.tree).toEqual(['0/0:suspended', '0/1:executing', '1/0:executing?<1']);
  });
});
