// Control and debug registers, and the invalidation of translations (SDM 3A 2.5 'Control Registers', 4.10.4 'Invalidation of TLBs and
// Paging-Structure Caches', SDM 3B 'Debug Registers').
import {
  CPU_CPL, CPU_CR0, CPU_CR2, CPU_CR3, CPU_CR4, CPU_DR, CPU_EFER, CPU_FAULT_ADDRESS, CPU_MODE, CPU_PDPTE, CPU_VMX_ON, CPU_VPID,
} from './generated/layout';
import { readTpr, writeTpr } from '../devices/bus';
import {
  destinationRegister, isMemory, operandAddress, operandOffset, operandSize, readOperand, REC_DST, recordSegment, sourceRegister, writeOperand,
} from './operands';
import { cr0Fixed0, cr0Fixed1, cr4Fixed0, cr4Fixed1, physicalBits } from './processor-facts';
import { loadData, readPhysical64 } from './memory';
import { translatePdpte, walkedPhysical } from './paging';
import { segmentRights, updateMode, segmentBase } from './segments';
import {
  ABORT, aborted, attend, CR0_CD, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR0_AM, CR0_EM, CR4_DE, CR4_PAE, CR4_PCIDE, CR4_UMIP, CS, cr0,
  cr4, DB, efer, EFER_LMA, EFER_LME, GP, in64BitMode, longModeActive, NEXT, nonRoot, raise, raiseError, reg, setReg, UD,
} from './state';
import { flushCurrent, flushEverything, invalidateAddress, invalidateVpid, selectTlb } from './tlb';
import { unrestrictedGuest } from './vmx/controls';
import { interceptClts, interceptInvlpg, interceptInvpcid, interceptLmsw, interceptMovDr, interceptMovFromCr, interceptMovToCr } from './vmx/intercepts';
import { cr0ReadValue, cr0WriteValue, cr4ReadValue, cr4WriteValue } from './vmx/register-intercepts';
import { cr8IsVirtual, readVirtualCr8, writeVirtualCr8 } from './vmx/virtual-apic-registers';
import { invpcidIsEnabled } from './vmx/instruction-intercepts';

@inline const CR0_BITS: u64 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;

/** CR0 with the checks of MOV CR0 (SDM 2B 'MOV—Move to/from Control Registers'); in VMX operation also the fixed bits. */
function writeCr0(value: u64): i32 {
  const old = cr0(), v = value & CR0_BITS | CR0_ET;
  if (value >> 32 || ((v & CR0_PG) != 0 && (v & CR0_PE) == 0) || ((v & CR0_NW) != 0 && (v & CR0_CD) == 0)) return raiseError(GP, 0);
  if (load<u32>(CPU_VMX_ON) && !fixedInVmx(v, unrestricted() ? cr0Fixed0() & ~(CR0_PE | CR0_PG) : cr0Fixed0(), cr0Fixed1())) return raiseError(GP, 0);
  const pagingOn = (v & ~old & CR0_PG) != 0, pagingOff = (old & ~v & CR0_PG) != 0;
  if (pagingOn && (efer() & EFER_LME) != 0) {
    if ((cr4() & CR4_PAE) == 0 || (segmentRights(CS) & 0x2000) != 0) return raiseError(GP, 0);
  }
  if (pagingOff && (in64BitMode() || (cr4() & CR4_PCIDE) != 0)) return raiseError(GP, 0);
  if (pagingOn && (efer() & EFER_LME) == 0 && (cr4() & CR4_PAE) != 0 && loadPdptes(load<u64>(CPU_CR3))) return invalidPdptes();
  store<u64>(CPU_CR0, v);
  if (pagingOn && (efer() & EFER_LME) != 0) store<u64>(CPU_EFER, efer() | EFER_LMA);
  if (pagingOff) store<u64>(CPU_EFER, efer() & ~EFER_LMA);
  updateMode();
  if ((old ^ v) & (CR0_PG | CR0_WP | CR0_PE)) flushCurrent();
  return NEXT;
}
@inline function fixedInVmx(v: u64, mustBeOne: u64, mayBeOne: u64): bool { return (v & mustBeOne) == mustBeOne && (v & ~mayBeOne) == 0; }
@inline function unrestricted(): bool { return nonRoot() && unrestrictedGuest(); }

function writeCr3(value: u64): i32 {
  const keeps = (cr4() & CR4_PCIDE) != 0 && value >> 63 != 0, v = value & ~(<u64>1 << 63);
  if (longModeActive() && (v >> physicalBits()) != 0) return raiseError(GP, 0);
  if (!longModeActive() && (cr0() & CR0_PG) != 0 && (cr4() & CR4_PAE) != 0 && loadPdptes(v)) return invalidPdptes();
  store<u64>(CPU_CR3, v);
  selectTlb();
  if (!keeps) flushCurrent();
  return NEXT;
}

function writeCr4(value: u64): i32 {
  const old = cr4();
  if (value & ~cr4Fixed1()) return raiseError(GP, 0);
  if (load<u32>(CPU_VMX_ON) && !fixedInVmx(value, cr4Fixed0(), cr4Fixed1())) return raiseError(GP, 0);
  if (longModeActive() && ((value & CR4_PAE) == 0 || ((value ^ old) & 0x1000) != 0)) return raiseError(GP, 0);
  if ((value & ~old & CR4_PCIDE) != 0 && (!longModeActive() || (load<u64>(CPU_CR3) & 0xfff) != 0)) return raiseError(GP, 0);
  if (!longModeActive() && (cr0() & CR0_PG) != 0 && (value & CR4_PAE) != 0 && ((value ^ old) & 0x1000b0) != 0 && loadPdptes(load<u64>(CPU_CR3))) return invalidPdptes();
  store<u64>(CPU_CR4, value);
  selectTlb();
  flushCurrent();
  return NEXT;
}

/**
 * Loads the PDPTEs of PAE paging (SDM 3A 4.4.1 'PDPTE Registers'); their table lies at a guest-physical address, and in one page. ABORT when a
 * present one has a reserved bit, or with an EPT violation or misconfiguration recorded.
 */
export function loadPdptes(value: u64): i32 {
  const reserved = ~((<u64>1 << physicalBits()) - 1) | 0x1e6;
  if (!translatePdpte(value & 0xffffffe0)) return ABORT;
  const table = walkedPhysical;
  for (let n: u32 = 0; n < 4; n++) {
    const entry = readPhysical64(table + (n << 3));
    if ((entry & 1) != 0 && (entry & reserved) != 0) return ABORT;
  }
  for (let n: u32 = 0; n < 4; n++) store<u64>(CPU_PDPTE + (<usize>n << 3), readPhysical64(table + (n << 3)));
  return NEXT;
}
function invalidPdptes(): i32 { return aborted() ? ABORT : raiseError(GP, 0); }

export function movFromControl(pc: usize): i32 {
  const cr = sourceRegister(pc), to = destinationRegister(pc);
  if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) return raise(UD);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if ((cr == 3 || cr == 8) && interceptMovFromCr(cr, to)) return ABORT;
  const value = cr == 0 ? cr0ReadValue() : cr == 2 ? load<u64>(CPU_CR2) : cr == 3 ? load<u64>(CPU_CR3) : cr == 4 ? cr4ReadValue() : cr8IsVirtual() ? readVirtualCr8() : <u64>readTpr();
  setReg(to, in64BitMode() ? value : value & 0xffffffff);
  return NEXT;
}
export function movToControl(pc: usize): i32 {
  const cr = destinationRegister(pc), from = sourceRegister(pc), value = in64BitMode() ? reg(from) : reg(from) & 0xffffffff;
  if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8) return raise(UD);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (cr != 2 && interceptMovToCr(cr, value, from)) return ABORT;
  switch (cr) {
    case 0: return writeCr0(nonRoot() ? cr0WriteValue(value) : value);
    case 2: store<u64>(CPU_CR2, value); return NEXT;
    case 3: return writeCr3(value);
    case 4: return writeCr4(nonRoot() ? cr4WriteValue(value) : value);
    default:
      if (value >> 4) return raiseError(GP, 0);
      if (cr8IsVirtual()) writeVirtualCr8(<u32>value); else writeTpr(<u32>value);
      attend();
      return NEXT;
  }
}

export function clts(_pc: usize): i32 {
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (interceptClts()) return ABORT;
  store<u64>(CPU_CR0, nonRoot() ? cr0WriteValue(cr0() & ~CR0_TS) : cr0() & ~CR0_TS);
  return NEXT;
}
export function smsw(pc: usize): i32 {
  if (load<u32>(CPU_CPL) != 0 && (cr4() & CR4_UMIP) != 0) return raiseError(GP, 0);
  return writeOperand(pc, REC_DST, isMemory(pc) ? 1 : operandSize(pc), cr0ReadValue());
}
export function lmsw(pc: usize): i32 {
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  const source = <u32>readOperand(pc, REC_DST, 1);
  if (aborted()) return ABORT;
  const address = isMemory(pc) ? operandAddress(pc) : 0;
  if (interceptLmsw(source, address, isMemory(pc))) return ABORT;
  const value = cr0() & ~0xe | source & 0xf | cr0() & CR0_PE;                          // LMSW cannot clear PE
  return writeCr0(nonRoot() ? cr0WriteValue(value) : value);
}

export function movFromDebug(pc: usize): i32 {
  const dr = sourceRegister(pc), to = destinationRegister(pc);
  if (interceptMovDr(dr & 7, true, to)) return ABORT;
  const real = debugRegister(dr);
  if (real == 8) return ABORT;
  const value = load<u64>(CPU_DR + (<usize>real << 3));
  setReg(to, in64BitMode() ? value : value & 0xffffffff);
  return NEXT;
}
export function movToDebug(pc: usize): i32 {
  const dr = destinationRegister(pc), from = sourceRegister(pc);
  if (interceptMovDr(dr & 7, false, from)) return ABORT;
  const real = debugRegister(dr);
  if (real == 8) return ABORT;
  let value = in64BitMode() ? reg(from) : reg(from) & 0xffffffff;
  if (real >= 6 && value >> 32) return raiseError(GP, 0);
  if (real == 6) value = value & 0xe00f | 0xffff0ff0;                                   // no RTM, no bus-lock detection: their bits are 1
  if (real == 7) value = value & 0xffff2fff | 0x400;
  if (real < 4 && in64BitMode() && <u64>(<i64>(value << 16) >> 16) != value) return raiseError(GP, 0);
  store<u64>(CPU_DR + (<usize>real << 3), value);
  // breakpoints take their pages out of the TLB, and each instruction by itself
  if (real != 6) { flushEverything(); attend(); }
  return NEXT;
}
/** DR4 and DR5 are DR6 and DR7 without CR4.DE; 8 after raising a fault. DR7.GD makes any access #DB. */
function debugRegister(dr: u32): u32 {
  if (dr > 7) { raise(UD); return 8; }
  if (dr == 4 || dr == 5) {
    if (cr4() & CR4_DE) { raise(UD); return 8; }
    dr += 2;
  }
  if (load<u32>(CPU_CPL) != 0) { raiseError(GP, 0); return 8; }
  if (load<u64>(CPU_DR + 56) & 0x2000) { raise(DB); store<u64>(CPU_FAULT_ADDRESS, 0x2000); return 8; }
  return dr;
}

export function invlpg(pc: usize): i32 {
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  const segment = recordSegment(pc), linear = operandOffset(pc) + ((load<u32>(CPU_MODE) & 3) == 2 && segment < 4 ? 0 : segmentBase(segment));
  if (interceptInvlpg(linear)) return ABORT;
  invalidateAddress(load<u32>(CPU_VPID), linear);
  // a large page may be cached under other small pages: all of this VPID goes
  invalidateVpid(load<u32>(CPU_VPID));
  return NEXT;
}
export function invpcid(pc: usize): i32 {
  if (!invpcidIsEnabled()) return raise(UD);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (interceptInvpcid(pc)) return ABORT;
  const type = reg(destinationRegister(pc)), address = operandAddress(pc);
  if (aborted()) return ABORT;
  const pcid = loadData(address, 8); if (aborted()) return ABORT;
  const linear = loadData(address + 8, 8); if (aborted()) return ABORT;
  if (type > 3 || (type < 2 && pcid >> 12 != 0) || (type < 2 && (cr4() & CR4_PCIDE) == 0 && pcid != 0)) return raiseError(GP, 0);
  if (type == 0 && <u64>(<i64>(linear << 16) >> 16) != linear) return raiseError(GP, 0);
  invalidateVpid(load<u32>(CPU_VPID));
  return NEXT;
}
