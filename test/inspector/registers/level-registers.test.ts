import { describe, expect, it } from 'vitest';
import { LevelTracker } from '../../../src/inspector/levels/level-tracker';
import { LevelRegisters } from '../../../src/inspector/registers/level-registers';
import { FakeMachine } from '../fake-machine';
import { EventStream } from '../levels/event-stream';

function setUp() {
  const machine = new FakeMachine(), tracker = new LevelTracker(), stream = new EventStream(event => tracker.feed(event));
  const guest = { rip: 0x400n, rsp: 0x4f00n, cr3: 0x1000n, rflags: 0x202n, gpr: Array.from({ length: 16 }, (_, n) => BigInt(n) + 0x100n) };
  stream.instruction({ rip: 0x50n, rsp: 0x5f00n, cr3: 0x7000n }, { name: 'VMLAUNCH', root: true, current: 0x1000n });
  stream.entry(guest, { vmcs: 0x1000n, eptp: 0x101en, resume: false });
  machine.vmcs(0x1000n, { GUEST_RIP: 0x400n, GUEST_RSP: 0x4f00n, GUEST_CR0: 0x8000_0031n, GUEST_CR3: 0x1000n, GUEST_CR4: 0x2020n, GUEST_CS_SELECTOR: 8n,
    GUEST_CS_ACCESS_RIGHTS: 0xa09bn, HOST_CR3: 0x7000n, HOST_CS_SELECTOR: 0x10n, HOST_RIP: 0x60n, VM_EXIT_CONTROLS: 1n << 20n, GUEST_IA32_EFER: 0x500n });
  machine.values.set('rax', 0x100n).set('rip', 0x404n).set('cr2', 0x77n).set('efer', 0xd01n);
  return { machine, tracker, stream, guest, registers: new LevelRegisters(machine.asMachine, tracker), root: tracker.contexts[0], one: tracker.contexts[1] };
}

describe('the executing level', () => {
  const { machine, registers, one } = setUp();
  it('has the processor’s registers', () => {
    expect(registers.get(one, 'rip')).toMatchObject({ value: 0x404n, source: { kind: 'live' } });
    registers.set(one, 'RAX', 5n);
    expect(machine.values.get('rax')).toBe(5n);
    expect(registers.paging(one)).toBeUndefined();
  });
  it('refuses what a register cannot hold', () => {
    expect(() => registers.set(one, 'cs.selector', 0x1_0000n)).toThrow('16 bits');
    expect(() => registers.set(one, 'nothing', 0n)).toThrow('not known');
  });
});

describe('L0 in its VM entry', () => {
  const { registers, root } = setUp();
  it.each([['rip', 0x50n, 'recorded'], ['rsp', 0x5f00n, 'recorded'], ['cr3', 0x7000n, 'vmcs'], ['cs.selector', 0x10n, 'vmcs'], ['rax', 0x100n, 'recorded'],
    ['cr2', 0x77n, 'live'], ['efer', 0xd01n, 'live']] as const)(
    '%s', (name, value, kind) => { expect(registers.get(root, name)).toMatchObject({ value, source: { kind } }); });
  it('says why RIP cannot be set', () => { expect(() => registers.set(root, 'rip', 0n)).toThrow('HOST_RIP'); });
});

describe('a suspended guest', () => {
  const { machine, tracker, stream, guest, registers, one } = setUp();
  stream.exit(guest, { reason: 10, vmcs: 0x1000n, length: 2 });
  it.each([['rip', 0x400n, 'vmcs'], ['cr4', 0x2020n, 'vmcs'], ['cs.rights', 0xa09bn, 'vmcs'], ['rbx', 0x103n, 'recorded'], ['efer', 0x500n, 'vmcs'],
    ['cr2', 0x77n, 'live']] as const)(
    '%s', (name, value, kind) => { expect(registers.get(one, name)).toMatchObject({ value, source: { kind } }); });
  it('is set in the VMCS that carries it, general registers are not', () => {
    registers.set(one, 'rip', 0x402n);
    expect(machine.readVmcs(0x1000n, 0x681e)).toBe(0x402n);
    expect(() => registers.set(one, 'rbx', 0n)).toThrow('memory of the software below');
  });
  it('keeps RIP and RSP of its exit for frames, wherever RIP was moved', () => { expect(registers.frameRegisters(one)).toMatchObject({ rip: 0x400n, rsp: 0x4f00n, rbx: 0x103n,
    rflags: 0x202n }); });
  it('has the paging of its VMCS, with EPT', () => { expect(registers.paging(one)).toEqual({ cr0: 0x8000_0031n, cr3: 0x1000n, cr4: 0x2020n, efer: 0x500n, eptp: 0x101en }); });
  it('runs 64-bit code', () => { expect(registers.codeBits(one)).toBe(64); });
  it('lists every register that is known', () => {
    const all = registers.all(one);
    expect(all.length).toBeGreaterThan(50);
    expect(all.find(each => each.name === 'cr0')!.layout).toBe('cr0');
  });
  it('falls back to its record when the VMCS carries another level', () => {
    tracker.hardwareVmcs(0x1000)!.carried = tracker.contexts[0];
    expect(registers.get(one, 'rip')).toMatchObject({ value: 0x400n, source: { kind: 'recorded', at: 'VM exit' } });
    expect(registers.get(one, 'cs.base')).toBeUndefined();
  });
});
