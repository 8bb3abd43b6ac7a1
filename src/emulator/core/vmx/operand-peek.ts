// Memory operands of instructions that exit in VMX non-root operation, looked at for the event ring only: the processor does not read them.
// Invariant: no fault, no VM exit, no accessed or dirty flag, no change of state comes from here; what cannot be read is 0.
import { CPU_ABORT_KIND, CPU_CR3, CPU_EPTP } from '../generated/layout';
import { inspectTranslation, translatedPhysical } from '../facade';
import { readPhysical32 } from '../memory';
import { operandAddress } from '../operands';
import { aborted, cr0, cr4, efer } from '../state';

/** The operand's value (`bytes` 4 or 8, zero-extended), 0 where no memory answers at its address. */
export function peekOperand(pc: usize, bytes: u32): u64 {
  const linear = operandAddress(pc);
  if (aborted()) {
    store<u32>(CPU_ABORT_KIND, 0);
    return 0;
  }
  // An operand that crosses a page is read in halves of four bytes, which may lie anywhere.
  const low = peek32(linear);
  return bytes == 8 ? low | peek32(linear + 4) << 32 : low;
}

function peek32(linear: u64): u64 {
  const isMapped = inspectTranslation(linear, cr0(), load<u64>(CPU_CR3), cr4(), efer(), load<u64>(CPU_EPTP)) != 0;
  return isMapped ? readPhysical32(translatedPhysical) : 0;
}
