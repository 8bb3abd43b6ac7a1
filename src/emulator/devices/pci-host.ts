// PCI configuration mechanism 1: CONFIG_ADDRESS at CF8h, CONFIG_DATA at CFCh. Bus 0, device 0, function 0 is a host bridge; nothing else
// is there, and configuration reads of nothing are all ones. (PCI Local Bus Specification, 'Configuration Mechanism #1'.)
import { PCI_ADDRESS, PCI_COMMAND } from '../core/generated/devices';

@inline export const CONFIG_ADDRESS: u32 = 0xcf8;
@inline export const CONFIG_DATA: u32 = 0xcfc;
@inline const ENABLE: u32 = 0x80000000;
/** Intel 440FX. */
@inline const BRIDGE_IDENTITY: u32 = 0x12378086;
@inline const BRIDGE_CLASS: u32 = 0x06000002;
/** Memory space and bus mastering can be turned off; a host bridge does neither. */
@inline const COMMAND_BITS: u32 = 0x0106;

export function resetPci(): void { store<u32>(PCI_COMMAND, 6); }

export function configAddressRead(): u32 { return load<u32>(PCI_ADDRESS); }
export function configAddressWrite(value: u32): void { store<u32>(PCI_ADDRESS, value & 0x80fffffc); }

/** The host bridge is addressed. */
@inline function atBridge(): bool { return (load<u32>(PCI_ADDRESS) & ~0xff) == ENABLE; }

/** `offset`: byte within CONFIG_DATA. */
export function configDataRead(offset: u32, bytes: u32): u32 {
  if (!atBridge()) return u32.MAX_VALUE;
  const register = load<u32>(PCI_ADDRESS) & 0xff;
  const value: u32 = register == 0 ? BRIDGE_IDENTITY : register == 4 ? load<u32>(PCI_COMMAND) : register == 8 ? BRIDGE_CLASS : 0;
  return value >> (offset << 3) & (bytes == 4 ? u32.MAX_VALUE : (1 << (bytes << 3)) - 1);
}
export function configDataWrite(offset: u32, bytes: u32, value: u32): void {
  if (!atBridge() || (load<u32>(PCI_ADDRESS) & 0xff) != 4) return;
  const mask = (bytes == 4 ? u32.MAX_VALUE : (1 << (bytes << 3)) - 1) << (offset << 3);
  store<u32>(PCI_COMMAND, (load<u32>(PCI_COMMAND) & ~mask | value << (offset << 3) & mask) & COMMAND_BITS);
}
