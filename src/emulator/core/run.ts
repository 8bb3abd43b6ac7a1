// Between blocks: how the last instruction ended, what is due at this boundary, and which block runs next. The run loop of the interpreter
// calls `proceed` whenever it leaves the straight path; everything asynchronous happens here, at exact instants.
import {
  CPU_ABORT_KIND, CPU_ACTIVITY, CPU_ALONE, CPU_ID, CPU_INIT_PENDING, CPU_EVENT_VECTORING, CPU_EXIT_QUALIFICATION, CPU_FAULT_ADDRESS, CPU_GUEST_PHYSICAL_FAULT,
  CPU_INSTRUCTION_LENGTH, CPU_MODE, CPU_NMI_BLOCKED, CPU_NMI_PENDING, CPU_NON_ROOT, CPU_PAGE_BASE, CPU_PENDING_DEBUG, CPU_RFLAGS_SYSTEM, CPU_RIP, CPU_SEG_BASE,
  CPU_SHADOW_UNTIL, CPU_SIPI_PENDING, CPU_VMX_ON, M_BUDGET, M_DEADLINE, M_QUANTUM_END, M_RUN_END, M_STOP_KIND, M_VCPU_COUNT, REC_PAGE_OFFSET, REC_SCALE, STOP_BUDGET,
  STOP_EXCEPTION, STOP_POWER_OFF, STOP_RESET, STOP_WATCH, CPU_MTF_PENDING, CPU_VIRTUAL_INTERRUPT,
} from './generated/layout';
import { acknowledgeInterrupt, interruptPending, nextDeviceDeadline, runDeviceTimers, takeInit, takeNmi, takeSipi } from '../devices/bus';
import { SYSTEM_POWER_OFF_REQUESTED, SYSTEM_RESET_REQUESTED } from './generated/devices';
import { dropAllCode, findBlock, findLinkable, heapIsNearlyFull, lastLength, linearRip, linkable, transientBlock } from './blocks';
import { deliverOrFault, deliverRecordedException, EXTERNAL_INTERRUPT, NMI_EVENT } from './events';
import {
  ABORT, ABORT_ALONE, ABORT_EPT_MISCONFIGURATION, ABORT_EPT_VIOLATION, ABORT_EXCEPTION, ABORT_EXITED, ABORT_PML_FULL, CS, DB, GP, IF, interruptShadow, NEXT, raise, raiseError,
  takeUnit, TF, time, ABORT_APIC_ACCESS, ABORT_PROCEDURE,
} from './state';
import { countersAreInUse, countersAtBoundary, nextOverflow } from './performance-counters';
import { performInit, startUp } from './reset';
import { keepAwake, rest, schedule } from './scheduler';
import { instructionBreakpoint, instructionsAreWatched, settleBreakpoints, withdrawInstructionBreakpoint } from './breakpoints';
import { segmentLimit } from './segments';
import { requestStop, stopInShutdown } from './stop';
import { extendSlice, mustBeSampled, sample, sliceOf } from './translations';
import { nextVmxDeadline, vmxBoundary, vmxExitIsDue } from './vmx/boundary';
import { isPostedInterruptNotification, processPostedInterrupts } from './vmx/posted-interrupts';
import { mtfClock } from './vmx/entry';
import { runProcedure } from './vmx/field-access';
import { takeVirtualInterrupt } from './vmx/virtual-apic';
import { forgetHits, hasHits, takeBackHits } from './watch';
import { apicAccessExit, eptMisconfigurationExit, eptViolationExit, nmiUnblockingByIret, pmlFullExit } from './vmx/exit';
import { violationBecomesVe, withdrawVe } from './vmx/virtualization-exception';
import { ACTIVITY_WAIT_FOR_SIPI } from './vmx/non-register-state';
import { externalInterruptIsAcknowledged, externalInterruptsExit, interceptNmi, nmiIsBlocked, takeExternalInterruptExit } from './vmx/event-intercepts';

@inline const BS: u64 = 0x4000;

/** The block that runs now is a single step for RFLAGS.TF. */
let stepping: bool = false;
export function forgetStep(): void { stepping = false; }
/** Debug traps that `boundary` has just raised: a stop before their delivery leaves them pending. */
let raisedTraps: u64 = 0;

/**
 * How the last instruction ended (0 next, 1 a procedure aborted, 2 RIP is set, 3 emitted code aborted) to the next block, 0 = leave the run.
 * On 3 the run loop has given back the units of instructions that were not retired.
 */
export function proceed(ending: i32): u32 {
  if (load<u32>(CPU_ABORT_KIND) == ABORT_PROCEDURE) ending = runProcedure();
  const in64 = (load<u32>(CPU_MODE) & 3) == 2;
  if (!in64) store<u64>(CPU_RIP, load<u64>(CPU_RIP) & 0xffffffff);                         // a linear address less a base may have wrapped
  if (ending == NEXT) {
    const next = load<u64>(CPU_RIP) + load<u32>(CPU_INSTRUCTION_LENGTH);
    store<u64>(CPU_RIP, in64 ? next : next & 0xffffffff);
  } else if (ending == ABORT && load<u32>(CPU_ABORT_KIND) != ABORT_EXITED) store<i32>(M_BUDGET, load<i32>(M_BUDGET) + 1);
  store<u32>(CPU_ALONE, 0);
  if (stepping) {
    stepping = false;
    // a trap after the instruction, unless it was abandoned
    if (load<u32>(CPU_ABORT_KIND) == 0) store<u64>(CPU_PENDING_DEBUG, load<u64>(CPU_PENDING_DEBUG) | BS);
  }
  settleBreakpoints();
  // the accesses of an instruction that was abandoned have not taken place; those of one that ends in a VM exit have
  if (hasHits() && load<u32>(CPU_ABORT_KIND) != 0 && load<u32>(CPU_ABORT_KIND) != ABORT_EXITED) takeBackHits();
  while (true) {
    const kind = load<u32>(CPU_ABORT_KIND);
    if (kind != 0) {
      store<u32>(CPU_ABORT_KIND, 0);
      const block = handleAbort(kind);
      if (block != 0) return block;
      continue;
    }
    if (hasHits()) requestStop(STOP_WATCH, 0, 0);
    if (load<u32>(M_STOP_KIND) != 0) return 0;
    if (heapIsNearlyFull()) dropAllCode();
    if (load<i32>(M_BUDGET) <= 0 || load<u32>(CPU_ACTIVITY) != 0 || load<u64>(CPU_PENDING_DEBUG) != 0) {
      boundary();
      if (load<u32>(CPU_ABORT_KIND) != 0 || load<u32>(M_STOP_KIND) != 0 || load<i32>(M_BUDGET) <= 0 || hasHits()) continue;
    }
    const steps = (load<u64>(CPU_RFLAGS_SYSTEM) & TF) != 0, guarded = instructionsAreWatched();
    if (guarded && instructionBreakpoint(linearRip())) continue;
    if (steps || guarded) {
      const block = single(true);
      if (block != 0) { stepping = steps; return block; }
      continue;
    }
    const block = findBlock();
    if (block == 0 || hasHits()) continue;
    if (load<u32>(block) > load<u32>(M_BUDGET)) extendSlice();
    if (sample(block)) return 0;                                                         // the façade translates it and comes back
    if (load<u32>(block) <= load<u32>(M_BUDGET)) return block;
    const short = transientBlock(load<u32>(M_BUDGET), true);
    if (short != 0 && !hasHits()) return short;
  }
}

/** A block of one instruction, after which the run loop comes back here whatever the instruction is. */
function single(hooks: bool): u32 {
  store<u64>(M_DEADLINE, time() + 1);
  store<i32>(M_BUDGET, 1);
  return transientBlock(1, hooks);
}

/** What an abandoned instruction leads to; returns a block to run, or 0 to look again. */
function handleAbort(kind: u32): u32 {
  switch (kind) {
    case ABORT_EXCEPTION:
      deliverRecordedException();
      if (load<u32>(M_STOP_KIND) == STOP_EXCEPTION) withdrawInstructionBreakpoint();
      if (raisedTraps != 0) {
        if (load<u32>(M_STOP_KIND) == STOP_EXCEPTION) store<u64>(CPU_PENDING_DEBUG, raisedTraps);
        raisedTraps = 0;
      }
      return 0;
    case ABORT_ALONE: {
      const block = single(false);
      if (block == 0) return 0;
      store<u32>(CPU_ALONE, 1);
      store<u32>(CPU_INSTRUCTION_LENGTH, lastLength);
      stepping = (load<u64>(CPU_RFLAGS_SYSTEM) & TF) != 0;
      return block;
    }
    case ABORT_EPT_VIOLATION:
      store<u64>(CPU_EXIT_QUALIFICATION, load<u64>(CPU_EXIT_QUALIFICATION) | nmiUnblockingByIret());
      if (violationBecomesVe()) {
        store<u32>(CPU_ABORT_KIND, 0);
        deliverRecordedException();
        if (load<u32>(M_STOP_KIND) == STOP_EXCEPTION) withdrawVe();
        return 0;
      }
      takeUnit();                                                                        // an exit is a unit, like a delivery
      eptViolationExit(load<u64>(CPU_GUEST_PHYSICAL_FAULT), load<u64>(CPU_FAULT_ADDRESS), load<u64>(CPU_EXIT_QUALIFICATION));
      break;
    case ABORT_EPT_MISCONFIGURATION:
      takeUnit();
      eptMisconfigurationExit(load<u64>(CPU_GUEST_PHYSICAL_FAULT));
      break;
    case ABORT_PML_FULL:
      takeUnit();
      pmlFullExit();
      break;
    case ABORT_APIC_ACCESS:
      takeUnit();
      apicAccessExit(load<u64>(CPU_EXIT_QUALIFICATION));
      break;
    default:                                                                             // a VM exit is done, or a stop is requested
      break;
  }
  store<u32>(CPU_ABORT_KIND, 0);
  store<u32>(CPU_EVENT_VECTORING, 0);
  return 0;
}

/** Follows a link of the running block to `target` (linear), remembering it in the record when both are in one cached page. 0: look again. */
export function linkBlock(record: usize, field: usize, target: u64): u32 {
  if ((load<u32>(CPU_MODE) & 3) != 2) {
    if (segmentedJump(record, target)) return 0;
    if ((load<u32>(CPU_MODE) & 8) == 0) return 0;                                        // links would pass over the checks of CS
    target = linearRip();
  } else store<u64>(CPU_RIP, target - load<u64>(CPU_SEG_BASE + (CS << 3)));
  // what is due at this boundary comes before a fault of the next fetch
  if (load<u32>(CPU_ALONE) != 0 || stepping || load<i32>(M_BUDGET) <= 0 || heapIsNearlyFull()) return 0;
  const block = findLinkable(target);
  if (hasHits() || (block != 0 && mustBeSampled(block))) return 0;
  if (block != 0 && linkable && field != 0) store<u32>(record + field, block);
  return block;
}

/** A relative jump (or the end of a block) outside 64-bit mode: the offset is truncated to the operand size and checked against the limit of CS. */
function segmentedJump(record: usize, target: u64): i32 {
  const base = load<u64>(CPU_SEG_BASE + (CS << 3)), size = record != 0 ? load<u8>(record + REC_SCALE) : 0;
  const offset = (target - base) & (size == 1 ? 0xffff : 0xffffffff);
  if (size != 0 && offset > <u64>segmentLimit(CS)) {
    store<u64>(CPU_RIP, (load<u64>(CPU_PAGE_BASE) + load<u16>(record + REC_PAGE_OFFSET) - base) & 0xffffffff);
    store<i32>(M_BUDGET, load<i32>(M_BUDGET) + 1);
    return raiseError(GP, 0);
  }
  store<u64>(CPU_RIP, offset);
  return NEXT;
}

/**
 * An instruction boundary at which something may be due: the end of the run, timers, traps, interrupts, VMX's windows and timers (SDM 3A 6.9
 * 'Priority Among Simultaneous Exceptions and Interrupts', SDM 3C 26.2). Leaves a positive budget, a stop or an abort.
 */
function boundary(): void {
  const ran = load<u32>(CPU_ID);
  if (load<u32>(M_VCPU_COUNT) > 1) schedule();
  const now = time();
  boundaryTime = now;
  if (now >= load<u64>(M_RUN_END)) { requestStop(STOP_BUDGET, ran, 0); return; }
  if (nextDeviceDeadline() <= now) runDeviceTimers();
  if (countersAreInUse()) countersAtBoundary(now);
  if (load<u32>(SYSTEM_RESET_REQUESTED) != 0) { requestStop(STOP_RESET, 0, 0); return; }
  if (load<u32>(SYSTEM_POWER_OFF_REQUESTED) != 0) { requestStop(STOP_POWER_OFF, 0, 0); return; }
  takeSignals();
  if (load<u32>(CPU_NON_ROOT) != 0 && vmxBoundary()) { takeUnit(); store<u32>(CPU_ABORT_KIND, 0); store<u32>(CPU_EVENT_VECTORING, 0); arm(); return; }
  const shadow = interruptShadow(), activity = load<u32>(CPU_ACTIVITY);
  if (activity == 2 && load<u32>(CPU_NON_ROOT) == 0) { stopInShutdown(); return; }
  // 1. debug traps of the instruction before
  const debug = load<u64>(CPU_PENDING_DEBUG);
  if (debug != 0 && (shadow & 2) == 0 && activity < 2) {
    store<u64>(CPU_PENDING_DEBUG, 0);
    store<u32>(CPU_ACTIVITY, 0);
    if (debug & 0x1_c00f) { raisedTraps = debug; raise(DB); store<u64>(CPU_FAULT_ADDRESS, debug & 0xc00f); store<i32>(M_BUDGET, 0); return; }
  }
  // 2. NMI
  if (load<u32>(CPU_NMI_PENDING) != 0 && !nmiIsBlocked() && (shadow & 2) == 0 && activity != 3) {
    if (load<u32>(CPU_NON_ROOT) != 0 && interceptNmi()) { takeUnit(); store<u32>(CPU_ABORT_KIND, 0); arm(); return; }
    store<u32>(CPU_NMI_PENDING, 0);
    store<u32>(CPU_NMI_BLOCKED, 1);
    store<u32>(CPU_ACTIVITY, 0);
    deliverOrFault(2, NMI_EVENT, false, 0);
    arm();
    return;
  }
  // 3. virtual interrupts
  if (load<u32>(CPU_VIRTUAL_INTERRUPT) != 0 && activity < 2 && shadow == 0 && (load<u64>(CPU_RFLAGS_SYSTEM) & IF) != 0) {
    store<u32>(CPU_ACTIVITY, 0);
    deliverOrFault(takeVirtualInterrupt(), EXTERNAL_INTERRUPT, false, 0);
    arm();
    return;
  }
  // 4. external interrupts
  if (activity < 2 && interruptPending() != 0 && shadow == 0) {
    if (load<u32>(CPU_NON_ROOT) != 0 && externalInterruptsExit()) {
      const vector = externalInterruptIsAcknowledged() ? acknowledgeInterrupt() : 0;
      if (isPostedInterruptNotification(vector)) { postInterrupts(now); return; }
      takeExternalInterruptExit(vector);
      takeUnit();
      store<u32>(CPU_ABORT_KIND, 0);
      arm();
      return;
    }
    if ((load<u64>(CPU_RFLAGS_SYSTEM) & IF) != 0) {
      store<u32>(CPU_ACTIVITY, 0);
      deliverOrFault(acknowledgeInterrupt(), EXTERNAL_INTERRUPT, false, 0);
      arm();
      return;
    }
  }
  // 5. a processor that waits lets others run, or time pass to the next event
  if (load<u32>(CPU_ACTIVITY) != 0) rest(); else arm();
}

/** Posted-interrupt processing takes a unit, and what it made pending is looked at before the next instruction. It is no instruction to the monitor trap flag. */
function postInterrupts(now: u64): void {
  const mtfWaits = load<u32>(CPU_MTF_PENDING) == mtfClock();
  processPostedInterrupts();
  store<u64>(M_DEADLINE, now + 1);
  store<i32>(M_BUDGET, 0);
  keepAwake();
  if (mtfWaits) store<u32>(CPU_MTF_PENDING, mtfClock());
}

/**
 * Signals of the local APIC become pending in the processor. INIT is performed outside VMX operation, exits in non-root operation and stays pending
 * in root operation; a SIPI that finds the processor not waiting for one is lost.
 */
function takeSignals(): void {
  const vcpu = load<u32>(CPU_ID);
  if (takeNmi(vcpu)) store<u32>(CPU_NMI_PENDING, 1);
  if (takeInit(vcpu)) store<u32>(CPU_INIT_PENDING, 1);
  if (load<u32>(CPU_INIT_PENDING) != 0 && load<u32>(CPU_VMX_ON) == 0) performInit();
  const sipi = takeSipi(vcpu);
  if (sipi == 0 || load<u32>(CPU_ACTIVITY) != ACTIVITY_WAIT_FOR_SIPI) return;
  if (load<u32>(CPU_NON_ROOT) != 0) store<u32>(CPU_SIPI_PENDING, sipi); else startUp(sipi - 1);
}

function nextDeadline(): u64 {
  const devices = min<u64>(nextDeviceDeadline(), nextOverflow());
  return load<u32>(CPU_NON_ROOT) != 0 ? min<u64>(devices, nextVmxDeadline()) : devices;
}

/** Time of the boundary that is looked at. */
let boundaryTime: u64 = 0;
/** Gives the run loop a budget up to the next instant that matters. */
function arm(): void {
  const now = time(), shadowEnd = load<u64>(CPU_SHADOW_UNTIL), runEnd = load<u64>(M_RUN_END);
  // After a delivery or an exit there is another boundary: it may be the end of the run, and what has become due precedes the next instruction.
  if (now >= runEnd || now != boundaryTime || (load<u32>(CPU_NON_ROOT) != 0 && vmxExitIsDue())) { store<u64>(M_DEADLINE, now); store<i32>(M_BUDGET, 0); keepAwake(); return; }
  let end = min<u64>(nextDeadline(), runEnd);
  if (shadowEnd > now) end = min<u64>(end, shadowEnd);
  else end = min<u64>(end, load<u64>(M_QUANTUM_END));
  const budget = sliceOf(now, end);                                                       // what is due and blocked is looked at after one more instruction
  store<u64>(M_DEADLINE, now + budget);
  store<i32>(M_BUDGET, <i32>budget);
  keepAwake();
}
/** Run control of the façade: the time at which `run` returns. */
export function beginRun(units: u32): void {
  const now = time();
  store<u32>(M_STOP_KIND, 0);
  forgetHits();
  store<u64>(M_RUN_END, now + units);
  store<u64>(M_DEADLINE, now);
  store<i32>(M_BUDGET, 0);
}
