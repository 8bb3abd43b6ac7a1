// VMX aborts: SDM 3C 28.7 'VMX Aborts'. The number goes to bytes 7:4 of the VMCS region, and the processor to the shutdown state, which only a
// reset ends.
import { CPU_ABORT_KIND, CPU_NON_ROOT } from '../generated/layout';
import { ABORT, ABORT_EXITED } from '../state';
import { shutDown } from '../stop';
import { REGION_ABORT_INDICATOR, markVmcsWritten } from './vmcs';

/** Ends an exit in a VMX abort: a number of spec/vmx-aborts.ts. */
export function vmxAbort(vmcs: usize, indicator: u32): i32 {
  store<u32>(vmcs + REGION_ABORT_INDICATOR, indicator);
  markVmcsWritten(vmcs);
  store<u32>(CPU_NON_ROOT, 0);
  store<u32>(CPU_ABORT_KIND, ABORT_EXITED);
  shutDown(indicator);
  return ABORT;
}
