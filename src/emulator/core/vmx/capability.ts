// The VMX capability MSRs 480H to 493H as the processor reports them, and what their bits say, as named facts: SDM 3D appendix A
// 'VMX Capability Reporting Facility'. The values derive from the processor model (spec/capability-msrs) and stand in its table.
import { P_CAPABILITY_MSRS, P_CAPABILITY_PRESENT } from '../generated/layout';
import { SECONDARY_EPT_VIOLATION_VE, SECONDARY_VMCS_SHADOWING } from '../generated/vmx';
import {
  basicRevision, eptVpidCapAccessedDirty, eptVpidCapInvept, eptVpidCapInveptAll, eptVpidCapInveptSingle, eptVpidCapInvvpid, eptVpidCapInvvpidAddress, eptVpidCapInvvpidAll,
  eptVpidCapInvvpidRetainingGlobals, eptVpidCapInvvpidSingle, eptVpidCapMemoryTypeUc, eptVpidCapMemoryTypeWb, miscSavesLma, miscTimerShift, miscVmwriteAny,
} from '../generated/processor-values';

@inline export const FIRST_CAPABILITY_MSR: u32 = 0x480;
@inline export const LAST_CAPABILITY_MSR: u32 = 0x493;

/** Whether the processor has the capability MSR `index`; RDMSR of any other is #GP(0). */
export function hasCapabilityMsr(index: u32): bool {
  return index >= FIRST_CAPABILITY_MSR && index <= LAST_CAPABILITY_MSR && (load<u32>(P_CAPABILITY_PRESENT) >> (index - FIRST_CAPABILITY_MSR) & 1) != 0;
}

/** Value of a capability MSR (480H to 493H), 0 for one that does not exist. They cannot be written. */
@inline export function readCapabilityMsr(index: u32): u64 { return load<u64>(P_CAPABILITY_MSRS + (<usize>(index - FIRST_CAPABILITY_MSR) << 3)); }

@inline function secondaryAllowed(control: u32): bool { return (<u32>(readCapabilityMsr(0x48b) >> 32) & control) != 0; }

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
