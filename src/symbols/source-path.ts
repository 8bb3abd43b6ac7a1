// Paths of source files as debug information writes them: joined from directory parts, with forward slashes, without `.` and
// resolvable `..` parts. They stay relative where the file says so; a caller maps them to its workspace.

/** True for `/x`, `C:/x` and `\\host\x`. */
export function isAbsolutePath(path: string): boolean {
  return /^([/\\]|[A-Za-z]:[/\\])/.test(path);
}

/** Joins parts from the last absolute one on, and normalises. An empty result is `.`. */
export function joinPath(...parts: string[]): string {
  let first = 0;
  parts.forEach((part, i) => {
    if (isAbsolutePath(part)) first = i;
  });
  return normalizePath(parts.slice(first).filter(part => part !== '').join('/'));
}

/** Forward slashes, no empty or `.` parts, `..` resolved where something stands before it. */
export function normalizePath(path: string): string {
  const slashed = path.replaceAll('\\', '/');
  const root = /^([A-Za-z]:)?\/*/.exec(slashed)![0];
  const kept: string[] = [];
  for (const part of slashed.slice(root.length).split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (part !== '..' || !root.endsWith('/')) kept.push(part);
  }
  const prefix = root.endsWith('/') ? `${root.replace(/\/+$/, '')}/` : root;
  return prefix + kept.join('/') || '.';
}

/**
 * How well two normalised paths name the same file: 2 when equal, 1 when one is the end of the other at a directory boundary
 * (`/home/me/abyme/guests/exit.c` and `guests/exit.c`), else 0.
 */
export function pathMatch(a: string, b: string): 0 | 1 | 2 {
  if (a === b) return 2;
  const [long, short] = a.length > b.length ? [a, b] : [b, a];
  return long.endsWith(short) && (short.startsWith('/') ? short.length > 1 : long[long.length - short.length - 1] === '/') ? 1 : 0;
}
