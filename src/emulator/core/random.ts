// RDRAND and RDSEED (SDM 2B 'RDRAND', 'RDSEED'). The machine is deterministic: the numbers come from a generator whose state is part of
// the processor's. It always has one ready.
import { CPU_GPR, CPU_ID, CPU_RANDOM_STATE } from './generated/layout';
import { destinationRegister, operandSize } from './operands';
import { ABORT, NEXT, nonRoot, setArithmeticFlags } from './state';
import { interceptRdrand, interceptRdseed } from './vmx/intercepts';

@inline const CF: u64 = 1;

/** SplitMix64: a counter with a large odd step, mixed. Each processor has its own sequence. */
function next(): u64 {
  const state = load<u64>(CPU_RANDOM_STATE) + 0x9e3779b97f4a7c15;
  store<u64>(CPU_RANDOM_STATE, state);
  let z = state + (<u64>load<u32>(CPU_ID) << 56);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

function give(pc: usize): i32 {
  const at = CPU_GPR + (<usize>destinationRegister(pc) << 3), value = next();
  switch (operandSize(pc)) {
    case 1: store<u16>(at, <u16>value); break;
    case 2: store<u64>(at, value & 0xffffffff); break;
    default: store<u64>(at, value);
  }
  setArithmeticFlags(CF);
  return NEXT;
}

export function rdrand(pc: usize): i32 { return nonRoot() && interceptRdrand(pc) ? ABORT : give(pc); }
export function rdseed(pc: usize): i32 { return nonRoot() && interceptRdseed(pc) ? ABORT : give(pc); }
