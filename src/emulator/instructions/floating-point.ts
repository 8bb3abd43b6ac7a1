// SSE and SSE2 floating-point arithmetic, comparisons and conversions. Each lane is computed by the core (core/floating-point.ts), which
// knows rounding, denormals and exceptions; here are only the shapes: which lanes, what stays.
import type { InstructionTable } from '../codegen/definitions';
import type { InstructionContext } from '../codegen/instruction-context';
import type { Value } from '../codegen/wasm-emitter';
import { defineSse } from './vectors';

type Width = { readonly wide: 0 | 1; readonly floating: 'single' | 'double'; readonly size: 2 | 3; readonly letter: 'd' | 'q'; readonly packed: string; readonly scalar: string };
const single: Width = { wide: 0, floating: 'single', size: 2, letter: 'd', packed: 'NP', scalar: 'F3' };
const double: Width = { wide: 1, floating: 'double', size: 3, letter: 'q', packed: '66', scalar: 'F2' };

/** The lanes of a vector value as 64-bit values, singles zero-extended. */
function lanes(i: InstructionContext, v: Value, { wide }: Width): Value[] {
  const halves = [i.quad(v, 0), i.quad(v, 1)];
  return wide ? halves : halves.flatMap(h => [i.truncate(h, 2), i.shr64(h, i.constant(32))]);
}
/** A vector of two 64-bit or four 32-bit lanes. */
function gather(i: InstructionContext, values: readonly Value[]): Value {
  const pair = (a: Value, b: Value): Value => i.or64(i.truncate(a, 2), i.shl64(b, i.constant(32)));
  return values.length === 2 ? i.vectorOf(values[0], values[1]) : i.vectorOf(pair(values[0], values[1]), pair(values[2], values[3]));
}

export function defineFloatingPoint(t: InstructionTable): void {
  /** A packed and a scalar form of an operation on two lanes. */
  const pair = (name: string, opcode: string, w: Width, operands: string, operate: (i: InstructionContext, a: Value, b: Value) => Value): void => {
    const letter = w.wide ? 'D' : 'S';
    defineSse(t, `${name}P${letter}`, [`${w.packed} 0F ${opcode} V Wx${operands}`], i => {
      const b = lanes(i, i.readWide(i.src), w), a = lanes(i, i.readVector(i.dst), w), results = a.map((x, n) => operate(i, x, b[n]));
      i.floatsDone();
      i.writeVector(i.dst, gather(i, results));
    }, { floating: w.floating });
    defineSse(t, `${name}S${letter}`, [`${w.scalar} 0F ${opcode} V W${w.letter}${operands}`], i => {
      const b = i.readLow(i.src, w.size), result = operate(i, i.readLow(i.dst, w.size), b);
      i.floatsDone();
      i.writeLow(i.dst, result, w.size);
    }, { floating: w.floating });
  };
  const operations = ['ADD', 'SUB', 'MUL', 'DIV', 'MIN', 'MAX', 'SQRT'], opcodes = ['58', '5C', '59', '5E', '5D', '5F', '51'];
  for (const w of [single, double]) {
    operations.forEach((name, n) => pair(name, opcodes[n], w, '', (i, a, b) => i.lane('floatBinary', [n, w.wide], a, b)));
    pair('CMP', 'C2', w, ' Ib', (i, a, b) => i.truncate(i.lane('floatCompare', [i.and64(i.immediate(0), i.constant(7)), w.wide], a, b), w.size));
    for (const [name, opcode, quiet] of [['UCOMIS', '2E', 1], ['COMIS', '2F', 0]] as const) {
      defineSse(t, name + (w.wide ? 'D' : 'S'), [`${w.packed} 0F ${opcode} V W${w.letter}`], i => {
        const b = i.readLow(i.src, w.size), order = i.lane('floatOrder', [quiet, w.wide], i.readLow(i.dst, w.size), b);
        i.floatsDone();
        i.setFlagsImage(order);
        i.setOverflow(i.constant(0));
      }, { floating: w.floating });
    }
  }
  // no exceptions: estimates
  for (const [name, opcode, root] of [['RCP', '53', 0], ['RSQRT', '52', 1]] as const) pair(name, opcode, single, '', (i, _, b) => i.lane('floatEstimate', [root], b));
  defineConversions(t);
}

function defineConversions(t: InstructionTable): void {
  for (const w of [single, double]) {
    const suffix = w.wide ? 'SD' : 'SS', options = { floating: w.floating };
    defineSse(t, `CVTSI2${suffix}`, [`${w.scalar} 0F 2A V Ey`], i => {
      const result = i.lane('floatFromInteger', [w.wide], i.signExtend(i.read(i.src), i.size));
      i.floatsDone();
      i.writeLow(i.dst, result, w.size);
    }, options);
    for (const [name, opcode, truncates] of [['CVT', '2D', 0], ['CVTT', '2C', 1]] as const) {
      defineSse(t, `${name}${suffix}2SI`, [`${w.scalar} 0F ${opcode} Gy W${w.letter}`], i => {
        const result = i.lane('floatToInteger', [w.wide, i.size === 3 ? 1 : 0, truncates], i.readLow(i.src, w.size));
        i.floatsDone();
        i.write(i.dst, result);
      }, options);
    }
    const other = w.wide ? single : double;
    defineSse(t, `CVT${suffix}2${w.wide ? 'SS' : 'SD'}`, [`${w.scalar} 0F 5A V W${w.letter}`], i => {
      const result = i.lane('floatConvert', [other.wide], i.readLow(i.src, w.size));
      i.floatsDone();
      i.writeLow(i.dst, result, other.size);
    }, options);
  }
  const convert = (name: string, encoding: string, w: Width, values: (i: InstructionContext) => Value[]): void => defineSse(t, name, [encoding], i => {
    const results = values(i);
    i.floatsDone();
    i.writeVector(i.dst, gather(i, results));
  }, { floating: w.floating });
  /** The two low singles or integers of the source, which has 8 bytes in memory. */
  const twoLow = (i: InstructionContext): Value[] => { const v = i.readLow(i.src, 3); return [i.truncate(v, 2), i.shr64(v, i.constant(32))]; };
  const none = (i: InstructionContext): Value[] => [i.constant(0), i.constant(0)];
  const toInteger = (w: Width, truncates: 0 | 1) => (i: InstructionContext): Value[] => lanes(i, i.readWide(i.src), w).map(v => i.lane('floatToInteger', [w.wide, 0, truncates], v));
  convert('CVTPS2PD', 'NP 0F 5A V Wq', single, i => twoLow(i).map(v => i.lane('floatConvert', [1], v)));
  convert('CVTPD2PS', '66 0F 5A V Wx', double, i => [...lanes(i, i.readWide(i.src), double).map(v => i.lane('floatConvert', [0], v)), ...none(i)]);
  convert('CVTDQ2PS', 'NP 0F 5B V Wx', single, i => lanes(i, i.readWide(i.src), single).map(v => i.lane('floatFromInteger', [0], i.signExtend(v, 2))));
  convert('CVTPS2DQ', '66 0F 5B V Wx', single, toInteger(single, 0));
  convert('CVTTPS2DQ', 'F3 0F 5B V Wx', single, toInteger(single, 1));
  convert('CVTDQ2PD', 'F3 0F E6 V Wq', double, i => twoLow(i).map(v => i.lane('floatFromInteger', [1], i.signExtend(v, 2))));
  convert('CVTPD2DQ', 'F2 0F E6 V Wx', double, i => [...toInteger(double, 0)(i), ...none(i)]);
  convert('CVTTPD2DQ', '66 0F E6 V Wx', double, i => [...toInteger(double, 1)(i), ...none(i)]);
}
