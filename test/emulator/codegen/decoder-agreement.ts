// Holds the decoder against iced-x86: length, mnemonic and legality of byte strings in 16-, 32- and 64-bit mode. An instruction whose feature the machine
// has must decode to the same length and name; anything else must be undefined, and keep its length where another processor has it. Accepted differences are rows with a reason.
import { Code, CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic } from 'iced-x86';
import { enumerateCases, type Case } from '../../../src/emulator/codegen/cases';
import { instructions } from '../../../src/emulator/instructions';
import { featureById, type FeatureId } from '../../../src/spec/cpuid';
import { generator } from '../../../tools/vectors/layout';
import { BareEngine } from '../instructions/bare-engine';
import { sameInstruction } from './mnemonics';

/** What iced calls the instruction sets, and our feature; `always` belongs to every processor with 64-bit mode. */
const features: Readonly<Record<string, FeatureId | 'always'>> = {
  INTEL8086: 'always', INTEL186: 'always', INTEL286: 'always', INTEL386: 'always', INTEL486: 'always', X64: 'always', MULTIBYTENOP: 'always', PAUSE: 'always', RDPMC: 'always', CPUID: 'always',
  SMM: 'always', CMOV: 'cmov', MSR: 'msr', TSC: 'tsc', RDTSCP: 'rdtscp', SYSCALL: 'syscall', SEP: 'sep', CLFSH: 'clfsh', CLFLUSHOPT: 'clflushopt', CMPXCHG16B: 'cx16', CX8: 'cx8', FSGSBASE: 'fsgsbase',
  VMX: 'vmx', INVEPT: 'vmx', INVVPID: 'vmx', INVPCID: 'invpcid', MONITOR: 'monitor', MOVBE: 'movbe', BMI1: 'bmi1', BMI2: 'bmi2', ADX: 'adx', LZCNT: 'lzcnt', POPCNT: 'popcnt', PREFETCHW: 'prefetchw',
  RDPID: 'rdpid', SMAP: 'smap', XSAVE: 'xsave', XSAVEOPT: 'xsaveopt', XSAVEC: 'xsavec', XSAVES: 'xsaves',
  FXSR: 'fxsr', SSE: 'sse', SSE2: 'sse2', FPU: 'fpu', FPU287: 'fpu', FPU387: 'fpu', MMX: 'mmx', SSE3: 'sse3', SSSE3: 'ssse3', SSE4_1: 'sse41', SSE4_2: 'sse42',
  RDRAND: 'rdrand', RDSEED: 'rdseed', PKU: 'pku', SMX: 'smx',
};
const present = (name: string): boolean => { const id = features[name]; return id === 'always' || id !== undefined && featureById(id).implemented; };

export type CodeSize = 16 | 32 | 64;

/** One byte string as both see it. `code` is iced's name of the encoding. */
export interface Decoded { readonly bytes: Uint8Array; readonly code: string; readonly features: readonly string[]; readonly length: number; readonly ours: number; readonly definition: string }

export interface Difference { readonly id: string; readonly why: string; readonly when: (d: Decoded) => boolean }

/** Opcode bytes after prefixes and REX. */
const opcode = ({ bytes }: Decoded): [number, number, number] => {
  let at = 0;
  while ([0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].includes(bytes[at]) || (bytes[at] & 0xf0) === 0x40) at++;
  return [bytes[at], bytes[at + 1], bytes[at + 2]];
};

export const acceptedDifferences: readonly Difference[] = [
  { id: 'hints', why: 'Opcodes 0F 0D and 0F 18 to 0F 1F are NOPs when the feature that gives them a meaning (CET, MPX, PREFETCHI, CLDEMOTE) is not there.',
    when: d => { const [a, b] = opcode(d); return a === 0x0f && (b === 0x0d || b >= 0x18 && b <= 0x1f) && d.definition === 'NOP' && (d.code === 'INVALID' || d.length === d.ours); } },
  { id: 'always-undefined', why: 'These decode and then raise #UD of themselves: the features that would let them run (SMX, SMM outside it) are not there.',
    when: d => ['GETSEC', 'RSM'].includes(d.definition) && d.length === d.ours },
  { id: 'syscall', why: 'SYSCALL and SYSRET are #UD outside 64-bit mode (SDM 2B "SYSCALL"); other vendors have them there.',
    when: d => ['Syscall', 'Sysretd'].includes(d.code) && d.definition === 'UD' && d.length === d.ours },
  { id: 'wbnoinvd', why: 'WBNOINVD is WBINVD on a processor without it (SDM 2D "WBNOINVD").', when: d => d.code === 'Wbnoinvd' && d.definition === 'WBINVD' && d.length === d.ours },
  { id: 'mmx-registers', why: 'Forms of SSE instructions on MMX registers: there is no MMX.', when: d => d.definition === 'UD' && /(^|_)mm(m64|m32)?(_|$)/.test(d.code) },
  { id: 'crc32', why: 'CRC32 is there although the rest of SSE4.2 is not, so CPUID does not announce it.', when: d => d.definition.startsWith('CRC32') && d.length === d.ours },
  { id: 'fnop', why: 'FNOP is there, for its #NM, although the rest of the x87 unit is not.', when: d => d.definition === 'FNOP' && d.length === d.ours },
];

const prefixes = [0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x2e, 0x65, 0x64, 0x48, 0x41, 0x40, 0x4f];
const legacyPrefixes = [0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x2e, 0x65, 0x64, 0x26, 0x36, 0x3e, 0x66];
/** Fills 16 bytes: uniform, or by map with legal and illegal prefixes. */
function draw(bytes: Uint8Array, next: () => number, byMap: boolean, bits: CodeSize): void {
  for (let k = 0; k < 16; k += 4) { const v = next(); bytes[k] = v; bytes[k + 1] = v >> 8; bytes[k + 2] = v >> 16; bytes[k + 3] = v >>> 24; }
  if (!byMap) return;
  let at = 0;
  for (let count = next() % 4; count > 0; count--) bytes[at++] = (bits === 64 ? prefixes : legacyPrefixes)[next() % prefixes.length];
  const heads = [[], [], [0x0f], [0x0f], [0x0f, 0x38], [0x0f, 0x3a], [0x0f, 0x01], [0xc5], [0xc4]];
  const head = heads[next() % heads.length];
  for (const b of head) bytes[at++] = b;
  if (head[0] === 0xc4) { bytes[at] = (bytes[at] & 0xe0) | (1 + next() % 3); bytes[at + 1] &= next() & 3 ? 0x83 | 0x78 & bytes[at + 1] : 0xff; }
}

export interface Agreement { readonly disagreements: string[]; readonly accepted: Map<string, number>; readonly legal: number }

/** Compares `count` strings drawn from `seed`; at most 30 disagreements are kept as text. */
export function compareDecoders(count: number, seed: number, bits: CodeSize = 64): Agreement {
  const engine = new BareEngine(), at = engine.bytes.length - 0x1000, next = generator(seed);
  engine.setCodeSize(bits);
  const cases: readonly Case[] = enumerateCases(instructions.definitions), undefinedCase = cases.find(c => c.definition.name === 'UD')!.id;
  const chunk = 4096, buffer = new Uint8Array(chunk * 16), instruction = new Instruction();
  const disagreements: string[] = [], accepted = new Map<string, number>();
  let legal = 0;
  for (let done = 0; done < count; done += chunk) {
    for (let n = 0; n < chunk; n++) draw(buffer.subarray(n * 16, n * 16 + 16), next, (n & 1) === 1, bits);
    const now = Math.min(chunk, count - done);
    const d = new Decoder(bits, buffer, DecoderOptions.None);
    for (let n = 0; n < now; n++) {
      d.position = n * 16;
      d.decodeOut(instruction);
      engine.bytes.set(buffer.subarray(n * 16, n * 16 + 16), at);
      const answer = engine.core.decodeForInspection(at), ours = answer & 255, id = answer >>> 8;
      const valid = instruction.code !== Code.INVALID;
      if (!valid && id === undefinedCase) continue;
      if (valid && id !== undefinedCase && instruction.length === ours) legal++;
      const names = valid ? [...instruction.cpuidFeatures()].map(f => CpuidFeature[f]) : [], expected = valid && names.every(present);
      const named = expected && sameInstruction(cases[id]!.definition.name, Mnemonic[instruction.mnemonic]!.toUpperCase());
      if (expected ? id !== undefinedCase && instruction.length === ours && named : id === undefinedCase && (!valid || instruction.length === ours)) continue;
      const decoded: Decoded = { bytes: buffer.slice(n * 16, n * 16 + 16), code: Code[instruction.code], features: names, length: instruction.length, ours, definition: cases[id].definition.name };
      const row = acceptedDifferences.find(r => r.when(decoded));
      if (row) { accepted.set(row.id, (accepted.get(row.id) ?? 0) + 1); continue; }
      const text = [...decoded.bytes].map(b => b.toString(16).padStart(2, '0')).join(' ');
      if (disagreements.length < 30) disagreements.push(`${text}: ${decoded.code} [${names.join(' ')}] of ${decoded.length} bytes, here ${decoded.definition} of ${ours}`);
    }
    d.free();
  }
  instruction.free();
  return { disagreements, accepted, legal };
}
