// PAUSE-loop exiting: SDM 3C 25.6.13 'Controls for PAUSE-Loop Exiting', 26.1.3 'Instructions That Cause VM Exits Conditionally'. Time is that of the
// time-stamp counter: units.
import { CPU_PAUSE_LAST, CPU_PAUSE_LOOP_START } from '../generated/layout';
import { VMCS_PLE_GAP, VMCS_PLE_WINDOW } from '../generated/vmx';
import { time } from '../state';
import { currentVmcs, field32 } from './vmcs';

/** The next PAUSE at CPL 0 is the first of a loop: at VM entry. */
@inline export function forgetPauseLoop(): void { store<u64>(CPU_PAUSE_LAST, 0); }

/** Notes an execution of PAUSE at CPL 0; true when its loop has lasted longer than PLE_Window. */
export function pauseLoopExpires(): bool {
  const now = time(), last = load<u64>(CPU_PAUSE_LAST), vmcs = currentVmcs();
  store<u64>(CPU_PAUSE_LAST, now);
  if (last == 0 || now - last > <u64>field32(vmcs, VMCS_PLE_GAP)) {
    store<u64>(CPU_PAUSE_LOOP_START, now);
    return false;
  }
  return now - load<u64>(CPU_PAUSE_LOOP_START) > <u64>field32(vmcs, VMCS_PLE_WINDOW);
}
