// The layout of the decode tables: what the builder writes (decoder-builder.ts), the core walks (core/decode.ts), and a processor model
// withdraws instructions from (processor-table.ts).
import { region } from './state-layout';

/** Letters of operands and sizes, as the core sees them: index + 1 (0 = none). */
export const operandLetters = ['E', 'G', 'M', 'R', 'Z', 'I', 'J', 'O', 'S', 'C', 'D', 'V', 'W', 'U', 'fixed', 'one', 'A', 'B'] as const;
export const operandSizes = ['b', 'w', 'd', 'q', 'v', 'z', 'y', 's', 'x', 'p', 'a', ''] as const;
export const sizeClasses = ['byte', 'word', 'doubleword', 'quadword', 'v', 'y', 'z'] as const;
export const rowFlags = ['d64', 'f64', 'lock', 'cc', 'procedure', 'endsBlock', 'rep', 'pop', 'vector', 'modrm', 'third', 'count', 'xlat', 'writes', 'bits'] as const;

/** Row: u16 case ids [register form, 4 sizes][memory form, 4 sizes], three operands (letter, size, fixed), size class, flags u16,
 * u8 1 + feature of spec/cpuid (0: always there), u16 1 + the row that the encoding is without it. */
export const row = { bytes: 32, registerCases: 0, memoryCases: 8, operands: 16, sizeClass: 25, flags: 26, feature: 28, otherwise: 30 } as const;

/** Selector node: u16 kind, then one u16 reference per value. A reference: 0 undefined opcode, n: row n - 1, 0x8000 | index: node at that u16 index. */
export const selectors = ['mode', 'prefix', 'mod', 'reg', 'rm'] as const;
export type Selector = (typeof selectors)[number];
export const selectorValues: Record<Selector, number> = { mode: 2, prefix: 4, mod: 2, reg: 8, rm: 8 };

const base = region('decodeTables').base;
/** Places in the region: 7 maps of 256 references, then the node pool, then the rows. */
export const decodeLayout = { maps: base, nodes: base + 0xe00, rows: base + 0x8000, caseNone: 0xffff } as const;
