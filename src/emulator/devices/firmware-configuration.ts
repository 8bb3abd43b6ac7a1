// The firmware configuration device at 510h (selector, 16 bits) and 511h (data, a byte at a time): items that tell software the size of
// the machine. The item of an unknown selector is empty; past an item's end bytes are 0. The file directory exists and lists no file.
import { FW_CFG_OFFSET, FW_CFG_SELECTOR } from '../core/generated/devices';
import { M_RAM_SIZE, M_VCPU_COUNT } from '../core/generated/layout';

@inline export const FW_CFG_SELECTOR_PORT: u32 = 0x510;
@inline export const FW_CFG_DATA_PORT: u32 = 0x511;
// selectors
@inline const SIGNATURE: u32 = 0x00;
@inline const INTERFACE: u32 = 0x01;
@inline const RAM_SIZE: u32 = 0x03;
@inline const PROCESSORS: u32 = 0x05;
@inline const MAXIMUM_PROCESSORS: u32 = 0x0f;

export function fwCfgSelect(selector: u32): void {
  store<u32>(FW_CFG_SELECTOR, selector & 0xffff);
  store<u32>(FW_CFG_OFFSET, 0);
}

/** The first eight bytes of an item as a little-endian number; no item here is longer. */
function item(selector: u32): u64 {
  switch (selector) {
    case SIGNATURE: return 0x554d4551;   // 'QEMU'
    case INTERFACE: return 1;            // the selector and data ports, no DMA
    case RAM_SIZE: return load<u32>(M_RAM_SIZE);
    case PROCESSORS: case MAXIMUM_PROCESSORS: return load<u32>(M_VCPU_COUNT);
    default: return 0;                   // the file directory (19h) is a big-endian count of 0
  }
}

export function fwCfgRead(): u32 {
  const offset = load<u32>(FW_CFG_OFFSET);
  store<u32>(FW_CFG_OFFSET, offset + 1);
  return offset < 8 ? <u32>(item(load<u32>(FW_CFG_SELECTOR)) >> (offset << 3)) & 0xff : 0;
}
