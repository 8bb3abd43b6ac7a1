// The keyboard controller at 60h and 64h, as far as firmware and kernels use one without a person at the keyboard: self-tests, command
// byte, output port with A20 and reset, and a keyboard that answers its commands. Line 1 is up while a byte waits and its interrupt is on.
import {
  KEYBOARD_COMMAND, KEYBOARD_COUNT, KEYBOARD_EXPECTS, KEYBOARD_HEAD, KEYBOARD_KEYBOARD_EXPECTS, KEYBOARD_OUTPUT_PORT, KEYBOARD_QUEUE, KEYBOARD_QUEUE_BYTES, KEYBOARD_SYSTEM,
} from '../core/generated/devices';
import { IRQ_KEYBOARD, setIrqLine } from './irq-router';
import { requestReset } from './system-control';

// command byte
@inline const KEYBOARD_INTERRUPT: u32 = 1;
@inline const SYSTEM_FLAG: u32 = 4;
@inline const KEYBOARD_DISABLED: u32 = 0x10;
@inline const AUXILIARY_DISABLED: u32 = 0x20;
// status
@inline const OUTPUT_FULL: u32 = 1;
@inline const LAST_WAS_COMMAND: u32 = 8;
@inline const UNLOCKED: u32 = 0x10;
// output port
@inline const NO_RESET: u32 = 1;
@inline const ACKNOWLEDGE: u32 = 0xfa;

export function resetKeyboard(): void {
  store<u32>(KEYBOARD_COMMAND, AUXILIARY_DISABLED | SYSTEM_FLAG);
  store<u32>(KEYBOARD_OUTPUT_PORT, 0xdf);
}

function drive(): void { setIrqLine(IRQ_KEYBOARD, load<u32>(KEYBOARD_COUNT) != 0 && (load<u32>(KEYBOARD_COMMAND) & KEYBOARD_INTERRUPT) != 0); }

function answer(byte: u32): void {
  const count = load<u32>(KEYBOARD_COUNT);
  if (count == KEYBOARD_QUEUE_BYTES) return;
  store<u8>(KEYBOARD_QUEUE + ((load<u32>(KEYBOARD_HEAD) + count) & (KEYBOARD_QUEUE_BYTES - 1)), <u8>byte);
  store<u32>(KEYBOARD_COUNT, count + 1);
  drive();
}

/** Port 60h. */
export function keyboardRead(): u32 {
  const count = load<u32>(KEYBOARD_COUNT), head = load<u32>(KEYBOARD_HEAD);
  const byte: u32 = load<u8>(KEYBOARD_QUEUE + head);
  if (count == 0) return 0;
  store<u32>(KEYBOARD_COUNT, count - 1);
  store<u32>(KEYBOARD_HEAD, (head + 1) & (KEYBOARD_QUEUE_BYTES - 1));
  setIrqLine(IRQ_KEYBOARD, false);   // each byte is an edge of its own
  drive();
  return byte;
}

/** Port 64h. */
export function keyboardStatus(): u32 {
  return UNLOCKED | (load<u32>(KEYBOARD_COUNT) ? OUTPUT_FULL : 0) | (load<u32>(KEYBOARD_COMMAND) & SYSTEM_FLAG) | (load<u32>(KEYBOARD_SYSTEM) ? LAST_WAS_COMMAND : 0);
}

/** The output port: bit 0 low resets the processor. */
function writeOutputPort(value: u32): void {
  store<u32>(KEYBOARD_OUTPUT_PORT, value);
  if ((value & NO_RESET) == 0) requestReset();
}

/** Port 64h: a command for the controller. */
export function keyboardCommand(command: u32): void {
  store<u32>(KEYBOARD_SYSTEM, 1);
  store<u32>(KEYBOARD_EXPECTS, 0);
  const byte = load<u32>(KEYBOARD_COMMAND);
  if (command >= 0xf0) {   // pulses the output-port bits whose command bit is 0
    if ((command & NO_RESET) == 0) requestReset();
    return;
  }
  switch (command) {
    case 0x20: answer(byte); return;
    case 0x60: case 0xd1: case 0xd2: case 0xd3: case 0xd4: store<u32>(KEYBOARD_EXPECTS, command); return;
    case 0xa7: store<u32>(KEYBOARD_COMMAND, byte | AUXILIARY_DISABLED); return;
    case 0xa8: store<u32>(KEYBOARD_COMMAND, byte & ~AUXILIARY_DISABLED); return;
    case 0xa9: case 0xab: answer(0); return;
    case 0xaa: answer(0x55); return;
    case 0xad: store<u32>(KEYBOARD_COMMAND, byte | KEYBOARD_DISABLED); return;
    case 0xae: store<u32>(KEYBOARD_COMMAND, byte & ~KEYBOARD_DISABLED); return;
    case 0xc0: answer(0x80); return;
    case 0xd0: answer(load<u32>(KEYBOARD_OUTPUT_PORT)); return;
    default: return;
  }
}

/** The keyboard answers a command byte. */
function keyboardAnswers(byte: u32): void {
  if (load<u32>(KEYBOARD_KEYBOARD_EXPECTS)) { store<u32>(KEYBOARD_KEYBOARD_EXPECTS, 0); answer(ACKNOWLEDGE); return; }
  if (byte == 0xee) { answer(0xee); return; }
  answer(ACKNOWLEDGE);
  if (byte == 0xed || byte == 0xf0 || byte == 0xf3) store<u32>(KEYBOARD_KEYBOARD_EXPECTS, byte);
  else if (byte == 0xff) answer(0xaa);
  else if (byte == 0xf2) { answer(0xab); answer(0x83); }
}

/** Port 60h: data of a controller command, or a byte for the keyboard. */
export function keyboardWrite(byte: u32): void {
  store<u32>(KEYBOARD_SYSTEM, 0);
  const expects = load<u32>(KEYBOARD_EXPECTS);
  store<u32>(KEYBOARD_EXPECTS, 0);
  switch (expects) {
    case 0: keyboardAnswers(byte); return;
    case 0x60: store<u32>(KEYBOARD_COMMAND, byte); drive(); return;
    case 0xd1: writeOutputPort(byte); return;
    case 0xd2: case 0xd3: answer(byte); return;
    default: return;   // D4h: there is no auxiliary device
  }
}
