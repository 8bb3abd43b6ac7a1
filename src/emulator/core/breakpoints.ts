// Breakpoints of the debug registers: SDM 3B 18.2 'Debug Registers'. One on an instruction is a fault before it, those on data and ports are traps
// after the instruction that makes the access. While some are enabled, data of their pages is reached through the slow paths alone (the TLB context in
// use gives them no entries) and, for instructions, each instruction runs in a block of its own: a processor without them pays nothing.
import { CPU_ABORT_KIND, CPU_DR, CPU_FAULT_ADDRESS, CPU_PENDING_DEBUG, CPU_RESUME_UNTIL, CPU_RFLAGS_SYSTEM } from './generated/layout';
import { attend, CR4_DE, cr4, DB, interruptShadow, raise, resumeFlagFor, RF, rflags, time } from './state';

@inline const DR7: usize = CPU_DR + 7 * 8;
// the kinds of R/W, and sets of them as bits
@inline const ON_EXECUTION: u32 = 1;
@inline const ON_WRITE: u32 = 2;
@inline const ON_PORT: u32 = 4;
@inline const ON_ACCESS: u32 = 8;
@inline const BLOCKING_BY_MOV_SS: u32 = 2;
/** Pending debug exceptions: some enabled breakpoint was met. */
@inline const ENABLED_BREAKPOINT: u64 = 0x1000;

@inline export function breakpointsEnabled(): bool { return (load<u64>(DR7) & 0xff) != 0; }

/** Bits 3:0 of DR6 for the enabled breakpoints of some kinds that meet [first, last]. */
function met(kinds: u32, first: u64, last: u64): u32 {
  const dr7 = load<u64>(DR7);
  let bits: u32 = 0;
  for (let n: u32 = 0; n < 4; n++) {
    if ((dr7 >> (n << 1) & 3) == 0) continue;
    const kind = <u32>(dr7 >> (16 + (n << 2)) & 3), code = <u32>(dr7 >> (18 + (n << 2)) & 3), bytes: u64 = code == 2 ? 8 : code + 1;
    if ((kinds >> kind & 1) == 0) continue;
    const from = load<u64>(CPU_DR + (<usize>n << 3)) & ~(bytes - 1);
    if (last >= from && first <= from + bytes - 1) bits |= 1 << n;
  }
  return bits;
}

/** Some breakpoint on an instruction is enabled: each instruction runs alone, and is looked at before. */
export function instructionsAreWatched(): bool { return breakpointsEnabled() && met(ON_EXECUTION, 0, u64.MAX_VALUE) != 0; }

/** Raises #DB when a breakpoint stands on the instruction at this linear address, unless RF or blocking by MOV SS passes over it. */
export function instructionBreakpoint(linear: u64): bool {
  if ((rflags() & RF) != 0 || (interruptShadow() & BLOCKING_BY_MOV_SS) != 0) return false;
  const bits = met(ON_EXECUTION, linear, linear);
  if (bits == 0) return false;
  // the image of RFLAGS that the handler gets lets the instruction run; the delivery takes a unit of its own
  resumeFlagFor(2);
  raise(DB);
  store<u64>(CPU_FAULT_ADDRESS, bits);
  return true;
}

/** The run stops before that exception is delivered: it will come again. */
export function withdrawInstructionBreakpoint(): void {
  if (load<u64>(CPU_RESUME_UNTIL) != time() + 2) return;
  store<u64>(CPU_RFLAGS_SYSTEM, load<u64>(CPU_RFLAGS_SYSTEM) & ~RF);
  store<u64>(CPU_RESUME_UNTIL, 0);
}

// ---- data and ports

/** Of the instruction that runs. */
let notedBits: u32 = 0;

/** Whether the page of a linear address holds bytes that a breakpoint on data watches: accesses to it run alone. */
export function pageHasBreakpoint(linear: u64): bool { return met(ON_WRITE | ON_ACCESS, linear & ~0xfff, linear | 0xfff) != 0; }
export function noteDataBreakpoints(linear: u64, bytes: u32, write: bool): void { notedBits |= met(write ? ON_WRITE | ON_ACCESS : ON_ACCESS, linear, linear + bytes - 1); }
export function notePortBreakpoints(port: u32, bytes: u32): void {
  if (breakpointsEnabled() && (cr4() & CR4_DE) != 0) notedBits |= met(ON_PORT, port, port + bytes - 1);
}

/** After an instruction: its traps become pending, unless it was abandoned or a VM exit took its place. */
export function settleBreakpoints(): void {
  if (notedBits == 0) return;
  if (load<u32>(CPU_ABORT_KIND) == 0) {
    store<u64>(CPU_PENDING_DEBUG, load<u64>(CPU_PENDING_DEBUG) | ENABLED_BREAKPOINT | notedBits);
    attend();
  }
  notedBits = 0;
}
