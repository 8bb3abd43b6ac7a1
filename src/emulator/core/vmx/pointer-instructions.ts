// VMCLEAR, VMPTRLD and VMPTRST, the instructions on the current-VMCS pointer: SDM 3C 31.3 'VMX Instructions', 25.11.3 'Initializing a VMCS'.
import { CPU_CURRENT_VMCS, CPU_VMXON_POINTER, VMX_VMCLEAR, VMX_VMPTRLD, VMX_VMPTRST } from '../generated/layout';
import { EXIT_VMCLEAR, EXIT_VMPTRLD, EXIT_VMPTRST } from '../generated/vmx';
import { loadData, storeData, writePhysical32 } from '../memory';
import { isMemory, operandAddress } from '../operands';
import { ABORT, aborted, cpl, nonRoot } from '../state';
import { vmcsShadowingSupported } from './capability';
import { exitWithInstructionInformation } from './exit';
import { displacementQualification, memoryInformation } from './instruction-information';
import { peekOperand } from './operand-peek';
import {
  ERROR_VMCLEAR_INVALID_ADDRESS, ERROR_VMCLEAR_VMXON_POINTER, ERROR_VMPTRLD_INVALID_ADDRESS, ERROR_VMPTRLD_VMXON_POINTER, ERROR_VMPTRLD_WRONG_REVISION, NO_REGISTER,
  operandAborted, protection, recordExited, stopsBefore, undefinedOpcode, undefinedHere, vmFail, vmSucceed,
} from './outcome';
import { LAUNCH_CLEAR, NO_VMCS, REGION_LAUNCH_STATE, hasRevision, isRegionPointer, setCurrentVmcs } from './vmcs';

/** The VM exit of an instruction with one memory operand; the event tells the pointer that lies there. */
export function exitWithMemoryOperand(pc: usize, id: u32, reason: u32): i32 {
  recordExited(id, peekOperand(pc, 8), 0, NO_REGISTER);
  return exitWithInstructionInformation(reason, displacementQualification(pc), memoryInformation(pc));
}

/** VMCLEAR m64. No revision check is made. */
export function vmclear(pc: usize): i32 {
  if (stopsBefore(VMX_VMCLEAR)) return ABORT;
  if (!isMemory(pc) || undefinedHere()) return undefinedOpcode(VMX_VMCLEAR);
  if (nonRoot()) return exitWithMemoryOperand(pc, VMX_VMCLEAR, EXIT_VMCLEAR);
  if (cpl() > 0) return protection(VMX_VMCLEAR);
  const linear = operandAddress(pc);
  if (aborted()) return operandAborted(VMX_VMCLEAR, 0);
  const pointer = loadData(linear, 8);
  if (aborted()) return operandAborted(VMX_VMCLEAR, 0);
  if (!isRegionPointer(pointer)) return vmFail(VMX_VMCLEAR, ERROR_VMCLEAR_INVALID_ADDRESS, pointer, 0);
  if (pointer == load<u64>(CPU_VMXON_POINTER)) return vmFail(VMX_VMCLEAR, ERROR_VMCLEAR_VMXON_POINTER, pointer, 0);
  const result = vmSucceed(VMX_VMCLEAR, pointer, 0);
  // All data are in the region already; what remains is the launch state, and that the VMCS is no longer current.
  writePhysical32(pointer + REGION_LAUNCH_STATE, LAUNCH_CLEAR);
  if (pointer == load<u64>(CPU_CURRENT_VMCS)) setCurrentVmcs(NO_VMCS);
  return result;
}

/** VMPTRLD m64. */
export function vmptrld(pc: usize): i32 {
  if (stopsBefore(VMX_VMPTRLD)) return ABORT;
  if (!isMemory(pc) || undefinedHere()) return undefinedOpcode(VMX_VMPTRLD);
  if (nonRoot()) return exitWithMemoryOperand(pc, VMX_VMPTRLD, EXIT_VMPTRLD);
  if (cpl() > 0) return protection(VMX_VMPTRLD);
  const linear = operandAddress(pc);
  if (aborted()) return operandAborted(VMX_VMPTRLD, 0);
  const pointer = loadData(linear, 8);
  if (aborted()) return operandAborted(VMX_VMPTRLD, 0);
  if (!isRegionPointer(pointer)) return vmFail(VMX_VMPTRLD, ERROR_VMPTRLD_INVALID_ADDRESS, pointer, 0);
  if (pointer == load<u64>(CPU_VMXON_POINTER)) return vmFail(VMX_VMPTRLD, ERROR_VMPTRLD_VMXON_POINTER, pointer, 0);
  if (!hasRevision(pointer, vmcsShadowingSupported())) return vmFail(VMX_VMPTRLD, ERROR_VMPTRLD_WRONG_REVISION, pointer, 0);
  const result = vmSucceed(VMX_VMPTRLD, pointer, 0);
  setCurrentVmcs(pointer);
  return result;
}

/** VMPTRST m64: all ones when there is no current VMCS. */
export function vmptrst(pc: usize): i32 {
  if (stopsBefore(VMX_VMPTRST)) return ABORT;
  if (!isMemory(pc) || undefinedHere()) return undefinedOpcode(VMX_VMPTRST);
  if (nonRoot()) {
    recordExited(VMX_VMPTRST, 0, 0, NO_REGISTER);
    return exitWithInstructionInformation(EXIT_VMPTRST, displacementQualification(pc), memoryInformation(pc));
  }
  if (cpl() > 0) return protection(VMX_VMPTRST);
  const pointer = load<u64>(CPU_CURRENT_VMCS);
  const linear = operandAddress(pc);
  if (aborted()) return operandAborted(VMX_VMPTRST, 0);
  if (storeData(linear, pointer, 8) != 0 || aborted()) return operandAborted(VMX_VMPTRST, pointer);
  return vmSucceed(VMX_VMPTRST, pointer, 0);
}
