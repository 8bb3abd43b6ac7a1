// Compares what the machine made of an instruction with what the real processor left.
import { undefinedFlags } from '../../../tools/vectors/undefined-flags';
import type { Outcome, Vector } from '../../../tools/vectors/vector-file';

const hex = (v: bigint | number): string => v.toString(16);

/** The code of a vector and its seed, for messages. */
export const describeVector = (v: Vector): string => `${v.name} [${[...v.code].map(b => b.toString(16).padStart(2, '0')).join(' ')}] seed ${v.seed} RFLAGS ${hex(v.before.rflags)}`;

/** Differences in words; none when the machine agrees wherever the manual defines the outcome. */
export function differences(v: Vector, machine: Outcome): string[] {
  const found: string[] = [], real = v.after;
  const check = (what: string, ours: bigint | number, theirs: bigint | number): void => { if (ours !== theirs) found.push(`${what} ${hex(ours)}, processor ${hex(theirs)}`); };
  if (machine.exception !== real.exception) return [`exception ${machine.exception}, processor ${real.exception} (255: none)`];
  if (real.exception === 14) { check('CR2', machine.cr2, real.cr2); check('error code', machine.error & 0xfe, real.error & 0xfe); }
  check('RIP', machine.rip, real.rip);
  for (let n = 0; n < 16; n++) if (machine.gpr[n] !== real.gpr[n]) check(`register ${n}`, machine.gpr[n], real.gpr[n]);
  for (let n = 0; n < 32; n++) if (machine.xmm[n] !== real.xmm[n]) check(`XMM${n >> 1} quadword ${n & 1}`, machine.xmm[n], real.xmm[n]);
  const ignored = undefinedFlags(v);
  check('RFLAGS', machine.rflags & ~ignored, real.rflags & ~ignored);
  check('MXCSR', machine.mxcsr, real.mxcsr);
  for (let n = 0; n < real.window.length; n++) if (machine.window[n] !== real.window[n]) { check(`memory +${n}`, machine.window[n], real.window[n]); break; }
  return found;
}
