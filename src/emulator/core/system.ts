// Instructions of the system that are neither transfers, segments, registers nor MSRs: HLT, PAUSE, caches, time, wide compares, ENTER.
import {
  CPU_ABORT_KIND, CPU_ACTIVITY, CPU_FAULT_VECTOR, CPU_CPL, CPU_TSC_AUX, CPU_XCR0, CPU_XMM, EV_A, EV_AUX, EVENT_UNIMPLEMENTED, M_HOOK_COUNT, REGION_CODE_HOOKS,
  REGION_CODE_HOOKS_SIZE, STOP_CODE_HOOK, RAM_BASE,
} from './generated/layout';
import { vectorsUnavailable } from './floating-point';
import { executableHost, linearRip } from './blocks';
import { loadData, probeStore, storeData } from './memory';
import { destinationRegister, immediate, linearAddress, operandOffset, operandSize, recordAddressSize, recordSegment, rexW, sourceRegister } from './operands';
import { tscValue } from './msrs';
import { countersAreInUse, rdpmcValue, recount } from './performance-counters';
import { eventSlot } from './ring';
import { yieldTurn } from './scheduler';
import {
  ABORT, aborted, ABORT_ALONE, ABORT_EXCEPTION, abandon, attend, CR4_OSXSAVE, CR4_PCE, CR4_TSD, CR0_EM, CR0_MP, CR0_TS, cr0, cr4, DE, GP, in64BitMode, NEXT, NM, nonRoot, raise,
  raiseError, RAX, RBX, RCX, RDI, RDX, reg, rflags, RSP, setArithmeticFlags, setReg, setReg32, SS, UD, ZF,
} from './state';
import { enterSegmented } from './segmented-code';
import { stopBefore } from './stop';
import {
  interceptHlt, interceptInvd, interceptMonitor, interceptMwait, interceptPause, interceptRdpmc, interceptRdtsc, interceptRdtscp, interceptWbinvd, rdtscpIsEnabled,
  tscOffsetApplied,
} from './vmx/intercepts';

@inline function privileged(): bool { return load<u32>(CPU_CPL) == 0; }

export function hlt(_pc: usize): i32 {
  if (!privileged()) return raiseError(GP, 0);
  if (interceptHlt()) return ABORT;
  if (countersAreInUse()) recount();
  store<u32>(CPU_ACTIVITY, 1);
  attend();
  return NEXT;
}
export function pause(_pc: usize): i32 {
  if (interceptPause()) return ABORT;
  yieldTurn();
  return NEXT;
}
export function ud2(_pc: usize): i32 { return raise(UD); }
/** An encoding that the table does not have: #UD, and an event that names its bytes when the manual defines it or not. */
export function undefinedOpcode(_pc: usize): i32 {
  const at = eventSlot(EVENT_UNIMPLEMENTED, 1);
  if (at) {
    const bytes = loadData(linearRip(), 8);
    store<u32>(at + EV_AUX, aborted() ? 0 : 8);
    store<u64>(at + EV_A, bytes);
  }
  return raise(UD);
}
export function invd(_pc: usize): i32 { return !privileged() ? raiseError(GP, 0) : interceptInvd() ? ABORT : NEXT; }
export function wbinvd(_pc: usize): i32 { return !privileged() ? raiseError(GP, 0) : interceptWbinvd() ? ABORT : NEXT; }
/** The processor is never in SMM: RSM is undefined, in VMX non-root operation too. */
export function rsm(_pc: usize): i32 { return raise(UD); }
export function getsec(_pc: usize): i32 { return raise(UD); }
export function monitor(_pc: usize): i32 { return !privileged() ? raise(UD) : interceptMonitor() ? ABORT : reg(RCX) != 0 ? raiseError(GP, 0) : NEXT; }
/** Returns at once, as a processor may (docs/sdm-issues.md); another vCPU takes its turn first. */
export function mwait(_pc: usize): i32 {
  if (!privileged()) return raise(UD);
  if (interceptMwait()) return ABORT;
  yieldTurn();
  return NEXT;
}
/** WAIT: without an x87 unit there is no error to wait for (SDM 2B 'WAIT/FWAIT'). */
export function fwait(_pc: usize): i32 { return (cr0() & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS) ? raise(NM) : NEXT; }
/** FNOP does nothing but find the x87 unit unavailable (SDM 2A 'FNOP'). */
export function fnop(_pc: usize): i32 { return (cr0() & (CR0_EM | CR0_TS)) != 0 ? raise(NM) : NEXT; }
export function rdpid(pc: usize): i32 {
  if (!rdtscpIsEnabled()) return raise(UD);
  setReg(destinationRegister(pc), load<u64>(CPU_TSC_AUX));
  return NEXT;
}
/** MASKMOVDQU: the bytes of the first operand whose mask byte in the second has its top bit set, to DS:rDI (SDM 2A 'MASKMOVDQU'). */
export function maskedStore(pc: usize): i32 {
  if (vectorsUnavailable()) return ABORT;
  const first = CPU_XMM + (<usize>destinationRegister(pc) << 4), mask = CPU_XMM + (<usize>sourceRegister(pc) << 4);
  const size = recordAddressSize(pc), offset = size == 2 ? reg(RDI) : size == 1 ? reg(RDI) & 0xffffffff : reg(RDI) & 0xffff;
  const address = linearAddress(recordSegment(pc), offset, 16), user = load<u32>(CPU_CPL) == 3;
  if (aborted()) return ABORT;
  for (let n: u32 = 0; n < 16; n++) if (load<u8>(mask + n) & 0x80 && probeStore(address + n, 1, user)) return ABORT;
  for (let n: u32 = 0; n < 16; n++) if (load<u8>(mask + n) & 0x80 && storeData(address + n, load<u8>(first + n), 1)) return ABORT;
  return NEXT;
}
/** LFENCE, MFENCE, SFENCE: one vCPU runs at a time and in order. */
export function fence(_pc: usize): i32 { return NEXT; }
export function clflush(pc: usize): i32 { loadData(linearAddress(recordSegment(pc), operandOffset(pc), 1), 1); return aborted() ? ABORT : NEXT; }

export function rdtsc(_pc: usize): i32 {
  if ((cr4() & CR4_TSD) != 0 && !privileged()) return raiseError(GP, 0);
  if (interceptRdtsc()) return ABORT;
  const tsc = tscOffsetApplied(tscValue());
  setReg32(RAX, <u32>tsc); setReg32(RDX, <u32>(tsc >> 32));
  return NEXT;
}
export function rdtscp(_pc: usize): i32 {
  if (!rdtscpIsEnabled()) return raise(UD);
  if ((cr4() & CR4_TSD) != 0 && !privileged()) return raiseError(GP, 0);
  if (interceptRdtscp()) return ABORT;
  const tsc = tscOffsetApplied(tscValue());
  setReg32(RAX, <u32>tsc); setReg32(RDX, <u32>(tsc >> 32)); setReg32(RCX, load<u32>(CPU_TSC_AUX));
  return NEXT;
}
export function rdpmc(_pc: usize): i32 {
  if ((cr4() & CR4_PCE) == 0 && !privileged()) return raiseError(GP, 0);
  if (interceptRdpmc()) return ABORT;
  const value = rdpmcValue(<u32>reg(RCX));
  if (value == u64.MAX_VALUE) return raiseError(GP, 0);
  setReg32(RAX, <u32>value); setReg32(RDX, <u32>(value >> 32));
  return NEXT;
}

/** CMPXCHG8B and CMPXCHG16B. */
export function cmpxchgWide(pc: usize): i32 {
  const wide = rexW(pc), half: u32 = wide ? 8 : 4, address = linearAddress(recordSegment(pc), operandOffset(pc), half * 2);
  if (aborted()) return ABORT;
  if (wide && (address & 15) != 0) return raiseError(GP, 0);
  if (probeStore(address, half, load<u32>(CPU_CPL) == 3) || probeStore(address + half, half, load<u32>(CPU_CPL) == 3)) return ABORT;
  const low = loadData(address, half), high = loadData(address + half, half), mask: u64 = wide ? u64.MAX_VALUE : 0xffffffff;
  const same = low == (reg(RAX) & mask) && high == (reg(RDX) & mask);
  if (storeData(address, same ? reg(RBX) : low, half) || storeData(address + half, same ? reg(RCX) : high, half)) return ABORT;
  if (!same) { setReg(RAX, low); setReg(RDX, high); }
  setArithmeticFlags(same ? rflags() | ZF : rflags() & ~ZF);
  return NEXT;
}

/** ENTER; with a 64-bit or 16-bit operand in 64-bit mode (SDM 2A 'ENTER'). */
export function enter(pc: usize): i32 {
  if (!in64BitMode()) return enterSegmented(pc);
  const bytes: u32 = operandSize(pc) == 1 ? 2 : 8, frameBytes = immediate(pc) & 0xffff, nesting = <u32>(immediate(pc) >> 16) & 31;
  const frame = reg(RSP) - bytes, total = bytes * (nesting + 1);
  // everything is probed before the first store
  if (probeStore(reg(RSP) - total, 1, load<u32>(CPU_CPL) == 3) || probeStore(frame, bytes, load<u32>(CPU_CPL) == 3)) return ABORT;
  let at = frame, from = reg(5);
  for (let n: u32 = 1; n < nesting; n++) { from -= bytes; loadData(from, bytes); if (aborted()) return ABORT; }
  if (storeData(at, reg(5), bytes)) return ABORT;
  from = reg(5);
  for (let n: u32 = 1; n < nesting; n++) { from -= bytes; at -= bytes; if (storeData(at, loadData(from, bytes), bytes)) return ABORT; }
  if (nesting > 0) { at -= bytes; if (storeData(at, frame, bytes)) return ABORT; }
  if (bytes == 2) setReg(5, reg(5) & ~0xffff | frame & 0xffff); else setReg(5, frame);
  setReg(RSP, at - frameBytes);
  return NEXT;
}

/** rDX:rAX divided by 64 bits; #DE when the quotient does not fit. */
export function divideWide(signed: i32, divisor: u64): i32 {
  let high = reg(RDX), low = reg(RAX), d = divisor;
  const negative = signed != 0 && <i64>high < 0, flips = signed != 0 && (<i64>high < 0) != (<i64>divisor < 0);
  if (negative) { low = ~low + 1; high = ~high + (low == 0 ? 1 : 0); }
  if (signed != 0 && <i64>d < 0) d = ~d + 1;
  if (high >= d) return raise(DE);
  let quotient: u64 = 0, remainder = high;
  for (let n = 0; n < 64; n++) {
    const carry = remainder >> 63;
    remainder = remainder << 1 | low >> 63;
    low <<= 1;
    quotient <<= 1;
    if (carry != 0 || remainder >= d) { remainder -= d; quotient |= 1; }
  }
  if (signed != 0) {
    if (flips ? quotient > 0x8000000000000000 : quotient > 0x7fffffffffffffff) return raise(DE);
    if (flips) quotient = ~quotient + 1;
    if (negative) remainder = ~remainder + 1;
  }
  setReg(RAX, quotient);
  setReg(RDX, remainder);
  return NEXT;
}
/** After a failed access through the base register at this offset of the register file: #GP(0) becomes #SS(0) for RSP and RBP. */
export function refineFault(base: u32): void {
  if ((base == 4 << 3 || base == 5 << 3) && load<u32>(CPU_ABORT_KIND) == ABORT_EXCEPTION && load<u32>(CPU_FAULT_VECTOR) == GP) store<u32>(CPU_FAULT_VECTOR, SS);
}
/** For faults that emitted code finds (#DE, #BR, #UD, #GP(0)). */
export function raiseException(vector: u32): void { if (vector == GP) raiseError(GP, 0); else raise(vector); }

/** A hooked page offset was reached: stop when the linear address is hooked, else run the instruction alone, without looking at hooks. */
export function codeHook(_pc: usize): i32 {
  const linear = linearRip(), host = executableHost(linear);
  if (host == 0) return ABORT;                                                           // the mapping went while the code was in use: it faults
  if ((isHooked(linear) || isHooked(PHYSICAL_HOOK | <u64>(host - RAM_BASE))) && stopBefore(STOP_CODE_HOOK, 0, 1)) return ABORT;
  return abandon(ABORT_ALONE);
}
/** Marks hooks on host-physical memory. */
@inline const PHYSICAL_HOOK: u64 = 0x4000000000000000;
function isHooked(linear: u64): bool {
  if (load<u32>(M_HOOK_COUNT) == 0) return false;
  const slots = <u32>(REGION_CODE_HOOKS_SIZE >> 3);
  let n = <u32>(linear ^ linear >> 13) & (slots - 1);
  while (true) {
    const entry = load<u64>(REGION_CODE_HOOKS + (<usize>n << 3));
    if (entry == linear) return true;
    if (entry == u64.MAX_VALUE) return false;
    n = (n + 1) & (slots - 1);
  }
}
