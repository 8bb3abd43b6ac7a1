// The text of a log point: expressions in braces are replaced by their values; `\{` is a brace.

export type LogPart = { readonly text: string } | { readonly expression: string };

/** Splits a log message into text and expressions. Braces inside an expression nest. */
export function parseLogMessage(message: string): LogPart[] {
  const parts: LogPart[] = [];
  let text = '';
  for (let i = 0; i < message.length; i++) {
    if (message[i] === '\\' && (message[i + 1] === '{' || message[i + 1] === '}')) text += message[++i];
    else if (message[i] === '{') {
      let depth = 1, end = i + 1;
      for (; end < message.length && depth > 0; end++) depth += message[end] === '{' ? 1 : message[end] === '}' ? -1 : 0;
      if (depth > 0) { text += message.slice(i); break; }
      if (text) parts.push({ text });
      text = '';
      parts.push({ expression: message.slice(i + 1, end - 1).trim() });
      i = end - 1;
    } else text += message[i];
  }
  if (text) parts.push({ text });
  return parts;
}
