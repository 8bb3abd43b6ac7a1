// Guest registers between the guest-state area and the processor: SDM 3C 27.3.2 'Loading Guest State', 28.3 'Saving Guest State'.
// Invariant: what is saved here and loaded again unchanged gives the same processor state.
import {
  CPU_CR0, CPU_CR3, CPU_CR4, CPU_DEBUGCTL, CPU_DR, CPU_EFER, CPU_EXIT_CONTROLS, CPU_GPR, CPU_PAT, CPU_PDPTE, CPU_PERF_GLOBAL_CTRL, CPU_RIP, CPU_SYSENTER_CS, CPU_SYSENTER_EIP,
  CPU_SYSENTER_ESP,
} from '../generated/layout';
import {
  ENTRY_IA32E_MODE_GUEST, ENTRY_LOAD_DEBUG_CONTROLS, ENTRY_LOAD_EFER, ENTRY_LOAD_PAT, ENTRY_LOAD_PERF_GLOBAL_CTRL, EXIT_SAVE_DEBUG_CONTROLS, EXIT_SAVE_EFER, EXIT_SAVE_PAT,
  EXIT_SAVE_PERF_GLOBAL_CTRL, PRIMARY_ACTIVATE_SECONDARY_CONTROLS, SECONDARY_ENABLE_EPT, VMCS_GUEST_CR0, VMCS_GUEST_CR3, VMCS_GUEST_CR4, VMCS_GUEST_DR7,
  VMCS_GUEST_IA32_DEBUGCTL, VMCS_GUEST_IA32_EFER, VMCS_GUEST_IA32_PAT, VMCS_GUEST_IA32_PERF_GLOBAL_CTRL, VMCS_GUEST_IA32_SYSENTER_CS, VMCS_GUEST_IA32_SYSENTER_EIP,
  VMCS_GUEST_IA32_SYSENTER_ESP, VMCS_GUEST_PDPTE0, VMCS_GUEST_PDPTE1, VMCS_GUEST_PDPTE2, VMCS_GUEST_PDPTE3, VMCS_GUEST_RFLAGS, VMCS_GUEST_RIP, VMCS_GUEST_RSP,
  VMCS_PRIMARY_PROC_BASED_CONTROLS, VMCS_SECONDARY_PROC_BASED_CONTROLS, VMCS_VM_ENTRY_CONTROLS,
} from '../generated/vmx';
import { readPhysical64 } from '../memory';
import { setPerfGlobalCtrl } from '../performance-counters';
import { CR0_PG, CR4_PAE, EFER_LMA, EFER_LME, RSP, cr0, setReg, setRflags } from '../state';
import { savesLmaToEntryControls } from './capability';
import { enableEpt } from './controls';
import { loadGuestSegments, saveGuestSegments } from './guest-segments';
import { field, field32, forgetChecks, setField } from './vmcs';

/** Bits of CR0 that VM entry and exit leave alone: ET, CD, NW, and bits 15:6, 17 and 28:19, which have no meaning. */
@inline const CR0_KEPT: u64 = 0x7ffaffd0;
// Debug registers: DR7 bits 12, 14 and 15 are 0, bit 10 is 1.
@inline const DR7_ALWAYS_0: u64 = 0xd000;
@inline const DR7_ALWAYS_1: u64 = 0x400;
@inline const DR7: usize = CPU_DR + 7 * 8;
/** Bits 31:5 of CR3: the page-directory-pointer table of PAE paging. */
@inline const PDPT_ADDRESS: u64 = 0xffffffe0;

/** CR0 with `value` in the bits that a VM transition loads. */
@inline export function loadedCr0(value: u64): u64 { return (value & ~CR0_KEPT & 0xffffffff) | (cr0() & (CR0_KEPT | 0xffffffff00000000)); }

/** Loads guest registers. The caller recomputes what derives from modes, and selects the TLB. */
export function loadGuestRegisters(vmcs: usize): void {
  const entryControls = field32(vmcs, VMCS_VM_ENTRY_CONTROLS);
  // 1. Control registers, debug registers, MSRs (27.3.2.1). CR0.PG of the guest decides about LME.
  const guestCr0 = loadedCr0(field(vmcs, VMCS_GUEST_CR0)), guestCr4 = field(vmcs, VMCS_GUEST_CR4), guestCr3 = field(vmcs, VMCS_GUEST_CR3);
  store<u64>(CPU_CR0, guestCr0);
  store<u64>(CPU_CR3, guestCr3);
  store<u64>(CPU_CR4, guestCr4);
  if ((entryControls & ENTRY_LOAD_DEBUG_CONTROLS) != 0) {
    store<u64>(DR7, (field(vmcs, VMCS_GUEST_DR7) & ~DR7_ALWAYS_0) | DR7_ALWAYS_1);
    store<u64>(CPU_DEBUGCTL, field(vmcs, VMCS_GUEST_IA32_DEBUGCTL));
  }
  store<u64>(CPU_SYSENTER_CS, field32(vmcs, VMCS_GUEST_IA32_SYSENTER_CS));
  store<u64>(CPU_SYSENTER_ESP, field(vmcs, VMCS_GUEST_IA32_SYSENTER_ESP));
  store<u64>(CPU_SYSENTER_EIP, field(vmcs, VMCS_GUEST_IA32_SYSENTER_EIP));
  const ia32e = (entryControls & ENTRY_IA32E_MODE_GUEST) != 0;
  if ((entryControls & ENTRY_LOAD_EFER) != 0) store<u64>(CPU_EFER, field(vmcs, VMCS_GUEST_IA32_EFER));
  else {
    const changed = (guestCr0 & CR0_PG) != 0 ? EFER_LMA | EFER_LME : EFER_LMA;
    store<u64>(CPU_EFER, (load<u64>(CPU_EFER) & ~changed) | (ia32e ? changed : 0));
  }
  if ((entryControls & ENTRY_LOAD_PAT) != 0) store<u64>(CPU_PAT, field(vmcs, VMCS_GUEST_IA32_PAT));
  if ((entryControls & ENTRY_LOAD_PERF_GLOBAL_CTRL) != 0) setPerfGlobalCtrl(field(vmcs, VMCS_GUEST_IA32_PERF_GLOBAL_CTRL));
  // 2. Segments and descriptor tables (27.3.2.2).
  loadGuestSegments(vmcs);
  // 3. RIP, RSP, RFLAGS (27.3.2.3).
  store<u64>(CPU_RIP, field(vmcs, VMCS_GUEST_RIP));
  setReg(RSP, field(vmcs, VMCS_GUEST_RSP));
  setRflags(field(vmcs, VMCS_GUEST_RFLAGS));
  // 4. PDPTEs (27.3.2.4).
  if ((guestCr0 & CR0_PG) != 0 && (guestCr4 & CR4_PAE) != 0 && !ia32e) loadPdptes(vmcs, guestCr3);
}

/** PDPTEs of a guest with PAE paging: from their fields with EPT, from memory without. Entry checks have found them valid. */
function loadPdptes(vmcs: usize, guestCr3: u64): void {
  const withEpt = (field32(vmcs, VMCS_PRIMARY_PROC_BASED_CONTROLS) & PRIMARY_ACTIVATE_SECONDARY_CONTROLS) != 0
    && (field32(vmcs, VMCS_SECONDARY_PROC_BASED_CONTROLS) & SECONDARY_ENABLE_EPT) != 0;
  if (withEpt) {
    store<u64>(CPU_PDPTE, field(vmcs, VMCS_GUEST_PDPTE0));
    store<u64>(CPU_PDPTE + 8, field(vmcs, VMCS_GUEST_PDPTE1));
    store<u64>(CPU_PDPTE + 16, field(vmcs, VMCS_GUEST_PDPTE2));
    store<u64>(CPU_PDPTE + 24, field(vmcs, VMCS_GUEST_PDPTE3));
  } else {
    for (let i: u32 = 0; i < 4; i++) store<u64>(CPU_PDPTE + (i << 3), readPhysical64((guestCr3 & PDPT_ADDRESS) + (i << 3)));
  }
}

/** Saves guest registers; `rflagsImage` is RFLAGS with RF as this exit reports it. */
export function saveGuestRegisters(vmcs: usize, rflagsImage: u64): void {
  const exitControls = load<u32>(CPU_EXIT_CONTROLS);
  // 1. Control registers, debug registers, MSRs (28.3.1).
  setField(vmcs, VMCS_GUEST_CR0, load<u64>(CPU_CR0));
  setField(vmcs, VMCS_GUEST_CR3, load<u64>(CPU_CR3));
  setField(vmcs, VMCS_GUEST_CR4, load<u64>(CPU_CR4));
  setField(vmcs, VMCS_GUEST_IA32_SYSENTER_CS, load<u64>(CPU_SYSENTER_CS) & 0xffffffff);
  setField(vmcs, VMCS_GUEST_IA32_SYSENTER_ESP, load<u64>(CPU_SYSENTER_ESP));
  setField(vmcs, VMCS_GUEST_IA32_SYSENTER_EIP, load<u64>(CPU_SYSENTER_EIP));
  if ((exitControls & EXIT_SAVE_DEBUG_CONTROLS) != 0) {
    setField(vmcs, VMCS_GUEST_DR7, load<u64>(DR7));
    setField(vmcs, VMCS_GUEST_IA32_DEBUGCTL, load<u64>(CPU_DEBUGCTL));
  }
  const efer = load<u64>(CPU_EFER);
  if ((exitControls & EXIT_SAVE_PAT) != 0) setField(vmcs, VMCS_GUEST_IA32_PAT, load<u64>(CPU_PAT));
  if ((exitControls & EXIT_SAVE_PERF_GLOBAL_CTRL) != 0) setField(vmcs, VMCS_GUEST_IA32_PERF_GLOBAL_CTRL, load<u64>(CPU_PERF_GLOBAL_CTRL));
  if ((exitControls & EXIT_SAVE_EFER) != 0) setField(vmcs, VMCS_GUEST_IA32_EFER, efer);
  if (savesLmaToEntryControls()) {
    const before = field32(vmcs, VMCS_VM_ENTRY_CONTROLS), after = (efer & EFER_LMA) != 0 ? before | ENTRY_IA32E_MODE_GUEST : before & ~ENTRY_IA32E_MODE_GUEST;
    setField(vmcs, VMCS_VM_ENTRY_CONTROLS, after);
    if (before != after) forgetChecks(vmcs);                                    // an EFER field that is not saved may contradict it now
  }
  // 2. Segments and descriptor tables (28.3.2).
  saveGuestSegments(vmcs);
  // 3. RIP, RSP, RFLAGS (28.3.3).
  setField(vmcs, VMCS_GUEST_RIP, load<u64>(CPU_RIP));
  setField(vmcs, VMCS_GUEST_RSP, load<u64>(CPU_GPR + (RSP << 3)));
  setField(vmcs, VMCS_GUEST_RFLAGS, rflagsImage);
  // 4. PDPTEs, where EPT gives the fields a meaning (28.3.4).
  if (enableEpt()) {
    setField(vmcs, VMCS_GUEST_PDPTE0, load<u64>(CPU_PDPTE));
    setField(vmcs, VMCS_GUEST_PDPTE1, load<u64>(CPU_PDPTE + 8));
    setField(vmcs, VMCS_GUEST_PDPTE2, load<u64>(CPU_PDPTE + 16));
    setField(vmcs, VMCS_GUEST_PDPTE3, load<u64>(CPU_PDPTE + 24));
  }
}
