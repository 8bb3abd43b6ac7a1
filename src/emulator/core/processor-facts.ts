// What the entry checks ask about the processor: the model's constants, the state at VM entry, and what lies in memory at addresses of
// the VMCS. Functions of one value are those of the checks' language (spec/entry-check-language). Physical addresses are host-physical.
import { basicAddresses32, linearBits, physicalBits } from './generated/processor-values';
import { CPU_CURRENT_VMCS, CPU_EFER, M_RAM_SIZE, RAM_BASE } from './generated/layout';

export * from './generated/processor-values';

@inline const EFER_LMA: u64 = 0x400;

@inline export function nowLongMode(): u64 { return (load<u64>(CPU_EFER) & EFER_LMA) != 0 ? 1 : 0; }
@inline export function nowSmm(): u64 { return 0; }
@inline export function nowCurrentVmcs(): u64 { return load<u64>(CPU_CURRENT_VMCS); }

/** Bits 63 down to the highest linear-address bit are equal. */
@inline export function canonical(value: u64): bool { return isSignExtended(value, linearBits()); }
@inline export function canonical48(value: u64): bool { return isSignExtended(value, 48); }
/** Bits 63 down to the linear-address width are equal; the bit below may differ. */
@inline export function upperBitsEqual(value: u64): bool { return isSignExtended(value, linearBits() + 1); }
@inline function isSignExtended(value: u64, width: u64): bool { return <u64>(<i64>(value << (64 - width)) >> (64 - width)) == value; }

/** A physical address that the processor can use for VMX structures. */
@inline export function withinWidth(value: u64): bool { return (value >> (basicAddresses32() != 0 ? 32 : physicalBits())) == 0; }

/** Each of the eight bytes is a memory type of the PAT: at most 7, and neither 2 nor 3 (bit 1 set, bit 2 clear). */
@inline export function patBytesValid(value: u64): bool {
  return ((value & 0xf8f8f8f8f8f8f8f8) | ((value >> 1) & ~(value >> 2) & 0x0101010101010101)) == 0;
}

/** The dword at a physical address; all ones where there is no RAM. */
function physicalDword(address: u64): u32 {
  return address + 4 <= <u64>load<u32>(M_RAM_SIZE) ? load<u32>(RAM_BASE + <usize>address) : 0xffffffff;
}

/** Revision identifier of the VMCS at `pointer`. */
@inline export function linkedRevision(pointer: u64): u64 { return physicalDword(pointer) & 0x7fffffff; }
/** Shadow-VMCS indicator of the VMCS at `pointer`. */
@inline export function linkedShadowBit(pointer: u64): u64 { return physicalDword(pointer) >> 31; }
/** Virtual task-priority register of the virtual-APIC page at `page`. */
@inline export function virtualTpr(page: u64): u64 { return physicalDword(page + 0x80) & 0xff; }

/** The four PDPTEs that a guest without EPT has at CR3 can be loaded: SDM 3A 4.4.1 'PDPTE Registers'. */
export function pdptesValid(cr3: u64): u64 {
  const table = cr3 & 0xffffffe0;
  for (let n: u64 = 0; n < 32; n += 8) {
    const entry = <u64>physicalDword(table + n) | (<u64>physicalDword(table + n + 4) << 32);
    if ((entry & 1) != 0 && ((entry & 0x1e6) != 0 || (entry >> physicalBits()) != 0)) return 0;
  }
  return 1;
}
