// What a step must know of the instruction that it just ran, read from its bytes and its effect: was it a call, a return, one iteration of a
// repeated string instruction? Prefixes and a handful of opcodes are enough; nothing here decodes operands.
import type { Machine, RegisterFile } from '../../emulator/machine';

/** A stack, to know a frame again by: its stack pointer and, of user code, its address space. Code of the kernel may change that and return all the same. */
export interface StackPlace { readonly rsp: bigint; readonly space?: bigint }

export function stackOf(registers: RegisterFile): StackPlace {
  return { rsp: registers.get('rsp'), ...registers.get('cpl') === 3n && { space: registers.get('cr3') } };
}

export interface Position extends StackPlace { readonly rip: bigint; readonly bytes: Uint8Array }

export function positionOf(machine: Machine, vcpu: number): Position {
  const registers = machine.registers(vcpu), rip = registers.get('rip'), linear = linearOf(registers, rip);
  return { rip, ...stackOf(registers), bytes: machine.readLinear(vcpu, linear, 15) ?? machine.readLinear(vcpu, linear, 4) ?? new Uint8Array() };
}

const codeIs64Bit = 1n << 13n;

/** Linear address of an instruction pointer: the base of CS counts except in 64-bit code (SDM 3A 3.4.4 'Segment Loading Instructions in IA-32e Mode'). */
export function linearOf(registers: RegisterFile, rip: bigint): bigint {
  return registers.get('cs.rights') & codeIs64Bit ? rip : BigInt.asUintN(32, rip + registers.get('cs.base'));
}

const legacyPrefixes = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** First opcode byte after legacy prefixes and, in 64-bit code, REX, with its place; and whether a repeat prefix stood there. */
function opcodeOf(bytes: Uint8Array): { opcode: number; at: number; repeated: boolean } {
  let i = 0, repeated = false;
  for (; i < bytes.length && legacyPrefixes.has(bytes[i]); i++) repeated ||= bytes[i] === 0xf2 || bytes[i] === 0xf3;
  if ((bytes[i] & 0xf0) === 0x40) i++;
  return { opcode: bytes[i], at: i, repeated };
}

const stringOpcodes = new Set([0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);

/** A string instruction with a repeat prefix: may take many units. */
export function isRepeatedString({ bytes }: Position): boolean {
  const { opcode, repeated } = opcodeOf(bytes);
  return repeated && stringOpcodes.has(opcode);
}

/** RET, far RET or IRET in any size. */
export function isReturn({ bytes }: Position): boolean {
  const { opcode } = opcodeOf(bytes);
  return opcode === 0xc3 || opcode === 0xc2 || opcode === 0xcb || opcode === 0xca || opcode === 0xcf;
}

export function isInterruptReturn({ bytes }: Position): boolean { return opcodeOf(bytes).opcode === 0xcf; }

/** Opcode bytes after prefixes. */
function opcodesOf({ bytes }: Position): { first: number; second: number } {
  const { at } = opcodeOf(bytes);
  return { first: bytes[at], second: bytes[at + 1] ?? 0 };
}

/** INT n, INT3, INTO, INT1. */
export function isSoftwareInterrupt(position: Position): boolean {
  const { first } = opcodesOf(position);
  return first === 0xcd || first === 0xcc || first === 0xce || first === 0xf1;
}

export function isSyscall(position: Position): boolean {
  const { first, second } = opcodesOf(position);
  return first === 0x0f && second === 0x05;
}

/** CALL of a pointer with a selector: it pushes CS before the return address, and may change to another stack. */
function isFarCall(position: Position): boolean {
  const { first, second } = opcodesOf(position);
  return first === 0x9a || first === 0xff && (second >> 3 & 7) === 3;
}

const longestInstruction = 15n;

/**
 * The return address that the instruction from `before` to `after` pushed, undefined when it was no call: it pushed an address just behind
 * itself and went elsewhere.
 */
export function returnAddressOfCall(machine: Machine, vcpu: number, before: Position, after: Position): bigint | undefined {
  const isFar = isFarCall(before);
  for (const size of [8, 4, 2]) {
    if (!isFar && BigInt.asUintN(64, before.rsp - after.rsp) !== BigInt(size)) continue;
    const stack = machine.readLinear(vcpu, after.rsp, size);
    if (!stack) return undefined;
    const pushed = stack.reduceRight((value, byte) => value << 8n | BigInt(byte), 0n);
    if (pushed > before.rip && pushed <= before.rip + longestInstruction && after.rip !== pushed) return pushed;
    if (!isFar) return undefined;
  }
  return undefined;
}
