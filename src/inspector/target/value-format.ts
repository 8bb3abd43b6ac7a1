// How numbers are shown: as is usual for what they are (registers and fields hexadecimal, C integers decimal), or all in one base. Addresses
// are hexadecimal in any case.
import type { TextOptions } from '../../symbols/values/scalar-text';

export const radixes = ['mixed', 'hexadecimal', 'decimal'] as const;
export type Radix = (typeof radixes)[number];

export class ValueFormat {
  radix: Radix = 'mixed';

  /** A number that fills so many bits. */
  number(value: bigint, bits: number): string { return this.radix === 'decimal' ? String(value) : hexOf(value, bits); }
  /** A number whose width says nothing. */
  plain(value: bigint): string { return this.radix === 'decimal' ? String(value) : `0x${value.toString(16)}`; }
  get ofC(): TextOptions { return { hexadecimal: this.radix === 'hexadecimal' }; }

  /** Does something with another base in force. */
  during<T>(radix: Radix | undefined, action: () => T): T {
    const before = this.radix;
    this.radix = radix ?? before;
    try { return action(); } finally { this.radix = before; }
  }
}

export const hexOf = (value: bigint, bits: number): string => `0x${value.toString(16).padStart(bits / 4, '0')}`;
