// INVEPT and INVVPID: SDM 3C 31.3 'VMX Instructions', 29.4.3.1 'Operations that Invalidate Cached Mappings'. The type is a register operand,
// the descriptor 16 bytes of memory.
import { VMX_INVEPT, VMX_INVVPID } from '../generated/layout';
import { EXIT_INVEPT, EXIT_INVVPID } from '../generated/vmx';
import { loadData } from '../memory';
import { destinationRegister, isMemory, operandAddress } from '../operands';
import { ABORT, aborted, cpl, in64BitMode, nonRoot, reg } from '../state';
import { invalidateAddress, invalidateAllEpt, invalidateAllVpids, invalidateEptp, invalidateVpid } from '../tlb';
import { inveptSupported, inveptTypes, invvpidSupported, invvpidTypes } from './capability';
import { isValidEptp } from './eptp';
import { exitWithInstructionInformation } from './exit';
import { displacementQualification, invalidationInformation } from './instruction-information';
import { peekOperand } from './operand-peek';
import { ERROR_INVALID_INVEPT_INVVPID_OPERAND, NO_REGISTER, operandAborted, protection, recordExited, stopsBefore, undefinedOpcode, undefinedHere, vmFail, vmSucceed } from './outcome';

// INVEPT types
@inline const SINGLE_EPT_CONTEXT: u64 = 1;
@inline const ALL_EPT_CONTEXTS: u64 = 2;
// INVVPID types
@inline const INDIVIDUAL_ADDRESS: u64 = 0;
@inline const SINGLE_CONTEXT: u64 = 1;
@inline const ALL_CONTEXTS: u64 = 2;
@inline const SINGLE_CONTEXT_RETAINING_GLOBALS: u64 = 3;

@inline function typeOperand(pc: usize): u64 { const v = reg(destinationRegister(pc)); return in64BitMode() ? v : v & 0xffffffff; }
@inline function isType(type: u64, supported: u32): bool { return type < 32 && (supported >> <u32>type & 1) != 0; }
@inline function isCanonical(address: u64): bool { return <u64>(<i64>(address << 16) >> 16) == address; }

function invalidationExit(pc: usize, id: u32, reason: u32): i32 {
  recordExited(id, typeOperand(pc), peekOperand(pc, 8), NO_REGISTER);
  return exitWithInstructionInformation(reason, displacementQualification(pc), invalidationInformation(pc));
}

/** INVEPT r, m128. The event tells the type and the EPT pointer. */
export function invept(pc: usize): i32 {
  if (stopsBefore(VMX_INVEPT)) return ABORT;
  if (!inveptSupported() || !isMemory(pc) || undefinedHere()) return undefinedOpcode(VMX_INVEPT);
  if (nonRoot()) return invalidationExit(pc, VMX_INVEPT, EXIT_INVEPT);
  if (cpl() > 0) return protection(VMX_INVEPT);
  const type = typeOperand(pc);
  if (!isType(type, inveptTypes())) return vmFail(VMX_INVEPT, ERROR_INVALID_INVEPT_INVVPID_OPERAND, type, 0);
  const linear = operandAddress(pc);
  if (aborted()) return operandAborted(VMX_INVEPT, type);
  const eptp = loadData(linear, 8);
  if (aborted()) return operandAborted(VMX_INVEPT, type);
  const reserved = loadData(linear + 8, 8);
  if (aborted()) return operandAborted(VMX_INVEPT, type);
  if (reserved != 0 || (type == SINGLE_EPT_CONTEXT && !isValidEptp(eptp))) return vmFail(VMX_INVEPT, ERROR_INVALID_INVEPT_INVVPID_OPERAND, type, eptp);
  if (type == ALL_EPT_CONTEXTS) invalidateAllEpt();
  else invalidateEptp(eptp);
  return vmSucceed(VMX_INVEPT, type, eptp);
}

/** INVVPID r, m128. The event tells the type and the VPID. */
export function invvpid(pc: usize): i32 {
  if (stopsBefore(VMX_INVVPID)) return ABORT;
  if (!invvpidSupported() || !isMemory(pc) || undefinedHere()) return undefinedOpcode(VMX_INVVPID);
  if (nonRoot()) return invalidationExit(pc, VMX_INVVPID, EXIT_INVVPID);
  if (cpl() > 0) return protection(VMX_INVVPID);
  const type = typeOperand(pc);
  if (!isType(type, invvpidTypes())) return vmFail(VMX_INVVPID, ERROR_INVALID_INVEPT_INVVPID_OPERAND, type, 0);
  const linear = operandAddress(pc);
  if (aborted()) return operandAborted(VMX_INVVPID, type);
  const vpid = loadData(linear, 8);
  if (aborted()) return operandAborted(VMX_INVVPID, type);
  const address = loadData(linear + 8, 8);
  if (aborted()) return operandAborted(VMX_INVVPID, type);
  const valid = (vpid >> 16) == 0 && (type == ALL_CONTEXTS || vpid != 0) && (type != INDIVIDUAL_ADDRESS || isCanonical(address));
  if (!valid) return vmFail(VMX_INVVPID, ERROR_INVALID_INVEPT_INVVPID_OPERAND, type, vpid);
  if (type == INDIVIDUAL_ADDRESS) invalidateAddress(<u32>vpid, address);
  else if (type == ALL_CONTEXTS) invalidateAllVpids();
  // Type 3 may retain global translations; dropping them too is allowed.
  else if (type == SINGLE_CONTEXT || type == SINGLE_CONTEXT_RETAINING_GLOBALS) invalidateVpid(<u32>vpid);
  return vmSucceed(VMX_INVVPID, type, vpid);
}
