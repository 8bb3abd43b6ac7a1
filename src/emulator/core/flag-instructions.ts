// PUSHF, POPF, CLI, STI, CLD, STD: the flags that have privilege rules (SDM 1 'EFLAGS Register').
import { CPU_CPL, CPU_RFLAGS_SYSTEM } from './generated/layout';
import { operandSize } from './operands';
import {
  AC, ABORT, aborted, ARITHMETIC, attend, CR0_AM, CR4_SMAP, cr0, cr4, DF, GP, ID, IF, IOPL, NEXT, NT, raise, raiseError, resumeFlagFor, RF, rflags, setArithmeticFlags, setInterruptShadow,
  TF, UD, VM, virtual8086,
} from './state';
import { push, setStackPointer, stackBytes, stackLoad, stackPointer } from './stack';
import { selectTlb } from './tlb';

@inline function iopl(): u32 { return <u32>(load<u64>(CPU_RFLAGS_SYSTEM) & IOPL) >> 12; }

/** Virtual-8086 mode below IOPL 3: PUSHF, POPF, CLI, STI, INT n and IRET are #GP(0) (SDM 3A 20.2.7 'Sensitive Instructions'). */
export function sensitive(): bool {
  if (!virtual8086() || iopl() == 3) return false;
  raiseError(GP, 0);
  return true;
}

export function pushf(pc: usize): i32 { return sensitive() ? ABORT : push(rflags() & ~(VM | RF), stackBytes(operandSize(pc))); }

/** Which flags POPF and IRET may change at this privilege level (SDM 2B 'POPF/POPFD/POPFQ'). */
export function changeableFlags(): u64 {
  const level = load<u32>(CPU_CPL);
  let mask = ARITHMETIC | TF | DF | NT | AC | ID;
  if (level == 0) mask |= IOPL;
  if (level <= iopl()) mask |= IF;
  return mask;
}
/** Sets the flags that `mask` names; interrupts and single steps are looked at before the next instruction. */
export function changeFlags(value: u64, mask: u64): void {
  setArithmeticFlags(value & mask | rflags() & ~mask);
  const old = load<u64>(CPU_RFLAGS_SYSTEM), system = mask & ~ARITHMETIC;
  store<u64>(CPU_RFLAGS_SYSTEM, old & ~system | value & system | 2);
  if ((value & mask & RF) != 0) resumeFlagFor(1);
  if ((old ^ value) & mask & AC && ((cr4() & CR4_SMAP) != 0 || (cr0() & CR0_AM) != 0)) selectTlb();
  if ((value & (IF | TF)) != 0) attend();
}

export function popf(pc: usize): i32 {
  if (sensitive()) return ABORT;
  const bytes = stackBytes(operandSize(pc)), top = stackPointer(), value = stackLoad(top, bytes);
  if (aborted()) return ABORT;
  const mask = changeableFlags();
  changeFlags(value, bytes == 2 ? mask & 0xffff : mask);
  store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) & ~RF);
  setStackPointer(top + bytes);
  return NEXT;
}

/** CLAC and STAC, at CPL 0 only (SDM 2A 'CLAC'). */
function setAlignmentCheck(value: u64): i32 {
  if (load<u32>(CPU_CPL) != 0) return raise(UD);
  changeFlags(value, AC);
  return NEXT;
}
export function clac(_pc: usize): i32 { return setAlignmentCheck(0); }
export function stac(_pc: usize): i32 { return setAlignmentCheck(AC); }

export function cli(_pc: usize): i32 {
  if (load<u32>(CPU_CPL) > iopl()) return raiseError(GP, 0);
  store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) & ~IF);
  return NEXT;
}
export function sti(_pc: usize): i32 {
  if (load<u32>(CPU_CPL) > iopl()) return raiseError(GP, 0);
  const old = load<u64>(CPU_RFLAGS_SYSTEM);
  store<u64>(CPU_RFLAGS_SYSTEM, old | IF);
  // interrupts stay blocked for one more instruction when IF was clear (SDM 2B 'STI')
  if ((old & IF) == 0) { setInterruptShadow(1); attend(); }
  return NEXT;
}
export function cld(_pc: usize): i32 { store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) & ~DF); return NEXT; }
export function std(_pc: usize): i32 { store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) | DF); return NEXT; }
