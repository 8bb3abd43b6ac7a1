// The controls in force, as named predicates: SDM 3C 25.6 'VM-Execution Control Fields'. VM entry caches the control words of the current
// VMCS in cells (a word whose activating control is 0 counts as 0) and VM exit clears them, so that in root operation each of these
// is false without a look at the mode.
import {
  CPU_APIC_ACCESS_END, CPU_APIC_EXIT, CPU_CR0_MASK, CPU_CR0_SHADOW, CPU_CR4_MASK, CPU_CR4_SHADOW, CPU_ENTRY_CONTROLS, CPU_EPTP, CPU_EXCEPTION_BITMAP, CPU_EXIT_CONTROLS,
  CPU_PF_ERROR_MASK, CPU_PF_ERROR_MATCH, CPU_PIN_CONTROLS, CPU_PROC2_CONTROLS, CPU_PROC_CONTROLS, CPU_SHADOW_VMCS_HOST, CPU_TSC_OFFSET, CPU_VIRTUAL_INTERRUPT, CPU_VPID,
  CPU_APIC_ACCESS_CACHED,
} from '../generated/layout';
import {
  EXIT_ACKNOWLEDGE_INTERRUPT_ON_EXIT, PIN_EXTERNAL_INTERRUPT_EXITING, PIN_NMI_EXITING, PIN_VIRTUAL_NMIS, PRIMARY_ACTIVATE_SECONDARY_CONTROLS, PRIMARY_CR3_LOAD_EXITING,
  PRIMARY_CR3_STORE_EXITING, PRIMARY_CR8_LOAD_EXITING, PRIMARY_CR8_STORE_EXITING, PRIMARY_HLT_EXITING, PRIMARY_INTERRUPT_WINDOW_EXITING, PRIMARY_INVLPG_EXITING,
  PRIMARY_MONITOR_EXITING, PRIMARY_MONITOR_TRAP_FLAG, PRIMARY_MOV_DR_EXITING, PRIMARY_MWAIT_EXITING, PRIMARY_NMI_WINDOW_EXITING, PRIMARY_PAUSE_EXITING, PRIMARY_RDPMC_EXITING,
  PRIMARY_RDTSC_EXITING, PRIMARY_UNCONDITIONAL_IO_EXITING, PRIMARY_USE_IO_BITMAPS, PRIMARY_USE_MSR_BITMAPS, PRIMARY_USE_TSC_OFFSETTING, SECONDARY_DESCRIPTOR_TABLE_EXITING,
  SECONDARY_ENABLE_EPT, SECONDARY_ENABLE_INVPCID, SECONDARY_ENABLE_PML, SECONDARY_ENABLE_RDTSCP, SECONDARY_ENABLE_VM_FUNCTIONS, SECONDARY_ENABLE_VPID, SECONDARY_ENABLE_XSAVES,
  SECONDARY_EPT_VIOLATION_VE, SECONDARY_MODE_BASED_EXECUTE_CONTROL, SECONDARY_RDRAND_EXITING, SECONDARY_RDSEED_EXITING, SECONDARY_UNRESTRICTED_GUEST, SECONDARY_USE_TSC_SCALING,
  SECONDARY_VMCS_SHADOWING, SECONDARY_WBINVD_EXITING, VMCS_CR0_GUEST_HOST_MASK, VMCS_CR0_READ_SHADOW, VMCS_CR4_GUEST_HOST_MASK, VMCS_CR4_READ_SHADOW, VMCS_EPT_POINTER,
  VMCS_EXCEPTION_BITMAP, VMCS_PAGE_FAULT_ERROR_CODE_MASK, VMCS_PAGE_FAULT_ERROR_CODE_MATCH, VMCS_PIN_BASED_CONTROLS, VMCS_PRIMARY_PROC_BASED_CONTROLS,
  VMCS_SECONDARY_PROC_BASED_CONTROLS, VMCS_TSC_OFFSET, VMCS_VMCS_LINK_POINTER, VMCS_VM_ENTRY_CONTROLS, VMCS_VM_EXIT_CONTROLS, VMCS_VPID, PRIMARY_USE_TPR_SHADOW,
  SECONDARY_APIC_REGISTER_VIRTUALIZATION, SECONDARY_PAUSE_LOOP_EXITING, SECONDARY_VIRTUALIZE_APIC_ACCESSES, SECONDARY_VIRTUALIZE_X2APIC_MODE,
  SECONDARY_VIRTUAL_INTERRUPT_DELIVERY, VMCS_APIC_ACCESS_ADDRESS,
} from '../generated/vmx';
import { hostOf } from '../memory';
import { flushEverything } from '../tlb';
import { NO_VMCS, field, field32 } from './vmcs';

@inline function pin(control: u32): bool { return (load<u32>(CPU_PIN_CONTROLS) & control) != 0; }
@inline function primary(control: u32): bool { return (load<u32>(CPU_PROC_CONTROLS) & control) != 0; }
@inline function secondary(control: u32): bool { return (load<u32>(CPU_PROC2_CONTROLS) & control) != 0; }

@inline export function externalInterruptExiting(): bool { return pin(PIN_EXTERNAL_INTERRUPT_EXITING); }
@inline export function nmiExiting(): bool { return pin(PIN_NMI_EXITING); }
@inline export function virtualNmis(): bool { return pin(PIN_VIRTUAL_NMIS); }
@inline export function acknowledgeInterruptOnExit(): bool { return (load<u32>(CPU_EXIT_CONTROLS) & EXIT_ACKNOWLEDGE_INTERRUPT_ON_EXIT) != 0; }

@inline export function interruptWindowExiting(): bool { return primary(PRIMARY_INTERRUPT_WINDOW_EXITING); }
@inline export function nmiWindowExiting(): bool { return primary(PRIMARY_NMI_WINDOW_EXITING); }
@inline export function monitorTrapFlag(): bool { return primary(PRIMARY_MONITOR_TRAP_FLAG); }
@inline export function hltExiting(): bool { return primary(PRIMARY_HLT_EXITING); }
@inline export function invlpgExiting(): bool { return primary(PRIMARY_INVLPG_EXITING); }
@inline export function mwaitExiting(): bool { return primary(PRIMARY_MWAIT_EXITING); }
@inline export function monitorExiting(): bool { return primary(PRIMARY_MONITOR_EXITING); }
@inline export function pauseExiting(): bool { return primary(PRIMARY_PAUSE_EXITING); }
@inline export function rdpmcExiting(): bool { return primary(PRIMARY_RDPMC_EXITING); }
@inline export function rdtscExiting(): bool { return primary(PRIMARY_RDTSC_EXITING); }
@inline export function cr3LoadExiting(): bool { return primary(PRIMARY_CR3_LOAD_EXITING); }
@inline export function cr3StoreExiting(): bool { return primary(PRIMARY_CR3_STORE_EXITING); }
@inline export function cr8LoadExiting(): bool { return primary(PRIMARY_CR8_LOAD_EXITING); }
@inline export function cr8StoreExiting(): bool { return primary(PRIMARY_CR8_STORE_EXITING); }
@inline export function useTprShadow(): bool { return primary(PRIMARY_USE_TPR_SHADOW); }
@inline export function movDrExiting(): bool { return primary(PRIMARY_MOV_DR_EXITING); }
@inline export function unconditionalIoExiting(): bool { return primary(PRIMARY_UNCONDITIONAL_IO_EXITING); }
@inline export function useIoBitmaps(): bool { return primary(PRIMARY_USE_IO_BITMAPS); }
@inline export function useMsrBitmaps(): bool { return primary(PRIMARY_USE_MSR_BITMAPS); }

@inline export function enableEpt(): bool { return secondary(SECONDARY_ENABLE_EPT); }
@inline export function enableVpid(): bool { return secondary(SECONDARY_ENABLE_VPID); }
@inline export function descriptorTableExiting(): bool { return secondary(SECONDARY_DESCRIPTOR_TABLE_EXITING); }
@inline export function wbinvdExiting(): bool { return secondary(SECONDARY_WBINVD_EXITING); }
@inline export function unrestrictedGuest(): bool { return secondary(SECONDARY_UNRESTRICTED_GUEST); }
@inline export function virtualizeApicAccesses(): bool { return secondary(SECONDARY_VIRTUALIZE_APIC_ACCESSES); }
@inline export function virtualizeX2apicMode(): bool { return secondary(SECONDARY_VIRTUALIZE_X2APIC_MODE); }
@inline export function apicRegisterVirtualization(): bool { return secondary(SECONDARY_APIC_REGISTER_VIRTUALIZATION); }
@inline export function virtualInterruptDelivery(): bool { return secondary(SECONDARY_VIRTUAL_INTERRUPT_DELIVERY); }
@inline export function pauseLoopExiting(): bool { return secondary(SECONDARY_PAUSE_LOOP_EXITING); }
@inline export function rdrandExiting(): bool { return secondary(SECONDARY_RDRAND_EXITING); }
@inline export function rdseedExiting(): bool { return secondary(SECONDARY_RDSEED_EXITING); }
@inline export function vmcsShadowing(): bool { return secondary(SECONDARY_VMCS_SHADOWING); }
@inline export function enableVmFunctions(): bool { return secondary(SECONDARY_ENABLE_VM_FUNCTIONS); }
@inline export function enableRdtscp(): bool { return secondary(SECONDARY_ENABLE_RDTSCP); }
@inline export function enableInvpcid(): bool { return secondary(SECONDARY_ENABLE_INVPCID); }
@inline export function useTscOffsetting(): bool { return primary(PRIMARY_USE_TSC_OFFSETTING); }
@inline export function useTscScaling(): bool { return secondary(SECONDARY_USE_TSC_SCALING); }
@inline export function enablePml(): bool { return secondary(SECONDARY_ENABLE_PML); }
@inline export function eptViolationVe(): bool { return secondary(SECONDARY_EPT_VIOLATION_VE); }
@inline export function modeBasedExecuteControl(): bool { return secondary(SECONDARY_MODE_BASED_EXECUTE_CONTROL); }
@inline export function enableXsaves(): bool { return secondary(SECONDARY_ENABLE_XSAVES); }

/** Puts the controls of a VMCS in force, at VM entry. */
export function activateControls(vmcs: usize): void {
  const proc = field32(vmcs, VMCS_PRIMARY_PROC_BASED_CONTROLS);
  const proc2 = (proc & PRIMARY_ACTIVATE_SECONDARY_CONTROLS) != 0 ? field32(vmcs, VMCS_SECONDARY_PROC_BASED_CONTROLS) : 0;
  store<u32>(CPU_PIN_CONTROLS, field32(vmcs, VMCS_PIN_BASED_CONTROLS));
  store<u32>(CPU_PROC_CONTROLS, proc);
  store<u32>(CPU_PROC2_CONTROLS, proc2);
  store<u32>(CPU_EXIT_CONTROLS, field32(vmcs, VMCS_VM_EXIT_CONTROLS));
  store<u32>(CPU_ENTRY_CONTROLS, field32(vmcs, VMCS_VM_ENTRY_CONTROLS));
  store<u32>(CPU_EXCEPTION_BITMAP, field32(vmcs, VMCS_EXCEPTION_BITMAP));
  store<u32>(CPU_PF_ERROR_MASK, field32(vmcs, VMCS_PAGE_FAULT_ERROR_CODE_MASK));
  store<u32>(CPU_PF_ERROR_MATCH, field32(vmcs, VMCS_PAGE_FAULT_ERROR_CODE_MATCH));
  store<u64>(CPU_CR0_MASK, field(vmcs, VMCS_CR0_GUEST_HOST_MASK));
  store<u64>(CPU_CR4_MASK, field(vmcs, VMCS_CR4_GUEST_HOST_MASK));
  store<u64>(CPU_CR0_SHADOW, field(vmcs, VMCS_CR0_READ_SHADOW));
  store<u64>(CPU_CR4_SHADOW, field(vmcs, VMCS_CR4_READ_SHADOW));
  store<u64>(CPU_TSC_OFFSET, (proc & PRIMARY_USE_TSC_OFFSETTING) != 0 ? field(vmcs, VMCS_TSC_OFFSET) : 0);
  store<u64>(CPU_EPTP, (proc2 & SECONDARY_ENABLE_EPT) != 0 ? field(vmcs, VMCS_EPT_POINTER) : 0);
  store<u32>(CPU_VPID, (proc2 & SECONDARY_ENABLE_VPID) != 0 ? field32(vmcs, VMCS_VPID) : 0);
  store<u32>(CPU_SHADOW_VMCS_HOST, 0);
  if ((proc2 & SECONDARY_VMCS_SHADOWING) != 0) {
    const link = field(vmcs, VMCS_VMCS_LINK_POINTER);
    if (link != NO_VMCS) store<u32>(CPU_SHADOW_VMCS_HOST, <u32>hostOf(link, 4096));
  }
  if ((proc2 & SECONDARY_VIRTUALIZE_APIC_ACCESSES) != 0) useApicAccessPage(field(vmcs, VMCS_APIC_ACCESS_ADDRESS) | 0xfff);
}

/** Translations to the page must not be in a TLB context that is used while it is in force: when the page changes, all contexts are emptied. */
function useApicAccessPage(end: u64): void {
  store<u64>(CPU_APIC_ACCESS_END, end);
  if (load<u64>(CPU_APIC_ACCESS_CACHED) == end) return;
  store<u64>(CPU_APIC_ACCESS_CACHED, end);
  flushEverything();
}

/** No control is in force in root operation. */
export function deactivateControls(): void {
  store<u32>(CPU_PIN_CONTROLS, 0);
  store<u32>(CPU_PROC_CONTROLS, 0);
  store<u32>(CPU_PROC2_CONTROLS, 0);
  store<u32>(CPU_EXIT_CONTROLS, 0);
  store<u32>(CPU_ENTRY_CONTROLS, 0);
  store<u32>(CPU_EXCEPTION_BITMAP, 0);
  store<u32>(CPU_PF_ERROR_MASK, 0);
  store<u32>(CPU_PF_ERROR_MATCH, 0);
  store<u64>(CPU_CR0_MASK, 0);
  store<u64>(CPU_CR4_MASK, 0);
  store<u64>(CPU_TSC_OFFSET, 0);
  store<u64>(CPU_EPTP, 0);
  store<u32>(CPU_VPID, 0);
  store<u32>(CPU_SHADOW_VMCS_HOST, 0);
  store<u64>(CPU_APIC_ACCESS_END, 0);
  store<u32>(CPU_APIC_EXIT, 0);
  store<u32>(CPU_VIRTUAL_INTERRUPT, 0);
}
