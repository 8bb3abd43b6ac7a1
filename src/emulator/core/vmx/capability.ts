// The VMX capability MSRs 480H to 493H as the processor reports them, and what their bits say, as named facts: SDM 3D appendix A
// 'VMX Capability Reporting Facility'. The values derive from the controls that exist (spec/capability-msrs) and are constants here.
import {
  CAPABILITY_MSRS, IA32_VMX_BASIC, IA32_VMX_CR0_FIXED0, IA32_VMX_CR0_FIXED1, IA32_VMX_CR4_FIXED0, IA32_VMX_CR4_FIXED1, IA32_VMX_ENTRY_CTLS, IA32_VMX_EPT_VPID_CAP,
  IA32_VMX_EXIT_CTLS, IA32_VMX_EXIT_CTLS2, IA32_VMX_MISC, IA32_VMX_PINBASED_CTLS, IA32_VMX_PROCBASED_CTLS, IA32_VMX_PROCBASED_CTLS2, IA32_VMX_PROCBASED_CTLS3,
  IA32_VMX_TRUE_ENTRY_CTLS, IA32_VMX_TRUE_EXIT_CTLS, IA32_VMX_TRUE_PINBASED_CTLS, IA32_VMX_TRUE_PROCBASED_CTLS, IA32_VMX_VMCS_ENUM, IA32_VMX_VMFUNC, SECONDARY_EPT_VIOLATION_VE,
  SECONDARY_VMCS_SHADOWING,
} from '../generated/vmx';
import {
  basicRevision, eptVpidCapAccessedDirty, eptVpidCapInvept, eptVpidCapInveptAll, eptVpidCapInveptSingle, eptVpidCapInvvpid, eptVpidCapInvvpidAddress, eptVpidCapInvvpidAll,
  eptVpidCapInvvpidRetainingGlobals, eptVpidCapInvvpidSingle, eptVpidCapMemoryTypeUc, eptVpidCapMemoryTypeWb, miscSavesLma, miscTimerShift, miscVmwriteAny,
} from '../generated/processor-values';

@inline export const FIRST_CAPABILITY_MSR: u32 = 0x480;
@inline export const LAST_CAPABILITY_MSR: u32 = 0x493;

/** Whether the processor has the capability MSR `index`; RDMSR of any other is #GP(0). */
export function hasCapabilityMsr(index: u32): bool {
  return index >= FIRST_CAPABILITY_MSR && index <= LAST_CAPABILITY_MSR && (CAPABILITY_MSRS >> (index - FIRST_CAPABILITY_MSR) & 1) != 0;
}

/** Value of a capability MSR, 0 for one that does not exist. They cannot be written. */
export function readCapabilityMsr(index: u32): u64 {
  switch (index) {
    case 0x480: return IA32_VMX_BASIC;
    case 0x481: return IA32_VMX_PINBASED_CTLS;
    case 0x482: return IA32_VMX_PROCBASED_CTLS;
    case 0x483: return IA32_VMX_EXIT_CTLS;
    case 0x484: return IA32_VMX_ENTRY_CTLS;
    case 0x485: return IA32_VMX_MISC;
    case 0x486: return IA32_VMX_CR0_FIXED0;
    case 0x487: return IA32_VMX_CR0_FIXED1;
    case 0x488: return IA32_VMX_CR4_FIXED0;
    case 0x489: return IA32_VMX_CR4_FIXED1;
    case 0x48a: return IA32_VMX_VMCS_ENUM;
    case 0x48b: return IA32_VMX_PROCBASED_CTLS2;
    case 0x48c: return IA32_VMX_EPT_VPID_CAP;
    case 0x48d: return IA32_VMX_TRUE_PINBASED_CTLS;
    case 0x48e: return IA32_VMX_TRUE_PROCBASED_CTLS;
    case 0x48f: return IA32_VMX_TRUE_EXIT_CTLS;
    case 0x490: return IA32_VMX_TRUE_ENTRY_CTLS;
    case 0x491: return IA32_VMX_VMFUNC;
    case 0x492: return IA32_VMX_PROCBASED_CTLS3;
    case 0x493: return IA32_VMX_EXIT_CTLS2;
    default: return 0;
  }
}

@inline function secondaryAllowed(control: u32): bool { return (<u32>(IA32_VMX_PROCBASED_CTLS2 >> 32) & control) != 0; }

// A.1 'Basic VMX Information'
@inline export function vmcsRevision(): u32 { return <u32>basicRevision(); }
// A.6 'Miscellaneous Data'
@inline export function preemptionTimerShift(): u64 { return miscTimerShift(); }
@inline export function savesLmaToEntryControls(): bool { return miscSavesLma() != 0; }
@inline export function vmwriteToAnyField(): bool { return miscVmwriteAny() != 0; }
// A.3.3 'Secondary Processor-Based VM-Execution Controls'
@inline export function vmcsShadowingSupported(): bool { return secondaryAllowed(SECONDARY_VMCS_SHADOWING); }
@inline export function eptViolationVeSupported(): bool { return secondaryAllowed(SECONDARY_EPT_VIOLATION_VE); }
// A.10 'VPID and EPT Capabilities'
@inline export function inveptSupported(): bool { return eptVpidCapInvept() != 0; }
@inline export function invvpidSupported(): bool { return eptVpidCapInvvpid() != 0; }
@inline export function eptAccessedDirtySupported(): bool { return eptVpidCapAccessedDirty() != 0; }
/** Bit per INVEPT type: 1 single-context, 2 all-context. */
@inline export function inveptTypes(): u32 { return <u32>(eptVpidCapInveptSingle() << 1 | eptVpidCapInveptAll() << 2); }
/** Bit per INVVPID type: 0 individual-address, 1 single-context, 2 all-context, 3 single-context-retaining-globals. */
@inline export function invvpidTypes(): u32 {
  return <u32>(eptVpidCapInvvpidAddress() | eptVpidCapInvvpidSingle() << 1 | eptVpidCapInvvpidAll() << 2 | eptVpidCapInvvpidRetainingGlobals() << 3);
}
/** Memory types of EPT paging structures: uncacheable (0) and write-back (6). */
@inline export function eptMemoryTypeSupported(type: u32): bool { return (type == 0 && eptVpidCapMemoryTypeUc() != 0) || (type == 6 && eptVpidCapMemoryTypeWb() != 0); }
