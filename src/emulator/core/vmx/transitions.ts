// VMLAUNCH, VMRESUME and VMCALL: SDM 3C 31.3 'VMX Instructions', 27.1 'Basic VM-Entry Checks'. What follows the basic checks is in entry.
import { VMX_VMCALL, VMX_VMLAUNCH, VMX_VMRESUME } from '../generated/layout';
import { EXIT_VMCALL, EXIT_VMLAUNCH, EXIT_VMRESUME } from '../generated/vmx';
import { ABORT, cpl, nonRoot } from '../state';
import { enterGuest } from './entry';
import { vmExit } from './exit';
import { blockingDuringInstruction, BLOCKING_BY_MOV_SS } from './non-register-state';
import {
  ERROR_ENTRY_MOV_SS_BLOCKING, ERROR_VMCALL_IN_ROOT, ERROR_VMLAUNCH_NON_CLEAR, ERROR_VMRESUME_NON_LAUNCHED, NO_REGISTER, modeWithoutVmx, protection, recordExited, stopsBefore,
  undefinedOpcode, undefinedHere, vmFail, vmFailInvalid, vmFailValid,
} from './outcome';
import { CPU_VMX_ON } from '../generated/layout';
import { LAUNCH_CLEAR, LAUNCH_LAUNCHED, currentVmcs, isShadowVmcs, launchState } from './vmcs';

export function vmlaunch(pc: usize): i32 { return vmEntry(VMX_VMLAUNCH, EXIT_VMLAUNCH, LAUNCH_CLEAR, ERROR_VMLAUNCH_NON_CLEAR); }
export function vmresume(pc: usize): i32 { return vmEntry(VMX_VMRESUME, EXIT_VMRESUME, LAUNCH_LAUNCHED, ERROR_VMRESUME_NON_LAUNCHED); }

function vmEntry(id: u32, reason: u32, state: u32, wrongState: u32): i32 {
  if (stopsBefore(id)) return ABORT;
  if (undefinedHere()) return undefinedOpcode(id);
  if (nonRoot()) {
    recordExited(id, 0, 0, NO_REGISTER);
    return vmExit(reason, 0);
  }
  if (cpl() > 0) return protection(id);
  const vmcs = currentVmcs();
  if (vmcs == 0 || isShadowVmcs(vmcs)) return vmFailInvalid(id, 0, 0);
  if ((blockingDuringInstruction() & BLOCKING_BY_MOV_SS) != 0) return vmFailValid(id, ERROR_ENTRY_MOV_SS_BLOCKING, 0, 0);
  if (launchState(vmcs) != state) return vmFailValid(id, wrongState, 0, 0);
  return enterGuest(id, vmcs);
}

/** VMCALL. In non-root operation it exits at any CPL and in any mode. There is no dual-monitor treatment: in root operation it fails. */
export function vmcall(pc: usize): i32 {
  if (stopsBefore(VMX_VMCALL)) return ABORT;
  if (load<u32>(CPU_VMX_ON) == 0) return undefinedOpcode(VMX_VMCALL);
  if (nonRoot()) {
    recordExited(VMX_VMCALL, 0, 0, NO_REGISTER);
    return vmExit(EXIT_VMCALL, 0);
  }
  if (modeWithoutVmx()) return undefinedOpcode(VMX_VMCALL);
  if (cpl() > 0) return protection(VMX_VMCALL);
  return vmFail(VMX_VMCALL, ERROR_VMCALL_IN_ROOT, 0, 0);
}
