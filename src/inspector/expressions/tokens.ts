// Text of an expression to tokens. Positions count UTF-16 units from 0, so that an editor can underline a mistake.

/** A mistake in an expression, where it is, and in words for its author. */
export class ExpressionError extends Error {
  constructor(message: string, readonly position: number, readonly length = 1) { super(message); }
}

export type Token =
  | { readonly kind: 'number'; readonly value: bigint; readonly at: number; readonly end: number }
  | { readonly kind: 'name'; readonly text: string; readonly at: number; readonly end: number }
  | { readonly kind: 'string'; readonly text: string; readonly at: number; readonly end: number }
  | { readonly kind: 'operator'; readonly text: string; readonly at: number; readonly end: number }
  | { readonly kind: 'end'; readonly at: number; readonly end: number };

/** Longest first, so that `<<` is not two `<`. */
const operators = ['->', '<<', '>>', '<=', '>=', '==', '!=', '&&', '||', '..', '+', '-', '*', '/', '%', '&', '|', '^', '~', '!', '<', '>', '?', ':', '(', ')', '[', ']', '{', '}', ',', '.', ';', '='];

const numberPattern = /0[xX][0-9a-fA-F_]*|0[bB][01_]*|0[oO][0-7_]*|[0-9][0-9_]*/y;
const namePattern = /[A-Za-z_$#@][A-Za-z0-9_$#@]*/y;
const mask64 = 0xffff_ffff_ffff_ffffn;

/** Splits an expression; the last token is of kind 'end'. Throws ExpressionError. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ;) {
    while (/\s/.test(text[at] ?? '')) at++;
    if (at >= text.length) return [...tokens, { kind: 'end', at, end: at }];
    const token = numberAt(text, at) ?? nameAt(text, at) ?? stringAt(text, at) ?? operatorAt(text, at);
    if (!token) throw new ExpressionError(`'${text[at]}' does not belong into an expression`, at);
    tokens.push(token);
    at = token.end;
  }
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function numberAt(text: string, at: number): Token | undefined {
  const digits = matchAt(numberPattern, text, at);
  if (digits === undefined) return undefined;
  const end = at + digits.length;
  if (/[A-Za-z_0-9]/.test(text[end] ?? '')) throw new ExpressionError(`'${digits}${text[end]}' is not a number`, at, digits.length + 1);
  const plain = digits.replaceAll('_', '');
  if (/^0[xbo]$/i.test(plain)) throw new ExpressionError(`'${digits}' has no digits`, at, digits.length);
  const value = BigInt(plain);
  if (value > mask64) throw new ExpressionError(`${digits} does not fit into 64 bits`, at, digits.length);
  return { kind: 'number', value, at, end };
}

function nameAt(text: string, at: number): Token | undefined {
  const name = matchAt(namePattern, text, at);
  return name === undefined ? undefined : { kind: 'name', text: name, at, end: at + name.length };
}

function stringAt(text: string, at: number): Token | undefined {
  const quote = text[at];
  if (quote !== "'" && quote !== '"') return undefined;
  const end = text.indexOf(quote, at + 1);
  if (end < 0) throw new ExpressionError('the closing quotation mark is missing', at, text.length - at);
  return { kind: 'string', text: text.slice(at + 1, end), at, end: end + 1 };
}

function operatorAt(text: string, at: number): Token | undefined {
  const found = operators.find(each => text.startsWith(each, at));
  return found === undefined ? undefined : { kind: 'operator', text: found, at, end: at + found.length };
}
