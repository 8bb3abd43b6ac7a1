// An expression's tree as a function of its scope. Comparisons of small numbers (levels, reasons, leaves, ports ...) run on plain numbers, all else on
// 64-bit integers: values are integers from -2^63 to 2^64 - 1; results outside wrap to 64 bits; equality is modulo 2^64, so that -1 equals ~0.
import type { LayoutName } from '../../spec/bit-layouts';
import { extract } from '../../spec/bit-fields';
import { msrNamed } from '../../spec/msrs';
import { isVmcsFieldId, vmcsFieldById } from '../../spec/vmcs-fields';
import { registerRow } from '../registers/register-table';
import { layoutPart } from './layout-part';
import { exitFieldNames, nearNames, numberOfName, registerPart } from './names';
import type { ExpressionScope, WhichVmcs } from './scope';
import { parseExpression, pathOf, type BinaryOperator, type CPath, type Node, type Place, type Size } from './syntax';
import { ExpressionError } from './tokens';

type Value = bigint | undefined;
/** `number`: safe integers, NaN where there is no value. */
type Code =
  | { readonly kind: 'number'; readonly run: (scope: ExpressionScope) => number; readonly constant?: boolean }
  | { readonly kind: 'integer'; readonly run: (scope: ExpressionScope) => Value };

/** `isExit`: bare names of exit fields mean the exit. */
export interface CompileOptions { readonly isExit?: boolean }

/** The value of an expression; undefined where something in it has no value. Throws ExpressionError at compile time only. */
export function compileValue(text: string, options: CompileOptions = {}): (scope: ExpressionScope) => Value {
  return integer(compile(parseExpression(text), options));
}

/** A condition: true when the value is not 0, false when it is 0 or there is none. */
export function compileCondition(text: string, options: CompileOptions = {}): (scope: ExpressionScope) => boolean {
  return truth(compile(parseExpression(text), options));
}

/** As `compileValue`, of a tree. */
export function compileTree(node: Node, options: CompileOptions = {}): (scope: ExpressionScope) => bigint | undefined { return integer(compile(node, options)); }

const wrap = (value: bigint): bigint => value >= -0x8000_0000_0000_0000n && value <= 0xffff_ffff_ffff_ffffn ? value : BigInt.asUintN(64, value);
const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

function integer(code: Code): (scope: ExpressionScope) => Value {
  if (code.kind === 'integer') return code.run;
  const { run } = code;
  return scope => { const value = run(scope); return Number.isNaN(value) ? undefined : BigInt(value); };
}

function truth(code: Code): (scope: ExpressionScope) => boolean {
  const { kind, run } = code;
  // NaN is false too.
  if (kind === 'number') return scope => { const value = run(scope); return value !== 0 && value === value; };
  return scope => { const value = run(scope); return value !== undefined && value !== 0n; };
}

const flag = (run: (scope: ExpressionScope) => boolean): Code => ({ kind: 'number', run: scope => run(scope) ? 1 : 0 });

function compile(node: Node, options: CompileOptions): Code {
  switch (node.kind) {
    case 'number': {
      const { value } = node, small = Number(value);
      return Number.isSafeInteger(small) ? { kind: 'number', run: () => small } : { kind: 'integer', run: () => value };
    }
    case 'string': throw new ExpressionError(`'${node.text}' is a name: compare reason or vector with it`, node.at, node.end - node.at);
    case 'name': return compileName(node, options);
    case 'symbol': {
      const { name, level, image } = node;
      return { kind: 'integer', run: scope => scope.symbol(name, level, image) };
    }
    case 'path': return { kind: 'integer', run: compilePath(node.path, options) };
    case 'memory': {
      const memory = integer(compileMemory(node.size, node.place, options)), object = node.path && compilePath(node.path, options);
      return { kind: 'integer', run: object ? scope => object(scope) ?? memory(scope) : memory };
    }
    case 'place': return { kind: 'integer', run: integer(compile(node.place.address, options)) };
    case 'unary': return compileUnary(node, options);
    case 'binary': return compileBinary(node, options);
    case 'conditional': {
      const test = truth(compile(node.test, options)), yes = integer(compile(node.yes, options)), no = integer(compile(node.no, options));
      return { kind: 'integer', run: scope => test(scope) ? yes(scope) : no(scope) };
    }
    case 'in': return compileIn(node, options);
    case 'cast': {
      const operand = integer(compile(node.operand, options)), { bits, signed } = node.size;
      return { kind: 'integer', run: scope => { const value = operand(scope); return value === undefined ? undefined : signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value); } };
    }
  }
}

// -- names

function compileName(node: Node & { kind: 'name' }, { isExit }: CompileOptions): Code {
  const { parts, level } = node, [first, ...rest] = parts, lower = first.toLowerCase();
  if (level === undefined && parts.length === 1 && isExit && Object.hasOwn(exitFieldNames, lower)) return exitField(exitFieldNames[lower]);
  if (level === undefined && parts.length === 2 && lower === 'exit' && Object.hasOwn(exitFieldNames, rest[0].toLowerCase())) return exitField(exitFieldNames[rest[0].toLowerCase()]);
  if (level === undefined && parts.length === 1 && lower === 'level') return { kind: 'number', run: scope => scope.level };
  if (level === undefined && parts.length === 1 && lower === 'vcpu') return { kind: 'number', run: scope => scope.vcpu };
  const which = whichVmcs(lower);
  if (which !== undefined) {
    if (rest.length === 0) throw new ExpressionError('a field of the VMCS is missing: vmcs.GUEST_RIP', node.at, node.end - node.at);
    return vmcsField(node, rest, level, which === 'controlling' ? undefined : which);
  }
  if (lower === 'msr' && rest.length > 0) return msrPart(node, rest, level);
  const twoParts = parts.length > 1 ? registerPart(`${first}.${rest[0]}`) : undefined, found = twoParts ?? registerPart(first);
  if (found) {
    const name = found.register, { low, bits } = found, bitNames = parts.slice(twoParts ? 2 : 1), layout = registerRow(name)?.layout;
    const whole = low === 0 && bits === registerRow(name)?.bits;
    const run = (scope: ExpressionScope): Value => {
      const value = scope.register(name, level);
      return value === undefined || whole ? value : BigInt.asUintN(bits, value >> BigInt(low));
    };
    return bitOfLayout(node, { kind: 'integer', run }, layout, bitNames, name);
  }
  if (isVmcsFieldId(first.toUpperCase())) return vmcsField(node, parts, level);
  // a member of a C object could be anything, but for a name that is written as the manual writes fields
  if (rest.length > 0 && isVmcsFieldId(rest[0])) throw new ExpressionError(`there is no VMCS ${first}: vmcs.${rest[0]} is the field`, node.at, node.end - node.at);
  const path = parts.length > 1 ? pathOf(node) : undefined;
  if (path) return { kind: 'integer', run: compilePath(path, {}) };
  if (parts.length > 1) throw new ExpressionError(`there is no register ${parts.join('.')}`, node.at, node.end - node.at);
  return { kind: 'integer', run: scope => (level === undefined ? scope.variable?.(first) : undefined) ?? scope.symbol(first, level, undefined) };
}

function exitField(name: (typeof exitFieldNames)[string]): Code {
  if (name === 'qualification' || name === 'gpa' || name === 'gla') return { kind: 'integer', run: scope => scope.exit?.[name] };
  return { kind: 'number', run: scope => scope.exit === undefined ? NaN : scope.exit[name] };
}

/** The VMCS that a word names, undefined when it names none. */
export function whichVmcs(word: string): WhichVmcs | 'controlling' | undefined {
  const [, keeper, guest, digits] = /^vmcs(?:(\d)(\d)|@(0x[0-9a-f]{1,13}))?$/i.exec(word) ?? [undefined, undefined, undefined, undefined];
  if (keeper !== undefined) return { keeper: Number(keeper), guest: Number(guest) };
  if (digits !== undefined) return { pointer: Number(digits) };
  return /^vmcs$/i.test(word) ? 'controlling' : undefined;
}

function msrPart(node: Node & { kind: 'name' }, [name, ...names]: readonly string[], level: number | undefined): Code {
  const row = msrNamed(name);
  if (!row) throw new ExpressionError(`there is no MSR ${name}`, node.at, node.end - node.at);
  return bitOfLayout(node, { kind: 'integer', run: scope => scope.msr?.(row.name, level) }, row.layout, names, row.name);
}

function compilePath(path: CPath, options: CompileOptions): (scope: ExpressionScope) => Value {
  const indices = path.steps.flatMap(step => step.kind === 'index' ? [integer(compile(step.index, options))] : []);
  return scope => scope.object?.(path, indices.map(index => index(scope)));
}

function vmcsField(node: Node & { kind: 'name' }, parts: readonly string[], level: number | undefined, which?: WhichVmcs): Code {
  const id = parts[0].toUpperCase();
  if (!isVmcsFieldId(id)) throw new ExpressionError(`there is no VMCS field ${parts[0]}`, node.at, node.end - node.at);
  return bitOfLayout(node, { kind: 'integer', run: scope => scope.vmcs(id, level, which) }, vmcsFieldById(id).layout, parts.slice(1), id);
}

/** `cr0.pg`: a named bit or field of a value with a layout. */
function bitOfLayout(node: Node, code: Code & { kind: 'integer' }, layout: LayoutName | undefined, names: readonly string[], of: string): Code {
  if (names.length === 0) return code;
  const field = layoutPart(layout, names[0]);
  if (!field || names.length > 1) throw new ExpressionError(`${of} has no part ${names.join('.')}`, node.at, node.end - node.at);
  const { run } = code;
  return { kind: 'integer', run: scope => { const value = run(scope); return value === undefined ? undefined : extract(field, value); } };
}

// -- memory

function compileMemory({ bits, signed }: Size, place: Place, options: CompileOptions): Code {
  const address = integer(compile(place.address, options)), { space, level } = place, length = bits / 8;
  return {
    kind: 'integer',
    run(scope) {
      const at = address(scope), bytes = at === undefined ? undefined : scope.read(space, level, unsigned(at), length);
      if (!bytes) return undefined;
      let value = 0n;
      for (let n = length - 1; n >= 0; n--) value = value << 8n | BigInt(bytes[n]);
      return signed ? BigInt.asIntN(bits, value) : value;
    },
  };
}

// -- operators

function compileUnary(node: Node & { kind: 'unary' }, options: CompileOptions): Code {
  const operand = compile(node.operand, options);
  if (node.operator === '!') {
    const { kind, run } = operand;
    if (kind === 'number') return { kind: 'number', run: scope => { const value = run(scope); return value === 0 ? 1 : value === value ? 0 : NaN; } };
    return { kind: 'number', run: scope => { const value = run(scope); return value === undefined ? NaN : value === 0n ? 1 : 0; } };
  }
  const run = integer(operand), { operator } = node;
  const apply = operator === '~' ? (value: bigint): bigint => unsigned(~value) : operator === '-' ? (value: bigint): bigint => wrap(-value) : (value: bigint): bigint => value;
  return { kind: 'integer', run: scope => { const value = run(scope); return value === undefined ? undefined : apply(value); } };
}

type NumberTest = (a: number, b: number) => boolean;
type IntegerTest = (a: bigint, b: bigint) => boolean;
const tests: { readonly [operator in BinaryOperator]?: readonly [NumberTest, IntegerTest] } = {
  '==': [(a, b) => a === b, (a, b) => unsigned(a) === unsigned(b)],
  '!=': [(a, b) => a !== b && a === a && b === b, (a, b) => unsigned(a) !== unsigned(b)],
  '<': [(a, b) => a < b, (a, b) => a < b],
  '<=': [(a, b) => a <= b, (a, b) => a <= b],
  '>': [(a, b) => a > b, (a, b) => a > b],
  '>=': [(a, b) => a >= b, (a, b) => a >= b],
};
const operations: { readonly [operator in BinaryOperator]?: (a: bigint, b: bigint) => bigint | undefined } = {
  '|': (a, b) => unsigned(a) | unsigned(b), '^': (a, b) => unsigned(a) ^ unsigned(b), '&': (a, b) => unsigned(a) & unsigned(b),
  '<<': (a, b) => b < 0n || b > 63n ? 0n : unsigned(a << b), '>>': (a, b) => b < 0n || b > 63n ? a < 0n ? -1n : 0n : a >> b,
  '+': (a, b) => wrap(a + b), '-': (a, b) => wrap(a - b), '*': (a, b) => wrap(a * b),
  '/': (a, b) => b === 0n ? undefined : wrap(a / b), '%': (a, b) => b === 0n ? undefined : a % b,
};

function compileBinary(node: Node & { kind: 'binary' }, options: CompileOptions): Code {
  const { operator } = node;
  if (operator === '&&' || operator === '||') {
    const left = truth(compile(node.left, options)), right = truth(compile(node.right, options));
    return flag(operator === '&&' ? scope => left(scope) && right(scope) : scope => left(scope) || right(scope));
  }
  const test = tests[operator];
  if (test) {
    const left = compile(named(node.left, node.right), options), right = compile(named(node.right, node.left), options);
    return compare(test, left, right);
  }
  const operation = operations[operator]!, left = integer(compile(node.left, options)), right = integer(compile(node.right, options));
  return { kind: 'integer', run: scope => { const a = left(scope), b = right(scope); return a === undefined || b === undefined ? undefined : operation(a, b); } };
}

function compare([onNumbers, onIntegers]: readonly [NumberTest, IntegerTest], left: Code, right: Code): Code {
  if (left.kind === 'number' && right.kind === 'number') {
    const a = left.run, b = right.run;
    return flag(scope => onNumbers(a(scope), b(scope)));
  }
  const a = integer(left), b = integer(right);
  return flag(scope => { const x = a(scope), y = b(scope); return x !== undefined && y !== undefined && onIntegers(x, y); });
}

/** A string or bare name beside `reason` or `vector` is a number of that table. */
function named(node: Node, beside: Node): Node {
  const field = beside.kind === 'name' && beside.level === undefined ? beside.parts[beside.parts.length - 1].toLowerCase() : '';
  const text = node.kind === 'string' ? node.text : node.kind === 'name' && node.level === undefined && node.parts.length === 1 ? node.parts[0] : undefined;
  if (text === undefined || field !== 'reason' && field !== 'vector' && field !== 'exit_reason') return node;
  const table = field === 'vector' ? 'vector' : 'reason', value = numberOfName(table, text);
  if (value !== undefined) return { kind: 'number', value: BigInt(value), at: node.at, end: node.end };
  if (node.kind !== 'string') return node;
  const near = nearNames(table, text);
  throw new ExpressionError(`there is no ${table === 'reason' ? 'exit reason' : 'exception'} '${text}'${near.length > 0 ? `: did you mean ${near.join(', ')}?` : ''}`, node.at, node.end - node.at);
}

function compileIn(node: Node & { kind: 'in' }, options: CompileOptions): Code {
  const operand = compile(node.operand, options);
  const inside = node.ranges.map(({ first, last }) => {
    const low = compile(named(first, node.operand), options), high = last ? compile(named(last, node.operand), options) : undefined;
    if (!high) return truth(compare(tests['==']!, operand, low));
    const above = truth(compare(tests['>=']!, operand, low)), below = truth(compare(tests['<=']!, operand, high));
    return (scope: ExpressionScope): boolean => above(scope) && below(scope);
  });
  return flag(scope => inside.some(each => each(scope)));
}
