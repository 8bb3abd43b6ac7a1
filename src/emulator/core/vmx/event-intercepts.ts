// VM exits caused by events, asked for where the event would be delivered: SDM 3C 26.2 'Other Causes of VM Exits'. Each predicate takes the exit
// and returns true, or returns false and changes nothing. In root operation all controls read as 0 and all return false.
import {
  CPU_EXCEPTION_BITMAP, CPU_NMI_BLOCKED, CPU_NMI_PENDING, CPU_PF_ERROR_MASK, CPU_PF_ERROR_MATCH,
} from '../generated/layout';
import { DB, PF_VECTOR, nonRoot } from '../state';
import { acknowledgeInterruptOnExit, externalInterruptExiting, nmiExiting, virtualNmis } from './controls';
import { exceptionExit, exceptionType, externalInterruptExit, nmiExit, taskSwitchExit } from './exit';
import { TYPE_PRIVILEGED_SOFTWARE_EXCEPTION } from './non-register-state';

/** Whether the exception bitmap selects `vector`; for a page fault the error code decides which sense the bit has: SDM 3C 25.6.3 'Exception Bitmap'. */
function bitmapSelects(vector: u32, error: u32): bool {
  const bit = (load<u32>(CPU_EXCEPTION_BITMAP) >> vector & 1) != 0;
  if (vector != PF_VECTOR) return bit;
  const matches = (error & load<u32>(CPU_PF_ERROR_MASK)) == load<u32>(CPU_PF_ERROR_MATCH);
  return matches == bit;
}

/**
 * An exception is about to be delivered. `address`: linear address of a page fault, DR6 bits of a debug exception. Call it before CR2, DR6 and DR7 change
 * and, for the first of several events, before CPU_EVENT_VECTORING is set.
 */
export function interceptException(vector: u32, hasError: bool, error: u32, address: u64): bool {
  if (!nonRoot() || !bitmapSelects(vector, error)) return false;
  exceptionExit(vector, exceptionType(vector), hasError, error, address);
  return true;
}

/** INT1 is about to deliver its debug exception. */
export function interceptInt1(): bool {
  if (!nonRoot() || !bitmapSelects(DB, 0)) return false;
  exceptionExit(DB, TYPE_PRIVILEGED_SOFTWARE_EXCEPTION, false, 0, 0);
  return true;
}

/** Whether a pending NMI has to wait: with virtual NMIs, real ones are never blocked in the guest. */
@inline export function nmiIsBlocked(): bool { return load<u32>(CPU_NMI_BLOCKED) != 0 && !virtualNmis(); }

/** A pending NMI that is not blocked is about to be delivered. */
export function interceptNmi(): bool {
  if (!nmiExiting()) return false;
  store<u32>(CPU_NMI_PENDING, 0);
  nmiExit();
  return true;
}

/** Whether IRET ends NMI blocking: it does not where NMIs exit and are not virtual. */
export function iretEndsNmiBlocking(): bool { return !nmiExiting() || virtualNmis(); }

/** Whether external interrupts exit, whatever RFLAGS.IF says. */
export function externalInterruptsExit(): bool { return externalInterruptExiting(); }
/** Whether the exit fetches the vector from the interrupt controller; otherwise the interrupt stays pending there. */
export function externalInterruptIsAcknowledged(): bool { return acknowledgeInterruptOnExit(); }
/** Takes the exit; `vector` counts only when it was acknowledged. */
export function takeExternalInterruptExit(vector: u32): void { externalInterruptExit(vector, acknowledgeInterruptOnExit()); }

/** A task switch has passed the checks that precede any change of state. `source`: 0 CALL, 1 IRET, 2 JMP, 3 task gate in the IDT. */
export function interceptTaskSwitch(selector: u32, source: u32): bool {
  if (!nonRoot()) return false;
  taskSwitchExit(selector, source);
  return true;
}

