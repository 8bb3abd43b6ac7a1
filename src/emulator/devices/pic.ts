// The pair of 8259A interrupt controllers at 20h and A0h, the second on input 2 of the first; trigger modes at 4D0h and 4D1h.
// An edge-triggered request stands until it is acknowledged or its line drops; a level-triggered one follows its line. (Intel 8259A
// data sheet: 'Initialization Command Words', 'Operation Command Words'.)
import {
  PIC_BYTES, PIC_CASCADE, PIC_ELCR, PIC_ICW1, PIC_ICW4, PIC_IMR, PIC_IRR, PIC_ISR, PIC_LINES, PIC_LOWEST, PIC_OUTPUT_LEVEL, PIC_POLL, PIC_READ_ISR, PIC_ROTATE_ON_AUTO_EOI,
  PIC_SPECIAL_MASK, PIC_STEP, PIC_VECTOR_BASE,
} from '../core/generated/devices';
import { picOutputChanged } from './local-apic';

@inline const MASTER: u32 = 0;
@inline const SLAVE: u32 = 1;
@inline const CASCADE_INPUT: u32 = 2;
@inline const NONE: u32 = 8;
@inline const SPURIOUS: u32 = 7;
// ICW1
@inline const NEEDS_ICW4: u32 = 1;
@inline const SINGLE: u32 = 2;
@inline const LEVEL_TRIGGERED: u32 = 8;
// ICW4
@inline const AUTO_EOI: u32 = 2;
@inline const SPECIAL_FULLY_NESTED: u32 = 0x10;

@inline function get(chip: u32, cell: usize): u32 { return load<u32>(cell + <usize>chip * PIC_BYTES); }
@inline function set(chip: u32, cell: usize, value: u32): void { store<u32>(cell + <usize>chip * PIC_BYTES, value); }

/** The chips as they are before initialization: everything masked. Lines keep their levels. */
export function resetPics(): void {
  for (let chip = MASTER; chip <= SLAVE; chip++) {
    set(chip, PIC_IRR, 0);
    set(chip, PIC_IMR, 0xff);
    set(chip, PIC_LOWEST, 7);
    set(chip, PIC_VECTOR_BASE, chip == MASTER ? 0x08 : 0x70);
    set(chip, PIC_CASCADE, chip == MASTER ? 1 << CASCADE_INPUT : CASCADE_INPUT);
  }
  refresh();
}

@inline function levelInputs(chip: u32): u32 { return (get(chip, PIC_ICW1) & LEVEL_TRIGGERED) != 0 ? 0xff : get(chip, PIC_ELCR); }

/** The input that the chip would present: the unmasked request of the highest priority that no input in service blocks; NONE. */
function highestRequest(chip: u32): u32 {
  const requests = get(chip, PIC_IRR) & ~get(chip, PIC_IMR);
  if (requests == 0) return NONE;
  const inService = get(chip, PIC_ISR), special = get(chip, PIC_SPECIAL_MASK) != 0;
  const nested = chip == MASTER && (get(chip, PIC_ICW4) & SPECIAL_FULLY_NESTED) != 0;
  const lowest = get(chip, PIC_LOWEST);
  for (let i: u32 = 1; i <= 8; i++) {
    const input = (lowest + i) & 7, bit: u32 = 1 << input;
    if (inService & bit) {
      if (special) continue;   // special mask mode: an input in service blocks itself alone
      // special fully nested mode: the second chip may present a higher request while one of its own is in service
      return nested && input == CASCADE_INPUT && (requests & bit) != 0 ? input : NONE;
    }
    if (requests & bit) return input;
  }
  return NONE;
}

function setInput(chip: u32, input: u32, level: bool): void {
  const bit: u32 = 1 << input, before = get(chip, PIC_LINES);
  set(chip, PIC_LINES, level ? before | bit : before & ~bit);
  const requests = get(chip, PIC_IRR);
  if (!level) set(chip, PIC_IRR, requests & ~bit);
  else if ((before & bit) == 0 || (levelInputs(chip) & bit) != 0) set(chip, PIC_IRR, requests | bit);
}

/** Propagates the outputs: second chip to input 2 of the first, first chip to INTR. */
function refresh(): void {
  setInput(MASTER, CASCADE_INPUT, highestRequest(SLAVE) != NONE);
  const level: u32 = highestRequest(MASTER) != NONE ? 1 : 0;
  if (level == load<u32>(PIC_OUTPUT_LEVEL)) return;
  store<u32>(PIC_OUTPUT_LEVEL, level);
  picOutputChanged(level != 0);
}

/** An ISA line changes; line 2 does not exist (it is the cascade). */
export function setPicLine(irq: u32, level: bool): void {
  if (irq == CASCADE_INPUT) return;
  setInput(irq >> 3, irq & 7, level);
  refresh();
}

/** INTR: an interrupt is presented. */
@inline export function picOutput(): bool { return load<u32>(PIC_OUTPUT_LEVEL) != 0; }

/** The vector that an acknowledge cycle would fetch now. */
export function picVector(): u32 {
  const input = highestRequest(MASTER);
  if (input != CASCADE_INPUT) return get(MASTER, PIC_VECTOR_BASE) + (input == NONE ? SPURIOUS : input);
  const behind = highestRequest(SLAVE);
  return get(SLAVE, PIC_VECTOR_BASE) + (behind == NONE ? SPURIOUS : behind);
}

/** One chip's part of an acknowledge cycle; returns the input, SPURIOUS without effect when there is none. */
function acknowledgeChip(chip: u32): u32 {
  const input = highestRequest(chip);
  if (input == NONE) return SPURIOUS;
  const bit: u32 = 1 << input;
  if ((levelInputs(chip) & bit) == 0) set(chip, PIC_IRR, get(chip, PIC_IRR) & ~bit);
  if (get(chip, PIC_ICW4) & AUTO_EOI) {
    if (get(chip, PIC_ROTATE_ON_AUTO_EOI)) set(chip, PIC_LOWEST, input);
  } else set(chip, PIC_ISR, get(chip, PIC_ISR) | bit);
  return input;
}

/** The processor's interrupt-acknowledge cycle; returns the vector. */
export function acknowledgePic(): u32 {
  const input = highestRequest(MASTER);
  acknowledgeChip(MASTER);
  let vector = get(MASTER, PIC_VECTOR_BASE) + (input == NONE ? SPURIOUS : input);
  if (input == CASCADE_INPUT) {
    vector = get(SLAVE, PIC_VECTOR_BASE) + acknowledgeChip(SLAVE);
    setInput(MASTER, CASCADE_INPUT, false);   // the second chip's output falls with its acknowledge
  }
  refresh();
  return vector;
}

/** The input in service with the highest priority; NONE. Non-specific EOIs pass over masked inputs in special mask mode. */
function highestInService(chip: u32): u32 {
  let inService = get(chip, PIC_ISR);
  if (get(chip, PIC_SPECIAL_MASK)) inService &= ~get(chip, PIC_IMR);
  const lowest = get(chip, PIC_LOWEST);
  for (let i: u32 = 1; i <= 8; i++) {
    const input = (lowest + i) & 7;
    if (inService & (1 << input)) return input;
  }
  return NONE;
}

/** OCW2: end of interrupt and rotation of priorities. Bits 7:5 rotate, specific, end of interrupt. */
function endOrRotate(chip: u32, command: u32): void {
  const rotate = (command & 0x80) != 0, specific = (command & 0x40) != 0, end = (command & 0x20) != 0;
  if (!end && !specific) { set(chip, PIC_ROTATE_ON_AUTO_EOI, rotate ? 1 : 0); return; }
  const input = specific ? command & 7 : highestInService(chip);
  if (input == NONE) return;
  if (end) set(chip, PIC_ISR, get(chip, PIC_ISR) & ~(1 << input));
  if (rotate) set(chip, PIC_LOWEST, input);
}

function initialize(chip: u32, icw1: u32): void {
  set(chip, PIC_ICW1, icw1);
  set(chip, PIC_ICW4, 0);
  set(chip, PIC_IMR, 0);
  set(chip, PIC_ISR, 0);
  // the edge detectors start anew: only what is level triggered and high is requested
  set(chip, PIC_IRR, get(chip, PIC_LINES) & levelInputs(chip));
  set(chip, PIC_LOWEST, 7);
  set(chip, PIC_SPECIAL_MASK, 0);
  set(chip, PIC_READ_ISR, 0);
  set(chip, PIC_POLL, 0);
  set(chip, PIC_ROTATE_ON_AUTO_EOI, 0);
  set(chip, PIC_STEP, 2);
}

/** Ports 20h and A0h. */
export function picCommandWrite(chip: u32, value: u32): void {
  if (value & 0x10) initialize(chip, value);
  else if (value & 8) {
    if (value & 4) set(chip, PIC_POLL, 1);
    if (value & 2) set(chip, PIC_READ_ISR, value & 1);
    if (value & 0x40) set(chip, PIC_SPECIAL_MASK, (value >> 5) & 1);
  } else endOrRotate(chip, value);
  refresh();
}

/** Ports 21h and A1h. */
export function picDataWrite(chip: u32, value: u32): void {
  const step = get(chip, PIC_STEP), icw1 = get(chip, PIC_ICW1);
  const last: u32 = (icw1 & NEEDS_ICW4) != 0 ? 4 : 0;
  if (step == 2) {
    set(chip, PIC_VECTOR_BASE, value & 0xf8);
    set(chip, PIC_STEP, (icw1 & SINGLE) != 0 ? last : 3);
  } else if (step == 3) {
    set(chip, PIC_CASCADE, value);
    set(chip, PIC_STEP, last);
  } else if (step == 4) {
    set(chip, PIC_ICW4, value);
    set(chip, PIC_STEP, 0);
  } else set(chip, PIC_IMR, value);
  refresh();
}

export function picCommandRead(chip: u32): u32 {
  if (get(chip, PIC_POLL)) {
    set(chip, PIC_POLL, 0);
    const found = highestRequest(chip) != NONE, input = acknowledgeChip(chip);
    if (chip == SLAVE) setInput(MASTER, CASCADE_INPUT, false);
    refresh();
    return found ? 0x80 | input : 0;
  }
  return get(chip, PIC_READ_ISR) ? get(chip, PIC_ISR) : get(chip, PIC_IRR);
}
export function picDataRead(chip: u32): u32 { return get(chip, PIC_IMR); }

export function picTriggerRead(chip: u32): u32 { return get(chip, PIC_ELCR); }
/** Ports 4D0h and 4D1h; inputs of the timer, keyboard, cascade, clock and coprocessor are always edge triggered. */
export function picTriggerWrite(chip: u32, value: u32): void {
  set(chip, PIC_ELCR, value & (chip == MASTER ? 0xf8 : 0xde));
  set(chip, PIC_IRR, (get(chip, PIC_IRR) & ~levelInputs(chip)) | (get(chip, PIC_LINES) & levelInputs(chip)));
  refresh();
}
