// Byte strings to record: for every user-mode encoding of the instruction table, in each operand form and size, instructions with random
// registers, addressing modes, prefixes and immediates, and the register values that make their memory operands land in the window.
import { sizesOf } from '../../src/emulator/codegen/cases';
import type { Definition, Encoding } from '../../src/emulator/codegen/definitions';
import { fillState, emptyState, generator, place, randomWord, type Kind, type Override } from './layout';

export interface Recording {
  readonly name: string;
  readonly code: number[];
  readonly kind: Kind;
  readonly mxcsr: number;
  readonly overrides: Override[];
  readonly seed: number;
}

const own = 'depends on the operating system or changes the process that records';
const machine = 'depends on the machine that records';
/** Instructions that are not recorded, and why. Privileged ones are recorded: they must fault. */
export const notRecorded: readonly (readonly [names: string, why: string])[] = [
  ['SYSCALL SYSRET SYSENTER SYSEXIT INT INT3 INT1 IRET CALLfar JMPfar RETfar MOVtoSreg POPsreg LSS', own],
  ['CPUID RDTSC RDTSCP RDPMC XGETBV XSETBV RDPID RDRAND RDSEED SLDT STR SGDT SIDT SMSW LAR LSL VERR VERW MONITOR MWAIT RDFSBASE FXRSTOR FXSAVE', machine],
  ['RCPPS RCPSS RSQRTPS RSQRTSS', 'estimates differ between processors'],
  ['GETSEC RSM INVPCID SWAPGS HOOK UD END ADDRESS ABSOLUTE UD0 UD1 XSAVES XRSTORS', 'not user-mode, or of another vendor'],
  ['XSAVE XSAVEOPT XSAVEC XRSTOR RDPKRU WRPKRU FNOP', 'of processor state that the recording process does not own, or that has no vectors of its own'],
];
const excluded = new Set(notRecorded.flatMap(([names]) => names.split(' ')));

const one = (value: bigint, bits = 64): bigint => BigInt.asUintN(bits, value);

/** `draws` recordings of each (encoding, form, size); seeds count up from `firstSeed`. */
export function recordings(definitions: readonly Definition[], draws: (d: Definition) => number, firstSeed = 1): Recording[] {
  const found: Recording[] = [];
  const add = (definition: Definition, encoding: Encoding): void => {
    for (const memory of [false, true]) {
      if (encoding.form && (encoding.form === 'memory') !== memory) continue;
      const hasModrm = encoding.modrm === undefined && (encoding.digit !== undefined || encoding.operands.some(o => 'EGMRVWUPQNBCDS'.includes(o.letter) && o.letter.length === 1));
      if (memory && (!hasModrm || !encoding.operands.some(o => 'EMWQ'.includes(o.letter)))) continue;
      const explicit = encoding.options.has('b') ? [0] : encoding.options.has('z') ? [1, 2] : encoding.options.has('f64') ? [3] : sizesOf(encoding);
      for (const size of explicit) {
        for (let n = 0; n < draws(definition); n++) found.push(draw(definition, encoding, memory, size, firstSeed + found.length));
      }
    }
  };
  for (const d of definitions) {
    if (excluded.has(d.name) || d.feature === 'vmx') continue;
    for (const e of d.encodings) if (!e.options.has('i64')) add(d, e);
  }
  return found;
}

function draw(definition: Definition, encoding: Encoding, memory: boolean, size: number, seed: number): Recording {
  const name = definition.name, next = generator(seed ^ 0x5bd1e995), chance = (n: number): boolean => next() % n === 0;
  const kind: Kind = definition.floating ?? 'integer';
  const overrides: Override[] = [], initial = emptyState();
  fillState(initial, seed, kind, []);
  const put = (where: number, value: bigint): void => {
    const v = one(value), at = overrides.findIndex(o => o.where === where);
    if (at >= 0) overrides[at] = { where, value: v }; else overrides.push({ where, value: v });
    if (where < 16) initial.gpr[where] = v; else initial.window[where - 16] = v;
  };
  const vex = encoding.vex !== undefined;
  // 1. prefixes and REX
  const prefixes: number[] = [];
  const d64 = encoding.options.has('d64'), sized = !encoding.options.has('b') && !encoding.options.has('f64') && sizesOf(encoding).length > 1;
  let rex = 0;
  if (!vex) {
    if (sized && size === 1 && encoding.prefix !== '66') prefixes.push(0x66);
    if (encoding.prefix === '66') prefixes.push(0x66);
    if (encoding.prefix === 'F3') prefixes.push(0xf3); else if (encoding.prefix === 'F2') prefixes.push(0xf2);
  }
  if (sized && size === 3 && (!d64 || chance(4))) rex |= 0x48;
  if (encoding.operands.some(o => o.size === 'q' && 'PQVWEG'.includes(o.letter)) && sizesOf(encoding)[0] === 3 && encoding.options.has('w')) rex |= 0x48;
  if (encoding.options.has('rep') && chance(2)) { prefixes.push(chance(2) ? 0xf3 : 0xf2); put(1, chance(5) ? 0n : BigInt(next() % 5)); }
  const strings = /^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS)$/.test(name);
  const implicit = name === 'XLAT' || name === 'MASKMOVDQU';
  const shortAddress = (memory || strings || implicit || name === 'JRCXZ' || name.startsWith('LOOP')) && chance(10), gs = (memory || implicit) && chance(12);
  if (shortAddress) prefixes.push(0x67);
  if (gs) prefixes.push(0x65);
  if (memory && encoding.options.has('lock') && chance(4)) prefixes.push(0xf0);
  if (prefixes.length > 1 && chance(2)) prefixes.reverse();
  const legacy = encoding.operands.some(o => o.letter === 'fixed' && o.size !== 'v' && o.size !== 'b');
  const extension = (): number => legacy ? 0 : next() & 1;
  if (!vex && chance(2)) rex |= 0x40 | (extension() << 2) | (extension() << 1) | extension();
  if (encoding.modrm !== undefined || name === 'NOP' && !memory) rex &= ~7;
  // 2. ModRM and address
  const tail: number[] = [];
  let regExtension = rex >> 2 & 1, indexExtension = rex >> 1 & 1, baseExtension = rex & 1;
  if (vex) { regExtension = next() & 1; indexExtension = next() & 1; baseExtension = next() & 1; }
  const hasModrm = encoding.modrm === undefined && (encoding.digit !== undefined || encoding.operands.some(o => 'EGMRVWUPQNBCDS'.includes(o.letter) && o.letter.length === 1));
  let reg = encoding.digit ?? next() & 7, rm = next() & 7, target = 0, ripDisplacement = -1;
  if (encoding.operands.some(o => o.letter === 'S')) reg = next() % 6;
  const addressed: number[] = [];
  if (encoding.modrm !== undefined) tail.push(encoding.modrm);
  else if (hasModrm && !memory) tail.push(0xc0 | reg << 3 | rm);
  else if (hasModrm) {
    const wide = encoding.operands.some(o => o.size === 'x' || o.size === 'p') || name === 'CMPXCHG8B';
    // near the page border in the middle of the window sometimes; 16-byte operands mostly aligned
    target = place.window + (chance(3) ? 0xe8 + next() % 24 : 0x40 + next() % 0x180);
    if (wide && !chance(12)) target &= ~15;
    if (/^(JMP|CALL)$/.test(name)) target &= ~7;
    if (chance(40)) target = 0x3000_0000 + (next() & 0xff0);
    const base0 = gs ? target - place.gsBase : target;
    const way = next() % 6, high = shortAddress ? BigInt(next()) << 32n : 0n;
    const displacement = chance(2) ? (next() << 24 >> 24) : (next() | 0);
    const push32 = (v: number): void => { tail.push(v & 255, v >> 8 & 255, v >> 16 & 255, v >>> 24); };
    const mod = chance(3) ? 0 : displacement === displacement << 24 >> 24 ? 1 : 2;
    if (way === 0) { tail.push(reg << 3 | 5); ripDisplacement = tail.length; push32(0); }                               // RIP-relative, filled in below
    else if (way === 1) { tail.push(reg << 3 | 4, 0x25); if (indexExtension) { indexExtension = 0; rex &= ~2; } push32(base0); }
    else {
      const sib = way === 2 || rm === 4;
      let baseField = sib ? next() & 7 : rm;
      let useMod = mod;
      if ((baseField & 7) === 5 && useMod === 0) useMod = 1;
      const d = useMod === 0 ? 0 : useMod === 1 ? displacement << 24 >> 24 : displacement;
      const baseRegister = baseField | baseExtension << 3, indexField = sib ? next() & 7 : 4, indexRegister = indexField | indexExtension << 3, scale = next() & 3;
      let offset = BigInt(d);
      if (sib) {
        if (indexRegister !== 4) {
          const value = indexRegister === baseRegister ? 0n : BigInt((next() % 33) - 16);
          if (indexRegister !== baseRegister) put(indexRegister, one(value)), offset += value << BigInt(scale);
          addressed.push(indexRegister);
          if (indexRegister === baseRegister) { baseField = baseField === 3 ? 1 : 3; }
        }
        const chosen = baseField | baseExtension << 3;
        if (chosen === indexRegister && indexRegister !== 4) { put(indexRegister, 0n); }
        tail.push(useMod << 6 | reg << 3 | 4, scale << 6 | indexField << 3 | baseField);
        put(chosen, (one(BigInt(base0) - offset, shortAddress ? 32 : 64)) | high);
        addressed.push(chosen);
      } else {
        tail.push(useMod << 6 | reg << 3 | rm);
        put(baseRegister, (one(BigInt(base0) - offset, shortAddress ? 32 : 64)) | high);
        addressed.push(baseRegister);
      }
      if (useMod === 1) tail.push(d & 255); else if (useMod === 2) push32(d);
    }
  }
  const regNumber = reg | regExtension << 3, rmNumber = rm | baseExtension << 3;
  // 3. immediates, offsets
  const bytes = (value: bigint, count: number): void => { for (let n = 0; n < count; n++) tail.push(Number(value >> BigInt(8 * n) & 255n)); };
  let operandBytes = size === 1 ? 2 : size === 3 && encoding.operands.some(o => o.letter === 'I' && o.size === 'v') ? 8 : 4;
  if (encoding.operands.some(o => o.letter === 'J')) operandBytes = 4;
  for (const o of encoding.operands) {
    if (o.letter === 'I' || o.letter === 'J') {
      const value = o.letter === 'I' && name === 'ENTER' && o.size === 'w' ? BigInt(next() & 0x7f) : o.letter === 'I' && name === 'ENTER' ? BigInt(next() % 6) : randomWord(next, 'integer');
      bytes(value, o.size === 'b' || o.size === 's' ? 1 : o.size === 'w' ? 2 : operandBytes);
    } else if (o.letter === 'O') {
      target = place.window + 0x40 + next() % 0x180;
      bytes(BigInt(gs ? target - place.gsBase : target), shortAddress ? 4 : 8);
    } else if (o.letter === 'A') return draw(definition, encoding, memory, size, seed + 1);
  }
  // 4. the bytes
  let opcode = encoding.opcode;
  if (encoding.registerInOpcode) opcode |= next() & 7;
  if (encoding.options.has('cc')) opcode |= next() & 15;
  if (encoding.map === 0 && opcode === 0x90 && name === 'XCHG' && !(rex & 1)) { opcode = 0x91; }
  const escape = encoding.map === 1 ? [0x0f] : encoding.map === 2 ? [0x0f, 0x38] : encoding.map === 3 ? [0x0f, 0x3a] : [];
  let head: number[];
  if (vex) {
    const vvvv = encoding.operands.some(o => o.letter === 'B') ? next() & 15 : 0, pp = ['NP', '66', 'F3', 'F2'].indexOf(encoding.prefix ?? 'NP'), w = size === 3 ? 1 : 0;
    head = [...prefixes, 0xc4, (regExtension ? 0 : 0x80) | (indexExtension ? 0 : 0x40) | (baseExtension ? 0 : 0x20) | encoding.map - 3, w << 7 | (~vvvv & 15) << 3 | pp, opcode];
  } else head = [...prefixes, ...(rex ? [rex | 0x40] : []), ...escape, opcode];
  const code = [...head, ...tail];
  if (ripDisplacement >= 0) {
    const displacement = (gs ? target - place.gsBase : target) - (place.code + code.length);
    for (let n = 0; n < 4; n++) code[head.length + ripDisplacement + n] = displacement >> (8 * n) & 255;
  }
  // 5. operands that the instruction takes from fixed places
  const gprFree = (n: number): boolean => !addressed.includes(n);
  const word = (address: number): number => 16 + ((address - place.window) >> 3);
  const canonical = (): bigint => BigInt(next()) << 15n | BigInt(next() & 0x7fff);
  const stackWord = (): number => word(Number(initial.gpr[4]));
  const stackFree = (): boolean => initial.gpr[4] >= BigInt(place.window + 0x100) && initial.gpr[4] < BigInt(place.window + 0x180) && (initial.gpr[4] & 7n) === 0n;
  if (strings || implicit) {
    const high = shortAddress ? BigInt(next()) << 32n : 0n;
    for (const n of name === 'XLAT' ? [3] : [6, 7]) put(n, BigInt(place.window - (gs ? place.gsBase : 0) + (name === 'XLAT' ? 0x40 : 0x60 + next() % 0x140)) | high);
    if (shortAddress && encoding.options.has('rep') && prefixes.some(p => p === 0xf3 || p === 0xf2)) put(1, initial.gpr[1] | high);
  }
  if (/^(RET|RETimm)$/.test(name)) put(stackWord(), canonical());
  if (/^(JMP|CALL)$/.test(name)) { if (!memory) put(rmNumber, canonical()); else if (target >= place.window && target < place.window + 504) put(word(target), canonical()); }
  if (name === 'POPF' && stackFree()) put(stackWord(), initial.window[stackWord() - 16] & ~0x24_4100n);   // TF is the recorder's; AC would trap in it, NT and ID outlive a signal
  if (/^(LEAVE|ENTER)$/.test(name)) put(5, BigInt(place.window + 0x100 + (next() & 0x78)));
  if (/^(JRCXZ|LOOP)/.test(name) && chance(2)) put(1, BigInt(next() % 3) | (chance(2) ? BigInt(next()) << 32n : 0n));
  if (/^BT[SRC]?$/.test(name) && memory && encoding.operands[1].letter === 'G' && gprFree(regNumber) && !chance(30)) put(regNumber, one(BigInt((next() % 2000) - 1000)));
  if (/^(DIV|IDIV)$/.test(name) && gprFree(2) && !chance(6)) {
    const negative = name === 'IDIV' && chance(2);
    if (!chance(3)) put(2, negative ? -1n : 0n); else put(2, BigInt(next() & 0xff));
    if (size === 0 && gprFree(0)) put(0, initial.gpr[0] & ~0xff00n | (negative ? 0xff00n : BigInt(next() & 0x1f00)));
    if (negative && gprFree(0) && size > 0) put(0, initial.gpr[0] | 1n << BigInt((8 << size) - 1));
  }
  if (name === 'LDMXCSR' && target >= place.window && target < place.window + 480) {
    const mask = chance(3) ? 0x0002_ffff_0002_ffffn : chance(4) ? 0xffff_ffff_ffff_ffffn : 0x0000_ffff_0000_ffffn;
    const at = (target - place.window) >> 3 << 3;
    for (const n of [0, 8]) put(word(place.window + at + n), initial.window[(at + n) >> 3] & mask);
  }
  const inWindow = target >= place.window && target <= place.window + 480;
  if (/^(CMPXCHG)/.test(name) && chance(2) && memory && inWindow && gprFree(0) && gprFree(2)) {
    const view = new DataView(initial.window.buffer), at = target - place.window;
    const wide = (rex & 8) !== 0;
    put(0, view.getBigUint64(at, true));
    if (name === 'CMPXCHG8B') {
      put(0, wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)));
      put(2, wide ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 4, true)));
    }
  } else if (name === 'CMPXCHG' && !memory && chance(2)) put(0, initial.gpr[rmNumber]);
  const mxcsr = kind === 'integer' ? 0x1f80 : [0x1f80, 0x1f80, 0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9f80, 0x1fc0, 0xffc0, 0x1f80 & ~(0x80 << next() % 6), 0, 0x1fbf][next() % 12];
  return { name, code, kind, mxcsr, overrides, seed };
}
