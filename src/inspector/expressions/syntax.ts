// The grammar of conditions, watches, hovers and the console, and its parser: operators of C with the precedence of C on 64-bit integers,
//
//   expression  = binary ('?' expression ':' expression)?
//   binary      = || && | ^ & == != (< <= > >= in) (<< >>) (+ -) (* / %), weakest first
//   'in'        = range | '{' range (',' range)* '}'            range = sum ('..' sum)?, both ends included
//   unary       = ('!' | '~' | '-' | '+' | '*' | '&') unary | postfix
//   postfix     = primary (('.' | '->') name | '[' expression ']')*       members and elements of C variables
//   primary     = number | 'string' | '(' expression ')' | cast '(' ... ')' | size? '[' place ']' | place | name
//   place       = (('L' digits | 'phys' | 'gpa' digits?) ':')? expression     linear address of a level, physical, guest-physical
//   name        = ('L' digits '.')? part ('.' part)*            rax, L1.rip, cr0.pg, vmcs.guest_rip, L2.vmcs.EXIT_REASON, vmcs12.guest_rip, msr.lstar
//               | (('L' digits | image) '!')? symbol            L1!handle_exit
import { ExpressionError, tokenize, type Token } from './tokens';

export type BinaryOperator = '||' | '&&' | '|' | '^' | '&' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '<<' | '>>' | '+' | '-' | '*' | '/' | '%';
export type UnaryOperator = '!' | '~' | '-' | '+';

/** Width of a value in memory or of a cast. */
export interface Size { readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean }

/** `level` undefined: that of the context in which the expression is evaluated. */
export interface Place { readonly space: 'linear' | 'guestPhysical' | 'physical'; readonly level?: number; readonly address: Node }

interface Position { readonly at: number; readonly end: number }
export type Node = Position & (
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'name'; readonly level?: number; readonly parts: readonly string[] }
  | { readonly kind: 'symbol'; readonly level?: number; readonly image?: string; readonly name: string }
  | { readonly kind: 'path'; readonly path: CPath }
  /** `path`: the C object, if the address of what is read is the value of a C pointer. */
  | { readonly kind: 'memory'; readonly size: Size; readonly place: Place; readonly path?: CPath }
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Node; readonly right: Node }
  | { readonly kind: 'conditional'; readonly test: Node; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'in'; readonly operand: Node; readonly ranges: readonly { readonly first: Node; readonly last?: Node }[] }
  | { readonly kind: 'cast'; readonly size: Size; readonly operand: Node });

/** A C object: a variable, and the way from it. */
export interface CPath { readonly name: string; readonly steps: readonly CStep[] }
export type CStep =
  | { readonly kind: 'member' | 'arrow'; readonly name: string }
  | { readonly kind: 'index'; readonly index: Node }
  | { readonly kind: 'dereference' | 'address' };

/** The C object that a tree could mean, undefined when it is none. */
export function pathOf(node: Node): CPath | undefined {
  switch (node.kind) {
    case 'path': return node.path;
    case 'memory': return node.path;
    case 'name': return node.level !== undefined ? undefined : { name: node.parts[0], steps: node.parts.slice(1).map(name => ({ kind: 'member', name })) };
    default: return undefined;
  }
}

const precedence: readonly (readonly string[])[] = [['||'], ['&&'], ['|'], ['^'], ['&'], ['==', '!='], ['<', '<=', '>', '>=', 'in'], ['<<', '>>'], ['+', '-'], ['*', '/', '%']];
const sums = 8;

const sizes: Readonly<Record<string, Size>> = Object.fromEntries(([8, 16, 32, 64] as const).flatMap(bits =>
  [[`u${bits}`, { bits, signed: false }], [`i${bits}`, { bits, signed: true }]] as const));
export const castNames: readonly string[] = Object.keys(sizes);

/** Nesting beyond this is refused, so that no text can exhaust the stack. */
const deepest = 200;

/** Reads a whole expression. Throws ExpressionError with the position of the mistake. */
export function parseExpression(text: string): Node {
  const parser = new Parser(tokenize(text));
  const node = parser.expression();
  parser.finish();
  return node;
}

class Parser {
  private next = 0;
  private depth = 0;
  constructor(private readonly tokens: readonly Token[]) {}

  finish(): void {
    const token = this.token;
    if (token.kind !== 'end') throw this.unexpected('an operator or the end');
  }

  expression(): Node {
    if (++this.depth > deepest) throw new ExpressionError('the expression is nested too deeply', this.token.at);
    const test = this.binary(0);
    let node = test;
    if (this.accept('?')) {
      const yes = this.expression();
      this.expect(':', "the ':' of '? :'");
      const no = this.expression();
      node = { kind: 'conditional', test, yes, no, at: test.at, end: no.end };
    }
    this.depth--;
    return node;
  }

  private binary(level: number): Node {
    const row = precedence[level];
    if (!row) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const token = this.token, text = token.kind === 'operator' || token.kind === 'name' && token.text === 'in' ? token.text : '';
      if (!row.includes(text)) {
        if (text === '=' && level === 5) throw new ExpressionError("'=' does not compare: write '=='", token.at);
        return left;
      }
      this.next++;
      if (text === 'in') {
        const ranges = this.ranges();
        left = { kind: 'in', operand: left, ranges, at: left.at, end: this.previous.end };
        continue;
      }
      const right = this.binary(level + 1);
      left = { kind: 'binary', operator: text as BinaryOperator, left, right, at: left.at, end: right.end };
    }
  }

  private ranges(): { first: Node; last?: Node }[] {
    if (!this.accept('{')) return [this.range()];
    const ranges = [this.range()];
    while (this.accept(',')) ranges.push(this.range());
    this.expect('}', "',' or '}'");
    return ranges;
  }
  private range(): { first: Node; last?: Node } {
    const first = this.binary(sums);
    return this.accept('..') ? { first, last: this.binary(sums) } : { first };
  }

  private unary(): Node {
    const token = this.token;
    if (token.kind === 'operator' && ['!', '~', '-', '+', '*', '&'].includes(token.text)) {
      if (++this.depth > deepest) throw new ExpressionError('the expression is nested too deeply', token.at);
      this.next++;
      const operand = this.unary();
      this.depth--;
      const path = pathOf(operand), position = { at: token.at, end: operand.end };
      if (token.text === '*') {
        const place: Place = operand.kind === 'place' ? operand.place : { space: 'linear', address: operand };
        return { kind: 'memory', size: sizes.u64, place, ...path && { path: extended(path, { kind: 'dereference' }) }, ...position };
      }
      if (token.text === '&') {
        if (!path) throw new ExpressionError("'&' takes the address of a variable", token.at);
        return { kind: 'path', path: extended(path, { kind: 'address' }), ...position };
      }
      return { kind: 'unary', operator: token.text as UnaryOperator, operand, at: token.at, end: operand.end };
    }
    return this.postfix(this.primary());
  }

  /** Members and elements after what may be a C object. */
  private postfix(start: Node): Node {
    let node = start;
    for (;;) {
      const text = this.peekText(0), path = text === '.' || text === '->' || text === '[' ? pathOf(node) : undefined;
      if (!path) return node;
      this.next++;
      let step: CStep;
      if (text === '[') {
        step = { kind: 'index', index: this.expression() };
        this.expect(']', "']'");
      } else step = { kind: text === '.' ? 'member' : 'arrow', name: this.takeName(`a name after '${text}'`).text };
      node = { kind: 'path', path: extended(path, step), at: node.at, end: this.previous.end };
    }
  }

  private primary(): Node {
    const token = this.token;
    switch (token.kind) {
      case 'number':
        this.next++;
        return { kind: 'number', value: token.value, at: token.at, end: token.end };
      case 'string':
        this.next++;
        return { kind: 'string', text: token.text, at: token.at, end: token.end };
      case 'name': return this.named(token);
      case 'operator':
        if (token.text === '(') {
          this.next++;
          const inner = this.expression();
          this.expect(')', "')'");
          return inner;
        }
        if (token.text === '[') return this.memory(sizes.u64, token.at);
        throw this.unexpected('a value');
      case 'end': throw this.unexpected('a value');
    }
  }

  private named(token: Token & { kind: 'name' }): Node {
    const size = Object.hasOwn(sizes, token.text) ? sizes[token.text] : undefined, after = this.peekText(1);
    if (size && after === '[') { this.next++; return this.memory(size, token.at); }
    if (size && after === '(') {
      this.next += 2;
      const operand = this.expression();
      this.expect(')', "')'");
      return { kind: 'cast', size, operand, at: token.at, end: this.previous.end };
    }
    if (after === ':' && spaceOf(token.text)) {
      const place = this.place();
      return { kind: 'place', place, at: token.at, end: this.previous.end };
    }
    if (after === '(') throw new ExpressionError(`there is no function ${token.text}: casts are ${castNames.join(', ')}`, token.at, token.text.length);
    this.next++;
    const level = /^L\d{1,3}$/.test(token.text) ? Number(token.text.slice(1)) : undefined;
    if (this.peekText(0) === '!' && this.tokens[this.next].at === token.end && this.tokens[this.next + 1]?.kind === 'name' && this.tokens[this.next + 1].at === token.end + 1) {
      this.next++;
      const name = this.takeName('a symbol');
      return { kind: 'symbol', ...level === undefined ? { image: token.text } : { level }, name: name.text, at: token.at, end: name.end };
    }
    const parts: string[] = level === undefined ? [token.text] : [];
    while (this.peekText(0) === '.') {
      this.next++;
      parts.push(this.takeName("a name after '.'").text);
    }
    if (parts.length === 0) throw new ExpressionError(`${token.text} alone is no value: write ${token.text}.rip, ${token.text}!symbol or [${token.text}:address]`, token.at, token.text.length);
    return { kind: 'name', ...level !== undefined && { level }, parts, at: token.at, end: this.previous.end };
  }

  private memory(size: Size, at: number): Node {
    this.expect('[', "'['");
    const place = this.place();
    this.expect(']', "']'");
    return { kind: 'memory', size, place, at, end: this.previous.end };
  }

  private place(): Place {
    const token = this.token, space = token.kind === 'name' && this.peekText(1) === ':' ? spaceOf(token.text) : undefined;
    if (!space) return { space: 'linear', address: this.expression() };
    this.next += 2;
    return { ...space, address: this.binary(0) };
  }

  private get token(): Token { return this.tokens[this.next]; }
  private get previous(): Token { return this.tokens[this.next - 1]; }
  private peekText(ahead: number): string | undefined {
    const token = this.tokens[this.next + ahead];
    return token?.kind === 'operator' ? token.text : undefined;
  }
  private accept(text: string): boolean {
    if (this.peekText(0) !== text) return false;
    this.next++;
    return true;
  }
  private expect(text: string, what: string): void { if (!this.accept(text)) throw this.unexpected(what); }
  private takeName(what: string): Token & { kind: 'name' } {
    const token = this.token;
    if (token.kind !== 'name') throw this.unexpected(what);
    this.next++;
    return token;
  }
  private unexpected(what: string): ExpressionError {
    const token = this.token;
    return token.kind === 'end' ? new ExpressionError(`${what} is missing at the end`, token.at)
      : new ExpressionError(`${what} is expected here, not '${token.kind === 'number' ? token.value : token.text}'`, token.at, token.end - token.at);
  }
}

const extended = ({ name, steps }: CPath, step: CStep): CPath => ({ name, steps: [...steps, step] });

/** The address space that a prefix names. */
function spaceOf(prefix: string): Pick<Place, 'space' | 'level'> | undefined {
  const [, kind, level] = /^(L|gpa|phys)(\d{1,3})?$/.exec(prefix) ?? [];
  if (kind === 'phys') return level === undefined ? { space: 'physical' } : undefined;
  if (kind === 'gpa') return { space: 'guestPhysical', ...level !== undefined && { level: Number(level) } };
  return kind === 'L' && level !== undefined ? { space: 'linear', level: Number(level) } : undefined;
}
