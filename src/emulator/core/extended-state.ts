// The XSAVE feature set: SDM 1 chapter 13 'Managing State Using the XSAVE Feature Set'. Components here: x87 (0), SSE (1) and, with protection keys,
// PKRU (9); none is a supervisor component. There is no x87 unit: component 0 is always in its initial configuration, saved as after FNINIT and
// ignored when restored.
// Invariant: whatever can fault (alignment, header, both ends of the area) is looked at before the first byte or register changes.
import { CPU_CPL, CPU_MXCSR, CPU_PKRU, CPU_XCR0, CPU_XMM, CPU_XSS } from './generated/layout';
import { loadData, probeStore, storeData } from './memory';
import { linearAddress, operandOffset, recordSegment } from './operands';
import { featurePku, featureXgetbv1, featureXsavec } from './processor-facts';
import { flushEverything } from './tlb';
import { ABORT, aborted, CR0_TS, CR4_OSXSAVE, cr0, cr4, GP, in64BitMode, NEXT, NM, raise, raiseError, RAX, RCX, RDX, reg, setReg32, UD } from './state';
import { interceptXrstors, interceptXsaves, interceptXsetbv, xsavesIsEnabled } from './vmx/intercepts';

@inline const X87: u64 = 1;
@inline const SSE: u64 = 2;
@inline const PKRU: u64 = 0x200;
@inline const COMPACTED: u64 = 1 << 63;
@inline const MXCSR_MASK: u32 = 0xffff;
@inline const MXCSR_INITIAL: u32 = 0x1f80;

// places in the area; what follows the header lies at fixed offsets in the standard format, and close together in the compacted one
@inline const MXCSR_AT: u64 = 24;
@inline const XMM_AT: u64 = 160;
@inline const HEADER: u64 = 512;
@inline export const LEGACY_AND_HEADER: u32 = 576;
@inline const PKRU_STANDARD: u64 = 2688;
@inline const PKRU_COMPACTED: u64 = 576;
@inline const PKRU_BYTES: u32 = 8;

@inline function components(): u64 { return X87 | SSE | (featurePku() != 0 ? PKRU : 0); }
@inline function registers(): u32 { return in64BitMode() ? 16 : 8; }
@inline function instructionMask(): u64 { return (reg(RAX) & 0xffffffff) | reg(RDX) << 32; }

/** Bytes that XSAVE needs for what XCR0 enables, and XSAVES for that: CPUID.(EAX=0DH, ECX=0):EBX and (ECX=1):EBX. */
export function standardBytes(): u32 { return (load<u64>(CPU_XCR0) & PKRU) != 0 ? <u32>PKRU_STANDARD + PKRU_BYTES : LEGACY_AND_HEADER; }
export function compactedBytes(): u32 { return (load<u64>(CPU_XCR0) & PKRU) != 0 ? <u32>PKRU_COMPACTED + PKRU_BYTES : LEGACY_AND_HEADER; }

/** XINUSE: components that are not in their initial configuration. */
function inUse(): u64 {
  let bits: u64 = load<u32>(CPU_PKRU) != 0 ? PKRU : 0;
  for (let n: u32 = 0; n < registers() << 1; n++) if (load<u64>(CPU_XMM + (<usize>n << 3)) != 0) return bits | SSE;
  return bits;
}

export function xgetbv(_pc: usize): i32 {
  if ((cr4() & CR4_OSXSAVE) == 0) return raise(UD);
  const index = <u32>reg(RCX);
  if (index != 0 && (index != 1 || featureXgetbv1() == 0)) return raiseError(GP, 0);
  const xcr0 = load<u64>(CPU_XCR0);
  setReg32(RAX, <u32>(index == 0 ? xcr0 : xcr0 & inUse()));
  setReg32(RDX, 0);
  return NEXT;
}
export function xsetbv(_pc: usize): i32 {
  if ((cr4() & CR4_OSXSAVE) == 0) return raise(UD);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (interceptXsetbv()) return ABORT;
  const value = instructionMask();
  if (<u32>reg(RCX) != 0 || (value & X87) == 0 || (value & ~components()) != 0) return raiseError(GP, 0);
  store<u64>(CPU_XCR0, value);
  return NEXT;
}

export function xsave(pc: usize): i32 { return unavailable() ? ABORT : save(pc, false, false, load<u64>(CPU_XCR0)); }
export function xsaveopt(pc: usize): i32 { return unavailable() ? ABORT : save(pc, true, false, load<u64>(CPU_XCR0)); }
export function xsavec(pc: usize): i32 { return unavailable() ? ABORT : save(pc, true, true, load<u64>(CPU_XCR0)); }
export function xrstor(pc: usize): i32 { return unavailable() ? ABORT : restore(pc, false, load<u64>(CPU_XCR0)); }

/** XSAVES and XRSTORS rank #UD, privilege, the VM exit, then #NM (SDM 3C 26.1.1 'Relative Priority of Faults and VM Exits'). */
export function xsaves(pc: usize): i32 {
  if (supervisorUnavailable() || interceptXsaves(pc, instructionMask() & load<u64>(CPU_XSS)) || unavailable()) return ABORT;
  return save(pc, true, true, load<u64>(CPU_XCR0) | load<u64>(CPU_XSS));
}
export function xrstors(pc: usize): i32 {
  if (supervisorUnavailable() || interceptXrstors(pc, instructionMask() & load<u64>(CPU_XSS)) || unavailable()) return ABORT;
  return restore(pc, true, load<u64>(CPU_XCR0) | load<u64>(CPU_XSS));
}

function unavailable(): bool {
  if ((cr4() & CR4_OSXSAVE) == 0) { raise(UD); return true; }
  if ((cr0() & CR0_TS) != 0) { raise(NM); return true; }
  return false;
}
function supervisorUnavailable(): bool {
  if ((cr4() & CR4_OSXSAVE) == 0 || !xsavesIsEnabled()) { raise(UD); return true; }
  if (load<u32>(CPU_CPL) != 0) { raiseError(GP, 0); return true; }
  return false;
}

/** Linear address of the legacy region and header, aligned to 64 bytes; check `aborted()`. */
function area(pc: usize, write: bool): u64 {
  const at = linearAddress(recordSegment(pc), operandOffset(pc), LEGACY_AND_HEADER, write);
  if (!aborted() && (at & 63) != 0) raiseError(GP, 0);
  return at;
}
@inline function pkruAddress(at: u64, compacted: bool): u64 { return at + (compacted ? PKRU_COMPACTED : PKRU_STANDARD); }

/** `skips`: components in their initial configuration are not written. */
function save(pc: usize, skips: bool, compacted: bool, enabled: u64): i32 {
  const requested = instructionMask() & enabled, mxcsr = load<u32>(CPU_MXCSR), at = area(pc, true), user = load<u32>(CPU_CPL) == 3;
  if (aborted()) return ABORT;
  // 1. Which components: a compacted image keeps MXCSR with SSE, in use when it is not as after reset.
  let saved = requested & inUse();
  if (compacted && (requested & SSE) != 0 && mxcsr != MXCSR_INITIAL) saved |= SSE;
  const written = skips ? saved : requested;
  // 2. Every page can be written.
  if (probeStore(at, 8, user) || probeStore(at + LEGACY_AND_HEADER - 8, 8, user)) return ABORT;
  if ((written & PKRU) != 0 && probeStore(pkruAddress(at, compacted), PKRU_BYTES, user)) return ABORT;
  // 3. The components.
  if ((written & X87) != 0) {
    storeData(at, 0x37f, 8);                                                           // FCW, FSW, FTW, FOP as after FNINIT
    storeData(at + 8, 0, 8);
    storeData(at + 16, 0, 8);
    for (let n: u64 = 32; n < XMM_AT; n += 8) storeData(at + n, 0, 8);
  }
  if (((compacted ? written : requested) & SSE) != 0) storeData(at + MXCSR_AT, <u64>mxcsr | <u64>MXCSR_MASK << 32, 8);
  if ((written & SSE) != 0) for (let n: u32 = 0; n < registers() << 1; n++) storeData(at + XMM_AT + (n << 3), load<u64>(CPU_XMM + (<usize>n << 3)), 8);
  if ((written & PKRU) != 0) storeData(pkruAddress(at, compacted), load<u32>(CPU_PKRU), PKRU_BYTES);
  // 4. The header: the standard format keeps the bits of components that were not asked for.
  if (compacted) {
    storeData(at + HEADER, saved, 8);
    storeData(at + HEADER + 8, requested | COMPACTED, 8);
  } else storeData(at + HEADER, (loadData(at + HEADER, 8) & ~requested) | saved, 8);
  return aborted() ? ABORT : NEXT;
}

function restore(pc: usize, supervisor: bool, enabled: u64): i32 {
  const requested = instructionMask() & enabled, at = area(pc, false);
  if (aborted()) return ABORT;
  loadData(at, 8);
  if (aborted()) return ABORT;
  // 1. The header.
  const present = loadData(at + HEADER, 8), format = loadData(at + HEADER + 8, 8), compacted = (format & COMPACTED) != 0;
  let reserved = loadData(at + HEADER + 16, 8);
  if (compacted) for (let n: u64 = 24; n < 64; n += 8) reserved |= loadData(at + HEADER + n, 8);
  if (aborted()) return ABORT;
  if (reserved != 0 || (compacted ? featureXsavec() == 0 : supervisor || format != 0)) return raiseError(GP, 0);
  const described = format & ~COMPACTED;
  if (compacted ? (described & ~enabled) != 0 || (present & ~described) != 0 : (present & ~enabled) != 0) return raiseError(GP, 0);
  // 2. The values. The standard format has MXCSR in any case.
  const loaded = requested & present;
  let mxcsr = MXCSR_INITIAL, pkru: u32 = 0;
  if (((compacted ? loaded : requested) & SSE) != 0) mxcsr = <u32>loadData(at + MXCSR_AT, 4);
  if ((loaded & PKRU) != 0) pkru = <u32>loadData(pkruAddress(at, compacted), 4);
  if (aborted()) return ABORT;
  if ((mxcsr & ~MXCSR_MASK) != 0) return raiseError(GP, 0);
  // 3. The registers: components that the image lacks get their initial configuration.
  if ((requested & SSE) != 0) {
    store<u32>(CPU_MXCSR, mxcsr);
    for (let n: u32 = 0; n < registers() << 1; n++) store<u64>(CPU_XMM + (<usize>n << 3), (loaded & SSE) != 0 ? loadData(at + XMM_AT + (n << 3), 8) : 0);
  }
  if ((requested & PKRU) != 0 && load<u32>(CPU_PKRU) != pkru) {
    store<u32>(CPU_PKRU, pkru);
    flushEverything();
  }
  return aborted() ? ABORT : NEXT;
}
