/**
 * Checks on the control fields: SDM 3C 27.1 'Basic VM-Entry Checks', 27.2.1 'Checks on VMX Controls'.
 * The processor may make those of 27.2.1 in any order; ours is that of the table.
 */
import { both, always, check } from './row';
import type { CheckRow, CheckSection } from './row';
import type { VmcsFieldId } from '../vmcs-fields';

const alignPage = 'Use the address of a whole 4-KByte page: its low 12 bits are 0.';
const fitWidth = 'Use a physical address within the physical-address width of the processor; look for a linear address or a stray high bit.';
const readCapability = (msr: string): string => `Start from ${msr}: set the bits of its low half, and clear those that its high half does not have.`;

/** Alignment and width of an address, as two rows. */
function address(name: string, when: string, field: VmcsFieldId, what: string, lowBit: number, feature?: string): CheckRow[] {
  const more = feature === undefined ? {} : { feature };
  return [
    check(`${name}Align`, when, `${field}[${lowBit}:0] = 0`, `The address of ${what} is a multiple of ${2 ** (lowBit + 1)}.`, lowBit === 11 ? alignPage : `Align it to ${2 ** (lowBit + 1)} bytes.`, more),
    check(`${name}Width`, when, `withinWidth(${field})`, `The address of ${what} fits in the physical-address width.`, fitWidth, more),
  ];
}

/** Alignment and width of an address, as one row. */
function page(name: string, when: string, fields: readonly VmcsFieldId[], what: string, feature?: string): CheckRow {
  const require = fields.map((field) => `${field}[11:0] = 0 and withinWidth(${field})`).join(' and ');
  return check(name, when, require, `The address of ${what} is a multiple of 4096 and fits in the physical-address width.`, `${alignPage} ${fitWidth}`, feature === undefined ? {} : { feature });
}

/** The area of MSRs that an entry or exit goes through: 16 bytes an entry. */
function msrArea(name: string, address: VmcsFieldId, count: VmcsFieldId, what: string): CheckRow[] {
  const when = `${count} != 0`;
  return [
    check(`${name}Align`, when, `${address}[3:0] = 0`, `The ${what} area starts at a multiple of 16.`, 'Align the area to 16 bytes, or set its count to 0.', { fields: [address, count] }),
    check(`${name}Width`, when, `withinWidth(${address})`, `The address of the ${what} area fits in the physical-address width.`, `${fitWidth} Or set the count to 0.`, { fields: [address, count] }),
    check(`${name}End`, both(when, `withinWidth(${address})`), `withinWidth(${address} + 16 * ${count} - 1)`, `The last byte of the ${what} area fits in the physical-address width.`,
      'Check the count: it counts entries of 16 bytes, not bytes.'),
  ];
}

const basic: CheckSection = {
  id: 'basic', number: '27.1', title: 'Basic VM-Entry Checks', outcome: '#UD', where: 'instruction',
  checks: [
    check('mode', always, 'now.modeAllowsVmx', 'VM entry is possible in VMX operation only, in protected or 64-bit mode.', 'Execute VMXON first; do not use virtual-8086 or compatibility mode.'),
    check('nonroot', always, 'not now.nonRoot', 'VMLAUNCH and VMRESUME in a guest exit to its hypervisor.', 'The hypervisor below has to emulate the entry.', { outcome: 'VM exit' }),
    check('cpl', always, 'now.cpl = 0', 'VM entry is possible at CPL 0 only.', 'Execute the instruction in the kernel.', { outcome: '#GP(0)' }),
    check('currentVmcs', always, 'now.hasCurrentVmcs', 'There is a current VMCS.', 'Execute VMPTRLD first; VMCLEAR of the current VMCS leaves none.', { outcome: 'VMfailInvalid' }),
    check('shadow', always, 'not now.currentIsShadow', 'The current VMCS is not a shadow VMCS.', 'Clear bit 31 of the first dword of the region before VMPTRLD.', { outcome: 'VMfailInvalid' }),
    check('movss', always, 'not now.blockingByMovSs', 'VM entry does not directly follow MOV SS or POP SS.', 'Put another instruction between.', { outcome: 'VMfailValid(26)' }),
    check('launchClear', 'now.vmlaunch', 'not now.launched', 'VMLAUNCH needs a VMCS whose launch state is clear.', 'Use VMRESUME for a VMCS that was launched, or VMCLEAR it.',
      { outcome: 'VMfailValid(4)' }),
    check('launchLaunched', 'not now.vmlaunch', 'now.launched', 'VMRESUME needs a VMCS whose launch state is launched.', 'Use VMLAUNCH for the first entry after VMCLEAR.', { outcome: 'VMfailValid(5)' }),
  ],
};

const onlyWithTprShadow = 'Set \'use TPR shadow\' in the primary controls, or clear the others.';

const execution: CheckSection = {
  id: 'controls.exec', number: '27.2.1.1', title: 'VM-Execution Control Fields', outcome: 'VMfailValid(7)',
  checks: [
    check('pinReserved', always, 'allowed(pin)', 'Reserved bits of the pin-based controls are set as the processor demands.', readCapability('IA32_VMX_TRUE_PINBASED_CTLS')),
    check('primaryReserved', always, 'allowed(primary)', 'Reserved bits of the primary controls are set as the processor demands.', readCapability('IA32_VMX_TRUE_PROCBASED_CTLS')),
    check('secondaryReserved', 'primary.activateSecondaryControls', 'allowed(secondary)', 'The secondary controls are among those that the processor has.', readCapability('IA32_VMX_PROCBASED_CTLS2')),
    check('tertiaryReserved', 'primary.activateTertiaryControls', 'allowed(tertiary)', 'The tertiary controls are among those that the processor has.',
      'Clear the bits that IA32_VMX_PROCBASED_CTLS3 does not have.', { feature: 'primary.activateTertiaryControls' }),
    check('cr3TargetCount', always, 'CR3_TARGET_COUNT <= misc.cr3Targets', 'There are not more CR3-target values than IA32_VMX_MISC says.', 'Set the CR3-target count to 4 or less.'),
    check('ioBitmapAlign', 'primary.useIoBitmaps', 'IO_BITMAP_A_ADDRESS[11:0] = 0 and IO_BITMAP_B_ADDRESS[11:0] = 0', 'The addresses of both I/O bitmaps are multiples of 4096.', alignPage),
    check('ioBitmapWidth', 'primary.useIoBitmaps', 'withinWidth(IO_BITMAP_A_ADDRESS) and withinWidth(IO_BITMAP_B_ADDRESS)',
      'The addresses of both I/O bitmaps fit in the physical-address width.', fitWidth),
    ...address('msrBitmap', 'primary.useMsrBitmaps', 'MSR_BITMAPS_ADDRESS', 'the MSR bitmaps', 11),
    ...address('virtualApic', 'primary.useTprShadow', 'VIRTUAL_APIC_ADDRESS', 'the virtual-APIC page', 11, 'primary.useTprShadow'),
    check('tprThresholdReserved', 'primary.useTprShadow and not secondary.virtualInterruptDelivery', 'TPR_THRESHOLD[31:4] = 0', 'Only the low four bits of the TPR threshold are used.',
      'Give the threshold as a priority class, 0 to 15.', { feature: 'primary.useTprShadow' }),
    check('tprThresholdVtpr', 'primary.useTprShadow and not secondary.virtualizeApicAccesses and not secondary.virtualInterruptDelivery', 'TPR_THRESHOLD[3:0] <= memory.vtpr[7:4]',
      'The TPR threshold is not above the virtual task priority.', 'Lower the threshold, or handle the pending interrupt before the entry.',
      { feature: 'primary.useTprShadow', where: 'memory', fields: ['TPR_THRESHOLD', 'VIRTUAL_APIC_ADDRESS'] }),
    check('virtualNmi', 'not pin.nmiExiting', 'not pin.virtualNmis', 'Virtual NMIs need NMI exiting.', 'Set \'NMI exiting\' as well.'),
    check('nmiWindow', 'not pin.virtualNmis', 'not primary.nmiWindowExiting', 'NMI-window exiting needs virtual NMIs.', 'Set \'virtual NMIs\' as well.'),
    ...address('apicAccess', 'secondary.virtualizeApicAccesses', 'APIC_ACCESS_ADDRESS', 'the APIC-access page', 11, 'secondary.virtualizeApicAccesses'),
    check('noTprShadowDependents', 'not primary.useTprShadow', 'not secondary.virtualizeX2apicMode and not secondary.apicRegisterVirtualization and not secondary.virtualInterruptDelivery',
      'Virtualization of APIC registers and of interrupts needs the TPR shadow.', onlyWithTprShadow, { feature: 'primary.useTprShadow' }),
    check('noTprShadowIpi', 'not primary.useTprShadow', 'not tertiary.ipiVirtualization', 'IPI virtualization needs the TPR shadow.', onlyWithTprShadow, { feature: 'tertiary.ipiVirtualization' }),
    check('x2apicVsApicAccess', 'secondary.virtualizeX2apicMode', 'not secondary.virtualizeApicAccesses', 'The APIC is virtualized as x2APIC MSRs or as a page, not both.',
      'Clear one of the two controls.', { feature: 'secondary.virtualizeX2apicMode' }),
    check('vidNeedsExtInt', 'secondary.virtualInterruptDelivery', 'pin.externalInterruptExiting', 'Virtual-interrupt delivery needs external-interrupt exiting.',
      'Set \'external-interrupt exiting\' as well.', { feature: 'secondary.virtualInterruptDelivery' }),
    check('postedNeedsVid', 'pin.processPostedInterrupts', 'secondary.virtualInterruptDelivery', 'Posted interrupts need virtual-interrupt delivery.',
      'Set \'virtual-interrupt delivery\' as well.', { feature: 'pin.processPostedInterrupts' }),
    check('postedNeedsAck', 'pin.processPostedInterrupts', 'exit.acknowledgeInterruptOnExit', 'Posted interrupts need the exit to acknowledge interrupts.',
      'Set \'acknowledge interrupt on exit\' as well.', { feature: 'pin.processPostedInterrupts' }),
    check('postedVector', 'pin.processPostedInterrupts', 'POSTED_INTERRUPT_NOTIFICATION_VECTOR[15:8] = 0', 'The notification vector is 0 to 255.', 'Use an interrupt vector.',
      { feature: 'pin.processPostedInterrupts' }),
    check('postedDescAlign', 'pin.processPostedInterrupts', 'POSTED_INTERRUPT_DESCRIPTOR_ADDRESS[5:0] = 0', 'The posted-interrupt descriptor starts at a multiple of 64.',
      'Align the descriptor to 64 bytes.', { feature: 'pin.processPostedInterrupts' }),
    check('postedDescWidth', 'pin.processPostedInterrupts', 'withinWidth(POSTED_INTERRUPT_DESCRIPTOR_ADDRESS)',
      'The address of the posted-interrupt descriptor fits in the physical-address width.', fitWidth, { feature: 'pin.processPostedInterrupts' }),
    check('vpidNonzero', 'secondary.enableVpid', 'VPID != 0', 'VPID 0 belongs to root operation.', 'Give each virtual processor a VPID from 1 up, or clear \'enable VPID\'.'),
    check('eptpMemType', 'secondary.enableEpt', 'EPT_POINTER.memoryType = 0 and eptVpidCap.memoryTypeUc or EPT_POINTER.memoryType = 6 and eptVpidCap.memoryTypeWb',
      'The EPT paging structures have a memory type that the processor allows.', 'Use 6 (write-back) in bits 2:0 of the EPT pointer.'),
    check('eptpWalkLength', 'secondary.enableEpt', 'EPT_POINTER.walkLengthMinus1 = 3 and eptVpidCap.walkLength4 or EPT_POINTER.walkLengthMinus1 = 4 and eptVpidCap.walkLength5',
      'The EPT page walk has a length that the processor allows.', 'Put the number of levels less 1 into bits 5:3 of the EPT pointer: 3.'),
    check('eptpAccessDirty', 'secondary.enableEpt', 'not EPT_POINTER.accessedDirty or eptVpidCap.accessedDirty', 'EPT accessed and dirty flags are used only where the processor has them.',
      'Clear bit 6 of the EPT pointer, or look at IA32_VMX_EPT_VPID_CAP[21] first.'),
    check('eptpShadowStack', 'secondary.enableEpt', 'not EPT_POINTER.supervisorShadowStack or eptVpidCap.supervisorShadowStack',
      'Supervisor shadow-stack rights are used only where the processor has them.', 'Clear bit 7 of the EPT pointer.'),
    check('eptpReserved', 'secondary.enableEpt', 'EPT_POINTER[11:8] = 0 and EPT_POINTER >> physicalBits = 0', 'Reserved bits of the EPT pointer are 0.',
      'The EPT pointer is the physical address of the first table, with type and length in its low bits.'),
    check('pmlNeedsEpt', 'secondary.enablePml', 'secondary.enableEpt', 'Page-modification logging needs EPT.', 'Set \'enable EPT\' as well.', { feature: 'secondary.enablePml' }),
    page('pmlAddress', 'secondary.enablePml', ['PML_ADDRESS'], 'the page-modification log', 'secondary.enablePml'),
    check('unrestrictedNeedsEpt', 'secondary.unrestrictedGuest', 'secondary.enableEpt', 'An unrestricted guest needs EPT.', 'Set \'enable EPT\' as well, or clear \'unrestricted guest\'.'),
    check('mbecNeedsEpt', 'secondary.modeBasedExecuteControl', 'secondary.enableEpt', 'Mode-based execute control needs EPT.', 'Set \'enable EPT\' as well.',
      { feature: 'secondary.modeBasedExecuteControl' }),
    check('sppNeedsEpt', 'secondary.subPageWritePermissions', 'secondary.enableEpt', 'Sub-page write permissions need EPT.', 'Set \'enable EPT\' as well.',
      { feature: 'secondary.subPageWritePermissions' }),
    page('spptAddress', 'secondary.subPageWritePermissions', ['SPPT_POINTER'], 'the sub-page permission table', 'secondary.subPageWritePermissions'),
    check('vmfuncReserved', 'secondary.enableVmFunctions', 'VM_FUNCTION_CONTROLS & ~vmfunc.eptpSwitching = 0', 'The VM functions are among those that the processor has.',
      'Clear the bits that IA32_VMX_VMFUNC does not have.', { feature: 'secondary.enableVmFunctions' }),
    check('eptpSwitchNeedsEpt', 'secondary.enableVmFunctions and VM_FUNCTION_CONTROLS.eptpSwitching', 'secondary.enableEpt', 'EPTP switching needs EPT.', 'Set \'enable EPT\' as well.',
      { feature: 'secondary.enableVmFunctions' }),
    page('eptpListAddress', 'secondary.enableVmFunctions and VM_FUNCTION_CONTROLS.eptpSwitching', ['EPTP_LIST_ADDRESS'], 'the EPTP list', 'secondary.enableVmFunctions'),
    page('vmreadBitmap', 'secondary.vmcsShadowing', ['VMREAD_BITMAP_ADDRESS'], 'the VMREAD bitmap'),
    page('vmwriteBitmap', 'secondary.vmcsShadowing', ['VMWRITE_BITMAP_ADDRESS'], 'the VMWRITE bitmap'),
    page('veInfoAddress', 'secondary.eptViolationVe', ['VE_INFORMATION_ADDRESS'], 'the virtualization-exception information', 'secondary.eptViolationVe'),
    check('ptGpaNeeds', 'secondary.ptUsesGuestPhysicalAddresses', 'secondary.enableEpt and entry.loadRtitCtl and exit.clearRtitCtl',
      'Processor trace with guest-physical addresses needs EPT, and its MSR switched at entry and exit.',
      'Set \'enable EPT\', \'load IA32_RTIT_CTL\' and \'clear IA32_RTIT_CTL\' as well.', { feature: 'secondary.ptUsesGuestPhysicalAddresses' }),
    check('tscMultiplier', 'secondary.useTscScaling', 'TSC_MULTIPLIER != 0', 'The TSC multiplier is not 0.', 'Use 1 << 48 for the rate of the host.', { feature: 'secondary.useTscScaling' }),
    page('pasidDirectories', 'secondary.pasidTranslation', ['LOW_PASID_DIRECTORY_ADDRESS', 'HIGH_PASID_DIRECTORY_ADDRESS'], 'each PASID directory', 'secondary.pasidTranslation'),
    check('hlatp', 'tertiary.enableHlat', 'HLAT_POINTER[2:0] = 0 and HLAT_POINTER[11:5] = 0 and HLAT_POINTER >> physicalBits = 0', 'Reserved bits of the HLAT pointer are 0.',
      'The HLAT pointer has the format of CR3.', { feature: 'tertiary.enableHlat' }),
    check('pidTable', 'tertiary.ipiVirtualization', 'PID_POINTER_TABLE_ADDRESS[2:0] = 0 and withinWidth(PID_POINTER_TABLE_ADDRESS) and withinWidth(PID_POINTER_TABLE_ADDRESS + 8 * LAST_PID_POINTER_INDEX)',
      'The PID-pointer table starts at a multiple of 8, and lies within the physical-address width to its last entry.', `Align the table to 8 bytes. ${fitWidth}`,
      { feature: 'tertiary.ipiVirtualization' }),
    check('ipiNeedsTpr', 'tertiary.ipiVirtualization', 'primary.useTprShadow', 'IPI virtualization needs the TPR shadow.', onlyWithTprShadow, { feature: 'tertiary.ipiVirtualization' }),
  ],
};

const exit: CheckSection = {
  id: 'controls.exit', number: '27.2.1.2', title: 'VM-Exit Control Fields', outcome: 'VMfailValid(7)',
  checks: [
    check('reserved', always, 'allowed(exit)', 'Reserved bits of the VM-exit controls are set as the processor demands.', readCapability('IA32_VMX_TRUE_EXIT_CTLS')),
    check('secondaryReserved', 'exit.activateSecondaryControls', 'allowed(secondaryExit)', 'The secondary VM-exit controls are among those that the processor has.',
      'Clear the bits that IA32_VMX_EXIT_CTLS2 does not have.', { feature: 'exit.activateSecondaryControls' }),
    check('savePreemptionTimer', 'not pin.activatePreemptionTimer', 'not exit.savePreemptionTimer', 'The preemption timer is saved only if it runs.',
      'Set \'activate VMX-preemption timer\', or clear \'save VMX-preemption timer value\'.'),
    ...msrArea('msrStore', 'VM_EXIT_MSR_STORE_ADDRESS', 'VM_EXIT_MSR_STORE_COUNT', 'VM-exit MSR-store'),
    ...msrArea('msrLoad', 'VM_EXIT_MSR_LOAD_ADDRESS', 'VM_EXIT_MSR_LOAD_COUNT', 'VM-exit MSR-load'),
  ],
};

const injecting = 'VM_ENTRY_INTERRUPTION_INFO.valid';
const type = 'VM_ENTRY_INTERRUPTION_INFO.type';
const vector = 'VM_ENTRY_INTERRUPTION_INFO.vector';
const withErrorCode = 'VM_ENTRY_INTERRUPTION_INFO.deliverErrorCode';
const protectedGuest = '(not secondary.unrestrictedGuest or GUEST_CR0.pe)';

const entry: CheckSection = {
  id: 'controls.entry', number: '27.2.1.3', title: 'VM-Entry Control Fields', outcome: 'VMfailValid(7)',
  checks: [
    check('reserved', always, 'allowed(entry)', 'Reserved bits of the VM-entry controls are set as the processor demands.', readCapability('IA32_VMX_TRUE_ENTRY_CTLS')),
    check('injectType', injecting, `${type} != 1 and (${type} != 7 or mtfSupported or fredSupported)`, 'The interruption type is not reserved.',
      'Use 0 external interrupt, 2 NMI, 3 hardware exception, 4 INT n, 5 INT1, 6 INT3 or INTO, 7 for a monitor trap.'),
    check('injectNmiVector', both(injecting, `${type} = 2`), `${vector} = 2`, 'An NMI has vector 2.', 'Set the vector to 2, or use another type.'),
    check('injectHwVector', both(injecting, `${type} = 3`), `${vector} <= 31`, 'A hardware exception has a vector of at most 31.', 'Use type 0 for external interrupts, 4 for INT n.'),
    check('injectOtherVector', both(injecting, `${type} = 7`), `${vector} = 0 or fredSupported and GUEST_CR4.fred and ${vector} in (1, 2)`, 'Another event is a monitor trap: vector 0.',
      'Set the vector to 0.'),
    check('injectErrorCodeStrict', both(injecting, 'not basic.errorCodeFreedom'), `${withErrorCode} = (${protectedGuest} and ${type} = 3 and ${vector} in (8, 10..14, 17))`,
      'An error code is delivered for just those hardware exceptions that have one, and in protected mode only.',
      'Set bit 11 for vectors 8, 10 to 14 and 17 of type 3; clear it otherwise, and in real mode.'),
    check('injectErrorCodeFree', both(injecting, 'basic.errorCodeFreedom'), `not ${withErrorCode} or ${protectedGuest} and ${type} = 3`,
      'An error code is delivered for hardware exceptions only, and in protected mode only.', 'Clear bit 11.', { feature: 'basic.errorCodeFreedom' }),
    check('injectReserved', injecting,
      'VM_ENTRY_INTERRUPTION_INFO[30:14] = 0 and VM_ENTRY_INTERRUPTION_INFO[12] = 0 and (VM_ENTRY_INTERRUPTION_INFO[13] = 0 or fredSupported and VM_ENTRY_INTERRUPTION_INFO.type = 3)',
      'Reserved bits of the interruption information are 0.', 'Clear bits 30:12; an event copied from IDT-vectoring information may have bit 12 set.'),
    check('injectErrorCodeValue', both(injecting, withErrorCode), 'VM_ENTRY_EXCEPTION_ERROR_CODE[31:16] = 0', 'The error code has 16 bits.', 'Clear bits 31:16 of the VM-entry exception error code.'),
    check('injectLength', both(injecting, `${type} in (4..6)`), 'VM_ENTRY_INSTRUCTION_LENGTH <= 15 and (VM_ENTRY_INSTRUCTION_LENGTH != 0 or misc.zeroLengthInjection)',
      'The instruction of a software event is 1 to 15 bytes long.', 'Copy the VM-exit instruction length.'),
    check('injectLengthFred', both(injecting, `${type} = 7 and ${vector} in (1, 2)`), 'VM_ENTRY_INSTRUCTION_LENGTH <= 15 and (VM_ENTRY_INSTRUCTION_LENGTH != 0 or misc.zeroLengthInjection)',
      'The instruction of an injected SYSCALL or SYSENTER is 1 to 15 bytes long.', 'Copy the VM-exit instruction length.', { feature: 'fred' }),
    ...msrArea('msrLoad', 'VM_ENTRY_MSR_LOAD_ADDRESS', 'VM_ENTRY_MSR_LOAD_COUNT', 'VM-entry MSR-load'),
    check('smmControls', 'not now.smm', 'not entry.entryToSmm and not entry.deactivateDualMonitorTreatment', 'Only an entry from system-management mode may use the SMM controls.',
      'Clear both controls.', { feature: 'entry.entryToSmm' }),
    check('smmExclusive', always, 'not (entry.entryToSmm and entry.deactivateDualMonitorTreatment)', 'An entry to SMM does not end the dual-monitor treatment.',
      'Clear one of the two controls.', { feature: 'entry.entryToSmm' }),
    check('rtitTraceEnabled', 'now.traceEnabled', 'not entry.loadRtitCtl', 'IA32_RTIT_CTL is not loaded while processor trace is on.', 'Clear IA32_RTIT_CTL.TraceEn before the entry.',
      { feature: 'entry.loadRtitCtl', where: 'instruction' }),
  ],
};

const executive: CheckSection = {
  id: 'controls.executive', title: 'VM Entries That Return from SMM', outcome: 'VMfailValid(16)', where: 'memory',
  checks: [
    check('pointer', always, 'EXECUTIVE_VMCS_POINTER[11:0] = 0 and withinWidth(EXECUTIVE_VMCS_POINTER) and memory.executiveRevision', 'The executive-VMCS pointer names a valid VMCS.',
      'Use the pointer that the SMM exit stored.', { feature: 'smm' }),
    check('launched', 'EXECUTIVE_VMCS_POINTER != now.vmxonPointer', 'memory.executiveLaunched', 'The executive VMCS was launched.', 'Use the pointer that the SMM exit stored.',
      { feature: 'smm', outcome: 'VMfailValid(17)' }),
    check('deactivate', 'entry.deactivateDualMonitorTreatment', 'EXECUTIVE_VMCS_POINTER = now.vmxonPointer', 'The dual-monitor treatment ends with a return to the VMXON region.',
      'Set the pointer to the VMXON pointer.', { feature: 'smm', outcome: 'VMfailValid(18)' }),
    check('executiveControls', 'EXECUTIVE_VMCS_POINTER != now.vmxonPointer', 'memory.executiveControlsValid', 'The VM-execution controls of the executive VMCS are valid.',
      'Do not change the executive VMCS in SMM.', { feature: 'smm', outcome: 'VMfailValid(25)' }),
  ],
};

export const controlCheckSections: readonly CheckSection[] = [basic, execution, exit, entry, executive];
