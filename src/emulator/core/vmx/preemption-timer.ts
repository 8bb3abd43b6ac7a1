// The VMX-preemption timer: SDM 3C 26.5.1 'VMX-Preemption Timer'. It counts down by one each time bit X of the TSC changes from what it was,
// X = IA32_VMX_MISC[4:0]; here the instant of expiry is computed at entry. It runs on the TSC itself: offset and scaling do not apply.
import { CPU_PIN_CONTROLS, CPU_PREEMPTION_DEADLINE } from '../generated/layout';
import { EXIT_SAVE_PREEMPTION_TIMER, PIN_ACTIVATE_PREEMPTION_TIMER, VMCS_VMX_PREEMPTION_TIMER_VALUE } from '../generated/vmx';
import { time } from '../state';
import { tscValue } from '../msrs';
import { preemptionTimerShift } from './capability';
import { field32, setField } from './vmcs';

@inline const NEVER: u64 = 0xffffffffffffffff;

@inline export function activatePreemptionTimer(): bool { return (load<u32>(CPU_PIN_CONTROLS) & PIN_ACTIVATE_PREEMPTION_TIMER) != 0; }

/** Starts the timer from its field, at VM entry; time now is that of the first guest instruction. */
@inline export function startPreemptionTimer(vmcs: usize): void {
  if (!activatePreemptionTimer()) {
    store<u64>(CPU_PREEMPTION_DEADLINE, NEVER);
    return;
  }
  const shift = preemptionTimerShift(), tsc = tscValue();
  const expiry = ((tsc >> shift) + field32(vmcs, VMCS_VMX_PREEMPTION_TIMER_VALUE)) << shift;
  store<u64>(CPU_PREEMPTION_DEADLINE, expiry <= tsc ? time() : time() + (expiry - tsc));
}

@inline export function preemptionTimerExpired(): bool { return time() >= load<u64>(CPU_PREEMPTION_DEADLINE); }

/** What is left of the count, 0 after expiry. */
function remaining(): u64 {
  const now = time(), deadline = load<u64>(CPU_PREEMPTION_DEADLINE);
  if (deadline <= now) return 0;
  const shift = preemptionTimerShift(), tsc = tscValue();
  return ((tsc + (deadline - now)) >> shift) - (tsc >> shift);
}

/** Saves the count at a VM exit where the exit controls say so. */
@inline export function savePreemptionTimer(vmcs: usize, exitControls: u32): void {
  if ((exitControls & EXIT_SAVE_PREEMPTION_TIMER) != 0 && activatePreemptionTimer()) setField(vmcs, VMCS_VMX_PREEMPTION_TIMER_VALUE, remaining());
}
