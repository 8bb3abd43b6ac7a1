// Moves to and from segment registers, descriptor-table registers, LAR, LSL, VERR, VERW, SWAPGS, FS and GS bases.
import {
  CPU_ABORT_KIND, CPU_CPL, CPU_FAULT_VECTOR, CPU_GDTR_BASE, CPU_GDTR_LIMIT, CPU_IDTR_BASE, CPU_IDTR_LIMIT, CPU_KERNEL_GS_BASE, CPU_MODE,
} from './generated/layout';
import { loadData, storeData, storeSystem } from './memory';
import {
  destinationRegister, isMemory, linearAddress, operandOffset, operandSize, readOperand, REC_DST, REC_SRC, recordOpcode, recordSegment, sourceRegister,
  writeOperand, writeSized,
} from './operands';
import {
  descriptor, descriptorAddress, descriptorBase, descriptorDpl, descriptorHigh, descriptorLimit, descriptorPresent, descriptorRights, descriptorType,
  loadDataSegment, readDescriptor, RIGHTS_UNUSABLE, segmentSelector, segmentBase, setSegment, setSegmentBase,
} from './segments';
import {
  ABORT, aborted, CR4_FSGSBASE, CR4_UMIP, cr4, CS, DS, ES, FS, GP, GS, in64BitMode, LDTR, longModeActive, NEXT, NP, raise, raiseError, realMode, reg, rflags,
  setArithmeticFlags, setInterruptShadow, SS_REG, TR, UD, virtual8086, ZF,
} from './state';
import { push, setMaskedStackPointer, stackBytes, stackLoad, stackMask, stackPointer } from './stack';
import { interceptDescriptorTable } from './vmx/intercepts';

@inline function umipForbids(): bool { return load<u32>(CPU_CPL) != 0 && (cr4() & CR4_UMIP) != 0; }

export function movFromSegment(pc: usize): i32 {
  const i = sourceRegister(pc);
  if (i > 5) return raise(UD);
  return writeOperand(pc, REC_DST, isMemory(pc) ? 1 : operandSize(pc), segmentSelector(i));
}
export function movToSegment(pc: usize): i32 {
  const i = destinationRegister(pc);
  if (i > 5 || i == CS) return raise(UD);
  const selector = <u32>readOperand(pc, REC_SRC, 1);
  if (aborted() || loadDataSegment(i, selector)) return ABORT;
  if (i == SS_REG) setInterruptShadow(2);
  return NEXT;
}
/** Segment register of PUSH and POP: 06 ES, 0E CS, 16 SS, 1E DS (POP one more); 0F A0 FS, 0F A8 GS. */
@inline function stackedSegment(pc: usize): u32 { const opcode = recordOpcode(pc) & 0xff; return opcode < 0x20 ? opcode >> 3 : opcode < 0xa8 ? FS : GS; }
export function pushSegment(pc: usize): i32 { return push(segmentSelector(stackedSegment(pc)), stackBytes(operandSize(pc))); }
export function popSegment(pc: usize): i32 {
  const bytes = stackBytes(operandSize(pc)), i = stackedSegment(pc), top = stackPointer(), mask = stackMask(), selector = <u32>stackLoad(top, bytes) & 0xffff;
  if (aborted() || loadDataSegment(i, selector)) return ABORT;
  // POP SS moves the stack pointer of the size that it had before
  setMaskedStackPointer(top + bytes, mask);
  if (i == SS_REG) setInterruptShadow(2);
  return NEXT;
}
/** LES, LDS, LSS, LFS, LGS. */
@inline function farPointerSegment(opcode: u32): u32 { return opcode == 0xc4 ? ES : opcode == 0xc5 ? DS : opcode == 0xb2 ? SS_REG : opcode == 0xb4 ? FS : GS; }
export function loadFarPointer(pc: usize): i32 {
  const size = operandSize(pc), bytes: u32 = 1 << size, opcode = recordOpcode(pc) & 0xff, address = linearAddress(recordSegment(pc), operandOffset(pc), bytes + 2);
  if (aborted()) return ABORT;
  const offset = loadData(address, bytes); if (aborted()) return ABORT;
  const selector = <u32>loadData(address + bytes, 2); if (aborted()) return ABORT;
  if (loadDataSegment(farPointerSegment(opcode), selector)) return ABORT;
  writeSized(destinationRegister(pc), size, offset);
  return NEXT;
}

// ---- descriptor-table registers. Identities of the exit's instruction information: 0 SGDT, 1 SIDT, 2 LGDT, 3 LIDT; 4 SLDT, 5 STR, 6 LLDT, 7 LTR

function storeTable(pc: usize, identity: u32, base: u64, limit: u32): i32 {
  if (interceptDescriptorTable(pc, identity)) return ABORT;
  if (umipForbids()) return raiseError(GP, 0);
  const bytes: u32 = in64BitMode() ? 8 : 4, address = linearAddress(recordSegment(pc), operandOffset(pc), 2 + bytes);
  if (aborted()) return ABORT;
  if (storeData(address + 2, base, bytes)) return ABORT;
  return storeData(address, limit, 2);
}
export function sgdt(pc: usize): i32 { return storeTable(pc, 0, load<u64>(CPU_GDTR_BASE), load<u32>(CPU_GDTR_LIMIT)); }
export function sidt(pc: usize): i32 { return storeTable(pc, 1, load<u64>(CPU_IDTR_BASE), load<u32>(CPU_IDTR_LIMIT)); }

function loadTable(pc: usize, identity: u32, baseCell: usize, limitCell: usize): i32 {
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (interceptDescriptorTable(pc, identity)) return ABORT;
  const wide = in64BitMode(), bytes: u32 = wide ? 8 : 4, address = linearAddress(recordSegment(pc), operandOffset(pc), 2 + bytes);
  if (aborted()) return ABORT;
  const limit = <u32>loadData(address, 2); if (aborted()) return ABORT;
  let base = loadData(address + 2, bytes); if (aborted()) return ABORT;
  if (wide && <u64>(<i64>(base << 16) >> 16) != base) return raiseError(GP, 0);
  if (!wide && operandSize(pc) == 1) base &= 0xffffff;
  store<u64>(baseCell, base);
  store<u32>(limitCell, limit);
  return NEXT;
}
export function lgdt(pc: usize): i32 { return loadTable(pc, 2, CPU_GDTR_BASE, CPU_GDTR_LIMIT); }
export function lidt(pc: usize): i32 { return loadTable(pc, 3, CPU_IDTR_BASE, CPU_IDTR_LIMIT); }

function storeSelector(pc: usize, identity: u32, i: u32): i32 {
  if (realMode() || virtual8086()) return raise(UD);
  if (interceptDescriptorTable(pc, identity)) return ABORT;
  if (umipForbids()) return raiseError(GP, 0);
  return writeOperand(pc, REC_DST, isMemory(pc) ? 1 : operandSize(pc), segmentSelector(i));
}
export function sldt(pc: usize): i32 { return storeSelector(pc, 4, LDTR); }
export function str(pc: usize): i32 { return storeSelector(pc, 5, TR); }

/** LLDT and LTR: a system descriptor of 16 bytes in IA-32e mode. */
function loadSystemSegment(pc: usize, identity: u32, i: u32): i32 {
  if (realMode() || virtual8086()) return raise(UD);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  if (interceptDescriptorTable(pc, identity)) return ABORT;
  const selector = <u32>readOperand(pc, REC_DST, 1), wide = longModeActive();
  if (aborted()) return ABORT;
  if ((selector & 0xfffc) == 0) {
    if (i == TR) return raiseError(GP, 0);
    setSegment(LDTR, selector, 0, 0, RIGHTS_UNUSABLE);
    return NEXT;
  }
  if ((selector & 4) != 0) return raiseError(GP, selector & 0xfffc);
  if (readDescriptor(selector, GP, 0, wide)) return ABORT;
  const type = descriptorType(descriptor);
  if (i == TR ? type != 9 && (wide || type != 1) : type != 2) return raiseError(GP, selector & 0xfffc);
  if (!descriptorPresent(descriptor)) return raiseError(NP, selector & 0xfffc);
  const base = descriptorBase(descriptor) | (wide ? descriptorHigh << 32 : 0);
  if (wide && <u64>(<i64>(base << 16) >> 16) != base) return raiseError(GP, selector & 0xfffc);
  let rights = descriptorRights(descriptor);
  const limit = descriptorLimit(descriptor);
  if (i == TR) {                                                                        // the TSS becomes busy
    rights |= 2;
    if (storeSystem(descriptorAddress + 5, (descriptor >> 40 & 0xff) | 2, 1)) return ABORT;
  }
  setSegment(i, selector, base, limit, rights);
  return NEXT;
}
export function lldt(pc: usize): i32 { return loadSystemSegment(pc, 6, LDTR); }
export function ltr(pc: usize): i32 { return loadSystemSegment(pc, 7, TR); }

// ---- inspection of descriptors: ZF tells whether the selector is usable

/** Reads the descriptor of a selector for inspection; false when it is out of bounds or null (no fault is raised but for the memory's). */
function inspect(selector: u32): bool {
  if ((selector & 0xfffc) == 0) return false;
  if (readDescriptor(selector, GP, 0, false) == NEXT) return true;
  if (load<u32>(CPU_FAULT_VECTOR) == GP) store<u32>(CPU_ABORT_KIND, 0);
  return false;
}
function setZero(zero: bool): i32 { setArithmeticFlags(zero ? rflags() | ZF : rflags() & ~ZF); return NEXT; }
function visible(selector: u32): bool {
  const type = descriptorType(descriptor), dpl = descriptorDpl(descriptor);
  return (type & 0x1c) == 0x1c || (dpl >= load<u32>(CPU_CPL) && dpl >= (selector & 3));
}
/** Types of system descriptors that LAR (and LSL) accept: LDT, TSS, and for LAR gates. */
function systemTypeVisible(type: u32, limits: bool): bool {
  if (type == 2 || type == 9 || type == 11) return true;
  if (longModeActive()) return !limits && type == 12;
  return type == 1 || type == 3 || (!limits && (type == 4 || type == 5 || type == 12));
}
export function lar(pc: usize): i32 {
  if (realMode() || virtual8086()) return raise(UD);
  const selector = <u32>readOperand(pc, REC_SRC, 1); if (aborted()) return ABORT;
  const found = inspect(selector); if (aborted()) return ABORT;
  if (!found || !visible(selector) || (descriptorType(descriptor) < 0x10 && !systemTypeVisible(descriptorType(descriptor), false))) return setZero(false);
  writeSized(destinationRegister(pc), operandSize(pc), descriptor >> 32 & 0xffff00);
  return setZero(true);
}
export function lsl(pc: usize): i32 {
  if (realMode() || virtual8086()) return raise(UD);
  const selector = <u32>readOperand(pc, REC_SRC, 1); if (aborted()) return ABORT;
  const found = inspect(selector); if (aborted()) return ABORT;
  if (!found || !visible(selector) || (descriptorType(descriptor) < 0x10 && !systemTypeVisible(descriptorType(descriptor), true))) return setZero(false);
  writeSized(destinationRegister(pc), operandSize(pc), descriptorLimit(descriptor));
  return setZero(true);
}
function verify(pc: usize, write: bool): i32 {
  if (realMode() || virtual8086()) return raise(UD);
  const selector = <u32>readOperand(pc, REC_DST, 1); if (aborted()) return ABORT;
  const found = inspect(selector); if (aborted()) return ABORT;
  const type = found ? descriptorType(descriptor) : 0, code = (type & 8) != 0;
  return setZero(found && type >= 0x10 && visible(selector) && (write ? !code && (type & 2) != 0 : !code || (type & 2) != 0));
}
export function verr(pc: usize): i32 { return verify(pc, false); }
export function verw(pc: usize): i32 { return verify(pc, true); }

export function swapgs(_pc: usize): i32 {
  if ((load<u32>(CPU_MODE) & 3) != 2) return raise(UD);
  if (load<u32>(CPU_CPL) != 0) return raiseError(GP, 0);
  const base = segmentBase(GS);
  setSegmentBase(GS, load<u64>(CPU_KERNEL_GS_BASE));
  store<u64>(CPU_KERNEL_GS_BASE, base);
  return NEXT;
}
/** RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE by ModRM.reg. */
export function fsGsBase(pc: usize): i32 {
  if ((cr4() & CR4_FSGSBASE) == 0 || !in64BitMode()) return raise(UD);
  const digit = recordOpcode(pc) >> 19 & 7, i: u32 = (digit & 1) != 0 ? GS : FS;
  if (digit < 2) { writeSized(destinationRegister(pc), operandSize(pc), segmentBase(i)); return NEXT; }
  const value = operandSize(pc) == 3 ? reg(destinationRegister(pc)) : reg(destinationRegister(pc)) & 0xffffffff;
  if (<u64>(<i64>(value << 16) >> 16) != value) return raiseError(GP, 0);
  setSegmentBase(i, value);
  return NEXT;
}
