/** Facts that tables are compared with where the folder is there; undefined where it is not. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../shared/vtx/', import.meta.url));

export type Facts = any;

export function facts(name: string): Facts | undefined {
  const path = `${folder}${name}.json`;
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** `18`, `7:0` or `N-1:12` as [high, low]; N is the widest physical address. */
export function bitRange(text: string): [number, number] {
  const place = (part: string): number => (part === 'N' ? 52 : part === 'N-1' ? 51 : Number(part));
  const [high, low] = text.split(':') as [string, string | undefined];
  return [place(high), place(low ?? high)];
}

/** Names of bits that a table leaves out. */
export function isReserved(bits: { name: string; meaning?: string }): boolean {
  return /reserved|undefined|^zero$/.test(bits.name);
}
