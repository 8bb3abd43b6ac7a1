// Protection keys of user pages: SDM 3A 4.6.2 'Protection Keys'. PKRU holds two bits for each of the 16 keys, AD (no data access) and WD (no
// write); the key of a page stands in bits 62:59 of the entry that maps it.
import { CPU_CR0, CPU_CR4, CPU_EFER, CPU_PKRU } from './generated/layout';
import { CR0_WP, CR4_PKE, cr4, EFER_LMA, GP, NEXT, raise, raiseError, RAX, RCX, RDX, reg, setReg32, UD } from './state';
import { flushEverything } from './tlb';

@inline const USER_PAGE: u64 = 4;

@inline export function keysAreOn(): bool { return (load<u64>(CPU_CR4) & CR4_PKE) != 0 && (load<u64>(CPU_EFER) & EFER_LMA) != 0; }

/** Whether the key of `entry`, which maps a page with the rights `combined`, forbids a data access. WD binds supervisor writes only with CR0.WP. */
export function keyForbids(entry: u64, combined: u64, write: bool, user: bool): bool {
  if ((combined & USER_PAGE) == 0) return false;
  const rights = load<u32>(CPU_PKRU) >> (<u32>(entry >> 59 & 15) << 1);
  return (rights & 1) != 0 || (write && (rights & 2) != 0 && (user || (load<u64>(CPU_CR0) & CR0_WP) != 0));
}

export function rdpkru(_pc: usize): i32 {
  if ((cr4() & CR4_PKE) == 0) return raise(UD);
  if (<u32>reg(RCX) != 0) return raiseError(GP, 0);
  setReg32(RAX, load<u32>(CPU_PKRU));
  setReg32(RDX, 0);
  return NEXT;
}

/** Rights are part of what the TLBs hold, for user and supervisor accesses, root and non-root operation. */
export function wrpkru(_pc: usize): i32 {
  if ((cr4() & CR4_PKE) == 0) return raise(UD);
  if (<u32>reg(RCX) != 0 || <u32>reg(RDX) != 0) return raiseError(GP, 0);
  if (load<u32>(CPU_PKRU) == <u32>reg(RAX)) return NEXT;
  store<u32>(CPU_PKRU, <u32>reg(RAX));
  flushEverything();
  return NEXT;
}
