// VMFUNC and EPTP switching, its function 0: SDM 3C 26.5.6 'VM Functions'.
import { CPU_EPTP, VMX_VMFUNC } from '../generated/layout';
import { EXIT_VMFUNC, VMCS_EPTP_INDEX, VMCS_EPTP_LIST_ADDRESS, VMCS_EPT_POINTER, VMCS_VM_FUNCTION_CONTROLS } from '../generated/vmx';
import { readPhysical64 } from '../memory';
import { ABORT, NEXT, RAX, RCX, nonRoot, reg } from '../state';
import { selectTlb } from '../tlb';
import { eptViolationVeSupported } from './capability';
import { enableVmFunctions } from './controls';
import { isValidEptp } from './eptp';
import { vmExit } from './exit';
import { NO_REGISTER, recordExited, recordSuccess, stopsBefore, undefinedOpcode } from './outcome';
import { currentVmcs, field, markVmcsWritten, setField } from './vmcs';

@inline const EPTP_SWITCHING: u32 = 0;
@inline const EPTP_LIST_ENTRIES: u32 = 512;

/** VMFUNC: usable at any CPL; EAX is the function, ECX its argument. RFLAGS and cached translations stay. */
export function vmfunc(pc: usize): i32 {
  if (stopsBefore(VMX_VMFUNC)) return ABORT;
  const leaf = <u32>reg(RAX), argument = <u32>reg(RCX);
  // 1. Outside non-root operation, VM functions off, or a function beyond 63: #UD.
  if (!nonRoot() || !enableVmFunctions() || leaf > 63) return undefinedOpcode(VMX_VMFUNC);
  const vmcs = currentVmcs();
  // 2. A function that is not enabled: VM exit.
  if ((field(vmcs, VMCS_VM_FUNCTION_CONTROLS) >> leaf & 1) == 0 || leaf != EPTP_SWITCHING) return functionExit(leaf, argument);
  // 3. EPTP switching: an index or an entry that is not valid: VM exit.
  if (argument >= EPTP_LIST_ENTRIES) return functionExit(leaf, argument);
  const eptp = readPhysical64(field(vmcs, VMCS_EPTP_LIST_ADDRESS) + 8 * <u64>argument);
  if (!isValidEptp(eptp)) return functionExit(leaf, argument);
  setField(vmcs, VMCS_EPT_POINTER, eptp);
  if (eptViolationVeSupported()) setField(vmcs, VMCS_EPTP_INDEX, argument & 0xffff);
  markVmcsWritten(vmcs);
  store<u64>(CPU_EPTP, eptp);
  selectTlb();
  recordSuccess(VMX_VMFUNC, leaf, argument);
  return NEXT;
}

function functionExit(leaf: u32, argument: u32): i32 {
  recordExited(VMX_VMFUNC, leaf, argument, NO_REGISTER);
  return vmExit(EXIT_VMFUNC, 0);
}
