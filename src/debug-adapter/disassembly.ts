// Disassembly for the editor's view: instructions around an address, with symbols and source lines. Going backwards in code of variable
// length starts from a known boundary (the beginning of a function or of a line) where there is one, else tries offsets until the decoding
// meets the address again.
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { DisassemblerModule } from './adapter-types';
import type { CodeListing } from '../inspector/target-types';
import type { TargetClient } from './target-client';

export interface DisassemblyWish { readonly reference: string; readonly byteOffset: number; readonly instructionOffset: number; readonly count: number }

/** An instruction of the protocol, with the source path as recorded. */
export type ListedInstruction = Omit<DebugProtocol.DisassembledInstruction, 'location'> & { readonly source?: string };

interface Decoded { readonly address: bigint; readonly length: number; readonly bytes: Uint8Array; readonly text: string; readonly valid: boolean; readonly target?: bigint }

const longestInstruction = 15;

/** Exactly `count` instructions; addresses that cannot be read are marked invalid. */
export async function disassemble(iced: DisassemblerModule, target: TargetClient, wish: DisassemblyWish): Promise<ListedInstruction[]> {
  const [{ address, prefix, bits, symbol: around }] = await target.call('symbolsAt', [[wish.reference]]), base = BigInt(address) + BigInt(wish.byteOffset);
  // `handle_exit+0x20`: an instruction begins at the symbol.
  const [, distance] = /\+0x([0-9a-f]+)$/.exec(around ?? '') ?? [], boundary = distance === undefined ? undefined : BigInt(address) - BigInt(`0x${distance}`);
  const before = Math.max(0, -wish.instructionOffset), after = Math.max(0, wish.instructionOffset + wish.count);
  const earlier = before === 0 ? [] : await decodeBackwards(iced, target, prefix, base, before, bits, boundary);
  const later = after === 0 ? [] : await decodeForwards(iced, target, prefix, base, after, bits);
  const all = [...earlier, ...later].slice(before + wish.instructionOffset).slice(0, wish.count);
  const name = (place: bigint): string => `${prefix}0x${place.toString(16)}`;
  const branches = all.flatMap(({ target: branch }) => branch ?? []);
  const symbols = await target.call('symbolsAt', [[...all.map(each => name(each.address)), ...branches.map(name)]]);
  const branchSymbols = symbols.slice(all.length);
  return all.map(({ bytes, text, valid, target: branch }, i): ListedInstruction => {
    const { address: hex, symbol, source, line } = symbols[i], to = branch === undefined ? undefined : branchSymbols.shift()?.symbol;
    return {
      address: hex, instruction: to === undefined ? text : `${text} <${to}>`, instructionBytes: [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' '),
      ...symbol !== undefined && { symbol }, ...source !== undefined && { source }, ...line !== undefined && { line }, ...!valid && { presentationHint: 'invalid' as const },
    };
  });
}

/** Instructions as text, a line each: address, symbol where one begins or changes, instruction. */
export async function listCode(iced: DisassemblerModule, target: TargetClient, { reference, count }: CodeListing): Promise<string> {
  const listed = await disassemble(iced, target, { reference, byteOffset: 0, instructionOffset: 0, count });
  return listed.map(({ address, symbol, instruction, line }) => `${address}  ${symbol === undefined ? '' : `<${symbol}>  `}${instruction}${line === undefined ? '' : `  ; line ${line}`}`).join('\n');
}

/** As an editor's view shows it, which shows no symbols by itself: where one begins, it stands behind the instruction. */
export const viewText = ({ instruction, symbol }: ListedInstruction): string => symbol === undefined || symbol.includes('+0x') ? instruction : `${instruction}  ; ${symbol}`;

async function decodeForwards(iced: DisassemblerModule, target: TargetClient, prefix: string, from: bigint, count: number, bits: number): Promise<Decoded[]> {
  const { bytes } = await target.call('readMemory', [`${prefix}0x${from.toString(16)}`, 0, count * longestInstruction]);
  const decoded = decode(iced, bytes, from, bits, count);
  while (decoded.length < count) {
    const last = decoded[decoded.length - 1], address = last ? last.address + BigInt(last.length) : from;
    decoded.push(unreadable(address));
  }
  return decoded;
}

async function decodeBackwards(
  iced: DisassemblerModule, target: TargetClient, prefix: string, end: bigint, count: number, bits: number, boundary: bigint | undefined,
): Promise<Decoded[]> {
  const room = BigInt(count * longestInstruction + 64), start = end > room ? end - room : 0n;
  const { bytes, address } = await target.call('readMemory', [`${prefix}0x${start.toString(16)}`, 0, Number(end - start)]);
  const from = BigInt(address), held = end - from === BigInt(bytes.length) ? bytes : new Uint8Array();
  // From the last place known to begin an instruction that leaves enough of them before the end.
  if (boundary !== undefined && boundary >= from && boundary < end && held.length > 0) {
    const known = decode(iced, held.subarray(Number(boundary - from)), boundary, bits, Number.MAX_SAFE_INTEGER), last = known[known.length - 1];
    const meets = last !== undefined && last.address + BigInt(last.length) === end;
    if (meets && known.length >= count) return known.slice(-count);
    if (meets) return [...await decodeBackwards(iced, target, prefix, boundary, count - known.length, bits, undefined), ...known];
  }
  // Of all starting offsets, the first whose decoding meets `end` exactly: x86 code falls into step after a few instructions.
  let best: Decoded[] = [];
  for (let skip = 0; skip < Math.min(64, held.length); skip++) {
    const decoded = decode(iced, held.subarray(skip), from + BigInt(skip), bits, Number.MAX_SAFE_INTEGER);
    const last = decoded[decoded.length - 1];
    if (!last || last.address + BigInt(last.length) !== end) continue;
    best = decoded;
    if (decoded.slice(-count).every(({ valid }) => valid)) break;
  }
  const found = best.slice(-count);
  while (found.length < count) found.unshift(unreadable((found[0]?.address ?? end) - 1n));
  return found;
}

const unreadable = (address: bigint): Decoded => ({ address: BigInt.asUintN(64, address), length: 1, bytes: new Uint8Array(), text: '??', valid: false });

/** One instruction as text; the bytes may be the beginning of a longer one. */
export function instructionText(iced: DisassemblerModule, bytes: Uint8Array, bits: number): string | undefined {
  const [first] = decode(iced, bytes, 0n, bits, 1);
  return first?.valid ? first.text.replace(/\s+/g, ' ') : undefined;
}

function decode(iced: DisassemblerModule, bytes: Uint8Array, address: bigint, bits: number, count: number): Decoded[] {
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None), formatter = new iced.Formatter(iced.FormatterSyntax.Intel);
  decoder.ip = address;
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  formatter.firstOperandCharIndex = 8;
  formatter.spaceAfterOperandSeparator = true;
  const decoded: Decoded[] = [], instruction = new iced.Instruction();
  while (decoder.canDecode && decoded.length < count) {
    const position = decoder.position;
    decoder.decodeOut(instruction);
    const valid = !instruction.isInvalid, length = Math.max(1, instruction.length), branch = valid && (instruction.isCallNear || instruction.isJccShortOrNear || instruction.isJmpShortOrNear);
    decoded.push({
      address: BigInt.asUintN(64, address + BigInt(position)), length, bytes: bytes.slice(position, position + length), text: valid ? formatter.format(instruction) : '(bad)', valid,
      ...branch && { target: instruction.nearBranchTarget },
    });
  }
  instruction.free();
  formatter.free();
  decoder.free();
  return decoded;
}
