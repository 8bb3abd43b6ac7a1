// Builds the decoder's tables from the definitions' encodings: rows (one per encoding) and, per opcode map, a tree that selects a row
// by mode, mandatory prefix and ModRM fields. The core walks them (core/decode.ts).
import type { Case } from './cases';
import { caseKey, formOf, procedureOf, sizesOf } from './cases';
import type { Definition, Encoding } from './definitions';
import { decodeLayout, operandLetters, operandSizes, row, rowFlags, selectors, type Selector, selectorValues as values } from './decode-layout';
import { region } from './state-layout';
import { cpuidFeatures } from '../../spec/cpuid';

const base = region('decodeTables').base;


interface RowSource { readonly definition: Definition; readonly encoding: Encoding; readonly index: number }

export function buildDecodeTables(definitions: readonly Definition[], cases: readonly Case[]): Uint8Array {
  const bytes = new Uint8Array(region('decodeTables').size), view = new DataView(bytes.buffer);
  const at = (address: number): number => address - base;
  const caseIds = new Map(cases.map(c => [caseKey(c.definition, c.form, c.size, c.code), c.id]));
  const memoryCases = new Map(cases.map(c => [caseKey(c.definition, c.form, c.size, c.code), c]));
  const rows: RowSource[] = definitions.flatMap(definition => definition.encodings.map(encoding => ({ definition, encoding }))).map((r, index) => ({ ...r, index }));
  if (at(decodeLayout.rows) + rows.length * row.bytes > bytes.length) throw new Error('too many encodings for the decode tables');
  for (const r of rows) {
    writeRow(view, at(decodeLayout.rows) + r.index * row.bytes, r, caseIds, memoryCases);
    writeFeature(view, at(decodeLayout.rows) + r.index * row.bytes, r, rows);
  }

  let nodeTop = 0;
  const selectorOf = (r: RowSource, dimension: Selector): number | undefined => {
    const { prefix, digit, form, modrm, options } = r.encoding;
    switch (dimension) {
      case 'mode': return options.has('i64') ? 0 : options.has('o64') ? 1 : undefined;
      case 'prefix': return prefix === undefined ? undefined : ['NP', '66', 'F3', 'F2'].indexOf(prefix);
      case 'mod': return modrm !== undefined ? 1 : form === undefined ? undefined : form === 'register' ? 1 : 0;
      case 'reg': return modrm !== undefined ? modrm >> 3 & 7 : digit;
      case 'rm': return modrm === undefined ? undefined : modrm & 7;
    }
  };
  const select = (candidates: readonly RowSource[], dimension: number): number => {
    if (candidates.length === 0) return 0;
    if (dimension === selectors.length) {
      if (candidates.length > 1) throw new Error(`ambiguous encodings: ${candidates.map(c => `${c.definition.name} '${c.encoding.text}'`).join(', ')}`);
      return candidates[0].index + 1;
    }
    const kind = selectors[dimension];
    if (candidates.every(c => selectorOf(c, kind) === undefined)) return select(candidates, dimension + 1);
    const node = nodeTop;
    nodeTop += 1 + values[kind];
    view.setUint16(at(decodeLayout.nodes) + node * 2, dimension, true);
    for (let value = 0; value < values[kind]; value++) {
      // a row that names the value wins over one that takes any
      const exact = candidates.filter(c => selectorOf(c, kind) === value);
      const any = candidates.filter(c => selectorOf(c, kind) === undefined);
      const chosen = kind === 'prefix' && exact.length > 0 ? withRest(exact, any) : [...exact, ...any];
      view.setUint16(at(decodeLayout.nodes) + (node + 1 + value) * 2, select(chosen, dimension + 1), true);
    }
    return 0x8000 | node;
  };
  for (let map = 0; map < 7; map++) {
    for (let opcode = 0; opcode < 256; opcode++) {
      const candidates = rows.filter(r => r.encoding.map === map && matchesOpcode(r.encoding, opcode));
      view.setUint16(at(decodeLayout.maps) + (map * 256 + opcode) * 2, select(candidates, 0), true);
    }
  }
  if (decodeLayout.nodes + nodeTop * 2 > decodeLayout.rows) throw new Error('too many selector nodes');
  return bytes;
}

/** With a mandatory prefix, rows without one still serve the ModRM values that no prefixed row takes. */
function withRest(exact: RowSource[], any: readonly RowSource[]): RowSource[] {
  const covers = ({ encoding: e }: RowSource, { encoding: a }: RowSource): boolean => (e.modrm === undefined || e.modrm === a.modrm)
    && (e.digit === undefined || e.digit === a.digit) && (e.form === undefined || a.form === undefined || e.form === a.form);
  return [...exact, ...any.filter(a => !exact.some(e => covers(e, a)))];
}

function matchesOpcode(e: Encoding, opcode: number): boolean {
  if (e.options.has('cc')) return (opcode & 0xf0) === (e.opcode & 0xf0);
  if (!e.registerInOpcode) return opcode === e.opcode;
  return (opcode & 0xf8) === e.opcode && !(e.map === 0 && opcode === 0x90);            // 90 itself is NOP; with REX.B the core takes the row of 91
}

function writeRow(view: DataView, at: number, { definition, encoding }: RowSource, caseIds: ReadonlyMap<string, number>, memoryCases: ReadonlyMap<string, Case>): void {
  const sizes = sizesOf(encoding);
  for (const memory of [false, true]) {
    for (let size = 0; size < 4; size++) {
      const procedure = procedureOf(definition, memory), form = procedure ? '' : formOf(encoding, memory);
      const code = definition.name === 'Jcc' ? 0 : undefined;
      const id = procedure ? caseIds.get(caseKey(definition, '', 3)) : sizes.includes(size as 0) ? caseIds.get(caseKey(definition, form, size, code)) : undefined;
      view.setUint16(at + (memory ? row.memoryCases : row.registerCases) + size * 2, id ?? decodeLayout.caseNone, true);
    }
  }
  encoding.operands.forEach((o, n) => {
    view.setUint8(at + row.operands + n * 3, operandLetters.indexOf(o.letter as 'E') + 1);
    view.setUint8(at + row.operands + n * 3 + 1, operandSizes.indexOf(o.size as 'b') + 1);
    view.setUint8(at + row.operands + n * 3 + 2, o.fixed ?? 0);
  });
  const usesModrm = encoding.digit !== undefined || encoding.modrm !== undefined || encoding.operands.some(o => 'EGMRSCDVWU'.includes(o.letter));
  const inMemory = sizes.map(size => memoryCases.get(caseKey(definition, formOf(encoding, true), size)));
  const flags = { d64: encoding.options.has('d64'), f64: encoding.options.has('f64'), lock: encoding.options.has('lock'), cc: encoding.options.has('cc'),
    procedure: definition.procedure !== undefined, endsBlock: definition.endsBlock, rep: encoding.options.has('rep'), pop: encoding.options.has('pop'),
    vector: encoding.operands.some(o => 'VWU'.includes(o.letter)), modrm: usesModrm, third: encoding.operands.some(o => o.letter === 'B'), count: encoding.options.has('count'),
    xlat: definition.name.startsWith('XLAT'), writes: inMemory.some(c => c?.writesMemory), bits: inMemory.some(c => c?.movesAddress) };
  view.setUint8(at + row.sizeClass, sizeClassOf(encoding, sizes));
  view.setUint16(at + row.flags, rowFlags.reduce((word, name, bit) => word | (flags[name] ? 1 << bit : 0), 0), true);
}

/** The feature that an encoding needs, and the row of what it is on processors without it. */
function writeFeature(view: DataView, at: number, { definition, encoding }: RowSource, rows: readonly RowSource[]): void {
  if (definition.feature === undefined) return;
  const feature = cpuidFeatures.findIndex(f => f.id === definition.feature);
  if (feature < 0) throw new Error(`${definition.name} needs the feature ${definition.feature}, which spec/cpuid does not have`);
  view.setUint8(at + row.feature, feature + 1);
  if (definition.otherwise === undefined) return;
  const other = rows.find(r => r.definition.name === definition.otherwise && r.encoding.map === encoding.map && r.encoding.opcode === encoding.opcode);
  if (!other) throw new Error(`${definition.name}: no encoding of ${definition.otherwise} at its opcode`);
  view.setUint16(at + row.otherwise, other.index + 1, true);
}

function sizeClassOf(encoding: Encoding, sizes: readonly number[]): number {
  // DX is a port number: it says nothing of the operand size
  const sized = encoding.operands.find(o => o.size !== '' && !'IJ'.includes(o.letter) && o.letter !== 'one' && !(o.letter === 'fixed' && o.size === 'w'));
  const size = encoding.options.has('b') ? 'b' : encoding.options.has('v') ? 'v' : encoding.options.has('z') ? 'z' : sized?.size ?? '';
  switch (size) {
    case 'b': return 0;
    case 'w': return 1;
    case 'd': return 2;
    case 'q': case 'x': return 3;
    case 'y': return 5;
    case 'z': return 6;
    case 'v': case 'p': case 'a': return 4;
    default: return sizes.length === 1 ? sizes[0] : 4;
  }
}
