/**
 * Every field of a virtual-machine control structure: SDM 3D appendix B 'Field Encoding in VMCS', SDM 3C 25.
 *
 * A row holds what cannot be derived. Width, type, index and the encoding of the high half follow from the encoding
 * (SDM 3C 25.11.2 'VMREAD, VMWRITE, and Encodings of VMCS Fields'); the place in our VMCS region follows from the row's number.
 */
import type { LayoutName } from './bit-layouts';

export type VmcsFieldWidth = 16 | 32 | 64 | 'natural';
export type VmcsFieldType = 'control' | 'read-only' | 'guest' | 'host';

export interface VmcsField {
  readonly encoding: number;
  readonly id: VmcsFieldId;
  readonly name: string;
  readonly width: VmcsFieldWidth;
  readonly type: VmcsFieldType;
  readonly index: number;
  /** Encoding that reaches bits 63:32; only 64-bit fields have one. */
  readonly highEncoding?: number;
  /** The field exists if one of these does: a control (`secondary.enableEpt`), `vmFunction.x`, `feature.x`, or `cr3Targets.n` (more than n targets). Absent: always. */
  readonly existsIf?: readonly string[];
  /** How to read the value. Exit qualification and instruction information depend on the exit reason and have none here. */
  readonly layout?: LayoutName;
  /** What lies at the address that the field holds. */
  readonly pointsTo?: LayoutName;
}

type Row = readonly [encoding: number, id: string, name: string, existsIf?: string, layout?: LayoutName | '', pointsTo?: LayoutName];

const rows = [
  [0x0000, 'VPID', 'Virtual-processor identifier (VPID)', 'secondary.enableVpid', 'vpid'],
  [0x0002, 'POSTED_INTERRUPT_NOTIFICATION_VECTOR', 'Posted-interrupt notification vector', 'pin.processPostedInterrupts'],
  [0x0004, 'EPTP_INDEX', 'EPTP index', 'secondary.eptViolationVe'],
  [0x0006, 'HLAT_PREFIX_SIZE', 'HLAT prefix size', 'tertiary.enableHlat'],
  [0x0008, 'LAST_PID_POINTER_INDEX', 'Last PID-pointer index', 'tertiary.ipiVirtualization'],
  [0x000a, 'VIRTUAL_TIMER_VECTOR', 'Virtual timer vector', 'tertiary.apicTimerVirtualization'],
  [0x0800, 'GUEST_ES_SELECTOR', 'Guest ES selector', '', 'selector'],
  [0x0802, 'GUEST_CS_SELECTOR', 'Guest CS selector', '', 'selector'],
  [0x0804, 'GUEST_SS_SELECTOR', 'Guest SS selector', '', 'selector'],
  [0x0806, 'GUEST_DS_SELECTOR', 'Guest DS selector', '', 'selector'],
  [0x0808, 'GUEST_FS_SELECTOR', 'Guest FS selector', '', 'selector'],
  [0x080a, 'GUEST_GS_SELECTOR', 'Guest GS selector', '', 'selector'],
  [0x080c, 'GUEST_LDTR_SELECTOR', 'Guest LDTR selector', '', 'selector'],
  [0x080e, 'GUEST_TR_SELECTOR', 'Guest TR selector', '', 'selector'],
  [0x0810, 'GUEST_INTERRUPT_STATUS', 'Guest interrupt status', 'secondary.virtualInterruptDelivery', 'guestInterruptStatus'],
  [0x0812, 'PML_INDEX', 'PML index', 'secondary.enablePml'],
  [0x0814, 'GUEST_UINV', 'Guest UINV', 'exit.clearUinv | entry.loadUinv'],
  [0x0c00, 'HOST_ES_SELECTOR', 'Host ES selector', '', 'selector'],
  [0x0c02, 'HOST_CS_SELECTOR', 'Host CS selector', '', 'selector'],
  [0x0c04, 'HOST_SS_SELECTOR', 'Host SS selector', '', 'selector'],
  [0x0c06, 'HOST_DS_SELECTOR', 'Host DS selector', '', 'selector'],
  [0x0c08, 'HOST_FS_SELECTOR', 'Host FS selector', '', 'selector'],
  [0x0c0a, 'HOST_GS_SELECTOR', 'Host GS selector', '', 'selector'],
  [0x0c0c, 'HOST_TR_SELECTOR', 'Host TR selector', '', 'selector'],
  [0x2000, 'IO_BITMAP_A_ADDRESS', 'Address of I/O bitmap A'],
  [0x2002, 'IO_BITMAP_B_ADDRESS', 'Address of I/O bitmap B'],
  [0x2004, 'MSR_BITMAPS_ADDRESS', 'Address of MSR bitmaps', 'primary.useMsrBitmaps'],
  [0x2006, 'VM_EXIT_MSR_STORE_ADDRESS', 'VM-exit MSR-store address', '', '', 'msrAreaEntry'],
  [0x2008, 'VM_EXIT_MSR_LOAD_ADDRESS', 'VM-exit MSR-load address', '', '', 'msrAreaEntry'],
  [0x200a, 'VM_ENTRY_MSR_LOAD_ADDRESS', 'VM-entry MSR-load address', '', '', 'msrAreaEntry'],
  [0x200c, 'EXECUTIVE_VMCS_POINTER', 'Executive-VMCS pointer'],
  [0x200e, 'PML_ADDRESS', 'PML address', 'secondary.enablePml'],
  [0x2010, 'TSC_OFFSET', 'TSC offset'],
  [0x2012, 'VIRTUAL_APIC_ADDRESS', 'Virtual-APIC address', 'primary.useTprShadow'],
  [0x2014, 'APIC_ACCESS_ADDRESS', 'APIC-access address', 'secondary.virtualizeApicAccesses'],
  [0x2016, 'POSTED_INTERRUPT_DESCRIPTOR_ADDRESS', 'Posted-interrupt descriptor address', 'pin.processPostedInterrupts', '', 'postedInterruptDescriptor'],
  [0x2018, 'VM_FUNCTION_CONTROLS', 'VM-function controls', 'secondary.enableVmFunctions', 'vmFunctionControls'],
  [0x201a, 'EPT_POINTER', 'EPT pointer (EPTP)', 'secondary.enableEpt', 'eptp'],
  [0x201c, 'EOI_EXIT_BITMAP_0', 'EOI-exit bitmap 0 (EOI_EXIT0)', 'secondary.virtualInterruptDelivery'],
  [0x201e, 'EOI_EXIT_BITMAP_1', 'EOI-exit bitmap 1 (EOI_EXIT1)', 'secondary.virtualInterruptDelivery'],
  [0x2020, 'EOI_EXIT_BITMAP_2', 'EOI-exit bitmap 2 (EOI_EXIT2)', 'secondary.virtualInterruptDelivery'],
  [0x2022, 'EOI_EXIT_BITMAP_3', 'EOI-exit bitmap 3 (EOI_EXIT3)', 'secondary.virtualInterruptDelivery'],
  [0x2024, 'EPTP_LIST_ADDRESS', 'EPTP-list address', 'vmFunction.eptpSwitching'],
  [0x2026, 'VMREAD_BITMAP_ADDRESS', 'VMREAD-bitmap address', 'secondary.vmcsShadowing'],
  [0x2028, 'VMWRITE_BITMAP_ADDRESS', 'VMWRITE-bitmap address', 'secondary.vmcsShadowing'],
  [0x202a, 'VE_INFORMATION_ADDRESS', 'Virtualization-exception information address', 'secondary.eptViolationVe', '', 'veInformationArea'],
  [0x202c, 'XSS_EXITING_BITMAP', 'XSS-exiting bitmap', 'secondary.enableXsaves'],
  [0x202e, 'ENCLS_EXITING_BITMAP', 'ENCLS-exiting bitmap', 'secondary.enableEnclsExiting'],
  [0x2030, 'SPPT_POINTER', 'Sub-page-permission-table pointer (SPPTP)', 'secondary.subPageWritePermissions'],
  [0x2032, 'TSC_MULTIPLIER', 'TSC multiplier', 'secondary.useTscScaling'],
  [0x2034, 'TERTIARY_PROC_BASED_CONTROLS', 'Tertiary processor-based VM-execution controls', 'primary.activateTertiaryControls', 'tertiaryProcControls'],
  [0x2036, 'ENCLV_EXITING_BITMAP', 'ENCLV-exiting bitmap', 'secondary.enableEnclvExiting'],
  [0x2038, 'LOW_PASID_DIRECTORY_ADDRESS', 'Low PASID directory address', 'secondary.pasidTranslation'],
  [0x203a, 'HIGH_PASID_DIRECTORY_ADDRESS', 'High PASID directory address', 'secondary.pasidTranslation'],
  [0x203c, 'SHARED_EPT_POINTER', 'Shared EPT pointer', 'tertiary.seamGuestPhysicalAddressWidth'],
  [0x203e, 'PCONFIG_EXITING_BITMAP', 'PCONFIG-exiting bitmap', 'secondary.enablePconfig'],
  [0x2040, 'HLAT_POINTER', 'Hypervisor-managed linear-address translation pointer (HLATP)', 'tertiary.enableHlat', 'hlatp'],
  [0x2042, 'PID_POINTER_TABLE_ADDRESS', 'PID-pointer table address', 'tertiary.ipiVirtualization'],
  [0x2044, 'SECONDARY_VM_EXIT_CONTROLS', 'Secondary VM-exit controls', 'exit.activateSecondaryControls', 'secondaryVmExitControls'],
  [0x204a, 'IA32_SPEC_CTRL_MASK', 'IA32_SPEC_CTRL mask', 'tertiary.virtualizeSpecCtrl', 'specCtrl'],
  [0x204c, 'IA32_SPEC_CTRL_SHADOW', 'IA32_SPEC_CTRL shadow', 'tertiary.virtualizeSpecCtrl', 'specCtrl'],
  [0x204e, 'GUEST_DEADLINE_SHADOW', 'Guest deadline shadow', 'tertiary.apicTimerVirtualization'],
  [0x2052, 'INJECTED_EVENT_DATA', 'Injected-event data', 'feature.fred'],
  [0x2400, 'GUEST_PHYSICAL_ADDRESS', 'Guest-physical address', 'secondary.enableEpt'],
  [0x2402, 'MSR_DATA', 'MSR data', 'tertiary.enableMsrListInstructions'],
  [0x2404, 'ORIGINAL_EVENT_DATA', 'Original-event data', 'feature.fred'],
  [0x2800, 'VMCS_LINK_POINTER', 'VMCS link pointer'],
  [0x2802, 'GUEST_IA32_DEBUGCTL', 'Guest IA32_DEBUGCTL', '', 'debugctl'],
  [0x2804, 'GUEST_IA32_PAT', 'Guest IA32_PAT', 'entry.loadPat | exit.savePat', 'pat'],
  [0x2806, 'GUEST_IA32_EFER', 'Guest IA32_EFER', 'entry.loadEfer | exit.saveEfer', 'efer'],
  [0x2808, 'GUEST_IA32_PERF_GLOBAL_CTRL', 'Guest IA32_PERF_GLOBAL_CTRL', 'entry.loadPerfGlobalCtrl | exit.savePerfGlobalCtrl', 'perfGlobalCtrl'],
  [0x280a, 'GUEST_PDPTE0', 'Guest PDPTE0', 'secondary.enableEpt'],
  [0x280c, 'GUEST_PDPTE1', 'Guest PDPTE1', 'secondary.enableEpt'],
  [0x280e, 'GUEST_PDPTE2', 'Guest PDPTE2', 'secondary.enableEpt'],
  [0x2810, 'GUEST_PDPTE3', 'Guest PDPTE3', 'secondary.enableEpt'],
  [0x2812, 'GUEST_IA32_BNDCFGS', 'Guest IA32_BNDCFGS', 'entry.loadBndcfgs | exit.clearBndcfgs', 'bndcfgs'],
  [0x2814, 'GUEST_IA32_RTIT_CTL', 'Guest IA32_RTIT_CTL', 'entry.loadRtitCtl | exit.clearRtitCtl'],
  [0x2816, 'GUEST_IA32_LBR_CTL', 'Guest IA32_LBR_CTL', 'entry.loadLbrCtl | exit.clearLbrCtl'],
  [0x2818, 'GUEST_IA32_PKRS', 'Guest IA32_PKRS', 'entry.loadPkrs'],
  [0x281a, 'GUEST_IA32_FRED_CONFIG', 'Guest IA32_FRED_CONFIG', 'entry.loadFred | secondaryExit.saveFred'],
  [0x281c, 'GUEST_IA32_FRED_RSP1', 'Guest IA32_FRED_RSP1', 'entry.loadFred | secondaryExit.saveFred'],
  [0x281e, 'GUEST_IA32_FRED_RSP2', 'Guest IA32_FRED_RSP2', 'entry.loadFred | secondaryExit.saveFred'],
  [0x2820, 'GUEST_IA32_FRED_RSP3', 'Guest IA32_FRED_RSP3', 'entry.loadFred | secondaryExit.saveFred'],
  [0x2822, 'GUEST_IA32_FRED_STKLVLS', 'Guest IA32_FRED_STKLVLS', 'entry.loadFred | secondaryExit.saveFred'],
  [0x2824, 'GUEST_IA32_FRED_SSP1', 'Guest IA32_FRED_SSP1', 'entry.loadFred | secondaryExit.saveFred'],
  [0x2826, 'GUEST_IA32_FRED_SSP2', 'Guest IA32_FRED_SSP2', 'entry.loadFred | secondaryExit.saveFred'],
  [0x2828, 'GUEST_IA32_FRED_SSP3', 'Guest IA32_FRED_SSP3', 'entry.loadFred | secondaryExit.saveFred'],
  [0x282e, 'GUEST_IA32_SPEC_CTRL', 'Guest IA32_SPEC_CTRL', 'entry.loadSpecCtrl', 'specCtrl'],
  [0x2830, 'GUEST_DEADLINE', 'Guest deadline', 'tertiary.apicTimerVirtualization'],
  [0x2c00, 'HOST_IA32_PAT', 'Host IA32_PAT', 'exit.loadPat', 'pat'],
  [0x2c02, 'HOST_IA32_EFER', 'Host IA32_EFER', 'exit.loadEfer', 'efer'],
  [0x2c04, 'HOST_IA32_PERF_GLOBAL_CTRL', 'Host IA32_PERF_GLOBAL_CTRL', 'exit.loadPerfGlobalCtrl', 'perfGlobalCtrl'],
  [0x2c06, 'HOST_IA32_PKRS', 'Host IA32_PKRS', 'exit.loadPkrs'],
  [0x2c08, 'HOST_IA32_FRED_CONFIG', 'Host IA32_FRED_CONFIG', 'secondaryExit.loadFred'],
  [0x2c0a, 'HOST_IA32_FRED_RSP1', 'Host IA32_FRED_RSP1', 'secondaryExit.loadFred'],
  [0x2c0c, 'HOST_IA32_FRED_RSP2', 'Host IA32_FRED_RSP2', 'secondaryExit.loadFred'],
  [0x2c0e, 'HOST_IA32_FRED_RSP3', 'Host IA32_FRED_RSP3', 'secondaryExit.loadFred'],
  [0x2c10, 'HOST_IA32_FRED_STKLVLS', 'Host IA32_FRED_STKLVLS', 'secondaryExit.loadFred'],
  [0x2c12, 'HOST_IA32_FRED_SSP1', 'Host IA32_FRED_SSP1', 'secondaryExit.loadFred'],
  [0x2c14, 'HOST_IA32_FRED_SSP2', 'Host IA32_FRED_SSP2', 'secondaryExit.loadFred'],
  [0x2c16, 'HOST_IA32_FRED_SSP3', 'Host IA32_FRED_SSP3', 'secondaryExit.loadFred'],
  [0x2c1a, 'HOST_IA32_SPEC_CTRL', 'Host IA32_SPEC_CTRL', 'secondaryExit.loadSpecCtrl', 'specCtrl'],
  [0x4000, 'PIN_BASED_CONTROLS', 'Pin-based VM-execution controls', '', 'pinBasedControls'],
  [0x4002, 'PRIMARY_PROC_BASED_CONTROLS', 'Primary processor-based VM-execution controls', '', 'primaryProcControls'],
  [0x4004, 'EXCEPTION_BITMAP', 'Exception bitmap', '', 'exceptionBitmap'],
  [0x4006, 'PAGE_FAULT_ERROR_CODE_MASK', 'Page-fault error-code mask', '', 'pageFaultErrorCode'],
  [0x4008, 'PAGE_FAULT_ERROR_CODE_MATCH', 'Page-fault error-code match', '', 'pageFaultErrorCode'],
  [0x400a, 'CR3_TARGET_COUNT', 'CR3-target count'],
  [0x400c, 'VM_EXIT_CONTROLS', 'Primary VM-exit controls', '', 'vmExitControls'],
  [0x400e, 'VM_EXIT_MSR_STORE_COUNT', 'VM-exit MSR-store count'],
  [0x4010, 'VM_EXIT_MSR_LOAD_COUNT', 'VM-exit MSR-load count'],
  [0x4012, 'VM_ENTRY_CONTROLS', 'VM-entry controls', '', 'vmEntryControls'],
  [0x4014, 'VM_ENTRY_MSR_LOAD_COUNT', 'VM-entry MSR-load count'],
  [0x4016, 'VM_ENTRY_INTERRUPTION_INFO', 'VM-entry interruption-information field', '', 'vmEntryInterruptionInfo'],
  [0x4018, 'VM_ENTRY_EXCEPTION_ERROR_CODE', 'VM-entry exception error code'],
  [0x401a, 'VM_ENTRY_INSTRUCTION_LENGTH', 'VM-entry instruction length'],
  [0x401c, 'TPR_THRESHOLD', 'TPR threshold', 'primary.useTprShadow', 'tprThreshold'],
  [0x401e, 'SECONDARY_PROC_BASED_CONTROLS', 'Secondary processor-based VM-execution controls', 'primary.activateSecondaryControls', 'secondaryProcControls'],
  [0x4020, 'PLE_GAP', 'PLE_Gap', 'secondary.pauseLoopExiting'],
  [0x4022, 'PLE_WINDOW', 'PLE_Window', 'secondary.pauseLoopExiting'],
  [0x4024, 'INSTRUCTION_TIMEOUT_CONTROL', 'Instruction-timeout control', 'secondary.instructionTimeout'],
  [0x4026, 'SEAM_GUEST_KEYID', 'SEAM guest key ID', 'feature.tdx'],
  [0x4400, 'VM_INSTRUCTION_ERROR', 'VM-instruction error'],
  [0x4402, 'EXIT_REASON', 'Exit reason', '', 'exitReason'],
  [0x4404, 'VM_EXIT_INTERRUPTION_INFO', 'VM-exit interruption information', '', 'vmExitInterruptionInfo'],
  [0x4406, 'VM_EXIT_INTERRUPTION_ERROR_CODE', 'VM-exit interruption error code'],
  [0x4408, 'IDT_VECTORING_INFO', 'IDT-vectoring information field', '', 'idtVectoringInfo'],
  [0x440a, 'IDT_VECTORING_ERROR_CODE', 'IDT-vectoring error code'],
  [0x440c, 'VM_EXIT_INSTRUCTION_LENGTH', 'VM-exit instruction length'],
  [0x440e, 'VM_EXIT_INSTRUCTION_INFO', 'VM-exit instruction information'],
  [0x4800, 'GUEST_ES_LIMIT', 'Guest ES limit'],
  [0x4802, 'GUEST_CS_LIMIT', 'Guest CS limit'],
  [0x4804, 'GUEST_SS_LIMIT', 'Guest SS limit'],
  [0x4806, 'GUEST_DS_LIMIT', 'Guest DS limit'],
  [0x4808, 'GUEST_FS_LIMIT', 'Guest FS limit'],
  [0x480a, 'GUEST_GS_LIMIT', 'Guest GS limit'],
  [0x480c, 'GUEST_LDTR_LIMIT', 'Guest LDTR limit'],
  [0x480e, 'GUEST_TR_LIMIT', 'Guest TR limit'],
  [0x4810, 'GUEST_GDTR_LIMIT', 'Guest GDTR limit'],
  [0x4812, 'GUEST_IDTR_LIMIT', 'Guest IDTR limit'],
  [0x4814, 'GUEST_ES_ACCESS_RIGHTS', 'Guest ES access rights', '', 'accessRights'],
  [0x4816, 'GUEST_CS_ACCESS_RIGHTS', 'Guest CS access rights', '', 'accessRights'],
  [0x4818, 'GUEST_SS_ACCESS_RIGHTS', 'Guest SS access rights', '', 'accessRights'],
  [0x481a, 'GUEST_DS_ACCESS_RIGHTS', 'Guest DS access rights', '', 'accessRights'],
  [0x481c, 'GUEST_FS_ACCESS_RIGHTS', 'Guest FS access rights', '', 'accessRights'],
  [0x481e, 'GUEST_GS_ACCESS_RIGHTS', 'Guest GS access rights', '', 'accessRights'],
  [0x4820, 'GUEST_LDTR_ACCESS_RIGHTS', 'Guest LDTR access rights', '', 'accessRights'],
  [0x4822, 'GUEST_TR_ACCESS_RIGHTS', 'Guest TR access rights', '', 'accessRights'],
  [0x4824, 'GUEST_INTERRUPTIBILITY_STATE', 'Guest interruptibility state', '', 'interruptibilityState'],
  [0x4826, 'GUEST_ACTIVITY_STATE', 'Guest activity state', '', 'activityState'],
  [0x4828, 'GUEST_SMBASE', 'Guest SMBASE'],
  [0x482a, 'GUEST_IA32_SYSENTER_CS', 'Guest IA32_SYSENTER_CS'],
  [0x482e, 'VMX_PREEMPTION_TIMER_VALUE', 'VMX-preemption timer value', 'pin.activatePreemptionTimer'],
  [0x4c00, 'HOST_IA32_SYSENTER_CS', 'Host IA32_SYSENTER_CS'],
  [0x6000, 'CR0_GUEST_HOST_MASK', 'CR0 guest/host mask', '', 'cr0'],
  [0x6002, 'CR4_GUEST_HOST_MASK', 'CR4 guest/host mask', '', 'cr4'],
  [0x6004, 'CR0_READ_SHADOW', 'CR0 read shadow', '', 'cr0'],
  [0x6006, 'CR4_READ_SHADOW', 'CR4 read shadow', '', 'cr4'],
  [0x6008, 'CR3_TARGET_VALUE_0', 'CR3-target value 0', 'cr3Targets.0'],
  [0x600a, 'CR3_TARGET_VALUE_1', 'CR3-target value 1', 'cr3Targets.1'],
  [0x600c, 'CR3_TARGET_VALUE_2', 'CR3-target value 2', 'cr3Targets.2'],
  [0x600e, 'CR3_TARGET_VALUE_3', 'CR3-target value 3', 'cr3Targets.3'],
  [0x6400, 'EXIT_QUALIFICATION', 'Exit qualification'],
  [0x6402, 'IO_RCX', 'I/O RCX'],
  [0x6404, 'IO_RSI', 'I/O RSI'],
  [0x6406, 'IO_RDI', 'I/O RDI'],
  [0x6408, 'IO_RIP', 'I/O RIP'],
  [0x640a, 'GUEST_LINEAR_ADDRESS', 'Guest-linear address'],
  [0x6800, 'GUEST_CR0', 'Guest CR0', '', 'cr0'],
  [0x6802, 'GUEST_CR3', 'Guest CR3', '', 'cr3'],
  [0x6804, 'GUEST_CR4', 'Guest CR4', '', 'cr4'],
  [0x6806, 'GUEST_ES_BASE', 'Guest ES base'],
  [0x6808, 'GUEST_CS_BASE', 'Guest CS base'],
  [0x680a, 'GUEST_SS_BASE', 'Guest SS base'],
  [0x680c, 'GUEST_DS_BASE', 'Guest DS base'],
  [0x680e, 'GUEST_FS_BASE', 'Guest FS base'],
  [0x6810, 'GUEST_GS_BASE', 'Guest GS base'],
  [0x6812, 'GUEST_LDTR_BASE', 'Guest LDTR base'],
  [0x6814, 'GUEST_TR_BASE', 'Guest TR base'],
  [0x6816, 'GUEST_GDTR_BASE', 'Guest GDTR base'],
  [0x6818, 'GUEST_IDTR_BASE', 'Guest IDTR base'],
  [0x681a, 'GUEST_DR7', 'Guest DR7', '', 'dr7'],
  [0x681c, 'GUEST_RSP', 'Guest RSP'],
  [0x681e, 'GUEST_RIP', 'Guest RIP'],
  [0x6820, 'GUEST_RFLAGS', 'Guest RFLAGS', '', 'rflags'],
  [0x6822, 'GUEST_PENDING_DEBUG_EXCEPTIONS', 'Guest pending debug exceptions', '', 'pendingDebugExceptions'],
  [0x6824, 'GUEST_IA32_SYSENTER_ESP', 'Guest IA32_SYSENTER_ESP'],
  [0x6826, 'GUEST_IA32_SYSENTER_EIP', 'Guest IA32_SYSENTER_EIP'],
  [0x6828, 'GUEST_IA32_S_CET', 'Guest IA32_S_CET', 'entry.loadCetState | exit.loadCetState', 'sCet'],
  [0x682a, 'GUEST_SSP', 'Guest SSP', 'entry.loadCetState | exit.loadCetState'],
  [0x682c, 'GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR', 'Guest IA32_INTERRUPT_SSP_TABLE_ADDR', 'entry.loadCetState | exit.loadCetState'],
  [0x6c00, 'HOST_CR0', 'Host CR0', '', 'cr0'],
  [0x6c02, 'HOST_CR3', 'Host CR3', '', 'cr3'],
  [0x6c04, 'HOST_CR4', 'Host CR4', '', 'cr4'],
  [0x6c06, 'HOST_FS_BASE', 'Host FS base'],
  [0x6c08, 'HOST_GS_BASE', 'Host GS base'],
  [0x6c0a, 'HOST_TR_BASE', 'Host TR base'],
  [0x6c0c, 'HOST_GDTR_BASE', 'Host GDTR base'],
  [0x6c0e, 'HOST_IDTR_BASE', 'Host IDTR base'],
  [0x6c10, 'HOST_IA32_SYSENTER_ESP', 'Host IA32_SYSENTER_ESP'],
  [0x6c12, 'HOST_IA32_SYSENTER_EIP', 'Host IA32_SYSENTER_EIP'],
  [0x6c14, 'HOST_RSP', 'Host RSP'],
  [0x6c16, 'HOST_RIP', 'Host RIP'],
  [0x6c18, 'HOST_IA32_S_CET', 'Host IA32_S_CET', 'exit.loadCetState', 'sCet'],
  [0x6c1a, 'HOST_SSP', 'Host SSP', 'exit.loadCetState'],
  [0x6c1c, 'HOST_IA32_INTERRUPT_SSP_TABLE_ADDR', 'Host IA32_INTERRUPT_SSP_TABLE_ADDR', 'exit.loadCetState'],
] as const satisfies readonly Row[];

export type VmcsFieldId = (typeof rows)[number][1];

const widths: readonly VmcsFieldWidth[] = [16, 64, 32, 'natural'];
const types: readonly VmcsFieldType[] = ['control', 'read-only', 'guest', 'host'];

/** Width that an encoding stands for: bits 14:13. */
export function widthOfEncoding(encoding: number): VmcsFieldWidth {
  return widths[(encoding >> 13) & 3]!;
}

/** Type that an encoding stands for: bits 11:10. */
export function typeOfEncoding(encoding: number): VmcsFieldType {
  return types[(encoding >> 10) & 3]!;
}

/** Index that an encoding stands for: bits 9:1. */
export function indexOfEncoding(encoding: number): number {
  return (encoding >> 1) & 0x1ff;
}

/** All fields, in the order of their encodings within each width and type. */
export const vmcsFields: readonly VmcsField[] = (rows as readonly Row[]).map(([encoding, id, name, existsIf, layout, pointsTo]) => {
  const width = widthOfEncoding(encoding);
  return {
    encoding, id: id as VmcsFieldId, name, width, type: typeOfEncoding(encoding), index: indexOfEncoding(encoding),
    ...(width === 64 && { highEncoding: encoding | 1 }),
    ...(existsIf && { existsIf: existsIf.split(' | ') }),
    ...(layout && { layout }),
    ...(pointsTo && { pointsTo }),
  };
});

const byId = new Map<string, VmcsField>(vmcsFields.map((field) => [field.id, field]));
const byEncoding = new Map<number, VmcsField>(vmcsFields.map((field) => [field.encoding, field]));
const numberById = new Map<string, number>(vmcsFields.map((field, number) => [field.id, number]));

/** The field called `id`; an unknown id is our own mistake and throws. */
export function vmcsFieldById(id: VmcsFieldId): VmcsField {
  const field = byId.get(id);
  if (field === undefined) throw new Error(`no VMCS field '${id}'`);
  return field;
}

/** Whether `text` is the id of a field. */
export function isVmcsFieldId(text: string): text is VmcsFieldId {
  return byId.has(text);
}

/** The field that `encoding` reaches, wholly or (bit 0 set) its high half; undefined where none is assigned. */
export function vmcsFieldByEncoding(encoding: number): VmcsField | undefined {
  const field = byEncoding.get(encoding & ~1);
  return field !== undefined && ((encoding & 1) === 0 || field.highEncoding === encoding) ? field : undefined;
}

/** Bits that the field has on a processor with Intel 64. */
export function vmcsFieldBits(field: VmcsField): 16 | 32 | 64 {
  return field.width === 'natural' ? 64 : field.width;
}

/**
 * Our VMCS region, 4 KiB in host-physical memory: SDM 3C 25.2 'Format of the VMCS Region'.
 * Only the first two words are architectural; the rest is this processor's own format.
 */
export const vmcsRegion = {
  size: 4096,
  /** Revision identifier in bits 30:0, shadow-VMCS indicator in bit 31. */
  revisionOffset: 0,
  abortIndicatorOffset: 4,
  /** Dword: 0 clear, 1 launched. */
  launchStateOffset: 8,
  /** Dword, 0. */
  reservedOffset: 12,
  /** Field number n of the table lies at `fieldsOffset + 8 * n`, as 64 bits, zero-extended. */
  fieldsOffset: 64,
} as const;

/** Byte offset of a field's 64-bit slot in the VMCS region. */
export function vmcsOffset(id: VmcsFieldId): number {
  const number = numberById.get(id);
  if (number === undefined) throw new Error(`no VMCS field '${id}'`);
  return vmcsRegion.fieldsOffset + 8 * number;
}

if (vmcsRegion.fieldsOffset + 8 * vmcsFields.length > vmcsRegion.size) throw new Error('the VMCS region is too small for its fields');
