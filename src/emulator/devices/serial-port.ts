// COM1: a 16550A at 3F8h on line 4. Its transmitter is infinitely fast: a byte written is in the ring `serialOut` at once and the
// transmitter is empty again. The host puts bytes into the receive FIFO. (National Semiconductor PC16550D data sheet.)
import {
  SERIAL_DIVISOR, SERIAL_FIFO, SERIAL_FIFO_BYTES, SERIAL_FIFO_CONTROL, SERIAL_FIFO_COUNT, SERIAL_FIFO_HEAD, SERIAL_INTERRUPT_ENABLE, SERIAL_LINE_CONTROL, SERIAL_LINE_ERRORS,
  SERIAL_MODEM_CONTROL, SERIAL_MODEM_DELTA, SERIAL_SCRATCH, SERIAL_TRANSMITTER_EMPTY,
} from '../core/generated/devices';
import { M_SERIAL_HEAD, REGION_SERIAL_OUT, REGION_SERIAL_OUT_SIZE } from '../core/generated/layout';
import { IRQ_SERIAL, setIrqLine } from './irq-router';

@inline export const COM1: u32 = 0x3f8;
// interrupt enable
@inline const RECEIVED: u32 = 1;
@inline const TRANSMITTER: u32 = 2;
@inline const LINE_STATUS: u32 = 4;
@inline const MODEM_STATUS: u32 = 8;
// line status
@inline const DATA_READY: u32 = 1;
@inline const OVERRUN: u32 = 2;
@inline const TRANSMITTER_IDLE: u32 = 0x60;
// modem control
@inline const OUT2: u32 = 8;
@inline const LOOPBACK: u32 = 0x10;
@inline const FIFOS: u32 = 1;
@inline const DIVISOR_ACCESS: u32 = 0x80;
/** CTS, DSR and DCD: someone is there. */
@inline const MODEM_PRESENT: u32 = 0xb0;

export function resetSerial(): void {
  store<u32>(SERIAL_DIVISOR, 12);   // 9600 baud
  store<u32>(SERIAL_LINE_CONTROL, 3);
}

/** A byte on its way out of the machine, from COM1 or a debug console port. */
export function sendSerialByte(byte: u32): void {
  const head = load<u32>(M_SERIAL_HEAD);
  store<u8>(REGION_SERIAL_OUT + (<usize>head & (REGION_SERIAL_OUT_SIZE - 1)), <u8>byte);
  store<u32>(M_SERIAL_HEAD, head + 1);
}

@inline function fifosOn(): bool { return (load<u32>(SERIAL_FIFO_CONTROL) & FIFOS) != 0; }
@inline function loopback(): bool { return (load<u32>(SERIAL_MODEM_CONTROL) & LOOPBACK) != 0; }
function triggerLevel(): u32 {
  if (!fifosOn()) return 1;
  switch (load<u32>(SERIAL_FIFO_CONTROL) >> 6) {
    case 0: return 1;
    case 1: return 4;
    case 2: return 8;
    default: return 14;
  }
}

/** IIR bits 3:0: the pending interrupt of the highest priority, 1 = none. Bytes below the trigger level time out at once. */
function interruptId(): u32 {
  const enable = load<u32>(SERIAL_INTERRUPT_ENABLE), count = load<u32>(SERIAL_FIFO_COUNT);
  if ((enable & LINE_STATUS) != 0 && load<u32>(SERIAL_LINE_ERRORS) != 0) return 6;
  if ((enable & RECEIVED) != 0 && count != 0) return count >= triggerLevel() ? 4 : 12;
  if ((enable & TRANSMITTER) != 0 && load<u32>(SERIAL_TRANSMITTER_EMPTY) != 0) return 2;
  if ((enable & MODEM_STATUS) != 0 && load<u32>(SERIAL_MODEM_DELTA) != 0) return 0;
  return 1;
}
/** OUT2 connects the interrupt to its line; loopback disconnects it. */
function drive(): void { setIrqLine(IRQ_SERIAL, interruptId() != 1 && (load<u32>(SERIAL_MODEM_CONTROL) & (OUT2 | LOOPBACK)) == OUT2); }

function receive(byte: u32): bool {
  const count = load<u32>(SERIAL_FIFO_COUNT);
  if (count >= (fifosOn() ? SERIAL_FIFO_BYTES : 1)) return false;
  store<u8>(SERIAL_FIFO + ((load<u32>(SERIAL_FIFO_HEAD) + count) & (SERIAL_FIFO_BYTES - 1)), <u8>byte);
  store<u32>(SERIAL_FIFO_COUNT, count + 1);
  return true;
}

/** The host sends a byte to the guest; false: the FIFO is full (or the port in loopback), try later. */
export function receiveSerialByte(byte: u32): bool {
  if (loopback() || !receive(byte)) return false;
  drive();
  return true;
}

function takeByte(): u32 {
  const count = load<u32>(SERIAL_FIFO_COUNT), head = load<u32>(SERIAL_FIFO_HEAD);
  if (count == 0) return 0;
  store<u32>(SERIAL_FIFO_COUNT, count - 1);
  store<u32>(SERIAL_FIFO_HEAD, (head + 1) & (SERIAL_FIFO_BYTES - 1));
  drive();
  return load<u8>(SERIAL_FIFO + head);
}

function transmit(byte: u32): void {
  store<u32>(SERIAL_TRANSMITTER_EMPTY, 0);
  drive();   // the interrupt falls with the write and rises again when the transmitter is empty, which is now
  if (!loopback()) sendSerialByte(byte);
  else if (!receive(byte)) store<u32>(SERIAL_LINE_ERRORS, load<u32>(SERIAL_LINE_ERRORS) | OVERRUN);
  store<u32>(SERIAL_TRANSMITTER_EMPTY, 1);
  drive();
}

/** MSR bits 7:4; in loopback they are RTS, DTR, OUT1 and OUT2 of the modem control. */
function modemInputs(): u32 {
  const control = load<u32>(SERIAL_MODEM_CONTROL);
  return loopback() ? (control & 2) << 3 | (control & 1) << 5 | (control & 4) << 4 | (control & 8) << 4 : MODEM_PRESENT;
}
function writeModemControl(value: u32): void {
  const before = modemInputs();
  store<u32>(SERIAL_MODEM_CONTROL, value & 0x1f);
  const after = modemInputs(), changed = before ^ after;
  const ringEnded = before & ~after & 0x40;   // the ring indicator counts at its trailing edge only
  store<u32>(SERIAL_MODEM_DELTA, load<u32>(SERIAL_MODEM_DELTA) | (changed & 0xb0 | ringEnded) >> 4);
}

function writeFifoControl(value: u32): void {
  if (((value ^ load<u32>(SERIAL_FIFO_CONTROL)) & FIFOS) != 0 || (value & 2) != 0) store<u32>(SERIAL_FIFO_COUNT, 0);
  store<u32>(SERIAL_FIFO_CONTROL, (value & FIFOS) != 0 ? value & 0xc9 : 0);
}

function writeInterruptEnable(value: u32): void {
  const before = load<u32>(SERIAL_INTERRUPT_ENABLE);
  store<u32>(SERIAL_INTERRUPT_ENABLE, value & 15);
  if ((value & ~before & TRANSMITTER) != 0) store<u32>(SERIAL_TRANSMITTER_EMPTY, 1);
}

/** Register 0 to 7. */
export function serialRead(register: u32): u32 {
  const divisorAccess = (load<u32>(SERIAL_LINE_CONTROL) & DIVISOR_ACCESS) != 0;
  switch (register) {
    case 0: return divisorAccess ? load<u32>(SERIAL_DIVISOR) & 0xff : takeByte();
    case 1: return divisorAccess ? load<u32>(SERIAL_DIVISOR) >> 8 : load<u32>(SERIAL_INTERRUPT_ENABLE);
    case 2: {
      const id = interruptId();
      if (id == 2) { store<u32>(SERIAL_TRANSMITTER_EMPTY, 0); drive(); }
      return fifosOn() ? 0xc0 | id : id;
    }
    case 3: return load<u32>(SERIAL_LINE_CONTROL);
    case 4: return load<u32>(SERIAL_MODEM_CONTROL);
    case 5: {
      const errors = load<u32>(SERIAL_LINE_ERRORS);
      store<u32>(SERIAL_LINE_ERRORS, 0);
      if (errors) drive();
      return TRANSMITTER_IDLE | errors | (load<u32>(SERIAL_FIFO_COUNT) != 0 ? DATA_READY : 0);
    }
    case 6: {
      const delta = load<u32>(SERIAL_MODEM_DELTA);
      store<u32>(SERIAL_MODEM_DELTA, 0);
      if (delta) drive();
      return modemInputs() | delta;
    }
    default: return load<u32>(SERIAL_SCRATCH);
  }
}

export function serialWrite(register: u32, value: u32): void {
  const divisorAccess = (load<u32>(SERIAL_LINE_CONTROL) & DIVISOR_ACCESS) != 0, divisor = load<u32>(SERIAL_DIVISOR);
  switch (register) {
    case 0:
      if (divisorAccess) store<u32>(SERIAL_DIVISOR, (divisor & 0xff00) | value); else transmit(value);
      return;
    case 1:
      if (divisorAccess) store<u32>(SERIAL_DIVISOR, (divisor & 0xff) | value << 8); else writeInterruptEnable(value);
      break;
    case 2: writeFifoControl(value); break;
    case 3: store<u32>(SERIAL_LINE_CONTROL, value); return;
    case 4: writeModemControl(value); break;
    case 7: store<u32>(SERIAL_SCRATCH, value); return;
    default: return;
  }
  drive();
}
