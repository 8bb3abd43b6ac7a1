// Why `run` returns to its caller. A stop is taken at the next boundary between instructions; a stop *before* an instruction abandons it
// and is passed once when the run resumes at the same place.
import {
  CPU_ABORT_KIND, CPU_ACTIVITY, CPU_HOOK_SKIP, CPU_HOOK_SKIP_KINDS, CPU_HOOK_SKIP_TIME, CPU_RIP, CPU_SHUTDOWN_ABORT, M_STOP_ADDRESS, M_STOP_KIND, M_STOP_REASON_INDEX,
  STOP_RING_FULL, STOP_SHUTDOWN,
} from './generated/layout';
import { linearRip } from './blocks';
import { ABORT_STOP, attend, time } from './state';
import { ACTIVITY_SHUTDOWN } from './vmx/non-register-state';

/** The run returns before the next instruction. The first request of a boundary wins. */
export function requestStop(kind: u32, index: u32, address: u64): void {
  const earlier = load<u32>(M_STOP_KIND);
  if (earlier != 0 && earlier != STOP_RING_FULL) return;                                // a full ring is asked to stop for at any instant: it hides nothing
  store<u32>(M_STOP_KIND, kind);
  store<u32>(M_STOP_REASON_INDEX, index);
  store<u64>(M_STOP_ADDRESS, address);
  attend();
}

/** Into the shutdown state, after a VMX abort of that number or (0) a triple fault. */
export function shutDown(abort: u32): void {
  store<u32>(CPU_ACTIVITY, ACTIVITY_SHUTDOWN);
  store<u32>(CPU_SHUTDOWN_ABORT, abort);
  stopInShutdown();
}

/** Only a reset ends this state: every run stops in it. The stop's index is the number of the VMX abort that led there, 0 for a triple fault. */
export function stopInShutdown(): void { requestStop(STOP_SHUTDOWN, load<u32>(CPU_SHUTDOWN_ABORT), load<u64>(CPU_RIP)); }

/**
 * True: the instruction must be abandoned (return ABORT), the run stops before it. False: this kind of stop was made here at this time, and the run
 * goes on. `counted`: units of the instruction that are in the time already.
 */
export function stopBefore(kind: u32, index: u32, counted: u32): bool {
  const here = linearRip(), now = time() - counted;
  const again = load<u64>(CPU_HOOK_SKIP) == here && load<u64>(CPU_HOOK_SKIP_TIME) == now, kinds: u32 = again ? load<u32>(CPU_HOOK_SKIP_KINDS) : 0;
  if ((kinds >> kind & 1) != 0) return false;
  store<u64>(CPU_HOOK_SKIP, here);
  store<u64>(CPU_HOOK_SKIP_TIME, now);
  store<u32>(CPU_HOOK_SKIP_KINDS, kinds | 1 << kind);
  requestStop(kind, index, here);
  store<u32>(CPU_ABORT_KIND, ABORT_STOP);
  return true;
}
