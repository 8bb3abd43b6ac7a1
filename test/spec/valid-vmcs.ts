/** VMCSs that pass every check, and what changes of theirs are. Fields that are not named are 0. */
import { allowedSettings } from '../../src/spec/capability-msrs';
import { controlMask } from '../../src/spec/controls';
import type { ControlRef, ControlWordName } from '../../src/spec/controls';
import type { EntryContext } from '../../src/spec/entry-check-evaluation';
import { defaultProcessorModel } from '../../src/spec/processor-models';
import type { ProcessorModel } from '../../src/spec/processor-models';
import type { VmcsFieldId } from '../../src/spec/vmcs-fields';

export type FieldValues = Partial<Record<VmcsFieldId, bigint>>;

/** The least setting of a control word, with some controls on. */
export function word(name: ControlWordName, ...refs: ControlRef[]): bigint {
  return refs.reduce((value, ref) => value | controlMask(ref), allowedSettings(defaultProcessorModel, name).mustBeOne);
}

export const currentVmcs = 0x5000n;

export const context: EntryContext = { model: defaultProcessorModel, facts: { 'now.longMode': true, 'now.smm': false, 'now.currentVmcs': currentVmcs } };

export function contextFor(model: ProcessorModel, facts: EntryContext['facts'] = {}): EntryContext {
  return { model, facts: { ...context.facts, ...facts } };
}

const host: FieldValues = {
  HOST_CR0: 0x8005_0033n, HOST_CR3: 0x10_0000n, HOST_CR4: 0x2020n, HOST_RIP: 0xffff_8000_0010_0000n, HOST_RSP: 0x9000n,
  HOST_CS_SELECTOR: 8n, HOST_SS_SELECTOR: 16n, HOST_DS_SELECTOR: 16n, HOST_ES_SELECTOR: 16n, HOST_FS_SELECTOR: 0n, HOST_GS_SELECTOR: 0n, HOST_TR_SELECTOR: 24n,
  HOST_IA32_PAT: 0x0007_0406_0007_0406n, HOST_IA32_EFER: 0xd00n,
};

const guest: FieldValues = {
  GUEST_CR0: 0x8005_0033n, GUEST_CR3: 0x20_0000n, GUEST_CR4: 0x2020n, GUEST_DR7: 0x400n, GUEST_RIP: 0x40_0000n, GUEST_RSP: 0x8000n, GUEST_RFLAGS: 2n,
  GUEST_IA32_PAT: 0x0007_0406_0007_0406n, GUEST_IA32_EFER: 0xd00n, VMCS_LINK_POINTER: 0xffff_ffff_ffff_ffffn,
  GUEST_CS_SELECTOR: 8n, GUEST_SS_SELECTOR: 16n, GUEST_DS_SELECTOR: 16n, GUEST_ES_SELECTOR: 16n, GUEST_FS_SELECTOR: 16n, GUEST_GS_SELECTOR: 16n, GUEST_TR_SELECTOR: 24n,
  GUEST_CS_LIMIT: 0xffff_ffffn, GUEST_SS_LIMIT: 0xffff_ffffn, GUEST_DS_LIMIT: 0xffff_ffffn, GUEST_ES_LIMIT: 0xffff_ffffn, GUEST_FS_LIMIT: 0xffff_ffffn, GUEST_GS_LIMIT: 0xffff_ffffn,
  GUEST_TR_LIMIT: 0x67n, GUEST_LDTR_LIMIT: 0xffffn, GUEST_GDTR_LIMIT: 0xffffn, GUEST_IDTR_LIMIT: 0xffffn,
  GUEST_CS_ACCESS_RIGHTS: 0xa09bn, GUEST_SS_ACCESS_RIGHTS: 0xc093n, GUEST_DS_ACCESS_RIGHTS: 0xc093n, GUEST_ES_ACCESS_RIGHTS: 0xc093n, GUEST_FS_ACCESS_RIGHTS: 0xc093n,
  GUEST_GS_ACCESS_RIGHTS: 0xc093n, GUEST_TR_ACCESS_RIGHTS: 0x8bn, GUEST_LDTR_ACCESS_RIGHTS: 0x82n,
};

const exitControls: ControlRef[] = ['exit.hostAddressSpaceSize', 'exit.loadPat', 'exit.loadEfer', 'exit.savePat', 'exit.saveEfer'];
const entryControls: ControlRef[] = ['entry.loadDebugControls', 'entry.loadPat', 'entry.loadEfer'];

/** A 64-bit guest of a 64-bit host, with EPT, VPID and bitmaps. */
export const longGuest: FieldValues = {
  ...host, ...guest,
  PIN_BASED_CONTROLS: word('pin', 'pin.nmiExiting', 'pin.virtualNmis'),
  PRIMARY_PROC_BASED_CONTROLS: word('primary', 'primary.useIoBitmaps', 'primary.useMsrBitmaps', 'primary.activateSecondaryControls'),
  SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableEpt', 'secondary.enableVpid', 'secondary.vmcsShadowing'),
  VM_EXIT_CONTROLS: word('exit', ...exitControls),
  VM_ENTRY_CONTROLS: word('entry', 'entry.ia32eModeGuest', ...entryControls),
  VPID: 1n, EPT_POINTER: 0x30_001en, IO_BITMAP_A_ADDRESS: 0x1000n, IO_BITMAP_B_ADDRESS: 0x2000n, MSR_BITMAPS_ADDRESS: 0x3000n, VMREAD_BITMAP_ADDRESS: 0x6000n, VMWRITE_BITMAP_ADDRESS: 0x7000n,
};

/** A 32-bit guest with PAE paging. */
export const paeGuest: FieldValues = {
  ...longGuest,
  VM_ENTRY_CONTROLS: word('entry', ...entryControls),
  GUEST_IA32_EFER: 0x800n, GUEST_CS_ACCESS_RIGHTS: 0xc09bn, GUEST_PDPTE0: 0x40_0001n, GUEST_PDPTE1: 0n, GUEST_PDPTE2: 0n, GUEST_PDPTE3: 0n,
};

/** An unrestricted guest in real mode. */
export const realGuest: FieldValues = {
  ...longGuest,
  SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableEpt', 'secondary.enableVpid', 'secondary.unrestrictedGuest'),
  VM_ENTRY_CONTROLS: word('entry', ...entryControls),
  GUEST_IA32_EFER: 0n, GUEST_CR0: 0x30n, GUEST_CR4: 0x2000n,
  ...Object.fromEntries(['CS', 'SS', 'DS', 'ES', 'FS', 'GS'].flatMap((name) => [[`GUEST_${name}_ACCESS_RIGHTS`, 0x93n], [`GUEST_${name}_LIMIT`, 0xffffn], [`GUEST_${name}_BASE`, 0n],
    [`GUEST_${name}_SELECTOR`, 0n]])),
};

/** A guest in virtual-8086 mode. */
export const v86Guest: FieldValues = {
  ...paeGuest,
  GUEST_RFLAGS: 0x2_0002n,
  ...Object.fromEntries(['CS', 'SS', 'DS', 'ES', 'FS', 'GS'].flatMap((name) => [[`GUEST_${name}_ACCESS_RIGHTS`, 0xf3n], [`GUEST_${name}_LIMIT`, 0xffffn], [`GUEST_${name}_BASE`, 0x10_00n],
    [`GUEST_${name}_SELECTOR`, 0x100n]])),
};

/** A 32-bit guest of a hypervisor that is not in IA-32e mode. */
export const legacyGuest: FieldValues = {
  ...paeGuest,
  VM_EXIT_CONTROLS: word('exit', 'exit.loadPat', 'exit.savePat'),
  HOST_RIP: 0x10_0000n,
};

export const bases = { longGuest, paeGuest, realGuest, v86Guest, legacyGuest };

export function readerOf(values: FieldValues): (id: VmcsFieldId) => bigint {
  return (id) => values[id] ?? 0n;
}
