// Decodes one instruction into a 32-byte record (two when the operand's address needs computing), by the tables that the build makes
// from the definitions (codegen/decoder-builder.ts). SDM 2A chapter 2 'Instruction Format'.
import {
  CPU_MODE, REC_AUX, REC_BASE, REC_CASE_ID, REC_DISPLACEMENT, REC_DST, REC_IMMEDIATE, REC_INDEX, REC_LENGTH, REC_LINK0, REC_LINK1, REC_ORDINAL, REC_PAGE_OFFSET,
  REC_SCALE, REC_SRC, RECORD_BYTES, SLOT_EA, SLOT_PAGE_BASE, SLOT_SEG_BASE, SLOT_ZERO,
} from './generated/layout';
import { realMode, virtual8086 } from './state';
import {
  CASE_ABSOLUTE, CASE_ADDRESS_16, CASE_ADDRESS_32, CASE_ADDRESS_64, CASE_NONE, CASE_SEGMENTED, CASE_UD, FLAG_BITS, FLAG_CC, FLAG_COUNT, FLAG_D64,
  FLAG_ENDS_BLOCK, FLAG_F64, FLAG_LOCK, FLAG_MODRM, FLAG_POP, FLAG_PROCEDURE, FLAG_THIRD, FLAG_WRITES, FLAG_XLAT, LETTER_A, LETTER_C, LETTER_D, LETTER_E,
  LETTER_FIXED, LETTER_G, LETTER_I, LETTER_J, LETTER_M, LETTER_O, LETTER_ONE, LETTER_R, LETTER_S, LETTER_U, LETTER_V, LETTER_W, LETTER_Z, MAPS, NODES,
  FIRST_PROCEDURE, ROW_BYTES, ROW_FLAGS, ROW_MEMORY_CASES, ROW_OPERANDS, ROW_REGISTER_CASES, ROW_SIZE_CLASS, ROWS, SIZE_B, SIZE_D, SIZE_Q, SIZE_S, SIZE_V, SIZE_W, SIZE_X,
} from './generated/decoder';

/** Results of `decode` beside the length. */
export let decodedRecords: i32 = 0;
/** The decoded instruction ends its block. */
export let decodedEndsBlock: bool = false;
/** Longest legal instruction; a longer one raises #GP(0). */
@inline export const LONGEST: u32 = 15;

let at: usize = 0;                 // next byte
let rex: u32 = 0;
let modrm: u32 = 0;
let base: u32 = 0; let index: u32 = 0; let scale: u32 = 0; let displacement: i32 = 0; let segment: u32 = 0; let ripRelative: bool = false;

@inline function next8(): u32 { const v = load<u8>(at); at += 1; return v; }

/** Reads SIB and displacement of a memory operand (SDM 2A 2.1.5 'Addressing-Mode Encoding of ModR/M and SIB Bytes'). */
function memoryOperand(addressSize: u32): void {
  const mod = modrm >> 6, rm = modrm & 7;
  base = SLOT_ZERO; index = SLOT_ZERO; scale = 0; displacement = 0; ripRelative = false; segment = 3;
  if (addressSize == 0) {
    const bases: u32 = rm == 0 || rm == 1 || rm == 7 ? 3 : rm == 2 || rm == 3 || rm == 6 ? 5 : rm == 4 ? 6 : 7;
    if (rm == 6 && mod == 0) { displacement = load<u16>(at); at += 2; return; }
    base = bases << 3;
    if (rm < 4) index = ((rm & 1) == 0 ? 6 : 7) << 3;
    if (bases == 5) segment = 2;
    if (mod == 1) { displacement = load<i8>(at); at += 1; } else if (mod == 2) { displacement = load<i16>(at); at += 2; }
    return;
  }
  if (rm == 4) {
    const sib = next8(), sibIndex = ((sib >> 3) & 7) | ((rex & 2) << 2), sibBase = sib & 7;
    if (sibIndex != 4) { index = sibIndex << 3; scale = sib >> 6; }
    if (sibBase == 5 && mod == 0) { displacement = load<i32>(at); at += 4; } else {
      base = (sibBase | ((rex & 1) << 3)) << 3;
      if (sibBase == 4 && (rex & 1) == 0 || sibBase == 5 && (rex & 1) == 0) segment = 2;
    }
  } else if (rm == 5 && mod == 0) {
    displacement = load<i32>(at); at += 4;
    if ((load<u32>(CPU_MODE) & 3) == 2) { base = SLOT_PAGE_BASE; ripRelative = true; }
  } else {
    base = (rm | ((rex & 1) << 3)) << 3;
    if (rm == 5 && (rex & 1) == 0) segment = 2;
  }
  if (mod == 1) { displacement = load<i8>(at); at += 1; } else if (mod == 2) { displacement = load<i32>(at); at += 4; }
}

/** Offset of a general register in the register file; without REX, byte registers 4 to 7 are AH CH DH BH. */
@inline function slot(register: u32, size: u32): u32 { return size == SIZE_B && rex == 0 && register >= 4 && register < 8 ? ((register - 4) << 3) + 1 : register << 3; }

function selectRow(map: u32, opcode: u32, prefix: u32): u32 {
  let reference: u32 = load<u16>(MAPS + ((map << 8 | opcode) << 1));
  while (reference & 0x8000) {
    const node = NODES + ((reference & 0x7fff) << 1), kind: u32 = load<u16>(node);
    const value: u32 = kind == 0 ? ((load<u32>(CPU_MODE) & 3) == 2 ? 1 : 0) : kind == 1 ? prefix : kind == 2 ? (load<u8>(at) >= 0xc0 ? 1 : 0) : kind == 3 ? (load<u8>(at) >> 3) & 7 : load<u8>(at) & 7;
    reference = load<u16>(node + 2 + (value << 1));
  }
  return reference;
}

function undefined(record: usize, length: u32, pageOffset: u32, ordinal: u32): u32 {
  memory.fill(record, 0, RECORD_BYTES);
  store<u16>(record + REC_CASE_ID, CASE_UD);
  store<u8>(record + REC_LENGTH, <u8>length);
  store<u8>(record + REC_ORDINAL, <u8>ordinal);
  store<u16>(record + REC_PAGE_OFFSET, <u16>pageOffset);
  decodedRecords = 1;
  decodedEndsBlock = true;
  return length;
}

/** In the maps 0F and VEX 0F: an immediate byte follows the operands. */
@inline function hasImmediateByte(opcode: u32): bool { return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6); }
/** Reads ModRM and what belongs to it of an instruction that is not in the tables. */
function skipModrm(addressSize: u32): void {
  modrm = next8();
  if (modrm < 0xc0) memoryOperand(addressSize);
}
/**
 * Moves past an instruction that the manual or another vendor defines and this processor does not have, so that its length is known; `at` is
 * behind the opcode (SDM 2D appendix A 'Opcode Map').
 */
function skipUnknown(map: u32, opcode: u32, prefix: u32, operand16: bool, addressSize: u32): void {
  if (map == 0) {
    if (opcode >= 0xd8 && opcode <= 0xdf) skipModrm(addressSize);                                // x87
    else if (opcode == 0x62 && ((load<u32>(CPU_MODE) & 3) == 2 || load<u8>(at) >= 0xc0)) {        // EVEX (BOUND has no register form): three more bytes, the opcode, ModRM
      const evexMap = load<u8>(at) & 7, evexOpcode = load<u8>(at, 3);
      rex = 0;
      at += 4;
      skipModrm(addressSize);
      if (evexMap == 3 || (evexMap == 1 && hasImmediateByte(evexOpcode))) at += 1;
    } else if (opcode == 0x8f && (load<u8>(at) & 31) >= 8) {                                      // XOP
      const xopMap = load<u8>(at) & 31;
      at += 3;
      skipModrm(addressSize);
      at += xopMap == 8 ? 1 : xopMap == 10 ? 4 : 0;
    } else if ((opcode == 0xc6 || opcode == 0xc7) && load<u8>(at) == 0xf8) at += opcode == 0xc6 ? 2 : operand16 ? 3 : 5;   // XABORT, XBEGIN
    return;
  }
  if (map == 1 && (opcode == 0x05 || opcode == 0x07 || opcode == 0x0e || opcode == 0x77)) return; // SYSCALL and SYSRET outside 64-bit mode, FEMMS, EMMS
  if (map == 4 && opcode == 0x77) return;                                                        // VZEROUPPER
  skipModrm(addressSize);
  if (map == 3 || map == 6 || ((map == 1 || map == 4) && hasImmediateByte(opcode)) || (map == 1 && opcode == 0x0f)) at += 1;
  if (map == 1 && opcode == 0x78 && (prefix & 1) != 0) at += 2;                                  // EXTRQ, INSERTQ with two immediates
}

/**
 * Decodes the instruction at `bytes` (WASM address; at least 16 readable bytes follow) into `record`. `pageOffset`: its offset in its page;
 * `ordinal`: instructions before it in the block. Returns its length; an undefined one becomes a record that raises #UD.
 */
export function decode(bytes: usize, record: usize, pageOffset: u32, ordinal: u32): u32 {
  const mode = load<u32>(CPU_MODE) & 3;
  let operand16 = false, addressPrefix = false, rep: u32 = 0, lock = false, segmentPrefix: i32 = -1;
  at = bytes; rex = 0;
  // 1. prefixes; a REX prefix counts only right before the opcode
  let opcode: u32 = 0;
  while (true) {
    opcode = next8();
    if (<u32>(at - bytes) > LONGEST) return undefined(record, LONGEST, pageOffset, ordinal);
    if (opcode == 0x66) operand16 = true;
    else if (opcode == 0x67) addressPrefix = true;
    else if (opcode == 0xf3) rep = 1;
    else if (opcode == 0xf2) rep = 2;
    else if (opcode == 0xf0) lock = true;
    else if (opcode == 0x64) segmentPrefix = 4;
    else if (opcode == 0x65) segmentPrefix = 5;
    else if (opcode == 0x26 || opcode == 0x2e || opcode == 0x36 || opcode == 0x3e) { if (mode != 2) segmentPrefix = <i32>((opcode >> 3) & 3); }
    else if (mode == 2 && (opcode & 0xf0) == 0x40) { rex = opcode; continue; }
    else break;
    rex = 0;
  }
  // 2. opcode map and row
  let map: u32 = 0, vvvv: u32 = 0, vex = false, wideVector = false;
  if ((opcode == 0xc4 || opcode == 0xc5) && (mode == 2 || load<u8>(at) >= 0xc0)) {
    // VEX (SDM 2A 2.3.5 'The VEX Prefix'); only VEX.128 of general registers exists here. LDS and LES have no register form
    vex = true;
    if (operand16 || rep != 0 || lock || rex != 0 || realMode() || virtual8086()) return undefined(record, <u32>(at - bytes), pageOffset, ordinal);
    let payload = next8();
    rex = 0x40 | (payload & 0x80 ? 0 : 4);
    map = 4;
    if (opcode == 0xc4) {
      if ((payload & 31) == 0 || (payload & 31) > 3) return undefined(record, <u32>(at - bytes), pageOffset, ordinal);
      map = 3 + (payload & 31);
      rex |= (payload & 0x40 ? 0 : 2) | (payload & 0x20 ? 0 : 1);
      payload = next8();
      if (payload & 0x80) rex |= 8;
    }
    if (mode != 2) rex = 0x40;
    vvvv = ~payload >> 3 & 15;
    operand16 = (payload & 3) == 1;
    rep = (payload & 3) == 2 ? 1 : (payload & 3) == 3 ? 2 : 0;
    opcode = next8();
    wideVector = (payload & 4) != 0;
  } else if (opcode == 0x0f) {
    opcode = next8(); map = 1;
    if (opcode == 0x38) { opcode = next8(); map = 2; } else if (opcode == 0x3a) { opcode = next8(); map = 3; }
  }
  const prefix: u32 = rep == 1 ? 2 : rep == 2 ? 3 : operand16 ? 1 : 0;
  const lookup: u32 = map == 0 && opcode == 0x90 && (rex & 1) != 0 && rep != 1 ? 0x91 : opcode; // F3 90 is PAUSE whatever REX says
  const reference = wideVector ? 0 : selectRow(map, lookup, prefix);
  const addressSize: u32 = mode == 2 ? (addressPrefix ? 1 : 2) : (mode == 1) != addressPrefix ? 1 : 0;
  if (reference == 0) {
    skipUnknown(map, opcode, prefix, operand16 != (mode == 0), addressSize);
    return undefined(record, min<u32>(<u32>(at - bytes), LONGEST), pageOffset, ordinal);
  }
  const row = ROWS + <usize>(reference - 1) * ROW_BYTES, flags: u32 = load<u16>(row + ROW_FLAGS);
  // all four bits count where there is no such operand; outside 64-bit mode three of them name the register
  if (vex && vvvv != 0 && (flags & FLAG_THIRD) == 0) return undefined(record, <u32>(at - bytes), pageOffset, ordinal);
  if (mode != 2) vvvv &= 7;
  // 3. operand and address size
  const wide = (rex & 8) != 0;
  let size: u32 = mode == 0 ? (operand16 ? 2 : 1) : wide ? 3 : operand16 ? 1 : 2;
  if (mode == 2) {
    if (flags & FLAG_F64) size = 3;
    else if ((flags & FLAG_D64) && size == 2) size = 3;
  }
  const sizeClass = load<u8>(row + ROW_SIZE_CLASS);
  const relativeOutside64 = mode != 2 && (flags & FLAG_F64) != 0;
  if (relativeOutside64) { /* the size to which the target is truncated */ }
  else if (sizeClass < 4) size = sizeClass;
  else if (sizeClass == 5) size = mode == 2 && wide ? 3 : 2;
  else if (sizeClass == 6 && size == 3) size = 2;
  if (flags & FLAG_COUNT) size = addressSize + 1;
  // 4. ModRM and memory operand
  let isMemory = false;
  base = SLOT_ZERO; index = SLOT_ZERO; scale = 0; displacement = 0; ripRelative = false; segment = 3; modrm = 0;
  if (flags & FLAG_MODRM) {
    modrm = next8();
    const onlyRegisters = load<u8>(row + ROW_OPERANDS) == LETTER_R || load<u8>(row + ROW_OPERANDS + 3) == LETTER_R;
    if (modrm < 0xc0 && !onlyRegisters) { isMemory = true; memoryOperand(addressSize); }
  }
  if (flags & FLAG_XLAT) { isMemory = true; base = 3 << 3; }
  // 5. operands
  let dst: u32 = SLOT_ZERO, src: u32 = SLOT_ZERO, immediate: i64 = 0, immediates: u32 = 0, illegal = false;
  for (let n: u32 = 0; n < 3; n++) {
    const operand = row + ROW_OPERANDS + n * 3, letter: u32 = load<u8>(operand), width: u32 = load<u8>(operand + 1);
    if (letter == 0) break;
    let register: u32 = 0xff;
    if (letter == LETTER_E || letter == LETTER_R) { if (!isMemory) register = slot((modrm & 7) | ((rex & 1) << 3), width); }
    else if (letter == LETTER_G) register = slot(((modrm >> 3) & 7) | ((rex & 4) << 1), width);
    else if (letter == LETTER_Z) register = slot((opcode & 7) | ((rex & 1) << 3), width);
    else if (letter == LETTER_FIXED) register = <u32>load<u8>(operand + 2) << 3;
    else if (letter == LETTER_S) {
      register = ((modrm >> 3) & 7) << 3;
      if (register > 5 << 3 || (n == 0 && register == 1 << 3)) illegal = true;                  // no such segment register; CS is never loaded so
    } else if (letter == LETTER_C || letter == LETTER_D) {
      register = (((modrm >> 3) & 7) | ((rex & 4) << 1)) << 3;
      if (letter == LETTER_C ? (0x11d >> (register >> 3) & 1) == 0 : register > 7 << 3) illegal = true;   // CR0, CR2, CR3, CR4, CR8; DR0 to DR7
    }
    else if (letter == LETTER_V) register = (((modrm >> 3) & 7) | ((rex & 4) << 1)) << 3;
    else if (letter == LETTER_W || letter == LETTER_U) { if (!isMemory) register = ((modrm & 7) | ((rex & 1) << 3)) << 3; }
    else if (letter == LETTER_ONE) immediate = 1;
    else if (letter == LETTER_I || letter == LETTER_J) {
      let value: i64 = 0;
      if (width == SIZE_B) { value = letter == LETTER_I ? <i64>load<i8>(at) : <i64>load<i8>(at); at += 1; }
      else if (width == SIZE_S) { value = load<i8>(at); at += 1; }
      else if (width == SIZE_W) { value = load<u16>(at); at += 2; }
      else if (width == SIZE_V && size == 3) { value = load<i64>(at); at += 8; }
      else if (size == 1 && !(letter == LETTER_J && mode == 2)) { value = load<i16>(at); at += 2; }
      else { value = load<i32>(at); at += 4; }
      if (immediates++ == 0) immediate = value; else immediate = (immediate & 0xffff) | (value << 16);
    } else if (letter == LETTER_O) {
      isMemory = true;
      if (addressSize == 2) {
        const address = load<i64>(at); at += 8;
        // a full 64-bit offset does not fit in the displacement: it goes through the immediate of an address record
        immediate = address;
      } else if (addressSize == 1) { displacement = load<i32>(at); at += 4; } else { displacement = load<u16>(at); at += 2; }
    } else if (letter == LETTER_A) {
      if (size == 1) { immediate = <i64>load<u32>(at); at += 4; } else { immediate = <i64>(load<u64>(at) & 0xffffffffffff); at += 6; }
    }
    if (register != 0xff) { if (n == 0) dst = register; else if (n == 1) src = register; }
  }
  const length = <u32>(at - bytes);
  if (length > LONGEST) return undefined(record, LONGEST, pageOffset, ordinal);
  // 6. legality of LOCK (SDM 2A 'LOCK'): only listed encodings, only with a memory destination
  if (illegal || lock && (!(flags & FLAG_LOCK) || !isMemory)) return undefined(record, length, pageOffset, ordinal);
  let caseId: u32 = load<u16>(row + (isMemory ? ROW_MEMORY_CASES : ROW_REGISTER_CASES) + ((relativeOutside64 ? 3 : size) << 1));
  if (relativeOutside64) scale = size;
  if (caseId == CASE_NONE) return undefined(record, length, pageOffset, ordinal);
  if (segmentPrefix >= 0) segment = <u32>segmentPrefix;
  if (ripRelative) displacement += <i32>(pageOffset + length);
  if ((flags & FLAG_POP) && isMemory && base == (4 << 3)) displacement += 1 << size;          // POP computes the address after RSP moved
  let aux: u32 = flags & FLAG_THIRD ? vvvv << 3 : flags & FLAG_PROCEDURE ? rep : 0;
  if (flags & FLAG_CC) {
    aux = opcode & 15;
    if (flags & FLAG_ENDS_BLOCK) caseId += aux;                                                 // Jcc: sixteen cases in a row
  }
  let out = record;
  decodedRecords = 1;
  decodedEndsBlock = (flags & FLAG_ENDS_BLOCK) != 0 || caseId >= FIRST_PROCEDURE;
  if (flags & FLAG_PROCEDURE) {
    aux |= segment << 4;
    if (isMemory) aux |= 0x80;
    scale |= addressSize << 2 | size << 4;
  } else if (isMemory) {
    const isLea = load<u8>(row + ROW_OPERANDS + 3) == LETTER_M && map == 0, flat = (load<u32>(CPU_MODE) & 8) != 0 && segment < 4 && segment != 1 && (flags & FLAG_BITS) == 0;
    const absolute = load<u8>(row + ROW_OPERANDS) == LETTER_O || load<u8>(row + ROW_OPERANDS + 3) == LETTER_O;
    // an address record computes the linear address first; LEA wants the offset alone, and its base slot adds nothing
    let addressCase = CASE_NONE, baseSlot: u32 = SLOT_ZERO;
    if (isLea || (mode != 2 && flat)) { if (addressSize != 2) addressCase = addressSize == 1 ? CASE_ADDRESS_32 : CASE_ADDRESS_16; }
    else if (mode != 2) addressCase = CASE_SEGMENTED;
    else if (segment >= 4 || addressSize != 2 || absolute) {
      if (segment >= 4) baseSlot = SLOT_SEG_BASE + (segment << 3);
      addressCase = addressSize != 2 ? CASE_ADDRESS_32 : absolute ? CASE_ABSOLUTE : CASE_ADDRESS_64;
    }
    if (addressCase != CASE_NONE) {
      writeRecord(out, addressCase, 0, ordinal, baseSlot, SLOT_EA, segment, pageOffset, immediate);
      if (addressCase == CASE_SEGMENTED) {
        store<u32>(out + REC_LINK0, accessBytes(row, size) | addressSize << 8 | ((flags & FLAG_WRITES) != 0 ? 1 << 10 : 0));
        if (flags & FLAG_BITS) store<u32>(out + REC_LINK1, 0x100 | size << 9 | src);
      }
      out += RECORD_BYTES;
      decodedRecords = 2;
      base = SLOT_EA; index = SLOT_ZERO; scale = 0; displacement = 0;
      // bit tests move the offset further, and wrap it as the address record did
      if (addressSize == 1 && (flags & (FLAG_THIRD | FLAG_CC)) == 0) aux = baseSlot;
    }
  }
  writeRecord(out, caseId, length, ordinal, dst, src, aux, pageOffset, immediate);
  if (flags & FLAG_PROCEDURE) store<u32>(out + REC_LINK0, opcode | map << 8 | modrm << 16 | (lock ? 1 << 24 : 0) | rex << 25);
  return length;
}

/** Bytes of memory that an instruction accesses, by the code of its memory operand. */
function accessBytes(row: usize, size: u32): u32 {
  for (let n: u32 = 0; n < 2; n++) {
    const operand = row + ROW_OPERANDS + n * 3, letter: u32 = load<u8>(operand), width: u32 = load<u8>(operand + 1);
    if (letter != LETTER_E && letter != LETTER_M && letter != LETTER_W && letter != LETTER_O) continue;
    if (width == SIZE_B) return 1;
    if (width == SIZE_W) return 2;
    if (width == SIZE_D) return 4;
    if (width == SIZE_Q) return 8;
    if (width == SIZE_X) return 16;
    break;
  }
  return 1 << size;
}

function writeRecord(record: usize, caseId: u32, length: u32, ordinal: u32, dst: u32, src: u32, aux: u32, pageOffset: u32, immediate: i64): void {
  store<u16>(record + REC_CASE_ID, <u16>caseId);
  store<u8>(record + REC_LENGTH, <u8>length);
  store<u8>(record + REC_ORDINAL, <u8>ordinal);
  store<u8>(record + REC_DST, <u8>dst);
  store<u8>(record + REC_SRC, <u8>src);
  store<u8>(record + REC_BASE, <u8>base);
  store<u8>(record + REC_INDEX, <u8>index);
  store<u8>(record + REC_SCALE, <u8>scale);
  store<u8>(record + REC_AUX, <u8>aux);
  store<u16>(record + REC_PAGE_OFFSET, <u16>pageOffset);
  store<i32>(record + REC_DISPLACEMENT, displacement);
  store<i64>(record + REC_IMMEDIATE, immediate);
  store<u64>(record + REC_LINK0, 0);
}
