// The symbols of an image by address and by name. Only symbols that name a place are kept: no section, file or undefined symbols.

import type { ElfImage, ElfSymbol } from './elf';
import { upperBound } from './range-map';

export interface ImageSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes, 0 when the file does not say (labels of assembly). */
  readonly size: number;
  readonly kind: 'function' | 'object' | 'none';
  readonly isGlobal: boolean;
  readonly isCode: boolean;
}

export interface SymbolAt {
  readonly symbol: ImageSymbol;
  readonly offset: bigint;
}

export class SymbolTable {
  /** In address order. Where several stand at one address, the one to be shown first comes first: functions, then globals. */
  readonly symbols: readonly ImageSymbol[];
  private readonly addresses: BigUint64Array;
  private readonly sectionOf: (address: bigint) => number | undefined;
  private names: Map<string, ImageSymbol[]> | undefined;
  private copies: Map<string, ImageSymbol[]> | undefined;

  /** `sectionOf` tells which loaded section contains an address: labels without a size do not reach beyond theirs. */
  constructor(image: ElfImage, isCode: (address: bigint) => boolean, sectionOf: (address: bigint) => number | undefined) {
    this.sectionOf = sectionOf;
    const symbols: ImageSymbol[] = [];
    for (const symbol of image.symbols()) {
      if (!namesPlace(symbol)) continue;
      symbols.push({
        name: symbol.name, address: symbol.address, size: symbol.size, kind: symbol.kind as ImageSymbol['kind'], isGlobal: symbol.binding !== 'local',
        isCode: symbol.kind === 'function' || (symbol.kind === 'none' && isCode(symbol.address)),
      });
    }
    symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : rank(b) - rank(a) || (a.name < b.name ? -1 : 1)));
    this.symbols = symbols;
    this.addresses = BigUint64Array.from(symbols, symbol => symbol.address);
  }

  named(name: string): readonly ImageSymbol[] {
    if (!this.names) {
      this.names = new Map();
      for (const symbol of this.symbols) {
        const known = this.names.get(symbol.name);
        if (known) known.push(symbol);
        else this.names.set(symbol.name, [symbol]);
      }
    }
    return this.names.get(name) ?? [];
  }

  /** Code symbols of a function by its source name: compilers add suffixes to copies that they specialised (`f.isra.0`, `f.part.1`). */
  codeNamed(name: string): readonly ImageSymbol[] {
    if (!this.copies) {
      this.copies = new Map();
      for (const symbol of this.symbols) {
        const dot = symbol.name.indexOf('.', 1);
        if (dot < 0 || !symbol.isCode || !/^\.(isra|constprop|part|lto_priv)\b/.test(symbol.name.slice(dot))) continue;
        const base = symbol.name.slice(0, dot);
        this.copies.set(base, [...(this.copies.get(base) ?? []), symbol]);
      }
    }
    return [...this.named(name).filter(symbol => symbol.isCode), ...(this.copies.get(name) ?? [])];
  }

  /** The symbol that contains an address, or of no known size and nearest below it. `codeOnly` looks at functions and code labels alone. */
  at(address: bigint, codeOnly: boolean): SymbolAt | undefined {
    let best: ImageSymbol | undefined;
    const section = this.sectionOf(address);
    if (section === undefined) return undefined;
    for (let i = upperBound(this.addresses, address) - 1, steps = 0; i >= 0 && steps < 256; i--, steps++) {
      const symbol = this.symbols[i]!;
      if (best && symbol.address !== best.address) break;
      if (codeOnly && !symbol.isCode) continue;
      if (symbol.size !== 0 ? address >= symbol.address + BigInt(symbol.size) : this.sectionOf(symbol.address) !== section) continue;
      best = symbol;
    }
    return best && { symbol: best, offset: address - best.address };
  }
}

function namesPlace(symbol: ElfSymbol): boolean {
  return symbol.name !== '' && symbol.section !== 0 && symbol.section !== 0xfff1 && (symbol.kind === 'function' || symbol.kind === 'object' || symbol.kind === 'none')
    && Number.isSafeInteger(symbol.size);
}

function rank(symbol: ImageSymbol): number {
  return (symbol.kind === 'function' ? 4 : symbol.kind === 'object' ? 2 : 0) + (symbol.isGlobal ? 1 : 0);
}
