// Registers of the local APIC by their offset in its page, for both ways to reach them: the page (xAPIC) and MSRs 800h to 83Fh
// (x2APIC, offset / 16). Also IA32_APIC_BASE and its mode changes. SDM 3A 'The Local APIC Block Diagram', 11.12 'Extended XAPIC (x2APIC)'.
import {
  APIC_BASE, APIC_DFR, APIC_DIVIDE, APIC_ERRORS, APIC_ESR, APIC_ICR_HIGH, APIC_ICR_LOW, APIC_ID, APIC_INITIAL_COUNT, APIC_IRR, APIC_ISR, APIC_LDR, APIC_SPURIOUS, APIC_TMR,
  APIC_TPR, NO_X2APIC, SETTINGS_ABSENT_FEATURES,
} from '../core/generated/devices';
import { CPU_APIC_BASE } from '../core/generated/layout';
import { attend } from '../core/state';
import { currentCount, readTscDeadline, setDivide, setInitialCount, timerEntryChanged, tscDeadlineExists, writeTscDeadline } from './apic-timer';
import { deadlinesChanged } from './deadlines';
import { sendIpi, x2apicLogicalId } from './interrupt-messages';
import {
  activeVcpu, apicCell, apicGet, apicGet64, apicSet, apicSet64, BASE_BSP, BASE_ENABLED, BASE_X2APIC, endOfInterrupt, ERROR_ILLEGAL_REGISTER, initializeApic, lvt, LVT_ENTRIES,
  LVT_MASKED, LVT_TIMER, processorPriority, reportError, setLvt, setTaskPriority, softwareEnabled, SPURIOUS_ENABLED, SPURIOUS_NO_EOI_BROADCAST, x2apicMode,
} from './local-apic';
import { physicalBits } from '../core/generated/processor-values';

// offsets in the page
@inline const ID: u32 = 0x20;
@inline const VERSION: u32 = 0x30;
@inline const TPR: u32 = 0x80;
@inline const APR: u32 = 0x90;
@inline const PPR: u32 = 0xa0;
@inline const EOI: u32 = 0xb0;
@inline const RRD: u32 = 0xc0;
@inline const LDR: u32 = 0xd0;
@inline const DFR: u32 = 0xe0;
@inline const SPURIOUS: u32 = 0xf0;
@inline const ISR: u32 = 0x100;
@inline const TMR: u32 = 0x180;
@inline const IRR: u32 = 0x200;
@inline const ESR: u32 = 0x280;
@inline const ICR_LOW: u32 = 0x300;
@inline const ICR_HIGH: u32 = 0x310;
@inline const LVT_FIRST: u32 = 0x320;
@inline const LVT_LAST: u32 = 0x370;
@inline const INITIAL_COUNT: u32 = 0x380;
@inline const CURRENT_COUNT: u32 = 0x390;
@inline const DIVIDE: u32 = 0x3e0;
@inline const SELF_IPI: u32 = 0x3f0;

/** Version 14h, six LVT entries, suppression of EOI broadcasts. */
@inline const VERSION_VALUE: u32 = 1 << 24 | (LVT_ENTRIES - 1) << 16 | 0x14;
/** ICR bits that exist; bit 12 (delivery status) always reads 0: messages arrive at once. */
@inline const ICR_BITS: u32 = 0xccfff & ~0x1000;

@inline export const IA32_APIC_BASE: u32 = 0x1b;
@inline export const IA32_TSC_DEADLINE: u32 = 0x6e0;
@inline const X2APIC_FIRST: u32 = 0x800;
@inline const X2APIC_LAST: u32 = 0x83f;

/** Bits of an LVT entry that software may set: by entry (timer, thermal, performance, LINT0, LINT1, error). */
function lvtBits(entry: u32): u32 {
  switch (entry) {
    case LVT_TIMER: return tscDeadlineExists() ? 0x700ff : 0x300ff;
    case 1: case 2: return 0x107ff;
    case 5: return 0x100ff;
    default: return 0x1a7ff;
  }
}

/** A register exists in this mode. */
function exists(offset: u32, x2: bool): bool {
  switch (offset) {
    case ID: case VERSION: case TPR: case PPR: case EOI: case LDR: case SPURIOUS: case ESR: case ICR_LOW: case INITIAL_COUNT: case CURRENT_COUNT: case DIVIDE: return true;
    case APR: case RRD: case DFR: case ICR_HIGH: return !x2;
    case SELF_IPI: return x2;
    default: return (offset >= ISR && offset < ESR) || (offset >= LVT_FIRST && offset <= LVT_LAST);
  }
}
@inline function writeOnly(offset: u32): bool { return offset == EOI || offset == SELF_IPI; }
@inline function readOnly(offset: u32, x2: bool): bool {
  return offset == VERSION || offset == APR || offset == PPR || offset == RRD || (offset >= ISR && offset < ESR) || offset == CURRENT_COUNT || (x2 && (offset == ID || offset == LDR));
}

/** A register that exists, in the format of the mode. */
function read(vcpu: u32, offset: u32, x2: bool): u32 {
  switch (offset) {
    case ID: return x2 ? vcpu : apicGet(vcpu, APIC_ID) << 24;
    case VERSION: return VERSION_VALUE;
    case TPR: return apicGet(vcpu, APIC_TPR);
    case APR: case PPR: return processorPriority(vcpu);
    case LDR: return x2 ? x2apicLogicalId(vcpu) : apicGet(vcpu, APIC_LDR);
    case DFR: return apicGet(vcpu, APIC_DFR);
    case SPURIOUS: return apicGet(vcpu, APIC_SPURIOUS);
    case ESR: return apicGet(vcpu, APIC_ESR);
    case ICR_LOW: return apicGet(vcpu, APIC_ICR_LOW);
    case ICR_HIGH: return apicGet(vcpu, APIC_ICR_HIGH);
    case INITIAL_COUNT: return apicGet(vcpu, APIC_INITIAL_COUNT);
    case CURRENT_COUNT: return currentCount(vcpu);
    case DIVIDE: return apicGet(vcpu, APIC_DIVIDE);
    case EOI: case RRD: return 0;
    default:
      if (offset >= LVT_FIRST) return lvt(vcpu, (offset - LVT_FIRST) >> 4);
      return load<u32>(apicCell(vcpu, offset < TMR ? APIC_ISR : offset < IRR ? APIC_TMR : APIC_IRR) + ((offset >> 2) & 0x1c));
  }
}

function writeLvt(vcpu: u32, entry: u32, value: u32): void {
  const before = lvt(vcpu, entry);
  setLvt(vcpu, entry, (value & lvtBits(entry)) | (softwareEnabled(vcpu) ? 0 : LVT_MASKED));
  if (entry == LVT_TIMER) timerEntryChanged(vcpu, before);
  attend();   // LINT0 may pass the 8259 pair now
}

/** Disabling the APIC by software masks every LVT entry; requests already accepted stay. SDM 3A 'Local APIC State After It Has Been Software Disabled'. */
function writeSpurious(vcpu: u32, value: u32): void {
  apicSet(vcpu, APIC_SPURIOUS, value & (0xff | SPURIOUS_ENABLED | SPURIOUS_NO_EOI_BROADCAST));
  if (value & SPURIOUS_ENABLED) return;
  for (let entry: u32 = 0; entry < LVT_ENTRIES; entry++) writeLvt(vcpu, entry, lvt(vcpu, entry) | LVT_MASKED);
}

/** Writes a register that exists and may be written; reserved bits are dropped. */
function write(vcpu: u32, offset: u32, value: u32): void {
  switch (offset) {
    case ID: apicSet(vcpu, APIC_ID, value >> 24); return;
    case TPR: setTaskPriority(vcpu, value); return;
    case EOI: endOfInterrupt(vcpu); return;
    case LDR: apicSet(vcpu, APIC_LDR, value & 0xff000000); return;
    case DFR: apicSet(vcpu, APIC_DFR, value | 0x0fffffff); return;
    case SPURIOUS: writeSpurious(vcpu, value); return;
    case ESR: apicSet(vcpu, APIC_ESR, apicGet(vcpu, APIC_ERRORS)); apicSet(vcpu, APIC_ERRORS, 0); return;
    case ICR_LOW: {
      const high = apicGet(vcpu, APIC_ICR_HIGH);
      apicSet(vcpu, APIC_ICR_LOW, value & ICR_BITS);
      sendIpi(vcpu, value & ICR_BITS, x2apicMode(vcpu) ? high : high >> 24);
      return;
    }
    case ICR_HIGH: apicSet(vcpu, APIC_ICR_HIGH, value & 0xff000000); return;
    case SELF_IPI: sendIpi(vcpu, 1 << 18 | (value & 0xff), 0); return;
    case INITIAL_COUNT: setInitialCount(vcpu, value); return;
    case DIVIDE: setDivide(vcpu, value); return;
    default: writeLvt(vcpu, (offset - LVT_FIRST) >> 4, value);
  }
}

// ---- the page (xAPIC mode)

/** Physical address of the active vCPU's APIC page, all ones when it has none (disabled, or x2APIC mode). */
export function apicPage(): u64 {
  const base = apicGet64(activeVcpu(), APIC_BASE);
  return (base & (BASE_ENABLED | BASE_X2APIC)) == BASE_ENABLED ? base & ~0xfff : u64.MAX_VALUE;
}

/** Four bytes at an offset in the page; registers are the first four of each sixteen. */
export function apicPageRead(offset: u32): u32 {
  const vcpu = activeVcpu(), register = offset & ~15;
  if (!exists(register, false)) { reportError(vcpu, ERROR_ILLEGAL_REGISTER); return 0; }
  return (offset & 15) < 4 ? read(vcpu, register, false) >> ((offset & 3) << 3) : 0;
}
export function apicPageWrite(offset: u32, value: u32): void {
  const vcpu = activeVcpu();
  if (!exists(offset & ~15, false)) { reportError(vcpu, ERROR_ILLEGAL_REGISTER); return; }
  if ((offset & 15) == 0 && !readOnly(offset, false)) write(vcpu, offset, value);
}

// ---- for a debugger

export function hasApicRegister(vcpu: u32, offset: u32): bool { return exists(offset, x2apicMode(vcpu)); }
/** A register that exists of any vCPU's APIC, without side effects. */
export function inspectApic(vcpu: u32, offset: u32): u32 { return read(vcpu, offset, x2apicMode(vcpu)); }
/** A write as the software of that vCPU makes it, with all that follows; false where there is no such register, or it can only be read. */
export function pokeApic(vcpu: u32, offset: u32, value: u32): bool {
  const x2 = x2apicMode(vcpu);
  if (!exists(offset, x2) || readOnly(offset, x2)) return false;
  write(vcpu, offset, value);
  return true;
}

// ---- MSRs

@inline function offsetOf(index: u32): u32 { return (index - X2APIC_FIRST) << 4; }

/** RDMSR of one of the APIC's MSRs does not fault now. */
export function msrReadable(index: u32): bool {
  if (index == IA32_APIC_BASE) return true;
  if (index == IA32_TSC_DEADLINE) return tscDeadlineExists();
  const offset = offsetOf(index);
  return index >= X2APIC_FIRST && index <= X2APIC_LAST && x2apicMode(activeVcpu()) && exists(offset, true) && !writeOnly(offset);
}

export function msrRead(index: u32): u64 {
  const vcpu = activeVcpu();
  if (index == IA32_APIC_BASE) return apicGet64(vcpu, APIC_BASE);
  if (index == IA32_TSC_DEADLINE) return readTscDeadline();
  if (!msrReadable(index)) return 0;
  const offset = offsetOf(index), low = read(vcpu, offset, true);
  return offset == ICR_LOW ? <u64>apicGet(vcpu, APIC_ICR_HIGH) << 32 | low : low;
}

/** Bits that a WRMSR to an x2APIC register may set; others are reserved and fault. SDM 3A 'x2APIC Register Address Space'. */
function writableBits(offset: u32): u32 {
  switch (offset) {
    case TPR: case SELF_IPI: return 0xff;
    case EOI: case ESR: return 0;
    case SPURIOUS: return 0xff | SPURIOUS_ENABLED | SPURIOUS_NO_EOI_BROADCAST;
    case ICR_LOW: return ICR_BITS;
    case INITIAL_COUNT: return 0xffffffff;
    case DIVIDE: return 0xb;
    // delivery status and remote IRR are read-only, not reserved
    default: return lvtBits((offset - LVT_FIRST) >> 4) | 0x1000 | (offset == 0x350 || offset == 0x360 ? 0x4000 : 0);
  }
}

/** WRMSR; false: general protection. */
export function msrWrite(index: u32, value: u64): bool {
  if (index == IA32_APIC_BASE) return writeBase(value);
  if (index == IA32_TSC_DEADLINE) {
    if (!tscDeadlineExists()) return false;
    writeTscDeadline(value);
    return true;
  }
  const vcpu = activeVcpu(), offset = offsetOf(index);
  if (index < X2APIC_FIRST || index > X2APIC_LAST || !x2apicMode(vcpu) || !exists(offset, true) || readOnly(offset, true)) return false;
  if ((<u32>value & ~writableBits(offset)) != 0 || (offset != ICR_LOW && value >> 32 != 0)) return false;
  if (offset == ICR_LOW) apicSet(vcpu, APIC_ICR_HIGH, <u32>(value >> 32));
  write(vcpu, offset, <u32>value);
  return true;
}

/** IA32_APIC_BASE; false: a reserved bit or a transition that does not exist. SDM 3A 'x2APIC State Transitions'. */
function writeBase(value: u64): bool {
  const vcpu = activeVcpu(), before = apicGet64(vcpu, APIC_BASE);
  const hasX2apic = (load<u32>(SETTINGS_ABSENT_FEATURES) & NO_X2APIC) == 0;
  const address = ((1 as u64) << physicalBits()) - 1 & ~0xfff;
  if ((value & ~(address | BASE_BSP | BASE_ENABLED | (hasX2apic ? BASE_X2APIC : 0))) != 0) return false;
  const enabled = (value & BASE_ENABLED) != 0, x2 = (value & BASE_X2APIC) != 0;
  const wasEnabled = (before & BASE_ENABLED) != 0, wasX2 = (before & BASE_X2APIC) != 0;
  if (x2 && (!enabled || !wasEnabled)) return false;   // x2APIC mode is entered from xAPIC mode only
  if (wasX2 && enabled && !x2) return false;           // and left only by disabling
  apicSet64(vcpu, APIC_BASE, value);
  store<u64>(CPU_APIC_BASE, value);
  if (enabled != wasEnabled) {
    initializeApic(vcpu);
    apicSet(vcpu, APIC_ID, vcpu);
  }
  if (x2 && !wasX2) apicSet(vcpu, APIC_ICR_HIGH, 0);
  deadlinesChanged();
  attend();
  return true;
}
