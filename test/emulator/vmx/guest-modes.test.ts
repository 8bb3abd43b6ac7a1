// Guests in every mode of the processor: entered, exited from with their state, and entered again; PDPTEs of PAE guests; hosts outside IA-32e mode.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import type { VmcsFieldId } from '../../../src/spec/vmcs-fields';
import * as asm from './machine-code';
import { at, word, type Fields } from './valid-vmcs';
import { World, enter, type WorldOptions } from './world';

const { join, qword, dword } = asm;
const names = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const;

// paging structures for guests outside IA-32e mode: identity mappings with user rights
const directory32 = 0x3_0000, pdpt = 0x3_4000, paeDirectory = 0x3_5000;
const tables = { [directory32]: dword(0xe7), [pdpt]: qword(BigInt(paeDirectory) | 1n), [paeDirectory]: join(qword(0xe7n), qword(0x20_00e7n)) };
const unrestricted: readonly ControlRef[] = ['secondary.enableEpt', 'secondary.unrestrictedGuest'];

/** Six segment registers alike: selector, base, limit, rights; CS may have others. */
const segments = (selector: bigint, base: bigint, limit: bigint, rights: bigint, codeRights = rights): Fields => Object.fromEntries(names.flatMap((name) => [
  [`GUEST_${name}_SELECTOR`, selector], [`GUEST_${name}_BASE`, base], [`GUEST_${name}_LIMIT`, limit], [`GUEST_${name}_ACCESS_RIGHTS`, name === 'CS' ? codeRights : rights]]));
const legacyEntry = { VM_ENTRY_CONTROLS: word('entry') };
const flat32 = { ...segments(0x10n, 0n, 0xffff_ffffn, 0xc093n, 0xc09bn), GUEST_CS_SELECTOR: 8n };
const flat16 = { ...segments(0x10n, BigInt(at.guestCode), 0xffffn, 0x93n, 0x9bn), GUEST_CS_SELECTOR: 8n, GUEST_RIP: 0n };
const real = { ...segments(0x1200n, BigInt(at.guestCode), 0xffffn, 0x93n, 0x9bn), GUEST_RIP: 0n, GUEST_RSP: 0xff0n };
const v86 = { ...segments(0x1200n, BigInt(at.guestCode), 0xffffn, 0xf3n), GUEST_RIP: 0n, GUEST_RSP: 0xff0n, GUEST_RFLAGS: 0x2_0002n };

interface Mode { readonly name: string; readonly bits: 16 | 32; readonly controls?: readonly ControlRef[]; readonly fields: Fields }
const CR4_PAE = 0x2620n, CR4_PSE = 0x2610n;
const paged32: Fields = { GUEST_CR3: BigInt(directory32), GUEST_CR4: CR4_PSE };
const modes: readonly Mode[] = [
  { name: 'real mode', bits: 16, controls: unrestricted, fields: { ...legacyEntry, ...real, GUEST_CR0: 0x30n, GUEST_CR4: 0x2600n } },
  { name: '16-bit protected mode without paging', bits: 16, controls: unrestricted, fields: { ...legacyEntry, ...flat16, GUEST_CR0: 0x31n, GUEST_CR4: 0x2600n } },
  { name: '32-bit protected mode without paging', bits: 32, controls: unrestricted, fields: { ...legacyEntry, ...flat32, GUEST_CR0: 0x31n, GUEST_CR4: 0x2600n } },
  { name: '16-bit protected mode', bits: 16, fields: { ...legacyEntry, ...flat16, ...paged32 } },
  { name: '32-bit protected mode, 32-bit paging', bits: 32, fields: { ...legacyEntry, ...flat32, ...paged32 } },
  { name: '32-bit protected mode, 32-bit paging, EPT', bits: 32, controls: ['secondary.enableEpt'], fields: { ...legacyEntry, ...flat32, ...paged32 } },
  { name: '32-bit protected mode, PAE paging', bits: 32, fields: { ...legacyEntry, ...flat32, GUEST_CR3: BigInt(pdpt), GUEST_CR4: CR4_PAE } },
  { name: '32-bit protected mode, PAE paging, EPT', bits: 32, controls: ['secondary.enableEpt'], fields: { ...legacyEntry, ...flat32, GUEST_CR3: BigInt(pdpt), GUEST_CR4: CR4_PAE, GUEST_PDPTE0: BigInt(paeDirectory) | 1n } },
  { name: 'virtual-8086 mode', bits: 16, fields: { ...legacyEntry, ...v86, ...paged32 } },
  { name: 'virtual-8086 mode, PAE paging, EPT', bits: 16, controls: ['secondary.enableEpt'], fields: { ...legacyEntry, ...v86, GUEST_CR3: BigInt(pdpt), GUEST_CR4: CR4_PAE, GUEST_PDPTE0: BigInt(paeDirectory) | 1n } },
  { name: '32-bit compatibility mode', bits: 32, fields: flat32 },
  { name: '16-bit compatibility mode', bits: 16, controls: ['secondary.enableEpt'], fields: flat16 },
];
/** MOV EBX, 12345678H with the operand size given, CPUID, MOV to memory at DS:800H, VMCALL. */
const program = (bits: 16 | 32): number[] => join(bits === 16 ? [0x66] : [], [0xbb], dword(0x1234_5678), asm.cpuid, bits === 16 ? [0x66, 0x89, 0x36, 0x00, 0x08] : join([0x89, 0x35], dword(at.guestCode + 0x800)), asm.vmcall);
const skipTwo = join(asm.movImmediate(asm.RCX, 0x681e), asm.vmread(asm.RAX, asm.RCX), [0x48, 0x83, 0xc0, 0x02], asm.vmwrite(asm.RCX, asm.RAX), asm.movImmediate(asm.RSI, 0x55aa), asm.vmresume);
const kept: readonly VmcsFieldId[] = ['GUEST_CR0', 'GUEST_CR3', 'GUEST_CR4', 'GUEST_RFLAGS', 'GUEST_RSP', 'VM_ENTRY_CONTROLS', 'GUEST_TR_ACCESS_RIGHTS',
  ...names.flatMap((name) => [`GUEST_${name}_SELECTOR`, `GUEST_${name}_BASE`, `GUEST_${name}_LIMIT`, `GUEST_${name}_ACCESS_RIGHTS`] as VmcsFieldId[])];

describe('a guest', () => {
  it.each(modes.map((mode) => [mode.name, mode] as const))('in %s is entered, exits with its state, and goes on', async (_, mode) => {
    const world = await World.create({ controls: mode.controls, fields: mode.fields, memory: tables, guest: program(mode.bits), handler: skipTwo });
    const before = new Map(kept.map((id) => [id, world.field(id)]));
    world.runToExit('CPUID');
    const start = Number(mode.fields.GUEST_RIP ?? BigInt(at.guestCode)), length = mode.bits === 16 ? 6 : 5;
    expect(world.register('rbx')).toBe(0x1234_5678n);
    expect([world.field('GUEST_RIP'), world.field('VM_EXIT_INSTRUCTION_LENGTH')]).toEqual([BigInt(start + length), 2n]);
    for (const [id, value] of before) expect([id, world.field(id)]).toEqual([id, value]);
    if (mode.controls?.includes('secondary.enableEpt') === true && mode.fields.GUEST_PDPTE0 !== undefined) expect(world.field('GUEST_PDPTE0')).toBe(mode.fields.GUEST_PDPTE0);
    world.runToExit('VMCALL');
    expect(world.read32(at.guestCode + 0x800)).toBe(0x55aa);
    expect([world.register('cs.rights'), world.register('efer') & 0x400n]).toEqual([0xa09bn, 0x400n]);
  });

  it('in real mode takes interrupts through its vector table', async () => {
    const world = await World.create({
      controls: unrestricted, fields: { ...modes[0]!.fields, GUEST_IDTR_BASE: BigInt(at.idt), GUEST_IDTR_LIMIT: 0x3ffn }, memory: { [at.idt + 4 * 0x21]: [0x40, 0, 0x00, 0x12], [at.guestCode + 0x40]: asm.vmcall },
      guest: asm.intn(0x21),
    });
    world.runToExit('VMCALL');
    expect([world.field('GUEST_CS_SELECTOR'), world.field('GUEST_RIP'), world.field('GUEST_RSP')]).toEqual([0x1200n, 0x40n, 0xfean]);
    expect(world.read64(at.guestCode + 0xfea) & 0xffff_ffffn).toBe(0x1200_0002n);
  });
  it('in real mode gets an injected interrupt through it, without an error code', async () => {
    const world = await World.create({
      controls: unrestricted, fields: { ...modes[0]!.fields, GUEST_IDTR_BASE: BigInt(at.idt), GUEST_IDTR_LIMIT: 0x3ffn, VM_ENTRY_INTERRUPTION_INFO: 0x8000_030dn },
      memory: { [at.idt + 4 * 13]: [0x40, 0, 0x00, 0x12], [at.guestCode + 0x40]: asm.vmcall },
    });
    world.runToExit('VMCALL');
    expect([world.field('GUEST_RIP'), world.field('GUEST_RSP')]).toEqual([0x40n, 0xfean]);
  });
  it('in virtual-8086 mode exits with #GP of a privileged instruction', async () => {
    const world = await World.create({ fields: { ...modes.find((mode) => mode.name === 'virtual-8086 mode')!.fields, EXCEPTION_BITMAP: 1n << 13n }, memory: tables, guest: asm.hlt });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('VM_EXIT_INTERRUPTION_INFO'), world.field('GUEST_RFLAGS'), world.field('GUEST_SS_ACCESS_RIGHTS')]).toEqual([0x8000_0b0dn, 0x3_0002n, 0xf3n]);
  });
  it('in compatibility mode has no VMX instructions but VMCALL', async () => {
    const world = await World.create({ fields: { ...flat32, EXCEPTION_BITMAP: 1n << 6n }, guest: asm.vmlaunch });
    world.runToExit('EXCEPTION_OR_NMI');
    expect(world.field('VM_EXIT_INTERRUPTION_INFO')).toBe(0x8000_0306n);
  });
  it('that leaves real mode for PAE paging and IA-32e mode is saved as it is then', async () => {
    // CR0.PE and PG with CR4.PAE: PAE paging, the PDPTEs come from CR3; then EFER.LME with paging off and on: IA-32e mode, compatibility code
    const setCr = (cr: number, value: number): number[] => join([0xb8], dword(value), asm.movToCr(cr, 0));
    const guest = join(setCr(0, 0x8001_0031 | 0), asm.cpuid, setCr(0, 0x1_0031), [0xb9], dword(0xc000_0080 | 0), [0xb8], dword(0x100), [0xba], dword(0), asm.wrmsr, setCr(3, at.pml4), setCr(0, 0x8001_0031 | 0), asm.vmcall);
    const world = await World.create({
      controls: [...unrestricted, 'primary.useMsrBitmaps', 'entry.loadEfer'], memory: tables, guest,
      fields: { ...flat32, VM_ENTRY_CONTROLS: word('entry', 'entry.loadEfer'), GUEST_IA32_EFER: 0n, GUEST_CR0: 0x31n, GUEST_CR3: BigInt(pdpt), GUEST_CR4: CR4_PAE },
      handler: join(asm.movImmediate(asm.RCX, 0x681e), asm.vmread(asm.RAX, asm.RCX), [0x48, 0x83, 0xc0, 0x02], asm.vmwrite(asm.RCX, asm.RAX), asm.vmresume),
    });
    world.runToExit('CPUID');
    expect([world.field('GUEST_PDPTE0'), world.field('GUEST_CR0') & 0x8000_0001n]).toEqual([BigInt(paeDirectory) | 1n, 0x8000_0001n]);
    world.runToExit('VMCALL');
    expect(world.field('VM_ENTRY_CONTROLS') & 0x200n).toBe(0x200n);
  });
});

describe('PDPTEs under EPT', () => {
  const controls: readonly ControlRef[] = ['secondary.enableEpt'];
  const fields: Fields = { ...legacyEntry, ...flat32, GUEST_CR3: BigInt(pdpt), GUEST_CR4: CR4_PAE, GUEST_PDPTE0: BigInt(paeDirectory) | 1n, EXCEPTION_BITMAP: 1n << 13n };
  const load = (cr3: number): number[] => join([0xb8], dword(cr3), asm.movToCr(3, 0), asm.cpuid);
  // guest-physical 2 MiB and up lie at host-physical 0
  const moved = { [at.ept + 0x2008]: qword(0xb7n) };
  const entries = [BigInt(paeDirectory) | 1n, 0x5000n, 0x6019n, 0n];
  const other = 0x3_6020;

  it('are loaded by MOV to CR3 from the guest-physical address, and saved', async () => {
    const world = await World.create({ controls, fields, memory: { ...tables, ...moved, [other]: entries.flatMap((entry) => qword(entry)) }, guest: load(0x20_0000 + other) });
    world.runToExit('CPUID');
    expect(([0, 1, 2, 3] as const).map((n) => world.field(`GUEST_PDPTE${n}`))).toEqual(entries);
    expect(world.field('GUEST_CR3')).toBe(BigInt(0x20_0000 + other));
  });
  it('with a reserved bit are #GP, and CR3 stays', async () => {
    const world = await World.create({ controls, fields, memory: { ...tables, ...moved, [other]: qword(0x5003n) }, guest: load(0x20_0000 + other) });
    world.runToExit('EXCEPTION_OR_NMI');
    expect([world.field('VM_EXIT_INTERRUPTION_INFO'), world.field('GUEST_CR3'), world.field('GUEST_PDPTE0')]).toEqual([0x8000_0b0dn, BigInt(pdpt), BigInt(paeDirectory) | 1n]);
  });
  it('that EPT does not let be read exit without a linear address', async () => {
    const world = await World.create({ controls, fields, memory: { ...tables, [at.ept + 0x2008]: qword(BigInt(0x20_0000) | 0xb0n) }, guest: load(0x20_0000 + other) });
    world.runToExit('EPT_VIOLATION');
    expect([world.field('EXIT_QUALIFICATION'), world.field('GUEST_PHYSICAL_ADDRESS'), world.field('GUEST_LINEAR_ADDRESS'), world.field('GUEST_RIP')]).toEqual([1n, BigInt(0x20_0000 + other), 0n, BigInt(at.guestCode + 5)]);
  });
  it('come from their fields at entry, not from memory', async () => {
    const world = await World.create({ controls, fields: { ...fields, GUEST_CR3: 0x3_7000n }, memory: tables, guest: asm.cpuid });
    world.runToExit('CPUID');
    expect(world.field('GUEST_PDPTE0')).toBe(BigInt(paeDirectory) | 1n);
  });
});

describe('a host outside IA-32e mode', () => {
  const flat = Object.fromEntries(['ss', 'ds', 'es', 'fs', 'gs'].map((name) => [`${name}.rights`, 0xc093n]));
  // paging is turned on by the host itself, which loads its PDPTEs
  const hostOf = (cr3: number, cr4: bigint): Pick<WorldOptions, 'registers' | 'fields' | 'host'> => ({
    host: join([0xb8], dword(0x8001_0033 | 0), asm.movToCr(0, 0), enter()),
    registers: { efer: 0n, cr0: 0x1_0033n, cr3: BigInt(cr3), cr4, 'cs.rights': 0xc09bn, ...flat },
    fields: { ...legacyEntry, VM_EXIT_CONTROLS: word('exit'), ...flat32, GUEST_CR3: BigInt(pdpt), GUEST_CR4: CR4_PAE, HOST_CR3: BigInt(cr3), HOST_CR4: cr4 },
  });
  /** MOV ECX, encoding; VMREAD register, ECX. */
  const readField = (register: number, encoding: number): number[] => join([0xb9], dword(encoding), asm.vmread(register, 1));
  const settings: readonly (readonly [string, number, bigint])[] = [['32-bit paging', directory32, CR4_PSE], ['PAE paging', pdpt, CR4_PAE]];

  it.each(settings)('with %s enters a guest and gets its exits in 32-bit mode', async (_, cr3, cr4) => {
    const { registers, fields, host } = hostOf(cr3, cr4);
    const world = await World.create({
      registers, host, memory: tables, fields: { ...fields, TSC_OFFSET: 0x1122_3344_5566_7788n }, guest: asm.cpuid, stopAtExits: false,
      handler: join(readField(3, 0x4402), readField(6, 0x2010), readField(7, 0x2011), asm.hlt),
    });
    expect(world.run().kind).toBe('idle');
    expect(['rbx', 'rsi', 'rdi', 'efer', 'cs.rights', 'cr4'].map((name) => world.register(name))).toEqual([10n, 0x5566_7788n, 0x1122_3344n, 0n, 0xc09bn, cr4]);
  });
  it('with PAE paging and a reserved bit in a PDPTE ends the exit in VMX abort 2', async () => {
    const { registers, fields, host } = hostOf(pdpt, CR4_PAE);
    const world = await World.create({ registers, host, fields: { ...fields, HOST_CR3: 0x3_7000n }, memory: { ...tables, [0x3_7000]: qword(3n) }, guest: asm.cpuid });
    const result = world.run();
    expect([result.kind, result.index]).toEqual(['shutdown', 2]);
  });
  it('cannot have an IA-32e guest or a 64-bit host', async () => {
    const { registers, fields, host } = hostOf(pdpt, CR4_PAE);
    for (const wrong of [{ VM_ENTRY_CONTROLS: word('entry', 'entry.ia32eModeGuest') }, { VM_EXIT_CONTROLS: word('exit', 'exit.hostAddressSpaceSize') }]) {
      const world = await World.create({ registers, fields: { ...fields, ...wrong }, memory: tables, host });
      const result = world.run();
      expect([result.kind, result.index]).toEqual(['vmfail', 8]);
    }
  });
});
