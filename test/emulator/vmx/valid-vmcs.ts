// Field values of a VMCS that passes every entry check: a 64-bit guest with flat segments and 4-level paging, a 64-bit host. Tests start
// from it and break or add what they are about.
import { allowedSettings } from '../../../src/spec/capability-msrs';
import { controlMask, type ControlRef, type ControlWordName } from '../../../src/spec/controls';
import { defaultProcessorModel } from '../../../src/spec/processor-models';
import type { VmcsFieldId } from '../../../src/spec/vmcs-fields';

export type Fields = Partial<Record<VmcsFieldId, bigint>>;

/** Physical (= linear) addresses of what the tests put into memory. */
export const at = {
  pml4: 0x1000, pdpt: 0x2000, pd: 0x3000, gdt: 0x4000, idt: 0x5000, tss: 0x6000, vmxon: 0x7000, vmcs: 0x8000, msrBitmap: 0x9000, ioBitmapA: 0xa000, ioBitmapB: 0xb000,
  msrArea: 0xc000, shadowVmcs: 0xd000, vmreadBitmap: 0xe000, vmwriteBitmap: 0xf000, hostCode: 0x10000, hostHandler: 0x11000, guestCode: 0x12000, guestStackTop: 0x15000,
  hostStackTop: 0x17000, ept: 0x18000, guestHandler: 0x1b000, data: 0x1c000, otherVmcs: 0x1d000, hostIdt: 0x1e000, hostTrap: 0x1f000,
} as const;

export const selectors = { code: 0x08n, data: 0x10n, tss: 0x18n, userCode: 0x2bn, userData: 0x33n } as const;

/** A control word with what must be 1, and the named controls. */
export function word(name: ControlWordName, ...controls: ControlRef[]): bigint {
  return controls.filter((ref) => ref.startsWith(`${name}.`)).reduce((value, ref) => value | controlMask(ref), allowedSettings(defaultProcessorModel, name).mustBeOne);
}

const CR0 = 0x8001_0033n; // PG WP NE ET MP PE
const CR4 = 0x0000_2620n; // VMXE OSXMMEXCPT OSFXSR PAE
const EFER = 0xd01n; // NXE LMA LME SCE
export const controlRegisters = { cr0: CR0, cr4: CR4, efer: EFER } as const;

/** The fields, with the named controls on (secondary ones bring their activation). */
export function validFields(...controls: ControlRef[]): Fields {
  const all: ControlRef[] = [...controls, 'exit.hostAddressSpaceSize', 'entry.ia32eModeGuest'];
  if (all.some((ref) => ref.startsWith('secondary.'))) all.push('primary.activateSecondaryControls');
  const data = { selector: selectors.data, base: 0n, limit: 0xffff_ffffn, rights: 0xc093n };
  const fields: Fields = {
    PIN_BASED_CONTROLS: word('pin', ...all), PRIMARY_PROC_BASED_CONTROLS: word('primary', ...all), SECONDARY_PROC_BASED_CONTROLS: word('secondary', ...all),
    VM_EXIT_CONTROLS: word('exit', ...all), VM_ENTRY_CONTROLS: word('entry', ...all),
    VMCS_LINK_POINTER: 0xffff_ffff_ffff_ffffn, VPID: 1n, EPT_POINTER: BigInt(at.ept) | 0x1en,
    MSR_BITMAPS_ADDRESS: BigInt(at.msrBitmap), IO_BITMAP_A_ADDRESS: BigInt(at.ioBitmapA), IO_BITMAP_B_ADDRESS: BigInt(at.ioBitmapB),
    VMREAD_BITMAP_ADDRESS: BigInt(at.vmreadBitmap), VMWRITE_BITMAP_ADDRESS: BigInt(at.vmwriteBitmap),
    GUEST_CR0: CR0, GUEST_CR3: BigInt(at.pml4), GUEST_CR4: CR4, GUEST_IA32_EFER: EFER, GUEST_DR7: 0x400n, GUEST_RFLAGS: 2n, GUEST_IA32_PAT: 0x0007_0406_0007_0406n,
    GUEST_RIP: BigInt(at.guestCode), GUEST_RSP: BigInt(at.guestStackTop), GUEST_GDTR_BASE: BigInt(at.gdt), GUEST_GDTR_LIMIT: 0xffn, GUEST_IDTR_BASE: BigInt(at.idt), GUEST_IDTR_LIMIT: 0xfffn,
    GUEST_CS_SELECTOR: selectors.code, GUEST_CS_LIMIT: 0xffff_ffffn, GUEST_CS_ACCESS_RIGHTS: 0xa09bn,
    GUEST_TR_SELECTOR: selectors.tss, GUEST_TR_BASE: BigInt(at.tss), GUEST_TR_LIMIT: 0x67n, GUEST_TR_ACCESS_RIGHTS: 0x8bn, GUEST_LDTR_ACCESS_RIGHTS: 0x10000n,
    HOST_CR0: CR0, HOST_CR3: BigInt(at.pml4), HOST_CR4: CR4, HOST_IA32_EFER: EFER, HOST_IA32_PAT: 0x0007_0406_0007_0406n,
    HOST_CS_SELECTOR: selectors.code, HOST_SS_SELECTOR: selectors.data, HOST_DS_SELECTOR: selectors.data, HOST_ES_SELECTOR: selectors.data, HOST_FS_SELECTOR: selectors.data,
    HOST_GS_SELECTOR: selectors.data, HOST_TR_SELECTOR: selectors.tss, HOST_TR_BASE: BigInt(at.tss), HOST_GDTR_BASE: BigInt(at.gdt), HOST_IDTR_BASE: BigInt(at.hostIdt),
    HOST_RIP: BigInt(at.hostHandler), HOST_RSP: BigInt(at.hostStackTop),
  };
  for (const name of ['ES', 'SS', 'DS', 'FS', 'GS'] as const) {
    fields[`GUEST_${name}_SELECTOR`] = data.selector;
    fields[`GUEST_${name}_BASE`] = data.base;
    fields[`GUEST_${name}_LIMIT`] = data.limit;
    fields[`GUEST_${name}_ACCESS_RIGHTS`] = data.rights;
  }
  return fields;
}
