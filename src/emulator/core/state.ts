// The active vCPU's state as small accessors over fixed addresses: registers, RFLAGS, time, faults raised by procedures.
// A procedure (what the run loop calls for an instruction that is a procedure of the manual) returns NEXT, ABORT or JUMPED.
import {
  CPU_ABORT_KIND, CPU_ALONE, CPU_CR0, CPU_CR4, CPU_CPL, CPU_EFER, CPU_FAULT_ADDRESS, CPU_FAULT_ERROR, CPU_FAULT_HAS_ERROR, CPU_FAULT_VECTOR, CPU_FLAGS_C,
  CPU_FLAGS_R, CPU_GPR, CPU_INSTRUCTION_LENGTH, CPU_MODE, CPU_NON_ROOT, CPU_RESUME_UNTIL, CPU_RFLAGS_SYSTEM, CPU_RIP, CPU_SHADOW_BITS, CPU_SHADOW_UNTIL, M_BUDGET, M_DEADLINE,
} from './generated/layout';

/** The procedure completed: RIP moves to the next instruction. */
@inline export const NEXT: i32 = 0;
/** The instruction was abandoned (fault, VM exit, stop): nothing of it is committed; CPU_ABORT_KIND says why. */
@inline export const ABORT: i32 = 1;
/** The procedure completed and set RIP itself. */
@inline export const JUMPED: i32 = 2;

// values of CPU_ABORT_KIND
@inline export const ABORT_EXCEPTION: u32 = 1;
@inline export const ABORT_ALONE: u32 = 2;
@inline export const ABORT_EXITED: u32 = 3;
@inline export const ABORT_STOP: u32 = 4;
@inline export const ABORT_EPT_VIOLATION: u32 = 5;
@inline export const ABORT_EPT_MISCONFIGURATION: u32 = 6;
@inline export const ABORT_PML_FULL: u32 = 7;
@inline export const ABORT_APIC_ACCESS: u32 = 8;
@inline export const ABORT_PROCEDURE: u32 = 9;

@inline export const CF: u64 = 1; @inline export const PF: u64 = 4; @inline export const AF: u64 = 0x10; @inline export const ZF: u64 = 0x40; @inline export const SF: u64 = 0x80;
@inline export const TF: u64 = 0x100; @inline export const IF: u64 = 0x200; @inline export const DF: u64 = 0x400; @inline export const OF: u64 = 0x800;
@inline export const IOPL: u64 = 0x3000; @inline export const NT: u64 = 0x4000; @inline export const RF: u64 = 0x10000; @inline export const VM: u64 = 0x20000;
@inline export const AC: u64 = 0x40000; @inline export const VIF: u64 = 0x80000; @inline export const VIP: u64 = 0x100000; @inline export const ID: u64 = 0x200000;
@inline export const ARITHMETIC: u64 = 0x8d5;

@inline export const CR0_PE: u64 = 1; @inline export const CR0_MP: u64 = 2; @inline export const CR0_EM: u64 = 4; @inline export const CR0_TS: u64 = 8; @inline export const CR0_ET: u64 = 16;
@inline export const CR0_NE: u64 = 32; @inline export const CR0_WP: u64 = 0x10000; @inline export const CR0_AM: u64 = 0x40000; @inline export const CR0_NW: u64 = 0x20000000;
@inline export const CR0_CD: u64 = 0x40000000; @inline export const CR0_PG: u64 = 0x80000000;
@inline export const CR4_VME: u64 = 1; @inline export const CR4_PVI: u64 = 2; @inline export const CR4_TSD: u64 = 4; @inline export const CR4_DE: u64 = 8; @inline export const CR4_PSE: u64 = 0x10;
@inline export const CR4_PAE: u64 = 0x20; @inline export const CR4_MCE: u64 = 0x40; @inline export const CR4_PGE: u64 = 0x80; @inline export const CR4_PCE: u64 = 0x100;
@inline export const CR4_OSFXSR: u64 = 0x200; @inline export const CR4_OSXMMEXCPT: u64 = 0x400; @inline export const CR4_UMIP: u64 = 0x800; @inline export const CR4_LA57: u64 = 0x1000;
@inline export const CR4_VMXE: u64 = 0x2000; @inline export const CR4_SMXE: u64 = 0x4000; @inline export const CR4_FSGSBASE: u64 = 0x10000; @inline export const CR4_PCIDE: u64 = 0x20000;
@inline export const CR4_OSXSAVE: u64 = 0x40000; @inline export const CR4_SMEP: u64 = 0x100000; @inline export const CR4_SMAP: u64 = 0x200000; @inline export const CR4_PKE: u64 = 0x400000;
@inline export const EFER_SCE: u64 = 1; @inline export const EFER_LME: u64 = 0x100; @inline export const EFER_LMA: u64 = 0x400; @inline export const EFER_NXE: u64 = 0x800;

// exception vectors
@inline export const DE: u32 = 0; @inline export const DB: u32 = 1; @inline export const NMI: u32 = 2; @inline export const BP: u32 = 3;
@inline export const OVERFLOW: u32 = 4; @inline export const BR: u32 = 5;
@inline export const UD: u32 = 6; @inline export const NM: u32 = 7; @inline export const DF_VECTOR: u32 = 8; @inline export const TS: u32 = 10; @inline export const NP: u32 = 11;
@inline export const SS: u32 = 12; @inline export const GP: u32 = 13; @inline export const PF_VECTOR: u32 = 14; @inline export const MF: u32 = 16; @inline export const AC_VECTOR: u32 = 17;
@inline export const MC: u32 = 18; @inline export const XM: u32 = 19; @inline export const VE: u32 = 20;

// segment registers, in the order of the state cells
@inline export const ES: u32 = 0; @inline export const CS: u32 = 1; @inline export const SS_REG: u32 = 2; @inline export const DS: u32 = 3;
@inline export const FS: u32 = 4; @inline export const GS: u32 = 5;
@inline export const LDTR: u32 = 6; @inline export const TR: u32 = 7;

@inline export const RAX: u32 = 0; @inline export const RCX: u32 = 1; @inline export const RDX: u32 = 2; @inline export const RBX: u32 = 3;
@inline export const RSP: u32 = 4; @inline export const RSI: u32 = 6; @inline export const RDI: u32 = 7;

@inline export function reg(n: u32): u64 { return load<u64>(CPU_GPR + (n << 3)); }
@inline export function setReg(n: u32, v: u64): void { store<u64>(CPU_GPR + (n << 3), v); }
@inline export function stackPointerOf(mask: u64): u64 { return reg(RSP) & mask; }
/** Writes a 32-bit result: the upper half becomes 0. */
@inline export function setReg32(n: u32, v: u32): void { store<u64>(CPU_GPR + (n << 3), v); }

@inline export function cr0(): u64 { return load<u64>(CPU_CR0); }
@inline export function cr4(): u64 { return load<u64>(CPU_CR4); }
@inline export function efer(): u64 { return load<u64>(CPU_EFER); }
@inline export function cpl(): u32 { return load<u32>(CPU_CPL); }
@inline export function rip(): u64 { return load<u64>(CPU_RIP); }
@inline export function nextRip(): u64 { const r = load<u64>(CPU_RIP) + load<u32>(CPU_INSTRUCTION_LENGTH); return in64BitMode() ? r : r & 0xffffffff; }
@inline export function nonRoot(): bool { return load<u32>(CPU_NON_ROOT) != 0; }
@inline export function longModeActive(): bool { return (load<u64>(CPU_EFER) & EFER_LMA) != 0; }
/** CS.L in IA-32e mode. */
@inline export function in64BitMode(): bool { return (load<u32>(CPU_MODE) & 3) == 2; }
@inline export function realMode(): bool { return (load<u64>(CPU_CR0) & CR0_PE) == 0; }
@inline export function virtual8086(): bool { return (load<u64>(CPU_RFLAGS_SYSTEM) & VM) != 0; }

/** Virtual time at this instruction's boundary: units retired so far. Exact in procedures and in instructions that run alone. */
@inline export function time(): u64 { return load<u64>(M_DEADLINE) - <u64>(<i64>load<i32>(M_BUDGET)); }

/**
 * From one boundary to the next is one unit, so that a run can end at each: an instruction, an iteration of a repeated string instruction, an event
 * that is delivered (the fault or the software interrupt that led to it counts no more), or a VM exit that no instruction counts.
 */
@inline export function takeUnit(): void { store<i32>(M_BUDGET, load<i32>(M_BUDGET) - 1); }
@inline export function giveBackUnit(): void { store<i32>(M_BUDGET, load<i32>(M_BUDGET) + 1); }

/** Makes the run loop look at events before the next block: the budget becomes 0 now, time stands. An instruction that runs alone ends its budget anyway. */
export function attend(): void {
  if (load<u32>(CPU_ALONE)) return;
  store<u64>(M_DEADLINE, time());
  store<i32>(M_BUDGET, 0);
}

/** The six arithmetic flags out of the pair (R, C); see design of flags in codegen/flags.ts. */
export function arithmeticFlags(): u64 {
  const r = load<u64>(CPU_FLAGS_R), c = load<u64>(CPU_FLAGS_C);
  const carry = c >> 63, overflow = carry ^ ((c >> 62) & 1);
  const sf = (r >> 63) ^ ((c >> 16) & 1);
  const pf: u64 = (popcnt<u64>((r ^ (c >> 8)) & 0xff) & 1) ^ 1;
  return carry | (pf << 2) | (((c >> 3) & 1) << 4) | (r == 0 ? ZF : 0) | (sf << 7) | (overflow << 11);
}
/** Sets the six arithmetic flags from an RFLAGS image; every combination is representable. */
export function setArithmeticFlags(v: u64): void {
  const carry = v & 1, overflow = (v >> 11) & 1, r: u64 = ((v >> 6) & 1) ^ 1;
  store<u64>(CPU_FLAGS_R, r);
  const parityOfR: u64 = r & 1;                       // R is 0 or 1: parity bit of its low byte is odd when 1
  const pfFix = (((v >> 2) & 1) ^ 1 ^ parityOfR) << 8;
  store<u64>(CPU_FLAGS_C, (carry << 63) | ((carry ^ overflow) << 62) | (((v >> 4) & 1) << 3) | (((v >> 7) & 1) << 16) | pfFix);
}
export function rflags(): u64 {
  const system = load<u64>(CPU_RFLAGS_SYSTEM);
  return ((system & RF) != 0 && time() >= load<u64>(CPU_RESUME_UNTIL) ? system & ~RF : system) | arithmeticFlags();
}
/** Sets RFLAGS.RF for so many units from now. */
export function resumeFlagFor(units: u32): void {
  store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) | RF);
  store<u64>(CPU_RESUME_UNTIL, time() + units);
}
/** Sets all of RFLAGS as given (reserved bits forced), without any privilege rule. */
export function setRflags(v: u64): void {
  setArithmeticFlags(v);
  store<u64>(CPU_RFLAGS_SYSTEM, (v & (TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID)) | 2);
  store<u64>(CPU_RESUME_UNTIL, time() + 1);
}

@inline export function aborted(): bool { return load<u32>(CPU_ABORT_KIND) != 0; }
/** Leaves an instruction for a reason that is not an exception. */
export function abandon(kind: u32): i32 { store<u32>(CPU_ABORT_KIND, kind); return ABORT; }
/** Raises an exception without error code; the caller returns the result (ABORT). */
export function raise(vector: u32): i32 {
  store<u32>(CPU_ABORT_KIND, ABORT_EXCEPTION);
  store<u32>(CPU_FAULT_VECTOR, vector);
  store<u32>(CPU_FAULT_HAS_ERROR, 0);
  store<u32>(CPU_FAULT_ERROR, 0);
  return ABORT;
}
/** Raises an exception with an error code. */
export function raiseError(vector: u32, error: u32): i32 {
  raise(vector);
  store<u32>(CPU_FAULT_HAS_ERROR, 1);
  store<u32>(CPU_FAULT_ERROR, error);
  return ABORT;
}
export function raisePageFault(address: u64, error: u32): i32 {
  raiseError(PF_VECTOR, error);
  store<u64>(CPU_FAULT_ADDRESS, address);
  return ABORT;
}

/** Blocking by STI (1) or MOV SS (2) that is in force at this boundary. */
export function interruptShadow(): u32 { return time() < load<u64>(CPU_SHADOW_UNTIL) ? load<u32>(CPU_SHADOW_BITS) : 0; }
/** Blocks interrupts until after the next instruction (call from the instruction that causes it, which is counted already). */
export function setInterruptShadow(bits: u32): void {
  store<u32>(CPU_SHADOW_BITS, bits);
  store<u64>(CPU_SHADOW_UNTIL, time() + 1);
  attend();
}
