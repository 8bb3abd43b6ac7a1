// Functions of a unit, and the scopes inside a function: lexical blocks and inlined calls (DWARF 5, 3.3 'Subroutine and Entry Point
// Entries', 3.5 'Lexical Block Entries'). A unit's functions are found in one walk and kept as offsets and ranges; the scopes of a
// function are built when it is first asked for.

import type { AddressRange } from '../range-map';
import { SymbolError, hex } from '../symbol-error';
import { At, Tag } from './constants';
import type { Entry, Unit } from './debug-info';
import { rangesOf } from './range-lists';

/** A function with code of its own, inside one unit. */
export interface UnitFunction {
  readonly entryOffset: number;
  readonly ranges: readonly AddressRange[];
}

export type ScopeKind = 'function' | 'inlined' | 'block';

/** A scope of a function. Children of the function are blocks and inlined calls, in the file's order. */
export interface Scope {
  readonly kind: ScopeKind;
  readonly entry: Entry;
  readonly ranges: readonly AddressRange[];
  readonly children: readonly Scope[];
}

const DEEPEST_SCOPE = 200;
const MOST_SCOPES = 100_000;

/** What a unit has of functions. */
export interface UnitFunctions {
  /** Functions with code of their own in the file's order, nested ones included. */
  readonly list: readonly UnitFunction[];
  /** Entries of functions that were inlined somewhere in the unit. */
  readonly inlined: readonly number[];
}

/** Finds the functions of a unit in one walk. What cannot be read is a warning, and the rest is kept. */
export function functionsOf(unit: Unit, rangeBudget: number): UnitFunctions {
  const list: UnitFunction[] = [];
  const inlined: number[] = [];
  const { warnings } = unit.debugInfo;
  warnings.attempt(() => unit.walk(entry => {
    switch (entry.tag) {
      case Tag.subprogram: {
        const ranges = warnings.attempt(() => rangesOf(entry), []);
        rangeBudget -= ranges.length;
        if (rangeBudget < 0) throw new SymbolError('a unit has more address ranges than its file has bytes', `.debug_info+${hex(entry.offset)}`);
        if (ranges.length > 0) list.push({ entryOffset: entry.offset, ranges });
        else if (entry.has(At.inline)) inlined.push(entry.offset);
        // Only code can contain further code: declarations and abstract instances cannot.
        return ranges.length > 0 ? undefined : 'skip';
      }
      case Tag.enumerationType: case Tag.subroutineType: case Tag.arrayType: return 'skip';
      default: return undefined;
    }
  }), undefined);
  return { list, inlined };
}

/** The calls of a function that were inlined into a scope, at any depth. `originOffset` is the entry of the abstract function. */
export function inlinedCalls(scope: Scope, originOffset: number): Scope[] {
  return scope.children.flatMap(child => [
    ...(child.kind === 'inlined' && child.entry.reference(At.abstractOrigin) === originOffset ? [child] : []), ...inlinedCalls(child, originOffset),
  ]);
}

/** Builds the scopes of a function. Throws SymbolError when its entries cannot be read. */
export function buildScopes(entry: Entry): Scope {
  let left = MOST_SCOPES;
  const build = (current: Entry, kind: ScopeKind, ranges: readonly AddressRange[], depth: number): Scope => {
    const children: Scope[] = [];
    if (depth < DEEPEST_SCOPE) {
      for (const child of current.children()) {
        const kindOfChild = child.tag === Tag.lexicalBlock ? 'block' : child.tag === Tag.inlinedSubroutine ? 'inlined' : undefined;
        if (!kindOfChild || left-- <= 0) continue;
        const own = rangesOf(child);
        left -= own.length;
        // A block without addresses of its own only groups declarations.
        children.push(build(child, kindOfChild, own.length > 0 || kindOfChild === 'inlined' ? own : ranges, depth + 1));
      }
    }
    return { kind, entry: current, ranges, children };
  };
  return build(entry, 'function', rangesOf(entry), 0);
}

/** The chain of scopes at an address, from the function inwards; empty when the function does not contain it. */
export function scopesAt(root: Scope, address: bigint): Scope[] {
  const chain: Scope[] = [];
  let scope: Scope | undefined = contains(root, address) ? root : undefined;
  while (scope) {
    chain.push(scope);
    scope = scope.children.find(child => contains(child, address));
  }
  return chain;
}

export function contains(scope: { readonly ranges: readonly AddressRange[] }, address: bigint): boolean {
  return scope.ranges.some(range => address >= range.start && address < range.end);
}

/** The address at which execution enters a scope: its entry address, or the start of its first range. */
export function entryAddress(scope: Scope): bigint {
  const raw = scope.entry.raw(At.entryPc);
  if (raw?.kind === 'address' || raw?.kind === 'addressIndex') return scope.entry.address(At.entryPc)!;
  const first = scope.ranges[0]?.start ?? 0n;
  return raw?.kind === 'constant' ? first + raw.value : first;
}
