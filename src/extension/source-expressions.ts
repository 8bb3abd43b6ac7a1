// Expressions in source text: the C object under the pointer of a hover, registers in assembly, and what is worth a value at the end of a line. No editor
// import: tested as data.

export interface SourceExpression { readonly text: string; readonly start: number; readonly end: number }

const registers = /%?\b(r(?:[abcd]x|[sd]i|[sb]p|ip|flags|[89]|1[0-5])|e(?:[abcd]x|[sd]i|[sb]p|ip|flags)|r(?:[89]|1[0-5])[dwb]|cr[02348]|dr[0-7]|[cdefgs]s|[abcd][lhx])\b/gi;
const cWords = new Set(('auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short signed sizeof static struct '
  + 'switch typedef union unsigned void volatile while asm true false NULL u8 u16 u32 u64 i8 i16 i32 i64').split(' '));

/** The C object whose text reaches to `column`: in `exit->info.length`, `exit` at its first word, all at its last. */
export function cExpressionAt(line: string, column: number): SourceExpression | undefined {
  const code = withoutText(line);
  for (const { 0: whole, index } of code.matchAll(/[A-Za-z_]\w*(?:\s*(?:->|\.)\s*[A-Za-z_]\w*|\s*\[\s*\w+\s*\])*/g)) {
    if (column < index || column > index + whole.length) continue;
    let end = index + /^[A-Za-z_]\w*/.exec(whole)![0].length;
    const inside = [...whole.matchAll(/\[\s*(\w+)\s*\]/g)].find(({ 0: step, index: at }) => column > index + at && column < index + at + step.length);
    if (inside) {
      const start = index + inside.index + inside[0].indexOf(inside[1]);
      return /^\d/.test(inside[1]) ? undefined : { text: inside[1], start, end: start + inside[1].length };
    }
    // Every further step that begins before the pointer belongs to it.
    for (const step of whole.matchAll(/\s*(?:->|\.)\s*[A-Za-z_]\w*|\s*\[\s*\w+\s*\]/g)) if (index + step.index < column) end = index + step.index + step[0].length;
    const text = code.slice(index, end);
    return cWords.has(text) ? undefined : { text: text.replace(/\s+/g, ''), start: index, end };
  }
  return undefined;
}

/** The register at a column of assembly, without the % of AT&T syntax. */
export function registerAt(line: string, column: number): SourceExpression | undefined {
  return registersIn(line).find(({ start, end }) => column >= start && column <= end);
}

export function registersIn(line: string): SourceExpression[] {
  return [...line.replace(/(#|;|\/\/).*$/, (comment) => ' '.repeat(comment.length)).matchAll(registers)].map((found) => ({ text: found[1].toLowerCase(), start: found.index, end: found.index + found[0].length }));
}

/** Names of a C line that may be variables, each once. Function names (before a parenthesis) and members are none. */
export function variablesIn(line: string): SourceExpression[] {
  const code = withoutText(line), seen = new Set<string>();
  return [...code.matchAll(/[A-Za-z_]\w*/g)].flatMap(({ 0: text, index }) => {
    const before = code.slice(0, index), after = code.slice(index + text.length);
    if (cWords.has(text) || seen.has(text) || /(->|\.)\s*$/.test(before) || /^\s*\(/.test(after) || /^\s*#/.test(before)) return [];
    seen.add(text);
    return [{ text, start: index, end: index + text.length }];
  });
}

/** The first line of the function that `line` is in: after the last line above that begins with a closing brace. */
export function functionStart(lines: (number: number) => string, line: number): number {
  for (let at = line - 1; at >= 0 && line - at < 300; at--) if (/^}/.test(lines(at))) return at + 1;
  return Math.max(0, line - 300);
}

/** Comments, strings and characters as blanks, so that columns stay. */
function withoutText(line: string): string {
  return line.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\/\/.*$|\/\*.*?(?:\*\/|$)/g, (text) => ' '.repeat(text.length));
}
