// Memory operands of instructions that exit in VMX non-root operation, looked at for the event ring only: the processor does not read them.
// Invariant: no fault, no VM exit, no accessed or dirty flag, no change of state comes from here; what cannot be read is 0. So this is a walk of
// its own beside core/paging: it looks at present bits and addresses, not at rights. SDM 3A chapter 4 'Paging', SDM 3C 29.3.2 'EPT Translation Mechanism'.
import { CPU_ABORT_KIND, CPU_CR3, CPU_EPTP, CPU_PDPTE } from '../generated/layout';
import { readPhysical32, readPhysical64 } from '../memory';
import { operandAddress } from '../operands';
import { CR0_PG, CR4_PAE, aborted, cr0, cr4, longModeActive } from '../state';

@inline const NOWHERE: u64 = 0xffffffffffffffff;
@inline const PRESENT: u64 = 1;
@inline const EPT_PRESENT: u64 = 7;
@inline const LARGE: u64 = 0x80;
@inline const ADDRESS: u64 = 0x000ffffffffff000;

/** The operand's value (`bytes` 4 or 8, zero-extended), 0 where no memory answers at its address. */
export function peekOperand(pc: usize, bytes: u32): u64 {
  const linear = operandAddress(pc);
  if (aborted()) {
    store<u32>(CPU_ABORT_KIND, 0);
    return 0;
  }
  // An operand that crosses a page is read in halves of four bytes, which may lie anywhere.
  const low = peek32(linear);
  return bytes == 8 ? low | peek32(linear + 4) << 32 : low;
}

function peek32(linear: u64): u64 {
  const physical = physicalOf(linear);
  return physical == NOWHERE ? 0 : readPhysical32(physical);
}

/** One level of tables with 8-byte entries after another, down to a leaf. `top`: physical address of the first table, guest-physical unless `ept`. */
function walkTables(address: u64, top: u64, levels: u32, ept: bool): u64 {
  let table = top;
  for (let level = levels; level > 0; level--) {
    const shift: u64 = 12 + 9 * (level - 1), at = table + ((address >> shift & 511) << 3);
    const host = ept ? at : hostPhysical(at);
    const entry = host == NOWHERE ? 0 : readPhysical64(host);
    if ((entry & (ept ? EPT_PRESENT : PRESENT)) == 0) return NOWHERE;
    if (level == 1 || (level < 4 && (entry & LARGE) != 0)) {
      const offset = (<u64>1 << shift) - 1;
      return (entry & ADDRESS & ~offset) | (address & offset);
    }
    table = entry & ADDRESS;
  }
  return NOWHERE;
}

function hostPhysical(guestPhysical: u64): u64 {
  const eptp = load<u64>(CPU_EPTP);
  return eptp == 0 ? guestPhysical : walkTables(guestPhysical, eptp & ADDRESS, 4, true);
}

function physicalOf(linear: u64): u64 {
  const guestPhysical = guestPhysicalOf(linear);
  return guestPhysical == NOWHERE ? NOWHERE : hostPhysical(guestPhysical);
}

function guestPhysicalOf(linear: u64): u64 {
  if ((cr0() & CR0_PG) == 0) return linear;
  const cr3 = load<u64>(CPU_CR3);
  if (longModeActive()) return walkTables(linear, cr3 & ADDRESS, 4, false);
  if ((cr4() & CR4_PAE) != 0) {
    const pdpte = load<u64>(CPU_PDPTE + (<usize>(linear >> 30 & 3) << 3));
    return (pdpte & PRESENT) == 0 ? NOWHERE : walkTables(linear, pdpte & ADDRESS, 2, false);
  }
  return walk32(linear, cr3 & 0xfffff000);
}

/** 32-bit paging: 4-byte entries, 4-MByte pages. */
function walk32(linear: u64, directory: u64): u64 {
  const pdeAt = hostPhysical(directory + ((linear >> 22 & 1023) << 2)), pde: u64 = pdeAt == NOWHERE ? 0 : readPhysical32(pdeAt);
  if ((pde & PRESENT) == 0) return NOWHERE;
  if ((pde & LARGE) != 0) return (pde & 0xffc00000) | (linear & 0x3fffff);
  const pteAt = hostPhysical((pde & 0xfffff000) + ((linear >> 12 & 1023) << 2)), pte: u64 = pteAt == NOWHERE ? 0 : readPhysical32(pteAt);
  return (pte & PRESENT) == 0 ? NOWHERE : (pte & 0xfffff000) | (linear & 0xfff);
}
