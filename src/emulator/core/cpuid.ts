// CPUID: leaves from the processor model's table, with the bits that depend on the machine's state.
import { CPU_APIC_BASE, CPU_ID, M_VCPU_COUNT, P_HIGHEST_BASIC_LEAF, P_HIGHEST_EXTENDED_LEAF, P_LEAF_COUNT, P_LEAVES } from './generated/layout';
import { CR4_OSXSAVE, CR4_PKE, cr4, NEXT, RAX, RBX, RCX, RDX, reg, setReg32 } from './state';
import { compactedBytes, standardBytes } from './extended-state';
import { interceptCpuid } from './vmx/intercepts';

@inline const APIC_ENABLED: u64 = 0x800;
@inline const LEAF_BYTES: usize = 24;
@inline const ANY_SUBLEAF: u32 = 0xffffffff;
@inline const EDX_APIC: u32 = 1 << 9;
@inline const ECX_OSPKE: u32 = 1 << 4;
@inline const EDX_HTT: u32 = 1 << 28;
@inline const ECX_OSXSAVE: u32 = 1 << 27;
@inline const TOPOLOGY: u32 = 0xb;
@inline const STATE_COMPONENTS: u32 = 0xd;

/** Bits of the APIC id that tell the cores of the package apart. */
@inline function idBits(count: u32): u32 { return 32 - clz<u32>(count - 1); }

export let leafA: u32 = 0;
export let leafB: u32 = 0;
export let leafC: u32 = 0;
export let leafD: u32 = 0;
let answeredLeaf: u32 = 0;

/** Leaves the model's answer in leafA .. leafD. A leaf beyond its range reads as the highest basic one, one that is not there as 0 (SDM 2A 'CPUID'). */
export function cpuidLeaf(leaf: u32, subleaf: u32): void {
  const known = leaf <= load<u32>(P_HIGHEST_BASIC_LEAF) || (leaf >= 0x80000000 && leaf <= load<u32>(P_HIGHEST_EXTENDED_LEAF));
  const wanted = known ? leaf : load<u32>(P_HIGHEST_BASIC_LEAF);
  answeredLeaf = wanted;
  const end = P_LEAVES + <usize>load<u32>(P_LEAF_COUNT) * LEAF_BYTES;
  for (let at = P_LEAVES; at < end; at += LEAF_BYTES) {
    if (load<u32>(at) != wanted || (load<u32>(at + 4) != subleaf && load<u32>(at + 4) != ANY_SUBLEAF)) continue;
    leafA = load<u32>(at + 8); leafB = load<u32>(at + 12); leafC = load<u32>(at + 16); leafD = load<u32>(at + 20);
    return;
  }
  leafA = leafB = leafC = leafD = 0;
}

export function cpuid(_pc: usize): i32 {
  if (interceptCpuid()) return 1;
  const leaf = <u32>reg(RAX), subleaf = <u32>reg(RCX), id = load<u32>(CPU_ID), count = load<u32>(M_VCPU_COUNT);
  cpuidLeaf(leaf, subleaf);
  let a = leafA, b = leafB, c = leafC, d = leafD;
  if (leaf == 1) {
    b = b & 0xffff | 1 << idBits(count) << 16 | id << 24;
    if (count > 1) d |= EDX_HTT;
    if ((load<u64>(CPU_APIC_BASE) & APIC_ENABLED) == 0) d &= ~EDX_APIC;
    if (cr4() & CR4_OSXSAVE) c |= ECX_OSXSAVE;
  }
  else if (leaf == 7 && (cr4() & CR4_PKE) != 0 && subleaf == 0) c |= ECX_OSPKE;
  // one package of `count` cores of one thread: leaf 4 tells the cores, leaf 0BH the levels of the x2APIC id
  else if (leaf == 4 && a != 0) a |= (1 << idBits(count)) - 1 << 26;
  else if (answeredLeaf == TOPOLOGY) {
    if (subleaf == 1) { a = idBits(count); b = count; }
    c |= subleaf & 0xff;
    d = id;
  }
  else if (answeredLeaf == STATE_COMPONENTS && subleaf == 0) b = standardBytes();
  else if (answeredLeaf == STATE_COMPONENTS && subleaf == 1) b = compactedBytes();
  setReg32(RAX, a); setReg32(RBX, b); setReg32(RCX, c); setReg32(RDX, d);
  return NEXT;
}
