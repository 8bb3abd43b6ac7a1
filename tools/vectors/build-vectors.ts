// All recordings of the instruction table as the bytes of a vector file.
import { instructions } from '../../src/emulator/instructions';
import type { Definition } from '../../src/emulator/codegen/definitions';
import { recordings } from './forms';
import { processorName, record } from './record';
import { writeHeader, writeVector, Writer } from './vector-file';

/** Instructions with rare cases get more operands; those that only fault get fewer. */
function weight(d: Definition): number {
  if (d.floating) return 3;
  if (/^(DIV|IDIV|BT|BTS|BTR|BTC|CMPXCHG|CMPXCHG8B|RCL|RCR|ROL|ROR|SHL|SHR|SAR|CMPS|SCAS|MOVS|STOS|LODS|LDMXCSR|CLFLUSH|CLFLUSHOPT)$/.test(d.name)) return 2;
  return d.procedure && d.encodings.every(e => e.operands.length === 0) ? 0.5 : 1;
}

export function buildVectors(root: string, draws: number): { bytes: Uint8Array; count: number; processor: string } {
  const list = recordings(instructions.definitions, d => Math.ceil(draws * weight(d)));
  const names = [...new Set(list.map(r => r.name))], processor = processorName(), w = new Writer();
  writeHeader(w, processor, names, list.length);
  record(root, list, v => writeVector(w, v, names.indexOf(v.name)));
  return { bytes: w.take(), count: list.length, processor };
}
