// Interrupt messages between APICs: who is addressed (physical, logical flat and cluster, x2APIC logical, broadcast, lowest priority)
// and what each delivery mode does at the target. SDM 3A 'Issuing Interprocessor Interrupts', and
// 'Logical Destination Mode in x2APIC Mode'.
import { APIC_DFR, APIC_ID, APIC_LDR, APIC_PENDING_INIT, APIC_PENDING_NMI, APIC_PENDING_SIPI } from '../core/generated/devices';
import { M_VCPU_COUNT } from '../core/generated/layout';
import { acceptInterrupt, apicEnabled, apicGet, apicSet, arrived, ERROR_SEND_ILLEGAL_VECTOR, processorPriority, reportError, softwareEnabled, x2apicMode } from './local-apic';

@inline export const MODE_FIXED: u32 = 0;
@inline export const MODE_LOWEST_PRIORITY: u32 = 1;
@inline export const MODE_SMI: u32 = 2;
@inline export const MODE_NMI: u32 = 4;
@inline export const MODE_INIT: u32 = 5;
@inline export const MODE_STARTUP: u32 = 6;
@inline export const MODE_EXTINT: u32 = 7;

@inline const SHORTHAND_NONE: u32 = 0;
@inline const SHORTHAND_SELF: u32 = 1;
@inline const SHORTHAND_ALL: u32 = 2;

/** Logical x2APIC id: cluster in bits 31:16, one bit of the low sixteen. */
@inline export function x2apicLogicalId(vcpu: u32): u32 { return vcpu >> 4 << 16 | 1 << (vcpu & 15); }

/** A destination addresses that vCPU's local APIC. `broadcast`: the destination that means all (FFh or FFFFFFFFh by the sender's mode). */
export function messageReaches(vcpu: u32, destination: u32, logical: bool, broadcast: u32): bool {
  if (!apicEnabled(vcpu)) return false;
  if (destination == broadcast) return true;
  const x2 = x2apicMode(vcpu);
  if (!logical) return destination == (x2 ? vcpu : apicGet(vcpu, APIC_ID));
  if (x2) return destination >> 16 == vcpu >> 4 && (destination & (1 << (vcpu & 15))) != 0;
  const own = apicGet(vcpu, APIC_LDR) >> 24;
  if (apicGet(vcpu, APIC_DFR) >> 28 == 15) return (destination & own) != 0;
  // cluster model; cluster 15 as destination is every cluster
  return (destination >> 4 == own >> 4 || destination >> 4 == 15) && (destination & own & 15) != 0;
}

/** What a message does at one target. False: the local APIC does not accept it (it is disabled by software). */
function deliverTo(vcpu: u32, mode: u32, vector: u32, level: bool): bool {
  switch (mode) {
    case MODE_FIXED: case MODE_LOWEST_PRIORITY: return acceptInterrupt(vcpu, vector, level);
    case MODE_NMI: apicSet(vcpu, APIC_PENDING_NMI, 1); arrived(vcpu); return true;
    case MODE_INIT:
      apicSet(vcpu, APIC_PENDING_INIT, 1);
      apicSet(vcpu, APIC_PENDING_SIPI, 0);
      arrived(vcpu);
      return true;
    case MODE_STARTUP: apicSet(vcpu, APIC_PENDING_SIPI, vector + 1); arrived(vcpu); return true;
    default: return true;   // SMIs are accepted and ignored: there is no system-management mode
  }
}

/** Among the APICs addressed that accept interrupts, the one of the lowest processor priority; of equals the first. */
function deliverToLowest(vector: u32, destination: u32, logical: bool, broadcast: u32, level: bool): bool {
  const count = load<u32>(M_VCPU_COUNT);
  let chosen = count, lowest: u32 = 0x100;
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (!messageReaches(vcpu, destination, logical, broadcast) || !softwareEnabled(vcpu)) continue;
    const priority = processorPriority(vcpu);
    if (priority < lowest) { lowest = priority; chosen = vcpu; }
  }
  return chosen < count && acceptInterrupt(chosen, vector, level);
}

/** A message of the I/O APIC or of an ICR without shorthand. True: some target took it. */
export function deliverMessage(mode: u32, vector: u32, destination: u32, logical: bool, broadcast: u32, level: bool): bool {
  if (mode == MODE_LOWEST_PRIORITY) return deliverToLowest(vector, destination, logical, broadcast, level);
  const count = load<u32>(M_VCPU_COUNT);
  let taken = false;
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if (messageReaches(vcpu, destination, logical, broadcast) && deliverTo(vcpu, mode, vector, level)) taken = true;
  }
  return taken;
}

/** A write of the ICR's low half sends; `destination` is 8 bits in xAPIC mode and 32 in x2APIC mode. */
export function sendIpi(sender: u32, command: u32, destination: u32): void {
  const vector = command & 0xff, mode = command >> 8 & 7, shorthand = command >> 18 & 3;
  if ((mode == MODE_FIXED || mode == MODE_LOWEST_PRIORITY) && vector < 16) { reportError(sender, ERROR_SEND_ILLEGAL_VECTOR); return; }
  // an INIT with level 0 ('INIT level de-assert') only set arbitration ids on early processors
  if (mode == MODE_INIT && (command & 0xc000) == 0x8000) return;
  if (shorthand == SHORTHAND_NONE) {
    deliverMessage(mode, vector, destination, (command & 0x800) != 0, x2apicMode(sender) ? 0xffffffff : 0xff, false);
    return;
  }
  if (shorthand == SHORTHAND_SELF) { deliverTo(sender, mode, vector, false); return; }
  const count = load<u32>(M_VCPU_COUNT);
  if (mode == MODE_LOWEST_PRIORITY && shorthand == SHORTHAND_ALL) { deliverToLowest(vector, 0xff, false, 0xff, false); return; }
  for (let vcpu: u32 = 0; vcpu < count; vcpu++) {
    if ((vcpu != sender || shorthand == SHORTHAND_ALL) && apicEnabled(vcpu)) deliverTo(vcpu, mode, vector, false);
  }
}
