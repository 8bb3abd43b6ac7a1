// What instructions and events ask in VMX non-root operation, by family: one import for the procedures outside this room.
// SDM 3C chapter 26 'VMX Non-Root Operation'.
export {
  externalInterruptIsAcknowledged, externalInterruptsExit, interceptException, interceptInt1, interceptNmi, interceptTaskSwitch, iretEndsNmiBlocking, nmiIsBlocked,
  takeExternalInterruptExit,
} from './event-intercepts';
export {
  IDENTITY_LGDT, IDENTITY_LIDT, IDENTITY_LLDT, IDENTITY_LTR, IDENTITY_SGDT, IDENTITY_SIDT, IDENTITY_SLDT, IDENTITY_STR, interceptCpuid, interceptDescriptorTable, interceptGetsec,
  interceptHlt, interceptInvd, interceptInvlpg, interceptInvpcid, interceptMonitor, interceptMwait, interceptPause, interceptRdpmc, interceptRdrand, interceptRdseed,
  interceptRdtsc, interceptRdtscp, interceptWbinvd, interceptXrstors, interceptXsaves, interceptXsetbv, invpcidIsEnabled, rdtscpIsEnabled, xsavesIsEnabled,
} from './instruction-intercepts';
export { interceptMsrRead, interceptMsrWrite, interceptPort } from './port-and-msr-intercepts';
export {
  cr0ReadValue, cr0WriteValue, cr4ReadValue, cr4WriteValue, interceptClts, interceptLmsw, interceptMovDr, interceptMovFromCr, interceptMovToCr, tscOffsetApplied,
} from './register-intercepts';
