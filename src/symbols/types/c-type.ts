// Types of C and C++ as a debugger sees them: sizes, members, names. Members, targets and elements are found when asked for, since types
// refer to each other in circles. Sizes are bytes, offsets of members bits from the start of the object (little-endian).

export type BaseEncoding = 'signed' | 'unsigned' | 'signedChar' | 'unsignedChar' | 'boolean' | 'float' | 'complex' | 'utf' | 'address';

export interface BaseCType {
  readonly kind: 'base';
  readonly name: string;
  readonly size: number;
  readonly encoding: BaseEncoding;
}

export interface PointerCType {
  readonly kind: 'pointer';
  readonly size: number;
  /** `&` and `&&` for C++ references. */
  readonly symbol: '*' | '&' | '&&';
  readonly target: CType;
}

export interface ArrayCType {
  readonly kind: 'array';
  readonly element: CType;
  /** Elements; 'unknown' for `x[]`, 'dynamic' when only a running program knows (see `bound`). */
  readonly count: number | 'unknown' | 'dynamic';
  /** Offset of the entry that describes a dynamic bound. */
  readonly bound: number | undefined;
}

export interface Member {
  /** Undefined for anonymous structures and unions. */
  readonly name: string | undefined;
  readonly type: CType;
  readonly bitOffset: number;
  /** For bit fields alone. */
  readonly bitSize: number | undefined;
  readonly isBaseClass: boolean;
}

export interface StructureCType {
  readonly kind: 'structure';
  readonly keyword: 'struct' | 'union' | 'class';
  readonly name: string | undefined;
  readonly size: number;
  readonly members: readonly Member[];
  /** The file has no definition of it. */
  readonly isDeclaration: boolean;
}

export interface EnumerationCType {
  readonly kind: 'enumeration';
  readonly name: string | undefined;
  readonly size: number;
  readonly isSigned: boolean;
  readonly enumerators: readonly { readonly name: string; readonly value: bigint }[];
}

export interface TypedefCType {
  readonly kind: 'typedef';
  readonly name: string;
  readonly target: CType;
}

export interface QualifiedCType {
  readonly kind: 'qualified';
  readonly qualifier: 'const' | 'volatile' | 'restrict' | '_Atomic';
  readonly target: CType;
}

export interface FunctionCType {
  readonly kind: 'function';
  readonly returns: CType;
  readonly parameters: readonly CType[];
  readonly isVariadic: boolean;
  readonly isPrototyped: boolean;
}

export interface VoidCType {
  readonly kind: 'void';
}

/** A type that cannot be understood; `name` is what is known of it. */
export interface UnknownCType {
  readonly kind: 'unknown';
  readonly name: string;
  readonly reason: string;
}

export type CType = BaseCType | PointerCType | ArrayCType | StructureCType | EnumerationCType | TypedefCType | QualifiedCType | FunctionCType | VoidCType | UnknownCType;

export const voidType: VoidCType = { kind: 'void' };

/** Chains of typedefs, qualifiers and dimensions are followed this far; sound files stay far below. */
const DEEPEST_CHAIN = 64;
/** What a declaration may spell out, in characters of names and steps; a deeper one is cut with `...`. */
const LONGEST_DECLARATION = 4096;

/** The type below typedefs and qualifiers. */
export function strip(type: CType): Exclude<CType, TypedefCType | QualifiedCType> {
  let current = type;
  for (let depth = 0; current.kind === 'typedef' || current.kind === 'qualified'; depth++) {
    if (depth > DEEPEST_CHAIN) return { kind: 'unknown', name: typeName(type), reason: 'the type refers to itself' };
    current = current.target;
  }
  return current;
}

/** Bytes of an object of the type; undefined for functions, void, incomplete types and arrays of unknown length. */
export function sizeOf(type: CType): number | undefined {
  let factor = 1;
  let current = strip(type);
  for (let depth = 0; current.kind === 'array'; depth++) {
    if (typeof current.count !== 'number' || depth > DEEPEST_CHAIN) return undefined;
    factor *= current.count;
    current = strip(current.element);
  }
  if (current.kind === 'base' || current.kind === 'pointer' || current.kind === 'enumeration' || (current.kind === 'structure' && !current.isDeclaration)) {
    const size = factor * current.size;
    return Number.isSafeInteger(size) ? size : undefined;
  }
  return undefined;
}

/** The type as C writes it: `struct vcpu *`, `int (*)[4]`, `void (*)(int, ...)`. */
export function typeName(type: CType): string {
  return declaration(type, '');
}

/** A declaration of `name` with the type, as C writes it. */
export function declaration(type: CType, name: string): string {
  let written = 0;
  return declare(type, name, 0).trim();

  function declare(type: CType, inner: string, depth: number): string {
    // A function type can name another one for each parameter, and so on: the text of damaged types would double with every step.
    written += 1 + ('name' in type ? type.name?.length ?? 0 : 0);
    if (depth > DEEPEST_CHAIN || written > LONGEST_DECLARATION) return `... ${inner}`;
    const join = (base: string): string => (inner === '' ? base : `${base} ${inner}`);
    switch (type.kind) {
      case 'base': case 'typedef': case 'unknown': return join(type.name);
      case 'void': return join('void');
      case 'structure': return join(type.keyword === 'class' ? type.name ?? 'class {...}' : `${type.keyword} ${type.name ?? '{...}'}`);
      case 'enumeration': return join(`enum ${type.name ?? '{...}'}`);
      case 'pointer': {
        const target = type.target;
        const isWrapped = target.kind === 'array' || target.kind === 'function';
        return declare(target, isWrapped ? `(${type.symbol}${inner})` : `${type.symbol}${inner}`, depth + 1);
      }
      case 'array': return declare(type.element, `${inner}[${typeof type.count === 'number' ? type.count : ''}]`, depth + 1);
      case 'function': {
        const parameters = type.parameters.slice(0, 32).map(parameter => declare(parameter, '', depth + 1));
        if (type.isVariadic) parameters.push('...');
        if (parameters.length === 0 && type.isPrototyped) parameters.push('void');
        return declare(type.returns, `${inner}(${parameters.join(', ')})`, depth + 1);
      }
      case 'qualified': {
        // A qualifier of a pointer stands behind its star, any other before the type.
        const target = type.target;
        if (target.kind === 'pointer') {
          const isWrapped = target.target.kind === 'array' || target.target.kind === 'function';
          const qualified = `${target.symbol}${inner === '' ? type.qualifier : `${type.qualifier} ${inner}`}`;
          return declare(target.target, isWrapped ? `(${qualified})` : qualified, depth + 1);
        }
        return `${type.qualifier} ${declare(target, inner, depth + 1)}`;
      }
    }
  }
}
