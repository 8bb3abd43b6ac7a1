// BMI1, BMI2, ADX and CRC32: most are VEX-encoded, with a third register in VEX.vvvv (SDM 2A 2.3 'Intel Advanced Vector Extensions').
import type { InstructionTable } from '../codegen/definitions';
import type { InstructionContext } from '../codegen/instruction-context';
import { RDX } from '../codegen/instruction-context';
import { highUnsigned } from './arithmetic';
import type { Value } from '../codegen/wasm-emitter';

const bits = (i: InstructionContext): number => 8 << i.size;

/** The bits of `a` below bit n (0 to 255). */
function below(i: InstructionContext, a: Value, n: Value): Value {
  const kept = i.and64(a, i.sub64(i.shl64(i.constant(1), n), i.constant(1)));
  return i.select(i.below(n, i.constant(bits(i))), kept, a);
}

export function defineBitManipulation(t: InstructionTable): void {
  const bmi1 = { feature: 'bmi1' }, bmi2 = { feature: 'bmi2' };
  t.define('ANDN', ['VEX 0F 38 F2 Gy Ey By'], i => {
    const result = i.and(i.not(i.readThird()), i.read(i.src));
    i.write(i.dst, result);
    i.flags('logic', result);
  }, bmi1);
  // the three instructions of group 17: CF tells whether the source is 0 (BLSI: is not 0)
  const group17 = (name: string, digit: number, operate: (i: InstructionContext, a: Value) => Value, carry: (i: InstructionContext, a: Value) => Value): void =>
    t.define(name, [`VEX 0F 38 F3/${digit} Ey By`], i => {
      const a = i.read(i.dst), result = operate(i, a);
      i.writeThird(result);
      i.flags('bit', result, i.widen(carry(i, a)));
    }, bmi1);
  group17('BLSR', 1, (i, a) => i.and(a, i.sub(a, i.constant(1))), (i, a) => i.isZero(a));
  group17('BLSMSK', 2, (i, a) => i.xor(a, i.sub(a, i.constant(1))), (i, a) => i.isZero(a));
  group17('BLSI', 3, (i, a) => i.and(a, i.sub(i.constant(0), a)), (i, a) => i.notZero(a));
  t.define('BEXTR', ['VEX 0F 38 F7 Gy Ey By'], i => {
    const a = i.read(i.src), control = i.readThird();
    const start = i.and64(control, i.constant(255)), length = i.and64(i.shr64(control, i.constant(8)), i.constant(255));
    const shifted = i.select(i.below(start, i.constant(bits(i))), i.shr64(a, start), i.constant(0));
    const result = below(i, shifted, length);
    i.write(i.dst, result);
    i.flags('logic', result);
  }, bmi1);
  t.define('BZHI', ['VEX 0F 38 F5 Gy Ey By'], i => {
    const a = i.read(i.src), n = i.and64(i.readThird(), i.constant(255)), result = below(i, a, n);
    i.write(i.dst, result);
    i.flags('bit', result, i.widen(i.above(n, i.constant(bits(i) - 1))));
  }, bmi2);
  t.define('PDEP', ['VEX F2 0F 38 F5 Gy Ey By'], i => { const mask = i.read(i.src); i.write(i.dst, i.pure('depositBits', i.readThird(), mask)); }, bmi2);
  t.define('PEXT', ['VEX F3 0F 38 F5 Gy Ey By'], i => { const mask = i.read(i.src); i.write(i.dst, i.pure('extractBits', i.readThird(), mask)); }, bmi2);
  t.define('MULX', ['VEX F2 0F 38 F6 Gy Ey By'], i => {
    const a = i.readRegister(RDX, i.size), b = i.read(i.src);
    const product = i.binary('i64_mul', a, b), high = i.size === 3 ? highUnsigned(i, a, b) : i.shr64(product, i.constant(32));
    i.writeThird(i.truncate(product));
    i.write(i.dst, high);                                                  // one register named twice holds the high half
  }, bmi2);
  t.define('RORX', ['VEX F2 0F 3A F0 Gy Ey Ib'], i => {
    const a = i.read(i.src), n = i.and64(i.immediate(0), i.constant(bits(i) - 1));
    i.write(i.dst, i.size === 3 ? i.binary('i64_rotr', a, n) : i.truncate(i.or64(i.shr64(a, n), i.shl64(a, i.sub64(i.constant(32), n)))));
  }, bmi2);
  const shift = (name: string, prefix: string, kind: 'shl' | 'shr' | 'sar'): void => t.define(name, [`VEX ${prefix} 0F 38 F7 Gy Ey By`], i => {
    const a = i.read(i.src), n = i.and64(i.readThird(), i.constant(bits(i) - 1));
    i.write(i.dst, i[kind](a, n));
  }, bmi2);
  shift('SHLX', '66', 'shl');
  shift('SHRX', 'F2', 'shr');
  shift('SARX', 'F3', 'sar');
  // additions with a carry that lives in CF or in OF, the other flags untouched
  const carryChain = (name: string, prefix: string, read: (i: InstructionContext) => Value, write: (i: InstructionContext, carry: Value) => void): void =>
    t.define(name, [`${prefix} 0F 38 F6 Gy Ey`], i => {
      const a = i.read(i.dst), b = i.read(i.src), carry = read(i), sum = i.add(i.add(a, b), carry);
      // carries out of each bit: (a & b) | ((a | b) & ~sum)
      const out = i.or64(i.and64(a, b), i.and64(i.or64(a, b), i.xor64(sum, i.constant(-1))));
      i.write(i.dst, sum);
      write(i, i.bit(out, i.constant(bits(i) - 1)));
    }, { feature: 'adx' });
  carryChain('ADCX', '66', i => i.carryFlag(), (i, carry) => i.setCarry(carry));
  carryChain('ADOX', 'F3', i => i.overflowFlag(), (i, carry) => i.setOverflow(carry));
  t.define('CRC32byte', ['F2 0F 38 F0 Gy Eb'], i => i.write(i.dst, i.pure('accumulateCrc', i.read(i.dst, 2), i.read(i.src, 0), i.constant(8))), { feature: 'sse42' });
  t.define('CRC32', ['F2 0F 38 F1 Gv Ev'], i => {
    i.write(i.dst, i.pure('accumulateCrc', i.read(i.dst, 2), i.read(i.src), i.constant(bits(i))), i.size === 3 ? 3 : 2);   // the checksum has 32 bits in every form
  }, { feature: 'sse42' });
}
