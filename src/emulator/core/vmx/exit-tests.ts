// Which VM exits stop the run, beyond their reason: conjunctions of comparisons on what the core has at hand. The host asks for what a condition needs to
// be true at all, so that most exits that it refuses never leave WebAssembly; what passes is looked at closer there.
import { CPU_GPR, CPU_ID, M_EXIT_TEST_COUNT, REGION_EXIT_TESTS } from '../generated/layout';
import { field } from './vmcs';

@inline const TEST_BYTES: usize = 128;
@inline const TERMS: usize = 16;
@inline const TERM_BYTES: usize = 24;
@inline const FIRST_REGISTER: u32 = 16;
@inline const FIRST_FIELD: u32 = 4096;

/** Whether an exit for `reason`, described in the VMCS at `vmcs`, passes a test. General registers are still the guest's. */
export function exitPasses(vmcs: usize, reason: u32): bool {
  const count = load<u32>(M_EXIT_TEST_COUNT);
  if (count == 0) return true;
  for (let test = REGION_EXIT_TESTS, end = test + <usize>count * TEST_BYTES; test < end; test += TEST_BYTES) if (holds(test, vmcs, reason)) return true;
  return false;
}

function holds(test: usize, vmcs: usize, reason: u32): bool {
  const last = test + TERMS + <usize>load<u32>(test) * TERM_BYTES;
  for (let term = test + TERMS; term < last; term += TERM_BYTES) {
    const name = load<u32>(term), operand = load<u64>(term, 8);
    const value = load<u64>(term, 16) & (name >= FIRST_FIELD ? field(vmcs, name - FIRST_FIELD) : name >= FIRST_REGISTER ? load<u64>(CPU_GPR + (<usize>(name - FIRST_REGISTER) << 3))
      : name == 0 ? reason & 0xffff : load<u32>(CPU_ID));
    let passes: bool;
    switch (load<u32>(term, 4)) {
      case 0: passes = value == operand; break;
      case 1: passes = value != operand; break;
      case 2: passes = value < operand; break;
      case 3: passes = value <= operand; break;
      case 4: passes = value > operand; break;
      default: passes = value >= operand; break;
    }
    if (!passes) return false;
  }
  return true;
}
