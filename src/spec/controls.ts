/**
 * The control words of a VMCS: SDM 3C 25.6 'VM-Execution Control Fields', 25.7 'VM-Exit Control Fields',
 * 25.8 'VM-Entry Control Fields'.
 *
 * `implemented` says that the machine has the control. Capability MSRs derive from it (capability-msrs.ts), so a
 * control cannot be advertised without being there. `feature` names the CPUID feature that the control needs as well.
 */
import { bit } from './bit-fields';
import type { BitField } from './bit-fields';

export interface Control<Id extends string = string> extends BitField<Id> {
  readonly bit: number;
  readonly implemented: boolean;
  /** Feature id of cpuid.ts without which the processor does not offer the control. */
  readonly feature?: string;
}

function control<const Id extends string>(at: number, id: Id, implemented: boolean, name: string, meaning: string, feature?: string): Control<Id> {
  const row = { ...bit(at, id, name, meaning), bit: at, implemented };
  return feature === undefined ? row : { ...row, feature };
}

const yes = true;
const no = false;

const pin = [
  control(0, 'externalInterruptExiting', yes, 'external-interrupt exiting', 'External interrupts exit, whatever RFLAGS.IF says; otherwise the guest takes them through its IDT.'),
  control(3, 'nmiExiting', yes, 'NMI exiting', 'NMIs exit; otherwise the guest takes them through vector 2 of its IDT.'),
  control(5, 'virtualNmis', yes, 'virtual NMIs', 'Blocking by NMI in the interruptibility state is virtual: IRET ends it, and real NMIs are never blocked.'),
  control(6, 'activatePreemptionTimer', yes, 'activate VMX-preemption timer', 'The VMX-preemption timer counts down while the guest runs, and exits at zero.'),
  control(7, 'processPostedInterrupts', yes, 'process posted interrupts', 'An interrupt with the notification vector is moved to the virtual-APIC page and does not exit.'),
] as const;

const primary = [
  control(2, 'interruptWindowExiting', yes, 'interrupt-window exiting', 'Exit as soon as the guest could take an interrupt: RFLAGS.IF set, no blocking by STI or MOV SS.'),
  control(3, 'useTscOffsetting', yes, 'use TSC offsetting', 'The guest reads its time-stamp counter with the TSC offset (and multiplier) applied.'),
  control(7, 'hltExiting', yes, 'HLT exiting', 'HLT exits.'),
  control(9, 'invlpgExiting', yes, 'INVLPG exiting', 'INVLPG exits, and INVPCID where it is enabled.'),
  control(10, 'mwaitExiting', yes, 'MWAIT exiting', 'MWAIT exits.'),
  control(11, 'rdpmcExiting', yes, 'RDPMC exiting', 'RDPMC exits.'),
  control(12, 'rdtscExiting', yes, 'RDTSC exiting', 'RDTSC and RDTSCP exit; so do TPAUSE and UMWAIT where they are enabled.'),
  control(15, 'cr3LoadExiting', yes, 'CR3-load exiting', 'MOV to CR3 exits, unless the value is one of the CR3-target values.'),
  control(16, 'cr3StoreExiting', yes, 'CR3-store exiting', 'MOV from CR3 exits.'),
  control(17, 'activateTertiaryControls', no, 'activate tertiary controls', 'The tertiary controls are used; otherwise all of them count as 0.'),
  control(19, 'cr8LoadExiting', yes, 'CR8-load exiting', 'MOV to CR8 exits.'),
  control(20, 'cr8StoreExiting', yes, 'CR8-store exiting', 'MOV from CR8 exits.'),
  control(21, 'useTprShadow', yes, 'use TPR shadow', 'MOV CR8 and the task-priority register work on the virtual-APIC page.'),
  control(22, 'nmiWindowExiting', yes, 'NMI-window exiting', 'Exit as soon as there is no virtual-NMI blocking.'),
  control(23, 'movDrExiting', yes, 'MOV-DR exiting', 'MOV to and from debug registers exits.'),
  control(24, 'unconditionalIoExiting', yes, 'unconditional I/O exiting', 'Every I/O instruction exits; without effect when I/O bitmaps are used.'),
  control(25, 'useIoBitmaps', yes, 'use I/O bitmaps', 'The two I/O bitmaps say, port by port, which I/O instructions exit.'),
  control(27, 'monitorTrapFlag', yes, 'monitor trap flag', 'Exit after every instruction of the guest.'),
  control(28, 'useMsrBitmaps', yes, 'use MSR bitmaps', 'The MSR bitmaps say which RDMSR and WRMSR exit; without them all do.'),
  control(29, 'monitorExiting', yes, 'MONITOR exiting', 'MONITOR exits.'),
  control(30, 'pauseExiting', yes, 'PAUSE exiting', 'PAUSE exits.'),
  control(31, 'activateSecondaryControls', yes, 'activate secondary controls', 'The secondary controls are used; otherwise all of them count as 0.'),
] as const;

const secondary = [
  control(0, 'virtualizeApicAccesses', yes, 'virtualize APIC accesses', 'Accesses to the APIC-access page exit, or go to the virtual-APIC page.'),
  control(1, 'enableEpt', yes, 'enable EPT', 'Guest-physical addresses are translated by the extended page tables.'),
  control(2, 'descriptorTableExiting', yes, 'descriptor-table exiting', 'LGDT, LIDT, LLDT, LTR, SGDT, SIDT, SLDT and STR exit.'),
  control(3, 'enableRdtscp', yes, 'enable RDTSCP', 'RDTSCP and RDPID exist in the guest; otherwise they are #UD.', 'rdtscp'),
  control(4, 'virtualizeX2apicMode', yes, 'virtualize x2APIC mode', 'RDMSR and WRMSR of the x2APIC registers go to the virtual-APIC page.'),
  control(5, 'enableVpid', yes, 'enable VPID', 'Cached translations are tagged with the VPID, so that entries and exits need not flush them.'),
  control(6, 'wbinvdExiting', yes, 'WBINVD exiting', 'WBINVD and WBNOINVD exit.'),
  control(7, 'unrestrictedGuest', yes, 'unrestricted guest', 'The guest may run without paging, or in real mode.'),
  control(8, 'apicRegisterVirtualization', yes, 'APIC-register virtualization', 'Most APIC registers are read from the virtual-APIC page without an exit.'),
  control(9, 'virtualInterruptDelivery', yes, 'virtual-interrupt delivery', 'The processor evaluates and delivers virtual interrupts itself.'),
  control(10, 'pauseLoopExiting', yes, 'PAUSE-loop exiting', 'A loop of PAUSE at CPL 0 that lasts longer than PLE_Window exits.'),
  control(11, 'rdrandExiting', yes, 'RDRAND exiting', 'RDRAND exits.', 'rdrand'),
  control(12, 'enableInvpcid', yes, 'enable INVPCID', 'INVPCID exists in the guest; otherwise it is #UD.', 'invpcid'),
  control(13, 'enableVmFunctions', yes, 'enable VM functions', 'VMFUNC exists in the guest; otherwise it is #UD.'),
  control(14, 'vmcsShadowing', yes, 'VMCS shadowing', 'VMREAD and VMWRITE of the guest work on the shadow VMCS where the bitmaps allow it.'),
  control(15, 'enableEnclsExiting', no, 'enable ENCLS exiting', 'The ENCLS-exiting bitmap says which leaves of ENCLS exit.'),
  control(16, 'rdseedExiting', yes, 'RDSEED exiting', 'RDSEED exits.', 'rdseed'),
  control(17, 'enablePml', yes, 'enable PML', 'Each page whose EPT dirty flag becomes set is written to the page-modification log.'),
  control(18, 'eptViolationVe', yes, 'EPT-violation #VE', 'EPT violations of pages that do not suppress it become #VE in the guest.'),
  control(19, 'concealVmxFromPt', no, 'conceal VMX from PT', 'Processor-trace packets of the guest do not tell of VMX.'),
  control(20, 'enableXsaves', yes, 'enable XSAVES/XRSTORS', 'XSAVES and XRSTORS exist in the guest, and exit as the XSS-exiting bitmap says; otherwise they are #UD.', 'xsaves'),
  control(21, 'pasidTranslation', no, 'PASID translation', 'ENQCMD and ENQCMDS translate process address-space identifiers.'),
  control(22, 'modeBasedExecuteControl', yes, 'mode-based execute control for EPT', 'EPT has separate execute permissions for supervisor-mode and user-mode linear addresses.'),
  control(23, 'subPageWritePermissions', no, 'sub-page write permissions for EPT', 'Write permission of selected pages is given in units of 128 bytes.'),
  control(24, 'ptUsesGuestPhysicalAddresses', no, 'Intel PT uses guest physical addresses', 'Processor-trace output addresses are guest-physical.'),
  control(25, 'useTscScaling', yes, 'use TSC scaling', 'The TSC multiplier is applied before the TSC offset.'),
  control(26, 'enableUserWaitAndPause', no, 'enable user wait and pause', 'TPAUSE, UMONITOR and UMWAIT exist in the guest; otherwise they are #UD.'),
  control(27, 'enablePconfig', no, 'enable PCONFIG', 'PCONFIG exists in the guest, and exits as its bitmap says; otherwise it is #UD.'),
  control(28, 'enableEnclvExiting', no, 'enable ENCLV exiting', 'The ENCLV-exiting bitmap says which leaves of ENCLV exit.'),
  control(30, 'vmmBusLockDetection', no, 'VMM bus-lock detection', 'An instruction that locked the bus exits after it has completed.'),
  control(31, 'instructionTimeout', no, 'instruction timeout', 'Exit when no instruction boundary is reached within the given time.'),
] as const;

const tertiary = [
  control(0, 'loadiwkeyExiting', no, 'LOADIWKEY exiting', 'LOADIWKEY exits.'),
  control(1, 'enableHlat', no, 'enable HLAT', 'Linear addresses under the HLAT prefix are translated by the hypervisor\'s own paging structures.'),
  control(2, 'eptPagingWriteControl', no, 'EPT paging-write control', 'EPT can let the processor update guest paging structures in pages that are read-only otherwise.'),
  control(3, 'guestPagingVerification', no, 'guest-paging verification', 'EPT can demand that a page be reached only through protected guest paging structures.'),
  control(4, 'ipiVirtualization', no, 'IPI virtualization', 'Interrupts that the guest sends to its own virtual processors are posted without an exit.'),
  control(5, 'seamGuestPhysicalAddressWidth', no, 'SEAM guest-physical-address width', 'Width of guest-physical addresses in trust domains (TDX processors).'),
  control(6, 'enableMsrListInstructions', no, 'enable MSR-list instructions', 'RDMSRLIST and WRMSRLIST exist in the guest; otherwise they are #UD.'),
  control(7, 'virtualizeSpecCtrl', no, 'virtualize IA32_SPEC_CTRL', 'Guest accesses to IA32_SPEC_CTRL go through a mask and a shadow.'),
  control(8, 'apicTimerVirtualization', no, 'APIC-timer virtualization', 'The guest\'s TSC-deadline timer is virtualized.'),
  control(9, 'enablePbndkb', no, 'enable PBNDKB', 'PBNDKB exists in the guest; otherwise it is #UD.'),
  control(12, 'pebsUsesGuestPhysicalAddresses', no, 'PEBS uses guest physical addresses', 'Addresses of the event-sampling buffers are guest-physical.'),
] as const;

const exit = [
  control(2, 'saveDebugControls', yes, 'save debug controls', 'DR7 and IA32_DEBUGCTL are saved to the guest-state area.'),
  control(9, 'hostAddressSpaceSize', yes, 'host address-space size', 'The host runs in 64-bit mode after the exit.'),
  control(12, 'loadPerfGlobalCtrl', yes, 'load IA32_PERF_GLOBAL_CTRL', 'The host\'s value is loaded.'),
  control(15, 'acknowledgeInterruptOnExit', yes, 'acknowledge interrupt on exit', 'An exit for an external interrupt fetches the vector and reports it in the interruption information.'),
  control(18, 'savePat', yes, 'save IA32_PAT', 'The guest\'s value is saved.'),
  control(19, 'loadPat', yes, 'load IA32_PAT', 'The host\'s value is loaded.'),
  control(20, 'saveEfer', yes, 'save IA32_EFER', 'The guest\'s value is saved.'),
  control(21, 'loadEfer', yes, 'load IA32_EFER', 'The host\'s value is loaded.'),
  control(22, 'savePreemptionTimer', yes, 'save VMX-preemption timer value', 'The remaining count is saved, so that the next entry goes on from there.'),
  control(23, 'clearBndcfgs', no, 'clear IA32_BNDCFGS', 'The MSR is cleared.'),
  control(24, 'concealVmxFromPt', no, 'conceal VMX from PT', 'Processor-trace packets do not tell of the exit.'),
  control(25, 'clearRtitCtl', no, 'clear IA32_RTIT_CTL', 'The MSR is cleared: processor trace is off in the host.'),
  control(26, 'clearLbrCtl', no, 'clear IA32_LBR_CTL', 'The MSR is cleared: last-branch recording is off in the host.'),
  control(27, 'clearUinv', no, 'clear UINV', 'The user-interrupt notification vector is saved and cleared.'),
  control(28, 'loadCetState', no, 'load CET state', 'IA32_S_CET, SSP and the interrupt shadow-stack table address are saved and loaded.'),
  control(29, 'loadPkrs', no, 'load PKRS', 'The host\'s supervisor protection keys are loaded.'),
  control(30, 'savePerfGlobalCtrl', yes, 'save IA32_PERF_GLOBAL_CTRL', 'The guest\'s value is saved.'),
  control(31, 'activateSecondaryControls', no, 'activate secondary controls', 'The secondary VM-exit controls are used; otherwise all of them count as 0.'),
] as const;

const secondaryExit = [
  control(0, 'saveFred', no, 'save FRED', 'The guest\'s FRED registers are saved.'),
  control(1, 'loadFred', no, 'load FRED', 'The host\'s FRED registers are loaded.'),
  control(2, 'loadSpecCtrl', no, 'load IA32_SPEC_CTRL', 'The host\'s value is loaded.'),
  control(3, 'prematurelyBusyShadowStack', no, 'prematurely busy shadow stack', 'The exit reason tells of a shadow stack that was marked busy too early.'),
] as const;

const entry = [
  control(2, 'loadDebugControls', yes, 'load debug controls', 'DR7 and IA32_DEBUGCTL are loaded from the guest-state area.'),
  control(9, 'ia32eModeGuest', yes, 'IA-32e mode guest', 'The guest runs in IA-32e mode after the entry.'),
  control(10, 'entryToSmm', no, 'entry to SMM', 'The processor is in system-management mode after the entry.'),
  control(11, 'deactivateDualMonitorTreatment', no, 'deactivate dual-monitor treatment', 'Ends the dual-monitor treatment of SMIs and SMM.'),
  control(13, 'loadPerfGlobalCtrl', yes, 'load IA32_PERF_GLOBAL_CTRL', 'The guest\'s value is loaded.'),
  control(14, 'loadPat', yes, 'load IA32_PAT', 'The guest\'s value is loaded.'),
  control(15, 'loadEfer', yes, 'load IA32_EFER', 'The guest\'s value is loaded.'),
  control(16, 'loadBndcfgs', no, 'load IA32_BNDCFGS', 'The guest\'s value is loaded.'),
  control(17, 'concealVmxFromPt', no, 'conceal VMX from PT', 'Processor-trace packets do not tell of the entry.'),
  control(18, 'loadRtitCtl', no, 'load IA32_RTIT_CTL', 'The guest\'s value is loaded.'),
  control(19, 'loadUinv', no, 'load UINV', 'The guest\'s user-interrupt notification vector is loaded.'),
  control(20, 'loadCetState', no, 'load CET state', 'The guest\'s IA32_S_CET, SSP and interrupt shadow-stack table address are loaded.'),
  control(21, 'loadLbrCtl', no, 'load guest IA32_LBR_CTL', 'The guest\'s value is loaded.'),
  control(22, 'loadPkrs', no, 'load PKRS', 'The guest\'s supervisor protection keys are loaded.'),
  control(23, 'loadFred', no, 'load FRED', 'The guest\'s FRED registers are loaded.'),
  control(24, 'loadSpecCtrl', no, 'load IA32_SPEC_CTRL', 'The guest\'s value is loaded.'),
  control(25, 'allowSeamGuestTelemetry', no, 'allow SEAM guest telemetry', 'Performance monitoring of trust domains (TDX processors).'),
] as const;

/** Rows of each control word. The key is the word's short name, used in references such as `secondary.enableEpt`. */
export const controlWords = { pin, primary, secondary, tertiary, exit, secondaryExit, entry } as const;

export type ControlWordName = keyof typeof controlWords;
export type ControlId<W extends ControlWordName> = (typeof controlWords)[W][number]['id'];
/** A control by name: `primary.hltExiting`. */
export type ControlRef = { [W in ControlWordName]: `${W}.${ControlId<W>}` }[ControlWordName];

export interface ControlWord {
  /** VMCS field that holds the word. */
  readonly field: string;
  readonly layout: string;
  readonly width: 32 | 64;
  /** Bits that are 1 on every processor unless the TRUE MSR lets a control named since then be 0: SDM 3D appendix A.2. */
  readonly default1: number;
  /** Capability MSR: for a 32-bit word, allowed-0 in the low half and allowed-1 in the high half; for a 64-bit word, allowed-1. */
  readonly msr: number;
  readonly trueMsr?: number;
  /** Control without which the whole word counts as 0. */
  readonly activatedBy?: ControlRef;
}

export const controlWordTraits: { readonly [W in ControlWordName]: ControlWord } = {
  pin: { field: 'PIN_BASED_CONTROLS', layout: 'pinBasedControls', width: 32, default1: 0x0000_0016, msr: 0x481, trueMsr: 0x48d },
  primary: { field: 'PRIMARY_PROC_BASED_CONTROLS', layout: 'primaryProcControls', width: 32, default1: 0x0401_e172, msr: 0x482, trueMsr: 0x48e },
  secondary: { field: 'SECONDARY_PROC_BASED_CONTROLS', layout: 'secondaryProcControls', width: 32, default1: 0, msr: 0x48b, activatedBy: 'primary.activateSecondaryControls' },
  tertiary: { field: 'TERTIARY_PROC_BASED_CONTROLS', layout: 'tertiaryProcControls', width: 64, default1: 0, msr: 0x492, activatedBy: 'primary.activateTertiaryControls' },
  exit: { field: 'VM_EXIT_CONTROLS', layout: 'vmExitControls', width: 32, default1: 0x0003_6dff, msr: 0x483, trueMsr: 0x48f },
  secondaryExit: { field: 'SECONDARY_VM_EXIT_CONTROLS', layout: 'secondaryVmExitControls', width: 64, default1: 0, msr: 0x493, activatedBy: 'exit.activateSecondaryControls' },
  entry: { field: 'VM_ENTRY_CONTROLS', layout: 'vmEntryControls', width: 32, default1: 0x0000_11ff, msr: 0x484, trueMsr: 0x490 },
};

export const controlWordNames = Object.keys(controlWords) as readonly ControlWordName[];

const byRef = new Map<string, Control>(controlWordNames.flatMap((word) => controlWords[word].map((row) => [`${word}.${row.id}`, row] as const)));

/** The row of a control; an unknown reference is our own mistake and throws. */
export function controlByRef(ref: ControlRef): Control {
  const row = byRef.get(ref);
  if (row === undefined) throw new Error(`no control '${ref}'`);
  return row;
}

/** Control reference to the mask of its bit within its word. */
export function controlMask(ref: ControlRef): bigint {
  return 1n << BigInt(controlByRef(ref).bit);
}

/** Whether `text` names a control. */
export function isControlRef(text: string): text is ControlRef {
  return byRef.has(text);
}
