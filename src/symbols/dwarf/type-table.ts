// C types from their entries (DWARF 5, chapter 5 'Type Entries'). Each entry becomes one object, shared by all that refer to it; what it
// refers to is resolved on demand, so that circles cost nothing. A type that cannot be read becomes an 'unknown' with the reason.

import { voidType, type ArrayCType, type BaseEncoding, type CType, type EnumerationCType, type Member, type QualifiedCType } from '../types/c-type';
import { SymbolError } from '../symbol-error';
import { At, Encoding, Tag } from './constants';
import type { DebugInfo, Entry } from './debug-info';
import { evaluateValue } from './expression';

const MOST_MEMBERS = 20_000;
const DEEPEST_REFERENCE = 32;
const LARGEST_OBJECT = 2 ** 40;

const encodings: Readonly<Record<number, BaseEncoding>> = {
  [Encoding.address]: 'address', [Encoding.boolean]: 'boolean', [Encoding.complexFloat]: 'complex', [Encoding.float]: 'float', [Encoding.signed]: 'signed',
  [Encoding.signedChar]: 'signedChar', [Encoding.unsigned]: 'unsigned', [Encoding.unsignedChar]: 'unsignedChar', [Encoding.utf]: 'utf',
};

const qualifiers: Readonly<Record<number, QualifiedCType['qualifier']>> = {
  [Tag.constType]: 'const', [Tag.volatileType]: 'volatile', [Tag.restrictType]: 'restrict', [Tag.atomicType]: '_Atomic',
};

export class TypeTable {
  private readonly debugInfo: DebugInfo;
  private readonly types = new Map<number, CType>();
  private nesting = 0;
  private definitions: Map<string, number> | undefined;

  constructor(debugInfo: DebugInfo) {
    this.debugInfo = debugInfo;
  }

  /** The type that an entry's DW_AT_type names, or void. The origin's type counts for an entry without one of its own. */
  typeOf(entry: Entry): CType {
    return this.guarded(() => {
      const offset = entry.inherited(each => each.reference(At.type));
      return offset === undefined ? voidType : this.typeAt(offset);
    });
  }

  /** The type described by the entry at an offset of .debug_info. */
  typeAt(offset: number): CType {
    let type = this.types.get(offset);
    if (!type) {
      // Only references from one incomplete type to another nest here; in a damaged file they can go on without end.
      if (this.nesting >= DEEPEST_REFERENCE) return { kind: 'unknown', name: '(damaged type)', reason: 'the type refers to itself' };
      this.nesting++;
      type = this.guarded(() => this.build(this.debugInfo.entryAt(offset)));
      this.nesting--;
      this.types.set(offset, type);
    }
    return type;
  }

  private guarded(work: () => CType): CType {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.debugInfo.warnings.add(error.message);
      return { kind: 'unknown', name: '(damaged type)', reason: error.what };
    }
  }

  private build(entry: Entry): CType {
    const name = entry.text(At.name);
    const size = sizeAttribute(entry);
    const { addressSize } = entry.unit.header;
    const table = this;
    switch (entry.tag) {
      case Tag.baseType: return { kind: 'base', name: usualName(name ?? '(unnamed)'), size, encoding: encodings[entry.number(At.encoding) ?? 0] ?? 'unsigned' };
      case Tag.unspecifiedType: return { kind: 'unknown', name: name ?? '(unspecified)', reason: 'the language leaves the type open' };
      case Tag.pointerType: case Tag.referenceType: case Tag.rvalueReferenceType:
        return {
          kind: 'pointer', size: size || addressSize, symbol: entry.tag === Tag.pointerType ? '*' : entry.tag === Tag.referenceType ? '&' : '&&',
          get target() { return table.typeOf(entry); },
        };
      case Tag.typedef: return { kind: 'typedef', name: name ?? '(unnamed)', get target() { return table.typeOf(entry); } };
      case Tag.constType: case Tag.volatileType: case Tag.restrictType: case Tag.atomicType:
        return { kind: 'qualified', qualifier: qualifiers[entry.tag]!, get target() { return table.typeOf(entry); } };
      case Tag.structureType: case Tag.classType: case Tag.unionType: return this.structure(entry, name, size);
      case Tag.enumerationType: return this.enumeration(entry, name, size);
      case Tag.arrayType: return this.array(entry);
      case Tag.subroutineType: case Tag.subprogram: {
        const children = [...entry.children()].slice(0, MOST_MEMBERS);
        return {
          kind: 'function', isVariadic: children.some(child => child.tag === Tag.unspecifiedParameters), isPrototyped: entry.flag(At.prototyped),
          get returns() { return table.typeOf(entry); },
          get parameters() { return children.filter(child => child.tag === Tag.formalParameter).map(child => table.typeOf(child)); },
        };
      }
      default: return { kind: 'unknown', name: name ?? '(unknown type)', reason: `types with tag 0x${entry.tag.toString(16)} are not supported` };
    }
  }

  private structure(entry: Entry, name: string | undefined, size: number): CType {
    const keyword = entry.tag === Tag.unionType ? 'union' : entry.tag === Tag.classType ? 'class' : 'struct';
    const elsewhere = entry.reference(At.signature);
    if (elsewhere !== undefined && elsewhere !== entry.offset) return this.typeAt(elsewhere);
    if (entry.flag(At.declaration)) {
      const definition = entry.has(At.name) && name !== undefined ? this.definitionOf(entry.tag, name, entry.unit) : undefined;
      if (definition !== undefined && definition !== entry.offset) return this.typeAt(definition);
      return { kind: 'structure', keyword, name, size: 0, isDeclaration: true, members: [] };
    }
    let members: Member[] | undefined;
    const table = this;
    return {
      kind: 'structure', keyword, name, size, isDeclaration: false,
      get members() { return (members ??= table.debugInfo.warnings.attempt(() => table.members(entry), [])); },
    };
  }

  /** A structure that this unit only declares, defined in the same unit or elsewhere. */
  private definitionOf(tag: number, name: string, from: Entry['unit']): number | undefined {
    const key = `${tag} ${name}`;
    for (const child of from.root.children()) {
      if (child.tag === tag && !child.flag(At.declaration) && child.text(At.name) === name) return child.offset;
    }
    if (!this.definitions) {
      this.definitions = new Map();
      for (const unit of this.debugInfo.units) {
        this.debugInfo.warnings.attempt(() => {
          for (const child of unit.root.children()) {
            if (child.tag !== Tag.structureType && child.tag !== Tag.unionType && child.tag !== Tag.classType) continue;
            const own = child.flag(At.declaration) ? undefined : child.text(At.name);
            if (own !== undefined && !this.definitions!.has(`${child.tag} ${own}`)) this.definitions!.set(`${child.tag} ${own}`, child.offset);
          }
        }, undefined);
      }
    }
    return this.definitions.get(key);
  }

  private members(entry: Entry): Member[] {
    const members: Member[] = [];
    for (const child of entry.children()) {
      if (members.length >= MOST_MEMBERS) break;
      const isBaseClass = child.tag === Tag.inheritance;
      if (child.tag !== Tag.member && !isBaseClass) continue;
      if (child.flag(At.external) || child.flag(At.declaration)) continue; // a static member lives elsewhere
      this.debugInfo.warnings.attempt(() => {
        const type = this.typeOf(child);
        members.push({ name: child.text(At.name), type, isBaseClass, ...memberPlace(child, type) });
      }, undefined);
    }
    return members;
  }

  private enumeration(entry: Entry, name: string | undefined, size: number): EnumerationCType {
    const enumerators: { name: string; value: bigint }[] = [];
    for (const child of entry.children()) {
      if (child.tag !== Tag.enumerator || enumerators.length >= MOST_MEMBERS) continue;
      enumerators.push({ name: child.text(At.name) ?? '', value: child.constant(At.constValue) ?? 0n });
    }
    const encoding = entry.number(At.encoding) ?? entry.referenced(At.type)?.number(At.encoding);
    const isSigned = encoding === Encoding.signed || encoding === Encoding.signedChar || (encoding === undefined && enumerators.some(each => each.value < 0n));
    return { kind: 'enumeration', name, size: size || 4, isSigned, enumerators };
  }

  /** Dimensions are children in order, so that the first is the outermost array. */
  private array(entry: Entry): CType {
    const dimensions: { count: ArrayCType['count']; bound: number | undefined }[] = [];
    for (const child of entry.children()) {
      if (child.tag !== Tag.subrangeType && child.tag !== Tag.enumerationType) continue;
      if (dimensions.length === 16) break;
      dimensions.push(dimension(child));
    }
    if (dimensions.length === 0) dimensions.push({ count: 'unknown', bound: undefined });
    const table = this;
    const make = (level: number): CType => level === dimensions.length ? table.typeOf(entry) : {
      kind: 'array', ...dimensions[level]!,
      get element() { return make(level + 1); },
    };
    return make(0);
  }
}

/** Compilers write `long unsigned int`; people write `unsigned long`. */
function usualName(name: string): string {
  if (!/^((un)?signed |long |short )*int$/.test(name) || name === 'int') return name;
  const words = name.split(' ');
  const sign = words.includes('unsigned') ? ['unsigned'] : [];
  const length = words.filter(word => word === 'long' || word === 'short');
  return [...sign, ...(length.length > 0 ? length : ['int'])].join(' ');
}

function sizeAttribute(entry: Entry): number {
  const size = entry.number(At.byteSize) ?? 0;
  if (size > LARGEST_OBJECT) throw new SymbolError(`a type of ${size} bytes`, '.debug_info');
  return size;
}

function dimension(entry: Entry): { count: ArrayCType['count']; bound: number | undefined } {
  const sized = entry.raw(At.count) ?? entry.raw(At.upperBound);
  if (!sized) return { count: 'unknown', bound: undefined };
  if (sized.kind !== 'constant') return { count: 'dynamic', bound: entry.offset };
  const lower = Number(entry.constant(At.lowerBound) ?? 0n);
  // GCC writes the upper bound of `x[0]` as -1, in as many bytes as it likes.
  const upper = Number(sized.size > 0 ? BigInt.asIntN(sized.size === 1 || sized.size === 2 ? 64 : sized.size * 8, sized.value) : sized.value);
  const count = entry.has(At.count) ? upper : upper - lower + 1;
  return { count: Number.isSafeInteger(count) && count >= 0 ? count : 0, bound: undefined };
}

/** Where a member lies. Before DWARF 5 bit fields count from the most significant bit of their storage unit. */
function memberPlace(entry: Entry, type: CType): { bitOffset: number; bitSize: number | undefined } {
  const location = entry.raw(At.dataMemberLocation);
  let byteOffset = 0;
  if (location?.kind === 'constant') byteOffset = Number(location.value);
  else if (location?.kind === 'block') byteOffset = memberOffset(location.bytes, entry);
  const bitSize = entry.number(At.bitSize);
  const checked = (bitOffset: number): { bitOffset: number; bitSize: number | undefined } => {
    if (!Number.isSafeInteger(bitOffset) || Math.abs(bitOffset) > LARGEST_OBJECT * 8 || (bitSize ?? 0) > 128) throw new SymbolError('a member lies outside any object', '.debug_info');
    return { bitOffset, bitSize };
  };
  const dataBitOffset = entry.number(At.dataBitOffset);
  if (dataBitOffset !== undefined) return checked(byteOffset * 8 + dataBitOffset);
  const fromTop = entry.constant(At.bitOffset);
  if (bitSize === undefined || fromTop === undefined) return checked(byteOffset * 8);
  const storage = entry.number(At.byteSize) ?? storageOf(type);
  return checked(byteOffset * 8 + storage * 8 - Number(BigInt.asIntN(64, fromTop)) - bitSize);
}

function storageOf(type: CType): number {
  for (let depth = 0; depth < 32; depth++) {
    if (type.kind === 'typedef' || type.kind === 'qualified') type = type.target;
    else return type.kind === 'base' || type.kind === 'enumeration' ? type.size : 4;
  }
  return 4;
}

/** A member offset written as an expression that is given the object's address: all but those of virtual base classes are constant. */
function memberOffset(expression: Uint8Array, entry: Entry): number {
  const { addressSize } = entry.unit.header;
  const context = { addressSize: addressSize as 4 | 8, bias: 0n, register: () => undefined, readMemory: () => undefined };
  return Number(evaluateValue(expression, context, [0n]));
}

