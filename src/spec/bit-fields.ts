/**
 * The row type of every bit layout, and the two builders that write one.
 *
 * Positions are the manual's: `bits: [high, low]`, both included. Bits that no row names are reserved;
 * they are never written down, so that 'reserved' is always the complement of the rows.
 */

export interface BitField<Id extends string = string> {
  /** Highest and lowest bit, both included. */
  readonly bits: readonly [high: number, low: number];
  readonly id: Id;
  /** The manual's name. */
  readonly name: string;
  /** One sentence; empty where the name says all. */
  readonly meaning: string;
  /** What single values of the field mean. */
  readonly values?: Readonly<Record<number, string>>;
  /** Other meanings, for when a bit of the same word is clear. */
  readonly valuesIfClear?: { readonly bit: string; readonly values: Readonly<Record<number, string>> };
}

/** A field of one bit. */
export function bit<const Id extends string>(at: number, id: Id, name: string, meaning = ''): BitField<Id> {
  return { bits: [at, at], id, name, meaning };
}

/** A field of several bits, `high` to `low`. */
export function bits<const Id extends string>(high: number, low: number, id: Id, name: string, meaning = '', values?: Record<number, string>): BitField<Id> {
  return values === undefined ? { bits: [high, low], id, name, meaning } : { bits: [high, low], id, name, meaning, values };
}

/** The bits that `field` covers, in place. */
export function maskOf(field: Pick<BitField, 'bits'>): bigint {
  const [high, low] = field.bits;
  return ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
}

/** The value of `field` within `word`, shifted down. */
export function extract(field: Pick<BitField, 'bits'>, word: bigint): bigint {
  return (word & maskOf(field)) >> BigInt(field.bits[1]);
}

/** `word` with `field` replaced by `value` (unsigned, cut to the field's width). */
export function insert(field: Pick<BitField, 'bits'>, word: bigint, value: bigint): bigint {
  const mask = maskOf(field);
  return (word & ~mask) | ((value << BigInt(field.bits[1])) & mask);
}
