// Exports of the core: what the interpreter calls (slow paths, procedures) and what the façade calls.
export { slowLoad, slowLoadForUpdate, slowLoadVector, slowStore, slowStoreVector } from './memory';
export { segmentedAddress } from './operands';
export {
  arpl, bound, callRelative, callSegmented, jumpSegmented, leave, loopSegmented, popa, popSegmented, pusha, pushImmediate, pushSegmented, returnSegmented, xlat,
} from './segmented-code';
export { aaa, aad, aam, aas, daa, das, salc } from './decimal';
export { allocate, dropCodeAt } from './blocks';
export { dropTranslation, judgeEntry, moreBudget, releaseEntry } from './translations';
export { beginRun, linkBlock, proceed } from './run';
export {
  cmpxchgWide, clflush, codeHook, divideWide, enter, fence, fnop, fwait, getsec, hlt, invd, maskedStore, monitor, mwait, pause, raiseException, rdpid, refineFault, rdpmc,
  rdtsc, rdtscp, rsm, ud2, undefinedOpcode, wbinvd,
} from './system';
export { xgetbv, xrstor, xrstors, xsave, xsavec, xsaveopt, xsaves, xsetbv } from './extended-state';
export { accumulateCrc, depositBits, extractBits } from './bit-functions';
export { floatBinary, floatCompare, floatConvert, floatEstimate, floatFromInteger, floatOrder, floatsDone, floatToInteger, vectorsUnavailable } from './floating-point';
export { fxrstor, fxsave, ldmxcsr, stmxcsr } from './vector-state';
export { cmps, ins, lods, movs, outs, scas, stos } from './strings';
export { clac, cli, cld, popf, pushf, stac, std, sti } from './flag-instructions';
export { callFar, jmpFar, retFar } from './far-transfers';
export { iret } from './interrupt-return';
export { int1, int3, into, intn, syscall, sysenter, sysexit, sysret } from './transfers';
export {
  fsGsBase, lar, lgdt, lidt, lldt, loadFarPointer, lsl, ltr, movFromSegment, movToSegment, popSegment, pushSegment, sgdt, sidt, sldt, str, swapgs, verr, verw,
} from './segment-instructions';
export { clts, invlpg, invpcid, lmsw, movFromControl, movFromDebug, movToControl, movToDebug, smsw } from './control-registers';
export { cpuid } from './cpuid';
export { rdrand, rdseed } from './random';
export { rdpkru, wrpkru } from './protection-keys';
export { rdmsr, wrmsr } from './msrs';
export { portIn, portOut } from './ports';
export { placeOfField, placeOfRecordedField, putField, putRecordedField } from './vmx/field-access';
export { invept, invvpid, vmcall, vmclear, vmfunc, vmlaunch, vmptrld, vmptrst, vmread, vmresume, vmwrite, vmxoff, vmxon } from './vmx/instructions';
export {
  decodeForInspection, dropCode, inspectTranslation, invalidateRange, readMsrForDebugger, refresh, rflagsImage, setRflagsImage, setTaskPriority, taskPriority,
  timeNow, translatedGuestPhysical, translatedPhysical, watchesChanged, writeMsrForDebugger,
} from './facade';
export { hasApicRegister, inspectApic, pokeApic } from '../devices/apic-registers';
export { checkpoint, packTlb, unpackTlb } from './tlb';
export { digestBytes, scannedPages, takeDirtyPages } from './dirty';
export { pulseNmi, serialInput } from '../devices/bus';
export { reset } from './reset';
