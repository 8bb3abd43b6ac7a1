// Where the processor meets the devices: ports, MMIO, interrupts, timers, APIC MSRs. The core imports this module alone. A timer that is
// due at the moment of an access is handled before it, so that registers and lines agree at every instant.
import { APIC_ATTENTION, APIC_TPR, DEVICE_STATE, DEVICE_STATE_BYTES, TIMERS_NEXT_DEADLINE } from '../core/generated/devices';
import { time } from '../core/state';
import { apicPage, apicPageRead, apicPageWrite, msrRead, msrReadable, msrWrite } from './apic-registers';
import { rescheduleTscDeadline } from './apic-timer';
import { NEVER } from './clock';
import { deadlinesChanged, runDueTimers } from './deadlines';
import { FW_CFG_DATA_PORT, FW_CFG_SELECTOR_PORT, fwCfgRead, fwCfgSelect } from './firmware-configuration';
import { IO_APIC_PAGE, ioApicRead, ioApicWrite, resetIoApic } from './io-apic';
import { keyboardCommand, keyboardRead, keyboardStatus, keyboardWrite, resetKeyboard } from './keyboard-controller';
import {
  acknowledge, activeVcpu, apicGet, apicSet, arrived, enterVirtualWire, hasPendingEvent, pendingInterrupt, performInit, pulseNmiLine, resetApics, setTaskPriority,
  takePendingInit, takePendingNmi, takePendingSipi, endOfInterrupt, localInterrupt, lvt, LVT_MASKED, LVT_PERFORMANCE, setLvt,
} from './local-apic';
import { CONFIG_ADDRESS, CONFIG_DATA, configAddressRead, configAddressWrite, configDataRead, configDataWrite, resetPci } from './pci-host';
import { picCommandRead, picCommandWrite, picDataRead, picDataWrite, picTriggerRead, picTriggerWrite, resetPics } from './pic';
import { pitControlWrite, pitCounterRead, pitCounterWrite, resetPit } from './pit';
import { POWER_PORTS, POWER_PORTS_END, powerRead, powerWrite, resetPower } from './power';
import { cmosIndexWrite, cmosRead, cmosWrite, resetRtc } from './rtc';
import { COM1, receiveSerialByte, resetSerial, sendSerialByte, serialRead, serialWrite } from './serial-port';
import { fastA20Read, fastA20Write, portBRead, portBWrite, resetControlRead, resetControlWrite, resetSystemControl } from './system-control';
import { debugExit, EXIT_PORT, LINE_PORTS, lineWrite, MEMORY_BYTES, MEMORY_PAGE, memoryRead, memoryWrite, STORAGE_PORT, storageRead, storageWrite } from './test-device';

@inline const CONSOLE: u32 = 0xe9;
@inline const FIRMWARE_CONSOLE: u32 = 0x402;
/** What reading a debug console gives: it tells software that there is one. */
@inline const CONSOLE_PRESENT: u32 = 0xe9;
@inline const RESET_CONTROL: u32 = 0xcf9;
@inline const IO_APIC_BYTES: u64 = 0x44;

/** All devices as after power-up, at the present time; settings stay. The active vCPU's CPU_APIC_BASE is written too. */
export function resetDevices(): void {
  memory.fill(DEVICE_STATE, 0, DEVICE_STATE_BYTES);
  store<u64>(TIMERS_NEXT_DEADLINE, NEVER);
  resetApics();
  resetIoApic();
  resetPit();
  resetPics();   // after the timer, whose high output is no edge
  resetSerial();
  resetRtc();
  resetKeyboard();
  resetSystemControl();
  resetPower();
  resetPci();
  deadlinesChanged();
}

// ---- timers

/** Time in units of the next timer event, all ones = none. */
export function nextDeviceDeadline(): u64 { return load<u64>(TIMERS_NEXT_DEADLINE); }
/** Handles every timer event up to now. */
export function runDeviceTimers(): void { runDueTimers(); }
@inline function settle(): void { if (load<u64>(TIMERS_NEXT_DEADLINE) <= time()) runDueTimers(); }

// ---- ports

/** Reads 1, 2 or 4 bytes; what no device claims reads as ones. */
export function portRead(port: u32, bytes: u32): u32 {
  settle();
  if (bytes == 1) return portReadByte(port);
  if (port == CONFIG_ADDRESS && bytes == 4) return configAddressRead();
  if ((port & ~3) == CONFIG_DATA) return configDataRead(port & 3, bytes);
  if (port >= POWER_PORTS && port < POWER_PORTS_END) return powerRead(port - POWER_PORTS, bytes);
  if ((port & ~3) == STORAGE_PORT) return storageRead(port & 3, bytes);
  // devices of eight bits answer wider accesses byte by byte
  let value: u32 = 0;
  for (let i: u32 = 0; i < bytes; i++) value |= portReadByte((port + i) & 0xffff) << (i << 3);
  return value;
}

function portReadByte(port: u32): u32 {
  if ((port & ~7) == COM1) return serialRead(port & 7);
  if (port < 0x100) {
    switch (port) {
      case 0x20: return picCommandRead(0);
      case 0x21: return picDataRead(0);
      case 0x40: case 0x41: case 0x42: return pitCounterRead(port & 3);
      case 0x60: return keyboardRead();
      case 0x61: return portBRead();
      case 0x64: return keyboardStatus();
      case 0x71: return cmosRead();
      case 0x92: return fastA20Read();
      case 0xa0: return picCommandRead(1);
      case 0xa1: return picDataRead(1);
      case 0xe0: case 0xe1: case 0xe2: case 0xe3: return storageRead(port & 3, 1);
      case CONSOLE: return CONSOLE_PRESENT;
      default: return 0xff;
    }
  }
  if (port >= POWER_PORTS && port < POWER_PORTS_END) return powerRead(port - POWER_PORTS, 1);
  if ((port & ~3) == CONFIG_DATA) return configDataRead(port & 3, 1);
  switch (port) {
    case FIRMWARE_CONSOLE: return CONSOLE_PRESENT;
    case 0x4d0: case 0x4d1: return picTriggerRead(port & 1);
    case FW_CFG_DATA_PORT: return fwCfgRead();
    case RESET_CONTROL: return resetControlRead();
    default: return 0xff;
  }
}

/** Writes 1, 2 or 4 bytes; what no device claims is ignored. */
export function portWrite(port: u32, bytes: u32, value: u32): void {
  settle();
  if (port == EXIT_PORT) { debugExit(bytes == 4 ? value : value & ((1 << (bytes << 3)) - 1)); return; }
  if (port - LINE_PORTS < 0x20) { lineWrite(port - LINE_PORTS, value); return; }
  if (bytes == 1) { portWriteByte(port, value & 0xff); return; }
  if (port == CONFIG_ADDRESS && bytes == 4) { configAddressWrite(value); return; }
  if (port == FW_CFG_SELECTOR_PORT && bytes == 2) { fwCfgSelect(value); return; }
  if ((port & ~3) == CONFIG_DATA) { configDataWrite(port & 3, bytes, value); return; }
  if (port >= POWER_PORTS && port < POWER_PORTS_END) { powerWrite(port - POWER_PORTS, bytes, value); return; }
  if ((port & ~3) == STORAGE_PORT) { storageWrite(port & 3, bytes, value); return; }
  for (let i: u32 = 0; i < bytes; i++) portWriteByte((port + i) & 0xffff, value >> (i << 3) & 0xff);
}

function portWriteByte(port: u32, value: u32): void {
  if ((port & ~7) == COM1) { serialWrite(port & 7, value); return; }
  if (port < 0x100) {
    switch (port) {
      case 0x20: picCommandWrite(0, value); return;
      case 0x21: picDataWrite(0, value); return;
      case 0x40: case 0x41: case 0x42: pitCounterWrite(port & 3, value); return;
      case 0x43: pitControlWrite(value); return;
      case 0x60: keyboardWrite(value); return;
      case 0x61: portBWrite(value); return;
      case 0x64: keyboardCommand(value); return;
      case 0x70: cmosIndexWrite(value); return;
      case 0x71: cmosWrite(value); return;
      case 0x92: fastA20Write(value); return;
      case 0xa0: picCommandWrite(1, value); return;
      case 0xa1: picDataWrite(1, value); return;
      case 0xe0: case 0xe1: case 0xe2: case 0xe3: storageWrite(port & 3, 1, value); return;
      case CONSOLE: sendSerialByte(value); return;
      default: return;
    }
  }
  if (port >= POWER_PORTS && port < POWER_PORTS_END) { powerWrite(port - POWER_PORTS, 1, value); return; }
  if ((port & ~3) == CONFIG_DATA) { configDataWrite(port & 3, 1, value); return; }
  switch (port) {
    case FIRMWARE_CONSOLE: sendSerialByte(value); return;
    case 0x4d0: case 0x4d1: picTriggerWrite(port & 1, value); return;
    case RESET_CONTROL: resetControlWrite(value); return;
    default: return;
  }
}

// ---- MMIO (host-physical addresses outside RAM)

/** Host-physical address of the active vCPU's APIC page, all ones = none. An APIC page that software moved over RAM takes precedence. */
export function localApicPage(): u64 { return apicPage(); }

/** Reads 1, 2, 4 or 8 bytes; what no device claims reads as ones. The APICs answer in units of 32 bits. */
export function mmioRead(physical: u64, bytes: u32): u64 {
  settle();
  if ((physical & ~0xfff) == apicPage()) {
    const offset = <u32>physical & 0xfff, low: u64 = apicPageRead(offset);
    return bytes == 8 ? low | <u64>apicPageRead(offset + 4 & 0xfff) << 32 : low & narrow(bytes);
  }
  if (physical - IO_APIC_PAGE < IO_APIC_BYTES) return <u64>ioApicRead(<u32>physical & 0xfc) >> ((physical & 3) << 3) & narrow(bytes);
  if (physical - MEMORY_PAGE <= MEMORY_BYTES - bytes) return memoryRead(<u32>(physical - MEMORY_PAGE), bytes);
  return narrow(bytes);
}
@inline function narrow(bytes: u32): u64 { return bytes == 8 ? u64.MAX_VALUE : ((1 as u64) << (bytes << 3)) - 1; }

/** Writes 1, 2, 4 or 8 bytes. The APICs take 32-bit writes; the upper half of a wider one is ignored, narrower ones are too. */
export function mmioWrite(physical: u64, value: u64, bytes: u32): void {
  settle();
  if ((physical & ~0xfff) == apicPage()) {
    if (bytes >= 4) apicPageWrite(<u32>physical & 0xfff, <u32>value);
  } else if (physical - IO_APIC_PAGE < IO_APIC_BYTES) {
    // the index register is eight bits wide, and some software writes it so
    if (bytes >= 4 || physical == IO_APIC_PAGE) ioApicWrite(<u32>physical & 0xff, <u32>value);
  } else if (physical - MEMORY_PAGE <= MEMORY_BYTES - bytes) memoryWrite(<u32>(physical - MEMORY_PAGE), value, bytes);
}

// ---- interrupts of the active vCPU

/** 0, or 100h | the vector that would be delivered now: the 8259 pair's first, else the local APIC's highest above the processor priority. */
export function interruptPending(): u32 { return pendingInterrupt(activeVcpu()); }
/** Takes it (IRR to ISR, or the 8259's acknowledge cycle); returns the vector. */
export function acknowledgeInterrupt(): u32 { return acknowledge(activeVcpu()); }

/** The EOI register of the active vCPU's APIC is written. */
export function endActiveInterrupt(): void { endOfInterrupt(activeVcpu()); }

/** A performance counter of the active vCPU overflows: its entry of the local vector table fires and is masked (SDM 3A 'Local Vector Table'). */
export function performanceInterrupt(): void {
  localInterrupt(activeVcpu(), LVT_PERFORMANCE);
  setLvt(activeVcpu(), LVT_PERFORMANCE, lvt(activeVcpu(), LVT_PERFORMANCE) | LVT_MASKED);
}

/** CR8: bits 7:4 of the task-priority register, as 0 to 15. */
export function readTpr(): u32 { return apicGet(activeVcpu(), APIC_TPR) >> 4; }
/** MOV to CR8: bits 3:0 of the task-priority register become 0. */
export function writeTpr(priority: u32): void { setTaskPriority(activeVcpu(), (priority & 15) << 4); }

// ---- MSRs: IA32_APIC_BASE, 800h to 83Fh, IA32_TSC_DEADLINE

/** RDMSR does not fault: the register exists in the present mode and can be read. */
export function apicMsrReadable(index: u32): bool { return msrReadable(index); }
/** Value of a readable MSR. */
export function apicMsrRead(index: u32): u64 { settle(); return msrRead(index); }
/** False: general protection. */
export function apicMsrWrite(index: u32, value: u64): bool { settle(); return msrWrite(index, value); }
/** Call after IA32_TSC_ADJUST (or the TSC) of the active vCPU changed. */
export function tscChanged(): void { rescheduleTscDeadline(); }

// ---- for the vCPU scheduler

/** Takes an INIT signal. The local APIC stays as it is: the processor may block the signal or exit on it. */
export function takeInit(vcpu: u32): bool { return takePendingInit(vcpu); }
/** The processor performs an INIT: its local APIC returns to its state after power-up, but for id and IA32_APIC_BASE. */
export function initializeLocalApic(vcpu: u32): void { performInit(vcpu); }
/** 0, or 1 + the vector of a start-up IPI. A vCPU that does not wait for one drops it. */
export function takeSipi(vcpu: u32): u32 { return takePendingSipi(vcpu); }
export function takeNmi(vcpu: u32): bool { return takePendingNmi(vcpu); }
/** INIT, SIPI or NMI is pending, or an interrupt could be delivered (RFLAGS.IF aside). */
export function vcpuHasEvent(vcpu: u32): bool { return hasPendingEvent(vcpu); }
/** Something may have arrived since that vCPU last looked and found nothing to wake for. */
export function vcpuAttention(vcpu: u32): bool { return apicGet(vcpu, APIC_ATTENTION) != 0; }
export function vcpuLooked(vcpu: u32): void { apicSet(vcpu, APIC_ATTENTION, 0); }
/** The host has changed something: that vCPU looks at its events. */
export function vcpuArrival(vcpu: u32): void { arrived(vcpu); }
/** As interruptPending, for any vCPU. */
export function vcpuInterruptPending(vcpu: u32): u32 { return pendingInterrupt(vcpu); }

// ---- input from the host, and what firmware does

/** A byte arrives on COM1; false: its FIFO is full. */
export function serialInput(byte: u32): bool { settle(); return receiveSerialByte(byte); }
/** The NMI button. */
export function pulseNmi(): void { pulseNmiLine(); }
/** Virtual-wire mode of the first processor, as firmware leaves it for a program that it loads. */
export function firmwareVirtualWire(): void { enterVirtualWire(); }
