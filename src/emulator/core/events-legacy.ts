// Event delivery outside IA-32e mode: real-address mode through the interrupt vector table (SDM 3B 'Interrupt and Exception Handling'),
// protected mode through 8-byte gates (SDM 3A 6.12).
import { CPU_ABORT_KIND, STOP_UNIMPLEMENTED } from './generated/layout';
import { ABORT, ABORT_STOP } from './state';
import { requestStop } from './stop';

/** The machine does not run outside IA-32e mode yet: the run stops and says so. */
export function deliverLegacy(vector: u32, _type: u32, _hasError: bool, _error: u32): i32 {
  requestStop(STOP_UNIMPLEMENTED, vector, 0);
  store<u32>(CPU_ABORT_KIND, ABORT_STOP);
  return ABORT;
}
