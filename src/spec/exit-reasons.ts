/**
 * Basic exit reasons: SDM 3D appendix C 'VMX Basic Exit Reasons', SDM 3C 26.1 and 26.2 for what causes them,
 * 28.2 'Recording VM-Exit Information and Updating VM-Entry Control Fields' for what they report.
 *
 * Column 'reports': a letter for each information field that is valid, in lower case if only in some cases:
 * L instruction length, I instruction information, G guest-linear address, P guest-physical address, V interruption information.
 */
import type { LayoutName } from './bit-layouts';
import type { ControlRef } from './controls';
import type { QualificationFormat } from './exit-qualifications';
import type { VmcsFieldId } from './vmcs-fields';

/** fault: before the instruction; trap: after it; boundary: between two instructions; event: as the event would have been taken; entry failure: the guest never ran. */
export type ExitNature = 'fault' | 'trap' | 'boundary' | 'event' | 'entry-failure';

/** Whether an information field is valid after the exit. */
export type Validity = boolean | 'conditional';

export interface ExitReason {
  readonly number: number;
  readonly id: ExitReasonId;
  /** The id as users write it, for filters: `ept-violation`. */
  readonly slug: string;
  readonly name: string;
  readonly nature: ExitNature;
  readonly qualification: QualificationFormat;
  readonly instructionLength: Validity;
  readonly instructionInfo: Validity;
  readonly guestLinearAddress: Validity;
  readonly guestPhysicalAddress: Validity;
  readonly interruptionInfo: Validity;
  /** Controls and fields that decide whether there is an exit; empty: nothing prevents it. */
  readonly governedBy: readonly (ControlRef | VmcsFieldId)[];
  /** One sentence. */
  readonly cause: string;
}

type Row = readonly [number, string, string, ExitNature, QualificationFormat, reports: string, governedBy: string, cause: string];

const rows = [
  [0, 'EXCEPTION_OR_NMI', 'Exception or NMI', 'event', 'exceptionOrNmi', 'lV', 'EXCEPTION_BITMAP pin.nmiExiting',
    'The guest raised an exception that the exception bitmap selects, or an NMI arrived with NMI exiting.'],
  [1, 'EXTERNAL_INTERRUPT', 'External interrupt', 'event', 'none', 'v', 'pin.externalInterruptExiting', 'An interrupt arrived with external-interrupt exiting.'],
  [2, 'TRIPLE_FAULT', 'Triple fault', 'event', 'none', '', '', 'An exception was met while a double fault was being delivered.'],
  [3, 'INIT_SIGNAL', 'INIT signal', 'event', 'none', '', '', 'An INIT signal arrived.'],
  [4, 'STARTUP_IPI', 'Start-up IPI (SIPI)', 'event', 'sipi', '', '', 'A SIPI arrived while the guest was waiting for one.'],
  [5, 'IO_SMI', 'I/O SMI', 'event', 'ioSmi', 'lg', '', 'An SMI arrived right after an I/O instruction, under the dual-monitor treatment.'],
  [6, 'OTHER_SMI', 'Other SMI', 'event', 'none', '', '', 'An SMI arrived, not right after an I/O instruction, under the dual-monitor treatment.'],
  [7, 'INTERRUPT_WINDOW', 'Interrupt window', 'event', 'none', '', 'primary.interruptWindowExiting', 'The guest became able to take an interrupt, with interrupt-window exiting.'],
  [8, 'NMI_WINDOW', 'NMI window', 'event', 'none', '', 'primary.nmiWindowExiting', 'There was no virtual-NMI blocking any more, with NMI-window exiting.'],
  [9, 'TASK_SWITCH', 'Task switch', 'fault', 'taskSwitch', 'l', '', 'The guest attempted a task switch in hardware.'],
  [10, 'CPUID', 'CPUID', 'fault', 'none', 'L', '', 'The guest executed CPUID.'],
  [11, 'GETSEC', 'GETSEC', 'fault', 'none', 'L', '', 'The guest executed GETSEC.'],
  [12, 'HLT', 'HLT', 'fault', 'none', 'L', 'primary.hltExiting', 'The guest executed HLT.'],
  [13, 'INVD', 'INVD', 'fault', 'none', 'L', '', 'The guest executed INVD.'],
  [14, 'INVLPG', 'INVLPG', 'fault', 'linearAddressOperand', 'L', 'primary.invlpgExiting', 'The guest executed INVLPG.'],
  [15, 'RDPMC', 'RDPMC', 'fault', 'none', 'L', 'primary.rdpmcExiting', 'The guest executed RDPMC.'],
  [16, 'RDTSC', 'RDTSC', 'fault', 'none', 'L', 'primary.rdtscExiting', 'The guest executed RDTSC.'],
  [17, 'RSM', 'RSM', 'fault', 'none', 'L', '', 'The guest executed RSM in system-management mode.'],
  [18, 'VMCALL', 'VMCALL', 'fault', 'none', 'L', '', 'The guest executed VMCALL.'],
  [19, 'VMCLEAR', 'VMCLEAR', 'fault', 'instructionDisplacement', 'LI', '', 'The guest executed VMCLEAR.'],
  [20, 'VMLAUNCH', 'VMLAUNCH', 'fault', 'none', 'L', '', 'The guest executed VMLAUNCH.'],
  [21, 'VMPTRLD', 'VMPTRLD', 'fault', 'instructionDisplacement', 'LI', '', 'The guest executed VMPTRLD.'],
  [22, 'VMPTRST', 'VMPTRST', 'fault', 'instructionDisplacement', 'LI', '', 'The guest executed VMPTRST.'],
  [23, 'VMREAD', 'VMREAD', 'fault', 'instructionDisplacement', 'LI', 'secondary.vmcsShadowing VMREAD_BITMAP_ADDRESS', 'The guest executed VMREAD, and VMCS shadowing did not take it.'],
  [24, 'VMRESUME', 'VMRESUME', 'fault', 'none', 'L', '', 'The guest executed VMRESUME.'],
  [25, 'VMWRITE', 'VMWRITE', 'fault', 'instructionDisplacement', 'LI', 'secondary.vmcsShadowing VMWRITE_BITMAP_ADDRESS', 'The guest executed VMWRITE, and VMCS shadowing did not take it.'],
  [26, 'VMXOFF', 'VMXOFF', 'fault', 'none', 'L', '', 'The guest executed VMXOFF.'],
  [27, 'VMXON', 'VMXON', 'fault', 'instructionDisplacement', 'LI', '', 'The guest executed VMXON.'],
  [28, 'CR_ACCESS', 'Control-register access', 'fault', 'crAccess', 'Lg',
    'CR0_GUEST_HOST_MASK CR0_READ_SHADOW CR4_GUEST_HOST_MASK CR4_READ_SHADOW primary.cr3LoadExiting primary.cr3StoreExiting primary.cr8LoadExiting primary.cr8StoreExiting',
    'The guest would have changed a bit of CR0 or CR4 that the host owns, or accessed CR3 or CR8 as the controls forbid.'],
  [29, 'MOV_DR', 'MOV DR', 'fault', 'movDr', 'L', 'primary.movDrExiting', 'The guest moved to or from a debug register.'],
  [30, 'IO_INSTRUCTION', 'I/O instruction', 'fault', 'ioInstruction', 'Lig', 'primary.unconditionalIoExiting primary.useIoBitmaps', 'The guest executed IN, OUT, INS or OUTS on a port that exits.'],
  [31, 'RDMSR', 'RDMSR', 'fault', 'none', 'L', 'primary.useMsrBitmaps', 'The guest executed RDMSR, and the MSR bitmaps did not let it pass.'],
  [32, 'WRMSR', 'WRMSR or WRMSRNS', 'fault', 'msrWrite', 'L', 'primary.useMsrBitmaps', 'The guest executed WRMSR or WRMSRNS, and the MSR bitmaps did not let it pass.'],
  [33, 'ENTRY_FAIL_GUEST_STATE', 'VM-entry failure due to invalid guest state', 'entry-failure', 'entryFailureGuestState', '', '', 'VM entry found the guest-state area invalid.'],
  [34, 'ENTRY_FAIL_MSR_LOADING', 'VM-entry failure due to MSR loading', 'entry-failure', 'entryFailureMsrLoading', '', '', 'VM entry could not load an MSR of the VM-entry MSR-load area.'],
  [36, 'MWAIT', 'MWAIT', 'fault', 'mwait', 'L', 'primary.mwaitExiting', 'The guest executed MWAIT.'],
  [37, 'MONITOR_TRAP_FLAG', 'Monitor trap flag', 'boundary', 'none', '', 'primary.monitorTrapFlag VM_ENTRY_INTERRUPTION_INFO',
    'The guest reached an instruction boundary with the monitor trap flag, or with a trap injected for it.'],
  [39, 'MONITOR', 'MONITOR', 'fault', 'none', 'L', 'primary.monitorExiting', 'The guest executed MONITOR.'],
  [40, 'PAUSE', 'PAUSE', 'fault', 'none', 'L', 'primary.pauseExiting secondary.pauseLoopExiting', 'The guest executed PAUSE, or stayed in a loop of PAUSE for too long.'],
  [41, 'ENTRY_FAIL_MACHINE_CHECK', 'VM-entry failure due to machine-check event', 'entry-failure', 'none', '', '', 'A machine check was met during VM entry.'],
  [43, 'TPR_BELOW_THRESHOLD', 'TPR below threshold', 'trap', 'none', '', 'primary.useTprShadow secondary.virtualInterruptDelivery', 'The guest lowered its task priority below the TPR threshold.'],
  [44, 'APIC_ACCESS', 'APIC access', 'fault', 'apicAccess', 'l', 'secondary.virtualizeApicAccesses', 'The guest accessed the APIC-access page in a way that is not virtualized.'],
  [45, 'VIRTUALIZED_EOI', 'Virtualized EOI', 'trap', 'eoiInduced', '', 'secondary.virtualInterruptDelivery', 'The guest dismissed a virtual interrupt whose vector the EOI-exit bitmap selects.'],
  [46, 'GDTR_IDTR_ACCESS', 'Access to GDTR or IDTR', 'fault', 'instructionDisplacement', 'LI', 'secondary.descriptorTableExiting', 'The guest executed LGDT, LIDT, SGDT or SIDT.'],
  [47, 'LDTR_TR_ACCESS', 'Access to LDTR or TR', 'fault', 'instructionDisplacement', 'LI', 'secondary.descriptorTableExiting', 'The guest executed LLDT, LTR, SLDT or STR.'],
  [48, 'EPT_VIOLATION', 'EPT violation', 'fault', 'eptViolation', 'lgP', 'secondary.enableEpt', 'The extended page tables do not allow an access to a guest-physical address.'],
  [49, 'EPT_MISCONFIGURATION', 'EPT misconfiguration', 'fault', 'none', 'lP', 'secondary.enableEpt', 'An entry of the extended page tables has settings that are reserved.'],
  [50, 'INVEPT', 'INVEPT', 'fault', 'instructionDisplacement', 'LI', '', 'The guest executed INVEPT.'],
  [51, 'RDTSCP', 'RDTSCP', 'fault', 'none', 'L', 'secondary.enableRdtscp primary.rdtscExiting', 'The guest executed RDTSCP.'],
  [52, 'PREEMPTION_TIMER', 'VMX-preemption timer expired', 'event', 'none', '', 'pin.activatePreemptionTimer', 'The VMX-preemption timer reached zero.'],
  [53, 'INVVPID', 'INVVPID', 'fault', 'instructionDisplacement', 'LI', '', 'The guest executed INVVPID.'],
  [54, 'WBINVD', 'WBINVD or WBNOINVD', 'fault', 'wbinvd', 'L', 'secondary.wbinvdExiting', 'The guest executed WBINVD or WBNOINVD.'],
  [55, 'XSETBV', 'XSETBV', 'fault', 'none', 'L', '', 'The guest executed XSETBV.'],
  [56, 'APIC_WRITE', 'APIC write', 'trap', 'apicWrite', '', 'secondary.apicRegisterVirtualization secondary.virtualInterruptDelivery secondary.virtualizeX2apicMode',
    'The guest wrote a register of the virtual-APIC page that software has to emulate.'],
  [57, 'RDRAND', 'RDRAND', 'fault', 'none', 'LI', 'secondary.rdrandExiting', 'The guest executed RDRAND.'],
  [58, 'INVPCID', 'INVPCID', 'fault', 'instructionDisplacement', 'LI', 'secondary.enableInvpcid primary.invlpgExiting', 'The guest executed INVPCID.'],
  [59, 'VMFUNC', 'VMFUNC', 'fault', 'none', 'L', 'secondary.enableVmFunctions VM_FUNCTION_CONTROLS', 'The guest asked VMFUNC for a function that is not enabled, or the function failed.'],
  [60, 'ENCLS', 'ENCLS', 'fault', 'none', 'L', 'secondary.enableEnclsExiting', 'The guest executed a leaf of ENCLS that its bitmap selects.'],
  [61, 'RDSEED', 'RDSEED', 'fault', 'none', 'LI', 'secondary.rdseedExiting', 'The guest executed RDSEED.'],
  [62, 'PML_FULL', 'Page-modification log full', 'fault', 'pmlFull', 'l', 'secondary.enablePml', 'A page was to be logged and the page-modification log was full.'],
  [63, 'XSAVES', 'XSAVES', 'fault', 'instructionDisplacement', 'LI', 'secondary.enableXsaves', 'The guest executed XSAVES for a component that the XSS-exiting bitmap selects.'],
  [64, 'XRSTORS', 'XRSTORS', 'fault', 'instructionDisplacement', 'LI', 'secondary.enableXsaves', 'The guest executed XRSTORS for a component that the XSS-exiting bitmap selects.'],
  [65, 'PCONFIG', 'PCONFIG', 'fault', 'none', 'L', 'secondary.enablePconfig', 'The guest executed a leaf of PCONFIG that its bitmap selects.'],
  [66, 'SPP_EVENT', 'SPP-related event', 'fault', 'spp', 'lGP', 'secondary.subPageWritePermissions', 'The sub-page permission table had no entry, or a wrong one, for a write.'],
  [67, 'UMWAIT', 'UMWAIT', 'fault', 'none', 'LI', 'secondary.enableUserWaitAndPause primary.rdtscExiting', 'The guest executed UMWAIT.'],
  [68, 'TPAUSE', 'TPAUSE', 'fault', 'none', 'LI', 'secondary.enableUserWaitAndPause primary.rdtscExiting', 'The guest executed TPAUSE.'],
  [69, 'LOADIWKEY', 'LOADIWKEY', 'fault', 'none', 'LI', 'tertiary.loadiwkeyExiting', 'The guest executed LOADIWKEY.'],
  [70, 'ENCLV', 'ENCLV', 'fault', 'none', 'L', 'secondary.enableEnclvExiting', 'The guest executed a leaf of ENCLV that its bitmap selects.'],
  [72, 'ENQCMD_PASID', 'ENQCMD PASID translation failure', 'fault', 'none', 'L', 'secondary.pasidTranslation', 'The process address-space identifier of an ENQCMD could not be translated.'],
  [73, 'ENQCMDS_PASID', 'ENQCMDS PASID translation failure', 'fault', 'none', 'L', 'secondary.pasidTranslation', 'The process address-space identifier of an ENQCMDS could not be translated.'],
  [74, 'BUS_LOCK', 'Bus lock', 'trap', 'none', '', 'secondary.vmmBusLockDetection', 'The guest locked the bus.'],
  [75, 'INSTRUCTION_TIMEOUT', 'Instruction timeout', 'event', 'instructionTimeout', '', 'secondary.instructionTimeout', 'The guest reached no instruction boundary within the time allowed.'],
  [76, 'SEAMCALL', 'SEAMCALL', 'fault', 'none', 'L', '', 'The guest executed SEAMCALL.'],
  [77, 'TDCALL', 'TDCALL', 'fault', 'none', 'L', '', 'The guest executed TDCALL.'],
  [78, 'RDMSRLIST', 'RDMSRLIST', 'fault', 'msrList', 'L', 'tertiary.enableMsrListInstructions primary.useMsrBitmaps', 'The guest executed RDMSRLIST, and the MSR bitmaps did not let it pass.'],
  [79, 'WRMSRLIST', 'WRMSRLIST', 'fault', 'msrList', 'L', 'tertiary.enableMsrListInstructions primary.useMsrBitmaps', 'The guest executed WRMSRLIST, and the MSR bitmaps did not let it pass.'],
  [80, 'URDMSR', 'URDMSR', 'fault', 'none', 'L', 'primary.useMsrBitmaps', 'The guest executed URDMSR, and the MSR bitmaps did not let it pass.'],
  [81, 'UWRMSR', 'UWRMSR', 'fault', 'none', 'L', 'primary.useMsrBitmaps', 'The guest executed UWRMSR, and the MSR bitmaps did not let it pass.'],
  [84, 'RDMSR_IMM', 'RDMSR (immediate form)', 'fault', 'msrImmediate', 'LI', 'primary.useMsrBitmaps', 'The guest executed RDMSR with an immediate index, and the MSR bitmaps did not let it pass.'],
  [85, 'WRMSRNS_IMM', 'WRMSRNS (immediate form)', 'fault', 'msrImmediate', 'LI', 'primary.useMsrBitmaps', 'The guest executed WRMSRNS with an immediate index, and the MSR bitmaps did not let it pass.'],
] as const satisfies readonly Row[];

export type ExitReasonId = (typeof rows)[number][1];

function validity(reports: string, letter: string): Validity {
  return reports.includes(letter) ? true : reports.includes(letter.toLowerCase()) ? 'conditional' : false;
}

/** All defined reasons, ascending. */
export const exitReasons: readonly ExitReason[] = (rows as readonly Row[]).map(([number, id, name, nature, qualification, reports, governedBy, cause]) => ({
  number, id: id as ExitReasonId, slug: id.toLowerCase().replaceAll('_', '-'), name, nature, qualification,
  instructionLength: validity(reports, 'L'), instructionInfo: validity(reports, 'I'), guestLinearAddress: validity(reports, 'G'),
  guestPhysicalAddress: validity(reports, 'P'), interruptionInfo: validity(reports, 'V'),
  governedBy: (governedBy === '' ? [] : governedBy.split(' ')) as (ControlRef | VmcsFieldId)[], cause,
}));

const byNumber = new Map(exitReasons.map((row) => [row.number, row]));
const byId = new Map<string, ExitReason>(exitReasons.map((row) => [row.id, row]));
const bySlug = new Map(exitReasons.map((row) => [row.slug, row]));

/** The row of a basic exit reason (bits 15:0 of the exit-reason field); undefined for a number that is not assigned. */
export function exitReasonByNumber(number: number): ExitReason | undefined {
  return byNumber.get(number & 0xffff);
}

/** The row called `id`; an unknown id is our own mistake and throws. */
export function exitReasonById(id: ExitReasonId): ExitReason {
  const row = byId.get(id);
  if (row === undefined) throw new Error(`no exit reason '${id}'`);
  return row;
}

/** The row that users call `slug`. */
export function exitReasonBySlug(slug: string): ExitReason | undefined {
  return bySlug.get(slug);
}

const instructionInfoLayouts: readonly (readonly [LayoutName, ...ExitReasonId[]])[] = [
  ['instructionInfoInsOuts', 'IO_INSTRUCTION'],
  ['instructionInfoInvalidate', 'INVEPT', 'INVVPID', 'INVPCID'],
  ['instructionInfoGdtrIdtr', 'GDTR_IDTR_ACCESS'],
  ['instructionInfoLdtrTr', 'LDTR_TR_ACCESS'],
  ['instructionInfoRandom', 'RDRAND', 'RDSEED', 'TPAUSE', 'UMWAIT'],
  ['instructionInfoVmxMemory', 'VMCLEAR', 'VMPTRLD', 'VMPTRST', 'VMXON', 'XSAVES', 'XRSTORS'],
  ['instructionInfoVmreadVmwrite', 'VMREAD', 'VMWRITE'],
  ['instructionInfoLoadiwkey', 'LOADIWKEY'],
  ['instructionInfoMsrImmediate', 'RDMSR_IMM', 'WRMSRNS_IMM'],
];

/** Layout of the VM-exit instruction-information field after exit `id`; undefined where the field is undefined. SDM 3C 28.2.5. */
export function instructionInfoLayout(id: ExitReasonId): LayoutName | undefined {
  return instructionInfoLayouts.find(([, ...ids]) => ids.includes(id))?.[0];
}
