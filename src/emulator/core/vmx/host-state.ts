// Loading host state at a VM exit or after a failed VM entry: SDM 3C 28.5 'Loading Host State'. The processor is in root operation afterwards.
import {
  CPU_ACTIVITY, CPU_CPL, CPU_CR0, CPU_CR3, CPU_CR4, CPU_DEBUGCTL, CPU_DR, CPU_EFER, CPU_EVENT_VECTORING, CPU_GDTR_BASE, CPU_GDTR_LIMIT, CPU_IDTR_BASE, CPU_IDTR_LIMIT,
  CPU_MTF_PENDING, CPU_NON_ROOT, CPU_PAT, CPU_PDPTE, CPU_PENDING_DEBUG, CPU_PREEMPTION_DEADLINE, CPU_RIP, CPU_SEG_BASE, CPU_SEG_LIMIT, CPU_SEG_RIGHTS,
  CPU_SEG_SELECTOR, CPU_SHADOW_UNTIL, CPU_SYSENTER_CS, CPU_SYSENTER_EIP, CPU_SYSENTER_ESP, CPU_VMX_BOUNDARY, CPU_VPID,
} from '../generated/layout';
import {
  EXIT_HOST_ADDRESS_SPACE_SIZE, EXIT_LOAD_EFER, EXIT_LOAD_PAT, EXIT_LOAD_PERF_GLOBAL_CTRL, VMCS_HOST_CR0, VMCS_HOST_CR3, VMCS_HOST_CR4, VMCS_HOST_CS_SELECTOR,
  VMCS_HOST_DS_SELECTOR, VMCS_HOST_ES_SELECTOR, VMCS_HOST_FS_BASE, VMCS_HOST_FS_SELECTOR, VMCS_HOST_GDTR_BASE, VMCS_HOST_GS_BASE, VMCS_HOST_GS_SELECTOR, VMCS_HOST_IA32_EFER,
  VMCS_HOST_IA32_PAT, VMCS_HOST_IA32_PERF_GLOBAL_CTRL, VMCS_HOST_IA32_SYSENTER_CS, VMCS_HOST_IA32_SYSENTER_EIP, VMCS_HOST_IA32_SYSENTER_ESP, VMCS_HOST_IDTR_BASE, VMCS_HOST_RIP,
  VMCS_HOST_RSP, VMCS_HOST_SS_SELECTOR, VMCS_HOST_TR_BASE, VMCS_HOST_TR_SELECTOR, VMCS_VM_EXIT_CONTROLS,
} from '../generated/vmx';
import { readPhysical64 } from '../memory';
import { setPerfGlobalCtrl } from '../performance-counters';
import { updateMode } from '../segments';
import { CR4_PAE, CR4_PCIDE, CS, DS, EFER_LMA, EFER_LME, ES, FS, GS, LDTR, RSP, SS_REG, TR, setReg, setRflags } from '../state';
import { flushVpid0 } from '../tlb';
import { deactivateControls } from './controls';
import { loadedCr0 } from './guest-state';
import { ACTIVITY_ACTIVE } from './non-register-state';
import { field, field32 } from './vmcs';
import { physicalBits } from '../processor-facts';

// access rights of the segments that the exit loads
@inline const CODE_64: u32 = 0xa09b;
@inline const CODE_32: u32 = 0xc09b;
@inline const DATA: u32 = 0xc093;
@inline const BUSY_TSS: u32 = 0x8b;
@inline const UNUSABLE: u32 = 0x10000;
@inline const FLAT: u32 = 0xffffffff;
@inline const TSS_LIMIT: u32 = 0x67;
@inline const NEVER: u64 = 0xffffffffffffffff;
/** PDPTE bits that are reserved when P = 1: 2:1 and 8:5. */
@inline const PDPTE_RESERVED: u64 = 0x1e6;

@inline function loadSegment(i: usize, selector: u32, base: u64, limit: u32, rights: u32): void {
  store<u32>(CPU_SEG_SELECTOR + (i << 2), selector);
  store<u64>(CPU_SEG_BASE + (i << 3), base);
  store<u32>(CPU_SEG_LIMIT + (i << 2), limit);
  store<u32>(CPU_SEG_RIGHTS + (i << 2), rights);
}
/** A data segment is unusable when its selector is null. */
@inline function loadData(i: usize, selector: u32, base: u64): void { loadSegment(i, selector, base, FLAT, selector == 0 ? DATA | UNUSABLE : DATA); }

/** Loads host state and leaves non-root operation. Returns 0, or the number of the VMX abort: 2 for invalid host PDPTEs. */
export function loadHostState(vmcs: usize): u32 {
  const exitControls = field32(vmcs, VMCS_VM_EXIT_CONTROLS), host64 = (exitControls & EXIT_HOST_ADDRESS_SPACE_SIZE) != 0;
  // 1. Control registers, debug registers, MSRs (28.5.1).
  const hostCr3 = field(vmcs, VMCS_HOST_CR3);
  let hostCr4 = field(vmcs, VMCS_HOST_CR4), hostEfer = load<u64>(CPU_EFER) & ~(EFER_LMA | EFER_LME);
  if (host64) {
    hostCr4 |= CR4_PAE;
    hostEfer |= EFER_LMA | EFER_LME;
  } else hostCr4 &= ~CR4_PCIDE;
  store<u64>(CPU_CR0, loadedCr0(field(vmcs, VMCS_HOST_CR0)));
  store<u64>(CPU_CR3, hostCr3);
  store<u64>(CPU_CR4, hostCr4);
  store<u64>(CPU_EFER, (exitControls & EXIT_LOAD_EFER) != 0 ? field(vmcs, VMCS_HOST_IA32_EFER) : hostEfer);
  if ((exitControls & EXIT_LOAD_PAT) != 0) store<u64>(CPU_PAT, field(vmcs, VMCS_HOST_IA32_PAT));
  if ((exitControls & EXIT_LOAD_PERF_GLOBAL_CTRL) != 0) setPerfGlobalCtrl(field(vmcs, VMCS_HOST_IA32_PERF_GLOBAL_CTRL));
  store<u64>(CPU_DR + 7 * 8, 0x400);
  store<u64>(CPU_DEBUGCTL, 0);
  store<u64>(CPU_SYSENTER_CS, field32(vmcs, VMCS_HOST_IA32_SYSENTER_CS));
  store<u64>(CPU_SYSENTER_ESP, field(vmcs, VMCS_HOST_IA32_SYSENTER_ESP));
  store<u64>(CPU_SYSENTER_EIP, field(vmcs, VMCS_HOST_IA32_SYSENTER_EIP));
  // 2. Segments and descriptor tables (28.5.2).
  loadSegment(CS, field32(vmcs, VMCS_HOST_CS_SELECTOR), 0, FLAT, host64 ? CODE_64 : CODE_32);
  loadData(SS_REG, field32(vmcs, VMCS_HOST_SS_SELECTOR), 0);
  loadData(DS, field32(vmcs, VMCS_HOST_DS_SELECTOR), 0);
  loadData(ES, field32(vmcs, VMCS_HOST_ES_SELECTOR), 0);
  loadData(FS, field32(vmcs, VMCS_HOST_FS_SELECTOR), field(vmcs, VMCS_HOST_FS_BASE));
  loadData(GS, field32(vmcs, VMCS_HOST_GS_SELECTOR), field(vmcs, VMCS_HOST_GS_BASE));
  loadSegment(TR, field32(vmcs, VMCS_HOST_TR_SELECTOR), field(vmcs, VMCS_HOST_TR_BASE), TSS_LIMIT, BUSY_TSS);
  loadSegment(LDTR, 0, 0, FLAT, UNUSABLE);
  store<u64>(CPU_GDTR_BASE, field(vmcs, VMCS_HOST_GDTR_BASE));
  store<u32>(CPU_GDTR_LIMIT, 0xffff);
  store<u64>(CPU_IDTR_BASE, field(vmcs, VMCS_HOST_IDTR_BASE));
  store<u32>(CPU_IDTR_LIMIT, 0xffff);
  store<u32>(CPU_CPL, 0);
  // 3. RIP, RSP, RFLAGS (28.5.3).
  store<u64>(CPU_RIP, field(vmcs, VMCS_HOST_RIP));
  setReg(RSP, field(vmcs, VMCS_HOST_RSP));
  setRflags(2);
  // 4. Non-register state (28.5.5): active, nothing blocked or pending; no control is in force.
  store<u32>(CPU_ACTIVITY, ACTIVITY_ACTIVE);
  store<u64>(CPU_SHADOW_UNTIL, 0);
  store<u64>(CPU_PENDING_DEBUG, 0);
  store<u32>(CPU_EVENT_VECTORING, 0);
  store<u32>(CPU_VMX_BOUNDARY, 0);
  store<u32>(CPU_MTF_PENDING, 0);
  store<u64>(CPU_PREEMPTION_DEADLINE, NEVER);
  store<u32>(CPU_NON_ROOT, 0);
  const flush = load<u32>(CPU_VPID) == 0;
  deactivateControls();
  // 5. PDPTEs of a host with PAE paging (28.5.4).
  const pdptesValid = host64 || (hostCr4 & CR4_PAE) == 0 || loadHostPdptes(hostCr3);
  // 6. What derives from modes; with VPID off, translations of VPID 0 go.
  if (flush) flushVpid0();
  updateMode();
  return pdptesValid ? 0 : ABORT_HOST_PDPTES;
}

// VMX aborts: SDM 3C 28.7 'VMX Aborts'
@inline export const ABORT_SAVING_MSRS: u32 = 1;
@inline export const ABORT_HOST_PDPTES: u32 = 2;
@inline export const ABORT_LOADING_MSRS: u32 = 4;
@inline export const ABORT_ADDRESS_SPACE: u32 = 6;

/** Loads the PDPTEs at `hostCr3`; false when a present one sets a reserved bit. */
function loadHostPdptes(hostCr3: u64): bool {
  let valid = true;
  for (let i: u32 = 0; i < 4; i++) {
    const pdpte = readPhysical64((hostCr3 & 0xffffffe0) + (i << 3));
    if ((pdpte & 1) != 0 && ((pdpte & PDPTE_RESERVED) != 0 || (pdpte >> physicalBits()) != 0)) valid = false;
    store<u64>(CPU_PDPTE + (i << 3), pdpte);
  }
  return valid;
}
