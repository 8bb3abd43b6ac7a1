// Why `run` returns to its caller. A stop is taken at the next boundary between instructions; a stop *before* an instruction abandons it
// and is passed once when the run resumes at the same place.
import { CPU_ABORT_KIND, CPU_HOOK_SKIP, M_STOP_ADDRESS, M_STOP_KIND, M_STOP_REASON_INDEX, STOP_RING_FULL } from './generated/layout';
import { linearRip } from './blocks';
import { ABORT_STOP, attend } from './state';

/** The run returns before the next instruction. The first request of a boundary wins. */
export function requestStop(kind: u32, index: u32, address: u64): void {
  const earlier = load<u32>(M_STOP_KIND);
  if (earlier != 0 && earlier != STOP_RING_FULL) return;                                // a full ring is asked to stop for at any instant: it hides nothing
  store<u32>(M_STOP_KIND, kind);
  store<u32>(M_STOP_REASON_INDEX, index);
  store<u64>(M_STOP_ADDRESS, address);
  attend();
}

/** True: the instruction must be abandoned (return ABORT), the run stops before it. False: it was stopped at already. */
export function stopBefore(kind: u32, index: u32): bool {
  const here = linearRip();
  if (load<u64>(CPU_HOOK_SKIP) == here) { store<u64>(CPU_HOOK_SKIP, u64.MAX_VALUE); return false; }
  store<u64>(CPU_HOOK_SKIP, here);
  requestStop(kind, index, here);
  store<u32>(CPU_ABORT_KIND, ABORT_STOP);
  return true;
}
