// CPUID: leaves from the processor model (generated table), with the bits that depend on the machine's state.
import { CPU_APIC_BASE, CPU_ID, M_VCPU_COUNT } from './generated/layout';
import { CR4_OSXSAVE, cr4, NEXT, RAX, RBX, RCX, RDX, reg, setReg32 } from './state';
import { cpuidLeaf, leafA, leafB, leafC, leafD } from './generated/cpuid';
import { interceptCpuid } from './vmx/intercepts';

@inline const APIC_ENABLED: u64 = 0x800;
@inline const EDX_APIC: u32 = 1 << 9;
@inline const ECX_OSXSAVE: u32 = 1 << 27;

export function cpuid(_pc: usize): i32 {
  if (interceptCpuid()) return 1;
  const leaf = <u32>reg(RAX);
  cpuidLeaf(leaf, <u32>reg(RCX));
  let b = leafB, c = leafC, d = leafD;
  if (leaf == 1) {
    b |= load<u32>(CPU_ID) << 24 | (load<u32>(M_VCPU_COUNT) & 0xff) << 16 & 0xff0000;
    if ((load<u64>(CPU_APIC_BASE) & APIC_ENABLED) == 0) d &= ~EDX_APIC;
    if (cr4() & CR4_OSXSAVE) c |= ECX_OSXSAVE;
  }
  setReg32(RAX, leafA); setReg32(RBX, b); setReg32(RCX, c); setReg32(RDX, d);
  return NEXT;
}
