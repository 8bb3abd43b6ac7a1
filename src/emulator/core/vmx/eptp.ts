// Checks on an EPT pointer, as VM entry, INVEPT and VMFUNC make them: SDM 3C 27.2.1.1 'VM-Execution Control Fields'.
import { eptAccessedDirtySupported, eptMemoryTypeSupported } from './capability';
import { physicalBits } from '../processor-facts';

@inline const MEMORY_TYPE: u64 = 7;
@inline const WALK_LENGTH_4: u64 = 3;
@inline const ENABLE_ACCESSED_DIRTY: u64 = 0x40;
@inline const RESERVED: u64 = 0xf80;

/** Whether VM entry would take `eptp`: memory type, walk length 4, accessed and dirty flags where supported, no reserved bit. */
export function isValidEptp(eptp: u64): bool {
  return eptMemoryTypeSupported(<u32>(eptp & MEMORY_TYPE)) && (eptp >> 3 & 7) == WALK_LENGTH_4 && (eptp & RESERVED) == 0
    && ((eptp & ENABLE_ACCESSED_DIRTY) == 0 || eptAccessedDirtySupported()) && (eptp >> physicalBits()) == 0;
}
