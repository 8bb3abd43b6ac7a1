// Typed values of a running program, as a lazy tree: each has a text, and members, elements or a pointed-to object as children that are
// read when asked for. Nothing is cached: a value is as old as the memory that its target reads.

import type { Location } from '../dwarf/expression';
import { sizeOf, strip, typeName, type ArrayCType, type CType, type Member, type StructureCType } from '../types/c-type';
import { addressOf, failure, partOf, readBits, success, writeBits, type ObjectPlace, type Outcome, type TargetReader, type TargetWrite } from './object-place';
import { escaped, parseScalar, scalarText, type TextOptions } from './scalar-text';

/** What values need beyond reading: names for addresses, the length of dynamic arrays, objects that pointers without an address mean. */
export interface ValueTarget extends TargetReader {
  /** `handle_exit`, `table+16`: a name for an address, if there is one. */
  nameOf?(address: bigint): string | undefined;
  /** The number of elements of an array whose bound only the running program knows. */
  dynamicCount?(bound: number): number | undefined;
  /** The object that an implicit pointer points to. */
  pointedTo?(entryOffset: number): Location | undefined;
}

const LONGEST_STRING = 200;
const MOST_CHILDREN_AT_ONCE = 1000;
const SUMMARY_LENGTH = 100;
const DEEPEST_SUMMARY = 2;
const MOST_DYNAMIC_ELEMENTS = 2 ** 32;

export class Value {
  /** `rip`, `[3]`, `*p`; undefined for anonymous members. */
  readonly name: string | undefined;
  readonly type: CType;
  readonly place: ObjectPlace;
  private readonly target: ValueTarget;
  private readonly isBitField: boolean;

  constructor(name: string | undefined, type: CType, place: ObjectPlace, target: ValueTarget, isBitField = false) {
    this.name = name;
    this.type = type;
    this.place = place;
    this.target = target;
    this.isBitField = isBitField;
  }

  /** The type as C writes it; bit fields with their width. */
  get typeName(): string {
    return this.isBitField ? `${typeName(this.type)} : ${this.place.bitSize}` : typeName(this.type);
  }

  /** The runtime address of an object in memory; undefined for bit fields and objects elsewhere. */
  get address(): bigint | undefined {
    return this.isBitField ? undefined : addressOf(this.place);
  }

  get size(): number | undefined {
    return sizeOf(this.type);
  }

  /** The bits of a scalar, or why they cannot be had. */
  bits(): Outcome<bigint> {
    return readBits(this.place, this.target);
  }

  /** A scalar as a number with the sign of its type; fails for anything else. */
  integer(): Outcome<bigint> {
    const type = strip(this.type);
    if (type.kind !== 'base' && type.kind !== 'enumeration' && type.kind !== 'pointer') return failure(`${this.typeName} is not a number`);
    const bits = this.bits();
    if (!bits.ok) return bits;
    const isSigned = type.kind === 'enumeration' ? type.isSigned : type.kind === 'base' && (type.encoding === 'signed' || type.encoding === 'signedChar');
    return success(isSigned ? BigInt.asIntN(this.place.bitSize ?? 64, bits.value) : bits.value);
  }

  /** The value for people, on one line. What cannot be read says so between angle brackets. */
  text(options: TextOptions = {}): string {
    return this.summary(options, 0);
  }

  private summary(options: TextOptions, depth: number): string {
    const { location } = this.place;
    if (location.kind === 'unavailable') return `<${location.reason}>`;
    const type = strip(this.type);
    switch (type.kind) {
      case 'structure': return type.isDeclaration ? '<incomplete type>' : this.structureSummary(type, options, depth);
      case 'array': return this.arraySummary(type, options, depth);
      case 'function': return this.functionText();
      case 'void': return '<void>';
      case 'unknown': return `<${type.reason}>`;
      case 'pointer': return this.pointerText(type, depth);
      default: {
        const bits = this.bits();
        return bits.ok ? scalarText(this.type, bits.value, this.place.bitSize ?? 0, options) : `<${bits.reason}>`;
      }
    }
  }

  private functionText(): string {
    const { address } = this;
    return address === undefined ? '<function>' : `{${this.typeName}} 0x${address.toString(16)}${this.symbolic(address)}`;
  }

  private symbolic(address: bigint): string {
    const name = this.target.nameOf?.(address);
    return name === undefined ? '' : ` <${name}>`;
  }

  private pointerText(type: CType & { kind: 'pointer' }, depth: number): string {
    const { location } = this.place;
    if (location.kind === 'implicitPointer') {
      // An implicit pointer can lead to itself.
      const object = depth < DEEPEST_SUMMARY ? this.dereference() : failure('');
      return object.ok ? `<optimized away> -> ${object.value.summary({}, DEEPEST_SUMMARY)}` : '<pointer to an object that was optimized away>';
    }
    const bits = this.bits();
    if (!bits.ok) return `<${bits.reason}>`;
    const text = `0x${bits.value.toString(16)}`;
    if (bits.value === 0n) return text;
    const element = strip(type.target);
    if (isCharacter(element) && depth < DEEPEST_SUMMARY) {
      const string = this.stringAt(bits.value, LONGEST_STRING);
      return string === undefined ? text : `${text} ${string}`;
    }
    return text + this.symbolic(bits.value);
  }

  /** Text in memory up to a zero byte, quoted; undefined when not even its first byte can be read. */
  private stringAt(address: bigint, limit: number): string | undefined {
    let text = '';
    let at = address;
    // Page by page, since the text may end shortly before memory that cannot be read.
    for (let left = limit; left > 0;) {
      const length = Math.min(left, 64 - Number(at % 64n));
      const bytes = this.target.readMemory(at, length);
      if (!bytes || bytes.length < length) return at === address ? undefined : `"${text}"...`;
      const end = bytes.indexOf(0);
      text += [...(end < 0 ? bytes.subarray(0, length) : bytes.subarray(0, end))].map(quotedCharacter).join('');
      if (end >= 0) return `"${text}"`;
      at += BigInt(length);
      left -= length;
    }
    return `"${text}"...`;
  }

  private structureSummary(type: StructureCType, options: TextOptions, depth: number): string {
    if (depth >= DEEPEST_SUMMARY) return '{...}';
    return this.listed(type.members.length, i => {
      const child = this.memberValue(type.members[i]!);
      const text = child.summary(options, depth + 1);
      return child.name === undefined ? text : `${child.name} = ${text}`;
    });
  }

  private arraySummary(type: ArrayCType, options: TextOptions, depth: number): string {
    const count = this.elementCount(type);
    if (count === undefined) return '<array of unknown length>';
    const element = strip(type.element);
    if (isCharacter(element) && element.kind === 'base' && element.encoding !== 'unsignedChar') return this.characterArrayText(Math.min(count, LONGEST_STRING), count);
    if (depth >= DEEPEST_SUMMARY) return '{...}';
    return this.listed(count, i => this.elementValue(type, i).summary(options, depth + 1));
  }

  private characterArrayText(length: number, count: number): string {
    const bits = readBits(partOf(this.place, 0, length * 8), this.target);
    if (!bits.ok) return `<${bits.reason}>`;
    const codes = Array.from({ length }, (_, i) => Number((bits.value >> BigInt(i * 8)) & 0xffn));
    const end = codes.indexOf(0);
    const text = codes.slice(0, end < 0 ? length : end).map(quotedCharacter).join('');
    return `"${text}"${end < 0 && length < count ? '...' : ''}`;
  }

  private listed(count: number, textOf: (index: number) => string): string {
    let text = '';
    for (let i = 0; i < count; i++) {
      if (text.length > SUMMARY_LENGTH) return `{${text}, ...}`;
      text += (i === 0 ? '' : ', ') + textOf(i);
    }
    return `{${text}}`;
  }

  /** How many children the value has: members, elements, or 1 for what a pointer points to. Reads memory for dynamic arrays only. */
  get childCount(): number {
    const type = strip(this.type);
    if (this.place.location.kind === 'unavailable') return 0;
    switch (type.kind) {
      case 'structure': return type.members.length;
      case 'array': return this.elementCount(type) ?? 0;
      case 'pointer': return this.canDereference(type) ? 1 : 0;
      default: return 0;
    }
  }

  private canDereference(type: CType & { kind: 'pointer' }): boolean {
    const target = strip(type.target);
    if (target.kind === 'void' || target.kind === 'unknown' || target.kind === 'function' || (target.kind === 'structure' && target.isDeclaration)) return false;
    if (this.place.location.kind === 'implicitPointer') return true;
    const bits = this.bits();
    return bits.ok && bits.value !== 0n;
  }

  private elementCount(type: ArrayCType): number | undefined {
    if (type.count === 'unknown') return 0;
    if (type.count !== 'dynamic') return type.count;
    const count = type.bound === undefined ? undefined : this.target.dynamicCount?.(type.bound);
    return count !== undefined && count >= 0 && count <= MOST_DYNAMIC_ELEMENTS ? count : undefined;
  }

  /** Children [start, start + count), at most 1000 at once. */
  children(start = 0, count = MOST_CHILDREN_AT_ONCE): Value[] {
    const type = strip(this.type);
    const end = Math.min(this.childCount, start + Math.min(count, MOST_CHILDREN_AT_ONCE));
    const result: Value[] = [];
    for (let i = start; i < end; i++) {
      if (type.kind === 'structure') result.push(this.memberValue(type.members[i]!));
      else if (type.kind === 'array') result.push(this.elementValue(type, i));
      else {
        const object = this.dereference();
        if (object.ok) result.push(object.value);
      }
    }
    return result;
  }

  private memberValue(member: Member): Value {
    const size = sizeOf(member.type);
    const bitSize = member.bitSize ?? (size === undefined ? undefined : size * 8);
    const name = member.isBaseClass ? typeName(member.type) : member.name;
    return new Value(name, member.type, partOf(this.place, member.bitOffset, bitSize), this.target, member.bitSize !== undefined);
  }

  private elementValue(type: ArrayCType, index: number): Value {
    const bitSize = (this.elementSize(type) ?? 0) * 8;
    return new Value(`[${index}]`, type.element, partOf(this.place, index * bitSize, bitSize), this.target);
  }

  /** Elements can be arrays of dynamic length themselves. */
  private elementSize(type: ArrayCType, depth = 0): number | undefined {
    const element = strip(type.element);
    if (element.kind !== 'array' || depth > 16) return sizeOf(element);
    const inner = this.elementSize(element, depth + 1);
    const count = this.elementCount(element);
    return inner === undefined || count === undefined ? undefined : inner * count;
  }

  /** A member by name, searched in anonymous members and base classes too. */
  member(name: string): Outcome<Value> {
    const found = this.findMember(name, 0);
    return found ? success(found) : failure(`${this.typeName} has no member '${name}'`);
  }

  get isArray(): boolean {
    return strip(this.type).kind === 'array';
  }

  /** Names of members, those of anonymous ones included. */
  memberNames(depth = 0): string[] {
    const type = strip(this.type);
    if (type.kind !== 'structure' || depth > 16) return [];
    return type.members.flatMap(member => member.name !== undefined && !member.isBaseClass ? [member.name] : this.memberValue(member).memberNames(depth + 1));
  }

  private findMember(name: string, depth: number): Value | undefined {
    const type = strip(this.type);
    if (type.kind !== 'structure' || depth > 16) return undefined;
    const direct = type.members.find(member => member.name === name && !member.isBaseClass);
    if (direct) return this.memberValue(direct);
    for (const member of type.members) {
      const inner = member.name === undefined || member.isBaseClass ? this.memberValue(member).findMember(name, depth + 1) : undefined;
      if (inner) return inner;
    }
    return undefined;
  }

  /** Element `index` of an array, or of the array that a pointer points into. */
  element(index: number): Outcome<Value> {
    const type = strip(this.type);
    if (type.kind === 'array') return success(this.elementValue(type, index));
    if (type.kind !== 'pointer') return failure(`${this.typeName} has no elements`);
    const bits = this.bits();
    const size = sizeOf(type.target);
    if (!bits.ok) return bits;
    if (size === undefined) return failure(`the size of ${typeName(type.target)} is not known`);
    return success(this.at(`[${index}]`, type.target, bits.value + BigInt(index * size)));
  }

  /** What a pointer points to. The memory itself is not touched yet. */
  dereference(): Outcome<Value> {
    const type = strip(this.type);
    if (type.kind !== 'pointer') return failure(`${this.typeName} is not a pointer`);
    const name = `*${this.name ?? ''}`;
    const { location } = this.place;
    if (location.kind === 'implicitPointer') {
      const object = this.target.pointedTo?.(location.entryOffset);
      const size = sizeOf(type.target);
      if (!object) return failure('the object was optimized away');
      return success(new Value(name, type.target, partOf({ location: object, bitOffset: 0, bitSize: undefined }, location.byteOffset * 8, size === undefined ? undefined : size * 8), this.target));
    }
    const bits = this.bits();
    return bits.ok ? success(this.at(name, type.target, bits.value)) : bits;
  }

  private at(name: string, type: CType, address: bigint): Value {
    return new Value(name, type, placeAt(type, { kind: 'memory', address: BigInt.asUintN(64, address) }), this.target);
  }

  /** Whether `assign` can succeed: a scalar with a place. */
  get isWritable(): boolean {
    const type = strip(this.type);
    if (type.kind !== 'base' && type.kind !== 'pointer' && type.kind !== 'enumeration') return false;
    return writeBits(this.place, 0n, this.target).ok;
  }

  /** The writes that give the value what a text means; nothing is written here. Fails with a sentence for the user. */
  assign(text: string): Outcome<TargetWrite[]> {
    const type = strip(this.type);
    if (type.kind !== 'base' && type.kind !== 'pointer' && type.kind !== 'enumeration') return failure(`a value of type ${this.typeName} cannot be set as a whole`);
    const bits = parseScalar(this.type, text, this.place.bitSize ?? 0);
    return bits.ok ? writeBits(this.place, bits.value, this.target) : bits;
  }
}

/** The whole of an object of a type at a location. */
export function placeAt(type: CType, location: Location): ObjectPlace {
  const size = sizeOf(type);
  return { location, bitOffset: 0, bitSize: size === undefined ? undefined : size * 8 };
}

function isCharacter(type: CType): boolean {
  return type.kind === 'base' && type.size === 1 && (type.encoding === 'signedChar' || type.encoding === 'unsignedChar' || type.encoding === 'utf');
}

function quotedCharacter(code: number): string {
  return code === 34 ? '\\"' : escaped(code);
}
