// VM entries that fail: checks on guest state (exit reason 33, each qualification), MSR loading (34), and which row of the check table the
// machine names. Host state is loaded, and of the VMCS only reason and qualification are written.
import { describe, expect, it } from 'vitest';
import type { ControlRef } from '../../../src/spec/controls';
import { entryChecks } from '../../../src/spec/entry-checks';
import * as asm from './machine-code';
import { at, type Fields } from './valid-vmcs';
import { World, type WorldOptions } from './world';

interface Case { readonly check: string; readonly fields?: Fields; readonly controls?: readonly ControlRef[]; readonly memory?: WorldOptions['memory']; readonly qualification?: bigint }

/** Segments as virtual-8086 mode demands them, which the checks look at first when RFLAGS.VM is 1. */
const virtual8086Segments: Fields = Object.fromEntries((['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const).flatMap((name) => [
  [`GUEST_${name}_SELECTOR`, 0n], [`GUEST_${name}_BASE`, 0n], [`GUEST_${name}_LIMIT`, 0xffffn], [`GUEST_${name}_ACCESS_RIGHTS`, 0xf3n]]));

const guestState: readonly Case[] = [
  { check: 'guest.crMsr.cr0Fixed', fields: { GUEST_CR0: 0x8001_0013n } },
  { check: 'guest.crMsr.cr4Fixed', fields: { GUEST_CR4: 0x620n } },
  { check: 'guest.crMsr.ia32eCr4', fields: { GUEST_CR4: 0x2600n } },
  { check: 'guest.crMsr.cr3', fields: { GUEST_CR3: 1n << 50n } },
  { check: 'guest.crMsr.dr7', controls: ['entry.loadDebugControls'], fields: { GUEST_DR7: 1n << 40n } },
  { check: 'guest.crMsr.sysenterEsp', fields: { GUEST_IA32_SYSENTER_ESP: 1n << 60n } },
  { check: 'guest.crMsr.sysenterEip', fields: { GUEST_IA32_SYSENTER_EIP: 1n << 60n } },
  { check: 'guest.crMsr.pat', controls: ['entry.loadPat'], fields: { GUEST_IA32_PAT: 2n } },
  { check: 'guest.crMsr.eferReserved', controls: ['entry.loadEfer'], fields: { GUEST_IA32_EFER: 0x2d01n } },
  { check: 'guest.crMsr.eferLma', controls: ['entry.loadEfer'], fields: { GUEST_IA32_EFER: 0x901n } },
  { check: 'guest.segments.trTi', fields: { GUEST_TR_SELECTOR: 0x1cn } },
  { check: 'guest.segments.ssRplCsRpl', fields: { GUEST_CS_SELECTOR: 0x0bn } },
  { check: 'guest.segments.baseCanonicalFS', fields: { GUEST_FS_BASE: 1n << 60n } },
  { check: 'guest.segments.csType', fields: { GUEST_CS_ACCESS_RIGHTS: 0xa093n } },
  { check: 'guest.segments.ssType', fields: { GUEST_SS_ACCESS_RIGHTS: 0xc09bn } },
  { check: 'guest.segments.gLowDS', fields: { GUEST_DS_LIMIT: 0xffff_fff0n } },
  { check: 'guest.segments.csDb', fields: { GUEST_CS_ACCESS_RIGHTS: 0xe09bn } },
  { check: 'guest.segments.trType', fields: { GUEST_TR_ACCESS_RIGHTS: 0x83n } },
  { check: 'guest.segments.trUnusable', fields: { GUEST_TR_ACCESS_RIGHTS: 0x1_008bn } },
  { check: 'guest.segments.ldtrType', fields: { GUEST_LDTR_ACCESS_RIGHTS: 0x83n } },
  { check: 'guest.descriptorTables.gdtrBase', fields: { GUEST_GDTR_BASE: 1n << 60n } },
  { check: 'guest.descriptorTables.idtrLimit', fields: { GUEST_IDTR_LIMIT: 0x1_0000n } },
  { check: 'guest.ripRflagsSsp.ripUpper', fields: { GUEST_RIP: 1n << 60n } },
  { check: 'guest.ripRflagsSsp.rflagsReserved', fields: { GUEST_RFLAGS: 0n } },
  { check: 'guest.ripRflagsSsp.rflagsVm', fields: { GUEST_RFLAGS: 0x2_0002n, ...virtual8086Segments } },
  { check: 'guest.ripRflagsSsp.rflagsIf', fields: { VM_ENTRY_INTERRUPTION_INFO: 0x8000_0020n } },
  { check: 'guest.nonRegister.activityRange', fields: { GUEST_ACTIVITY_STATE: 4n } },
  { check: 'guest.nonRegister.activityBlocking', fields: { GUEST_ACTIVITY_STATE: 1n, GUEST_INTERRUPTIBILITY_STATE: 2n } },
  { check: 'guest.nonRegister.intrReserved', fields: { GUEST_INTERRUPTIBILITY_STATE: 0x20n } },
  { check: 'guest.nonRegister.intrStiMovSs', fields: { GUEST_INTERRUPTIBILITY_STATE: 3n, GUEST_RFLAGS: 0x202n } },
  { check: 'guest.nonRegister.intrStiIf', fields: { GUEST_INTERRUPTIBILITY_STATE: 1n } },
  { check: 'guest.nonRegister.intrExtInt', fields: { GUEST_INTERRUPTIBILITY_STATE: 2n, GUEST_RFLAGS: 0x202n, VM_ENTRY_INTERRUPTION_INFO: 0x8000_0020n } },
  { check: 'guest.nonRegister.intrNmiMovSs', fields: { GUEST_INTERRUPTIBILITY_STATE: 2n, VM_ENTRY_INTERRUPTION_INFO: 0x8000_0202n } },
  { check: 'guest.nonRegister.intrVirtualNmi', controls: ['pin.nmiExiting', 'pin.virtualNmis'], fields: { GUEST_INTERRUPTIBILITY_STATE: 8n, VM_ENTRY_INTERRUPTION_INFO: 0x8000_0202n } },
  { check: 'guest.nonRegister.pendDbgReserved', fields: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x10n } },
  { check: 'guest.nonRegister.pendDbgBsSet', fields: { GUEST_INTERRUPTIBILITY_STATE: 2n, GUEST_RFLAGS: 0x102n } },
  { check: 'guest.nonRegister.linkAlign', fields: { VMCS_LINK_POINTER: 0xd008n }, qualification: 4n },
  { check: 'guest.nonRegister.linkWidth', fields: { VMCS_LINK_POINTER: 1n << 50n }, qualification: 4n },
  { check: 'guest.nonRegister.linkRevision', fields: { VMCS_LINK_POINTER: BigInt(at.msrArea) }, qualification: 4n },
  { check: 'guest.nonRegister.linkShadow', fields: { VMCS_LINK_POINTER: BigInt(at.shadowVmcs) }, qualification: 4n },
  { check: 'guest.nonRegister.linkShadow', controls: ['secondary.vmcsShadowing'], fields: { VMCS_LINK_POINTER: BigInt(at.otherVmcs) }, qualification: 4n },
  { check: 'guest.nonRegister.linkNotCurrent', fields: { VMCS_LINK_POINTER: BigInt(at.vmcs) }, qualification: 4n },
];

const posting: readonly ControlRef[] = ['pin.externalInterruptExiting', 'pin.processPostedInterrupts', 'primary.useTprShadow', 'secondary.virtualInterruptDelivery', 'exit.acknowledgeInterruptOnExit'];

const controls: readonly (Case & { readonly error: number })[] = [
  { check: 'controls.exec.pinReserved', fields: { PIN_BASED_CONTROLS: 0n }, error: 7 },
  { check: 'controls.exec.primaryReserved', fields: { PRIMARY_PROC_BASED_CONTROLS: 0n }, error: 7 },
  { check: 'controls.exec.cr3TargetCount', fields: { CR3_TARGET_COUNT: 5n }, error: 7 },
  { check: 'controls.exec.tprThresholdVtpr', controls: ['primary.useTprShadow'], fields: { VIRTUAL_APIC_ADDRESS: 0x20_0000n, TPR_THRESHOLD: 3n }, memory: { 0x20_0080: [0x2f] }, error: 7 },
  { check: 'controls.exec.noTprShadowDependents', controls: ['secondary.virtualizeX2apicMode'], error: 7 },
  { check: 'controls.exec.postedDescAlign', controls: posting, fields: { VIRTUAL_APIC_ADDRESS: 0x20_0000n, POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: 0x20_1010n }, error: 7 },
  { check: 'host.crMsr.cr3', fields: { HOST_CR3: 1n << 50n }, error: 8 },
];

/** The row that CPU_FAILED_CHECK and events name: 1 + its number. */
const rowOf = (failed: number): string | undefined => entryChecks.find((row) => row.row + 1 === failed)?.id;

describe('VM-entry failures', () => {
  it.each(guestState.map((test) => [`${test.check} ${test.controls ?? ''}`, test] as const))('%s', async (_, test) => {
    const world = await World.create(test);
    const before = world.field('GUEST_RIP');
    const result = world.run();
    expect(result.kind).toBe('entryFailure');
    expect(result.index).toBe(33);
    expect(world.field('EXIT_REASON')).toBe(0x8000_0021n);
    expect(world.field('EXIT_QUALIFICATION')).toBe(test.qualification ?? 0n);
    const event = world.events.findLast((one) => one.kind === 'vmExit')!;
    expect(rowOf(event.failedCheck)).toBe(test.check);
    expect(event.aux >>> 0).toBe(0x8000_0021);
    expect(world.field('GUEST_RIP')).toBe(before);
    expect(world.register('rip')).toBe(BigInt(at.hostHandler));
    expect(world.machine.vmx(0).nonRoot).toBe(false);
    // The launch state is still clear: VMRESUME would fail, VMLAUNCH would be tried again.
    expect(world.read32(at.vmcs + 8)).toBe(0);
  });

  it.each(controls.map((test) => [test.check, test] as const))('%s', async (_, test) => {
    const world = await World.create(test);
    const result = world.run();
    expect([result.kind, result.index]).toEqual(['vmfail', test.error]);
    const event = world.events.findLast((one) => one.kind === 'vmxInstruction')!;
    expect(rowOf(Number(event.b))).toBe(test.check);
  });

  it('leave the injected event in its field', async () => {
    const world = await World.create({ fields: { VM_ENTRY_INTERRUPTION_INFO: 0x8000_0306n, GUEST_RFLAGS: 0n } });
    world.run();
    expect(world.field('VM_ENTRY_INTERRUPTION_INFO')).toBe(0x8000_0306n);
  });
});

const entry = (index: number, value: bigint, reserved = 0): number[] => [...asm.dword(index), ...asm.dword(reserved), ...asm.qword(value)];
const loadArea = (...entries: number[][]): WorldOptions => ({ memory: { [at.msrArea]: entries.flat() }, fields: { VM_ENTRY_MSR_LOAD_ADDRESS: BigInt(at.msrArea), VM_ENTRY_MSR_LOAD_COUNT: BigInt(entries.length) } });

describe('MSR areas', () => {
  const good = entry(0xc000_0082, 0x1234n);
  const bad: readonly (readonly [string, WorldOptions, bigint])[] = [
    ['IA32_FS_BASE', loadArea(entry(0xc000_0100, 0n)), 1n],
    ['IA32_GS_BASE', loadArea(good, entry(0xc000_0101, 0n)), 2n],
    ['x2APIC registers', loadArea(good, good, entry(0x80b, 0n)), 3n],
    ['IA32_SMM_MONITOR_CTL', loadArea(entry(0x9b, 0n)), 1n],
    ['an MSR that does not exist', loadArea(entry(0x1234, 0n)), 1n],
    ['a reserved dword that is not 0', loadArea(entry(0xc000_0082, 0n, 1)), 1n],
    ['a value that WRMSR refuses', loadArea(entry(0xc000_0082, 1n << 60n)), 1n],
    ['LME changed while paging is on', loadArea(entry(0xc000_0080, 0x401n)), 1n],
    ['a capability MSR', loadArea(entry(0x480, 0n)), 1n],
  ];
  it.each(bad)('entry fails on %s', async (_, options, qualification) => {
    const world = await World.create(options);
    const result = world.run();
    expect([result.kind, result.index]).toEqual(['entryFailure', 34]);
    expect(world.field('EXIT_REASON')).toBe(0x8000_0022n);
    expect(world.field('EXIT_QUALIFICATION')).toBe(qualification);
    expect(world.register('rip')).toBe(BigInt(at.hostHandler));
  });

  it.each([[512, undefined], [513, 513n]])('an area of %i entries', async (count, qualification) => {
    const world = await World.create({ guest: asm.vmcall, memory: { 0x20_0000: Array.from({ length: count }, () => good).flat() },
      fields: { VM_ENTRY_MSR_LOAD_ADDRESS: 0x20_0000n, VM_ENTRY_MSR_LOAD_COUNT: BigInt(count) } });
    const result = world.run();
    expect([result.kind, result.index]).toEqual(qualification === undefined ? ['vmExit', 18] : ['entryFailure', 34]);
    if (qualification !== undefined) expect(world.field('EXIT_QUALIFICATION')).toBe(qualification);
  });

  it('are loaded at entry, stored and loaded at exit, in order', async () => {
    const world = await World.create({
      ...loadArea(entry(0xc000_0082, 0x1111n), entry(0xc000_0082, 0x2222n)), guest: asm.cpuid,
      fields: {
        VM_ENTRY_MSR_LOAD_ADDRESS: BigInt(at.msrArea), VM_ENTRY_MSR_LOAD_COUNT: 2n, VM_EXIT_MSR_STORE_ADDRESS: BigInt(at.msrArea + 64), VM_EXIT_MSR_STORE_COUNT: 1n,
        VM_EXIT_MSR_LOAD_ADDRESS: BigInt(at.msrArea + 128), VM_EXIT_MSR_LOAD_COUNT: 1n,
      },
      memory: { [at.msrArea]: [...entry(0xc000_0082, 0x1111n), ...entry(0xc000_0082, 0x2222n)], [at.msrArea + 64]: entry(0xc000_0082, 0n), [at.msrArea + 128]: entry(0xc000_0082, 0x3333n) },
    });
    world.runToExit('CPUID');
    expect(world.read64(at.msrArea + 72)).toBe(0x2222n);
    expect(world.register('msr.IA32_LSTAR')).toBe(0x3333n);
  });

  const aborts: readonly (readonly [string, Fields, readonly number[], number])[] = [
    ['storing', { VM_EXIT_MSR_STORE_ADDRESS: BigInt(at.msrArea), VM_EXIT_MSR_STORE_COUNT: 1n }, entry(0x1234, 0n), 1],
    ['loading', { VM_EXIT_MSR_LOAD_ADDRESS: BigInt(at.msrArea), VM_EXIT_MSR_LOAD_COUNT: 1n }, entry(0x1234, 0n), 4],
  ];
  it.each(aborts)('end an exit in a VMX abort when %s fails', async (_, fields, area, indicator) => {
    const world = await World.create({ guest: asm.cpuid, fields, memory: { [at.msrArea]: area } });
    const result = world.run();
    const again = world.run();
    expect([result.kind, result.index, again.kind, again.index]).toEqual(['shutdown', indicator, 'shutdown', indicator]);
    expect(world.read32(at.vmcs + 4)).toBe(indicator);
  });
});
