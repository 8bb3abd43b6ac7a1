// VMX aborts: SDM 3C 28.7 'VMX Aborts'. The number goes to bytes 7:4 of the VMCS region, and the processor to the shutdown state, which only a
// reset ends.
import { CPU_ABORT_KIND, CPU_ACTIVITY, CPU_CURRENT_VMCS, CPU_NON_ROOT, STOP_SHUTDOWN } from '../generated/layout';
import { ABORT, ABORT_EXITED, attend } from '../state';
import { requestStop } from '../stop';
import { ACTIVITY_SHUTDOWN } from './non-register-state';
import { REGION_ABORT_INDICATOR, markVmcsWritten } from './vmcs';

/** Ends an exit in a VMX abort. The stop's index is the abort's number, its address the VMCS pointer. */
export function vmxAbort(vmcs: usize, indicator: u32): i32 {
  store<u32>(vmcs + REGION_ABORT_INDICATOR, indicator);
  markVmcsWritten(vmcs);
  store<u32>(CPU_NON_ROOT, 0);
  store<u32>(CPU_ACTIVITY, ACTIVITY_SHUTDOWN);
  store<u32>(CPU_ABORT_KIND, ABORT_EXITED);
  requestStop(STOP_SHUTDOWN, indicator, load<u64>(CPU_CURRENT_VMCS));
  attend();
  return ABORT;
}
