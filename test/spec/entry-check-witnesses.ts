/**
 * For each entry check of VMCS fields that the default processor makes: a valid VMCS with just that rule broken.
 * `also` names the rules that cannot hold when this one is broken.
 */
import { controlMask } from '../../src/spec/controls';
import type { ControlRef } from '../../src/spec/controls';
import type { EntryContext } from '../../src/spec/entry-check-evaluation';
import { defaultProcessorModel } from '../../src/spec/processor-models';
import type { VmxModel } from '../../src/spec/processor-models';
import { bases, currentVmcs, word } from './valid-vmcs';
import type { FieldValues } from './valid-vmcs';

export interface Witness {
  readonly base?: keyof typeof bases;
  /** The change, or how to find it from the base. */
  readonly change: FieldValues | ((base: FieldValues) => FieldValues);
  /** Changes that leave the VMCS valid: the ground on which the rule is broken. */
  readonly ground?: FieldValues;
  readonly facts?: EntryContext['facts'];
  readonly vmx?: Partial<VmxModel>;
  readonly also?: readonly string[];
}

const beyond = 1n << BigInt(defaultProcessorModel.physicalBits);
const uncanonical = 0x8000_0000_0000n;
const withControl = (field: keyof FieldValues, ref: ControlRef) => (base: FieldValues): FieldValues => ({ [field]: base[field]! | controlMask(ref) });
const inject = (vector: number, type: number, more = 0): FieldValues => ({ VM_ENTRY_INTERRUPTION_INFO: BigInt(0x8000_0000 + more + (type << 8) + vector) });
const nmi = inject(2, 2);
const withoutEpt: FieldValues = { SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableVpid') };
const withSecondary = (...refs: ControlRef[]): FieldValues => ({ SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableEpt', ...refs) });
const externalInterrupt = { ...inject(0x20, 0), GUEST_RFLAGS: 0x202n };

/** Controls of APIC virtualization on top of those of the base; what is named of them. */
const withApic = (...refs: ControlRef[]): FieldValues => ({
  PIN_BASED_CONTROLS: word('pin', 'pin.nmiExiting', 'pin.virtualNmis', ...refs.filter((ref) => ref.startsWith('pin.'))),
  PRIMARY_PROC_BASED_CONTROLS: word('primary', 'primary.activateSecondaryControls', ...refs.filter((ref) => ref.startsWith('primary.'))),
  SECONDARY_PROC_BASED_CONTROLS: word('secondary', ...refs.filter((ref) => ref.startsWith('secondary.'))),
  VM_EXIT_CONTROLS: word('exit', 'exit.hostAddressSpaceSize', ...refs.filter((ref) => ref.startsWith('exit.'))),
  VIRTUAL_APIC_ADDRESS: 0x8000n, APIC_ACCESS_ADDRESS: 0x9000n, POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: 0x9040n, POSTED_INTERRUPT_NOTIFICATION_VECTOR: 0xf2n,
});
const posted: ControlRef[] = ['pin.externalInterruptExiting', 'pin.processPostedInterrupts', 'primary.useTprShadow', 'secondary.virtualInterruptDelivery',
  'exit.acknowledgeInterruptOnExit'];

const area = (prefix: string, name: string): Record<string, Witness> => ({
  [`${prefix}Align`]: { change: { [`${name}_ADDRESS`]: 0x1008n, [`${name}_COUNT`]: 1n } },
  [`${prefix}Width`]: { change: { [`${name}_ADDRESS`]: beyond, [`${name}_COUNT`]: 1n } },
  [`${prefix}End`]: { change: { [`${name}_ADDRESS`]: beyond - 16n, [`${name}_COUNT`]: 2n } },
});

const each = (names: string, row: (name: string) => Record<string, Witness>): Record<string, Witness> => Object.assign({}, ...names.split(' ').map(row)) as Record<string, Witness>;

export const witnesses: Record<string, Witness> = {
  'controls.exec.pinReserved': { change: { PIN_BASED_CONTROLS: word('pin') & ~2n } },
  'controls.exec.primaryReserved': { change: { PRIMARY_PROC_BASED_CONTROLS: word('primary') | 1n } },
  'controls.exec.secondaryReserved': { change: { SECONDARY_PROC_BASED_CONTROLS: 0x2000_0000n } },
  'controls.exec.cr3TargetCount': { change: { CR3_TARGET_COUNT: 5n } },
  'controls.exec.ioBitmapAlign': { change: { IO_BITMAP_B_ADDRESS: 0x2800n } },
  'controls.exec.ioBitmapWidth': { change: { IO_BITMAP_A_ADDRESS: beyond } },
  'controls.exec.msrBitmapAlign': { change: { MSR_BITMAPS_ADDRESS: 1n } },
  'controls.exec.msrBitmapWidth': { change: { MSR_BITMAPS_ADDRESS: 1n << 63n } },
  'controls.exec.virtualApicAlign': { ground: withApic('primary.useTprShadow'), change: { VIRTUAL_APIC_ADDRESS: 0x8010n } },
  'controls.exec.virtualApicWidth': { ground: withApic('primary.useTprShadow'), change: { VIRTUAL_APIC_ADDRESS: beyond } },
  'controls.exec.tprThresholdReserved': { ground: withApic('primary.useTprShadow', 'secondary.virtualizeApicAccesses'), change: { TPR_THRESHOLD: 0x10n } },
  'controls.exec.apicAccessAlign': { ground: withApic('secondary.virtualizeApicAccesses'), change: { APIC_ACCESS_ADDRESS: 0x9800n } },
  'controls.exec.apicAccessWidth': { ground: withApic('secondary.virtualizeApicAccesses'), change: { APIC_ACCESS_ADDRESS: beyond } },
  'controls.exec.noTprShadowDependents': { change: withApic('secondary.apicRegisterVirtualization') },
  'controls.exec.x2apicVsApicAccess': { change: withApic('primary.useTprShadow', 'secondary.virtualizeX2apicMode', 'secondary.virtualizeApicAccesses') },
  'controls.exec.vidNeedsExtInt': { change: withApic('primary.useTprShadow', 'secondary.virtualInterruptDelivery') },
  'controls.exec.postedNeedsVid': { change: withApic(...posted.filter((ref) => !ref.startsWith('secondary.'))) },
  'controls.exec.postedNeedsAck': { change: withApic(...posted.filter((ref) => !ref.startsWith('exit.'))) },
  'controls.exec.postedVector': { ground: withApic(...posted), change: { POSTED_INTERRUPT_NOTIFICATION_VECTOR: 0x100n } },
  'controls.exec.postedDescAlign': { ground: withApic(...posted), change: { POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: 0x9020n } },
  'controls.exec.postedDescWidth': { ground: withApic(...posted), change: { POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: beyond } },
  'controls.exec.virtualNmi': { change: { PIN_BASED_CONTROLS: word('pin', 'pin.virtualNmis') } },
  'controls.exec.nmiWindow': { ground: { PIN_BASED_CONTROLS: word('pin', 'pin.nmiExiting') }, change: withControl('PRIMARY_PROC_BASED_CONTROLS', 'primary.nmiWindowExiting') },
  'controls.exec.vpidNonzero': { change: { VPID: 0n } },
  'controls.exec.eptpMemType': { change: { EPT_POINTER: 0x30_0019n } },
  'controls.exec.eptpWalkLength': { change: { EPT_POINTER: 0x30_0026n } },
  'controls.exec.eptpAccessDirty': { vmx: { eptAccessedDirty: false }, change: { EPT_POINTER: 0x30_005en } },
  'controls.exec.eptpShadowStack': { change: { EPT_POINTER: 0x30_009en } },
  'controls.exec.eptpReserved': { change: { EPT_POINTER: 0x30_011en } },
  'controls.exec.unrestrictedNeedsEpt': { change: { SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.unrestrictedGuest') } },
  'controls.exec.pmlNeedsEpt': { ground: withoutEpt, change: { SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableVpid', 'secondary.enablePml') } },
  'controls.exec.pmlAddress': { ground: withSecondary('secondary.enablePml'), change: { PML_ADDRESS: 0x1008n } },
  'controls.exec.mbecNeedsEpt': { ground: withoutEpt, change: { SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableVpid', 'secondary.modeBasedExecuteControl') } },
  'controls.exec.vmfuncReserved': { ground: withSecondary('secondary.enableVmFunctions'), change: { VM_FUNCTION_CONTROLS: 2n } },
  'controls.exec.eptpSwitchNeedsEpt': { ground: { ...withoutEpt, SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableVpid', 'secondary.enableVmFunctions') },
    change: { VM_FUNCTION_CONTROLS: 1n } },
  'controls.exec.eptpListAddress': { ground: { ...withSecondary('secondary.enableVmFunctions'), VM_FUNCTION_CONTROLS: 1n }, change: { EPTP_LIST_ADDRESS: beyond } },
  'controls.exec.veInfoAddress': { ground: withSecondary('secondary.eptViolationVe'), change: { VE_INFORMATION_ADDRESS: 0x10n } },
  'controls.exec.tscMultiplier': { ground: { ...withSecondary('secondary.useTscScaling'), TSC_MULTIPLIER: 1n }, change: { TSC_MULTIPLIER: 0n } },
  'controls.exec.vmreadBitmap': { change: { VMREAD_BITMAP_ADDRESS: 0x6001n } },
  'controls.exec.vmwriteBitmap': { change: { VMWRITE_BITMAP_ADDRESS: beyond } },
  'controls.exit.reserved': { change: { VM_EXIT_CONTROLS: 0n }, also: ['host.addressSpace.longNow', 'host.addressSpace.host32Guest', 'host.addressSpace.host32Rip'] },
  'controls.exit.savePreemptionTimer': { change: withControl('VM_EXIT_CONTROLS', 'exit.savePreemptionTimer') },
  ...each('msrStore msrLoad', (name) => area(`controls.exit.${name}`, `VM_EXIT_MSR_${name.slice(3).toUpperCase()}`)),
  'controls.entry.reserved': { change: withControl('VM_ENTRY_CONTROLS', 'entry.entryToSmm') },
  'controls.entry.injectType': { change: inject(0x20, 1) },
  'controls.entry.injectNmiVector': { change: inject(3, 2) },
  'controls.entry.injectHwVector': { change: inject(32, 3) },
  'controls.entry.injectOtherVector': { change: inject(1, 7) },
  'controls.entry.injectErrorCodeStrict': { change: inject(13, 3) },
  'controls.entry.injectErrorCodeFree': { vmx: { errorCodeFreedom: true }, change: inject(3, 6, 0x800), ground: { VM_ENTRY_INSTRUCTION_LENGTH: 1n } },
  'controls.entry.injectReserved': { change: inject(2, 2, 0x1000) },
  'controls.entry.injectErrorCodeValue': { change: { ...inject(13, 3, 0x800), VM_ENTRY_EXCEPTION_ERROR_CODE: 0x1_0000n } },
  'controls.entry.injectLength': { change: { ...inject(3, 6), VM_ENTRY_INSTRUCTION_LENGTH: 16n } },
  ...area('controls.entry.msrLoad', 'VM_ENTRY_MSR_LOAD'),

  'host.crMsr.cr0': { change: { HOST_CR0: 0x8005_0013n } },
  'host.crMsr.cr4': { change: { HOST_CR4: 0x20n } },
  'host.crMsr.cr3': { change: { HOST_CR3: beyond } },
  'host.crMsr.sysenterEsp': { change: { HOST_IA32_SYSENTER_ESP: uncanonical } },
  'host.crMsr.sysenterEip': { change: { HOST_IA32_SYSENTER_EIP: uncanonical } },
  'host.crMsr.perfGlobalCtrl': { ground: { VM_EXIT_CONTROLS: word('exit', 'exit.hostAddressSpaceSize', 'exit.loadPerfGlobalCtrl'), HOST_IA32_PERF_GLOBAL_CTRL: 0x7_0000_000fn },
    change: { HOST_IA32_PERF_GLOBAL_CTRL: 0x10n } },
  'host.crMsr.pat': { change: { HOST_IA32_PAT: 0x0207_0406_0007_0406n } },
  'host.crMsr.eferReserved': { change: { HOST_IA32_EFER: 0xd02n } },
  'host.crMsr.eferLmaLme': { change: { HOST_IA32_EFER: 0x900n } },
  ...each('CS SS DS ES FS GS TR', (name) => ({ [`host.segments.selector${name}`]: { change: { [`HOST_${name}_SELECTOR`]: 0x1bn } } })),
  'host.segments.csNonzero': { change: { HOST_CS_SELECTOR: 0n } },
  'host.segments.trNonzero': { change: { HOST_TR_SELECTOR: 0n } },
  'host.segments.ssNonzero': { base: 'legacyGuest', facts: { 'now.longMode': false }, change: { HOST_SS_SELECTOR: 0n } },
  ...each('FS GS GDTR IDTR TR', (name) => ({ [`host.segments.base${name}`]: { change: { [`HOST_${name}_BASE`]: uncanonical } } })),
  'host.addressSpace.legacyNow': { base: 'legacyGuest', facts: { 'now.longMode': false }, change: withControl('VM_EXIT_CONTROLS', 'exit.hostAddressSpaceSize') },
  'host.addressSpace.longNow': { base: 'legacyGuest', change: {} },
  'host.addressSpace.host32Guest': {
    base: 'legacyGuest', facts: { 'now.longMode': false }, ground: { GUEST_IA32_EFER: 0xd00n }, also: ['host.addressSpace.legacyNow'],
    change: withControl('VM_ENTRY_CONTROLS', 'entry.ia32eModeGuest'),
  },
  'host.addressSpace.host32Pcide': { base: 'legacyGuest', facts: { 'now.longMode': false }, change: { HOST_CR4: 0x2_2020n } },
  'host.addressSpace.host32Rip': { base: 'legacyGuest', facts: { 'now.longMode': false }, change: { HOST_RIP: 1n << 32n } },
  'host.addressSpace.host64Pae': { change: { HOST_CR4: 0x2000n } },
  'host.addressSpace.host64Rip': { change: { HOST_RIP: uncanonical } },

  'guest.crMsr.cr0Fixed': { change: { GUEST_CR0: 0x8005_0013n } },
  'guest.crMsr.cr0PgPe': { base: 'realGuest', change: { GUEST_CR0: 0x8000_0030n } },
  'guest.crMsr.cr4Fixed': { change: { GUEST_CR4: 0x20n } },
  'guest.crMsr.debugctl': { change: { GUEST_IA32_DEBUGCTL: 4n } },
  'guest.crMsr.ia32eCr0': { ground: { SECONDARY_PROC_BASED_CONTROLS: word('secondary', 'secondary.enableEpt', 'secondary.enableVpid', 'secondary.unrestrictedGuest') },
    change: { GUEST_CR0: 0x33n } },
  'guest.crMsr.ia32eCr4': { change: { GUEST_CR4: 0x2000n } },
  'guest.crMsr.pcide': { base: 'paeGuest', change: { GUEST_CR4: 0x2_2020n } },
  'guest.crMsr.cr3': { change: { GUEST_CR3: beyond } },
  'guest.crMsr.dr7': { change: { GUEST_DR7: 1n << 32n } },
  'guest.crMsr.sysenterEsp': { change: { GUEST_IA32_SYSENTER_ESP: uncanonical } },
  'guest.crMsr.sysenterEip': { change: { GUEST_IA32_SYSENTER_EIP: uncanonical } },
  'guest.crMsr.perfGlobalCtrl': { ground: { VM_ENTRY_CONTROLS: word('entry', 'entry.ia32eModeGuest', 'entry.loadPerfGlobalCtrl') },
    change: { GUEST_IA32_PERF_GLOBAL_CTRL: 1n << 35n } },
  'guest.crMsr.pat': { change: { GUEST_IA32_PAT: 8n } },
  'guest.crMsr.eferReserved': { change: { GUEST_IA32_EFER: 0xd02n } },
  'guest.crMsr.eferLma': { base: 'realGuest', change: { GUEST_IA32_EFER: 0x400n } },
  'guest.crMsr.eferLme': { change: { GUEST_IA32_EFER: 0xc00n } },

  'guest.segments.trTi': { change: { GUEST_TR_SELECTOR: 0x1cn } },
  'guest.segments.ldtrTi': { change: { GUEST_LDTR_SELECTOR: 4n } },
  'guest.segments.ssRplCsRpl': { change: { GUEST_CS_SELECTOR: 0xbn } },
  ...each('CS SS DS ES FS GS', (name) => ({
    [`guest.segments.v86Base${name}`]: { base: 'v86Guest', change: { [`GUEST_${name}_BASE`]: 0x1010n } },
    [`guest.segments.v86Limit${name}`]: { base: 'v86Guest', change: { [`GUEST_${name}_LIMIT`]: 0xf_ffffn } },
    [`guest.segments.v86Ar${name}`]: { base: 'v86Guest', change: { [`GUEST_${name}_ACCESS_RIGHTS`]: 0x93n } },
    [`guest.segments.p${name}`]: { change: (base) => ({ [`GUEST_${name}_ACCESS_RIGHTS`]: base[`GUEST_${name}_ACCESS_RIGHTS` as 'GUEST_CS_ACCESS_RIGHTS']! & ~0x80n }) },
    [`guest.segments.s${name}`]: { change: (base) => ({ [`GUEST_${name}_ACCESS_RIGHTS`]: base[`GUEST_${name}_ACCESS_RIGHTS` as 'GUEST_CS_ACCESS_RIGHTS']! & ~0x10n }) },
    [`guest.segments.reserved${name}`]: { change: (base) => ({ [`GUEST_${name}_ACCESS_RIGHTS`]: base[`GUEST_${name}_ACCESS_RIGHTS` as 'GUEST_CS_ACCESS_RIGHTS']! | 0x2_0000n }) },
    [`guest.segments.gLow${name}`]: { change: { [`GUEST_${name}_LIMIT`]: 0xffff_fffen } },
    [`guest.segments.gHigh${name}`]: { change: (base) => ({ [`GUEST_${name}_ACCESS_RIGHTS`]: base[`GUEST_${name}_ACCESS_RIGHTS` as 'GUEST_CS_ACCESS_RIGHTS']! & ~0x8000n }) },
  })),
  ...each('TR FS GS LDTR', (name) => ({ [`guest.segments.baseCanonical${name}`]: { change: { [`GUEST_${name}_BASE`]: uncanonical } } })),
  ...each('CS SS DS ES', (name) => ({ [`guest.segments.baseHigh${name}`]: { change: { [`GUEST_${name}_BASE`]: 1n << 32n } } })),
  'guest.segments.csType': { change: { GUEST_CS_ACCESS_RIGHTS: 0xa093n } },
  'guest.segments.ssType': { change: { GUEST_SS_ACCESS_RIGHTS: 0xc091n } },
  ...each('DS ES FS GS', (name) => ({
    [`guest.segments.typeAccessed${name}`]: { change: { [`GUEST_${name}_ACCESS_RIGHTS`]: 0xc092n } },
    [`guest.segments.typeReadable${name}`]: { change: { [`GUEST_${name}_ACCESS_RIGHTS`]: 0xc099n } },
    [`guest.segments.dplRpl${name}`]: { change: { [`GUEST_${name}_SELECTOR`]: 0x13n } },
  })),
  'guest.segments.csDplType3': { base: 'realGuest', change: { GUEST_CS_ACCESS_RIGHTS: 0xf3n } },
  'guest.segments.csDplNonconforming': { change: { GUEST_CS_ACCESS_RIGHTS: 0xa0fbn } },
  'guest.segments.csDplConforming': { change: { GUEST_CS_ACCESS_RIGHTS: 0xa0ffn } },
  'guest.segments.ssDplRpl': { ground: { GUEST_CS_ACCESS_RIGHTS: 0xa09fn }, change: { GUEST_SS_ACCESS_RIGHTS: 0xc0f3n } },
  'guest.segments.ssDplZero': { base: 'realGuest', change: { GUEST_SS_ACCESS_RIGHTS: 0xf3n } },
  'guest.segments.csDb': { change: { GUEST_CS_ACCESS_RIGHTS: 0xe09bn } },
  'guest.segments.trType': { change: { GUEST_TR_ACCESS_RIGHTS: 0x89n } },
  'guest.segments.trS': { change: { GUEST_TR_ACCESS_RIGHTS: 0x9bn } },
  'guest.segments.trP': { change: { GUEST_TR_ACCESS_RIGHTS: 0xbn } },
  'guest.segments.trReserved': { change: { GUEST_TR_ACCESS_RIGHTS: 0x18bn } },
  'guest.segments.trGLow': { change: { GUEST_TR_ACCESS_RIGHTS: 0x808bn } },
  'guest.segments.trGHigh': { change: { GUEST_TR_LIMIT: 0x10_0fffn } },
  'guest.segments.trUnusable': { change: { GUEST_TR_ACCESS_RIGHTS: 0x1_008bn } },
  'guest.segments.ldtrType': { change: { GUEST_LDTR_ACCESS_RIGHTS: 0x83n } },
  'guest.segments.ldtrS': { change: { GUEST_LDTR_ACCESS_RIGHTS: 0x92n } },
  'guest.segments.ldtrP': { change: { GUEST_LDTR_ACCESS_RIGHTS: 2n } },
  'guest.segments.ldtrReserved': { change: { GUEST_LDTR_ACCESS_RIGHTS: 0x8000_0082n } },
  'guest.segments.ldtrGLow': { change: { GUEST_LDTR_ACCESS_RIGHTS: 0x8082n, GUEST_LDTR_LIMIT: 0xffefn } },
  'guest.segments.ldtrGHigh': { change: { GUEST_LDTR_LIMIT: 0x10_0fffn } },

  'guest.descriptorTables.gdtrBase': { change: { GUEST_GDTR_BASE: uncanonical } },
  'guest.descriptorTables.idtrBase': { change: { GUEST_IDTR_BASE: uncanonical } },
  'guest.descriptorTables.gdtrLimit': { change: { GUEST_GDTR_LIMIT: 0x1_0000n } },
  'guest.descriptorTables.idtrLimit': { change: { GUEST_IDTR_LIMIT: 0x1_0000n } },
  'guest.ripRflagsSsp.ripHigh': { base: 'paeGuest', change: { GUEST_RIP: 1n << 32n } },
  'guest.ripRflagsSsp.ripUpper': { change: { GUEST_RIP: 1n << 48n } },
  'guest.ripRflagsSsp.rflagsReserved': { change: { GUEST_RFLAGS: 0n } },
  'guest.ripRflagsSsp.rflagsVm': { base: 'v86Guest', ground: { GUEST_IA32_EFER: 0xd00n, GUEST_RIP: 0n }, change: withControl('VM_ENTRY_CONTROLS', 'entry.ia32eModeGuest') },
  'guest.ripRflagsSsp.rflagsIf': { change: inject(0x20, 0) },

  'guest.nonRegister.activityRange': { change: { GUEST_ACTIVITY_STATE: 4n } },
  'guest.nonRegister.activityHltDpl': {
    ground: {
      GUEST_CS_SELECTOR: 0xbn, GUEST_SS_SELECTOR: 0x13n, GUEST_CS_ACCESS_RIGHTS: 0xa0fbn, GUEST_SS_ACCESS_RIGHTS: 0xc0f3n,
    },
    change: { GUEST_ACTIVITY_STATE: 1n },
  },
  'guest.nonRegister.activityBlocking': { ground: { GUEST_RFLAGS: 0x202n, GUEST_INTERRUPTIBILITY_STATE: 1n }, change: { GUEST_ACTIVITY_STATE: 1n } },
  'guest.nonRegister.activityHltInject': { ground: { GUEST_ACTIVITY_STATE: 1n }, change: inject(6, 3) },
  'guest.nonRegister.activityShutdownInject': { ground: { GUEST_ACTIVITY_STATE: 2n }, change: externalInterrupt },
  'guest.nonRegister.activitySipiInject': { ground: { GUEST_ACTIVITY_STATE: 3n }, change: nmi },
  'guest.nonRegister.intrReserved': { change: { GUEST_INTERRUPTIBILITY_STATE: 0x20n } },
  'guest.nonRegister.intrStiMovSs': { ground: { GUEST_RFLAGS: 0x202n }, change: { GUEST_INTERRUPTIBILITY_STATE: 3n } },
  'guest.nonRegister.intrStiIf': { change: { GUEST_INTERRUPTIBILITY_STATE: 1n } },
  'guest.nonRegister.intrExtInt': { ground: externalInterrupt, change: { GUEST_INTERRUPTIBILITY_STATE: 2n } },
  'guest.nonRegister.intrNmiMovSs': { ground: nmi, change: { GUEST_INTERRUPTIBILITY_STATE: 2n } },
  'guest.nonRegister.intrNmiSti': { ground: { ...nmi, GUEST_RFLAGS: 0x202n }, change: { GUEST_INTERRUPTIBILITY_STATE: 1n } },
  'guest.nonRegister.intrSmiOutside': { change: { GUEST_INTERRUPTIBILITY_STATE: 4n } },
  'guest.nonRegister.intrVirtualNmi': { ground: nmi, change: { GUEST_INTERRUPTIBILITY_STATE: 8n } },
  'guest.nonRegister.pendDbgReserved': { change: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x2000n } },
  'guest.nonRegister.pendDbgBsSet': { ground: { GUEST_RFLAGS: 0x102n }, change: { GUEST_INTERRUPTIBILITY_STATE: 2n } },
  'guest.nonRegister.pendDbgBsClear': { ground: { GUEST_INTERRUPTIBILITY_STATE: 2n }, change: { GUEST_PENDING_DEBUG_EXCEPTIONS: 0x4000n } },
  'guest.nonRegister.linkAlign': { change: { VMCS_LINK_POINTER: 0x8001n } },
  'guest.nonRegister.linkWidth': { change: { VMCS_LINK_POINTER: beyond } },
  'guest.nonRegister.linkNotCurrent': { change: { VMCS_LINK_POINTER: currentVmcs } },
  'guest.pdptes.fields': { base: 'paeGuest', change: { GUEST_PDPTE2: 0x40_0003n } },
};

