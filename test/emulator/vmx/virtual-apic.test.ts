// The virtual-APIC page: the task priority by CR8, the APIC-access page, and x2APIC registers (SDM 3C 30.3 to 30.5), with the exits that they cause.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { apicAccesses, delivery, pages, readMsr, readRegister, registers, tprShadow, veoi, virtualApicWorld, vtpr, writeCr8, writeMsr, writeRegister } from './virtual-apic-world';
import type { WorldOptions } from './world';

const { join } = asm;
const here = (before: readonly number[]): bigint => BigInt(at.guestCode + before.length);
const x2apic: readonly ControlRef[] = ['primary.useMsrBitmaps', 'primary.useTprShadow', 'secondary.virtualizeX2apicMode'];

describe('TPR shadow', () => {
  it('CR8 is bits 7:4 of VTPR', async () => {
    const world = await virtualApicWorld({ controls: tprShadow, guest: join(asm.movFromCr(asm.RDX, 8), writeCr8(5), asm.vmcall), memory: { [vtpr]: asm.dword(0x9c) } });
    world.runToExit('VMCALL');
    expect([world.register('rdx'), world.read32(vtpr), world.register('cr8')]).toEqual([9n, 0x50, 0n]);
  });
  it('is off without its control', async () => {
    const world = await virtualApicWorld({ guest: join(writeCr8(5), asm.vmcall), memory: { [vtpr]: asm.dword(0x90) } });
    world.runToExit('VMCALL');
    expect([world.read32(vtpr), world.register('cr8')]).toEqual([0x90, 5n]);
  });
  it('a value of more than four bits faults, and CR8 exiting comes before that', async () => {
    const faulting = await virtualApicWorld({ controls: tprShadow, guest: writeCr8(16), fields: { EXCEPTION_BITMAP: 1n << 13n } });
    faulting.runToExit('EXCEPTION_OR_NMI');
    const exiting = await virtualApicWorld({ controls: [...tprShadow, 'primary.cr8LoadExiting'], guest: writeCr8(16) });
    exiting.runToExit('CR_ACCESS');
  });
  const thresholds: readonly (readonly [number, number, boolean])[] = [[4, 5, true], [5, 5, false], [15, 15, false], [0, 1, true], [14, 15, true]];
  it.each(thresholds)('MOV to CR8 of %i with threshold %i: exit %s, after the instruction', async (value, threshold, exits) => {
    const guest = writeCr8(value);
    const world = await virtualApicWorld({ controls: tprShadow, guest: join(guest, asm.vmcall), memory: { [vtpr]: asm.dword(0xf0) },
      fields: { TPR_THRESHOLD: BigInt(threshold) } });
    world.runToExit(exits ? 'TPR_BELOW_THRESHOLD' : 'VMCALL');
    expect(world.field('GUEST_RIP')).toBe(here(guest));
    expect(world.read32(vtpr)).toBe(value << 4);
    if (exits) expect([world.field('EXIT_QUALIFICATION'), world.field('VM_EXIT_INSTRUCTION_LENGTH')]).toEqual([0n, 0n]);
  });
  it('the exit precedes the single-step trap of the instruction, which stays pending', async () => {
    const world = await virtualApicWorld({ controls: tprShadow, guest: asm.movToCr(8, asm.RAX), memory: { [vtpr]: asm.dword(0xf0) }, registers: { rax: 0n },
      fields: { TPR_THRESHOLD: 1n, GUEST_RFLAGS: 0x102n, EXCEPTION_BITMAP: 2n } });
    world.runToExit('TPR_BELOW_THRESHOLD');
    expect(world.field('GUEST_PENDING_DEBUG_EXCEPTIONS') & 0x4000n).toBe(0x4000n);
  });
});

describe('TPR threshold at VM entry', () => {
  const low: WorldOptions = { controls: apicAccesses, memory: { [vtpr]: asm.dword(0x2f) }, fields: { TPR_THRESHOLD: 3n } };
  it('exits before the first instruction where APIC accesses are virtualized', async () => {
    const world = await virtualApicWorld({ ...low, guest: asm.vmcall });
    world.runToExit('TPR_BELOW_THRESHOLD');
    expect(world.field('GUEST_RIP')).toBe(BigInt(at.guestCode));
  });
  it.each([['HLT', { GUEST_ACTIVITY_STATE: 1n }], ['a pending debug exception', { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000n, EXCEPTION_BITMAP: 2n }]] as [string,
    Fields][])('whatever waits: %s', async (_, fields) => {
    const world = await virtualApicWorld({ ...low, guest: asm.vmcall, fields: { ...low.fields, ...fields } });
    world.runToExit('TPR_BELOW_THRESHOLD');
  });
  it('follows an injected event', async () => {
    const world = await virtualApicWorld({ ...low, guest: asm.vmcall, fields: { ...low.fields, VM_ENTRY_INTERRUPTION_INFO: 0x8000_0306n } });
    world.runToExit('TPR_BELOW_THRESHOLD');
    expect(world.field('GUEST_RIP')).toBe(BigInt(at.guestHandler));
  });
  it('does not come in shutdown', async () => {
    const world = await virtualApicWorld({ ...low, controls: [...apicAccesses, 'pin.activatePreemptionTimer'], fields: { ...low.fields, GUEST_ACTIVITY_STATE: 2n,
      VMX_PREEMPTION_TIMER_VALUE: 3n } });
    world.runToExit('PREEMPTION_TIMER');
  });
});

describe('the APIC-access page', () => {
  const access = (guest: readonly number[], more: WorldOptions = {}): WorldOptions => ({ guest: join(guest, asm.vmcall), controls: apicAccesses, ...more });
  const exits: readonly (readonly [string, WorldOptions, bigint, number])[] = [
    ['a read', access(readRegister(0x20)), 0x0020n, 2],
    ['a write', access(writeRegister(0x300, 1)), 0x1300n, 6],
    ['a read without the TPR shadow', access(readRegister(0x80), { controls: ['secondary.virtualizeApicAccesses'] }), 0x0080n, 2],
    ['a read of eight bytes', access(join(asm.movImmediate(asm.RBX, pages.access + 0x80), asm.movLoadIndirect(asm.RAX, asm.RBX)), { controls: registers }), 0x0080n, 3],
    ['a read beside the low four bytes of sixteen', access(readRegister(0x84), { controls: registers }), 0x0084n, 2],
    ['a read that passes the low four bytes', access(readRegister(0x82), { controls: registers }), 0x0082n, 2],
    ['a byte of the task priority other than the first', access(join(asm.movImmediate(asm.RBX, pages.access + 0x81), [0x8a, 0x03])), 0x0081n, 2],
    ['a register that is not virtualized for writing', access(writeRegister(0x30, 1), { controls: registers }), 0x1030n, 6],
    ['an update: the read of it', access(join(asm.movImmediate(asm.RBX, pages.access + 0x20), [0x83, 0x03, 1])), 0x0020n, 3],
    ['an update of what can only be read: the write of it', access(join(asm.movImmediate(asm.RBX, pages.access + 0x30), [0x83, 0x03, 1]), { controls: registers }), 0x1030n, 3],
    ['an access over the end of the page before', access(readRegister(-2)), 0x0000n, 2],
    ['a move of strings to it', access(join(asm.movImmediate(asm.RDI, pages.access + 0x100), [0xaa])), 0x1100n, 1],
  ];
  it.each(exits)('%s exits', async (_, options, qualification, length) => {
    const world = await virtualApicWorld(options);
    world.runToExit('APIC_ACCESS');
    const rip = BigInt(at.guestCode + options.guest!.length - asm.vmcall.length - length);
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP'), world.field('VM_EXIT_INSTRUCTION_LENGTH'), world.field('GUEST_LINEAR_ADDRESS')]).toEqual([qualification,
      rip, BigInt(length), 0n]);
    expect(world.field('GUEST_RFLAGS') & 0x10000n).toBe(0x10000n);
  });
  it('a fetch exits', async () => {
    const world = await virtualApicWorld({ controls: registers, guest: join(asm.movImmediate(asm.RBX, pages.access + 0x80), [0xff, 0xe3]) });
    world.runToExit('APIC_ACCESS');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP')]).toEqual([0x2080n, BigInt(pages.access + 0x80)]);
  });
  it('an access of event delivery exits, with the event', async () => {
    const world = await virtualApicWorld({ controls: registers, guest: asm.intn(0x44), fields: { GUEST_RSP: BigInt(pages.access + 0x400) } });
    world.runToExit('APIC_ACCESS');
    expect([world.field('EXIT_QUALIFICATION') >> 12n, world.field('IDT_VECTORING_INFO'), world.field('VM_EXIT_INSTRUCTION_LENGTH')]).toEqual([3n, 0x8000_0444n, 2n]);
  });
  it('a guest paging structure on it exits as a guest-physical access', async () => {
    const world = await virtualApicWorld({ controls: [...registers, 'secondary.enableEpt'], guest: asm.movLoad(asm.RAX, 0x4000_0000),
      memory: { [at.pdpt + 8]: asm.qword(BigInt(pages.access) | 7n) } });
    world.runToExit('APIC_ACCESS');
    expect(world.field('EXIT_QUALIFICATION') >> 12n).toBe(15n);
  });
  it('the same during event delivery', async () => {
    const world = await virtualApicWorld({ controls: [...registers, 'secondary.enableEpt'], guest: asm.intn(0x44), fields: { GUEST_RSP: 0x4000_0100n },
      memory: { [at.pdpt + 8]: asm.qword(BigInt(pages.access) | 7n) } });
    world.runToExit('APIC_ACCESS');
    expect([world.field('EXIT_QUALIFICATION') >> 12n, world.field('IDT_VECTORING_INFO')]).toEqual([10n, 0x8000_0444n]);
  });
  it('page faults rank above the exit', async () => {
    const readOnly = 0x20_00e5n;
    const world = await virtualApicWorld({ ...access(writeRegister(0x20, 1)), fields: { EXCEPTION_BITMAP: 1n << 14n }, memory: { [at.pd + 8]: asm.qword(readOnly) } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect(world.field('EXIT_QUALIFICATION')).toBe(BigInt(pages.access + 0x20));
  });
  it('is found where EPT leads to it, not by its guest-physical address', async () => {
    const elsewhere = { [at.ept + 0x2000 + 8]: asm.qword(BigInt(pages.eptPd) | 7n), [pages.eptPd + 8 * 0x50]: asm.qword(BigInt(pages.access) | 0x37n),
      [pages.eptPd + 8 * 0x10]: asm.qword(0x25_0037n) };
    const guest = join(asm.movLoad(asm.RAX, pages.access + 0x20), asm.movLoad(asm.RAX, 0x25_0020));
    const world = await virtualApicWorld({ controls: [...registers.slice(0, 2), 'secondary.enableEpt'], guest, memory: elsewhere });
    world.runToExit('APIC_ACCESS');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP')]).toEqual([0x20n, BigInt(at.guestCode + 8)]);
  });
  it('translations that were cached before the control was set do not hide it', async () => {
    const world = await virtualApicWorld({ controls: ['secondary.enableVpid'], guest: join(readRegister(0x20), asm.vmcall), handler: asm.vmresume });
    world.runToExit('VMCALL');
    world.setField('SECONDARY_PROC_BASED_CONTROLS', world.field('SECONDARY_PROC_BASED_CONTROLS') | 1n);
    world.setField('GUEST_RIP', BigInt(at.guestCode));
    world.runToExit('APIC_ACCESS');
    // and back
    world.setField('SECONDARY_PROC_BASED_CONTROLS', world.field('SECONDARY_PROC_BASED_CONTROLS') & ~1n);
    world.runToExit('VMCALL');
  });
});

describe('virtualized accesses', () => {
  it('the task priority alone without APIC-register virtualization; bytes 3:1 become 0', async () => {
    const world = await virtualApicWorld({ controls: apicAccesses, guest: join(writeRegister(0x80, 0x1234_5678), readRegister(0x80), asm.vmcall),
      memory: { [pages.access + 0x80]: asm.dword(0xbad) } });
    world.runToExit('VMCALL');
    expect([world.register('rax'), world.read32(vtpr), world.read32(pages.access + 0x80)]).toEqual([0x78n, 0x78, 0xbad]);
  });
  it('a write of the task priority below the threshold exits after it', async () => {
    const world = await virtualApicWorld({ controls: apicAccesses, guest: join(writeRegister(0x80, 0x2f), asm.vmcall), memory: { [vtpr]: asm.dword(0x30) },
      fields: { TPR_THRESHOLD: 3n } });
    world.runToExit('TPR_BELOW_THRESHOLD');
    expect([world.field('GUEST_RIP'), world.read32(vtpr)]).toEqual([here(writeRegister(0x80, 0)), 0x2f]);
  });
  const readable = [0x20, 0x30, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0, ...Array.from({ length: 24 }, (_,
    n) => 0x100 + 16 * n)];
  const writable = [0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0];
  const offsets = Array.from({ length: 66 }, (_, n) => 16 * n);
  it('with APIC-register virtualization just the registers of the manual are read, and just those written, with an APIC-write exit for most', async () => {
    const read = [0x8b, 0x03], write = asm.movDwordIndirect(asm.RBX, 0x8765_4321), writeAt = at.guestCode + 16;
    const world = await virtualApicWorld({ controls: registers, guest: join(read, asm.vmcall), handler: asm.vmresume, memory: { [writeAt]: join(write, asm.vmcall) },
      registers: { rbx: BigInt(pages.access) } });
    world.runToExit('APIC_ACCESS');
    const access = (rip: number, offset: number, reason: string): void => {
      world.machine.registers(0).set('rbx', BigInt(pages.access + offset));
      world.setField('GUEST_RIP', BigInt(rip));
      world.runToExit(reason);
    };
    for (const offset of offsets) {
      world.write(pages.virtual + offset, asm.dword(0x1357_9bdf));
      access(at.guestCode, offset, readable.includes(offset) ? 'VMCALL' : 'APIC_ACCESS');
      if (readable.includes(offset)) expect(world.register('rax')).toBe(0x1357_9bdfn);
      const silent = offset === 0x80 || offset === 0x310;
      access(writeAt, offset, !writable.includes(offset) ? 'APIC_ACCESS' : silent ? 'VMCALL' : 'APIC_WRITE');
      if (!writable.includes(offset)) continue;
      expect(world.read32(pages.virtual + offset)).toBe(offset === 0x80 ? 0x21 : offset === 0x310 ? 0x8700_0000 : 0x8765_4321);
      expect(world.field('GUEST_RIP')).toBe(BigInt(writeAt + write.length));
      if (!silent) expect([world.field('EXIT_QUALIFICATION'), world.field('VM_EXIT_INSTRUCTION_LENGTH')]).toEqual([BigInt(offset), 0n]);
    }
  });
  it('in a loop that is hot as in one that is not', async () => {
    // ADD EDX, [RBX]; MOV [RBX], ECX; DEC ECX; JNZ
    const loop = [0x03, 0x13, 0x89, 0x0b, 0xff, 0xc9, 0x75, 0xf8], count = 6000;
    const setUp = join(asm.movImmediate(asm.RBX, pages.access + 0x80), asm.movImmediate(asm.RCX, count), asm.movImmediate(asm.RDX, 0));
    const world = await virtualApicWorld({ controls: apicAccesses, guest: join(setUp, loop, asm.vmcall), memory: { [vtpr]: asm.dword(0x11) } });
    world.run(100_000);
    const written = Array.from({ length: count - 1 }, (_, n) => count - n & 0xff);
    expect([world.field('EXIT_REASON'), world.register('rdx'), world.read32(vtpr)]).toEqual([18n, BigInt(written.reduce((sum, value) => sum + value, 0x11)), 1]);
  });
  it('narrow writes are virtualized inside a register', async () => {
    const world = await virtualApicWorld({ controls: registers, guest: join(asm.movImmediate(asm.RBX, pages.access + 0x312), [0xc6, 0x03, 0x55], [0xc6, 0x43, 0x01, 0x66],
      asm.vmcall) });
    world.runToExit('VMCALL');
    expect(world.read32(pages.virtual + 0x310)).toBe(0x6600_0000);
  });
  it('an update is virtualized when read and write are', async () => {
    const world = await virtualApicWorld({ controls: apicAccesses, guest: join(asm.movImmediate(asm.RBX, pages.access + 0x80), [0x83, 0x03, 0x10], asm.vmcall),
      memory: { [vtpr]: asm.dword(0x23) } });
    world.runToExit('VMCALL');
    expect(world.read32(vtpr)).toBe(0x33);
  });
  it('EOI and ICR need virtual-interrupt delivery without APIC-register virtualization; other commands than a self-IPI exit', async () => {
    const world = await virtualApicWorld({ controls: [...apicAccesses, ...delivery], guest: join(writeRegister(0xb0, 7), writeRegister(0x300, 0x4041), asm.vmcall) });
    world.runToExit('APIC_WRITE');
    expect([world.field('EXIT_QUALIFICATION'), world.read32(pages.virtual + 0x300), world.read32(veoi)]).toEqual([0x300n, 0x4041, 0]);
    const without = await virtualApicWorld({ controls: apicAccesses, guest: writeRegister(0xb0, 7) });
    without.runToExit('APIC_ACCESS');
  });
});

describe('virtualize x2APIC mode', () => {
  const page = (offset: number, value: bigint): WorldOptions['memory'] => ({ [pages.virtual + offset]: asm.qword(value) });
  it('RDMSR of 808H reads eight bytes of the page, whatever the mode of the local APIC', async () => {
    const world = await virtualApicWorld({ controls: x2apic, guest: join(readMsr(0x808), asm.vmcall), memory: page(0x80, 0x1_0000_0042n) });
    world.runToExit('VMCALL');
    expect([world.register('rax'), world.register('rdx')]).toEqual([0x42n, 1n]);
  });
  it('others are the local APIC\'s without APIC-register virtualization', async () => {
    const world = await virtualApicWorld({ controls: x2apic, guest: readMsr(0x802), fields: { EXCEPTION_BITMAP: 1n << 13n } });
    world.runToExit('EXCEPTION_OR_NMI');
  });
  it('with it every index from 800H to 8FFH is read from the page', async () => {
    for (const index of [0x800, 0x802, 0x83f, 0x8ff]) {
      const world = await virtualApicWorld({ controls: [...x2apic, 'secondary.apicRegisterVirtualization'], guest: join(readMsr(index), asm.vmcall),
        memory: page((index & 0xff) << 4, 0x77n) });
      world.runToExit('VMCALL');
      expect(world.register('rax')).toBe(0x77n);
    }
  });
  it('the MSR bitmaps come first', async () => {
    const world = await virtualApicWorld({ controls: x2apic, guest: readMsr(0x808), memory: { [at.msrBitmap + 0x101]: [1] } });
    world.runToExit('RDMSR');
  });
  it('WRMSR of 808H is a write of the task priority', async () => {
    const guest = writeMsr(0x808, 0x2f);
    const world = await virtualApicWorld({ controls: x2apic, guest: join(guest, asm.vmcall), memory: { [vtpr]: asm.dword(0x30) }, fields: { TPR_THRESHOLD: 3n } });
    world.runToExit('TPR_BELOW_THRESHOLD');
    expect([world.read32(vtpr), world.field('GUEST_RIP')]).toEqual([0x2f, here(guest)]);
  });
  const faulting: readonly (readonly [number, bigint, readonly ControlRef[]])[] = [[0x808, 0x100n, x2apic], [0x80b, 1n, [...x2apic, ...delivery]], [0x83f, 0x1_0000_0041n,
    [...x2apic, ...delivery]], [0x80b, 0n, x2apic]];
  it.each(faulting)('WRMSR of %i with value %i faults', async (index, value, controls) => {
    const world = await virtualApicWorld({ controls, guest: writeMsr(index, value), fields: { EXCEPTION_BITMAP: 1n << 13n } });
    world.runToExit('EXCEPTION_OR_NMI');
    expect(world.field('VM_EXIT_INTERRUPTION_INFO') & 0xffn).toBe(13n);
  });
  it('a self-IPI of a vector below 16 is an APIC-write exit', async () => {
    const guest = writeMsr(0x83f, 0xf);
    const world = await virtualApicWorld({ controls: [...x2apic, ...delivery], guest });
    world.runToExit('APIC_WRITE');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_RIP')]).toEqual([0x3f0n, here(guest)]);
  });
});
