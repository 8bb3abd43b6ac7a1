// What a bare name means: parts of general registers, segment registers, fields of an exit, names of exit reasons and exceptions.
import { exceptions } from '../../spec/exceptions';
import { exitReasons } from '../../spec/exit-reasons';
import { generalNames, registerTable, segmentNames } from '../registers/register-table';
import type { ExitFields } from './scope';

/** A register, or the part of one that a name means: `ah` is 8 bits of rax from bit 8. */
export interface RegisterPart { readonly register: string; readonly low: number; readonly bits: number }

const parts = new Map<string, RegisterPart>(registerTable.map(({ name, bits }) => [name, { register: name, low: 0, bits }]));
const part = (name: string, register: string, bits: number, low = 0): void => { parts.set(name, { register, low, bits }); };
for (const [n, name] of generalNames.entries()) {
  if (n >= 8) for (const [suffix, bits] of [['d', 32], ['w', 16], ['b', 8]] as const) part(`${name}${suffix}`, name, bits);
  else {
    const base = name.slice(1);
    part(`e${base}`, name, 32);
    part(base, name, 16);
    part(n < 4 ? `${base[0]}l` : `${base}l`, name, 8);
    if (n < 4) part(`${base[0]}h`, name, 8, 8);
  }
}
part('eip', 'rip', 32);
part('ip', 'rip', 16);
part('eflags', 'rflags', 32);
part('flags', 'rflags', 16);
for (const segment of segmentNames) part(segment, `${segment}.selector`, 16);

/** Meaning of a register name in any case; dots as in `cs.base`, also written `cs_base`. */
export function registerPart(name: string): RegisterPart | undefined {
  const lower = name.toLowerCase();
  return parts.get(lower) ?? parts.get(lower.replace('_', '.'));
}
export const registerNames: readonly string[] = [...parts.keys()];

/** Names of exit fields in expressions. `level` in a condition on exits is `from`. */
export const exitFieldNames: Readonly<Record<string, keyof ExitFields>> = {
  reason: 'reason', from: 'from', to: 'to', level: 'from', vcpu: 'vcpu', leaf: 'leaf', subleaf: 'subleaf', msr: 'msr', port: 'port', vector: 'vector', length: 'length',
  qualification: 'qualification', gpa: 'gpa', gla: 'gla',
};

const namedNumbers: Readonly<Record<'reason' | 'vector', ReadonlyMap<string, number>>> = {
  reason: new Map(exitReasons.map(({ slug, number }) => [slug, number])),
  vector: new Map(exceptions.flatMap(({ mnemonic, vector }) => [[mnemonic.toLowerCase(), vector] as const, [mnemonic.replace('#', '').toLowerCase(), vector] as const])),
};

/** Number of a name that a field is compared with: `reason == ept-violation` (quoted, or with _), `vector == '#PF'`. */
export function numberOfName(field: string, name: string): number | undefined {
  if (field !== 'reason' && field !== 'vector') return undefined;
  return namedNumbers[field].get(name.toLowerCase().replaceAll('_', '-')) ?? namedNumbers[field].get(name.toLowerCase());
}

/** Names near a wrong one, for the message. */
export function nearNames(field: string, name: string): string[] {
  const start = name.toLowerCase().slice(0, 3);
  return field === 'reason' || field === 'vector' ? [...namedNumbers[field].keys()].filter(each => each.startsWith(start)).slice(0, 4) : [];
}
