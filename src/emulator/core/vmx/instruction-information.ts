// The VM-exit instruction-information field and the displacement qualification, from the decoded record of the instruction:
// SDM 3C 28.2.5 'Information for VM Exits Due to Instruction Execution'. Undefined bits are written as 0.
import { destinationRegister, isMemory, operandSize, recordAddressSize, recordBase, recordDisplacement, recordIndex, recordScale, recordSegment, sourceRegister } from '../operands';
import { in64BitMode } from '../state';

@inline const NO_REGISTER: u32 = 16;

/** Displacement of the memory operand, sign-extended; RIP-relative: with RIP of the next instruction added. 0 for a register operand. */
export function displacementQualification(pc: usize): u64 { return isMemory(pc) ? recordDisplacement(pc) : 0; }

/** Scale, address size, segment, index and base: the bits that all forms with a memory operand share. */
function addressInformation(pc: usize): u32 {
  const base = recordBase(pc), index = recordIndex(pc);
  const indexBits: u32 = index < NO_REGISTER ? recordScale(pc) | index << 18 : 1 << 22;
  const baseBits: u32 = base < NO_REGISTER ? base << 23 : 1 << 27;
  return indexBits | baseBits | recordAddressSize(pc) << 7 | recordSegment(pc) << 15;
}

/** VMCLEAR, VMPTRLD, VMPTRST, VMXON, XSAVES, XRSTORS. */
export function memoryInformation(pc: usize): u32 { return addressInformation(pc); }

/** INVEPT, INVVPID, INVPCID: the type operand's register in bits 31:28. */
export function invalidationInformation(pc: usize): u32 { return addressInformation(pc) | destinationRegister(pc) << 28; }

/** VMREAD and VMWRITE: the value operand (r/m) in `valueRegister` when it is a register; the field operand's register in bits 31:28. */
function fieldAccessInformation(pc: usize, valueRegister: u32, fieldRegister: u32): u32 {
  const value: u32 = isMemory(pc) ? addressInformation(pc) : 1 << 10 | valueRegister << 3;
  return value | fieldRegister << 28;
}
export function vmreadInformation(pc: usize): u32 { return fieldAccessInformation(pc, destinationRegister(pc), sourceRegister(pc)); }
export function vmwriteInformation(pc: usize): u32 { return fieldAccessInformation(pc, sourceRegister(pc), destinationRegister(pc)); }

/** SGDT (0), SIDT (1), LGDT (2), LIDT (3). */
export function gdtrIdtrInformation(pc: usize, identity: u32): u32 {
  const size: u32 = !in64BitMode() && operandSize(pc) >= 2 ? 1 << 11 : 0;
  return addressInformation(pc) | size | identity << 28;
}

/** SLDT (0), STR (1), LLDT (2), LTR (3). A register operand is the r/m operand of each. */
export function ldtrTrInformation(pc: usize, identity: u32): u32 {
  const operand: u32 = isMemory(pc) ? addressInformation(pc) : 1 << 10 | destinationRegister(pc) << 3;
  return operand | identity << 28;
}

/** RDRAND, RDSEED: destination register and operand size. */
export function randomInformation(pc: usize): u32 { return destinationRegister(pc) << 3 | (operandSize(pc) - 1) << 11; }

/** INS and OUTS: address size (0 16-bit, 1 32-bit, 2 64-bit) and, for OUTS, the segment. */
export function stringPortInformation(addressSize: u32, segment: u32): u32 { return addressSize << 7 | segment << 15; }
