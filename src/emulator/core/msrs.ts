// RDMSR and WRMSR and what an MSR write does (SDM 4 chapter 2 'Model-Specific Registers (MSRs)'). Reading or writing an index that is not
// here is #GP(0).
import { CPU_ABORT_KIND, CPU_APIC_BASE, CPU_BIOS_SIGNATURE, CPU_CPL, CPU_CSTAR, CPU_DEBUGCTL, CPU_EFER, CPU_FEATURE_CONTROL, CPU_FMASK, CPU_KERNEL_GS_BASE, CPU_LSTAR, CPU_MISC_ENABLE,
  CPU_MTRR_DEF_TYPE, CPU_MTRR_FIXED, CPU_MTRR_VARIABLE, CPU_PAT, CPU_SEG_BASE, CPU_STAR, CPU_SYSENTER_CS, CPU_SYSENTER_EIP, CPU_SYSENTER_ESP, CPU_TSC_ADJUST, CPU_TSC_AUX,
  CPU_XSS, P_ABSENT_MSRS, P_ABSENT_MSR_COUNT, WATCH_MSR } from './generated/layout';
import { apicMsrRead, apicMsrReadable, apicMsrWrite, tscChanged } from '../devices/bus';
import { debugctlSupported, eferSupported } from './processor-facts';
import { selectTlb } from './tlb';
import { isPerformanceMsr, readPerformanceMsr, writePerformanceMsr } from './performance-counters';
import { updateMode } from './segments';
import { ABORT, aborted, CR0_PG, cr0, EFER_LMA, EFER_LME, FS, GP, GS, NEXT, raiseError, RAX, RCX, RDX, reg, setReg32, time } from './state';
import { hasCapabilityMsr, readCapabilityMsr } from './vmx/capability';
import { interceptMsrRead, interceptMsrWrite } from './vmx/intercepts';
import { msrReadIsVirtual, msrWriteIsVirtual, readVirtualMsr, writeVirtualMsr } from './vmx/virtual-apic-registers';
import { tscOffsetApplied } from './vmx/register-intercepts';
import { EXITED, notePlace, placeIsWatched, READS, unnote, WRITES } from './watch';

/** The time-stamp counter before offsetting: one tick a unit. */
export function tscValue(): u64 { return time() + load<u64>(CPU_TSC_ADJUST); }

@inline function canonical(v: u64): bool { return <u64>(<i64>(v << 16) >> 16) == v; }

/** An x2APIC register, while the local APIC is in x2APIC mode. */
@inline function isX2apic(index: u32): bool { return index >> 8 == 8 && index < 0x840 && (load<u64>(CPU_APIC_BASE) & 0xc00) == 0xc00; }

/** Address of the state cell of an MSR that is plain storage, 0 for others. */
function plainCell(index: u32): usize {
  switch (index) {
    case 0x3b: return CPU_TSC_ADJUST;
    case 0x8b: return CPU_BIOS_SIGNATURE;
    case 0xda0: return CPU_XSS;
    case 0x174: return CPU_SYSENTER_CS;
    case 0x175: return CPU_SYSENTER_ESP;
    case 0x176: return CPU_SYSENTER_EIP;
    case 0x1a0: return CPU_MISC_ENABLE;
    case 0x1d9: return CPU_DEBUGCTL;
    case 0x277: return CPU_PAT;
    case 0x2ff: return CPU_MTRR_DEF_TYPE;
    case 0x250: return CPU_MTRR_FIXED;
    case 0x258: return CPU_MTRR_FIXED + 8;
    case 0x259: return CPU_MTRR_FIXED + 16;
    case 0x3a: return CPU_FEATURE_CONTROL;
    case 0xc0000081: return CPU_STAR;
    case 0xc0000082: return CPU_LSTAR;
    case 0xc0000083: return CPU_CSTAR;
    case 0xc0000084: return CPU_FMASK;
    case 0xc0000100: return CPU_SEG_BASE + (<usize>FS << 3);
    case 0xc0000101: return CPU_SEG_BASE + (<usize>GS << 3);
    case 0xc0000102: return CPU_KERNEL_GS_BASE;
    case 0xc0000103: return CPU_TSC_AUX;
    default:
      if (index >= 0x268 && index <= 0x26f) return CPU_MTRR_FIXED + 24 + (<usize>(index - 0x268) << 3);
      if (index >= 0x200 && index < 0x210) return CPU_MTRR_VARIABLE + (<usize>(index - 0x200) << 3);
      return 0;
  }
}

/** An MSR that goes with a feature which the processor model lacks. */
function isAbsent(index: u32): bool {
  const end = P_ABSENT_MSRS + (<usize>load<u32>(P_ABSENT_MSR_COUNT) << 2);
  for (let at = P_ABSENT_MSRS; at < end; at += 4) if (load<u32>(at) == index) return true;
  return false;
}

/** Value of an MSR; raises #GP(0) for one that does not exist (check `aborted()`). */
export function readMsr(index: u32): u64 {
  if (hasCapabilityMsr(index)) return readCapabilityMsr(index);
  if (isAbsent(index)) { raiseError(GP, 0); return 0; }
  const cell = plainCell(index);
  if (cell) return load<u64>(cell);
  switch (index) {
    case 0x10: return tscOffsetApplied(tscValue());
    case 0x17: case 0x179: case 0x17a: return 0;
    case 0xfe: return 0x508;                                                            // 8 variable ranges, fixed ranges, write combining
    case 0xc0000080: return load<u64>(CPU_EFER);
    default:
      if (isPerformanceMsr(index)) return readPerformanceMsr(index);
      if ((index == 0x1b || index == 0x6e0 || isX2apic(index)) && apicMsrReadable(index)) return apicMsrRead(index);
      raiseError(GP, 0);
      return 0;
  }
}

/** Writes an MSR with the checks that WRMSR makes of the value; #GP(0) when it is refused. */
export function writeMsr(index: u32, value: u64): i32 {
  if (isAbsent(index)) return raiseError(GP, 0);
  switch (index) {
    case 0x10: store<u64>(CPU_TSC_ADJUST, value - time()); tscChanged(); return NEXT;
    case 0x3b: store<u64>(CPU_TSC_ADJUST, value); tscChanged(); return NEXT;
    case 0x1b: case 0x6e0: return apicMsrWrite(index, value) ? NEXT : raiseError(GP, 0);
    case 0x3a:
      if ((load<u64>(CPU_FEATURE_CONTROL) & 1) != 0 || (value & ~5) != 0) return raiseError(GP, 0);   // locked; only the lock and VMXON outside SMX exist
      break;
    case 0x79: return NEXT;                                                             // microcode update: accepted, without effect
    case 0x8b: case 0x17a: if (index == 0x17a) return NEXT; break;
    case 0x174: value &= 0xffffffff; break;
    case 0x1d9: if (value & ~debugctlSupported()) return raiseError(GP, 0); break;
    case 0x277:
      for (let n: u32 = 0; n < 64; n += 8) { const t = value >> n & 0xff; if (t > 7 || t == 2 || t == 3) return raiseError(GP, 0); }
      break;
    case 0xda0: if (value != 0) return raiseError(GP, 0); break;                          // no supervisor components
    case 0xc0000080: return writeEfer(value);
    case 0x175: case 0x176: case 0xc0000082: case 0xc0000083: case 0xc0000100: case 0xc0000101: case 0xc0000102:
      if (!canonical(value)) return raiseError(GP, 0);
      break;
    case 0xc0000103: if (value >> 32) return raiseError(GP, 0); break;
    default:
      if (isPerformanceMsr(index)) return writePerformanceMsr(index, value) ? NEXT : raiseError(GP, 0);
      if (isX2apic(index)) return apicMsrWrite(index, value) ? NEXT : raiseError(GP, 0);
  }
  const cell = plainCell(index);
  if (!cell) return raiseError(GP, 0);
  store<u64>(cell, value);
  return NEXT;
}

/** IA32_EFER: LMA follows paging; LME cannot change while paging is on (SDM 3A 2.2.1 'Extended Feature Enable Register'). */
function writeEfer(value: u64): i32 {
  const old = load<u64>(CPU_EFER);
  if (value & ~eferSupported()) return raiseError(GP, 0);
  if (((old ^ value) & EFER_LME) != 0 && (cr0() & CR0_PG) != 0) return raiseError(GP, 0);
  store<u64>(CPU_EFER, value & ~EFER_LMA | old & EFER_LMA);
  updateMode();
  selectTlb();
  return NEXT;
}

export function rdmsr(_pc: usize): i32 {
  const index = <u32>reg(RCX);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  const watched = placeIsWatched(WATCH_MSR, index, 1, READS);
  if (watched) notePlace(WATCH_MSR, READS, index, 8, 0, 0, EXITED);
  if (interceptMsrRead(index)) return ABORT;
  const value = msrReadIsVirtual(index) ? readVirtualMsr(index) : readMsr(index);
  if (aborted()) return ABORT;
  if (watched) { unnote(); notePlace(WATCH_MSR, READS, index, 8, value, value, 0); }
  setReg32(RAX, <u32>value);
  setReg32(RDX, <u32>(value >> 32));
  return NEXT;
}
export function wrmsr(_pc: usize): i32 {
  const index = <u32>reg(RCX);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  const value = reg(RAX) & 0xffffffff | reg(RDX) << 32, watched = placeIsWatched(WATCH_MSR, index, 1, WRITES);
  if (watched) notePlace(WATCH_MSR, WRITES, index, 8, 0, value, EXITED);
  if (interceptMsrWrite(index)) return ABORT;
  const isVirtual = msrWriteIsVirtual(index);
  if (!watched) return isVirtual ? writeVirtualMsr(index, value) : writeMsr(index, value);
  unnote();
  // a value that cannot be read is told as 0
  const before = isVirtual ? readVirtualMsr(index) : readMsr(index);
  store<u32>(CPU_ABORT_KIND, 0);
  if ((isVirtual ? writeVirtualMsr(index, value) : writeMsr(index, value)) != NEXT) return ABORT;
  notePlace(WATCH_MSR, WRITES, index, 8, before, value, 0);
  return NEXT;
}
