// What VMX looks at between two instructions of the guest: SDM 3C 26.2 'Other Causes of VM Exits', 27.7 'Special Features of VM Entry'.
// Invariant: of two causes at one boundary the one with the higher priority is taken; debug traps and NMIs, which the caller delivers, rank
// between those here, and are left to it in their place.
import {
  CPU_ACTIVITY, CPU_APIC_EXIT, CPU_INIT_PENDING, CPU_MTF_PENDING, CPU_NMI_BLOCKED, CPU_NMI_PENDING, CPU_PENDING_DEBUG, CPU_PREEMPTION_DEADLINE, CPU_SIPI_PENDING,
  CPU_VMX_BOUNDARY,
} from '../generated/layout';
import { EXIT_INIT_SIGNAL, EXIT_INTERRUPT_WINDOW, EXIT_MONITOR_TRAP_FLAG, EXIT_NMI_WINDOW, EXIT_PREEMPTION_TIMER, EXIT_STARTUP_IPI } from '../generated/vmx';
import { IF, interruptShadow, rflags, time } from '../state';
import { BOUNDARY_INTERRUPT_WINDOW, BOUNDARY_MTF, BOUNDARY_NMI_WINDOW, MTF_DUE, mtfClock } from './entry';
import { boundaryExit, boundaryExitKeepingDebug } from './exit';
import { nmiIsBlocked } from './event-intercepts';
import { ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_FOR_SIPI, BLOCKING_BY_MOV_SS } from './non-register-state';
import { preemptionTimerExpired } from './preemption-timer';
import { takeApicExit } from './virtual-apic';

@inline const NEVER: u64 = 0xffffffffffffffff;

/**
 * Takes the VM exit that is due before the next instruction of the guest, if there is one. True = exited. False with a deliverable debug
 * exception or NMI pending: the caller delivers it, and asks again before the instruction after that.
 */
export function vmxBoundary(): bool {
  const boundary = load<u32>(CPU_VMX_BOUNDARY), activity = load<u32>(CPU_ACTIVITY);
  // Waiting for SIPI: nothing else is recognized.
  if (activity == ACTIVITY_WAIT_FOR_SIPI) return startupIpi();
  // 1. Trap-like exits of APIC virtualization.
  if (load<u32>(CPU_APIC_EXIT) != 0 && activity != ACTIVITY_SHUTDOWN) {
    takeApicExit();
    return true;
  }
  // 2. INIT.
  if (load<u32>(CPU_INIT_PENDING) != 0) {
    store<u32>(CPU_INIT_PENDING, 0);
    boundaryExitKeepingDebug(EXIT_INIT_SIGNAL, 0);
    return true;
  }
  // 3. Monitor trap flag.
  if ((boundary & BOUNDARY_MTF) != 0 && activity != ACTIVITY_SHUTDOWN && mtfIsDue()) {
    boundaryExitKeepingDebug(EXIT_MONITOR_TRAP_FLAG, 0);
    return true;
  }
  const shadow = interruptShadow();
  // 4. Debug traps: the caller's.
  if (load<u64>(CPU_PENDING_DEBUG) != 0 && (shadow & BLOCKING_BY_MOV_SS) == 0) return false;
  // 5. VMX-preemption timer.
  if (preemptionTimerExpired()) {
    boundaryExit(EXIT_PREEMPTION_TIMER, 0);
    return true;
  }
  // 6. NMI window. STI blocks it here as well, which a processor may choose.
  if ((boundary & BOUNDARY_NMI_WINDOW) != 0 && shadow == 0 && load<u32>(CPU_NMI_BLOCKED) == 0) {
    boundaryExit(EXIT_NMI_WINDOW, 0);
    return true;
  }
  // 7. NMI: the caller's.
  if (load<u32>(CPU_NMI_PENDING) != 0 && !nmiIsBlocked() && (shadow & BLOCKING_BY_MOV_SS) == 0) return false;
  // 8. Interrupt window. Delivery of a virtual interrupt, which ranks here too, is the caller's.
  if ((boundary & BOUNDARY_INTERRUPT_WINDOW) != 0 && shadow == 0 && activity != ACTIVITY_SHUTDOWN && (rflags() & IF) != 0) {
    boundaryExit(EXIT_INTERRUPT_WINDOW, 0);
    return true;
  }
  return false;
}

/**
 * Time (units) of the next look that VMX needs without any other event, all ones = never: the preemption timer, and with the monitor trap flag each
 * instruction. Windows open by instructions that ask for a boundary themselves (STI, POPF, IRET) or with the end of STI and MOV SS blocking.
 */
export function nextVmxDeadline(): u64 {
  if (load<u32>(CPU_ACTIVITY) == ACTIVITY_WAIT_FOR_SIPI) return NEVER;
  if ((load<u32>(CPU_VMX_BOUNDARY) & BOUNDARY_MTF) != 0) return time() + 1;
  return load<u64>(CPU_PREEMPTION_DEADLINE);
}

/** Whether an event that was just delivered has made an exit due that comes before the first instruction of its handler. */
@inline export function vmxExitIsDue(): bool {
  return load<u32>(CPU_APIC_EXIT) != 0 || ((load<u32>(CPU_VMX_BOUNDARY) & BOUNDARY_MTF) != 0 && mtfIsDue());
}

/** Time moves with each instruction, iteration of a string instruction and delivered event; any of them makes the exit due. */
@inline function mtfIsDue(): bool {
  const pending = load<u32>(CPU_MTF_PENDING);
  return pending == MTF_DUE || pending != mtfClock();
}

/** A SIPI ends the wait with an exit that tells its vector. */
function startupIpi(): bool {
  const sipi = load<u32>(CPU_SIPI_PENDING);
  if (sipi == 0) return false;
  store<u32>(CPU_SIPI_PENDING, 0);
  boundaryExit(EXIT_STARTUP_IPI, sipi - 1);
  return true;
}
