// The façade of this room: an image's bytes in; lines, functions, symbols, variables and unwinding out. Every address is link-time
// (as the file writes it) unless a parameter says runtime; a caller adds the bias of a relocated image. Everything but the ELF tables
// is read when first asked for, and what cannot be read ends up in `warnings`, not in an exception.

import { At, Tag } from './dwarf/constants';
import { DebugInfo, type Entry } from './dwarf/debug-info';
import { entryAddress, scopesAt, type Scope } from './dwarf/scopes';
import { TypeTable } from './dwarf/type-table';
import { PT_LOAD, SHF_ALLOC, SHF_EXECINSTR, parseElf, type ElfImage, type ElfSegment } from './elf';
import { Frame, type FrameState } from './frame';
import { GlobalIndex } from './global-index';
import { LineLookup, type LineAddress, type LineLocation } from './line-lookup';
import { RangeMap, type AddressRange } from './range-map';
import { SymbolTable, type ImageSymbol, type SymbolAt } from './symbol-table';
import { UnitIndex, linkageName } from './unit-index';
import { CallFrameInformation, type FrameSection } from './unwind/call-frame-information';
import { registersOf, type RegisterConvention, type RegisterValues } from './unwind/registers';
import { unwindFrame, type UnwindContext, type UnwindImage, type UnwindResult } from './unwind/unwinder';

export type { LineAddress, LineLocation } from './line-lookup';
export type { ImageSymbol, SymbolAt } from './symbol-table';
export type { UnwindContext, UnwindResult } from './unwind/unwinder';

/** A function with code, as debug information or the symbol table knows it. */
export interface FunctionInfo {
  readonly name: string;
  /** The linker's name, where it differs. */
  readonly linkageName: string | undefined;
  /** Where execution enters. */
  readonly address: bigint;
  readonly ranges: readonly AddressRange[];
  /** Where the source declares it; undefined for a function known only as a symbol. */
  readonly declaration: { readonly file: string; readonly line: number } | undefined;
  readonly isExternal: boolean;
  /** Declared as one that does not return to its caller. */
  readonly neverReturns: boolean;
  /** False when only the symbol table knows it. */
  readonly hasDebugInfo: boolean;
}

/** A source-level frame at an address: the function itself, or a call that was inlined into it. */
export interface SourceFrame {
  readonly name: string;
  readonly isInlined: boolean;
  /** The line being executed in this frame: of the address for the innermost, of the call for the others. */
  readonly location: { readonly file: string; readonly line: number; readonly column: number } | undefined;
  /** Where the frame's own code begins. */
  readonly entry: bigint;
}

/** A place where a function begins, for breakpoints. */
export interface FunctionPlace {
  readonly name: string;
  readonly address: bigint;
  readonly isInlined: boolean;
}

/** Symbols and debug information of one image. */
export class SymbolFile {
  readonly name: string;
  readonly image: ElfImage;
  /** What the image asks to be loaded (PT_LOAD). */
  readonly segments: readonly ElfSegment[];
  readonly registers: RegisterConvention;
  readonly units: UnitIndex;
  private readonly lines: LineLookup;
  private readonly codeMap: RangeMap;
  private readonly loadedMap: RangeMap;
  private table: SymbolTable | undefined;
  private frames: CallFrameInformation | undefined;
  private typeTable: TypeTable | undefined;
  private globalIndex: GlobalIndex | undefined;

  /** Throws SymbolError when the bytes are not an ELF image that can be read at all. */
  constructor(bytes: Uint8Array, name: string) {
    this.name = name;
    this.image = parseElf(bytes);
    this.segments = this.image.segments.filter(segment => segment.type === PT_LOAD);
    this.registers = registersOf(this.image.machine);
    if (this.image.type === 'relocatable') this.image.warnings.add('this is a relocatable object: its sections have no addresses yet, and relocations are not applied');
    const loaded = this.loadedRanges();
    this.loadedMap = new RangeMap(loaded.map((range, value) => ({ ...range, value })));
    this.codeMap = new RangeMap(loaded.filter(range => range.isCode).map(range => ({ ...range, value: 0 })));
    this.units = new UnitIndex(new DebugInfo(section => this.sectionBytes(section), this.image.warnings), address => this.loadedMap.find(address) !== undefined);
    this.lines = new LineLookup(this.units);
  }

  /** What could not be read so far. The list grows as more of the file is asked for. */
  get warnings(): readonly string[] {
    return this.image.warnings.texts;
  }

  get entry(): bigint {
    return this.image.entry;
  }

  get hasLines(): boolean {
    return this.sectionBytes('.debug_line').length > 0;
  }

  /** Allocated sections where there are sections, else segments: sections alone know that code is code and not the ELF header. */
  private loadedRanges(): (AddressRange & { isCode: boolean })[] {
    const sections = this.image.sections.filter(section => section.flags & SHF_ALLOC && Number.isSafeInteger(section.size) && section.size > 0);
    if (sections.length > 0) {
      return sections.map(section => ({ start: section.address, end: section.address + BigInt(section.size), isCode: (section.flags & SHF_EXECINSTR) !== 0 }));
    }
    return this.segments.filter(segment => Number.isSafeInteger(segment.memorySize))
      .map(segment => ({ start: segment.virtualAddress, end: segment.virtualAddress + BigInt(segment.memorySize), isCode: segment.executable }));
  }

  private sectionBytes(name: string): Uint8Array {
    const section = this.image.sectionNamed(name);
    return section ? this.image.sectionBytes(section) : new Uint8Array();
  }

  /** True for addresses of executable sections. */
  isCode(address: bigint): boolean {
    return this.codeMap.find(address) !== undefined;
  }

  /** The image's own bytes at a link-time address: those of the file, then zeros, cut where the segment ends. */
  textBytes(address: bigint, length: number): Uint8Array {
    const segment = this.segments.find(each => address >= each.virtualAddress && address < each.virtualAddress + BigInt(Math.min(each.memorySize, Number.MAX_SAFE_INTEGER)));
    if (!segment) return new Uint8Array();
    const offset = Number(address - segment.virtualAddress);
    const size = Math.max(0, Math.min(length, segment.memorySize - offset));
    const inFile = this.image.bytes.subarray(segment.fileOffset + offset, segment.fileOffset + Math.min(segment.fileSize, offset + size));
    if (inFile.length >= size) return inFile.subarray(0, size);
    const bytes = new Uint8Array(Math.min(size, 0x100_0000));
    bytes.set(inFile.subarray(0, bytes.length));
    return bytes;
  }

  /** The source line in effect at an address. */
  lineAt(address: bigint): LineLocation | undefined {
    return this.lines.lineAt(address);
  }

  /** The rows of the line table in a range of addresses, in order. */
  linesBetween(start: bigint, end: bigint, limit?: number): LineLocation[] {
    return this.lines.linesBetween(start, end, limit);
  }

  /** Where a line's code begins, one address for each function or inlined copy; the next line with code where it has none. */
  addressesOf(file: string, line: number): LineAddress[] {
    return this.lines.addressesOf(file, line);
  }

  /** Source files, sorted. */
  files(): string[] {
    return this.lines.files();
  }

  /** The files of the image that a path of the user's workspace means. */
  filesMatching(path: string): string[] {
    return this.lines.filesMatching(path);
  }

  private get symbolTable(): SymbolTable {
    return (this.table ??= new SymbolTable(this.image, address => this.isCode(address), address => this.loadedMap.find(address)?.value));
  }

  /** Functions, objects and labels in address order. */
  symbols(): readonly ImageSymbol[] {
    return this.symbolTable.symbols;
  }

  symbolsNamed(name: string): readonly ImageSymbol[] {
    return this.symbolTable.named(name);
  }

  /** The symbol that contains an address, and the distance from its start. */
  symbolAt(address: bigint): SymbolAt | undefined {
    return this.symbolTable.at(address, false);
  }

  /** The function that contains an address. */
  functionAt(address: bigint): FunctionInfo | undefined {
    const entry = this.units.functionAt(address);
    if (entry) return this.describe(entry);
    const found = this.symbolTable.at(address, true);
    return found && this.describeSymbol(found.symbol);
  }

  /**
   * Functions with code by source or linker's name, in address order. The symbol table answers where it can, since that needs no unit but the
   * function's own; names that it does not have (C++ source names) are looked up in all units.
   */
  functionsNamed(name: string): FunctionInfo[] {
    const bySymbol = this.symbolTable.codeNamed(name).map(symbol => this.functionAt(symbol.address) ?? this.describeSymbol(symbol));
    const found = bySymbol.length > 0 ? bySymbol : this.units.functionsNamed(name).map(entry => this.describe(entry));
    return [...new Map(found.map(info => [info.address, info])).values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /**
   * Where a breakpoint on a function should stop: in each function of the name after the code that saves its arguments, and where each inlined
   * copy begins. The first call reads every unit, unless `prepare` has.
   */
  placesOf(name: string): FunctionPlace[] {
    const places: FunctionPlace[] = this.functionsNamed(name).map(info => ({ name: info.name, address: this.breakAddress(info), isInlined: false }));
    for (const scope of this.units.inlinedCopiesOf(name)) {
      const address = this.attempt(() => entryAddress(scope), undefined);
      if (address !== undefined && this.isCode(address)) places.push({ name: this.nameOf(scope.entry), address, isInlined: true });
    }
    return [...new Map(places.map(place => [place.address, place])).values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /**
   * Builds the indices over all units in small steps; yields the part done, 0 to 1. Not needed for small images: whatever is asked first
   * builds what it needs.
   */
  *prepare(): Generator<number, void> {
    const stages = [this.units.prepare(), this.globals().prepare()];
    for (const [i, stage] of stages.entries()) for (const done of stage) yield (i + done) / stages.length;
  }

  /** Where a breakpoint on one function should stop: after the code that saves its arguments. */
  breakAddress(info: FunctionInfo): bigint {
    const entry = this.units.functionAt(info.address);
    return entry ? this.lines.afterPrologue(entry, info.address) : info.address;
  }

  /** The chain of scopes of debug information at an address, from the function inwards; empty without debug information. */
  scopesAt(address: bigint): Scope[] {
    const entry = this.units.functionAt(address);
    return entry ? scopesAt(this.units.scopesOf(entry), address) : [];
  }

  /** The source-level frames at an address, innermost first: inlined calls, then the function itself. Empty when no function is known. */
  sourceFramesAt(address: bigint): SourceFrame[] {
    const chain = this.scopesAt(address).filter(scope => scope.kind !== 'block').reverse();
    let location: SourceFrame['location'] = this.lineAt(address);
    if (chain.length === 0) {
      const info = this.functionAt(address);
      return info ? [{ name: info.name, isInlined: false, location, entry: info.address }] : [];
    }
    return chain.map(scope => {
      const frame: SourceFrame = { name: this.nameOf(scope.entry), isInlined: scope.kind === 'inlined', location, entry: entryAddress(scope) };
      location = this.callSite(scope);
      return frame;
    });
  }

  private callSite(scope: Scope): SourceFrame['location'] {
    const { entry } = scope;
    const file = this.attempt(() => this.units.fileName(entry.unit, entry.number(At.callFile)), undefined);
    return file === undefined ? undefined : { file, line: entry.number(At.callLine) ?? 0, column: entry.number(At.callColumn) ?? 0 };
  }

  /** The caller's registers, by call frame information or by convention. Registers and memory are those of the running program. */
  unwindFrame(registers: RegisterValues, context: UnwindContext): UnwindResult {
    return unwindFrame(this.unwindImage, registers, context);
  }

  /** Call frame information, read on first use. */
  get unwind(): CallFrameInformation {
    return (this.frames ??= new CallFrameInformation(this.frameSections(), this.registers.addressSize, address => this.loadedMap.find(address) !== undefined, this.image.warnings));
  }

  get unwindImage(): UnwindImage {
    return {
      registers: this.registers,
      frames: this.unwind,
      isCode: address => this.isCode(address),
      functionStart: address => this.functionAt(address)?.address,
      codeBytes: (address, length) => this.textBytes(address, length),
    };
  }

  private frameSections(): FrameSection[] {
    return (['.debug_frame', '.eh_frame'] as const).map(name => ({ name, bytes: this.sectionBytes(name), address: this.image.sectionNamed(name)?.address ?? 0n }));
  }

  /** C types, one object for each entry that describes one. */
  get types(): TypeTable {
    return (this.typeTable ??= new TypeTable(this.units.debugInfo));
  }

  /** Global variables and file-scope statics with storage or a value, by name. */
  globals(): GlobalIndex {
    return (this.globalIndex ??= new GlobalIndex(this.units, this.types));
  }

  /** A frame of the running program, for the values of its variables. */
  frame(state: FrameState): Frame {
    return new Frame(this, state);
  }

  private attempt<T>(work: () => T, fallback: T): T {
    return this.image.warnings.attempt(work, fallback);
  }

  private nameOf(entry: Entry): string {
    return this.attempt(() => entry.name, undefined) ?? (entry.tag === Tag.subprogram ? '(unnamed function)' : '(unnamed)');
  }

  private describe(entry: Entry): FunctionInfo {
    const scope = this.units.scopesOf(entry);
    const line = this.attempt(() => entry.inherited(each => each.number(At.declLine)), undefined);
    const file = this.attempt(() => entry.inherited(each => this.units.fileName(each.unit, each.number(At.declFile))), undefined);
    return {
      name: this.nameOf(entry),
      linkageName: this.attempt(() => linkageName(entry), undefined),
      address: this.attempt(() => entryAddress(scope), scope.ranges[0]?.start ?? 0n),
      ranges: scope.ranges,
      declaration: file !== undefined && line !== undefined ? { file, line } : undefined,
      isExternal: this.attempt(() => entry.inherited(each => each.flag(At.external) || undefined), undefined) ?? false,
      neverReturns: this.attempt(() => entry.inherited(each => each.flag(At.noreturn) || undefined), undefined) ?? false,
      hasDebugInfo: true,
    };
  }

  private describeSymbol(symbol: ImageSymbol): FunctionInfo {
    const end = symbol.address + BigInt(Math.max(1, symbol.size));
    return {
      name: symbol.name, linkageName: undefined, address: symbol.address, ranges: [{ start: symbol.address, end }], declaration: undefined,
      isExternal: symbol.isGlobal, neverReturns: false, hasDebugInfo: false,
    };
  }
}

/** Opens an image. Throws SymbolError when the bytes are not an ELF image that can be read at all. */
export function openSymbols(bytes: Uint8Array, options: { readonly name: string }): SymbolFile {
  return new SymbolFile(bytes, options.name);
}
