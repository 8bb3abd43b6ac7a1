// MXCSR and the FXSAVE area (SDM 1 10.5 'FXSAVE and FXRSTOR Instructions'). There is no x87 unit: its part of the area is saved as after
// FNINIT and ignored when restored.
import { CPU_CPL, CPU_MXCSR, CPU_XMM } from './generated/layout';
import { vectorsUnavailable } from './floating-point';
import { loadData, probeStore, storeData } from './memory';
import { linearAddress, operandOffset, recordSegment } from './operands';
import { ABORT, aborted, CR0_EM, CR0_TS, CR4_OSFXSR, cr0, cr4, GP, in64BitMode, NEXT, NM, raise, raiseError, UD } from './state';

@inline const MXCSR_MASK: u32 = 0xffff;

export function ldmxcsr(pc: usize): i32 {
  if (vectorsUnavailable()) return ABORT;
  const address = linearAddress(recordSegment(pc), operandOffset(pc), 4);
  if (aborted()) return ABORT;
  const value = <u32>loadData(address, 4);
  if (aborted()) return ABORT;
  if ((value & ~MXCSR_MASK) != 0) return raiseError(GP, 0);
  store<u32>(CPU_MXCSR, value);
  return NEXT;
}
export function stmxcsr(pc: usize): i32 {
  if (vectorsUnavailable()) return ABORT;
  const address = linearAddress(recordSegment(pc), operandOffset(pc), 4);
  return aborted() ? ABORT : storeData(address, load<u32>(CPU_MXCSR), 4);
}

/** Linear address of the 512-byte area; 0 with an exception recorded. */
function area(pc: usize): u64 {
  if ((cr0() & CR0_EM) != 0) { raise(UD); return 0; }
  if ((cr0() & CR0_TS) != 0) { raise(NM); return 0; }
  const address = linearAddress(recordSegment(pc), operandOffset(pc), 512);
  if (aborted()) return 0;
  if ((address & 15) != 0) { raiseError(GP, 0); return 0; }
  return address;
}
@inline function registers(): u32 { return in64BitMode() ? 16 : 8; }
/** With CR4.OSFXSR clear the XMM registers and MXCSR may be left out. */
@inline function savesXmm(): bool { return (cr4() & CR4_OSFXSR) != 0; }

export function fxsave(pc: usize): i32 {
  const at = area(pc);
  if (aborted()) return ABORT;
  const user = load<u32>(CPU_CPL) == 3;
  if (probeStore(at, 8, user) || probeStore(at + 504, 8, user)) return ABORT;
  storeData(at, 0x37f, 8);                                                             // FCW, FSW, FTW, FOP
  storeData(at + 8, 0, 8);
  storeData(at + 16, 0, 8);
  storeData(at + 24, <u64>load<u32>(CPU_MXCSR) | <u64>MXCSR_MASK << 32, 8);
  for (let n: u64 = 32; n < 160; n += 8) storeData(at + n, 0, 8);
  if (savesXmm()) for (let n: u32 = 0; n < registers() << 1; n++) storeData(at + 160 + (n << 3), load<u64>(CPU_XMM + (<usize>n << 3)), 8);
  return aborted() ? ABORT : NEXT;
}
export function fxrstor(pc: usize): i32 {
  const at = area(pc);
  if (aborted()) return ABORT;
  loadData(at, 8);
  if (aborted()) return ABORT;
  loadData(at + 504, 8);
  if (aborted()) return ABORT;
  const mxcsr = <u32>loadData(at + 24, 4);
  if (aborted()) return ABORT;
  if ((mxcsr & ~MXCSR_MASK) != 0) return raiseError(GP, 0);
  if (savesXmm()) {
    store<u32>(CPU_MXCSR, mxcsr);
    for (let n: u32 = 0; n < registers() << 1; n++) store<u64>(CPU_XMM + (<usize>n << 3), loadData(at + 160 + (n << 3), 8));
  }
  return aborted() ? ABORT : NEXT;
}
