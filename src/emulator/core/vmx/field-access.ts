// VMREAD and VMWRITE on the current VMCS, and in non-root operation on the shadow VMCS: SDM 3C 31.3 'VMX Instructions',
// 26.3 'Changes to Instruction Behavior in VMX Non-Root Operation'. The field operand is a register; the value operand r/m.
import {
  CPU_ABORT_KIND, CPU_CURRENT_VMCS, CPU_INSTRUCTION_LENGTH, CPU_PROCEDURE, CPU_RECORD, CPU_SHADOW_VMCS_HOST, CPU_VMX_ON, EVENT_VMX_INSTRUCTION, M_EVENT_MASK, M_STOP_ON_VMX,
  M_WATCH_COUNT, REC_LENGTH, VMX_VMREAD, VMX_VMWRITE, WATCH_VMCS_FIELD,
} from '../generated/layout';
import { EXIT_VMREAD, EXIT_VMWRITE, VMCS_VMCS_LINK_POINTER, VMCS_VMREAD_BITMAP_ADDRESS, VMCS_VMWRITE_BITMAP_ADDRESS } from '../generated/vmx';
import { loadData, readPhysical8, storeData } from '../memory';
import { destinationRegister, isMemory, operandAddress, sourceRegister } from '../operands';
import { ABORT, ABORT_PROCEDURE, aborted, cpl, in64BitMode, nonRoot, reg, setReg, takeUnit } from '../state';
import { vmwriteToAnyField } from './capability';
import { vmcsShadowing } from './controls';
import { exitWithInstructionInformation } from './exit';
import { displacementQualification, vmreadInformation, vmwriteInformation } from './instruction-information';
import { peekOperand } from './operand-peek';
import {
  ERROR_UNSUPPORTED_COMPONENT, ERROR_VMWRITE_READ_ONLY, NO_REGISTER, accessFailInvalid, accessFailValid, accessSucceed, kindOfRead, operandAborted, protection, recordAccess, recordExited, stopsBefore,
  undefinedOpcode, undefinedHere,
} from './outcome';
import { ringHasRoom } from '../ring';
import { EXITED, noteField, placeIsWatched, READS, WRITES } from '../watch';
import { NO_VMCS, currentVmcs, field, fieldOffset, isReadOnly, readField, writeField } from './vmcs';

/** Operands are 64 bits wide in 64-bit mode and 32 bits otherwise, whatever the prefixes say. */
@inline function truncated(value: u64): u64 { return in64BitMode() ? value : value & 0xffffffff; }
@inline function operandBytes(): u32 { return in64BitMode() ? 8 : 4; }

/** Whether a field access in non-root operation exits: shadowing off, an encoding beyond bit 14, or the field's bit in the bitmap. */
function accessExits(encoding: u64, bitmap: usize): bool {
  if (!vmcsShadowing() || (encoding >> 15) != 0) return true;
  const byte = readPhysical8(field(currentVmcs(), bitmap) + (encoding >> 3));
  return (byte >> <u32>(encoding & 7) & 1) != 0;
}

/** The VMCS that an access reaches, 0 = none: the current one in root, the one that the link pointer names in non-root operation. */
@inline function accessedVmcs(): usize { return nonRoot() ? <usize>load<u32>(CPU_SHADOW_VMCS_HOST) : currentVmcs(); }
/** Its pointer, as the event tells it. */
@inline function accessedPointer(): u64 { return nonRoot() ? field(currentVmcs(), VMCS_VMCS_LINK_POINTER) : load<u64>(CPU_CURRENT_VMCS); }

// ---- what emitted code calls: VMREAD and VMWRITE of registers that succeed, in 64-bit mode, before which the run need not stop

@inline function isRecorded(kind: u32): bool { return (load<u32>(M_EVENT_MASK) >> kind & 1) != 0; }
@inline function isPlain(id: u32): bool {
  return (load<u32>(M_STOP_ON_VMX) >> id & 1) == 0 && load<u32>(M_WATCH_COUNT + (WATCH_VMCS_FIELD << 2)) == 0 && load<u32>(CPU_VMX_ON) != 0 && in64BitMode() && cpl() == 0;
}
function leave(id: u32, pc: usize): u32 {
  store<u32>(CPU_ABORT_KIND, ABORT_PROCEDURE);
  store<u32>(CPU_PROCEDURE, id);
  store<u32>(CPU_RECORD, <u32>pc);
  return 0;
}
/** Carries out what was left: the ending of the instruction. Its unit has been given back. */
export function runProcedure(): i32 {
  const pc = <usize>load<u32>(CPU_RECORD);
  store<u32>(CPU_ABORT_KIND, 0);
  store<u32>(CPU_INSTRUCTION_LENGTH, load<u8>(pc + REC_LENGTH));
  takeUnit();
  return load<u32>(CPU_PROCEDURE) == VMX_VMREAD ? vmread(pc) : vmwrite(pc);
}
/** WASM address of the field that VMREAD reads, 0: not as usual. */
@inline function plainPlace(encoding: u64): usize {
  if (!isPlain(VMX_VMREAD) || (encoding & 1) != 0 || (nonRoot() && accessExits(encoding, VMCS_VMREAD_BITMAP_ADDRESS))) return 0;
  const vmcs = accessedVmcs(), offset = fieldOffset(encoding);
  return vmcs != 0 && offset != 0 ? vmcs + offset : 0;
}
/** VMWRITE; 0: not as usual. */
@inline function plainPut(encoding: u64, value: u64): u32 {
  if (!isPlain(VMX_VMWRITE) || (isReadOnly(encoding) && !vmwriteToAnyField()) || (nonRoot() && accessExits(encoding, VMCS_VMWRITE_BITMAP_ADDRESS))) return 0;
  const vmcs = accessedVmcs(), offset = fieldOffset(encoding);
  if (vmcs == 0 || offset == 0) return 0;
  writeField(vmcs, offset, encoding, value);
  return 1;
}
/** What emitted code calls for an instruction that nobody records; 0: left to the procedure. */
export function placeOfField(encoding: u64, pc: usize): usize {
  const place = isRecorded(kindOfRead()) ? 0 : plainPlace(encoding);
  return place != 0 ? place : leave(VMX_VMREAD, pc);
}
export function putField(encoding: u64, value: u64, pc: usize): u32 { return !isRecorded(EVENT_VMX_INSTRUCTION) && plainPut(encoding, value) != 0 ? 1 : leave(VMX_VMWRITE, pc); }
/** The same with an event if that is asked for. RIP, RSP and the budget are in memory. */
export function placeOfRecordedField(encoding: u64, pc: usize): usize {
  const place = ringHasRoom() ? plainPlace(encoding) : 0;
  if (place == 0) return leave(VMX_VMREAD, pc);
  if (isRecorded(kindOfRead())) recordAccess(VMX_VMREAD, encoding, load<u64>(place), destinationRegister(pc), accessedPointer());
  return place;
}
export function putRecordedField(encoding: u64, value: u64, pc: usize): u32 {
  if (!ringHasRoom() || plainPut(encoding, value) == 0) return leave(VMX_VMWRITE, pc);
  if (isRecorded(EVENT_VMX_INSTRUCTION)) recordAccess(VMX_VMWRITE, encoding, value, sourceRegister(pc), accessedPointer());
  return 1;
}

/** VMREAD r/m, r. */
export function vmread(pc: usize): i32 {
  if (stopsBefore(VMX_VMREAD)) return ABORT;
  // 1. #UD; 2. VM exit; 3. CPL.
  if (undefinedHere()) return undefinedOpcode(VMX_VMREAD);
  const encoding = truncated(reg(sourceRegister(pc)));
  const register = isMemory(pc) ? NO_REGISTER : destinationRegister(pc);
  if (nonRoot() && accessExits(encoding, VMCS_VMREAD_BITMAP_ADDRESS)) {
    recordExited(VMX_VMREAD, encoding, 0, register);
    if (placeIsWatched(WATCH_VMCS_FIELD, encoding, 1, READS)) noteField(READS, WATCH_VMCS_FIELD, encoding, 0, 0, NO_VMCS, EXITED);
    return exitWithInstructionInformation(EXIT_VMREAD, displacementQualification(pc), vmreadInformation(pc));
  }
  if (cpl() > 0) return protection(VMX_VMREAD);
  // 4. No VMCS; 5. no such field.
  const vmcs = accessedVmcs(), pointer = accessedPointer();
  if (vmcs == 0) return accessFailInvalid(VMX_VMREAD, encoding, 0, register, pointer);
  const offset = fieldOffset(encoding);
  if (offset == 0) return accessFailValid(VMX_VMREAD, ERROR_UNSUPPORTED_COMPONENT, encoding, 0, register, pointer);
  // 6. The destination.
  const value = truncated(readField(vmcs, offset, encoding));
  if (register == NO_REGISTER) {
    const linear = operandAddress(pc);
    if (aborted()) return operandAborted(VMX_VMREAD, encoding);
    if (storeData(linear, value, operandBytes()) != 0 || aborted()) return operandAborted(VMX_VMREAD, encoding);
  } else setReg(register, value);
  if (placeIsWatched(WATCH_VMCS_FIELD, encoding, 1, READS)) noteField(READS, WATCH_VMCS_FIELD, encoding, value, value, pointer, 0);
  return accessSucceed(VMX_VMREAD, encoding, value, register, pointer);
}

/** VMWRITE r, r/m. */
export function vmwrite(pc: usize): i32 {
  if (stopsBefore(VMX_VMWRITE)) return ABORT;
  // 1. #UD; 2. VM exit; 3. CPL.
  if (undefinedHere()) return undefinedOpcode(VMX_VMWRITE);
  const encoding = truncated(reg(destinationRegister(pc)));
  const register = isMemory(pc) ? NO_REGISTER : sourceRegister(pc);
  if (nonRoot() && accessExits(encoding, VMCS_VMWRITE_BITMAP_ADDRESS)) {
    const value = register == NO_REGISTER ? peekOperand(pc, operandBytes()) : truncated(reg(register));
    recordExited(VMX_VMWRITE, encoding, value, register);
    if (placeIsWatched(WATCH_VMCS_FIELD, encoding, 1, WRITES)) noteField(WRITES, WATCH_VMCS_FIELD, encoding, 0, value, NO_VMCS, EXITED);
    return exitWithInstructionInformation(EXIT_VMWRITE, displacementQualification(pc), vmwriteInformation(pc));
  }
  if (cpl() > 0) return protection(VMX_VMWRITE);
  // 4. No VMCS; 5. the source; 6. no such field, or one that cannot be written.
  const vmcs = accessedVmcs(), pointer = accessedPointer();
  if (vmcs == 0) return accessFailInvalid(VMX_VMWRITE, encoding, 0, register, pointer);
  let value: u64;
  if (register == NO_REGISTER) {
    const linear = operandAddress(pc);
    if (aborted()) return operandAborted(VMX_VMWRITE, encoding);
    value = loadData(linear, operandBytes());
    if (aborted()) return operandAborted(VMX_VMWRITE, encoding);
  } else value = truncated(reg(register));
  const offset = fieldOffset(encoding);
  if (offset == 0) return accessFailValid(VMX_VMWRITE, ERROR_UNSUPPORTED_COMPONENT, encoding, value, register, pointer);
  if (isReadOnly(encoding) && !vmwriteToAnyField()) return accessFailValid(VMX_VMWRITE, ERROR_VMWRITE_READ_ONLY, encoding, value, register, pointer);
  if (placeIsWatched(WATCH_VMCS_FIELD, encoding, 1, WRITES)) noteField(WRITES, WATCH_VMCS_FIELD, encoding, readField(vmcs, offset, encoding), value, pointer, 0);
  writeField(vmcs, offset, encoding, value);
  return accessSucceed(VMX_VMWRITE, encoding, value, register, pointer);
}
