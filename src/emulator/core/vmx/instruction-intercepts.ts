// VM exits of instructions other than moves to control registers, ports and MSRs: SDM 3C 26.1.2 'Instructions That Cause VM Exits
// Unconditionally', 26.1.3 'Instructions That Cause VM Exits Conditionally'. A procedure calls its predicate after the faults that rank above
// the exit (#UD, privilege) and before all others. True = exited: return ABORT. In root operation all are false.
import {
  EXIT_CPUID, EXIT_GDTR_IDTR_ACCESS, EXIT_GETSEC, EXIT_HLT, EXIT_INVD, EXIT_INVLPG, EXIT_INVPCID, EXIT_LDTR_TR_ACCESS, EXIT_MONITOR, EXIT_MWAIT, EXIT_PAUSE, EXIT_RDPMC,
  EXIT_RDRAND, EXIT_RDSEED, EXIT_RDTSC, EXIT_RDTSCP, EXIT_WBINVD, EXIT_XRSTORS, EXIT_XSAVES, EXIT_XSETBV, VMCS_XSS_EXITING_BITMAP,
} from '../generated/vmx';
import { cpl, nonRoot } from '../state';
import {
  descriptorTableExiting, enableInvpcid, enableRdtscp, enableXsaves, hltExiting, invlpgExiting, monitorExiting, mwaitExiting, pauseExiting, pauseLoopExiting, rdpmcExiting,
  rdrandExiting, rdseedExiting, rdtscExiting, wbinvdExiting,
} from './controls';
import { exitWithInstructionInformation, vmExit } from './exit';
import { displacementQualification, gdtrIdtrInformation, invalidationInformation, ldtrTrInformation, memoryInformation, randomInformation } from './instruction-information';
import { currentVmcs, field } from './vmcs';
import { pauseLoopExpires } from './pause-loop';

@inline function exitIf(condition: bool, reason: u32, qualification: u64): bool {
  if (!condition) return false;
  vmExit(reason, qualification);
  return true;
}

// -- unconditional
export function interceptCpuid(): bool { return exitIf(nonRoot(), EXIT_CPUID, 0); }
export function interceptGetsec(): bool { return exitIf(nonRoot(), EXIT_GETSEC, 0); }
export function interceptInvd(): bool { return exitIf(nonRoot(), EXIT_INVD, 0); }
export function interceptXsetbv(): bool { return exitIf(nonRoot(), EXIT_XSETBV, 0); }

// -- by a control
export function interceptHlt(): bool { return exitIf(hltExiting(), EXIT_HLT, 0); }
/** `linear`: linear address of the operand. */
export function interceptInvlpg(linear: u64): bool { return exitIf(invlpgExiting(), EXIT_INVLPG, linear); }
export function interceptMonitor(): bool { return exitIf(monitorExiting(), EXIT_MONITOR, 0); }
/** `armed`: address-range monitoring hardware is armed. */
export function interceptMwait(armed: bool = false): bool { return exitIf(mwaitExiting(), EXIT_MWAIT, armed ? 1 : 0); }
/** PAUSE exiting counts at every CPL, PAUSE-loop exiting at CPL 0. */
export function interceptPause(): bool { return exitIf(pauseExiting() || (pauseLoopExiting() && cpl() == 0 && pauseLoopExpires()), EXIT_PAUSE, 0); }
export function interceptRdpmc(): bool { return exitIf(rdpmcExiting(), EXIT_RDPMC, 0); }
export function interceptRdtsc(): bool { return exitIf(rdtscExiting(), EXIT_RDTSC, 0); }
export function interceptRdtscp(): bool { return exitIf(rdtscExiting(), EXIT_RDTSCP, 0); }
/** `writesBackOnly`: WBNOINVD. */
export function interceptWbinvd(writesBackOnly: bool = false): bool { return exitIf(wbinvdExiting(), EXIT_WBINVD, writesBackOnly ? 1 : 0); }

export function interceptInvpcid(pc: usize): bool {
  if (!invlpgExiting()) return false;
  exitWithInstructionInformation(EXIT_INVPCID, displacementQualification(pc), invalidationInformation(pc));
  return true;
}
/** XSAVES and XRSTORS: `components` are the supervisor components that the instruction is asked for. */
export function interceptXsaves(pc: usize, components: u64): bool { return stateExit(pc, EXIT_XSAVES, components); }
export function interceptXrstors(pc: usize, components: u64): bool { return stateExit(pc, EXIT_XRSTORS, components); }
function stateExit(pc: usize, reason: u32, components: u64): bool {
  if (!nonRoot() || (components & field(currentVmcs(), VMCS_XSS_EXITING_BITMAP)) == 0) return false;
  exitWithInstructionInformation(reason, displacementQualification(pc), memoryInformation(pc));
  return true;
}
export function interceptRdrand(pc: usize): bool {
  if (!rdrandExiting()) return false;
  exitWithInstructionInformation(EXIT_RDRAND, 0, randomInformation(pc));
  return true;
}
export function interceptRdseed(pc: usize): bool {
  if (!rdseedExiting()) return false;
  exitWithInstructionInformation(EXIT_RDSEED, 0, randomInformation(pc));
  return true;
}

// identities of the instructions on descriptor-table registers
@inline export const IDENTITY_SGDT: u32 = 0;
@inline export const IDENTITY_SIDT: u32 = 1;
@inline export const IDENTITY_LGDT: u32 = 2;
@inline export const IDENTITY_LIDT: u32 = 3;
@inline export const IDENTITY_SLDT: u32 = 4;
@inline export const IDENTITY_STR: u32 = 5;
@inline export const IDENTITY_LLDT: u32 = 6;
@inline export const IDENTITY_LTR: u32 = 7;

export function interceptDescriptorTable(pc: usize, identity: u32): bool {
  if (!descriptorTableExiting()) return false;
  const local = identity >= IDENTITY_SLDT;
  const information = local ? ldtrTrInformation(pc, identity - IDENTITY_SLDT) : gdtrIdtrInformation(pc, identity);
  exitWithInstructionInformation(local ? EXIT_LDTR_TR_ACCESS : EXIT_GDTR_IDTR_ACCESS, displacementQualification(pc), information);
  return true;
}

// -- instructions that a control brings into being in the guest: without it they are #UD
export function rdtscpIsEnabled(): bool { return !nonRoot() || enableRdtscp(); }
export function invpcidIsEnabled(): bool { return !nonRoot() || enableInvpcid(); }
export function xsavesIsEnabled(): bool { return !nonRoot() || enableXsaves(); }
