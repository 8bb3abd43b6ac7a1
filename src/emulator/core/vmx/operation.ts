// VMXON and VMXOFF: entering and leaving VMX operation. SDM 3C 31.3 'VMX Instructions', 24.7 'Enabling and Entering VMX Operation',
// 24.8 'Restrictions on VMX Operation'. System-management mode and SMX operation do not exist here.
import { CPU_FEATURE_CONTROL, CPU_VMXON_POINTER, CPU_VMX_ON, VMX_VMXOFF, VMX_VMXON } from '../generated/layout';
import { EXIT_VMXOFF, EXIT_VMXON } from '../generated/vmx';
import { loadData } from '../memory';
import { isMemory, operandAddress } from '../operands';
import { ABORT, CR4_VMXE, aborted, attend, cpl, cr0, cr4, nonRoot } from '../state';
import { cr0Fixed0, cr0Fixed1, cr4Fixed0, cr4Fixed1 } from '../processor-facts';
import { vmExit } from './exit';
import { ERROR_VMXON_IN_ROOT, NO_REGISTER, modeWithoutVmx, operandAborted, protection, recordExited, stopsBefore, undefinedOpcode, undefinedHere, vmFail, vmFailInvalid, vmSucceed } from './outcome';
import { exitWithMemoryOperand } from './pointer-instructions';
import { NO_VMCS, hasRevision, isRegionPointer, setCurrentVmcs } from './vmcs';

@inline const FEATURE_CONTROL_LOCK: u64 = 1;
@inline const FEATURE_CONTROL_VMX_OUTSIDE_SMX: u64 = 4;

/** Whether CR0 and CR4 have the values that VMX operation demands. */
function fixedBitsHold(): bool {
  const c0 = cr0(), c4 = cr4();
  return (c0 & cr0Fixed0()) == cr0Fixed0() && (c0 & ~cr0Fixed1()) == 0 && (c4 & cr4Fixed0()) == cr4Fixed0() && (c4 & ~cr4Fixed1()) == 0;
}

/** VMXON m64. Its operand is not touched when already in VMX operation. */
export function vmxon(pc: usize): i32 {
  if (stopsBefore(VMX_VMXON)) return ABORT;
  // 1. A register operand, CR4.VMXE = 0, or a mode without VMX instructions: #UD.
  if (!isMemory(pc) || (cr4() & CR4_VMXE) == 0 || modeWithoutVmx()) return undefinedOpcode(VMX_VMXON);
  if (load<u32>(CPU_VMX_ON) != 0) {
    if (nonRoot()) return exitWithMemoryOperand(pc, VMX_VMXON, EXIT_VMXON);
    if (cpl() > 0) return protection(VMX_VMXON);
    return vmFail(VMX_VMXON, ERROR_VMXON_IN_ROOT, 0, 0);
  }
  // 2. CPL, bits fixed in VMX operation, IA32_FEATURE_CONTROL: #GP(0).
  const permitted = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX;
  if (cpl() > 0 || !fixedBitsHold() || (load<u64>(CPU_FEATURE_CONTROL) & permitted) != permitted) return protection(VMX_VMXON);
  // 3. The operand.
  const linear = operandAddress(pc);
  if (aborted()) return operandAborted(VMX_VMXON, 0);
  const pointer = loadData(linear, 8);
  if (aborted()) return operandAborted(VMX_VMXON, 0);
  // 4. Alignment, width, revision identifier (bit 31 must be 0).
  if (!isRegionPointer(pointer) || !hasRevision(pointer, false)) return vmFailInvalid(VMX_VMXON, pointer, 0);
  store<u32>(CPU_VMX_ON, 1);
  store<u64>(CPU_VMXON_POINTER, pointer);
  setCurrentVmcs(NO_VMCS);
  return vmSucceed(VMX_VMXON, pointer, 0);
}

/** VMXOFF. */
export function vmxoff(pc: usize): i32 {
  if (stopsBefore(VMX_VMXOFF)) return ABORT;
  if (undefinedHere()) return undefinedOpcode(VMX_VMXOFF);
  if (nonRoot()) {
    recordExited(VMX_VMXOFF, 0, 0, NO_REGISTER);
    return vmExit(EXIT_VMXOFF, 0);
  }
  if (cpl() > 0) return protection(VMX_VMXOFF);
  const result = vmSucceed(VMX_VMXOFF, 0, 0);
  store<u32>(CPU_VMX_ON, 0);
  store<u64>(CPU_VMXON_POINTER, NO_VMCS);
  setCurrentVmcs(NO_VMCS);
  attend();   // an INIT that was blocked is performed now
  return result;
}
