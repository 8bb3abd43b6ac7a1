// Moves, extensions, exchanges, stack and address computation.
import { RAX, RBP, RSP, type InstructionContext } from '../codegen/instruction-context';
import type { Value } from '../codegen/wasm-emitter';
import type { InstructionTable } from '../codegen/definitions';

export function defineMoves(t: InstructionTable): void {
  t.define('MOV', ['88 Eb Gb', '89 Ev Gv', '8A Gb Eb', '8B Gv Ev', 'B0+r Zb Ib', 'B8+r Zv Iv', 'C6/0 Eb Ib', 'C7/0 Ev Iz', 'A0 AL Ob', 'A1 rAX Ov', 'A2 Ob AL', 'A3 Ov rAX'],
    i => i.write(i.dst, i.read(i.src)));
  t.define('LEA', ['8D Gv M'], i => i.write(i.dst, i.truncate(i.address())));
  t.define('MOVZX8', ['0F B6 Gv Eb'], i => i.write(i.dst, i.read(i.src, 0)));
  t.define('MOVZX16', ['0F B7 Gv Ew'], i => i.write(i.dst, i.read(i.src, 1)));
  t.define('MOVSX8', ['0F BE Gv Eb'], i => i.write(i.dst, i.truncate(i.signExtend(i.read(i.src, 0), 0))));
  t.define('MOVSX16', ['0F BF Gv Ew'], i => i.write(i.dst, i.truncate(i.signExtend(i.read(i.src, 1), 1))));
  t.define('MOVSXD', ['63 Gv Ez ;o64'], i => i.write(i.dst, i.truncate(i.signExtend(i.read(i.src, i.size === 1 ? 1 : 2), i.size === 1 ? 1 : 2))));
  t.define('CMOVcc', ['0F 40 Gv Ev ;cc'], i => {
    const moved = i.read(i.src), kept = i.read(i.dst);                    // the source is read (and may fault) either way
    i.write(i.dst, i.select(i.condition(), moved, kept));                  // a 32-bit CMOV clears the upper half even if false
  });
  t.define('SETcc', ['0F 90 Eb ;cc'], i => i.write(i.dst, i.widen(i.condition())));
  t.define('XCHG', ['86 Eb Gb ;lock', '87 Ev Gv ;lock', '90+r rAX Zv'], i => {
    const a = i.readForUpdate(i.dst), b = i.read(i.src);
    i.write(i.src, a);
    i.write(i.dst, b);
  });
  t.define('BSWAP', ['0F C8+r Zy'], i => {
    const v = i.read(i.dst);
    // swap bytes, words, doublewords of the 64-bit value; a 32-bit operand ends in the upper half
    const swap = (x: typeof v, mask: bigint, n: number): typeof v => i.or64(i.shl64(i.and64(x, i.constant(mask)), i.constant(n)), i.and64(i.shr64(x, i.constant(n)), i.constant(mask)));
    const bytes = swap(v, 0x00ff00ff00ff00ffn, 8), words = swap(bytes, 0x0000ffff0000ffffn, 16);
    i.write(i.dst, i.size === 2 ? words : i.binary('i64_rotl', words, i.constant(32)));
  });
  t.define('PUSH', ['50+r Zv ;d64 o64', 'FF/6 Ev ;d64 o64', '68 Iz ;d64 o64', '6A Is ;d64 o64'], i => i.push(i.read(i.dst)));
  t.define('POP', ['58+r Zv ;d64 o64', '8F/0 Ev ;d64 pop o64'], i => {
    const value = i.peek();
    if (i.dst.kind === 'memory') { i.store(i.effective(), value); i.popped(); return; }
    i.popped();
    i.write(i.dst, value);
  });
  t.define('LEAVE', ['C9 ;v d64 o64'], i => {
    const frame = i.readRegister(RBP), value = i.load(frame, i.size);
    i.writeRegister(RSP, i.add64(frame, i.constant(1 << i.size)));
    i.writeRegister(RBP, value, i.size);
  });
  // 0F 18 to 0F 1F are NOPs with an operand unless a feature gives them a meaning: prefetch hints, ENDBR64 without indirect-branch tracking
  const hints = ['18', '19', '1A', '1B', '1C', '1D', '1E', '1F'].map(opcode => `0F ${opcode} Ev`);
  t.define('NOP', ['90', ...hints, '0F 0D Ev'], () => {});
  t.define('XLAT', ['D7 ;o64'], i => {
    const table = i.add64(i.effective(), i.readRegister(RAX, 0));
    i.writeRegister(RAX, i.load(table, 0), 0);
  });
  t.define('MOVNTI', ['NP 0F C3 My Gy'], i => i.write(i.dst, i.read(i.src)), { feature: 'sse2' });
  const reversed = (i: InstructionContext, v: Value): Value => {
    const swap = (x: Value, mask: bigint, n: number): Value => i.or64(i.shl64(i.and64(x, i.constant(mask)), i.constant(n)), i.and64(i.shr64(x, i.constant(n)), i.constant(mask)));
    const bytes = swap(v, 0x00ff00ff00ff00ffn, 8);
    if (i.size === 1) return bytes;
    const words = swap(bytes, 0x0000ffff0000ffffn, 16);
    return i.size === 2 ? words : i.binary('i64_rotl', words, i.constant(32));
  };
  t.define('MOVBE', ['NP 0F 38 F0 Gv Mv', '66 0F 38 F0 Gv Mv', 'NP 0F 38 F1 Mv Gv', '66 0F 38 F1 Mv Gv'], i => i.write(i.dst, reversed(i, i.read(i.src))), { feature: 'movbe' });
  t.define('LAHF', ['9F'], i => i.writeHighByte(RAX, i.flagsImage()));
  t.define('SAHF', ['9E'], i => i.setFlagsImage(i.readHighByte(RAX)));
  t.define('CLC', ['F8'], i => i.setCarry(i.constant(0)));
  t.define('STC', ['F9'], i => i.setCarry(i.constant(1)));
  t.define('CMC', ['F5'], i => i.setCarry(i.xor64(i.carryFlag(), i.constant(1))));
}
